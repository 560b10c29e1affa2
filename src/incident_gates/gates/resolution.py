"""Gate 4: resolved, documented, and the evidence of the cause archived."""

from __future__ import annotations

import hashlib
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from incident_gates import facts
from incident_gates.chain import once
from incident_gates.evidence.markdown import Line, Table, fields
from incident_gates.evidence.times import (
    Order,
    Overlapping,
    duration,
    elapsed,
    grain,
    human_duration,
    looks_like_time,
    order,
    show_duration,
)
from incident_gates.incident import NOT_AVAILABLE, Node, gives_reason, is_placeholder
from incident_gates.model import Metric
from incident_gates.rules import (
    CRITICAL,
    DO_NOT_CHANGE,
    INFO,
    WARNING,
    Breach,
    Place,
    gap,
    in_order,
    intact,
    missing,
    percent,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.markdown import Markdown, Section
    from incident_gates.evidence.times import Time
    from incident_gates.policy import Limits

SHOWN = 3
# What a rule of its own asks for is not said twice.
OWN_RULE = frozenset(
    ("status", "mitigated_at", "resolved_at", "resolution", "slos_restored", "alerts_cleared")
) | {"stability_window", "stakeholders_informed", "action_owners"}
CLOSING = ("mitigated_at", "resolved_at", "closed_at")
SUMMARY, MANIFEST, REPORT = ("resolution-summary.json", "rca-manifest.json", "INCIDENT-REPORT.md")


@rule(
    "RES001",
    gate="resolution",
    criterion="summary",
    level=CRITICAL,
    says="The incident is resolved but not closed",
    why="What stays open is forgotten before it is learned from.",
    fix="Complete the documentation, then set status to closed and record closed_at.",
    needs=(SUMMARY,),
)
def resolved_is_closed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """A resolved incident is closed within close_within_days; closed has its times."""
    status = chain.resolution["status"]
    if not chain.closed:
        resolved = chain.resolution["resolved_at"].time
        days = limits.threshold("close_within_days")
        said = f"the status is {chain.status or 'missing'}, not closed"
        if resolved:
            seconds = (chain.now - resolved.earliest) // timedelta(seconds=1)
            ago = show_duration(timedelta(seconds=seconds))
            said = f"resolved {ago} ago and not closed (status {chain.status or 'missing'})"
        expected = f"closed within {days:g} days"
        yield Breach((status or chain.resolution).place, said, expected, subject="status")
    names = ("resolution", "mitigated_at", "resolved_at", *(("closed_at",) if chain.closed else ()))
    yield from missing(chain.resolution, *names)


@rule(
    "RES002",
    gate="resolution",
    criterion="summary",
    level=CRITICAL,
    says="Events of the incident are in an impossible order",
    why="Nothing is resolved before it began, nor closed before it was resolved.",
    fix="Look up both times at their source, and correct the one that was mistyped.",
    needs=(SUMMARY,),
    at_once=True,
)
def end_is_possible(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Impact, then resolution, then closing; mitigation not before impact."""
    for later, (earlier, first, then) in _impossible(chain).items():
        said = f"{later} ({then.shown}) is before {earlier} ({first.shown})"
        yield Breach(chain.resolution[later].place, said, subject=later)
    closed = chain.resolution["closed_at"]
    runs = [(f"{e.id} started", e.started) for e in chain.mitigations]
    done = (*runs, ("the last recovery check ran", chain.recovered))
    for what, time in () if "closed_at" in _impossible(chain) else done:
        if time and closed.time and order(time, closed.time) is Order.CONTRADICTED:
            said = f"closed_at ({closed.time.shown}) is before {what} ({time.shown})"
            yield Breach(closed.place, said, subject=f"closed_at/{what.split()[0]}")


@once
def _impossible(chain: Chain) -> dict[str, tuple[str, Time, Time]]:
    """Times of the ending that cannot be: each with what it would have to follow.

    One mistyped time is one finding; nothing else is concluded from it.
    """
    times, found = _recorded(chain), {}
    for earlier, later in (
        ("impact_started_at", "mitigated_at"),
        ("impact_started_at", "resolved_at"),
        ("resolved_at", "closed_at"),
    ):
        first, then = times.get(earlier), times.get(later)
        if first and then and earlier not in found and order(first, then) is Order.CONTRADICTED:
            found[later] = (earlier, first, then)
    return found


@rule(
    "RES003",
    gate="resolution",
    criterion="summary",
    level=WARNING,
    says="The order of the ending is unusual",
    why="Mitigated before declared happens in real incidents, and deserves a second look.",
    fix=f"{DO_NOT_CHANGE} if they are true; say in the report why the order is unusual.",
    needs=(SUMMARY,),
)
def end_is_in_order(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Declared, then mitigated, then recovered, then resolved."""
    times = _anchors(chain)
    recovered = chain.recovered
    pairs = [
        ("declared_at", times.get("declared_at"), "mitigated_at"),
        ("mitigated_at", times.get("mitigated_at"), "resolved_at"),
        ("the last recovery check", recovered, "resolved_at"),
    ]
    for label, first, later in pairs:
        then = times.get(later)
        if first and then and order(first, then) is Order.CONTRADICTED:
            said = f"{later} ({then.clock}) is {gap(then, first)} before {label} ({first.clock})"
            yield Breach(chain.resolution[later].place, said, subject=f"{later}/{label}")


@once
def _anchors(chain: Chain) -> dict[str, Time]:
    """The times between which durations run: those recorded, but for the impossible ones."""
    impossible = _impossible(chain)
    return {name: time for name, time in _recorded(chain).items() if name not in impossible}


@once
def _recorded(chain: Chain) -> dict[str, Time]:
    """The times that the record gives."""
    severity, resolution = chain.severity_file, chain.resolution
    nodes = {
        n: severity[n]
        for n in ("impact_started_at", "detected_at", "acknowledged_at", "declared_at")
    }
    nodes |= {n: resolution[n] for n in CLOSING}
    return {name: time for name, node in nodes.items() if (time := node.time)}


@rule(
    "RES004",
    gate="resolution",
    criterion="summary",
    level=CRITICAL,
    says="Restored objectives or cleared alerts are not shown",
    why="Resolved means that the objectives hold again and the alerts are quiet.",
    fix="Record each breached objective with what was observed and when, in the words of the "
    "assessment, and each alert with when it cleared.",
    needs=(SUMMARY,),
)
def objectives_are_restored(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each breached SLO restored and at least one alert cleared, before closing."""
    # Where customers saw it first, no alert fired that could clear; a reason is all there is.
    reasoned = {"slos_restored": "", "alerts_cleared": WARNING}
    lists = {
        "slos_restored": ("objective", "observed", "restored_at"),
        "alerts_cleared": ("alert", "cleared_at"),
    }
    for name, names in lists.items():
        entries = list(chain.resolution[name])
        if not entries:
            yield from missing(chain.resolution, name, reasoned=reasoned[name])
        for entry in entries:
            subject = f"{name}/{entry.pointer[-1]}"
            yield from missing(entry, *names, subject=subject)
            did = "held again" if name == "slos_restored" else "cleared"
            said = f"{entry[names[0]].text} {did}"
            yield from _before_closing(chain, entry[names[-1]], said, subject)
            yield from _since_impact(chain, entry[names[-1]], said, subject)
    restored = {facts.slug(n["objective"].text): n for n in chain.resolution["slos_restored"]}
    for objective, observed in _breached(chain).items() if restored else ():
        again = restored.get(facts.slug(objective))
        if again is None:
            place = chain.resolution["slos_restored"].place
            said = f'"{objective}" was breached and is not among the restored objectives'
            yield Breach(place, said, subject=objective)
        elif re.search(r"[0-9]", observed) and facts.words(again["observed"].text) == observed:
            said = f'"{objective}" is said to hold at {again["observed"].text}, as when breached'
            yield Breach(again["observed"].place, said, subject=objective)


def _breached(chain: Chain) -> dict[str, str]:
    """The objectives that the assessment says were breached, with what was first seen of each."""
    found: dict[str, str] = {}
    for classification in chain.severity_file["classifications"]:
        for breach in classification["slo_breaches"]:
            if breach["objective"].text:
                found.setdefault(breach["objective"].text, facts.words(breach["observed"].text))
    return found


def _since_impact(chain: Chain, node: Node, said: str, subject: str) -> Iterator[Breach]:
    """Nothing holds again, and no alert clears, before the impact had begun."""
    time, begun = node.time, _recorded(chain).get("impact_started_at")
    if time and begun and order(begun, time) is Order.CONTRADICTED:
        early = f"{said} {gap(time, begun)} before the impact began"
        yield Breach(node.place, early, f"after {begun.shown}", subject=subject)


def _before_closing(chain: Chain, node: Node, said: str, subject: str) -> Iterator[Breach]:
    """The protocol: do not close until metrics are stable and communications are sent."""
    time, closed = node.time, _anchors(chain).get("closed_at")
    if time and closed and order(time, closed) is Order.CONTRADICTED:
        late = f"{said} {gap(closed, time)} after closing"
        fix = f"{DO_NOT_CHANGE}. If one was mistyped, look it up; if not, record a deviation."
        yield Breach(node.place, late, f"before {closed.shown}", subject=subject, fix=fix)


@rule(
    "RES005",
    gate="resolution",
    criterion="summary",
    level=CRITICAL,
    says="The stability window was not over when the incident was closed",
    why="Metrics must be stable before closing; a window cut short shows nothing.",
    fix=f"{DO_NOT_CHANGE}. Before closing, wait until it is over; if it was closed too early, "
    "record a deviation.",
    needs=(SUMMARY,),
)
def stability_was_awaited(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The window is long enough, counted from mitigation, and ends before closing."""
    window = chain.resolution["stability_window"]
    if not isinstance(window.value, dict):
        yield from missing(chain.resolution, "stability_window")
        return
    yield from missing(window, "from", "until", "observation", subject="stability_window")
    yield from _before_closing(chain, window["until"], "the window ends", "stability_window/until")
    yield from _window_is_long_enough(chain, window, limits.threshold("stability_minutes"))


def _window_is_long_enough(chain: Chain, window: Node, minutes: float) -> Iterator[Breach]:
    begin, end = window["from"].time, window["until"].time
    mitigated = chain.resolution["mitigated_at"].time
    if begin is None or end is None:
        return
    since = ""
    if mitigated and order(mitigated, begin) is Order.CONTRADICTED:
        begin, since = mitigated, f" after mitigation at {mitigated.clock} UTC"
    held = end.earliest - begin.earliest
    if held <= timedelta():
        said = f"the window has no length{since}"
    elif held < timedelta(minutes=minutes):
        said = f"the window is {show_duration(held)} long{since}; {minutes:g} min are asked"
    else:
        return
    yield Breach(window.place, said, f"at least {max(minutes, 1):g} min", subject="length")


@rule(
    "RES006",
    gate="resolution",
    criterion="informed",
    level=CRITICAL,
    says="A required stakeholder was not told of the resolution",
    why="Who was told that it broke must be told that it works again.",
    fix="Tell them and record it under stakeholders_informed, with the time at which it was sent.",
    needs=(SUMMARY,),
)
def stakeholders_are_informed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each audience of the worst severity was informed, not before resolution."""
    told = chain.resolution["stakeholders_informed"]
    if not list(told):
        yield from missing(chain.resolution, "stakeholders_informed")
        return
    severity = chain.worst_severity or next(iter(limits.protocol.severities.values()))
    for audience in limits.audiences(severity):
        entries = [n for n in told if facts.slug(n["audience"].text) == audience]
        if not entries:
            yield Breach(told.place, f"those told do not include {audience}", subject=audience)
            continue
        # The entry that says most counts: someone may have been told before as well.
        found = [list(_told_in_time(chain, node, audience)) for node in entries]
        yield from min(found, key=len)


def _told_in_time(chain: Chain, node: Node, audience: str) -> Iterator[Breach]:
    yield from missing(node, "informed_at", "channel", subject=audience)
    resolved, told = chain.resolution["resolved_at"].time, node["informed_at"].time
    said = f"{audience} was told {{gap}} before the resolution"
    expected = f"after {resolved.clock} UTC" if resolved else ""
    fix = f"{DO_NOT_CHANGE}. Tell them that it is resolved, and record that with its time."
    place = node["informed_at"].place
    for breach in in_order(resolved, told, place, said, expected=expected, subject=audience):
        yield breach._replace(fix=breach.fix or fix)
    yield from _before_closing(chain, node["informed_at"], f"{audience} was told", audience)


@rule(
    "RES007",
    gate="resolution",
    criterion="summary",
    level=CRITICAL,
    says="An action item has no owner or no due date",
    why="What nobody owns is not done.",
    fix="Name an owner and a due date for each action item.",
    needs=(SUMMARY,),
)
def action_items_are_owned(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """There are action items, each with kind, description, owner and due date."""
    if not list(chain.resolution["action_items"]):
        yield from missing(chain.resolution, "action_items", reasoned=WARNING)
    for item in chain.resolution["action_items"]:
        subject = item["id"].text or str(item.pointer[-1])
        yield from missing(item, "kind", "description", "owner", subject=subject)
        yield from missing(item, "due_date", subject=subject, reasoned=WARNING)
        yield from _means_nothing(chain, item, limits.protocol.data["action_items"], subject)


def _means_nothing(
    chain: Chain, item: Node, asked: dict[str, Any], subject: str
) -> Iterator[Breach]:
    """An owner who is everybody, a due date that nobody here will see, or one long past."""
    owner, due = item["owner"]["name"], item["due_date"]
    if facts.slug(owner.text) in asked["owned_by_nobody"]:
        said = f'"{owner.text}" is nobody who could be asked about {subject}'
        yield Breach(owner.place, said, "a person, or a team by its name", subject=subject)
    begun = chain.detected.earliest.date() if chain.detected else None
    last = chain.as_of.date() + timedelta(days=asked["due_within_days"])
    day = _day(due.text)
    if day and (day > last or (begun and day < begun - timedelta(days=1))):
        when = "so late that nobody will ask" if day > last else "before the incident"
        said = f"{subject} is due on {due.text}, {when}"
        # A ticket may be older than the incident that shows its worth, and long overdue.
        level, expected = ("", f"at most {last}") if day > last else (WARNING, f"from {begun} on")
        yield Breach(due.place, said, expected, subject=subject, level=level)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


# --- root cause evidence -------------------------------------------------------------------------


@rule(
    "RES008",
    gate="resolution",
    criterion="archived",
    level=CRITICAL,
    says="An archived file is missing or changed",
    why="Evidence that is not the evidence that was archived proves nothing.",
    fix="Restore the file as archived; if it was replaced on purpose, archive the new one beside "
    "it.",
    needs=(MANIFEST,),
)
def archived_files_are_intact(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each archived path exists under the folder, with its digest."""
    for item in chain.record.node(MANIFEST)["items"]:
        subject = item["id"].text or str(item.pointer[-1])
        if item["path"].text:
            yield from intact(chain, item, subject)
        elif item["uri"].text:
            yield from missing(item, "captured_at", "captured_by", subject=subject)
            yield from missing(item, "sha256", subject=subject, reasoned=WARNING)
        else:
            yield Breach(item.place, f"{subject}: neither path nor uri", subject=subject)


@rule(
    "RES009",
    gate="resolution",
    criterion="archived",
    level=CRITICAL,
    says="A kind of root cause evidence is not archived",
    why="Logs, dashboards and diffs are gone when the retrospective asks for them.",
    fix="Archive one, or list the kind under not_available with the reason.",
    needs=(MANIFEST,),
)
def every_kind_is_archived(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Log, dashboard and diff each occur, or are not available for a reason."""
    manifest = chain.record.node(MANIFEST)
    seen = dict.fromkeys((d.sha256 for d in chain.record.own()), "a part of the record itself")
    named = {n["kind"].text: gives_reason(n["reason"].text) for n in manifest["not_available"]}
    for kind in limits.protocol.data["rca_floor"]:
        items = [item for item in manifest["items"] if item["kind"].text == kind]
        wanting = [_shows_nothing(chain, item, seen) for item in items]
        seen |= {item["sha256"].text: f"archived as {kind}" for item in items}
        if not named.get(kind) and all(wanting):
            no_reason = ["not_available gives no reason why"] if kind in named else []
            why = "".join(f": {said}" for said in (*wanting, *no_reason)[:1])
            place = items[0].place if items else manifest["items"].place
            yield Breach(place, f"no {kind} is archived{why}", subject=kind)


def _shows_nothing(chain: Chain, item: Node, seen: dict[str, str]) -> str:
    """Why an archived item is no evidence of its kind, or ""."""
    digest, path = item["sha256"].text, item["path"].text
    if digest == EMPTY or (path and chain.record.attachment_is_blank(path)):
        return f"{path or item['uri'].text} holds nothing"
    return f"{path or item['uri'].text} is {seen[digest]}" if digest and digest in seen else ""


EMPTY = hashlib.sha256(b"").hexdigest()


@rule(
    "RES010",
    gate="resolution",
    criterion="archived",
    level=INFO,
    says="Evidence outside the repository was not verified here",
    why="What stands behind a URI is not in git; its digest can be checked by who can reach it.",
    fix="Nothing to do; to have it verified, commit a copy as an attachment.",
    needs=(MANIFEST,),
)
def remote_evidence_is_listed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Lists each URI that the manifest cites."""
    for item in chain.record.node(MANIFEST)["items"]:
        if item["uri"].text and not item["path"].text:
            said = f"{item['uri'].text} is not verified here"
            yield Breach(item["uri"].place, said, subject=item["id"].text)


@rule(
    "RES018",
    gate="resolution",
    criterion="archived",
    level=CRITICAL,
    says="One contributing factor is given several times",
    why="Asking why five times helps only if the answers differ.",
    fix="Give each factor once; where only one is known, one is enough.",
    needs=(MANIFEST,),
)
def factors_are_different(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No contributing factor repeats another."""
    given: dict[str, list[Node]] = {}
    for node in chain.record.node(MANIFEST)["contributing_factors"]:
        given.setdefault(facts.words(node.text), []).append(node)
    for said, (node, *again) in given.items():
        if said and again:
            about = f'"{node.text}" is given {len(again) + 1} times'
            yield Breach(again[0].place, about, subject=str(again[0].pointer[-1]))


# --- agreement of report and data ----------------------------------------------------------------


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
    return iter(_wrong_durations(chain))


@once
def _wrong_durations(chain: Chain) -> tuple[Breach, ...]:
    """What does not follow; the summary asks as well."""
    return tuple(b for node in chain.resolution["durations"] for b in _wrong_duration(chain, node))


def _wrong_duration(chain: Chain, node: Node) -> Iterator[Breach]:
    anchors = _anchors(chain)
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
    return ("" if text.startswith(NOT_AVAILABLE) or is_placeholder(text) else text), line


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
    yield from _duration_agrees(chain)
    resolution, line = _stated(chain, "resolution")
    recorded_as = chain.resolution["resolution"].text
    if resolution and recorded_as and facts.slug(resolution) != facts.slug(recorded_as):
        said = f'the report says "{resolution}", the summary "{recorded_as}"'
        yield Breach(Place(REPORT, line=line), said, subject="resolution")


def _duration_agrees(chain: Chain) -> Iterator[Breach]:
    """The report's duration is one that the record's own times give."""
    text, line = _stated(chain, "duration")
    bare = text if human_duration(text) is not None else _bare(text)
    stated, anchors = human_duration(bare), _anchors(chain)
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
    log = facts.read_log(REPORT, parsed, [section] if section else [], ("text",), day)
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


# --- completeness --------------------------------------------------------------------------------


@rule(
    "RES014",
    gate="resolution",
    criterion="report",
    level=CRITICAL,
    says="The documentation is not complete enough",
    why="What is not documented will be investigated again.",
    fix="Add what is missing; where something is not known, write `N/A: ` and why.",
)
def documentation_is_complete(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Satisfied elements of all required ones are at least the threshold."""
    absent, wanted = _absent(chain, limits), limits.threshold("documentation_completeness")
    done_of, total = _completeness(chain, limits)
    rate = done_of / total
    if rate < wanted:
        first = ", ".join(element["label"] for element in absent[:SHOWN])
        more = f" and {len(absent) - SHOWN} more" if len(absent) > SHOWN else ""
        asked = f"at least {wanted * 100:g}%"
        done = f"{done_of} of {total} elements are documented"
        said = f"{done} ({percent(rate)}; {asked} is asked); missing: {first}{more}"
        listed = tuple(f"{e['label']}  {e['file']}" for e in absent)
        yield Breach(Place(REPORT, line=1), said, asked, listed)


@rule(
    "RES015",
    gate="resolution",
    criterion="report",
    level=WARNING,
    says="A documentation element is missing",
    why="Above the threshold it does not fail, but it is still missing.",
    fix="Add it; where it is not known, write `N/A: ` and why.",
)
def elements_are_documented(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Names each missing element where the threshold is met all the same."""
    absent = _absent(chain, limits)
    done, total = _completeness(chain, limits)
    if done / total >= limits.threshold("documentation_completeness"):
        for element in (e for e in absent if e["id"] not in OWN_RULE):
            said = f"{element['label']} is missing"
            yield Breach(_home(chain, element), said, subject=element["id"])


def _home(chain: Chain, element: dict[str, Any]) -> Place:
    """Where an element stands, or would stand."""
    if "pointer" in element:
        keys = element["pointer"].strip("/").split("/")
        known = keys[: keys.index("*")] if "*" in keys else keys
        return Place(element["file"], tuple(known))
    parsed = chain.record.markdown(element["file"])
    if "value" in element:
        return Place(
            element["file"], line=report_field(chain, element["value"], element["file"])[1] or 1
        )
    section = parsed.find(*element["section"]) if parsed else None
    return Place(element["file"], line=section.line if section else 1)


@once
def _absent(chain: Chain, limits: Limits) -> list[dict[str, Any]]:
    return [e for e in limits.documentation_elements if not _documented(chain, e)]


def _documented(chain: Chain, element: dict[str, Any]) -> bool:
    """Whether an element is there; a reasoned N/A counts as documented."""
    if "pointer" in element:
        keys = element["pointer"].strip("/").split("/")
        return _reaches(chain.record.node(element["file"]), keys)
    parsed = chain.record.markdown(element["file"])
    if "value" in element:
        value = report_field(chain, element["value"], element["file"])[0]
        return bool(value) and not is_placeholder(value)
    section = parsed.find(*element["section"]) if parsed else None
    return section is not None and parsed is not None and _says_something(parsed, section)


def _reaches(node: Node, keys: list[str]) -> bool:
    """Whether a pointer leads to a value; ``*`` means every entry, and at least one."""
    if node.unavailable:
        return True
    if not keys:
        return bool(node.text or node.time or node.number is not None or node.flag is not None)
    if keys[0] == "*":
        entries = list(node)
        return bool(entries) and all(_reaches(entry, keys[1:]) for entry in entries)
    return _reaches(node[keys[0]], keys[1:])


def _says_something(parsed: Markdown, section: Section) -> bool:
    """Whether a section, or one below it, holds a line that is no placeholder."""
    inside = [s for s in parsed.sections if section.line <= s.line <= section.end]
    blocks = [block for s in inside for block in s.blocks]
    lines = [b.text for b in blocks if isinstance(b, Line)]
    rows = [" ".join(r.cells) for b in blocks if isinstance(b, Table) for r in b.rows]
    return any(not is_placeholder(text) for text in (*lines, *rows))


@rule(
    "RES016",
    gate="resolution",
    criterion="summary",
    level=WARNING,
    says="The closed record does not name the protocol version",
    why="A record is judged by the rules of its time; next year's readers must know which.",
    fix="Write the protocol's version, which every JSON report names, as protocol_version.",
    needs=(SUMMARY,),
)
def protocol_version_is_named(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """A closed record names the protocol version that it was judged by."""
    if not chain.closed:
        return
    for breach in missing(chain.resolution, "protocol_version"):
        yield breach._replace(expected=limits.protocol.version)
    named = chain.resolution["protocol_version"]
    known = [entry["version"] for entry in limits.protocol.data["changelog"]]
    if named.text and named.text not in known:
        said = f"{named.text} is no version of this protocol"
        yield Breach(named.place, said, f"one of {', '.join(known)}")


@rule(
    "RES017",
    gate="resolution",
    criterion="report",
    level=WARNING,
    says="The record calls for feedback to another protocol, and there is none",
    why="What an incident taught about alerts and performance is lost where nobody hands it over.",
    fix="Write the file, or say in resolution-summary.json that there is nothing to hand over.",
    needs=(SUMMARY,),
)
def feedback_is_written(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """An output whose condition the closed record itself states is there, and says something."""
    for entry in limits.protocol.data["outputs"]:
        called_for = chain.resolution[entry["noted_in"]] if "noted_in" in entry else None
        if chain.closed and called_for and calls_for(called_for):
            file = entry["file"]
            if not says_something(chain, file):
                lacking = "says nothing yet" if file in chain.record.names else "is missing"
                said = f"{file} for Protocol {entry['to']} {lacking}: {entry['when']}"
                yield Breach(called_for.place, said, subject=file)


def calls_for(noted: Node) -> bool:
    """Whether a value of the summary, true or a text, says that there is something to hand over."""
    return bool(noted.flag or noted.text)


def says_something(chain: Chain, file: str) -> bool:
    """Whether a feedback file is there and holds an entry, or a line that is no placeholder."""
    parsed = chain.record.markdown(file)
    if parsed is not None:
        return any(_says_something(parsed, section) for section in parsed.sections)
    return bool(list(chain.record.node(file)["feedback"]))


@once
def _completeness(chain: Chain, limits: Limits) -> tuple[int, int]:
    """Documented elements and all of them: the protocol's own, or with the policy's, if worse.

    However many elements a policy adds, they cannot make up for the protocol's.
    """
    absent = {element["id"] for element in _absent(chain, limits)}
    counts = []
    for elements in (limits.documentation_elements, limits.protocol.data["documentation_elements"]):
        total = len(elements)
        counts.append((total - sum(e["id"] in absent for e in elements), total))
    return min(counts, key=lambda count: count[0] / count[1])


def metrics(chain: Chain, limits: Limits) -> tuple[Metric, ...]:
    """Documentation completeness against its threshold."""
    done, total = _completeness(chain, limits)
    wanted = limits.threshold("documentation_completeness")
    return (Metric("documentation_completeness", done / total, wanted, "ratio", ">="),)


def summary(chain: Chain, limits: Limits) -> str:
    """What the gate measured, in one line."""
    done, total = _completeness(chain, limits)
    stated = any(duration(n["value"].text) for n in chain.resolution["durations"])
    agree = stated and not any((*_wrong_durations(chain), *_duration_agrees(chain)))
    return f"{done}/{total} elements{' · durations agree' if agree else ''}"
