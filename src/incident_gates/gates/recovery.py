"""Gate 3: executed, deployed and recovered are three facts, each shown for every service."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

from incident_gates import derived
from incident_gates.chain import FAILED_OUTCOMES, once
from incident_gates.evidence.times import Order, Overlapping, elapsed, order, show_duration
from incident_gates.incident import gives_reason
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
    intact,
    missing,
    percent,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.times import Time
    from incident_gates.facts import Check, Decision, Execution
    from incident_gates.policy import Limits

SHOWN = 3
DID_NOT_SUCCEED = (*FAILED_OUTCOMES, "unknown")
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
    fix="Re-run the mitigation or choose another, with a new decision, and record it. If one was "
    "for this service as well, add that to its services.",
    needs=(EXECUTIONS,),
)
def last_mitigation_succeeded(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """For each affected service, the last mitigation succeeded."""
    place = chain.record.node(EXECUTIONS)["executions"].place
    if not chain.affected_services and not chain.mitigations:
        yield Breach(place, "no execution is recorded")
    for last, services in _by_last_mitigation(chain):
        names = " and ".join(services)
        if last is None:
            yield Breach(place, f"no mitigation of {names} is recorded", subject=names)
        elif last.outcome not in ("succeeded", ""):
            said = f"{last.id}, the last mitigation of {names}, {_ended(last)}"
            place = last.node["outcome"].place
            yield Breach(place, said, "succeeded", (), last.id, (last.operator,))


def _by_last_mitigation(chain: Chain) -> list[tuple[Execution | None, list[str]]]:
    """The last mitigation of each affected service, with the services that share it."""
    found: dict[str, tuple[Execution | None, list[str]]] = {}
    for service in chain.affected_services:
        last = chain.last_mitigation(service)
        found.setdefault(last.id if last else "", (last, []))[1].append(service)
    return list(found.values())


def _ended(execution: Execution) -> str:
    return {
        "partial": "succeeded only in part",
        "ineffective": "ran and helped nothing",
        "unknown": "has an unknown outcome",
    }.get(execution.outcome, execution.outcome)


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
    names = ("services", "operator", "command", "change_reference", "started_at", "completed_at")
    for execution in chain.executions:
        yield from missing(execution.node, *names, "outcome", subject=execution.id)
        yield from _trace_is_kept(chain, execution)


def _trace_is_kept(chain: Chain, execution: Execution) -> Iterator[Breach]:
    """Exit code and output; one of them may not exist: a click has no code, some print nothing."""
    code, output, kept = (execution.node[n] for n in ("exit_code", "output", "output_file"))
    has_code = code.number is not None
    # What a command printed is quoted, so even a lone dot is output.
    has_output = bool(kept["path"].text) or (
        isinstance(output.value, str) and not output.unavailable
    )
    subject = execution.id
    absent = [n for n, there in (("exit_code", has_code), ("output", has_output)) if not there]
    reasoned = WARNING if has_code or has_output else ""
    yield from missing(execution.node, *absent, subject=subject, reasoned=reasoned)
    if kept["path"].text:
        yield from intact(chain, kept, subject)


@rule(
    "REC003",
    gate="recovery",
    criterion="executed",
    level=CRITICAL,
    says="The outcome contradicts the exit code",
    why="A command that failed did not succeed because somebody wrote so.",
    fix="Write the outcome that the command had; if it did succeed, record a deviation that says "
    "what its exit code means.",
    needs=(EXECUTIONS,),
    at_once=True,
)
def outcome_fits_exit_code(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No execution succeeded with a non-zero exit code."""
    for execution in chain.executions:
        code = execution.node["exit_code"]
        if execution.outcome == "not_applicable" and code.number not in (None, 0):
            said = f"{execution.id} is not applicable, but has exit code {code.number:g}"
            people = (execution.operator,)
            yield Breach(code.place, said, "its real outcome", (), execution.id, people)
        if execution.outcome == "succeeded" and code.number not in (None, 0):
            said = f"{execution.id} succeeded with exit code {code.number:g}"
            yield Breach(code.place, said, "exit code 0", (), execution.id, (execution.operator,))


