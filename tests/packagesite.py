"""A copy of an example, packaged by the command; shared by the tests of the package."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from incident_gates import schema
from incident_gates.cli import main
from incident_gates.package import own

ROOT = Path(__file__).resolve().parents[1]
ID = "INC-2026-0042"
OUTPUTS = own.WRITTEN


class Site:
    """A copy of an example, and what was written there."""

    def __init__(self, site: Path, example: str) -> None:
        shutil.copytree(ROOT / "examples" / example, site, dirs_exist_ok=True)
        self.site = site
        self.root = site / ".artifacts/incidents"
        self.folder = self.root / ID

    def run(self, *arguments: str) -> Result:
        debug = {"INCIDENT_GATES_DEBUG": "1"}
        return CliRunner().invoke(main, ["aggregate", *arguments], env=debug)

    def git(self, *arguments: str) -> str:
        """Git in the copy, as an author that nobody is."""
        who = ("-c", "user.name=Robin", "-c", "user.email=robin@example.com")
        fixed = ("-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main")
        done = subprocess.run(
            ["git", *who, *fixed, *arguments],
            cwd=self.site,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def committed(self, message: str = "Evidence") -> str:
        """The id of a commit that holds everything as it is."""
        if not (self.site / ".git").exists():
            self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def edit(self, name: str, old: str, new: str) -> None:
        """Replaces a text in a file of the record."""
        path = self.folder / name
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def manifest(self, folder: Path | None = None) -> dict[str, Any]:
        text = ((folder or self.folder) / own.MANIFEST).read_text("utf-8")
        manifest: dict[str, Any] = json.loads(text)
        assert schema.fits("evidence-manifest", manifest)
        return manifest

    def metrics(self) -> dict[str, tuple[float | None, str]]:
        listed = self.manifest()["quality_metrics"]
        return {m["id"]: (m["value"], m["status"]) for m in listed}

    def bytes(self) -> dict[str, bytes]:
        return {name: (self.folder / name).read_bytes() for name in OUTPUTS}


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    return Site(tmp_path, getattr(request, "param", "complete"))


def on(*examples: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("site", examples, indirect=True)
