"""Which gates are due, what is asked of them, and what never changes a verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import casework
import pytest
from click.testing import CliRunner, Result

from incident_gates import cli, commands, engine, policy, protocol
from incident_gates.evidence import times
from incident_gates.incident import Record
from incident_gates.model import IncidentReport, Status
from incident_gates.rules import RULES

ALL_GATES = ("prerequisites", "severity", "mitigation", "recovery", "resolution")
READY = {"prerequisites", "severity", "mitigation"}
SUMMARY = "resolution-summary.json"
LATER = (
    "mitigation-execution-report.json",
    "recovery-validation.json",
    "incident-timeline.md",
    SUMMARY,
    "rca-manifest.json",
    "INCIDENT-REPORT.md",
)
RUNNING = [  # what an execution that still runs does not say yet
    "/executions/0/completed_at",
    "/executions/0/exit_code",
    "/executions/0/output",
    "/executions/0/outcome",
    "/executions/0/propagation_verified_at",
    "/executions/0/propagation_evidence",
]


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged as by hand: in CI a flag may only tighten, which test_commands.py looks at."""
    monkeypatch.delenv("CI", raising=False)


NOT_CLOSED = {"set": {SUMMARY: {"/status": "resolved"}}, "unset": {SUMMARY: ["/closed_at"]}}

# Each stage of an incident in progress: what the record holds by then, and when it is judged.
STAGES: dict[str, dict[str, Any]] = {
    "assessed": {
        "delete": list(LATER),
        "set": {"decision-log.json": {"/decisions": []}},
        "now": "2026-03-14T02:40:00Z",
    },
    "decided": {"delete": list(LATER), "now": "2026-03-14T02:40:00Z"},
    "executing": {
        "delete": list(LATER[1:]),
        "unset": {LATER[0]: RUNNING},
        "now": "2026-03-14T02:40:00Z",
    },
    "resolved": {**NOT_CLOSED, "now": "2026-03-14T04:00:00Z"},
    "left open": {**NOT_CLOSED, "now": "2026-03-20T00:00:00Z"},
    "closed": {},
}
DUE: dict[str, set[str]] = {
    "assessed": set(),
    "decided": {"severity"},
    "executing": set(READY),
    "resolved": READY | {"recovery"},
    "left open": set(ALL_GATES),
    "closed": set(ALL_GATES),
}


def _case(data: dict[str, Any]) -> casework.Case:
    return casework.Case(Path("no-such-case"), data)


def _judge(stage: str, tmp_path: Path, **more: Any) -> IncidentReport:
    return casework.judge(_case({**STAGES[stage], **more}), tmp_path)


def _statuses(report: IncidentReport) -> dict[str, str]:
    return {gate.id: gate.status.value for gate in report.gates}


# --- what is due ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("require", [engine.DUE, engine.READY, engine.ALL])
def test_claims_make_gates_due(stage: str, require: str, tmp_path: Path) -> None:
    """A decision makes gate 1 due, an execution P and 2, resolution 3, closing or its term 4."""
    report = _judge(stage, tmp_path, require=require)
    asked = {"due": set(), "ready": set(READY), "all": set(ALL_GATES)}[require]
    assert {gate.id for gate in report.gates if gate.due} == DUE[stage] | asked


@pytest.mark.parametrize(
    ("stage", "require", "verdict"),
    [
        ("assessed", "due", "in_progress"),
        ("assessed", "ready", "failed"),  # nothing is decided
        ("assessed", "all", "failed"),
        ("decided", "due", "in_progress"),
        ("decided", "ready", "passed"),  # we may execute
        ("decided", "all", "failed"),
        ("executing", "due", "in_progress"),
        ("executing", "ready", "passed"),
        ("executing", "all", "failed"),
        ("resolved", "due", "in_progress"),
        ("resolved", "ready", "passed"),
        ("resolved", "all", "failed"),  # it is not closed
        ("left open", "due", "failed"),
        ("left open", "ready", "failed"),
        ("closed", "due", "passed"),
        ("closed", "ready", "passed"),
        ("closed", "all", "passed"),
    ],
)
def test_verdict(stage: str, require: str, verdict: str, tmp_path: Path) -> None:
    """A record in progress fails nothing that is not asked yet; a closed one must be whole."""
    assert _judge(stage, tmp_path, require=require).verdict.value == verdict