@rule(
    "REC004",
    gate="recovery",
    criterion="executed",
    level=CRITICAL,
    says="The times of an execution do not fit together",
    why="Nothing ends before it starts; and what arrived before it ended deserves a second look.",
    fix="Look up both times at their source, and correct the one that was mistyped.",
    needs=(EXECUTIONS,),
    at_once=True,
)
def execution_times_fit(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """It ends and arrives no earlier than it starts; to arrive before the end is unusual."""
    for execution in chain.executions:
        started, ended, arrived = execution.started, execution.completed, execution.propagated
        yield from _too_early(execution, "completed_at", ended, started, "it started")
        if arrived and started and order(started, arrived) is Order.CONTRADICTED:
            key = "propagation_verified_at"
            yield from _too_early(execution, key, arrived, started, "it started")
        else:
            key = "propagation_verified_at"
            for breach in _too_early(execution, key, arrived, ended, "it ended"):
                yield breach._replace(level=WARNING)


def _too_early(
    execution: Execution, key: str, time: Time | None, earlier: Time | None, what: str
) -> Iterator[Breach]:
    if time and earlier and order(earlier, time) is Order.CONTRADICTED:
        said = f"{execution.id}: {key} is {gap(time, earlier)} before {what}"
        place, subject = execution.node[key].place, f"{execution.id}/{key}"
        yield Breach(place, said, f"after {earlier.clock} UTC", (), subject, (execution.operator,))


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
    for last, _ in _by_last_mitigation(chain):
        if last and last.outcome == "succeeded":
            for breach in missing(last.node, "propagation_verified_at", subject=last.id):
                yield breach._replace(concerned=(last.operator,))


@rule(
    "REC006",
    gate="recovery",
    criterion="executed",
    level=CRITICAL,
    says="After a failed mitigation, something was run without a new decision",
    why="If a mitigation fails, the protocol goes back to planning.",
    fix=f"{DO_NOT_CHANGE}. Name the new decision and its approvals; if there was none, record a "
    "deviation.",
    needs=(EXECUTIONS,),
    at_once=True,
)
def failure_leads_to_new_decision(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Whatever runs after a failed, partial or ineffective execution has a newer decision."""
    doubtful = [e for e in chain.executions if e.outcome in DID_NOT_SUCCEED]
    for later in chain.executions if doubtful else ():
        decision = chain.decision_of(later)
        before = (e for e in reversed(doubtful) if e.id != later.id and _over(e, later))
        found = (_not_decided_anew(decision, failed, later) for failed in before)
        breach = next((b for b in found if b), None)
        if breach:
            yield breach


def _over(earlier: Execution, later: Execution) -> bool:
    """Whether one had ended when the other started; two that ran side by side answer nobody."""
    if not later.started or not earlier.started:
        return earlier.node.pointer < later.node.pointer
    over = earlier.completed or earlier.started
    return earlier.started.earliest < later.started.earliest and (
        order(over, later.started) is not Order.CONTRADICTED
    )


def _not_decided_anew(
    decision: Decision | None, failed: Execution, later: Execution
) -> Breach | None:
    begun = failed.started
    place, people = later.node["decision"].place, (later.operator,)
    how, level = f"which {_ended(failed)}", "" if failed.outcome in FAILED_OUTCOMES else WARNING
    if decision is None or later.decision == failed.decision:
        why = later.node["decision"].unavailable
        under = f"under the same decision {decision.id}" if decision else "without a decision"
        under += f" ({why})" if why else ""
        said = f"{later.id} followed {failed.id}, {how}, {under}"
        return Breach(place, said, "a new, approved decision", (), later.id, people, level)
    if decision.time and begun and order(begun, decision.time) is Order.CONTRADICTED:
        said = f"{later.id} followed {failed.id}, {how}, under {decision.id}, which is older"
        expected = f"decided after {begun.clock} UTC"
        return Breach(place, said, expected, (), later.id, people, level)
    return None


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
                took = show_duration(execution.completed.earliest - execution.started.earliest)
                said = f"{execution.id} took {took} instead of {show_duration(expected)}"
                place = execution.node["completed_at"].place
                yield Breach(place, said, show_duration(expected), subject=execution.id)


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
        asked = f"at least {wanted * 100:g}%"
        said = f"{passed} of {total} critical checks passed ({percent(rate)}; {asked} is asked)"
        yield Breach(place, said, asked)


@rule(
    "REC009",
    gate="recovery",
    criterion="validated",
    level=CRITICAL,
    says="A critical check did not pass",
    why="A pass rate of 95 % must not hide the one check that matters.",
    fix="Mend it and check again; or let a named person other than the operator accept it, with "
    "accepted_by and accepted_reason.",
    needs=(CHECKS,),
)
def critical_checks_passed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each failed or skipped critical check is named; accepted ones are WARNINGs."""
    absent = {n["id"].text for n in chain.planned_absent}
    for check in chain.critical_checks:
        if check.passed or (check.id in absent and not check.results):
            continue
        node = check.latest.node["result"] if check.latest else check.node
        said = {"failed": "failed", "skipped": "was skipped"}.get(
            check.latest.result if check.latest else "", "has no result"
        )
        accepted, counts = _accepted(chain, check)
        level = WARNING if counts else ""
        about = f"{check.id} {said}{accepted}"
        yield Breach(node.place, about, "passed", subject=check.id, level=level)


def _accepted(chain: Chain, check: Check) -> tuple[str, bool]:
    """Who accepted that a check did not pass, in words, and whether that counts."""
    who, why = check.node["accepted_by"]["name"].text, check.node["accepted_reason"].text
    if not who or not gives_reason(why):
        return "", False
    own = next((e for e in chain.mitigations if chain.same(e.operator, who)), None)
    severity = chain.severity_at(own.started) if own else None
    if own and not (severity and severity.operator_may_approve):
        return f", accepted by {who}, who ran {own.id}", False
    return f", accepted by {who}: {why}", True


@rule(
    "REC010",
    gate="recovery",
    criterion="validated",
    level=CRITICAL,
    says="A planned check was not run",
    why="A check that is planned and then left out counts as not passed.",
    fix="Run it and record its result; or record it as skipped, with accepted_by and "
    "accepted_reason.",
    needs=(CHECKS,),
)
def planned_checks_were_run(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every critical check of the readiness checklist has a result."""
    for node in chain.planned_absent:
        ident = node["id"].text
        said = f"{ident} was planned as critical and has no result in {CHECKS}"
        yield Breach(node.place, said, subject=ident)


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
    run = [c for c in chain.critical_checks if c.results]
    if not run:  # REC008 and REC010 say so
        return
    kinds = {c.kind for c in run}
    for kind in limits.protocol.data["recovery_floor"]:
        if kind not in kinds:
            yield Breach(place, f"no critical {kind} check", subject=kind)
    checked = {c.service for c in run}
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
    fix=f"{DO_NOT_CHANGE}. Check again and record that run as well; if that is too late, record a "
    "deviation.",
    needs=(CHECKS,),
)
def checks_follow_propagation(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each critical check's latest run is after the propagation to its service."""
    return iter(_unpropagated(chain))


@once
def _unpropagated(chain: Chain) -> tuple[Breach, ...]:
    """The checks that ran before; the summary asks as well."""
    return tuple(b for check in chain.critical_checks for b in _before_arrival(chain, check))


def _before_arrival(chain: Chain, check: Check) -> Iterator[Breach]:
    last, latest = _mitigation_before(chain, check), check.latest
    if last is None or latest is None or not check.passed:
        return
    since, what = last.propagated, "arrived"
    if since is None:
        since, what = last.completed or last.started, "ended"
    yield from in_order(
        since,
        latest.time,
        latest.node["checked_at"].place,
        f"{check.id} ran {{gap}} before {last.id} had {what}",
        expected=f"after {since.clock} UTC" if since else "",
        subject=check.id,
    )


def _mitigation_before(chain: Chain, check: Check) -> Execution | None:
    """The mitigation that a check follows; one of an untouched service follows them all."""
    return chain.last_mitigation(check.service) or next(reversed(chain.mitigations), None)


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
    fix="Keep one of them, with its other runs as further results; or describe how they differ.",
    needs=(CHECKS,),
)
def checks_are_different(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No two critical checks look at the same thing and saw the same.

    What is described alike is one check, whatever kind it is called and whatever number it saw.
    """
    planned = {n["id"].text: n["description"].text for n in chain.planned_checks}
    alike: dict[tuple[str, ...], list[Check]] = defaultdict(list)
    for check in chain.critical_checks:
        if check.passed and check.latest:
            about = check.node["description"].text or planned.get(check.id, "")
            seen = _plain(check.latest.node["evidence"].text)
            kind, saw = ("", _NUMBER.sub("", seen)) if about else (check.kind, seen)
            alike[check.service, _plain(about), kind, saw].append(check)
    for same in alike.values():
        if len(same) > 1:
            ids = ", ".join(c.id for c in same[:SHOWN])
            more = f" and {len(same) - SHOWN} more" if len(same) > SHOWN else ""
            said = f"{ids}{more} have one service, description and evidence"
            yield Breach(same[1].node["id"].place, said, subject=same[0].id)


_NUMBER = re.compile(r"[0-9]+")


def _plain(text: str) -> str:
    """The words of a text in any script, without case and punctuation."""
    return " ".join(re.findall(r"\w+", text.casefold()))


@rule(
    "REC017",
    gate="recovery",
    criterion="validated",
    level=CRITICAL,
    says="A check that failed does not count, and nobody had planned that",
    why="Who may call a check uncritical after it failed can make every failure go away.",
    fix="Let it count; or let a named person other than the operator accept it, with accepted_by "
    "and accepted_reason.",
    needs=(CHECKS,),
)
def failures_count(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each uncritical check that failed was planned as one, or is accepted by somebody.

    Of the kinds that show recovery, smoke, health and user journey, that is asked; else a WARNING.
    """
    planned = {n["id"].text for n in chain.planned_checks}
    counted = {check.id for check in chain.critical_checks}
    for check in chain.checks:
        failed = check.latest is not None and check.latest.result == "failed"
        if failed and check.id not in planned | counted:
            accepted, counts = _accepted(chain, check)
            said = f"{check.id} failed, and was not planned as uncritical{accepted}"
            shows_recovery = check.kind in limits.protocol.data["recovery_floor"]
            level = "" if shows_recovery and not counts else WARNING
            yield Breach(check.node["critical"].place, said, "critical", (), check.id, (), level)


@rule(
    "REC018",
    gate="recovery",
    criterion="validated",
    level=CRITICAL,
    says="A check is not the one that was planned under its id",
    why="A target that is lowered after the fact is met by anything.",
    fix="Record what was seen as evidence of the check as planned; give another check another id.",
    needs=(CHECKS,),
)
def checks_are_as_planned(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Service, kind and the numbers of its description are those of the plan."""
    planned = {n["id"].text: n for n in chain.planned_checks}
    for check in chain.checks:
        plan = planned.get(check.id)
        for key in ("service", "kind", "description") if plan else ():
            asked, stated = plan[key].text if plan else "", check.node[key]
            if asked and stated.text and _differ(key, asked, stated.text):
                said = f'{check.id}: {key} is "{stated.text}", planned was "{asked}"'
                yield Breach(stated.place, said, asked, subject=f"{check.id}/{key}")


def _differ(key: str, asked: str, stated: str) -> bool:
    """Whether two values differ; of a description, only its numbers must be the same."""
    if key != "description":
        return asked != stated
    asked_for, said = _figures(asked), _figures(stated)
    return bool(said - asked_for and asked_for - said)


# What was planned under one id may be compared with many checks.
@lru_cache(maxsize=2)
def _figures(text: str) -> frozenset[str]:
    return frozenset(_FIGURE.findall(text))


_FIGURE = re.compile(r"[0-9]+(?:[.,][0-9]+)*")


@rule(
    "REC019",
    gate="recovery",
    criterion="validated",
    level=CRITICAL,
    says="Something failed after the last check",
    why="A fix that fails half-way can undo the recovery that was seen before it.",
    fix="Check the service again and record that run; if that is too late, record a deviation.",
    needs=(CHECKS,),
)
def checks_follow_failures(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """After a permanent fix that did not succeed, each of its services passed a check again.

    What failed once the stability window was over is a WARNING.
    """
    for execution in chain.executions:
        if execution.purpose != "permanent_fix" or execution.outcome not in DID_NOT_SUCCEED:
            continue
        begun, until = execution.started, chain.resolution["stability_window"]["until"].time
        later = begun is not None and until is not None and order(until, begun) is Order.PROVEN
        for service in dict.fromkeys(execution.services):
            passed = _passed_last(chain).get(service)
            if passed and _may_follow(passed, execution):
                continue
            said = f"{execution.id} {_ended(execution)}, and {service} passed no check since"
            place, people = execution.node["outcome"].place, (execution.operator,)
            about, level = f"{execution.id}/{service}", WARNING if later else ""
            yield Breach(place, said, "", (), about, people, level)


@once
def _passed_last(chain: Chain) -> dict[str, Check]:
    """The check of each service that passed last; one without a time may have been the last."""
    timed = [(c.latest.time, c) for c in chain.critical_checks if c.passed and c.latest]
    timed.sort(key=lambda run: (run[0] is None, run[0].latest if run[0] else chain.now))
    return {check.service: check for _, check in timed}


def _may_follow(check: Check, execution: Execution) -> bool:
    """Whether a check may have run after an execution; only what is certain counts against it."""
    ran, begun = check.latest.time if check.latest else None, execution.started
    return ran is None or begun is None or order(begun, ran) is not Order.CONTRADICTED


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
    log = [e for e in chain.timeline.entries if e.time]
    if not log and chain.timeline.unreadable:
        return  # what stands there cannot be read, which FIL007 says
    told = Overlapping(e.time for e in log if e.time)
    # The first entry that is later than a moment is where that came to be reached.
    reached = list(accumulate((e.time.earliest for e in log if e.time), max))
    for what, time, source in _owed(chain):
        if time not in told:
            said = f"{what} at {time.clock} UTC is not in the timeline"
            later = min(bisect_right(reached, time.earliest), len(log) - 1)
            place = log[later].place if log else Place(TIMELINE, line=1)
            found = chain.record.locate(source)
            yield Breach(place, said, "", (f"{source.file}:{found.line}",), what)


@rule(
    "REC016",
    gate="recovery",
    criterion="timeline",
    level=INFO,
    says="The timeline was derived from the other files",
    why="It repeats what they say, so that people can read it; it corroborates none of it.",
    fix="Nothing to do; what a person saw and no file holds, add as an event of its own.",
    needs=(TIMELINE,),
)
def derived_timeline_is_said(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Says that a timeline repeats other files, so that nobody counts it as one more witness."""
    document = chain.record.document(TIMELINE)
    if document and derived.is_derived(document):
        line = document.value.front_marks.get(("derived_from",), (1, 1))[0]
        said = "the timeline was derived from the other files and corroborates none of them"
        yield Breach(Place(TIMELINE, line=line), said)


def _owed(chain: Chain) -> Iterator[tuple[str, Time, Place]]:
    """What the timeline must hold: the event, its time, and where that is recorded."""
    signals = [(e.time, e.place) for e in chain.intake[0].entries if e.time]
    if signals:
        time, place = min(signals, key=lambda signal: signal[0].earliest)
        yield "the first signal", time, place
    for execution in chain.executions:
        if execution.started:
            place = execution.node["started_at"].place
            yield f"the start of {execution.id}", execution.started, place
    passed = [c.latest for c in chain.critical_checks if c.passed and c.latest and c.latest.time]
    for last in passed:
        if last.time and last.time == chain.recovered:
            yield "recovery", last.time, last.node["checked_at"].place
            break


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
        return "no critical check recorded" if chain.executing else ""
    arrived = any(e.propagated for e in chain.mitigations)
    after = arrived and not any(_unpropagated(chain))
    return f"{passed}/{total} critical checks{', all after propagation' if after else ''}"
