"""Markdown logs: entries that begin with a time, as items of a list or rows of a table."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from incident_gates.evidence import times
from incident_gates.evidence.markdown import Line, Markdown, Row, Section, Table, fields
from incident_gates.evidence.times import Time
from incident_gates.incident import NOT_AVAILABLE, text_of
from incident_gates.model import Place

COLUMNS: Mapping[str, frozenset[str]] = {
    "time": frozenset({"time", "time (utc)", "utc", "when", "timestamp", "at"}),
    "source": frozenset({"source", "origin", "from system"}),
    "text": frozenset({"event", "signal", "alert", "message", "description", "update", "what"}),
    "channel": frozenset({"channel", "via", "medium"}),
    "audience": frozenset({"audience", "stakeholders", "to", "recipients"}),
    "sender": frozenset({"sender", "from", "by", "author"}),
}


class LogEntry(NamedTuple):
    """One entry of a Markdown log: its time, its columns, its line."""

    time: Time | None
    columns: Mapping[str, str]
    place: Place

    def column(self, name: str) -> str:
        """A column's text, or "" where it is absent, not available, or a placeholder."""
        text = self.columns.get(name, "")
        return text_of(text)


class Unreadable(NamedTuple):
    """A line that looks like an entry and cannot be read."""

    place: Place
    why: str
    source: str


class Log(NamedTuple):
    """A Markdown log as read; ``stepped_back`` are entries earlier than the one before."""

    entries: tuple[LogEntry, ...]
    unreadable: tuple[Unreadable, ...]
    stepped_back: tuple[LogEntry, ...]


class _Raw(NamedTuple):
    """A candidate before its time is read: the text that leads with a time, and the columns."""

    stamp: str
    columns: Mapping[str, str]
    line: int
    heading: str


def read(
    name: str,
    parsed: Markdown | None,
    sections: Iterable[Section],
    parts: tuple[str, ...],
    day: date | None = None,
) -> Log:
    """Reads the entries of a log; ``parts`` name the pieces of a one-line entry after its time.

    ``day`` dates bare times where the file gives no date of its own.
    """
    if parsed is None:
        return Log((), (), ())
    raws: list[_Raw] = []
    bad: list[Unreadable] = []
    for section in sections:
        found = list(_candidates(name, section, parts))
        raws += [item for item in found if isinstance(item, _Raw)]
        bad += [item for item in found if isinstance(item, Unreadable)]
    clock = times.Clock(day_of(parsed) or day)
    entries, unread = _timed(name, raws, clock)
    if clock.stepped_back and _descending(entries):
        clock = times.Clock(day_of(parsed) or day)
        entries, unread = _timed(name, raws[::-1], clock)
    dated = [entry for entry in entries if entry.time]
    back = tuple(dated[index] for index in clock.stepped_back)
    return Log(tuple(entries), (*bad, *unread), back)


def day_of(parsed: Markdown) -> date | None:
    try:
        return date.fromisoformat(str(parsed.front.get("date", "")))
    except ValueError:
        return None


def _descending(entries: list[LogEntry]) -> bool:
    starts = [e.time.earliest.time() for e in entries if e.time]
    return len(starts) > 2 and all(b <= a for a, b in itertools.pairwise(starts))  # noqa: PLR2004


def _timed(
    name: str, raws: list[_Raw], clock: times.Clock
) -> tuple[list[LogEntry], list[Unreadable]]:
    entries: list[LogEntry] = []
    unread: list[Unreadable] = []
    for raw in raws:
        place = Place(name, line=raw.line)
        clock.heading(raw.heading)
        read = None if raw.stamp.startswith(NOT_AVAILABLE) else clock.read(raw.stamp)
        if read or raw.stamp.startswith(NOT_AVAILABLE):
            entries.append(LogEntry(read[0] if read else None, raw.columns, place))
        else:
            why = clock.problem or times.why_not(raw.stamp)
            unread.append(Unreadable(place, why, raw.stamp))
    return entries, unread


def _candidates(name: str, section: Section, parts: tuple[str, ...]) -> Iterator[_Raw | Unreadable]:
    stated = fields(section)
    if "channel" in stated and COLUMNS["audience"] & stated.keys():
        yield _block(section, stated)
        return
    for block in section.blocks:
        if isinstance(block, Table):
            yield from _rows(name, section, block)
        elif block.depth <= 1:
            yield from _line(name, section, block, parts)


def _block(section: Section, stated: Mapping[str, tuple[str, int]]) -> _Raw:
    """The protocol's own form of a notice: a list of ``Channel:`` and ``Stakeholders:``."""
    columns = {
        column: stated[key][0]
        for column, names in COLUMNS.items()
        for key in stated
        if key in names
    }
    line = min(line for _, line in stated.values())
    return _Raw(columns.pop("time", "N/A: no time stated"), columns, line, section.title)


def _rows(name: str, section: Section, table: Table) -> Iterator[_Raw | Unreadable]:
    heads = [cell.strip().casefold() for cell in table.header]
    known = {
        column: index
        for column, names in COLUMNS.items()
        for index, head in enumerate(heads)
        if head in names
    }
    if "time" not in known:
        place = Place(name, line=table.line)
        yield Unreadable(place, "the table has no Time column", " | ".join(table.header))
        return
    for row in table.rows:
        columns = {c: _cell(row, i) for c, i in known.items() if c != "time"}
        yield _Raw(_cell(row, known["time"]), columns, row.line, section.title)


def _cell(row: Row, index: int) -> str:
    return row.cells[index].strip() if index < len(row.cells) else ""


_KEYED = re.compile(r"[A-Za-z][\w /-]{0,40}:\s")


def _line(
    name: str, section: Section, line: Line, parts: tuple[str, ...]
) -> Iterator[_Raw | Unreadable]:
    if times.looks_like_time(line.text):
        rest = " ".join(times.after_time(line.text).split())
        pieces = re.split(r"\s[-–—|]\s", rest, maxsplit=len(parts) - 1)
        columns = dict(zip(parts, pieces, strict=False))
        yield _Raw(line.text, columns, line.line, section.title)
    elif line.depth == 1 and not _KEYED.match(line.text):
        place = Place(name, line=line.line)
        yield Unreadable(place, "the entry does not begin with a time", line.text)
