"""Writes blockers and readiness decisions into the execution log, in the protocol's form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import atomic, engine, execution_log, lock, run
from incident_gates.desk import found as finding
from incident_gates.desk import templates
from incident_gates.desk.drafts import words
from incident_gates.desk.new import phase_to_write
from incident_gates.desk.record import given
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import markdown
from incident_gates.evidence.refusal import Refusal
from incident_gates.incident import Record, text_of
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from incident_gates.desk.found import Found
    from incident_gates.model import Finding, GateReport, IncidentReport
    from incident_gates.run import Job

READINESS = "prerequisites"
MOST = 5
ASKED = {
    "Root Cause": "TODO what led to it",
    "Resolution": "TODO what was done",
    "Prevention": "TODO what keeps it from happening again",
}


class Asked(NamedTuple):
    """What was typed; everything may be left out."""

    step: str = ""
    gate: str = ""
    blocker: str = ""
    cause: str = ""
    resolution: str = ""
    prevention: str = ""
    name: str = ""
    role: str = ""
    at: str | None = None


class Stop(NamedTuple):
    """Where work stops: its name, the protocol's condition, and what stands against going on."""

    title: str
    condition: str
    against: list[Finding]


class Prerequisite(NamedTuple):
    """One artifact, approval or system state, and what is wrong with it; "" where nothing is."""

    kind: str
    name: str
    missing: str


class Recorded(NamedTuple):
    """What was written, and what there is to say; nothing was written where ``refused``."""

    incident_id: str
    file: str
    decision: str
    at: str
    by: str
    step: str
    blocker: str
    announcement: str
    condition: str = ""
    prerequisites: tuple[Prerequisite, ...] = ()
    refused: bool = False
    # The same moment, for a program.
    time: str = ""

    @property
    def as_json(self) -> dict[str, Any]:
        """The same as data."""
        listed = [
            {"kind": p.kind, "name": p.name, "met": not p.missing, "missing": p.missing or None}
            for p in self.prerequisites
        ]
        said = {**self._asdict(), "at": self.time, "prerequisites": listed}
        del said["time"]
        return {"incident": said.pop("incident_id"), **said}


# --- deciding ------------------------------------------------------------------------------------


def halt(job: Job, asked: Asked) -> Recorded:
    """Records what stops the work: at a step, at a gate, or before it begins."""
    found = finding.one(job)
    report = _judged(found)
    stop = _stop(found, report, asked)
    blocker = words.inline(asked.blocker, 600) or _against(stop.against)
    if not blocker:
        raise UsageError(f"Nothing stands against {stop.title} now; say what does with --blocker.")
    readiness = not (asked.step or asked.gate)
    met = _prerequisites(found, report) if readiness else ()
    said = _recorded(found, asked, execution_log.HALT, "" if readiness else stop.title)
    said = said._replace(
        blocker=blocker,
        condition=stop.condition,
        prerequisites=met,
        announcement=visible(run.error_announcement(stop.title, _plain(blocker)), 500),
    )
    form = {"Blocker": blocker, **_typed(asked)}
    _append(found, _section(said, _stated(said, found, asked, stop.condition), form))
    return said


def proceed(job: Job, asked: Asked) -> Recorded:
    """Records the decision to go on; refused while a prerequisite is missing."""
    found = finding.one(job)
    met = _prerequisites(found, _judged(found))
    said = _recorded(found, asked, execution_log.PROCEED, "")._replace(prerequisites=met)
    if any(p.missing for p in met):
        return said._replace(refused=True)
    phase = found.limits.protocol.data["phases"][phase_to_write(found.chain) - 1]
    condition = _gate(found, READINESS).pass_threshold
    _append(found, _section(said, _stated(said, found, asked, condition), {}))
    return said._replace(announcement=phase["announcement"])


def _judged(found: Found) -> IncidentReport:
    request = engine.Request(require=engine.READY)
    return engine.judge(found.record, found.limits, found.now, request)


def _recorded(found: Found, asked: Asked, decision: str, step: str) -> Recorded:
    name = asked.name or templates.author(found.record.base)
    if not name:
        raise UsageError("Git knows no author here; say who decides with --name.")
    role = f" ({words.inline(asked.role, 64)})" if asked.role else ""
    time = given.moment(asked.at, found.now).time.earliest
    at = f"{time:%Y-%m-%d %H:%M} UTC"
    path = f"{found.record.path}/{execution_log.NAME}"
    by = f"{words.inline(name, 100)}{role}"
    said = Recorded(found.record.incident_id, path, decision, at, by, step, "", "")
    return said._replace(time=finding.shown(time))