def test_timeline_and_drafts_make_nothing_due(tmp_path: Path) -> None:
    """Logs, drafts and templates start at minute zero; only claims make gates due."""
    keep = ("incident-timeline.md", "INCIDENT-REPORT.md", "rca-manifest.json")
    delete = [name for name in LATER if name not in keep]
    report = _judge("assessed", tmp_path, delete=delete, now="2026-03-14T03:00:00Z")
    assert not any(gate.due for gate in report.gates)
    assert report.verdict.value == "in_progress"


def test_a_resolved_time_is_a_claim_too(tmp_path: Path) -> None:
    """Who writes resolved_at claims resolution, whatever the status says."""
    data = {"set": {SUMMARY: {"/status": "monitoring"}}, "unset": {SUMMARY: ["/closed_at"]}}
    report = casework.judge(_case({**data, "now": "2026-03-14T04:00:00Z"}), tmp_path)
    assert {gate.id for gate in report.gates if gate.due} == DUE["resolved"]


def test_closing_is_due_only_after_its_term(tmp_path: Path) -> None:
    """Exactly five days after resolution nothing is due yet; a second later it is."""
    just = _judge("resolved", tmp_path / "a", now="2026-03-19T02:37:00Z")
    over = _judge("resolved", tmp_path / "b", now="2026-03-19T02:37:02Z")
    assert _statuses(just)["resolution"] == "pending"
    assert _statuses(over)["resolution"] == "failed"


@pytest.mark.parametrize("gate", ALL_GATES)
def test_one_gate_alone(gate: str, tmp_path: Path) -> None:
    """A script for one gate judges that gate, due or not, and no other."""
    report = _judge("closed", tmp_path / "a", gates=[gate])
    assert _statuses(report) == {gate: "passed"}
    assert report.verdict.value == "passed"
    early = _judge("assessed", tmp_path / "b", gates=[gate])
    passes = gate in ("prerequisites", "severity")
    assert _statuses(early) == {gate: "passed" if passes else "failed"}
    assert early.verdict.value == ("passed" if passes else "failed")


def test_a_pending_gate_lists_what_it_needs(tmp_path: Path) -> None:
    """Pending is no silence: every finding that would fail it stands under needs."""
    gates = {gate.id: gate for gate in _judge("decided", tmp_path).gates}
    assert gates["recovery"].status is Status.PENDING
    assert not gates["recovery"].findings
    needed = [f.location.file.rsplit("/", 1)[-1] for f in gates["recovery"].needs]
    assert set(LATER[:3]) <= set(needed)
    assert all(f.rule in RULES and f.message and f.fix for f in gates["recovery"].needs)
    assert not gates["mitigation"].needs


def test_what_cannot_be_fails_at_once(tmp_path: Path) -> None:
    """An unreadable file and a contradiction fail a gate that is not due."""
    unreadable = {"mitigation-plan.md": ""}
    report = _judge("assessed", tmp_path / "a", write=unreadable)
    assert _statuses(report)["mitigation"] == "failed"
    data = {LATER[0]: {"/executions/0/completed_at": "2026-03-14T02:20:00Z"}}
    unset = {LATER[0]: [p for p in RUNNING if not p.endswith("completed_at")]}
    report = _judge("executing", tmp_path / "b", set=data, unset=unset)
    recovery = next(gate for gate in report.gates if gate.id == "recovery")
    assert (recovery.due, recovery.status) == (False, Status.FAILED)
    assert [f.rule for f in recovery.findings] == ["REC004"]
    assert recovery.needs


# --- statuses and exit codes ---------------------------------------------------------------------


def _run(*arguments: str, command: Any = cli.main, at: str = "2026-03-20T00:00:00Z") -> Result:
    return CliRunner().invoke(command, [*arguments, "--as-of", at])


