"""Asks the repository of a folder whether it holds the record as its manifest says."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from incident_gates import custody, discover
from incident_gates.evidence import bounds, files, history
from incident_gates.evidence.refusal import Refusal
from incident_gates.package.verify import judging
from incident_gates.package.verify.model import differs, left, verified
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from incident_gates.package.judged import Judged
    from incident_gates.package.verify.model import Check
    from incident_gates.package.verify.opened import Opened


def checks(found: Opened, judged: Judged | None) -> Iterator[Check]:
    """The commit that the manifest names, and what git knows against the record."""
    repository = discover.repository(found.record.folder)
    why_not = history.why_unknown(repository)
    if why_not:
        yield left("git", f"nothing is known: {why_not}")
        return
    yield _commit(found, repository)
    if judged:
        yield _custody(judging.again(found, history=True))


def _custody(judged: Judged) -> Check:
    """What the rules that ask git find now; what only warns is for people to look at."""
    asks_git = judging.custody_rules()
    about = [f for f in judged.report.all_findings if f.rule in asks_git]
    failing, others = (
        tuple(f"{f.rule} {visible(f.message)}" for f in about if f.fails is fails)
        for fails in (True, False)
    )
    if failing:
        return differs("custody", "git holds something against this record", failing + others)
    others += custody.of(judged.chain).not_verified
    if others:
        return left("custody", "git holds nothing that fails this record; look at:", others)
    return verified("custody", "git holds nothing against this record")


def _commit(found: Opened, repository: Path) -> Check:
    commit = found.manifest.get("commit")
    if not commit:
        return left("git", "the manifest names no commit")
    folder = found.record.folder.relative_to(repository).as_posix()
    answer = history.offline(repository, "ls-tree", "-r", "-z", str(commit), "--", f"{folder}/")
    if not answer:
        return differs("git", f"commit {commit[:12]}, which the manifest names, is not here")
    apart = tuple(_not_as_committed(found, _blobs(answer, folder)))
    if apart:
        return differs("git", f"not as commit {commit[:12]} has it", apart)
    if loose := _loose(found):
        said = f"as commit {commit[:12]} has it, but for what was not committed when it was written"
        return left("git", said, tuple(visible(name) for name in sorted(loose)))
    return verified("git", f"every file is as commit {commit[:12]} has it")


def _loose(found: Opened) -> set[str]:
    """Files of the manifest that no commit held as they were; folders end in a slash."""
    stated = tuple(found.manifest.get("uncommitted") or ())
    folders = tuple(name for name in stated if name.endswith("/"))
    paths = {entry["path"] for entry in found.manifest["files"]} - found.free
    return {p for p in paths if p in stated or p.startswith(folders)}


def _blobs(answer: bytes, folder: str) -> dict[str, str]:
    entries = (os.fsdecode(entry).partition("\t") for entry in answer.split(b"\0") if entry)
    return {path[len(folder) + 1 :]: about.split()[-1] for about, _, path in entries}


def _not_as_committed(found: Opened, blobs: Mapping[str, str]) -> Iterator[str]:
    loose = _loose(found)
    for entry in found.manifest["files"]:
        name = entry["path"]
        if name in loose or name in found.free:
            continue
        try:
            data = files.read_under(found.record.folder, name, bounds.ATTACHMENT_BYTES)
        except Refusal:
            continue  # the sums say so
        blob = blobs.get(name, "")
        # A checkout may have turned line ends round, or fetched what git has a pointer to.
        ids = {_blob_id(each, blob) for each in (data, data.replace(b"\r\n", b"\n"))}
        if blob not in ids and not _points_to(found.record.folder, blob, data):
            yield visible(name)


def _points_to(folder: Path, blob: str, data: bytes) -> bool:
    """Whether git holds a pointer of Git LFS to these very bytes."""
    pointer = history.blobs(discover.repository(folder), [blob], bounds.KIB).get(blob, b"")
    there = pointer.startswith(b"version https://git-lfs.github.com/spec/")
    return there and f"oid sha256:{files.digest(data)}\n".encode() in pointer


def _blob_id(data: bytes, like: str) -> str:
    """The id that git gives to a file's bytes, in the hash that the repository uses."""
    whole = b"blob %d\0%b" % (len(data), data)
    sha256 = len(like) == 64  # noqa: PLR2004 - the digits of SHA-256
    return (hashlib.sha256(whole) if sha256 else hashlib.sha1(whole)).hexdigest()  # noqa: S324