# --- what stands against it ----------------------------------------------------------------------


def _stop(found: Found, report: IncidentReport, asked: Asked) -> Stop:
    if asked.step and asked.gate:
        raise UsageError("Say either --step or --gate, not both.")
    if asked.step:
        return _at_step(found, report, asked.step)
    gate = _gate(found, asked.gate or READINESS)
    judged = next(g for g in report.gates if g.id == gate.id)
    title = f"gate {gate.number} {gate.name}" if gate.number else gate.name
    return Stop(title, gate.failure_handling, _failing(judged))


def _at_step(found: Found, report: IncidentReport, wanted: str) -> Stop:
    steps = {s["id"]: s for p in found.limits.protocol.data["phases"] for s in p["steps"]}
    if wanted not in steps:
        raise UsageError(f"{wanted} is no step of the protocol; they are {', '.join(steps)}.")
    step = steps[wanted]
    paths = {f"{report.path}/{name}" for name in step["evidence"]}
    failing = [f for gate in report.gates for f in _failing(gate) if f.location.file in paths]
    return Stop(f"step {wanted} {step['title']}", step.get("halt", ""), failing)


def _gate(found: Found, wanted: str) -> Any:
    for gate in found.limits.protocol.gates:
        if wanted.casefold() in (gate.id, str(gate.number or "p")):
            return gate
    names = ", ".join(gate.id for gate in found.limits.protocol.gates)
    raise UsageError(f"{wanted} is no gate; they are {names}.")


def _failing(gate: GateReport) -> list[Finding]:
    """What fails a gate, or will when it is due."""
    return [f for f in (*gate.findings, *gate.needs) if f.fails]


def _against(findings: list[Finding]) -> str:
    said = list(dict.fromkeys(words.inline(f"{f.message} ({f.rule})", 200) for f in findings))
    more = len(said) - MOST
    return "; ".join(said[:MOST]) + (f"; and {more} more" if more > 0 else "")


def _prerequisites(found: Found, report: IncidentReport) -> tuple[Prerequisite, ...]:
    """Each artifact, approval and state that must be there, and what is wrong with it now."""
    data = found.limits.protocol.data["prerequisites"]
    failing = _failing(next(gate for gate in report.gates if gate.id == READINESS))
    wanted = [("artifact", e["file"]) for e in data["artifacts"] if not e.get("optional")]
    wanted += [
        ("approval", e["id"])
        for e in data["approvals"]
        if not e.get("when") or found.chain.security_required
    ]
    wanted += [("system state", e["id"]) for e in data["system_states"]]
    listed = [Prerequisite(kind, name, _wrong(failing, name)) for kind, name in wanted]
    told = {id(f) for f in failing for _, name in wanted if _is_about(f, name)}
    others = [f for f in failing if id(f) not in told]
    return (*listed, *(Prerequisite("other", f.rule, words.inline(f.message)) for f in others))


def _wrong(failing: list[Finding], name: str) -> str:
    about = [
        words.inline(f.message.removeprefix(f"{name}: ")) for f in failing if _is_about(f, name)
    ]
    return "; ".join(dict.fromkeys(about))


def _is_about(finding_: Finding, name: str) -> bool:
    return finding_.subject.split("/")[0] == name


# --- the log -------------------------------------------------------------------------------------


def _stated(said: Recorded, found: Found, asked: Asked, condition: str) -> dict[str, str]:
    stated = {"Decision": said.decision, "By": said.by}
    if condition:
        stated["Condition"] = condition
    if asked.at:
        stated["Recorded"] = f"{found.now:%Y-%m-%d %H:%M} UTC"
    if said.prerequisites:
        met = sum(not p.missing for p in said.prerequisites)
        stated["Prerequisites"] = f"{met} of {len(said.prerequisites)} met"
    return stated


def _typed(asked: Asked) -> dict[str, str]:
    typed = (asked.cause, asked.resolution, asked.prevention)
    pairs = zip(ASKED.items(), typed, strict=True)
    return {key: words.inline(text, 2000) or todo for (key, todo), text in pairs}


def _section(said: Recorded, stated: dict[str, str], form: dict[str, str]) -> str:
    at = f" at {said.step}" if said.step else ""
    lines = [f"## {said.at} - {said.decision}{at}", ""]
    lines += [f"- {key}: {value}" for key, value in stated.items()]
    lines += [part for key, value in form.items() for part in ("", f"**{key}:** {value}")]
    if said.prerequisites:
        lines += ["", "| Prerequisite | Kind | Status |", "|---|---|---|"]
        lines += [f"| {p.name} | {p.kind} | {_status(p)} |" for p in said.prerequisites]
    return "\n".join(lines) + "\n"


