"""Waivers and deviations: which entry covers which finding, and what is wrong with an entry."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from incident_gates.chain import Matched, once
from incident_gates.evidence.refusal import shortened
from incident_gates.evidence.times import Order, from_value, order
from incident_gates.incident import gives_reason
from incident_gates.model import INFO, Excuse, Finding
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from incident_gates.chain import Chain
    from incident_gates.evidence.times import Time
    from incident_gates.facts import Execution
    from incident_gates.incident import Node
    from incident_gates.protocol import Protocol
    from incident_gates.rules import Rule

FILE = "waivers.yaml"
WAIVER, DEVIATION = "waiver", "deviation"
FIELDS = {
    WAIVER: (
        "reason",
        "requested_by",
        "approved_by",
        "approved_at",
        "expires_at",
        "compensating_control",
    ),
    DEVIATION: (
        "what_happened",
        "why",
        "corrective_action",
        "requested_by",
        "accepted_by",
        "accepted_at",
    ),
}
REASONS = ("reason", "why")
GRANTED_BY = {WAIVER: "approved_by", DEVIATION: "accepted_by"}
GRANTED_AT = {WAIVER: "approved_at", DEVIATION: "accepted_at"}
ACCEPTED_BY = 2
NOT_WAIVED = {
    "order": "the causal order cannot be waived",
    "consistent": "files that disagree cannot be waived",
    "custody": "an amendment says what changed after sealing",
}
# In these gates, whoever ran or approved something is concerned in every finding.
ACTED_IN = ("mitigation", "recovery")


def refuses(rule: Rule, kind: str, protocol: Protocol) -> str:
    """Why an entry of that kind may not excuse a rule; "" where it may.

    A file can always be repaired, so nothing excuses one that cannot be read.
    """
    if rule.criterion in ("readable", "excused") and rule.id != "FIL001":
        return "a file can always be repaired"
    if kind == DEVIATION:
        return "what is missing can be supplied" if rule.id == "FIL001" else ""
    if rule.criterion in NOT_WAIVED:
        return NOT_WAIVED[rule.criterion]
    gates = {gate.id: gate for gate in protocol.gates}
    if rule.gate in gates and not gates[rule.gate].waiver:
        return f"gate {gates[rule.gate].number} cannot be waived"
    return ""


def allowed(rule: Rule, protocol: Protocol) -> str:
    """The kinds of excuse that a rule takes, in words."""
    kinds = [kind for kind in (WAIVER, DEVIATION) if not refuses(rule, kind, protocol)]
    return " or ".join(kinds) or "none"


def apply(chain: Chain, found: dict[str, list[Finding]], selected: tuple[str, ...]) -> Matched:
    """Puts each valid entry on what it covers; ``found`` is by gate, and changed in place."""
    matched = Matched()
    covered: dict[int, Excuse] = {}
    of_rule: dict[str, list[tuple[str, Finding]]] = defaultdict(list)
    for gate, finding in ((gate, f) for gate, findings in found.items() for f in findings):
        of_rule[finding.rule].append((gate, finding))
    for entry in chain.record.node(FILE)["entries"]:
        if entry["kind"].text not in FIELDS:
            continue  # its schema says so
        rule = RULES.get(entry["rule"].text)
        if rule is None:
            matched.refused.append((entry, f"{entry['rule'].text or 'nothing'} is no rule"))
            continue
        subject = entry["subject"].text
        hits = [hit for hit in of_rule[rule.id] if _covers(subject, hit[1])]
        if not hits:
            if _was_asked(chain, rule, selected):
                others = {finding.subject for _, finding in of_rule[rule.id]}
                matched.orphaned.append((entry, _nothing(rule, subject, others)))
        elif len(hits) > 1 and not subject:
            subjects = _listed({f.subject for _, f in hits})
            matched.ambiguous.append((entry, f"{rule.id} finds several: say subject: {subjects}"))
        elif all(_valid(chain, entry, rule, *hit, matched) for hit in hits):
            excuse = _excuse(chain, entry)
            covered.update((id(finding), excuse) for _, finding in hits)
    for gate, findings in found.items():
        found[gate] = [f._replace(excuse=covered.get(id(f))) for f in findings]
    return matched


def _was_asked(chain: Chain, rule: Rule, selected: tuple[str, ...]) -> bool:
    """Whether the rule could have found something; a run of one gate leaves the others out."""
    whole = len(selected) == len(chain.limits.protocol.gates)
    asked = rule.gate in selected or (rule.gate == "record" and whole)
    return asked and all(chain.record.readable(name) for name in rule.needs)


def _nothing(rule: Rule, subject: str, others: set[str]) -> str:
    if not others:
        return f"{rule.id} finds nothing that it could excuse"
    return f"{rule.id} finds nothing about {subject}, but about {_listed(others)}"


def _listed(subjects: set[str]) -> str:
    """What an entry could name instead, as far as it helps; each entry of the file keeps it."""
    return shortened(" | ".join(sorted(subjects)))


def _covers(subject: str, finding: Finding) -> bool:
    return finding.level != INFO and subject in ("", finding.subject)


def _valid(  # noqa: PLR0913, PLR0917 - one entry against one finding
    chain: Chain, entry: Node, rule: Rule, gate: str, finding: Finding, matched: Matched
) -> bool:
    kind = entry["kind"].text
    why_not = refuses(rule, kind, chain.limits.protocol) or _gate_refuses(chain, kind, gate)
    if why_not:
        matched.refused.append((entry, f"{rule.id} takes no {kind}: {why_not}"))
        return False
    problem = _unauthorised(chain, entry, gate, finding)
    if problem:
        matched.unauthorised.append((entry, problem))
        return False
    expires = from_value(entry["expires_at"].value)
    if kind == WAIVER and (expires is None or expires.earliest < chain.as_of):
        shown = expires.shown if expires else "an unknown time"
        matched.expired.append((entry, f"it ran out at {shown}"))
        return False
    return True


def _gate_refuses(chain: Chain, kind: str, gate: str) -> str:
    """A missing file can be waived only where its gate can."""
    gates = {g.id: g for g in chain.limits.protocol.gates}
    if kind == WAIVER and gate in gates and not gates[gate].waiver:
        return f"gate {gates[gate].number} cannot be waived"
    return ""


def _unauthorised(chain: Chain, entry: Node, gate: str, finding: Finding) -> str:
    """What an entry lacks to be an excuse; "" where it lacks nothing."""
    kind = entry["kind"].text
    absent = [name for name in FIELDS[kind] if not _said(entry[name])]
    absent += [n for n in REASONS if n in FIELDS[kind] and _said(entry[n]) and _empty(entry[n])]
    if absent:
        return f"it lacks {', '.join(absent)}"
    if entry["incident"].text != chain.record.incident_id:
        return f"it is about incident {entry['incident'].text or 'nothing'}"
    granted = from_value(entry[GRANTED_AT[kind]].value)
    if granted and granted.earliest > chain.now:
        return f"it is granted at {granted.shown}, which is later than now"
    people = [person for person in entry[GRANTED_BY[kind]] if person["name"].text]
    names = {chain.limits.identity(p["name"].text) for p in people}
    requester = chain.limits.identity(entry["requested_by"]["name"].text)
    if requester in names:
        return f"{entry['requested_by']['name'].text} requested it, and granted it as well"
    if kind == DEVIATION:
        return _not_independent(chain, names, finding)
    absent_role = _roles_missing(chain, people, gate, granted)
    return absent_role or _too_late(chain, finding, granted) or _by_operator(chain, names, finding)


def _too_late(chain: Chain, finding: Finding, granted: Time | None) -> str:
    """Why a waiver of approvals comes too late: what ran without them is a fact of the past."""
    rule, about = RULES[finding.rule], finding.subject.split("/")[0]
    first = _first_started(chain).get(about)
    asked = (rule.gate, rule.criterion) == ("mitigation", "approvals")
    if asked and first and granted and order(granted, first) is Order.CONTRADICTED:
        return "it was granted after the execution: what ran unapproved takes a deviation"
    return ""


@once
def _first_started(chain: Chain) -> dict[str, Time]:
    """When each execution, and each decision that was carried out, was first begun."""
    found: dict[str, Time] = {}
    for execution in chain.executions:
        started = execution.started
        for name in {execution.id, execution.decision} if started else ():
            if started and (name not in found or started.earliest < found[name].earliest):
                found[name] = started
    return found


def _by_operator(chain: Chain, names: set[str], finding: Finding) -> str:
    """Why a waiver does not count that an operator granted; the mildest severity lets them."""
    if RULES[finding.rule].gate not in ACTED_IN:
        return ""
    ran = _ran(chain)
    _, first = min((ran[name] for name in names if name in ran), default=(0, None))
    return f"{first.operator} ran {first.id}, and granted it" if first else ""


@once
def _ran(chain: Chain) -> dict[str, tuple[int, Execution]]:
    """The first execution of each operator at a severity that keeps operators from granting."""
    found: dict[str, tuple[int, Execution]] = {}
    for number, execution in enumerate(chain.executions):
        severity = chain.severity_at(execution.started)
        if severity is None or not severity.operator_may_approve:
            found.setdefault(chain.limits.identity(execution.operator), (number, execution))
    return found


def _not_independent(chain: Chain, names: set[str], finding: Finding) -> str:
    concerned = {chain.limits.identity(name) for name in finding.concerned}
    concerned |= _actors(chain) if RULES[finding.rule].gate in ACTED_IN else set()
    strangers = sorted(name for name in names if not chain.limits.knows(name))
    if strangers:
        return f"the policy does not know {' and '.join(strangers)}"
    if len(names - concerned) >= ACCEPTED_BY:
        return ""
    those = " and ".join(sorted(names & concerned))
    about = f" ({those} acted in it)" if those else ""
    return f"it takes two people who are not concerned in it{about}"


@once
def _actors(chain: Chain) -> set[str]:
    """Everybody who ran or approved something."""
    acted = [e.operator for e in chain.executions]
    acted += [a.name for d in chain.decisions for a in d.approvals]
    return {chain.limits.identity(name) for name in acted}


def _roles_missing(chain: Chain, people: list[Node], gate: str, granted: Time | None) -> str:
    gates = {g.id: g for g in chain.limits.protocol.gates}
    wanted = gates[gate].waiver if gate in gates else ("incident_commander",)
    held = defaultdict(set)
    for person in people:
        name, role = person["name"].text, person["role"].text
        if chain.holds(name, role, granted):
            held[role].add(chain.limits.identity(name))
    absent = [role for role in wanted if not held[role]]
    if absent:
        return f"it lacks the approval of the {' and the '.join(absent)}"
    alone = len(set().union(*held.values())) < len(wanted)
    return f"one person cannot be {' and '.join(wanted)} at once" if alone else ""


def _said(node: Node) -> bool:
    if isinstance(node.value, list):
        return bool(node.value)
    return bool(node.text or node["name"].text or from_value(node.value))


def _empty(node: Node) -> bool:
    return not gives_reason(node.text)


def _excuse(chain: Chain, entry: Node) -> Excuse:
    waiver = entry["kind"].text == WAIVER
    people = entry[GRANTED_BY[entry["kind"].text]]
    reason = entry["reason" if waiver else "why"].text
    expires = entry["expires_at"].text if waiver else None
    names = tuple(p["name"].text for p in people)
    return Excuse(entry["kind"].text, names, reason, expires, chain.record.locate(entry.place))
