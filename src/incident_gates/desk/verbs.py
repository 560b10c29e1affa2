"""The entries that a record asks for next, as commands, in the order in which they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.facts import Decision, Option
    from incident_gates.incident import Node

PROGRAM = "incident-gates"
RCA, CHECKLIST = "rca-manifest.json", "rollback-readiness-checklist.json"
# Approvals of prerequisites.json, each with the option of `new` that writes it.
PEOPLE = {
    "commander_authority": "--commander NAME",
    "release_manager_acknowledgement": "--release-manager NAME",
}
# Where a record keeps what is archived with it.
KEPT = ("attachments", "sources")


def after(chain: Chain) -> Iterator[str]:
    """Every entry that is asked for by now; words in capitals are left to whoever types."""
    about = f"--incident {chain.record.incident_id}"
    waiting = not_told_first(chain)
    if waiting:
        yield notice(about, waiting)
    if chain.executing:
        yield from _ending(chain, about)
    yield from _planning(chain, about)
    if chain.resolved:
        yield from _documents(chain, about)


def _record(verb: str, about: str, rest: str) -> str:
    return f"{PROGRAM} record {verb} {about} {rest}"


# --- before anything is executed -----------------------------------------------------------------


def _planning(chain: Chain, about: str) -> Iterator[str]:
    """Severity, notices, and how it is to be mitigated."""
    if not chain.intake[0].entries:
        yield _record("event", about, "TEXT --signal SOURCE --at TIME")
    yield from _people(chain, "commander_authority")
    if not chain.consensus or chain.consensus[-1].agreed is None:
        yield _assessment(chain, about)
    if chain.in_force(None) and not chain.resolved and not recovering(chain):
        yield from _deciding(chain, about)


def _owed(chain: Chain, about: str) -> Iterator[str]:
    """What an emergency still owes: an option, a decision for it, and the words on that."""
    for execution in (e for e in chain.executions if e.emergency):
        decision = chain.decision_of(execution)
        if decision:
            asked = chain.required_approvals(decision, execution.started, execution.operator)
            for lacking in (r.role for r in asked if not r.approval):
                yield _approval(about, decision.id, lacking)
        elif not _written(chain):
            yield _option(chain, about)
        else:
            yield _tied(chain, about, execution.id)


def _tied(chain: Chain, about: str, execution: str) -> str:
    """The decision for what was run before it: the one that waits for it, or a new one."""
    waiting = awaiting(chain)
    if waiting is None:
        return _decision(chain, about, f"--for {execution} ")
    return _record("execution", about, f"--id {execution} --decision {waiting.id}")


def recovering(chain: Chain) -> bool:
    """Whether the last thing that was run worked, so that nothing else is decided."""
    return bool(chain.mitigations) and chain.mitigations[-1].outcome in ("", "succeeded")


def _assessment(chain: Chain, about: str) -> str:
    """A severity with its grounds; those that an import brought need not be typed again."""
    known = chain.consensus[-1].classification.node if chain.consensus else None
    severity = chain.severity.name if chain.severity else "SEV"
    commands = bool(chain.consensus) and chain.consensus[-1].commander
    asked = f"--severity {severity} --by NAME:{'ROLE' if commands else 'incident_commander'}"
    if known and known["rationale"].text and chain.severity:
        return _record("assessment", about, asked)
    asked += " --by NAME:ROLE --why TEXT --impact TEXT"
    if not (known and any(b["objective"].text for b in known["slo_breaches"])):
        asked += " --slo OBJECTIVE=OBSERVED"
    if not (known and any(s.text for s in known["blast_radius"]["services"])):
        asked += " --service NAME"
    asked += " --scope TEXT"
    if not chain.severity_file["impact_started_at"].time:
        asked += " --impact-started TIME"
    return _record("assessment", about, asked)


def not_told_first(chain: Chain) -> list[str]:
    """Who must be told at the severity that stands, and has never been told."""
    agreed = chain.in_force(None)
    if agreed is None or agreed.severity is None or chain.resolved:
        return []
    told = {a for sent in chain.notices for a in sent.audiences}
    return [a for a in chain.limits.audiences(agreed.severity) if a not in told]


def notice(about: str, audiences: list[str] | tuple[str, ...]) -> str:
    """One notice to all of them."""
    return _record(
        "notice", about, f"--audience {','.join(audiences)} --channel CHANNEL --message TEXT"
    )


def _people(chain: Chain, wanted: str) -> Iterator[str]:
    """Who commands, and who knows what a rollback costs, where prerequisites.json names nobody.

    A commander comes before the severity: one who was not named is none, so nothing is agreed.
    """
    named = {a["approval"].text for a in chain.prerequisites["approvals"] if a["by"]["name"].text}
    lacking = [option for approval, option in PEOPLE.items() if approval not in named]
    if wanted not in named:
        yield f"{PROGRAM} new {chain.record.incident_id} {' '.join(lacking)}"


def _deciding(chain: Chain, about: str) -> Iterator[str]:
    """An option, what it needs, the decision, and its approvals."""
    untried = _untried(chain)
    yield from _people(chain, "release_manager_acknowledgement")
    if not untried:
        yield _option(chain, about)
    yield from _readiness(chain, about)
    yield from _check_plan(chain, about)
    if awaiting(chain) is None and untried:
        named = chain.executing or len(untried) > 1
        yield _decision(chain, about, f"--option {untried[0].id} " if named else "")
    for decision, role in lacking_approvals(chain):
        yield _approval(about, decision, role)


def _decision(chain: Chain, about: str, option: str) -> str:
    roles = list(chain.roles_required(chain.severity)) or ["ROLE"]
    approvers = " ".join(f"--approve NAME:{role}" for role in roles)
    return _record("decision", about, f"{option}{approvers}")


def _approval(about: str, decision: str, role: str) -> str:
    return _record("approval", about, f"--decision {decision} --role {role or 'ROLE'}")


def _untried(chain: Chain) -> list[Option]:
    """The options that somebody wrote, and that were not carried out already."""
    ran = {e.decision for e in chain.executions}
    tried = {d.option for d in chain.decisions if d.id in ran}
    return [o for o in _written(chain) if o.id not in tried]


def _written(chain: Chain) -> list[Option]:
    """The options that are more than the template's."""
    return [o for o in chain.options if o.strategy]


