"""Judges one record: which gates are due, what the rules find, what is excused, how it stands."""

from __future__ import annotations

import os
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import causal, custody, derived, excuses, gates
from incident_gates.chain import Chain
from incident_gates.evidence import bounds
from incident_gates.evidence.refusal import shortened
from incident_gates.evidence.times import show_duration
from incident_gates.model import (
    CRITICAL,
    LEVELS,
    WARNING,
    Assurance,
    Breach,
    Finding,
    GateReport,
    IncidentReport,
    Status,
    Verdict,
)
from incident_gates.rules import RULES, Rule
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from incident_gates.custody import Custody, Told
    from incident_gates.incident import Document, Record
    from incident_gates.policy import Limits
    from incident_gates.protocol import Gate

DUE, READY, ALL = "due", "ready", "all"
READY_GATES = ("prerequisites", "severity", "mitigation")
INTAKE = "incident-intake-log.md"
DEBUG = "INCIDENT_GATES_DEBUG"
A_MINUTE = timedelta(minutes=1)
PLACEHOLDER = "FIL009"
GATES = {
    "severity": gates.severity,
    "mitigation": gates.mitigation,
    "recovery": gates.recovery,
    "resolution": gates.resolution,
}


class Request(NamedTuple):
    """What was asked: which gates (none: all of them), what must be due, whether warnings fail.

    A gate that is named is judged whether or not it is due, unless ``only_due`` says otherwise.
    ``fixed`` says that somebody chose the moment of judging, even for a closed record; ``history``
    whether git is asked as well (none: as the policy says); ``told`` what it said before, instead.
    """

    require: str = DUE
    gates: tuple[str, ...] = ()
    strict: bool = False
    only_due: bool = False
    fixed: bool = False
    history: bool | None = None
    told: Told | None = None


class Judgement:
    """What the rules said about one record: findings by gate, and rules that broke down."""

    def __init__(self) -> None:
        self.found: dict[str, list[Finding]] = {}
        self.broken: dict[str, str] = {}
        self.ran: list[str] = []
        self.left: dict[str, str] = {}

    def add(self, gate: str, finding: Finding) -> None:
        """Keeps a finding under its gate; "" for those that belong to none."""
        self.found.setdefault(gate, []).append(finding)


def judge(record: Record, limits: Limits, now: datetime, request: Request) -> IncidentReport:
    """One record's report."""
    return judge_chain(chain_of(record, limits, now, request), request)


def chain_of(record: Record, limits: Limits, now: datetime, request: Request) -> Chain:
    """The events of a record, as a request has them judged."""
    history = limits.history != "off" if request.history is None else request.history
    history = request.told.asked if request.told else history
    chain = Chain(record, limits, now, fixed=request.fixed, history=history)
    custody.of(chain).told = request.told
    return chain


def judge_chain(chain: Chain, request: Request) -> IncidentReport:
    """The report on a record; where our own code breaks down, one that says so and is no pass."""
    try:
        return _judge(chain, request)
    except Exception as error:
        if DEBUG in os.environ:
            raise
        return _could_not_tell(chain.record, chain.limits, chain.now, error)


def _could_not_tell(
    record: Record, limits: Limits, now: datetime, error: Exception
) -> IncidentReport:
    """A report without a judgement: the other records of the run keep theirs."""
    said = f"{type(error).__name__}; set {DEBUG}=1 to see where"
    reports = tuple(
        GateReport(g.id, g.number, g.name, Status.ERROR, due=True, summary=said)
        for g in limits.protocol.gates
    )
    return IncidentReport(
        record.folder.name,
        record.path,
        None,
        "could not be judged",
        1,
        now.isoformat().replace("+00:00", "Z"),
        Verdict.ERROR,
        (),
        reports,
        (),
        (),
        Assurance(),
    )


