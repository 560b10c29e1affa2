"""Gate 3: executed, deployed and recovered are three facts, each shown for every service."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from incident_gates import facts
from incident_gates.chain import FAILED_OUTCOMES
from incident_gates.evidence.times import Order, elapsed, order, show_duration
from incident_gates.model import Metric
from incident_gates.rules import (
    CRITICAL,
    DO_NOT_CHANGE,
    WARNING,
    Breach,
    Place,
    gap,
    in_order,
    missing,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.times import Time
    from incident_gates.facts import Execution
    from incident_gates.policy import Limits

EXECUTIONS, CHECKS, TIMELINE = (
    "mitigation-execution-report.json",
    "recovery-validation.json",
    "incident-timeline.md",
)


@rule(
    "REC001",
    gate="recovery",
    criterion="executed",
    level=CRITICAL,
    says="A service has no successful mitigation",
    why="The last thing done to a service decides whether it was mitigated.",
    fix="Re-run the mitigation or choose another, with a new decision; record the execution.",
    needs=(EXECUTIONS,),
)
def last_mitigation_succeeded(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """For each affected service, the last mitigation succeeded."""
    if not chain.affected_services and not chain.mitigations:
        place = chain.record.node(EXECUTIONS)["executions"].place
        yield Breach(place, "no execution is recorded")
    for service in chain.affected_services:
        last = chain.last_mitigation(service)
        if last is None:
            place = chain.record.node(EXECUTIONS)["executions"].place
            yield Breach(place, f"{service} was never mitigated", subject=service)
        elif last.outcome != "succeeded":
            said = f"the last mitigation of {service}, {last.id}, {_ended(last)}"
            node = last.node["outcome"] if last.node["outcome"] else last.node
            yield Breach(node.place, said, "succeeded", (), service, (last.operator,))


def _ended(execution: Execution) -> str:
    return {"": "has no outcome", "unknown": "has an unknown outcome"}.get(
        execution.outcome, f"ended as {execution.outcome}"
    )


@rule(
    "REC002",
    gate="recovery",
    criterion="executed",
    level=CRITICAL,
    says="An execution is not fully logged",
    why="Mitigation runs with full logging and change management: what is not written down was "
    "not controlled.",
    fix="Complete the entry; `incident-gates record execution -- CMD` writes it for you.",
    needs=(EXECUTIONS,),
)
def executions_are_logged(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Operator, command, change reference, times, exit code, output, services and outcome."""
    names = ("services", "command", "change_reference", "started_at", "completed_at", "exit_code")
    for execution in chain.executions:
        node = execution.node
        yield from missing(node, *names, "outcome", subject=execution.id)
        if not execution.operator:
            yield Breach(node.place, f"{execution.id}: operator is missing", subject=execution.id)
        if (
            not node["output_file"]["path"].text and not isinstance(node["output"].value, str)
        ) or node["output"].unavailable:
            yield from missing(node, "output", subject=execution.id)


