"""Lets one writer at a time change a record."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from incident_gates import atomic
from incident_gates.errors import CouldNotTell

if TYPE_CHECKING:
    from collections.abc import Iterator

# A writer holds the lock for milliseconds, one that packs a large record for seconds; longer means
# that it was stopped half-way.
PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.02


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Waits for the folder's lock and holds it; what a killed writer left unfinished is removed.

    Its lock ended with its process.
    """
    descriptor = _open(folder)
    try:
        _wait(descriptor, folder)
        atomic.tidy(folder)
        yield
    finally:
        os.close(descriptor)


def tidy(folder: Path) -> None:
    """Waits until nobody writes there; whoever lists the files then meets none unfinished."""
    with held(folder):
        pass


def _open(folder: Path) -> int:
    """The folder itself can be locked, and then no lock file is left among the evidence."""
    if sys.platform != "win32" and _lockable(folder):
        return os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"incident-gates-{name}.lock"
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _wait(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _taken(descriptor):
        if time.monotonic() > deadline:
            said = f"Somebody else is writing to {folder.name}; nothing was changed, try again"
            raise CouldNotTell(said)
        time.sleep(PAUSE_SECONDS)


if sys.platform == "win32":
    import msvcrt

    def _taken(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _taken(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                return False
            raise CouldNotTell(f"The folder cannot be locked: {error.strerror}") from error
        return True

    def _lockable(folder: Path) -> bool:
        """Network file systems lock files, not folders; every writer is answered the same."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _taken(descriptor)
        except CouldNotTell:
            return False
        finally:
            os.close(descriptor)
        return True
