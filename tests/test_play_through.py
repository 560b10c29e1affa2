"""The protocol's own example, played on the command line from the page to the closed record."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from incident_gates import protocol, run
from incident_gates.cli import main
from incident_gates.desk import found, new, running

EXAMPLE = Path(__file__).resolve().parents[1] / "examples/complete"
ID = "INC-2026-0042"
FOLDER = Path(".artifacts/incidents") / ID
DAY = datetime(2026, 3, 14, tzinfo=timezone.utc)
MOST_TYPED_BEFORE, MOST_BEFORE, MOST_IN_ALL = 25, 5, 15

POLICY = """\
schema_version: "1.0"
people:
  - {name: Alex, roles: [incident_commander]}
  - {name: Jordan, roles: [release_manager]}
  - {name: Sam, roles: [operator]}
standing:
  system_states:
    - id: dashboards
      state: monitoring_access
      verified_by: {name: Sam, role: operator}
      verified_at: 2026-03-02T09:00:00Z
      method: everybody on call opened every dashboard
      expires_at: 2026-04-01T00:00:00Z
    - id: deploy-role
      state: privileged_credentials
      verified_by: {name: Sam, role: operator}
      verified_at: 2026-03-11T15:00:00Z
      method: assumed the deploy role in the rehearsal
      expires_at: 2026-04-11T00:00:00Z
    - id: war-room
      state: communication_channels
      verified_by: {name: Alex, role: incident_commander}
      verified_at: 2026-03-09T09:30:00Z
      method: weekly test of bridge and channel
      expires_at: 2026-03-16T09:30:00Z
  readiness:
    - id: script
      category: script
      description: rollback_backend.sh is present and its dry run is clean
      verified_by: {name: Sam, role: operator}
      verified_at: 2026-03-11T15:00:00Z
      evidence: rehearsal, pipeline run 8790
      expires_at: 2026-04-11T00:00:00Z
    - id: image
      category: dependency
      description: The images of the last ten releases are kept
      verified_by: {name: Sam, role: operator}
      verified_at: 2026-03-11T15:05:00Z
      evidence: retention rule 4 of the registry
      expires_at: 2026-04-11T00:00:00Z
    - id: access
      category: access
      description: The operator can assume the deploy role
      verified_by: {name: Sam, role: operator}
      verified_at: 2026-03-11T15:00:00Z
      evidence: rehearsal, pipeline run 8790
      expires_at: 2026-04-11T00:00:00Z
  options:
    - id: rollback-backend
      title: Rollback to {previous_release}
      strategy: rollback
      services: [api]
      target: "{previous_release}"
      action: ./rollback_backend.sh {previous_release}
      risks: Columns that the newer release added stay; the older one ignores them.
      dependencies: The image is in the registry; the deploy role is available.
      expected_duration: 10 min
      readiness: [script, image, access]
      verify:
        - id: backup
          category: backup
          description: The last snapshot of the order database restores
      recovery_checks:
        - {id: api-smoke, service: api, kind: smoke, description: GET /version answers}
        - {id: api-health, service: api, kind: health, description: All pods are ready}
        - {id: api-order, service: api, kind: user_journey, description: An order is paid}
