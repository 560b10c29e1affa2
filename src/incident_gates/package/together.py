"""What git knows of several records, asked together: asking costs more than most answers."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

from incident_gates import custody, history
from incident_gates.evidence import bounds
from incident_gates.evidence import history as git
from incident_gates.history import History, Unknown, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from incident_gates.incident import Record


class Shared(History):
    """A history that was asked for with others; what was left out it asks for by itself."""

    def wanted(self, names: Iterable[str]) -> set[str]:
        """The contents of some files, by id."""
        return {version.blob for name in names for version in self.of(name) if version.blob}

    def hold(self, wanted: set[str], contents: dict[str, bytes]) -> None:
        """Takes all that it wanted, or nothing: alone it must get the same answer as together."""
        if wanted <= contents.keys():
            self._blobs.update({blob: contents[blob] for blob in wanted})


def histories(records: Sequence[Record]) -> dict[Path, History]:
    """The history of each record, by folder; what will be asked of it is read already."""
    groups: dict[Path, list[Record]] = defaultdict(list)
    for record in records:
        groups[history.repository_of(record)].append(record)
    found: dict[Path, History] = {}
    for repository, group in groups.items():
        shared = _shared(repository, group)
        _read(repository, group[0], list(shared.values()))
        found |= shared
        found |= {r.folder: history.of(r, repository) for r in group if r.folder not in shared}
    return found


def _shared(repository: Path, records: Sequence[Record]) -> dict[Path, Shared]:
    """From one pass through the log; without those that such a pass cannot answer for."""
    if len(records) == 1:
        return {}
    try:
        tip = git.tip(repository)
    except Unknown:
        return {}
    found: dict[Path, Shared] = {}
    for record in records:
        if record.flat or repository not in record.folder.parents:
            continue
        folder = record.folder.relative_to(repository).as_posix()
        versions = _below(repository, tip, folder.rpartition("/")[0]).get(folder)
        if versions:
            found[record.folder] = Shared(repository, folder, versions)
    return found


@lru_cache(maxsize=4)
def _below(
    repository: Path,
    tip: str,  # noqa: ARG001 - another tip, another history
    parent: str,
) -> dict[str, tuple[Version, ...]]:
    """The versions of all records in a folder, oldest first; empty where that is too much."""
    try:
        newest_first = git.log(repository, parent, bounds.HISTORY_SHARED) if parent else ()
    except Unknown:
        return {}
    found: dict[str, list[Version]] = {}
    for version in reversed(newest_first):
        name, _, inside = version.path[len(parent) + 1 :].partition("/")
        if inside:
            found.setdefault(f"{parent}/{name}", []).append(version._replace(path=inside))
    return {folder: tuple(versions) for folder, versions in found.items()}


def _read(repository: Path, record: Record, shared: Sequence[Shared]) -> None:
    """The contents that are graded, and which commits are signed, in one question each."""
    graded = [entry["file"] for entry in record.protocol.data["custody"]["recorded"]]
    wanted = {one: one.wanted((custody.PLAN, *graded)) for one in shared}
    contents = git.blobs(repository, set().union(*wanted.values())) if shared else {}
    commits = {commit.sha for one in shared for commit in one.commits}
    signed = git.signed(repository, commits)
    for one, blobs in wanted.items():
        one.hold(blobs, contents)
        one.signed = signed & {commit.sha for commit in one.commits}


__all__ = ["histories"]
