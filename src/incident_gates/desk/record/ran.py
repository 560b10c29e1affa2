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

    from incident_gates.desk.found import Found
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


def _said(found: Found, ran: Ran, started: given.Moment) -> dict[str, Any]:
    early = ran.emergency and ran.decision is None and not found.chain.decisions
    decision = None if early else given.decision(found.chain, ran.decision)
    services = given.listed(ran.services) or list(decision.services if decision else ())
    if not services:
        raise UsageError("The decision names no service: say which with --service.")
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
