"""How drafts put evidence into prose: one line, no markup, roles instead of names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from datetime import timedelta

    from incident_gates.evidence.times import Time
    from incident_gates.incident import Node

# What has a meaning anywhere in a line of Markdown, and what has one where a line begins.
_MARKUP = re.compile(r"[\\`*\[\]<~&]|(?<![^\W_])_|_(?![^\W_])")
_START = re.compile(r"\A(?:(?=[>#]|[-+](?:[ -]|\Z))|(\d{1,9})(?=[.)](?: |\Z)))")
LONGEST = 240
SOMEBODY = "a responder"


def inline(text: str, longest: int = LONGEST) -> str:
    """Evidence inside a line of Markdown: it starts no link, element, code, list or heading."""
    escaped = _MARKUP.sub(r"\\\g<0>", visible(" ".join(text.split()), longest))
    return _START.sub(r"\1\\", escaped)


def role(text: str) -> str:
    """A role as people say it: ``incident_commander`` is the incident commander."""
    return f"the {inline(text.replace('_', ' '), 60)}" if text else SOMEBODY


def acted(node: Node) -> str:
    """Who did it, by role: a name in prose reads as blame."""
    return role(node["role"].text)


def listed(words: list[str]) -> str:
    """Words as a sentence lists them."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""


def exact(length: timedelta) -> str:
    """A duration to the minute, or to the second where it has seconds: 1 d 3 h 55 min."""
    minutes, seconds = divmod(round(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{amount} {unit}" for amount, unit in units if amount) or "less than a minute"


def clock(time: Time) -> str:
    """The time of day as a log line leads with it; what is coarse says so after it."""
    return f"{time.clock} UTC"


def about(time: Time) -> str:
    """How coarse a time is, where that matters."""
    return "" if time.fine else " (time not exact)"
