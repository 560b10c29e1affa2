"""Adds an entry to a Markdown log, in its order and in the form that the log has."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import facts, logs
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import markdown, times
from incident_gates.evidence.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_gates.evidence.markdown import Markdown, Section, Table
    from incident_gates.evidence.times import Time

HEADS = {
    "source": "Source",
    "text": "Message",
    "channel": "Channel",
    "audience": "Audience",
    "sender": "Sender",
}
_MARKUP = re.compile(r"[\\|<`*\[~&]|(?<![^\W_])_|_(?![^\W_])")


class Log(NamedTuple):
    """A log: its file, the sections that hold its entries, and what an entry says."""

    name: str
    parts: tuple[str, ...]
    section: str = ""
    beside: tuple[str, ...] = ()


class Line(NamedTuple):
    """An entry about to be written."""

    stamp: str
    time: Time
    columns: Mapping[str, str]


NOTICES = Log("communication-log.md", ("channel", "audience", "text", "sender"))
EVENTS = Log("incident-timeline.md", ("text",))
SIGNALS = Log("incident-intake-log.md", ("source", "text"), "Signals", facts.VALIDITY)


def added(log: Log, text: str, time: Time, columns: Mapping[str, str]) -> tuple[str, int]:
    """The text with one more entry, and the line on which it stands."""
    plain = {key: _cell(value) for key, value in columns.items()}
    before = _read(log, text)
    stamps = _stamps(before, time)
    # Bare times below an earlier date would be read as of that date: then it goes to the end.
    for stamp, last in [*((stamp, False) for stamp in stamps), (stamps[-1], True)]:
        entry = Line(stamp, time, plain)
        changed, line = _inserted(log, text, before, entry, last=last)
        if _holds(log, before, changed, line, time):
            return changed, line
    said = f"{log.name} could not be changed without touching what stands there: write it by hand."
    raise CouldNotTell(said)


def _read(log: Log, text: str) -> logs.Log:
    parsed = _parsed(log, text)
    return logs.read(log.name, parsed, _sections(log, parsed), log.parts)


def _parsed(log: Log, text: str) -> Markdown:
    try:
        return markdown.parse(text)
    except Refusal as refusal:
        where = f"{log.name}:{refusal.line}" if refusal.line else log.name
        raise UsageError(f"{where}: {refusal.what}. {refusal.fix}") from None


def _sections(log: Log, parsed: Markdown) -> list[Section]:
    return [s for s in parsed.sections if s.title.casefold().strip(": ") not in log.beside]


def _stamps(log: logs.Log, time: Time) -> list[str]:
    """How the time may be written: as the log does it if that is bare, else with its date."""
    clock = "%H:%M UTC" if time.precision == "minute" else "%H:%M:%S UTC"
    bare = time.earliest.strftime(clock)
    whole = time.earliest.strftime(f"%Y-%m-%d {clock}")
    dated = any(e.time and re.match(r"\d{4}-", e.time.text) for e in log.entries)
    return [whole] if dated else [bare, whole]


def _cell(text: str) -> str:
    """Text that stays in its cell and is nothing but text there."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def _inserted(log: Log, text: str, before: logs.Log, new: Line, *, last: bool) -> tuple[str, int]:
    lines = text.split("\n")
    stamp, time, columns = new
    table = _table(log, _parsed(log, text))
    if table:
        entry = _row(table, stamp, columns)
    elif any(e.time for e in before.entries) or len(log.parts) == 1:
        said = [f"{_bullet(lines, before)}{stamp}", *(columns.get(p, "") for p in log.parts)]
        entry = " - ".join(said)
    else:
        return _new_table(log, lines, stamp, columns)
    at = _position(lines, before, None if last else time, table)
    newline = "\r" if "\r\n" in text else ""
    if at == len(lines) or (at and _needs_gap(lines[at - 1], entry)):
        lines.insert(at, newline)
        at += 1
    lines.insert(at, entry + newline)
    return _ended("\n".join(lines)), at + 1


