"""What gate 4 measured: completeness, and whether durations agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.evidence.times import duration
from incident_gates.gates.resolution.agreement import duration_agrees, wrong_durations
from incident_gates.gates.resolution.documentation import completeness
from incident_gates.model import Metric

if TYPE_CHECKING:
    from incident_gates.chain import Chain
    from incident_gates.policy import Limits


def metrics(chain: Chain, limits: Limits) -> tuple[Metric, ...]:
    """Documentation completeness against its threshold."""
    done, total = completeness(chain, limits)
    wanted = limits.threshold("documentation_completeness")
    return (Metric("documentation_completeness", done / total, wanted, "ratio", ">="),)


def summary(chain: Chain, limits: Limits) -> str:
    """What the gate measured, in one line."""
    done, total = completeness(chain, limits)
    stated = any(duration(n["value"].text) for n in chain.resolution["durations"])
    agree = stated and not any((*wrong_durations(chain), *duration_agrees(chain)))
    return f"{done}/{total} elements{' · durations agree' if agree else ''}"
