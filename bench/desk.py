"""Measures what a person waits for at the desk, as whole processes beside their peers.

Usage: python bench/desk.py [--rounds 15] [--incidents 10000]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import run

# What a console script does, once it is installed.
DESK = "import sys; sys.path.insert(0, {src!r}); from incident_gates.entry import main; main()"
PEER = Path(sys.executable).with_name("check-jsonschema")


def desk(*arguments: str) -> list[str]:
    """One call of the command, from this checkout."""
    return [sys.executable, "-c", DESK.format(src=str(run.ROOT / "src")), *arguments]


def status(folder: Path, rounds: int) -> str:
    """The statement on one incident beside a peer that only says its version."""
    shutil.copytree(run.ROOT / "examples/in-progress-3", folder, dirs_exist_ok=True)
    os.chdir(folder)
    _, _, ratio = run.interleaved([desk("status")], [[str(PEER), "--version"]], rounds)
    return f"status of one incident / check-jsonschema --version: {ratio:.2f} (aim < 1)"


def completion(folder: Path, rounds: int, incidents: int) -> str:
    """An incident id among many beside a bare Python and a bare git."""
    for number in range(incidents):
        (folder / f".artifacts/incidents/INC-2026-{number:05}").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)  # noqa: S607
    os.chdir(folder)
    asked = {
        "_INCIDENT_GATES_COMPLETE": "bash_complete",
        "COMP_WORDS": "incident-gates status --incident INC-2026-0004",
        "COMP_CWORD": "3",
    }
    os.environ.update(asked)
    floor = [[sys.executable, "-c", "pass"], ["git", "--version"]]
    _, _, ratio = run.interleaved([desk()], floor, rounds)
    for name in asked:
        del os.environ[name]
    return f"an id among {incidents:,} / python -c pass + git --version: {ratio:.2f} (aim ≤ 1.5)"


def main() -> None:
    """Prints both ratios, medians of pairs measured in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--incidents", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one, many = Path(folder, "one"), Path(folder, "many")
        many.mkdir()
        print(status(one, given.rounds))
        print(completion(many, given.rounds, given.incidents))
        os.chdir(run.ROOT)


if __name__ == "__main__":
    main()
