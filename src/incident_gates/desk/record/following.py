"""Which verb comes next, as far as what is on record tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates import facts
from incident_gates.evidence.times import Order, order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.desk.found import Found

RECORD = "incident-gates record"


def verb(found: Found) -> str:
    """The next entry to append, as a command; "" where another kind of command comes next."""
    chain = found.chain
    if chain.closed or chain.false_positive:
        return ""
    about = f"--incident {found.record.incident_id}"
    said = next(_planning(chain) if not chain.executing else _ending(chain), "")
    return said.replace(" --", f" {about} --", 1) if " --" in said else said and f"{said} {about}"


def _planning(chain: Chain) -> Iterator[str]:
    """Before anything is executed."""
    agreed = chain.in_force(None)
    if agreed is None:
        severity = chain.severity.name if chain.severity else "SEV"
        yield f"{RECORD} assessment --severity {severity} --by NAME:ROLE"
        return
    told = {a for notice in chain.notices for a in notice.audiences}
    asked = chain.limits.audiences(agreed.severity) if agreed.severity else ()
    untold = [audience for audience in asked if audience not in told]
    if untold:
        yield f"{RECORD} notice --audience {','.join(untold)} --channel TEXT --message TEXT"
    if not chain.options:
        known = chain.limits.standing("options")
        cited = f"--standing {known[0]['id']}" if len(known) == 1 else "--title TEXT …"
        yield f"{RECORD} option {cited}"
    pending = [i["id"].text for i in chain.readiness_items() if i["status"].text == "pending"]
    if pending:
        yield f"{RECORD} readiness --item {pending[0]} --by NAME --evidence TEXT"
    if chain.options and not chain.decisions:
        yield f"{RECORD} decision --approve NAME:ROLE"


def _ending(chain: Chain) -> Iterator[str]:
    """After something was executed."""
    last = next((e for e in reversed(chain.mitigations) if e.outcome == "succeeded"), None)
    if last and not last.propagated:
        yield f"{RECORD} recovery-check --propagated TEXT"
    if last and (chain.planned_absent or chain.pass_rate is None):
        yield f"{RECORD} recovery-check --all --passed --evidence TEXT"
    recovered = (chain.pass_rate or 0) >= chain.limits.threshold("recovery_pass_rate")
    if recovered and not chain.resolved:
        yield f"{RECORD} resolution --status resolved --resolution TEXT --slo OBSERVED"
    untold = _not_told(chain)
    if untold:
        yield f"{RECORD} notice --audience {','.join(untold)} --channel TEXT --message TEXT"
    if chain.resolved:
        yield from _documents(chain)


def _documents(chain: Chain) -> Iterator[str]:
    """What a record has to hold before it is closed."""
    if not list(chain.record.node("rca-manifest.json")["items"]):
        yield "incident-gates new rca"
    if not chain.timeline.entries:
        yield "incident-gates new timeline"
    if "INCIDENT-REPORT.md" not in chain.record.names:
        yield "incident-gates new report"
    yield f"{RECORD} resolution --status closed --stable TEXT"


def _not_told(chain: Chain) -> list[str]:
    """Who has not been told that it is resolved."""
    resolved, severity = chain.resolution["resolved_at"].time, chain.worst_severity
    if resolved is None or severity is None:
        return []
    told = {
        audience
        for notice in chain.notices
        if notice.time and order(resolved, notice.time) is Order.PROVEN
        for audience in notice.audiences
    }
    told |= {facts.slug(n["audience"].text) for n in chain.resolution["stakeholders_informed"]}
    return [audience for audience in chain.limits.audiences(severity) if audience not in told]
