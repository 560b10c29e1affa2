"""Gate 2: plan documented, readiness confirmed, decisions approved, and nothing run before that."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from incident_gates import facts
from incident_gates.chain import COMMANDER, RequiredApproval, latest_words
from incident_gates.evidence.times import Order, elapsed, from_value, order, show_duration
from incident_gates.model import Metric
from incident_gates.rules import (
    CRITICAL,
    DO_NOT_CHANGE,
    INFO,
    WARNING,
    Breach,
    Place,
    gap,
    in_order,
    missing,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_gates.chain import Chain, Consensus
    from incident_gates.evidence.times import Time
    from incident_gates.facts import Approval, Decision, Execution, Option
    from incident_gates.incident import Node
    from incident_gates.policy import Limits

PLAN, CHECKLIST, DECISIONS = (
    "mitigation-plan.md",
    "rollback-readiness-checklist.json",
    "decision-log.json",
)
EARLIER_SOURCE = (
    f"{DO_NOT_CHANGE}. If it happened earlier, record that with its source; "
    "if not, record a deviation."
)


# --- the plan ------------------------------------------------------------------------------------


@rule(
    "MIT001",
    gate="mitigation",
    criterion="plan",
    level=CRITICAL,
    says="The plan holds no usable option",
    why="A decision needs something to decide on.",
    fix="Write one section per option: `## Option O-1: what to do`, with its Strategy.",
    needs=(PLAN,),
)
def plan_holds_options(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """At least one option, each with a known strategy."""
    if not chain.options:
        yield Breach(Place(PLAN, line=1), "no option is described")
    known = limits.protocol.data["strategies"]
    for option in chain.options:
        if option.strategy not in known:
            stated = option.field("strategy")
            said = f'{option.id}: strategy "{stated}" is not known' if stated else ""
            expected = f"one of {', '.join(known)}"
            said = said or f"{option.id} lacks its strategy"
            yield Breach(option.place, said, expected, subject=option.id)


@rule(
    "MIT002",
    gate="mitigation",
    criterion="plan",
    level=CRITICAL,
    says="An option does not state its risks, dependencies or duration",
    why="Mitigation pauses if options are unclear or dependencies unknown.",
    fix="Add `- Risks:`, `- Dependencies:` and `- Expected duration:` to the option.",
    needs=(PLAN,),
)
def options_are_complete(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each option names risks, dependencies and an expected duration."""
    for option in chain.options:
        absent = [n for n in ("risks", "dependencies") if not option.field(n)]
        absent += [] if option.expected else ["expected duration"]
        if absent:
            said = f"{option.id} lacks its {' and '.join(absent)}"
            yield Breach(option.place, said, subject=option.id)


