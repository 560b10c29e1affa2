"""Gate 4: resolved, documented, and the evidence of the cause archived."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from incident_gates import facts
from incident_gates.evidence.markdown import Line, Table, fields
from incident_gates.evidence.refusal import Refusal
from incident_gates.evidence.times import Order, duration, human_duration, order, show_duration
from incident_gates.incident import NOT_AVAILABLE, Node, is_placeholder
from incident_gates.model import Metric
from incident_gates.rules import (
    CRITICAL,
    DO_NOT_CHANGE,
    INFO,
    WARNING,
    Breach,
    Place,
    gap,
    missing,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.markdown import Markdown, Section
    from incident_gates.evidence.times import Time
    from incident_gates.policy import Limits

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
        since = f", resolved {(chain.now - resolved.latest).days} days ago" if resolved else ""
        place = (status or chain.resolution).place
        yield Breach(
            place, f"status is {chain.status or 'missing'}{since}", f"closed within {days:g} days"
        )
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
    times = _anchors(chain)
    for earlier, later in (
        ("impact_started_at", "mitigated_at"),
        ("impact_started_at", "resolved_at"),
        ("resolved_at", "closed_at"),
    ):
        first, then = times.get(earlier), times.get(later)
        if first and then and order(first, then) is Order.CONTRADICTED:
            said = f"{later} ({then.shown}) is before {earlier} ({first.shown})"
            yield Breach(chain.resolution[later].place, said, subject=later)


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


def _anchors(chain: Chain) -> dict[str, Time]:
    """The times between which durations run."""
    severity, resolution = chain.severity_file, chain.resolution
    nodes = {
        n: severity[n]
        for n in ("impact_started_at", "detected_at", "acknowledged_at", "declared_at")
    }
    nodes |= {n: resolution[n] for n in ("mitigated_at", "resolved_at", "closed_at")}
    return {name: time for name, node in nodes.items() if (time := node.time)}


@rule(
    "RES004",
    gate="resolution",
    criterion="summary",
    level=CRITICAL,
    says="Restored objectives or cleared alerts are not shown",
    why="Resolved means that the objectives hold again and the alerts are quiet.",
    fix="Record each objective with what was observed and when, and each alert with when it cleared.",
    needs=(SUMMARY,),
)
def objectives_are_restored(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """At least one SLO restored and one alert cleared, each with its time."""
    lists = {
        "slos_restored": ("objective", "observed", "restored_at"),
        "alerts_cleared": ("alert", "cleared_at"),
    }
    for name, names in lists.items():
        entries = list(chain.resolution[name])
        if not entries:
            yield from missing(chain.resolution, name)
        for entry in entries:
            yield from missing(entry, *names, subject=f"{name}/{entry.pointer[-1]}")


@rule(
    "RES005",
    gate="resolution",
    criterion="summary",
    level=CRITICAL,
    says="The stability window was not over when the incident was closed",
    why="Metrics must be stable before closing; a window cut short shows nothing.",
    fix=f"Wait until it is over before closing. {DO_NOT_CHANGE}; if it was closed early, record a deviation.",
    needs=(SUMMARY,),
)
def stability_was_awaited(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The window begins after mitigation, is long enough, and ends before closing."""
    window = chain.resolution["stability_window"]
    if not window:
        yield from missing(chain.resolution, "stability_window")
        return
    yield from missing(window, "from", "until", "observation", subject="stability_window")
    begin, end, closed = (
        window["from"].time,
        window["until"].time,
        chain.resolution["closed_at"].time,
    )
    if end and closed and order(end, closed) is Order.CONTRADICTED:
        said = f"the window ends at {end.shown}, closed at {closed.shown}"
        yield Breach(window["until"].place, said, f"before {closed.shown}")
    if begin and end:
        minutes = limits.threshold("stability_minutes")
        held = (end.earliest - begin.earliest).total_seconds() / 60
        if held <= 0 or held < minutes:
            said = f"the window is {held:g} min long"
            yield Breach(
                window.place, said, f"at least {minutes:g} min" if minutes else "some time"
            )


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
    informed = {
        facts.slug(n["audience"].text): n for n in chain.resolution["stakeholders_informed"]
    }
    resolved = chain.resolution["resolved_at"].time
    place = chain.resolution["stakeholders_informed"].place
    severity = chain.worst_severity
    for audience in limits.audiences(severity) if severity else ():
        node = informed.get(audience)
        if node is None:
            yield Breach(place, f"{audience} was not told", subject=audience)
            continue
        yield from missing(node, "informed_at", "channel", subject=audience)
        told = node["informed_at"].time
        if told and resolved and order(resolved, told) is Order.CONTRADICTED:
            said = f"{audience} was told at {told.clock}, before the resolution at {resolved.clock}"
            yield Breach(node["informed_at"].place, said, subject=audience)


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
    """Each action item has kind, description, owner and due date."""
    for item in chain.resolution["action_items"]:
        subject = item["id"].text or str(item.pointer[-1])
        yield from missing(item, "kind", "description", "due_date", subject=subject)
        if not item["owner"]["name"].text:
            yield Breach(item.place, f"{subject}: owner is missing", subject=subject)


