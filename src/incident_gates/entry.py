"""Where the command starts: a shell that completes a word is answered before anything is loaded."""

from __future__ import annotations

import sys

from incident_gates import completion


def main() -> None:
    """The console command."""
    if completion.answered():
        return
    from incident_gates.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
