"""The protocol's awareness statement on one record, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from incident_gates import engine, protocol
from incident_gates.desk import pace, verbs
from incident_gates.desk.new import phase_to_write
from incident_gates.model import CRITICAL, INFO, Status, Verdict
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from incident_gates.chain import Chain
    from incident_gates.desk.found import Found
    from incident_gates.desk.pace import Pace, Update
    from incident_gates.incident import Node
    from incident_gates.model import Finding, GateReport, IncidentReport

# The order in which the gates become due, which is the order in which they are worked on.
WORKED_ON = ("severity", "prerequisites", "mitigation", "recovery", "resolution")
PHASE_OF = {"severity": 1, "prerequisites": 2, "mitigation": 2, "recovery": 3, "resolution": 4}
DONE, GAPS, EMPTY, MISSING = "done", "has_gaps", "empty", "missing"
PLACEHOLDER, ABSENT = "FIL009", "FIL001"
MOST_UNTOLD = 20
# What a verdict takes for granted until something confirms it.
TAKEN = {
    "identities": "the people named are who the record says they are",
    "clocks": "the times written down are right",
    "derived files": "derived files repeat the record and confirm nothing",
}


class Standing(NamedTuple):
    """One record judged, with its events."""

    chain: Chain
    report: IncidentReport


class File(NamedTuple):
    """One file that the record should hold by now: done, with gaps, empty, or missing."""

    file: str
    step: str
    state: str
    gaps: int


class Step(NamedTuple):
    """One step of the present phase."""

    id: str
    title: str
    must: bool
    done: bool
    halt: str


class Blocker(NamedTuple):
    """Something that a gate asks for; it ``blocks`` where it is critical and not excused."""

    gate: str
    due: bool
    blocks: bool
    finding: Finding


class Awareness(NamedTuple):
    """Everything that is known, and not known, about how one record stands."""

    standing: Standing
    steps: tuple[Step, ...]
    files: tuple[File, ...]
    blockers: tuple[Blocker, ...]
    paces: tuple[Pace, ...]
    update: Update | None
    confidence: tuple[str, str]
    assumptions: tuple[str, ...]
    untold: tuple[str, ...]
    inputs: tuple[str, ...]

    @property
    def step(self) -> Step | None:
        """The step to be at: the first of the phase that is not done."""
        return next((step for step in self.steps if not step.done), None)


def seen(records: Sequence[Found], *, fixed: bool = False) -> list[Standing]:
    """Each record judged; ``fixed`` says that somebody chose the moment."""
    request = engine.Request(fixed=fixed)
    return [
        Standing(found.chain, engine.judge(found.record, found.limits, found.now, request))
        for found in records
    ]


def of(standing: Standing) -> Awareness:
    """The statement on one record."""
    chain, report = standing
    if report.verdict is Verdict.ERROR and not report.causal_line and not report.severity:
        return _unknown(standing)
    files = tuple(_files(chain, report))
    return Awareness(
        standing,
        tuple(_steps(report, files)),
        files,
        tuple(_blockers(report)),
        tuple(pace.measured(chain)),
        pace.next_update(chain),
        _confidence(chain, report),
        tuple(_assumptions(chain, report)),
        tuple(_untold(chain, report)),
        tuple(_inputs(chain)),
    )


def _unknown(standing: Standing) -> Awareness:
    """A record that could not be judged: nothing further is claimed about it."""
    said = dict.fromkeys(f"gate {g.name}: {g.summary}" for g in standing.report.gates)
    none = ("none", "the record could not be judged")
    return Awareness(standing, (), (), (), (), None, none, (), tuple(said), ())


# --- where it is ---------------------------------------------------------------------------------


def _files(chain: Chain, report: IncidentReport) -> Iterator[File]:
    """Each file up to the phase that is worked on."""
    phase = phase_to_write(chain)
    logs = {"communication-log.md": chain.notices, "incident-timeline.md": chain.timeline.entries}
    phases = protocol.load().data["phases"]
    steps = {file: s["id"] for p in phases for s in p["steps"] for file in s["evidence"]}
    for artifact in protocol.load().artifacts.values():
        if not artifact.required or artifact.phase > phase:
            continue
        found = _at(report, artifact.file)
        if any(f.rule == ABSENT for f in found):
            state = MISSING
        elif found:
            state = GAPS
        else:
            state = DONE if logs.get(artifact.file, True) else EMPTY
        yield File(artifact.file, steps.get(artifact.file, ""), state, len(found))


def _steps(report: IncidentReport, files: Iterable[File]) -> Iterator[Step]:
    states = {f.file: f.state for f in files}
    for step in protocol.load().data["phases"][report.phase - 1]["steps"]:
        done = all(states.get(name) == DONE for name in step["evidence"])
        must = step["obligation"] == "must"
        yield Step(step["id"], step["title"], must, done, step.get("halt", ""))


def _at(report: IncidentReport, file: str) -> list[Finding]:
    """What is wrong or still missing in one file of the record, one entry a line."""
    everything = [f for gate in report.gates for f in missing(gate)]
    everything += [f for f in report.findings if f.fails]
    return [f for f in everything if f.location.file == f"{report.path}/{file}"]


def missing(gate: GateReport) -> list[Finding]:
    """What keeps a gate from passing; a placeholder is left out where a finding says more."""
    return _without_echoes(f for f in (*gate.findings, *gate.needs) if f.fails)


def _without_echoes(findings: Iterable[Finding]) -> list[Finding]:
    found = list(findings)
    said = {_spot(f) for f in found if f.rule != PLACEHOLDER}
    kept = [f for f in found if f.rule != PLACEHOLDER or _spot(f) not in said]
    return sorted(kept, key=lambda f: (f.location.file, f.location.line or 0))


def _spot(found: Finding) -> tuple[str, int | None]:
    return found.location.file, found.location.line


# --- what blocks it ------------------------------------------------------------------------------


def in_order_of_work(report: IncidentReport) -> list[GateReport]:
    """The gates as they are worked on; those that failed come first."""
    gates = sorted(report.gates, key=lambda gate: WORKED_ON.index(gate.id))
    return sorted(gates, key=lambda gate: gate.status is not Status.FAILED)


def comes_later(aware: Awareness, gate: str) -> bool:
    """Whether a gate belongs to a phase that nobody works on yet."""
    writing = max((protocol.load().artifacts[f.file].phase for f in aware.files), default=1)
    return PHASE_OF[gate] > writing if gate in PHASE_OF else False


def _blockers(report: IncidentReport) -> Iterator[Blocker]:
    """Everything that any gate still asks for, gate by gate: what blocks, then what warns."""
    for gate in in_order_of_work(report):
        yield from (Blocker(gate.id, gate.due, True, f) for f in missing(gate))  # noqa: FBT003
        warned = [f for f in gate.findings if not f.fails and not f.excuse and f.level != INFO]
        yield from (Blocker(gate.id, gate.due, False, f) for f in warned)  # noqa: FBT003
    for finding in report.findings:
        if finding.level != INFO and not finding.excuse:
            yield Blocker("record", True, finding.level == CRITICAL, finding)  # noqa: FBT003


# --- how far it can be relied on -----------------------------------------------------------------


def _confidence(chain: Chain, report: IncidentReport) -> tuple[str, str]:
    """A word, and what it rests on; it is never high while nobody but the author says so."""
    unread = sum(d.refusal is not None for d in chain.record.documents())
    if report.verdict is Verdict.ERROR:
        return "none", "a gate could not be judged"
    if unread:
        return "low", f"{counted(unread, 'file')} cannot be read"
    if report.verdict is Verdict.FAILED:
        return "low", "the record contradicts itself or lacks what is due"
    if all(missing(gate) for gate in report.gates):
        return "low", "no gate is complete yet, so hardly anything was compared"
    lacking = report.assurance.not_corroborated
    said = "nothing that is due is missing or contradicts the rest"
    if lacking:
        return "medium", f"{said}; {' and '.join(lacking)} not corroborated"
    return "high", said


def _assumptions(chain: Chain, report: IncidentReport) -> Iterator[str]:
    own = chain.limits.protocol
    policy = chain.limits.policy.path or "no policy"
    yield f"judged by Protocol {own.data['id']} version {own.version} and {policy}"
    yield from (TAKEN.get(name, f"{name} are right") for name in report.assurance.not_corroborated)
    flags = () if chain.false_positive else ("regulated_data", "customer_notification")
    for name in flags:
        if chain.prerequisites[name].flag is None:
            yield f"{name}: not said, taken as no"


def _untold(chain: Chain, report: IncidentReport) -> Iterator[str]:
    """What could not be told, and what the record itself says is not known."""
    found = [f"gate {g.name}: {g.summary}" for g in report.gates if g.status is Status.ERROR]
    found += [
        f"{d.name} cannot be read: {d.refusal.what}" for d in chain.record.documents() if d.refusal
    ]
    found += [
        f"whether {link.label} at {link.time} came in order{f' ({link.gap})' if link.gap else ''}"
        for link in report.causal_line
        if link.order == "not_provable"
    ]
    for document in chain.record.own():
        found += [f"{document.name}: {where} ({why})" for where, why in _reasons(document.root)]
    unsaid = [(n["file"].text, n["reason"].text) for n in chain.prerequisites["not_available"]]
    found += [f"{file}: not available ({why})" for file, why in unsaid]
    yield from found[:MOST_UNTOLD]
    if len(found) > MOST_UNTOLD:
        yield f"and {len(found) - MOST_UNTOLD} more"


def _reasons(node: Node) -> Iterator[tuple[str, str]]:
    """Each ``N/A: reason`` of a JSON file, by its name."""
    if node.unavailable:
        name = next((key for key in reversed(node.pointer) if isinstance(key, str)), "")
        yield name, node.unavailable
    elif isinstance(node.value, dict):
        for key in node.value:
            yield from _reasons(node[key])
    elif isinstance(node.value, list):
        for item in node:
            yield from _reasons(item)


def _inputs(chain: Chain) -> Iterator[str]:
    """What must come from others: upstream files, and people's words."""
    if chain.closed or chain.false_positive:
        return
    said = {n["file"].text for n in chain.prerequisites["not_available"]}
    for entry in chain.limits.protocol.inputs:
        name = entry["file"]
        if not entry.get("optional") and name not in said and not chain.record.document(name):
            yield f"{name} from Protocol {entry['from']}"
    for decision, role in verbs.lacking_approvals(chain):
        yield f"{role or 'one other person'}: a word on {decision}"
