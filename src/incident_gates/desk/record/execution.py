"""Runs a command on the word of a decision, and records what it did."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import atomic, engine, lock
from incident_gates.desk import found as finding
from incident_gates.desk import json_text, masking, running
from incident_gates.desk.record import files as files_of
from incident_gates.desk.record import given, words
from incident_gates.desk.record.draft import refuse_closed
from incident_gates.errors import CouldNotTell, GateError, UsageError
from incident_gates.evidence import files, strict_json, times
from incident_gates.incident import Document, Record
from incident_gates.model import Status
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from incident_gates.chain import Chain
    from incident_gates.desk.found import Found
    from incident_gates.model import Finding, IncidentReport
    from incident_gates.run import Job

DECISIONS, EXECUTIONS = "decision-log.json", "mitigation-execution-report.json"
# Longer output goes to a file of its own; the schema lets a text be this long.
INLINE_CHARS = 16_000
INTERRUPTED = 130
# How many secrets the entry does not show.
MASKED = "x-masked"


class Order(NamedTuple):
    """What is to be executed, and on whose word."""

    command: Sequence[str]
    decision: str | None
    services: Sequence[str]
    change_reference: str | None
    emergency: str | None
    operator: str | None
    # Whether what the command prints goes to stderr: stdout is for a program then.
    aside: bool = False


class NotReady(NamedTuple):
    """Why nothing was run."""

    report: IncidentReport
    bars: list[Finding]


class Done(NamedTuple):
    """What was run and recorded."""

    exit_code: int
    entry: dict[str, Any]
    said: str
    incident: str
    announcement: str
    next: str = ""


class Begun(NamedTuple):
    """An execution about to run: its entry is in the file already."""

    entry: dict[str, Any]
    bars: list[Finding]
    report: IncidentReport
    approve_within_minutes: float
    announcement: str
    # Whether somebody has yet to approve it.
    unapproved: bool = True


STEP = "3.1"


def execution(job: Job, order: Order, warn: Callable[[Begun], None]) -> NotReady | Done:
    """Runs a command and records it, unless the record forbids it; ``warn`` prints a text.

    The entry is written before the command starts, with an unknown outcome: if the machine dies
    half-way, the record shows that something was run, and nobody has to remember it.
    """
    if shutil.which(order.command[0]) is None:
        raise UsageError(f"{given.plain(order.command[0])} is no command that can be run here.")
    with running.signals_kept() as signals:
        found = finding.one(job)
        with lock.held(found.record.folder):
            begun = _begin(files_of.fresh(found), order)
        if isinstance(begun, NotReady):
            return begun
        warn(begun)
        known = masking.command(order.command).known
        return _finish(
            found, begun.entry, running.run(order.command, signals, known, aside=order.aside)
        )


def _begin(found: Found, order: Order) -> NotReady | Begun:
    refuse_closed(found)
    text = files_of.text(found, EXECUTIONS)
    entry = _entry(found, order)
    changed = json_text.appended(text, ("executions",), entry)
    report, bars = _judged(found, changed, entry)
    if bars and not order.emergency:
        return NotReady(report, bars)
    files_of.save(found, EXECUTIONS, text, changed)
    minutes = found.limits.threshold("break_glass_minutes")
    unapproved = _unapproved(found.chain, entry) or any(_of_approval(bar) for bar in bars)
    return Begun(entry, bars, report, minutes, words.step(found, STEP), unapproved)


def _unapproved(chain: Chain, entry: dict[str, Any]) -> bool:
    """Whether an approval is missing of what is about to be run; all are, where none decided it."""
    decided = next((d for d in chain.decisions if d.id == entry["decision"]), None)
    if decided is None:
        return True
    operator = entry["operator"]["name"]
    required = chain.required_approvals(decided, times.parse(entry["started_at"]), operator)
    return not all(wanted.approval for wanted in required)


def _of_approval(bar: Finding) -> bool:
    """Whether an approval is there and does not count, such as one of another text."""
    rule = RULES[bar.rule]
    return (rule.gate, rule.criterion) == ("mitigation", "approvals")


def _entry(found: Found, order: Order) -> dict[str, Any]:
    chain = found.chain
    # An emergency may come before its decision; everything else carries one out.
    early = order.emergency and order.decision is None and not chain.decisions
    decision = None if early else given.decision(chain, order.decision)
    services = [given.plain(s) for s in order.services] or list(
        (decision and decision.services) or chain.affected_services
    )
    if not services:
        raise UsageError("Neither decision nor assessment names a service: add --service.")
    command, masked, _ = masking.command(order.command)
    reference = masking.masked(given.plain(order.change_reference or ""))
    reason = masking.masked(given.plain(order.emergency or ""))
    entry: dict[str, Any] = {
        "id": next_id(chain),
        "decision": decision.id if decision else "N/A: run before anything was decided",
        "services": services,
        "purpose": "mitigation",
        "operator": {"name": given.name(found, order.operator, "--operator"), "role": "operator"},
        "command": given.plain(shlex.join(command)),
        "change_reference": reference.text,
        "started_at": finding.shown(found.now),
        "exit_code": "N/A: still running, or cut off together with its recording",
        "outcome": "unknown",
        "emergency": {"reason": reason.text} if order.emergency else None,
        MASKED: masked + reference.hidden + reason.hidden,
    }
    return {key: value for key, value in entry.items() if value}


def next_id(chain: Chain) -> str:
    """The identifier of the next execution."""
    numbers = [int(m[1]) for e in chain.executions if (m := re.fullmatch(r"E-(\d{1,6})", e.id))]
    return f"E-{max(numbers, default=0) + 1}"


class Supposed(Record):
    """The record as it would be with another text in one of its files."""

    def __init__(self, record: Record, name: str, text: str) -> None:
        super().__init__(
            record.folder, site=record.site, base=record.base, protocol=record.protocol
        )
        self.names = record.names | {name}
        path = f"{record.path}/{name}"
        self._documents[name] = Document(
            name,
            path,
            record.protocol.artifacts[name],
            data=text.encode(),
            text=text,
            value=strict_json.parse(text),
        )


# What must be proven before anything is run: gate and criterion of the rules that ask for it.
BARRING = {
    ("mitigation", "order"),
    ("mitigation", "readiness"),
    ("mitigation", "approvals"),
    ("prerequisites", "approvals"),
    ("prerequisites", "system_state"),
}
BLAST_RADIUS, NEW_DECISION, NO_CONSENSUS, PLACEHOLDER = "SEV007", "REC006", "MIT005", "FIL009"
CONSENSUS = ("SEV004", "SEV005")
RELIED_ON = (
    "prerequisites.json",
    "severity-assessment.json",
    "mitigation-plan.md",
    "rollback-readiness-checklist.json",
    DECISIONS,
    EXECUTIONS,
)


def _judged(found: Found, text: str, entry: dict[str, Any]) -> tuple[IncidentReport, list[Finding]]:
    """What the rules would say of an execution that starts now: the gates' own word, no second."""
    record = Supposed(found.record, EXECUTIONS, text)
    request = engine.Request(engine.READY)
    report = engine.judge(record, found.limits, found.now, request)
    broken = [g for g in report.gates if g.id in engine.READY_GATES and g.status is Status.ERROR]
    if broken:
        raise CouldNotTell(f"Gate {broken[0].name} could not be judged: {broken[0].summary}")
    failing = [f for gate in report.gates for f in (*gate.findings, *gate.needs) if f.fails]
    others = _others(found.chain, entry)
    bars = [f for f in failing if _bars(f, report) and f.subject.split("/")[0] not in others]
    if found.chain.executions:
        # Prerequisites are judged at the first execution; for a later one that is past.
        bars = [f for f in bars if f.rule != "MIT007"]
    if any(f.rule == NO_CONSENSUS for f in bars):
        bars += [f for f in failing if f.rule in CONSENSUS]
    return report, bars


