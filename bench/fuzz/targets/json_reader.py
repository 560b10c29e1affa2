"""The JSON reader accepts what json.loads does but for the named refusals, and finds it again."""

from __future__ import annotations

import json
from itertools import islice
from math import isinf
from typing import Any

from shared import expect, expect_inside, expect_place, inside, let_in

from incident_gates.evidence import places, strict_json
from incident_gates.evidence.bounds import INTEGER_DIGITS, JSON_DEPTH
from incident_gates.evidence.refusal import Refusal

LOOKED_UP = 50  # each look-up reads the file from its beginning


def fuzz(data: bytes) -> None:
    """One file."""
    text = let_in(data)
    if text is None:
        return
    wanted = plainly(text)
    try:
        value = strict_json.parse(text)
    except Refusal as refusal:
        expect_place(text, refusal)
        expect(wanted is None, f"refused for nothing: {refusal.what}")
        return
    expect(wanted is not None, "accepted what had to be refused")
    # As text: 1, 1.0 and true are equal in Python, and not in evidence.
    expect(json.dumps(value) == json.dumps(wanted), "read something else than json.loads")
    for pointer, held in islice(inside(value), LOOKED_UP):
        expect_found(text, pointer, held)


def plainly(text: str) -> dict[str, Any] | None:
    """The value as the plainest of readers has it; None for what must not come in."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=unique,
            parse_int=short,
            parse_float=finite,
            parse_constant=refused,
        )
    except (ValueError, RecursionError):
        return None
    fits = isinstance(value, dict) and whole(value) and shallow(value)
    return value if fits else None


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys differ."""
    found = dict(pairs)
    return found if len(found) == len(pairs) else refused("a key twice")


def short(token: str) -> int:
    """An integer that every reader can hold."""
    return int(token) if len(token.strip("-")) <= INTEGER_DIGITS else refused(token)


def finite(token: str) -> float:
    """A number that a float can hold."""
    return refused(token) if isinf(float(token)) else float(token)


def refused(token: str) -> Any:
    """NaN and its like, and whatever else is no evidence."""
    raise ValueError(token)


def whole(value: dict[str, Any]) -> bool:
    """Whether every string can be written as UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def shallow(value: dict[str, Any]) -> bool:
    """Whether it nests no deeper than the bound."""
    held = (len(p) + isinstance(v, (dict, list)) for p, v in inside(value))
    return max(held) <= JSON_DEPTH


def expect_found(text: str, pointer: tuple[str | int, ...], held: object) -> None:
    """A pointer leads to the place at which its value stands, and to its key."""
    line, column, length = places.locate(text, pointer)
    expect_inside(text, line, column)
    start = offset(text, line, column)
    there, end = json.JSONDecoder().raw_decode(text, start)
    expect(json.dumps(there) == json.dumps(held), f"{pointer} is not at {line}:{column}")
    expect(length in (1, end - start), f"{pointer} is {end - start} long, not {length}")
    expect(places.span(text, pointer) == (start, end), f"{pointer} spans something else")
    if pointer and isinstance(pointer[-1], str):
        line, column, _ = places.locate_key(text, pointer)
        key, _ = json.JSONDecoder().raw_decode(text, offset(text, line, column))
        expect(key == pointer[-1], f"the key of {pointer} is not at {line}:{column}")


def offset(text: str, line: int, column: int) -> int:
    """Where a line and column are in the text."""
    return sum(len(before) + 1 for before in text.split("\n")[: line - 1]) + column - 1
