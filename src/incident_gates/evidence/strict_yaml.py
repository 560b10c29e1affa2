"""The part of YAML that means the same to every reader: no tags, anchors, merges or guesses."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from incident_gates.evidence.bounds import INTEGER_DIGITS, YAML_BYTES, YAML_DEPTH
from incident_gates.evidence.refusal import Refusal, position, quoted

Pointer = tuple[str | int, ...]

_INTEGER: Final = re.compile(rf"-?(?:0|[1-9][0-9]{{0,{INTEGER_DIGITS - 1}}})\Z")
_DECIMAL: Final = re.compile(_INTEGER.pattern[:-2] + r"\.[0-9]{1,30}\Z")
# Breaks for YAML 1.1, characters for 1.2; and a bare carriage return is a line for YAML alone.
# What stands behind one in a comment would count, and no reviewer would see it.
_BREAK: Final = re.compile("[\x85\u2028\u2029]|\r(?!\n)")
_WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}
# `key: value` lines as most front matter has them, where YAML and a regular expression agree.
_SIMPLE: Final = re.compile(
    r"([A-Za-z_][A-Za-z0-9_-]*): +([A-Za-z0-9](?:[A-Za-z0-9 _./+@()-]|:(?=[A-Za-z0-9/]))*)\n"
)


class Yaml(NamedTuple):
    """A value and, for every pointer into it, the 1-based line and column."""

    value: Any
    marks: dict[Pointer, tuple[int, int]]


class _Open:
    """A collection whose end has not come yet."""

    __slots__ = ("key", "pointer", "value")

    def __init__(self, value: Any, pointer: Pointer) -> None:
        self.value = value
        self.pointer = pointer
        self.key: str | None = None


class _Builder:
    """Makes the value of a document out of its events."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.root: Any = None
        self.marks: dict[Pointer, tuple[int, int]] = {}
        self.stack: list[_Open] = []
        self.documents = 0

    def handle(self, event: Any) -> None:
        match type(event).__name__:
            case "ScalarEvent":
                self.scalar(event)
            case "MappingStartEvent":
                self.begin(event, {})
            case "SequenceStartEvent":
                self.begin(event, [])
            case "MappingEndEvent" | "SequenceEndEvent":
                self.stack.pop()
            case "DocumentStartEvent":
                self.document(event)
            case "AliasEvent":
                raise _at(event, "aliases (*name) are not allowed", "Write the value out.")

    def document(self, event: Any) -> None:
        self.documents += 1
        if event.version or event.tags:
            raise _at(event, "directives (%…) are not allowed", "Remove the directive.")
        if self.documents > 1:
            raise _at(event, "the file holds several documents", "Keep one document a file.")

    def begin(self, event: Any, value: Any) -> None:
        _refuse_decoration(event)
        if len(self.stack) >= YAML_DEPTH:
            raise _at(
                event, f"the YAML is nested more than {YAML_DEPTH} levels deep", "Flatten it."
            )
        self.stack.append(_Open(value, self.place(event, value)))

    def scalar(self, event: Any) -> None:
        _refuse_decoration(event)
        top = self.stack[-1] if self.stack else None
        if top and type(top.value) is dict and top.key is None:
            top.key = _key(event, top.value)
        else:
            self.place(event, event.value if event.style else _plain(event.value))

    def place(self, event: Any, value: Any) -> Pointer:
        """Puts a value where it belongs and says where that is."""
        pointer: Pointer = ()
        if not self.stack:
            self.root = value
        elif type(self.stack[-1].value) is list:
            top = self.stack[-1]
            pointer = (*top.pointer, len(top.value))
            top.value.append(value)
        else:
            top = self.stack[-1]
            if top.key is None:
                raise _at(event, "a key is not a plain string", "Use a string as the key.")
            pointer = (*top.pointer, top.key)
            top.value[top.key] = value
            top.key = None
        # To PyYAML, what is left out at the end of a file stands on a line that is not there.
        line = min(event.start_mark.line + 1, self.last)
        self.marks[pointer] = (line, event.start_mark.column + 1)
        return pointer


def parse(text: str) -> Yaml:
    """The value of one YAML document, or a Refusal that names the line."""
    if simple := _simple(text):
        return simple
    builder = _Builder(last := text.count("\n") + 1)
    try:
        _check_size(text)
        _check_breaks(text)
        import yaml

        # Events, not nodes: building nodes recurses once a level before we could count.
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.handle(event)
    except ImportError:
        raise
    except Refusal as refusal:
        refusal.line = min(refusal.line, last) if refusal.line else None
        raise
    except Exception as error:  # noqa: BLE001 - PyYAML raises nearly anything on hostile input
        raise _explained(error, last) from None
    builder.marks.setdefault((), (1, 1))
    return Yaml(builder.root, builder.marks)


def _check_size(text: str) -> None:
    if len(text.encode()) > YAML_BYTES:
        raise Refusal(f"the YAML is larger than {YAML_BYTES // 1024} KiB", "Split the file.")


def _check_breaks(text: str) -> None:
    if found := _BREAK.search(text):
        line, column = position(text, found.start())
        raise Refusal(
            f"a line ends in {quoted(found[0])}, which not every reader takes for a line break",
            "Use ordinary line breaks; in a quoted string, write the character as an escape.",
            line=line,
            column=column,
        )


def _simple(text: str) -> Yaml | None:
    """Reads flat `key: value` lines without starting the YAML machinery; None if unsure."""
    value: dict[str, Any] = {}
    marks: dict[Pointer, tuple[int, int]] = {(): (1, 1)}
    offset, line = 0, 1
    while match := _SIMPLE.match(text, offset):
        key = match[1]
        if key in value or key in _WORDS:
            return None
        value[key] = _plain(match[2].rstrip(" "))
        marks[(key,)] = (line, match.start(2) - offset + 1)
        offset, line = match.end(), line + 1
    return Yaml(value, marks) if value and offset == len(text) <= YAML_BYTES else None


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text[0].isalpha():
        return text
    if _INTEGER.match(text):
        return int(text)
    if _DECIMAL.match(text):
        return float(text)
    return text


def _key(event: Any, mapping: dict[str, Any]) -> str:
    key: str = event.value
    if not event.style and (key == "<<" or not isinstance(_plain(key), str)):
        what = "merge keys (<<) are not allowed" if key == "<<" else "a key is not a string"
        raise _at(event, what, "Write the keys out, in quotes where they look like a value.")
    if key in mapping:
        raise _at(event, f"the key {quoted(key)} occurs twice", "Keep one of the two.")
    return key


def _refuse_decoration(event: Any) -> None:
    if event.anchor:
        raise _at(event, "anchors (&name) are not allowed", "Write the value out where needed.")
    if event.tag:
        raise _at(event, "tags (!name) are not allowed", "Remove the tag; quote strings instead.")
    if type(event).__name__ == "ScalarEvent" and not event.value.isascii():
        event.value.encode()  # the pure Python parser lets lone surrogates through


def _at(event: Any, what: str, fix: str) -> Refusal:
    mark = event.start_mark
    return Refusal(what, fix, line=mark.line + 1, column=mark.column + 1)


def _explained(error: Exception, last: int) -> Refusal:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None)
    why = f" ({problem})" if isinstance(problem, str) and problem.isprintable() else ""
    return Refusal(
        f"this is not valid YAML{why[:120]}",
        "Correct the YAML at this place; check indentation, colons and quotes.",
        line=min(mark.line + 1, last) if mark else None,
        column=mark.column + 1 if mark else None,
    )
