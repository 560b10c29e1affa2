"""How a record stands, for a terminal: what is done, what is missing, and what to type next."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from incident_gates import protocol
from incident_gates.desk import awareness, pace, says, steps
from incident_gates.desk import found as finding
from incident_gates.desk.awareness import DONE, EMPTY, GAPS, MISSING, Awareness, Standing, seen
from incident_gates.evidence.times import show_duration
from incident_gates.model import Status, Verdict
from incident_gates.report import text
from incident_gates.report.escape import visible
from incident_gates.run import EXIT_CODES
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from incident_gates.desk.awareness import Blocker, File
    from incident_gates.desk.pace import Pace, Update
    from incident_gates.model import Finding, IncidentReport

MARKS = {DONE: "✓", GAPS: "…", EMPTY: "…", MISSING: "✗"}
PACE_MARKS = {pace.IN_TIME: "✓", pace.RUNNING: "…", pace.LATE: "✗"}
LABEL, MOST = 12, 5
# More gaps than this in one file are one entry, with this many of them by name.
FEW, MOST_NAMED = 2, 6
LACKS = re.compile(
    r"(.+) is (?:missing|pending)|no (.+) is recorded|(?:the )?(?:[\w-]+ )?lacks (.+)"
)
A_MINUTE, A_SECOND = timedelta(minutes=1), timedelta(seconds=1)

__all__ = ["announcement", "exit_code", "render", "seen"]


def render(standings: Sequence[Standing], *, colour: bool = False, cwd: Path | None = None) -> str:
    """The status of one record in full, or one line for each open one."""
    if len(standings) == 1:
        lines = _one(awareness.of(standings[0]), cwd or Path.cwd(), colour=colour)
    else:
        lines = _table(standings)
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
        yield head + visible(_in_short(standing), text.WIDTH - len(head))
    if over:
        verb = "is" if over == 1 else "are"
        yield f"{over} more {verb} closed." if open_ else "No incident is open."


def _is_open(standing: Standing) -> bool:
    return standing.report.verdict in (Verdict.FAILED, Verdict.ERROR) or not finding.is_over(
        standing.chain
    )


def _in_short(standing: Standing) -> str:
    report = standing.report
    if report.verdict is Verdict.ERROR:
        return "could not be judged"
    owed = pace.next_update(standing.chain)
    if owed and owed.due < standing.chain.now:
        return "update overdue"
    gate = next((g for g in awareness.in_order_of_work(report) if awareness.missing(g)), None)
    if gate is None:
        return "nothing is missing"
    verb = "failed" if gate.status is Status.FAILED else "needs"
    return f"{gate.name.split()[0]} {verb} {len(awareness.missing(gate))}"


# --- one -----------------------------------------------------------------------------------------


def _one(aware: Awareness, cwd: Path, *, colour: bool) -> Iterator[str]:
    chain, report = aware.standing
    yield from text.overview(report, colour=colour)
    yield ""
    if finding.is_over(chain) and report.verdict is Verdict.PASSED:
        yield "Nothing is missing."
    else:
        yield from _phase(aware)
        yield from _files(aware.files)
        yield from _blockers(aware)
    yield from _paces(aware.paces)
    yield from _reliance(aware)
    if aware.update:
        yield from says.wrapped(_update(aware.update, chain.now))
    for number, command in enumerate(steps.after(aware, cwd)):
        said = "then: " if number else "Next: "
        said = "or:   " if number and steps.is_by_hand(command) else said
        after = "   (files to fill in by hand)" if said.startswith("or") else ""
        yield from says.wrapped(f"{said}{command}{after}", " " * 6)


def _phase(aware: Awareness) -> Iterator[str]:
    number = aware.standing.report.phase
    yield f"Phase {number} of 4: {protocol.load().data['phases'][number - 1]['name']}"
    step = aware.step
    if step:
        yield f"Step {step.id}: {step.title}{'' if step.must else ' (guideline)'}"
        yield from says.wrapped(f"  Halt: {step.halt}", " " * 8) if step.halt else ()
    yield ""


def _files(files: Sequence[File]) -> Iterator[str]:
    """Each file up to the present phase: done, with gaps, empty, or missing."""
    for file in files:
        gaps = counted(file.gaps, "gap")
        yield f"  {MARKS[file.state]} {file.file:<36} {gaps if file.state == GAPS else file.state}"
    yield ""


def _blockers(aware: Awareness) -> Iterator[str]:
    """Each gate with what it asks for: in full up to the phase worked on, later ones counted."""
    report, later = aware.standing.report, []
    for gate in awareness.in_order_of_work(report):
        mine = [b for b in aware.blockers if b.gate == gate.id]
        if not mine:
            continue
        if gate.status is Status.PENDING and awareness.comes_later(aware, gate.id):
            later.append(f"gate {gate.number or 'P'} {gate.name}: {len(mine)}")
            continue
        number = f"GATE {gate.number or 'P'} {gate.name.upper()}"
        verb = "FAILED" if gate.status is Status.FAILED else "NEEDS"
        verb = verb if any(b.blocks for b in mine) else "WARNS"
        yield from _numbered(report, f"{number} {verb}", mine)
    loose = [b for b in aware.blockers if b.gate == "record"]
    if loose:
        yield from _numbered(report, "THE RECORD", loose)
    if later:
        yield from says.wrapped(f"Not due yet, and still needed: {'; '.join(later)}.", "  ")
        yield ""


def _numbered(report: IncidentReport, title: str, blockers: Sequence[Blocker]) -> Iterator[str]:
    shown = [
        f._replace(message=f"{f.level} {f.rule}  {f.message}") if f.rule else f
        for f in _folded([b.finding for b in blockers])
    ]
    yield from says.numbered(report, title, shown, len(blockers))
    yield ""


def _folded(findings: Sequence[Finding]) -> list[Finding]:
    """The many gaps of a file that was begun are one entry: what they are, in a few words."""
    gaps: dict[str, list[Finding]] = {}
    for found in findings:
        if _lacks(found):
            gaps.setdefault(found.location.file, []).append(found)
    many = {name: group for name, group in gaps.items() if len(group) > FEW}
    kept = [f for f in findings if f not in many.get(f.location.file, ())]
    folded = [g[0]._replace(rule="", message=f"fill in: {_names(g)}") for g in many.values()]
    return sorted([*kept, *folded], key=_files_first_seen(findings))


def _files_first_seen(findings: Sequence[Finding]) -> Callable[[Finding], int]:
    """Files as they came."""
    files = list(dict.fromkeys(f.location.file for f in findings))
    return lambda found: files.index(found.location.file)


def _lacks(found: Finding) -> str:
    """What is not there yet, in a few words; "" for a finding that says more than that."""
    if found.rule == awareness.PLACEHOLDER:
        said = found.message.removeprefix('"').partition(": TODO")
        return said[0] if said[1] else "TODO"
    match = LACKS.fullmatch(found.message)
    return next((part for part in match.groups() if part), "") if match else ""


def _names(findings: Sequence[Finding]) -> str:
    names = dict.fromkeys(name for f in findings if (name := _lacks(f)) != "TODO")
    shown = list(names)[:MOST_NAMED]
    return ", ".join(shown or ["each TODO"]) + (", …" if len(names) > len(shown) else "")


def _paces(paces: Sequence[Pace]) -> Iterator[str]:
    """What is late, by how much; what is running, and how much is left; the rest counted."""
    if not paces:
        return
    on_time = sum(p.state == pace.IN_TIME for p in paces)
    late = sum(p.state == pace.LATE for p in paces)
    yield f"Velocity: {late} late, {on_time} of {len(paces)} done in time"
    for entry in paces:
        if entry.state != pace.IN_TIME:
            yield from says.wrapped(f"  {PACE_MARKS[entry.state]} {_pace(entry)}", " " * 4)
    yield ""


def _pace(entry: Pace) -> str:
    taken, expected = show_duration(_minutes(entry.taken)), show_duration(entry.expected)
    if entry.state == pace.LATE:
        over = show_duration(_minutes(entry.late_by))
        return f"{entry.what}: {taken}, expected {expected}, {over} late"
    left = show_duration(_minutes(entry.expected - entry.taken))
    return f"{entry.what}: {taken} of {expected}, {left} left"


def _minutes(length: timedelta) -> timedelta:
    """Whole minutes, or whole seconds of what is shorter than one."""
    unit = A_MINUTE if length >= A_MINUTE else A_SECOND
    return length // unit * unit


def _reliance(aware: Awareness) -> Iterator[str]:
    """How far all this can be relied on, and what must come from others."""
    level, because = aware.confidence
    yield from _labelled("Confidence", (f"{level}: {because}",))
    yield from _labelled("Assumed", aware.assumptions)
    yield from _labelled("Not known", aware.untold)
    yield from _labelled("Needed", aware.inputs)
    yield ""


def _labelled(label: str, said: Sequence[str]) -> Iterator[str]:
    shown = [*said[:MOST], *([f"and {len(said) - MOST} more"] if len(said) > MOST else [])]
    for number, entry in enumerate(shown):
        head = f"{label if number == 0 else '':<{LABEL}}"
        yield from says.wrapped(f"{head}{entry}", " " * LABEL)


def _update(update: Update, now: datetime) -> str:
    """When whom must hear next, as people say it."""
    names = ", ".join(update.audiences)
    same_day = update.due.date() == now.date()
    when = f"{update.due:%H:%M} UTC" if same_day else f"{update.due:%Y-%m-%d %H:%M} UTC"
    what = "First notice" if update.first else "Next update"
    if update.due >= now:
        left = show_duration(_minutes(update.due - now))
        return f"{what} to {names} due {when}, in {left}."
    over = show_duration(_minutes(now - update.due))
    return f"{what} to {names} was due {when}, {over} ago."


# --- for a channel -------------------------------------------------------------------------------


def announcement(standings: Sequence[Standing]) -> str:
    """The protocol's words for the phase of each record, to be pasted where people talk."""
    return "".join(f"{line}\n" for s in standings for line in _announced(s.report))


def _announced(report: IncidentReport) -> Iterator[str]:
    known = protocol.load().data
    phase = known["phases"][report.phase - 1]
    complete = report.state == "closed" and report.verdict is Verdict.PASSED
    if report.verdict is Verdict.ERROR:
        said = "a gate could not be judged"
        yield str(known["error_announcement"]).format(step="status", explanation=said)
    else:
        yield str(phase["completion" if complete else "announcement"])
    gates = [
        f"{g.number or 'P'} {g.status.value.replace('_', ' ')}"
        for g in report.gates
        if g.status is not Status.PENDING
    ]
    severity = report.severity or "severity not agreed"
    stand = f"gates {', '.join(gates)}" if gates else "no gate is due yet"
    yield f"{visible(report.incident_id, 60)} · {severity} · {visible(report.state)} · {stand}"
