"""What gate 1 measured: the slowest notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.gates.severity.notices import slowest_notice
from incident_gates.model import Metric

if TYPE_CHECKING:
    from incident_gates.chain import Chain
    from incident_gates.policy import Limits


def metrics(chain: Chain, limits: Limits) -> tuple[Metric, ...]:
    """The slowest first notice, against its SLA."""
    name = chain.worst_severity.name if chain.worst_severity else ""
    sla = limits.threshold("notification_minutes", name)
    return (Metric("slowest_notice", slowest_notice(chain, limits), sla, "minutes", "<="),)


def summary(chain: Chain, limits: Limits) -> str:
    """What the gate measured, in one line."""
    if chain.false_positive:
        return "false positive"
    last = chain.consensus[-1] if chain.consensus else None
    metric = metrics(chain, limits)[0]
    parts = []
    if last and not last.agreed:
        parts.append(f"severity not {'agreed' if last.severity else 'recorded'}")
    elif last:
        parts.append(
            f"{len(last.agreeing)} {'assessors agree' if len(last.agreeing) > 1 else 'assessor'}"
        )
    if metric.value is not None:
        parts.append(f"slowest notice {metric.value:.0f} min (≤ {metric.threshold:g})")
    return " · ".join(parts)
