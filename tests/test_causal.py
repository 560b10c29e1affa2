"""The line of events that people see: what is on it, and how each stands to what came first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import casework
import pytest

if TYPE_CHECKING:
    from incident_gates.model import Link

SEVERITY = "severity-assessment.json"
SUMMARY = "resolution-summary.json"
DECISIONS = "decision-log.json"
EXECUTIONS = "mitigation-execution-report.json"
CHECKLIST = "rollback-readiness-checklist.json"


def _at(clock: str) -> str:
    return f"2026-03-14T{clock}Z"


def _line(tmp_path: Path, **data: Any) -> dict[str, Link]:
    """The causal line by event; of several of one kind the last."""
    report = casework.judge(casework.Case(Path("no-such-case"), data), tmp_path)
    return {link.event: link for link in report.causal_line}


def _stands(link: Link) -> tuple[str, str]:
    return link.order, link.gap


def test_a_record_in_order_from_alert_to_resolution(tmp_path: Path) -> None:
    line = _line(tmp_path)
    assert [*line] == [
        *("detected", "assessed", "ready", "approved"),
        *("executed", "propagated", "recovered", "resolved"),
    ]
    assert {link.order for link in line.values()} == {"start", "proven"}


def test_the_end_is_the_resolution_or_where_it_has_no_time_the_closing(tmp_path: Path) -> None:
    line = _line(tmp_path, unset={SUMMARY: ["/resolved_at"]})
    assert "resolved" not in line
    assert line["closed"].label == "closed"


@pytest.mark.parametrize(
    ("file", "pointer", "event"),
    [
        (CHECKLIST, "/items/0/verified_at", "ready"),
        (DECISIONS, "/decisions/0/approvals/0/approved_at", "approved"),
    ],
)
def test_what_takes_several_words_needs_the_time_of_each(
    file: str, pointer: str, event: str, tmp_path: Path
) -> None:
    assert event not in _line(tmp_path, unset={file: [pointer]})


# --- executed ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agreed", "order", "gap"),
    [
        ({"at": _at("02:25:00"), "precision": "minute"}, "not_provable", ""),
        (_at("02:26:00"), "contradicted", "1 min before severity was agreed"),
        (None, "not_provable", "severity not on record"),
    ],
)
def test_an_execution_stands_to_when_its_severity_was_agreed(
    agreed: Any, order: str, gap: str, tmp_path: Path
) -> None:
    names = [f"/classifications/0/assessors/{n}/assessed_at" for n in range(3)]
    line = _line(tmp_path, set={SEVERITY: dict.fromkeys(names, agreed)})
    assert _stands(line["executed"]) == (order, gap)


def test_what_is_contradicted_is_said_before_what_is_lacking(tmp_path: Path) -> None:
    names = [f"/classifications/0/assessors/{n}/assessed_at" for n in range(3)]
    late = {SEVERITY: dict.fromkeys(names, _at("02:26:00"))}
    gone = {DECISIONS: ["/decisions/0/approvals/0", "/decisions/0/approvals/0"]}
    line = _line(tmp_path / "a", set=late, unset=gone)
    assert _stands(line["executed"]) == ("contradicted", "1 min before severity was agreed")
    line = _line(tmp_path / "b", unset=gone)
    assert _stands(line["executed"]) == ("not_provable", "approval not on record")


def test_where_only_the_end_is_known_it_stands_for_the_execution(tmp_path: Path) -> None:
    unset = ["/executions/0/started_at", "/executions/0/outcome"]
    line = _line(tmp_path / "a", unset={EXECUTIONS: unset})
    assert (line["executed"].label, line["executed"].time) == ("completed", "02:27:40")
    assert "failed" not in line
    failed = {"/executions/0/outcome": "failed"}
    line = _line(tmp_path / "b", set={EXECUTIONS: failed}, unset={EXECUTIONS: unset[:1]})
    assert "executed" not in line
    assert (line["failed"].label, line["failed"].time) == ("failed", "02:27:40")


# --- recovered -----------------------------------------------------------------------------------


def test_recovery_comes_after_the_propagation_of_the_last_mitigation(tmp_path: Path) -> None:
    late = {"/executions/0/propagation_verified_at": _at("02:40:00")}
    line = _line(tmp_path / "a", set={EXECUTIONS: late})
    assert _stands(line["recovered"]) == ("contradicted", "8 min before E-1")
    second = {
        "id": "E-2",
        "decision": "D-1",
        "services": ["api"],
        "purpose": "mitigation",
        "operator": {"name": "Sam", "role": "operator"},
        "started_at": _at("02:28:00"),
        "outcome": "succeeded",
        "propagation_verified_at": _at("02:30:00"),
    }
    line = _line(tmp_path / "b", set={EXECUTIONS: {**late, "/executions/1": second}})
    assert _stands(line["recovered"]) == ("proven", "")


def test_git_grades_what_it_is_asked_about(tmp_path: Path) -> None:
    everything = [{"at": _at("02:45:00"), "author": "Sam"}]
    line = _line(tmp_path / "a", git=everything)
    assert {link.grade for link in line.values()} - {""}
    line = _line(tmp_path / "b")
    assert {link.grade for link in line.values()} == {""}
