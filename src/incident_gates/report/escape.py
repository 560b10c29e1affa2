"""Makes untrusted text safe to print: no control characters, no hidden direction, no commands."""

from __future__ import annotations

import re
from urllib.parse import quote

# C0 and C1 controls, line separators, marks that reorder or hide text, lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\ud800-\udfff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
LONGEST = 200
CUT = "…"

# The runner obeys ``##[`` anywhere in a line. It obeys ``::`` at the start of one, and whoever
# wraps a text decides later where its lines start, so no two colons may stand together.
_COMMANDS = re.compile(r"##(?=\[)|:(?=:)")

# What Markdown gives a meaning. A backslash does not stop what GitHub looks for after Markdown is
# done – mentions, issue numbers, bare addresses, formulas – so an element splits those in two.
_MARKDOWN = r"[\\`\[\]()*_~!<>|&]"
_AFTERWARDS = r"[@#$]|://|(?i:(?<=www))\."
_MARKUP = f"{_MARKDOWN}|{_AFTERWARDS}"
_BLOCK = r"\A(?:\d{1,9}(?=\.)|(?=[-+=]))"
_CODE = r"\\`([A-Za-z0-9./-]+(?: [A-Za-z0-9./-]+)*)\\`"


def visible(text: str, longest: int = LONGEST) -> str:
    """Text on one line, every unsafe character written out, cut to a length.

    Commands of the workflow runner are taken apart, see above.
    """
    cut = text if len(text) <= longest else f"{text[: longest - 1]}{CUT}"
    return _COMMANDS.sub(_apart, _UNSAFE.sub(lambda m: _code(m.group()), cut))


def plain(text: str) -> bool:
    """Whether a text shows as it is, to its full length."""
    return visible(text, len(text)) == text


def markdown(text: str, longest: int = LONGEST) -> str:
    """Text as Markdown that reads as itself wherever it stands: no markup, link or mention.

    Plain words between single backticks stay code, as rules write commands.
    """
    shown = re.sub(_MARKUP, _dead, visible(text, longest).strip())
    return re.sub(_BLOCK, r"\g<0>\\", re.sub(_CODE, r"`\1`", shown))


def in_html(text: str, longest: int = LONGEST) -> str:
    """Text between HTML tags."""
    from html import escape

    return escape(visible(text, longest))


def target(url: str) -> str:
    """An address between the round brackets of a Markdown link; it cannot end them."""
    return uri(url, safe="/:?#@&=+,;%~$")


def uri(path: str, safe: str = "/") -> str:
    """A path as a URI reference, each byte that is not plain percent-encoded."""
    return quote(_bytes(path), safe=safe)


def command_data(text: str) -> str:
    """The message of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """The value of a property of a workflow command."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


def _code(character: str) -> str:
    if character in "\t\n\r":
        return " "
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004


def _apart(found: re.Match[str]) -> str:
    return "# #" if found.group() == "##" else ": "


def _dead(found: re.Match[str]) -> str:
    character = found.group()
    return f"\\{character}" if re.match(_MARKDOWN, character) else f"<span>{character}</span>"


def _bytes(path: str) -> bytes:
    """The bytes of a path; a name that is no UTF-8 keeps its own."""
    try:
        return path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogatepass")
