"""How one record is judged: what runs, what is left out and why, and what becomes of breakdowns."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import casework
import pytest

from incident_gates import custody, engine, policy, protocol
from incident_gates.changes import CHANGES
from incident_gates.evidence import bounds, times
from incident_gates.model import (
    CRITICAL,
    INFO,
    WARNING,
    Breach,
    Excuse,
    Finding,
    Location,
    Place,
    Status,
    Verdict,
)
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from incident_gates.chain import Chain
    from incident_gates.model import IncidentReport

NOW = "2026-03-20T00:00:00Z"
SUMMARY = "resolution-summary.json"
INTAKE = "incident-intake-log.md"


def _at(text: str) -> datetime:
    time = times.parse(text)
    assert time is not None
    return time.earliest


def _chain(tmp_path: Path, now: str = NOW, request: Any = None, **data: Any) -> Chain:
    record = casework.build(casework.Case(Path("no-such-case"), data), tmp_path)
    own = policy.Policy(data=data.get("policy", {}))
    limits = policy.Limits(protocol.load(), own)
    return engine.chain_of(record, limits, _at(now), request or engine.Request())


def _judge(tmp_path: Path, request: Any = None, **data: Any) -> IncidentReport:
    now = data.pop("now", NOW)
    asked = request or engine.Request()
    return engine.judge_chain(_chain(tmp_path, now, asked, **data), asked)


def _with(monkeypatch: pytest.MonkeyPatch, rule_id: str, *breaches: Breach, **changes: Any) -> None:
    """Lets a rule find just this."""
    emptied = RULES[rule_id]._replace(check=lambda *_: iter(breaches), **changes)
    monkeypatch.setitem(RULES, rule_id, emptied)


def _gate(report: IncidentReport, gate: str) -> Any:
    return next(g for g in report.gates if g.id == gate)


# --- what runs -----------------------------------------------------------------------------------


def test_every_rule_ran_or_says_why_not(tmp_path: Path) -> None:
    report = _judge(tmp_path)
    left = dict(report.rules_left)
    assert {*report.rules_run} | left.keys() == RULES.keys()
    assert not {*report.rules_run} & left.keys()
    assert list(report.rules_run) == sorted(report.rules_run)
    assert list(left) == sorted(left)
    assert {rule_id for rule_id in left if RULES[rule_id].history} == left.keys()
    assert set(left.values()) == {"history was not asked for"}


def test_a_gate_that_was_not_asked_is_left_out(tmp_path: Path) -> None:
    report = _judge(tmp_path, engine.Request(gates=("severity",)))
    assert [gate.id for gate in report.gates] == ["severity"]
    left = dict(report.rules_left)
    assert left["MIT004"] == left["RES001"] == "its gate was not asked"
    assert list(left) == sorted(left)
    assert "SEV001" in report.rules_run
    assert "FIL003" in report.rules_run


def test_a_rule_without_its_file_says_which(tmp_path: Path) -> None:
    report = _judge(tmp_path, delete=["communication-log.md"])
    left = dict(report.rules_left)
    assert left["SEV010"] == "communication-log.md is not there, or cannot be read"


def test_a_false_positive_asks_for_the_intake_alone(tmp_path: Path) -> None:
    report = _judge(tmp_path, base="false-positive")
    left = dict(report.rules_left)
    assert left["SEV010"] == left["MIT004"] == "false positive"
    intake = {rule.id for rule in RULES.values() if rule.criterion == "intake"}
    assert intake <= {*report.rules_run}
    assert [gate.status.value for gate in report.gates] == [
        "not_applicable",
        "passed",
        *["not_applicable"] * 3,
    ]
    assert {gate.summary for gate in report.gates if gate.id != "severity"} == {"false positive"}


def test_of_a_false_positive_only_what_holds_in_any_case_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its other files may stay templates; its intake log, its folder and contradictions may not."""
    plan = Breach(Place("mitigation-plan.md"), "of the plan")
    others = [Breach(Place(name), f"of {name}") for name in (INTAKE, ".")]
    _with(monkeypatch, "FIL003", plan, *others, at_once=False)
    report = _judge(tmp_path / "a", base="false-positive")
    assert {f.message for f in report.all_findings} == {f"of {INTAKE}", "of ."}
    _with(monkeypatch, "FIL003", plan, at_once=True)
    report = _judge(tmp_path / "b", base="false-positive")
    assert {f.message for f in report.all_findings} == {"of the plan"}
    assert _gate(report, "mitigation").status is Status.FAILED


# --- what is said --------------------------------------------------------------------------------


