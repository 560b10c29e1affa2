"""How long things took or are taking, against what the record itself, or a limit, expects."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from incident_gates.desk import verbs
from incident_gates.evidence import times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.times import Time
    from incident_gates.facts import Execution
    from incident_gates.model import Location, Place

IN_TIME, LATE, RUNNING = "in_time", "late", "running"
REHEARSAL = "rollback-verification-report.json"


class Pace(NamedTuple):
    """One thing that has an expected length: how long it took, or has taken up to now."""

    what: str
    expected: timedelta
    taken: timedelta
    state: str
    location: Location

    @property
    def late_by(self) -> timedelta:
        """How far over it is."""
        return max(self.taken - self.expected, timedelta())


class Update(NamedTuple):
    """The next notice that is owed: to whom, by when, and whether it is the first one."""

    audiences: tuple[str, ...]
    due: datetime
    first: bool


def measured(chain: Chain) -> list[Pace]:
    """Everything with an expected length that the record lets us measure; nothing is guessed."""
    return [
        *_first_notices(chain),
        *_executions(chain),
        *_emergencies(chain),
        *_silence(chain),
        *_stability(chain),
        *_closing(chain),
    ]


def next_update(chain: Chain) -> Update | None:
    """Who is to hear next, and by when; None where nobody waits any more."""
    severity = chain.severity
    if severity is None or chain.resolved or chain.false_positive:
        return None
    last, untold = _last_notice(chain), verbs.not_told_first(chain)
    wait: float | None
    if untold or last is None:
        whom, start = tuple(untold) or chain.limits.audiences(severity), chain.declared
        wait = chain.limits.threshold("notification_minutes", severity.name)
    else:
        whom, start = chain.limits.audiences(severity), last
        wait = chain.limits.update_minutes(severity)
    if start is None or wait is None:
        return None
    first = start is not last
    return Update(whom, start.earliest + timedelta(minutes=wait), first=first)


def _last_notice(chain: Chain) -> Time | None:
    sent = [n.time for n in chain.notices if n.time and n.time.earliest <= chain.now]
    return max(sent, key=lambda time: time.earliest, default=None)


def _pace(  # noqa: PLR0913, PLR0917 - what it is, its two ends, its length, and where that stands
    chain: Chain, what: str, begin: Time, end: Time | None, expected: timedelta, place: Place
) -> Pace:
    """Measured to its end, or to now while it has none."""
    until = end.earliest if end else chain.now
    taken = max(until - begin.earliest, timedelta())
    state = LATE if taken > expected else IN_TIME if end else RUNNING
    return Pace(what, expected, taken, state, chain.record.locate(place))


def _first_notices(chain: Chain) -> Iterator[Pace]:
    severity, declared = chain.severity, chain.declared
    if severity is None or declared is None or chain.false_positive:
        return
    allowed = timedelta(minutes=chain.limits.threshold("notification_minutes", severity.name))
    since = chain.detected or declared
    for audience in chain.limits.audiences(severity):
        told = [
            n
            for n in chain.notices
            if audience in n.audiences and n.time and n.time.latest >= since.earliest
        ]
        first = min(told, key=lambda n: n.time.earliest if n.time else chain.now, default=None)
        end = first.time if first else chain.resolution["resolved_at"].time
        place = first.place if first else chain.severity_file["declared_at"].place
        what = f"first notice to {audience}"
        yield _pace(chain, what if first else f"no {what}", declared, end, allowed, place)


def _executions(chain: Chain) -> Iterator[Pace]:
    """Each execution against its option, and each rollback against the rehearsed objective."""
    rehearsal = chain.record.node(REHEARSAL)
    objective = times.duration(rehearsal["rto"].text)
    going_back = chain.limits.protocol.data["rollback_strategies"]
    for execution in chain.executions:
        decision = chain.decision_of(execution)
        option = chain.option(decision.option) if decision else None
        if execution.started is None or option is None:
            continue
        end = _ended(chain, execution, execution.completed)
        if option.expected:
            said = f"{execution.id} against option {option.id}"
            yield _pace(chain, said, execution.started, end, option.expected, option.place)
        if objective and option.strategy in going_back:
            done = _ended(chain, execution, execution.propagated)
            said = f"{execution.id} propagated, against the objective"
            yield _pace(chain, said, execution.started, done, objective, rehearsal["rto"].place)


def _ended(chain: Chain, execution: Execution, end: Time | None) -> Time | None:
    """What failed is not waited for any longer, and neither is anything once it is resolved."""
    over = execution.completed if execution.outcome not in ("", "succeeded") else None
    return end or over or chain.resolution["resolved_at"].time


def _emergencies(chain: Chain) -> Iterator[Pace]:
    """Approvals that an emergency still owes."""
    allowed = timedelta(minutes=chain.limits.threshold("break_glass_minutes"))
    for execution in chain.executions:
        decision = chain.decision_of(execution)
        if not execution.emergency or execution.started is None or decision is None:
            continue
        asked = chain.required_approvals(decision, execution.started, execution.operator)
        if any(r.approval is None for r in asked):
            said = f"approval of {execution.id}, run as an emergency"
            yield _pace(chain, said, execution.started, None, allowed, execution.node.place)


def _silence(chain: Chain) -> Iterator[Pace]:
    owed, last = next_update(chain), _last_notice(chain)
    if owed and last and not owed.first:
        heard = next(n for n in chain.notices if n.time == last)
        expected = owed.due - last.earliest
        yield _pace(chain, "since the last notice", last, None, expected, heard.place)


def _stability(chain: Chain) -> Iterator[Pace]:
    """A stability window that is still open is waited for; it cannot be late."""
    window = chain.resolution["stability_window"]
    begin, end = window["from"].time or chain.resolution["resolved_at"].time, window["until"].time
    if begin and end and not chain.closed and begin.earliest < chain.now < end.earliest:
        length = end.earliest - begin.earliest
        yield _pace(chain, "stability window", begin, None, length, window.place)


def _closing(chain: Chain) -> Iterator[Pace]:
    node = chain.resolution["resolved_at"]
    if node.time and not chain.false_positive:
        allowed = timedelta(days=chain.limits.threshold("close_within_days"))
        end = chain.resolution["closed_at"].time if chain.closed else None
        if chain.closed and end is None:
            return
        yield _pace(chain, "closing after it was resolved", node.time, end, allowed, node.place)
