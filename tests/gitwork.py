"""Throw-away git repositories, and the events that GitHub would send about them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident_gates.github import change
from incident_gates.run import Job

if TYPE_CHECKING:
    import pytest

    from incident_gates.model import Report

AS_OF = "2026-03-20T00:00:00Z"
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
INCIDENTS = ".artifacts/incidents"
ZERO = "0" * 40
# Nobody's own settings may change what these repositories are.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Sam",
    "GIT_AUTHOR_EMAIL": "sam@example.com",
    "GIT_COMMITTER_NAME": "Sam",
    "GIT_COMMITTER_EMAIL": "sam@example.com",
}


class Site:
    """A repository with a branch main and one commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        self.write("README.md", "A service.\n")
        self.first = self.commit("first")

    def git(self, *arguments: str) -> str:
        """What git prints."""
        return subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=ENVIRONMENT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def write(self, path: str, text: str = "x\n") -> None:
        """Writes a file, and its folders."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def example(self, name: str, incident: str = "INC-2026-0042", into: str = ".") -> Path:
        """Puts the evidence of an example in place."""
        target = self.folder / into
        # With new times: git tells two files of one size apart by their time and place.
        shutil.copytree(EXAMPLES / name, target, dirs_exist_ok=True, copy_function=shutil.copy)
        for extra in ("README.md", "expected.txt"):
            (target / extra).unlink(missing_ok=True)
        return target / INCIDENTS / incident

    def change(self, incident: Path, file: str = "retrospective.md") -> None:
        """Adds to a file of a record, so that a change touches it."""
        with (incident / file).open("a", encoding="utf-8") as stream:
            stream.write("\n")

    def commit(self, message: str) -> str:
        """Commits everything; returns the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str, start: str = "main") -> None:
        """Begins a branch."""
        self.git("checkout", "--quiet", "-B", name, start)

    def merged(self, name: str = "feature") -> str:
        """Checks out what GitHub would: the merge of a branch into main."""
        self.git("checkout", "--quiet", "--detach", "main")
        self.git("merge", "--quiet", "--no-ff", f"--message=Merge {name}", name)
        return self.git("rev-parse", "HEAD")

    def clone(self, folder: Path, commit: str, depth: int = 1) -> None:
        """A checkout as actions/checkout makes it: one commit fetched, detached."""
        folder.mkdir()
        other = Site.__new__(Site)
        other.folder = folder
        other.git("init", "--quiet")
        other.git("remote", "add", "origin", self.folder.as_uri())
        deep = (f"--depth={depth}",) if depth else ()
        other.git("fetch", "--quiet", "--no-tags", *deep, "origin", commit)
        other.git("checkout", "--quiet", "--detach", "FETCH_HEAD")


def pull_request(site: Site, branch: str = "feature", **own: Any) -> dict[str, Any]:
    """The payload of a pull request of a branch to main."""
    tips = {"head": site.git("rev-parse", branch), "base": site.git("rev-parse", "main")}
    about = {
        "number": 7,
        "title": "A change",
        "body": None,
        "draft": False,
        "labels": [],
        "head": {"ref": branch, "sha": tips["head"]},
        "base": {"ref": "main", "sha": tips["base"]},
    }
    labels = [{"name": name} for name in own.pop("labels", ())]
    return {
        "action": "opened",
        "number": 7,
        "pull_request": {**about, "labels": labels, **own},
        "repository": {"default_branch": "main", "full_name": "octo/service"},
    }


def push(site: Site, before: str, branch: str = "main", **own: Any) -> dict[str, Any]:
    """The payload of a push."""
    return {
        "ref": f"refs/heads/{branch}",
        "before": before,
        "after": site.git("rev-parse", "HEAD"),
        "created": before == ZERO,
        "deleted": False,
        "forced": False,
        "repository": {"default_branch": "main", "full_name": "octo/service"},
        **own,
    }


def environment(
    folder: Path, temporary: Path, name: str, payload: Any, sha: str = ""
) -> dict[str, str]:
    """The variables that a runner sets."""
    temporary.mkdir(exist_ok=True)
    event = temporary / "event.json"
    event.write_text(payload if isinstance(payload, str) else json.dumps(payload))
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=folder,
        env=ENVIRONMENT,
        check=False,
        capture_output=True,
        text=True,
    ).stdout.strip()
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": name,
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_OUTPUT": str(temporary / "output"),
        "GITHUB_REPOSITORY": "octo/service",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": sha or head,
        "GITHUB_STEP_SUMMARY": str(temporary / "summary.md"),
        "GITHUB_WORKFLOW_REF": "octo/service/.github/workflows/gates.yml@refs/pull/7/merge",
    }


class Runner:
    """Judges a checkout under an event."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
        self.monkeypatch = monkeypatch
        self.temporary = temporary

    def __call__(
        self, folder: Path, name: str, payload: Any, scope: str = "changed", **job: Any
    ) -> Report:
        sha = job.pop("sha", "")
        given = environment(folder, self.temporary, name, payload, sha)
        for variable, value in given.items():
            self.monkeypatch.setenv(variable, value)
        return change.judge(Job(**{"cwd": folder, "as_of": AS_OF, **job}), scope).report
