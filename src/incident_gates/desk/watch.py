"""Shows something again whenever the files that it is about have changed."""

from __future__ import annotations

import os
import time
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

# What is said in minutes ("in 11 min") grows old even where no file changes.
REFRESH_SECONDS = 60.0
CLEAR = "\x1b[H\x1b[2J\x1b[3J"
RULE = "-" * 80

Look = dict[str, tuple[int, int]]


def look(folders: Iterable[Path]) -> Look:
    """Each file directly in some folders with its time and size; a folder gone is no error."""
    return {path: state for folder in folders for path, state in _entries(folder)}


def _entries(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                yield entry.path, (status.st_mtime_ns, status.st_size)
    except OSError:
        return


def watch(
    draw: Callable[[], tuple[str, list[Path]]],
    show: Callable[[str], object],
    seconds: float,
    *,
    redraw: bool,
    rounds: int | None = None,
) -> None:
    """Draws, and draws again on a change, until interrupted.

    ``draw`` gives the text and the folders to look at. On a terminal (``redraw``) the new text
    replaces the old one; elsewhere it is appended, and only where it differs.
    """
    folders: list[Path] = []
    said, seen = "", None
    last = 0.0
    for turn in count():
        if rounds is not None and turn >= rounds:
            return
        if turn:
            time.sleep(seconds)
        now = look(folders)
        aged = time.monotonic() - last > REFRESH_SECONDS
        if turn and now == seen and not (redraw and aged):
            continue
        text, folders = draw()
        seen, last = look(folders), time.monotonic()
        if redraw:
            show(CLEAR + text)
        elif text != said:
            show(f"{RULE}\n{text}" if said else text)
        said = text