def test_a_finding_takes_from_its_rule_what_the_breach_leaves_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place("decision-log.json", ("decisions", 0, "made_at"))
    bare = Breach(place, "bare")
    full = Breach(place, "full", "e", ("a", "b"), "D-1", ("Sam", "", "Alex"), INFO, "mend it")
    _with(monkeypatch, "MIT004", bare, full)
    found = {f.message: f for f in _gate(_judge(tmp_path), "mitigation").findings}
    assert (found["bare"].level, found["bare"].fix) == (CRITICAL, RULES["MIT004"].fix)
    assert (found["full"].level, found["full"].fix) == (INFO, "mend it")
    assert (found["full"].expected, found["full"].actual) == ("e", ("a", "b"))
    assert (found["full"].subject, found["full"].concerned) == ("D-1", ("Sam", "Alex"))
    assert found["full"].location.line == found["bare"].location.line


def test_the_same_mistake_many_times_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "FINDINGS_A_RULE", 2)
    monkeypatch.setattr(bounds, "FINDINGS_COUNTED", 3)
    breaches = [Breach(Place("decision-log.json"), f"no {n}", subject=str(n)) for n in range(9)]
    said = {2: "no 1", 3: "no 1; and 1 more like it", 4: "no 1; and 2 more like it"}
    said |= {5: "no 1; and at least 3 more like it", 9: "no 1; and at least 3 more like it"}
    for count, last in said.items():
        _with(monkeypatch, "MIT004", *breaches[:count])
        found = _gate(_judge(tmp_path / str(count)), "mitigation").findings
        assert [f.message for f in found] == ["no 0", last]


@pytest.mark.parametrize(
    ("most", "rows", "shown"),
    [
        (10, ("ab", "cd", "ef"), ("ab", "cd", "ef")),
        (9, ("ab", "cd", "ef"), ("ab", "cd", "and 1 more")),
        (7, ("ab", "cd"), ("ab", "cd")),
    ],
)
def test_of_a_long_finding_the_first_rows_are_shown(
    most: int, rows: tuple[str, ...], shown: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "FINDING_CHARS", most)
    monkeypatch.setattr(bounds, "NAMES_LISTED", 2)
    breach = engine._shortened(Breach(Place("."), "said", "", rows))
    assert (breach.message, breach.actual) == ("said", shown)


def test_the_worst_comes_first_and_then_the_order_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(name: str, *pointer: str, level: str = "", subject: str = "") -> Breach:
        return Breach(
            Place(name, pointer), f"{name} {subject}".strip(), level=level, subject=subject
        )

    _with(
        monkeypatch,
        "MIT004",
        at("mitigation-plan.md", level=INFO),
        at("decision-log.json", "decisions", subject="b"),
        at("mitigation-plan.md", level=WARNING),
        at("decision-log.json", "decisions", subject="a"),
        at("rollback-readiness-checklist.json"),
        Breach(Place("decision-log.json"), "decision-log.json"),
    )
    whole = Breach(Place("decision-log.json", ()), "decision-log.json line 1")
    _with(monkeypatch, "MIT001", at("decision-log.json", "decisions", subject="c"), whole)
    found = _gate(_judge(tmp_path), "mitigation").findings
    assert [(f.level, f.rule, f.message) for f in found] == [
        (CRITICAL, "MIT004", "decision-log.json"),
        (CRITICAL, "MIT001", "decision-log.json line 1"),
        (CRITICAL, "MIT001", "decision-log.json c"),
        (CRITICAL, "MIT004", "decision-log.json a"),
        (CRITICAL, "MIT004", "decision-log.json b"),
        (CRITICAL, "MIT004", "rollback-readiness-checklist.json"),
        (WARNING, "MIT004", "mitigation-plan.md"),
        (INFO, "MIT004", "mitigation-plan.md"),
    ]


def test_validation_by_hand_is_shown_beside_the_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with(monkeypatch, "FIL015", Breach(Place("."), "gate 1 by Kim"))
    _with(monkeypatch, "FIL014", Breach(Place("."), "another"))
    report = _judge(tmp_path)
    assert report.log == ("gate 1 by Kim",)
    assert {f.message for f in report.findings} == {"gate 1 by Kim", "another"}


# --- what git said before ------------------------------------------------------------------------


def test_what_git_said_before_stands_in_for_asking_again(tmp_path: Path) -> None:
    finding = Finding("CUS001", WARNING, "told", Location("a"), "fix")
    other = Finding("CUS002", WARNING, "told as well", Location("a"), "fix")
    left = {"CUS003": "the clone was shallow"}
    told = custody.Told(
        asked=True,
        known=True,
        findings=(finding, other),
        left=left,
        corroborated=("3 of 4 times agree with git",),
        not_verified=("something",),
    )
    report = _judge(tmp_path, engine.Request(told=told))
    assert [f for f in report.findings if f.rule.startswith("CUS")] == [finding, other]
    assert dict(report.rules_left)["CUS003"] == "the clone was shallow"
    assert {"CUS001", "CUS002"} <= {*report.rules_run}
    assert "3 of 4 times agree with git" in report.assurance.corroborated
    assert report.assurance.not_verified == ("something",)