@rule(
    "REC003",
    gate="recovery",
    criterion="executed",
    level=CRITICAL,
    says="The outcome contradicts the exit code",
    why="A command that failed did not succeed because somebody wrote so.",
    fix="Write the outcome that the command had; if it succeeded all the same, say how in output.",
    needs=(EXECUTIONS,),
    at_once=True,
)
def outcome_fits_exit_code(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No execution succeeded with a non-zero exit code."""
    for execution in chain.executions:
        code = execution.node["exit_code"]
        if execution.outcome == "succeeded" and code.number not in (None, 0):
            said = f"{execution.id} succeeded with exit code {code.number:g}"
            yield Breach(code.place, said, "exit code 0", (), execution.id, (execution.operator,))


@rule(
    "REC004",
    gate="recovery",
    criterion="executed",
    level=CRITICAL,
    says="An execution ended before it started",
    why="That cannot be: one of the two times is wrong.",
    fix="Look up both times at their source, and correct the one that was mistyped.",
    needs=(EXECUTIONS,),
    at_once=True,
)
def executions_end_after_they_start(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Completion, and propagation, are not earlier than the start."""
    for execution in chain.executions:
        pairs = (
            ("completed_at", execution.completed, execution.started, "it started"),
            ("propagation_verified_at", execution.propagated, execution.started, "it started"),
        )
        for key, time, earlier, what in pairs:
            if time and earlier and order(earlier, time) is Order.CONTRADICTED:
                said = f"{execution.id}: {key} is {gap(time, earlier)} before {what}"
                subject = f"{execution.id}/{key}"
                yield Breach(execution.node[key].place, said, subject=subject)


@rule(
    "REC005",
    gate="recovery",
    criterion="executed",
    level=CRITICAL,
    says="Nobody verified that the mitigation reached the service",
    why="Executed is not deployed: rollbacks have succeeded and never arrived.",
    fix="Verify the running version on every instance, and record propagation_verified_at.",
    needs=(EXECUTIONS,),
)
def propagation_is_verified(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The last mitigation of each service has a propagation time."""
    lasts = {last.id: last for s in chain.affected_services if (last := chain.last_mitigation(s))}
    for last in lasts.values():
        if last.outcome == "succeeded":
            yield from missing(last.node, "propagation_verified_at", subject=last.id)


@rule(
    "REC006",
    gate="recovery",
    criterion="executed",
    level=CRITICAL,
    says="After a failed mitigation, something was run without a new decision",
    why="If a mitigation fails, the protocol goes back to planning.",
    fix=f"Name the new decision and its approvals. {DO_NOT_CHANGE}; if there was none, record a "
    "deviation.",
    needs=(EXECUTIONS,),
    at_once=True,
)
def failure_leads_to_new_decision(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The execution after a failed, partial or ineffective one carries out a newer decision."""
    for failed, later in zip(chain.mitigations, chain.mitigations[1:], strict=False):
        if failed.outcome not in FAILED_OUTCOMES:
            continue
        decision = chain.decision_of(later)
        place, subject = later.node["decision"].place, later.id
        people = (later.operator,)
        if decision is None or later.decision == failed.decision:
            said = (
                f"{later.id} followed {failed.id}, which {failed.outcome}, under the same decision"
            )
            yield Breach(place, said, "a new, approved decision", (), subject, people)
            continue
        decided, begun = decision.time, failed.started
        if decided and begun and order(begun, decided) is Order.CONTRADICTED:
            said = f"{decision.id} is older than {failed.id}, whose failure it should answer"
            yield Breach(place, said, f"decided after {begun.clock} UTC", (), subject, people)


@rule(
    "REC007",
    gate="recovery",
    criterion="executed",
    level=WARNING,
    says="A mitigation took longer than expected",
    why="The next responder plans with the real duration.",
    fix="Correct the expected duration in the runbook; this record need not change.",
    needs=(EXECUTIONS,),
)
def mitigation_kept_its_time(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No mitigation took longer than its option expected."""
    for execution in chain.mitigations:
        decision = chain.decision_of(execution)
        option = chain.option(decision.option) if decision else None
        expected = option.expected if option else None
        if expected and execution.started and execution.completed:
            least, _ = elapsed(execution.started, execution.completed)
            if least > expected:
                said = f"{execution.id} took {show_duration(least)}"
                place = execution.node["completed_at"].place
                yield Breach(place, said, f"{show_duration(expected)}", subject=execution.id)


# --- checks --------------------------------------------------------------------------------------


@rule(
    "REC008",
    gate="recovery",
    criterion="validated",
    level=CRITICAL,
    says="Too few critical checks passed",
    why="Below the threshold the service has not recovered.",
    fix="Mend what fails and check again; or go back to planning with a new decision.",
    needs=(CHECKS,),
)
def enough_checks_passed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The pass rate of critical checks is at least the threshold; no check at all fails."""
    rate, wanted = chain.pass_rate, limits.threshold("recovery_pass_rate")
    place = chain.record.node(CHECKS)["checks"].place
    if rate is None:
        yield Breach(place, "no critical check is recorded")
    elif rate < wanted:
        passed, total = _counts(chain)
        said = f"{passed} of {total} critical checks passed ({rate:.1%})"
        yield Breach(place, said, f"at least {wanted:.1%}")


@rule(
    "REC009",
    gate="recovery",
    criterion="validated",
    level=CRITICAL,
    says="A critical check did not pass",
    why="A pass rate of 95 % must not hide the one check that matters.",
    fix="Mend it and check again; or let a named person accept it: accepted_by and accepted_reason.",
    needs=(CHECKS,),
)
def critical_checks_passed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each failed or skipped critical check is named; accepted ones are WARNINGs."""
    for check in chain.critical_checks:
        if check.passed or not check.results:
            continue
        node = check.latest.node["result"] if check.latest else check.node
        who, why = check.node["accepted_by"]["name"].text, check.node["accepted_reason"].text
        result = check.latest.result if check.latest else "absent"
        said = f"{check.id} {result or 'has no result'}"
        if who and why:
            yield Breach(
                node.place, f"{said}, accepted by {who}: {why}", subject=check.id, level=WARNING
            )
        else:
            yield Breach(node.place, said, "passed", subject=check.id)


@rule(
    "REC010",
    gate="recovery",
    criterion="validated",
    level=CRITICAL,
    says="A planned check was not run",
    why="A check that is planned and then left out counts as not passed.",
    fix="Run it and record its result.",
    needs=(CHECKS,),
)
def planned_checks_were_run(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every critical check of the readiness checklist has a result."""
    for node in chain.planned_absent:
        ident = node["id"].text
        said = f"{ident} was planned as critical and has no result"
        yield Breach(node.place, said, f"a result in {CHECKS}", subject=ident)


@rule(
    "REC011",
    gate="recovery",
    criterion="validated",
    level=CRITICAL,
    says="A kind of check is missing",
    why="Smoke tests, health checks and user journeys see different failures.",
    fix="Run a critical check of that kind and record it.",
    needs=(CHECKS,),
)
def every_kind_was_checked(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """There is a critical check of each kind, and at least one for each affected service."""
    place = chain.record.node(CHECKS)["checks"].place
    kinds = {c.kind for c in chain.critical_checks if c.results}
    for kind in limits.protocol.data["recovery_floor"]:
        if kind not in kinds:
            yield Breach(place, f"no critical {kind} check", subject=kind)
    checked = {c.service for c in chain.critical_checks if c.results}
    for service in chain.affected_services:
        if service not in checked:
            yield Breach(place, f"no critical check of {service}", subject=service)


@rule(
    "REC012",
    gate="recovery",
    criterion="validated",
    level=CRITICAL,
    says="A check ran before the mitigation had arrived",
    why="A check of the old state says nothing about the new one.",
    fix=f"Check again now. {DO_NOT_CHANGE} of the earlier run.",
    needs=(CHECKS,),
)
def checks_follow_propagation(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each critical check's latest run is after the propagation to its service."""
    for check in chain.critical_checks:
        last, latest = chain.last_mitigation(check.service), check.latest
        if last is None or latest is None or not check.passed:
            continue
        since, what = last.propagated, "propagated"
        if since is None:
            since, what = last.completed or last.started, "completed"
        yield from in_order(
            since,
            latest.time,
            latest.node["checked_at"].place,
            f"{check.id} ran {{gap}} before {last.id} had {what}",
            expected=f"after {since.clock} UTC" if since else "",
            subject=check.id,
        )


@rule(
    "REC013",
    gate="recovery",
    criterion="validated",
    level=CRITICAL,
    says="A check result is incomplete",
    why="A result without time or evidence is an opinion.",
    fix="Complete the result: result, checked_at, evidence.",
    needs=(CHECKS,),
)
def check_results_are_complete(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The latest run of each critical check has a result, a time and evidence."""
    for check in chain.critical_checks:
        yield from missing(check.node, "service", "kind", subject=check.id)
        if check.latest:
            names = ("result", "checked_at", "evidence")
            yield from missing(check.latest.node, *names, subject=check.id)


@rule(
    "REC014",
    gate="recovery",
    criterion="validated",
    level=CRITICAL,
    says="One check stands under several ids",
    why="Copies of a passing check would drown a failing one.",
    fix="Keep one of them, and record its other runs as further results.",
    needs=(CHECKS,),
)
def checks_are_different(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No two critical checks look at the same thing with the same evidence."""
    alike: dict[tuple[str, ...], list[facts.Check]] = defaultdict(list)
    for check in chain.critical_checks:
        if check.latest:
            node = check.latest.node
            said = facts.slug(check.node["description"].text)
            alike[check.service, check.kind, said, facts.slug(node["evidence"].text)].append(check)
    for same in alike.values():
        if len(same) > 1:
            ids = ", ".join(c.id for c in same)
            said = f"{ids} are the same check"
            yield Breach(same[1].node["id"].place, said, subject=same[0].id)


# --- timeline ------------------------------------------------------------------------------------


@rule(
    "REC015",
    gate="recovery",
    criterion="timeline",
    level=CRITICAL,
    says="The timeline leaves out an event",
    why="The timeline is what people read afterwards; it must hold what happened.",
    fix="Add the event at its recorded time.",
    needs=(TIMELINE,),
)
def timeline_holds_the_events(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """First signal, each execution, and recovery stand in the timeline; matched by time."""
    signals = [e for e in chain.intake[0].entries if e.time]
    first = min(signals, key=lambda e: e.time.earliest if e.time else chain.now, default=None)
    wanted: list[tuple[str, Time | None, str]] = []
    if first:
        wanted.append(
            ("the first signal", first.time, f"incident-intake-log.md:{first.place.line}")
        )
    for execution in chain.executions:
        line = chain.record.locate(execution.node["started_at"].place).line
        wanted.append((f"the start of {execution.id}", execution.started, f"{EXECUTIONS}:{line}"))
    wanted.append(("recovery", chain.recovered, CHECKS))
    for what, time, source in wanted:
        if time and not any(_same_time(time, e.time) for e in chain.timeline.entries):
            said = f"{what} at {time.clock} UTC is not in the timeline"
            yield Breach(Place(TIMELINE, line=1), said, "", (source,), what)


def _same_time(one: Time, other: Time | None) -> bool:
    """Whether two times can be the same moment; a bare minute covers its seconds."""
    return other is not None and one.earliest < other.latest and other.earliest < one.latest


def _counts(chain: Chain) -> tuple[int, int]:
    passed = sum(c.passed for c in chain.critical_checks)
    absent = {n["id"].text for n in chain.planned_absent}
    run = [c for c in chain.critical_checks if c.id not in absent]
    return passed, len(run) + len(absent)


def metrics(chain: Chain, limits: Limits) -> tuple[Metric, ...]:
    """The pass rate of critical checks."""
    wanted = limits.threshold("recovery_pass_rate")
    return (Metric("recovery_pass_rate", chain.pass_rate, wanted, "ratio", ">="),)


def summary(chain: Chain, limits: Limits) -> str:
    """What the gate measured, in one line."""
    passed, total = _counts(chain)
    if not total:
        return ""
    after = not any(checks_follow_propagation(chain, limits))
    return f"{passed}/{total} critical checks{', all after propagation' if after else ''}"
