"""One line, one entry: at its place, in the manner of the file, and never at another's cost."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from test_desk import ID, Desk, change_option, execute, lack_approval, lack_credentials, starting

from incident_gates import protocol, schema
from incident_gates.desk import found as finding
from incident_gates.desk import json_text, templates
from incident_gates.desk.commands.job import job_of
from incident_gates.evidence import times

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from incident_gates.chain import Chain

NOTICE = ("--channel", "#incident", "--message", "SEV-1 declared")
GROUNDS = ("--why", "Checkout fails", "--slo", "p99=2 s", "--impact", "slow", "--service", "api")
posix = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    return Desk(tmp_path, getattr(request, "param", "in-progress-2"))


def record(desk: Desk, *arguments: str) -> Result:
    return desk.run("record", *arguments)


def refused(desk: Desk, *arguments: str) -> str:
    """The one sentence of a refusal that changed nothing."""
    before = state(desk)
    said = record(desk, *arguments)
    assert said.exit_code in (2, 3), said.output
    assert said.stdout == ""
    assert said.stderr.count("\n") == 1
    assert state(desk) == before
    return said.stderr


def state(desk: Desk) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in desk.folder.iterdir() if p.is_file()}


def chain() -> Chain:
    return finding.one(job_of(incident=ID)).chain


def text(desk: Desk, name: str) -> str:
    return (desk.folder / name).read_text("utf-8")


# --- notice and event ----------------------------------------------------------------------------


def test_a_notice_is_a_row_where_rows_are(desk: Desk) -> None:
    before = text(desk, "communication-log.md")
    said = record(desk, "notice", "--audience", "sre_on_call, Support Lead", *NOTICE)
    assert said.exit_code == 0, said.output
    after = text(desk, "communication-log.md")
    assert after.startswith(before.rstrip("\n"))
    last = chain().notices[-1]
    assert last.audiences == {"sre_on_call", "support_lead"}
    assert (last.channel, last.message, last.sender) == ("#incident", "SEV-1 declared", "Sam")


def test_a_notice_of_earlier_stands_in_the_order_of_time(desk: Desk) -> None:
    at = ("--at", "2026-03-14T02:14:30Z", "--source", "chat export")
    assert record(desk, "notice", "--audience", "customers", *NOTICE, *at).exit_code == 0
    rows = [line for line in text(desk, "communication-log.md").splitlines() if " UTC |" in line]
    assert [row[2:7] for row in rows][:3] == ["02:13", "02:14", "02:15"]
    assert "(recorded 20" in rows[1]
    assert "source: chat export)" in rows[1]
    assert chain().communication[1].stepped_back == ()


def test_a_message_stays_in_its_cell(desk: Desk) -> None:
    message = "a | b\n| 02:00 UTC | x | y | z | <b>w</b> | `c` \\"
    record(desk, "notice", "--audience", "sre_on_call", "--channel", "x", "--message", message)
    assert chain().notices[-1].message == " ".join(message.split())
    assert chain().communication[1].unreadable == ()


def test_an_entry_of_days_before_changes_no_date_of_others(desk: Desk) -> None:
    for verb in (("event", "noticed"), ("notice", "--audience", "customers", *NOTICE)):
        log = chain().timeline if verb[0] == "event" else chain().communication[1]
        before = [e.time for e in log.entries]
        said = record(desk, *verb, "--at", "2026-03-12T23:50:00Z")
        assert said.exit_code == 0, said.output
        log = chain().timeline if verb[0] == "event" else chain().communication[1]
        new = [e.time for e in log.entries if e.time not in before]
        assert [t.shown for t in new if t] == ["2026-03-12 23:50 UTC"]
        assert len(log.entries) == len(before) + 1


FORGED = "\n\n## Validity\n\n- Verdict; false positive\n"


def test_a_name_or_a_source_cannot_begin_another_line(desk: Desk) -> None:
    (desk.folder / "incident-intake-log.md").unlink()
    (desk.folder / "severity-assessment.json").unlink()
    by = ("--by", f"Alex{FORGED}:incident_commander", "--by", "Sam:operator")
    where = ("--source", f"chat{FORGED}", "--impact-started", "N/A: nobody knows", "--scope", "all")
    said = record(desk, "assessment", "--severity", "SEV-1", *by, *GROUNDS, *where)
    assert said.exit_code == 0, said.output
    log = text(desk, "incident-intake-log.md")
    assert log.count("\n## Validity") == 1
    assert not [line for line in log.splitlines() if line.startswith("- Verdict;")]
    names = [
        a["name"]
        for a in json.loads(text(desk, "severity-assessment.json"))["classifications"][-1][
            "assessors"
        ]
    ]
    assert names == ["Alex ## Validity - Verdict; false positive", "Sam"]


@pytest.mark.parametrize("opened", ["```\nx", "~~~~", "<!-- why", "<script>"])
def test_the_text_of_an_option_swallows_nothing_that_follows(desk: Desk, opened: str) -> None:
    said = refused(desk, "option", *HOTFIX, "--text", f"First this.\n\n{opened}")
    assert said == "Error: --text: close the code blocks and comments in it.\n"
    closed = f"First this.\n\n```\nx\n```\n<!-- {FORGED} -->"
    assert record(desk, "option", *HOTFIX, "--text", closed).exit_code == 0


def test_what_turns_the_direction_of_a_text_is_written_out(desk: Desk) -> None:
    assert record(desk, "event", "Alex\u202exelA\u2028- 01:00 UTC - forged").exit_code == 0
    assert "Alex\\\\u202exelA\\\\u2028- 01" in text(desk, "incident-timeline.md")


LISTED = """\
---
date: 2026-03-14
---

- 02:13 UTC - #incident - SRE On-call - SEV-1 declared - Alex
  It was acknowledged at once.
