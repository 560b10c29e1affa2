"""Which entry of waivers.yaml excuses which finding, and what is said of one that does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import casework
import pytest

from incident_gates import excuses, protocol
from incident_gates.model import Breach, Place
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from incident_gates.model import Finding, IncidentReport

PEOPLE = {
    "people": [{"name": name} for name in ("Morgan", "Dana", "Alex", "Jordan", "Sam", "Lee", "Kim")]
}
ALEX = {"name": "Alex", "role": "incident_commander"}
JORDAN = {"name": "Jordan", "role": "release_manager"}
BOTH = {"approved_by": [ALEX, JORDAN]}
# A planned check has no result: one finding of gate 3, which the commander may waive.
NOT_RUN = {"unset": {"recovery-validation.json": ["/checks/11"]}}
# Never exercised: a warning of gate 2, for which it takes the release manager as well.
NOT_EXERCISED = {"unset": {"rollback-readiness-checklist.json": ["/last_exercised_at"]}}
# Approved nine minutes after the rollback: what two strangers may accept.
LATE = {
    "set": {"decision-log.json": {"/decisions/0/approvals/1/approved_at": "2026-03-14T02:34:00Z"}}
}


def _waiver(_rule: str, **changes: Any) -> dict[str, Any]:
    entry = {
        "kind": "waiver",
        "rule": _rule,
        "incident": "INC-2026-0042",
        "reason": "The refund provider has an outage of its own.",
        "requested_by": {"name": "Lee", "role": "subject_matter_expert"},
        "approved_by": [ALEX],
        "approved_at": "2026-03-14T02:50:00Z",
        "expires_at": "2026-04-14T00:00:00Z",
        "compensating_control": "Refunds are watched by hand every hour.",
    }
    return {key: value for key, value in {**entry, **changes}.items() if value is not None}


def _deviation(_rule: str, **changes: Any) -> dict[str, Any]:
    entry = {
        "kind": "deviation",
        "rule": _rule,
        "incident": "INC-2026-0042",
        "what_happened": "The rollback started nine minutes before it was approved.",
        "why": "The release manager could not be reached.",
        "corrective_action": "A deputy is on call from April on.",
        "requested_by": {"name": "Lee", "role": "subject_matter_expert"},
        "accepted_by": [{"name": "Morgan", "role": "sre_lead"}, {"name": "Dana"}],
        "accepted_at": "2026-03-15T09:00:00Z",
    }
    return {key: value for key, value in {**entry, **changes}.items() if value is not None}


def _judge(tmp_path: Path, entry: dict[str, Any], **data: Any) -> IncidentReport:
    top = {"schema_version": "1.0", "incident_id": "INC-2026-0042", "entries": [entry]}
    data.setdefault("write", {})["waivers.yaml"] = json.dumps(top)
    data.setdefault("policy", PEOPLE)
    return casework.judge(casework.Case(Path("no-such-case"), data), tmp_path)


def _found(report: IncidentReport, rule: str) -> list[Finding]:
    return [finding for finding in report.all_findings if finding.rule == rule]


def _said(report: IncidentReport) -> list[tuple[str, str]]:
    """What is said of the entries."""
    return [(f.rule, f.message) for f in report.all_findings if f.rule.startswith("EXC")]


# --- what an entry may excuse --------------------------------------------------------------------


def test_what_each_rule_takes_follows_from_its_gate_and_criterion() -> None:
    """A file can be repaired; severity, order and resolution cannot be waived; facts deviate."""
    repaired = {"readable", "excused"}
    for rule in RULES.values():
        takes = excuses.allowed(rule, protocol.load())
        if rule.id == "FIL001":
            assert takes == "waiver"
        elif rule.criterion in repaired:
            assert takes == "none", rule.id
        elif rule.gate in ("severity", "resolution") or rule.criterion in (
            "order",
            "consistent",
            "custody",
        ):
            assert takes == "deviation", rule.id
        else:
            assert takes == "waiver or deviation", rule.id


@pytest.mark.parametrize(
    ("rule", "kind", "why"),
    [
        ("FIL001", "deviation", "what is missing can be supplied"),
        ("FIL003", "waiver", "a file can always be repaired"),
        ("FIL003", "deviation", "a file can always be repaired"),
        ("MIT004", "waiver", "the causal order cannot be waived"),
        ("FIL012", "waiver", "files that disagree cannot be waived"),
        ("CUS001", "waiver", "an amendment says what changed after sealing"),
        ("SEV004", "waiver", "gate 1 cannot be waived"),
        ("RES001", "waiver", "gate 4 cannot be waived"),
        ("SEV004", "deviation", ""),
        ("REC010", "waiver", ""),
    ],
)
def test_why_an_entry_is_refused(rule: str, kind: str, why: str) -> None:
    assert excuses.refuses(RULES[rule], kind, protocol.load()) == why


# --- a waiver ------------------------------------------------------------------------------------


def test_a_waiver_excuses_what_it_names(tmp_path: Path) -> None:
    entry = _waiver("REC010", subject="checkout-refund")
    report = _judge(tmp_path, entry, **NOT_RUN)
    (finding,) = _found(report, "REC010")
    assert finding.excuse is not None
    assert (finding.excuse.kind, finding.excuse.by) == ("waiver", ("Alex",))
    assert finding.excuse.reason == "The refund provider has an outage of its own."
    assert finding.excuse.expires == "2026-04-14T00:00:00Z"
    assert finding.excuse.location.file.endswith("waivers.yaml")
    assert _said(report) == []
    assert [f.excuse for f in report.all_findings if f.rule != "REC010"] == [
        None for f in report.all_findings if f.rule != "REC010"
    ]


@pytest.mark.parametrize(
    "name",
    ["reason", "requested_by", "approved_by", "approved_at", "expires_at", "compensating_control"],
)
def test_a_waiver_that_lacks_something_excuses_nothing(name: str, tmp_path: Path) -> None:
    report = _judge(tmp_path, _waiver("REC010", **{name: None}), **NOT_RUN)
    assert ("EXC002", f"it lacks {name}") in [(r, m.split(": ")[-1]) for r, m in _said(report)]
    assert _found(report, "REC010")[0].excuse is None


@pytest.mark.parametrize("reason", ["none", "N/A", "-", "TBD", "because"])
def test_a_reason_that_gives_none_is_none(reason: str, tmp_path: Path) -> None:
    report = _judge(tmp_path, _waiver("REC010", reason=reason), **NOT_RUN)
    assert any(message.endswith("it lacks reason") for _, message in _said(report))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rule": "ABC001"}, "ABC001 is no rule"),
        ({"incident": "INC-2026-0043"}, "it is about incident INC-2026-0043"),
        (
            {"approved_at": "2026-03-20T00:00:01Z"},
            "it is granted at 2026-03-20 00:00:01 UTC, which is later than now",
        ),
        ({"requested_by": ALEX}, "Alex requested it, and granted it as well"),
        ({"requested_by": {"name": "@alex"}}, "@alex requested it, and granted it as well"),
        (
            {"approved_by": [JORDAN]},
            "it lacks the approval of the incident_commander",
        ),
        ({"expires_at": "2026-03-16T10:00:00Z"}, "it ran out at 2026-03-16 10:00 UTC"),
        ({"subject": "checkout"}, "REC010 finds nothing about checkout, but about checkout-refund"),
    ],
)
def test_what_is_said_of_an_entry_that_excuses_nothing(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    report = _judge(tmp_path, _waiver("REC010", **changes), **NOT_RUN)
    assert [m for _, m in _said(report) if said in m]
    assert _found(report, "REC010")[0].excuse is None


def test_a_waiver_holds_in_the_second_in_which_it_is_judged(tmp_path: Path) -> None:
    """The record was closed at 10:00:00, which ends at 10:00:01; granted now is not later."""
    entry = _waiver("REC010", expires_at="2026-03-16T10:00:01Z")
    assert _said(_judge(tmp_path / "a", entry, **NOT_RUN)) == []
    entry = _waiver("REC010", approved_at="2026-03-20T00:00:00Z")
    assert _said(_judge(tmp_path / "b", entry, **NOT_RUN)) == []


def test_a_waiver_that_finds_nothing_is_said_to_be_left_over(tmp_path: Path) -> None:
    said = _said(_judge(tmp_path, _waiver("REC010")))
    assert [rule for rule, _ in said] == ["EXC004"]
    assert said[0][1].endswith("REC010 finds nothing that it could excuse")


def test_a_rule_that_could_not_look_leaves_no_waiver_over(tmp_path: Path) -> None:
    """Without its file, or where another gate alone was asked, it does not know."""
    entry = _waiver("REC010")
    assert "EXC004" not in dict(_said(_judge(tmp_path / "a", entry, gates=["severity"])))
    gone = _judge(tmp_path / "b", entry, delete=["recovery-validation.json"])
    assert "EXC004" not in dict(_said(gone))
    of_the_record = _waiver("FIL014")
    assert "EXC004" not in dict(_said(_judge(tmp_path / "c", of_the_record, gates=["severity"])))
    assert "EXC004" in dict(_said(_judge(tmp_path / "d", of_the_record)))


def test_of_a_gate_that_was_not_asked_nothing_is_said_of_its_excuses(tmp_path: Path) -> None:
    entry = _waiver("FIL001", expires_at="2026-03-15T00:00:00Z")
    data = {"delete": ["mitigation-plan.md"]}
    assert "EXC003" in dict(_said(_judge(tmp_path / "a", {**entry, **BOTH}, **data)))
    alone = _judge(tmp_path / "b", {**entry, **BOTH}, gates=["recovery"], **data)
    assert _said(alone) == []


def test_one_entry_for_several_findings_must_name_one(tmp_path: Path) -> None:
    gone = {"unset": {"recovery-validation.json": [f"/checks/{n}" for n in range(11, 5, -1)]}}
    report = _judge(tmp_path / "a", _waiver("REC010"), **gone)
    names = sorted(finding.subject for finding in _found(report, "REC010"))
    assert len(names) == 6
    ((rule, message),) = _said(report)
    assert (rule, message.split(": ", 1)[-1]) == (
        "EXC005",
        f"REC010 finds several: say subject: {' | '.join(names)}",
    )
    report = _judge(tmp_path / "c", _waiver("REC010", subject="checkout"), **gone)
    ((_, message),) = _said(report)
    assert message.endswith(f"nothing about checkout, but about {' | '.join(names)}")
    report = _judge(tmp_path / "b", _waiver("REC010", subject=names[1]), **gone)
    assert {f.subject for f in _found(report, "REC010") if f.excuse} == {names[1]}


# --- who grants ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ([ALEX, JORDAN], ""),
        ([ALEX], "it lacks the approval of the release_manager"),
        ([], "it lacks approved_by"),
        (
            [{**ALEX, "role": "operator"}],
            "it lacks the approval of the incident_commander and the release_manager",
        ),
        (
            [ALEX, {**ALEX, "role": "release_manager"}],
            "it lacks the approval of the release_manager",
        ),
    ],
)
def test_gate_2_takes_commander_and_release_manager(
    by: list[dict[str, str]], said: str, tmp_path: Path
) -> None:
    report = _judge(tmp_path, _waiver("MIT014", approved_by=by), **NOT_EXERCISED)
    assert [m.split(": ")[-1] for r, m in _said(report) if r == "EXC002"] == (
        [said] if said else []
    )
    assert bool(_found(report, "MIT014")[0].excuse) is not bool(said)


def test_one_person_who_holds_both_roles_is_still_one(tmp_path: Path) -> None:
    roles = ["release_manager", "incident_commander"]
    both = {"people": [{"name": "Alex", "roles": roles}, {"name": "Jordan", "roles": roles[:1]}]}
    by = [ALEX, {**ALEX, "role": "release_manager"}]
    report = _judge(tmp_path, _waiver("MIT014", approved_by=by), policy=both, **NOT_EXERCISED)
    said = "one person cannot be incident_commander and release_manager at once"
    assert [m for _, m in _said(report) if m.endswith(said)]


def test_what_belongs_to_no_gate_takes_the_commander(tmp_path: Path) -> None:
    open_for_days = {
        "now": "2026-03-25T00:00:00Z",
        "set": {"resolution-summary.json": {"/status": "monitoring"}},
        "unset": {"resolution-summary.json": ["/closed_at", "/resolved_at"]},
    }
    for by, excused in (([ALEX], True), ([JORDAN], False)):
        entry = _waiver("FIL014", approved_by=by)
        report = _judge(tmp_path / str(excused), entry, **open_for_days)
        found = _found(report, "FIL014")
        assert [bool(finding.excuse) for finding in found] == [excused]


def _role_missing(tmp_path: Path, at: str, **data: Any) -> list[str]:
    """What is said of a waiver of the release manager's approval of D-2, granted at a moment."""
    entry = _waiver("MIT016", subject="D-2/release_manager", approved_by=[ALEX, JORDAN])
    entry["approved_at"] = f"2026-03-14T{at}Z"
    gone = {"decision-log.json": ["/decisions/1/approvals/1"]}
    report = _judge(tmp_path, entry, base="failed-rollback", unset=gone, **data)
    assert _found(report, "MIT016")
    return [m.split(": ", 1)[-1] for r, m in _said(report) if r == "EXC002"]


