"""JSON without its traps: duplicate keys, NaN, huge numbers, lone surrogates, deep nesting."""

from __future__ import annotations

import json
import re
from math import isinf
from typing import Any, Final, NoReturn

from incident_gates.evidence.bounds import INTEGER_DIGITS, JSON_DEPTH
from incident_gates.evidence.refusal import Refusal, position, quoted

_BLANK: Final = b" \t\r\n"
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
# Looked for in a text that is refused, or nearly, and so compiled only then.
_BRACKET: Final = r'"[^"]*"?|([\[{])|[\]}]'
_KEY: Final = r'("[^"]*")([ \t\r\n]*:)?|[\[{]|[\]}]'
_ESCAPED_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE: Final = (
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>u[dD][89a-fA-F])|(?s:.))"
)


_QUICK_BRACKETS: Final = 10_000


class _Token(Exception):
    """A number that the scanner met and that is refused; its place is looked up afterwards."""


class _Twice(Exception):
    """A key that one object holds twice."""


def parse(text: str) -> dict[str, Any]:
    """The object that the text holds, or a Refusal that names the line."""
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        _refuse_surrogate(text, error.start)
    if data.count(b"[") + data.count(b"{") > JSON_DEPTH:
        _check_depth(text)
    try:
        value = _decode(text, data)
    except json.JSONDecodeError as error:
        raise _explained(text, error) from None
    except _Token as token:
        _refuse_number(text, str(token))
    except _Twice as twice:
        _refuse_twice(text, str(twice))
    if "\\" in text and _ESCAPED_SURROGATE.search(text):
        _check_surrogates(text)
    if not isinstance(value, dict):
        raise Refusal(
            "the file does not hold a JSON object at the top",
            "Wrap the content in { … }, as the schema of this file shows.",
            line=1,
            column=1,
        )
    return value


def _decode(text: str, data: bytes) -> Any:
    # A pairs hook would slow every object down. Counting is cheaper: each pair has a key that a
    # colon follows, so if that pattern is no more frequent than the keys we hold, none was lost.
    held = 0

    def count(members: dict[str, Any]) -> dict[str, Any]:
        nonlocal held
        held += len(members)
        return members

    value = json.JSONDecoder(
        object_hook=count, parse_int=_integer, parse_float=_real, parse_constant=_constant
    ).decode(text)
    if held != data.translate(None, _BLANK).count(b'":'):
        json.JSONDecoder(object_pairs_hook=_unique).decode(text)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _Twice(key)
        seen.add(key)


def _integer(token: str) -> int:
    if len(token.lstrip("-")) > INTEGER_DIGITS:
        raise _Token(token)
    return int(token)


def _real(token: str) -> float:
    value = float(token)
    if isinf(value):
        raise _Token(token)
    return value


def _constant(token: str) -> NoReturn:
    raise _Token(token)


def _masked(text: str) -> str:
    """The text without escapes, at unchanged offsets, so that every quote left is a real one."""
    if "\\" not in text:
        return text
    return text.replace("\\\\", "__").replace('\\"', "__")


def _check_depth(text: str) -> None:
    masked = _masked(text)
    brackets = "".join(masked.split('"')[::2]).encode().translate(None, _NOT_BRACKETS)
    # Each round removes the innermost level; what vanishes in time cannot be too deep. The
    # rounds are cheap for real files only, so a large text goes straight to the careful scan.
    if len(brackets) < _QUICK_BRACKETS:
        for _ in range(JSON_DEPTH):
            if not brackets:
                return
            brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    depth = 0
    for match in re.finditer(_BRACKET, masked):
        if match[1]:
            depth += 1
        elif match[0] in "]}":
            depth -= 1
        if depth > JSON_DEPTH:
            raise _at(
                text,
                match.start(),
                f"the JSON is nested more than {JSON_DEPTH} levels deep",
                "Flatten the structure; no record needs that many levels.",
            )


def _check_surrogates(text: str) -> None:
    for match in re.finditer(_ESCAPE, text):
        if match["lone"]:
            _refuse_surrogate(text, match.start())


