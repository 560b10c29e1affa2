"""What several reporters ask of a report: its findings worst first, and each in one sentence."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from incident_gates.model import LEVELS, WARNING, Assurance, IncidentReport, Status, Verdict
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incident_gates.model import Finding, GateReport, Metric, Report

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
CHANGE = "This change"
# Of two faults as grave, people want to hear first of the one nearer to the question that the
# gates were made for: was it ready and approved before anyone ran it?
NEAREST = ("mitigation", "severity", "recovery", "resolution", "prerequisites", "")
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
    return sorted(entries(incident), key=lambda e: _rank(e, breaks))


def _rank(entry: Entry, breaks: set[tuple[str, int | None]]) -> tuple[bool, int, bool, int]:
    finding = entry.finding
    gate = entry.gate.id if entry.gate else ""
    distance = NEAREST.index(gate) if gate in NEAREST else len(NEAREST)
    off_the_line = finding.location[:2] not in breaks
    return finding.excuse is not None, LEVELS.index(finding.level), off_the_line, distance


def subjects(report: Report) -> Iterator[IncidentReport]:
    """What was judged: the change as a whole, in the form of a record, and the records."""
    if report.findings:
        yield the_change(report)
    yield from report.incidents


def the_change(report: Report) -> IncidentReport:
    """What was found in the change as a whole, in the form of a record."""
    verdict = Verdict.FAILED if any(f.fails for f in report.findings) else Verdict.PASSED
    return IncidentReport(
        CHANGE, "", None, "", 0, report.as_of, verdict, (), (), report.findings, (), Assurance()
    )


def entry_name(entry: Entry) -> str:
    """What a finding belongs to, as people call it."""
    return CHANGE if entry.incident.incident_id == CHANGE else gate_name(entry.gate)


def all_worst_first(report: Report) -> list[Entry]:
    """The findings of the change and of every record; within a level, as the records come."""
    found: list[Entry] = []
    for subject in subjects(report):
        # What no line about a finding shows need not be held of every record that has one.
        lean = subject._replace(causal_line=(), rules_run=())
        found += (entry._replace(incident=lean) for entry in worst_first(subject))
    return sorted(found, key=lambda e: (bool(e.finding.excuse), LEVELS.index(e.finding.level)))


def counts(incident: IncidentReport, finding: Finding) -> bool:
    """Whether a finding made its record fail: where nothing critical did, a warning has."""
    if finding.excuse or incident.verdict is not Verdict.FAILED:
        return finding.fails
    critical = any(other.fails for other in incident.all_findings)
    return finding.fails if critical else finding.level == WARNING


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
    kind = f"{excuse.kind.capitalize()}{' (new in this change)' if excuse.new else ''}"
    return f"{kind} by {by}{until}: {sentence(visible(excuse.reason, DETAIL))}"


def message(incident: IncidentReport, finding: Finding) -> str:
    """A finding in sentences: what is wrong, what was expected, what is there, and the mend."""
    parts = [sentence(visible(finding.message, MESSAGE))]
    if finding.expected:
        parts.append(sentence(f"Expected: {visible(finding.expected, DETAIL)}"))
    if finding.actual:
        parts.append(sentence(f"Actual: {'; '.join(rows(incident, finding))}"))
    parts.append(excused_by(finding) or sentence(visible(finding.fix, DETAIL)))
    return " ".join(part for part in parts if part)


def rows(incident: IncidentReport, finding: Finding) -> list[str]:
    """What is there instead, row by row: without the folder, and the spaces that align rows."""
    folder = f"{incident.path}/" if incident.path else "\n"
    near = [row.replace(folder, "") for row in finding.actual[:SHOWN_ROWS]]
    more = len(finding.actual) - SHOWN_ROWS
    shown = [" ".join(visible(row).split()) for row in near]
    return [*shown, f"and {more} more"] if more > 0 else shown


def required(metric: Metric) -> str:
    """What a metric must reach: ``recovery pass rate ≥ 95 %``."""
    if metric.threshold is None:
        return ""
    ratio = metric.unit == "ratio"
    wanted = f"{metric.threshold * 100:g} %" if ratio else f"{metric.threshold:g} {metric.unit}"
    sign = "≤" if metric.comparison == "<=" else "≥"
    return f"{metric.name.replace('_', ' ')} {sign} {wanted}"


def tally(found: Iterable[Finding]) -> str:
    """How many of each level: ``2 critical, 1 warning``."""
    levels = Counter(finding.level for finding in found)
    names = {WARNING: "warning" if levels[WARNING] == 1 else "warnings"}
    return ", ".join(
        f"{levels[level]:,} {names.get(level, level.lower())}" for level in LEVELS if levels[level]
    )