def _status(prerequisite: Prerequisite) -> str:
    missing = prerequisite.missing.replace("|", "\\|")
    return f"not met: {missing}" if missing else "met"


def _append(found: Found, section: str) -> None:
    with lock.held(found.record.folder):
        text = _text(_fresh(found))
        before = len(_entries(text))
        changed = f"{text.rstrip()}\n\n{section}"
        if len(_entries(changed)) != before + 1:
            raise CouldNotTell(
                f"The entry would not be read where it stands: something in {execution_log.NAME} "
                "is left open, such as a block of code. Close it, then try again"
            )
        atomic.write(found.record.folder / execution_log.NAME, changed.encode())


def _entries(text: str) -> list[markdown.Section]:
    return [s for s in markdown.parse(text).sections if _is_entry(s)]


def _is_entry(section: markdown.Section) -> bool:
    stated = markdown.fields(section)
    return "decision" in stated or "blocker" in stated


def _fresh(found: Found) -> Record:
    """The record as it stands under the lock: somebody else may have written meanwhile."""
    return found.record.again()


def _text(record: Record) -> str:
    """The log as it stands, or as it begins."""
    document = record.document(execution_log.NAME)
    if document is None:
        return f"# Protocol execution log of {words.inline(record.incident_id, 64)}\n"
    if document.refusal:
        raise UsageError(f"{execution_log.NAME} is left as it is: {document.refusal.what}.")
    return document.text


# --- going on ------------------------------------------------------------------------------------


def resolve(job: Job, asked: Asked, which: int | None = None) -> Recorded:
    """Completes the form of an open blocker; what was written in it is never replaced."""
    found = finding.one(job)
    said = _recorded(found, asked, "Resolved", "")
    with lock.held(found.record.folder):
        record = _fresh(found)
        text = _text(record)
        entry = _meant(execution_log.open_halts(record), which)
        changed = _completed(text, entry, asked, said)
        atomic.write(found.record.folder / execution_log.NAME, changed.encode())
    return said._replace(step=entry.step, blocker=entry.blocker)


def _meant(open_: tuple[execution_log.Entry, ...], which: int | None) -> execution_log.Entry:
    if not open_:
        raise UsageError("No blocker is open.")
    if which is None and len(open_) > 1:
        listed = "; ".join(f"{n} {visible(e.blocker, 60)}" for n, e in enumerate(open_, 1))
        raise UsageError(f"{len(open_)} blockers are open; say which with --number N: {listed}")
    if not 1 <= (which or 1) <= len(open_):
        raise UsageError(f"There is no blocker {which}; {len(open_)} are open.")
    return open_[(which or 1) - 1]


def _completed(text: str, entry: execution_log.Entry, asked: Asked, said: Recorded) -> str:
    section = next(s for s in markdown.parse(text).sections if s.line == entry.place.line)
    lines = text.replace("\r\n", "\n").split("\n")
    typed = dict(zip(ASKED, (asked.cause, asked.resolution, asked.prevention), strict=True))
    if not typed["Resolution"]:
        raise UsageError("Say what was done: --resolution TEXT.")
    last = section.line - 1
    for index in range(section.line - 1, section.end):
        for key in execution_log.FORM:
            if lines[index].startswith(f"**{key}:**"):
                last = index
                lines[index] = _filled(lines[index], key, typed.get(key, ""))
    missing = [k for k in typed if typed[k] and f"**{k}:**" not in "\n".join(lines[section.line :])]
    new = [f"**{key}:** {words.inline(typed[key], 2000)}" for key in missing]
    resolved = f"**Resolved:** {said.at} by {said.by}"
    lines[last + 1 : last + 1] = [part for line in (*new, resolved) for part in ("", line)]
    return "\n".join(lines)


def _filled(line: str, key: str, text: str) -> str:
    """A line of the form with its placeholder replaced; words of somebody's own stay."""
    if not text:
        return line
    stands = line.removeprefix(f"**{key}:**").strip()
    if text_of(stands):
        raise UsageError(f"{key} is written already: {visible(stands, 80)}")
    return f"**{key}:** {words.inline(text, 2000)}"


def _plain(text: str) -> str:
    """Words as they were before they were put into Markdown."""
    try:
        section = markdown.parse(text).sections[0]
    except Refusal:
        return text
    return " ".join(b.text for b in section.blocks if isinstance(b, markdown.Line)) or text
