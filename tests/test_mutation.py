"""What bench/mutation changes, one thing at a time, and what it leaves alone."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

BENCH = Path(__file__).parents[1] / "bench/mutation"


def _loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"mutation_{name}", BENCH / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


operators: Any = _loaded("operators")
readers: Any = _loaded("readers")
scores: Any = _loaded("scores")


def _changes(source: str) -> list[str]:
    return [mutant.change for mutant in operators.mutants(ast.parse(source))]


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("a < b", ["a < b → a <= b", "a < b → a >= b"]),
        ("a >= b", ["a >= b → a > b", "a >= b → a < b"]),
        ("a == b", ["a == b → a != b"]),
        ("a not in b", ["a not in b → a in b"]),
        ("a is None", ["a is None → a is not None"]),
        ("a and b", ["a and b → a or b"]),
        ("not a", ["not a → a"]),
        ("a + b", ["a + b → a - b"]),
        ("a | b", ["a | b → a & b"]),
        ("x = 5", ["5 → 6"]),
        ("x = True", ["True → False"]),
        ("x = 'key'", ["'key' → 'XXkey'"]),
        ("x = b'k'", ["b'k' → b'XXk'"]),
        ("any(a)", ["any(a) → pass", "any(a) → all(a)"]),
        ("x = sorted(a, key=b)", ["sorted(a, key=b) → list(a)"]),
        ("x = a.startswith(b)", ["a.startswith(b) → a.endswith(b)"]),
        ("if a:\n  b", ["if a → if not a"]),
        ("x = a if b else c", ["a if b else c → a if not b else c"]),
        ("for a in b:\n  continue", ["for a in b → for a in ()", "continue → pass"]),
        ("raise A", ["raise A → pass"]),
        ("try:\n  a\nexcept A:\n  b", ["except A → except ()"]),
        ("a += b", ["a += b → a -= b"]),
        ("def f():\n  return a", ["return a → return None"]),
        ("def f():\n  yield a", ["yield a → False and (yield a)"]),
        (
            "x = [a for a in b if c]",
            ["for a in b if c → for a in b", "for a in b if c → for a in b if not c"],
        ),
        (
            "x = re.compile('[ab]+')",
            [
                "re.compile('[ab]+') → re.compile('[b]+')",
                "re.compile('[ab]+') → re.compile('[a]+')",
                "re.compile('[ab]+') → re.compile('[ab]')",
                "'[ab]+' → 'XX[ab]+'",
            ],
        ),
    ],
)
def test_each_kind_of_change(source: str, changes: list[str]) -> None:
    assert _changes(source) == changes


@pytest.mark.parametrize(
    "source",
    [
        "'''A docstring.'''",
        "x = 'a message'",
        "x = f'{a}: {1 + 2}'",
        "x: int | None",
        "def f(a: int = b) -> list[int]: ...",
        "@rule('MIT004', at_once=True)\ndef f(): ...",
        "__all__ = ['a']",
        "if TYPE_CHECKING:\n  x = 1",
        "T = TypeVar('T')",
        "Check = Callable[['Chain'], bool]",
        "class A:\n  def __repr__(self):\n    return a + b",
        "def f():\n  return ''",
    ],
)
def test_what_is_left_alone(source: str) -> None:
    """Texts, types, declarations; and a return of nothing, for which None says the same."""
    assert [c for c in _changes(source) if not c.startswith("'' ")] == []


def test_a_change_is_made_for_a_while() -> None:
    tree = ast.parse("def f(a):\n    return a < 1")
    before = ast.dump(tree)
    seen = []
    for mutant in operators.mutants(tree):
        with operators.changed(tree, mutant) as statement:
            namespace: dict[str, Any] = {}
            exec(compile(ast.Module([statement], []), "x", "exec"), namespace)  # noqa: S102
            seen.append((mutant.change, namespace["f"](1)))
        assert ast.dump(tree) == before
    assert seen == [
        ("return a < 1 → return None", None),
        ("a < 1 → a <= 1", True),
        ("a < 1 → a >= 1", True),
        ("1 → 2", True),
    ]


def test_a_mutant_knows_its_function_and_lines() -> None:
    source = "class A:\n    @cached\n    def b(self):\n        return (1 +\n            x)\ny = 2"
    found = {m.change: m for m in operators.mutants(ast.parse(source))}
    inner, outer = found["1 → 2"], found["2 → 3"]
    assert (inner.function, inner.starts, sorted(inner.lines)) == ("A.b", 2, [4])
    assert (outer.function, outer.starts) == ("", 0)


def test_who_reads_a_name_is_found_in_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("LIMIT = 5\nMORE = LIMIT + 1\n")
    (tmp_path / "b.py").write_text("import a\ndef f():\n    x = 1\n    return x < a.MORE\n")
    (tmp_path / "c.py").write_text("import a\ndef g(x=a.LIMIT):\n    return x\n")
    statement = ast.parse("LIMIT = 6").body[0]
    found = readers.of(statement, tmp_path)
    assert {Path(file).name: sorted(lines) for file, lines in found.items()} == {
        "b.py": [4],
        "c.py": [2, 3],
    }
    assert readers.is_built_upon(statement, tmp_path)
    assert not readers.is_built_upon(ast.parse("MORE = 6").body[0], tmp_path)


def test_reasons_outlive_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "KEPT", tmp_path / "survivors.yaml")
    monkeypatch.setattr(scores, "SHOWN", tmp_path / "SCORES.md")
    first = scores.Survivor("a.py", "f", "x | y → x & y", "survived")
    other = scores.Survivor("a.py", "", "1 → 2", "not reached")
    scores.keep("door", 10, 10, [first, other])
    text = scores.KEPT.read_text(encoding="utf-8")
    scores.KEPT.write_text(text.replace("why: ''", "why: It is the same.", 1), encoding="utf-8")
    scores.keep("chain", 1200, 4, [])
    scores.keep("door", 8, 8, [first])
    assert scores.known("door") == {first.key}
    page = scores.SHOWN.read_text(encoding="utf-8")
    assert "| door | 8 | 8 | 7 | 87.5 % |" in page
    assert "| chain | 1,200 | 4 | 4 | 100.0 % |" in page
    assert "| all | 1,208 | 12 | 11 | 91.7 % |" in page
    assert "| a.py `f` | `` x \\| y → x & y `` | It is the same. |" in page
