"""Finds where a value stands in JSON text that was already accepted."""

from __future__ import annotations

import json
import re
from typing import Final

from incident_gates.evidence.refusal import position

Pointer = tuple[str | int, ...]
Place = tuple[int, int, int]

_SCAN: Final = json.JSONDecoder().raw_decode
_BLANK: Final = re.compile(r"[ \t\r\n]*")


def locate(text: str, pointer: Pointer) -> Place:
    """Line, column and length of a value, or of the innermost container that exists."""
    _, start = _walk(text, pointer)
    return _place(text, start)


def locate_key(text: str, pointer: Pointer) -> Place:
    """Line, column and length of the key that leads to a value; an item stands for itself."""
    key, start = _walk(text, pointer)
    return _place(text, start if key is None else key)


def span(text: str, pointer: Pointer) -> tuple[int, int] | None:
    """The offsets at which a value begins and ends; None where there is none."""
    at = _skip(text, 0)
    for step in pointer:
        found: tuple[int | None, int] | None = None
        if text[at] == "{" and isinstance(step, str):
            found = _in_object(text, at, step)
        elif text[at] == "[" and isinstance(step, int):
            found = _in_array(text, at, step)
        if found is None:
            return None
        at = found[1]
    return at, _SCAN(text, at)[1]


def excerpt(text: str, line: int) -> str:
    """One line of the text, without its line break."""
    lines = text.split("\n", line)
    return lines[line - 1].rstrip("\r") if 0 < line <= len(lines) else ""


def _place(text: str, start: int) -> Place:
    length = 1 if text[start] in "[{" else _SCAN(text, start)[1] - start
    return (*position(text, start), length)


def _walk(text: str, pointer: Pointer) -> tuple[int | None, int]:
    """The offsets of the last key passed and of the value reached."""
    key: int | None = None
    value = _skip(text, 0)
    for step in pointer:
        found: tuple[int | None, int] | None = None
        if text[value] == "{" and isinstance(step, str):
            found = _in_object(text, value, step)
        elif text[value] == "[" and isinstance(step, int):
            found = _in_array(text, value, step)
        if found is None:
            return None, value
        key, value = found
    return key, value


def _in_object(text: str, start: int, name: str) -> tuple[int, int] | None:
    at = _skip(text, start + 1)
    while text[at] == '"':
        key, end = _SCAN(text, at)
        value = _skip(text, _skip(text, end) + 1)
        if key == name:
            return at, value
        at = _skip(text, _SCAN(text, value)[1])
        at = _skip(text, at + 1) if text[at] == "," else at
    return None


def _in_array(text: str, start: int, index: int) -> tuple[None, int] | None:
    at = _skip(text, start + 1)
    while index >= 0 and text[at] != "]":
        if index == 0:
            return None, at
        at = _skip(text, _SCAN(text, at)[1])
        at = _skip(text, at + 1) if text[at] == "," else at
        index -= 1
    return None


def _skip(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at
