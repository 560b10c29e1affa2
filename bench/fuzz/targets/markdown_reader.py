"""The Markdown parser gives sections that nest, on lines that exist, whatever the line breaks."""

from __future__ import annotations

from itertools import pairwise

from shared import expect, expect_place, let_in

from incident_gates.evidence import markdown
from incident_gates.evidence.refusal import Refusal


def fuzz(data: bytes) -> None:
    """One file."""
    text = let_in(data)
    if text is None:
        return
    try:
        parsed = markdown.parse(text)
    except Refusal as refusal:
        expect_place(text, refusal)
        return
    expect_nested(parsed)
    expect_blocks(parsed)
    for section in parsed.sections:
        markdown.fields(section)
        parsed.raw(section)
    unix = parsed.text
    windows = markdown.parse(unix.replace("\n", "\r\n"))
    expect(windows == parsed, "Windows line breaks read as something else")


def expect_nested(parsed: markdown.Markdown) -> None:
    """Sections begin one after another, and none ends in the middle of another."""
    last = parsed.text.count("\n") + 1
    for before, section in pairwise(parsed.sections):
        expect(before.line <= section.line, "sections out of order")
    for index, section in enumerate(parsed.sections):
        expect(section.line - 1 <= section.end <= last, f"{section.title!r} ends at {section.end}")
        for later in parsed.sections[index + 1 :]:
            apart = later.line > section.end
            expect(apart or later.end <= section.end, f"{section.title!r} and {later.title!r}")


def expect_blocks(parsed: markdown.Markdown) -> None:
    """What is said stands below its heading and above the next, and says something."""
    ends = [section.line - 1 for section in parsed.sections[1:]]
    for section, end in zip(parsed.sections, [*ends, parsed.text.count("\n") + 1], strict=True):
        for block in section.blocks:
            expect(section.line <= block.line <= max(end, section.line), f"a block at {block.line}")
            said = isinstance(block, markdown.Table) or block.text == block.text.strip() != ""
            expect(said, "a line that says nothing")
