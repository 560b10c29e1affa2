"""Reads pages as GitHub, a browser and a terminal would: what became markup, what hides."""

from __future__ import annotations

import re
from enum import Enum
from html.parser import HTMLParser
from typing import Any

from markdown_it import MarkdownIt

ALLOWED_TAGS = {"<span>", "</span>", "<sub>", "</sub>"}
BLOCKS = re.compile(r"\A(<details><summary>[^<>]*</summary>|</details>)\s*\Z")
# Control characters but for line feed and tab, marks that reorder text, and what has no width.
HIDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
# Of these, what may not even stand in a file of evidence: joiners spell words of some scripts.
REORDERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# What words of a stranger may be: a rule's fix shows a command as code.
WORDS = {"text", "text_special", "code_inline", "html_inline", "softbreak"}


def gfm() -> MarkdownIt:
    """GitHub's Markdown with raw HTML and bare addresses; bare host names it does not link."""
    parser = MarkdownIt("gfm-like", {"html": True})
    assert parser.linkify is not None
    parser.linkify.set({"fuzzy_link": False, "fuzzy_email": True, "fuzzy_ip": False})
    parser.linkify.add("//", None)
    return parser


def tokens(said: str) -> list[Any]:
    """Every token of a page, those inside lines as well."""
    top = gfm().parse(said)
    return [part for token in top for part in (token, *(token.children or ()))]


def blocks(found: list[Any]) -> list[str]:
    """Headings, lists, tables … as they follow each other."""
    return [token.type for token in found if token.block and token.type != "inline"]


def links(found: list[Any]) -> list[str]:
    """Where links lead."""
    return [str(token.attrs["href"]) for token in found if token.type == "link_open"]


def check_markup(found: list[Any]) -> None:
    """No element but our own, no picture, no code block."""
    assert {t.content for t in found if t.type == "html_inline"} <= ALLOWED_TAGS
    assert all(BLOCKS.match(t.content) for t in found if t.type == "html_block")
    assert not {t.type for t in found} & {"image", "fence", "code_block", "hr"}


def markup(found: list[Any]) -> list[str]:
    """Blocks, emphasis and links as they follow each other, without the words between them."""
    return [token.type for token in found if token.type not in WORDS]


class Elements(HTMLParser):
    """The elements of a page of HTML, as a browser takes it apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *sorted(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", data))


def harmless(value: Any) -> Any:
    """The same data with an x for every letter that could be markup: what a page should look like.

    Letter by letter, so that what was equal, or began with the same folder, still is and does.
    """
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return value if _OWN.fullmatch(value) else _UNUSUAL.sub(_plain, value)
    if isinstance(value, tuple):
        parts = [harmless(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


# Keys that a reporter looks up, and times that it reckons with.
_OWN = re.compile(r"not_provable|git-consistent|platform-attested|\d{4}-\d\d-\d\dT[\d:.]+Z")
_UNUSUAL = re.compile(r"[^A-Za-z0-9 /]")


def _plain(found: re.Match[str]) -> str:
    return " " if found[0].isspace() else "x"
