"""What a run imports: nothing that takes long and that it does not need."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMPLETE = ROOT / "examples/complete"
EXPLAINING = {"jsonschema", "referencing"}
PARSING_MARKDOWN = {"pyromark", "markdown_it", "html.parser"}
ASKING_GIT = {"git", "gitdb"}
MANY_PROCESSES = {"concurrent.futures", "multiprocessing"}
FETCHING = {"http.client", "urllib.request", "ssl"}
NOT_NEEDED = EXPLAINING | ASKING_GIT | MANY_PROCESSES | FETCHING


def imported(site: Path, *arguments: str) -> set[str]:
    """The modules that one run leaves behind, in a process of its own."""
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from incident_gates.entry import main\n"
        "try: main()\n"
        "finally: print(*sorted(sys.modules), sep='\\n', file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, str(ROOT / "src"), *arguments]
    done = subprocess.run(command, cwd=site, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return set(done.stderr.split())


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A repository that holds the complete record."""
    shutil.copytree(COMPLETE, tmp_path, dirs_exist_ok=True)
    (tmp_path / ".git").mkdir()
    return tmp_path


@pytest.fixture
def json_alone(tmp_path: Path) -> Path:
    """A repository whose one record is a JSON file."""
    folder = tmp_path / ".artifacts/incidents/INC-2026-0042"
    folder.mkdir(parents=True)
    said = {"schema_version": "1.0", "incident_id": "INC-2026-0042", "decisions": []}
    (folder / "decision-log.json").write_text(json.dumps(said))
    (tmp_path / ".git").mkdir()
    return tmp_path


@pytest.mark.parametrize("command", ["check", "status"])
def test_a_record_in_order_needs_no_explanation_and_no_git(command: str, site: Path) -> None:
    """Nothing is wrong with its shape, one process is enough, and nobody asked for history."""
    assert not imported(site, command) & NOT_NEEDED


@pytest.mark.parametrize("command", ["check", "status"])
def test_a_record_of_json_alone_needs_no_markdown(command: str, json_alone: Path) -> None:
    """What is not there is not parsed."""
    assert not imported(json_alone, command) & (NOT_NEEDED | PARSING_MARKDOWN)


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("check", "--help")])
def test_help_judges_nothing(arguments: tuple[str, ...], site: Path) -> None:
    """Whoever asks how to call it does not wait for what judges."""
    judging = {"incident_gates.engine", "jsonschema_rs", "yaml"}
    assert not imported(site, *arguments) & (NOT_NEEDED | PARSING_MARKDOWN | judging)


def test_what_is_wrong_is_explained(json_alone: Path) -> None:
    """The same look finds what explains and what parses, where there is work for them."""
    folder = json_alone / ".artifacts/incidents/INC-2026-0042"
    (folder / "decision-log.json").write_text('{"decisions": "none"}')
    shutil.copy(COMPLETE / ".artifacts/incidents/INC-2026-0042/mitigation-plan.md", folder)
    assert {"jsonschema", "pyromark"} <= imported(json_alone, "check")
