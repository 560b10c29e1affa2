"""Repositories to measure on, made from the complete example."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
INCIDENTS = ".artifacts/incidents"
EXAMPLE = ROOT / "examples/complete" / INCIDENTS / "INC-2026-0042"
# Nobody's own settings may change what is measured.
GIT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@example.com",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@example.com",
}


def name_of(number: int) -> str:
    """The id of an incident."""
    return f"INC-2026-{number:05}"


def many(folder: Path, count: int) -> Path:
    """A site with so many incidents: copies of the example, each with its own id; made once."""
    site = folder / str(count)
    if site.is_dir():
        return site
    own = {p.name: p.read_text("utf-8") for p in EXAMPLE.iterdir() if p.suffix in (".json", ".md")}
    others = [p for p in EXAMPLE.rglob("*") if p.is_file() and p.name not in own]
    for number in range(count):
        target = site / INCIDENTS / name_of(number)
        for path in others:
            copy = target / path.relative_to(EXAMPLE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        for name, text in own.items():
            written = text.replace(EXAMPLE.name, name_of(number))
            (target / name).write_text(written, encoding="utf-8")
    (site / ".git").mkdir()
    return site


def git(site: Path, *arguments: str, given: IO[bytes] | None = None) -> str:
    """What git prints."""
    command = ["git", "-C", str(site), *arguments]
    done = subprocess.run(command, env=GIT, check=True, stdout=subprocess.PIPE, stdin=given)
    return done.stdout.decode().strip()


def committed(site: Path) -> Path:
    """The same, in a real repository whose first commit holds it all; made once."""
    if (site / ".git/HEAD").is_file():
        return site
    (site / ".git").rmdir()
    git(site, "init", "--quiet", "--initial-branch=main")
    git(site, "add", "--all")
    git(site, "commit", "--quiet", "--message=Evidence")
    return site


def pull_request(site: Path, touched: int) -> dict[str, str]:
    """Commits a change of so many incidents, and gives the variables of a run about it."""
    base = git(site, "rev-parse", "HEAD")
    git(site, "switch", "--quiet", "--create=change")
    for number in range(touched):
        report = site / INCIDENTS / name_of(number) / "INCIDENT-REPORT.md"
        report.write_text(report.read_text("utf-8") + "\nA sentence more.\n", encoding="utf-8")
    git(site, "commit", "--quiet", "--all", "--message=Reports")
    head = git(site, "rev-parse", "HEAD")
    tips = {"base": {"ref": "main", "sha": base}, "head": {"ref": "change", "sha": head}}
    payload = site.with_name(f"{site.name}-event.json")
    about = {"number": 7, "title": "Reports", "body": None, "labels": [], **tips}
    payload.write_text(json.dumps({"action": "opened", "number": 7, "pull_request": about}))
    return {
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(payload),
        "GITHUB_SHA": head,
    }


def long_history(site: Path, incidents: int, commits: int) -> Path:
    """A repository of many incidents and commits; only the first incident is checked out."""
    site.mkdir()
    git(site, "init", "--quiet", "--initial-branch=main")
    stream = site / "stream"
    with stream.open("wb") as out:
        _write_history(out, incidents, commits)
    with stream.open("rb") as given:
        git(site, "fast-import", "--quiet", given=given)
    stream.unlink()
    git(site, "reset", "--quiet")
    git(site, "checkout", "main", "--", f"{INCIDENTS}/{name_of(0)}")
    return site


def _write_history(out: IO[bytes], incidents: int, commits: int) -> None:
    """All incidents in the first commit, then one log of one of them in each."""
    own = EXAMPLE.name.encode()
    _write_commit(out, 0)
    for path in (p for p in EXAMPLE.rglob("*") if p.is_file()):
        data = path.read_bytes().replace(own, name_of(0).encode())
        _write_file(out, 0, path.relative_to(EXAMPLE).as_posix(), data)
    for number in range(1, incidents):
        _write_file(out, number, "decision-log.json", b"{}\n")
    for second in range(1, commits):
        _write_commit(out, second)
        _write_file(out, 1 + second % (incidents - 1), "decision-log.json", b"%d\n" % second)


def _write_commit(out: IO[bytes], second: int) -> None:
    when = 1_780_000_000 + second
    out.write(b"commit refs/heads/main\ncommitter bench <bench@example.com> %d +0000\n" % when)
    out.write(b"data 8\nEvidence\n")


def _write_file(out: IO[bytes], number: int, name: str, data: bytes) -> None:
    path = f"{INCIDENTS}/{name_of(number)}/{name}".encode()
    out.write(b"M 644 inline %s\ndata %d\n%s\n" % (path, len(data), data))
