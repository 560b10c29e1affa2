"""Where the command starts: a shell that completes a word is answered before anything is loaded."""

from __future__ import annotations

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


def _run() -> None:
    if completion.answered():
        return
    # A judged record leaves no cycles behind: looking for some takes time and finds nothing.
    gc.set_threshold(100_000)
    from incident_gates.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
