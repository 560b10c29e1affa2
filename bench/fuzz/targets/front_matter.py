"""Front matter reads as the same YAML alone does, one line further down."""

from __future__ import annotations

import re

from shared import expect, expect_inside, expect_place, let_in

from incident_gates.evidence import markdown, strict_yaml
from incident_gates.evidence.refusal import Refusal

ENDS_EARLY = re.compile(r"^---[ \t]*$", re.MULTILINE)
BODY = "---\n# Heading\n\nSaid: something\n"


def fuzz(data: bytes) -> None:
    """One block between the two lines of dashes."""
    text = let_in(data)
    if text is None or ENDS_EARLY.search(text) or "\r" in text:
        return
    source = text if text.endswith("\n") else f"{text}\n"
    page = f"---\n{source}{BODY}"
    try:
        parsed = markdown.parse(page)
    except Refusal as refusal:
        expect_place(page, refusal)
        expect_refused(source)
        return
    alone = strict_yaml.parse(source)
    expect(parsed.front == (alone.value or {}), "front matter reads as something else")
    for pointer, (line, column) in parsed.front_marks.items():
        expect(alone.marks[pointer] == (line - 1, column), f"{pointer} is not at line {line}")
        expect_inside(page, line, column)
    heading = parsed.sections[-1]
    at = page.count("\n", 0, len(page) - len(BODY)) + 2
    expect((heading.title, heading.line) == ("Heading", at), "the heading below has moved")


def expect_refused(source: str) -> None:
    """What front matter may not hold is no YAML of ours, or no mapping."""
    try:
        alone = strict_yaml.parse(source)
    except Refusal:
        return
    expect(alone.value is not None and not isinstance(alone.value, dict), "refused for nothing")
