"""Appends the two entries that no one can write by hand: an approval, and an execution."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import atomic, engine, facts, schema
from incident_gates.chain import latest_words
from incident_gates.desk import found as finding
from incident_gates.desk import json_text, lock, running, templates
from incident_gates.desk.found import Found
from incident_gates.errors import CouldNotTell, GateError, UsageError
from incident_gates.evidence import bounds, files, strict_json, times
from incident_gates.evidence.refusal import Refusal
from incident_gates.incident import Document, Record
from incident_gates.model import Status
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from incident_gates.chain import Chain
    from incident_gates.facts import Approval, Decision, Option
    from incident_gates.model import Finding, IncidentReport
    from incident_gates.run import Job

DECISIONS, EXECUTIONS = "decision-log.json", "mitigation-execution-report.json"
ROLE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Longer output goes to a file of its own; the schema lets a text be this long.
INLINE_CHARS = 16_000
INTERRUPTED = 130


class Word(NamedTuple):
    """What somebody says about a decision."""

    decision: str | None
    role: str
    name: str | None
    reject: bool
    at: str | None
    source: str | None = None


class Order(NamedTuple):
    """What is to be executed, and on whose word."""

    command: Sequence[str]
    decision: str | None
    services: Sequence[str]
    change_reference: str | None
    emergency: str | None
    operator: str | None


# --- approval ------------------------------------------------------------------------------------


def approval(job: Job, word: Word) -> str:
    """Appends an approval, or a rejection, of a decision's option as it is written now."""
    found = finding.one(job)
    with lock.held(found.record.folder):
        found = _fresh(found)
        chain = found.chain
        decision = _decision(chain, word.decision)
        option = chain.option(decision.option)
        if option is None:
            said = (
                f"{decision.id} chooses option {decision.option}, which mitigation-plan.md lacks."
            )
            raise UsageError(said)
        entry = _word(found, word, option)
        _refuse_repeat(chain, decision, option, entry)
        text = _text(found, DECISIONS)
        index = decision.node.pointer[1]
        changed = json_text.appended(text, ("decisions", index, "approvals"), entry)
        _save(found, DECISIONS, text, changed)
    return _approved(_fresh(found), decision.id, option, entry)


def _word(found: Found, word: Word, option: Option) -> dict[str, Any]:
    role = facts.slug(word.role)
    if not ROLE.fullmatch(role):
        raise UsageError(f"--role {word.role}: write a role such as incident_commander.")
    known = _roles(found)
    near = [] if role in known else get_close_matches(role, known, n=1, cutoff=0.8)
    if near:
        raise UsageError(f"--role {word.role}: did you mean {near[0]}?")
    name = _name(found, word.name, "--name")
    entry: dict[str, Any] = {
        "verdict": "reject" if word.reject else "approve",
        "by": {"name": name, "role": role},
        "approved_at": finding.shown(found.now) if word.at is None else _at(word.at, found.now),
        "option_sha256": option.sha256,
    }
    if word.at is not None and not word.source:
        said = "--at records an earlier word: say where it can be seen with --source TEXT."
        raise UsageError(said)
    if word.source:
        entry["source"] = _plain(word.source)
    return entry if word.at is None else {**entry, "recorded_at": finding.shown(found.now)}


def _roles(found: Found) -> list[str]:
    """The roles that the protocol and the policy know."""
    data = found.limits.protocol.data
    named = [entry["role"] for entry in data["prerequisites"]["approvals"]]
    people = found.limits.policy.data.get("people", ())
    return [*named, *(role for person in people for role in person.get("roles", ()))]


def _at(text: str, now: datetime) -> str:
    written = text.strip().upper().replace(" ", "T")
    time = times.parse(written)
    if time is None:
        raise UsageError(f"--at {text}: {times.why_not(text)}; write 2026-03-14T02:23:00Z.")
    if time.earliest > now:
        raise UsageError(f"--at {text}: that is later than now.")
    return written


def _name(found: Found, given: str | None, option: str) -> str:
    name = _plain(given).strip() if given else templates.author(found.record.base)
    if not name:
        raise UsageError(f"Git knows no user.name here: say who with {option} NAME.")
    return name


def _plain(text: str) -> str:
    """Text from the command line without what cannot be written or seen."""
    return running.visible(text.encode("utf-8", "backslashreplace").decode())