TOO_LATE = "it was granted after the execution: what ran unapproved takes a deviation"


@pytest.mark.parametrize(("at", "said"), [("02:33:59", []), ("02:34:01", [TOO_LATE])])
def test_an_approval_is_waived_before_what_it_is_for_runs(
    at: str, said: list[str], tmp_path: Path
) -> None:
    """E-1 ran at 02:25 upon D-1, E-2 at 02:34 upon D-2."""
    assert _role_missing(tmp_path, at) == said


def test_of_two_executions_of_a_decision_the_first_counts(tmp_path: Path) -> None:
    twice = {"mitigation-execution-report.json": {"/executions/0/decision": "D-2"}}
    assert _role_missing(tmp_path / "a", "02:24:59", set=twice) == []
    assert _role_missing(tmp_path / "b", "02:25:01", set=twice) == [TOO_LATE]


@pytest.mark.parametrize(
    ("severity", "said"), [("SEV-1", ["Sam ran E-1, and granted it"]), ("SEV-3", [])]
)
def test_only_at_the_mildest_severity_an_operator_may_grant(
    severity: str, said: list[str], tmp_path: Path
) -> None:
    given = {f"/classifications/0/assessors/{n}/severity": severity for n in range(3)}
    classified = {"severity-assessment.json": {"/classifications/0/severity": severity, **given}}
    sam = {"name": "Sam", "role": "incident_commander"}
    people = [{"name": "Sam", "roles": [sam["role"]]}, {"name": "Jordan"}]
    report = _judge(
        tmp_path,
        _waiver("MIT014", approved_by=[sam, JORDAN]),
        policy={"people": people},
        set=classified,
        **NOT_EXERCISED,
    )
    assert [m.split(": ", 1)[-1] for r, m in _said(report) if r == "EXC002"] == said


