"""Completion: what it knows, that its table is what the commands say, and real shells that ask."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from incident_gates import completion
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
ID = "INC-2026-0042"
posix = pytest.mark.skipif(os.name != "posix", reason="shells of POSIX")


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / f"docs/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    for name in (ID, "INC-2026-0043", "INC-2025-0001"):
        (tmp_path / ".artifacts/incidents" / name).mkdir(parents=True)
    (tmp_path / ".artifacts/incidents/README.md").write_text("no incident", "utf-8")
    return tmp_path


def values(line: str) -> list[str]:
    """What may stand at the end of a line; a space there begins a new word."""
    words = line.split()
    begun = "" if line.endswith(" ") or not words else words.pop()
    return [value for _, value, _ in completion.complete(words, begun)]


def test_the_table_is_what_the_commands_say() -> None:
    """After a change of a command: python docs/completion.py."""
    script = _script("completion")
    assert script.rendered() == script.TARGET.read_text("utf-8")


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("", {"check", "status", "explain", "new", "record"}),
        ("st", {"status"}),
        ("status --wa", {"--watch"}),
        ("status --incident INC-2026", {ID, "INC-2026-0043"}),
        ("status --incident inc-2025", {"INC-2025-0001"}),
        ("status --incident=INC-2025", {"INC-2025-0001"}),
        ("status --incident = INC-2025", {"INC-2025-0001"}),
        (f"check --strict --incident {ID} --incident INC-2025", {"INC-2025-0001"}),
        ("check --gate re", {"recovery", "resolution"}),
        ("check --require ", {"due", "ready", "all"}),
        ("record app", {"approval"}),
        ("record approval --role release", {"release_manager"}),
        ("explain mit00", {f"MIT00{n}" for n in range(1, 10)}),
        ("explain decision", {"decision-log.json", "decision"}),
        ("explain blast", {"blast_radius"}),
        ("new INC-2025", {"INC-2025-0001"}),
        ("new tim", {"timeline"}),
    ],
)
def test_it_knows_what_may_stand_there(line: str, wanted: set[str]) -> None:
    found = values(line)
    assert wanted <= set(found)
    last = "" if line.endswith(" ") else line.rpartition(" ")[2].rpartition("=")[2]
    assert all(value.casefold().startswith(last.casefold()) for value in found)


def test_every_rule_is_known_with_what_it_says() -> None:
    said = {value: text for _, value, text in completion.complete(["explain"], "")}
    assert all(said[rule.id][:20] == rule.says[:20] for rule in RULES.values())


@pytest.mark.usefixtures("site")
def test_files_are_left_to_the_shell() -> None:
    assert completion.complete(["check"], "some") == [("file", "some", "")]
    assert completion.complete(["check", "--policy"], "") == [("file", "", "")]
    assert completion.complete(["record", "execution", "--"], "./ro") == [("file", "./ro", "")]
    assert completion.complete(["check", "--root"], "x") == [("dir", "x", "")]


def test_an_option_that_takes_free_text_offers_nothing() -> None:
    assert completion.complete(["status", "--as-of"], "") == []


def test_ids_come_from_where_the_policy_puts_them(site: Path) -> None:
    (site / "ops/incidents/OPS-7").mkdir(parents=True)
    (site / ".incident-gates.yaml").write_text("roots: [ops/incidents]\n", "utf-8")
    assert completion.incident_ids("") == ["OPS-7"]
    (site / ".incident-gates.yaml").write_text("roots: [[\n", "utf-8")
    assert ID in completion.incident_ids("")


def test_ids_of_another_root_and_of_a_part_of_a_monorepo(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "shop/.artifacts/incidents/SHOP-1").mkdir(parents=True)
    root = str(site / "shop/.artifacts/incidents")
    asked = completion.complete(["status", "--root", root, "--incident"], "")
    assert [value for _, value, _ in asked] == ["SHOP-1"]
    shutil.rmtree(site / ".artifacts")
    monkeypatch.chdir(site / "shop")
    assert completion.incident_ids("") == ["SHOP-1"]


def test_a_folder_with_a_name_that_a_shell_would_obey_is_left_out(site: Path) -> None:
    root = site / ".artifacts/incidents"
    for name in ("INC $(touch x)", "INC;rm", "INC`id`", "INC\x1b[2J", "INC,plain", ".hidden"):
        (root / name).mkdir()
    assert all(name.replace("-", "").isalnum() for name in completion.incident_ids(""))


def test_where_nothing_is_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert completion.incident_ids("") == []


def _loaded(site: Path, words: str, at: int) -> set[str]:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})\n"
        "from incident_gates.entry import main; main(); print(*sys.modules, file=sys.stderr)"
    )
    asked = {
        completion.ASKED: "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(at),
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=site,
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ID in done.stdout
    return set(done.stderr.split())


def test_an_answer_loads_nothing_but_the_table(site: Path) -> None:
    loaded = _loaded(site, "incident-gates status --incident INC-", 3)
    assert not {"click", "yaml", "json", "re", "pathlib", "shlex"} & (
        loaded - _loaded_by_python(site)
    )


def _loaded_by_python(site: Path) -> set[str]:
    code = "import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=site, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_quoted_words_are_read_as_the_shell_reads_them(site: Path) -> None:
    assert "click" in _loaded(site, f"incident-gates check --as-of 'a b' --incident {ID}", 5)


# --- real shells ---------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the command is on the path, as an installation puts it."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "incident-gates"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT / 'src')!r})\n"
        "from incident_gates.entry import main\nsys.exit(main())\n",
        "utf-8",
    )
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def _asked(shell: list[str], program: dict[str, str], site: Path) -> list[str]:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    done = subprocess.run(
        shell, cwd=site, env=program, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


BASH = """
eval "$(_INCIDENT_GATES_COMPLETE=bash_source incident-gates)"
compopt() { :; }
ask() { COMP_WORDS=(incident-gates "$@"); COMP_CWORD=$#; COMPREPLY=()
        _incident_gates_completion incident-gates; echo "${COMPREPLY[*]}"; }
