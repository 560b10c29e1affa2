"""Gate 3: executed, deployed and recovered are three facts, each shown for every service."""

from incident_gates.gates.recovery import checks, executed, timeline
from incident_gates.gates.recovery.measured import metrics, summary

__all__ = ["checks", "executed", "metrics", "summary", "timeline"]