def test_of_two_operators_who_granted_the_first_to_run_is_named(tmp_path: Path) -> None:
    by = [{"name": "Kim", "role": "release_manager"}, {"name": "Sam", "role": ALEX["role"]}]
    people = [{"name": person["name"], "roles": [person["role"]]} for person in by]
    second = {"id": "E-2", "operator": {"name": "Kim"}, "started_at": "2026-03-14T02:26:00Z"}
    report = _judge(
        tmp_path,
        _waiver("MIT014", approved_by=by),
        policy={"people": people},
        set={"mitigation-execution-report.json": {"/executions/-": second}},
        **NOT_EXERCISED,
    )
    said = [m.split(": ", 1)[-1] for r, m in _said(report) if r == "EXC002"]
    assert said == ["Sam ran E-1, and granted it"]


# --- a deviation ---------------------------------------------------------------------------------


def test_a_deviation_excuses_a_past_fact_for_good(tmp_path: Path) -> None:
    report = _judge(
        tmp_path, _deviation("MIT004", subject="E-1"), now="2036-03-20T00:00:00Z", **LATE
    )
    (finding,) = _found(report, "MIT004")
    assert finding.excuse is not None
    assert (finding.excuse.kind, finding.excuse.expires) == ("deviation", None)
    assert finding.excuse.by == ("Morgan", "Dana")
    assert finding.excuse.reason == "The release manager could not be reached."
    assert _said(report) == []