"""
ALERT = {
    "version": "4",
    "groupKey": '{}:{alertname="ApiLatencyHigh"}',
    "status": "firing",
    "receiver": "incidents",
    "groupLabels": {"alertname": "ApiLatencyHigh"},
    "commonLabels": {"alertname": "ApiLatencyHigh", "service": "api"},
    "commonAnnotations": {"summary": "API latency > 800ms"},
    "externalURL": "http://alertmanager.example.com",
    "truncatedAlerts": 0,
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "ApiLatencyHigh", "service": "api"},
            "annotations": {
                "summary": "API latency > 800ms",
                "slo": "API p99 latency at most 800 ms",
                "observed": "2400 ms",
            },
            "startsAt": "2026-03-14T02:10:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.com/graph",
            "fingerprint": "8a1f2e3d4c5b6a79",
        }
    ],
}


class Clock:
    """The wall clock of the responders: the desk asks it wherever it asks for the time."""

    def __init__(self) -> None:
        self.now = DAY

    def set(self, text: str) -> None:
        hour, minute = map(int, text.split(":")[:2])
        self.now = DAY + timedelta(hours=hour, minutes=minute)

    def __call__(self, *_: Any) -> datetime:
        return self.now


class Play:
    """A repository in which commands are typed, and counted."""

    def __init__(self, site: Path, clock: Clock) -> None:
        self.site, self.clock = site, clock
        self.typed: list[list[str]] = []
        self.said: list[str] = []

    def type(self, time: str, *arguments: str, code: int = 0) -> Result:
        self.clock.set(time)
        self.typed.append(list(arguments))
        said = CliRunner().invoke(main, arguments, env={"INCIDENT_GATES_DEBUG": "1"})
        assert said.exit_code == code, f"{arguments}\n{said.output}"
        self.said.append(said.output)
        return said

    def copy(self, source: Path, target: Path) -> None:
        """Logs, dashboard and diff are put into the folder: a command like any other."""
        self.typed.append(["cp", "-r", str(source), str(target)])
        shutil.copytree(source, target, dirs_exist_ok=True)

    def read(self, name: str) -> Any:
        return json.loads((self.site / FOLDER / name).read_text("utf-8"))

    def text(self, name: str) -> str:
        return (self.site / FOLDER / name).read_text("utf-8")


def values(arguments: list[str]) -> int:
    """Typed values: each argument, option value and list element; what follows `--` is one."""
    ours, _, rest = _divided(arguments)
    words = [word for word in _without_verbs(ours) if not word.startswith("--")]
    return sum(len(word.split(",")) if _is_list(word) else 1 for word in words) + bool(rest)


def _divided(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], "--", arguments[at + 1 :]


def _without_verbs(arguments: list[str]) -> list[str]:
    return arguments[2:] if arguments[0] == "record" else arguments[1:]


def _is_list(word: str) -> bool:
    return "," in word and " " not in word


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """An empty repository with what upstream left there, and a policy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    clock = Clock()
    for module in (found, new, run):
        monkeypatch.setattr(module, "moment", clock)
    monkeypatch.setattr(running, "datetime", type("Told", (), {"now": clock}))
    for folder in ("monitoring", "deployment", "pre-deployment"):
        shutil.copytree(EXAMPLE / ".artifacts" / folder, tmp_path / ".artifacts" / folder)
    shutil.copytree(EXAMPLE / ".cursor", tmp_path / ".cursor")
    (tmp_path / ".incident-gates.yaml").write_text(POLICY)
    (tmp_path / "alert.json").write_text(json.dumps(ALERT))
    script = tmp_path / "rollback_backend.sh"
    script.write_text("#!/bin/sh\necho shifting traffic to $1\necho 24/24 pods ready\n")
    script.chmod(0o755)
    for command in (["init", "-q"], ["config", "user.name", "Sam"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return Play(tmp_path, clock)


def before_execution(play: Play) -> None:
    """From the page at 02:10 to the word of those who decide."""
    people = ("--commander", "Alex", "--release-manager", "Jordan")
    play.type("02:12", "new", ID, "--from", "alert.json", *people)
    play.type(
        "02:14", "record", "assessment", "--severity", "SEV-1",
        "--by", "Alex", "--by", "Sam",
        "--why", "Checkout is unusable; latency is three times its objective",
        "--impact", "Every page takes over 2 s", "--scope", "all customers",
        "--impact-started", "02:08", "--no-regulated-data", "--no-customer-notification",
    )  # fmt: skip
    play.type(
        "02:15", "record", "notice", "--audience", "sre_on_call,product_owner,support_lead",
        "--channel", "#incident-sev1", "--message", "SEV-1 declared: API latency > 800ms",
    )  # fmt: skip
    play.type(
        "02:21", "record", "option", "--standing", "rollback-backend",
        "--verified", "backup", "--by", "Sam", "--evidence", "snapshot 0200, restore job 8812",
    )  # fmt: skip
    play.type("02:23", "record", "decision", "--approve", "Alex", "--approve", "Jordan")


def execute(play: Play) -> None:
    """The rollback of 02:25."""
    rollback = ("--", "./rollback_backend.sh", "v1.2.3")
    play.type("02:25", "record", "execution", "--change-reference", "CHG-20931", *rollback)


def recover_and_close(play: Play) -> None:
    """From the rollback to a closed record."""
    play.type("02:29", "record", "recovery-check", "--propagated", "24 of 24 pods say v1.2.3")
    play.type("02:32", "record", "recovery-check", "--all", "--passed", "--evidence", "run 5501")
    play.type(
        "02:37", "record", "resolution", "--status", "resolved",
        "--resolution", "Rollback to release v1.2.3", "--slo", "590 ms",
        "--alert", "ApiLatencyHigh",
        "--action", "prevent", "Load-test price cache misses", "Lee", "2026-04-03",
        "--trigger", "Release v1.3.0 added the customer to the price cache key",
        "--factor", "No load test covers cache misses",
    )  # fmt: skip
    play.type(
        "02:38", "record", "notice", "--audience", "sre_on_call,product_owner,support_lead",
        "--channel", "#incident-sev1", "--message", "Resolved at 02:37 UTC by the rollback",
    )  # fmt: skip
    play.copy(EXAMPLE / FOLDER / "attachments", FOLDER / "attachments")
    play.type("02:50", "new", "rca")
    play.type("02:51", "new", "timeline")
    play.type("02:52", "new", "report")
    play.type(
        "03:07", "record", "resolution", "--status", "closed", "--stable", "p99 below 640 ms",
        "--captured-by", "Sam", "--headline", "API latency after release v1.3.0",
        "--impact", "31 % of checkouts timed out for 21 min",
    )  # fmt: skip


def test_the_protocols_own_example_passes_every_gate(play: Play) -> None:
    before_execution(play)
    typed = sum(values(arguments) for arguments in play.typed)
    assert len(play.typed) <= MOST_BEFORE
    execute(play)
    typed += values(play.typed[-1])
    assert typed <= MOST_TYPED_BEFORE, typed
    recover_and_close(play)
    assert len(play.typed) <= MOST_IN_ALL
    checked = play.type("03:08", "check", "--require", "all", "--format", "json")
    [incident] = json.loads(checked.stdout)["incidents"]
    assert incident["verdict"] == "passed"
    assert [gate["status"] for gate in incident["gates"]] == ["passed"] * 5
    findings = [f for g in incident["gates"] for f in g["findings"]] + incident["findings"]
    assert [f for f in findings if f["level"] != "INFO"] == []


def test_what_was_typed_cited_and_derived_is_the_protocols_example(play: Play) -> None:
    before_execution(play)
    execute(play)
    recover_and_close(play)
    timeline = play.text("incident-timeline.md")
    for line in (
        "- 02:10 UTC - Signal: ApiLatencyHigh: API latency > 800ms (Alertmanager)",
        "- 02:25 UTC - E-1 started: ./rollback_backend.sh v1.2.3",
        "- 02:32 UTC - Recovered",
    ):
        assert line in timeline
    report = play.text("INCIDENT-REPORT.md")
    assert "- Severity: SEV-1" in report
    assert "- Duration: 27 min" in report
    assert "- Resolution: Rollback to release v1.2.3" in report
    [decision] = play.read("decision-log.json")["decisions"]
    assert decision["action"] == "./rollback_backend.sh v1.2.3"
    assert [a["by"] for a in decision["approvals"]] == [
        {"name": "Alex", "role": "incident_commander"},
        {"name": "Jordan", "role": "release_manager"},
    ]
    checklist = play.read("rollback-readiness-checklist.json")
    assert checklist["rollback_target"] == "v1.2.3"
    assert checklist["last_exercised_at"] == "2026-03-11T15:00:00Z"
    rehearsal = (
        EXAMPLE / ".artifacts/pre-deployment/rollback-verification-report.json"
    ).read_bytes()
    assert hashlib.sha256(rehearsal).hexdigest() in checklist["last_exercised_evidence"]
    cited = {i["id"] for i in checklist["items"] if "standing" in i}
    assert cited == {"script", "image", "access"}
    everything = "".join(path.read_text("utf-8") for path in Path(FOLDER).glob("*.[jm][sd]*"))
    assert "TODO" not in everything


def test_each_step_answers_in_the_protocols_words(play: Play) -> None:
    before_execution(play)
    execute(play)
    recover_and_close(play)
    said = " ".join(" ".join(play.said).split())
    phases = protocol.load().data["phases"]
    prompts = [phases[0]["prompt"].format(severity="SEV-1"), phases[3]["prompt"]]
    prompts.append(phases[1]["prompt"].format(action="./rollback_backend.sh v1.2.3"))
    announced = [phases[0]["announcement"], phases[2]["announcement"]]
    for text in (*prompts, phases[3]["completion"], *announced):
        assert text in said
    lines = [line for answer in play.said[1:] for line in answer.splitlines()]
    assert max(map(len, lines)) <= 80


def test_each_answer_says_what_to_type_next(play: Play) -> None:
    before_execution(play)
    execute(play)
    recover_and_close(play)
    nexts = [
        " ".join(said.partition("Next: ")[2].split()) for said in play.said if "Next: " in said
    ]
    wanted = [
        "record assessment --incident INC-2026-0042 --severity SEV",
        "record notice --incident INC-2026-0042 --audience sre_on_call,product_owner,support_lead",
        "record option --incident INC-2026-0042 --standing rollback-backend",
        "record decision",
        "record execution",
        "record recovery-check --incident INC-2026-0042 --propagated",
        "record recovery-check --incident INC-2026-0042 --all --passed",
        "record resolution --incident INC-2026-0042 --status resolved",
        "record notice",
        "new rca --incident INC-2026-0042",
        "aggregate",
    ]
    assert len(nexts) == len(wanted)
    for said, start in zip(nexts, wanted, strict=True):
        assert said.removeprefix("incident-gates ").startswith(start)


def test_the_count_counts_what_a_hand_types() -> None:
    assert values(["record", "notice", "--audience", "a,b", "--message", "x, y", "--all"]) == 3
    assert values(["record", "execution", "--service", "api", "--", "./run", "v1", "-x"]) == 2
    assert values(["new", "INC-1", "--from", "alert.json"]) == 2


def test_an_expired_standing_item_is_not_cited(play: Play) -> None:
    path = play.site / ".incident-gates.yaml"
    path.write_text(path.read_text().replace("2026-04-11T00:00:00Z", "2026-03-13T00:00:00Z"))
    play.type("02:12", "new", ID, "--commander", "Alex", "--release-manager", "Jordan")
    states = {s["state"]: s for s in play.read("prerequisites.json")["system_states"]}
    assert "standing" in states["monitoring_access"]
    assert "standing" not in states["privileged_credentials"]
    said = play.type("02:21", "record", "option", "--standing", "rollback-backend")
    assert "item script ran out at 2026-03-13T00:00:00Z" in " ".join(said.output.split())
    items = {i["id"]: i for i in play.read("rollback-readiness-checklist.json")["items"]}
    assert items["script"]["status"] == "pending"
    assert not {"standing", "verified_by", "evidence"} & items["script"].keys()


def test_what_must_be_verified_anew_is_pending_until_somebody_says_so(play: Play) -> None:
    play.type("02:12", "new", ID)
    said = play.type("02:21", "record", "option", "--standing", "rollback-backend")
    assert "still needs somebody to verify backup" in said.output
    items = {i["id"]: i for i in play.read("rollback-readiness-checklist.json")["items"]}
    assert items["backup"] == {
        "id": "backup",
        "category": "backup",
        "description": "The last snapshot of the order database restores",
        "required": True,
        "status": "pending",
    }
    nobody = play.type("02:22", "record", "readiness", "--all", "--evidence", "job 8812", code=2)
    assert "say who verified it" in nobody.output


def test_the_next_morning_the_same_is_written_with_its_times(play: Play) -> None:
    at, source = "--at", ("--source", "chat export of #incident-sev1")
    play.type("08:00", "new", ID, "--from", "alert.json", "--commander", "Alex",
              "--release-manager", "Jordan")  # fmt: skip
    play.type(
        "08:01", "record", "assessment", "--severity", "SEV-1", "--by", "Alex", "--by", "Sam",
        "--why", "Checkout is unusable", "--impact", "Every page takes over 2 s",
        "--scope", "all customers", "--impact-started", "02:08", "--no-regulated-data",
        "--no-customer-notification", at, "02:14", *source,
    )  # fmt: skip
    play.type(
        "08:02", "record", "notice", "--audience", "sre_on_call,product_owner,support_lead",
        "--channel", "#incident-sev1", "--message", "SEV-1 declared", at, "02:15", *source,
    )  # fmt: skip
    play.type(
        "08:03", "record", "option", "--standing", "rollback-backend", "--verified", "backup",
        "--by", "Lee", "--evidence", "restore job 8812", at, "02:21", *source,
    )  # fmt: skip
    word = ("--approve", "Alex", "--approve", "Jordan")
    said = play.type("08:04", "record", "decision", *word, at, "02:23", code=2)
    assert "say where it can be seen with --source" in " ".join(said.output.split())
    play.type("08:04", "record", "decision", *word, at, "02:23", *source)
    [decision] = play.read("decision-log.json")["decisions"]
    assert decision["decided_at"] == {"at": "2026-03-14T02:23:00Z", "precision": "minute"}
    assert decision["recorded_at"] == "2026-03-14T08:04:00Z"
    assert {a["source"] for a in decision["approvals"]} == {source[1]}
    checked = play.type("08:05", "check", "--require", "ready", "--format", "json")
    [incident] = json.loads(checked.stdout)["incidents"]
    assert [g["status"] for g in incident["gates"]][:3] == ["passed"] * 3
    assert "| 02:15 UTC |" in play.text("communication-log.md")
