"""Approvals: of the option as written, by distinct people who hold the roles."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from incident_gates.chain import COMMANDER, RequiredApproval, latest_words
from incident_gates.evidence.times import from_value
from incident_gates.rules import (
    CRITICAL,
    WARNING,
    Breach,
    in_order,
    missing,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_gates.chain import Chain
    from incident_gates.facts import Approval, Decision, Execution, Option
    from incident_gates.policy import Limits

PLAN = "mitigation-plan.md"
DECISIONS = "decision-log.json"


def break_glass(chain: Chain, execution: Execution) -> bool:
    """Whether an execution was an emergency that may be approved afterwards.

    Whether it has a reason is asked by a rule of its own.
    """
    severity = chain.severity_at(execution.started)
    allowed = chain.limits.break_glass_severities()
    return bool(execution.emergency and severity and severity.name in allowed)


def approvals_of(chain: Chain, execution: Execution) -> list[RequiredApproval]:
    """The approvals that an execution needs; none where nobody decided it."""
    decision = chain.decision_of(execution)
    if decision is None:
        return []
    return chain.required_approvals(decision, execution.started, execution.operator)


@rule(
    "MIT016",
    gate="mitigation",
    criterion="approvals",
    level=CRITICAL,
    says="A required approval is missing",
    why="Decision approvals must be complete: all roles, for the option as written.",
    fix="Let that person approve: `incident-gates record approval` computes the option's digest.",
    needs=(DECISIONS,),
)
def approvals_are_complete(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every required role has approved each live decision."""
    undecided = any(not e.decision for e in chain.executions)  # which MIT008 says
    if not chain.decisions and not undecided:
        yield Breach(chain.record.node(DECISIONS)["decisions"].place, "no decision is recorded")
    for decision, run in chain.live:
        moment, operator = (run.started, run.operator) if run else (None, "")
        rejected = {w.role for w in latest_words(chain, decision) if w.verdict == "reject"}
        for required in chain.required_approvals(decision, moment, operator):
            subject = f"{decision.id}/{required.role or 'approver'}"
            approval = required.approval
            if approval is None and required.role not in rejected:
                yield _not_approved(chain, decision, run, required.role)
            elif approval and not approval.standing:
                yield from missing(approval.node, "approved_at", subject=subject)
        names = ("option", "action", "decided_at", "services")
        yield from missing(decision.node, *names, subject=decision.id)


def _not_approved(chain: Chain, decision: Decision, run: Execution | None, role: str) -> Breach:
    """A missing approval; in an emergency there is time for it, and until then it is a WARNING."""
    said = f"{role or 'one person other than the operator'} has not approved {decision.id}"
    place, subject = decision.node["approvals"].place, f"{decision.id}/{role or 'approver'}"
    if run and run.started and break_glass(chain, run):
        until = run.started.earliest + timedelta(
            minutes=chain.limits.threshold("break_glass_minutes")
        )
        if chain.now < until:
            said = f"{said} yet, which the emergency allows until {until:%H:%M} UTC"
            return Breach(place, said, subject=subject, level=WARNING)
    return Breach(place, said, subject=subject)


