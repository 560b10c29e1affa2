"""Gate 2: plan documented, readiness confirmed, decisions approved, and nothing run before that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates import facts
from incident_gates.chain import COMMANDER, RequiredApproval, latest_words
from incident_gates.evidence.times import Order, elapsed, from_value, order, show_duration
from incident_gates.model import Metric
from incident_gates.rules import (
    CRITICAL,
    DO_NOT_CHANGE,
    WARNING,
    Breach,
    Place,
    in_order,
    missing,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.facts import Approval, Decision, Execution
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
            said = f"{option.id}: strategy {option.strategy or 'missing'}"
            yield Breach(option.place, said, f"one of {', '.join(known)}", subject=option.id)


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
            said = f"{option.id} lacks its {', '.join(absent)}"
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
    if chain.option(proposal.option) is None:
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
            (required, breach)
            for required in _approvals(chain, execution)
            if required.approval
            for breach in in_order(
                chain.approved_at(required.approval),
                execution.started,
                execution.node["started_at"].place,
                f"{execution.id} started {{gap}} before it was approved",
                expected=f"every approval at or before {execution.started.clock} UTC",
                subject=execution.id,
            )
        ]
        if late:
            yield _together(chain, execution, late)


def _together(
    chain: Chain, execution: Execution, late: list[tuple[RequiredApproval, Breach]]
) -> Breach:
    """One breach for an execution, which lists every approval that came too late."""
    worst = min(
        (breach for _, breach in late), key=lambda b: (b.level != CRITICAL, -len(b.message))
    )
    approvals = [required.approval for required, _ in late if required.approval]
    document = chain.record.document(DECISIONS)
    path = document.name if document else DECISIONS
    actual = []
    for approval in approvals:
        given = chain.approved_at(approval)
        line = chain.record.locate(approval.node["approved_at"].place).line
        clock = given.clock if given else "?"
        actual.append(f"{approval.name:<6} {approval.role:<18} {clock}  {path}:{line}")
    people = (execution.operator, *(a.name for a in approvals))
    return Breach(
        worst.place,
        worst.message,
        worst.expected,
        tuple(actual),
        worst.subject,
        people,
        worst.level,
        worst.fix,
    )


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
    """The consensus, and the blast radius, are not later than the start."""
    for execution in chain.executions:
        if execution.started is None:
            continue
        place, concerned = execution.node["started_at"].place, (execution.operator,)
        agreed = [c for c in chain.consensus if c.agreed]
        if not agreed:
            said = f"{execution.id} started, and no severity consensus is recorded"
            expected = f"a consensus at or before {execution.started.clock} UTC"
            yield Breach(place, said, expected, subject=execution.id, concerned=concerned)
            continue
        consensus = chain.in_force(execution.started) or agreed[0]
        radius = consensus.classification.node["blast_radius"]["assessed_at"].time
        for label, time in (
            ("severity was agreed", consensus.agreed),
            ("the blast radius was known", radius),
        ):
            yield from in_order(
                time,
                execution.started,
                place,
                f"{execution.id} started {{gap}} before {label}",
                expected=f"at or before {execution.started.clock} UTC",
                subject=execution.id,
                concerned=concerned,
            )


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
    first = next((e for e in chain.executions if e.started), None)
    if first is None or first.started is None:
        return
    listed = [(n, "approved_at", n["approval"].text) for n in chain.prerequisites["approvals"]]
    listed += [(n, "verified_at", n["state"].text) for n in chain.prerequisites["system_states"]]
    # A later entry of the same kind is a hand-over or a second look; the first one counts.
    earliest = {what: (node, key) for node, key, what in reversed(listed)}
    for what, (node, key) in earliest.items():
        if node["standing"]:
            continue
        yield from in_order(
            node[key].time,
            first.started,
            node[key].place,
            f"{what} came {{gap}} after {first.id} had started",
            expected=f"at or before {first.started.clock} UTC",
            subject=what,
            concerned=(node["by"]["name"].text or node["verified_by"]["name"].text, first.operator),
        )


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
    """Every execution names a decision, and stays within its services."""
    for execution in chain.executions:
        decision = chain.decision_of(execution)
        concerned = (execution.operator,)
        if not execution.decision:
            said = f"{execution.id} names no decision"
            yield Breach(execution.node.place, said, subject=execution.id, concerned=concerned)
        elif decision:
            beyond = [s for s in execution.services if s not in decision.services]
            if beyond:
                said = f"{execution.id} acted on {', '.join(beyond)}, which {decision.id} does not cover"
                expected = f"only {', '.join(decision.services) or 'no service'}"
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
        newer = chain.superseding(decision) if decision else None
        if newer and newer.time and execution.started:
            gone = order(newer.time, execution.started) is Order.PROVEN
            if gone:
                said = f"{execution.id} started after {newer.id} had replaced {execution.decision}"
                place = execution.node["decision"].place
                yield Breach(place, said, newer.id, (), execution.id, (execution.operator,))


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
    data = limits.protocol.data
    strategies = {option.strategy for option in _planned(chain)}
    if strategies and not strategies & {*data["rollback_strategies"], "fail_forward"}:
        return
    held = {item["category"].text for item in chain.readiness_items()}
    for category in data["readiness_floor"]:
        if category not in held:
            said = f'no required item of category "{category}"'
            yield Breach(chain.checklist["items"].place, said, subject=category)


def _planned(chain: Chain) -> list[facts.Option]:
    """The options that were decided; before any decision, the one proposed."""
    decided = [o for d in chain.decisions if (o := chain.option(d.option))]
    proposal = facts.proposal(chain.record)
    proposed = chain.option(proposal.option) if proposal else None
    return decided or ([proposed] if proposed else list(chain.options))


@rule(
    "MIT011",
    gate="mitigation",
    criterion="readiness",
    level=CRITICAL,
    says="A required item is not verified",
    why="All of the rollback prerequisites must hold: nine of ten is not ready.",
    fix="Verify it and record by whom, when and with what evidence; or escalate to release engineering.",
    needs=(CHECKLIST,),
)
def required_items_are_verified(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each required item is verified by a named person, with evidence."""
    forward = {o.strategy for o in _planned(chain)} == {"fail_forward"}
    for item in chain.readiness_items():
        ident = item["id"].text
        status = item["status"].text
        if status == "unmet" and forward:
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
        yield from missing(item, "verified_at", "evidence", subject=ident)
        if not item["verified_by"]["name"].text:
            yield Breach(item.place, f"{ident}: nobody is named who verified it", subject=ident)


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
    """The checklist names the rollback target."""
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
    for other, what in ((previous, "previous_release"), (rehearsed, "the rehearsal's target")):
        if target.text and other.text and other.text != target.text:
            said = f"the target is {target.text}, {what} is {other.text}"
            yield Breach(target.place, said, other.text, subject=what)