def _judge(chain: Chain, request: Request) -> IncidentReport:
    """Runs the rules, and resolves every place, so that the record can be let go."""
    record, limits = chain.record, chain.limits
    selected = request.gates or tuple(gate.id for gate in limits.protocol.gates)
    judgement = Judgement()
    _run(chain, judgement, selected, after=False)
    judgement.found = {gate: _without_echoes(f) for gate, f in judgement.found.items()}
    chain.excuses = excuses.apply(chain, judgement.found, selected)
    _run(chain, judgement, selected, after=True)
    judgement.broken |= _blind(chain)
    reports = tuple(
        _gate_report(chain, gate, judgement, request)
        for gate in limits.protocol.gates
        if gate.id in selected
    )
    unowned = _ordered(judgement.found.get("", ()))
    verdict = _verdict(chain, reports, unowned, request)
    return IncidentReport(
        record.incident_id,
        record.path,
        chain.severity.name if chain.severity else None,
        _state(chain),
        chain.phase,
        chain.as_of.isoformat().replace("+00:00", "Z"),
        verdict,
        causal.links(chain),
        reports,
        unowned,
        tuple(f.message for f in unowned if f.rule == "FIL015"),
        _assurance(chain, verdict),
        tuple(sorted(judgement.ran)),
        tuple(sorted({**judgement.left, **judgement.broken}.items())),
    )


# --- rules ---------------------------------------------------------------------------------------


def _run(chain: Chain, judgement: Judgement, selected: tuple[str, ...], *, after: bool) -> None:
    known = custody.of(chain)
    for rule in RULES.values():
        if (rule.criterion == "excused") is not after:
            continue
        why_not = _left_out(chain, known, rule, selected)
        if why_not:
            judgement.left[rule.id] = why_not
        elif rule.criterion == "custody" and known.told:
            _take_over(known.told, rule, judgement)
        else:
            _run_one(chain, rule, judgement, selected)


def _blind(chain: Chain) -> dict[str, str]:
    """The rules that could not ask git although the policy wants it; Assurance says why not."""
    known = custody.of(chain)
    if not chain.history or chain.limits.history != "required" or known.known:
        return {}
    return {rule.id: "history is not known" for rule in RULES.values() if rule.history}


def _left_out(chain: Chain, known: Custody, rule: Rule, selected: tuple[str, ...]) -> str:
    """Why a rule has nothing to ask of this record, or ""."""
    if rule.criterion == "custody" and known.told:
        return known.told.left.get(rule.id, "")
    if rule.gate != "record" and rule.gate not in selected:
        return "its gate was not asked"
    if chain.false_positive and rule.gate != "record" and rule.criterion != "intake":
        return "false positive"
    if rule.history and not known.known:
        return known.why_not
    for name in rule.needs:
        if not chain.record.readable(name):
            return f"{name} is not there, or cannot be read"
    return ""


def _take_over(told: Told, rule: Rule, judgement: Judgement) -> None:
    """What was said of custody before stands in for rules that would ask git."""
    judgement.ran.append(rule.id)
    for finding in (f for f in told.findings if f.rule == rule.id):
        judgement.add("", finding)


def _run_one(chain: Chain, rule: Rule, judgement: Judgement, selected: tuple[str, ...]) -> None:
    try:
        breaches, left_out = _limited(rule.check(chain, chain.limits))
    except Exception as error:  # noqa: BLE001 - one broken rule must not lose the others' findings
        judgement.broken[rule.id] = f"{type(error).__name__} in {rule.id}"
        return
    judgement.ran.append(rule.id)
    if left_out:
        last = breaches.pop()
        breaches.append(last._replace(message=f"{last.message}; and {left_out} more like it"))
    for breach in breaches:
        gate = _gate_of(chain, rule, breach)
        if gate and gate not in selected:
            continue
        if chain.false_positive and not rule.at_once and breach.place.file not in (INTAKE, "."):
            continue
        finding = _finding(chain, rule, breach)
        judgement.add(gate, finding)


def _limited(found: Iterator[Breach]) -> tuple[list[Breach], str]:
    """The breaches that are said, and how many more there are; counting ends somewhere, too."""
    breaches = list(map(_shortened, islice(found, bounds.FINDINGS_A_RULE)))
    if len(breaches) < bounds.FINDINGS_A_RULE:
        return breaches, ""
    more = sum(1 for _ in islice(found, bounds.FINDINGS_COUNTED))
    least = "at least " if more == bounds.FINDINGS_COUNTED else ""
    return breaches, f"{least}{more}" if more else ""


