"""The causal chain: assessed, ready, approved, executed, propagated, checked, resolved, closed.

Every rule, the causal line that people see, and the status of a record read this one place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from incident_gates import facts
from incident_gates.evidence.times import Order, Time, from_value, order
from incident_gates.facts import Approval, Check, Classification, Decision, Execution, Option

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from incident_gates.incident import Node, Record
    from incident_gates.policy import Limits
    from incident_gates.protocol import Severity

FAILED_OUTCOMES = ("failed", "partial", "ineffective")
SECURITY = "security_compliance"
COMMANDER = "incident_commander"


@dataclass(frozen=True, slots=True)
class Consensus:
    """A classification as judged: when it was agreed, or who disagrees or is missing."""

    classification: Classification
    severity: Severity | None
    agreed: Time | None
    agreeing: tuple[facts.Assessor, ...]
    dissent: tuple[facts.Assessor, ...]
    commander: bool


@dataclass(frozen=True, slots=True)
class RequiredApproval:
    """An approval that an execution needs: the role, and the approval that fills it, if any."""

    role: str
    approval: Approval | None


@dataclass
class Matched:
    """What the excuses of a record did: problems by kind, each with its entry and a phrase."""

    refused: list[tuple[Node, str]] = field(default_factory=list)
    unauthorised: list[tuple[Node, str]] = field(default_factory=list)
    expired: list[tuple[Node, str]] = field(default_factory=list)
    orphaned: list[tuple[Node, str]] = field(default_factory=list)
    ambiguous: list[tuple[Node, str]] = field(default_factory=list)


class Chain:
    """One record's events and what links them. Everything is derived when first asked for."""

    def __init__(self, record: Record, limits: Limits, now: datetime) -> None:
        self.record = record
        self.limits = limits
        self.now = now
        self.excuses = Matched()

    # --- what the files say ---

    @cached_property
    def severity_file(self) -> Node:
        """The top of severity-assessment.json."""
        return self.record.node("severity-assessment.json")

    @cached_property
    def resolution(self) -> Node:
        """The top of resolution-summary.json."""
        return self.record.node("resolution-summary.json")

    @cached_property
    def prerequisites(self) -> Node:
        """The top of prerequisites.json."""
        return self.record.node("prerequisites.json")

    @cached_property
    def checklist(self) -> Node:
        """The top of rollback-readiness-checklist.json."""
        return self.record.node("rollback-readiness-checklist.json")

    @cached_property
    def intake(self) -> tuple[facts.Log, facts.Validity | None]:
        """The signals of the intake log, and the verdict on them."""
        return facts.intake(self.record)

    @cached_property
    def notices(self) -> tuple[facts.Notice, ...]:
        """Every notice sent."""
        return facts.notices(self.record)[0]

    @cached_property
    def timeline(self) -> facts.Log:
        """The timeline."""
        return facts.timeline(self.record)

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """The options of the mitigation plan."""
        return facts.options(self.record.markdown("mitigation-plan.md"))

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """Every decision."""
        return facts.decisions(self.record)

    @cached_property
    def executions(self) -> tuple[Execution, ...]:
        """Every execution, by time; those without a time keep their place in the file."""
        found = facts.executions(self.record)
        if any(e.started is None for e in found):
            return found
        return tuple(sorted(found, key=lambda e: e.started.earliest if e.started else self.now))

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """Every recovery check."""
        return facts.checks(self.record)

    @cached_property
    def detected(self) -> Time | None:
        """When the incident was detected."""
        return self.severity_file["detected_at"].time

    @cached_property
    def declared(self) -> Time | None:
        """When the incident was declared."""
        return self.severity_file["declared_at"].time

    # --- the state that the record claims ---

    @property
    def status(self) -> str:
        """The status that resolution-summary.json states, or ""."""
        return self.resolution["status"].text

    @property
    def closed(self) -> bool:
        """Whether the record says that it is closed."""
        return self.status == "closed"

    @property
    def resolved(self) -> bool:
        """Whether the record says that it is resolved."""
        return (
            self.status in ("resolved", "closed") or self.resolution["resolved_at"].time is not None
        )

    @property
    def false_positive(self) -> bool:
        """Whether a named person judged the signals to be a false positive."""
        validity = self.intake[1]
        return validity is not None and validity.verdict == "false positive" and bool(validity.by)

    @property
    def executing(self) -> bool:
        """Whether anything was run."""
        return any(e.started or e.outcome for e in self.executions)

    @cached_property
    def phase(self) -> int:
        """The protocol's phase that the record is in, 1 to 4."""
        if self.resolved:
            return 4
        if self.executing:
            return 3
        return 2 if any(c.agreed for c in self.consensus) else 1

    @cached_property
    def as_of(self) -> datetime:
        """The moment at which ages and expiries are judged: closing, or now while it is open."""
        closed_at = self.resolution["closed_at"].time if self.closed else None
        return min(closed_at.latest, self.now) if closed_at else self.now

    # --- people ---

    def same(self, one: str, other: str) -> bool:
        """Whether two spellings are one person."""
        return bool(one) and self.limits.identity(one) == self.limits.identity(other)

    @cached_property
    def _commanders(self) -> tuple[tuple[Time | None, str], ...]:
        approvals = self.prerequisites["approvals"]
        return tuple(
            (a["approved_at"].time, a["by"]["name"].text)
            for a in approvals
            if a["approval"].text == "commander_authority" and a["by"]["name"].text
        )

    def commander_at(self, moment: Time | None) -> str:
        """Who held command at a moment: the last who had taken it by then."""
        held = [
            name
            for since, name in self._commanders
            if not since or not moment or order(since, moment) is not Order.CONTRADICTED
        ]
        return held[-1] if held else ""

    def holds(self, name: str, role: str, moment: Time | None) -> bool:
        """Whether policy or, where it is silent, prerequisites.json gives someone a role."""
        holders = self.limits.holders(role)
        if holders is not None:
            return self.limits.identity(name) in holders
        if role == COMMANDER:
            return self.same(self.commander_at(moment), name)
        wanted = self._approval_of(role)
        return any(
            self.same(a["by"]["name"].text, name)
            for a in self.prerequisites["approvals"]
            if a["approval"].text == wanted
        )

    def _approval_of(self, role: str) -> str:
        entries = self.limits.protocol.data["prerequisites"]["approvals"]
        return next((str(e["id"]) for e in entries if e["role"] == role), "")

    # --- assessed ---

    @cached_property
    def consensus(self) -> tuple[Consensus, ...]:
        """Each classification with the consensus derived from its assessors' own verdicts."""
        return tuple(self._consensus(c) for c in facts.classifications(self.record))

    def _consensus(self, classification: Classification) -> Consensus:
        severity = self.limits.severity(classification.severity)
        latest = {self.limits.identity(a.name): a for a in _by_time(classification.assessors)}
        agreeing = tuple(a for a in latest.values() if self._agrees(a, severity))
        dissent = tuple(a for a in latest.values() if a not in agreeing)
        commander = next((a for a in agreeing if self.holds(a.name, COMMANDER, a.time)), None)
        agreed = None
        if severity and commander and not dissent and len(agreeing) >= severity.assessors:
            agreed = _reached(agreeing, commander, severity.assessors)
        return Consensus(classification, severity, agreed, agreeing, dissent, commander is not None)

    def _agrees(self, assessor: facts.Assessor, severity: Severity | None) -> bool:
        own = self.limits.severity(assessor.severity)
        return own is not None and own == severity

    def in_force(self, moment: Time | None) -> Consensus | None:
        """The classification in force at a moment: the last one agreed by then."""
        agreed = [
            c
            for c in self.consensus
            if c.agreed and (not moment or order(c.agreed, moment) is not Order.CONTRADICTED)
        ]
        return agreed[-1] if agreed else None

    @cached_property
    def severity(self) -> Severity | None:
        """The severity that the record stands at: the last classification's."""
        known = [c.severity for c in self.consensus if c.severity]
        return known[-1] if known else None

    @cached_property
    def worst_severity(self) -> Severity | None:
        """The worst severity that the record names."""
        known = [c.severity for c in self.consensus if c.severity]
        return min(known, key=lambda s: s.rank, default=None)

    def severity_at(self, moment: Time | None) -> Severity | None:
        """The severity in force at a moment; where none was agreed, the worst recorded."""
        consensus = self.in_force(moment)
        return consensus.severity if consensus else self.worst_severity

    @cached_property
    def affected_services(self) -> tuple[str, ...]:
        """Every service in a blast radius, and every service that was acted upon."""
        named: dict[str, None] = {}
        for consensus in self.consensus:
            radius = consensus.classification.node["blast_radius"]
            named.update(dict.fromkeys(radius["services"].texts))
        for execution in self.mitigations:
            named.update(dict.fromkeys(execution.services))
        return tuple(named)

    # --- ready ---

    def readiness_items(self, execution: Execution | None = None) -> list[Node]:
        """The required items of the checklist; for an execution, those that concern its option."""
        decision = self.decision_of(execution) if execution else None
        return [
            item
            for item in self.checklist["items"]
            if item["required"].flag is not False
            and (not decision or item["option"].text in ("", decision.option))
        ]

    # --- approved ---

    def option(self, option_id: str) -> Option | None:
        """The option of that id."""
        return next((o for o in self.options if o.id == option_id), None)

    def decision_of(self, execution: Execution | None) -> Decision | None:
        """The decision that an execution names."""
        wanted = execution.decision if execution else ""
        return next((d for d in self.decisions if wanted and d.id == wanted), None)

    def superseding(self, decision: Decision) -> Decision | None:
        """The decision that replaced another."""
        return next(
            (d for d in self.decisions if decision.id and d.supersedes == decision.id), None
        )

    def strategy_of(self, execution: Execution) -> str:
        """The strategy of the option that an execution carried out, or ""."""
        decision = self.decision_of(execution)
        option = self.option(decision.option) if decision else None
        return option.strategy if option else ""

    @property
    def security_required(self) -> bool:
        """Whether security or compliance must approve as well."""
        flags = ("regulated_data", "customer_notification")
        return any(self.prerequisites[flag].flag for flag in flags)

    def roles_required(self, severity: Severity | None) -> tuple[str, ...]:
        """The roles that must approve at a severity; unknown counts as the worst."""
        floors = self.limits.protocol.severities
        asked = severity or next(iter(floors.values()))
        return (*asked.approvers, *((SECURITY,) if self.security_required else ()))

    def required_approvals(
        self, decision: Decision, moment: Time | None, operator: str = ""
    ) -> list[RequiredApproval]:
        """Who must have approved a decision at a moment, and the approval of each.

        At the mildest severity any one person other than the operator is enough.
        """
        given = [a for a in latest_words(self, decision) if a.verdict == "approve"]
        roles = self.roles_required(self.severity_at(moment))
        found = [
            RequiredApproval(role, next((a for a in given if a.role == role), None))
            for role in roles
        ]
        if not found:
            others = [a for a in given if not self.same(a.name, operator)]
            found = [RequiredApproval("", next(iter(others), None))]
        return found

    def approved_at(self, approval: Approval) -> Time | None:
        """When an approval was given; for a standing one, when that was granted."""
        standing = self.limits.standing_approval(approval.standing) if approval.standing else None
        return from_value(standing.get("approved_at")) if standing else approval.time

    # --- executed, propagated, checked ---

    @cached_property
    def mitigations(self) -> tuple[Execution, ...]:
        """Executions that were to mitigate; those that turned out not applicable are left out."""
        return tuple(
            e
            for e in self.executions
            if e.purpose == "mitigation" and e.outcome != "not_applicable"
        )

    def last_mitigation(self, service: str) -> Execution | None:
        """The last mitigation of a service."""
        return next((e for e in reversed(self.mitigations) if service in e.services), None)

    @cached_property
    def critical_checks(self) -> tuple[Check, ...]:
        """The checks that count: critical by the record, or planned as critical."""
        planned = {
            n["id"].text
            for n in facts.planned_checks(self.record)
            if n["critical"].flag is not False
        }
        return tuple(c for c in self.checks if c.critical or c.id in planned)

    @cached_property
    def planned_absent(self) -> tuple[Node, ...]:
        """Critical checks that were planned and have no result."""
        run = {c.id for c in self.checks if c.results}
        return tuple(
            n
            for n in facts.planned_checks(self.record)
            if n["critical"].flag is not False and n["id"].text not in run
        )

    @cached_property
    def pass_rate(self) -> float | None:
        """Critical checks whose latest result passed, of all critical checks; None: no check."""
        absent = {n["id"].text for n in self.planned_absent}
        run = [c for c in self.critical_checks if c.id not in absent]
        total = len(run) + len(self.planned_absent)
        return sum(c.passed for c in run) / total if total else None

    @cached_property
    def recovered(self) -> Time | None:
        """When the last critical check passed."""
        passed = [c.latest.time for c in self.critical_checks if c.passed and c.latest]
        return max((t for t in passed if t), key=lambda t: t.latest, default=None)


def latest_words(chain: Chain, decision: Decision) -> list[Approval]:
    """Each approver's latest word on a decision, per role."""
    words: dict[tuple[str, str], Approval] = {}
    for approval in _by_time(decision.approvals):
        words[chain.limits.identity(approval.name), approval.role] = approval
    return list(words.values())


Spoken = TypeVar("Spoken", facts.Assessor, Approval)


def _by_time(entries: Iterable[Spoken]) -> list[Spoken]:
    """Entries by time; where one has none, as the file has them."""
    listed = list(entries)
    times = [entry.time for entry in listed if entry.time]
    if len(times) < len(listed):
        return listed
    return sorted(
        listed, key=lambda entry: entry.time.earliest if entry.time else times[0].earliest
    )


def _reached(
    agreeing: tuple[facts.Assessor, ...], commander: facts.Assessor, wanted: int
) -> Time | None:
    """When a consensus was reached: the commander and enough others had spoken."""
    others = [a.time for a in agreeing if a is not commander and a.time]
    others = sorted(others, key=lambda t: t.latest)[: wanted - 1]
    if commander.time is None or len(others) < wanted - 1:
        return None
    return max((commander.time, *others), key=lambda t: t.latest)
