"""The end of an incident: mitigated, resolved, recovered and closed, in a possible order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.chain import once
from incident_gates.evidence.times import Order, order
from incident_gates.rules import CRITICAL, DO_NOT_CHANGE, WARNING, Breach, gap, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.times import Time
    from incident_gates.incident import Node
    from incident_gates.policy import Limits

SUMMARY = "resolution-summary.json"
CLOSING = ("mitigated_at", "resolved_at", "closed_at")


@rule(
    "RES002",
    gate="resolution",
    criterion="summary",
    level=CRITICAL,
    says="Events of the incident are in an impossible order",
    why="Nothing is resolved before it began, nor closed before it was resolved.",
    fix="Look up both times at their source, and correct the one that was mistyped.",
    needs=(SUMMARY,),
    at_once=True,
)
def end_is_possible(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Impact, then resolution, then closing; mitigation not before impact."""
    for later, (earlier, first, then) in _impossible(chain).items():
        said = f"{later} ({then.shown}) is before {earlier} ({first.shown})"
        yield Breach(chain.resolution[later].place, said, subject=later)
    closed = chain.resolution["closed_at"]
    runs = [(f"{e.id} started", e.started) for e in chain.mitigations]
    done = (*runs, ("the last recovery check ran", chain.recovered))
    for what, time in () if "closed_at" in _impossible(chain) else done:
        if time and closed.time and order(time, closed.time) is Order.CONTRADICTED:
            said = f"closed_at ({closed.time.shown}) is before {what} ({time.shown})"
            yield Breach(closed.place, said, subject=f"closed_at/{what.split()[0]}")


@once
def _impossible(chain: Chain) -> dict[str, tuple[str, Time, Time]]:
    """Times of the ending that cannot be: each with what it would have to follow.

    One mistyped time is one finding; nothing else is concluded from it.
    """
    times, found = _recorded(chain), {}
    for earlier, later in (
        ("impact_started_at", "mitigated_at"),
        ("impact_started_at", "resolved_at"),
        ("resolved_at", "closed_at"),
    ):
        first, then = times.get(earlier), times.get(later)
        if first and then and earlier not in found and order(first, then) is Order.CONTRADICTED:
            found[later] = (earlier, first, then)
    return found


@rule(
    "RES003",
    gate="resolution",
    criterion="summary",
    level=WARNING,
    says="The order of the ending is unusual",
    why="Mitigated before declared happens in real incidents, and deserves a second look.",
    fix=f"{DO_NOT_CHANGE} if they are true; say in the report why the order is unusual.",
    needs=(SUMMARY,),
)
def end_is_in_order(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Declared, then mitigated, then recovered, then resolved."""
    times = anchors_of(chain)
    recovered = chain.recovered
    pairs = [
        ("declared_at", times.get("declared_at"), "mitigated_at"),
        ("mitigated_at", times.get("mitigated_at"), "resolved_at"),
        ("the last recovery check", recovered, "resolved_at"),
    ]
    for label, first, later in pairs:
        then = times.get(later)
        if first and then and order(first, then) is Order.CONTRADICTED:
            said = f"{later} ({then.clock}) is {gap(then, first)} before {label} ({first.clock})"
            yield Breach(chain.resolution[later].place, said, subject=f"{later}/{label}")


@once
def anchors_of(chain: Chain) -> dict[str, Time]:
    """The times between which durations run: those recorded, but for the impossible ones."""
    impossible = _impossible(chain)
    return {name: time for name, time in _recorded(chain).items() if name not in impossible}


@once
def _recorded(chain: Chain) -> dict[str, Time]:
    """The times that the record gives."""
    severity, resolution = chain.severity_file, chain.resolution
    nodes = {
        n: severity[n]
        for n in ("impact_started_at", "detected_at", "acknowledged_at", "declared_at")
    }
    nodes |= {n: resolution[n] for n in CLOSING}
    return {name: time for name, node in nodes.items() if (time := node.time)}


def since_impact(chain: Chain, node: Node, said: str, subject: str) -> Iterator[Breach]:
    """Nothing holds again, and no alert clears, before the impact had begun."""
    time, begun = node.time, _recorded(chain).get("impact_started_at")
    if time and begun and order(begun, time) is Order.CONTRADICTED:
        early = f"{said} {gap(time, begun)} before the impact began"
        yield Breach(node.place, early, f"after {begun.shown}", subject=subject)


def before_closing(chain: Chain, node: Node, said: str, subject: str) -> Iterator[Breach]:
    """The protocol: do not close until metrics are stable and communications are sent."""
    time, closed = node.time, anchors_of(chain).get("closed_at")
    if time and closed and order(time, closed) is Order.CONTRADICTED:
        late = f"{said} {gap(closed, time)} after closing"
        fix = f"{DO_NOT_CHANGE}. If one was mistyped, look it up; if not, record a deviation."
        yield Breach(node.place, late, f"before {closed.shown}", subject=subject, fix=fix)
