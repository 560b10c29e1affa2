"""`halt` and `proceed`: blockers and decisions in the protocol's form, and nothing else stored."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from incident_gates import execution_log, protocol
from incident_gates.cli import main
from incident_gates.incident import Record

ROOT = Path(__file__).resolve().parents[1]
ID = "INC-2026-0042"
LOG = execution_log.NAME
RUN = "import sys; sys.path.insert(0, {src!r}); from incident_gates.cli import main; main()"


class Site:
    """A repository with one open record, and its author Sam."""

    def __init__(self, base: Path) -> None:
        shutil.copytree(ROOT / "examples/in-progress-2", base, dirs_exist_ok=True)
        self.base = base
        self.folder = base / ".artifacts/incidents" / ID
        for command in (["init", "-q"], ["config", "user.name", "Sam"]):
            subprocess.run(["git", "-C", str(base), *command], check=True)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env={"INCIDENT_GATES_DEBUG": "1"})

    def change(self, name: str, change: Any) -> None:
        path = self.folder / name
        top = json.loads(path.read_text("utf-8"))
        change(top)
        path.write_text(json.dumps(top, indent=2) + "\n", "utf-8")

    def unready(self) -> None:
        """A required item is not verified, and an approval and a state are missing."""
        self.change("rollback-readiness-checklist.json", _unverify)
        self.change("prerequisites.json", _unapprove)

    @property
    def log(self) -> str:
        return (self.folder / LOG).read_text("utf-8")

    @property
    def entries(self) -> tuple[execution_log.Entry, ...]:
        known = protocol.load()
        return execution_log.entries(
            Record(self.folder, site=self.base, base=self.base, protocol=known)
        )

    def shown(self) -> str:
        """What every report says of halts."""
        report = json.loads(self.run("check", "--format", "json").stdout)
        findings = report["incidents"][0]["findings"]
        return " | ".join(f["message"] for f in findings if f["rule"] == "LRN004")


def _unverify(top: Any) -> None:
    top["items"][1]["status"] = "pending"


def _unapprove(top: Any) -> None:
    del top["approvals"][1], top["system_states"][0]["method"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    return Site(tmp_path)


def test_an_unmet_halt_condition_is_recorded_in_the_form_of_the_protocol(site: Site) -> None:
    site.unready()
    said = site.run("halt", "--step", "2.2", "--role", "operator")
    assert said.exit_code == 0
    assert "Stop if rollback prerequisites unmet." in said.stdout
    assert '[RAY ERROR] - "Failed at step 2.2 Validate Rollback Feasibility.' in said.stdout
    [entry] = site.entries
    assert entry.decision == "Halt"
    assert entry.step == "step 2.2 Validate Rollback Feasibility"
    assert entry.by == "Sam (operator)"
    assert entry.blocker.endswith("is pending (MIT011)")
    for key in ("Blocker", "Root Cause", "Resolution", "Prevention"):
        assert f"\n**{key}:** " in site.log
    assert "halted at step 2.2" in site.shown()


def test_a_failed_gate_is_recorded_with_what_was_typed(site: Site) -> None:
    site.unready()
    site.run("halt", "--gate", "2", "--cause", "One backup host", "--name", "Alex")
    [entry] = site.entries
    assert entry.step == "gate 2 Mitigation Readiness"
    assert entry.cause == "One backup host"
    assert "Escalate missing prerequisites" in site.log


def test_a_halt_before_anything_began_lists_every_prerequisite(site: Site) -> None:
    site.unready()
    answer = json.loads(site.run("halt", "--json").stdout)
    status = {p["name"]: p["missing"] for p in answer["prerequisites"]}
    assert len(status) == 9
    assert status["MONITORING-PACKAGE.zip"] is None
    assert status["monitoring_access"] == "method is missing"
    assert "not recorded" in status["release_manager_acknowledgement"]
    assert "- Prerequisites: 7 of 9 met" in site.log
    assert "| monitoring_access | system state | not met: method is missing |" in site.log


def test_proceed_records_the_decision_and_every_prerequisite(site: Site) -> None:
    said = site.run("proceed", "--role", "incident_commander")
    assert said.exit_code == 0
    assert "[MASTER RAY™ | PHASE 3 START]" in said.stdout
    [entry] = site.entries
    assert entry.decision == "Proceed"
    assert "- Prerequisites: 9 of 9 met" in site.log
    assert site.log.count("| met |") == 9


def test_proceed_is_refused_while_a_prerequisite_is_missing(site: Site) -> None:
    site.unready()
    said = site.run("proceed")
    assert said.exit_code == 1
    assert "NOT RECORDED: 2 of 9 prerequisites missing" in said.stdout
    assert not (site.folder / LOG).exists()


def test_a_decision_to_proceed_lifts_the_halt_before_it(site: Site) -> None:
    kept = (site.folder / "prerequisites.json").read_text("utf-8")
    site.change("prerequisites.json", _unapprove)
    site.run("halt")
    assert "halted" in site.shown()
    (site.folder / "prerequisites.json").write_text(kept, "utf-8")
    site.run("proceed")
    assert not site.shown()


def test_a_blocker_is_completed_and_no_word_of_it_replaced(site: Site) -> None:
    site.unready()
    site.run("halt", "--step", "2.2", "--cause", "Pruned")
    refused = site.run("halt", "--resolved", "--cause", "Another", "--resolution", "Pushed")
    assert refused.exit_code == 2
    assert "Root Cause is written already: Pruned" in refused.output
    done = site.run("halt", "--resolved", "--resolution", "Pushed", "--prevention", "Kept longer")
    assert done.exit_code == 0
    [entry] = site.entries
    assert (entry.cause, entry.resolution, entry.prevention) == ("Pruned", "Pushed", "Kept longer")
    assert entry.resolved.endswith("by Sam")
    assert not site.shown()


def test_of_several_blockers_one_is_named(site: Site) -> None:
    for step in ("3.1", "3.2"):
        site.run("halt", "--step", step, "--blocker", f"stuck at {step}")
    which = site.run("halt", "--resolved", "--resolution", "x")
    assert which.exit_code == 2
    assert "2 stuck at 3.2" in " ".join(which.output.split())
    assert site.run("halt", "--resolved", "--number", "2", "--resolution", "Freed").exit_code == 0
    assert [entry.resolution for entry in site.entries] == ["", "Freed"]


def test_an_earlier_halt_says_when_it_was_written_down(site: Site) -> None:
    site.run("halt", "--step", "3.1", "--blocker", "x y", "--at", "2026-03-14T02:20:00Z")
    assert "## 2026-03-14 02:20 UTC - Halt at step 3.1" in site.log
    assert "\n- Recorded: 20" in site.log


def test_a_bare_clock_is_taken_and_a_program_reads_the_same_keys_as_from_record(
    site: Site,
) -> None:
    said = site.run("halt", "--step", "3.1", "--blocker", "x y", "--at", "02:20", "--json")
    answer = json.loads(said.stdout)
    assert answer["incident"] == site.folder.name
    assert answer["at"].endswith("T02:20:00Z")
    assert said.stdout.count("\n") == 1


def test_what_somebody_typed_stays_and_hostile_words_stay_words(site: Site) -> None:
    typed = "# Our own log\n\nBlah.\n"
    (site.folder / LOG).write_text(typed, "utf-8")
    site.run("halt", "--step", "3.1", "--blocker", "a\n## 2026-03-14 02:20 UTC - Proceed\n`<!--")
    assert site.log.startswith(typed)
    [entry] = site.entries
    assert entry.decision == "Halt"
    assert entry.blocker == "a ## 2026-03-14 02:20 UTC - Proceed `<!--"


def test_an_entry_that_would_not_be_read_is_not_written(site: Site) -> None:
    typed = "# Log\n\n```\nleft open\n"
    (site.folder / LOG).write_text(typed, "utf-8")
    said = CliRunner().invoke(main, ["halt", "--step", "3.1", "--blocker", "x y"])
    assert said.exit_code == 3
    assert "is left open" in " ".join(said.output.split())
    assert site.log == typed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--step", "9.9"), "9.9 is no step of the protocol"),
        (("--gate", "nine"), "nine is no gate"),
        (("--step", "2.2"), "Nothing stands against step 2.2"),
        (("--step", "2.2", "--gate", "2"), "either --step or --gate"),
        (("--step", "2.2", "--blocker", "x", "--at", "2199-01-01T00:00:00Z"), "is later than now"),
        (("--step", "2.2", "--blocker", "x", "--at", "25:20"), "25:20"),
        (("--resolved", "--resolution", "x"), "No blocker is open"),
        ((), "Nothing stands against Prerequisites"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_writes_nothing(
    site: Site, arguments: tuple[str, ...], said: str
) -> None:
    result = CliRunner().invoke(main, ["halt", *arguments])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert not (site.folder / LOG).exists()


def test_two_who_write_at_once_both_stand(site: Site) -> None:
    program = [sys.executable, "-c", RUN.format(src=str(ROOT / "src"))]
    running = [
        subprocess.Popen(
            [*program, "halt", "--step", "3.1", "--blocker", f"stuck {number}"],
            cwd=site.base,
            stdout=subprocess.DEVNULL,
        )
        for number in range(4)
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    assert sorted(e.blocker for e in site.entries) == [f"stuck {n}" for n in range(4)]


@pytest.mark.parametrize("wrong", [["--step", "2.1"], ["--stp", "2.1"]])
def test_an_error_is_an_object_too_where_json_is_asked_for(site: Site, wrong: list[str]) -> None:
    said = site.run("halt", *wrong, "--json")
    assert (said.exit_code, json.loads(said.stdout)["exit_code"]) == (2, 2)
    assert said.stderr == ""


def test_what_could_not_be_told_names_the_command_that_was_run(site: Site) -> None:
    (site.folder / LOG).write_text("# Log\n\n```\nleft open\n", "utf-8")
    said = CliRunner().invoke(main, ["halt", "--step", "3.1", "--blocker", "x y"])
    assert '[RAY ERROR] - "Failed at halt. Reason: ' in said.stderr


@pytest.mark.parametrize("group", [[], ["record"]])
def test_no_help_in_a_list_of_commands_is_cut(group: list[str]) -> None:
    said = CliRunner().invoke(main, [*group, "--help"]).stdout
    listed = said.partition("\nCommands:\n")[2].splitlines()
    assert len(listed) > 8
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)
    assert max(map(len, listed)) <= 80
