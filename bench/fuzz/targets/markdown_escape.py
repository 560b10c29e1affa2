"""Whatever evidence says, in a page it reads as itself: no markup, no link, no mention, no HTML."""

from __future__ import annotations

import html
import re
from typing import Any

from markdown_it import MarkdownIt
from shared import any_text, expect

from incident_gates.report import escape

# Where reports put a text: alone, after words, in a list, in a cell, in bold, in HTML.
ALONE, AFTER, ITEM, CELL, BOLD = "{}", "said: {} .", "- {} ", "| a |\n|---|\n| {} |", "**x {} y**"
FRAMES = (ALONE, AFTER, ITEM, CELL, BOLD)
TEXT = {"text", "text_special", "code_inline", "html_inline"}
MENTION = re.compile(r"(?<!\w)[@#]\w|[a-z]://|www\.\w|\$\w", re.IGNORECASE)


def page() -> MarkdownIt:
    """GitHub's Markdown with raw HTML and bare addresses."""
    parser = MarkdownIt("gfm-like", {"html": True})
    if parser.linkify:
        parser.linkify.set({"fuzzy_link": False, "fuzzy_email": True, "fuzzy_ip": False})
        parser.linkify.add("//", None)
    return parser


PAGE = page()
STRUCTURE = {frame: [t.type for t in PAGE.parse(frame.format("x"))] for frame in FRAMES}
BOLD_PARTS = {"strong_open", "strong_close"}


def fuzz(data: bytes) -> None:
    """One text in every frame."""
    said = any_text(data)
    shown = escape.markdown(said)
    wanted = escape.visible(said).strip()
    if wanted:
        for frame in FRAMES:
            expect_harmless(frame, shown, wanted)
    expect_html(said)
    expect_target(said)


def expect_harmless(frame: str, shown: str, wanted: str) -> None:
    """The page has the blocks it would have around a plain letter, and shows the text."""
    tokens = PAGE.parse(frame.format(shown))
    expect([t.type for t in tokens] == STRUCTURE[frame], f"other blocks in {frame!r}")
    parts = [part for token in tokens for part in token.children or ()]
    allowed = TEXT | (BOLD_PARTS if frame is BOLD else set())
    expect(
        {t.type for t in parts} <= allowed, f"{ {t.type for t in parts} - allowed } in {frame!r}"
    )
    tags = {t.content for t in parts if t.type == "html_inline"}
    expect(tags <= {"<span>", "</span>"}, f"the tags {tags}")
    read = "".join(t.content for t in parts if t.type != "html_inline")
    # Backticks around plain words stay code, and are not shown.
    expect(wanted.replace("`", "") in read.replace("`", ""), f"{read!r} for {wanted!r}")
    expect_not_found_later(parts)


def expect_not_found_later(parts: list[Any]) -> None:
    """GitHub looks for mentions and addresses in each text node once Markdown is done."""
    for part in parts:
        if part.type in ("text", "text_special"):
            expect(not MENTION.search(part.content), f"{part.content!r} would be linked")


def expect_html(said: str) -> None:
    """Between tags, the text opens none and reads as itself."""
    shown = escape.in_html(said)
    expect("<" not in shown and ">" not in shown, "a tag")
    expect(html.unescape(shown) == escape.visible(said), "reads differently")


def expect_target(said: str) -> None:
    """An address can end neither the brackets of its link nor its line."""
    shown = escape.target(said)
    expect(shown.isascii() and not re.search(r"[\s()<>\\\"'`]", shown), f"{shown!r}")