# --- root cause evidence -------------------------------------------------------------------------


@rule(
    "RES008",
    gate="resolution",
    criterion="archived",
    level=CRITICAL,
    says="An archived file is missing or changed",
    why="Evidence that is not the evidence that was archived proves nothing.",
    fix="Restore the file as archived; if it was replaced on purpose, archive the new one beside it.",
    needs=(MANIFEST,),
)
def archived_files_are_intact(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each archived path exists under the folder, with its digest."""
    for item in chain.record.node(MANIFEST)["items"]:
        subject = item["id"].text or str(item.pointer[-1])
        path = item["path"].text
        if not path:
            if not item["uri"].text:
                yield Breach(item.place, f"{subject}: neither path nor uri", subject=subject)
            else:
                yield from missing(item, "sha256", "captured_at", subject=subject)
            continue
        yield from _intact(chain, item["path"], item["sha256"].text, subject)
    for execution in chain.executions:
        kept = execution.node["output_file"]
        if kept["path"].text:
            yield from _intact(chain, kept["path"], kept["sha256"].text, execution.id)


def _intact(chain: Chain, path: Node, stated: str, subject: str) -> Iterator[Breach]:
    try:
        found = chain.record.attachment_digest(path.text)
    except Refusal as refusal:
        yield Breach(path.place, f"{subject}: {refusal.what}", subject=subject)
        return
    if not stated:
        yield Breach(path.place, f"{subject}: sha256 is missing", f"sha256 {found}", (), subject)
    elif found != stated:
        said = f"{subject}: {path.text} has another digest"
        yield Breach(path.place, said, f"sha256 {stated}", (f"sha256 {found}",), subject)


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
    held = {item["kind"].text for item in manifest["items"]}
    excused = {n["kind"].text for n in manifest["not_available"] if n["reason"].text}
    for kind in limits.protocol.data["rca_floor"]:
        if kind not in held | excused:
            yield Breach(manifest["items"].place, f"no {kind} is archived", subject=kind)


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
    anchors = _anchors(chain)
    for node in chain.resolution["durations"]:
        begin, end = anchors.get(node["from"].text), anchors.get(node["to"].text)
        stated = duration(node["value"].text)
        subject = node["name"].text
        yield from missing(node, "from", "to", subject=subject)
        if begin is None or end is None or stated is None:
            continue
        if not _fits(stated, begin, end):
            took = show_duration(end.earliest - begin.earliest)
            said = f"{subject} is {show_duration(stated)}, but {node['from'].text} to {node['to'].text} is {took}"
            yield Breach(node["value"].place, said, took, (), subject)


def _fits(stated: timedelta, begin: Time, end: Time) -> bool:
    tolerance = begin.tolerance + end.tolerance
    return abs((end.earliest - begin.earliest) - stated) <= max(tolerance, timedelta(minutes=1))


def report_field(chain: Chain, name: str) -> tuple[str, int]:
    """A value of the report's summary and its line; ("", 0) where there is none."""
    parsed = chain.record.markdown(REPORT)
    section = parsed.find("summary", "overview", "tl;dr") if parsed else None
    return fields(section).get(name, ("", section.line)) if section else ("", 0)


@rule(
    "RES012",
    gate="resolution",
    criterion="report",
    level=CRITICAL,
    says="The report does not agree with the record",
    why="People read the report; if it says something else, the evidence is in vain.",
    fix="Correct the report. If the record is wrong, correct it at its source, but do not change the times to fit.",
    needs=(REPORT,),
)
def report_agrees(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Severity, duration and resolution in the report are those of the data."""
    severity, line = report_field(chain, "severity")
    stated = limits.severity(severity)
    recorded = {s.name for s in (chain.severity, chain.worst_severity) if s}
    if severity and recorded and (stated is None or stated.name not in recorded):
        said = f"the report says {severity}, the assessment {' or '.join(sorted(recorded))}"
        yield Breach(Place(REPORT, line=line), said, subject="severity")
    yield from _duration_agrees(chain)
    resolution, line = report_field(chain, "resolution")
    recorded_as = chain.resolution["resolution"].text
    if resolution and recorded_as and facts.slug(resolution) != facts.slug(recorded_as):
        said = f'the report says "{resolution}", the summary "{recorded_as}"'
        yield Breach(Place(REPORT, line=line), said, subject="resolution")


def _duration_agrees(chain: Chain) -> Iterator[Breach]:
    """The report's duration is one that the record's own times give."""
    text, line = report_field(chain, "duration")
    stated, anchors = human_duration(text), _anchors(chain)
    if stated is None:
        if text and not is_placeholder(text) and not text.startswith(NOT_AVAILABLE):
            said = f'"{text}" is no duration'
            yield Breach(Place(REPORT, line=line), said, "such as 27 minutes", subject="duration")
        return
    end = anchors.get("resolved_at")
    begins = [
        anchors[n] for n in ("detected_at", "impact_started_at", "declared_at") if n in anchors
    ]
    if end and begins and not any(_fits(stated, begin, end) for begin in begins):
        took = show_duration(end.earliest - begins[0].earliest)
        said = f"the report says {text}, the record {took} ({begins[0].clock} to {end.clock} UTC)"
        yield Breach(Place(REPORT, line=line), said, took, subject="duration")


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
    sections = (
        [s for s in (parsed.find("timeline", "incident timeline", "what happened"),) if s]
        if parsed
        else []
    )
    log = facts.read_log(REPORT, parsed, sections, ("text",))
    known = [e.time for e in chain.timeline.entries if e.time]
    for entry in log.entries if known else ():
        if entry.time and not any(_overlap(entry.time, time) for time in known):
            said = f"{entry.time.clock} UTC stands in the report's timeline only"
            yield Breach(
                entry.place, said, "a time of incident-timeline.md", subject=entry.time.clock
            )


def _overlap(one: Time, other: Time) -> bool:
    return one.earliest < other.latest and other.earliest < one.latest


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
    absent = _absent(chain, limits)
    total = len(limits.documentation_elements)
    rate, wanted = (total - len(absent)) / total, limits.threshold("documentation_completeness")
    if rate < wanted:
        said = f"{total - len(absent)} of {total} elements are documented ({rate:.1%})"
        listed = tuple(f"{e['label']}  {e['file']}" for e in absent)
        yield Breach(Place(REPORT, line=1), said, f"at least {wanted:.1%}", listed)


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
    total = len(limits.documentation_elements)
    if (total - len(absent)) / total >= limits.threshold("documentation_completeness"):
        for element in absent:
            place = Place(element["file"], line=1)
            yield Breach(place, f"{element['label']} is missing", subject=element["id"])


def _absent(chain: Chain, limits: Limits) -> list[dict[str, Any]]:
    return [e for e in limits.documentation_elements if not _documented(chain, e)]


def _documented(chain: Chain, element: dict[str, Any]) -> bool:
    """Whether an element is there; a reasoned N/A counts as documented."""
    if "pointer" in element:
        keys = element["pointer"].strip("/").split("/")
        return _reaches(chain.record.node(element["file"]), keys)
    parsed = chain.record.markdown(element["file"])
    if "value" in element:
        value = report_field(chain, element["value"])[0]
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
    fix="Write the version that `incident-gates --version` shows as protocol_version.",
    needs=(SUMMARY,),
)
def protocol_version_is_named(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """A closed record names the protocol version that it was judged by."""
    if chain.closed:
        for breach in missing(chain.resolution, "protocol_version"):
            yield replace(breach, expected=limits.protocol.version)


def _completeness(chain: Chain, limits: Limits) -> tuple[int, int]:
    total = len(limits.documentation_elements)
    return total - len(_absent(chain, limits)), total


def metrics(chain: Chain, limits: Limits) -> tuple[Metric, ...]:
    """Documentation completeness against its threshold."""
    done, total = _completeness(chain, limits)
    wanted = limits.threshold("documentation_completeness")
    return (Metric("documentation_completeness", done / total, wanted, "ratio", ">="),)


def summary(chain: Chain, limits: Limits) -> str:
    """What the gate measured, in one line."""
    done, total = _completeness(chain, limits)
    agree = chain.resolution["durations"] and not any(durations_follow(chain, limits))
    return f"{done}/{total} elements{' · durations agree' if agree else ''}"
