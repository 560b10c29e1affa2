"""Verifies a package: each check by itself, so that one that fails does not hide the others."""

from __future__ import annotations

import os
import posixpath
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from incident_gates import engine
from incident_gates.errors import ConfigurationError, PolicyError, UsageError
from incident_gates.evidence import bounds, files
from incident_gates.evidence.refusal import Refusal
from incident_gates.package import bundle, own, sums
from incident_gates.package.verify import container, judging, opened, repository, signed
from incident_gates.package.verify.model import (
    Check,
    Outcome,
    Verification,
    differs,
    left,
    unknown,
    verified,
)
from incident_gates.report.escape import visible
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_gates.package.judged import Judged
    from incident_gates.package.verify.opened import Opened

SHOWN = ("incident_id", "as_of", "verdict")
REST_ON_FILES = ("gates", "pages", "statement", "custody")
NOTHING = "Nothing here was written by incident-gates aggregate"


def verify(target: Path, key: Path | None = None) -> tuple[Verification, ...]:
    """Verifies a bundle, an unpacked one, a record's folder, or each record of a root."""
    if key is not None:
        from incident_gates.package import attest

        attest.public_key(key)  # a key that cannot be used is said before anything else
    if target.is_dir():
        return tuple(_folders(target, key))
    return (_bundle(target, _bytes(target), key),)


def _bytes(path: Path) -> bytes:
    try:
        return files.read(path, bounds.BUNDLE_BYTES)
    except Refusal as refusal:
        raise UsageError(f"{path}: {refusal.what}. {refusal.fix}") from refusal


def _folders(target: Path, key: Path | None) -> Iterator[Verification]:
    if _is_unpacked(target):
        yield _unpacked(target, key)
        return
    there, bare = ([target], []) if (target / own.MANIFEST).is_file() else _records(target)
    if not there:
        raise UsageError(f"{NOTHING}: {target} holds no {own.MANIFEST}, and is no bundle.")
    for folder in there:
        yield _folder(folder, key)
    for folder in bare:
        said = (
            f"there is no {own.MANIFEST}, though the record has ended: none was made, or it is gone"
        )
        yield _refused(folder.name, opened.FOLDER, unknown("manifest", said))


def _records(root: Path) -> tuple[list[Path], list[Path]]:
    """The records of a root with a package, and those that ought to have one."""
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.is_symlink())
    there = [p for p in folders if (p / own.MANIFEST).is_file()]
    return there, [p for p in folders if p not in there and opened.has_ended(p)]


def _is_unpacked(folder: Path) -> bool:
    """A record may have attachments in a folder of that name, and has its manifest beside it."""
    there = (folder / bundle.RECORD).is_dir() and (folder / own.SUMS).is_file()
    return there and not (folder / own.MANIFEST).is_file()


# --- each kind of package ------------------------------------------------------------------------


def _bundle(path: Path, data: bytes, key: Path | None) -> Verification:
    try:
        members = container.opened(data)
    except Refusal as refusal:
        return _refused(path.name, opened.BUNDLE, differs("archive", refusal.what))
    otherwise = container.packed_otherwise(data, members)
    if otherwise:
        first = differs("archive", visible(otherwise))
    else:
        first = verified("archive", f"{len(members)} members, packed as aggregate packs them")
    return _of_members(path.name, members, key, [first])


def _unpacked(folder: Path, key: Path | None) -> Verification:
    """An unpacked bundle; what else stands in the folder is found as added."""
    try:
        names = list(container.below(folder))
        container.refuse_names(names)
        members = {n: files.read_under(folder, n, bounds.ATTACHMENT_BYTES) for n in names}
    except Refusal as refusal:
        return _refused(folder.name, opened.BUNDLE, differs("archive", refusal.what))
    return _of_members(folder.name, members, key, [])