@pytest.mark.parametrize(
    ("setting", "asked", "history"),
    [("off", None, False), ("warn", None, True), ("warn", False, False), ("off", True, True)],
)
def test_git_is_asked_as_the_request_or_else_the_policy_says(
    setting: str, tmp_path: Path, *, asked: bool | None, history: bool
) -> None:
    chain = _chain(tmp_path, request=engine.Request(history=asked), policy={"history": setting})
    assert chain.history is history


def test_a_history_that_is_wanted_and_not_known_is_no_pass(tmp_path: Path) -> None:
    report = _judge(tmp_path / "a", policy={"history": "required"})
    blind = {rule.id for rule in RULES.values() if rule.history}
    assert {i for i, why in report.rules_left if why == "history is not known"} == blind
    assert report.verdict.value == "error"
    report = _judge(tmp_path / "b", policy={"history": "warn"})
    assert report.verdict.value == "passed"


# --- what breaks down ----------------------------------------------------------------------------


def _broken(*_: object) -> Iterator[Breach]:
    raise ZeroDivisionError


def test_a_record_that_breaks_us_down_says_so_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(engine.DEBUG, raising=False)
    monkeypatch.setattr("incident_gates.causal.links", _broken)
    report = _judge(tmp_path)
    assert (report.incident_id, report.severity) == ("INC-2026-0042", None)
    assert (report.state, report.phase, report.as_of) == ("could not be judged", 1, NOW)
    assert report.verdict.value == "error"
    said = "ZeroDivisionError; set INCIDENT_GATES_DEBUG=1 to see where"
    assert {(g.status, g.due, g.summary) for g in report.gates} == {(Status.ERROR, True, said)}
    assert len(report.gates) == 5


def test_whoever_debugs_sees_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCIDENT_GATES_DEBUG", "1")
    monkeypatch.setattr("incident_gates.causal.links", _broken)
    with pytest.raises(ZeroDivisionError):
        _judge(tmp_path)


def test_a_broken_rule_is_named_by_its_gate_and_did_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RULES, "REC009", RULES["REC009"]._replace(check=_broken))
    report = _judge(tmp_path)
    assert "REC009" not in report.rules_run
    assert dict(report.rules_left)["REC009"] == "ZeroDivisionError in REC009"
    assert _gate(report, "recovery").summary == "ZeroDivisionError in REC009"
    assert _gate(report, "resolution").status is Status.PASSED


# --- what a pass rests on ------------------------------------------------------------------------


def test_only_what_was_recomputed_here_and_agrees_is_corroborated(tmp_path: Path) -> None:
    assert _judge(tmp_path / "a").assurance.corroborated == (
        "7 inputs as pinned",
        "3 archived files as digested",
    )
    elsewhere = {"uri": "https://example.org/log", "sha256": "ab" * 32}
    changed = {
        "prerequisites.json": {"/inputs/0/sha256": "cd" * 32},
        "rca-manifest.json": {"/items/-": elsewhere},
    }
    chain = _chain(tmp_path / "b", set=changed, unset={"rca-manifest.json": ["/items/0/sha256"]})
    assert engine._assurance(chain, Verdict.PASSED).corroborated == (
        "6 inputs as pinned",
        "2 archived files as digested",
    )
    assert engine._assurance(chain, Verdict.FAILED).corroborated == ()
    assert engine._assurance(chain, Verdict.FAILED).consistent == ()


def test_a_file_that_the_protocol_does_not_know_is_no_input(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"seen").hexdigest()
    pinned = {"prerequisites.json": {"/inputs/-": {"file": "notes.txt", "sha256": digest}}}
    report = _judge(tmp_path, set=pinned, write={"notes.txt": "seen"})
    assert report.assurance.corroborated[0] == "7 inputs as pinned"


# --- what is due, and how it stands --------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "due"), [("2026-03-19T02:37:01Z", False), ("2026-03-19T02:37:02Z", True)]
)
def test_closing_is_due_a_second_after_its_term(now: str, tmp_path: Path, *, due: bool) -> None:
    """Resolved at 02:37:00, which ends at 02:37:01: five whole days later nothing is due yet."""
    changed = {"set": {SUMMARY: {"/status": "resolved"}}, "unset": {SUMMARY: ["/closed_at"]}}
    assert _gate(_judge(tmp_path, now=now, **changed), "resolution").due is due


