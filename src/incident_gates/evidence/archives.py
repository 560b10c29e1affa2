"""Looks into ZIP files in memory; nothing is ever extracted."""

from __future__ import annotations

import re
import stat
import struct
from io import BytesIO
from typing import TYPE_CHECKING, Final, NamedTuple

from incident_gates.evidence import bounds
from incident_gates.evidence.refusal import Refusal, quoted

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

_STORED_OR_DEFLATED: Final = (0, 8)
_ENCRYPTED: Final = 0x41  # bit 0: encrypted, bit 6: strongly encrypted
_ENTRY_SIGNATURE: Final = b"PK\x01\x02"
_EXTRA: Final = re.compile(rb"PK\x01\x02(?=.{26}(..))", re.DOTALL)
# Where zipfile may find the end of the directory, which says how long that is; for a large
# archive another place says so, and all of it counts.
_END: Final = re.compile(rb"(?=(PK\x06\x07.{16})?PK\x05\x06.{8}(.{4}))", re.DOTALL)
_END_WITHIN: Final = 2**16 + 64
_LOCAL_HEADER: Final = 30
_BAD_NAME: Final = re.compile(r"[\x00-\x1f\x7f\\]|\A/|\A[A-Za-z]:|(?:\A|/)\.\.(?:/|\Z)|\A\Z")
_CHUNK: Final = 64 * 1024
_REPACK: Final = "Pack the files again with an ordinary ZIP tool."


class Most(NamedTuple):
    """How much an archive may hold: bytes as packed, members, bytes as unpacked."""

    packed: int
    members: int
    inflated: int


CONFIGURATION: Final = Most(bounds.ZIP_BYTES, bounds.ZIP_MEMBERS, bounds.ZIP_INFLATED)
BUNDLE: Final = Most(bounds.BUNDLE_BYTES, bounds.BUNDLE_MEMBERS, bounds.BUNDLE_BYTES)


class Member(NamedTuple):
    """A file in an archive, with the size that the archive announces."""

    name: str
    size: int


class Archive:
    """An archive whose directory has been checked; contents are checked when they are read."""

    def __init__(self, archive: ZipFile, most: Most = CONFIGURATION) -> None:
        self._archive = archive
        self._most = most
        self._left = most.inflated
        self.members = tuple(
            Member(info.filename, info.file_size)
            for info in archive.infolist()
            if not info.is_dir()
        )

    def read(self, name: str) -> bytes:
        """One member's bytes; all that is read from one archive shares one limit."""
        parts = []
        try:
            with self._archive.open(name) as member:
                while part := member.read(_CHUNK):
                    self._spend(len(part))
                    parts.append(part)
        except Refusal:
            raise
        except KeyError:
            raise Refusal(f"the archive has no member {quoted(name)}", _REPACK) from None
        except Exception:  # noqa: BLE001 - zipfile raises many kinds on damaged input
            raise Refusal(f"the member {quoted(name)} is damaged", _REPACK) from None
        return b"".join(parts)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _too_large(self._most)


def open_archive(data: bytes, most: Most = CONFIGURATION) -> Archive:
    """The archive that the bytes hold, or a Refusal."""
    if len(data) > most.packed:
        said = f"the archive is larger than {most.packed // bounds.MIB} MiB"
        raise Refusal(said, "Leave out bulk data.")
    # zipfile builds an object an entry, so the entries are bounded before it starts. Archives
    # within the archive hold the signature too: the exact count comes after.
    if data.count(_ENTRY_SIGNATURE) > 10 * most.members:
        raise _too_many(most)
    if _extra(data) > bounds.ZIP_EXTRA:
        said = f"the archive holds more than {bounds.ZIP_EXTRA // bounds.MIB} MiB of extra fields"
        raise Refusal(said, _REPACK)
    import zipfile

    try:
        archive = zipfile.ZipFile(BytesIO(data))
        infos = archive.infolist()
        _check_members(infos, most)
        _check_overlap(data, infos, archive.start_dir)
    except Refusal:
        raise
    except Exception:  # noqa: BLE001 - zipfile raises many kinds on damaged input
        raise Refusal("this is not a readable ZIP archive", _REPACK) from None
    return Archive(archive, most)


def _extra(data: bytes) -> int:
    """How much all entries hold beside their names, which zipfile takes apart piece by piece."""
    ends = _END.finditer(data, max(0, len(data) - _END_WITHIN))
    begun = min(
        (0 if e[1] else e.start() - int.from_bytes(e[2], "little") for e in ends), default=0
    )
    entries = _EXTRA.finditer(data, max(0, begun))
    return sum(int.from_bytes(entry[1], "little") for entry in entries)


def _check_members(infos: list[ZipInfo], most: Most) -> None:
    if len(infos) > most.members:
        raise _too_many(most)
    if sum(info.file_size for info in infos) > most.inflated:
        raise _too_large(most)
    seen: set[str] = set()
    for info in infos:
        name = info.orig_filename
        if problem := _problem(info, name):
            raise Refusal(f"the member {quoted(name)} {problem}", _REPACK)
        if name in seen:
            raise Refusal(f"the member {quoted(name)} occurs twice", _REPACK)
        seen.add(name)


def _problem(info: ZipInfo, name: str) -> str:
    if _BAD_NAME.search(name):
        return "has a name that is not a plain relative path"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in _STORED_OR_DEFLATED:
        return "uses a compression method other than stored or deflated"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    return ""


def _check_overlap(data: bytes, infos: list[ZipInfo], directory: int) -> None:
    # The announced sizes of overlapping entries count the same bytes many times over.
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise Refusal("members of the archive overlap", _REPACK)
        name, extra = struct.unpack_from("<HH", data, info.header_offset + _LOCAL_HEADER - 4)
        end = info.header_offset + _LOCAL_HEADER + name + extra + info.compress_size
    if end > directory:
        raise Refusal("members of the archive overlap its directory", _REPACK)


def _too_many(most: Most) -> Refusal:
    return Refusal(f"the archive has more than {most.members} members", "Leave out bulk data.")


def _too_large(most: Most) -> Refusal:
    size = most.inflated // bounds.MIB
    return Refusal(f"the archive inflates to more than {size} MiB", "Leave out bulk data.")