ask status --incident INC-2026
ask explain mit004
ask check --gate reco
"""


@posix
def test_bash_completes(program: dict[str, str], site: Path) -> None:
    said = _asked(["bash", "--norc", "-c", BASH], program, site)
    assert said[:3] == [f"{ID} INC-2026-0043", "MIT004", "recovery"]


FISH = """
_INCIDENT_GATES_COMPLETE=fish_source incident-gates | source
complete -C 'incident-gates status --incident INC-2026'
complete -C 'incident-gates explain MIT004'
complete -C 'incident-gates check --gate reco'
"""


@posix
def test_fish_completes_with_descriptions(program: dict[str, str], site: Path) -> None:
    said = _asked(["fish", "--no-config", "-c", FISH], program, site)
    assert said[:2] == [ID, "INC-2026-0043"]
    assert said[2] == f"MIT004\t{RULES['MIT004'].says}"
    assert said[3] == "recovery"


ZSH = r"""
autoload -Uz compinit && compinit -u -d $TMPPREFIX.dump
source =(_INCIDENT_GATES_COMPLETE=zsh_source incident-gates)
compadd() { print -r -- "${(@P)@[-1]}" }
_describe() { print -r -- "${(@P)3}" }
ask() { words=(incident-gates "$@"); CURRENT=$(( $# + 1 )); _incident_gates_completion }
ask status --incident INC-2026
ask explain mit004
ask check --gate reco
"""


@posix
def test_zsh_completes_with_descriptions(program: dict[str, str], site: Path) -> None:
    said = _asked(["zsh", "-f", "-c", ZSH], program, site)
    assert said[0] == f"{ID} INC-2026-0043"
    assert said[1] == f"MIT004:{RULES['MIT004'].says}"
    assert said[2] == "recovery"
