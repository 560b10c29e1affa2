"""What to type next: the next few commands, in the order in which they are needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from incident_gates import engine
from incident_gates.desk import awareness, verbs
from incident_gates.desk import found as finding
from incident_gates.desk.awareness import MISSING
from incident_gates.desk.verbs import PROGRAM
from incident_gates.model import Status, Verdict
from incident_gates.report.escape import visible
from incident_gates.rules import DO_NOT_CHANGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incident_gates.chain import Chain
    from incident_gates.desk.awareness import Awareness
    from incident_gates.model import Finding, IncidentReport

MOST = 4
NOT_CLOSED = "RES001"
# What a file of evidence cannot be read for: nothing is appended to it before it is mended.
BROKEN = ("FIL002", "FIL003", "FIL007")
# The files that a verb fills: where it is among the next steps, none of them need be opened.
FILLS = {
    "event": ("incident-intake-log.md", "incident-timeline.md"),
    "assessment": ("severity-assessment.json", "incident-intake-log.md"),
    "notice": ("communication-log.md",),
    "option": ("mitigation-plan.md",),
    "readiness": ("rollback-readiness-checklist.json",),
    "decision": ("decision-log.json",),
    "approval": ("decision-log.json",),
    "execution": ("mitigation-execution-report.json",),
    "recovery-check": ("recovery-validation.json", "mitigation-execution-report.json"),
    "resolution": ("resolution-summary.json",),
    "rca": ("rca-manifest.json",),
    "timeline": ("incident-timeline.md",),
    "report": ("INCIDENT-REPORT.md",),
}
# What a missing file is drafted with, where no verb fills it.
DRAFTS = {
    "incident-timeline.md": "new timeline",
    "rca-manifest.json": "new rca",
    "INCIDENT-REPORT.md": "new report",
}


def after(aware: Awareness, cwd: Path) -> list[str]:
    """The next commands, the first one first; the last one shows whether it was enough."""
    every = list(dict.fromkeys(_all(aware, cwd)))
    return every if len(every) <= MOST else [*every[: MOST - 1], every[-1]]


def is_by_hand(command: str) -> bool:
    """Whether it only writes templates: another way to the same, for who edits files."""
    return command.startswith(f"{PROGRAM} new ") and len(command.split()) == 3  # noqa: PLR2004


def _all(aware: Awareness, cwd: Path) -> Iterator[str]:
    chain, report = aware.standing
    about = f"--incident {report.incident_id}"
    failed = report.verdict in (Verdict.FAILED, Verdict.ERROR)
    if not finding.is_over(chain):
        yield from (_edit(f, chain, cwd) for f in _failing(aware) if f.rule in BROKEN)
        if report.verdict is not Verdict.ERROR:
            yield from _forward(aware, cwd, about)
    elif not failed:
        yield f"{PROGRAM} aggregate {about}"
    if failed:
        yield f"{PROGRAM} check {about}"
        yield from (_mend(f, chain, cwd) for f in _failing(aware))
    elif not finding.is_over(chain):
        yield _judging(chain, report, about)


def _failing(aware: Awareness) -> list[Finding]:
    """What fails now, not what is only still to come."""
    failed = {g.id for g in aware.standing.report.gates if g.status is Status.FAILED}
    failed.add("record")
    return [b.finding for b in aware.blockers if b.blocks and b.gate in failed]


def _mend(found: Finding, chain: Chain, cwd: Path) -> str:
    """The file to open, or the rule to read where times are past or somebody else has the file."""
    if found.fix.startswith(DO_NOT_CHANGE) or found.location.line is None:
        return f"{PROGRAM} explain {found.rule}"
    return _edit(found, chain, cwd)


def _edit(found: Finding, chain: Chain, cwd: Path) -> str:
    line = f":{found.location.line}" if found.location.line else ""
    return f"edit {visible(_relative(chain, found.location.file, cwd))}{line}"


def _relative(chain: Chain, file: str, cwd: Path) -> str:
    """A file of the report, which names it from the repository, as seen from where one stands."""
    return Path(os.path.relpath(chain.record.base / file, cwd)).as_posix()


# --- forward -------------------------------------------------------------------------------------


def _forward(aware: Awareness, cwd: Path, about: str) -> Iterator[str]:
    """The entries that come next, what only an editor can fill, and then the step they allow."""
    chain, report = aware.standing
    first, *others = [*verbs.after(chain), *_executing(chain, report, about), ""]
    recording = [c for c in (first, *_overdue(aware, about), *others) if c]
    yield from recording
    if _lacks_files(aware):
        yield f"{PROGRAM} new {report.incident_id}"
    yield from _editing(aware, cwd, about, _filled(recording))
    if chain.resolved and not recording:
        yield f"{PROGRAM} record resolution {about} --status closed --stable TEXT"


def _overdue(aware: Awareness, about: str) -> list[str]:
    """The notice that people have waited for too long; what holds up the incident comes first."""
    if aware.update is None or aware.update.first or aware.update.due >= aware.standing.chain.now:
        return []
    return [verbs.notice(about, aware.update.audiences)]


def _executing(chain: Chain, report: IncidentReport, about: str) -> Iterator[str]:
    """The execution, once nothing that is asked for before it is lacking."""
    decision = verbs.awaiting(chain)
    blocked = any(awareness.missing(g) for g in report.gates if g.id in engine.READY_GATES)
    if decision and not verbs.lacking_approvals(chain) and not blocked:
        yield f"{PROGRAM} record execution {about} --decision {decision.id} -- COMMAND"


def _lacks_files(aware: Awareness) -> bool:
    return any(f.state == MISSING for f in aware.files)


def _filled(commands: Sequence[str]) -> set[str]:
    """The files that these commands fill."""
    verbs_ = {word for command in commands for word in command.split()[1:3]}
    return {name for verb, names in FILLS.items() if verb in verbs_ for name in names}


def _editing(aware: Awareness, cwd: Path, about: str, filled: set[str]) -> Iterator[str]:
    """For each file of the gates that are worked on, the first thing that no verb writes."""
    seen, beside = set(filled), []
    for blocker in aware.blockers:
        found, name = blocker.finding, blocker.finding.location.file.rpartition("/")[2]
        if not blocker.blocks or name in seen or awareness.comes_later(aware, blocker.gate):
            continue
        seen.add(name)
        if found.rule == awareness.ABSENT:
            if name in DRAFTS:
                yield f"{PROGRAM} {DRAFTS[name]} {about}"
        elif found.location.line is None:
            beside.append(_mend(found, aware.standing.chain, cwd))
        elif found.rule != NOT_CLOSED or found.subject != "status":
            yield _mend(found, aware.standing.chain, cwd)
    yield from beside


def _judging(chain: Chain, report: IncidentReport, about: str) -> str:
    """How to see whether it is enough: for executing, then for closing."""
    if report.phase <= 2 and not chain.executing:  # noqa: PLR2004
        return f"{PROGRAM} check {about} --require ready"
    return f"{PROGRAM} check {about} --require all"
