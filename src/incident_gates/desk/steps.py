"""What to type next: the next few commands, in the order in which they are needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from incident_gates import engine, protocol
from incident_gates.desk import awareness, later, verbs
from incident_gates.desk import found as finding
from incident_gates.desk.awareness import MISSING
from incident_gates.desk.verbs import PROGRAM
from incident_gates.model import Status, Verdict
from incident_gates.report.escape import visible
from incident_gates.rules import DO_NOT_CHANGE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from incident_gates.chain import Chain
    from incident_gates.desk.awareness import Awareness
    from incident_gates.model import Finding, IncidentReport

MOST = 4
UNTOLD, COUNTED = "REC015", "RES014"
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
    "recovery-check": (
        "recovery-validation.json",
        "mitigation-execution-report.json",
        "rollback-readiness-checklist.json",
    ),
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
    chain = aware.standing.chain
    every = list(dict.fromkeys(later.dated(command, chain) for command in _all(aware, cwd)))
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
    if failed and finding.is_over(chain):
        yield f"{PROGRAM} check {about}"
    if failed:
        yield from (_mend(f, chain, cwd) for f in _failing(aware))
    if failed and not finding.is_over(chain):
        yield f"{PROGRAM} check {about}"
    elif not finding.is_over(chain):
        yield _judging(chain, report, about)


def _failing(aware: Awareness) -> list[Finding]:
    """What fails now, not what is only still to come."""
    failed = {g.id for g in aware.standing.report.gates if g.status is Status.FAILED}
    failed.add("record")
    return [b.finding for b in aware.blockers if b.blocks and b.gate in failed]


def _mend(found: Finding, chain: Chain, cwd: Path) -> str:
    """The file to open; or the rule to read where nothing can be written there any more."""
    said = found.fix.startswith(DO_NOT_CHANGE) or " is not available (" in found.message
    if said or found.location.line is None:
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
    others += _timeline(aware, about)
    recording = [c for c in (first, *_overdue(aware, about), *others) if c]
    filled = {*_filled(recording), *FILLS["resolution" if chain.resolved else "timeline"]}
    yield from recording
    if _lacks_files(aware, DRAFTS):
        yield f"{PROGRAM} new {report.incident_id}"
    yield from _editing(aware, cwd, about, filled)
    if chain.resolved and not recording:
        yield f"{PROGRAM} record resolution {about} --status closed --stable TEXT"


def _overdue(aware: Awareness, about: str) -> list[str]:
    """The notice that people have waited for too long; what holds up the incident comes first."""
    if aware.update is None or aware.update.first or aware.update.due >= aware.standing.chain.now:
        return []
    return [verbs.notice(about, aware.update.audiences)]


def _executing(chain: Chain, report: IncidentReport, about: str) -> Iterator[str]:
    """The execution, once nothing that can still be supplied is lacking."""
    decision = None if verbs.recovering(chain) else verbs.awaiting(chain)
    lacking = [f for g in report.gates if g.id in engine.READY_GATES for f in awareness.missing(g)]
    blocked = any(not f.fix.startswith(DO_NOT_CHANGE) for f in lacking)
    if decision and not verbs.lacking_approvals(chain) and not blocked:
        what = f"--decision {decision.id} --change-reference REF -- COMMAND"
        yield f"{PROGRAM} record execution {about} {what}"


def _timeline(aware: Awareness, about: str) -> Iterator[str]:
    """A timeline that lacks what other files know is derived from them."""
    if aware.standing.chain.resolved and any(b.finding.rule == UNTOLD for b in aware.blockers):
        yield f"{PROGRAM} new timeline {about}"


def _lacks_files(aware: Awareness, but: Collection[str]) -> bool:
    """Whether a file of the present phase is not there; one of the next phase can wait."""
    known, phase = protocol.load().artifacts, aware.standing.report.phase
    missing = [f.file for f in aware.files if f.state == MISSING and f.file not in but]
    return any(known[name].phase <= phase for name in missing)


def _filled(commands: Sequence[str]) -> set[str]:
    """The files that these commands fill."""
    verbs_ = {word for command in commands for word in command.split()[1:3]}
    return {name for verb, names in FILLS.items() if verb in verbs_ for name in names}


def _editing(aware: Awareness, cwd: Path, about: str, filled: set[str]) -> Iterator[str]:
    """For each file of the gates that are worked on, what no verb writes; others' files last."""
    beside, phase = [], _workable(aware.standing.chain)
    groups: dict[str, list[Finding]] = {}
    for blocker in aware.blockers:
        named = blocker.finding.rule != COUNTED
        if blocker.blocks and named and awareness.PHASE_OF.get(blocker.gate, 0) <= phase:
            groups.setdefault(blocker.finding.location.file, []).append(blocker.finding)
    for file, group in groups.items():
        name = file.rpartition("/")[2]
        if name in filled:
            continue
        found = _first_gap(group)
        if found.rule == awareness.ABSENT and name in DRAFTS:
            yield f"{PROGRAM} {DRAFTS[name]} {about}"
            continue
        mend = _mend(found, aware.standing.chain, cwd)
        if mend.startswith("edit"):
            yield mend
        else:
            beside.append(mend)
    yield from beside


def _workable(chain: Chain) -> int:
    """The phase whose files can be filled: what failed is not recovered from by writing."""
    failed = chain.executing and not chain.resolved and not verbs.recovering(chain)
    return 2 if failed else chain.phase


def _first_gap(group: Sequence[Finding]) -> Finding:
    """The first place to write at: what is said of a whole file stands at its first line."""
    return next((f for f in group if (f.location.line or 0) > 1), group[0])


def _judging(chain: Chain, report: IncidentReport, about: str) -> str:
    """How to see whether it is enough: for executing, then for closing."""
    if report.phase <= 2 and not chain.executing:  # noqa: PLR2004
        return f"{PROGRAM} check {about} --require ready"
    return f"{PROGRAM} check {about} --require all"