def _of_members(
    name: str, members: Mapping[str, bytes], key: Path | None, first: list[Check]
) -> Verification:
    """The record is judged from a copy in a folder of its own, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="incident-gates-") as folder:
        try:
            found = opened.unpacked(members, Path(folder).resolve())
        except (Refusal, PolicyError, ConfigurationError) as error:
            listed = _sums_of(members)
            return _refused(name, opened.BUNDLE, *first, listed, _unusable(error))
        return _verified(name, found, key, first)


def _folder(folder: Path, key: Path | None) -> Verification:
    try:
        found = opened.beside(folder.absolute())
    except (Refusal, PolicyError) as error:
        return _refused(folder.name, opened.FOLDER, _unusable(error))
    return _verified(folder.name, found, key, [])


def _unusable(error: Exception) -> Check:
    said = visible(error.what if isinstance(error, Refusal) else str(error))
    if opened.may_not_be_read(error):
        return unknown("manifest", said)
    if isinstance(error, opened.Foreign):
        return unknown("manifest", f"{said}; another version of the tool wrote it")
    return differs("manifest", said)


def _refused(name: str, kind: str, *checks: Check) -> Verification:
    return Verification(name, kind, "", "", "", checks)


# --- every check ---------------------------------------------------------------------------------


def _verified(name: str, found: Opened, key: Path | None, first: list[Check]) -> Verification:
    listed = [*first, _sums(found), _manifest(found)]
    rules = [judging.protocol(found), judging.policy(found)]
    judged, judgement = _judged(found)
    stated_there = signed.statement(found, judged)
    checks = [*listed, *rules, *judgement, stated_there, signed.signature(found, key)]
    if found.kind == opened.BUNDLE:
        checks = list(_vouched(checks))
    else:
        checks += repository.checks(found, judged)
    if found.unread:
        checks = list(_unread(checks, found))
    stated = found.manifest
    incident, as_of, verdict = (str(stated.get(key) or "") for key in SHOWN)
    beyond = tuple(_beyond(found, judged))
    return Verification(name, found.kind, incident, as_of, verdict, tuple(checks), beyond)


def _unread(checks: list[Check], found: Opened) -> Iterator[Check]:
    """What rests on a file that may not be read here is no alteration: nobody looked at it."""
    names = tuple(visible(name) for name in sorted(found.unread))
    unseen = {f"changed: {name}" for name in names}
    for check in checks:
        rests = check.id in REST_ON_FILES or unseen.issuperset(check.details or ("",))
        if check.outcome is Outcome.DIFFERS and rests:
            yield unknown(check.id, "some of its files may not be read here", names)
        else:
            yield check


def _vouched(checks: list[Check]) -> Iterator[Check]:
    """What another build wrote: the signature on a bundle speaks for it, file by file."""
    outcomes = {check.id: check.outcome for check in checks}
    names_them = outcomes["statement"] is not Outcome.DIFFERS
    signed_for = names_them and outcomes["signature"] is Outcome.VERIFIED
    for check in checks:
        written = check.id in ("pages", "statement") and check.outcome is Outcome.UNKNOWN
        if signed_for and written:
            yield left(check.id, f"{check.said}; it was signed as it is", check.details)
        else:
            yield check


def _judged(found: Opened) -> tuple[Judged | None, list[Check]]:
    try:
        judged = judging.again(found)
        checks = [judging.gates(found, judged), judging.pages(found, judged)]
    except Refusal as refusal:
        return None, [differs("gates", refusal.what)]
    except Exception as error:
        if engine.DEBUG in os.environ:
            raise
        said = f"the record could not be judged again: {type(error).__name__}"
        return None, [unknown("gates", said)]
    return judged, checks


def _sums(found: Opened) -> Check:
    """Every file against its line in SHA256SUMS, and every line against a file."""
    return _summed(found.sums, found.digests, found.free)


def _sums_of(members: Mapping[str, bytes]) -> Check:
    beside = (own.SUMS, *opened.STATEMENTS)
    digests = {n: files.digest(data) for n, data in members.items() if n not in beside}
    return _summed(members.get(own.SUMS), digests, frozenset())


def _summed(listed: bytes | None, digests: Mapping[str, str], free: frozenset[str]) -> Check:
    if listed is None:
        return differs("sums", f"{own.SUMS} is missing")
    if listed == sums.listed(digests):
        return verified("sums", f"{len(digests)} files are as {own.SUMS} lists them")
    apart = _apart(_lines(listed), digests)
    changed = [said for name, said in apart if name not in free]
    later = tuple(said for name, said in apart if name in free)
    if changed:
        return differs("sums", "not as listed when it was written", tuple(changed))
    if later:
        return left("sums", "as listed, but for what may be written after closure", later)
    return differs("sums", f"the lines of {own.SUMS} are not as they were written")


def _lines(listed: bytes) -> dict[str, str]:
    """The digest of each name; a line that cannot be one is a name without a file."""
    stated = {}
    for line in os.fsdecode(listed).splitlines():
        digest, _, name = line.partition("  ")
        stated[name or line] = digest
    return stated


def _apart(stated: Mapping[str, str], digests: Mapping[str, str]) -> list[tuple[str, str]]:
    said = []
    for name in sorted({*stated, *digests}):
        if name not in digests:
            said.append((name, f"missing: {visible(name)}"))
        elif name not in stated:
            said.append((name, f"added: {visible(name)}"))
        elif stated[name] != digests[name]:
            said.append((name, f"changed: {visible(name)}"))
    return said


def _manifest(found: Opened) -> Check:
    """The record's files against the manifest."""
    entries = found.manifest["files"]
    stated = {entry["path"]: entry["sha256"] for entry in entries}
    there = _of_record(found)
    apart = [said for name, said in _apart(stated, there) if name not in found.free]
    if apart:
        return differs("manifest", "the record is not as the manifest lists it", tuple(apart))
    if found.kind == opened.BUNDLE and (foreign := _foreign(found)):
        return differs("manifest", "the bundle holds what no bundle of a record holds", foreign)
    return verified("manifest", f"{len(stated)} files of the record are as it lists them")


