"""Judges incidents as they are staged, from a copy of the index and not from the disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from incident_gates import discover, protocol, run
from incident_gates.desk.setup import site as sites
from incident_gates.discover import Selection
from incident_gates.engine import Request
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import bounds, history
from incident_gates.policy import NAME as POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incident_gates.model import Report

# Git converts line ends and LFS pointers on the way out; digests are of what is committed.
AS_STORED = ("-c", "core.autocrlf=false", "-c", "core.eol=lf")
AT_ONCE = 100


def judged(cwd: Path, paths: Sequence[str], *, strict: bool = False) -> Report | None:
    """The report on staged incidents; None where nothing staged is one."""
    base = sites.at(cwd, None).base
    with tempfile.TemporaryDirectory(prefix="incident-gates-") as temporary:
        copy = Path(temporary).resolve()
        _take(base, copy, [POLICY])
        policy = discover.read_policy(None, copy)
        roots = policy.data.get("roots", (discover.ROOT,))
        folders = sorted({f for name in _names(base, cwd, paths) for f in _incident(name, roots)})
        _take(base, copy, [f for folder in folders for f in _beside(folder)])
        known = protocol.load()
        there = [f for f in folders if discover.holds_incident(copy / f, known)]
        if not there:
            return None
        # Earlier versions of a file are looked up in the repository itself.
        (copy / ".git").write_text(f"gitdir: {_git_folder(base)}\n", encoding="utf-8")
        job = run.Job(Selection(there), Request(strict=strict), cwd=copy)
        return run.run(job)


def _names(base: Path, cwd: Path, paths: Sequence[str]) -> Iterator[str]:
    """What was named, or everything staged, as paths of the repository."""
    if not paths:
        listed = _asked(base, "diff", "--cached", "--name-only", "-z", "--no-renames", "--")
        yield from _split(listed)
    for path in paths:
        full = Path(os.path.normpath(cwd / path))
        if base not in full.parents:
            raise UsageError(f"{path} is outside this repository.")
        yield full.relative_to(base).as_posix()


def _incident(name: str, roots: Sequence[str]) -> Iterator[str]:
    """The folder of the incident that a file belongs to."""
    parts = PurePosixPath(name).parts
    usual = discover.ROOT.split("/")
    for root in roots:
        at = len(PurePosixPath(root).parts)
        if parts[:at] == PurePosixPath(root).parts:
            yield "/".join(parts[: at + 1] if len(parts) > at + 1 else parts[:at])
            return
    # A part of a monorepo that the policy does not name.
    for at in range(len(parts) - 2):
        if list(parts[at : at + 2]) == usual:
            yield "/".join(parts[: at + 3] if len(parts) > at + 3 else parts[: at + 2])


def _beside(folder: str) -> list[str]:
    """A folder with what it is judged by: the inputs from upstream that stand beside it."""
    head, found, _ = f"/{folder}".rpartition("/.artifacts/")
    site = f"{head}/".lstrip("/") if found else ""
    upstream = set(protocol.load().upstream.values())
    return [folder, *(f"{site}{name}" for name in sorted(upstream))]


def _take(base: Path, copy: Path, wanted: Sequence[str]) -> None:
    """Copies from the index what is at or below some paths."""
    if not wanted:
        return
    names = sorted(set(_split(_asked(base, "ls-files", "-z", "--cached", "--", *wanted))))
    if len(names) > bounds.INCIDENT_FILES:
        raise CouldNotTell(f"More than {bounds.INCIDENT_FILES} files are to be looked at at once")
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        # -f: two incidents may share a folder of inputs, which is then there already.
        out = (f"--prefix={copy.as_posix()}/", "-f", "-q", "--", *some)
        _asked(base, *AS_STORED, "checkout-index", *out)


def _split(listed: bytes) -> list[str]:
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def _git_folder(base: Path) -> str:
    return os.fsdecode(_asked(base, "rev-parse", "--absolute-git-dir")).strip()


def _asked(base: Path, *arguments: str) -> bytes:
    answer = history.ask(base, *arguments)
    if answer is None:
        raise CouldNotTell("Git cannot read what is staged. Ask: incident-gates doctor")
    return answer
