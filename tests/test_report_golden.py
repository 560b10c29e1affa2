"""Every reporter on the same records, exactly as it writes them today."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import reportwork as work

from incident_gates.report import github, junit, markdown, sarif

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from incident_gates.model import IncidentReport, Report

NOW = "2026-03-20T00:00:00Z"
RECORDS: dict[str, Callable[[Path], IncidentReport]] = {
    "complete": lambda tmp: work.from_example("complete", NOW, tmp),
    "approved-late": lambda tmp: work.from_case("MIT004/approved_late", tmp),
    "in-progress": lambda tmp: work.from_example("in-progress-1", "2026-03-14T02:22:30Z", tmp),
    "waived": lambda tmp: work.from_case("EXC001/missing_check_waived", tmp),
    "real": lambda tmp: work.from_example("posthog-2025-09-29", NOW, tmp),
}
ANCHOR = ".artifacts/incidents/INC-2026-0042/resolution-summary.json"
NOTICE = "WARNING: --sla 30 is looser than 5 of the policy or the protocol, and is ignored in CI."


def _sarif(report: Report) -> str:
    """With the texts of those rules alone that found something: others change for other reasons."""
    found = {f.rule for incident in report.incidents for f in incident.all_findings}
    texts = {rule_id: work.RULES[rule_id] for rule_id in found}
    return sarif.render(report, texts, "https://example.org/docs/rules.md")


FORMATS: dict[str, Callable[[Report], str]] = {
    "github.txt": lambda report: github.render(
        report,
        {incident.path: (ANCHOR, 10) for incident in report.incidents},
        is_absent=lambda file: file.endswith((".zip", "INCIDENT-REPORT.md")),
    ),
    "md": lambda report: markdown.render(report, work.GATES, work.link, base=work.COMMIT),
    "sarif": _sarif,
    "junit.xml": junit.render,
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("record", RECORDS)
def test_one_record(record: str, kind: str, tmp_path: Path, *, accept: bool) -> None:
    """A record in order, a failing one, one in progress, a waived one, a real one."""
    report = work.wrap(RECORDS[record](tmp_path), notices=(NOTICE,) if record == "waived" else ())
    work.golden(f"{record}.{kind}", FORMATS[kind](report), accept=accept)


@pytest.mark.parametrize("kind", FORMATS)
def test_several_records(kind: str, tmp_path: Path, *, accept: bool) -> None:
    """A table of all, then the failing ones and the waivers."""
    incidents = [
        make(tmp_path / name)._replace(incident_id=f"INC-2026-00{number}")
        for number, (name, make) in enumerate(list(RECORDS.items())[:4], 11)
    ]
    work.golden(f"several.{kind}", FORMATS[kind](work.wrap(*incidents)), accept=accept)
