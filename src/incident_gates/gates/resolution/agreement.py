"""Report and data agree: severity, durations, resolution and timeline."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from incident_gates import facts, logs
from incident_gates.chain import once
from incident_gates.evidence.markdown import fields
from incident_gates.evidence.times import (
    Overlapping,
    duration,
    elapsed,
    grain,
    human_duration,
    looks_like_time,
    show_duration,
)
from incident_gates.gates.resolution.ending import CLOSING, anchors_of
from incident_gates.incident import Node, text_of
from incident_gates.rules import CRITICAL, DO_NOT_CHANGE, Breach, Place, missing, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.times import Time
    from incident_gates.policy import Limits

SUMMARY, REPORT = "resolution-summary.json", "INCIDENT-REPORT.md"


@rule(
    "RES011",
    gate="resolution",
    criterion="summary",
    level=CRITICAL,
    says="A duration does not follow from its times",
    why="Published durations are quoted for years; they must be those of the record.",
    fix=f"{DO_NOT_CHANGE}: write the duration that follows from them, or name other anchors.",
    needs=(SUMMARY,),
)
def durations_follow(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each duration equals the difference of its anchors, within their precisions."""
    return iter(wrong_durations(chain))


@once
def wrong_durations(chain: Chain) -> tuple[Breach, ...]:
    """What does not follow; the summary asks as well."""
    return tuple(b for node in chain.resolution["durations"] for b in _wrong_duration(chain, node))


def _wrong_duration(chain: Chain, node: Node) -> Iterator[Breach]:
    anchors = anchors_of(chain)
    begin, end = anchors.get(node["from"].text), anchors.get(node["to"].text)
    stated = duration(node["value"].text)
    subject = node["name"].text
    if stated is None:
        return
    yield from missing(node, "from", "to", subject=subject)
    yield from _anchors_are_there(chain, node)
    if node["from"].text and node["from"].text == node["to"].text:
        said = f"{subject} runs from {node['from'].text} to itself"
        yield Breach(node["to"].place, said, subject=subject)
    if begin and end and not _fits(node["value"].text, stated, begin, end):
        took = _took(begin, end)
        between = f"{node['from'].text} to {node['to'].text}"
        said = f"{subject} is {show_duration(stated)}, but {between} is {took}"
        yield Breach(node["value"].place, said, took, (), subject)


def _anchors_are_there(chain: Chain, node: Node) -> Iterator[Breach]:
    """A stated duration needs its times. Where one is N/A or its file absent, others say so."""
    for key in ("from", "to"):
        name = node[key].text
        home = chain.resolution if name in CLOSING else chain.severity_file
        if name and chain.record.readable(home.file) and not home[name]:
            said = f"{node['name'].text} runs {key} {name}, which is not recorded"
            yield Breach(node[key].place, said, subject=node["name"].text)


def _fits(text: str, stated: timedelta, begin: Time, end: Time) -> bool:
    """Whether a stated duration can be the time between two moments.

    It is as exact as it is written: who writes minutes has counted them on a clock or rounded
    them, who writes hours has rounded. The two times add their own precision.
    """
    unit = grain(text)
    slack = max(unit / 2, min(unit, timedelta(minutes=1)))
    least, most = elapsed(begin, end)
    return least - slack <= stated <= most + slack


def _took(begin: Time, end: Time) -> str:
    """The time between two moments, or the range of it where they are coarse."""
    if begin.fine and end.fine:
        return show_duration(end.earliest - begin.earliest)
    least, most = elapsed(begin, end)
    return f"{show_duration(max(least, timedelta()))} to {show_duration(most)}"


def report_field(chain: Chain, name: str, file: str = REPORT) -> tuple[str, int]:
    """A value of a report's summary and its line; ("", 0) where there is none."""
    key = " ".join(name.replace("_", " ").replace("-", " ").split()).casefold()
    stated, line = _summary_of(chain, file)
    return stated.get(key, ("", line))


