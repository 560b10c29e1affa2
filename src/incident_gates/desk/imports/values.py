"""Reads a payload that may hold anything: what is not there, or not so, reads as empty."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from incident_gates import schema
from incident_gates.evidence import times

LONGEST = 2000
# What cannot be seen, or changes how the rest is seen.
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def at(value: Any, *path: str) -> Any:
    """What stands at a path of keys, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text(value: Any, *path: str) -> str:
    """A text or a whole number, on one line; "" where there is none."""
    found = at(value, *path)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return plain(found) if isinstance(found, str) else ""


def items(value: Any, *path: str) -> list[Any]:
    """The objects of a list."""
    found = at(value, *path)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def time(value: Any, *path: str) -> str:
    """A time as it is written, if records may hold it so; "" otherwise."""
    found = at(value, *path)
    if not isinstance(found, str) or not re.fullmatch(_time_shape(), found):
        return ""
    return found if times.parse(found) else ""


@lru_cache(maxsize=1)
def _time_shape() -> str:
    pattern: str = schema.load(schema.COMMON)["$defs"]["timestamp"]["pattern"]
    return pattern.removeprefix("^").removesuffix("$")


def plain(said: str, longest: int = LONGEST) -> str:
    """A text on one line, with what cannot be seen written out."""
    line = " ".join(said[: 2 * longest].split())
    seen = "".join(_written_out(c) if unicodedata.category(c) in UNSEEN else c for c in line)
    return seen if len(seen) <= longest else f"{seen[: longest - 1]}…"


def _written_out(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004


def left(value: dict[str, Any], *known: str) -> dict[str, Any]:
    """The top-level fields that nobody has read; those that say nothing are left out."""
    return {k: v for k, v in value.items() if k not in known and v not in (None, "", [], {})}


def first(*texts: str) -> str:
    """The first text that says something."""
    return next((said for said in texts if said), "")
