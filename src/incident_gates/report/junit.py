"""The JUnit report: a suite an incident, a case a gate, for whatever shows test results.

JUnit knows no waived and no pending: both are ``skipped``, with the reason, because a case with
nothing inside counts as passed. What could not be told is an ``error``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from incident_gates.model import Status
from incident_gates.report import findings
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.model import Finding, GateReport, IncidentReport, Report

TOOL = "incident-gates"
OUTCOMES = {
    Status.FAILED: "failure",
    Status.ERROR: "error",
    Status.PENDING: "skipped",
    Status.WAIVED: "skipped",
    Status.NOT_APPLICABLE: "skipped",
}
COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def render(report: Report) -> str:
    """The report as JUnit XML."""
    top = ET.Element("testsuites", name=TOOL)
    for incident in findings.subjects(report):
        _suite(top, incident)
    if not report.incidents:
        _nothing_judged(top, report)
    _count(top)
    ET.indent(top)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(top, encoding="unicode")}\n'


def _suite(top: ET.Element, incident: IncidentReport) -> None:
    name = visible(incident.incident_id)
    suite = ET.SubElement(top, "testsuite", name=name, timestamp=visible(incident.as_of, 40))
    properties = ET.SubElement(suite, "properties")
    for key, value in (
        ("severity", incident.severity or "not recorded"),
        ("state", incident.state),
        ("verdict", incident.verdict.value),
        ("path", incident.path),
    ):
        ET.SubElement(properties, "property", name=key, value=visible(value))
    for gate in incident.gates:
        _gate(suite, incident, gate)
    if incident.findings:
        _record(suite, incident)
    _count(suite)


def _gate(suite: ET.Element, incident: IncidentReport, gate: GateReport) -> None:
    case = _case(suite, incident, findings.gate_name(gate), gate.findings)
    kind = OUTCOMES.get(gate.status)
    if kind:
        ET.SubElement(case, kind, _told(gate)).text = _text(incident, gate.needs or gate.findings)
    elif gate.findings:
        ET.SubElement(case, "system-out").text = _text(incident, gate.findings)


def _told(gate: GateReport) -> dict[str, str]:
    """The attributes of an outcome: one sentence, and the rule where there is one."""
    failing = [f for f in gate.findings if f.fails] or [f for f in gate.findings if not f.excuse]
    excuses = [findings.excused_by(f) for f in gate.findings if f.excuse]
    said = {
        Status.ERROR: f"could not tell: {visible(gate.summary)}",
        Status.PENDING: f"not due yet; {len(gate.needs)} things still missing",
        Status.NOT_APPLICABLE: "not applicable",
        Status.WAIVED: f"waived, not passed: {' '.join(excuses)}",
    }
    if gate.status is not Status.FAILED:
        return {"message": said[gate.status]}
    if not failing:
        return {"message": visible(gate.summary)}
    more = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
    return {"message": f"{visible(failing[0].message)}{more}", "type": visible(failing[0].rule)}


def _record(suite: ET.Element, incident: IncidentReport) -> None:
    """What was found in files that belong to no gate."""
    found = incident.findings
    case = _case(suite, incident, "Record", found)
    failing = [finding for finding in found if findings.counts(incident, finding)]
    if failing:
        told = {"message": visible(failing[0].message), "type": visible(failing[0].rule)}
        ET.SubElement(case, "failure", told).text = _text(incident, found)
    else:
        ET.SubElement(case, "system-out").text = _text(incident, found)


def _case(
    suite: ET.Element, incident: IncidentReport, name: str, found: tuple[Finding, ...]
) -> ET.Element:
    classname = visible(incident.incident_id)
    case = ET.SubElement(suite, "testcase", classname=classname, name=name)
    if found:
        case.set("file", visible(found[0].location.file, 4096))
        if found[0].location.line:
            case.set("line", str(found[0].location.line))
    return case


def _text(incident: IncidentReport, found: tuple[Finding, ...]) -> str:
    return "\n".join(line for finding in found for line in _lines(incident, finding))


def _lines(incident: IncidentReport, finding: Finding) -> Iterator[str]:
    line = f":{finding.location.line}" if finding.location.line else ""
    where = f"{visible(finding.location.file, 4096)}{line}"
    yield f"{finding.level} {visible(finding.rule)} {where}"
    yield f"  {findings.message(incident, finding)}"


def _nothing_judged(top: ET.Element, report: Report) -> None:
    """An empty file would look green, so a run that judged nothing has a case of its own."""
    suite = ET.SubElement(top, "testsuite", name=TOOL)
    case = ET.SubElement(suite, "testcase", classname=TOOL, name="Record")
    said = " ".join(visible(notice, findings.DETAIL) for notice in report.notices)
    kind = "failure" if report.exit_code else "skipped"
    ET.SubElement(case, kind, message=said or "There is no incident here.")
    _count(suite)


def _count(element: ET.Element) -> None:
    element.set("tests", str(len(list(element.iter("testcase")))))
    for attribute, name in COUNTED.items():
        element.set(attribute, str(len(list(element.iter(name)))))
