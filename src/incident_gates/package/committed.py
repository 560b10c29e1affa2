"""What git says of the files of records at this moment; few questions, however many records."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from incident_gates.evidence import history
from incident_gates.package.own import MANIFEST, NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from incident_gates.incident import Record

# More paths than this are asked for by the folder that holds them.
PATHS = 50
# Enough commits to pass those that only wrote the package.
FIRST = 10
SECONDS = 120
COMMIT = "\x01"
UNTRACKED, IGNORED = "??", "!!"


class Committed(NamedTuple):
    """The last commit that touched a record's evidence, and what no commit holds as it is now.

    ``commit`` is None where git cannot say: no repository, no commit yet, or a shallow clone.
    ``manifest`` is the committed manifest, where the folder has another one or none.
    """

    commit: str | None = None
    uncommitted: tuple[str, ...] = ()
    known: bool = False
    manifest: bytes | None = None


def of(records: Sequence[Record]) -> dict[Path, Committed]:
    """By folder, for each record that stands in a repository."""
    groups: dict[Path, list[Path]] = defaultdict(list)
    for record in records:
        repository = _repository(record.base)
        if repository:
            groups[repository].append(record.folder)
    found = {record.folder: Committed() for record in records}
    for repository, folders in groups.items():
        found |= _in_repository(repository, folders)
    return found


def _repository(base: Path) -> Path | None:
    """The nearest repository: a part of a monorepo has a policy of its own, and git above it."""
    return next((c for c in (base, *base.parents) if (c / ".git").exists()), None)


def _in_repository(repository: Path, folders: list[Path]) -> dict[Path, Committed]:
    names = {f.relative_to(repository).as_posix(): f for f in folders}
    asked = tuple(names) if len(names) <= PATHS else _parents(names)
    changed = history.status(repository, asked, SECONDS)
    if changed is None:
        return {}
    commits = _commits(repository, asked, set(names))
    loose = _by_folder(changed, set(names))
    return {
        folder: Committed(
            commits.get(name),
            tuple(sorted(loose[name])),
            known=True,
            manifest=_committed(repository, f"{name}/{MANIFEST}", changed),
        )
        for name, folder in names.items()
    }


def _committed(repository: Path, path: str, changed: Mapping[str, str]) -> bytes | None:
    """The manifest as the last commit has it, asked for only where the folder's differs."""
    if changed.get(path, UNTRACKED) in (UNTRACKED, IGNORED):
        return None
    return history.offline(repository, "cat-file", "blob", f"HEAD:{path}")


def _parents(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name.rpartition("/")[0] or "." for name in names}))


def _by_folder(paths: Iterable[str], names: set[str]) -> dict[str, list[str]]:
    """Paths under the record that each belongs to; what aggregate itself writes is left out."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for path in paths:
        name = _owner(path, names)
        inside = path[len(name) + 1 :] if name else ""
        if name and inside and inside not in NAMES:
            found[name].append(inside)
    return found


def _owner(path: str, names: set[str]) -> str:
    """The record that a path belongs to: the nearest folder above it."""
    while "/" in path:
        path = path.rpartition("/")[0]
        if path in names:
            return path
    return ""


def _commits(repository: Path, asked: tuple[str, ...], names: set[str]) -> dict[str, str]:
    """The last commit of each; unknown in a shallow clone, whose first commit brings everything."""
    shallow = history.offline(repository, "rev-parse", "--is-shallow-repository")
    if shallow is None or shallow.strip() != b"false":
        return {}
    if len(names) == 1:
        found = _last(_log(repository, asked, f"--max-count={FIRST}"), names)
        if found:
            return found
    return _last(_log(repository, asked), names)


def _log(repository: Path, asked: tuple[str, ...], *limit: str) -> Iterator[tuple[str, str]]:
    """Each commit with each path that it touched, newest first."""
    flags = ("--format=%x01%H", "--name-only", "--no-renames", "-z", *limit)
    answer = history.offline(repository, "log", *flags, "--", *asked, seconds=SECONDS) or b""
    commit = ""
    for token in os.fsdecode(answer).split("\0"):
        path = token.lstrip("\n")
        if path.startswith(COMMIT):
            commit, _, path = path[1:].partition("\n")
        if path:
            yield commit, path


def _last(log: Iterable[tuple[str, str]], names: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for commit, path in log:
        name = _owner(path, names)
        if name and name not in found and path[len(name) + 1 :] not in NAMES:
            found[name] = commit
            if len(found) == len(names):
                break
    return found
