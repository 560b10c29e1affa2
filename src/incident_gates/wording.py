"""How a number of things is said, in reports and answers alike."""

from __future__ import annotations


def counted(number: int, noun: str, several: str = "") -> str:
    """A number with its noun: ``1 warning``, ``1,234 warnings``, ``2 breaches``."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"