@rule(
    "MIT003",
    gate="mitigation",
    criterion="plan",
    level=CRITICAL,
    says="The plan does not propose an option, or not why",
    why="Approvers approve a proposal and its reason, not a list.",
    fix="Add a Proposal section: `- Option: O-1` and `- Why: …`.",
    needs=(PLAN,),
)
def plan_proposes(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """A proposal names an option of the plan, and why."""
    proposal = facts.proposal(chain.record)
    if proposal is None:
        yield Breach(Place(PLAN, line=1), "there is no proposal")
        return
    if chain.options and chain.option(proposal.option) is None:
        said = f"the proposal names {proposal.option or 'no option'}"
        known = ", ".join(o.id for o in chain.options)
        yield Breach(proposal.place, said, f"one of {known}" if known else "")
    if not proposal.why:
        yield Breach(proposal.place, "the proposal does not say why")


# --- the order of events -------------------------------------------------------------------------


@rule(
    "MIT004",
    gate="mitigation",
    criterion="order",
    level=CRITICAL,
    says="An execution started before its decision was approved",
    why="Approval after the fact is how wrong rollbacks happen; the protocol forbids it outright.",
    fix=f"{DO_NOT_CHANGE}. If they approved earlier, record that approval with its source; "
    "if not, record a deviation.",
    at_once=True,
)
def approved_before_execution(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every required approval is not later than the start; emergencies have a rule of their own."""
    for execution in chain.executions:
        if execution.started is None or break_glass(chain, execution):
            continue
        late = [
            (required.approval, breach)
            for required in _approvals(chain, execution)
            if required.approval
            for breach in in_order(
                chain.approved_at(required.approval),
                execution.started,
                execution.node["started_at"].place,
                f"{execution.id} started {{gap}} before it was approved",
                expected=_approval_expected(chain, execution, execution.started),
                subject=execution.id,
            )
        ]
        if late:
            yield _together(chain, execution, late)


def _approval_expected(chain: Chain, execution: Execution, started: Time) -> str:
    severity = chain.severity_at(started)
    expected = f"every approval at or before {started.clock} UTC"
    if execution.emergency and severity:
        expected += f"; at {severity.name} an emergency is no exception"
    return expected


def _together(chain: Chain, execution: Execution, late: list[tuple[Approval, Breach]]) -> Breach:
    """One breach for an execution, which lists every approval that came too late."""
    times = {id(a): chain.approved_at(a) for a, _ in late}
    # What is proven wrong says more than what cannot be told; of those, the latest.
    _, worst = max(
        late,
        key=lambda pair: (
            pair[1].level == CRITICAL,
            "possibly" not in pair[1].message,
            time.latest.timestamp() if (time := times[id(pair[0])]) else 0,
        ),
    )
    actual = []
    for approval, _ in late:
        at, given = approval.node["approved_at"].place, times[id(approval)]
        where = f"{approval.node.document.name}:{chain.record.locate(at).line}"
        clock = given.clock if given else "?"
        actual.append(f"{approval.name:<6} {approval.role:<18} {clock}  {where}")
    people = (execution.operator, *(a.name for a, _ in late))
    return replace(worst, actual=tuple(actual), concerned=people)


@rule(
    "MIT005",
    gate="mitigation",
    criterion="order",
    level=CRITICAL,
    says="An execution started before severity and scope were agreed",
    why="The protocol's one critical rule: no rollback without confirmed severity and scope.",
    fix=EARLIER_SOURCE,
    at_once=True,
)
def agreed_before_execution(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The consensus in force, and its blast radius, are not later than the start."""
    for execution in chain.executions:
        if execution.started is None:
            continue
        place, concerned = execution.node["started_at"].place, (execution.operator,)
        consensus = chain.in_force(execution.started) or _first_agreed(chain)
        if consensus is None:
            # An unknown verdict or time is a gap, which gate 1 names, and no deviation.
            if not any(c.untold for c in chain.consensus):
                said = f"{execution.id} started, and no severity consensus is recorded"
                expected = f"a consensus at or before {execution.started.clock} UTC"
                subject = f"{execution.id}/severity"
                yield Breach(place, said, expected, subject=subject, concerned=concerned)
            continue
        radius = consensus.classification.node["blast_radius"]["assessed_at"].time
        for what, label, time in (
            ("severity", "severity was agreed", consensus.agreed),
            ("blast_radius", "the blast radius was known", radius),
        ):
            yield from in_order(
                time,
                execution.started,
                place,
                f"{execution.id} started {{gap}} before {label}",
                expected=f"at or before {execution.started.clock} UTC",
                subject=f"{execution.id}/{what}",
                concerned=concerned,
            )


def _first_agreed(chain: Chain) -> Consensus | None:
    return next((c for c in chain.consensus if c.agreed), None)


@rule(
    "MIT006",
    gate="mitigation",
    criterion="order",
    level=CRITICAL,
    says="An execution started before readiness was verified",
    why="A prerequisite verified afterwards protected nobody.",
    fix=EARLIER_SOURCE,
    at_once=True,
)
def ready_before_execution(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every required item is verified not later than the start."""
    for execution in chain.executions:
        if execution.started is None:
            continue
        for item in chain.readiness_items(execution):
            verified = item["verified_at"]
            yield from in_order(
                verified.time,
                execution.started,
                verified.place,
                f'"{item["id"].text}" was verified {{gap}} after {execution.id} had started',
                expected=f"at or before {execution.started.clock} UTC",
                subject=f"{execution.id}/{item['id'].text}",
                concerned=(execution.operator, item["verified_by"]["name"].text),
            )


@rule(
    "MIT007",
    gate="mitigation",
    criterion="order",
    level=CRITICAL,
    says="A prerequisite was met only after execution had started",
    why="What was found wanting too late could have stopped a wrong action.",
    fix=EARLIER_SOURCE,
    at_once=True,
)
def prerequisites_before_execution(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Approvals and system states of gate P are not later than the first execution."""
    started = [(e.started, e) for e in chain.executions if e.started]
    if not started:
        return
    start, first = min(started, key=lambda pair: pair[0].earliest)
    for what, entries in _prerequisites(chain).items():
        timed = [(time, node) for node, key in entries if (time := node[key].time)]
        # A later entry of the same kind is a hand-over or a second look; the first one counts.
        if not timed or any(_stands(node["standing"]) for node, _ in entries):
            continue
        time, node = min(timed, key=lambda pair: pair[0].latest)
        key = entries[0][1]
        yield from in_order(
            time,
            start,
            node[key].place,
            f"{what} came {{gap}} after {first.id} had started",
            expected=f"at or before {start.clock} UTC",
            subject=what,
            concerned=(node["by"]["name"].text or node["verified_by"]["name"].text, first.operator),
        )


def _prerequisites(chain: Chain) -> dict[str, list[tuple[Node, str]]]:
    """What gate P asks for, by kind: its entries, and the key of their time."""
    flags = ("regulated_data", "customer_notification")
    asked = [
        entry["id"]
        for entry in chain.limits.protocol.data["prerequisites"]["approvals"]
        if "when" not in entry or any(chain.prerequisites[flag].flag for flag in flags)
    ]
    found: dict[str, list[tuple[Node, str]]] = {}
    for node in chain.prerequisites["approvals"]:
        if node["approval"].text in asked:
            found.setdefault(node["approval"].text, []).append((node, "approved_at"))
    for node in chain.prerequisites["system_states"]:
        found.setdefault(node["state"].text, []).append((node, "verified_at"))
    return found


def _stands(standing: Node) -> bool:
    """Whether something verified in advance is really cited: where, and until when."""
    return bool(standing["reference"].text and standing["expires_at"].time)


@rule(
    "MIT008",
    gate="mitigation",
    criterion="order",
    level=CRITICAL,
    says="An execution carries out no decision",
    why="What nobody decided nobody can answer for.",
    fix="Name the decision that it carried out; if there was none, record a deviation.",
)
def executions_carry_out_decisions(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every execution names a decision of the log, and stays within its services."""
    for execution in chain.executions:
        decision, named = chain.decision_of(execution), execution.node["decision"]
        concerned = (execution.operator,)
        if not execution.decision:
            why = execution.node["decision"].unavailable
            said = f"{execution.id} names no decision{f' ({why})' if why else ''}"
            place = named.place if named else execution.node.place
            yield Breach(place, said, subject=execution.id, concerned=concerned)
        elif decision is None and chain.record.readable(DECISIONS):
            known = ", ".join(d.id for d in chain.decisions if d.id)
            said = f"{execution.id} names {execution.decision}, which {DECISIONS} does not hold"
            expected = f"one of {known}" if known else ""
            yield Breach(named.place, said, expected, (), execution.id, concerned)
        elif decision and decision.services:
            beyond = [s for s in execution.services if s not in decision.services]
            if beyond:
                acted = f"{execution.id} acted on {', '.join(beyond)}"
                said = f"{acted}, which {decision.id} does not cover"
                expected = f"only {', '.join(decision.services)}"
                place = execution.node["services"].place
                yield Breach(place, said, expected, (), execution.id, concerned)


@rule(
    "MIT009",
    gate="mitigation",
    criterion="order",
    level=CRITICAL,
    says="An execution carried out a decision that had been replaced",
    why="Once a decision is superseded, nobody stands behind it any more.",
    fix=f"Name the decision that was in force. {DO_NOT_CHANGE}; if it was run, record a deviation.",
    at_once=True,
)
def executed_decision_is_live(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No execution started after its decision had been superseded."""
    for execution in chain.executions:
        decision = chain.decision_of(execution)
        newer = _first_to_replace(chain, decision) if decision else None
        if newer:
            yield from in_order(
                execution.started,
                newer.time,
                execution.node["decision"].place,
                f"{execution.id} started {{gap}} after {newer.id} had replaced "
                f"{execution.decision}",
                expected=newer.id,
                subject=execution.id,
                concerned=(execution.operator,),
            )


def _first_to_replace(chain: Chain, decision: Decision) -> Decision | None:
    """The earliest decision that replaced another; of those without a time, the first listed."""
    newer = [d for d in chain.decisions if decision.id and d.supersedes == decision.id != d.id]
    timed = [(d.time.earliest, n) for n, d in enumerate(newer) if d.time]
    return newer[min(timed)[1]] if timed else next(iter(newer), None)


# --- readiness -----------------------------------------------------------------------------------


@rule(
    "MIT010",
    gate="mitigation",
    criterion="readiness",
    level=CRITICAL,
    says="The checklist leaves out a kind of prerequisite that a rollback needs",
    why="A rollback without script, backup, dependency or access fails half-way.",
    fix="Add a required item of that category, and verify it.",
    needs=(CHECKLIST,),
)
def readiness_floor_is_met(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """For a rollback, at least one required item of each category of the floor."""
    if not _rolls_back(chain, limits):
        return
    items, place = chain.readiness_items(), chain.checklist["items"].place
    if not items:
        yield Breach(place, "no required item is listed")
        return
    held = {item["category"].text for item in items}
    for category in limits.protocol.data["readiness_floor"]:
        if category not in held:
            said = f'no required item of category "{category}"'
            yield Breach(place, said, subject=category)


def _rolls_back(chain: Chain, limits: Limits) -> bool:
    """Whether a rollback is planned, or given up for a way forward; unknown counts as one."""
    data = limits.protocol.data
    strategies = {option.strategy for option in chain.planned}
    asked = {*data["rollback_strategies"], "fail_forward"}
    return not strategies or not strategies <= set(data["strategies"]) - asked


@rule(
    "MIT011",
    gate="mitigation",
    criterion="readiness",
    level=CRITICAL,
    says="A required item is not verified",
    why="All of the rollback prerequisites must hold: nine of ten is not ready.",
    fix="Verify it and record by whom, when and with what evidence; else escalate to release "
    "engineering.",
    needs=(CHECKLIST,),
)
def required_items_are_verified(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each required item is verified by a named person, with evidence."""
    for item in chain.readiness_items():
        ident = item["id"].text
        status = item["status"].text
        if status == "unmet" and chain.going_forward:
            # Going forward because rollback cannot work is a reason; leaving it out is not.
            yield from missing(item, "reason", subject=ident)
            continue
        if status != "verified":
            why = f" ({item['reason'].text})" if item["reason"].text else ""
            said = f'"{item["description"].text or ident}" is {status or "not verified"}{why}'
            yield Breach(
                (item["status"] if status else item).place, said, "verified", subject=ident
            )
            continue
        yield from missing(item, "verified_by", "verified_at", "evidence", subject=ident)


@rule(
    "MIT012",
    gate="mitigation",
    criterion="readiness",
    level=CRITICAL,
    says="The rollback target is not named",
    why="Back to what? Everybody must mean the same release.",
    fix="Write the last known good release as rollback_target.",
    needs=(CHECKLIST,),
)
def rollback_target_is_named(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """For a rollback, the checklist names its target."""
    if _rolls_back(chain, limits):
        yield from missing(chain.checklist, "rollback_target")


@rule(
    "MIT013",
    gate="mitigation",
    criterion="readiness",
    level=WARNING,
    says="The rollback target is not what was deployed or rehearsed",
    why="Going further back than planned may be right, but nobody has rehearsed it.",
    fix="Correct the target, or say in the plan why another release is meant.",
    needs=(CHECKLIST,),
)
def rollback_target_agrees(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Target, previous release and rehearsal name the same release."""
    target = chain.checklist["rollback_target"]
    previous = chain.record.node("production-deployment-report.json")["previous_release"]
    rehearsed = chain.record.node("rollback-verification-report.json")["target"]
    named = ((previous, "previous_release"), (rehearsed, "the rehearsal's target"))
    others = [(node, what) for node, what in named if node.text not in ("", target.text)]
    if target.text and others:
        actual = tuple(f"{what:<22} {n.text}  {n.document.name}" for n, what in others)
        says = ", ".join(f"{what} is {node.text}" for node, what in others)
        said = f"the target is {target.text}; {says}"
        yield Breach(target.place, said, others[0][0].text, actual)


@rule(
    "MIT014",
    gate="mitigation",
    criterion="readiness",
    level=WARNING,
    says="The rollback path was not exercised lately",
    why="Rollback paths rot: permissions change, caches grow, data moves on.",
    fix="Record last_exercised_at with its evidence; exercise the path before the next incident.",
    needs=(CHECKLIST,),
)
def rollback_path_is_exercised(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The path was exercised, within the age limit at declaration."""
    exercised = chain.checklist["last_exercised_at"]
    yield from missing(chain.checklist, "last_exercised_at")
    days = limits.max_age_days("last_exercised_at")
    if exercised.time and chain.declared and days is not None:
        age = (chain.declared.earliest - exercised.time.latest).days
        if age > days:
            yield Breach(
                exercised.place,
                f"last exercised {age} days before the declaration",
                f"at most {days:g} days",
            )


@rule(
    "MIT015",
    gate="mitigation",
    criterion="readiness",
    level=CRITICAL,
    says="No recovery checks are planned",
    why="Who decides afterwards what to check will check what passes.",
    fix="List under recovery_checks what must work again: id, service, kind, critical.",
    needs=(CHECKLIST,),
)
def recovery_checks_are_planned(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The checklist plans a critical check of each kind."""
    place = chain.checklist["recovery_checks"].place
    planned = [n for n in facts.planned_checks(chain.record) if n["critical"].flag is not False]
    if not planned:
        yield Breach(place, "no critical recovery check is planned")
        return
    kinds = {n["kind"].text for n in planned}
    for kind in limits.protocol.data["recovery_floor"]:
        if kind not in kinds:
            yield Breach(place, f"no critical check of kind {kind} is planned", subject=kind)


# --- approvals -----------------------------------------------------------------------------------


def break_glass(chain: Chain, execution: Execution) -> bool:
    """Whether an execution was an emergency that may be approved afterwards.

    Whether it has a reason is asked by a rule of its own.
    """
    severity = chain.severity_at(execution.started)
    allowed = chain.limits.break_glass_severities()
    return bool(execution.emergency and severity and severity.name in allowed)


def _approvals(chain: Chain, execution: Execution) -> list[RequiredApproval]:
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
            accepted |= facts.kept_digests(chain.record, decision.option)
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
        if not execution.emergency["reason"].text:
            said = f"{execution.id}: the emergency has no reason"
            yield Breach(execution.emergency.place, said, subject=execution.id)
        for required in _approvals(chain, execution):
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


@rule(
    "MIT025",
    gate="mitigation",
    criterion="approvals",
    level=CRITICAL,
    says="An approval was written down after the execution, without a source",
    why="An earlier approval that nobody can look up is one that may never have been given.",
    fix=f"{DO_NOT_CHANGE}. Name where the approval can be seen as its source; if there is none, "
    "record a deviation.",
    needs=(DECISIONS,),
)
def late_entries_name_their_source(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """An approval recorded after its execution has a source; with one it is shown as INFO."""
    for decision, run in chain.live:
        if run and run.started:
            for approval in decision.approvals:
                yield from _written_late(decision, run, run.started, approval)


def _written_late(
    decision: Decision, run: Execution, started: Time, approval: Approval
) -> Iterator[Breach]:
    recorded, given = approval.node["recorded_at"], approval.time
    claims_earlier = given is None or order(started, given) is not Order.PROVEN
    if recorded.time and claims_earlier and order(recorded.time, started) is Order.CONTRADICTED:
        source = approval.node["source"].text
        said = f"{approval.name}'s approval of {decision.id} was written down after {run.id}"
        about = f"{said}, from {source}" if source else f"{said} had started, and names no source"
        subject, level = f"{decision.id}/{approval.role}", INFO if source else CRITICAL
        people = (approval.name, run.operator)
        yield Breach(recorded.place, about, "", (), subject, people, level)


@rule(
    "MIT026",
    gate="mitigation",
    criterion="order",
    level=WARNING,
    says="What was run does not look like what was decided",
    why="An approval covers one action; another version or script is another action.",
    fix="Say in the report why the command differs, or let a new decision cover it.",
)
def command_fits_decision(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Versions and script names of the decided action occur in the command."""
    for execution in chain.executions:
        decision, command = chain.decision_of(execution), execution.node["command"]
        if decision is None or not command.text:
            continue
        ran = set(_tokens(command.text))
        absent = [word for word in _tokens(decision.node["action"].text) if word not in ran]
        if absent:
            said = f"{execution.id} ran without {', '.join(absent)}, which {decision.id} decided"
            expected = decision.node["action"].text
            yield Breach(command.place, said, expected, (), execution.id, (execution.operator,))


def _tokens(text: str) -> list[str]:
    """The words of an action that name one thing: a version, a file, a digest."""
    words = (word.strip("`'\",;:()").split("/")[-1] for word in text.split())
    return [w for w in words if re.search(r"[0-9]", w) or re.search(r"\w\.\w", w)]


@rule(
    "MIT027",
    gate="mitigation",
    criterion="order",
    level=CRITICAL,
    says="An approval or assessment is older than the incident",
    why="What was said before anything was detected was said of something else.",
    fix="Look up the time at its source, and correct it if it was mistyped; an approval given in "
    "advance is a standing approval of the policy.",
    at_once=True,
)
def words_follow_detection(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Nobody approved or assessed before detection and impact; readiness may be older (WARNING)."""
    known = (chain.detected, chain.severity_file["impact_started_at"].time)
    begun = min((t for t in known if t), key=lambda t: t.earliest, default=None)
    for what, time, place, who, level in _words(chain) if begun else ():
        if begun and time and order(begun, time) is Order.CONTRADICTED:
            said = f"{what} at {time.shown} is from before the incident"
            expected = f"after {begun.shown}"
            yield Breach(place, said, expected, (), what, (who,), level)


def _words(chain: Chain) -> Iterator[tuple[str, Time | None, Place, str, str]]:
    for decision in chain.decisions:
        for given in decision.approvals:
            what = f"{given.name}'s approval of {decision.id}"
            if not given.standing:
                yield what, given.time, given.node["approved_at"].place, given.name, CRITICAL
    for consensus in chain.consensus:
        for word in consensus.classification.assessors:
            what = f"{word.name}'s assessment"
            yield what, word.time, word.node["assessed_at"].place, word.name, CRITICAL
    # What was verified in advance, and is cited with its expiry, is older by its nature.
    for item in (i for i in chain.readiness_items() if not _stands(i["standing"])):
        what, who = f'"{item["id"].text}"', item["verified_by"]["name"].text
        yield what, item["verified_at"].time, item["verified_at"].place, who, WARNING


@rule(
    "MIT028",
    gate="mitigation",
    criterion="readiness",
    level=CRITICAL,
    says="A standing verification of the checklist had run out, or never does",
    why="What was verified once holds for a time; a script that worked in spring may not now.",
    fix=f"{DO_NOT_CHANGE}. Before execution, verify the item anew; afterwards, record the "
    "verification that was in force with its source, or a deviation.",
    needs=(CHECKLIST,),
)
def standing_items_are_in_force(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each item that cites a standing verification was relied on while that held."""
    started = [e.started for e in chain.executions if e.started]
    moment = max(started, key=lambda t: t.latest, default=None)
    event = "the last execution started"
    if moment is None:
        moment = max((d.time for d in chain.decisions if d.time), default=None)
        event = "the last decision"
    for item in chain.readiness_items():
        standing, ident = item["standing"], item["id"].text
        if not standing:
            continue
        if not standing["expires_at"].time:
            yield from missing(standing, "expires_at", subject=ident)
            continue
        expires = standing["expires_at"]
        said = f'what "{ident}" cites ran out {{gap}} before {event}'
        yield from in_order(moment, expires.time, expires.place, said, subject=ident)


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
        given = [chain.approved_at(r.approval) for r in _approvals(chain, execution) if r.approval]
        latest = max((t for t in given if t), key=lambda t: t.latest, default=None)
        if latest and execution.started and order(latest, execution.started) is Order.PROVEN:
            lead = execution.started.earliest - latest.earliest
            return f", {show_duration(lead)} before execution"
    return ""
