"""What git knows of one record: every version of every file, from one pass through the log."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

from incident_gates import discover
from incident_gates.evidence import bounds
from incident_gates.evidence import history as git
from incident_gates.evidence.history import Commit, Unknown, Version, Who

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from incident_gates.incident import Record

_MANIFEST: Final = "evidence-manifest.json"


class History:
    """The versions of a record's files, oldest first; ``why_not`` says why they are not known.

    Dates and names are those that commits claim. Order is what git itself holds: a commit cannot
    come before what it names as its parent.
    """

    def __init__(
        self,
        repository: Path,
        folder: str,
        versions: tuple[Version, ...] = (),
        *,
        why_not: str = "",
    ) -> None:
        self.repository = repository
        self.folder = folder
        self.versions = versions
        self.why_not = why_not
        # Files of which some version could not be read: too large, too many, or not here.
        self.unread: set[str] = set()
        self._blobs: dict[str, bytes] = {}
        self._read: set[str] = set()

    @property
    def known(self) -> bool:
        """Whether there is anything to go by."""
        return not self.why_not

    @cached_property
    def commits(self) -> tuple[Commit, ...]:
        """The commits that touched the record, oldest first."""
        return tuple({v.commit.sha: v.commit for v in self.versions}.values())

    @property
    def last(self) -> Commit | None:
        """The newest commit that touched the record."""
        return self.commits[-1] if self.commits else None

    @cached_property
    def files(self) -> dict[str, tuple[Version, ...]]:
        """The versions of each file by its path below the folder, oldest first."""
        found: dict[str, list[Version]] = {}
        for version in self.versions:
            found.setdefault(version.path, []).append(version)
        return {path: tuple(versions) for path, versions in found.items()}

    def of(self, name: str) -> tuple[Version, ...]:
        """The versions of one file, oldest first."""
        return self.files.get(name, ())

    def position(self, commit: Commit) -> int:
        """A commit's place in the log: later than all that it descends from."""
        return self._positions[commit.sha]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {commit.sha: index for index, commit in enumerate(self.commits)}

    def at(self, name: str, commit: Commit) -> Version | None:
        """The version of a file that stood when a commit was made, as the log has it."""
        limit = self.position(commit)
        until = [v for v in self.of(name) if self.position(v.commit) <= limit]
        return until[-1] if until and until[-1].blob else None

    def load(self, names: Iterable[str]) -> None:
        """Reads every version of several files at once, for those who will ask for them."""
        versions = [version for name in names for version in self.of(name)]
        wanted = [v.blob for v in versions if v.blob and v.blob not in self._blobs]
        self._blobs.update(git.blobs(self.repository, wanted, bounds.FILE_BYTES) if wanted else {})

    def content(self, version: Version) -> bytes | None:
        """The bytes of a version; None where they are too many or not here."""
        if version.blob not in self._blobs and version.path not in self._read:
            self._read.add(version.path)
            self._read_all(version.path)
        return self._blobs.get(version.blob)

    def _read_all(self, path: str) -> None:
        wanted = {v.blob for v in self.of(path) if v.blob} - self._blobs.keys()
        limit = bounds.MANIFEST_BYTES if path == _MANIFEST else bounds.FILE_BYTES
        self._blobs.update(git.blobs(self.repository, sorted(wanted), limit) if wanted else {})
        if wanted - self._blobs.keys():
            self.unread.add(path)

    @cached_property
    def signed(self) -> frozenset[str]:
        """The commits that carry a signature, whoever's it is."""
        return git.signed(self.repository, (commit.sha for commit in self.commits))

    def holds(self, commit: str) -> bool | None:
        """Whether a commit is part of this history; None where it is not even in the repository."""
        return git.is_ancestor(self.repository, commit)

    def after(self, commit: Commit) -> frozenset[str]:
        """The commits that came after one, by ancestry and not by date."""
        try:
            return git.descendants(self.repository, commit.sha)
        except Unknown:
            return frozenset()

    @cached_property
    def uncommitted(self) -> tuple[str, ...] | None:
        """The paths below the folder that differ from the last commit; None where unknown."""
        paths = git.uncommitted(self.repository, self.folder)
        if paths is None:
            return None
        return tuple(path.removeprefix(f"{self.folder}/") for path in paths)


def repository_of(record: Record) -> Path:
    """The repository that holds a record: where its policy stands, or above, never below."""
    above = (record.base, *record.base.parents)
    return next((folder for folder in above if (folder / ".git").exists()), record.base)


def of(record: Record, repository: Path) -> History:
    """What git knows of a record. Never raises: what is not known says why."""
    try:
        folder = record.folder.relative_to(repository).as_posix()
    except ValueError:
        return History(repository, "", why_not="the record stands outside the repository")
    try:
        newest_first = _log(repository, folder)
    except Unknown as unknown:
        return History(repository, folder, why_not=str(unknown))
    prefix = "" if folder == "." else f"{folder}/"
    versions = tuple(
        version._replace(path=version.path[len(prefix) :])
        for version in reversed(newest_first)
        if version.path.startswith(prefix)
    )
    versions = tuple(_own(record, versions)) if record.flat else versions
    if not versions:
        ignored = git.ignored(repository, record.folder)
        said = "git ignores the folder" if ignored else "no commit holds this record"
        return History(repository, folder, why_not=said)
    return History(repository, folder, versions)


_asked: set[tuple[Path, str, str]] = set()


def _log(repository: Path, folder: str) -> tuple[Version, ...]:
    """One pass for one record; from the second one beside it on, one pass for all of them."""
    parent = folder.rpartition("/")[0]
    beside = (repository, git.tip(repository), parent)
    if parent and beside in _asked:
        together = _together(*beside)
        if together is not None:
            return together.get(folder, ())
    _asked.add(beside)
    return git.log(repository, folder)


@lru_cache(maxsize=1)
def _together(
    repository: Path,
    tip: str,  # noqa: ARG001 - another tip, another history
    parent: str,
) -> dict[str, tuple[Version, ...]] | None:
    """The versions of all records below a folder, by theirs; None where that is too much."""
    try:
        newest_first = git.log(repository, parent, bounds.HISTORY_SHARED)
    except Unknown:
        return None
    found: dict[str, list[Version]] = {}
    for version in newest_first:
        name = version.path[len(parent) + 1 :].partition("/")[0]
        found.setdefault(f"{parent}/{name}", []).append(version)
    return {folder: tuple(versions) for folder, versions in found.items()}


def _own(record: Record, versions: Iterable[Version]) -> Iterator[Version]:
    """In the flat layout, what stands in the folders of other incidents is not this record's."""
    others: dict[str, bool] = {}
    for version in versions:
        name, _, inside = version.path.partition("/")
        if inside and name not in others:
            others[name] = discover.holds_incident(record.folder / name, record.protocol)
        if not inside or not others[name]:
            yield version


__all__ = ["Commit", "History", "Unknown", "Version", "Who", "of"]
