"""Asks the repository of a folder whether it holds the record as its manifest says."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from incident_gates import discover
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
    against = tuple(_against(judging.again(found, history=True))) if judged else ()
    if against:
        yield differs("custody", "git holds something against this record", against)
    elif judged:
        yield verified("custody", "git holds nothing against this record")


def _against(judged: Judged) -> Iterator[str]:
    asks_git = judging.custody_rules()
    for finding in judged.report.all_findings:
        if finding.rule in asks_git and finding.fails:
            yield f"{finding.rule} {visible(finding.message)}"


def _commit(found: Opened, repository: Path) -> Check:
    commit = found.manifest.get("commit")
    if not commit:
        return left("git", "the manifest names no commit")
    folder = found.record.folder.relative_to(repository).as_posix()
    answer = history.ask(repository, "ls-tree", "-r", "-z", str(commit), "--", f"{folder}/")
    if not answer:
        return differs("git", f"commit {commit[:12]}, which the manifest names, is not here")
    apart = tuple(_not_as_committed(found, _blobs(answer, folder)))
    if apart:
        return differs("git", f"not as commit {commit[:12]} has it", apart)
    return verified("git", f"every file is as commit {commit[:12]} has it")


def _blobs(answer: bytes, folder: str) -> dict[str, str]:
    entries = (os.fsdecode(entry).partition("\t") for entry in answer.split(b"\0") if entry)
    return {path[len(folder) + 1 :]: about.split()[-1] for about, _, path in entries}


def _not_as_committed(found: Opened, blobs: Mapping[str, str]) -> Iterator[str]:
    loose = set(found.manifest.get("uncommitted") or ())
    for entry in found.manifest["files"]:
        name = entry["path"]
        if name in loose or name in found.free:
            continue
        try:
            data = files.read_under(found.record.folder, name, bounds.ATTACHMENT_BYTES)
        except Refusal:
            continue  # the sums say so
        if blobs.get(name) != _blob_id(data, blobs.get(name, "")):
            yield visible(name)


def _blob_id(data: bytes, like: str) -> str:
    """The id that git gives to a file's bytes, in the hash that the repository uses."""
    whole = b"blob %d\0%b" % (len(data), data)
    sha256 = len(like) == 64  # noqa: PLR2004 - the digits of SHA-256
    return (hashlib.sha256(whole) if sha256 else hashlib.sha1(whole)).hexdigest()  # noqa: S324
