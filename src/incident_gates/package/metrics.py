"""quality-metrics.md: the protocol's table of target, actual and status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates.model import Verdict
from incident_gates.package.own import MARK
from incident_gates.report.escape import markdown
from incident_gates.report.html import target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_gates.model import IncidentReport


def page(report: IncidentReport, metrics: Iterable[dict[str, Any]]) -> bytes:
    """The protocol's table."""
    lines = [
        MARK,
        "",
        f"# Quality metrics of {markdown(report.incident_id)}",
        "",
        f"Verdict {report.verdict.value.replace('_', ' ')}, as of {report.as_of}.",
        "",
        *_excused(report),
        "| Metric | Target | Actual | Status |",
        "|---|---|---|---|",
        *(_row(metric, report) for metric in metrics),
        "",
    ]
    return "\n".join(lines).encode()


def _row(metric: dict[str, Any], report: IncidentReport) -> str:
    actual = "–" if metric["value"] is None else f"{metric['value']:.1%}"
    status = metric["status"].replace("_", " ")
    # What is still being recorded has not failed: the protocol's own sign for it.
    if report.verdict is Verdict.IN_PROGRESS and metric["status"] != "met":
        status = "⏳ in progress"
    return f"| {metric['name']} | {target(metric)} | {actual} | {status} |"


def _excused(report: IncidentReport) -> list[str]:
    """Each excuse with who granted it: a waived gate is not a passed one."""
    lines = []
    for found in report.all_findings:
        if found.excuse:
            by = " and ".join(markdown(name) for name in found.excuse.by)
            said = f"{found.excuse.kind.capitalize()} of {found.rule} by {by}"
            lines.append(f"- {said}: {markdown(found.excuse.reason)}")
    return [*lines, ""] if lines else []
