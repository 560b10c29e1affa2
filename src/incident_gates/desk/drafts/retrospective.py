"""``new retrospective``: the protocol's agenda, answered as far as the record and git can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from incident_gates import derived, engine, excuses, execution_log
from incident_gates.desk.drafts import kept, rejudged, words
from incident_gates.evidence.times import show_duration
from incident_gates.model import INFO, Status
from incident_gates.rules import RULES, percent
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incident_gates.chain import Chain
    from incident_gates.desk.drafts import Options
    from incident_gates.desk.drafts.rejudged import Spell, Told
    from incident_gates.desk.found import Found
    from incident_gates.evidence.times import Time
    from incident_gates.model import Finding, GateReport, IncidentReport

NAME = "retrospective.md"
MOST = 6
ABSENT, PLACEHOLDER = "FIL001", "FIL009"


class Seen(NamedTuple):
    """A record with what is said of it now, and what git tells of how it came to be."""

    found: Found
    chain: Chain
    report: IncidentReport
    told: Told


def write(what: str, found: Found, _: Options) -> kept.Written:
    """Drafts the retrospective; every question keeps a TODO for what only people know."""
    report = engine.judge(found.record, found.limits, found.now, engine.Request())
    told = rejudged.told(found)
    seen = Seen(found, found.chain, report, told)
    body = "\n".join(["", *_lines(seen)]) + "\n"
    sources = [d.name for d in found.record.own() if d.name != NAME and not derived.is_derived(d)]
    text = kept.front(found, NAME, body, sources, found.now.date().isoformat()) + body
    judged = f"Judged {counted(len(told.pasts), 'commit')} of the record anew."
    return kept.put(what, found, NAME, text, [*([judged] if told.pasts else []), *told.untold])


def _lines(seen: Seen) -> Iterator[str]:
    yield from (f"# Retrospective: {words.inline(seen.report.incident_id, 64)}", "")
    yield from ("- Held: TODO when", "- Participants: TODO who took part, by role")
    yield from (f"- {line}" for line in _times(seen.chain))
    yield ""
    for part in seen.found.limits.protocol.data["retrospective"]["agenda"]:
        yield from (f"## {part['title']}", "")
        for question in part["questions"]:
            said = ANSWERS[question["id"]](seen) if question["id"] in ANSWERS else ()
            yield from (f"### {question['asks']}", "", *(f"- {line}" for line in said))
            yield from ("- TODO what the people who were there say", "")


# --- how long it took ----------------------------------------------------------------------------


def _times(chain: Chain) -> Iterator[str]:
    """The time that each phase took, by the record's own times."""
    agreed = next((c.agreed for c in chain.consensus if c.agreed), None)
    started = next((e.started for e in chain.executions if e.started), None)
    first = chain.detected or chain.declared
    ends = (
        ("detection to agreed severity", first, agreed),
        ("agreed severity to execution", agreed, started),
        ("execution to recovery", started, chain.recovered),
        ("recovery to closing", chain.recovered, chain.resolution["closed_at"].time),
    )
    for number, (what, begin, end) in enumerate(ends, 1):
        yield f"Phase {number}, {what}: {_span(begin, end)}"


def _span(begin: Time | None, end: Time | None) -> str:
    if begin is None or end is None:
        return "N/A: not recorded"
    length = end.earliest - begin.earliest
    return show_duration(length) if length.total_seconds() >= 0 else "N/A: in another order"


# --- what went well ------------------------------------------------------------------------------


def _smooth(seen: Seen) -> Iterator[str]:
    """Steps whose evidence is there and in which nothing was ever found wrong."""
    touched = seen.told.ever_found() | {_file(f) for f in _found(seen) if f.level != INFO}
    smooth = [
        f"{step['id']} {step['title']}"
        for phase in seen.found.limits.protocol.data["phases"]
        for step in phase["steps"]
        if all(seen.found.record.readable(n) and n not in touched for n in step["evidence"])
    ]
    if smooth:
        ever = "ever " if seen.told.pasts else ""
        yield f"Nothing was {ever}found wrong in: {'; '.join(smooth)}"


def _found(seen: Seen) -> Iterator[Finding]:
    for gate in seen.report.gates:
        yield from (*gate.findings, *gate.needs)
    yield from seen.report.findings


def _file(finding: Finding) -> str:
    return finding.location.file.rsplit("/", 1)[-1]


def _calibrated(seen: Seen) -> Iterator[str]:
    """Gates that never failed, as far as commits tell."""
    never = [g for g in seen.report.gates if not _spells(seen, g)]
    if never and seen.told.pasts:
        count = counted(len(seen.told.pasts), "commit")
        yield f"Never failed at any of {count}: {', '.join(map(_name, never))}"
    yield from (f"{_name(g)}: {g.summary}" for g in seen.report.gates if g.summary and g in never)


def _name(gate: GateReport) -> str:
    return f"Gate {gate.number} {gate.name}" if gate.number else gate.name


def _spells(seen: Seen, gate: GateReport) -> list[Spell]:
    spells = seen.told.spells(gate.id)
    if not seen.told.pasts and gate.status is Status.FAILED:
        rules = tuple(dict.fromkeys(f.rule for f in gate.findings if f.fails))
        return [rejudged.Spell(seen.found.now, None, rules)]
    return spells


