"""The JSON report: one shape always, described by schemas/report.schema.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incident_gates.model import (
        Excuse,
        Finding,
        GateReport,
        IncidentReport,
        Link,
        Report,
    )

SCHEMA_VERSION = "1.0"


def render(report: Report) -> str:
    """The report as JSON text."""
    return written(as_data(report))


def written(data: dict[str, Any]) -> str:
    """Data as JSON that is safe in a workflow's log, where the runner obeys ``##[`` anywhere."""
    return json.dumps(data, indent=2, ensure_ascii=True).replace("##[", "##\\u005b") + "\n"


def as_data(report: Report) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "incident-gates", "version": report.tool_version},
        "protocol": dict(zip(("id", "version", "sha256"), report.protocol, strict=True)),
        "policy": dict(zip(("path", "sha256"), report.policy, strict=True)),
        "as_of": report.as_of,
        "require": report.require,
        "verdict": report.verdict.value,
        "exit_code": report.exit_code,
        "incidents": [_incident(incident) for incident in report.incidents],
        "notices": list(report.notices),
        "findings": [_finding(finding) for finding in report.findings],
        "base": report.base,
    }


def _incident(incident: IncidentReport) -> dict[str, Any]:
    return {
        "incident_id": incident.incident_id,
        "path": incident.path,
        "severity": incident.severity,
        "state": incident.state,
        "phase": incident.phase,
        "as_of": incident.as_of,
        "verdict": incident.verdict.value,
        "causal_line": [_link(link) for link in incident.causal_line],
        "gates": [_gate(gate) for gate in incident.gates],
        "findings": [_finding(finding) for finding in incident.findings],
        "log": list(incident.log),
        "assurance": {
            "consistent": list(incident.assurance.consistent),
            "corroborated": list(incident.assurance.corroborated),
            "not_corroborated": list(incident.assurance.not_corroborated),
            "not_verified": list(incident.assurance.not_verified),
        },
    }


def _link(link: Link) -> dict[str, Any]:
    return {
        "event": link.event,
        "label": link.label,
        "time": link.time,
        "earliest": link.earliest,
        "latest": link.latest,
        "precision": link.precision,
        "actor": link.actor,
        "file": link.location.file,
        "line": link.location.line,
        "order": link.order,
        "gap": link.gap,
        "grade": link.grade or None,
    }


def _gate(gate: GateReport) -> dict[str, Any]:
    return {
        "id": gate.id,
        "number": gate.number,
        "name": gate.name,
        "status": gate.status.value,
        "due": gate.due,
        "summary": gate.summary,
        "metrics": [
            {
                "name": metric.name,
                "value": metric.value,
                "threshold": metric.threshold,
                "unit": metric.unit,
                "comparison": metric.comparison,
            }
            for metric in gate.metrics
        ],
        "findings": [_finding(finding) for finding in gate.findings],
        "needs": [_finding(finding) for finding in gate.needs],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    location = finding.location
    return {
        "rule": finding.rule,
        "level": finding.level,
        "message": finding.message,
        "subject": finding.subject or None,
        "file": location.file,
        "line": location.line,
        "column": location.column,
        "end_column": location.end_column,
        "expected": finding.expected or None,
        "actual": list(finding.actual),
        "fix": finding.fix,
        "waiver": _excuse(finding.excuse) if finding.excuse else None,
    }


def _excuse(excuse: Excuse) -> dict[str, Any]:
    return {
        "kind": excuse.kind,
        "by": list(excuse.by),
        "reason": excuse.reason,
        "expires_at": excuse.expires,
        "file": excuse.location.file,
        "line": excuse.location.line,
        "new": excuse.new,
    }
