"""What to type next, as status says it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from incident_gates.desk import awareness, steps

if TYPE_CHECKING:
    from incident_gates.desk.found import Found


def verb(found: Found) -> str:
    """The first of the next steps."""
    standing = awareness.seen([found])[0]
    return steps.after(awareness.of(standing), Path.cwd())[0]