def _shortened(breach: Breach) -> Breach:
    """A breach whose words all fit on a page; what an excuse names stays whole."""
    said = (breach.message, breach.expected, *breach.actual)
    if sum(map(len, said)) <= bounds.FINDING_CHARS:
        return breach
    message, expected, *actual = map(shortened, said)
    return breach._replace(message=message, expected=expected, actual=_first(actual))


def _first(lines: list[str]) -> tuple[str, ...]:
    """As many lines as a finding lists, and how many more there are."""
    most = bounds.NAMES_LISTED
    more = [f"and {len(lines) - most} more"] if len(lines) > most else []
    return (*lines[:most], *more)


def _without_echoes(findings: list[Finding]) -> list[Finding]:
    """A placeholder is said once: by the rule that asks for the value, where there is one."""
    asked = {f.location for f in findings if f.level == CRITICAL and f.rule != PLACEHOLDER}
    return [f for f in findings if f.rule != PLACEHOLDER or f.location not in asked]


def _gate_of(chain: Chain, rule: Rule, breach: Breach) -> str:
    """The gate of a finding: its rule's, or the one that reads the file."""
    if rule.gate != "record":
        return rule.gate
    artifact = chain.limits.protocol.artifacts.get(breach.place.file)
    return artifact.gate if artifact and rule.criterion in ("readable", "consistent") else ""


def _finding(chain: Chain, rule: Rule, breach: Breach) -> Finding:
    return Finding(
        rule.id,
        breach.level or rule.level,
        breach.message,
        chain.record.locate(breach.place),
        breach.fix or rule.fix,
        breach.subject,
        breach.expected,
        breach.actual,
        tuple(dict.fromkeys(filter(None, breach.concerned))),
    )


# --- gates ---------------------------------------------------------------------------------------


def _claims(chain: Chain) -> dict[str, bool]:
    """What the record claims, in order; a later claim makes every earlier one due as well."""
    resolved = chain.resolution["resolved_at"].time
    days = chain.limits.threshold("close_within_days")
    overdue = resolved is not None and (chain.now - resolved.latest).total_seconds() > days * 86400
    return {
        "decision_recorded": bool(chain.decisions),
        "execution_started": chain.executing,
        "resolved": chain.resolved,
        "closed": chain.closed or (overdue and not chain.false_positive),
    }


def is_due(chain: Chain, gate: Gate, request: Request) -> bool:
    """Whether a gate is judged: by what the record claims, or because it was asked for."""
    named = gate.id in request.gates and not request.only_due
    if named or request.require == ALL:
        return True
    if request.require == READY and gate.id in READY_GATES:
        return True
    claims = _claims(chain)
    names = list(claims)
    if chain.false_positive and gate.id == "severity":
        return True
    return any(claims[name] for name in names[names.index(gate.due) :])


def _gate_report(chain: Chain, gate: Gate, judgement: Judgement, request: Request) -> GateReport:
    module = GATES.get(gate.id)
    blank = (gate.id, gate.number, gate.name)
    findings = _ordered(judgement.found.get(gate.id, ()))
    if chain.false_positive and gate.id != "severity" and not findings:
        return GateReport(*blank, Status.NOT_APPLICABLE, due=False, summary="false positive")
    due = is_due(chain, gate, request)
    needs: tuple[Finding, ...] = ()
    if not due:
        needs = tuple(f for f in findings if f.fails and not RULES[f.rule].at_once)
        findings = tuple(f for f in findings if f not in needs)
    broken = [rule_id for rule_id in judgement.broken if RULES[rule_id].gate in (gate.id, "record")]
    summary = (
        gates.prerequisites.summary(chain)
        if module is None
        else module.summary(chain, chain.limits)
    )
    return GateReport(
        *blank,
        _status(findings, due=due, broken=bool(broken), strict=request.strict),
        due=due,
        summary=", ".join(dict.fromkeys(judgement.broken[r] for r in broken)) or summary,
        metrics=module.metrics(chain, chain.limits) if module else (),
        findings=findings,
        needs=needs,
    )