def _at(stage: str, target: Path) -> tuple[str, str]:
    """Builds a stage; the path of its folder and the moment to judge it at."""
    record = casework.build(_case(STAGES[stage]), target)
    return str(record.folder), STAGES[stage].get("now", "2026-03-20T00:00:00Z")


@pytest.mark.parametrize(
    ("stage", "require", "code"),
    [
        ("closed", "due", 0),
        ("closed", "all", 0),
        ("decided", "due", 0),
        ("decided", "ready", 0),
        ("decided", "all", 1),
        ("assessed", "ready", 1),
        ("left open", "due", 1),
    ],
)
def test_exit_code(stage: str, require: str, code: int, tmp_path: Path) -> None:
    """0: nothing due failed; 1: a gate failed."""
    folder, at = _at(stage, tmp_path)
    assert _run("check", folder, "--require", require, at=at).exit_code == code


def test_strict_lets_warnings_fail(tmp_path: Path) -> None:
    """A warning never fails by itself; under --strict it does."""
    data = {"unset": {SUMMARY: ["/protocol_version"]}}
    folder = str(casework.build(_case(data), tmp_path).folder)
    assert _run("check", folder).exit_code == 0
    assert _run("check", folder, "--strict").exit_code == 1


def test_a_script_for_one_gate(tmp_path: Path) -> None:
    """The recovery script judges recovery alone, by its own threshold."""
    data = {
        "set": {
            "recovery-validation.json": {
                "/checks/11/results/0/result": "failed",
                "/checks/11/accepted_by": {"name": "Alex", "role": "incident_commander"},
                "/checks/11/accepted_reason": "The refund provider has an outage of its own.",
            }
        },
        "unset": {SUMMARY: ["/resolution"]},
    }
    folder = str(casework.build(_case(data), tmp_path).folder)
    script = commands.validate_gate_13_recovery
    assert _run(folder, command=script).exit_code == 1
    looser = _run(folder, "--threshold", "0.9", command=script)
    assert looser.exit_code == 0
    assert "Looser than the protocol" in looser.output


@pytest.mark.parametrize(("require", "code"), [("due", 2), ("ready", 1), ("all", 1)])
def test_nothing_to_judge(require: str, code: int, tmp_path: Path) -> None:
    """By hand nothing to judge is a mistake, and never a pass where gates were asked for."""
    result = _run("check", str(tmp_path), "--require", require)
    assert result.exit_code == code
    assert "incident-gates new" in " ".join(result.output.split())


def test_wrong_usage(tmp_path: Path) -> None:
    """A path that is not there, a wrong flag, an unreadable moment: exit 2."""
    folder, _ = _at("closed", tmp_path)
    assert _run("check", str(tmp_path / "nowhere")).exit_code == 2
    assert _run("check", folder, "--require", "some").exit_code == 2
    assert _run("check", folder, at="yesterday").exit_code == 2


def test_a_rule_that_breaks_down_is_never_a_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Could not tell: status error, exit 3, and 3 wins over 1."""
    folder, _ = _at("closed", tmp_path / "a")
    failing, _ = _at("left open", tmp_path / "b")

    def broken(*_: object) -> Any:
        raise KeyError("x")

    monkeypatch.setitem(RULES, "REC009", RULES["REC009"]._replace(check=broken))
    assert _run("check", folder).exit_code == 3
    assert _run("check", folder, failing).exit_code == 3
    report = casework.judge(_case({}), tmp_path / "c")
    assert _statuses(report)["recovery"] == "error"
    assert report.verdict.value == "error"


def test_the_worst_of_two_records_counts(tmp_path: Path) -> None:
    """One failed record fails the run, however many passed."""
    good, _ = _at("closed", tmp_path / "a")
    bad, _ = _at("left open", tmp_path / "b")
    assert _run("check", good, bad).exit_code == 1
    assert _run("check", bad, good).exit_code == 1


# --- what never changes a verdict ----------------------------------------------------------------


def _again(record: Record, require: str, now: str = "2026-03-20T00:00:00Z") -> IncidentReport:
    """Judges a record's folder anew."""
    fresh = Record(record.folder, site=record.site, base=record.base, protocol=record.protocol)
    own = record.site / policy.NAME
    limits = policy.Limits(protocol.load(), policy.read(own) if own.is_file() else policy.Policy())
    moment = times.parse(now)
    assert moment is not None
    return engine.judge(fresh, limits, moment.earliest, engine.Request(require))