@rule(
    "MIT017",
    gate="mitigation",
    criterion="approvals",
    level=CRITICAL,
    says="Somebody rejected a decision that still stands",
    why="A rejection is an approval that was asked for and refused.",
    fix="Decide anew, with a decision that supersedes this one, or record the changed approval.",
    needs=(DECISIONS,),
)
def nobody_rejects(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No approver's latest word on a live decision is a rejection."""
    for decision, _ in chain.live:
        for word in latest_words(chain, decision):
            if word.verdict == "reject":
                said = f"{word.name} ({word.role}) rejected {decision.id}"
                subject = f"{decision.id}/{word.role}"
                yield Breach(word.node["verdict"].place, said, "approve", (), subject, (word.name,))


@rule(
    "MIT018",
    gate="mitigation",
    criterion="approvals",
    level=CRITICAL,
    says="An approver does not hold the role",
    why="A role that anyone can claim is worth nothing.",
    fix="Let who holds the role approve, or record in prerequisites.json who held it.",
    needs=(DECISIONS,),
)
def approvers_hold_their_roles(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each approver of a required role holds it, by policy or prerequisites.json."""
    for decision, run in chain.live:
        for required in chain.required_approvals(decision, run.started if run else None):
            approval = required.approval
            if not approval or _holds(chain, required):
                continue
            who = approval.name or "nobody"
            yield Breach(
                approval.node["by"].place,
                f"{who} approved {decision.id} as {required.role}, and does not hold that role",
                _holder(chain, required.role, approval),
                subject=f"{decision.id}/{required.role}",
                concerned=(approval.name,),
            )


def _holds(chain: Chain, required: RequiredApproval) -> bool:
    approval = required.approval
    if not approval or not required.role or approval.standing:
        return True
    return chain.holds(approval.name, required.role, chain.approved_at(approval))


def _holder(chain: Chain, role: str, approval: Approval) -> str:
    if chain.limits.holders(role):
        return f"a {role} of the policy"
    if role == COMMANDER:
        held = " or ".join(chain.commanders_at(chain.approved_at(approval)))
        return f"the commander of that time: {held or 'not recorded'}"
    return f"the {role} whom prerequisites.json names"


@rule(
    "MIT019",
    gate="mitigation",
    criterion="approvals",
    level=CRITICAL,
    says="One person gave two of the required approvals",
    why="Two roles are two pairs of eyes.",
    fix="Let another person give one of the approvals.",
    needs=(DECISIONS,),
)
def approvers_are_distinct(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The required approvals of a decision come from distinct people."""
    for decision, run in chain.live:
        seen: dict[str, str] = {}
        for required in chain.required_approvals(decision, run.started if run else None):
            approval = required.approval
            # Who holds no such role is MIT018's, and "anyone else" may be one of the others.
            if not approval or not approval.name or not required.role:
                continue
            if not _holds(chain, required):
                continue
            name = limits.identity(approval.name)
            if name in seen:
                both = f"as {seen[name]} and as {required.role}"
                said = f"{approval.name} approved {decision.id} {both}"
                place = approval.node["by"].place
                yield Breach(place, said, "two people", (), decision.id, (approval.name,))
            seen.setdefault(name, required.role)


@rule(
    "MIT020",
    gate="mitigation",
    criterion="approvals",
    level=CRITICAL,
    says="The operator approved the own action",
    why="Who runs it and who approves it must be different people.",
    fix="Let another person approve; for this record, record a deviation.",
    needs=(DECISIONS,),
)
def operator_is_not_approver(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No operator approved what he or she ran; at the mildest severity that is a WARNING."""
    for execution in chain.executions:
        decision = chain.decision_of(execution)
        severity = chain.severity_at(execution.started)
        for word in latest_words(chain, decision) if decision else ():
            if word.verdict == "approve" and chain.same(word.name, execution.operator):
                mild = severity is not None and severity.operator_may_approve
                yield Breach(
                    word.node["by"].place,
                    f"{word.name} approved {execution.decision} and ran {execution.id}",
                    "an approver other than the operator",
                    subject=execution.id,
                    concerned=(word.name,),
                    level=WARNING if mild else CRITICAL,
                )


@rule(
    "MIT021",
    gate="mitigation",
    criterion="approvals",
    level=CRITICAL,
    says="What was approved is not the option as it is written now",
    why="An approval holds for the words that were approved.",
    fix="Restore the option's section as it was approved. A changed option takes a new decision "
    "that supersedes this one; keep the old plan as attachments/mitigation-plan-1.md.",
    needs=(DECISIONS,),
)
def option_is_approved_as_written(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each approver's latest word carries the digest of the option's section."""
    for decision in chain.decisions:
        option = chain.option(decision.option)
        if option is None:
            continue
        given = [w for w in latest_words(chain, decision) if w.verdict == "approve"]
        given = [w for w in given if not w.standing]
        for approval in given:
            subject = f"{decision.id}/{approval.role}"
            yield from missing(approval.node, "option_sha256", subject=subject)
        accepted = {option.sha256}
        if chain.superseding(decision) and any(w.sha256 not in accepted for w in given):
            accepted |= chain.kept_digests.get(decision.option, set())
        other = [w for w in given if w.sha256 and w.sha256 not in accepted]
        if other:
            yield _other_text(decision, option, other)


def _other_text(decision: Decision, option: Option, given: list[Approval]) -> Breach:
    """One breach for a decision: a section that changed has changed for all who approved it."""
    names = tuple(w.name for w in given)
    return Breach(
        given[0].node["option_sha256"].place,
        f"{decision.option} is not written as {' and '.join(names)} approved it",
        f"sha256 {option.sha256}  {PLAN}:{option.place.line}",
        tuple(f"{w.name:<6} {w.role:<18} sha256 {w.sha256[:12]}…" for w in given),
        decision.id,
        names,
    )


@rule(
    "MIT022",
    gate="mitigation",
    criterion="approvals",
    level=CRITICAL,
    says="A standing approval does not cover this decision",
    why="A standing approval holds for its runbook, its scope and its time, and nothing else.",
    fix="Let a person approve this decision, or extend the standing approval before the next one.",
    needs=(DECISIONS,),
)
def standing_approvals_cover(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """A cited standing approval is in the policy, in force, and covers strategy, services, role."""
    for decision, run in chain.live:
        moment = run.started if run else decision.time
        event = f"{run.id} started" if run else f"{decision.id} was decided"
        for approval in latest_words(chain, decision):
            if not approval.standing or approval.verdict != "approve":
                continue
            standing = limits.standing_approval(approval.standing)
            place, subject = approval.node["standing"].place, f"{decision.id}/{approval.role}"
            if standing is None:
                said = f"the policy holds no standing approval {approval.standing}"
                yield Breach(place, said, subject=subject)
                continue
            expires = from_value(standing["expires_at"])
            ran_out = f"{approval.standing} ran out {{gap}} before {event}"
            until = f"in force until {expires.shown}" if expires else ""
            yield from in_order(moment, expires, place, ran_out, expected=until, subject=subject)
            beyond = _beyond(chain, decision, approval, standing)
            if beyond:
                said = f"{approval.standing} does not cover {', '.join(beyond)}"
                covers = "; ".join(", ".join(standing[key]) for key in SCOPE)
                yield Breach(place, said, f"only {covers}", subject=subject)


SCOPE = ("strategies", "services", "roles")


def _beyond(
    chain: Chain, decision: Decision, approval: Approval, standing: Mapping[str, Any]
) -> list[str]:
    """What of a decision lies outside a standing approval."""
    option = chain.option(decision.option)
    strategies = [option.strategy] if option else []
    asked = dict(zip(SCOPE, (strategies, decision.services, [approval.role]), strict=True))
    return [word for key in SCOPE for word in asked[key] if word not in standing[key]]
