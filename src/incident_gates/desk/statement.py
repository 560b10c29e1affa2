"""The awareness statement as JSON: one shape always, described by schemas/status.schema.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates import protocol, run
from incident_gates.desk import awareness, status, steps
from incident_gates.desk import found as finding
from incident_gates.report import json_report

if TYPE_CHECKING:
    from pathlib import Path

    from incident_gates.desk.awareness import Awareness, Blocker, Step
    from incident_gates.desk.pace import Pace, Update
    from incident_gates.run import Job

SCHEMA_VERSION = "1.0"


def written(job: Job) -> tuple[str, int]:
    """The statement on every record selected, beside the report of check; and its exit code."""
    report = run.run(job)
    records = finding.every(job)
    standings = [
        awareness.Standing(found.chain, judged)
        for found, judged in zip(records, report.incidents, strict=True)
    ]
    data = {
        "schema_version": SCHEMA_VERSION,
        "report": json_report.as_data(report),
        "status": [_record(awareness.of(standing), job.here) for standing in standings],
    }
    return json_report.written(data), report.exit_code


def _record(aware: Awareness, cwd: Path) -> dict[str, Any]:
    report = aware.standing.report
    level, because = aware.confidence
    return {
        "incident_id": report.incident_id,
        "path": report.path,
        "phase": report.phase,
        "phase_name": protocol.load().data["phases"][report.phase - 1]["name"],
        "step": aware.step.id if aware.step else None,
        "steps": [_step(step) for step in aware.steps],
        "files": [file._asdict() for file in aware.files],
        "blockers": [_blocker(blocker) for blocker in aware.blockers],
        "velocity": [_pace(entry) for entry in aware.paces],
        "confidence": {"level": level, "because": because},
        "assumptions": list(aware.assumptions),
        "not_known": list(aware.untold),
        "needed_inputs": list(aware.inputs),
        "next_update": _update(aware.update) if aware.update else None,
        "next": steps.after(aware, cwd),
        "announcement": status.announcement([aware.standing]).splitlines(),
    }


def _step(step: Step) -> dict[str, Any]:
    return {**step._asdict(), "halt": step.halt or None}


def _blocker(blocker: Blocker) -> dict[str, Any]:
    found = blocker.finding
    return {
        "gate": blocker.gate,
        "due": blocker.due,
        "blocks": blocker.blocks,
        "rule": found.rule,
        "level": found.level,
        "message": found.message,
        "file": found.location.file,
        "line": found.location.line,
        "fix": found.fix,
    }


def _pace(entry: Pace) -> dict[str, Any]:
    return {
        "what": entry.what,
        "state": entry.state,
        "expected_seconds": entry.expected.total_seconds(),
        "taken_seconds": entry.taken.total_seconds(),
        "late_by_seconds": entry.late_by.total_seconds(),
        "file": entry.location.file,
        "line": entry.location.line,
    }


def _update(update: Update) -> dict[str, Any]:
    return {
        "audiences": list(update.audiences),
        "due": finding.shown(update.due),
        "first": update.first,
    }