def _refuse_surrogate(text: str, offset: int) -> NoReturn:
    raise _at(
        text,
        offset,
        "a string holds half of a character (a lone surrogate)",
        "Write the character itself, or both halves of its \\u escape.",
    )


def _refuse_number(text: str, token: str) -> NoReturn:
    start = re.escape(token[: 2 * INTEGER_DIGITS])  # enough to find it, however long it is
    outside = re.compile(rf'"[^"]*"?|(?<![-+.0-9A-Za-z])({start})')
    found = next((m.start() for m in outside.finditer(_masked(text)) if m[1]), 0)
    what = f"the number {quoted(token)} is too large"
    fix = f"Use at most {INTEGER_DIGITS} digits, or write the value as a string."
    if token[-1].isalpha():
        what = f"{token} is not a JSON value"
        fix = "Use a number, or null where the value is not known."
    raise _at(text, found, what, fix)


def _refuse_twice(text: str, key: str) -> NoReturn:
    raise _at(
        text,
        _second(text, key),
        f"the key {quoted(key)} occurs twice in one object",
        "Keep one of the two; readers disagree on which one counts.",
    )


def _second(text: str, key: str) -> int:
    met: list[bool] = []
    for match in re.finditer(_KEY, _masked(text)):
        piece = match[0]
        if piece in ("[", "{"):
            met.append(False)
        elif piece in ("]", "}"):
            met.pop()
        elif match[2] and json.loads(text[match.start(1) : match.end(1)]) == key:
            if met[-1]:
                return match.start()
            met[-1] = True
    return 0


_MISTAKES: Final = (
    (r"//|/\*|#", "JSON has no comments", "Remove the comment."),
    (
        r"<{7}|={7}|>{7}",
        "the file holds an unresolved merge conflict",
        "Resolve the conflict and remove its markers.",
    ),
    (
        r"[‘’“”']",
        "JSON strings need straight double quotes",
        'Replace the quotes by ".',
    ),
    (
        r"(?:True|False|None|undefined)\b",
        "this is not a JSON value",
        "Use true, false or null, in lower case.",
    ),
    (r"\Z", "the file ends in the middle of the JSON", "Complete the file."),
)
_MESSAGES: Final = (
    ("Extra data", "text follows after the end of the JSON object", "Keep one object a file."),
    ("Unterminated string", "a string is not closed", 'Close it with ".'),
    (
        "Invalid control character",
        "a string holds a line break or another control character",
        "Write it as an escape, such as \\n.",
    ),
    ("Invalid \\", "a string holds an unknown escape", "Write a backslash as \\\\."),
    ("Expecting ',' delimiter", "a comma or a closing bracket is missing", "Add it here."),
    ("Expecting ':' delimiter", "a colon is missing after a key", "Add it here."),
    (
        "Expecting property name",
        "a key in double quotes is missing",
        'Write every key in double quotes: "key": value.',
    ),
)


def _explained(text: str, error: json.JSONDecodeError) -> Refusal:
    offset, before = error.pos, text[: error.pos].rstrip()
    if text[offset : offset + 1] == ",":
        before, offset = text[: offset + 1], offset + 1
        offset += len(text[offset:]) - len(text[offset:].lstrip())
    if before.endswith(",") and text[offset : offset + 1] in ("]", "}"):
        return _at(text, len(before) - 1, "JSON has no trailing commas", "Remove the comma.")
    for pattern, what, fix in _MISTAKES:
        if re.compile(pattern).match(text, error.pos):
            return _at(text, error.pos, what, fix)
    for start, what, fix in _MESSAGES:
        if error.msg.startswith(start):
            return _at(text, error.pos, what, fix)
    return _at(text, error.pos, "this is not valid JSON", "Correct the JSON at this place.")


def _at(text: str, offset: int, what: str, fix: str) -> Refusal:
    line, column = position(text, offset)
    return Refusal(what, fix, line=line, column=column)