def _others(chain: Chain, entry: dict[str, Any]) -> set[str]:
    """Other executions and decisions: what was wrong with them is not about this one."""
    ids = {e.id for e in chain.executions} | {d.id for d in chain.decisions}
    return ids - {entry["decision"]}


def _bars(finding_: Finding, report: IncidentReport) -> bool:
    rule = RULES[finding_.rule]
    if rule.gate == "record":
        name = finding_.location.file.removeprefix(f"{report.path}/")
        return name in RELIED_ON and rule.id != PLACEHOLDER
    return (rule.gate, rule.criterion) in BARRING or rule.id in (BLAST_RADIUS, NEW_DECISION)


def _finish(found: Found, begun: dict[str, Any], ended: running.Ended) -> Done:
    """Completes the entry; a file that cannot be changed just now loses nothing either.

    What succeeded and was not recorded where it belongs does not end like a success.
    """
    ending = {**_ending(begun, ended), **_output(found, begun["id"], ended)}
    said = ""
    try:
        with lock.held(found.record.folder):
            entry = _completed(files_of.fresh(found), begun, ending)
    except (GateError, OSError, AttributeError, TypeError) as error:
        entry = {**begun, **ending}
        why = error.strerror if isinstance(error, OSError) else error
        said = f"{EXECUTIONS} could not be changed ({why}). {_kept(found, entry)}"
    unrecorded = CouldNotTell.exit_code if said else 0
    code = INTERRUPTED if ended.interrupted else ended.status or unrecorded
    step, next_ = words.step(found, STEP), "" if said else _next(found)
    return Done(code, entry, said, found.record.incident_id, step, next_)


