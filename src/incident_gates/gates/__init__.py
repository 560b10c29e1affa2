"""The rules of each gate; importing this package registers all of them."""

from incident_gates.gates import (
    mitigation,
    prerequisites,
    record,
    recovery,
    resolution,
    severity,
)
from incident_gates.rules import RULES

# Wherever a rule stands, it is asked and listed by its id.
for rule_id in sorted(RULES):
    RULES[rule_id] = RULES.pop(rule_id)

__all__ = ["mitigation", "prerequisites", "record", "recovery", "resolution", "severity"]
