"""What was executed: logged in full, successful on every service, and arrived there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.chain import FAILED_OUTCOMES
from incident_gates.evidence.times import Order, elapsed, order, show_duration
from incident_gates.rules import (
    CRITICAL,
    DO_NOT_CHANGE,
    WARNING,
    Breach,
    gap,
    intact,
    missing,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.times import Time
    from incident_gates.facts import Decision, Execution
    from incident_gates.policy import Limits

EXECUTIONS = "mitigation-execution-report.json"
DID_NOT_SUCCEED = (*FAILED_OUTCOMES, "unknown")


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
            said = f"{last.id}, the last mitigation of {names}, {ended(last)}"
            place = last.node["outcome"].place
            yield Breach(place, said, "succeeded", (), last.id, (last.operator,))


def _by_last_mitigation(chain: Chain) -> list[tuple[Execution | None, list[str]]]:
    """The last mitigation of each affected service, with the services that share it."""
    found: dict[str, tuple[Execution | None, list[str]]] = {}
    for service in chain.affected_services:
        last = chain.last_mitigation(service)
        found.setdefault(last.id if last else "", (last, []))[1].append(service)
    return list(found.values())


def ended(execution: Execution) -> str:
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
    how, level = f"which {ended(failed)}", "" if failed.outcome in FAILED_OUTCOMES else WARNING
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
