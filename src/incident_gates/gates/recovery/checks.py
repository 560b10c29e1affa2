"""What shows recovery: planned checks, run after the mitigation arrived, that passed."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

from incident_gates.chain import once
from incident_gates.evidence.times import Order, order
from incident_gates.gates.recovery.executed import DID_NOT_SUCCEED, ended
from incident_gates.incident import gives_reason
from incident_gates.rules import (
    CRITICAL,
    DO_NOT_CHANGE,
    WARNING,
    Breach,
    in_order,
    missing,
    percent,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.facts import Check, Execution
    from incident_gates.policy import Limits

CHECKS = "recovery-validation.json"
SHOWN = 3


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
        passed, total = counts(chain)
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
    return iter(unpropagated(chain))


@once
def unpropagated(chain: Chain) -> tuple[Breach, ...]:
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
            said = f"{execution.id} {ended(execution)}, and {service} passed no check since"
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


def counts(chain: Chain) -> tuple[int, int]:
    passed = sum(c.passed for c in chain.critical_checks)
    absent = {n["id"].text for n in chain.planned_absent}
    run = [c for c in chain.critical_checks if c.id not in absent]
    return passed, len(run) + len(absent)
