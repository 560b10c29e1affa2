"""Gate 1: severity agreed, stakeholders notified, intake log complete."""

from incident_gates.gates.severity import consensus, intake, notices
from incident_gates.gates.severity.measured import metrics, summary

__all__ = ["consensus", "intake", "metrics", "notices", "summary"]
