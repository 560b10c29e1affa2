"""What a file that was derived from others says of itself, and whether somebody edited it since."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from incident_gates.evidence import files
from incident_gates.evidence.markdown import Markdown

if TYPE_CHECKING:
    from incident_gates.incident import Document

TIMELINE = "incident-timeline.md"
# A derived event ends with the file that it stands in; one without was typed by somebody.
CITED = re.compile(r" · [\w.-]+\.(?:md|json)\Z")


def is_derived(document: Document) -> bool:
    """Whether a file says that it was derived from others, and so corroborates none of them."""
    if isinstance(document.value, dict):
        return bool(document.value.get("derived_from"))
    return isinstance(document.value, Markdown) and bool(document.value.front.get("derived_from"))


def is_edited(document: Document) -> bool:
    """Whether the body of a derived file is no longer the one that was derived."""
    if not isinstance(document.value, Markdown):
        return False
    stated = document.value.front.get("derived_sha256")
    return stated is not None and stated != body_digest(document.name, document.value.text)


def body_digest(name: str, text: str) -> str:
    """The digest of what was derived: blank lines do not count, nor do events typed by hand."""
    lines = (line.rstrip() for line in body(text).split("\n"))
    kept = [line for line in lines if line and not (name == TIMELINE and is_own(line))]
    return files.digest("\n".join(kept).encode())


def is_own(line: str) -> bool:
    """Whether a line of a derived timeline was typed by somebody."""
    return line.startswith((" ", "\t")) or (line.startswith("- ") and not CITED.search(line))


def body(text: str) -> str:
    """A Markdown text without its front matter."""
    found = re.match(r"---[ \t]*\n.*?^---[ \t]*(?:\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return text[found.end() :] if found else text
