"""Writes a file whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from incident_gates.evidence import bounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# How a file is called until it is whole: nobody takes it for evidence.
UNFINISHED = ".unfinished"
_LEFTOVER = re.compile(rf"\..+\.[a-z0-9_]{{8}}{re.escape(UNFINISHED)}")


def write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replaces a file in one step; a crash at any moment leaves the old one, or none."""
    write_all({path: data}, durable=durable)


def write_all(contents: Mapping[Path, bytes], *, durable: bool = True) -> None:
    """Replaces files, each in one step, once all stand whole beside them: a full disk changes none.

    What can be computed again need not be ``durable``: a power cut may cost it.
    """
    written: dict[Path, Path] = {}
    try:
        for path, data in contents.items():
            written[path] = _written_beside(path, data, durable=durable)
        for path, temporary in written.items():
            temporary.replace(path)
    except BaseException:
        for temporary in written.values():
            temporary.unlink(missing_ok=True)
        raise
    if durable:
        for folder in {path.parent for path in contents}:
            _settle(folder)


def _settle(folder: Path) -> None:
    """A new name outlasts a power cut once its folder is on the disk; not all systems know how."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[IO[bytes]]:
    """A stream that takes the file's place once it is whole; until then nothing changes.

    Unless it is ``durable``, a power cut may cost it: it can be computed again.
    """
    handle, temporary = _begun(path)
    try:
        with os.fdopen(handle, "w+b") as stream:
            yield stream
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _settle(path.parent)


def create(path: Path, data: bytes) -> bool:
    """Writes a file that is not there yet, whole; False where something of that name stands."""
    temporary = _written_beside(path, data)
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    except OSError:
        # A file system without hard links: the name is claimed first, then filled.
        if not _claimed(path):
            return False
        write(path, data)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _claimed(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        return False
    return True


def tidy(folder: Path) -> None:
    """Removes what killed runs left unfinished in a folder; whoever asks has it to themselves."""
    waiting = [(os.fspath(folder), 0)]
    while waiting:
        place, depth = waiting.pop()
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting += [(entry.path, depth + 1)] if depth < bounds.ATTACHMENT_DEPTH else []
                elif _LEFTOVER.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    with suppress(OSError):
                        Path(entry.path).unlink()


def _begun(path: Path) -> tuple[int, Path]:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)
    return handle, Path(name)


def _written_beside(path: Path, data: bytes, *, durable: bool = True) -> Path:
    handle, temporary = _begun(path)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        temporary.chmod(0o644)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