def _valuable(seen: Seen) -> Iterator[str]:
    """What is handed on to other protocols, and is there."""
    outputs = seen.found.limits.protocol.data["outputs"]
    there = [o for o in outputs if seen.found.record.readable(o["file"])]
    for to in sorted({o["to"] for o in there}, reverse=True):
        names = words.listed([o["file"] for o in there if o["to"] == to])
        yield f"Handed on to Protocol {to}: {names}"


# --- what went poorly ----------------------------------------------------------------------------


def _blocked(seen: Seen) -> Iterator[str]:
    """Blockers of the execution log, promises that were missed, mitigations that did not help."""
    for halt in execution_log.entries(seen.found.record):
        if halt.decision == execution_log.HALT:
            where = f" at {halt.step}" if halt.step else ""
            until = f"resolved: {halt.resolution}" if halt.resolution else "never resolved"
            yield words.inline(f"Halted{where}: {halt.blocker or 'no blocker named'}; {until}", 600)
    for execution in seen.chain.executions:
        if execution.outcome not in ("succeeded", ""):
            outcome = execution.outcome.replace("_", " ")
            yield words.inline(f"{execution.id} ended as {outcome}", 200)
    late = [f for f in _found(seen) if RULES[f.rule].criterion == "notified" or f.rule == "REC007"]
    yield from _listed("Late", [f for f in late if f.level != INFO])


def _listed(label: str, findings: list[Finding]) -> Iterator[str]:
    for finding in findings[:MOST]:
        yield words.inline(f"{label}: {finding.message} ({finding.rule})", 400)
    if len(findings) > MOST:
        yield f"and {len(findings) - MOST} more"


def _miscalibrated(seen: Seen) -> Iterator[str]:
    """Gates that failed and for how long, and what was excused."""
    for gate in seen.report.gates:
        for spell in _spells(seen, gate)[:MOST]:
            yield f"{_name(gate)} failed {_during(spell)}"
    yield from _excused(seen)
    yield from seen.told.untold


def _during(spell: Spell) -> str:
    since = f"from {spell.since:%Y-%m-%d %H:%M} UTC"
    rules = ", ".join(dict.fromkeys(spell.rules))
    if spell.until is None:
        return f"{since} and still does: {rules}"
    return f"for {show_duration(spell.until - spell.since)}, {since}: {rules}"


def _excused(seen: Seen) -> Iterator[str]:
    """Every waiver and deviation, and whether it counts."""
    counting = {f.excuse.location.line for f in _found(seen) if f.excuse}
    for entry in seen.found.record.node(excuses.FILE)["entries"]:
        kind, rule = entry["kind"].text, entry["rule"].text
        reason = entry["reason"].text or entry["why"].text
        line = seen.found.record.locate(entry.place).line
        counts = "" if line in counting else ", which does not count"
        said = f"{kind.capitalize() or 'Excuse'} of {rule or 'no rule'}{counts}"
        yield words.inline(f"{said}: {reason or 'no reason given'}", 400)


def _reworked(seen: Seen) -> Iterator[str]:
    """Files that were changed most, and files that nobody filled."""
    for name, count in seen.told.versions[:MOST]:
        yield f"{name} was changed {counted(count, 'time')} after it was first committed"
    empty = sorted({_file(f) for f in _found(seen) if f.rule in (ABSENT, PLACEHOLDER) and f.fails})
    if empty:
        yield f"Never filled: {', '.join(empty)}"


# --- action items --------------------------------------------------------------------------------


def _thresholds(seen: Seen) -> Iterator[str]:
    """What the gates measured beside what they ask."""
    for gate in seen.report.gates:
        for metric in gate.metrics:
            if metric.value is not None and metric.threshold is not None:
                value, asked = (
                    _measured(metric.value, metric.unit),
                    _measured(metric.threshold, metric.unit),
                )
                name = metric.name.replace("_", " ").capitalize()
                yield f"{name}: {value}, asked {metric.comparison} {asked}"


def _measured(value: float, unit: str) -> str:
    return percent(value) if unit == "ratio" else f"{value:g} {unit}"


def _automation(seen: Seen) -> Iterator[str]:
    """What was done by hand although a command does it."""
    record = seen.found.record
    timeline = record.document(derived.TIMELINE)
    if timeline and not derived.is_derived(timeline):
        yield "The timeline was typed; `incident-gates new timeline` derives it"
    typed = [e.id for e in seen.chain.executions if e.node["exit_code"].number is None]
    if typed:
        ids = words.inline(", ".join(typed), 120)
        yield f"Without exit code, so not recorded by `incident-gates record execution`: {ids}"
    if record.document("manual-validation-log.md"):
        yield "Gates were validated by hand; see manual-validation-log.md"


ANSWERS: dict[str, Callable[[Seen], Iterator[str]]] = {
    "smooth_steps": _smooth,
    "calibrated_gates": _calibrated,
    "valuable_artifacts": _valuable,
    "blocked_steps": _blocked,
    "miscalibrated_gates": _miscalibrated,
    "reworked_artifacts": _reworked,
    "thresholds": _thresholds,
    "automation": _automation,
}
