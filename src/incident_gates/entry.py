"""Where the command starts: a shell that completes a word is answered before anything is loaded."""

from __future__ import annotations

import atexit
import gc
import sys

from incident_gates import completion

INTERRUPTED = 130


def main() -> None:
    """The console command; whoever interrupts it while it is loaded gets no traceback either."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def seek_no_cycles() -> None:
    """Tells Python not to look for cycles of objects: a judged record leaves none behind.

    At its end it would look through all that was ever imported, for a fifth of a short run.
    """
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)


def _run() -> None:
    if completion.answered():
        return
    seek_no_cycles()
    from incident_gates.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
