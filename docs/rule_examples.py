"""Writes a snippet of evidence that breaks each rule, and one that keeps it, from tests/cases.

Both are judged on the way: what is shown as failing fails, and what is shown as passing does not.
``--check`` only compares.
"""

from __future__ import annotations

import difflib
import json
import sys
import tempfile
import textwrap
import zipfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import casework  # noqa: E402
import yaml  # noqa: E402

from incident_gates.rules import RULES  # noqa: E402

TARGET = ROOT / "src/incident_gates/desk/rule_examples.json"
JUDGED_BY = ("base", "now", "require", "gates", "strict", "policy", "git")
MOST, WIDEST = 9, 200
Files = dict[str, list[str]]


class Judged(NamedTuple):
    """A case with the text of its files, and what the rule found in it."""

    case: casework.Case
    files: Files
    found: list[Any]


def main(arguments: list[str]) -> int:
    """Writes the examples, or says whether they are what the cases show."""
    text = json.dumps(collected(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if "--check" not in arguments:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET.name} is not what the cases show: python docs/rule_examples.py")
    return 1


def collected() -> dict[str, Any]:
    """The examples of every rule."""
    by_rule: dict[str, list[casework.Case]] = {}
    for case in casework.discovered():
        by_rule.setdefault(case.rule, []).append(case)
    return {rule: _examples(rule, cases) for rule, cases in by_rule.items() if rule in RULES}


def _examples(rule: str, cases: list[casework.Case]) -> dict[str, Any]:
    """The pair with the smallest difference: a record that fails, and its like that does not."""
    judged = [_judged(rule, case) for case in cases]
    passing = [entry for entry in judged if not entry.found]
    pairs = []
    for failing in (entry for entry in judged if entry.found):
        bare = {k: v for k, v in failing.case.data.items() if k in JUDGED_BY}
        base = _judged(rule, casework.Case(ROOT / "tests", bare))
        pairs += [(failing, other) for other in (base, *passing) if not other.found]
    if not pairs:
        raise SystemExit(f"{rule}: no case fails where another passes")
    return _pair(*min(pairs, key=lambda pair: _hard_to_read(rule, *pair)))


def _judged(rule: str, case: casework.Case) -> Judged:
    report, files = _built(case.folder, json.dumps(case.data, sort_keys=True))
    needs = (f for gate in report.gates for f in gate.needs)
    found = [f for f in (*report.all_findings, *needs) if f.rule == rule]
    names = {f.location.file.removeprefix(f"{report.path}/"): f for f in reversed(found)}
    return Judged(case, files, list(names.items()))


@cache
def _built(folder: Path, data: str) -> tuple[Any, Files]:
    """The report on a case and its files; what changes nothing is judged once for all rules."""
    case = casework.Case(folder, json.loads(data))
    overlay = folder / "files"
    if not case.data.keys() - set(JUDGED_BY) and not overlay.is_dir():
        return _bare(data)
    return _judgement(case)


@cache
def _bare(data: str) -> tuple[Any, Files]:
    return _judgement(casework.Case(ROOT / "tests", json.loads(data)))


def _judgement(case: casework.Case) -> tuple[Any, Files]:
    with tempfile.TemporaryDirectory() as target:
        report = casework.judge(case, Path(target))
        place = Path(target, report.path)
        files = {str(p.relative_to(place)): _lines(p) for p in place.rglob("*") if p.is_file()}
    return report, files


def _lines(path: Path) -> list[str]:
    data = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return sorted(archive.namelist())
    try:
        text = data.decode()
        if path.suffix == ".json":
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return [f"({len(data)} bytes)"]
    return text.splitlines()


def _hard_to_read(rule: str, failing: Judged, passing: Judged) -> tuple[int, ...]:
    """How much must be known to see the difference, worst first."""
    pair = _pair(failing, passing)
    bare = sum(not any(c.isalnum() for c in "".join(pair[s]["lines"])) for s in pair)
    changed = _changed(failing, passing)
    return (
        failing.found[0][1].level != RULES[rule].level,
        bare,
        len(_setting(failing)) + len(_setting(passing)),
        len(changed) or len(passing.files),
        sum(len(_hunks(failing, passing, name)) for name in changed),
        max(len(pair[side]["lines"]) for side in pair),
        len(failing.case.data["why"]),
    )


def _changed(failing: Judged, passing: Judged) -> list[str]:
    names = sorted(failing.files.keys() | passing.files.keys())
    return [n for n in names if failing.files.get(n) != passing.files.get(n)]


def _where(failing: Judged, passing: Judged) -> tuple[str, int]:
    """The file to show, and the line in it that the rule names."""
    name, found = failing.found[0]
    changed = _changed(failing, passing)
    if name in changed or not changed:
        return name, found.location.line or 1
    return changed[0], 1


def _hunks(failing: Judged, passing: Judged, name: str) -> list[tuple[int, int, int, int]]:
    one, other = failing.files.get(name, []), passing.files.get(name, [])
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    return [(i1, i2, j1, j2) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"]


def _pair(failing: Judged, passing: Judged) -> dict[str, Any]:
    name, line = _where(failing, passing)
    hunks = _hunks(failing, passing, name) or [(line - 1, line, line - 1, line)]
    i1, i2, j1, j2 = min(hunks, key=lambda h: abs(h[0] + 1 - line))
    own = passing.case.data.get("why", "")
    return {
        "fails": {
            "why": failing.case.data["why"],
            "file": name,
            "lines": _shown(failing, name, i1, i2),
            "found": failing.found[0][1].message,
            **_setting(failing),
        },
        "passes": {
            "why": own,
            "file": name,
            "lines": _shown(passing, name, j1, j2),
            **_setting(passing),
        },
    }


def _setting(judged: Judged) -> dict[str, Any]:
    """What it was judged by, where that is not the usual."""
    data, said = judged.case.data, {}
    if "policy" in data:
        said["policy"] = yaml.safe_dump(data["policy"], sort_keys=False).splitlines()[:MOST]
    if "now" in data:
        said["as_of"] = data["now"]
    if "git" in data:
        said["git"] = [_commit(entry) for entry in data["git"]][:MOST]
    return said


def _commit(entry: dict[str, Any]) -> str:
    """One commit of a case as a line."""
    files = ", ".join(entry.get("files", ())) or "everything"
    return f"{entry.get('at', '')} {entry.get('author', '')}: {files}".strip()


def _shown(judged: Judged, name: str, begin: int, end: int) -> list[str]:
    """The changed lines, with one more on either side; [] where there is no such file."""
    lines = judged.files.get(name, [])
    kept = lines[max(begin - 1, 0) : end + 1]
    if len(kept) > MOST:
        kept = [*kept[: MOST - 1], "…"]
    return [line[:WIDEST] for line in textwrap.dedent("\n".join(kept)).splitlines()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
