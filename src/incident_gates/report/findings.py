"""What several reporters ask of a report: its findings worst first, and each in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from incident_gates.model import LEVELS, Status, Verdict
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.model import Finding, GateReport, IncidentReport, Metric, Report

MARKS = {
    Status.PASSED: "✓",
    Status.FAILED: "✗",
    Status.WAIVED: "~",
    Status.PENDING: "…",
    Status.NOT_APPLICABLE: "-",
    Status.ERROR: "?",
}
VERDICT_MARKS = {
    Verdict.PASSED: "✓",
    Verdict.FAILED: "✗",
    Verdict.IN_PROGRESS: "…",
    Verdict.NOT_APPLICABLE: "-",
    Verdict.ERROR: "?",
}
SHOWN_ROWS = 10
MESSAGE = 300
DETAIL = 400


class Entry(NamedTuple):
    """A finding with the record and the gate that it belongs to; no gate: the record as a whole."""

    incident: IncidentReport
    gate: GateReport | None
    finding: Finding


def entries(incident: IncidentReport) -> Iterator[Entry]:
    """The findings of one record, gate by gate."""
    for gate in incident.gates:
        for finding in gate.findings:
            yield Entry(incident, gate, finding)
    for finding in incident.findings:
        yield Entry(incident, None, finding)


def worst_first(incident: IncidentReport) -> list[Entry]:
    """Open before excused, by level; within one, what breaks the causal line before the rest."""
    breaks = {link.location[:2] for link in incident.causal_line if link.order == "contradicted"}
    return sorted(entries(incident), key=lambda e: _rank(e.finding, breaks))


def _rank(finding: Finding, breaks: set[tuple[object, ...]]) -> tuple[bool, int, bool]:
    off_the_line = finding.location[:2] not in breaks
    return finding.excuse is not None, LEVELS.index(finding.level), off_the_line


def all_worst_first(report: Report) -> list[Entry]:
    """The findings of every record, worst first; within a level, as the records come."""
    found = [entry for incident in report.incidents for entry in worst_first(incident)]
    return sorted(found, key=lambda e: (bool(e.finding.excuse), LEVELS.index(e.finding.level)))


def gate_name(gate: GateReport | None) -> str:
    """A gate as people call it: ``Gate 2 Mitigation``."""
    if gate is None:
        return "Record"
    name = visible(gate.name.split(" ")[0], 40)
    return f"Gate {gate.number} {name}" if gate.number else name


def verdict_word(verdict: Verdict) -> str:
    """A verdict as a headline has it."""
    return "COULD NOT TELL" if verdict is Verdict.ERROR else verdict.value.replace("_", " ").upper()


def sentence(text: str) -> str:
    """A text that ends as a sentence does; an empty one stays empty."""
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."


def short(incident: IncidentReport, file: str) -> str:
    """A file's path as seen from its incident's folder."""
    return file.removeprefix(f"{incident.path}/")


def excused_by(finding: Finding) -> str:
    """Who excused a finding, until when and why; empty where nobody did."""
    if finding.excuse is None:
        return ""
    excuse = finding.excuse
    by = " and ".join(visible(name, 60) for name in excuse.by) or "nobody"
    until = f" until {visible(excuse.expires, 40)}" if excuse.expires else ""
    return f"{excuse.kind.capitalize()} by {by}{until}: {sentence(visible(excuse.reason, DETAIL))}"


def message(finding: Finding) -> str:
    """A finding in sentences: what is wrong, what was expected, what is there, and the mend."""
    parts = [sentence(visible(finding.message, MESSAGE))]
    if finding.expected:
        parts.append(sentence(f"Expected: {visible(finding.expected, DETAIL)}"))
    if finding.actual:
        parts.append(sentence(f"Actual: {'; '.join(rows(finding))}"))
    parts.append(excused_by(finding) or sentence(visible(finding.fix, DETAIL)))
    return " ".join(part for part in parts if part)


def rows(finding: Finding) -> list[str]:
    """What is there instead, row by row, without the spaces that align rows in a terminal."""
    shown = [" ".join(visible(row).split()) for row in finding.actual[:SHOWN_ROWS]]
    more = len(finding.actual) - SHOWN_ROWS
    return [*shown, f"and {more} more"] if more > 0 else shown


def required(metric: Metric) -> str:
    """What a metric must reach: ``recovery pass rate ≥ 95 %``."""
    if metric.threshold is None:
        return ""
    ratio = metric.unit == "ratio"
    wanted = f"{metric.threshold * 100:g} %" if ratio else f"{metric.threshold:g} {metric.unit}"
    sign = "≤" if metric.comparison == "<=" else "≥"
    return f"{metric.name.replace('_', ' ')} {sign} {wanted}"


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 warning``, ``1,234 warnings``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
