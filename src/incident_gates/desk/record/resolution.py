"""Records how the incident ends: what was restored, since when, and what is to be done."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import derived, engine, facts, schema
from incident_gates.desk import drafts
from incident_gates.desk import new as beginning
from incident_gates.desk.record import files, given, words
from incident_gates.desk.record.draft import opened
from incident_gates.errors import UsageError
from incident_gates.evidence import times
from incident_gates.evidence.times import Order, order
from incident_gates.incident import is_placeholder
from incident_gates.rules import DO_NOT_CHANGE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from incident_gates.desk.found import Found
    from incident_gates.desk.record.draft import Draft
    from incident_gates.evidence.times import Time
    from incident_gates.model import Finding
    from incident_gates.run import Job

NAME, ASSESSMENT = "resolution-summary.json", "severity-assessment.json"
REPORT = "INCIDENT-REPORT.md"
# Where the draft of the report asks for what only people know.
TITLE = re.compile(r"^# [^\n]*?(TODO[^\n]*)$", re.MULTILINE)
IMPACT = re.compile(r"^## Impact$(?:(?!^#).)*?(TODO[^\n]*)$", re.MULTILINE | re.DOTALL)
RCA = "rca-manifest.json"
DERIVED = {"timeline": "incident-timeline.md", "report": REPORT}
# Closing itself copies the pinned inputs.
COPIES = "PRE004"
RESOLVED, CLOSED = "resolved", "closed"
DURATIONS = {
    "time_to_detect": ("impact_started_at", "detected_at"),
    "time_to_mitigate": ("detected_at", "mitigated_at"),
    "time_to_resolve": ("detected_at", "resolved_at"),
}


class Resolution(NamedTuple):
    """How it ended."""

    status: str
    resolution: str = ""
    mitigated: str | None = None
    slos: Sequence[str] = ()
    alerts: Sequence[str] = ()
    stable: str = ""
    actions: Sequence[tuple[str, str, str, str]] = ()
    trigger: str = ""
    factors: Sequence[str] = ()
    captured_by: str = ""
    headline: str = ""
    impact: str = ""
    at: str | None = None
    source: str = ""


class NotClosed(UsageError):
    """Why the record cannot be closed yet."""


def record(job: Job, said: Resolution) -> words.Answer:
    """Writes the status, with what it asks for; what follows from the record is derived."""
    with opened(job) as draft:
        found = draft.found
        status = _status(found, said.status)
        moment = given.moment(said.at, found.now, source=said.source)
        _clear(draft)
        if status == RESOLVED != found.chain.status:
            _refuse_unrecovered(found)
            _resolved(draft, said, moment)
        _parts(draft, said, moment)
        if status == CLOSED:
            _closed(draft, moment)
        if status:
            draft.put(NAME, ("status",), status)
            draft.noted(NAME, ("status",), {"status": status, "at": moment.value})
        if status == CLOSED:
            _refuse_unfinished(draft)
    if not draft.entries:
        raise UsageError("Say what there is to record: --status, --trigger, --action, …")
    if status == CLOSED:
        draft.notes += beginning.copies(files.fresh(found))[1]
        _derive_again(files.fresh(found))
    sentence = f"{status.capitalize() or 'Written'} at {moment.time.clock} UTC"
    return words.answered(draft, sentence, _words(found, status))


def _derive_again(found: Found) -> None:
    """Closing changes what the timeline was derived from; one that nobody edited follows."""
    for kind, name in DERIVED.items():
        document = found.record.document(name)
        if document and derived.is_derived(document) and not derived.is_edited(document):
            drafts.write(kind, found)


def _status(found: Found, written: str) -> str:
    """The status to come; what was resolved does not become unresolved by a word."""
    known = schema.load("resolution-summary")["properties"]["status"]["enum"]
    status = given.among(written, known, "--status") if written else ""
    resolved = found.chain.resolution["resolved_at"].time
    if resolved and status and status not in (RESOLVED, CLOSED):
        said = f"It was resolved at {resolved.shown}. What comes back is an incident of its own:"
        raise UsageError(f"{said} incident-gates new")
    return status


def _words(found: Found, status: str) -> str:
    phase = found.limits.protocol.data["phases"][3]
    if status == CLOSED:
        done: str = phase["completion"]
        return done
    return words.prompt(found, 4) if status == RESOLVED else words.step(found, "4.1")


def _clear(draft: Draft) -> None:
    """Takes out what the template says of nothing; the parts come as they are known."""
    for key, value in draft.value(NAME).items():
        if key not in ("$schema", "schema_version", "incident_id") and given.unsaid(value):
            draft.drop(NAME, (key,))


def _refuse_unrecovered(found: Found) -> None:
    """No resolution before recovery."""
    chain = found.chain
    wanted = found.limits.threshold("recovery_pass_rate")
    rate = chain.pass_rate
    if not chain.executions:
        raise UsageError("Nothing was executed yet: there is no recovery to resolve.")
    if rate is None or rate < wanted:
        seen = "no check has run" if rate is None else f"{rate:.0%} of critical checks passed"
        said = f"It has not recovered: {seen}, {wanted:.0%} are asked. First:"
        raise UsageError(f"{said} incident-gates record recovery-check")


def _resolved(draft: Draft, said: Resolution, moment: given.Moment) -> None:
    found = draft.found
    top = draft.value(NAME)
    if times.from_value(top.get("resolved_at")):
        raise UsageError("resolved_at is recorded already; it is not replaced.")
    if not (said.resolution or top.get("resolution")):
        raise UsageError("--resolution: say how it was resolved.")
    _after(found.chain.recovered, moment, "the last check passed")
    if "mitigated_at" not in top and not said.mitigated:
        arrived = _arrived(found)
        if arrived is not None:
            draft.put(NAME, ("mitigated_at",), arrived)
    draft.put(NAME, ("resolved_at",), _timed(moment))


def _timed(moment: given.Moment) -> Any:
    """A time of the summary; where it can be seen is part of the time."""
    if not moment.source:
        return moment.value
    value = moment.value if isinstance(moment.value, dict) else {"at": moment.value}
    return {**value, "source": moment.source}


def _arrived(found: Found) -> Any:
    """When the last mitigation reached its service: then the severe impact was over."""
    nodes = [e.node["propagation_verified_at"] for e in found.chain.mitigations if e.propagated]
    last = max(nodes, key=_starts, default=None)
    return last.value if last else None


def _starts(node: Any) -> float:
    time: Time = node.time
    return time.earliest.timestamp()


def _after(first: Time | None, moment: given.Moment, what: str) -> None:
    if first and order(first, moment.time) is Order.CONTRADICTED:
        raise UsageError(f"{moment.time.shown} is before {what} ({first.shown}).")


def _parts(draft: Draft, said: Resolution, moment: given.Moment) -> None:
    """What was typed about the ending, each part into its place."""
    found = draft.found
    if said.resolution:
        draft.put(NAME, ("resolution",), given.said(said.resolution, "--resolution"))
    if said.mitigated:
        draft.put(NAME, ("mitigated_at",), given.at(said.mitigated, found.now, "--mitigated"))
    for text in said.slos:
        restored = {**_slo(found, text), "restored_at": moment.value}
        draft.append(NAME, ("slos_restored",), restored)
    for alert in given.listed(said.alerts):
        cleared = {"alert": given.said(alert, "--alert"), "cleared_at": moment.value}
        draft.append(NAME, ("alerts_cleared",), cleared)
    if said.stable:
        draft.put(NAME, ("stability_window",), _window(found, said.stable, moment))
    for action in said.actions:
        _action(draft, action)
    _durations(draft)
    _causes(draft, said, moment)
    _report(draft, said)


def _causes(draft: Draft, said: Resolution, moment: given.Moment) -> None:
    """What set it off, what made it possible, and who archived the evidence of it."""
    if said.trigger:
        draft.put(RCA, ("trigger",), given.said(said.trigger, "--trigger"))
        draft.noted(RCA, ("trigger",), said.trigger)
    if said.factors:
        listed = draft.value(RCA).get("contributing_factors", [])
        kept = [f for f in listed if not is_placeholder(str(f))] if isinstance(listed, list) else []
        new = [given.said(factor, "--factor") for factor in said.factors]
        draft.put(RCA, ("contributing_factors",), [*kept, *new])
        draft.noted(RCA, ("contributing_factors",), new)
    if said.captured_by:
        _captured(draft, given.said(said.captured_by, "--captured-by"), moment)


def _captured(draft: Draft, name: str, moment: given.Moment) -> None:
    """Who captured each archived item of which nobody has said so."""
    lacking = [
        index
        for index, item in enumerate(draft.value(RCA).get("items", []))
        if given.unsaid(item.get("captured_by", "TODO"))
        or given.unsaid(item.get("captured_at", "TODO"))
    ]
    if not lacking:
        raise UsageError("--captured-by: no archived item lacks it. List them: new rca")
    for index in lacking:
        item = draft.value(RCA)["items"][index]
        known = {"captured_at": moment.value, "captured_by": {"name": name}}
        draft.replace(RCA, ("items", index), {**item, **known})


def _report(draft: Draft, said: Resolution) -> None:
    """Puts what was typed where the report's draft asks for it."""
    asked = {"--headline": (said.headline, TITLE), "--impact": (said.impact, IMPACT)}
    for option, (written, place) in asked.items():
        if not written:
            continue
        text = draft.text(REPORT) if REPORT in draft.found.record.names else ""
        match = place.search(text)
        if match is None:
            raise UsageError(f"{option}: {REPORT} has no TODO for it. Draft it first: new report")
        line = " ".join(given.said(written, option).split())
        changed = f"{text[: match.start(1)]}{line}{text[match.end(1) :]}"
        draft.add_line(REPORT, changed, text.count("\n", 0, match.start(1)) + 1, written)