def _status(findings: Iterable[Finding], *, due: bool, broken: bool, strict: bool) -> Status:
    found = list(findings)
    if broken:
        return Status.ERROR
    if any(f.fails or (strict and f.level == WARNING and not f.excuse) for f in found):
        return Status.FAILED
    if not due:
        return Status.PENDING
    waived = any(f.excuse and (f.level == CRITICAL or strict) for f in found)
    return Status.WAIVED if waived else Status.PASSED


def _ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Worst first, then as the files have them."""
    return tuple(
        sorted(
            findings,
            key=lambda f: (
                bool(f.excuse),
                LEVELS.index(f.level),
                f.location.file,
                f.location.line or 0,
                f.rule,
                f.subject,
            ),
        )
    )


# --- verdict -------------------------------------------------------------------------------------


def _verdict(
    chain: Chain, reports: tuple[GateReport, ...], unowned: tuple[Finding, ...], request: Request
) -> Verdict:
    statuses = {report.status for report in reports}
    warned = request.strict and any(_warns(f) for f in unowned)
    if Status.ERROR in statuses:
        return Verdict.ERROR
    if Status.FAILED in statuses or any(f.fails for f in unowned) or warned:
        return Verdict.FAILED
    if chain.false_positive and request.require == READY:
        return Verdict.NOT_APPLICABLE
    if chain.false_positive or chain.closed:
        return Verdict.PASSED
    asked = {r.status for r in reports if r.id in READY_GATES or request.require != READY}
    open_end = Status.PENDING in asked or (request.require == DUE and not request.gates)
    return Verdict.IN_PROGRESS if open_end else Verdict.PASSED


def _warns(finding: Finding) -> bool:
    """Whether it is a warning of the record itself: what was learned comes after its closing."""
    learned = RULES[finding.rule].criterion == "learned"
    return finding.level == WARNING and not finding.excuse and not learned


def _state(chain: Chain) -> str:
    """How the record stands, for its headline."""
    if chain.false_positive:
        return "false positive"
    if chain.closed or chain.resolved:
        return "closed" if chain.closed else "resolved"
    declared = chain.declared
    minutes = (chain.now - declared.earliest) // A_MINUTE if declared else 0
    ago = f"{show_duration(minutes * A_MINUTE)} ago" if minutes else "just now"
    since = f" · declared {ago}" if declared else ""
    return f"in progress · phase {chain.phase} of 4{since}"


def _assurance(chain: Chain, verdict: Verdict) -> Assurance:
    """What the verdict rests on: digests recomputed here; names and clocks are claims."""
    record, passed = chain.record, verdict is Verdict.PASSED
    pinned = {n["file"].text: n["sha256"].text for n in chain.prerequisites["inputs"]}
    inputs = sum(bool(d and d.sha256 == sha) for d, sha in _read(record, pinned))
    made = {d.name for d in record.own() if derived.is_derived(d)}
    items = record.node("rca-manifest.json")["items"]
    # A derived file repeats others: archived beside them, it is still no second witness.
    archived = sum(bool(n["sha256"].text and n["path"].text not in ("", *made)) for n in items)
    checked = [f"{counted(inputs, 'input')} as pinned"] if inputs else []
    checked += [f"{counted(archived, 'archived file')} as digested"] if archived else []
    checked += custody.of(chain).borne_out if chain.history else []
    return Assurance(
        ("record consistent",) if passed else (),
        tuple(checked) if passed else (),
        ("identities", "clocks", *(("derived files",) if made else ())),
        custody.of(chain).not_verified,
    )


def _read(record: Record, pinned: dict[str, str]) -> list[tuple[Document | None, str]]:
    known = record.protocol.artifacts
    return [(record.document(name), sha) for name, sha in pinned.items() if name in known]
