"""What is typed when somebody types only what the desk says is next."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from incident_gates import run
from incident_gates.cli import main
from incident_gates.desk import found, new, running

EXAMPLE = Path(__file__).resolve().parents[1] / "examples/complete"
ID = "INC-2026-0042"
FOLDER = Path(".artifacts/incidents") / ID
MOST = 30
POLICY = """\
schema_version: "1.0"
standing:
  system_states:
"""
STATE = """\
    - id: {0}
      state: {0}
      verified_by: {{name: Sam, role: operator}}
      verified_at: 2026-03-02T09:00:00Z
      method: looked
      expires_at: 2026-04-01T00:00:00Z
"""
STATES = ("monitoring_access", "privileged_credentials", "communication_channels")
# What a person types for each word in capitals.
WORDS = {
    "SEV": "SEV-1", "OBJECTIVE=OBSERVED": "p99 at most 800 ms=2400 ms", "OBSERVED": "590 ms",
    "SOURCE": "Alertmanager", "TIME": "02:10", "RELEASE": "v1.2.3", "WHICH": "rollback",
    "CHANNEL": "#incident", "NAME": "Sam", "TEXT": "what was seen", "REF": "CHG-1",
    "KIND": "prevent", "OWNER": "Lee", "DATE": "2026-04-03", "NAME:ROLE": "Sam:operator",
    "NAME:incident_commander": "Alex:incident_commander",
    "NAME:release_manager": "Jordan:release_manager", "COMMAND": "true", "ROLE": "operator",
}  # fmt: skip
AFTER = {"--commander": "Alex", "--release-manager": "Jordan", "--expected": "10 min"}


class Desk:
    """A repository with what upstream left in it, and a clock that moves on."""

    def __init__(self, path: Path) -> None:
        self.path, self.now = path, datetime(2026, 3, 14, 2, 12, tzinfo=timezone.utc)
        self.typed: list[str] = []

    def clock(self, *_: Any) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env={"INCIDENT_GATES_DEBUG": "1"})

    def data(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.run("status", "--json").stdout)["status"][0]
        return record

    def next(self) -> list[str]:
        said: list[str] = self.data()["next"]
        return said

    def change(self, name: str, change: Any) -> None:
        path = self.path / FOLDER / name
        top = json.loads(path.read_text("utf-8"))
        change(top)
        path.write_text(json.dumps(top, indent=2) + "\n", "utf-8")

    def follow(self) -> str:
        """Types what comes next until a file must be opened, or the record is over."""
        for _ in range(MOST):
            command = self.next()[0]
            if not command.startswith("incident-gates ") or " aggregate " in command:
                return command
            assert command not in self.typed[-1:], f"{command} changed nothing"
            self.typed.append(command)
            said = self.run(*filled(command))
            assert said.exit_code == 0, f"{command}\n{said.output}"
            self.agrees(said.output)
            self.now += timedelta(minutes=1)
        raise AssertionError(self.typed)

    def until(self, wanted: str) -> None:
        """Types what comes next until that is it."""
        for _ in range(MOST):
            command = self.next()[0]
            if wanted in command:
                return
            said = self.run(*filled(command))
            assert said.exit_code == 0, f"{command}\n{said.output}"
        raise AssertionError(self.next())

    def agrees(self, output: str) -> None:
        """An answer of record and status say the same."""
        said = " ".join(output.partition("Next: ")[2].split())
        if said.startswith("incident-gates record"):
            assert said.partition(" or: ")[0] == self.next()[0]


def answer(option: str, word: str) -> str:
    """What a person types for a word in capitals; a text answers its own question."""
    said = WORDS.get(word, word)
    return f"{said} of {option.strip('-')}" if word == "TEXT" else said


def filled(command: str) -> list[str]:
    words = command.split()[1:]
    pairs = zip(["", *words[:-1]], words, strict=True)
    typed = [AFTER.get(before, answer(before, word)) for before, word in pairs]
    return [*typed, "--name", "Jordan"] if "approval" in words else typed


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    desk = Desk(tmp_path)
    for module in (found, new, run):
        monkeypatch.setattr(module, "moment", desk.clock)
    monkeypatch.setattr(running, "datetime", type("Told", (), {"now": desk.clock}))
    for folder in ("monitoring", "deployment", "pre-deployment"):
        shutil.copytree(EXAMPLE / ".artifacts" / folder, tmp_path / ".artifacts" / folder)
    shutil.copytree(EXAMPLE / ".cursor", tmp_path / ".cursor")
    policy = POLICY + "".join(STATE.format(state) for state in STATES)
    (tmp_path / ".incident-gates.yaml").write_text(policy)
    for command in (["init", "-q"], ["config", "user.name", "Sam"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    desk.run("new", ID)
    return desk


def plan_checks(desk: Desk) -> None:
    kinds = ("smoke", "health", "user_journey")
    checks = [
        {"id": k, "service": "Sam", "kind": k, "critical": True, "description": k} for k in kinds
    ]
    desk.change("rollback-readiness-checklist.json", lambda t: t.update(recovery_checks=checks))
    said = {"regulated_data": False, "customer_notification": False}
    desk.change("prerequisites.json", lambda t: t.update(said))


def archive(desk: Desk) -> None:
    shutil.copytree(EXAMPLE / FOLDER / "attachments", desk.path / FOLDER / "attachments")


def test_an_empty_record_asks_for_entries_and_is_short(desk: Desk) -> None:
    said = desk.run("status").stdout
    assert "Next: incident-gates record event" in said
    assert "then: incident-gates new INC-2026-0042 --commander NAME" in said
    assert "26 things missing or wrong" in said
    assert len(said.partition("GATE 1")[2].partition("\n\n")[0].splitlines()) <= 6
    assert "fill in: impact_started_at, detected_at" in said
    assert max(map(len, said.splitlines())) <= 80
    assert desk.data()["confidence"]["level"] == "low"


def test_typing_what_comes_next_leads_to_a_closed_record(desk: Desk) -> None:
    """With what no verb writes done in an editor, whenever the desk says to edit that file."""
    assert desk.follow().startswith("edit .artifacts/incidents/INC-2026-0042/prerequisites.json")
    assert not any("record execution" in command for command in desk.typed)
    plan_checks(desk)
    archive(desk)
    assert desk.follow().startswith(f"edit {FOLDER}/INCIDENT-REPORT.md"), desk.next()
    lines = [word.split()[2] for word in desk.typed if " record " in word]
    assert lines.index("execution") > lines.index("decision") > lines.index("option")
    for verb in ("notice", "readiness", "recovery-check", "resolution"):
        assert verb in lines
    report = desk.path / FOLDER / "INCIDENT-REPORT.md"
    report.write_text(report.read_text("utf-8").replace("TODO ", "Seen: "), "utf-8")
    assert desk.follow() == f"incident-gates aggregate --incident {ID}"
    assert desk.run("check").exit_code == 0


def test_after_a_failed_rollback_another_option_is_next_and_no_outcome_is_edited(
    desk: Desk,
) -> None:
    desk.follow()
    plan_checks(desk)
    said = desk.run("record", "execution", "--change-reference", "C-1", "--", "false")
    assert said.exit_code == 1
    steps = desk.next()
    assert steps[0].startswith(f"incident-gates record option --incident {ID} --title TEXT")
    assert "--propose" in steps[0]
    assert not any(step.startswith("edit") for step in steps)
    assert desk.run(*filled(steps[0])).exit_code == 0
    assert "record decision" in desk.next()[0]
    assert "--option O-2" in desk.next()[0]


def test_an_emergency_asks_for_recovery_then_for_the_decision_it_owes(desk: Desk) -> None:
    desk.until("record option")
    urgent = ("record", "execution", "--emergency", "no order can be paid", "--service", "Sam")
    assert desk.run(*urgent, "--", "true").exit_code == 0
    assert "--propagated TEXT" in desk.next()[0]
    seen = []
    for _ in range(MOST):
        command = desk.next()[0]
        if "record resolution" in command:
            break
        seen.append(command.split()[2])
        said = desk.run(*filled(command))
        assert said.exit_code == 0, f"{command}\n{said.output}"
    assert seen == ["recovery-check"] * 4 + ["option", "decision"]
    assert not any("record execution" in step for step in desk.next())


def test_before_it_is_decided_the_checks_are_planned_and_the_items_filled(desk: Desk) -> None:
    desk.until("record readiness")
    seen = []
    while "record decision" not in desk.next()[0]:
        seen.append(desk.next()[0].partition(f"--incident {ID} ")[2])
        said = desk.run(*filled(desk.next()[0]))
        assert said.exit_code == 0, said.output
        assert len(seen) < MOST
    assert [words.split()[:2] for words in seen] == [
        *(["--item", kind] for kind in ("script", "backup", "dependency", "access")),
        *(["--plan", kind] for kind in ("smoke", "health", "user_journey")),
    ]
    assert not any("--category" in words for words in seen)


def test_what_was_run_on_no_decision_is_tied_to_the_one_that_waits(desk: Desk) -> None:
    desk.until("record decision")
    urgent = ("record", "execution", "--emergency", "no order can be paid", "--", "true")
    assert desk.run(*urgent).exit_code == 0
    desk.until("--for E-1")
    by = ("--approve", "Alex:incident_commander", "--approve", "Jordan:release_manager")
    assert desk.run("record", "decision", *by).exit_code == 0
    assert f"record execution --incident {ID} --id E-1 --decision D-1" in desk.next()[0]
    assert desk.run(*filled(desk.next()[0])).exit_code == 0
    assert "record resolution" in desk.next()[0]


def test_a_failed_execution_says_the_next_command(desk: Desk) -> None:
    desk.until("record notice")
    urgent = ("record", "execution", "--emergency", "no order can be paid", "--", "false")
    said = desk.run(*urgent)
    assert said.exit_code == 1
    told = " ".join(said.stderr.partition("Next: ")[2].split())
    assert told == desk.next()[0]
    assert told.startswith("incident-gates record ")


def test_a_failed_gate_does_not_hide_what_comes_next(desk: Desk) -> None:
    """A late notice stays late; the night goes on."""
    desk.until("record notice")
    desk.now += timedelta(minutes=20)
    desk.until("record decision")
    assert desk.run(*filled(desk.next()[0])).exit_code == 0
    assert desk.run("check").exit_code == 1
    plan_checks(desk)
    assert "record execution" in desk.next()[0]
    assert desk.next()[-1] == f"incident-gates check --incident {ID}"


def test_who_was_never_told_is_the_next_update(desk: Desk) -> None:
    desk.until("record notice")
    told = ("--audience", "sre_on_call", "--channel", "#i", "--message", "SEV-1")
    desk.run("record", "notice", *told)
    update = desk.data()["next_update"]
    assert update["audiences"] == ["product_owner", "support_lead"]
    assert update["first"]
    assert "--audience product_owner,support_lead" in desk.next()[0]


def test_a_signal_stands_in_the_derived_timeline_once(desk: Desk) -> None:
    desk.run("record", "event", "p99 over 800 ms", "--signal", "Alertmanager", "--at", "02:10")
    desk.run("record", "event", "The graph is flat", "--at", "02:11")
    assert desk.run("new", "timeline").exit_code == 0
    text = (desk.path / FOLDER / "incident-timeline.md").read_text("utf-8")
    assert text.count("p99 over 800 ms") == 1
    assert text.count("The graph is flat") == 1


def test_a_second_record_says_that_the_first_is_open(desk: Desk) -> None:
    said = desk.run("new").output
    assert f"{ID} is open as well. For its next files: incident-gates new" in " ".join(said.split())


def test_an_error_of_status_is_an_object_where_json_is_asked_for(desk: Desk) -> None:
    said = desk.run("status", "--json", "--incident", "NOPE")
    assert (said.exit_code, json.loads(said.stdout)["exit_code"]) == (2, 2)
    wrong = desk.run("status", "--json", "--nonsense")
    assert (wrong.exit_code, json.loads(wrong.stdout)["exit_code"]) == (2, 2)
