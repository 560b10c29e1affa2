"""What to type next: the next few commands, in the order in which they are needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from incident_gates import engine, protocol
from incident_gates.desk import awareness
from incident_gates.desk import found as finding
from incident_gates.desk.awareness import MISSING
from incident_gates.desk.new import phase_to_write
from incident_gates.model import Status, Verdict
from incident_gates.report.escape import visible
from incident_gates.rules import DO_NOT_CHANGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.desk.awareness import Awareness
    from incident_gates.model import Finding, IncidentReport

MOST = 4
PROGRAM = "incident-gates"
NOT_NOTIFIED, NOT_CLOSED = "SEV010", "RES001"
# What writes a file that is not there, or its first entry; capitals stand for what somebody types.
FIRST_ENTRY = {
    "communication-log.md": "record notice {about} --audience WHO --channel CHANNEL --message TEXT",
    "severity-assessment.json": "record assessment {about} --severity SEV --by NAME:ROLE",
    "mitigation-plan.md": "record option {about} --title TEXT --strategy WHICH --expected TIME",
    "rollback-readiness-checklist.json": (
        "record readiness {about} --item ID --by WHO --evidence TEXT"
    ),
    "decision-log.json": "record decision {about} --option ID",
    "recovery-validation.json": "record recovery-check {about} --check ID --evidence TEXT",
    "resolution-summary.json": "record resolution {about} --status resolved --resolution TEXT",
    "incident-timeline.md": "new timeline {about}",
    "rca-manifest.json": "new rca {about}",
    "INCIDENT-REPORT.md": "new report {about}",
}


def after(aware: Awareness, cwd: Path) -> list[str]:
    """The next commands, the first one first; the last one shows whether it was enough."""
    every = list(dict.fromkeys(_all(aware, cwd)))
    return every if len(every) <= MOST else [*every[: MOST - 1], every[-1]]


def _all(aware: Awareness, cwd: Path) -> Iterator[str]:
    chain, report = aware.standing
    about = f"--incident {report.incident_id}"
    if report.verdict in (Verdict.FAILED, Verdict.ERROR):
        yield f"{PROGRAM} check {about}"
        yield from _mending(aware, cwd)
    elif finding.is_over(chain):
        yield f"{PROGRAM} aggregate {about}"
    else:
        first, *others = _forward(aware, cwd, about)
        yield from (first, *_overdue(aware, about), *others)


def _mending(aware: Awareness, cwd: Path) -> Iterator[str]:
    """For each thing that failed: the file to open, or the rule to read where times are past."""
    report = aware.standing.report
    failed = {g.id for g in report.gates if g.status is Status.FAILED}
    for blocker in aware.blockers:
        if blocker.blocks and (blocker.gate in failed or blocker.gate == "record"):
            yield _mend(blocker.finding, aware.standing.chain, cwd)


def _mend(found: Finding, chain: Chain, cwd: Path) -> str:
    if found.fix.startswith(DO_NOT_CHANGE) or found.location.line is None:
        return f"{PROGRAM} explain {found.rule}"
    return _edit(found, chain, cwd)


def _edit(found: Finding, chain: Chain, cwd: Path) -> str:
    line = f":{found.location.line}" if found.location.line else ""
    return f"edit {visible(_relative(chain, found.location.file, cwd))}{line}"


def _relative(chain: Chain, file: str, cwd: Path) -> str:
    """A file of the report, which names it from the repository, as seen from where one stands."""
    return Path(os.path.relpath(chain.record.base / file, cwd)).as_posix()


def _overdue(aware: Awareness, about: str) -> list[str]:
    """The notice that people have waited for too long; what holds up the incident comes first."""
    if aware.update is None or aware.update.due >= aware.standing.chain.now:
        return []
    whom = " ".join(f"--audience {name}" for name in aware.update.audiences)
    return [f"{PROGRAM} record notice {about} {whom} --channel CHANNEL --message TEXT"]


def _forward(aware: Awareness, cwd: Path, about: str) -> Iterator[str]:
    chain, report = aware.standing
    begin = f"{PROGRAM} new {report.incident_id}"
    if _lacks_files(aware, report.phase):
        yield begin
    recording = list(_recording(chain, report, about))
    yield from recording
    if not recording:
        if _lacks_files(aware, phase_to_write(chain)):
            yield begin
        yield from _writing(aware, cwd, about)
    yield _judging(chain, report, about)


def _lacks_files(aware: Awareness, phase: int) -> bool:
    known = protocol.load().artifacts
    return any(f.state == MISSING and known[f.file].phase <= phase for f in aware.files)


def _recording(chain: Chain, report: IncidentReport, about: str) -> Iterator[str]:
    """The entries that no one can write by hand, if they come next."""
    live = [d for d in chain.decisions if chain.superseding(d) is None]
    if not live or chain.resolved or live[-1].id in {e.decision for e in chain.executions}:
        return
    lacking = awareness.lacking_approvals(chain)
    for decision, role in lacking:
        yield f"{PROGRAM} record approval {about} --decision {decision} --role {role or 'ROLE'}"
    blocked = any(awareness.missing(g) for g in report.gates if g.id in engine.READY_GATES)
    if not lacking and not blocked:
        yield f"{PROGRAM} record execution {about} --decision {live[-1].id} -- COMMAND"


def _writing(aware: Awareness, cwd: Path, about: str) -> Iterator[str]:
    """The first things to write for the gate that is worked on; one for each file."""
    gate = next((b.gate for b in aware.blockers if b.blocks), "")
    files: dict[str, Finding] = {}
    for blocker in aware.blockers:
        if blocker.blocks and blocker.gate == gate:
            files.setdefault(blocker.finding.location.file, blocker.finding)
    listed = list(protocol.load().artifacts)
    for found in sorted(files.values(), key=lambda f: _rank(f, listed)):
        name = found.location.file.rpartition("/")[2]
        if found.fix.startswith(DO_NOT_CHANGE):
            yield f"{PROGRAM} explain {found.rule}"
        elif found.rule == NOT_NOTIFIED:
            whom = found.subject.rpartition("/")[2]
            yield _entry(name, about).replace("WHO", whom)
        elif found.rule == NOT_CLOSED and found.subject == "status":
            yield f"{PROGRAM} record resolution {about} --status closed"
        elif found.rule != awareness.ABSENT:
            yield _edit(found, aware.standing.chain, cwd)
        elif name in FIRST_ENTRY:
            yield _entry(name, about)


def _rank(found: Finding, listed: list[str]) -> int:
    """Files in the order in which the protocol comes to them."""
    name = found.location.file.rpartition("/")[2]
    return listed.index(name) if name in listed else len(listed)


def _entry(name: str, about: str) -> str:
    return f"{PROGRAM} {FIRST_ENTRY[name].format(about=about)}"


def _judging(chain: Chain, report: IncidentReport, about: str) -> str:
    """How to see whether it is enough: for executing, then for closing."""
    if report.phase <= 2 and not chain.executing:  # noqa: PLR2004
        return f"{PROGRAM} check {about} --require ready"
    return f"{PROGRAM} check {about} --require all"
