"""``new waiver`` and ``new deviation``: an entry in waivers.yaml for a finding that stands now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from incident_gates import engine, excuses
from incident_gates.desk import templates
from incident_gates.desk.drafts import kept, words, yaml_text
from incident_gates.errors import UsageError
from incident_gates.model import INFO
from incident_gates.report.escape import visible
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from incident_gates.desk.drafts import Options
    from incident_gates.desk.found import Found
    from incident_gates.model import Finding, IncidentReport
    from incident_gates.rules import Rule

SHOWN = 6
ASKED = {
    excuses.WAIVER: {
        "reason": "TODO why it may be missing",
        "compensating_control": "TODO what keeps the risk small meanwhile",
    },
    excuses.DEVIATION: {
        "why": "TODO why it happened so",
        "corrective_action": "TODO what is done so that it does not happen again",
    },
}


class Stands(NamedTuple):
    """A finding with the gate that it belongs to; "" where it belongs to none."""

    gate: str
    finding: Finding


def write(what: str, found: Found, options: Options) -> kept.Written:
    """Drafts the entry; who approves it, and when, is left to those who do."""
    rule = _rule(options.rule, what, found)
    why_not = excuses.refuses(rule, what, found.limits.protocol)
    if why_not:
        raise UsageError(f"{rule.id} takes no {what}: {why_not}. {_instead(rule, what, found)}")
    report = engine.judge(found.record, found.limits, found.now, engine.Request())
    stands = _standing(report, rule, options.subject)
    _gate_allows(what, found, stands)
    if _already(found, rule, stands.finding):
        raise UsageError(f"waivers.yaml has an entry for this finding of {rule.id} already.")
    entry = yaml_text.block(_fields(what, found, stands), _approval(what, found, stands))
    fresh = yaml_text.add(found.record, excuses.FILE, entry)
    path = f"{found.record.path}/{excuses.FILE}"
    state = kept.WRITTEN if fresh else kept.ADDED
    notes = [f"{rule.id}: {visible(stands.finding.message, 300)}", *_concerned(what, stands)]
    notes += kept.sealed_note(found, excuses.FILE)
    todo = kept.placeholders(entry)
    return kept.Written(what, found.record.incident_id, path, state, todo, tuple(notes))


def _rule(rule_id: str, what: str, found: Found) -> Rule:
    if not rule_id:
        raise UsageError(_which(what, found))
    rule = RULES.get(rule_id.upper())
    if rule is None:
        raise UsageError(f"{rule_id} is no rule; `incident-gates check` names the ones that find.")
    return rule


def _which(what: str, found: Found) -> str:
    """Asks for the rule; those named find something here that such an entry can excuse."""
    report = engine.judge(found.record, found.limits, found.now, engine.Request())
    listed = [hit for hit in _hits(report) if _takes(what, found, hit)]
    names = list(dict.fromkeys(hit.finding.rule for hit in listed))
    if not names:
        return f"Nothing is found in {report.incident_id} that takes a {what}."
    more = f" or {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"Say which finding is meant with --rule: {' | '.join(names[:SHOWN])}{more}"


def _takes(what: str, found: Found, hit: Stands) -> bool:
    rule, protocol = RULES[hit.finding.rule], found.limits.protocol
    gate = next((g for g in protocol.gates if g.id == hit.gate), None)
    waivable = what != excuses.WAIVER or gate is None or bool(gate.waiver)
    refused = excuses.refuses(rule, what, protocol)
    return waivable and not refused and not _already(found, rule, hit.finding)


def _instead(rule: Rule, what: str, found: Found) -> str:
    takes = excuses.allowed(rule, found.limits.protocol)
    return f"It takes a {takes}." if takes not in ("none", what) else "Mend what it finds."


def _standing(report: IncidentReport, rule: Rule, subject: str) -> Stands:
    """The one finding that is meant."""
    hits = [hit for hit in _hits(report) if hit.finding.rule == rule.id]
    if not hits:
        raise UsageError(f"{rule.id} finds nothing in {report.incident_id} that could be excused.")
    wanted = [hit for hit in hits if subject in ("", hit.finding.subject)]
    if len(wanted) == 1:
        return wanted[0]
    names = [hit.finding.subject or "no subject" for hit in hits]
    shown = " | ".join(visible(name, 60) for name in names[:SHOWN])
    said = f"finds nothing about {subject}" if not wanted else f"finds {len(wanted)} things"
    raise UsageError(f"{rule.id} {said}; say which with --subject: {shown}")


def _hits(report: IncidentReport) -> list[Stands]:
    """Everything that is found, with its gate."""
    listed = [(g.id, f) for g in report.gates for f in (*g.findings, *g.needs)]
    listed += [("", f) for f in report.findings]
    return [Stands(*pair) for pair in listed if pair[1].level != INFO]


def _gate_allows(what: str, found: Found, stands: Stands) -> None:
    gates = {gate.id: gate for gate in found.limits.protocol.gates}
    gate = gates.get(stands.gate)
    if what == excuses.WAIVER and gate is not None and not gate.waiver:
        raise UsageError(f"Gate {gate.number} cannot be waived. Supply what is missing.")


def _already(found: Found, rule: Rule, finding: Finding) -> bool:
    entries = found.record.node(excuses.FILE)["entries"]
    same = (e for e in entries if e["rule"].text == rule.id)
    return any(e["subject"].text in ("", finding.subject) for e in same)


def _fields(what: str, found: Found, stands: Stands) -> dict[str, object]:
    finding = stands.finding
    fields: dict[str, object] = {
        "kind": what,
        "rule": finding.rule,
        "incident": found.record.incident_id,
    }
    if finding.subject:
        fields["subject"] = finding.subject
    if what == excuses.DEVIATION:
        fields["what_happened"] = visible(finding.message, 2000)
    return {**fields, **ASKED[what], "requested_by": requester(found)}


def requester(found: Found) -> dict[str, str]:
    """Who git says is asking, with the role that the policy gives them, if it gives one."""
    name = templates.author(found.record.base)
    people = found.limits.policy.data.get("people", ())
    same = (p for p in people if found.limits.identity(p["name"]) == found.limits.identity(name))
    person: dict[str, list[str]] = next(same, {}) if name else {}
    held = person.get("roles", [])
    role = {"role": held[0]} if len(held) == 1 else {}
    return {"name": name or "TODO who asks for it", **role}


def _approval(what: str, found: Found, stands: Stands) -> dict[str, str]:
    """What those who grant it will write; left out until then, so that nothing looks granted."""
    if what == excuses.DEVIATION:
        two = "[{ name: TODO, role: TODO }, { name: TODO, role: TODO }]"
        return {
            "accepted_by": f"{two}  # two people not concerned in it",
            "accepted_at": "TODO when",
        }
    gates = {gate.id: gate for gate in found.limits.protocol.gates}
    roles = gates[stands.gate].waiver if stands.gate in gates else ("incident_commander",)
    people = ", ".join(f"{{ name: TODO, role: {role} }}" for role in roles)
    return {
        "approved_by": f"[{people}]",
        "approved_at": "TODO when",
        "expires_at": "TODO until when",
    }


def _concerned(what: str, stands: Stands) -> list[str]:
    names = sorted({words.inline(name, 60) for name in stands.finding.concerned if name})
    if what == excuses.WAIVER or not names:
        return []
    return [f"Acted in it, so cannot accept it: {words.listed(names)}."]
