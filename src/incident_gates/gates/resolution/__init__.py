"""Gate 4: resolved, documented, and the evidence of the cause archived."""

from incident_gates.gates.resolution import agreement, archive, closing, documentation, ending
from incident_gates.gates.resolution.documentation import calls_for, says_something
from incident_gates.gates.resolution.measured import metrics, summary

__all__ = [
    "agreement",
    "archive",
    "calls_for",
    "closing",
    "documentation",
    "ending",
    "metrics",
    "says_something",
    "summary",
]