def test_a_gate_that_is_named_is_judged_before_it_is_due_unless_only_what_is_due_was_asked(
    tmp_path: Path,
) -> None:
    data = {"base": "in-progress-1", "now": "2026-03-14T02:17:30Z"}
    named = engine.Request(gates=("recovery",))
    assert _gate(_judge(tmp_path / "a", named, **data), "recovery").due
    only_due = named._replace(only_due=True)
    report = _judge(tmp_path / "b", only_due, **data)
    assert not _gate(report, "recovery").due
    assert report.verdict.value == "in_progress"
    assert engine.Request() == ("due", (), False, False, False, None, None)


def test_ready_asks_for_the_first_three_gates_though_nothing_is_decided(tmp_path: Path) -> None:
    data: dict[str, Any] = {"base": "in-progress-1", "now": "2026-03-14T02:17:30Z"}

    def due(require: str) -> list[str]:
        report = _judge(tmp_path / require, engine.Request(require), **data)
        return [gate.id for gate in report.gates if gate.due]

    first = ["prerequisites", "severity", "mitigation"]
    assert due("due") == []
    assert due("ready") == first
    assert due("all") == [*first, "recovery", "resolution"]


def test_a_false_positive_is_nothing_to_execute_upon(tmp_path: Path) -> None:
    ready = engine.Request("ready")
    data = {"base": "false-positive"}
    assert _judge(tmp_path / "a", ready, **data).verdict.value == "not_applicable"
    assert _judge(tmp_path / "b", **data).verdict.value == "passed"


EXCUSE = Excuse("waiver", ("Alex",), "why", None, Location("waivers.yaml"))


def _found(level: str, excuse: Excuse | None = None) -> Finding:
    return Finding("MIT004", level, "said", Location("a"), "fix", excuse=excuse)


@pytest.mark.parametrize(
    ("finding", "plain", "strict"),
    [
        (None, "passed", "passed"),
        (_found(CRITICAL), "failed", "failed"),
        (_found(WARNING), "passed", "failed"),
        (_found(INFO), "passed", "passed"),
        (_found(CRITICAL, EXCUSE), "waived", "waived"),
        (_found(WARNING, EXCUSE), "passed", "waived"),
    ],
)
def test_how_a_gate_stands_with_one_finding(
    finding: Finding | None, plain: str, strict: str
) -> None:
    found = [finding] if finding else []
    status = engine._status
    assert status(found, due=True, broken=False, strict=False).value == plain
    assert status(found, due=True, broken=False, strict=True).value == strict
    assert status(found, due=True, broken=True, strict=True).value == "error"
    early = "failed" if plain == "failed" else "pending"
    assert status(found, due=False, broken=False, strict=False).value == early


def test_what_was_learned_fails_nothing_under_strict_and_other_warnings_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = next(r.id for r in RULES.values() if r.criterion == "learned")
    strict = engine.Request(strict=True)
    said = Breach(Place("."), "said", level=WARNING)
    _with(monkeypatch, learned, said, needs=())
    assert _judge(tmp_path / "a", strict).verdict.value == "passed"
    _with(monkeypatch, "FIL014", said)
    assert _judge(tmp_path / "b", strict).verdict.value == "failed"
    assert _judge(tmp_path / "c").verdict.value == "passed"


@pytest.mark.parametrize(
    ("now", "state"),
    [
        ("2026-03-14T02:13:59Z", "in progress · phase 1 of 4 · declared just now"),
        ("2026-03-14T02:14:00Z", "in progress · phase 1 of 4 · declared 1 min ago"),
        ("2026-03-14T03:14:59Z", "in progress · phase 2 of 4 · declared 1 h 1 min ago"),
    ],
)
def test_an_open_record_says_how_long_ago_it_was_declared(
    now: str, state: str, tmp_path: Path
) -> None:
    data: dict[str, Any] = {"base": "in-progress-1"}
    if "phase 1" in state:
        name = "severity-assessment.json"
        data |= {"set": {name: {"/classifications": []}}}
    assert _judge(tmp_path, now=now, **data).state == state


def test_a_record_that_is_not_declared_says_only_its_phase(tmp_path: Path) -> None:
    data = {"base": "in-progress-1", "unset": {"severity-assessment.json": ["/declared_at"]}}
    report = _judge(tmp_path, now="2026-03-14T02:20:00Z", **data)
    assert report.state == "in progress · phase 2 of 4"


def test_rules_about_changes_ask_nothing_of_git() -> None:
    assert not any(rule.history for rule in CHANGES.values())
