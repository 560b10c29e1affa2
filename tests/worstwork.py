"""Builds records that are as large, and as tangled, as the door lets in."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident_gates.evidence import bounds

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "complete"
INCIDENT = ".artifacts/incidents/INC-2026-0042"
FRONT = "---\nincident_id: INC-2026-0042\ndate: 2026-03-14\n---\n\n# Log\n\n"
LONGEST = bounds.STRING_CHARS // 7  # words of a text
LOGS = ("incident-intake-log.md", "communication-log.md", "incident-timeline.md")


def example(site: Path) -> Path:
    """A copy of the record in order; returns the incident's folder."""
    shutil.copytree(EXAMPLE, site, dirs_exist_ok=True)
    return site / INCIDENT


def at(second: int) -> str:
    """A time so many seconds after the rollback began."""
    minute, rest = divmod(2 * 3600 + 25 * 60 + second, 60)
    return f"2026-03-14T{minute // 60:02}:{minute % 60:02}:{rest:02}Z"


def _change(folder: Path, name: str, change: Callable[[Any], None]) -> None:
    top = json.loads((folder / name).read_text("utf-8"))
    change(top)
    (folder / name).write_text(json.dumps(top, separators=(",", ":")), encoding="utf-8")


def _fill(folder: Path, name: str, key: str, entries: list[dict[str, Any]]) -> None:
    """Puts entries in a list: over the first of those that the example holds, as many as fit."""

    def change(top: Any) -> None:
        like = top[key][0]
        merged = [{**like, **entry} for entry in entries]
        del top[key]
        room = bounds.FILE_BYTES - _size(top) - 100
        values = bounds.FILE_VALUES - _values(top) - 100
        kept: list[Any] = []
        for entry in merged:
            room, values = room - _size(entry) - 1, values - _values(entry) - 1
            if room < 0 or values < 0:
                break
            kept.append(entry)
        top[key] = kept

    _change(folder, name, change)


def _size(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":")))


