"""Readiness: each rollback prerequisite verified by a named person, or unmet for a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates import facts
from incident_gates.rules import (
    CRITICAL,
    DO_NOT_CHANGE,
    WARNING,
    Breach,
    in_order,
    missing,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.incident import Node
    from incident_gates.policy import Limits

CHECKLIST = "rollback-readiness-checklist.json"


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
        actual = tuple(f"{what:<22} {n.text}  {n.file}" for n, what in others)
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
    planned = [n for n in chain.planned_checks if n["critical"].flag is not False]
    if not planned:
        yield Breach(place, "no critical recovery check is planned")
        return
    kinds = {n["kind"].text for n in planned}
    for kind in limits.protocol.data["recovery_floor"]:
        if kind not in kinds:
            yield Breach(place, f"no critical check of kind {kind} is planned", subject=kind)


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
        until = limits.cited_until(standing["reference"].text, expires.time)
        yield from in_order(moment, until, expires.place, said, subject=ident)


@rule(
    "MIT031",
    gate="mitigation",
    criterion="readiness",
    level=CRITICAL,
    says="One verification stands for several kinds of prerequisite",
    why="A script, a backup and an access are different things; one look cannot verify them all.",
    fix="Describe what was seen of each; if one was not looked at, record a deviation.",
    needs=(CHECKLIST,),
)
def items_are_different(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No two required items of different categories have one description and one evidence."""
    alike: dict[tuple[str, str], list[Node]] = {}
    for item in chain.readiness_items():
        seen = facts.words(item["description"].text), facts.words(item["evidence"].text)
        if all(seen):
            alike.setdefault(seen, []).append(item)
    for items in alike.values():
        if len({item["category"].text for item in items}) > 1:
            said = f"{', '.join(i['id'].text for i in items)} are described and verified alike"
            yield Breach(items[1]["description"].place, said, subject=items[0]["id"].text)
