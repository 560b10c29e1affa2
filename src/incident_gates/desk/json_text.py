"""Changes one place in JSON text and leaves every other byte as its author wrote it."""

from __future__ import annotations

import json
import re
from typing import Any

from incident_gates.errors import CouldNotTell
from incident_gates.evidence import places, strict_json

Pointer = tuple[str | int, ...]
_INDENT = re.compile(r"\n([ \t]+)\S")


def appended(text: str, where: Pointer, item: Any) -> str:
    """The text with one more entry in a list; a list that is absent is added to its object."""
    expected = strict_json.parse(text)
    parent = _at(expected, where[:-1])
    there = parent.get(where[-1], [])
    if not isinstance(there, list):
        raise CouldNotTell(f"{where[-1]} is not a list, so nothing can be added to it")
    parent[where[-1]] = [*there, item]
    span = places.span(text, where)
    if span:
        changed = _into(text, span, "", item)
    else:
        inside = places.span(text, where[:-1])
        key = json.dumps(where[-1], ensure_ascii=False) + ": "
        changed = _into(text, inside or (0, 0), key, [item])
    return _checked(changed, expected)


def replaced(text: str, where: Pointer, value: Any) -> str:
    """The text with another value at a place."""
    expected = strict_json.parse(text)
    _at(expected, where[:-1])[where[-1]] = value
    start, end = places.span(text, where) or (0, 0)
    return _checked(
        text[:start] + _written(text, value, _margin(text, start)) + text[end:], expected
    )


def put(text: str, where: Pointer, value: Any) -> str:
    """The text with a value at a place of an object, whether there was one before or not."""
    if places.span(text, where):
        return replaced(text, where, value)
    expected = strict_json.parse(text)
    _at(expected, where[:-1])[where[-1]] = value
    inside = places.span(text, where[:-1]) or (0, 0)
    key = json.dumps(where[-1], ensure_ascii=False) + ": "
    return _checked(_into(text, inside, key, value), expected)


def removed(text: str, where: Pointer) -> str:
    """The text without a key or an entry, and without the comma that went with it."""
    expected = strict_json.parse(text)
    parent = _at(expected, where[:-1])
    names = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
    index = names.index(where[-1])
    del parent[where[-1]]
    start, end = places.span(text, where[:-1]) or (0, 0)
    before, after = where[:-1] + tuple(names[index - 1 : index]), names[index + 1 : index + 2]
    if index:
        cut = (places.span(text, before) or (0, 0))[1], (places.span(text, where) or (0, 0))[1]
    elif after:
        cut = _begin(text, where), _begin(text, (*where[:-1], after[0]))
    else:
        cut = start + 1, end - 1
    return _checked(text[: cut[0]] + text[cut[1] :], expected)


def _begin(text: str, where: Pointer) -> int:
    """The offset at which a key, or an entry of a list, begins."""
    line, column, _ = places.locate_key(text, where)
    return sum(len(above) + 1 for above in text.split("\n")[: line - 1]) + column - 1


def _at(value: Any, where: Pointer) -> Any:
    for key in where:
        value = value[key]
    return value


def _checked(changed: str, expected: Any) -> str:
    """An edit that says anything else than it should is never written."""
    if strict_json.parse(changed) != expected:
        raise CouldNotTell("The file could not be changed without touching what stands there")
    return changed


def _into(text: str, span: tuple[int, int], key: str, item: Any) -> str:
    """Puts an entry at the end of a list or object."""
    start, last = span[0] + 1, span[1] - 1
    inner = text[start:last]
    newline = "\r\n" if "\r\n" in text else "\n"
    if not inner.strip():
        margin = _margin(text, span[0])
        below = margin + _unit(text)
        entry = f"{newline}{below}{key}{_written(text, item, below)}{newline}{margin}"
        return text[:start] + entry + text[last:]
    end = start + len(inner.rstrip())
    gap = inner[: len(inner) - len(inner.lstrip())]
    if "\n" not in gap:
        return f"{text[:end]}, {key}{json.dumps(item, ensure_ascii=False)}{text[end:]}"
    below = gap.rsplit("\n", 1)[1]
    return f"{text[:end]},{newline}{below}{key}{_written(text, item, below)}{text[end:]}"


def _written(text: str, value: Any, margin: str) -> str:
    """A value as the file would have it: its indent, its line ends."""
    lines = json.dumps(value, indent=_unit(text), ensure_ascii=False).split("\n")
    newline = "\r\n" if "\r\n" in text else "\n"
    return (newline + margin).join(lines)


def _unit(text: str) -> str:
    found = _INDENT.search(text)
    return found[1] if found else "  "


def _margin(text: str, at: int) -> str:
    """The white space that begins the line of an offset."""
    line = text[text.rfind("\n", 0, at) + 1 :]
    return line[: len(line) - len(line.lstrip(" \t"))]
