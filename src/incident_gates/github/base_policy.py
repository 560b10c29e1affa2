"""The policy in force on a change: that of the commit which the change starts from."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from incident_gates import discover
from incident_gates.changes import finding
from incident_gates.errors import PolicyError, UsageError
from incident_gates.evidence import bounds, files
from incident_gates.evidence.refusal import Refusal
from incident_gates.github.commits import Git
from incident_gates.model import CRITICAL
from incident_gates.policy import NAME, Policy, read

if TYPE_CHECKING:
    from incident_gates.github.commits import Change
    from incident_gates.model import Finding
    from incident_gates.run import Job


def in_force(job: Job, change: Change) -> tuple[Policy, list[Finding]]:
    """The policy to judge by, and a finding where the change edits it."""
    start = (job.here / (job.selection.root or ".")).absolute()
    if change.rules is None:
        return discover.read_policy(job.policy, start), []
    old = _AtCommit(change, change.rules)
    places = _places(job, change, start)
    edited = [p for p in change.paths if p.path in places]
    try:
        policy = _read(job, old, places)
    except PolicyError:
        if not edited:
            raise
        policy = Policy()  # the change may be the one that mends it: the protocol alone is in force
    said = edited or [p for p in change.paths if p.path in old.seen]
    return policy, [_finding(job, change, p.path, policy) for p in said[:1]]


class _AtCommit:
    """Reads files of the repository from a commit, and others from the disk."""

    def __init__(self, change: Change, commit: str) -> None:
        self._git = Git(change.repository)
        self._commit = commit
        self.seen: set[str] = set()

    def __call__(self, path: Path) -> bytes:
        relative = _inside(path, self._git.repository)
        if relative is None:
            return files.read(path, bounds.YAML_BYTES)
        self.seen.add(relative)
        data = self._git.blob(self._commit, relative)
        if data is None:
            raise Refusal("the base commit has no such file.", "Correct its name.")
        return data

    def has(self, relative: str) -> bool:
        """Whether the commit holds a file."""
        folder, _, name = relative.rpartition("/")
        return name in self._git.names(self._commit, folder)


def _inside(path: Path, repository: Path) -> str | None:
    """A path as seen from the repository, or None where it is elsewhere."""
    try:
        return Path(os.path.normpath(path)).relative_to(repository).as_posix()
    except ValueError:
        return None


def _places(job: Job, change: Change, start: Path) -> list[str]:
    """Where the policy may stand in the repository, nearest first."""
    if job.policy:
        relative = _inside(job.here / job.policy, change.repository)
        return [] if relative is None else [relative]
    under = _inside(start, change.repository)
    folders = [PurePosixPath(under or "."), *PurePosixPath(under or ".").parents]
    return list(dict.fromkeys((folder / NAME).as_posix() for folder in folders))


def _read(job: Job, old: _AtCommit, places: list[str]) -> Policy:
    repository = old._git.repository  # noqa: SLF001 - one module
    if job.policy and not places:
        return discover.read_policy(job.policy, job.here)
    for place in places:
        if old.has(place):
            return read(repository / place, old)
    if job.policy and not (repository / places[0]).is_file():
        raise UsageError(f"The policy {job.policy} does not exist.")
    return Policy()


def _finding(job: Job, change: Change, path: str, policy: Policy) -> Finding:
    """What is edited and what is in force; one that cannot be used would break every later run."""
    source = "its base commit's is in force" if policy.path else "the protocol alone is in force"
    said = f"this change edits the policy; {source}"
    now = change.repository / path
    if now.is_file():
        try:
            read(now)
        except PolicyError as error:
            why = str(error).removeprefix(f"{now.parent}/")
            broken = f"this change brings a policy that cannot be used: {why}"
            return finding("CHG004", path, broken, level=CRITICAL)
    elif job.policy:
        return finding("CHG004", path, "this change deletes the policy", level=CRITICAL)
    return finding("CHG004", path, said)
