"""How things are said in findings, reports and answers alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

QUOTED = 80


def counted(number: int, noun: str, several: str = "") -> str:
    """A number with its noun: ``1 warning``, ``1,234 warnings``, ``2 breaches``."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def brief(text: str) -> str:
    """As much of a text as a sentence can quote."""
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def path(pointer: Iterable[str | int]) -> str:
    """A JSON pointer as people read it: ``decisions/0/approvals``."""
    return "/".join(map(str, pointer))
