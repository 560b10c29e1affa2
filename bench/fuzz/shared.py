"""What the targets share: how a broken promise is said, and what a place inside a text is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.evidence import files
from incident_gates.evidence.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator


class Broken(AssertionError):
    """A promise of the product that an input breaks."""


def expect(promise: object, said: str) -> None:
    """Raises Broken, whatever the optimisation: a fuzzer that asserts nothing finds nothing."""
    if not promise:
        raise Broken(said)


def let_in(data: bytes) -> str | None:
    """The text that the door makes of bytes, or None where it rightly refuses them."""
    try:
        return files.decode(data)
    except Refusal as refusal:
        expect_place(data.decode(errors="replace"), refusal)
        return None


def any_text(data: bytes) -> str:
    """Bytes as a file name would have them: what is no UTF-8 becomes lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def expect_place(text: str, refusal: Refusal) -> None:
    """A refusal says what and how to mend it, and points inside the text if it points at all."""
    expect(refusal.what and refusal.fix, "a refusal without words")
    expect(refusal.line is not None or refusal.column is None, "a column without its line")
    if refusal.line is not None:
        expect_inside(text, refusal.line, refusal.column or 1)


def expect_inside(text: str, line: int, column: int) -> None:
    """The line is one of the text's, the column at most just behind its last character."""
    lines = text.replace("\r\n", "\n").split("\n")
    expect(1 <= line <= len(lines), f"line {line} of {len(lines)}")
    expect(1 <= column <= len(lines[line - 1]) + 1, f"column {column} of {lines[line - 1]!r}")


def inside(value: object, pointer: tuple[str | int, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Every value in a parsed file, with the pointer that leads to it."""
    waiting = [(pointer, value)]
    while waiting:
        pointer, value = waiting.pop()
        yield pointer, value
        if isinstance(value, dict):
            waiting += [((*pointer, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [((*pointer, index), item) for index, item in enumerate(value)]