def _bullet(lines: list[str], log: logs.Log) -> str:
    """How the log begins its entries: with a bullet, or, as the protocol does, with the time."""
    last = next((e.place.line for e in reversed(log.entries) if e.time), None)
    if not last:
        return "- "
    match = re.match(r"\s*([-*+])\s", lines[last - 1])
    return f"{match[1]} " if match else ""


def _needs_gap(above: str, entry: str) -> bool:
    """A list begins after a blank line, unless it goes on."""
    goes_on = above.startswith((*"-*+ \t",)) or not entry.startswith((*"-*+",))
    return bool(above.strip()) and not goes_on


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _position(lines: list[str], log: logs.Log, time: Time | None, table: Table | None) -> int:
    """The index of the line before which the entry belongs; without a time, the end."""
    dated = [(e.time, e.place.line or 1) for e in log.entries if e.time]
    starts = [t.earliest for t, _ in sorted(dated, key=lambda pair: pair[1])]
    falling = len(starts) > 1 and all(b <= a for a, b in itertools.pairwise(starts))
    falling = falling and starts[0] != starts[-1]
    inside = [
        (t, line) for t, line in dated if table is None or line in {r.line for r in table.rows}
    ]
    for then, line in sorted(inside, key=lambda pair: pair[1]):
        early, late = (then, time) if falling else (time, then)
        if early and late and early.earliest < late.earliest:
            return line - 1
    if table:
        return max([table.line + 1, *(row.line for row in table.rows)])
    last = max((line for _, line in inside), default=0)
    return _after_item(lines, last) if last else _end(lines)


def _after_item(lines: list[str], line: int) -> int:
    """Behind the lines that go on what begins at a line."""
    at = line
    while at < len(lines) and lines[at].strip() and lines[at][:1] in (" ", "\t"):
        at += 1
    return at


def _end(lines: list[str]) -> int:
    at = len(lines)
    while at and not lines[at - 1].strip():
        at -= 1
    return at


def _table(log: Log, parsed: Markdown) -> Table | None:
    tables = [
        block
        for section in _sections(log, parsed)
        for block in section.blocks
        if isinstance(block, markdown.Table)
        and any(head.strip().casefold() in logs.COLUMNS["time"] for head in block.header)
    ]
    return tables[-1] if tables else None


def _row(table: Table, stamp: str, columns: Mapping[str, str]) -> str:
    cells = []
    for head in table.header:
        folded = head.strip().casefold()
        column = next((c for c, names in logs.COLUMNS.items() if folded in names), "")
        cells.append(stamp if column == "time" else columns.get(column, ""))
    return f"| {' | '.join(cells)} |"


def _new_table(
    log: Log, lines: list[str], stamp: str, columns: Mapping[str, str]
) -> tuple[str, int]:
    """A table of our own, under a heading of its own where something else stands above."""
    heads = ["Time", *(HEADS[part] for part in log.parts)]
    head = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    row = f"| {stamp} | {' | '.join(columns.get(part, '') for part in log.parts)} |"
    kept = lines[: _end(lines)]
    title = log.section or "Entries"
    return "\n".join([*kept, "", f"## {title}", "", *head, row, ""]), len(kept) + 6


def _holds(log: Log, before: logs.Log, changed: str, line: int, time: Time) -> bool:
    """Whether the changed log says what it said, and the new entry with its time."""
    after = _read(log, changed)
    new = [e for e in after.entries if e.place.line == line]
    old = [(e.time, e.columns) for e in after.entries if e.place.line != line]
    kept = [(e.time, e.columns) for e in before.entries]
    same = sorted(map(repr, old)) == sorted(map(repr, kept))
    found = new[0].time if len(new) == 1 else None
    covers = bool(found and times.overlap(found, time))
    return same and covers and len(after.unreadable) == len(before.unreadable)


def noted(text: str, recorded: Mapping[str, str]) -> str:
    """A text with a trailing note on when it was written down, and where it can be seen."""
    said = [f"recorded {recorded['recorded_at']}"] if "recorded_at" in recorded else []
    said += [f"source: {recorded['source']}"] if "source" in recorded else []
    return f"{text} ({'; '.join(said)})" if said else text
