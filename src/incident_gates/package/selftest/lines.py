"""Changes lines, rows and sections of a Markdown log, whatever form it has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from incident_gates.package.selftest.state import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIME = re.compile(
    r"(?:\d{4}-\d\d-\d\d[T ])?(?P<clock>\d\d:\d\d)(?::\d\d(?:\.\d+)?)? ?(?:Z|UTC|[+-]\d\d:\d\d)"
)
# An entry of a log: a list item or a row of a table that holds a time.
ENTRY = r"^\s*(?:[-*]|\d+\.|\|).*\d\d:\d\d"
# What no reader sees, such as the sample row of a template.
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HEADING = re.compile(r"(#+)\s+(.*)")
_RULED = re.compile(r"\s*\|[\s|:-]+\|\s*\Z")


def matching(
    text: str, pattern: str, *, clock: str = "", last: bool = False, under: str = ""
) -> list[int]:
    """The numbers of the lines that match, of those that lead with a clock time if one is given.

    Comments are not looked into; ``under`` is the heading of the section to look in.
    """
    seen = re.compile(pattern)
    lines = _section(_COMMENT.sub(_blanked, text).splitlines(), under)
    found = [i for i, line in enumerate(lines) if seen.search(line) and _leads(line, clock)]
    if not found:
        raise NotApplicable("the record has no such line")
    return found[-1:] if last else found


def _blanked(comment: re.Match[str]) -> str:
    """As many empty lines as a comment has."""
    return "\n" * comment[0].count("\n")


def _section(lines: list[str], title: str) -> list[str]:
    """The lines with those outside a section left empty, so that each keeps its number."""
    kept, inside = [], 0 if title else 7
    for line in lines:
        heading = _HEADING.match(line)
        if heading and title and len(heading[1]) <= (inside or 6):
            inside = len(heading[1]) if re.search(title, heading[2]) else 0
        kept.append(line if inside else "")
    return kept


def _leads(line: str, clock: str) -> bool:
    time = TIME.search(line)
    return not clock or bool(time and time["clock"] == clock)


def changed(text: str, numbers: list[int], change: Callable[[str], str | None]) -> str:
    """The text with some lines changed, or taken away where the change gives None."""
    lines = text.splitlines(keepends=True)
    for number in reversed(numbers):
        bare = lines[number].rstrip("\r\n")
        made = change(bare)
        lines[number : number + 1] = [] if made is None else [f"{made}\n"]
    return "".join(lines)


def timed(line: str, time: str) -> str:
    """A line with another time in it."""
    return TIME.sub(lambda _: time, line, count=1)


def with_cells(text: str, number: int, cells: Mapping[str, str]) -> str:
    """A row of a table with other cells, each named by its column."""
    lines = text.splitlines(keepends=True)
    header = _header(lines, number)
    row = lines[number].strip().strip("|").split("|")
    for column, value in cells.items():
        at = next((i for i, name in enumerate(header) if re.fullmatch(column, name)), None)
        if at is None or at >= len(row):
            raise NotApplicable("the record has no such column")
        row[at] = f" {value} "
    lines[number] = f"|{'|'.join(row)}|\n"
    return "".join(lines)


def _header(lines: list[str], number: int) -> list[str]:
    """The names of the columns above a row, in small letters."""
    for above in range(number - 1, 0, -1):
        if _RULED.match(lines[above]):
            return [n.strip().lower() for n in lines[above - 1].strip().strip("|").split("|")]
    raise NotApplicable("the record keeps no table there")


def without_section(text: str, title: str) -> str:
    """The text without each section whose heading matches, to the next heading of its level."""
    kept: list[str] = []
    inside = 0
    wanted, seen = re.compile(title), False
    for line in text.splitlines(keepends=True):
        heading = _HEADING.match(line)
        if heading and inside and len(heading[1]) <= inside:
            inside = 0
        if heading and not inside and wanted.search(heading[2]):
            inside, seen = len(heading[1]), True
        if not inside:
            kept.append(line)
    if not seen:
        raise NotApplicable("the record has no such section")
    return "".join(kept)