def _option(chain: Chain, about: str) -> str:
    known = [] if chain.executing else chain.limits.standing("options")
    if known:
        return _record(
            "option", about, f"--standing {known[0]['id'] if len(known) == 1 else 'WHICH'}"
        )
    grounds = "--risks TEXT --dependencies TEXT --expected TIME"
    propose = "--propose " if chain.executing else ""
    return _record("option", about, f"--title TEXT --strategy WHICH {grounds} {propose}--why TEXT")


def _readiness(chain: Chain, about: str) -> Iterator[str]:
    """The first item that waits for somebody; for a rollback, of each kind that it needs."""
    data, seen = chain.limits.protocol.data, "--by NAME --evidence TEXT"
    rollback = any(o.strategy in data["rollback_strategies"] for o in chain.planned)
    items = [i for i in chain.readiness_items() if rollback or not _untouched(i)]
    pending = [i["id"].text for i in items if i["status"].text == "pending"]
    target = "" if chain.checklist["rollback_target"].text or not rollback else " --target RELEASE"
    held = {item["category"].text for item in items}
    lacking = [kind for kind in data["readiness_floor"] if kind not in held]
    if pending:
        yield _record("readiness", about, f"--item {pending[0]} {seen}{target}")
    elif lacking and rollback:
        what = f"--item {lacking[0]}"
        if chain.record.readable(CHECKLIST):
            what += f" --category {lacking[0]} --description TEXT"
        yield _record("readiness", about, f"{what} {seen}{target}")


def _check_plan(chain: Chain, about: str) -> Iterator[str]:
    """What will be checked after the execution: one of each kind that is asked for."""
    written = [n for n in facts.planned_checks(chain.record) if n["service"].text]
    held = {n["kind"].text for n in written if n["critical"].flag is not False}
    lacking = [kind for kind in chain.limits.protocol.data["recovery_floor"] if kind not in held]
    if lacking and _written(chain):
        service = next(iter(chain.affected_services), "NAME")
        what = f"--plan {lacking[0]} --service {service} --kind {lacking[0]}"
        yield _record("recovery-check", about, f"{what} --description TEXT")


def _untouched(item: Node) -> bool:
    """Whether it is still the template's: what is no rollback does not need it."""
    return item["status"].text == "pending" and bool(
        item["verified_by"] and not item["verified_by"]["name"].text
    )


def awaiting(chain: Chain) -> Decision | None:
    """The decision that was taken last, while nothing was run on it."""
    live = [d for d in chain.decisions if chain.superseding(d) is None]
    if not live or chain.resolved or live[-1].id in {e.decision for e in chain.executions}:
        return None
    return live[-1]


