"""The JSON report: one shape always, described by schemas/report.schema.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incident_gates.model import (
        Excuse,
        Finding,
        GateReport,
        IncidentReport,
        Link,
        Location,
        Report,
        Shard,
    )

SCHEMA_VERSION = "1.0"


def render(report: Report) -> str:
    """The report as JSON text."""
    return "".join(pieces(report))


def pieces(report: Report) -> Iterator[str]:
    """The same, record by record, so that ten thousand need not be held at once."""
    frame = written(as_data(report._replace(incidents=())))
    head, places, tail = frame.partition(_NO_INCIDENTS)
    if not report.incidents:
        yield frame
        return
    yield f"{head}{places[:-1]}"
    before = "\n    "
    for incident in report.incidents:
        data = _incident(incident, whole=report.shard is None)
        yield before + written(data).rstrip().replace("\n", "\n    ")
        before = ",\n    "
    yield f"\n  ]{tail}"


# No text can hold this: its quotation marks would be escaped.
_NO_INCIDENTS = '\n  "incidents": []'


def written(data: dict[str, Any]) -> str:
    """Data as JSON that is safe in a workflow's log, where the runner obeys ``##[`` anywhere."""
    return json.dumps(data, indent=2, ensure_ascii=True).replace("##[", "##\\u005b") + "\n"


def as_data(report: Report) -> dict[str, Any]:
    """The report as plain data.

    That of a shard says more: all that a reporter prints of the whole run has to be read from it.
    """
    whole = report.shard is None
    data = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "incident-gates", "version": report.tool_version},
        "protocol": dict(zip(("id", "version", "sha256"), report.protocol, strict=True)),
        "policy": dict(zip(("path", "sha256"), report.policy, strict=True)),
        "as_of": report.as_of,
        "require": report.require,
        "verdict": report.verdict.value,
        "exit_code": report.exit_code,
        "incidents": [_incident(incident, whole=whole) for incident in report.incidents],
        "notices": list(report.notices),
        "findings": _findings(report.findings, whole=whole),
        "base": report.base,
    }
    return {**data, "shard": _shard(report.shard)} if report.shard else data


def _shard(shard: Shard) -> dict[str, Any]:
    return {**shard._asdict(), "positions": list(shard.positions), "asked": dict(shard.asked)}


def _incident(incident: IncidentReport, *, whole: bool) -> dict[str, Any]:
    return {
        "incident_id": incident.incident_id,
        "path": incident.path,
        "severity": incident.severity,
        "state": incident.state,
        "phase": incident.phase,
        "as_of": incident.as_of,
        "verdict": incident.verdict.value,
        "causal_line": [_link(link) for link in incident.causal_line],
        "gates": [_gate(gate, whole=whole) for gate in incident.gates],
        "findings": _findings(incident.findings, whole=whole),
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


def _gate(gate: GateReport, *, whole: bool) -> dict[str, Any]:
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
        "findings": _findings(gate.findings, whole=whole),
        "needs": _findings(gate.needs, whole=whole),
    }


def _findings(found: Iterable[Finding], *, whole: bool) -> list[dict[str, Any]]:
    return [_finding(finding, whole=whole) for finding in found]


def _finding(finding: Finding, *, whole: bool) -> dict[str, Any]:
    location = finding.location
    data = {
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
        "waiver": _excuse(finding.excuse, whole=whole) if finding.excuse else None,
    }
    return data if whole else {**data, "source": location.source}


def _excuse(excuse: Excuse, *, whole: bool) -> dict[str, Any]:
    data = {
        "kind": excuse.kind,
        "by": list(excuse.by),
        "reason": excuse.reason,
        "expires_at": excuse.expires,
        "file": excuse.location.file,
        "line": excuse.location.line,
        "new": excuse.new,
    }
    return data if whole else {**data, **_marked(excuse.location)}


def _marked(location: Location) -> dict[str, Any]:
    names = ("column", "end_column", "source")
    return {name: getattr(location, name) for name in names}