def _slo(found: Found, text: str) -> dict[str, str]:
    """OBJECTIVE=OBSERVED, or what is observed now where only one objective was breached."""
    breached = list(
        dict.fromkeys(
            breach["objective"].text
            for entry in found.record.node(ASSESSMENT)["classifications"]
            for breach in entry["slo_breaches"]
        )
    )
    objective, separator, observed = text.rpartition("=")
    if not separator and len(breached) == 1:
        return {"objective": breached[0], "observed": given.said(text, "--slo")}
    if not separator and breached:
        raise UsageError(f"--slo: write OBJECTIVE=OBSERVED for each of: {'; '.join(breached)}")
    given.among(objective.strip(), breached, "--slo")
    return {"objective": objective.strip(), "observed": given.said(observed, "--slo")}


def _window(found: Found, observation: str, moment: given.Moment) -> dict[str, Any]:
    """Since the last check passed, it was watched until now."""
    passed = [c.latest for c in found.chain.critical_checks if c.passed and c.latest]
    last = max(passed, key=lambda r: _starts(r.node["checked_at"]), default=None)
    begin = last.node["checked_at"].value if last else moment.value
    return {
        "from": begin,
        "until": moment.value,
        "observation": given.said(observation, "--stable"),
    }


def _action(draft: Draft, action: tuple[str, str, str, str]) -> None:
    kind, text, owner, due = action
    items = draft.value(NAME).get("action_items", [])
    shape = schema.load("resolution-summary")["properties"]["action_items"]["anyOf"][0]
    kinds = shape["items"]["properties"]["kind"]["enum"]
    entry = {
        "id": given.next_id("A", [i.get("id", "") for i in items if isinstance(i, dict)]),
        "kind": given.among(kind, kinds, "--action"),
        "description": given.said(text, "--action"),
        "owner": {"name": given.said(owner, "--action")},
        "due_date": given.day(due, "--action"),
    }
    draft.append(NAME, ("action_items",), entry)