def _next(found: Found) -> str:
    """What to type next, once the entry is written; the exit code matters more."""
    try:
        return words.next_command(files_of.fresh(found))
    except (GateError, OSError):
        return ""


def as_json(done: Done) -> dict[str, Any]:
    """What was run, for a program."""
    found = {"incident": done.incident, "file": EXECUTIONS, "entry": done.entry}
    said = {"said": done.said, "announcement": done.announcement, "next": done.next}
    return {**found, **said, "exit_code": done.exit_code}


def refused(refusal: NotReady) -> dict[str, Any]:
    """Why nothing was run, for a program."""
    bars = [
        {"rule": b.rule, "message": b.message, "file": b.location.file, "line": b.location.line}
        for b in refusal.bars
    ]
    said = f"Nothing was run: {len(bars)} missing or wrong."
    return {"error": said, "missing": bars, "exit_code": 1}


def _completed(found: Found, begun: dict[str, Any], ending: dict[str, Any]) -> dict[str, Any]:
    """Writes the end into the entry; whatever else was written there meanwhile stays."""
    text = files_of.text(found, EXECUTIONS)
    entries = strict_json.parse(text).get("executions", [])
    index = next((i for i, e in enumerate(entries) if e.get("id") == begun["id"]), None)
    entry: dict[str, Any] = {**(begun if index is None else entries[index]), **ending}
    if index is None:
        changed = json_text.appended(text, ("executions",), entry)
    else:
        changed = json_text.replaced(text, ("executions", index), entry)
    files_of.save(found, EXECUTIONS, text, changed)
    return entry


def _ending(begun: dict[str, Any], ended: running.Ended) -> dict[str, Any]:
    known = ended.exit_code is not None
    outcome = "succeeded" if ended.exit_code == 0 else "failed"
    masked = begun.get(MASKED, 0) + ended.masked
    return {
        "completed_at": finding.shown(ended.completed) if known else f"N/A: {ended.problem}",
        "exit_code": ended.exit_code if known else f"N/A: {ended.problem}",
        "outcome": "unknown" if ended.interrupted else outcome,
        **({MASKED: masked} if masked else {}),
    }


def _output(found: Found, entry_id: str, ended: running.Ended) -> dict[str, Any]:
    """The output for the entry; a long one in a file of its own, with its digest."""
    text = ended.output if ended.output.strip() else "(it printed nothing)"
    if ended.interrupted:
        text = f"{text.rstrip()}\n[recording was interrupted by {ended.interrupted}]"
    if len(text) <= INLINE_CHARS:
        return {"output": text}
    path, data = f"attachments/{entry_id}.log", text.encode()
    try:
        _attach(found, path, data)
    except OSError:
        return {"output": f"[cut]\n{text[-INLINE_CHARS:]}"}
    kept = {"path": path, "sha256": files.digest(data)}
    return {"output": f"[cut: more is in {path}]\n{text[-2000:]}", "output_file": kept}


def _attach(found: Found, path: str, data: bytes) -> None:
    target = found.record.folder / path
    if not target.parent.is_symlink():
        target.parent.mkdir(exist_ok=True)
    if target.parent.is_symlink():
        raise OSError(f"{target.parent.name} is a link")
    atomic.write(target, data)


def _kept(found: Found, entry: dict[str, Any]) -> str:
    """Where the entry is; where nothing can be written, what somebody has to write down."""
    try:
        aside = _aside(found, entry)
        return f"The entry is in {aside}: write it over {entry['id']} as soon as that can be done."
    except OSError:
        ended = f"completed_at {entry['completed_at']}, exit_code {entry['exit_code']}"
        return f"Nor is there another place for it: write down by hand {entry['id']}, {ended}."


def _aside(found: Found, entry: dict[str, Any]) -> str:
    path = f"attachments/{entry['id']}.json"
    _attach(found, path, (json.dumps(entry, indent=2, ensure_ascii=False) + "\n").encode())
    return path
