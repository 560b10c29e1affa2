"""Waivers and deviations: which entry covers which finding, and what is wrong with an entry."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from incident_gates.chain import Matched
from incident_gates.evidence.times import from_value
from incident_gates.model import INFO, Excuse, Finding
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from incident_gates.chain import Chain
    from incident_gates.incident import Node
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
ACCEPTED_BY = 2


def excusable(rule: Rule, kind: str, chain: Chain) -> str:
    """Why an entry of that kind may not excuse a rule; "" where it may.

    A file can always be repaired, so nothing excuses one that cannot be read.
    """
    if rule.criterion in ("readable", "excused") and rule.id != "FIL001":
        return "a file can always be repaired"
    if kind == DEVIATION:
        return ""
    if rule.criterion == "order":
        return "the causal order cannot be waived"
    if rule.gate == "record" and rule.id != "FIL001":
        return "files that disagree cannot be waived"
    gates = {gate.id: gate for gate in chain.limits.protocol.gates}
    if rule.gate in gates and not gates[rule.gate].waiver:
        return f"gate {gates[rule.gate].number} cannot be waived"
    return ""


def apply(chain: Chain, found: dict[str, list[Finding]]) -> Matched:
    """Puts each valid entry on the finding that it covers; ``found`` is by gate, changed in place."""
    matched = Matched()
    covered: dict[int, Excuse] = {}
    for entry in chain.record.node(FILE)["entries"]:
        rule = RULES.get(entry["rule"].text)
        if rule is None:
            matched.refused.append((entry, f"{entry['rule'].text or 'nothing'} is no rule"))
            continue
        hits = [(gate, f) for gate, fs in found.items() for f in fs if _covers(entry, f)]
        if not hits:
            matched.orphaned.append((entry, f"{rule.id} finds nothing that it could excuse"))
        elif len(hits) > 1:
            subjects = " | ".join(sorted({f.subject for _, f in hits}))
            matched.ambiguous.append((entry, f"{rule.id} finds several: say subject: {subjects}"))
        elif _valid(chain, entry, rule, *hits[0], matched):
            covered[id(hits[0][1])] = _excuse(chain, entry)
    for gate, findings in found.items():
        found[gate] = [replace(f, excuse=covered.get(id(f))) for f in findings]
    return matched


def _covers(entry: Node, finding: Finding) -> bool:
    subject = entry["subject"].text
    about = finding.rule == entry["rule"].text and finding.level != INFO
    return about and subject in ("", finding.subject)


def _valid(  # noqa: PLR0913 - one entry against one finding
    chain: Chain, entry: Node, rule: Rule, gate: str, finding: Finding, matched: Matched
) -> bool:
    kind = entry["kind"].text
    why_not = excusable(rule, kind, chain) or _gate_refuses(chain, kind, gate)
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
    if absent:
        return f"it lacks {', '.join(absent)}"
    if entry["incident"].text != chain.record.incident_id:
        return f"it is about incident {entry['incident'].text or 'nothing'}"
    people = list(entry["approved_by" if kind == WAIVER else "accepted_by"])
    names = {chain.limits.identity(p["name"].text) for p in people}
    requester = chain.limits.identity(entry["requested_by"]["name"].text)
    if requester in names:
        return f"{entry['requested_by']['name'].text} requested it and approved it"
    if kind == DEVIATION:
        return _not_independent(chain, names, finding)
    return _roles_missing(chain, people, gate)


def _not_independent(chain: Chain, names: set[str], finding: Finding) -> str:
    concerned = {chain.limits.identity(name) for name in finding.concerned}
    if len(names - concerned) < ACCEPTED_BY:
        return "it takes two people who are not concerned in it"
    return ""


def _roles_missing(chain: Chain, people: list[Node], gate: str) -> str:
    gates = {g.id: g for g in chain.limits.protocol.gates}
    wanted = gates[gate].waiver if gate in gates else ("incident_commander",)
    held = defaultdict(set)
    for person in people:
        name, role = person["name"].text, person["role"].text
        if chain.holds(name, role, None):
            held[role].add(chain.limits.identity(name))
    absent = [role for role in wanted if not held[role]]
    return f"it lacks the approval of the {' and the '.join(absent)}" if absent else ""


def _said(node: Node) -> bool:
    if isinstance(node.value, list):
        return bool(node.value)
    return bool(node.text or node["name"].text or from_value(node.value))


def _excuse(chain: Chain, entry: Node) -> Excuse:
    waiver = entry["kind"].text == WAIVER
    people = entry["approved_by" if waiver else "accepted_by"]
    reason = entry["reason" if waiver else "why"].text
    expires = entry["expires_at"].text if waiver else None
    names = tuple(p["name"].text for p in people)
    return Excuse(entry["kind"].text, names, reason, expires, chain.record.locate(entry.place))
