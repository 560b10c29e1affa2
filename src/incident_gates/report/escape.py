"""Makes untrusted text safe to print: no control characters, no hidden direction, no commands."""

from __future__ import annotations

import re

# C0 and C1 controls, line separators, marks that reorder or hide text, lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff0-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
LONGEST = 200


def visible(text: str, longest: int = LONGEST) -> str:
    """Text on one line, every unsafe character written out, cut to a length.

    ``##[`` is split, because the workflow runner obeys it anywhere in a line.
    """
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    shown = _UNSAFE.sub(lambda m: _code(m.group()), cut)
    return shown.replace("##[", "# #[").replace("::", ": :") if _commands(shown) else shown


def _code(character: str) -> str:
    if character in "\t\n\r":
        return " "
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004


def _commands(text: str) -> bool:
    return "##[" in text or text.lstrip().startswith("::")
