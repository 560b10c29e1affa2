"""Marks the waivers and deviations that a change brings itself, so that reviewers see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates.evidence import bounds, files, strict_yaml
from incident_gates.evidence.refusal import Refusal
from incident_gates.excuses import FILE
from incident_gates.github.commits import Git
from incident_gates.kept import keep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_gates.evidence.strict_yaml import Yaml
    from incident_gates.github.commits import Change
    from incident_gates.model import Finding, IncidentReport


def marked(incidents: Sequence[IncidentReport], change: Change) -> Sequence[IncidentReport]:
    """The same reports, with every excuse that the base did not hold marked as new."""
    changed = {each.path for each in change.paths if each.status != "D"}
    if not any(path.rpartition("/")[2] == FILE for path in changed):
        return incidents
    found = (
        _marked(incident, _new_lines(change, f"{incident.path}/{FILE}"))
        if f"{incident.path}/{FILE}" in changed
        else incident
        for incident in incidents
    )
    return keep(found, len(incidents))


def _marked(incident: IncidentReport, lines: set[int]) -> IncidentReport:
    def mark(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        return tuple(
            f._replace(excuse=f.excuse._replace(new=True))
            if f.excuse and f.excuse.location.line in lines
            else f
            for f in findings
        )

    gates = tuple(gate._replace(findings=mark(gate.findings)) for gate in incident.gates)
    return incident._replace(gates=gates, findings=mark(incident.findings))


def _new_lines(change: Change, path: str) -> set[int]:
    """The lines of the entries that the base does not hold, however they moved in the file."""
    try:
        now = _entries(files.read(change.repository / path, bounds.YAML_BYTES))
    except Refusal:
        return set()  # a finding of the record says so
    before = Git(change.repository).blob(change.base or "", path)
    try:
        known = [entry for entry, _ in _entries(before or b"")]
    except Refusal:
        known = []
    return {line for entry, line in now if entry not in known}


def _entries(data: bytes) -> list[tuple[Any, int]]:
    parsed: Yaml = strict_yaml.parse(files.decode(data))
    entries = parsed.value.get("entries") if isinstance(parsed.value, dict) else None
    if not isinstance(entries, list):
        return []
    return [(e, parsed.marks[("entries", i)][0]) for i, e in enumerate(entries)]
