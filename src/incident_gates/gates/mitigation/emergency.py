"""Break-glass: executed before it was approved, and approved afterwards in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.evidence.times import elapsed, show_duration
from incident_gates.gates.mitigation.approvals import approvals_of, break_glass
from incident_gates.incident import gives_reason
from incident_gates.rules import (
    CRITICAL,
    DO_NOT_CHANGE,
    WARNING,
    Breach,
    gap,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.facts import Approval, Execution
    from incident_gates.policy import Limits


@rule(
    "MIT023",
    gate="mitigation",
    criterion="approvals",
    level=WARNING,
    says="The glass was broken: executed first, approved afterwards",
    why="It was an emergency and is allowed; it stays visible for ever.",
    fix="Nothing to mend: explain the emergency in the report.",
)
def emergencies_stay_visible(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every emergency is shown."""
    for execution in chain.executions:
        if execution.emergency:
            reason = execution.emergency["reason"].text or "no reason given"
            said = f"{execution.id} was executed as an emergency: {reason}"
            yield Breach(execution.emergency.place, said, subject=execution.id)


@rule(
    "MIT024",
    gate="mitigation",
    criterion="order",
    level=CRITICAL,
    says="An emergency was not approved in time",
    why="Break-glass postpones the approval; it does not replace it.",
    fix=f"{DO_NOT_CHANGE}. Record the reason, and every approval as it was given; if one was late, "
    "record a deviation.",
)
def emergencies_are_approved(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """An emergency has a reason, and its approvals follow within the limit of its start."""
    for execution in chain.executions:
        if not break_glass(chain, execution):
            continue
        if not gives_reason(execution.emergency["reason"].text):
            said = f"{execution.id}: the emergency has no reason"
            yield Breach(execution.emergency.place, said, subject=execution.id)
        for required in approvals_of(chain, execution):
            if required.approval:
                yield from _late_approval(chain, execution, required.approval)


def _late_approval(chain: Chain, execution: Execution, approval: Approval) -> Iterator[Breach]:
    minutes = chain.limits.threshold("break_glass_minutes")
    given, started = chain.approved_at(approval), execution.started
    if given is None or started is None:
        return
    least, most = elapsed(started, given)
    if most.total_seconds() <= minutes * 60:
        return
    proven, fine = least.total_seconds() > minutes * 60, given.fine and started.fine
    took = gap(started, given) if proven else f"up to {show_duration(most)}"
    yield Breach(
        approval.node["approved_at"].place,
        f"{approval.name} ({approval.role}) approved {took} after {execution.id} had started",
        f"at most {minutes:g} min",
        subject=f"{execution.id}/{approval.role}",
        concerned=(execution.operator, approval.name),
        level=CRITICAL if proven or not fine else WARNING,
    )