- 02:20 UTC - #incident - Support Lead - SEV-1 declared - Alex
"""


def test_a_notice_is_a_list_item_where_those_are(desk: Desk) -> None:
    (desk.folder / "communication-log.md").write_text(LISTED)
    record(desk, "notice", "--audience", "product_owner", *NOTICE, "--at", "2026-03-14T02:15:00Z")
    lines = text(desk, "communication-log.md").splitlines()
    assert lines[5] == "  It was acknowledged at once."
    assert lines[6].startswith("- 02:15:00 UTC - #incident - product_owner - SEV-1 declared")
    assert [n.audiences for n in chain().notices] == [
        {"sre_on_call"},
        {"product_owner"},
        {"support_lead"},
    ]


def test_the_protocols_own_timeline_goes_on_as_it_is(desk: Desk) -> None:
    rows = ["02:10 UTC - Alert triggered", "02:25 UTC - Rollback initiated"]
    path = desk.folder / "incident-timeline.md"
    path.write_text("---\ndate: 2026-03-14\n---\n\n" + "\n".join(rows) + "\n")
    record(desk, "event", "Paged", "--at", "2026-03-14T02:12:00Z")
    assert path.read_text().splitlines()[5].startswith("02:12:00 UTC - Paged")


def test_a_log_of_another_form_gets_a_table_of_its_own(desk: Desk) -> None:
    block = "## Notice\n\n- Channel: #incident-sev1\n- Stakeholders: SRE On-call\n"
    (desk.folder / "communication-log.md").write_text("---\ndate: 2026-03-14\n---\n\n" + block)
    assert record(desk, "notice", "--audience", "support_lead", *NOTICE).exit_code == 0
    assert block in text(desk, "communication-log.md")
    assert [n.audiences for n in chain().notices] == [{"sre_on_call"}, {"support_lead"}]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_event_keeps_the_lines_as_they_are(desk: Desk, newline: str) -> None:
    lines = ["---", "date: 2026-03-14", "---", "", "- 02:10 UTC - Alert", "- 02:25 UTC - Rollback"]
    path = desk.folder / "incident-timeline.md"
    path.write_bytes((newline.join(lines) + newline).encode())
    assert record(desk, "event", "Paged", "--at", "2026-03-14T02:12:00Z").exit_code == 0
    new = path.read_bytes().decode().split(newline)
    assert [*new[:5], *new[6:-1]] == lines
    assert new[5].startswith("- 02:12:00 UTC - Paged")
    assert "\n" not in "".join(new)


def test_a_log_that_runs_backwards_goes_on_backwards(desk: Desk) -> None:
    rows = [f"- 02:{minute} UTC - event {minute}" for minute in (40, 30, 20)]
    path = desk.folder / "incident-timeline.md"
    path.write_text("---\ndate: 2026-03-14\n---\n\n" + "\n".join(rows) + "\n")
    record(desk, "event", "between", "--at", "2026-03-14T02:25:00Z")
    assert path.read_text().splitlines()[6].startswith("- 02:25:00 UTC - between")


def test_an_event_of_another_day_has_its_date(desk: Desk) -> None:
    record(desk, "event", "Alert", "--at", "2026-03-14T02:10:00Z")
    assert record(desk, "event", "Reviewed", "--at", "2026-03-16T09:00:00Z").exit_code == 0
    days = [e.time.day for e in chain().timeline.entries if e.time]
    assert days == [*["2026-03-14"] * (len(days) - 1), "2026-03-16"]


def test_a_signal_stands_in_the_intake_log_as_well(desk: Desk) -> None:
    at = ("--at", "2026-03-14T02:11:30Z")
    record(desk, "event", "Checkout is slow", "--signal", "Support desk", *at)
    entry = next(e for e in chain().intake[0].entries if "slow" in e.column("text"))
    assert entry.column("source") == "Support desk"


# --- assessment ----------------------------------------------------------------------------------


@starting(None)
def test_an_assessment_leaves_no_placeholder_in_what_it_fills(desk: Desk) -> None:
    desk.run("new", ID, "--commander", "Alex", "--release-manager", "Jordan")
    said = record(
        desk, "assessment", "--severity", "SEV-1", "--by", "Alex:incident_commander",
        "--by", "Sam:operator", *GROUNDS, "--scope", "all",
        "--impact-started", "N/A: the dashboard was down", "--no-regulated-data",
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    top = desk.read("severity-assessment.json")
    assert "TODO" not in json.dumps(top)
    assert schema.fits("severity-assessment", top)
    assert len(top["classifications"]) == 1
    assert top["impact_started_at"] == "N/A: the dashboard was down"
    assert desk.read("prerequisites.json")["regulated_data"] is False
    assert chain().in_force(None) is not None
    validity = chain().intake[1]
    assert validity is not None
    assert (validity.verdict, validity.by) == ("real incident", "Alex")


def test_more_people_agree_or_not_with_what_stands(desk: Desk) -> None:
    record(desk, "assessment", "--severity", "SEV-1", "--by", "Lee:subject_matter_expert")
    record(desk, "assessment", "--severity", "SEV-1", "--by", "Kim:product_owner:SEV-2")
    [entry] = desk.read("severity-assessment.json")["classifications"]
    last = [(a["name"], a["severity"]) for a in entry["assessors"][-2:]]
    assert last == [("Lee", "SEV-1"), ("Kim", "SEV-2")]
    assert chain().consensus[0].dissent[0].name == "Kim"


def test_another_severity_is_another_classification_with_grounds_of_its_own(desk: Desk) -> None:
    said = refused(desk, "assessment", "--severity", "SEV-2", "--by", "Alex:incident_commander")
    assert "add --why, --slo, --impact, --service, --scope" in said
    more = ("--by", "Alex:incident_commander", *GROUNDS, "--scope", "one region")
    assert record(desk, "assessment", "--severity", "SEV-2", *more).exit_code == 0
    assert [c["severity"] for c in desk.read("severity-assessment.json")["classifications"]] == [
        "SEV-1",
        "SEV-2",
    ]


@starting(None)
def test_a_false_positive_ends_the_record(desk: Desk) -> None:
    desk.run("new", ID)
    record(desk, "event", "Disk 91 %", "--signal", "Alertmanager")
    why = ("--by", "Alex:incident_commander", "--why", "A backup ran, as every night")
    assert record(desk, "assessment", "--false-positive", *why).exit_code == 0
    assert chain().false_positive


# --- plan, readiness, decision -------------------------------------------------------------------

HOTFIX = (
    "--title", "Disable the cache", "--strategy", "feature_flag", "--risks", "load",
    "--dependencies", "flags", "--expected", "5 min",
)  # fmt: skip


def test_an_option_changes_no_other_option(desk: Desk) -> None:
    before = {o.id: o.sha256 for o in chain().options}
    said = record(desk, "option", *HOTFIX, "--text", "# No heading\n\nof ours\n---")
    assert said.exit_code == 0, said.output
    options = {o.id: o for o in chain().options}
    assert {key: options[key].sha256 for key in before} == before
    assert options["O-3"].title == "Disable the cache"
    assert chain().planned[0].id == "O-1", "what was decided stays what is planned"


def test_a_plan_that_would_read_differently_is_left_alone(desk: Desk) -> None:
    plan = desk.folder / "mitigation-plan.md"
    whole = plan.read_text("utf-8").partition("## Proposal")[0]
    plan.write_text(f"{whole}```sh\n./never_closed.sh\n", "utf-8")
    said = refused(desk, "option", *HOTFIX, "--why", "quick")
    assert "without touching what stands there" in said


def test_an_option_can_be_proposed_instead(desk: Desk) -> None:
    record(desk, "option", *HOTFIX, "--propose", "--why", "The rollback is blocked")
    plan = text(desk, "mitigation-plan.md")
    assert "- Option: O-3\n- Why: The rollback is blocked\n" in plan
    assert "- Option: O-1" not in plan


@starting(None)
def test_the_first_option_takes_the_place_of_the_templates(desk: Desk) -> None:
    desk.run("new", ID)
    record(desk, "option", *HOTFIX, "--why", "It is quick")
    assert "TODO" not in text(desk, "mitigation-plan.md")
    assert [o.id for o in chain().options] == ["O-1"]


def test_several_items_are_verified_in_one_go(desk: Desk) -> None:
    def reset(top: Any) -> None:
        for item in top["items"]:
            item.update(status="pending")

    desk.change("rollback-readiness-checklist.json", reset)
    by = ("--by", "Lee:subject_matter_expert", "--evidence", "job 8812")
    assert record(desk, "readiness", "--item", "backup,schema", *by).exit_code == 0
    said = refused(desk, "readiness", "--item", "backup", *by)
    assert "what is verified is not replaced" in said
    assert record(desk, "readiness", "--all", *by).exit_code == 0
    items = desk.read("rollback-readiness-checklist.json")["items"]
    assert {i["status"] for i in items} == {"verified"}
    assert {i["verified_by"]["name"] for i in items} == {"Lee"}


def test_an_item_that_does_not_hold_is_said_to_be_unmet(desk: Desk) -> None:
    why = ("--by", "Lee", "--unmet", "the snapshot is broken")
    assert record(desk, "readiness", "--item", "backup", *why).exit_code == 0
    item = desk.read("rollback-readiness-checklist.json")["items"][2]
    assert (item["status"], item["reason"]) == ("unmet", "the snapshot is broken")
    assert "evidence" not in item


def test_a_decision_carries_its_approvals(desk: Desk) -> None:
    word = ("--approve", "Alex:incident_commander", "--approve", "Jordan:release_manager")
    assert "D-1 stands" in refused(desk, "decision", "--option", "O-2", *word)
    said = record(desk, "decision", "--option", "O-2", "--supersedes", "D-1", *word)
    assert said.exit_code == 0, said.output
    first, second = chain().decisions
    assert second.supersedes == first.id
    assert {a.sha256 for a in second.approvals} == {chain().options[1].sha256}
    prompt = (
        protocol.load().data["phases"][1]["prompt"].format(action="Disable the price cache flag")
    )
    assert prompt in " ".join(said.stdout.split())


# --- recovery and resolution ---------------------------------------------------------------------


@starting("in-progress-3")
def test_a_check_goes_on_where_it_stands(desk: Desk) -> None:
    before = chain().checks
    name = before[0].id
    said = record(desk, "recovery-check", "--check", f"{name}=503", "--check", "extra=ok",
                  "--failed", "--service", "api", "--kind", "smoke")  # fmt: skip
    assert said.exit_code == 0, said.output
    after = {c.id: c for c in chain().checks}
    assert after[name].results[-1].node["evidence"].text == "503"
    assert len(after[name].results) == len(before[0].results) + 1
    assert after["extra"].kind == "smoke"


@starting("in-progress-4")
def test_who_was_told_in_the_second_of_the_resolution_was_told_after_it(desk: Desk) -> None:
    def at_the_same_second(top: Any) -> None:
        told = top["stakeholders_informed"]
        top["resolved_at"] = "2026-03-14T02:38:00Z"
        top["stakeholders_informed"] = [t for t in told if t["audience"] == "support_lead"]

    desk.change("resolution-summary.json", at_the_same_second)
    log = desk.folder / "communication-log.md"
    whole = log.read_text("utf-8")
    for before, waits in (("02:37:59 UTC", True), ("02:38:00 UTC", False)):
        log.write_text(whole.replace("02:38 UTC", before), "utf-8")
        said = json.loads(desk.run("status", "--json").stdout)["status"][0]["next"]
        told = "record notice" in said[0] and "--audience sre_on_call,product_owner" in said[0]
        assert told is waits, said
    record(desk, "resolution", "--status", "closed")
    informed = desk.read("resolution-summary.json")["stakeholders_informed"]
    assert {t["audience"]: t["informed_at"] for t in informed} == {
        "support_lead": "2026-03-14T02:39:00Z",
        "sre_on_call": "2026-03-14T02:38:00Z",
        "product_owner": "2026-03-14T02:38:00Z",
    }


@pytest.mark.parametrize(
    ("spoil", "follows"),
    [(None, False), (lack_credentials, False), (lack_approval, True), (change_option, True)],
)
def test_an_emergency_asks_for_approvals_only_where_one_is_missing(
    desk: Desk, spoil: Any, *, follows: bool
) -> None:
    if spoil:
        spoil(desk)
    done = execute(desk, "print('ran')", "--emergency", "Orders are charged twice")
    assert (done.exit_code, done.stdout) == (0, "ran\n")
    assert ("every approval must follow" in done.stderr) is follows
    assert ("EVEN SO" in done.stderr) is (spoil in (lack_credentials, change_option))


@starting("in-progress-4")
def test_what_is_resolved_does_not_become_unresolved(desk: Desk) -> None:
    assert "an incident of its own" in refused(desk, "resolution", "--status", "monitoring")


@starting("in-progress-4")
def test_nothing_is_closed_while_something_can_still_be_supplied(desk: Desk) -> None:
    report = desk.folder / "INCIDENT-REPORT.md"
    whole = report.read_text("utf-8")
    report.write_text(whole.replace("## Impact", "## Impact\n\nTODO\n\n## Else"), "utf-8")
    assert "Not closed: " in refused(desk, "resolution", "--status", "closed")
    report.write_text(whole, "utf-8")
    assert record(desk, "resolution", "--status", "closed").exit_code == 0
    assert chain().closed
    assert (desk.folder / "production-deployment-report.json").is_file()


@starting("in-progress-3")
def test_a_resolution_needs_its_recovery(desk: Desk) -> None:
    desk.change("recovery-validation.json", lambda top: top["checks"].clear())
    said = refused(desk, "resolution", "--status", "resolved", "--resolution", "x")
    assert "It has not recovered: 0% of critical checks passed, 95% are asked" in said


@starting("in-progress-3")
def test_several_breached_objectives_are_named_to_choose_from(desk: Desk) -> None:
    def breach(top: dict[str, Any]) -> None:
        top["classifications"][0]["slo_breaches"].append({"objective": "errors", "observed": "9 %"})

    desk.change("severity-assessment.json", breach)
    said = refused(desk, "resolution", "--status", "resolved", "--resolution", "x", "--slo", "1 ms")
    assert "--slo: write OBJECTIVE=OBSERVED for each of: API p99" in said
    assert "; errors" in said


# --- from the template on ------------------------------------------------------------------------

SEEN = ("--by", "Sam", "--evidence", "job 8812")


@starting(None)
def test_a_template_is_no_option_to_decide_for(desk: Desk) -> None:
    desk.run("new", ID)
    name = "mitigation-plan.md"
    (desk.folder / name).write_bytes(templates.filled(name, finding.one(job_of(incident=ID))))
    by = ("--service", "api", "--approve", "Alex:incident_commander")
    said = refused(desk, "decision", "--option", "O-1", *by)
    assert said.startswith("Error: O-1 is not written yet (title, strategy, target, risks")
    record(desk, "option", *HOTFIX, "--why", "quick")
    assert record(desk, "decision", *by).exit_code == 0


@starting(None)
def test_the_items_of_the_template_are_filled_where_they_stand(desk: Desk) -> None:
    desk.run("new", ID)
    assert record(desk, "readiness", "--item", "backup", *SEEN).exit_code == 0
    assert record(desk, "readiness", "--all", *SEEN).exit_code == 0
    items = desk.read("rollback-readiness-checklist.json")["items"]
    assert [i["id"] for i in items] == ["script", "backup", "dependency", "access"]
    assert {i["status"] for i in items} == {"verified"}
    assert "TODO" not in json.dumps(items)


@starting(None)
def test_an_item_of_ones_own_takes_the_place_of_the_templates_of_its_kind(desk: Desk) -> None:
    desk.run("new", ID)
    new = ("--item", "snapshot", "--category", "backup", "--description", "it restores")
    assert record(desk, "readiness", *new, *SEEN).exit_code == 0
    items = desk.read("rollback-readiness-checklist.json")["items"]
    assert [i["id"] for i in items] == ["script", "dependency", "access", "snapshot"]
    record(desk, "option", *HOTFIX, "--why", "quick")
    own = ("--item", "flag", "--category", "other", "--description", "it can be set")
    assert record(desk, "readiness", *own, *SEEN).exit_code == 0
    items = desk.read("rollback-readiness-checklist.json")["items"]
    assert [i["id"] for i in items] == ["snapshot", "flag"], "no rollback needs the others"


@starting(None)
def test_recovery_checks_are_planned_before_the_execution_alone(desk: Desk) -> None:
    desk.run("new", ID)
    for kind in ("smoke", "health", "user_journey"):
        plan = ("--plan", f"api-{kind}", "--service", "api", "--kind", kind)
        said = record(desk, "recovery-check", *plan, "--description", "it answers")
        assert said.exit_code == 0, said.output
    planned = desk.read("rollback-readiness-checklist.json")["recovery_checks"]
    assert [c["id"] for c in planned] == ["api-smoke", "api-health", "api-user_journey"]
    assert all(c["critical"] for c in planned)
    found = {f["rule"] for g in desk.verdict("--require", "all")["gates"] for f in g["findings"]}
    assert "MIT015" not in found
    more = ("--service", "api", "--kind", "smoke", "--description", "d")
    again = refused(desk, "recovery-check", "--plan", "api-smoke", *more)
    assert "is planned already" in again
    assert "results come after" in refused(desk, "recovery-check", "--plan", "x", "--passed", *more)


@starting("in-progress-3")
def test_nothing_is_planned_after_it_was_executed(desk: Desk) -> None:
    plan = ("--plan", "x", "--service", "api", "--kind", "smoke", "--description", "d")
    assert "It was executed already" in refused(desk, "recovery-check", *plan)


# --- who agrees, and since when ------------------------------------------------------------------


def test_the_same_person_says_the_same_once(desk: Desk) -> None:
    again = ("assessment", "--severity", "SEV-1", "--by", "Lee:subject_matter_expert")
    assert record(desk, *again).exit_code == 0
    assert "Lee said SEV-1 already" in refused(desk, *again)
    assert record(desk, *again[:4], "Lee:subject_matter_expert:SEV-2").exit_code == 0


@starting(None)
def test_a_commander_whom_nobody_named_is_pointed_out(desk: Desk) -> None:
    desk.run("new", ID)
    by = ("--by", "Alex:incident_commander", "--by", "Sam:operator", "--by", "Kim:product_owner")
    more = ("--scope", "all", "--impact-started", "N/A: the dashboard was down")
    said = record(desk, "assessment", "--severity", "SEV-1", *by, *GROUNDS, *more)
    told = " ".join(said.stdout.split())
    assert "names Alex as incident commander, so nothing is agreed" in told
    assert "gate 1 will fail (SEV008)" in told
    desk.run("new", ID, "--commander", "Alex", "--at", "2026-03-14T02:12:00Z")
    entry = desk.read("prerequisites.json")["approvals"][0]
    assert (entry["by"]["name"], entry["approved_at"]) == ("Alex", "2026-03-14T02:12:00Z")
    assert chain().consensus[-1].commander


@starting(None)
def test_what_is_known_of_data_is_added_alone_and_not_replaced(desk: Desk) -> None:
    desk.run("new", ID)
    assert "No severity stands yet" in refused(desk, "assessment", "--regulated-data")
    by = ("--by", "Alex:incident_commander", "--scope", "all", "--impact-started", "N/A: unknown")
    record(desk, "assessment", "--severity", "SEV-1", *by, *GROUNDS)
    said = record(desk, "assessment", "--no-regulated-data", "--customer-notification")
    assert said.exit_code == 0, said.output
    top = desk.read("prerequisites.json")
    assert (top["regulated_data"], top["customer_notification"]) == (False, True)
    assert "recorded already" in refused(desk, "assessment", "--regulated-data")
    assert "goes with --severity" in refused(
        desk, "assessment", "--why", "x", "--no-regulated-data"
    )


# --- written down later --------------------------------------------------------------------------


@starting(None)
def test_who_writes_of_the_past_is_asked_for_its_times(desk: Desk) -> None:
    desk.run("new", ID)
    signal = ("event", "p99 over 800 ms", "--signal", "Alertmanager")
    said = record(desk, *signal, "--at", "2026-03-14T02:10:00Z").stdout
    assert "incident-gates new INC-2026-0042 --commander NAME" in " ".join(said.split())
    by = ("--by", "Alex:incident_commander", *GROUNDS, "--scope", "all")
    at = ("--impact-started", "2026-03-14T02:08:00Z", "--at", "2026-03-14T02:14:00Z")
    desk.run("new", ID, "--commander", "Alex", "--at", "2026-03-14T02:12:00Z")
    said = record(desk, "assessment", "--severity", "SEV-3", *by, *at, "--source", "chat").stdout
    assert "--at TIME --source TEXT" in " ".join(said.split())
    said = record(desk, "notice", "--audience", "sre_on_call", *NOTICE).stdout
    assert "--at TIME" not in said, "the last thing was of now"


def test_what_was_decided_long_ago_is_still_run_and_not_only_written_down(desk: Desk) -> None:
    said = " ".join(desk.run("status").stdout.split())
    assert "--change-reference REF -- COMMAND" in said
    assert "--message TEXT --at TIME --source TEXT" in said


# --- what the record forbids ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["notice", "--audience", "suport_lead", *NOTICE], "did you mean support_lead?"),
        (["notice", "--audience", ",", *NOTICE], "say who was told"),
        (["notice", "--audience", "a", *NOTICE, "--at", "2999-01-01T00:00:00Z"], "later than now"),
        (["notice", "--audience", "a", "--channel", "x", "--message", "TODO"], "what there is to"),
        (["assessment", "--severity", "SVE-1", "--by", "A:operator"], "did you mean SEV-1?"),
        (["assessment", "--severity", "SEV-1", "--by", "Al"], "--by Al: in which role?"),
        (["assessment", "--severity", "SEV-1", "--by", "Al:"], "--by Al: in which role? Write Al:"),
        (["assessment", "--severity", "SEV-1", "--by", "A:incident_comander"], "did you mean inc"),
        (["assessment", "--severity", "SEV-1", "--by", "A:x", "--by", "@a:y"], "named twice"),
        (["option", *HOTFIX, "--id", "O-1"], "is taken already"),
        (["option", *HOTFIX, "--id", "O 1"], "write letters"),
        (["option", *HOTFIX[:6]], "--dependencies, --expected"),
        (["option", "--standing", "rollback"], "nothing under standing.options"),
        (
            ["readiness", "--item", "bakup", "--by", "Sam", "--evidence", "x"],
            "did you mean backup?",
        ),
        (["readiness", "--item", "backup", "--evidence", "x"], "say who verified it"),
        (["decision", "--option", "O-7"], "--option O-7: did you mean O-"),
        (["decision", "--id", "D-1", "--supersedes", "D-1"], "is taken already"),
        (["recovery-check", "--all", "--passed", "--evidence", "x"], "Nothing was executed yet"),
        (["resolution", "--status", "resolved"], "Nothing was executed yet"),
        (["resolution", "--status", "reslved"], "did you mean resolved?"),
        (["event", "x", "--incident", "INC-9"], "There is no incident"),
        (["event", "x", "--at", "yesterday"], "write 02:23 (UTC"),
        (
            ["event", "x", "--at", "25:99"],
            "--at 25:99: there is no such time of day; write 02:23 (UTC, the last 24 hours) or RFC",
        ),
    ],
)
def test_what_the_record_forbids_is_one_sentence(
    desk: Desk, arguments: list[str], sentence: str
) -> None:
    assert sentence in refused(desk, *arguments)


STANDING = """\
schema_version: "1.0"
standing:
  system_states:
    - {id: dashboards, state: monitoring_access, verified_by: {name: Sam, role: operator},
       verified_at: 2026-03-02T09:00:00Z, method: looked, expires_at: 2026-04-01T00:00:00Z}
  readiness:
    - {id: dry-run, category: script, description: its dry run is clean,
       verified_by: {name: Sam, role: operator}, verified_at: 2026-03-11T15:00:00Z,
       evidence: run 8790, expires_at: 2026-04-11T00:00:00Z}
  options:
    - {id: backend, title: "Back to {previous_release}", strategy: rollback, services: [api],
       action: "./rollback.sh {previous_release}", risks: none, dependencies: none,
       expected_duration: 10 min, readiness: [dry-run],
       verify: [{id: snapshot, category: backup, description: it restores}]}