def _first_failing() -> list[casework.Case]:
    """One failing case of each rule; a false positive asks for the intake log alone."""
    first: dict[str, casework.Case] = {}
    for case in casework.discovered():
        if case.expected.startswith("failed") and "not_applicable" not in case.expected:
            first.setdefault(case.rule, case)
    return list(first.values())


@pytest.mark.parametrize("case", _first_failing(), ids=lambda case: case.name)
def test_removing_a_required_file_never_makes_a_failed_record_pass(
    case: casework.Case, tmp_path: Path
) -> None:
    """Under `all` the gap fails in place of what the file had said."""
    record = casework.build(case, tmp_path)
    now = case.data.get("now", "2026-03-20T00:00:00Z")
    required = [a.file for a in record.protocol.artifacts.values() if a.required]
    for name in (n for n in required if (record.folder / n).exists()):
        (record.folder / name).rename(tmp_path / "aside")
        verdict = _again(record, "all", now).verdict.value
        assert verdict in ("failed", "error"), f"{verdict} without {name}"
        (tmp_path / "aside").rename(record.folder / name)


@pytest.mark.parametrize("name", [a.file for a in protocol.load().artifacts.values() if a.required])
def test_every_required_file_is_required(name: str, tmp_path: Path) -> None:
    """Without any one of them a record that passed fails under `all`, and is told which."""
    report = casework.judge(_case({"delete": [name], "require": "all"}), tmp_path)
    assert report.verdict.value == "failed"
    assert ("FIL001", name) in {(f.rule, f.subject) for f in report.all_findings}


def _substance(report: IncidentReport) -> tuple[object, ...]:
    """All that a report says, but for the lines it points at."""
    gates = tuple((g.id, g.status, g.due, g.metrics) for g in report.gates)
    found = sorted((f.rule, f.level, f.message, f.subject) for f in report.all_findings)
    return report.verdict, report.severity, report.state, report.as_of, gates, tuple(found)


def _reversed_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed_lists(item) for key, item in value.items()}
    if isinstance(value, list):
        entries = [_reversed_lists(item) for item in value]
        return entries[::-1] if all(isinstance(item, dict) for item in value) else entries
    return value


ORDER_CASES = (
    "REC006/new_decision",
    "REC006/back_to_the_first_decision",
    "REC006/side_by_side",
    "REC008/failed_then_passed",
    "REC012/checked_again_afterwards",
    "RES006/downgraded_before_the_end",
    "RES006/told_twice",
    "RES011/understated",
)


@pytest.mark.parametrize("name", ORDER_CASES)
def test_the_order_of_entries_says_nothing(name: str, tmp_path: Path) -> None:
    """Times order events; where an entry stands in its list does not."""
    record = casework.build(casework.load(casework.CASES / name), tmp_path)
    before = _substance(_again(record, "due"))
    own = [d.name for d in record.own() if d.name.endswith(".json")]
    for path in (record.folder / name for name in own):
        turned = _reversed_lists(json.loads(path.read_text(encoding="utf-8")))
        path.write_text(json.dumps(turned, indent=2), encoding="utf-8")
    assert _substance(_again(record, "due")) == before


def test_the_order_of_files_says_nothing(tmp_path: Path) -> None:
    """Folders list their files in any order; the report does not show it."""
    record = casework.build(casework.load(casework.CASES / "RES014/two_of_24_missing"), tmp_path)
    before = casework.said(_again(record, "due"))
    kept = {path: path.read_bytes() for path in sorted(record.folder.iterdir()) if path.is_file()}
    for path in kept:
        path.unlink()
    for path, data in reversed(kept.items()):
        path.write_bytes(data)
    assert casework.said(_again(record, "due")) == before