@once
def _summary_of(chain: Chain, file: str) -> tuple[dict[str, tuple[str, int]], int]:
    """What the summary of a report states, and its line; nothing where there is none."""
    parsed = chain.record.markdown(file)
    section = parsed.find("summary", "overview", "tl;dr") if parsed else None
    return (fields(section), section.line) if section else ({}, 0)


def _stated(chain: Chain, name: str) -> tuple[str, int]:
    """A value that the report states; neither N/A nor a placeholder contradicts anything."""
    text, line = report_field(chain, name)
    return text_of(text), line


def _bare(text: str) -> str:
    """A value without what is added to it: ``SEV-1 (all customers)``."""
    return re.split(r"[(;,–—]", text, maxsplit=1)[0].strip()


@rule(
    "RES012",
    gate="resolution",
    criterion="report",
    level=CRITICAL,
    says="The report does not agree with the record",
    why="People read the report; if it says something else, the evidence is in vain.",
    fix="Correct the report. If the record is wrong, correct it at its source, but do not change "
    "the times to fit.",
    needs=(REPORT,),
)
def report_agrees(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Severity, duration and resolution in the report are those of the data."""
    severity, line = _stated(chain, "severity")
    stated = limits.severity(severity) or limits.severity(_bare(severity))
    recorded = {s.name for s in (chain.severity, chain.worst_severity) if s}
    if severity and recorded and (stated is None or stated.name not in recorded):
        said = f"the report says {severity}, the assessment {' or '.join(sorted(recorded))}"
        yield Breach(Place(REPORT, line=line), said, subject="severity")
    yield from duration_agrees(chain)
    resolution, line = _stated(chain, "resolution")
    recorded_as = chain.resolution["resolution"].text
    if resolution and recorded_as and facts.slug(resolution) != facts.slug(recorded_as):
        said = f'the report says "{resolution}", the summary "{recorded_as}"'
        yield Breach(Place(REPORT, line=line), said, subject="resolution")


def duration_agrees(chain: Chain) -> Iterator[Breach]:
    """The report's duration is one that the record's own times give."""
    text, line = _stated(chain, "duration")
    bare = text if human_duration(text) is not None else _bare(text)
    stated, anchors = human_duration(bare), anchors_of(chain)
    place = Place(REPORT, line=line)
    if stated is None:
        if text:
            yield Breach(
                place, f'"{text}" is no duration', "such as 27 minutes", subject="duration"
            )
        return
    end = anchors.get("resolved_at")
    begins = [
        anchors[n] for n in ("detected_at", "impact_started_at", "declared_at") if n in anchors
    ]
    if end and begins and not any(_fits(bare, stated, begin, end) for begin in begins):
        took = _took(begins[0], end)
        span = f"{begins[0].clock} to {end.clock} UTC"
        said = f"the report says {text}, the record {took} ({span})"
        yield Breach(place, said, took, subject="duration")


@rule(
    "RES013",
    gate="resolution",
    criterion="report",
    level=CRITICAL,
    says="The report's timeline contradicts the record",
    why="A reader compares the two before anything else.",
    fix="Correct the report's timeline; the JSON files are the home of these times.",
    needs=(REPORT,),
)
def report_timeline_agrees(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every time of the report's timeline stands in the record's timeline."""
    parsed = chain.record.markdown(REPORT)
    section = parsed.find("timeline", "incident timeline", "what happened") if parsed else None
    began = chain.detected or chain.declared
    # The protocol's own report has no date in it; the incident has.
    day = began.earliest.date() if began else None
    log = logs.read(REPORT, parsed, [section] if section else [], ("text",), day)
    for line in log.unreadable:
        if looks_like_time(line.source):
            said = f'"{line.source}": {line.why}'
            yield Breach(line.place, said, "such as 02:10 UTC", subject=f"line {line.place.line}")
    known = [e.time for e in chain.timeline.entries if e.time]
    told = Overlapping(known)
    for entry in log.entries if known else ():
        if entry.time and entry.time not in told:
            said = f"{entry.time.clock} UTC is not a time of incident-timeline.md"
            yield Breach(entry.place, said, subject=entry.time.clock)
