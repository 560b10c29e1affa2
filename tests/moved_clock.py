"""The command line under a clock that a file sets, so that an incident can be played again."""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path

real = dt.datetime


class Moved(real):
    """The moment that the file names."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Moved:
        text = Path(os.environ["MOVED_CLOCK"]).read_text("utf-8").strip()
        return cls.fromisoformat(text.replace("Z", "+00:00")).astimezone(tz)


dt.datetime = Moved  # type: ignore[misc]
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from incident_gates.cli import main  # noqa: E402

main(prog_name="incident-gates")
