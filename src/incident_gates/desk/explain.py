"""What a rule asks, why, and how to mend it."""

from __future__ import annotations

import textwrap

from incident_gates import excuses, protocol
from incident_gates import gates as _all_rules  # noqa: F401 - importing it registers them
from incident_gates.changes import CHANGES
from incident_gates.changes import GATE as CHANGE
from incident_gates.errors import UsageError
from incident_gates.rules import RULES, Rule

WIDTH = 80


def rule_text(rule_id: str) -> str:
    """A rule in words, for a terminal; raises UsageError for an unknown one."""
    rule = RULES.get(rule_id.upper()) or CHANGES.get(rule_id.upper())
    if rule is None:
        raise UsageError(f"There is no rule {rule_id}. docs/rules.md lists them all.")
    rows = (
        ("why", rule.why),
        ("fix", rule.fix),
        ("asked by", _asked_by(rule)),
        ("judged", "at once, due or not" if rule.at_once else "when its gate is due"),
        ("excuse", excuses.allowed(rule, protocol.load())),
    )
    lines = [f"{rule.id}  {rule.level}  {rule.says}", ""]
    for label, said in rows:
        lines += textwrap.wrap(
            said, WIDTH, initial_indent=f"  {label:<9} ", subsequent_indent=" " * 12
        )
    return "\n".join(lines)


def _asked_by(rule: Rule) -> str:
    if rule.gate == CHANGE:
        return "the Action, of a change as a whole"
    criterion = protocol.load().criteria()[rule.gate][rule.criterion]
    where = "every file" if rule.gate == "record" else protocol.load().gate(rule.gate).name
    return f"{where}: {criterion}"
