"""Records what was run elsewhere, or before there was time to write: it is not run again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.desk import masking
from incident_gates.desk.record import given, words
from incident_gates.desk.record.draft import opened
from incident_gates.desk.record.execution import EXECUTIONS, INLINE_CHARS, MASKED, next_id
from incident_gates.errors import UsageError
from incident_gates.evidence.times import Order, order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_gates.chain import Chain
    from incident_gates.desk.found import Found
    from incident_gates.desk.record.draft import Draft
    from incident_gates.facts import Execution
    from incident_gates.run import Job


class Ran(NamedTuple):
    """What was run, as somebody says afterwards."""

    command: Sequence[str]
    at: str
    ended: str | None
    exit_code: int | None
    output: str
    operator: str | None
    decision: str | None
    services: Sequence[str]
    change_reference: str | None
    emergency: str | None
    seen: str


def record(job: Job, ran: Ran) -> words.Answer:
    """Adds the execution as it was; whether it was allowed is for the gates to say.

    A past fact is recorded and not refused: refusing it would only teach people to leave it out.
    """
    with opened(job) as draft:
        found = draft.found
        started = given.moment(ran.at, found.now, source=ran.seen)
        entry = {"id": next_id(found.chain), **_said(found, ran, started)}
        draft.append(EXECUTIONS, ("executions",), entry)
    sentence = f"{entry['id']}: {entry['outcome']}, started {started.time.clock} UTC; not run now"
    return words.answered(draft, sentence, words.step(found, "3.1"))


class Supplied(NamedTuple):
    """What an entry lacked when it was written."""

    id: str
    decision: str | None = None
    change_reference: str | None = None


def supply(job: Job, said: Supplied) -> words.Answer:
    """Adds to an execution what its entry lacks; what is recorded is never replaced."""
    with opened(job) as draft:
        chain = draft.found.chain
        if not (said.decision or said.change_reference):
            raise UsageError("--id adds what is lacking: --decision ID or --change-reference TEXT.")
        run = one(chain, said.id, "--id")
        if said.decision:
            _lacking(draft, run, "decision", given.decision(chain, said.decision).id)
        if said.change_reference:
            reference = given.said(said.change_reference, "--change-reference")
            _lacking(draft, run, "change_reference", masking.masked(reference).text)
        _noted(draft, run)
    return words.answered(draft, f"{run.id}: completed; not run now", "")


def tie(draft: Draft, wanted: str, decision: str) -> None:
    """Names in an execution the decision that was taken for it afterwards."""
    run = one(draft.found.chain, wanted, "--for")
    _lacking(draft, run, "decision", decision)
    _noted(draft, run)


def one(chain: Chain, wanted: str, option: str) -> Execution:
    """The execution of that id."""
    given.among(wanted, [e.id for e in chain.executions], option)
    return next(e for e in chain.executions if e.id == wanted)


def _lacking(draft: Draft, run: Execution, key: str, value: str) -> None:
    if run.node[key].text:
        said = f"{run.id} names its {key.replace('_', ' ')} already: {run.node[key].text}"
        raise UsageError(f"{said}. What is recorded is not replaced.")
    draft.put(EXECUTIONS, (*run.node.pointer, key), value)


def _noted(draft: Draft, run: Execution) -> None:
    where = run.node.pointer
    draft.noted(EXECUTIONS, where, draft.value(EXECUTIONS)["executions"][int(where[1])])


def _said(found: Found, ran: Ran, started: given.Moment) -> dict[str, Any]:
    early = ran.emergency and ran.decision is None and not found.chain.decisions
    decision = None if early else given.decision(found.chain, ran.decision)
    known = (decision and decision.services) or found.chain.affected_services
    services = given.listed(ran.services) or list(known)
    if not services:
        raise UsageError("Neither decision nor assessment names a service: add --service.")
    command, hidden, _ = masking.command(ran.command)
    texts = {
        "change_reference": masking.masked(given.plain(ran.change_reference or "")),
        "output": masking.masked(given.plain(ran.output or "N/A: not kept")[-INLINE_CHARS:]),
        "reason": masking.masked(given.plain(ran.emergency or "")),
    }
    entry: dict[str, Any] = {
        "decision": decision.id if decision else "N/A: run before anything was decided",
        "services": services,
        "purpose": "mitigation",
        "operator": {"name": given.name(found, ran.operator, "--operator"), "role": "operator"},
        "command": given.plain(shlex.join(command)),
        "change_reference": texts["change_reference"].text,
        "started_at": started.value,
        "completed_at": _ended(found, ran, started),
        "output": texts["output"].text,
        "emergency": {"reason": texts["reason"].text} if ran.emergency else None,
        MASKED: hidden + sum(text.hidden for text in texts.values()),
        **started.recorded(found.now),
    }
    return {key: value for key, value in entry.items() if value} | _outcome(ran.exit_code)


def _ended(found: Found, ran: Ran, started: given.Moment) -> Any:
    if ran.ended is None:
        return "N/A: nobody noted when it ended"
    ended = given.moment(ran.ended, found.now, "--ended")
    if order(started.time, ended.time) is Order.CONTRADICTED:
        raise UsageError(f"--ended {ran.ended} is before --at {ran.at}.")
    return ended.value


def _outcome(code: int | None) -> dict[str, Any]:
    """Without an exit code nobody knows from here how it went."""
    if code is None:
        return {"exit_code": "N/A: not noted", "outcome": "unknown"}
    return {"exit_code": code, "outcome": "failed" if code else "succeeded"}
