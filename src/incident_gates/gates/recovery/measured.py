"""What gate 3 measured: how many critical checks passed, and whether after propagation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.gates.recovery.checks import counts, unpropagated
from incident_gates.model import Metric

if TYPE_CHECKING:
    from incident_gates.chain import Chain
    from incident_gates.policy import Limits


def metrics(chain: Chain, limits: Limits) -> tuple[Metric, ...]:
    """The pass rate of critical checks."""
    wanted = limits.threshold("recovery_pass_rate")
    return (Metric("recovery_pass_rate", chain.pass_rate, wanted, "ratio", ">="),)


def summary(chain: Chain, limits: Limits) -> str:
    """What the gate measured, in one line."""
    passed, total = counts(chain)
    if not total:
        return "no critical check recorded" if chain.executing else ""
    arrived = any(e.propagated for e in chain.mitigations)
    after = arrived and not any(unpropagated(chain))
    return f"{passed}/{total} critical checks{', all after propagation' if after else ''}"
