"""Opens a bundle in memory, and compares every byte around its members with how it was packed."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from incident_gates import seal
from incident_gates.evidence import archives, bounds
from incident_gates.evidence.refusal import Refusal, quoted
from incident_gates.package import bundle, own

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


_ASK: Final = "Ask whoever sent the bundle for another copy."
_UTF8_NAME: Final = 0x800
_DATE_1980: Final = 0x21


def opened(data: bytes) -> dict[str, bytes]:
    """Every member of a bundle with its bytes, nothing of it on the disk; raises Refusal."""
    archive = archives.open_archive(data, archives.BUNDLE)
    names = [member.name for member in archive.members]
    refuse_names(names)
    return {name: archive.read(name) for name in names}


def below(folder: Path) -> Iterator[str]:
    """The files of an unpacked bundle, as many as a packed one may have; raises Refusal."""
    count = size = 0
    for place, folders, names in os.walk(folder, onerror=_unlisted):
        links = [name for name in folders if Path(place, name).is_symlink()]
        count += len(folders) + len(names)
        for path in (Path(place, name) for name in (*names, *links)):
            size += path.lstat().st_size
            yield path.relative_to(folder).as_posix()
        if count > 2 * bounds.BUNDLE_MEMBERS or size > bounds.BUNDLE_BYTES:
            raise Refusal("the folder holds more than any bundle does", _ASK)


def _unlisted(error: OSError) -> None:
    raise Refusal(f"a folder cannot be listed: {error.strerror}", _ASK) from error


def refuse_names(names: Iterable[str]) -> None:
    """Raises Refusal for a name that could lead elsewhere, or be two files, on some system."""
    seen: dict[str, str] = {}
    for name in names:
        if problem := seal.unusual(name):
            raise Refusal(f"the member {quoted(name)} has no plain name: {problem}", _ASK)
        other = seen.setdefault(seal.folded_path(name), name)
        if other != name:
            said = f"the members {quoted(other)} and {quoted(name)} are one file on some systems"
            raise Refusal(said, _ASK)
    for folded, name in seen.items():
        if any(above in seen for above in _above(folded)):
            raise Refusal(f"the member {quoted(name)} stands below another file", _ASK)


def _above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def packed_otherwise(data: bytes, members: Mapping[str, bytes]) -> str:
    """Where an archive is not what packing its members gives; "" where it is, to the byte.

    Members are stored one after another, so that every byte has one value that it can have.
    """
    offset = 0
    for part, where in _parts(members):
        if not data.startswith(part, offset):
            return f"the bytes of {where} are not as they were packed"
        offset += len(part)
    left_over = len(data) - offset
    return f"{left_over} bytes follow its end" if left_over else ""


def _parts(members: Mapping[str, bytes]) -> Iterator[tuple[bytes, str]]:
    """The archive in pieces, each with what a person calls it."""
    directory, offset = [], 0
    for name in sorted(members):
        data, encoded = members[name], _encoded(name)
        known = _known(name, data)
        header = struct.pack("<4s2B", b"PK\x03\x04", bundle.VERSION_2_0, 0) + known
        yield header + b"\0\0" + encoded, f"{name}, before its content,"
        yield data, name
        entry = struct.pack("<4s4B", b"PK\x01\x02", 20, bundle.UNIX, bundle.VERSION_2_0, 0) + known
        entry += struct.pack("<4H2L", 0, 0, 0, 0, bundle.PLAIN_FILE, offset) + encoded
        directory.append((entry, f"the directory entry of {name}"))
        offset += len(header) + 2 + len(encoded) + len(data)
    yield from directory
    size = sum(len(entry) for entry, _ in directory)
    comment = own.GENERATOR.encode()
    count = len(directory)
    end = (b"PK\x05\x06", 0, 0, count, count, size, offset, len(comment))
    yield struct.pack("<4s4H2LH", *end) + comment, "the end of the archive"


def _encoded(name: str) -> bytes:
    return name.encode()


def _known(name: str, data: bytes) -> bytes:
    """What both headers of a member say alike: flags, no method, no time, sizes and checksum."""
    flags = 0 if name.isascii() else _UTF8_NAME
    sizes = (zlib.crc32(data), len(data), len(data), len(_encoded(name)))
    return struct.pack("<4H3LH", flags, 0, 0, _DATE_1980, *sizes)