@pytest.mark.parametrize(
    "name",
    ["what_happened", "why", "corrective_action", "requested_by", "accepted_by", "accepted_at"],
)
def test_a_deviation_that_lacks_something_excuses_nothing(name: str, tmp_path: Path) -> None:
    report = _judge(tmp_path, _deviation("MIT004", **{name: None}), **LATE)
    assert [m for r, m in _said(report) if r == "EXC002" and m.endswith(f"it lacks {name}")]
    assert _found(report, "MIT004")[0].excuse is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"why": "because"}, "it lacks why"),
        (
            {"accepted_at": "2026-03-20T00:00:01Z"},
            "it is granted at 2026-03-20 00:00:01 UTC, which is later than now",
        ),
    ],
)
def test_a_deviation_has_a_reason_and_was_accepted_by_now(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    report = _judge(tmp_path, _deviation("MIT004", **changes), **LATE)
    assert [m for r, m in _said(report) if r == "EXC002" and m.endswith(said)]
    assert _found(report, "MIT004")[0].excuse is None


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["Morgan", "Dana"], ""),
        (["Morgan", "Dana", "Sam"], ""),
        (["Morgan"], "it takes two people who are not concerned in it"),
        (["Morgan", "@morgan"], "it takes two people who are not concerned in it"),
        (
            ["Morgan", "Sam", "Jordan"],
            "it takes two people who are not concerned in it (jordan and sam acted in it)",
        ),
        (
            ["Yves", "Morgan", "Xenia", "Vera", "Udo", "Willem"],
            "the policy does not know udo and vera and willem and xenia and yves",
        ),
    ],
)
def test_two_whom_the_policy_knows_and_who_did_not_act_accept_it(
    names: list[str], said: str, tmp_path: Path
) -> None:
    by = [{"name": name, "role": "sre_lead"} for name in names]
    report = _judge(tmp_path, _deviation("MIT004", accepted_by=by), **LATE)
    assert [m.split(": ", 1)[-1] for _, m in _said(report)] == ([said] if said else [])
    assert bool(_found(report, "MIT004")[0].excuse) is not bool(said)


def test_somebody_without_a_name_is_nobody(tmp_path: Path) -> None:
    by = [{"name": "Morgan", "role": "sre_lead"}, {"name": "TBD", "role": "sre_lead"}]
    report = _judge(tmp_path, _deviation("MIT004", accepted_by=by), policy={}, **LATE)
    said = "it takes two people who are not concerned in it"
    assert [m for r, m in _said(report) if r == "EXC002" and m.endswith(said)]


def test_who_is_concerned_in_one_of_two_findings_accepts_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place("communication-log.md", line=12)
    one = Breach(place, "one", subject="X", concerned=("Kim",))
    other = Breach(place, "other", subject="X", concerned=("Morgan",))
    emptied = RULES["SEV011"]._replace(check=lambda *_: iter((one, other)))
    monkeypatch.setitem(RULES, "SEV011", emptied)
    report = _judge(tmp_path, _deviation("SEV011", subject="X"))
    assert [finding.excuse for finding in _found(report, "SEV011")] == [None, None]
    assert [m for _, m in _said(report) if m.endswith("(morgan acted in it)")]
