"""Seals, amendments and small histories for cases and tests, made without the code under test."""

from __future__ import annotations

import hashlib
import json
import subprocess
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

import gitwork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MANIFEST = "evidence-manifest.json"
OUTSIDE = ("amendments.yaml", "retrospective.md", MANIFEST)


def digests(folder: Path) -> dict[str, str]:
    """The digest of every file of a folder that a seal takes."""
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in sorted(files.items())
        if name not in OUTSIDE
    }


def manifest(folder: Path, **own: Any) -> dict[str, Any]:
    """What aggregate would say, as far as a seal is concerned."""
    listed = [{"path": n, "sha256": d, "sealed": True} for n, d in digests(folder).items()]
    return {"sealed": True, "as_of": "2026-03-14T04:00:00Z", "commit": None, "files": listed, **own}


def seal(folder: Path, **own: Any) -> str:
    """Seals a folder; returns the digest of the manifest."""
    if own.get("commit") == "HEAD":
        own["commit"] = git(folder, "rev-parse", "HEAD")
    data = json.dumps(manifest(folder, **own)).encode()
    (folder / MANIFEST).write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def amend(folder: Path, sealed: dict[str, str], entries: Iterable[dict[str, Any]]) -> None:
    """Writes amendments, with the digests of the files that they name, then and now."""
    now = digests(folder)
    written = {"schema_version": "1.0", "incident_id": folder.name, "entries": []}
    for entry in entries:
        files = [
            {"path": name, "old_sha256": sealed.get(name), "new_sha256": now.get(name)}
            if isinstance(name, str)
            else name
            for name in entry["files"]
        ]
        made = {
            "at": "2026-03-16T09:00:00Z",
            "by": {"name": "Sam", "role": "operator"},
            "why": "A customer was named in it.",
            "approved_by": [{"name": "Alex", "role": "incident_commander"}],
            **entry,
            "files": files,
        }
        written["entries"].append(made)  # type: ignore[attr-defined]
    (folder / "amendments.yaml").write_text(json.dumps(written, indent=2), encoding="utf-8")


def git(folder: Path, *arguments: str, **environment: str) -> str:
    """What git prints."""
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**gitwork.ENVIRONMENT, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def begin(site: Path) -> None:
    """An empty repository."""
    git(site, "init", "--quiet", "--initial-branch=main")


def commit_all(
    site: Path,
    folder: Path,
    commits: list[dict[str, Any]],
    change: Callable[[Path, Path, dict[str, Any]], None],
) -> None:
    """Makes the commits that a case lists."""
    begin(site)
    for entry in commits:
        change(folder, site, entry)
        if "seal" in entry:
            seal(folder, **(entry["seal"] or {}))
        commit(site, folder, entry["at"], entry.get("author", "Sam"), entry.get("files", ("*",)))


def commit(
    site: Path, folder: Path, at: str, author: str = "Sam", files: Iterable[str] = ("*",)
) -> str:
    """Commits the files of a record that match, as somebody at some time; returns the commit."""
    patterns = tuple(files)
    name, _, address = author.partition(" <")
    if "*" in patterns:
        git(site, "add", "--all")
    else:
        names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        wanted = [n for n in names if any(fnmatch(n, pattern) for pattern in patterns)]
        git(folder, "add", "--", *wanted)
    who = {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": address.rstrip(">") or f"{name.lower()}@example.com",
        "GIT_AUTHOR_DATE": at,
        "GIT_COMMITTER_DATE": at,
    }
    git(site, "commit", "--quiet", "--allow-empty", "--message=evidence", **who)
    return git(site, "rev-parse", "HEAD")
