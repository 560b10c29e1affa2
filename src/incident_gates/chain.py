"""The causal chain: assessed, ready, approved, executed, propagated, checked, resolved, closed.

Every rule, the causal line that people see, and the status of a record read this one place.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from incident_gates import facts
from incident_gates.evidence.times import Order, Time, from_value, order
from incident_gates.facts import Approval, Check, Classification, Decision, Execution, Option

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator
    from datetime import datetime

    from incident_gates.evidence.places import Pointer
    from incident_gates.incident import Node, Record
    from incident_gates.logs import Log
    from incident_gates.policy import Limits
    from incident_gates.protocol import Severity

FAILED_OUTCOMES = ("failed", "partial", "ineffective")
SECURITY = "security_compliance"
COMMANDER = "incident_commander"


Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


def once(
    question: Callable[Concatenate[Chain, Asked], Answer],
) -> Callable[Concatenate[Chain, Asked], Answer]:
    """Asks a chain each question once: many rules ask the same, and a record does not change."""

    @wraps(question)
    def answer(chain: Chain, /, *args: Asked.args, **named: Asked.kwargs) -> Answer:
        key = (question, *args, *named.items())
        if key not in chain.answers:
            chain.answers[key] = question(chain, *args, **named)
        known: Answer = chain.answers[key]
        return known

    return answer


class Consensus(NamedTuple):
    """A classification as judged: when it was agreed, or who disagrees or is missing."""

    classification: Classification
    severity: Severity | None
    agreed: Time | None
    agreeing: tuple[facts.Assessor, ...]
    dissent: tuple[facts.Assessor, ...]
    silent: tuple[facts.Assessor, ...]
    commander: bool

    @property
    def complete(self) -> bool:
        """Whether enough people agree, the commander among them, even if nobody knows when."""
        enough = self.severity is not None and len(self.agreeing) >= self.severity.assessors
        return enough and self.commander and not self.dissent

    @property
    def untold(self) -> bool:
        """Whether what is not known, and not what was said, stands between it and a consensus."""
        if self.severity is None:
            return not self.classification.severity
        enough = len(self.agreeing) + len(self.silent) >= self.severity.assessors
        return enough and not self.dissent and (self.commander or bool(self.silent))


class Post(NamedTuple):
    """One time in command: since when, and when at the latest another had taken over."""

    since: Time | None
    relieved: datetime | None
    first: bool

    def taken_by(self, moment: Time | None) -> bool:
        """Whether command may have been taken by then; the first one leads from the beginning."""
        return self.first or not _after(self.since, moment)

    def over_by(self, moment: Time | None) -> bool:
        """Whether another had certainly taken over by then."""
        return bool(self.relieved and moment and self.relieved <= moment.earliest)


class RequiredApproval(NamedTuple):
    """An approval that an execution needs: the role, and the approval that fills it, if any."""

    role: str
    approval: Approval | None


class Matched:
    """What the excuses of a record did: problems by kind, each with its entry and a phrase."""

    def __init__(self) -> None:
        self.refused: list[tuple[Node, str]] = []
        self.unauthorised: list[tuple[Node, str]] = []
        self.expired: list[tuple[Node, str]] = []
        self.orphaned: list[tuple[Node, str]] = []
        self.ambiguous: list[tuple[Node, str]] = []


class Chain:
    """One record's events and what links them. Everything is derived when first asked for."""

    def __init__(
        self,
        record: Record,
        limits: Limits,
        now: datetime,
        *,
        fixed: bool = False,
        history: bool = False,
    ) -> None:
        self.record = record
        self.limits = limits
        self.now = now
        self.fixed = fixed
        # Whether git is asked what it knows; only those rules that need it ask.
        self.history = history
        self.excuses = Matched()
        self.answers: dict[Hashable, Any] = {}

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
    def intake(self) -> tuple[Log, facts.Validity | None]:
        """The signals of the intake log, and the verdict on them."""
        return facts.intake(self.record)

    @cached_property
    def communication(self) -> tuple[tuple[facts.Notice, ...], Log]:
        """The notices, and the log that they stand in."""
        return facts.notices(self.record)

    @property
    def notices(self) -> tuple[facts.Notice, ...]:
        """Every notice sent."""
        return self.communication[0]

    @cached_property
    def timeline(self) -> Log:
        """The timeline."""
        return facts.timeline(self.record)

    @property
    def logs(self) -> tuple[Log, ...]:
        """The logs whose entries begin with a time."""
        return self.intake[0], self.communication[1], self.timeline

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

    @cached_property
    def status(self) -> str:
        """The status that resolution-summary.json states, or ""."""
        return self.resolution["status"].text

    @property
    def closed(self) -> bool:
        """Whether the record says that it is closed."""
        return self.status == "closed"

    @cached_property
    def resolved(self) -> bool:
        """Whether the record says that it is resolved."""
        return (
            self.status in ("resolved", "closed") or self.resolution["resolved_at"].time is not None
        )

    @cached_property
    def false_positive(self) -> bool:
        """Whether a named person judged the signals to be a false positive."""
        validity = self.intake[1]
        return validity is not None and validity.verdict == "false positive" and bool(validity.by)

    @cached_property
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
        """When ages and expiries are judged: at closing, or now while open, or when asked for."""
        if self.fixed:
            return self.now
        closed_at = self.resolution["closed_at"].time if self.closed else None
        return min(closed_at.latest, self.now) if closed_at else self.now

    # --- people ---

    def same(self, one: str, other: str) -> bool:
        """Whether two spellings are one person."""
        return bool(one) and self.limits.identity(one) == self.limits.identity(other)

    @cached_property
    def _commanders(self) -> list[tuple[Time | None, str]]:
        """Who took command, and when: by time, or as the file has them where one has none."""
        taken = [
            (a["approved_at"].time, a["by"]["name"].text)
            for a in self.prerequisites["approvals"]
            if a["approval"].text == "commander_authority" and a["by"]["name"].text
        ]
        if all(since for since, _ in taken):
            taken.sort(key=lambda entry: entry[0].earliest if entry[0] else self.now)
        return taken

    @cached_property
    def _posts(self) -> dict[str, list[Post]]:
        """The times in command of each person."""
        found: dict[str, list[Post]] = {}
        relieved: datetime | None = None
        for index, (since, name) in reversed(list(enumerate(self._commanders))):
            post = Post(since, relieved, first=index == 0)
            found.setdefault(self.limits.identity(name), []).insert(0, post)
            if since and (relieved is None or since.latest < relieved):
                relieved = since.latest
        return found

    def commanders_at(self, moment: Time | None) -> tuple[str, ...]:
        """Who may have held command at a moment: several where a hand-over cannot be told apart.

        The first one leads until another takes over: when authority was given is MIT007's.
        """
        held: list[str] = []
        for since, name in self._commanders:
            if held and _after(since, moment):
                continue
            if since and moment and order(since, moment) is Order.PROVEN:
                held.clear()
            held.append(name)
        return tuple(held)

    def commands(self, name: str, moment: Time | None) -> bool:
        """Whether someone held command at a moment; policy answers where the record is silent."""
        if self._commanders:
            posts = self._posts.get(self.limits.identity(name), ())
            return any(p.taken_by(moment) and not p.over_by(moment) for p in posts)
        return self.limits.identity(name) in (self.limits.holders(COMMANDER) or ())

    @once
    def holds(self, name: str, role: str, moment: Time | None) -> bool:
        """Whether policy or, where it is silent, prerequisites.json gives someone a role."""
        holders = self.limits.holders(role)
        if holders is not None:
            return self.limits.identity(name) in holders
        if role == COMMANDER:
            return self.commands(name, moment)
        given, first = self._given(role)
        own = given.get(self.limits.identity(name), ()) if name else ()
        # Nobody is made a holder afterwards; where all came too late, MIT007 says so.
        by_then = any(not _after(time, moment) for time in own)
        return by_then or (bool(own) and _after(first, moment))

    @once
    def _given(self, role: str) -> tuple[dict[str, list[Time | None]], Time | None]:
        """When prerequisites.json gave a role to each person, and when to anybody at all."""
        wanted = self._approval_of(role)
        listed = self.prerequisites["approvals"] if wanted else ()
        entries = [a for a in listed if a["approval"].text == wanted]
        times = [a["approved_at"].time for a in entries]
        known = [time for time in times if time]
        first = min(known, key=lambda t: t.earliest) if known and all(times) else None
        names = (self.limits.identity(a["by"]["name"].text) for a in entries)
        return _grouped(zip(names, times, strict=True)), first

    def _approval_of(self, role: str) -> str:
        entries = self.limits.protocol.data["prerequisites"]["approvals"]
        return next((str(e["id"]) for e in entries if e["role"] == role), "")

    def _in_command(self, word: facts.Assessor) -> list[Time | None]:
        """What must have happened before a word is the commander's: said, and command taken.

        Who assesses and then takes over owns the verdict from then on; who speaks after handing
        over does not. Empty where someone never commanded.
        """
        if not self._commanders:
            return [word.time] if self.commands(word.name, word.time) else []
        posts = self._posts.get(self.limits.identity(word.name), ())
        post = next((p for p in posts if not p.over_by(word.time)), None)
        if post is None:
            return []
        return [word.time, *([post.since] if post.since and not post.first else [])]

    # --- assessed ---

    @cached_property
    def consensus(self) -> tuple[Consensus, ...]:
        """Each classification, by time, with the consensus derived from its assessors' verdicts."""
        listed = facts.classifications(self.record)
        begun = [
            min((a.time.earliest for a in c.assessors if a.time), default=None) for c in listed
        ]
        if all(begun):
            order_of = sorted(range(len(listed)), key=lambda i: begun[i] or self.now)
            listed = tuple(listed[index] for index in order_of)
        return tuple(self._consensus(c) for c in listed)

    def _consensus(
        self, classification: Classification, until: datetime | None = None
    ) -> Consensus:
        """The consensus on a classification, from the verdicts that were given by a moment."""
        severity = self.limits.severity(classification.severity)
        given = classification.assessors
        words = [a for a in given if not (a.time and until) or a.time.earliest < until]
        runs = self._verdicts(words, severity)
        agreeing = [
            run for run in runs if severity and run[0].name and self._own(run[0]) == severity
        ]
        against = tuple(r[0] for r in runs if r not in agreeing and r[0].severity)
        leading = [a for r in agreeing for a in r if self._in_command(a)]
        commander = min(leading, key=self._leads_from, default=None)
        found = Consensus(
            classification,
            severity,
            None,
            tuple(run[0] for run in agreeing),
            against,
            tuple(run[0] for run in runs if not run[0].severity),
            commander is not None,
        )
        if not (found.complete and severity and commander):
            return found
        others = [run[0].time for run in agreeing if commander not in run]
        spoke = Counter(self.limits.identity(a.name) for a in words)
        # Until someone of another opinion had turned round there was no consensus.
        turned = [r[0].time for r in agreeing if len(r) < spoke[self.limits.identity(r[0].name)]]
        agreed = _reached(self._in_command(commander), others, severity.assessors - 1, turned)
        return found._replace(agreed=agreed)

    def _leads_from(self, word: facts.Assessor) -> tuple[bool, float]:
        """When a word became the commander's: of several who led, the first reaches consensus."""
        known = [t for t in self._in_command(word) if t]
        when = max((t.latest.timestamp() for t in known), default=0.0)
        return len(known) < len(self._in_command(word)), when

    def _verdicts(
        self, words: Iterable[facts.Assessor], severity: Severity | None
    ) -> list[list[facts.Assessor]]:
        return runs(
            words,
            lambda a: self.limits.identity(a.name),
            self._own,
            lambda a: self._own(a) != severity,
        )

    def _own(self, assessor: facts.Assessor) -> Severity | None:
        return self.limits.severity(assessor.severity)

    @cached_property
    def _spoken(self) -> list[list[datetime]]:
        """When each word on each classification was given at the earliest, in order."""
        words = (c.classification.assessors for c in self.consensus)
        return [sorted(a.time.earliest for a in given if a.time) for given in words]

    def _as_of(self, moment: Time | None) -> Iterator[Consensus]:
        """Each consensus as it stood at a moment, the last first: later words undo nothing."""
        for index in reversed(range(len(self.consensus))):
            spoken = self._spoken[index]
            heard = bisect_left(spoken, moment.latest) if moment else len(spoken)
            yield self._stood(index, heard)

    @once
    def _stood(self, index: int, heard: int) -> Consensus:
        """A consensus as it stood when so many words on it had been given."""
        spoken, whole = self._spoken[index], self.consensus[index]
        if heard == len(spoken):
            return whole
        return self._consensus(whole.classification, spoken[heard])

    @once
    def in_force(self, moment: Time | None) -> Consensus | None:
        """The classification in force at a moment: the last one agreed by then."""
        agreed = (c for c in self._as_of(moment) if c.agreed and not _after(c.agreed, moment))
        return next(agreed, None)

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
        """The severity in force at a moment; where none was agreed, the worst recorded.

        Where it cannot be told which of several was the last, the worst of them.
        """
        last = self.in_force(moment)
        return self._gravest[last.classification.node.pointer] if last else self.worst_severity

    @cached_property
    def _gravest(self) -> dict[Pointer, Severity | None]:
        """Of each classification the severity, or a worse one that may have been judged later."""
        found: dict[Pointer, Severity | None] = {}
        begun: dict[Severity, datetime] = {}
        for consensus in self.consensus:
            heard = [a.time for a in consensus.classification.assessors if a.time]
            first = min((t.earliest for t in heard), default=None)
            maybe = [s for s, latest in begun.items() if first and latest > first]
            own = consensus.severity
            found[consensus.classification.node.pointer] = min(
                (*maybe, *([own] if own else [])), key=lambda s: s.rank, default=None
            )
            if own and consensus.agreed and heard:
                latest = min(t.latest for t in heard)
                begun[own] = max(latest, begun.get(own, latest))
        return found

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
        """The required items of the checklist that concern an execution, or what is planned."""
        decision = self.decision_of(execution) if execution else None
        return [item for item, _ in self._verifications(decision.option if decision else None)]

    def verifications(self, execution: Execution) -> list[tuple[Node, Time | None]]:
        """The required items that concern an execution, and when each was verified."""
        decision = self.decision_of(execution)
        return self._verifications(decision.option if decision else None)

    @once
    def _verifications(self, option: str | None) -> list[tuple[Node, Time | None]]:
        """The same for an option; for None, what is planned."""
        options = [o.id for o in self.planned] if option is None else [option]
        concerned = {"", *options}
        return [
            (item, item["verified_at"].time)
            for item in self.checklist["items"]
            if item["required"].flag is not False
            and (not options or item["option"].text in concerned)
        ]

    @property
    def going_forward(self) -> bool:
        """Whether the rollback is given up: then its prerequisites may be unmet, for a reason."""
        return {option.strategy for option in self.planned} == {"fail_forward"}

    @cached_property
    def planned(self) -> tuple[Option, ...]:
        """The options that were decided; before any decision, the one proposed, or all of them."""
        decided = [option for d, _ in self.live if (option := self.option(d.option))]
        proposal = facts.proposal(self.record)
        proposed = self.option(proposal.option) if proposal else None
        return tuple(decided) or ((proposed,) if proposed else self.options)

    # --- approved ---

    def option(self, option_id: str) -> Option | None:
        """The option of that id."""
        return self._options.get(option_id)

    @cached_property
    def _options(self) -> dict[str, Option]:
        return _first(self.options, lambda option: option.id)

    @cached_property
    def kept_digests(self) -> dict[str, set[str]]:
        """The digests of each option in the earlier plans that were kept."""
        return facts.kept_digests(self.record)

    def decision_of(self, execution: Execution | None) -> Decision | None:
        """The decision that an execution names."""
        return self._decisions.get(execution.decision) if execution else None

    @cached_property
    def _decisions(self) -> dict[str, Decision]:
        return _first((d for d in self.decisions if d.id), lambda decision: decision.id)

    def superseding(self, decision: Decision) -> Decision | None:
        """The decision that replaced another."""
        return self._superseding.get(decision.id)

    @cached_property
    def _superseding(self) -> dict[str, Decision]:
        newer = (d for d in self.decisions if d.supersedes and d.supersedes != d.id)
        return _first(newer, lambda decision: decision.supersedes)

    @cached_property
    def live(self) -> tuple[tuple[Decision, Execution | None], ...]:
        """Each decision that counts: executed ones, with their gravest execution, and the last."""
        pairs: list[tuple[Decision, Execution | None]] = []
        ran = _grouped((e.decision, e) for e in self.executions)
        gravest = {d: min(runs, key=lambda e: self._rank_at(e.started)) for d, runs in ran.items()}
        for decision in self.decisions:
            run = gravest.get(decision.id)
            if run or self.superseding(decision) is None:
                pairs.append((decision, run))
        return tuple(pairs)

    def _rank_at(self, moment: Time | None) -> int:
        severity = self.severity_at(moment)
        return severity.rank if severity else 0

    @property
    def security_required(self) -> bool:
        """Whether security or compliance must approve as well."""
        flags = ("regulated_data", "customer_notification")
        return any(self.prerequisites[flag].flag for flag in flags)

    def roles_required(self, severity: Severity | None) -> tuple[str, ...]:
        """The roles that must approve at a severity; unknown counts as the worst."""
        floors = self.limits.protocol.severities
        asked = severity or next(iter(floors.values()))
        flagged = self.security_required and asked.approvers
        return (*asked.approvers, *((SECURITY,) if flagged else ()))

    def required_approvals(
        self, decision: Decision, moment: Time | None, operator: str = ""
    ) -> list[RequiredApproval]:
        """Who must have approved a decision at a moment, and the approval of each.

        At the mildest severity any one person other than the operator is enough.
        """
        return self._required(decision, self.severity_at(moment), operator)

    @once
    def _required(
        self, decision: Decision, severity: Severity | None, operator: str
    ) -> list[RequiredApproval]:
        given = [a for a in latest_words(self, decision) if a.verdict == "approve"]
        found = [RequiredApproval(r, self._filled(given, r)) for r in self.roles_required(severity)]
        if severity and not severity.approvers:
            others = (a for a in given if a.name and not self.same(a.name, operator))
            found.append(RequiredApproval("", next(others, None)))
        return found

    def _filled(self, given: list[Approval], role: str) -> Approval | None:
        """The approval that fills a role: of someone who holds it, else of who claims it."""
        claimed = [a for a in given if a.role == role]
        held = (a for a in claimed if a.standing or self.holds(a.name, role, self.approved_at(a)))
        return next(held, next(iter(claimed), None))

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

    @cached_property
    def _mitigations_of(self) -> dict[str, list[Execution]]:
        return _grouped((s, e) for e in self.mitigations for s in dict.fromkeys(e.services))

    @once
    def last_mitigation(self, service: str) -> Execution | None:
        """The last mitigation of a service; where that cannot be told, one that did not succeed."""
        of_it = self._mitigations_of.get(service, [])
        when = [(e, e.started or e.completed) for e in of_it]
        last = max((time.earliest for _, time in when if time), default=None)
        maybe = [e for e, time in when if not time or not last or time.latest > last]
        return next((e for e in maybe if e.outcome != "succeeded"), maybe[-1] if maybe else None)

    @cached_property
    def planned_checks(self) -> tuple[Node, ...]:
        """The checks that the readiness checklist planned."""
        return facts.planned_checks(self.record)

    @cached_property
    def critical_checks(self) -> tuple[Check, ...]:
        """The checks that count: critical by the record, or planned as critical."""
        planned = {n["id"].text for n in self.planned_checks if n["critical"].flag is not False}
        return tuple(c for c in self.checks if c.critical or c.id in planned)

    @cached_property
    def planned_absent(self) -> tuple[Node, ...]:
        """Critical checks that were planned and have no result."""
        run = {c.id for c in self.checks if c.results}
        return tuple(
            n
            for n in self.planned_checks
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


Keyed = TypeVar("Keyed")


def _first(entries: Iterable[Keyed], key: Callable[[Keyed], str]) -> dict[str, Keyed]:
    """The first entry of each key."""
    found: dict[str, Keyed] = {}
    for entry in entries:
        found.setdefault(key(entry), entry)
    return found


def _grouped(pairs: Iterable[tuple[str, Keyed]]) -> dict[str, list[Keyed]]:
    """The entries of each key, in their order."""
    found: dict[str, list[Keyed]] = {}
    for key, entry in pairs:
        found.setdefault(key, []).append(entry)
    return found


@once
def latest_words(chain: Chain, decision: Decision) -> list[Approval]:
    """Each approver's latest word on a decision, per role, from when it was first given.

    Who approves the same text again has approved it all along; another text is another word.
    """
    said = runs(
        decision.approvals,
        lambda a: (chain.limits.identity(a.name), a.role),
        lambda a: (a.verdict, a.sha256, a.standing),
        lambda a: a.verdict != "approve",
    )
    return [run[0] for run in said]


Spoken = TypeVar("Spoken", facts.Assessor, Approval)


def _by_time(entries: Iterable[Spoken], against: Callable[[Spoken], bool]) -> list[Spoken]:
    """Entries by time; where one has none, as the file has them.

    Where it cannot be told which of two came first, what speaks against came last.
    """
    timed = [(entry, entry.time) for entry in entries]
    placed = [(e, t.latest if against(e) else t.earliest) for e, t in timed if t]
    if len(placed) < len(timed):
        return [entry for entry, _ in timed]
    return [e for e, _ in sorted(placed, key=lambda pair: (pair[1], not against(pair[0])))]


def runs(
    entries: Iterable[Spoken],
    who: Callable[[Spoken], Hashable],
    said: Callable[[Spoken], Hashable],
    against: Callable[[Spoken], bool],
) -> list[list[Spoken]]:
    """What each person said last, with the earlier words that said the same without a break."""
    found: dict[Hashable, list[Spoken]] = {}
    for entry in _by_time(entries, against):
        run = found.setdefault(who(entry), [])
        if run and said(run[-1]) != said(entry):
            run.clear()
        run.append(entry)
    return list(found.values())


def _after(time: Time | None, moment: Time | None) -> bool:
    """Whether a time is proven to be later than a moment."""
    if time is None or moment is None:
        return False
    return order(time, moment) is Order.CONTRADICTED


def _reached(
    command: list[Time | None],
    others: list[Time | None],
    wanted: int,
    turned: list[Time | None],
) -> Time | None:
    """When a consensus was reached: the commander and enough others had spoken, and none objected.

    Of the others the first ones count, so that a late assessor does not make it later.
    """
    timed = [t for t in others if t]
    needed = [t for t in (*command, *turned) if t]
    if command[0] is None or len(timed) < wanted:
        return None
    if wanted:
        by_end = sorted(timed, key=lambda t: t.latest)[wanted - 1]
        earliest = sorted(t.earliest for t in timed)[wanted - 1]
        needed.append(_from(by_end, min(earliest, by_end.earliest)))
    last = max(needed, key=lambda t: t.latest)
    return _from(last, max(t.earliest for t in needed))


def _from(time: Time, earliest: datetime) -> Time:
    """A time that what several people said moves the beginning of."""
    if earliest == time.earliest:
        return time
    return time._replace(earliest=earliest, precision="claims")
