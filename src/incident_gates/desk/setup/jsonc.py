"""Adds to a settings file of VS Code, JSON with comments, and leaves every other byte."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.errors import UsageError
from incident_gates.evidence import places, strict_json

if TYPE_CHECKING:
    from incident_gates.evidence.refusal import Refusal

Pointer = tuple[str | int, ...]
_PIECE = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\r\n]*|/\*.*?\*/|,(?=\s*[}\]])', re.DOTALL)
_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\r\n]*|/\*.*?\*/', re.DOTALL)
_INDENT = re.compile(r"\n([ \t]+)\S")


class Settings(NamedTuple):
    """The text, the same as strict JSON with every offset kept, and the value."""

    text: str
    bare: str
    value: dict[str, Any]


def read(text: str) -> Settings:
    """Settings with their comments; raises Refusal where they cannot be read."""
    # First the comments, then the commas that end a list: one may stand before the other.
    uncommented = _COMMENT.sub(lambda m: _blank(m, '"'), text)
    bare = _PIECE.sub(lambda m: _blank(m, '"'), uncommented)
    return Settings(text, bare, strict_json.parse(bare))


def _blank(found: re.Match[str], kept: str) -> str:
    piece = found.group()
    return piece if piece[0] == kept else re.sub(r"[^\r\n]", " ", piece)


def added(settings: Settings, where: Pointer, key: str | None, value: Any) -> Settings:
    """The settings with one more member in the object or list at a place."""
    span = places.span(settings.bare, where)
    if span is None or not isinstance(_at(settings.value, where), list if key is None else dict):
        raise UsageError(f"{'.'.join(map(str, where))} is not what VS Code expects there.")
    changed = read(_into(settings, span, key, value))
    container = _at(expected := json.loads(settings.bare), where)
    if key is None:
        container.append(value)
    else:
        container[key] = value
    if changed.value != expected:
        raise UsageError("The settings cannot be added without touching what stands there.")
    return changed


def _at(value: Any, where: Pointer) -> Any:
    for step in where:
        value = value[step]
    return value


def _into(settings: Settings, span: tuple[int, int], key: str | None, value: Any) -> str:
    text, bare = settings.text, settings.bare
    start, last = span[0] + 1, span[1] - 1
    newline = "\r\n" if "\r\n" in text else "\n"
    margin = _margin(text, span[0])
    below = margin + _unit(text)
    written = json.dumps(value, indent=_unit(text), ensure_ascii=False)
    entry = f"{json.dumps(key)}: {written}" if key is not None else written
    entry = below + entry.replace("\n", f"{newline}{below}".replace("\r\n", "\n")).replace(
        "\n", newline
    )
    end_value = start + len(bare[start:last].rstrip())
    # Behind the last comment, so that it stays with what it is about.
    end_text = start + len(text[start:last].rstrip())
    comma = "," if end_value > start and "," not in _uncommented(text, end_value, last) else ""
    tail = text[end_text:] if "\n" in text[end_text:last] else newline + margin + text[last:]
    return f"{text[:end_value]}{comma}{text[end_value:end_text]}{newline}{entry}{tail}"


def _uncommented(text: str, start: int, end: int) -> str:
    return _COMMENT.sub("", text[start:end])


def _unit(text: str) -> str:
    found = _INDENT.search(text)
    return found[1] if found else "  "


def _margin(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 :]
    return line[: len(line) - len(line.lstrip(" \t"))]


def refusal_sentence(path: str, refusal: Refusal) -> str:
    """Why settings were left alone."""
    line = f":{refusal.line}" if refusal.line else ""
    return f"{path}{line}: {refusal.what}. {refusal.fix}"
