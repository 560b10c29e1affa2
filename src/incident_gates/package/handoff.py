"""handoff.md: the protocol's checklist, each line answered from the record and from this run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.model import Status
from incident_gates.package.manifest import is_sound
from incident_gates.package.own import MANIFEST, MARK
from incident_gates.report.escape import markdown
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from incident_gates.model import Finding, GateReport
    from incident_gates.package.judged import Judged

    Manifest = Mapping[str, Any]

MET, NOT_MET, WAIVED, NOT_ASKED = "met", "not met", "waived", "not applicable"
ANSWERS = {
    Status.PASSED: MET,
    Status.WAIVED: WAIVED,
    Status.NOT_APPLICABLE: NOT_ASKED,
}
WORST_FIRST = (NOT_MET, WAIVED, MET, NOT_ASKED)
ALLOWS = "or waivers documented"
LOG = "communication-log.md"
SHOWN = 5


class Answer(NamedTuple):
    """How one line stands, why, and the files that say so."""

    state: str
    why: str
    files: tuple[str, ...] = ()


def page(judged: Judged, manifest: Manifest) -> bytes:
    """The checklist, then the statement to the next protocols where nothing stands against it."""
    said = judged.limits.protocol.data["handoff"]
    answers = [
        (line["says"], ANSWERING[line["id"]](judged, manifest)) for line in said["checklist"]
    ]
    lines = [
        MARK,
        "",
        f"# Hand-over of {markdown(judged.record.incident_id)}",
        "",
        _circumstances(judged),
        "",
        f"## {said['title']}",
        "",
        *(_line(says, answer) for says, answer in answers),
        "",
        f"## {said['to']}",
        "",
        *_handed_over(judged, said, [answer.state for _, answer in answers]),
        "",
    ]
    return "\n".join(lines).encode()


def _circumstances(judged: Judged) -> str:
    protocol = judged.limits.protocol
    number, version = protocol.data["id"], protocol.version
    return f"As of {judged.report.as_of}, under Protocol {number}, version {version}."


def _line(says: str, answer: Answer) -> str:
    """A tick for what was checked and met; a waiver is no tick, but where the line allows it."""
    allowed = answer.state == WAIVED and ALLOWS in says
    tick = "x" if answer.state == MET or allowed else " "
    named = ", ".join(f"`{file}`" for file in answer.files)
    where = f" ({named})" if named else ""
    return f"- [{tick}] {says} – **{answer.state}**: {answer.why}{where}"


def _handed_over(judged: Judged, said: Mapping[str, Any], states: list[str]) -> list[str]:
    against = states.count(NOT_MET)
    if against:
        lines = "line is" if against == 1 else "lines are"
        return [f"Not handed over: {against} {lines} not met. Mend them, then aggregate again."]
    if judged.chain.false_positive:
        return ["A false positive: there is nothing to hand over but its intake log."]
    waived = states.count(WAIVED)
    lines = "line rests" if waived == 1 else "lines rest"
    resting = [f"{waived} {lines} on waivers or deviations: see above.", ""] if waived else []
    package = [f"- `{entry['file']}` – {entry['says']}" for entry in said["package"]]
    return [
        said["statement"],
        "",
        *resting,
        "Evidence package:",
        "",
        *package,
        "",
        "Next:",
        "",
        f"    {said['execution']}",
    ]


# --- the seven answers ---------------------------------------------------------------------------


def _prerequisites(judged: Judged, _: Manifest) -> Answer:
    gate = next(g for g in judged.report.gates if g.id == "prerequisites")
    return Answer(_state(gate), _gate_said(gate), ("prerequisites.json",))


def _gates(judged: Judged, _: Manifest) -> Answer:
    asked = [g for g in judged.report.gates if g.number]
    said = ", ".join(f"{g.number} {g.status.value.replace('_', ' ')}" for g in asked)
    excuses = _excuses(f for g in asked for f in g.findings)
    return Answer(_worst(_state(g) for g in asked), f"gates {said}{excuses}", (MANIFEST,))


def _steps(judged: Judged, _: Manifest) -> Answer:
    """A step is done where its evidence is valid and the gate that reads it stands."""
    if judged.chain.false_positive:
        return Answer(
            NOT_ASKED, "a false positive ends after its intake", ("incident-intake-log.md",)
        )
    steps = [s for phase in judged.limits.protocol.data["phases"] for s in phase["steps"]]
    states = {s["id"]: _step(judged, s["evidence"]) for s in steps}
    undone = [step for step, state in states.items() if state == NOT_MET]
    closed = "" if judged.chain.closed else "; the incident is not closed"
    done = len(steps) - len(undone)
    why = f"{done} of {len(steps)} steps have valid evidence at a gate that stands"
    why += f"; not so {_some(undone)}" if undone else ""
    return Answer(NOT_MET if closed else _worst(states.values()), why + closed)


def _step(judged: Judged, evidence: Iterable[str]) -> str:
    gates = {g.id: g for g in judged.report.gates}
    known = judged.limits.protocol.artifacts
    states = [_state(gates[known[name].gate]) for name in evidence]
    valid = all(judged.valid(name) for name in evidence)
    return _worst(states) if valid or WAIVED in states else NOT_MET


def _evidence(judged: Judged, manifest: Manifest) -> Answer:
    metric = next(m for m in manifest["quality_metrics"] if m["id"] == "evidence_completeness")
    loose = manifest["uncommitted"]
    why = f"{metric['value'] or 0:.0%} of the required files are valid"
    why += f"; {len(manifest['files'])} files with their digests"
    why += (
        f"; left out: {_some(e['path'] for e in manifest['left_out'])}"
        if manifest["left_out"]
        else ""
    )
    why += f"; not committed as they are: {_some(loose)}" if loose else ""
    why += "" if judged.committed.known else "; whether git keeps them is not known here"
    sound = metric["status"] == MET and not loose and not manifest["left_out"]
    return Answer(MET if sound else NOT_MET, why, (MANIFEST,))


def _outputs(_: Judged, manifest: Manifest) -> Answer:
    owed = [o for o in manifest["outputs"] if o["owed"]]
    lacking = [f"{o['file']} (to {o['to_protocol']})" for o in owed if not is_sound(o)]
    why = f"{len(owed) - len(lacking)} of {len(owed)} are there, valid and the very bytes judged"
    why += f"; not so {_some(lacking)}" if lacking else ""
    return Answer(NOT_MET if lacking else MET, why, tuple(o["file"] for o in owed if is_sound(o)))


def _automation(judged: Judged, _: Manifest) -> Answer:
    """From what this very run ran: the gates' own validators, and aggregation, which is this."""
    gates = judged.report.gates
    failed = [_hook(g) for g in gates if _state(g) == NOT_MET]
    waived = [_hook(g) for g in gates if _state(g) == WAIVED]
    asked = [g for g in gates if _state(g) != NOT_ASKED]
    why = f"this run ran {len(asked)} of {len(gates)} validators and the aggregation"
    why += f"; no success: {_some(failed)}" if failed else "; none failed"
    why += f", {_some(waived)}" if waived else ""
    return Answer(NOT_MET if failed else MET, why + "; other runs are not known here")


