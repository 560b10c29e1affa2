"""Records that a mitigation arrived, and what the recovery checks saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import facts, schema
from incident_gates.desk import verbs
from incident_gates.desk.record import files, given, readiness, words
from incident_gates.desk.record.draft import opened
from incident_gates.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_gates.desk.found import Found
    from incident_gates.desk.record.draft import Draft
    from incident_gates.facts import Execution
    from incident_gates.run import Job

NAME, EXECUTIONS = "recovery-validation.json", "mitigation-execution-report.json"
DESCRIBING = ("service", "kind", "critical", "description")


class Checked(NamedTuple):
    """What was looked at after the execution, and what was seen."""

    checks: Sequence[str] = ()
    all: bool = False
    result: str | None = None
    evidence: str = ""
    propagated: str = ""
    execution: str | None = None
    service: str = ""
    kind: str = ""
    critical: bool = True
    description: str = ""
    plan: str = ""
    at: str | None = None
    source: str = ""


def record(job: Job, said: Checked) -> words.Answer:
    """Adds a result to each check named, or says that the mitigation has arrived."""
    if said.plan:
        return _plan(job, said)
    with opened(job) as draft:
        found = draft.found
        if not found.chain.executions:
            begin = f"incident-gates record execution --incident {found.record.incident_id}"
            raise UsageError(f"Nothing was executed yet that could be checked. First: {begin}")
        moment = given.moment(said.at, found.now, source=said.source)
        sentences = []
        if said.propagated:
            sentences.append(_arrived(draft, said, moment))
        if said.checks or said.all:
            sentences.append(_checked(draft, said, moment))
    if not sentences:
        raise UsageError("Say what was seen: --check ID --passed, --all --passed, or --propagated.")
    now = files.fresh(draft.found)
    draft.notes += _rate(now)
    return words.answered(draft, "; ".join(sentences), words.step(now, "3.2"))


def _plan(job: Job, said: Checked) -> words.Answer:
    """Says before anything is executed what must work again afterwards."""
    if said.checks or said.all or said.result or said.propagated:
        raise UsageError("--plan says what will be checked; results come after the execution.")
    with opened(job) as draft:
        if verbs.recovering(draft.found.chain):
            raise UsageError("It was executed already: record what is seen with --check ID.")
        given.said(said.description, "--description")
        entry = {"id": said.plan, **_described(said.plan, (), said)}
        if not readiness.plan(draft, entry):
            raise UsageError(f"--plan {said.plan} is planned already.")
    kind = f"{entry['kind']} of {entry['service']}"
    return words.answered(draft, f"{said.plan} is planned: {kind}", words.step(draft.found, "2.2"))


def _arrived(draft: Draft, said: Checked, moment: given.Moment) -> str:
    """Executed is not deployed: when, and by what, it was seen on every instance."""
    run = _execution(draft.found, said.execution)
    if run.propagated:
        time = run.propagated.shown
        raise UsageError(f"That {run.id} arrived is recorded already, at {time}.")
    if run.completed and moment.time.latest <= run.completed.earliest:
        raise UsageError(f"{run.id} ended at {run.completed.shown}: it cannot arrive before that.")
    where = run.node.pointer
    evidence = given.said(said.propagated, "--propagated")
    draft.put(EXECUTIONS, (*where, "propagation_verified_at"), moment.value)
    draft.put(EXECUTIONS, (*where, "propagation_evidence"), evidence)
    index = int(where[1])
    draft.noted(EXECUTIONS, where, draft.value(EXECUTIONS)["executions"][index])
    return f"{run.id} arrived at {moment.time.clock} UTC"


def _execution(found: Found, wanted: str | None) -> Execution:
    """The execution named, or the last mitigation."""
    runs = found.chain.executions
    if wanted:
        given.among(wanted, [e.id for e in runs], "--execution")
        return next(e for e in runs if e.id == wanted)
    last = (found.chain.mitigations or runs)[-1]
    if last.outcome not in ("succeeded", ""):
        said = f"{last.id} is recorded as {last.outcome}: say which one arrived with --execution."
        raise UsageError(said)
    return last


def _checked(draft: Draft, said: Checked, moment: given.Moment) -> str:
    if not said.result:
        raise UsageError("Say what came out: --passed, --failed or --skipped.")
    seen = _named(draft, said)
    given.unique([ident for ident, _ in seen], "--check")
    draft.drop(NAME, ("x-example",))
    for ident, own in seen:
        evidence = (own or said.evidence).strip()
        if not evidence:
            raise UsageError(f"--check {ident}: what was seen? Add --evidence, or {ident}=TEXT.")
        result = {
            "result": said.result,
            "checked_at": moment.value,
            "evidence": given.said(evidence, "--evidence"),
            **moment.recorded(draft.found.now),
        }
        index = _check(draft, ident, said)
        draft.append(NAME, ("checks", index, "results"), result)
    names = [ident for ident, _ in seen]
    return f"{words.joined(names)} {said.result} at {moment.time.clock} UTC"


def _named(draft: Draft, said: Checked) -> list[tuple[str, str]]:
    """Each check with its own evidence, if it came with one."""
    if said.all:
        planned = [n["id"].text for n in facts.planned_checks(draft.found.record)]
        listed = [c["id"] for c in draft.value(NAME).get("checks", [])]
        everything = list(dict.fromkeys([*listed, *planned]))
        if not everything:
            raise UsageError("--all: no check is planned; name each with --check ID.")
        return [(ident, "") for ident in everything]
    parts = [text.partition("=") for text in said.checks]
    return [(ident.strip(), own) for ident, _, own in parts]


def _check(draft: Draft, ident: str, said: Checked) -> int:
    """The index of a check; one that was planned, or is described here, is added."""
    listed = draft.value(NAME).get("checks", [])
    index = next((i for i, check in enumerate(listed) if check.get("id") == ident), None)
    if index is not None:
        return index
    planned = {n["id"].text: n for n in facts.planned_checks(draft.found.record)}
    if ident in planned:
        node = planned[ident]
        entry = {key: node[key].value for key in DESCRIBING if node[key]}
    else:
        entry = _described(ident, [*planned, *(c.get("id", "") for c in listed)], said)
    draft.append(NAME, ("checks",), {"id": ident, **entry, "results": []})
    draft.entries.pop()
    return len(listed)


def _described(ident: str, known: Sequence[str], said: Checked) -> dict[str, Any]:
    """A check that nobody planned says what it looks at."""
    if not (said.service and said.kind):
        given.among(ident, known, "--check")
    given.new_id(ident, known, "--check")
    shape = schema.load("recovery-validation")["properties"]["checks"]["items"]
    kinds: list[str] = shape["properties"]["kind"]["enum"]
    return {
        "service": given.said(said.service, "--service"),
        "kind": given.among(said.kind, kinds, "--kind"),
        "critical": said.critical,
        **({"description": given.plain(said.description)} if said.description else {}),
    }


def _rate(found: Found) -> list[str]:
    chain = found.chain
    absent = {n["id"].text for n in chain.planned_absent}
    run = [c for c in chain.critical_checks if c.id not in absent]
    passed, total = sum(c.passed for c in run), len(run) + len(absent)
    return [f"{passed} of {total} critical checks have passed"] if total else []
