"""How a record stands: what is done, what is missing, and what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from incident_gates import engine, protocol
from incident_gates.desk import found as finding
from incident_gates.desk import says
from incident_gates.desk.new import phase_to_write
from incident_gates.model import Status, Verdict
from incident_gates.report import text
from incident_gates.report.escape import visible
from incident_gates.rules import DO_NOT_CHANGE
from incident_gates.run import EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incident_gates.chain import Chain
    from incident_gates.desk.found import Found
    from incident_gates.model import Finding, GateReport, IncidentReport

# The order in which the gates become due, which is the order in which they are worked on.
WORKED_ON = ("severity", "prerequisites", "mitigation", "recovery", "resolution")
DONE, GAPS, MISSING = "done", "has gaps", "missing"
MARKS = {DONE: "✓", GAPS: "…", MISSING: "✗"}
PLACEHOLDER, ABSENT = "FIL009", "FIL001"


class Standing(NamedTuple):
    """One record judged, with its events."""

    chain: Chain
    report: IncidentReport


def seen(records: Sequence[Found]) -> list[Standing]:
    """Each record judged."""
    return [
        Standing(found.chain, engine.judge(found.record, found.limits, found.now, engine.Request()))
        for found in records
    ]


def render(standings: Sequence[Standing], *, colour: bool = False) -> str:
    """The status of one record in full, or one line for each open one."""
    lines = _one(standings[0], colour=colour) if len(standings) == 1 else _table(standings)
    return "\n".join(lines) + "\n"


def exit_code(standings: Sequence[Standing]) -> int:
    """3 where a record could not be judged, else 0."""
    unknown = any(s.report.verdict is Verdict.ERROR for s in standings)
    return EXIT_CODES[Verdict.ERROR] if unknown else 0


# --- several -------------------------------------------------------------------------------------


def _table(standings: Sequence[Standing]) -> Iterator[str]:
    open_ = [s for s in standings if _is_open(s)]
    over = len(standings) - len(open_)
    if open_:
        yield f"{'INCIDENT':<24} {'SEVERITY':<9} {'PHASE':<6} P 1 2 3 4  NEXT"
    for standing in open_:
        report = standing.report
        marks = " ".join(text.MARKS[gate.status] for gate in report.gates)
        name, severity = visible(report.incident_id, 24), report.severity or "-"
        head = f"{name:<24} {severity:<9} {report.phase}/4    {marks}  "
        yield head + visible(_in_short(report), text.WIDTH - len(head))
    if over:
        yield (
            f"{over} more {'is' if over == 1 else 'are'} closed."
            if open_
            else "No incident is open."
        )


def _is_open(standing: Standing) -> bool:
    return standing.report.verdict in (Verdict.FAILED, Verdict.ERROR) or not finding.is_over(
        standing.chain
    )


def _in_short(report: IncidentReport) -> str:
    wanted = _next_gate(report)
    if report.verdict is Verdict.ERROR:
        return "could not be judged"
    if wanted is None:
        return "nothing is missing"
    count = len(_missing(wanted))
    verb = "failed" if wanted.status is Status.FAILED else "needs"
    return (
        f"{wanted.name.split()[0]} {verb} {count}" if count else f"{wanted.name.split()[0]} {verb}"
    )


# --- one -----------------------------------------------------------------------------------------


def _one(standing: Standing, *, colour: bool) -> Iterator[str]:
    chain, report = standing
    yield from text.overview(report, colour=colour)
    yield ""
    if finding.is_over(chain) and report.verdict is Verdict.PASSED:
        yield "Nothing is missing."
    else:
        yield from _phase(report)
        yield from _files(chain, report)
        yield from _wanted(report)
    yield from says.wrapped(f"Next: {next_command(chain, report)}", " " * 6)


def _phase(report: IncidentReport) -> Iterator[str]:
    phase = protocol.load().data["phases"][report.phase - 1]
    yield f"Phase {report.phase} of 4: {phase['name']}"
    states = _states(report)
    for step in phase["steps"]:
        if any(states.get(name) != DONE for name in step["evidence"]):
            must = "" if step["obligation"] == "must" else " (guideline)"
            yield f"Step {step['id']}: {step['title']}{must}"
            break
    yield ""


def _files(chain: Chain, report: IncidentReport) -> Iterator[str]:
    """Each file up to the present phase: done, with gaps, empty, or missing."""
    states, phase = _states(report), phase_to_write(chain)
    logs = {"communication-log.md": chain.notices, "incident-timeline.md": chain.timeline.entries}
    for artifact in protocol.load().artifacts.values():
        if not artifact.required or artifact.phase > phase:
            continue
        state, name = states[artifact.file], artifact.file
        empty = state == DONE and not logs.get(name, True)
        count = len(_at(report, name)) if state == GAPS else 0
        said = f"{count} gap{'' if count == 1 else 's'}" if count else state
        yield f"  {MARKS[GAPS if empty else state]} {name:<36} {'empty' if empty else said}"
    yield ""


def _states(report: IncidentReport) -> dict[str, str]:
    states = {}
    for artifact in protocol.load().artifacts.values():
        found = _at(report, artifact.file)
        absent = any(f.rule == ABSENT for f in found)
        states[artifact.file] = MISSING if absent else GAPS if found else DONE
    return states


def _at(report: IncidentReport, file: str) -> list[Finding]:
    """What is wrong or still missing in one file of the record, one entry a line."""
    everything = [f for gate in report.gates for f in _missing(gate)]
    everything += [f for f in report.findings if f.fails]
    return [f for f in everything if f.location.file == f"{report.path}/{file}"]


def _missing(gate: GateReport) -> list[Finding]:
    """What keeps a gate from passing; a placeholder is left out where a finding says more."""
    found = [f for f in (*gate.findings, *gate.needs) if f.fails]
    said = {_spot(f) for f in found if f.rule != PLACEHOLDER}
    kept = [f for f in found if f.rule != PLACEHOLDER or _spot(f) not in said]
    return sorted(kept, key=lambda f: (f.location.file, f.location.line or 0))


def _spot(found: Finding) -> tuple[str, int | None]:
    return found.location.file, found.location.line


def _next_gate(report: IncidentReport) -> GateReport | None:
    """The gate to work on: one that failed, else the first that still needs something."""
    gates = sorted(report.gates, key=lambda gate: WORKED_ON.index(gate.id))
    failed = [gate for gate in gates if gate.status is Status.FAILED]
    return next((gate for gate in (*failed, *gates) if _missing(gate)), None)


def _wanted(report: IncidentReport) -> Iterator[str]:
    gate = _next_gate(report)
    if gate:
        number = f"GATE {gate.number or 'P'} {gate.name.upper()}"
        verb = "FAILED" if gate.status is Status.FAILED else "NEEDS"
        yield from says.numbered(report, f"{number} {verb}", _missing(gate))
        yield ""
    loose = [f for f in report.findings if f.fails]
    if loose:
        yield from says.numbered(report, "THE RECORD", loose)
        yield ""


def next_command(chain: Chain, report: IncidentReport) -> str:
    """What to type next."""
    about = f"--incident {report.incident_id}"
    if report.verdict in (Verdict.FAILED, Verdict.ERROR):
        return f"incident-gates check {about}"
    if finding.is_over(chain):
        return f"incident-gates aggregate {about}"
    begin = f"incident-gates new {report.incident_id}"
    if _lacks_files(report, report.phase):
        return begin
    recording = _recording(chain, report, about)
    if recording:
        return recording
    return begin if _lacks_files(report, phase_to_write(chain)) else _editing(report, about)


def _lacks_files(report: IncidentReport, phase: int) -> bool:
    states, artifacts = _states(report), protocol.load().artifacts.values()
    return any(a.required and a.phase <= phase and states[a.file] == MISSING for a in artifacts)


def _recording(chain: Chain, report: IncidentReport, about: str) -> str:
    """The entry that no one can write by hand, if that is what comes next."""
    live = [d for d in chain.decisions if chain.superseding(d) is None]
    run = {e.decision for e in chain.executions}
    if not live or chain.resolved or live[-1].id in run:
        return ""
    lacking = [r for r in chain.required_approvals(live[-1], None) if not r.approval]
    if lacking:
        role = lacking[0].role or "ROLE"
        return f"incident-gates record approval {about} --decision {live[-1].id} --role {role}"
    if any(_missing(gate) for gate in report.gates if gate.id in engine.READY_GATES):
        return ""
    return f"incident-gates record execution {about} --decision {live[-1].id} -- COMMAND"


def _editing(report: IncidentReport, about: str) -> str:
    gate = _next_gate(report)
    first = next(iter(_missing(gate)), None) if gate else None
    if first is None:
        return f"incident-gates check {about} --require all"
    if first.fix.startswith(DO_NOT_CHANGE):
        return f"incident-gates explain {first.rule}"
    line = f":{first.location.line}" if first.location.line else ""
    return f"edit {visible(first.location.file)}{line}, then incident-gates status {about}"