def _hook(gate: GateReport) -> str:
    return f"{gate.id} ({gate.status.value.replace('_', ' ')})"


def _communication(judged: Judged, _: Manifest) -> Answer:
    if judged.chain.false_positive:
        return Answer(NOT_ASKED, "a false positive is nothing to tell about", ())
    notices = len(judged.chain.notices)
    wrong = [f for f in judged.about(LOG) if f.level == "CRITICAL"]
    standing = [f for f in wrong if not f.excuse]
    severity = next(g for g in judged.report.gates if g.id == "severity")
    why = f"{counted(notices, 'notice')}, {counted(len(standing), 'critical finding')}"
    why += _excuses(wrong)
    if standing or not judged.valid(LOG) or not severity.due:
        why += "" if severity.due else "; gate 1 is not due yet"
        return Answer(NOT_MET, why, (LOG,))
    return Answer(WAIVED if wrong else MET, why, (LOG,))


ANSWERING: dict[str, Callable[[Judged, Manifest], Answer]] = {
    "prerequisites": _prerequisites,
    "steps": _steps,
    "gates": _gates,
    "evidence": _evidence,
    "outputs": _outputs,
    "automation": _automation,
    "communication": _communication,
}


def _state(gate: GateReport) -> str:
    return ANSWERS.get(gate.status, NOT_MET)


def _worst(states: Iterable[str]) -> str:
    found = set(states)
    return next((state for state in WORST_FIRST if state in found), NOT_MET)


def _gate_said(gate: GateReport) -> str:
    status = gate.status.value.replace("_", " ")
    said = ": ".join(dict.fromkeys(filter(None, (status, markdown(gate.summary)))))
    said = said.removeprefix(f"{NOT_ASKED}: ")
    needs = f"; {len(gate.needs)} still needed" if gate.needs else ""
    return said + needs + _excuses(gate.findings)


def _excuses(findings: Iterable[Finding]) -> str:
    said = [
        f"{f.excuse.kind} of {f.rule} by {markdown(' and '.join(f.excuse.by))}"
        for f in findings
        if f.excuse
    ]
    return f"; {_listed(said)}" if said else ""


def _some(names: Iterable[str]) -> str:
    return _listed([markdown(name) for name in names])


def _listed(said: list[str]) -> str:
    more = f" and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    return ", ".join(said[:SHOWN]) + more