"""
KNOWN = ("option", "--standing", "backend", "--why", "it is known")
SEEN = ("--by", "Lee", "--evidence", "run 8812")


def begun(desk: Desk) -> None:
    """A record whose policy knows an option, with nothing upstream and nothing planned."""
    (desk.site / ".incident-gates.yaml").write_text(STANDING)
    shutil.rmtree(desk.site / ".artifacts")
    desk.run("new", ID)
    assert not (desk.folder / "production-deployment-report.json").exists()


def test_the_release_that_an_option_cites_is_taken_from_what_is_typed(desk: Desk) -> None:
    begun(desk)
    said = refused(desk, *KNOWN)
    assert "cites {previous_release}" in said
    assert said.endswith("lacks: say it with --target.\n")
    done = record(desk, *KNOWN, "--target", "v1.2.3")
    assert done.exit_code == 0, done.output
    option = next(o for o in chain().options if o.title == "Back to v1.2.3")
    plan = text(desk, "mitigation-plan.md")
    assert "- Target: v1.2.3\n" in plan
    assert "- Action: ./rollback.sh v1.2.3\n" in plan
    assert option.strategy == "rollback"


def items(desk: Desk) -> dict[str, Any]:
    found = desk.read("rollback-readiness-checklist.json")["items"]
    return {item["id"]: item for item in found}


def test_a_standing_item_that_ran_out_is_one_to_verify_anew(desk: Desk) -> None:
    begun(desk)
    done = record(desk, *KNOWN, "--target", "v1.2.3")
    assert done.exit_code == 0, done.output
    assert items(desk)["dry-run"]["status"] == "pending"
    assert "standing" not in items(desk)["dry-run"]
    said = " ".join(done.output.split())
    assert "Note: the standing item dry-run ran out at 2026-04-11T00:00:00Z" in said
    assert record(desk, "readiness", "--item", "dry-run", *SEEN).exit_code == 0
    mine = items(desk)["dry-run"]
    assert (mine["status"], mine["verified_by"]["name"]) == ("verified", "Lee")
    # Cited once more, what was verified is left as it is.
    again = record(desk, *KNOWN, "--target", "v1.2.3", "--id", "O-9")
    assert again.exit_code == 0, again.output
    assert "ran out" not in again.output
    assert items(desk)["dry-run"] == mine


def test_a_standing_item_that_ran_out_can_be_verified_at_once(desk: Desk) -> None:
    begun(desk)
    verified = ("--verified", "dry-run", "--verified", "snapshot", *SEEN)
    done = record(desk, *KNOWN, "--target", "v1.2.3", *verified)
    assert done.exit_code == 0, done.output
    assert "ran out" not in done.output
    found = items(desk)
    for ident in ("dry-run", "snapshot"):
        assert (found[ident]["status"], found[ident]["evidence"]) == ("verified", "run 8812")
    # Named as one that stands, it is refused still.
    assert "ran out at 2026-04-11" in refused(desk, "readiness", "--standing", "dry-run")


def test_a_standing_state_that_ran_out_is_said(desk: Desk) -> None:
    begun(desk)
    said = desk.run("new", ID, "--commander", "Alex")
    assert said.exit_code == 0, said.output
    assert (
        "Note: monitoring_access is not cited: standing.system_states.dashboards stood until "
        "2026-04-01 00:00 UTC. Verify it anew."
    ) in " ".join(said.output.split())

    def verify(top: Any) -> None:
        for entry in top["system_states"]:
            entry.update(verified_by={"name": "Lee", "role": "operator"})

    desk.change("prerequisites.json", verify)
    assert "stood until" not in desk.run("new", ID, "--commander", "Kim").output


@starting("complete")
@pytest.mark.parametrize(
    "arguments",
    [
        ["notice", "--audience", "sre_on_call", *NOTICE],
        ["assessment", "--severity", "SEV-1", "--by", "Kim:operator"],
        ["event", "x"],
        ["approval", "--role", "release_manager"],
        ["resolution", "--status", "closed"],
    ],
)
def test_a_closed_record_takes_amendments_alone(desk: Desk, arguments: list[str]) -> None:
    assert "incident-gates new amendment" in refused(desk, *arguments)


# --- times ---------------------------------------------------------------------------------------


def test_a_bare_clock_is_the_last_one_and_exact_to_the_minute(desk: Desk) -> None:
    record(desk, "assessment", "--severity", "SEV-1", "--by", "Lee:operator", "--at", "02:23")
    entry = desk.read("severity-assessment.json")["classifications"][0]["assessors"][-1]
    assert entry["assessed_at"]["precision"] == "minute"
    assert entry["assessed_at"]["at"].endswith("T02:23:00Z")
    said, now = times.parse(entry["assessed_at"]["at"]), finding.moment()
    assert said is not None
    assert 0 <= (now - said.earliest).total_seconds() < 24 * 3600
    assert entry["recorded_at"] == finding.shown(now)[:17] + entry["recorded_at"][17:]


def test_a_clock_that_was_set_back_loses_no_entry(desk: Desk) -> None:
    def later(top: Any) -> None:
        top["classifications"][0]["assessors"][0]["assessed_at"] = "2999-01-01T00:00:00Z"

    desk.change("severity-assessment.json", later)
    said = record(desk, "assessment", "--severity", "SEV-1", "--by", "Lee:operator")
    assert said.exit_code == 0, said.output
    assert "later than this clock says" in " ".join(said.stdout.split())
    assert len(desk.read("severity-assessment.json")["classifications"][0]["assessors"]) == 4


def test_a_log_from_the_future_is_no_reason_to_lose_an_entry(desk: Desk) -> None:
    path = desk.folder / "communication-log.md"
    path.write_text(path.read_text("utf-8").replace("02:16 UTC", "2999-01-01 02:16 UTC"), "utf-8")
    count = len(chain().notices)
    said = record(desk, "notice", "--audience", "customers", *NOTICE)
    assert said.exit_code == 0, said.output
    assert "later than this clock says" in " ".join(said.stdout.split())
    assert len(chain().notices) == count + 1


# --- two writers ---------------------------------------------------------------------------------

TWICE: dict[str, tuple[str, list[list[str]]]] = {
    "notice": (
        "in-progress-2",
        [["notice", "--audience", "sre_on_call", "--channel", f"c{n}", "--message", "m"]
         for n in range(4)],
    ),
    "event": ("in-progress-2", [["event", f"event {n}"] for n in range(4)]),
    "option": ("in-progress-2", [["option", *HOTFIX] for _ in range(4)]),
    "assessment": (
        "in-progress-2",
        [["assessment", "--severity", "SEV-1", "--by", f"P{n}:operator"] for n in range(4)],
    ),
    "readiness": (
        "in-progress-2",
        [["readiness", "--item", f"i{n}", "--category", "other", "--description", "d",
          "--by", "Sam", "--evidence", "e"] for n in range(4)],
    ),
    "decision": (
        "in-progress-2",
        [["decision", "--option", "O-2", "--supersedes", "D-1"] for _ in range(4)],
    ),
    "recovery-check": (
        "in-progress-3",
        [["recovery-check", "--check", f"c{n}=ok", "--passed", "--service", "api",
          "--kind", "smoke"] for n in range(4)],
    ),
    "resolution": (
        "in-progress-4",
        [["resolution", "--action", "detect", f"action {n}", "Lee", "2026-12-03"]
         for n in range(4)],
    ),
}  # fmt: skip


def entries_of(verb: str) -> int:
    """How many entries the record holds of the kind that a verb adds."""
    one = chain()
    counts: dict[str, int] = {
        "notice": len(one.notices),
        "event": len(one.timeline.entries),
        "option": len(one.options),
        "assessment": len(one.consensus[0].classification.assessors),
        "readiness": len(list(one.checklist["items"])),
        "decision": len(one.decisions),
        "recovery-check": len(one.checks),
        "resolution": len(list(one.resolution["action_items"])),
    }
    return counts[verb]


@pytest.mark.parametrize("verb", TWICE)
def test_writers_at_the_same_moment_lose_nothing(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example, calls = TWICE[verb]
    desk = Desk(tmp_path, example)
    before = entries_of(verb)
    processes = [desk.start("record", *call) for call in calls]
    ended = [(p.communicate(timeout=120), p.returncode) for p in processes]
    codes = Counter(code for _, code in ended)
    # Only one decision can replace another; who comes later is told, and loses no evidence.
    wanted = {0: 1, 2: 3} if verb == "decision" else {0: 4}
    assert codes == wanted, ended
    assert entries_of(verb) == before + wanted[0]
    leftovers = [p.name for p in desk.folder.iterdir() if p.name.startswith(".")]
    assert leftovers == []


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("severity-assessment.json", ["assessment", "--severity", "SEV-1", "--by", "K:operator"]),
        ("decision-log.json", ["decision", "--option", "O-1"]),
        (
            "rollback-readiness-checklist.json",
            ["readiness", "--item", "backup", "--by", "Sam", "--evidence", "x"],
        ),
    ],
)
def test_a_half_written_file_is_named_with_its_line(
    desk: Desk, name: str, arguments: list[str]
) -> None:
    whole = text(desk, name)
    (desk.folder / name).write_text(whole[: len(whole) // 2])
    said = refused(desk, *arguments)
    assert f"{name}:" in said


def test_markdown_that_cannot_be_read_is_left_alone(desk: Desk) -> None:
    (desk.folder / "communication-log.md").write_text("---\ndate: 2026-03-14\nnever closed\n")
    said = refused(desk, "notice", "--audience", "sre_on_call", *NOTICE)
    assert "communication-log.md" in said


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_is_one_sentence(desk: Desk) -> None:
    desk.folder.chmod(0o555)
    try:
        assert "cannot be written" in refused(desk, "event", "x")
    finally:
        desk.folder.chmod(0o755)


def test_a_disk_that_is_full_is_one_sentence(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("incident_gates.atomic.tempfile.mkstemp", full)
    assert "cannot be written: No space left" in refused(desk, "event", "x")


@starting(None)
def test_where_there_is_no_record_it_says_how_to_begin(desk: Desk) -> None:
    said = record(desk, "event", "x")
    assert (said.exit_code, "incident-gates new" in said.stderr) == (2, True)


def test_outside_a_repository_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "nowhere"
    empty.mkdir()
    monkeypatch.chdir(empty)
    shutil.rmtree(tmp_path / ".git", ignore_errors=True)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    said = Desk.run(Desk.__new__(Desk), "record", "event", "x")
    assert said.exit_code == 2
    assert list(empty.iterdir()) == []


# --- for programs --------------------------------------------------------------------------------


def test_json_is_one_object_whatever_happens(desk: Desk) -> None:
    said = record(desk, "notice", "--audience", "customers", *NOTICE, "--json")
    answer = json.loads(said.stdout)
    assert (said.exit_code, said.stderr) == (0, "")
    assert {"incident", "file", "line", "entry", "announcement", "next"} <= answer.keys()
    assert (answer["incident"], answer["file"]) == (ID, "communication-log.md")
    row = text(desk, "communication-log.md").splitlines()[answer["line"] - 1]
    assert "customers" in row
    assert answer["next"].startswith(("incident-gates ", "edit "))
    for wrong in (["--audience", "suport_lead", *NOTICE], ["--audienc", "x"]):
        failed = record(desk, "notice", *wrong, "--json")
        error = json.loads(failed.stdout)
        assert (failed.exit_code, error["exit_code"], failed.stderr) == (2, 2, "")
        assert "did you mean" in error["error"].lower()


def test_json_names_the_line_of_the_entry(desk: Desk) -> None:
    said = record(desk, "assessment", "--severity", "SEV-1", "--by", "Pat:operator", "--json")
    answer = json.loads(said.stdout)
    assert answer["entry"]["name"] == "Pat"
    lines = text(desk, answer["file"]).splitlines()
    assert lines[answer["line"] - 1].strip() == "{"
    assert lines[answer["line"]].strip() == '"name": "Pat",'


def test_what_is_printed_does_nothing_to_a_terminal(desk: Desk) -> None:
    for extra in ([], ["--json"]):
        said = record(desk, "event", "\x1b[31mred\x1b]0;x\x07", *extra)
        assert (said.exit_code, "\x1b" in said.output, "\x07" in said.output) == (0, False, False)
    assert "\x1b" not in text(desk, "incident-timeline.md")


# --- JSON as text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "where", "after"),
    [
        ('{\n  "a": 1,\n  "b": 2\n}', ("a",), '{\n  "b": 2\n}'),
        ('{\n  "a": 1,\n  "b": 2\n}', ("b",), '{\n  "a": 1\n}'),
        ('{"a": {"c": [1, 2 , 3]}}', ("a", "c", 1), '{"a": {"c": [1 , 3]}}'),
        ('{"a": [1, 2]}', ("a", 0), '{"a": [2]}'),
        ('{"a": [ 1 ]}', ("a", 0), '{"a": []}'),
        ('{"é\\n": 1, "b": 2}', ("é\n",), '{"b": 2}'),
    ],
)
def test_a_part_is_taken_out_and_nothing_else(
    before: str, where: tuple[str | int, ...], after: str
) -> None:
    assert json_text.removed(before, where) == after


def test_a_value_is_put_where_there_was_none() -> None:
    assert json_text.put('{\n    "a": 1\n}', ("b",), [2]) == (
        '{\n    "a": 1,\n    "b": [\n        2\n    ]\n}'
    )
    assert json_text.put('{"a": {"b": 1}}', ("a", "b"), None) == '{"a": {"b": null}}'


# --- what was run elsewhere ----------------------------------------------------------------------

RUN = ("--", "./rollback_backend.sh", "v1.2.3")


def test_what_was_run_elsewhere_is_recorded_and_not_run(desk: Desk) -> None:
    script = desk.site / "rollback_backend.sh"
    script.write_text("#!/bin/sh\ntouch ran\n")
    script.chmod(0o755)
    at = ("--at", "2026-03-14T02:25:00Z", "--ended", "2026-03-14T02:27:40Z", "--exit-code", "0")
    more = ("--change-reference", "CHG-20931", "--source", "shell history", "--output", "24/24")
    said = record(desk, "execution", *at, *more, *RUN)
    assert said.exit_code == 0, said.output
    assert not (desk.site / "ran").exists()
    [entry] = desk.executions()
    assert (entry["started_at"], entry["completed_at"]) == (at[1], at[3])
    assert (entry["exit_code"], entry["outcome"]) == (0, "succeeded")
    assert (entry["command"], entry["source"]) == ("./rollback_backend.sh v1.2.3", "shell history")
    assert entry["recorded_at"] > entry["started_at"]
    assert schema.fits("mitigation-execution-report", desk.read("mitigation-execution-report.json"))


def test_what_was_run_too_early_is_recorded_and_the_gate_says_so(desk: Desk) -> None:
    at = ("--at", "2026-03-14T02:15:00Z", "--exit-code", "0")
    assert record(desk, "execution", *at, *RUN).exit_code == 0
    rules = {f["rule"] for gate in desk.verdict()["gates"] for f in gate["findings"]}
    assert "MIT004" in rules


def test_how_it_went_is_unknown_where_nobody_says(desk: Desk) -> None:
    assert record(desk, "execution", "--at", "2026-03-14T02:25:00Z", *RUN).exit_code == 0
    [entry] = desk.executions()
    assert (entry["outcome"], entry["exit_code"]) == ("unknown", "N/A: not noted")
    assert "go with --at" in refused(desk, "execution", "--exit-code", "0", *RUN)
    early = ("--at", "2026-03-14T02:25:00Z", "--ended", "2026-03-14T02:20:00Z")
    assert "is before --at" in refused(desk, "execution", *early, *RUN)


@starting("complete")
def test_nothing_is_run_on_a_closed_record(desk: Desk) -> None:
    said = refused(desk, "execution", "--decision", "D-1", "--", "touch", "ran")
    assert "incident-gates new amendment" in said
    assert not (desk.site / "ran").exists()


@posix
def test_a_folder_that_went_away_loses_no_exit_code(desk: Desk) -> None:
    gone = ("sh", "-c", f"mv '{desk.folder}' '{desk.folder}.gone'; exit 4")
    said = record(desk, "execution", "--emergency", "it burns", "--", *gone)
    assert said.exit_code == 4
    sentence = " ".join(said.stderr.split())
    assert "mitigation-execution-report.json could not be changed (No such file or" in sentence
    assert "write down by hand E-1, completed_at 20" in sentence
    assert "exit_code 4." in sentence
