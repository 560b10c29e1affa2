"""Judges incidents as they are staged, from a copy of the index and not from the disk."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from incident_gates import discover, protocol, run
from incident_gates.desk.setup import site as sites
from incident_gates.discover import Selection
from incident_gates.engine import Request
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import bounds, files, history
from incident_gates.evidence.refusal import Refusal
from incident_gates.policy import NAME as POLICY
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incident_gates.model import Report

AT_ONCE = 100
LINK, FOLDER = "120000", "160000"
# Everything that one call looks at, over all its incidents.
MOST_BYTES = 8 * bounds.INCIDENT_BYTES
_POINTER = re.compile(rb"^oid sha256:([0-9a-f]{64})$", re.MULTILINE)


class Staged(NamedTuple):
    """One entry of the index."""

    name: str
    mode: str
    blob: str


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
    """Copies from the index what is at or below some paths, to the byte.

    Git is asked for the blobs and not to check them out: that would run the filters that the
    repository's configuration names.
    """
    if not wanted:
        return
    listed = _split(_asked(base, "ls-files", "-z", "--stage", "--cached", "--", *wanted))
    entries = sorted({_entry(line) for line in listed}, key=lambda e: (e.mode == LINK, e.name))
    if len(entries) > bounds.INCIDENT_FILES:
        raise CouldNotTell(f"More than {bounds.INCIDENT_FILES} files are to be looked at at once")
    found = [entry for entry in entries if entry.mode != FOLDER]
    sizes = _sizes(base, found)
    if sum(sizes.values()) > MOST_BYTES:
        size = MOST_BYTES // bounds.MIB
        raise CouldNotTell(f"More than {size} MiB are to be looked at at once")
    for first in range(0, len(found), AT_ONCE):
        some = found[first : first + AT_ONCE]
        read = [e.blob for e in some if sizes[e.blob] <= bounds.ATTACHMENT_BYTES]
        contents = dict(_contents(_batch(base, "--batch", read)))
        for entry in some:
            _put(base, copy, entry, contents.get(entry.blob), sizes[entry.blob])


def _entry(line: str) -> Staged:
    facts, _, name = line.partition("\t")
    mode, blob, stage = facts.split(" ")
    if stage != "0":
        raise CouldNotTell(f"{visible(name)} has a merge conflict: settle it, then try again")
    return Staged(name, mode, blob)


def _put(base: Path, copy: Path, entry: Staged, data: bytes | None, size: int) -> None:
    """Writes one entry into the copy; links come last, so that nothing is written through one."""
    path = copy / entry.name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.exists():
        # Two incidents may share a folder of inputs, which is then there already.
        return
    if entry.mode == LINK:
        path.symlink_to(os.fsdecode(data or b"?"))
    elif data is None:
        # Too large to be read by anybody: its size is all that is told of it.
        path.touch()
        os.truncate(path, size)
    else:
        path.write_bytes(_fetched(base, data))


def _sizes(base: Path, entries: Sequence[Staged]) -> dict[str, int]:
    lines = _batch(base, "--batch-check", [e.blob for e in entries]).decode().splitlines()
    told = [(*line.split(" "), "", "")[:3] for line in lines]
    sizes = {blob: int(size) for blob, kind, size in told if kind == "blob"}
    absent = next((e.name for e in entries if e.blob not in sizes), "")
    if absent:
        raise CouldNotTell(f"Git does not have {visible(absent)} here: fetch it, then try again")
    return sizes


def _batch(base: Path, how: str, blobs: Sequence[str]) -> bytes:
    """What git holds of some blobs, as it is stored; nothing is fetched for it."""
    if not blobs:
        return b""
    with tempfile.TemporaryFile() as given:
        given.write("".join(f"{blob}\n" for blob in dict.fromkeys(blobs)).encode())
        given.seek(0)
        return _asked(base, "-c", "protocol.allow=never", "cat-file", how, given=given)


def _contents(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Each blob of a batch: a line with id, kind and size, the content, a line end."""
    start = 0
    while start < len(data):
        end = data.index(b"\n", start)
        blob, _, size = data[start:end].decode().split(" ")
        start = end + 1 + int(size) + 1
        yield blob, data[end + 1 : start - 1]


def _fetched(base: Path, data: bytes) -> bytes:
    """What a pointer of Git LFS stands for, where that is here and is what the pointer says."""
    found = _POINTER.search(data) if len(data) < bounds.KIB else None
    if not found or not data.startswith(b"version https://git-lfs.github.com/spec/"):
        return data
    oid = found[1].decode()
    common = base / _git_folder(base, "--git-common-dir")
    kept = Path(common, "lfs", "objects", oid[:2], oid[2:4], oid)
    try:
        real = files.read(kept, bounds.ATTACHMENT_BYTES)
    except Refusal:
        return data
    return real if files.digest(real) == oid else data


def _split(listed: bytes) -> list[str]:
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def _git_folder(base: Path, which: str = "--absolute-git-dir") -> str:
    return os.fsdecode(_asked(base, "rev-parse", which)).strip()


def _asked(base: Path, *arguments: str, given: BinaryIO | None = None) -> bytes:
    answer = history.ask(base, *arguments, given=given)
    if answer is None:
        raise CouldNotTell("Git cannot read what is staged. Ask: incident-gates doctor")
    return answer
