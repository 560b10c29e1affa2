"""Gate 2: plan documented, readiness confirmed, decisions approved, and nothing run before that."""

from incident_gates.gates.mitigation import approvals, emergency, order, plan, readiness
from incident_gates.gates.mitigation.measured import metrics, summary

__all__ = ["approvals", "emergency", "metrics", "order", "plan", "readiness", "summary"]
