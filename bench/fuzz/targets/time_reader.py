"""Times are intervals in UTC that agree with the standard library, and durations are never less."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from shared import any_text, expect

from incident_gates.evidence import times
from incident_gates.evidence.bounds import DURATION_DAYS
from incident_gates.evidence.times import Order, Time

NOON = times.parse("2026-03-14T12:00:00Z")
PRECISIONS = ("second", "minute", "hour", "day", "PT5M", "P1D")
LONGEST = timedelta(days=DURATION_DAYS)


def fuzz(data: bytes) -> None:
    """Some lines, each read as a time, a duration and an entry of a log."""
    clock = times.Clock(date(2026, 3, 14))
    for line in any_text(data).split("\n")[:20]:
        expect_time(line)
        expect_durations(line)
        expect_entry(clock, line)
        expect(times.why_not(line), "no reason")
        times.looks_like_time(line)


def expect_time(text: str) -> None:
    """A strict time is what fromisoformat says, and less precision never narrows it."""
    time = times.parse(text)
    if time is None:
        return
    expect_interval(time)
    whole = f"{text[:10]}T{text[11:]}".upper().replace("Z", "+00:00")
    expect(datetime.fromisoformat(cut(whole)) == time.earliest, f"{text} is {time.earliest}")
    for precision in PRECISIONS:
        wide = times.from_value({"at": text, "precision": precision})
        if wide:
            expect_interval(wide)
            inside = wide.earliest <= time.earliest < wide.latest
            expect(inside, f"{text} is outside its own {precision}")
    expect(times.from_value(text) == time, "a string reads as something else")


def cut(text: str) -> str:
    """The standard library of older Pythons reads three or six digits of a fraction alone."""
    head, dot, tail = text.partition(".")
    if not dot:
        return text
    digits = tail[: next(i for i, c in enumerate(tail) if not c.isdecimal())]
    return f"{head}.{digits[:6].ljust(6, '0')}{tail[len(digits) :]}"


def expect_interval(time: Time) -> None:
    """Some length, in UTC; the order with another is one of three, and turns round with it."""
    expect(time.earliest < time.latest, "an interval of nothing")
    expect(time.earliest.tzinfo is timezone.utc, "not in UTC")
    expect(time.shown and time.clock and time.day, "nothing to show")
    if NOON is None:
        return
    there, back = times.order(time, NOON), times.order(NOON, time)
    both = {there, back}
    expect(both not in ({Order.PROVEN}, {Order.CONTRADICTED}), f"both ways {there}")
    expect(times.overlap(time, NOON) == times.overlap(NOON, time), "an overlap of one side")
    least, most = times.elapsed(NOON, time)
    expect(least < most, "the least is not the least")


def expect_durations(text: str) -> None:
    """Not negative, within the bound, and what is shown reads back."""
    for read in (times.duration, times.human_duration):
        length = read(text)
        if length is not None:
            expect(timedelta() <= length <= LONGEST, f"{text!r} is {length}")
            expect(times.grain(text) >= timedelta(), "a negative grain")
            again = times.human_duration(times.show_duration(length))
            expect(again is not None, f"{times.show_duration(length)!r} does not read back")
    iso = times.duration(text)
    expect(iso is None or times.human_duration(text) == iso, "two readings of one duration")


def expect_entry(clock: times.Clock, line: str) -> None:
    """An entry has a time inside its line, or a reason, or neither."""
    read = clock.read(line)
    if read is None:
        clock.heading(line)
        return
    time, rest = read
    expect_interval(time)
    expect(line.endswith(rest) and time.text in line, "what follows is not of the line")
    expect(not clock.problem, "a time and a problem")