def _values(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value
    return sum(1 + _values(v) for v in inside) if isinstance(value, (dict, list)) else 0


def approval(number: int, second: int) -> dict[str, Any]:
    """An approval by somebody who does not hold the role, of words that were never written."""
    return {
        "verdict": "approve",
        "by": {"name": f"n{number}", "role": "incident_commander"},
        "approved_at": at(second),
        "option_sha256": "ab" * 32,
    }


def decisions(folder: Path, n: int) -> None:
    """Each supersedes the one before, and has nine approvals; the first has as many as fit."""
    entries: list[dict[str, Any]] = [
        {
            "id": f"D-{i}",
            "decided_at": at(i),
            "supersedes": f"D-{i - 1}",
            "approvals": [approval(j, (i * 7 + j) % 3000) for j in range(9)],
        }
        for i in range(n)
    ]
    entries[0].update(approvals=[approval(j, j) for j in range(n)], supersedes="D-0")
    _fill(folder, "decision-log.json", "decisions", entries)


def executions(folder: Path, n: int) -> None:
    """Every other one fails, each on services of its own, half of them under one decision."""
    _fill(
        folder,
        "mitigation-execution-report.json",
        "executions",
        [
            {
                "id": f"E-{i}",
                "decision": f"D-{i if i % 2 else 0}",
                "services": [f"s{i}", f"s{i + 1}"],
                "operator": {"name": f"op{i}", "role": "operator"},
                "started_at": at(i),
                "completed_at": at(i + 1),
                "outcome": "failed" if i % 2 else "succeeded",
            }
            for i in range(n)
        ],
    )


def classifications(folder: Path, n: int) -> None:
    """Each by people who speak at very different times, so that every execution sees another."""
    people = [
        [
            {"name": f"n{j}", "role": "x", "severity": "SEV-1", "assessed_at": at(i + j * 500)}
            for j in range(4)
        ]
        for i in range(n)
    ]
    entries = [{"assessors": words} for words in people]
    _fill(folder, "severity-assessment.json", "classifications", entries)


def assessors(folder: Path, n: int) -> None:
    """One classification on which everybody has a word, one after the other."""
    words = [
        {"name": f"n{i}", "role": "x", "severity": f"SEV-{1 + i % 2}", "assessed_at": at(i)}
        for i in range(n)
    ]
    _fill(folder, "severity-assessment.json", "classifications", [{"assessors": words}])


def hand_overs(folder: Path, n: int) -> None:
    """Command goes from hand to hand."""
    entries = [
        {
            "approval": "commander_authority",
            "by": {"name": f"n{i}", "role": "incident_commander"},
            "approved_at": at(i),
        }
        for i in range(n)
    ]
    _fill(folder, "prerequisites.json", "approvals", entries)


def readiness(folder: Path, n: int) -> None:
    """Items that were all verified too late for half of the executions, and checks to plan."""
    name = "rollback-readiness-checklist.json"
    _fill(folder, name, "items", [{"id": f"i{i}", "verified_at": at(n // 2)} for i in range(n)])
    _fill(folder, name, "recovery_checks", [{"id": f"c{i}"} for i in range(n)])


def checks(folder: Path, n: int) -> None:
    """Each of a service of its own, with runs that differ in nothing."""
    entries = [
        {
            "id": f"c{i}",
            "service": f"s{i}",
            "results": [{"result": "passed", "checked_at": at(i), "evidence": "seen"}] * 8,
        }
        for i in range(n)
    ]
    _fill(folder, "recovery-validation.json", "checks", entries)


def archive(folder: Path, n: int) -> None:
    """One file, archived under every spelling of its path."""
    entries = [{"id": f"a{i}", "path": "./" * (i % 400) + "INCIDENT-REPORT.md"} for i in range(n)]
    _fill(folder, "rca-manifest.json", "items", entries)


def actions(folder: Path, n: int) -> None:
    """Action items."""
    entries = [{"id": f"A-{i}"} for i in range(n)]
    _fill(folder, "resolution-summary.json", "action_items", entries)


def logs(folder: Path, n: int) -> None:
    """Ten lines in each log for every entry elsewhere; none at the time of an execution."""
    for name in LOGS:
        text = FRONT + "- 01:00 UTC - #x: all: still looking\n" * min(10 * n, 9900)
        (folder / name).write_text(text, encoding="utf-8")


def options(folder: Path, n: int) -> None:
    """A plan of many options."""
    text = "".join(f"## Option O-{i}: x\n\n- Strategy: rollback\n\n" for i in range(1, 2 * n))
    (folder / "mitigation-plan.md").write_text(FRONT + text, encoding="utf-8")


def kept_plans(folder: Path, n: int) -> None:
    """Earlier plans, of which the superseded decisions may have approved any."""
    plan = "## Option O-1: x\n\n- Strategy: rollback\n\n" * 100
    for i in range(min(n, 1000)):
        path = folder / "attachments" / f"mitigation-plan-{i}.md"
        path.write_text(plan, encoding="utf-8")


def excuses(folder: Path, n: int) -> None:
    """Deviations, each for one of the findings about readiness."""
    ada, kim, lou = (f"{{name: {name}, role: product_owner}}" for name in ("Ada", "Kim", "Lou"))
    entry = (
        "  - {kind: deviation, rule: MIT006, incident: INC-2026-0042, subject: E-%d/i0, why: x,\n"
        f"     requested_by: {ada}, accepted_by: [{kim}, {lou}]}}\n"
    )
    text = "schema_version: '1.0'\nincident_id: INC-2026-0042\nentries:\n"
    most = (bounds.YAML_BYTES - len(text)) // (len(entry) + 3)
    whole = text + "".join(entry % i for i in range(min(n, most)))
    (folder / "waivers.yaml").write_text(whole, encoding="utf-8")


def granted(folder: Path, n: int) -> None:
    """Deviations that each cover every decision, all under one id that was carried out often."""
    given = [{"id": "D-1", "decided_at": at(i), "approvals": []} for i in range(n)]
    _fill(folder, "decision-log.json", "decisions", given)
    ran = [{"id": f"E-{i}", "decision": "D-1", "started_at": at(i)} for i in range(3 * n)]
    _fill(folder, "mitigation-execution-report.json", "executions", ran)
    people = "requested_by: {name: Ada, role: x}, accepted_by: [{name: Kim}, {name: Lou}]"
    entry = (
        "  - {kind: deviation, rule: MIT016, incident: INC-2026-0042, what_happened: abc,\n"
        f"     subject: D-1/release_manager, {people}, accepted_at: '{at(0)}',\n"
        "     why: xyz, corrective_action: abc}\n"
    )
    text = "schema_version: '1.0'\nincident_id: INC-2026-0042\nentries:\n"
    (folder / "waivers.yaml").write_text(text + entry * 60, encoding="utf-8")


def told_twice(folder: Path, n: int) -> None:
    """A report whose timeline holds none of the times of the other one."""
    report = FRONT + "## Timeline\n\n" + "- 05:00 UTC - x\n" * min(40 * n, 9900)
    (folder / "INCIDENT-REPORT.md").write_text(report, encoding="utf-8")
    timeline = FRONT + "- 01:00 UTC - x\n" * min(40 * n, 9900)
    (folder / "incident-timeline.md").write_text(timeline, encoding="utf-8")


def holders(folder: Path, n: int) -> None:
    """As many release managers as decisions, and approvals by as many who are none."""
    role = "release_manager"
    given = [
        {
            "approval": "release_manager_acknowledgement",
            "by": {"name": f"m{i}", "role": role},
            "approved_at": at(i),
        }
        for i in range(n)
    ]
    _fill(folder, "prerequisites.json", "approvals", given)
    words = [
        [
            {**approval(i * 9 + j, i + j), "by": {"name": f"q{i}x{j}", "role": role}}
            for j in range(9)
        ]
        for i in range(n)
    ]
    entries = [{"id": f"D-{i}", "decided_at": at(i), "approvals": w} for i, w in enumerate(words)]
    _fill(folder, "decision-log.json", "decisions", entries)


def unknown_ids(folder: Path, n: int) -> None:
    """Long ids, and references to none of them."""
    given = [
        {"id": f"D-{i}-{'x' * 1500}", "supersedes": f"Z-{i}", "approvals": []} for i in range(n)
    ]
    _fill(folder, "decision-log.json", "decisions", given)


def one_action(folder: Path, n: int) -> None:
    """A long decided action, which everything carried out."""
    action = {"id": "D-0", "action": "v1.2.3 " * min(20 * n, LONGEST)}
    _fill(folder, "decision-log.json", "decisions", [action])
    ran = [{"id": f"E-{i}", "decision": "D-0", "command": "v4.5.6 run.sh"} for i in range(n)]
    _fill(folder, "mitigation-execution-report.json", "executions", ran)


def one_target(folder: Path, n: int) -> None:
    """A long rollback target, and decided actions that name another."""
    said = [{"id": f"D-{i}", "action": "roll back to v1.2.3"} for i in range(n)]
    _fill(folder, "decision-log.json", "decisions", said)

    def change(top: Any) -> None:
        top["rollback_target"] = "v4.5.6 " * min(20 * n, LONGEST)

    _change(folder, "rollback-readiness-checklist.json", change)


SHAPES = {
    shape.__name__: shape
    for shape in (
        decisions,
        executions,
        classifications,
        hand_overs,
        readiness,
        checks,
        archive,
        actions,
        logs,
        options,
        kept_plans,
        excuses,
    )
}


# Each of these takes the place of another one: they do not fit in one record.
ALONE = {
    shape.__name__: shape
    for shape in (
        assessors,
        granted,
        told_twice,
        holders,
        one_action,
        one_target,
    )
}


def everything(folder: Path, n: int) -> None:
    """A record that holds as many as ``n`` of all of these, or what fits."""
    for shape in SHAPES.values():
        shape(folder, n)
    told_twice(folder, n)


if __name__ == "__main__":
    everything(example(Path(sys.argv[1])), bounds.LIST_ENTRIES)
