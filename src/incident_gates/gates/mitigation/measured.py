"""What gate 2 measured, and says of it in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.evidence.times import Order, order, show_duration
from incident_gates.gates.mitigation.approvals import approvals_of
from incident_gates.model import Metric

if TYPE_CHECKING:
    from incident_gates.chain import Chain
    from incident_gates.policy import Limits


def _readiness(chain: Chain) -> tuple[int, int, int]:
    """Items verified, items unmet for a reason where that is allowed, and all of them."""
    items = chain.readiness_items()
    unmet = [i for i in items if i["status"].text == "unmet" and i["reason"].text]
    verified = sum(item["status"].text == "verified" for item in items)
    return verified, len(unmet) if chain.going_forward else 0, len(items)


def _approved(chain: Chain) -> tuple[int, int]:
    wanted = [
        r
        for decision, run in chain.live
        for r in chain.required_approvals(
            decision, run.started if run else None, run.operator if run else ""
        )
    ]
    return sum(r.approval is not None for r in wanted), len(wanted)


def metrics(chain: Chain, limits: Limits) -> tuple[Metric, ...]:
    """Readiness and approvals, both of which must be whole."""
    (ready, unmet, items), (given, wanted) = _readiness(chain), _approved(chain)
    return (
        Metric("readiness", (ready + unmet) / items if items else None, 1.0, "ratio", ">="),
        Metric("approvals", given / wanted if wanted else None, 1.0, "ratio", ">="),
    )


def summary(chain: Chain, limits: Limits) -> str:
    """What the gate measured, in one line."""
    (ready, unmet, items), (given, wanted) = _readiness(chain), _approved(chain)
    parts = [f"{ready}/{items} ready{f', {unmet} unmet' if unmet else ''}"] if items else []
    if wanted:
        parts.append(f"{given}/{wanted} approved{_lead(chain)}")
    return " · ".join(parts)


def _lead(chain: Chain) -> str:
    """How long before the first execution the last approval came."""
    for execution in chain.executions:
        given = [
            chain.approved_at(r.approval) for r in approvals_of(chain, execution) if r.approval
        ]
        latest = max((t for t in given if t), key=lambda t: t.latest, default=None)
        if latest and execution.started and order(latest, execution.started) is Order.PROVEN:
            lead = execution.started.earliest - latest.earliest
            return f", {show_duration(lead)} before execution"
    return ""