def _durations(draft: Draft) -> None:
    """The lengths that follow from the times, where nobody wrote them."""
    top, assessment = draft.value(NAME), draft.found.record.node(ASSESSMENT)
    listed = top.get("durations", [])
    named = {d.get("name") for d in listed} if isinstance(listed, list) else set(DURATIONS)
    for name, (begin, end) in DURATIONS.items():
        first = assessment[begin].time
        last = times.from_value(top.get(end)) or assessment[end].time
        if name in named or not first or not last or last.earliest < first.earliest:
            continue
        entry = {"name": name, "from": begin, "to": end, "value": _iso(first, last)}
        draft.append(NAME, ("durations",), entry)
        draft.entries.pop()


def _iso(first: Time, last: Time) -> str:
    """The time between two moments, as exactly as both are known."""
    length: timedelta = last.earliest - first.earliest
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    exact = seconds and "minute" not in (first.precision, last.precision)
    if not minutes and not exact:
        return "PT0M"
    return f"PT{f'{minutes}M' if minutes else ''}{f'{seconds}S' if exact else ''}"


def _closed(draft: Draft, moment: given.Moment) -> None:
    top = draft.value(NAME)
    resolved = times.from_value(top.get("resolved_at"))
    if resolved is None:
        raise UsageError("It is not resolved yet: record resolution --status resolved comes first.")
    _after(resolved, moment, "the resolution")
    draft.put(NAME, ("closed_at",), _timed(moment))
    if not top.get("protocol_version"):
        draft.put(NAME, ("protocol_version",), draft.found.limits.protocol.version)
    _informed(draft, resolved)


def _informed(draft: Draft, resolved: Time) -> None:
    """Who was told that it is over, as the communication log has it."""
    chain, told = draft.found.chain, draft.value(NAME).get("stakeholders_informed", [])
    if isinstance(told, str):
        return
    listed = {facts.slug(str(entry.get("audience", ""))) for entry in told}
    severity = chain.worst_severity
    for audience in draft.found.limits.audiences(severity) if severity else ():
        after = [
            n
            for n in chain.notices
            if audience in n.audiences and n.time and n.time.earliest >= resolved.earliest
        ]
        if audience in listed or not after:
            continue
        notice = after[0]
        entry = {
            "audience": audience,
            "informed_at": notice.time.earliest.strftime("%Y-%m-%dT%H:%M:%SZ")
            if notice.time
            else "",
            "channel": notice.channel,
            "source": f"communication-log.md:{notice.place.line}",
        }
        draft.append(NAME, ("stakeholders_informed",), entry)
        draft.entries.pop()


def _refuse_unfinished(draft: Draft) -> None:
    """Nothing is closed while something is lacking that can still be supplied."""
    found = draft.supposed()
    report = engine.judge(found.record, found.limits, found.now, engine.Request(engine.ALL))
    lacking: list[Finding] = [
        f
        for gate in report.gates
        for f in (*gate.findings, *gate.needs)
        if f.fails and f.rule != COPIES and not f.fix.startswith(DO_NOT_CHANGE)
    ]
    if lacking:
        first = lacking[0]
        where = first.location.file.removeprefix(f"{report.path}/")
        line = f":{first.location.line}" if first.location.line else ""
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        said = f"Not closed: {first.message} ({where}{line}){more}. See"
        ident = found.record.incident_id
        raise NotClosed(f"{said} incident-gates status --incident {ident}")
