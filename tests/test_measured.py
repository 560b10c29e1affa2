"""What each gate measured: its metrics, and the one line about them that everybody reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import casework
import pytest

if TYPE_CHECKING:
    from incident_gates.model import GateReport

CHECKLIST = "rollback-readiness-checklist.json"


def gate(name: str, tmp_path: Path, **data: Any) -> GateReport:
    """One gate of a record in which something is changed."""
    report = casework.judge(casework.Case(Path("no-such-case"), data), tmp_path)
    return next(gate for gate in report.gates if gate.id == name)


def share(found: GateReport, name: str) -> float | None:
    """One of its metrics, to two places."""
    value = next(m.value for m in found.metrics if m.name == name)
    return None if value is None else round(value, 2)


@pytest.mark.parametrize(
    ("base", "item", "measured", "said"),
    [
        ("fail-forward", {}, 1.0, "6/8 ready, 2 unmet"),
        # Without its reason, or without a word on how it stands, it counts on neither side.
        ("fail-forward", {"/items/2/reason": "TBD"}, 0.88, "6/8 ready, 1 unmet"),
        ("fail-forward", {"/items/0/status": "pending"}, 0.88, "5/8 ready, 2 unmet"),
        ("fail-forward", {"/items/2/status": "pending"}, 0.88, "6/8 ready, 1 unmet"),
        # A rollback needs all of them.
        ("complete", {"/items/0/status": "unmet", "/items/0/reason": "no key"}, 0.86, "6/7 ready"),
    ],
)
def test_readiness(
    base: str, item: dict[str, str], measured: float, said: str, tmp_path: Path
) -> None:
    found = gate("mitigation", tmp_path, base=base, set={CHECKLIST: item})
    assert share(found, "readiness") == measured
    assert found.summary.startswith(f"{said} ·")


def test_approvals(tmp_path: Path) -> None:
    """How long before the execution is said only where all came before it."""
    whole = gate("mitigation", tmp_path / "whole")
    assert share(whole, "approvals") == 1
    assert whole.summary.endswith("2/2 approved, 2 min before execution")
    unset = {"decision-log.json": ["/decisions/0/approvals/1"]}
    half = gate("mitigation", tmp_path / "half", unset=unset)
    assert share(half, "approvals") == 0.5
    assert "1/2 approved" in half.summary


def test_the_slowest_notice(tmp_path: Path) -> None:
    """The first notice to the audience that waited longest, from the declaration on."""
    found = gate("severity", tmp_path)
    assert share(found, "slowest_notice") == 2.98  # the second of the declaration had begun
    assert found.summary == "3 assessors agree · slowest notice 3 min (≤ 5)"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, " · durations agree"),
        ({"resolution-summary.json": {"/durations/0/value": "PT9M"}}, ""),
        ({"resolution-summary.json": {"/durations": []}}, ""),
    ],
)
def test_that_durations_agree_is_said_where_all_do(
    changed: dict[str, Any], said: str, tmp_path: Path
) -> None:
    found = gate("resolution", tmp_path, set=changed)
    elements = found.summary.partition(" · ")[0]
    assert found.summary == f"{elements}{said}"


def test_that_the_report_states_another_duration_counts_too(tmp_path: Path) -> None:
    replace = {"INCIDENT-REPORT.md": [["Duration: 27 minutes", "Duration: 9 minutes"]]}
    assert "agree" not in gate("resolution", tmp_path, replace=replace).summary


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("2026-03-14T02:31:00Z", "12/12 critical checks, all after propagation"),
        ("2026-03-14T02:28:00Z", "12/12 critical checks"),
    ],
)
def test_checks_after_propagation(moment: str, said: str, tmp_path: Path) -> None:
    checks = {"recovery-validation.json": {"/checks/0/results/0/checked_at": moment}}
    found = gate("recovery", tmp_path, set=checks)
    assert (share(found, "recovery_pass_rate"), found.summary) == (1, said)