@rule(
    "MIT014",
    gate="mitigation",
    criterion="readiness",
    level=WARNING,
    says="The rollback path was not exercised lately",
    why="Rollback paths rot: permissions change, caches grow, data moves on.",
    fix="Record last_exercised_at with its evidence, or exercise the path before the next incident.",
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
                exercised.place, f"last exercised {age} days before", f"at most {days:g} days"
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
    planned = [n for n in facts.planned_checks(chain.record) if n["critical"].flag is not False]
    kinds = {n["kind"].text for n in planned}
    for kind in limits.protocol.data["recovery_floor"]:
        if kind not in kinds:
            place = chain.checklist["recovery_checks"].place
            yield Breach(place, f"no critical check of kind {kind} is planned", subject=kind)


# --- approvals -----------------------------------------------------------------------------------


def break_glass(chain: Chain, execution: Execution) -> bool:
    """Whether an execution was an emergency that may be approved afterwards."""
    severity = chain.severity_at(execution.started)
    allowed = chain.limits.break_glass_severities()
    reason = execution.emergency["reason"].text
    return bool(reason and severity and severity.name in allowed)


def _approvals(chain: Chain, execution: Execution) -> list[RequiredApproval]:
    decision = chain.decision_of(execution)
    if decision is None:
        return []
    return chain.required_approvals(decision, execution.started, execution.operator)


def _live(chain: Chain) -> list[tuple[Decision, Execution | None]]:
    """Each decision that counts, with the first execution of it: executed ones, and the last."""
    pairs: list[tuple[Decision, Execution | None]] = []
    for decision in chain.decisions:
        run = next((e for e in chain.executions if e.decision == decision.id), None)
        if run or chain.superseding(decision) is None:
            pairs.append((decision, run))
    return pairs


@rule(
    "MIT016",
    gate="mitigation",
    criterion="approvals",
    level=CRITICAL,
    says="A required approval is missing",
    why="Decision approvals must be complete: all roles, for the option as written.",
    fix="Let that person approve: `incident-gates record approval` computes the digest of the option.",
    needs=(DECISIONS,),
)
def approvals_are_complete(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every required role has approved each live decision."""
    if not chain.decisions:
        yield Breach(chain.record.node(DECISIONS)["decisions"].place, "no decision is recorded")
    for decision, run in _live(chain):
        moment = run.started if run else None
        for required in chain.required_approvals(decision, moment, run.operator if run else ""):
            role = required.role or "one person other than the operator"
            subject = f"{decision.id}/{required.role or 'approver'}"
            if required.approval is None:
                place = decision.node["approvals"].place
                yield Breach(place, f"{role} has not approved {decision.id}", subject=subject)
                continue
            if chain.approved_at(required.approval) is None:
                yield from missing(required.approval.node, "approved_at", subject=subject)
        yield from missing(decision.node, "action", "decided_at", "services", subject=decision.id)


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
    for decision, _ in _live(chain):
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
    for decision, run in _live(chain):
        moment = run.started if run else None
        for required in chain.required_approvals(decision, moment):
            approval = required.approval
            if not approval or not required.role or approval.standing:
                continue
            given = chain.approved_at(approval)
            if not chain.holds(approval.name, required.role, given):
                said = f"{approval.name or 'nobody'} approved as {required.role}"
                holder = _holder(chain, required.role, approval)
                subject = f"{decision.id}/{required.role}"
                place = approval.node["by"].place
                yield Breach(place, said, holder, (), subject, (approval.name,))


def _holder(chain: Chain, role: str, approval: Approval) -> str:
    if chain.limits.holders(role):
        return f"a {role} of the policy"
    if role == COMMANDER:
        return f"the commander of that time: {chain.commander_at(approval.time) or 'not recorded'}"
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
    for decision, run in _live(chain):
        seen: dict[str, str] = {}
        for required in chain.required_approvals(decision, run.started if run else None):
            if not required.approval or not required.approval.name:
                continue
            name = limits.identity(required.approval.name)
            if name in seen:
                said = f"{required.approval.name} approved as {seen[name]} and as {required.role}"
                place = required.approval.node["by"].place
                yield Breach(place, said, "two people", (), decision.id, (name,))
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
    fix="Restore the option's section as approved, or let the changed option be approved again.",
    needs=(DECISIONS,),
)
def option_is_approved_as_written(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each approval carries the digest of the option's section."""
    for decision in chain.decisions:
        option = chain.option(decision.option)
        if option is None:
            continue
        accepted = {option.sha256}
        if chain.superseding(decision):
            accepted |= facts.kept_digests(chain.record, decision.option)
        for approval in decision.approvals:
            subject = f"{decision.id}/{approval.role}"
            if approval.verdict != "approve" or approval.standing:
                continue
            if not approval.sha256:
                yield from missing(approval.node, "option_sha256", subject=subject)
            elif approval.sha256 not in accepted:
                yield Breach(
                    approval.node["option_sha256"].place,
                    f"{approval.name} approved another text of {decision.option}",
                    f"sha256 {option.sha256}  {PLAN}:{option.place.line}",
                    subject=subject,
                    concerned=(approval.name,),
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
    for decision, run in _live(chain):
        option = chain.option(decision.option)
        for approval in decision.approvals:
            if not approval.standing:
                continue
            standing = limits.standing_approval(approval.standing)
            place, subject = approval.node["standing"].place, f"{decision.id}/{approval.role}"
            if standing is None:
                said = f"the policy holds no standing approval {approval.standing}"
                yield Breach(place, said, subject=subject)
                continue
            moment = run.started if run else decision.time
            expires = from_value(standing.get("expires_at"))
            if expires is None or not moment or order(moment, expires) is not Order.PROVEN:
                said = f"{approval.standing} is not shown to be in force then"
                yield Breach(place, said, subject=subject)
            beyond = set(decision.services) - set(standing.get("services", ()))
            strategies = standing.get("strategies", ())
            if (
                beyond
                or approval.role not in standing.get("roles", ())
                or (option and option.strategy not in strategies)
            ):
                covers = f"{', '.join(strategies)} of {', '.join(standing.get('services', ()))}"
                yield Breach(
                    place, f"{approval.standing} does not cover it", covers, subject=subject
                )


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
    fix=f"{DO_NOT_CHANGE}. Record the reason and every approval as given; if late, record a deviation.",
)
def emergencies_are_approved(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """An emergency has a reason, and its approvals follow within the limit of its start."""
    minutes = limits.threshold("break_glass_minutes")
    for execution in chain.executions:
        place = execution.emergency.place
        if not execution.emergency:
            continue
        if not execution.emergency["reason"].text:
            yield Breach(
                place, f"{execution.id}: the emergency has no reason", subject=execution.id
            )
        for required in _approvals(chain, execution):
            given = chain.approved_at(required.approval) if required.approval else None
            if given is None or execution.started is None or not required.approval:
                continue
            _, most = elapsed(execution.started, given)
            if most.total_seconds() > minutes * 60:
                yield Breach(
                    required.approval.node["approved_at"].place,
                    f"{required.role or 'the approver'} approved {show_duration(most)} after "
                    f"{execution.id} had started",
                    f"at most {minutes:g} min",
                    subject=f"{execution.id}/{required.role}",
                    concerned=(execution.operator, required.approval.name),
                )


def _counts(chain: Chain) -> tuple[int, int, int, int]:
    items = chain.readiness_items()
    ready = sum(item["status"].text == "verified" for item in items)
    wanted = [
        r
        for decision, run in _live(chain)
        for r in chain.required_approvals(decision, run.started if run else None)
    ]
    given = sum(r.approval is not None for r in wanted)
    return ready, len(items), given, len(wanted)


def metrics(chain: Chain, limits: Limits) -> tuple[Metric, ...]:
    """Readiness and approvals, both of which must be whole."""
    ready, items, given, wanted = _counts(chain)
    return (
        Metric("readiness", ready / items if items else None, 1.0, "ratio", ">="),
        Metric("approvals", given / wanted if wanted else None, 1.0, "ratio", ">="),
    )


def summary(chain: Chain, limits: Limits) -> str:
    """What the gate measured, in one line."""
    ready, items, given, wanted = _counts(chain)
    parts = [f"{ready}/{items} ready"] if items else []
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
