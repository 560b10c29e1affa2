"""Reads files and lists folders that somebody else filled."""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
import re
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from incident_gates.evidence import bounds
from incident_gates.evidence.refusal import Refusal, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK: Final = 64 * 1024
# The bundle holds a copy of the folder that it stands in, which must not count twice.
NOT_COUNTED: Final = ("INCIDENT-EVIDENCE-BUNDLE.zip",)

# NOFOLLOW: a link may lead out of the repository. NONBLOCK: opening a FIFO must not wait for
# its writer. Windows has neither, but needs BINARY.
_FLAG_NAMES: Final = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY")
_FLAGS: Final = os.O_RDONLY | sum(getattr(os, name, 0) for name in _FLAG_NAMES)
_WHITE: Final = b" \t\n\r\v\f"
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_BOMS: Final = (
    (codecs.BOM_UTF8, "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_SAVE_AS_UTF8: Final = "Save the file as UTF-8 without a byte order mark."

Kind = Literal["file", "link", "other"]


class Entry(NamedTuple):
    """One name in a folder; the name is a POSIX path relative to that folder."""

    name: str
    size: int
    kind: Kind


def read(path: Path | str, limit: int) -> bytes:
    """All bytes of a regular file that is no larger than the limit."""
    return b"".join(_chunks(path, limit))


def read_under(root: Path, relative: str, limit: int) -> bytes:
    """Reads a path that the evidence itself names, which may not lead out of the root."""
    return read(_inside(root, relative), limit)


def digest_under(root: Path, relative: str, limit: int) -> str:
    """The SHA-256 of a file that the evidence itself names, read piece by piece."""
    return digest_file(_inside(root, relative), limit)


def looked_into(root: Path, relative: str, limit: int) -> tuple[str, bool]:
    """The SHA-256 of such a file, and whether it holds white space and one other byte at most."""
    total, first, blank = hashlib.sha256(), b"", True
    for chunk in _chunks(_inside(root, relative), limit):
        total.update(chunk)
        if blank:  # which is seldom true for longer than the first chunk
            said = chunk.translate(None, _WHITE)
            first = first or said[:1]
            blank = not said.strip(first)
    return total.hexdigest(), blank


def refuse_pointer(data: bytes) -> None:
    """Raises Refusal where Git LFS left a pointer in the place of a file."""
    if data.startswith(b"version https://git-lfs.github.com/spec/"):
        raise _unread(
            "this is a Git LFS pointer, not the file itself",
            "Check it out with LFS (`lfs: true` of actions/checkout), or keep it out of LFS.",
        )


def digest(data: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path, limit: int) -> str:
    """The SHA-256 of a file, read piece by piece."""
    total = hashlib.sha256()
    for chunk in _chunks(path, limit):
        total.update(chunk)
    return total.hexdigest()


def chunks(path: Path, limit: int) -> Iterator[bytes]:
    """A regular file that is no larger than the limit, piece by piece."""
    return _chunks(path, limit)


def _chunks(path: Path | str, limit: int) -> Iterator[bytes]:
    try:
        descriptor = _open(path, limit)
        try:
            read_so_far = 0
            # The size is checked again while reading: the file may grow under our hands.
            while chunk := os.read(descriptor, _CHUNK):
                read_so_far += len(chunk)
                if read_so_far > limit:
                    raise _too_large(limit)
                yield chunk
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unreadable(error) from None
    except ValueError as error:
        if isinstance(error, Refusal):
            raise
        raise _unusable_name() from None


def _open(path: Path | str, limit: int) -> int:
    if not hasattr(os, "O_NOFOLLOW"):
        _refuse_link(os.lstat(path))
    descriptor = os.open(path, _FLAGS)
    try:
        _check_file(os.fstat(descriptor), limit)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_file(status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a device, pipe or socket"
        raise _unread(f"this is {what}, not a file", "Put a regular file here.")
    if status.st_size > limit:
        raise _too_large(limit)


def _inside(root: Path, relative: str) -> Path:
    if not relative or len(relative) > bounds.PATH_CHARS or _CONTROL.search(relative):
        raise _unusable_name()
    parts = PurePosixPath(relative).parts
    # Each folder on the way is looked at, from the top.
    if len(parts) > bounds.PATH_PARTS:
        raise _unread(f"the path has more than {bounds.PATH_PARTS} parts", "Use fewer folders.")
    if relative.startswith("/") or "\\" in relative or ".." in parts or relative[1:2] == ":":
        raise _unread(
            f"the path {quoted(relative)} is not a plain path inside the folder",
            "Write it relative to the folder, with forward slashes and without '..'.",
        )
    path = root
    for part in parts:
        path = path / part
        try:
            _refuse_link(os.lstat(path))
        except OSError as error:
            raise _unreadable(error) from None
        except UnicodeEncodeError:
            raise _unusable_name() from None
    return path


def _refuse_link(status: os.stat_result) -> None:
    # Windows marks links and junctions alike as reparse points.
    reparse = getattr(status, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_REPARSE_POINT
    if reparse or stat.S_ISLNK(status.st_mode):
        raise _link()


def shallow(folder: Path) -> tuple[Entry, ...]:
    """The direct children of a folder that are not folders, sorted by name."""
    found, _ = _scan(folder, "", [0, 0])
    return tuple(sorted(found, key=_by_name))


def listing(folder: Path) -> tuple[Entry, ...]:
    """Everything in and below a folder, links not followed, sorted by name."""
    totals = [0, 0]
    entries: list[Entry] = []
    waiting = [("", 0)]
    while waiting:
        prefix, depth = waiting.pop()
        if depth > bounds.ATTACHMENT_DEPTH:
            raise _too_much(f"folders more than {bounds.ATTACHMENT_DEPTH} levels deep")
        found, folders = _scan(folder / prefix, prefix, totals)
        entries += found
        # Empty folders count too, or a tree of nothing else would take for ever.
        totals[0] += len(folders)
        waiting += ((name + "/", depth + 1) for name in folders)
    return tuple(sorted(entries, key=_by_name))


def _by_name(entry: Entry) -> str:
    return entry.name


def _scan(folder: Path, prefix: str, totals: list[int]) -> tuple[list[Entry], list[str]]:
    entries: list[Entry] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as children:
            for child in children:
                if child.is_dir(follow_symlinks=False):
                    folders.append(prefix + child.name)
                    continue
                entry = _entry(child, prefix)
                entries.append(entry)
                totals[0] += 1
                totals[1] += 0 if entry.name in NOT_COUNTED else entry.size
                _check(totals)
    except OSError as error:
        raise _unreadable(error) from None
    return entries, folders


def _entry(child: os.DirEntry[str], prefix: str) -> Entry:
    kind: Kind = "other"
    size = 0
    if child.is_symlink():
        kind = "link"
    elif child.is_file(follow_symlinks=False):
        kind = "file"
        size = child.stat(follow_symlinks=False).st_size
    return Entry(prefix + child.name, size, kind)


def _check(totals: list[int]) -> None:
    if totals[0] > bounds.INCIDENT_FILES:
        raise _too_much(f"more than {bounds.INCIDENT_FILES} files")
    if totals[1] > bounds.INCIDENT_BYTES:
        raise _too_much(f"more than {bounds.INCIDENT_BYTES // bounds.MIB} MiB")


def decode(data: bytes) -> str:
    """The text of a file, which is UTF-8 and not empty."""
    if data[:1] in b"\xef\xff\xfe\x00":
        _check_encoding(data)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line_start = data.rfind(b"\n", 0, error.start) + 1
        raise Refusal(
            "the file is not UTF-8 text",
            _SAVE_AS_UTF8,
            line=data.count(b"\n", 0, error.start) + 1,
            column=len(data[line_start : error.start].decode()) + 1,
        ) from None
    if "\0" in text:
        raise Refusal(
            "the file holds NUL bytes, so it is not text",
            _SAVE_AS_UTF8,
            line=text.count("\n", 0, text.index("\0")) + 1,
        )
    if not text or text.isspace():
        raise Refusal("the file is empty", "Fill it in, or remove it.", line=1, column=1)
    return text


def _check_encoding(data: bytes) -> None:
    for mark, name in _BOMS:
        if data.startswith(mark):
            raise Refusal(f"the file is {name}", _SAVE_AS_UTF8, line=1, column=1)


def _unread(what: str, fix: str) -> Refusal:
    return Refusal(what, fix, malformed=False)


def _link() -> Refusal:
    return _unread("this is a symbolic link, never followed", "Put the file itself here.")


def _unusable_name() -> Refusal:
    return _unread("this name cannot be a path", "Use a plain file name.")


def _too_large(limit: int) -> Refusal:
    size = f"{limit // bounds.MIB} MiB" if limit >= bounds.MIB else f"{limit // bounds.KIB} KiB"
    fix = "Move bulky output to an attachment and refer to it by digest."
    return _unread(f"the file is larger than {size}", fix)


def _too_much(what: str) -> Refusal:
    fix = "Keep the bulk elsewhere and refer to it by URI and digest."
    return _unread(f"the folder holds {what}", fix)


def _unreadable(error: OSError) -> Refusal:
    # FreeBSD says EMLINK where the others say ELOOP.
    if error.errno in (errno.ELOOP, errno.EMLINK):
        return _link()
    if isinstance(error, FileNotFoundError):
        return _unread("there is no such file", "Add it, or correct its name.")
    if isinstance(error, PermissionError):
        return _unread("the file may not be read", "Give the reading user permission.")
    code = errno.errorcode.get(error.errno or 0, "unknown error")
    return _unread(f"the file could not be read ({code})", "Check the file and its disk.")
