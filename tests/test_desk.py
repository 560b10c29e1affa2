"""The desk: beginning a record, seeing how it stands, and writing what nobody can write by hand."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from incident_gates import facts, protocol, schema
from incident_gates.cli import main
from incident_gates.desk import json_text, running, templates
from incident_gates.desk.found import Found
from incident_gates.errors import CouldNotTell
from incident_gates.evidence import history, markdown
from incident_gates.incident import Record
from incident_gates.policy import Limits

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
ID = "INC-2026-0042"
RUN = "import sys; sys.path.insert(0, {src!r}); from incident_gates.cli import main; main()"
REQUIRED = [a.file for a in protocol.load().artifacts.values() if a.required]
posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


class Desk:
    """A repository with one example in it, and its author Sam."""

    def __init__(self, site: Path, example: str | None) -> None:
        if example:
            shutil.copytree(EXAMPLES / example, site, dirs_exist_ok=True)
        self.site = site
        self.folder = site / ".artifacts/incidents" / ID
        for command in (["init", "-q"], ["config", "user.name", "Sam"]):
            subprocess.run(["git", "-C", str(site), *command], check=True)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env={"INCIDENT_GATES_DEBUG": "1"})

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", RUN.format(src=str(ROOT / "src")), *arguments],
            cwd=self.site,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text("utf-8"))

    def change(self, name: str, change: Any) -> None:
        top = self.read(name)
        change(top)
        (self.folder / name).write_text(json.dumps(top, indent=2) + "\n", "utf-8")

    def verdict(self, *arguments: str) -> dict[str, Any]:
        report = json.loads(self.run("check", "--format", "json", *arguments).stdout)
        incident: dict[str, Any] = report["incidents"][0]
        return incident

    def executions(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.read("mitigation-execution-report.json")["executions"]
        return entries


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    return Desk(tmp_path, getattr(request, "param", "in-progress-2"))


def starting(*examples: str | None) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("desk", examples, indirect=True)


# --- templates -----------------------------------------------------------------------------------


def blank(site: Path) -> Found:
    folder = site / ".artifacts/incidents" / ID
    folder.mkdir(parents=True)
    record = Record(folder, site=site, base=site, protocol=protocol.load())
    return Found(record, Limits(protocol.load()), datetime(2026, 3, 14, 2, 13, tzinfo=timezone.utc))


@pytest.mark.parametrize("name", REQUIRED)
def test_a_template_has_the_shape_of_its_file(name: str, tmp_path: Path) -> None:
    text = templates.filled(name, blank(tmp_path)).decode()
    assert "{{" not in text
    assert ID in text
    if name.endswith(".json"):
        value = json.loads(text)
        assert schema.fits(name.removesuffix(".json"), value)
        assert value["$schema"].endswith(f"/{name.removesuffix('.json')}.schema.json")
    else:
        assert markdown.parse(text).front["incident_id"] == ID


def test_templates_are_those_of_the_required_files_and_cover_the_floors(tmp_path: Path) -> None:
    assert {path.name for path in templates.FOLDER.iterdir()} == set(REQUIRED)
    data = protocol.load().data
    checklist = json.loads(templates.filled("rollback-readiness-checklist.json", blank(tmp_path)))
    assert {i["category"] for i in checklist["items"]} == set(data["readiness_floor"])
    assert {c["kind"] for c in checklist["recovery_checks"]} == set(data["recovery_floor"])


# --- new -----------------------------------------------------------------------------------------


@starting(None)
def test_new_begins_a_record_that_is_in_progress_and_only_needs_things(desk: Desk) -> None:
    said = desk.run("new", ID)
    assert said.exit_code == 0, said.output
    names = {p.name for p in desk.folder.iterdir()}
    assert names == {
        a.file for a in protocol.load().artifacts.values() if a.phase == 1 and a.required
    }
    checked = desk.run("check", "--format", "json")
    assert checked.exit_code == 0
    incident = json.loads(checked.stdout)["incidents"][0]
    assert incident["verdict"] == "in_progress"
    assert [f for g in incident["gates"] for f in g["findings"]] == incident["findings"] == []
    needs = [f["rule"] for g in incident["gates"] for f in g["needs"]]
    assert not {"FIL002", "FIL003", "FIL004", "FIL007"} & set(needs)
    assert max(map(len, said.output.splitlines())) <= 80
    words = " ".join(said.output.split())
    assert protocol.load().data["phases"][0]["announcement"] in words
    assert f"Next: incident-gates record event --incident {ID} TEXT" in words
    assert f"incident-gates status --incident {ID}" in words


@starting(None)
def test_new_states_no_fact_that_it_cannot_know(desk: Desk) -> None:
    desk.run("new", ID)
    assessment = (desk.folder / "severity-assessment.json").read_text("utf-8")
    assert not re.search(r'"\d{4}-', assessment), "a time is only ever offered behind TODO"
    prerequisites = desk.read("prerequisites.json")
    assert all(a["by"]["name"].startswith("TODO") for a in prerequisites["approvals"])
    assert "Sam?" in prerequisites["approvals"][0]["by"]["name"]
    assert prerequisites["inputs"] == prerequisites["not_available"] == []


@starting("complete")
def test_new_pins_the_inputs_that_are_there(desk: Desk) -> None:
    (desk.site / ".artifacts/monitoring/alert-test-results.json").unlink()
    said = desk.run("new", "INC-2026-0043")
    desk.folder = desk.folder.with_name("INC-2026-0043")
    pins = {e["file"]: e["sha256"] for e in desk.read("prerequisites.json")["inputs"]}
    assert "alert-test-results.json" not in pins
    deployed = desk.site / ".artifacts/deployment/production-deployment-report.json"
    digest = hashlib.sha256(deployed.read_bytes()).hexdigest()
    assert pins["production-deployment-report.json"] == digest
    assert "Pinned by digest: " in said.output


@starting(None)
def test_new_takes_the_next_number_of_the_year(desk: Desk) -> None:
    year = datetime.now(timezone.utc).year
    for number in ("0001", "0002"):
        assert desk.run("new").output.startswith(f"INC-{year}-{number}  phase 1 of 4")
    (desk.folder.parent / f"inc-{year}-0041").mkdir()
    assert desk.run("new").output.startswith(f"INC-{year}-0042")


@starting(None)
def test_new_beside_others_takes_only_its_own_number(desk: Desk) -> None:
    processes = [desk.start("new") for _ in range(6)]
    assert [p.wait(60) for p in processes] == [0] * 6
    for process in processes:
        process.communicate()
    folders = sorted(p.name[-4:] for p in desk.folder.parent.iterdir())
    assert folders == [f"{n:04}" for n in range(1, 7)]
    assert all(len(list(p.iterdir())) == 4 for p in desk.folder.parent.iterdir())


def test_new_overwrites_nothing(desk: Desk) -> None:
    before = {p.name: p.read_bytes() for p in desk.folder.iterdir()}
    (desk.folder / "mitigation-plan.md").unlink()
    assert "mitigation-plan.md" in desk.run("new", ID).output
    after = {p.name: p.read_bytes() for p in desk.folder.iterdir()}
    assert {n: after[n] for n in before if n != "mitigation-plan.md"} == {
        n: data for n, data in before.items() if n != "mitigation-plan.md"
    }
    assert "Nothing to write" in desk.run("new", ID).output


@starting(None)
@pytest.mark.parametrize("wrong", ["../INC-1", "INC 1", "-x", ".hidden", "a/b", "", "INC-1\n", "é"])
def test_new_refuses_what_is_no_id(desk: Desk, wrong: str) -> None:
    said = desk.run("new", "--", wrong)
    assert (said.exit_code, "is no incident id" in said.stderr) == (2, True), said.output
    assert not (desk.site / ".artifacts").exists()


@starting(None)
def test_new_refuses_links_files_and_twins(desk: Desk) -> None:
    root = desk.folder.parent
    root.mkdir(parents=True)
    (root / "INC-1").write_text("a file")
    (root / "elsewhere").mkdir()
    (root / "INC-2").symlink_to(root / "elsewhere")
    (root / "inc-3").mkdir()
    for taken in ("INC-1", "INC-2", "INC-3"):
        assert desk.run("new", taken).exit_code == 2
    assert list((root / "elsewhere").iterdir()) == []


@starting(None)
def test_new_goes_where_policy_or_root_say(desk: Desk) -> None:
    (desk.site / ".incident-gates.yaml").write_text("roots: [team/.artifacts/incidents]\n")
    desk.run("new", ID)
    assert (desk.site / "team/.artifacts/incidents" / ID / "prerequisites.json").is_file()
    desk.run("new", ID, "--root", "elsewhere")
    assert (desk.site / "elsewhere" / ID / "prerequisites.json").is_file()


@pytest.mark.parametrize(
    ("desk", "first", "last"),
    [
        ("in-progress-1", "mitigation-plan.md", "decision-log.json"),
        ("in-progress-2", "mitigation-execution-report.json", "recovery-validation.json"),
        ("in-progress-3", "resolution-summary.json", "INCIDENT-REPORT.md"),
    ],
    indirect=["desk"],
)
def test_new_adds_the_files_of_the_phase_that_has_come(desk: Desk, first: str, last: str) -> None:
    said = desk.run("new", ID)
    assert said.exit_code == 0, said.output
    assert (desk.folder / first).is_file()
    assert (desk.folder / last).is_file()
    incident = desk.verdict()
    broken = [f for g in incident["gates"] for f in g["findings"] if f["level"] == "CRITICAL"]
    assert (incident["verdict"], broken) == ("in_progress", [])


def test_new_lists_the_checks_that_were_planned(desk: Desk) -> None:
    desk.run("new", ID)
    planned = desk.read("rollback-readiness-checklist.json")["recovery_checks"]
    checks = desk.read("recovery-validation.json")["checks"]
    assert [c["id"] for c in checks] == [c["id"] for c in planned]
    assert all(c["results"] == [] for c in checks)


@starting("in-progress-3")
def test_new_keeps_copies_of_pinned_inputs_before_closing(desk: Desk) -> None:
    inputs = {entry["file"]: entry["folder"] for entry in protocol.load().inputs}
    kept = desk.folder / "production-deployment-report.json"
    upstream = desk.site / inputs[kept.name] / kept.name
    assert not kept.exists()
    changed = desk.site / inputs["alert-test-results.json"] / "alert-test-results.json"
    changed.write_text("{}\n")
    said = desk.run("new", ID)
    assert kept.read_bytes() == upstream.read_bytes()
    assert not (desk.folder / changed.name).exists()
    assert "Copied the pinned inputs" in said.output
    assert "Not copied: .artifacts/monitoring/alert-test-results.json" in said.output


# --- status --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("desk", "command"),
    [
        ("in-progress-1", f"incident-gates record option --incident {ID} --title TEXT"),
        ("in-progress-2", f"incident-gates record execution --incident {ID} --decision D-1 --"),
        ("in-progress-3", f"incident-gates record resolution --incident {ID} --status resolved"),
        ("in-progress-4", f"incident-gates record resolution --incident {ID} --status closed"),
        ("complete", f"incident-gates aggregate --incident {ID}"),
        ("contradictions", f"incident-gates check --incident {ID}"),
        ("false-positive", "incident-gates aggregate"),
    ],
    indirect=["desk"],
)
def test_status_ends_with_what_to_type_next(desk: Desk, command: str) -> None:
    said = desk.run("status", "--as-of", "2026-03-17T00:00:00Z")
    assert said.exit_code == 0, said.output
    last = " ".join(said.output.partition("Next: ")[2].split())
    assert last.startswith(command), last
    assert max(map(len, said.output.splitlines())) <= 80
    assert "\x1b" not in said.output


@starting("in-progress-1")
def test_status_tells_done_from_gaps_from_missing(desk: Desk) -> None:
    desk.run("new", ID)
    (desk.folder / "decision-log.json").unlink()
    said = desk.run("status").output
    assert re.search(r"✓ severity-assessment\.json +done", said)
    assert re.search(r"… mitigation-plan\.md +\d+ gaps", said)
    assert re.search(r"✗ decision-log\.json +missing", said)
    assert "Phase 2 of 4: Containment and Mitigation Planning" in said
    assert "Step 2.1: Identify Mitigation Options" in said
    assert re.search(r"GATE 2 MITIGATION READINESS NEEDS: \d+ things", said)
    assert re.search(r"mitigation-plan\.md:\d+$", said, re.MULTILINE)


def test_status_asks_for_the_approval_that_is_lacking(desk: Desk) -> None:
    desk.change("decision-log.json", lambda top: top["decisions"][0]["approvals"].pop())
    said = " ".join(desk.run("status").output.split())
    assert f"record approval --incident {ID} --decision D-1 --role release_manager" in said


@starting("in-progress-2")
def test_status_of_several_is_a_line_for_each_open_one(desk: Desk) -> None:
    closed = EXAMPLES / "complete/.artifacts/incidents" / ID
    target = desk.folder.with_name("INC-2026-0041")
    shutil.copytree(closed, target)
    for path in target.iterdir():
        if path.is_file() and path.suffix in (".json", ".md"):
            path.write_text(path.read_text("utf-8").replace(ID, target.name), "utf-8")
    desk.run("new", "INC-2026-0043")
    lines = desk.run("status").output.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == [ID, "INC-2026-0043"]
    assert lines[1].split()[1:3] == ["SEV-1", "2/4"]
    assert "1 more is closed" in lines[-1]
    assert max(map(len, lines)) <= 80


def test_status_as_json_holds_the_report_of_check(desk: Desk) -> None:
    at = ("--format", "json", "--as-of", "2026-03-15T00:00:00Z")
    said = json.loads(desk.run("status", *at).stdout)
    assert said["report"] == json.loads(desk.run("check", *at).stdout)


@starting(None)
def test_status_shows_untrusted_text_as_text(desk: Desk) -> None:
    folder = desk.folder.with_name("INC\x1b[31m-1")
    folder.mkdir(parents=True)
    (folder / "decision-log.json").write_text('{"decisions": "\\u001b[2J::error::x"}')
    said = desk.run("status").output
    assert "\x1b" not in said
    assert "\\u001b" in said


@starting(None)
def test_status_where_there_is_nothing_says_how_to_begin(desk: Desk) -> None:
    said = desk.run("status")
    assert (said.exit_code, "incident-gates new" in said.stderr) == (2, True)


# --- record approval -----------------------------------------------------------------------------


def without_approvals(desk: Desk) -> None:
    desk.change("decision-log.json", lambda top: top["decisions"][0].pop("approvals"))


def approvals(desk: Desk) -> list[dict[str, Any]]:
    given: list[dict[str, Any]] = desk.read("decision-log.json")["decisions"][0]["approvals"]
    return given


def test_approval_carries_the_digest_of_the_option_as_written(desk: Desk) -> None:
    without_approvals(desk)
    before = datetime.now(timezone.utc).replace(microsecond=0)
    said = desk.run("record", "approval", "--role", "Incident Commander", "--name", "Alex")
    assert said.exit_code == 0, said.output
    [entry] = approvals(desk)
    assert (entry["verdict"], entry["by"]) == (
        "approve",
        {"name": "Alex", "role": "incident_commander"},
    )
    plan = markdown.parse((desk.folder / "mitigation-plan.md").read_text("utf-8"))
    assert entry["option_sha256"] == facts.options(plan)[0].sha256
    assert before <= datetime.fromisoformat(entry["approved_at"].replace("Z", "+00:00"))
    assert "recorded_at" not in entry
    assert "still to approve this text: release_manager" in " ".join(said.output.split())


def test_approval_of_yesterday_says_when_it_was_written(desk: Desk) -> None:
    without_approvals(desk)
    who = ("record", "approval", "--role", "release_manager", "--name", "Jordan")
    arguments = (*who, "--source", "war-room log", "--at")
    sourceless = desk.run(*who, "--at", "2026-03-14T02:23:00+01:00")
    assert sourceless.exit_code == 2
    assert "--source" in sourceless.stderr
    assert desk.run(*arguments, "2026-03-14T02:23:00+01:00").exit_code == 0
    [entry] = approvals(desk)
    assert entry["approved_at"] == "2026-03-14T02:23:00+01:00"
    assert entry["recorded_at"] > entry["approved_at"]
    assert entry["source"] == "war-room log"
    for wrong in ("25:23", "2026-03-14T02:23:00", "2999-01-01T00:00:00Z"):
        assert desk.run(*arguments, wrong).exit_code == 2


def test_approval_is_by_the_author_whom_git_knows(desk: Desk) -> None:
    without_approvals(desk)
    desk.run("record", "approval", "--role", "incident_commander")
    assert approvals(desk)[0]["by"]["name"] == "Sam"


def test_approval_leaves_every_other_byte_alone(desk: Desk) -> None:
    path = desk.folder / "decision-log.json"
    text = (
        '{ "schema_version": "1.0", "incident_id": "INC-2026-0042",\r\n'
        '    "x-note": 1.50,\r\n'
        '    "decisions": [\r\n'
        '        { "id": "D-1", "option": "O-1", "action": "roll back", "services": ["api"],\r\n'
        '          "decided_at": "2026-03-14T02:22:00Z" }\r\n'
        "    ]\r\n}"
    )
    path.write_bytes(text.encode())
    assert desk.run("record", "approval", "--role", "incident_commander").exit_code == 0
    after = path.read_bytes().decode()
    position = text.index(" }\r\n    ]")
    assert after.startswith(text[:position])
    assert after.endswith(text[position:])
    assert approvals(desk)[0]["by"]["name"] == "Sam"


def test_one_person_approves_one_text_once(desk: Desk) -> None:
    arguments = ("record", "approval", "--role", "incident_commander", "--name", "@ALEX")
    before = (desk.folder / "decision-log.json").read_bytes()
    said = desk.run(*arguments)
    assert (said.exit_code, "Alex approved D-1 already" in said.stderr) == (2, True)
    assert (desk.folder / "decision-log.json").read_bytes() == before
    assert desk.run(*arguments, "--reject").exit_code == 0
    assert desk.run(*arguments).exit_code == 0, "a mind may be changed"


def test_a_changed_option_is_approved_anew_and_then_passes(desk: Desk) -> None:
    plan = desk.folder / "mitigation-plan.md"
    plan.write_text(plan.read_text("utf-8").replace("10 min", "12 min"), "utf-8")
    ready = ("check", "--require", "ready")
    assert desk.run(*ready).exit_code == 1
    for name, role in (("Alex", "incident_commander"), ("Jordan", "release_manager")):
        arguments = ("record", "approval", "--role", role, "--name", name)
        assert desk.run(*arguments).exit_code == 0
    assert desk.run(*ready).exit_code == 0


def test_approval_says_when_the_role_is_not_held(desk: Desk) -> None:
    without_approvals(desk)
    said = desk.run("record", "approval", "--role", "release_manager", "--name", "Kim")
    assert "names Kim as release_manager" in said.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--decision", "D-7"], "There is no decision D-7"),
        (["--incident", "INC-1"], "There is no incident"),
        (["--role", "!"], "write a role"),
        (["--role", "release_manger"], "did you mean release_manager?"),
        (["--at", "yesterday"], "--at yesterday"),
    ],
)
def test_approval_refuses_with_one_sentence(
    desk: Desk, arguments: list[str], sentence: str
) -> None:
    without_approvals(desk)
    before = (desk.folder / "decision-log.json").read_bytes()
    said = desk.run("record", "approval", "--role", "incident_commander", *arguments)
    assert (said.exit_code, said.stdout, said.stderr.count("\n")) == (2, "", 1)
    assert sentence in said.stderr
    assert (desk.folder / "decision-log.json").read_bytes() == before


def test_approval_needs_a_decision_an_option_and_a_file_that_can_be_read(desk: Desk) -> None:
    role = ("record", "approval", "--role", "incident_commander")
    desk.change("decision-log.json", lambda top: top["decisions"][0].update(option="O-9"))
    assert "O-9, which mitigation-plan.md lacks" in desk.run(*role).stderr
    desk.change("decision-log.json", lambda top: top.update(decisions=[]))
    assert "holds no decision yet" in desk.run(*role).stderr
    (desk.folder / "decision-log.json").write_text('{"decisions": [')
    assert desk.run(*role).exit_code == 2


def test_approval_without_any_name_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    without_approvals(desk)
    monkeypatch.setattr(history, "author", lambda _: "")
    templates.author.cache_clear()
    said = desk.run("record", "approval", "--role", "incident_commander")
    templates.author.cache_clear()
    assert (said.exit_code, "--name NAME" in said.stderr) == (2, True)


def test_writers_at_the_same_moment_lose_nothing(desk: Desk) -> None:
    without_approvals(desk)
    names = [f"Person {number}" for number in range(8)]
    processes = [
        desk.start("record", "approval", "--role", "subject_matter_expert", "--name", name)
        for name in names
    ]
    for process in processes:
        assert process.communicate(timeout=60)[1] == ""
    assert sorted(a["by"]["name"] for a in approvals(desk)) == names


# --- record execution ----------------------------------------------------------------------------

PYTHON = (sys.executable, "-c")


def execute(desk: Desk, code: str, *options: str) -> Result:
    return desk.run("record", "execution", *options, "--", *PYTHON, code)


def test_execution_records_what_ran(desk: Desk) -> None:
    said = execute(desk, "print('24/24 pods ready')", "--change-reference", "CHG-20931")
    assert (said.exit_code, said.stdout) == (0, "24/24 pods ready\n"), said.output
    [entry] = desk.executions()
    assert entry["id"] == "E-1"
    assert entry["decision"] == "D-1"
    assert entry["services"] == ["api", "checkout"]
    assert entry["operator"] == {"name": "Sam", "role": "operator"}
    assert entry["change_reference"] == "CHG-20931"
    assert (entry["exit_code"], entry["outcome"]) == (0, "succeeded")
    assert entry["output"] == "24/24 pods ready\n"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry["started_at"])
    assert entry["started_at"] <= entry["completed_at"]
    report = desk.read("mitigation-execution-report.json")
    assert schema.fits("mitigation-execution-report", report)
    assert desk.verdict()["verdict"] == "in_progress"


def test_execution_ends_with_the_code_of_the_command(desk: Desk) -> None:
    said = execute(desk, "import sys; print('no', file=sys.stderr); sys.exit(7)")
    assert said.exit_code == 7
    [entry] = desk.executions()
    assert (entry["exit_code"], entry["outcome"], entry["output"]) == (7, "failed", "no\n")
    assert "takes a new decision" in said.stderr


def test_after_a_failure_nothing_runs_on_the_same_decision(desk: Desk) -> None:
    execute(desk, "raise SystemExit(1)")
    time.sleep(1.1)
    said = execute(desk, "print('again')")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "NOT EXECUTED" in said.stderr
    assert len(desk.executions()) == 1


def lack_approval(desk: Desk) -> None:
    desk.change("decision-log.json", lambda top: top["decisions"][0]["approvals"].pop())


def lack_readiness(desk: Desk) -> None:
    desk.change(
        "rollback-readiness-checklist.json", lambda top: top["items"][2].update(status="pending")
    )


def lack_consensus(desk: Desk) -> None:
    def disagree(top: Any) -> None:
        top["classifications"][0]["assessors"][2]["severity"] = "SEV-2"

    desk.change("severity-assessment.json", disagree)


def lack_scope(desk: Desk) -> None:
    desk.change(
        "severity-assessment.json", lambda top: top["classifications"][0].pop("blast_radius")
    )


def lack_credentials(desk: Desk) -> None:
    desk.change("prerequisites.json", lambda top: top["system_states"].pop(1))


def change_option(desk: Desk) -> None:
    plan = desk.folder / "mitigation-plan.md"
    plan.write_text(plan.read_text("utf-8").replace("10 min", "12 min"), "utf-8")


def approve_oneself(desk: Desk) -> None:
    def replace(top: Any) -> None:
        top["decisions"][0]["approvals"][1]["by"]["name"] = "Sam"

    desk.change("decision-log.json", replace)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lack_approval, "release_manager has not approved D-1"),
        (lack_readiness, "is pending"),
        (lack_consensus, "no severity consensus"),
        (lack_scope, "blast_radius"),
        (lack_credentials, "rivileged credentials"),
        (change_option, "O-1 is not written as Alex and Jordan approved it"),
        (approve_oneself, "Sam approved D-1"),
    ],
)
def test_nothing_is_executed_before_the_record_allows_it(desk: Desk, spoil: Any, said: str) -> None:
    spoil(desk)
    before = {p.name: p.read_bytes() for p in desk.folder.iterdir()}
    done = execute(desk, "open('ran', 'w')")
    assert (done.exit_code, done.stdout) == (1, ""), done.output
    assert said in " ".join(done.stderr.split())
    assert "--emergency" in done.stderr
    assert not (desk.site / "ran").exists()
    assert {p.name: p.read_bytes() for p in desk.folder.iterdir()} == before


def test_what_is_only_late_or_missing_elsewhere_stops_nobody(desk: Desk) -> None:
    log = desk.folder / "communication-log.md"
    log.write_text(log.read_text("utf-8").replace("02:13 UTC | PagerDuty", "02:33 UTC | PagerDuty"))
    for path in desk.site.rglob("MONITORING-PACKAGE.zip"):
        path.unlink()
    assert execute(desk, "print('ran')").exit_code == 0


def test_an_emergency_runs_first_and_says_what_it_does_not_excuse(desk: Desk) -> None:
    lack_approval(desk)
    done = execute(desk, "print('ran')", "--emergency", "Orders are charged twice")
    assert (done.exit_code, done.stdout) == (0, "ran\n")
    assert "every approval must follow within 60 min" in done.stderr
    assert "EVEN SO" not in done.stderr
    [entry] = desk.executions()
    assert entry["emergency"] == {"reason": "Orders are charged twice"}
    desk.run("record", "approval", "--role", "release_manager", "--name", "Jordan")
    rules = {f["rule"] for g in desk.verdict()["gates"] for f in g["findings"]}
    assert "MIT023" in rules
    assert "MIT004" not in rules


def test_an_emergency_excuses_no_missing_consensus(desk: Desk) -> None:
    lack_consensus(desk)
    done = execute(desk, "print('ran')", "--emergency", "Orders are charged twice")
    assert (done.exit_code, done.stdout) == (0, "ran\n")
    assert "no severity consensus" in " ".join(done.stderr.split())
    assert "nothing else" in done.stderr
    assert desk.verdict()["verdict"] == "failed"


def test_an_emergency_may_come_before_any_decision(desk: Desk) -> None:
    (desk.folder / "decision-log.json").unlink()
    done = execute(desk, "pass", "--emergency", "it burns")
    assert done.exit_code == 0, done.output
    [entry] = desk.executions()
    assert (entry["services"], entry["output"]) == (
        ["api", "checkout"],
        "(it printed nothing)",
    )
    assert entry["decision"].startswith("N/A: ")
    word = ("--approve", "Alex:incident_commander", "--approve", "Jordan:release_manager")
    said = desk.run("record", "decision", "--option", "O-1", "--for", "E-1", *word)
    assert said.exit_code == 0, said.output
    assert desk.executions()[0]["decision"] == "D-1"
    assert "MIT008" not in {f["rule"] for g in desk.verdict()["gates"] for f in g["findings"]}


def test_what_an_entry_lacks_is_added_and_what_it_says_stays(desk: Desk) -> None:
    assert desk.run("record", "execution", "--", sys.executable, "-c", "pass").exit_code == 0
    supply = ("record", "execution", "--id", "E-1", "--change-reference")
    assert desk.run(*supply, "CHG-1").exit_code == 0
    assert desk.executions()[0]["change_reference"] == "CHG-1"
    for more in ((*supply, "CHG-2"), (*supply[:4], "--decision", "D-1")):
        said = CliRunner().invoke(main, more)
        assert (said.exit_code, "is not replaced" in " ".join(said.stderr.split())) == (2, True)
    assert CliRunner().invoke(main, (*supply, "C", "--", "touch", "ran")).exit_code == 2
    assert len(desk.executions()) == 1
    assert desk.executions()[0]["change_reference"] == "CHG-1"


def test_an_unknown_command_is_no_execution(desk: Desk) -> None:
    said = desk.run("record", "execution", "--", "no-such-command-here")
    assert (said.exit_code, "no-such-command-here" in said.stderr) == (2, True)
    assert not (desk.folder / "mitigation-execution-report.json").exists()
    assert desk.run("record", "execution").exit_code == 2


def test_a_file_that_cannot_be_started_is_a_failed_execution(desk: Desk) -> None:
    script = desk.site / "script"
    script.write_bytes(b"\x7fELF nothing")
    script.chmod(0o755)
    assert desk.run("record", "execution", "--", str(script)).exit_code == 126
    [entry] = desk.executions()
    assert entry["outcome"] == "failed"
    assert entry["exit_code"].startswith("N/A: it could not be started")
    assert schema.fits("mitigation-execution-report", desk.read("mitigation-execution-report.json"))


def test_output_is_visible_and_harmless(desk: Desk) -> None:
    execute(
        desk,
        r"import sys; sys.stdout.buffer.write(b'\x1b[31mred\x1b[0m\r\n\x00\xff\r 50 %\r100 %')",
    )
    assert desk.executions()[0]["output"] == (
        "\\u001b[31mred\\u001b[0m\n\\u0000\ufffd\n 50 %\n100 %"
    )


def test_long_output_is_kept_to_its_end_in_a_file_of_its_own(desk: Desk) -> None:
    done = execute(desk, "[print(f'line {n:06}') for n in range(20000)]")
    assert done.stdout.count("\n") == 20000
    [entry] = desk.executions()
    log = desk.folder / entry["output_file"]["path"]
    kept = log.read_text("utf-8")
    assert entry["output_file"]["sha256"] == hashlib.sha256(log.read_bytes()).hexdigest()
    assert re.match(r"\[cut: the first \d+ bytes are not kept\]\nline \d{6}\n", kept)
    assert kept.endswith("line 019999\n")
    assert running.KEPT_BYTES - 100 < len(kept) < running.KEPT_BYTES + 100
    assert entry["output"].startswith("[cut: more is in attachments/E-1.log]\n")
    assert entry["output"].endswith("line 019999\n")
    assert schema.fits("mitigation-execution-report", desk.read("mitigation-execution-report.json"))


def started(desk: Desk, code: str, *options: str) -> subprocess.Popen[str]:
    """A recorded command that has begun: it has printed its first line."""
    process = desk.start("record", "execution", *options, "--", *PYTHON, code)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


WAITING = "import time; print('begun', flush=True); time.sleep(60)"


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupted_execution_is_recorded_as_unknown(desk: Desk, name: str) -> None:
    process = started(desk, WAITING)
    process.send_signal(getattr(signal, name))
    process.communicate(timeout=30)
    assert process.returncode == 130
    [entry] = desk.executions()
    assert entry["outcome"] == "unknown"
    assert entry["completed_at"] >= entry["started_at"]
    assert f"[recording was interrupted by {name}]" in entry["output"]
    assert entry["output"].startswith("begun\n")
    assert schema.fits("mitigation-execution-report", desk.read("mitigation-execution-report.json"))


@posix
def test_a_command_that_ignores_the_signal_is_not_cut_in_half(desk: Desk) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "print('begun', flush=True); time.sleep(2); print('whole')"
    )
    process = started(desk, code)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    [entry] = desk.executions()
    assert (process.returncode, entry["exit_code"], entry["outcome"]) == (130, 0, "unknown")
    assert "whole" in entry["output"]


@posix
def test_a_killed_recording_leaves_a_trace(desk: Desk) -> None:
    process = started(desk, "import time; print('begun', flush=True); time.sleep(3)")
    process.kill()
    process.communicate(timeout=30)
    [entry] = desk.executions()
    assert entry["outcome"] == "unknown"
    assert entry["exit_code"].startswith("N/A: still running")
    assert "completed_at" not in entry
    assert schema.fits("mitigation-execution-report", desk.read("mitigation-execution-report.json"))


@posix
def test_what_was_written_while_it_ran_stays(desk: Desk) -> None:
    process = started(desk, "import time; print('begun', flush=True); time.sleep(2)")
    desk.change(
        "mitigation-execution-report.json",
        lambda top: top["executions"][0].update({"x-note": "watched by Kim"}),
    )
    process.communicate(timeout=30)
    [entry] = desk.executions()
    assert (entry["x-note"], entry["exit_code"]) == ("watched by Kim", 0)


@posix
def test_a_report_broken_while_it_ran_loses_no_entry(desk: Desk) -> None:
    code = "import time; print('begun', flush=True); time.sleep(1)"
    process = started(desk, code)
    (desk.folder / "mitigation-execution-report.json").write_text('{"executions": [')
    _, said = process.communicate(timeout=30)
    assert process.returncode == 3, "what succeeded and is not recorded is no ordinary success"
    assert "NOT RECORDED: E-1: succeeded" in said
    assert "attachments/E-1.json" in said
    assert desk.read("attachments/E-1.json")["exit_code"] == 0


def test_two_executions_at_the_same_time_are_both_recorded(desk: Desk) -> None:
    codes = [f"import time; time.sleep(1); print({n})" for n in range(3)]
    processes = [desk.start("record", "execution", "--", *PYTHON, code) for code in codes]
    for process in processes:
        process.communicate(timeout=60)
    entries = desk.executions()
    assert sorted(e["id"] for e in entries) == ["E-1", "E-2", "E-3"]
    assert sorted(e["output"] for e in entries) == ["0\n", "1\n", "2\n"]


def test_nobody_listening_does_not_stop_the_command(desk: Desk) -> None:
    process = desk.start(
        "record", "execution", "--", *PYTHON, "[print('x' * 999) for _ in range(999)]"
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        process.stderr.read()
    assert process.wait(60) == 0
    assert desk.executions()[0]["outcome"] == "succeeded"


# --- JSON as text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"a": []}', '{"a": [\n  {\n    "b": 1\n  }\n]}'),
        (
            '{\n    "a": [\n        1\n    ]\n}',
            '{\n    "a": [\n        1,\n        {\n            "b": 1\n        }\n    ]\n}',
        ),
        ('{"a": [1, 2.50]}', '{"a": [1, 2.50, {"b": 1}]}'),
        ('{\n\t"a": []\n}', '{\n\t"a": [\n\t\t{\n\t\t\t"b": 1\n\t\t}\n\t]\n}'),
        ('{\r\n  "a": [ ]\r\n}', '{\r\n  "a": [\r\n    {\r\n      "b": 1\r\n    }\r\n  ]\r\n}'),
        ('{\n  "c": "a"\n}', '{\n  "c": "a",\n  "a": [\n    {\n      "b": 1\n    }\n  ]\n}'),
        ("{}", '{\n  "a": [\n    {\n      "b": 1\n    }\n  ]\n}'),
    ],
)
def test_an_entry_is_added_in_the_manner_of_the_file(before: str, after: str) -> None:
    assert json_text.appended(before, ("a",), {"b": 1}) == after


def test_a_value_is_replaced_and_nothing_else() -> None:
    text = '{ "a": [ {"id": 1}, {"id": 2} ], "n": 1.0 }'
    said = json_text.replaced(text, ("a", 1), {"id": 3})
    assert said.startswith('{ "a": [ {"id": 1}, {')
    assert json.loads(said) == {"a": [{"id": 1}, {"id": 3}], "n": 1.0}


def test_a_list_that_is_something_else_is_left_alone() -> None:
    with pytest.raises(CouldNotTell):
        json_text.appended('{"a": {"b": 1}}', ("a",), 1)