CLOSED_CASES = (
    "REC008/nineteen_of_twenty",
    "REC012/in_the_same_minute",
    "RES005/cut_short",
    "RES010/log_in_a_bucket",
    "RES015/trigger_missing",
)


@pytest.mark.parametrize("name", CLOSED_CASES)
def test_a_closed_record_is_judged_alike_years_later(name: str, tmp_path: Path) -> None:
    """A closed record is judged at the moment of its closing, whenever it is judged."""
    record = casework.build(casework.load(casework.CASES / name), tmp_path)
    soon, late = _again(record, "due"), _again(record, "due", now="2036-03-20T00:00:00Z")
    assert _lasting(soon) == _lasting(late)
    assert not any(f.fails for f in late.findings)
    assert late.as_of.startswith("2026-03-16T10:00:0")


def _lasting(report: IncidentReport) -> IncidentReport:
    """A report without what is asked of people afterwards, which warns and never fails."""
    kept = tuple(f for f in report.findings if RULES[f.rule].criterion != "learned")
    return report._replace(findings=kept)


def test_an_open_record_is_judged_now(tmp_path: Path) -> None:
    """While it is open, its ages are those of the moment of judging."""
    assert _judge("resolved", tmp_path).as_of == "2026-03-14T04:00:00Z"


# --- an open record that nobody keeps up ---------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "more", "levels"),
    [
        ("executing", {"now": "2026-03-21T02:25:00Z"}, []),
        ("executing", {"now": "2026-03-21T03:00:00Z"}, ["WARNING"]),
        (
            "executing",
            {"now": "2026-03-16T03:00:00Z", "policy": {"stale_after_days": 1}},
            ["WARNING"],
        ),
        ("executing", {"now": "2026-03-25T00:00:00Z", "policy": {"stale_after_days": 30}}, []),
        ("closed", {"now": "2027-03-25T00:00:00Z"}, []),
    ],
)
def test_an_open_record_grows_stale(
    stage: str, more: dict[str, Any], levels: list[str], tmp_path: Path
) -> None:
    """Seven days without new evidence warn; a closed record never does."""
    report = _judge(stage, tmp_path, **more)
    assert [f.level for f in report.all_findings if f.rule == "FIL014"] == levels
    assert report.verdict.value == ("passed" if stage == "closed" else "in_progress")


def test_a_late_retrospective_fails_nothing_even_under_strict(tmp_path: Path) -> None:
    """A closed record keeps its verdict: what is learned afterwards is outside of it."""
    folder, _ = _at("closed", tmp_path)
    (Path(folder) / "retrospective.md").unlink()
    done = _run("check", folder, "--strict", at="2027-03-25T00:00:00Z")
    assert "LRN001" in done.output
    assert "PASSED" in done.output


def test_stale_fails_under_strict(tmp_path: Path) -> None:
    """It belongs to no gate, and --strict sees it all the same."""
    report = _judge("executing", tmp_path, now="2026-03-25T00:00:00Z", strict=True)
    assert report.verdict.value == "failed"


def test_a_breakdown_of_our_own_is_no_pass_and_loses_no_other_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One broken rule: exit 3, its gate could not tell, and every other finding is still there."""
    late = casework.load(casework.CASES / "MIT004/approved_late")

    def broken(*_: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setitem(RULES, "REC001", RULES["REC001"]._replace(check=broken))
    report = casework.judge(late, tmp_path)
    statuses = {gate.id: gate.status for gate in report.gates}
    assert report.verdict.value == "error"
    assert statuses["recovery"] is Status.ERROR
    assert statuses["mitigation"] is Status.FAILED
    assert "MIT004" in {finding.rule for finding in report.all_findings}


def test_a_record_that_breaks_us_down_leaves_the_others_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even outside the rules: the record could not be judged, and says so."""

    def broken(*_: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("incident_gates.causal.links", broken)
    report = casework.judge(casework.load(casework.CASES / "MIT004/approved_late"), tmp_path)
    assert report.verdict.value == "error"
    assert {gate.status for gate in report.gates} == {Status.ERROR}