def _decision(chain: Chain, wanted: str | None) -> Decision:
    """The decision named, or the only one that stands."""
    live = [d for d in chain.decisions if chain.superseding(d) is None]
    if wanted is None:
        if len(live) == 1:
            return live[0]
        names = ", ".join(d.id for d in live)
        said = f"stands on {names}: say which with --decision" if live else "holds no decision yet"
        raise UsageError(f"{DECISIONS} {said}.")
    named = next((d for d in chain.decisions if d.id == wanted), None)
    if named is None:
        names = ", ".join(d.id for d in chain.decisions) or "no decision yet"
        raise UsageError(f"There is no decision {wanted}; {DECISIONS} holds {names}.")
    return named


def _refuse_repeat(chain: Chain, decision: Decision, option: Option, entry: dict[str, Any]) -> None:
    """One person has one word on one text; who changes it, or sees a changed text, speaks anew."""
    said = [a for a in decision.approvals if chain.same(a.name, entry["by"]["name"])]
    last: Approval | None = said[-1] if said else None
    if last and last.verdict == entry["verdict"] and last.sha256 in ("", option.sha256):
        verb = "approved" if last.verdict == "approve" else "rejected"
        line = chain.record.locate(last.node.place).line
        raise UsageError(f"{last.name} {verb} {decision.id} already ({DECISIONS}:{line}).")


def _approved(found: Found, decision_id: str, option: Option, entry: dict[str, Any]) -> str:
    chain = found.chain
    decision = _decision(chain, decision_id)
    who, role = entry["by"]["name"], entry["by"]["role"]
    verb = "approves" if entry["verdict"] == "approve" else "rejects"
    line = chain.record.locate(decision.approvals[-1].node.place).line
    lines = [
        f"{who} ({role}) {verb} {decision.id}, option {option.id}: {option.title}",
        f"  at {entry['approved_at']}, text {option.sha256[:12]}…  {DECISIONS}:{line}",
    ]
    required = chain.required_approvals(decision, None)
    if role in {r.role for r in required} and not chain.holds(who, role, None):
        lines.append(f"Note: neither policy nor prerequisites.json names {who} as {role}.")
    current = {None, "", option.sha256}
    lacking = [
        r.role or "one other person"
        for r in required
        if r.approval is None or (not r.approval.standing and r.approval.sha256 not in current)
    ]
    against = [w.name for w in latest_words(chain, decision) if w.verdict == "reject"]
    if against:
        lines.append(f"Rejected by {' and '.join(against)}: {decision.id} cannot be executed.")
    elif lacking:
        lines.append(f"Still to approve this text: {', '.join(lacking)}")
    else:
        lines.append("All have approved.")
    return "\n".join(lines)


# --- execution -----------------------------------------------------------------------------------


class NotReady(NamedTuple):
    """Why nothing was run."""

    report: IncidentReport
    bars: list[Finding]


class Done(NamedTuple):
    """What was run and recorded."""

    exit_code: int
    entry: dict[str, Any]
    said: str


class Begun(NamedTuple):
    """An execution about to run: its entry is in the file already."""

    entry: dict[str, Any]
    bars: list[Finding]
    report: IncidentReport
    approve_within_minutes: float


def execution(job: Job, order: Order, warn: Callable[[Begun], None]) -> NotReady | Done:
    """Runs a command and records it, unless the record forbids it; ``warn`` prints a text.

    The entry is written before the command starts, with an unknown outcome: if the machine dies
    half-way, the record shows that something was run, and nobody has to remember it.
    """
    if shutil.which(order.command[0]) is None:
        raise UsageError(f"{_plain(order.command[0])} is no command that can be run here.")
    with running.signals_kept() as signals:
        found = finding.one(job)
        with lock.held(found.record.folder):
            begun = _begin(_fresh(found), order)
        if isinstance(begun, NotReady):
            return begun
        warn(begun)
        return _finish(found, begun.entry, running.run(order.command, signals))


def _begin(found: Found, order: Order) -> NotReady | Begun:
    text = _text(found, EXECUTIONS)
    entry = _entry(found, order)
    changed = json_text.appended(text, ("executions",), entry)
    report, bars = _judged(found, changed, entry)
    if bars and not order.emergency:
        return NotReady(report, bars)
    _save(found, EXECUTIONS, text, changed)
    return Begun(entry, bars, report, found.limits.threshold("break_glass_minutes"))


