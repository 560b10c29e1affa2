"""INCIDENT-EVIDENCE-BUNDLE.zip: all that it takes to judge a record again, byte for byte."""

from __future__ import annotations

import hashlib
import posixpath
import stat
import zipfile
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import __version__, atomic, policy, protocol, schema, seal
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import bounds, files
from incident_gates.evidence.refusal import Refusal
from incident_gates.package import own, sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_gates.package.judged import Judged

RECORD, VERIFY, REPORT = "record", "VERIFY.md", "report.html"
# The oldest time that a ZIP can state: the time of packing says nothing about the evidence.
A_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
UNIX, VERSION_2_0 = 3, 20
PLAIN_FILE = (stat.S_IFREG | 0o644) << 16
CHUNK = 64 * 1024
TEXT = Path(__file__).with_name("VERIFY.md")


class Member(NamedTuple):
    """One file of the bundle: its bytes, or where they are read from, and their digest."""

    data: bytes
    sha256: str
    path: Path | None = None


Members = dict[str, Member]


def plain(data: bytes) -> Member:
    """A member whose bytes are at hand."""
    return Member(data, files.digest(data))


def write(
    target: Path, members: Mapping[str, Member], statements: Mapping[str, bytes] | None = None
) -> None:
    """Writes the archive in one step: sorted, stored, without times; the sums list all but itself.

    ``statements`` are attestations: they speak of the sums, so the sums do not list them.
    """
    whole: Members = dict(members)
    listed = sums.listed({name: member.sha256 for name, member in whole.items()})
    for name, data in {own.SUMS: listed, **(statements or {})}.items():
        whole[name] = plain(data)
    try:
        with atomic.replacing(target) as stream, zipfile.ZipFile(stream, "w") as archive:
            archive.comment = own.GENERATOR.encode()
            for name in sorted(whole):
                _add(archive, name, whole[name])
    except OSError as error:
        raise CouldNotTell(f"{target.name} cannot be written: {error.strerror}") from error


def _add(archive: zipfile.ZipFile, name: str, member: Member) -> None:
    """Stored, not deflated: what zlib makes of the same bytes differs from version to version."""
    if problem := seal.unusual(name):
        raise UsageError(f"{name} cannot be packed: {problem}.")
    info = zipfile.ZipInfo(name, A_FIXED_TIME)
    info.create_system, info.external_attr = UNIX, PLAIN_FILE
    info.create_version = info.extract_version = VERSION_2_0
    if member.path is None:
        archive.writestr(info, member.data)
        return
    digest = hashlib.sha256()
    with archive.open(info, "w") as packed:
        for chunk in _read(member.path):
            digest.update(chunk)
            packed.write(chunk)
    if digest.hexdigest() != member.sha256:
        raise CouldNotTell(f"{member.path.name} changed while it was packed; try again")


def _read(path: Path) -> Iterator[bytes]:
    try:
        yield from files.chunks(path, bounds.ATTACHMENT_BYTES)
    except Refusal as refusal:
        raise CouldNotTell(f"{path.name}: {refusal.what}. {refusal.fix}") from refusal


# --- what is in it -------------------------------------------------------------------------------


def evidence(
    judged: Judged, manifest: Mapping[str, Any], pages: Mapping[str, bytes], layers: Layers
) -> Members:
    """The small repository in which the record can be judged again."""
    record, members = judged.record, Members()
    place = _below(record.path)
    for entry in manifest["files"]:
        name = entry["path"]
        known = record.document(name) if name in record.protocol.artifacts else None
        data = known.data if known else b""
        path = None if data else record.folder / name
        members[f"{place}/{name}"] = Member(data, entry["sha256"], path)
    members |= {f"{place}/{name}": plain(data) for name, data in pages.items()}
    for document in record.documents():
        if document.name not in record.names and document.data:
            members[_below(document.path)] = Member(document.data, document.sha256)
    return members | {f"{RECORD}/{name}": plain(data) for name, data in layers.items()}


def _below(path: str) -> str:
    """A path of the repository inside the bundle's."""
    inside = posixpath.normpath(posixpath.join(RECORD, path))
    if inside.split("/")[0] != RECORD:
        raise UsageError(f"{path} stands outside of the repository, so it cannot be packed.")
    return inside


Layers = dict[str, bytes]


def layers(path: Path | None, sha256: str | None) -> Layers:
    """The policy in force and what it extends, named as a repository would have them."""
    if path is None:
        return {}
    read: dict[Path, bytes] = {}

    def keep(layer: Path) -> bytes:
        read[layer] = files.read(layer, bounds.YAML_BYTES)
        return read[layer]

    if policy.read(path, keep).sha256 != sha256:
        raise CouldNotTell("The policy on disk is not the one in force; nothing was packed")
    named = {_layer(path, layer): data for layer, data in read.items() if layer != path}
    return {policy.NAME: read[path], **named}


def _layer(path: Path, layer: Path) -> str:
    relative = posixpath.relpath(layer.as_posix(), path.parent.as_posix())
    if relative.startswith("..") or relative == policy.NAME:
        raise UsageError(f"The policy extends {relative}, which a bundle cannot carry.")
    return relative


@cache
def constant() -> Members:
    """What every bundle holds alike: the protocol, and the schemas."""
    found = {"protocol/protocol.yaml": plain(protocol.PATH.read_bytes())}
    for path in sorted(schema.folder().glob("*.schema.json")):
        found[f"schemas/{path.name}"] = plain(path.read_bytes())
    return found


def how_to_verify(judged: Judged, manifest: Mapping[str, Any]) -> Member:
    """How to check all this with standard tools, with this record's own names."""
    text = Template(TEXT.read_text(encoding="utf-8")).substitute(
        mark=own.MARK,
        incident=manifest["incident_id"],
        path=_quoted(manifest["path"]),
        commit=manifest["commit"] or "",
        as_of=manifest["as_of"],
        version=__version__,
        verdict=manifest["verdict"].replace("_", " "),
        place=_quoted(_below(judged.record.path)),
    )
    return plain(text.encode())


def _quoted(path: str) -> str:
    """A path inside single quotes of a shell."""
    return "'" + path.replace("'", "'\\''") + "'"