def lacking_approvals(chain: Chain) -> list[tuple[str, str]]:
    """The decision that comes next, with each role that has not approved it; "" is anybody else."""
    decision = awaiting(chain)
    if decision is None:
        return []
    asked = chain.required_approvals(decision, None)
    return [(decision.id, r.role) for r in asked if not r.approval]


# --- after something was executed ----------------------------------------------------------------


def _ending(chain: Chain, about: str) -> Iterator[str]:
    """That it arrived, what the checks saw, that it is resolved, and who must hear of it."""
    last = next((e for e in reversed(chain.mitigations) if e.outcome == "succeeded"), None)
    if last and not last.propagated:
        yield _record("recovery-check", about, "--propagated TEXT")
    recovered = (chain.pass_rate or 0) >= chain.limits.threshold("recovery_pass_rate")
    checks = list(_checks(chain, about)) if last and recovering(chain) else []
    if not chain.resolved:
        yield from checks
    yield from _owed(chain, about)
    if recovered and not checks and not chain.resolved:
        yield _resolution(chain, about)
    untold = not_told_last(chain)
    if untold:
        yield notice(about, untold)


def _checks(chain: Chain, about: str) -> Iterator[str]:
    """The checks that were planned; else one of each kind that is asked for; else what failed."""
    seen = "--passed --evidence TEXT"
    held = {check.kind for check in chain.critical_checks}
    lacking = [kind for kind in chain.limits.protocol.data["recovery_floor"] if kind not in held]
    failed = [check.id for check in chain.critical_checks if not check.passed]
    if chain.planned_absent:
        yield _record("recovery-check", about, f"--all {seen}")
    elif failed:
        yield _record("recovery-check", about, f"--check {failed[0]} {seen}")
    elif lacking:
        service = next(iter(chain.affected_services), "NAME")
        described = f"--check {lacking[0]} --service {service} --kind {lacking[0]}"
        yield _record("recovery-check", about, f"{described} {seen}")


def _resolution(chain: Chain, about: str) -> str:
    breached = {
        b["objective"].text
        for entry in chain.severity_file["classifications"]
        for b in entry["slo_breaches"]
    }
    slo = "OBSERVED" if len(breached) == 1 else "OBJECTIVE=OBSERVED"
    return _record("resolution", about, f"--status resolved --resolution TEXT --slo {slo}")


def not_told_last(chain: Chain) -> list[str]:
    """Who has not been told that it is resolved."""
    resolved, severity = chain.resolution["resolved_at"].time, chain.worst_severity
    if resolved is None or severity is None:
        return []
    told = {
        audience
        for sent in chain.notices
        if sent.time and sent.time.earliest >= resolved.earliest
        for audience in sent.audiences
    }
    told |= {facts.slug(n["audience"].text) for n in chain.resolution["stakeholders_informed"]}
    return [audience for audience in chain.limits.audiences(severity) if audience not in told]


def _documents(chain: Chain, about: str) -> Iterator[str]:
    """What a record has to hold before it is closed."""
    manifest, names = chain.record.node(RCA), chain.record.names
    kept = (chain.record.folder / name for name in KEPT)
    if RCA not in names or (not list(manifest["items"]) and any(f.is_dir() for f in kept)):
        yield f"{PROGRAM} new rca {about}"
    lacking = list(_lacking(chain, manifest))
    if lacking:
        yield _record("resolution", about, " ".join(lacking))
    if not chain.timeline.entries:
        yield f"{PROGRAM} new timeline {about}"


def _lacking(chain: Chain, manifest: Node) -> Iterator[str]:
    """The parts of an ending that nobody has written yet, as options."""
    parts = {
        "--alert NAME": any(e["alert"].text for e in chain.resolution["alerts_cleared"]),
        "--action KIND TEXT OWNER DATE": any(
            e["description"].text for e in chain.resolution["action_items"]
        ),
        "--trigger TEXT": bool(manifest["trigger"].text),
        "--factor TEXT": any(e.text for e in manifest["contributing_factors"]),
    }
    nodes = (
        chain.resolution["alerts_cleared"],
        chain.resolution["action_items"],
        manifest["trigger"],
        manifest["contributing_factors"],
    )
    for (option, said), node in zip(parts.items(), nodes, strict=True):
        if not said and not node.unavailable:
            yield option
    if any(not i["captured_by"]["name"].text for i in manifest["items"] if _captured(i)):
        yield "--captured-by NAME"


def _captured(item: Node) -> bool:
    """Whether somebody has to say who captured it: a payload is kept by the import itself."""
    return not item["path"].text.startswith("sources/")