def _entry(found: Found, order: Order) -> dict[str, Any]:
    chain = found.chain
    # An emergency may come before its decision; everything else carries one out.
    early = order.emergency and order.decision is None and not chain.decisions
    decision = None if early else _decision(chain, order.decision)
    services = [_plain(s) for s in order.services] or list(decision.services if decision else ())
    if not services:
        raise UsageError("The decision names no service: say which with --service.")
    entry: dict[str, Any] = {
        "id": _next_id(chain),
        "decision": decision.id if decision else "N/A: run before anything was decided",
        "services": services,
        "purpose": "mitigation",
        "operator": {"name": _name(found, order.operator, "--operator"), "role": "operator"},
        "command": _plain(shlex.join(order.command)),
        "change_reference": _plain(order.change_reference or ""),
        "started_at": finding.shown(found.now),
        "exit_code": "N/A: still running, or cut off together with its recording",
        "outcome": "unknown",
        "emergency": {"reason": _plain(order.emergency or "")} if order.emergency else None,
    }
    return {key: value for key, value in entry.items() if value}


def _next_id(chain: Chain) -> str:
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
    """Completes the entry; a file that cannot be changed just now loses nothing either."""
    ending = {**_ending(ended), **_output(found, begun["id"], ended)}
    said = ""
    try:
        with lock.held(found.record.folder):
            entry = _completed(_fresh(found), begun, ending)
    except (GateError, OSError, AttributeError, TypeError) as error:
        entry = {**begun, **ending}
        said = (
            f"{EXECUTIONS} could not be changed ({error}). The entry is in {_aside(found, entry)}."
        )
    return Done(INTERRUPTED if ended.interrupted else ended.status, entry, said)


def _completed(found: Found, begun: dict[str, Any], ending: dict[str, Any]) -> dict[str, Any]:
    """Writes the end into the entry; whatever else was written there meanwhile stays."""
    text = _text(found, EXECUTIONS)
    entries = strict_json.parse(text).get("executions", [])
    index = next((i for i, e in enumerate(entries) if e.get("id") == begun["id"]), None)
    entry: dict[str, Any] = {**(begun if index is None else entries[index]), **ending}
    if index is None:
        changed = json_text.appended(text, ("executions",), entry)
    else:
        changed = json_text.replaced(text, ("executions", index), entry)
    _save(found, EXECUTIONS, text, changed)
    return entry


def _fresh(found: Found) -> Found:
    """The same record, read again."""
    record = found.record
    again = Record(record.folder, site=record.site, base=record.base, protocol=record.protocol)
    return Found(again, found.limits, finding.moment())


def _ending(ended: running.Ended) -> dict[str, Any]:
    known = ended.exit_code is not None
    outcome = "succeeded" if ended.exit_code == 0 else "failed"
    return {
        "completed_at": finding.shown(ended.completed) if known else f"N/A: {ended.problem}",
        "exit_code": ended.exit_code if known else f"N/A: {ended.problem}",
        "outcome": "unknown" if ended.interrupted else outcome,
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
    target.parent.mkdir(exist_ok=True)
    if target.parent.is_symlink():
        raise OSError(f"{target.parent.name} is a link")
    atomic.write(target, data)


def _aside(found: Found, entry: dict[str, Any]) -> str:
    path = f"attachments/{entry['id']}.json"
    _attach(found, path, (json.dumps(entry, indent=2, ensure_ascii=False) + "\n").encode())
    return path


# --- files ---------------------------------------------------------------------------------------


def _text(found: Found, name: str) -> str:
    """A file's text; that of its template where it is missing."""
    if name not in found.record.names:
        return templates.filled(name, found).decode()
    try:
        text = files.decode(files.read(found.record.folder / name, bounds.FILE_BYTES))
        strict_json.parse(text)
    except Refusal as refusal:
        where = f"{name}:{refusal.line}" if refusal.line else name
        raise UsageError(f"{where}: {refusal.what}. {refusal.fix}") from None
    return text


def _save(found: Found, name: str, before: str, after: str) -> None:
    """Writes a file, unless the change would break its schema."""
    stem = name.rsplit(".", 1)[0]
    known = set(schema.problems(stem, strict_json.parse(before)))
    new = [p for p in schema.problems(stem, strict_json.parse(after)) if p not in known]
    if new:
        raise UsageError(f"{name} would be broken: {new[0].message}.")
    try:
        atomic.write(found.record.folder / name, after.encode())
    except OSError as error:
        raise CouldNotTell(f"{name} cannot be written: {error.strerror}") from error
