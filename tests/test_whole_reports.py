"""The whole report on each example: also causal line, metrics and places, which cases leave out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import casework
import pytest
import reportwork as work
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.model import Finding, GateReport, IncidentReport, Link

LISTED = yaml.safe_load((casework.EXAMPLES / "examples.yaml").read_text(encoding="utf-8"))
EXAMPLES: list[dict[str, Any]] = LISTED["examples"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_a_report_says_all_this(example: dict[str, Any], tmp_path: Path, *, accept: bool) -> None:
    data = {
        "base": example["name"],
        "now": example["as_of"],
        "require": example.get("require", "due"),
    }
    report = casework.judge(casework.Case(Path("no-such-case"), data), tmp_path)
    said = "\n".join(_incident(report)) + "\n"
    work.golden(f"whole/{example['name']}.txt", said, accept=accept)


def _incident(report: IncidentReport) -> Iterator[str]:
    sure = report.assurance
    yield f"{report.incident_id} at {report.path}: {report.verdict.value} as of {report.as_of}"
    yield f"{report.severity} · {report.state} · phase {report.phase}"
    yield from (_link(link) for link in report.causal_line)
    for gate in report.gates:
        yield from _gate(gate)
    yield from (_finding(finding) for finding in report.findings)
    yield from (f"by hand: {entry}" for entry in report.log)
    yield f"consistent: {_list(sure.consistent)}"
    yield f"corroborated: {_list(sure.corroborated)}"
    yield f"not corroborated: {_list(sure.not_corroborated)}"
    yield f"not verified: {_list(sure.not_verified)}"


def _list(words: tuple[str, ...]) -> str:
    return ", ".join(words) or "nothing"


def _link(link: Link) -> str:
    when = f"{link.time} ({link.earliest} to {link.latest}, {link.precision})"
    place = f"{link.location.file}:{link.location.line}"
    order = f"{link.order} {link.gap!r} {link.grade}".rstrip()
    return f"> {link.event} {link.label} {when} {link.actor!r} {place} {order}"


def _gate(gate: GateReport) -> Iterator[str]:
    due = "due" if gate.due else "not due"
    yield f"gate {gate.number} {gate.name}: {gate.status.value}, {due}: {gate.summary}"
    for metric in gate.metrics:
        wanted = f"{metric.comparison} {metric.threshold} {metric.unit}"
        yield f"  {metric.name}: {metric.value} {wanted}"
    yield from (f"  {_finding(finding)}" for finding in gate.findings)
    yield from (f"  needs {_finding(finding)}" for finding in gate.needs)


def _finding(finding: Finding) -> str:
    at = finding.location
    place = f"{at.file}:{at.line}:{at.column}-{at.end_column}"
    who = f" {list(finding.concerned)}" if finding.concerned else ""
    excuse = f" {finding.excuse}" if finding.excuse else ""
    wanted = f" expected {finding.expected!r}" if finding.expected else ""
    actual = f" actual {list(finding.actual)}" if finding.actual else ""
    return (
        f"{finding.level} {finding.rule} {place} [{finding.subject}]{wanted}{actual}{who}{excuse}"
    )
