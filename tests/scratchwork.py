"""Throw-away repositories in which the commands of help texts and pages are run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gitwork import ENVIRONMENT, Site

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
WHEN = "2026-03-14T02:00:00Z"
ENTRY = (
    f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); "
    "from incident_gates.cli import main; main(prog_name='incident-gates')"
)


class Scratch:
    """A repository that holds an example, or nothing, and a shell in it that knows our command."""

    def __init__(self, folder: Path, example: str = "", *, clock: bool = False) -> None:
        self.site = Site(folder / "site")
        self.folder = self.site.folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.clock = folder / "clock"
        way = f'"{ROOT / "tests" / "moved_clock.py"}"' if clock else f'-c "{ENTRY}"'
        self._program("incident-gates", f'exec "{sys.executable}" {way} "$@"')
        self.site.git("config", "user.name", "Alex")
        self.site.git("config", "user.email", "alex@example.com")
        if example:
            self.site.example(example)
            self.commit("The example")

    def copied(self, folder: Path) -> Scratch:
        """The same once more, elsewhere."""
        shutil.copytree(self.bin.parent, folder, symlinks=True)
        other = Scratch.__new__(Scratch)
        other.site = Site.__new__(Site)
        other.site.folder = other.folder = folder / "site"
        other.bin, other.clock = folder / "bin", folder / "clock"
        return other

    def commit(self, message: str) -> None:
        """Commits everything at one fixed time, so that outputs that name a commit stay."""
        dated = {"GIT_AUTHOR_DATE": WHEN, "GIT_COMMITTER_DATE": WHEN}
        environment = {**ENVIRONMENT, **dated}
        for command in (("add", "--all"), ("commit", "-q", "--allow-empty", f"-m{message}")):
            subprocess.run(["git", *command], cwd=self.folder, env=environment, check=True)

    def set_clock(self, moment: str) -> None:
        """What the command line takes for now, where the clock was taken over."""
        self.clock.write_text(f"{moment}\n", encoding="utf-8")

    def programs(self, named: Mapping[str, str]) -> None:
        """Programs that a command of ours runs or reads from, as shell scripts."""
        for name, script in named.items():
            self._program(name, script)

    def _program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def copy(self, files: Sequence[Path]) -> None:
        """Puts files beside where the command stands."""
        for file in files:
            shutil.copy(file, self.folder)

    def run(self, line: str, seconds: int = 60) -> subprocess.CompletedProcess[str]:
        """One line as a person types it; both outputs in the order in which they came."""
        quiet = ("CI", "GITHUB_ACTIONS", "NO_COLOR")
        environment = {k: v for k, v in ENVIRONMENT.items() if k not in quiet}
        environment |= {
            "PATH": f"{self.bin}{os.pathsep}{environment['PATH']}",
            "PYTHONIOENCODING": "utf-8",
            "MOVED_CLOCK": str(self.clock),
        }
        for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"):
            environment.pop(name)
        return subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=seconds,
            check=False,
        )