def _of_record(found: Opened) -> dict[str, str]:
    """The digest of every file of the record but those that aggregate writes."""
    if found.kind == opened.FOLDER:
        return {name: d for name, d in found.digests.items() if name not in own.NAMES}
    place = _place(found)
    inside = {n[len(place) :]: d for n, d in found.digests.items() if n.startswith(place)}
    return {name: digest for name, digest in inside.items() if name not in own.NAMES}


def _place(found: Opened) -> str:
    path = found.manifest["path"]
    return f"{bundle.RECORD}/" if path == "." else f"{bundle.RECORD}/{path}/"


def _foreign(found: Opened) -> tuple[str, ...]:
    """Members that no bundle has: nothing was judged by them, and a reader may trust them."""
    record, place = found.record, _place(found)
    packed = (e["path"] for e in found.manifest["files"])
    shared = (d.path for d in record.documents() if d.name not in record.names and d.data)
    known = {
        *bundle.constant(),
        *(bundle.REPORT, bundle.VERIFY, judging.HISTORY, opened.PROTOCOL),
        *(own.SUMS, *opened.STATEMENTS, *found.layers),
        *(f"{place}{name}" for name in (*packed, *own.WRITTEN)),
        *(posixpath.normpath(posixpath.join(bundle.RECORD, path)) for path in shared),
    }
    return tuple(visible(name) for name in sorted(found.members.keys() - known))


# --- what no check reaches -----------------------------------------------------------------------


def _beyond(found: Opened, judged: Judged | None) -> Iterator[str]:
    yield "Identities: people are who the record says they are; typed names are no signatures."
    yield "Clocks: times are what the record states."
    if chosen := _chosen(judged):
        yield chosen
    for said in judged.limits.looser_than_protocol() if judged else ():
        yield f"The policy in force asks for less than the protocol: {visible(said)}"
    if judged and "derived files" in judged.report.assurance.not_corroborated:
        yield "Derived files repeat others, and corroborate none of them."
    if uris := _uris(judged):
        yield f"{uris} archived only by URI: nothing was fetched."
    for entry in found.manifest.get("left_out") or ():
        yield f"{visible(entry['path'])} was left out: {visible(entry['reason'])}."
    if found.kind == opened.BUNDLE:
        yield from _claimed(found, judged)


def _claimed(found: Opened, judged: Judged | None) -> Iterator[str]:
    """What a bundle says of git: it agrees with the pages, and nobody asked git again."""
    yield "Git: git/history.json is what git said then; compare it in a clone you trust."
    told = judging.told(found) if judged else None
    if told and told.asked:
        number = len(told.findings)
        rules = counted(number, "finding") if number else "no findings"
        yield (
            f"Custody: {rules}, and a grade for each time, as the bundle claims. "
            "Only a clone, or a signature, speaks for them."
        )


def _chosen(judged: Judged | None) -> str:
    """Said where somebody chose the moment: a later one, or an earlier, may be kinder."""
    if judged is None or not judged.chain.closed:
        return ""
    closing = judged.chain.resolution["closed_at"].time
    stated = judged.report.as_of
    if closing is None or closing.latest == judged.chain.as_of:
        return ""
    return f"The moment: judged as of {stated}, which is not when the record was closed."


def _uris(judged: Judged | None) -> str:
    if judged is None:
        return ""
    items = judged.record.node("rca-manifest.json")["items"]
    count = sum(bool(item["uri"].text) for item in items)
    return counted(count, "item") if count else ""
