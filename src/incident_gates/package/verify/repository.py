"""Asks the repository of a folder whether it holds the record as its manifest says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from incident_gates import discover
from incident_gates.evidence import bounds, files, history
from incident_gates.evidence.refusal import Refusal
from incident_gates.package.verify import judging
from incident_gates.package.verify.blobs import is_blob
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
    others += judged.report.assurance.not_verified
    if others:
        return left("custody", "git holds nothing that fails this record; look at:", others)
    return verified("custody", "git holds nothing against this record")


def _commit(found: Opened, repository: Path) -> Check:
    commit = found.manifest.get("commit")
    folder = found.record.folder.relative_to(repository).as_posix()
    if not commit:
        return _unnamed(found, _blobs(repository, "HEAD", folder))
    then = _blobs(repository, commit, folder)
    if not then:
        return differs("git", f"commit {commit[:12]}, which the manifest names, is not here")
    listed = {entry["path"] for entry in found.manifest["files"]}
    apart = tuple(_not_as(listed - _loose(found) - found.free, found, then))
    if apart:
        return differs("git", f"not as commit {commit[:12]} has it", apart)
    if loose := tuple(_not_as(_loose(found), found, _blobs(repository, "HEAD", folder))):
        said = f"as commit {commit[:12]} has it, but for what no commit held when it was written"
        return left("git", said, loose)
    later = ", or the last commit," if _loose(found) else ""
    return verified("git", f"every file is as commit {commit[:12]}{later} has it")


def _unnamed(found: Opened, now: Mapping[str, str]) -> Check:
    """Without a commit to compare with, against the last one; it may hold another record by now."""
    listed = {entry["path"] for entry in found.manifest["files"]} - found.free
    apart = tuple(_not_as(listed, found, now))
    said = "the manifest names no commit; "
    if apart:
        return left("git", f"{said}the last one does not hold these as they are:", apart)
    return left("git", f"{said}the last one holds every file as it is")


def _loose(found: Opened) -> set[str]:
    """Files of the manifest that no commit held as they were; folders end in a slash."""
    stated = tuple(found.manifest.get("uncommitted") or ())
    folders = tuple(name for name in stated if name.endswith("/"))
    paths = {entry["path"] for entry in found.manifest["files"]} - found.free
    return {p for p in paths if p in stated or p.startswith(folders)}


def _blobs(repository: Path, commit: str, folder: str) -> dict[str, str]:
    """The blob of each file of a record in a commit; nothing where the commit is not here."""
    below = "" if folder == "." else f"{folder}/"
    where = (below,) if below else ()
    answer = history.offline(repository, "ls-tree", "-r", "-z", commit, "--", *where) or b""
    entries = (os.fsdecode(entry).partition("\t") for entry in answer.split(b"\0") if entry)
    return {path[len(below) :]: about.split()[-1] for about, _, path in entries}


def _not_as(names: set[str], found: Opened, blobs: Mapping[str, str]) -> Iterator[str]:
    """Those of some files that are not as a commit has them."""
    for name in sorted(names):
        try:
            data = files.read_under(found.record.folder, name, bounds.ATTACHMENT_BYTES)
        except Refusal:
            continue  # the sums say so
        if not is_blob(blobs.get(name, ""), data):
            yield visible(name)
