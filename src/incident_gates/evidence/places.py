"""Finds where a value stands in JSON text that was already accepted."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Pointer = tuple[str | int, ...]
Place = tuple[int, int, int]
Found = tuple[int | None, int]

# raw_decode is this and a look for what cannot be: the text was accepted already.
_SCAN: Final = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # typeshed has it not
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_COLON: Final = re.compile(r"[ \t\r\n]*:[ \t\r\n]*")
_COMMA: Final = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")


class Index:
    """Where the values of one text stand.

    Each container is walked once, however often asked, and only as far as was asked for.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._inside: dict[int, tuple[dict[Any, Found], Iterator[tuple[Any, Found]]]] = {}

    def locate(self, pointer: Pointer) -> Place:
        """Line, column and length of a value, or of the innermost container that exists."""
        return self._place(self._walk(pointer)[1])

    def locate_key(self, pointer: Pointer) -> Place:
        """Line, column and length of the key that leads to a value; an item stands for itself."""
        key, start = self._walk(pointer)
        return self._place(start if key is None else key)

    def span(self, pointer: Pointer) -> tuple[int, int] | None:
        """The offsets at which a value begins and ends; None where there is none."""
        at = _skip(_BLANK, self._text, 0)
        for step in pointer:
            found = self._child(at, step)
            if found is None:
                return None
            at = found[1]
        return at, _SCAN(self._text, at)[1]

    def excerpt(self, line: int) -> str:
        """One line of the text, without its line break."""
        return self._lines[line - 1].rstrip("\r") if 0 < line <= len(self._lines) else ""

    @cached_property
    def _lines(self) -> list[str]:
        return self._text.split("\n")

    @cached_property
    def _before(self) -> list[int]:
        """How many characters stand before each line, line breaks not counted."""
        return list(accumulate(map(len, self._lines), initial=0))

    def _start(self, index: int) -> int:
        return self._before[index] + index

    def _place(self, start: int) -> Place:
        text = self._text
        length = 1 if text[start] in "[{" else _SCAN(text, start)[1] - start
        line = bisect_right(range(len(self._lines)), start, key=self._start)
        return line, start - self._start(line - 1) + 1, length

    def _walk(self, pointer: Pointer) -> tuple[int | None, int]:
        """The offsets of the last key passed and of the value reached."""
        key: int | None = None
        value = _skip(_BLANK, self._text, 0)
        for step in pointer:
            found = self._child(value, step)
            if found is None:
                return None, value
            key, value = found
        return key, value

    def _child(self, start: int, step: str | int) -> tuple[int | None, int] | None:
        if start not in self._inside:
            walk = {"{": _members, "[": _items}.get(self._text[start])
            self._inside[start] = {}, walk(self._text, start) if walk else iter(())
        known, rest = self._inside[start]
        if step not in known:
            for key, where in rest:
                known[key] = where
                if key == step:
                    break
        return known.get(step)


def locate(text: str, pointer: Pointer) -> Place:
    """Line, column and length of a value, or of the innermost container that exists."""
    return Index(text).locate(pointer)


def locate_key(text: str, pointer: Pointer) -> Place:
    """Line, column and length of the key that leads to a value; an item stands for itself."""
    return Index(text).locate_key(pointer)


def span(text: str, pointer: Pointer) -> tuple[int, int] | None:
    """The offsets at which a value begins and ends; None where there is none."""
    return Index(text).span(pointer)


def _members(text: str, start: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Each key of an object, with the offsets of the key and of its value."""
    at = _skip(_BLANK, text, start + 1)
    while text[at] == '"':
        key, end = _SCAN(text, at)
        value = _skip(_COLON, text, end)
        yield key, (at, value)
        at = _skip(_COMMA, text, _SCAN(text, value)[1])


def _items(text: str, start: int) -> Iterator[tuple[int, tuple[None, int]]]:
    """Each index of a list, with the offset of its item."""
    at, index = _skip(_BLANK, text, start + 1), 0
    while text[at] != "]":
        yield index, (None, at)
        at, index = _skip(_COMMA, text, _SCAN(text, at)[1]), index + 1


def _skip(filling: re.Pattern[str], text: str, at: int) -> int:
    """The offset behind what stands between two values, if anything does."""
    match = filling.match(text, at)
    return match.end() if match else at
