"""The causal line: the events that people see in one row, each judged against what came first."""

from __future__ import annotations

from itertools import chain as chain_of
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import custody
from incident_gates.evidence.times import Order, order, show_duration
from incident_gates.model import Link, Location, Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_gates.chain import Chain
    from incident_gates.evidence.times import Time
    from incident_gates.facts import Decision, Execution

ORDERS = {
    Order.PROVEN: "proven",
    Order.NOT_PROVABLE: "not_provable",
    Order.CONTRADICTED: "contradicted",
}


class Event(NamedTuple):
    """One event of the line: what must have come before it stands in ``after``, to be read once.

    ``lacking`` names what should have come before and is not on record at all.
    """

    event: str
    label: str
    time: Time | None
    actor: str
    place: Place
    after: Iterable[tuple[str, Time | None]] = ()
    lacking: tuple[str, ...] = ()


def links(chain: Chain) -> tuple[Link, ...]:
    """The causal line of a record, in the order of time."""
    events = [e for e in _events(chain) if e.time]
    events.sort(
        key=lambda e: (e.time.earliest, e.time.latest) if e.time else (chain.now, chain.now)
    )
    return tuple(_link(chain, event) for event in events)


def _events(chain: Chain) -> list[Event]:
    severity = chain.severity_file["detected_at"]
    events = [Event("detected", "alert", severity.time, "", severity.place)]
    if not severity.time:
        node = chain.severity_file["declared_at"]
        events.append(Event("declared", "declared", node.time, "", node.place))
    for consensus in chain.consensus:
        node = consensus.classification.node
        label = consensus.severity.name if consensus.severity else "assessed"
        events.append(Event("assessed", label, consensus.agreed, "", node.place))
    events += _ready(chain)
    executed = {execution.decision for execution in chain.executions}
    for decision in chain.decisions:
        if decision.id not in executed:
            events += _approval(chain, decision)
    for execution in chain.executions:
        events += _execution(chain, execution)
    if chain.recovered:
        since = [(e.id, e.propagated or e.completed) for e in chain.mitigations[-1:]]
        place = Place("recovery-validation.json", ("checks",))
        events.append(Event("recovered", "recovered", chain.recovered, "", place, tuple(since)))
    end = "resolved" if chain.resolution["resolved_at"].time else "closed"
    node = chain.resolution[f"{end}_at"]
    events.append(Event(end, end, node.time, "", node.place))
    return events


def _ready(chain: Chain) -> list[Event]:
    items = [
        item
        for item in chain.readiness_items()
        if not (chain.going_forward and item["status"].text == "unmet")
    ]
    times = [(item["verified_at"].time, item) for item in items]
    if not items or any(time is None for time, _ in times):
        return []
    time, item = max(times, key=lambda pair: pair[0].latest if pair[0] else chain.now)
    return [Event("ready", "ready", time, "", item["verified_at"].place)]


def _execution(chain: Chain, execution: Execution) -> list[Event]:
    decision = chain.decision_of(execution)
    events = _approval(chain, decision, execution) if decision else []
    approved = events[0].time if events else None
    consensus = chain.in_force(execution.started) or next(
        (c for c in chain.consensus if c.agreed), None
    )
    after: list[tuple[str, Time | None]] = [
        ("severity was agreed", consensus.agreed if consensus else None),
        ("it was approved", approved if not execution.emergency else None),
    ]
    # Every item comes before every execution: the list of it all would be the square of both.
    ready = (("readiness was verified", time) for _, time in chain.verifications(execution))
    lacking = tuple(
        what
        for what, known in (("severity", consensus), ("approval", approved or execution.emergency))
        if not known
    )
    # Where only the end is known, and nothing else will show it, the end stands for the execution.
    ended = execution.started is None and execution.outcome in ("succeeded", "")
    time, place = execution.started, execution.node["started_at"].place
    if ended:
        time, place = execution.completed, execution.node["completed_at"].place
    what = "fix " if execution.purpose == "permanent_fix" else ""
    what += "completed" if ended else "executed"
    what += " (emergency)" if execution.emergency else ""
    before = chain_of(after, ready)
    events.append(Event("executed", what, time, execution.operator, place, before, lacking))
    if execution.outcome not in ("succeeded", ""):
        done = execution.node["completed_at"].place
        events.append(Event("failed", execution.outcome, execution.completed, "", done))
    elif execution.propagated:
        done = execution.node["propagation_verified_at"].place
        since = (("it started", execution.started),)
        events.append(Event("propagated", "propagated", execution.propagated, "", done, since))
    return events


def _approval(chain: Chain, decision: Decision, execution: Execution | None = None) -> list[Event]:
    """When the last required approval of a decision was given; nothing where one is missing."""
    moment, operator = (execution.started, execution.operator) if execution else (None, "")
    required = chain.required_approvals(decision, moment, operator)
    given = [(chain.approved_at(r.approval), r.approval) for r in required if r.approval]
    if not given or len(given) < len(required) or any(time is None for time, _ in given):
        return []
    time, approval = max(given, key=lambda pair: pair[0].latest if pair[0] else chain.now)
    place = approval.node["approved_at"].place
    return [Event("approved", "approved", time, approval.name, place)]


def _link(chain: Chain, event: Event) -> Link:
    time = event.time
    if time is None:
        raise ValueError(event.event)
    verdict, gap = _judged(event.after, time)
    if event.lacking and verdict != "contradicted":
        verdict, gap = "not_provable", f"{' and '.join(event.lacking)} not on record"
    file, line, *_ = chain.record.locate(event.place)
    return Link(
        event.event,
        event.label,
        time.clock,
        time.earliest.isoformat().replace("+00:00", "Z"),
        time.latest.isoformat().replace("+00:00", "Z"),
        time.precision,
        event.actor,
        Location(file, line),
        verdict,
        gap,
        custody.of(chain).grade(event.place, time) if chain.history else "",
    )


def _judged(after: Iterable[tuple[str, Time | None]], time: Time) -> tuple[str, str]:
    """The worst order towards all that had to come first, and how far off it is."""
    known = [(order(first, time), what, first) for what, first in after if first]
    if not known:
        return "start", ""
    ranking = [Order.PROVEN, Order.NOT_PROVABLE, Order.CONTRADICTED]
    worst, what, first = max(known, key=lambda entry: (ranking.index(entry[0]), entry[2].latest))
    late = show_duration(first.earliest - time.earliest) if worst is Order.CONTRADICTED else ""
    return ORDERS[worst], f"{late} before {what}" if late else ""
