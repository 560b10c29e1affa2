"""Counts what a parsed file holds, so that no rule meets more than people write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from incident_gates.evidence import bounds
from incident_gates.evidence.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Pointer = tuple[str | int, ...]

_FIX: Final = "Keep what matters here; move the rest to an attachment and refer to it by digest."


class Most(NamedTuple):
    """How much a file may hold: entries of a list, characters of a text."""

    entries: int
    chars: int


RECORD: Final = Most(bounds.LIST_ENTRIES, bounds.STRING_CHARS)
# What a machine exported is met once.
INPUT: Final = Most(bounds.INPUT_ENTRIES, bounds.FILE_BYTES)


def refuse(text: str, value: Any, most: Most, line_of: Callable[[Pointer], int]) -> None:
    """Raises Refusal where a list or a text of the file, or the file, is larger than people write.

    Entries are parted by a comma or, in YAML, by a line end: most files are not even walked.
    """
    if text.count(",") + text.count("\n") >= most.entries:
        _refuse_lists(value, most.entries, line_of)
    if len(text) > most.chars:
        _refuse_texts(value, most.chars, line_of)


def _refuse_texts(value: Any, chars: int, line_of: Callable[[Pointer], int]) -> None:
    for pointer, inside in _containers(value):
        children = inside.items() if isinstance(inside, dict) else enumerate(inside)
        for key, child in children:
            if any(isinstance(said, str) and len(said) > chars for said in (key, child)):
                what = f"a text holds more than {chars} characters"
                raise Refusal(what, _FIX, line=line_of((*pointer, key)))


def _refuse_lists(value: Any, entries: int, line_of: Callable[[Pointer], int]) -> None:
    total = 0
    for pointer, inside in _containers(value):
        total += len(inside)
        if total > bounds.FILE_VALUES:
            raise Refusal(f"the file holds more than {bounds.FILE_VALUES} values", _FIX, line=1)
        if isinstance(inside, list) and len(inside) > entries:
            what = f"a list holds more than {entries} entries"
            raise Refusal(what, _FIX, line=line_of(pointer))


def refuse_lines(text: str) -> None:
    """Raises Refusal where a Markdown file has more lines than anybody reads."""
    # A lone carriage return ends a line, too.
    ends = text.count("\n") + text.count("\r") - text.count("\r\n")
    if ends > bounds.MARKDOWN_LINES:
        what = f"the file has more than {bounds.MARKDOWN_LINES} lines"
        raise Refusal(what, _FIX, line=bounds.MARKDOWN_LINES + 1)


def _containers(value: Any) -> Iterator[tuple[Pointer, list[Any] | dict[str, Any]]]:
    waiting: list[tuple[Pointer, Any]] = [((), value)]
    while waiting:
        pointer, inside = waiting.pop()
        if isinstance(inside, (dict, list)):
            yield pointer, inside
            children = inside.items() if isinstance(inside, dict) else enumerate(inside)
            waiting += [((*pointer, key), child) for key, child in children]
