"""The timeline holds every event of the record."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from incident_gates import derived
from incident_gates.evidence.times import Overlapping
from incident_gates.rules import CRITICAL, INFO, Breach, Place, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.times import Time
    from incident_gates.policy import Limits

TIMELINE = "incident-timeline.md"


@rule(
    "REC015",
    gate="recovery",
    criterion="timeline",
    level=CRITICAL,
    says="The timeline leaves out an event",
    why="The timeline is what people read afterwards; it must hold what happened.",
    fix="Add the event at its recorded time.",
    needs=(TIMELINE,),
)
def timeline_holds_the_events(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """First signal, each execution, and recovery stand in the timeline; matched by time."""
    log = [e for e in chain.timeline.entries if e.time]
    if not log and chain.timeline.unreadable:
        return  # what stands there cannot be read, which FIL007 says
    told = Overlapping(e.time for e in log if e.time)
    # The first entry that is later than a moment is where that came to be reached.
    reached = list(accumulate((e.time.earliest for e in log if e.time), max))
    for what, time, source in _owed(chain):
        if time not in told:
            said = f"{what} at {time.clock} UTC is not in the timeline"
            later = min(bisect_right(reached, time.earliest), len(log) - 1)
            place = log[later].place if log else Place(TIMELINE, line=1)
            found = chain.record.locate(source)
            yield Breach(place, said, "", (f"{source.file}:{found.line}",), what)


@rule(
    "REC016",
    gate="recovery",
    criterion="timeline",
    level=INFO,
    says="The timeline was derived from the other files",
    why="It repeats what they say, so that people can read it; it corroborates none of it.",
    fix="Nothing to do; what a person saw and no file holds, add as an event of its own.",
    needs=(TIMELINE,),
)
def derived_timeline_is_said(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Says that a timeline repeats other files, so that nobody counts it as one more witness."""
    document = chain.record.document(TIMELINE)
    if document and derived.is_derived(document):
        line = document.value.front_marks.get(("derived_from",), (1, 1))[0]
        said = "the timeline was derived from the other files and corroborates none of them"
        yield Breach(Place(TIMELINE, line=line), said)


def _owed(chain: Chain) -> Iterator[tuple[str, Time, Place]]:
    """What the timeline must hold: the event, its time, and where that is recorded."""
    signals = [(e.time, e.place) for e in chain.intake[0].entries if e.time]
    if signals:
        time, place = min(signals, key=lambda signal: signal[0].earliest)
        yield "the first signal", time, place
    for execution in chain.executions:
        if execution.started:
            place = execution.node["started_at"].place
            yield f"the start of {execution.id}", execution.started, place
    passed = [c.latest for c in chain.critical_checks if c.passed and c.latest and c.latest.time]
    for last in passed:
        if last.time and last.time == chain.recovered:
            yield "recovery", last.time, last.node["checked_at"].place
            break
