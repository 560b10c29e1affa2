"""``new timeline``: every event that the other files record, in the order of time."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import derived, logs
from incident_gates.desk.drafts import kept, words
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import markdown
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.desk.drafts import Options
    from incident_gates.desk.found import Found
    from incident_gates.evidence.times import Time
    from incident_gates.facts import Execution
    from incident_gates.incident import Node

NAME = derived.TIMELINE
INTAKE, SEVERITY, NOTICES = (
    "incident-intake-log.md",
    "severity-assessment.json",
    "communication-log.md",
)
READINESS, DECISIONS = "rollback-readiness-checklist.json", "decision-log.json"
EXECUTIONS, CHECKS = "mitigation-execution-report.json", "recovery-validation.json"
RESOLUTION = "resolution-summary.json"
SOURCES = (INTAKE, SEVERITY, NOTICES, READINESS, DECISIONS, EXECUTIONS, CHECKS, RESOLUTION)
MOST_NAMED = 4


class Event(NamedTuple):
    """One thing that happened, and the file that is its home; ``main`` ones go into the report."""

    time: Time
    text: str
    file: str
    main: bool = False


def write(what: str, found: Found, _: Options) -> kept.Written:
    """Derives incident-timeline.md; events typed by hand are kept where they belong."""
    happened = events(found.chain)
    if not happened:
        raise UsageError("No other file records an event yet, so there is nothing to derive.")
    own = _own(found)
    text = _text(found, happened, own)
    _keeps(text, own)
    by_hand = [f"Kept {counted(len(own), 'event')} typed by hand."] if own else []
    return kept.put(what, found, NAME, text, [*by_hand, *_notes(found)])


def events(chain: Chain) -> list[Event]:
    """Everything with a time that the record states, in the order of time."""
    found = [
        *_signals(chain),
        *_assessed(chain),
        *_notices(chain),
        *_ready(chain),
        *_decided(chain),
        *_executed(chain),
        *_checked(chain),
        *_resolved(chain),
    ]
    return sorted(found, key=lambda event: event.time.earliest)


# --- detection -----------------------------------------------------------------------------------


def _signals(chain: Chain) -> Iterator[Event]:
    log, validity = chain.intake
    timed = sorted((e for e in log.entries if e.time), key=lambda e: e.time or chain.now)
    for number, entry in enumerate(timed):
        if entry.time:
            source = words.inline(entry.column("source"), 80)
            said = words.inline(entry.column("text")) or "signal"
            yield Event(entry.time, f"Signal: {said}{_aside(source)}", INTAKE, main=not number)
    if validity and validity.time and validity.verdict:
        said = f"Judged a {words.inline(validity.verdict, 60)} by {words.role(validity.role)}"
        yield Event(validity.time, said, INTAKE)


def _aside(text: str) -> str:
    return f" ({text})" if text else ""


def _assessed(chain: Chain) -> Iterator[Event]:
    top = chain.severity_file
    worst = chain.worst_severity.name if chain.worst_severity else "incident"
    first = next((c.severity.name for c in chain.consensus if c.severity), worst)
    yield from _at(top["impact_started_at"], "Customers affected", SEVERITY)
    yield from _at(top["detected_at"], "Detected", SEVERITY)
    yield from _at(top["declared_at"], f"Declared an incident, {first}", SEVERITY, main=True)
    for consensus in chain.consensus:
        for assessor in consensus.classification.assessors:
            if assessor.time and assessor.severity:
                said = words.inline(assessor.severity, 30)
                said = f"Assessed as {said} by {words.role(assessor.role)}"
                yield Event(assessor.time, said, SEVERITY)


def _at(node: Node, text: str, file: str, *, main: bool = False) -> Iterator[Event]:
    if node.time:
        yield Event(node.time, f"{text}{words.about(node.time)}", file, main)


def _notices(chain: Chain) -> Iterator[Event]:
    for notice in chain.notices:
        if notice.time:
            told = words.listed(sorted(a.replace("_", " ") for a in notice.audiences))
            channel = words.inline(notice.channel, 80)
            where = f" by {channel}" if channel else ""
            said = words.inline(notice.message) or "notice"
            whom = f"Told {words.inline(told, 120)}" if told else "Told"
            yield Event(notice.time, f"{whom}{where}: {said}", NOTICES)


# --- planning ------------------------------------------------------------------------------------


def _ready(chain: Chain) -> Iterator[Event]:
    verified = [i for i in chain.readiness_items() if i["status"].text == "verified"]
    known = [i["verified_at"].time for i in verified]
    last = max((t for t in known if t), key=lambda t: t.latest, default=None)
    if last and len(verified) == len(chain.readiness_items()):
        items = counted(len(verified), "prerequisite")
        yield Event(last, f"Ready: {items} of the rollback verified", READINESS)


def _decided(chain: Chain) -> Iterator[Event]:
    for decision in chain.decisions:
        option = chain.option(decision.option)
        title = words.inline(option.title, 120) if option else ""
        about = f": {title}" if title else ""
        if decision.time:
            yield Event(decision.time, f"{_id(decision.id)} decided{about}", DECISIONS)
        for approval in decision.approvals:
            given = chain.approved_at(approval)
            if given and approval.verdict:
                verb = "rejected" if approval.verdict == "reject" else "approved"
                said = f"{_id(decision.id)} {verb} by {words.role(approval.role)}"
                standing = " (standing approval)" if approval.standing else ""
                yield Event(given, f"{said}{standing}", DECISIONS, main=True)


def _id(text: str) -> str:
    return words.inline(text, 64) or "An entry without id"


# --- execution -----------------------------------------------------------------------------------


def _executed(chain: Chain) -> Iterator[Event]:
    for execution in chain.executions:
        ident, node = _id(execution.id), execution.node
        yield from _at(
            node["started_at"], f"{ident} started{_what(execution)}", EXECUTIONS, main=True
        )
        code = node["exit_code"].number
        exit_code = f", exit code {code:g}" if code is not None else ""
        outcome = words.inline(execution.outcome.replace("_", " "), 40) or "no outcome recorded"
        failed = execution.outcome not in ("succeeded", "")
        ended = f"{ident} ended: {outcome}{exit_code}"
        yield from _at(node["completed_at"], ended, EXECUTIONS, main=failed)
        arrived = f"{ident} verified to have reached {_services(execution)}"
        yield from _at(node["propagation_verified_at"], arrived, EXECUTIONS)


def _what(execution: Execution) -> str:
    emergency = "before approval, as an emergency" if execution.emergency else ""
    purpose = "permanent fix" if execution.purpose == "permanent_fix" else ""
    command = words.inline(execution.node["command"].text, 120)
    return "".join(
        (_aside(", ".join(filter(None, (purpose, emergency)))), f": {command}" * bool(command))
    )


def _services(execution: Execution) -> str:
    return words.inline(words.listed(list(execution.services)), 120) or "the service"


def _checked(chain: Chain) -> Iterator[Event]:
    """Each result; those of one moment with one result in one line."""
    results = [
        (result.time, result.result, check.id)
        for check in chain.checks
        for result in check.results
        if result.time and result.result
    ]
    results.sort(key=lambda r: (r[0].earliest, r[0].latest, r[1]))
    for (time, result), group in groupby(results, key=lambda r: (r[0], r[1])):
        names = [_id(ident) for _, _, ident in group]
        said = f"{'Checks' if len(names) > 1 else 'Check'} {result}: {_some(names)}"
        yield Event(time, said, CHECKS)
    if chain.recovered:
        rate = chain.pass_rate or 0
        said = f"Recovered: last critical check passed, pass rate {int(rate * 1000) / 10:g} %"
        yield Event(chain.recovered, said, CHECKS, main=True)


def _some(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


# --- resolution ----------------------------------------------------------------------------------


def _resolved(chain: Chain) -> Iterator[Event]:
    top = chain.resolution
    yield from _at(top["mitigated_at"], "Mitigated: severe impact over", RESOLUTION)
    for slo in top["slos_restored"]:
        said = f"Objective met again: {words.inline(slo['objective'].text) or 'not named'}"
        yield from _at(slo["restored_at"], said, RESOLUTION)
    for alert in top["alerts_cleared"]:
        said = f"Alert cleared: {words.inline(alert['alert'].text) or 'not named'}"
        yield from _at(alert["cleared_at"], said, RESOLUTION)
    for told in top["stakeholders_informed"]:
        whom = words.inline(told["audience"].text.replace("_", " "), 80) or "stakeholders"
        where = words.inline(told["channel"].text, 80)
        said = f"Told {whom} that it is over{f' by {where}' if where else ''}"
        yield from _at(told["informed_at"], said, RESOLUTION)
    how = words.inline(top["resolution"].text)
    yield from _at(
        top["resolved_at"], f"Resolved{f': {how}' if how else ''}", RESOLUTION, main=True
    )
    yield from _at(top["closed_at"], "Closed", RESOLUTION, main=True)


# --- the file ------------------------------------------------------------------------------------


class Own(NamedTuple):
    """An event that somebody typed: its time as read, and its lines as typed."""

    time: Time
    lines: tuple[str, ...]


def _own(found: Found) -> list[Own]:
    """The events that somebody typed into a derived timeline, or into its template."""
    document = found.record.document(NAME)
    if document is None or document.refusal or not kept.may_replace(document):
        return []
    source = document.text.replace("\r\n", "\n").split("\n")
    signals = {(e.time, e.column("text")) for e in found.chain.intake[0].entries}
    typed = [e for e in found.chain.timeline.entries if derived.is_own(source[_line(e)])]
    # `record event --signal` writes both files: the line would stand here twice.
    typed = [e for e in typed if (e.time, e.column("text")) not in signals]
    return [Own(e.time, _lines(source, _line(e))) for e in typed if e.time]


def _line(entry: logs.LogEntry) -> int:
    return (entry.place.line or 1) - 1


def _lines(source: list[str], start: int) -> tuple[str, ...]:
    """An item with the indented lines that belong to it."""
    end = start + 1
    while end < len(source) and source[end].startswith((" ", "\t")):
        end += 1
    return tuple(source[start:end])


def _text(found: Found, happened: list[Event], own: list[Own]) -> str:
    lines: list[tuple[Time, tuple[str, ...]]] = []
    lines += [(event.time, (line(event),)) for event in happened]
    lines += [(entry.time, entry.lines) for entry in own]
    lines.sort(key=lambda entry: entry[0].earliest)
    body = ["", "# Incident timeline"]
    for day, entries in groupby(lines, key=lambda entry: entry[0].day):
        body += ["", f"## {day}", "", *(text for _, texts in entries for text in texts)]
    text = "\n".join(body) + "\n"
    return kept.front(found, NAME, text, SOURCES, lines[0][0].day) + text


def line(event: Event) -> str:
    """An event as the timeline has it."""
    return f"- {words.clock(event.time)} - {event.text} · {event.file}"


def _keeps(text: str, own: list[Own]) -> None:
    """What was typed must be read at the same time in its new place, or nothing is written."""
    log = logs.read(NAME, markdown.parse(text), markdown.parse(text).sections, ("text",))
    read = {e.time.earliest for e in log.entries if e.time}
    if log.unreadable or any(entry.time.earliest not in read for entry in own):
        raise CouldNotTell(
            "The timeline could not be derived without moving an event typed by hand"
        )


def _notes(found: Found) -> list[str]:
    """What could not be put into the timeline, because it has no time."""
    record, lost = found.record, []
    for name in SOURCES:
        document = record.document(name)
        if document is not None and document.refusal:
            lost.append(f"{name} cannot be read, so its events are missing.")
    return lost
