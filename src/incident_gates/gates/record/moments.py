"""The times of a record: none lies ahead, they are not all one, and none is too vague."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from incident_gates.evidence.times import from_value
from incident_gates.rules import CRITICAL, DO_NOT_CHANGE, WARNING, Breach, Place, rule
from incident_gates.wording import counted, path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from incident_gates.chain import Chain
    from incident_gates.evidence.places import Pointer
    from incident_gates.evidence.times import Time
    from incident_gates.incident import Document
    from incident_gates.policy import Limits


@rule(
    "FIL012",
    gate="record",
    criterion="consistent",
    level=CRITICAL,
    says="A recorded time lies in the future",
    why="What has not happened yet cannot be evidence.",
    fix="Record what has happened, when it has happened; check the clock and the zone.",
    at_once=True,
)
def nothing_lies_ahead(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No event is later than now."""
    limit = chain.now + timedelta(minutes=limits.protocol.data["custody"]["clock_skew_minutes"])
    ahead: dict[str, list[tuple[str, Time, Place]]] = {}
    for event in _events(chain, since=f"{chain.now - A_DAY:%Y-%m-%d}"):
        if event[1].earliest > limit:
            ahead.setdefault(event[2].file, []).append(event)
    # A wrong clock or zone moves every time of a file: it is said once for each, of the first time.
    for events in ahead.values():
        subject, time, place = min(events, key=lambda event: (event[1].earliest, event[0]))
        others = len(events) - 1
        verb = "is" if others == 1 else "are"
        more = f", and so {verb} {counted(others, 'more time')} here" if others else ""
        expected = f"at most {chain.now:%Y-%m-%d %H:%M} UTC"
        yield Breach(place, f"{time.shown} is later than now{more}", expected, subject=subject)


# An offset moves a time by less than a day.
A_DAY = timedelta(days=1)
_DATES = re.compile(r"2[01][0-9]{2}-[01][0-9]-[0-3][0-9](?=T)")


def _events(chain: Chain, since: str = "") -> Iterator[tuple[str, Time, Place]]:
    """What the record's own files say has happened; ``since`` a date leaves out older files.

    An expiry or a due date lies ahead by its nature and is no event.
    """
    for document in chain.record.own():
        if document.name.endswith(".json") and _mentions(document.text, since):
            for pointer, time in _moments(document.root.value, ()):
                yield path(pointer), time, Place(document.name, pointer)
    for log in chain.logs:
        for entry in log.entries:
            if entry.time:
                yield f"line {entry.place.line}", entry.time, entry.place


def last_moment(chain: Chain) -> datetime:
    """The latest moment that the record's own files speak of, excuses included, up to now."""
    grants = (d.root for d in chain.record.own() if d.name.endswith(".yaml"))
    granted = (time for root in grants for _, time in _moments(root.value, ()))
    amended = (node["at"].time for node in chain.record.node("amendments.yaml")["entries"])
    events = (time for _, time, _ in _events(chain))
    times = (*events, *granted, *(time for time in amended if time))
    past = (time for time in times if time.earliest <= chain.now)
    return max((min(time.latest, chain.now) for time in past), default=chain.as_of)


def _mentions(text: str, since: str) -> bool:
    return not since or any(date >= since for date in _DATES.findall(text))


def _moments(value: Any, pointer: Pointer) -> Iterator[tuple[Pointer, Time]]:
    """Each time of an event in a value, with its pointer."""
    for key, inside in value.items() if isinstance(value, dict) else enumerate(value or ()):
        name = str(key)
        is_event = name.endswith("_at") and name != "expires_at"
        time = from_value(inside) if is_event else None
        if time:
            yield (*pointer, key), time
        elif isinstance(inside, (dict, list)) and not name.startswith("x-"):
            yield from _moments(inside, (*pointer, key))


@rule(
    "FIL013",
    gate="record",
    criterion="consistent",
    level=CRITICAL,
    says="Everything is said to have happened at one moment",
    why="Detection, approval, execution and recovery cannot share one time; such a record was "
    "filled in, not kept.",
    fix="Record each event at the time its source shows, with that source.",
    at_once=True,
)
def events_spread_over_time(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Four or more kinds of event, all or all but one of them, do not carry the same time."""
    approvals = (a.time for d in chain.decisions for a in d.approvals)
    firsts = (
        chain.detected,
        chain.declared,
        next((t for t in approvals if t), None),
        next((e.started for e in chain.executions if e.started), None),
        next((e.completed for e in chain.executions if e.completed), None),
        chain.recovered,
    )
    # An honest "that day" or "that minute" may well hold all of it; the same second cannot.
    known = [t for t in firsts if t and t.tolerance <= timedelta(seconds=1)]
    for moment, alike in Counter(t.earliest for t in known).items():
        if alike >= max(KINDS, len(known) - 1):
            said = f"{alike} kinds of event all carry {moment:%Y-%m-%d %H:%M} UTC"
            yield Breach(Place("severity-assessment.json", ("detected_at",)), said)


KINDS = 4


@rule(
    "FIL017",
    gate="record",
    criterion="consistent",
    level=CRITICAL,
    says="A time is too vague to be contradicted",
    why="Known to the month or the year, a time fits every other; an order that nothing can "
    "contradict is not shown.",
    fix=f"{DO_NOT_CHANGE}. Give it as exactly as its source does, at least to the day; or write "
    "`N/A: ` and why it is not known.",
)
def times_can_be_contradicted(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every event is known to the day or so; when an impact crept in may be vague (WARNING)."""
    for document in chain.record.own():
        if document.name.endswith(".json") and _may_be_vague(document.text):
            for pointer, time in (*_moments(document.root.value, ()), *_window(document)):
                if time.tolerance > VAGUE:
                    yield _vague(Place(document.name, pointer), time)


def _may_be_vague(text: str) -> bool:
    """A time that says how exact it is, is an object; its key may be written with an escape."""
    return '"at"' in text or "\\u" in text


def _window(document: Document) -> Iterator[tuple[Pointer, Time]]:
    """Both ends of the stability window; the later one may lie ahead, and is no event."""
    for key in ("from", "until"):
        node = document.root["stability_window"][key]
        time = node.time
        if time:
            yield node.pointer, time


def _vague(place: Place, time: Time) -> Breach:
    pointer = place.pointer or ()
    subject, days = path(pointer), time.tolerance // A_DAY
    level = WARNING if pointer[-1] in MAY_BE_VAGUE else ""
    said = f"{subject} is {time.shown}, give or take: it may lie anywhere in {days} days"
    return Breach(place, said, "known to the day", subject=subject, level=level)


# A day, written with a day more or less on either side of it.
VAGUE = timedelta(days=3)
MAY_BE_VAGUE = frozenset(("impact_started_at", "last_exercised_at", "captured_at", "recorded_at"))


@rule(
    "FIL014",
    gate="record",
    criterion="current",
    level=WARNING,
    says="An open incident has no new evidence",
    why="An incident that nobody closes is an incident whose lessons nobody writes down.",
    fix="Record what happened since, resolve it, or close it.",
)
def open_record_is_kept_up(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """An open incident has evidence younger than the limit."""
    if chain.closed or chain.false_positive:
        return
    times = [(time, place) for _, time, place in _events(chain)]
    if not times:
        return
    newest, place = max(times, key=lambda entry: entry[0].latest)
    days = limits.threshold("stale_after_days")
    if chain.now - newest.latest > timedelta(days=days):
        age = (chain.now - newest.latest).days
        yield Breach(place, f"the newest evidence is {age} days old", f"at most {days:g} days")
