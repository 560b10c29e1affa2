"""The order of events: nothing is executed before severity, readiness and approval."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from incident_gates.evidence.times import Order, order
from incident_gates.gates.mitigation.approvals import approvals_of, break_glass
from incident_gates.rules import (
    CRITICAL,
    DO_NOT_CHANGE,
    INFO,
    WARNING,
    Breach,
    Place,
    gap,
    in_order,
    one_of,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain, Consensus
    from incident_gates.evidence.times import Time
    from incident_gates.facts import Approval, Decision, Execution
    from incident_gates.incident import Node
    from incident_gates.policy import Limits

DECISIONS = "decision-log.json"
EARLIER_SOURCE = (
    f"{DO_NOT_CHANGE}. If it happened earlier, record that with its source; "
    "if not, record a deviation."
)


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
            for required in approvals_of(chain, execution)
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
        where = f"{approval.node.file}:{chain.record.locate(at).line}"
        clock = given.clock if given else "?"
        actual.append(f"{approval.name:<6} {approval.role:<18} {clock}  {where}")
    people = (execution.operator, *(a.name for a, _ in late))
    return worst._replace(actual=tuple(actual), concerned=people)


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
        for item, verified in chain.verifications(execution):
            if verified is None or order(verified, execution.started) is Order.PROVEN:
                continue
            yield from in_order(
                verified,
                execution.started,
                item["verified_at"].place,
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
        if not timed:
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
            expected = one_of(d.id for d in chain.decisions if d.id)
            said = f"{execution.id} names {execution.decision}, which {DECISIONS} does not hold"
            yield Breach(named.place, said, expected, (), execution.id, concerned)
        elif decision and decision.services:
            covered = set(decision.services)
            beyond = [s for s in execution.services if s not in covered]
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
    """Versions and script names of the decided action occur in the command.

    The decided script with another version is certain, and CRITICAL.
    """
    for execution in chain.executions:
        decision, command = chain.decision_of(execution), execution.node["command"]
        if decision is None or not command.text:
            continue
        expected, ran = decision.node["action"].text, set(_tokens(command.text))
        decided = _tokens(expected)
        absent = [word for word in decided if word not in ran]
        if absent:
            said = f"{execution.id} ran without {', '.join(absent)}, which {decision.id} decided"
            same_script = any(not _VERSION.fullmatch(word) for word in ran.intersection(decided))
            level = CRITICAL if same_script and another_version(expected, command.text) else ""
            people = (execution.operator,)
            yield Breach(command.place, said, expected, (), execution.id, people, level)


_VERSION = re.compile(r"v?[0-9]+(?:\.[0-9]+)+")


def another_version(decided: str, stated: str) -> bool:
    """Whether a text names a version written like the decided one, and not that one itself."""
    (wanted, asked), (named, written) = _versions(decided), _versions(stated)
    return not named & wanted and bool(written & asked)


@lru_cache(maxsize=4)
def _versions(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The versions that a text names, and how they are written."""
    found = _NAMED.findall(text)
    named = frozenset(version.removeprefix("v") for version in found)
    return named, frozenset(re.sub(r"[0-9]+", "0", version) for version in found)


# A version also where it ends an image or an option: api:v1.2.3, --to=v1.2.3.
_NAMED = re.compile(r"(?<![\w.])v?[0-9]+(?:\.[0-9]+)+(?![\w-]|\.\w)")


@rule(
    "MIT029",
    gate="mitigation",
    criterion="order",
    level=CRITICAL,
    says="Another version was made ready, or arrived, than was decided",
    why="An approval covers one version; what was verified for another protects nobody.",
    fix="Correct the version that was mistyped; if another one was used, record a deviation.",
)
def versions_are_those_decided(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The rollback target, and what arrived, are versions that a decision names."""
    for execution in chain.executions:
        decision, arrived = chain.decision_of(execution), execution.node["propagation_evidence"]
        action = decision.node["action"].text if decision else ""
        if decision and another_version(action, arrived.text):
            # What is gone is named as often as what came; that alone is no other version.
            replaced = chain.record.node("production-deployment-report.json")["release"].text
            level = WARNING if _versions(arrived.text)[0] <= _versions(replaced)[0] else ""
            said = f"another version than {decision.id} decided arrived with {execution.id}"
            people = (execution.operator,)
            yield Breach(arrived.place, said, action, (arrived.text,), execution.id, people, level)
    target, back = chain.checklist["rollback_target"], _actions_back(chain, limits)
    if back and all(another_version(action, target.text) for action in back):
        said = f"{target.text} was made ready, and no decision names it"
        yield Breach(target.place, said, back[0], subject="rollback_target")


def _actions_back(chain: Chain, limits: Limits) -> list[str]:
    """The decided actions that roll something back."""
    strategies = limits.protocol.data["rollback_strategies"]
    options = ((d, chain.option(d.option)) for d in chain.decisions)
    return [d.node["action"].text for d, o in options if o and o.strategy in strategies]


@rule(
    "MIT030",
    gate="mitigation",
    criterion="order",
    level=CRITICAL,
    says="A rollback was decided under the name of another strategy",
    why="What is called a feature flag needs no backup and no target; the rollback that runs does.",
    fix="Name the option's strategy as what it is, and verify what a rollback needs; if it was run "
    "without that, record a deviation.",
)
def rollback_is_called_one(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Who runs the rehearsed procedure with the rehearsed target rolls back."""
    rehearsal = chain.record.node("rollback-verification-report.json")
    script, target = (set(_tokens(rehearsal[name].text)) for name in ("procedure", "target"))
    backward = ("", *limits.protocol.data["rollback_strategies"])
    for execution in chain.executions if script and target else ():
        decision, ran = chain.decision_of(execution), _tokens(execution.node["command"].text)
        option = chain.option(decision.option) if decision else None
        action = decision.node["action"].text if decision else ""
        forward = set(_tokens(action)) - script - target
        if forward & set(ran) or not any(map(_VERSION.fullmatch, target)):
            continue  # the decided version ran, and the rehearsed one is only mentioned; or a flag
        if option and option.strategy not in backward and script | target <= set(ran):
            said = f"{execution.id} ran the rehearsed rollback, which {option.id} calls"
            about, people = f"{said} {option.strategy}", (execution.operator,)
            yield Breach(option.place, about, "rollback", (), execution.id, people)


_JOINED = re.compile(r"[/=:]")


# A decided action is compared with whatever carried it out.
@lru_cache(maxsize=4)
def _tokens(text: str) -> list[str]:
    """The words of an action that name one thing: a version, a file, a digest."""
    words = (_JOINED.split(word.strip("`'\",;:()"))[-1] for word in text.split())
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
    "MIT032",
    gate="mitigation",
    criterion="order",
    level=CRITICAL,
    says="An execution started before it was decided",
    why="A decision that is written down for what was run already decided nothing.",
    fix=EARLIER_SOURCE,
    at_once=True,
)
def decided_before_execution(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every decision was taken not later than its execution started, but in an emergency."""
    for execution in chain.executions:
        decision, started = chain.decision_of(execution), execution.started
        decided = decision.time if decision else None
        if not (decision and decided and started) or break_glass(chain, execution):
            continue
        if order(decided, started) is Order.CONTRADICTED:
            said = (
                f"{execution.id} started {gap(started, decided)} before {decision.id} was decided"
            )
            place, people = decision.node["decided_at"].place, (execution.operator,)
            expected = f"at or before {started.clock} UTC"
            yield Breach(place, said, expected, subject=execution.id, concerned=people)
