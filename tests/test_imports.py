"""What other tools say becomes entries of the record: all of it, once, and nothing invented."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import alertmanager
import pytest
import webhooks
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_gates import facts, protocol, schema
from incident_gates.cli import main
from incident_gates.desk.imports import filling, payload
from incident_gates.errors import UsageError
from incident_gates.evidence import times
from incident_gates.incident import Record

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
PAYLOADS = Path(__file__).with_name("payloads")
ID = "INC-2026-0042"
INTAKE, NOTICES = "incident-intake-log.md", "communication-log.md"
ASSESSMENT, EXECUTIONS = "severity-assessment.json", "mitigation-execution-report.json"
CHECKS = "recovery-validation.json"


class Desk:
    """An empty repository, or one with an example in it."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self.folder = site / ".artifacts/incidents" / ID
        for command in (["init", "-q"], ["config", "user.name", "Sam"]):
            subprocess.run(["git", "-C", str(site), *command], check=True)

    def example(self, name: str) -> None:
        shutil.copytree(ROOT / "examples" / name, self.site, dirs_exist_ok=True)

    def run(self, *arguments: str, said: bytes | None = None) -> Result:
        # A test that shows what is printed for an error must not stop at its traceback.
        return CliRunner().invoke(main, arguments, input=said, env={"INCIDENT_GATES_DEBUG": "1"})

    def new(self, *sources: Path | str, options: tuple[str, ...] = ()) -> Result:
        listed = [part for source in sources for part in ("--from", str(source))]
        done = self.run("new", ID, *listed, *options)
        assert done.exit_code == 0, done.output
        return done

    def text(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")

    def read(self, name: str) -> Any:
        return json.loads(self.text(name))

    def record(self) -> Record:
        return Record(self.folder, site=self.site, base=self.site, protocol=protocol.load())

    def signals(self) -> list[tuple[str, str, str]]:
        log, _ = facts.intake(self.record())
        assert not log.unreadable
        assert not log.stepped_back
        return [
            (e.time.shown if e.time else "", e.column("source"), e.column("text"))
            for e in log.entries
        ]

    def files(self) -> dict[str, bytes]:
        inside = self.site / ".artifacts"
        return {str(p): p.read_bytes() for p in inside.rglob("*") if p.is_file()}

    def policy(self, text: str) -> None:
        (self.site / ".incident-gates.yaml").write_text(text, "utf-8")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    return Desk(tmp_path)


def saved(site: Path, name: str, value: Any) -> Path:
    path = site / name
    path.write_text(json.dumps(value, indent=1), "utf-8")
    return path


# --- Alertmanager --------------------------------------------------------------------------------


def test_alerts_become_signals_in_the_order_of_time(desk: Desk) -> None:
    said = desk.new(PAYLOADS / "alertmanager.json")
    assert desk.signals() == [
        ("2026-03-14 02:10:07 UTC", "Alertmanager", "APILatencyHigh: API latency > 800 ms"),
        (
            "2026-03-14 02:11:30 UTC",
            "Alertmanager",
            "CheckoutErrors: 31 % of checkouts fail | retry storms <seen>",
        ),
    ]
    assert "2 signals in incident-intake-log.md" in said.stdout
    assert max(map(len, said.stdout.splitlines())) <= 84


def test_an_alert_states_when_it_was_detected_and_what_is_breached(desk: Desk) -> None:
    desk.new(PAYLOADS / "alertmanager.json")
    assessment = desk.read(ASSESSMENT)
    [kept] = (desk.folder / "sources").iterdir()
    assert assessment["detected_at"] == {
        "at": "2026-03-14T02:10:07.482Z",
        "source": f"Alertmanager startsAt, sources/{kept.name}",
    }
    [classified] = assessment["classifications"]
    assert classified["slo_breaches"] == [
        {"objective": "API p99 latency at most 800 ms over 5 min", "observed": "2400 ms"}
    ]
    assert classified["blast_radius"]["services"] == ["api", "checkout"]
    # What no alert can know is still asked for.
    for name in ("impact_started_at", "declared_at"):
        assert assessment[name].startswith("TODO")
    assert classified["severity"].startswith("TODO")
    assert schema.fits("severity-assessment", assessment)


def test_the_payload_is_kept_byte_for_byte_and_cited_with_its_digest(desk: Desk) -> None:
    source = PAYLOADS / "alertmanager.json"
    desk.new(source)
    sha = payload.opened(str(source)).sha256
    kept = desk.folder / f"sources/alertmanager-{sha[:12]}.json"
    assert kept.read_bytes() == source.read_bytes()
    assert f"- Payload: sources/{kept.name} sha256 {sha}" in desk.text(INTAKE)
    [named] = desk.read(ASSESSMENT)["x-alertmanager"]
    assert (named["source"], named["sha256"]) == (f"sources/{kept.name}", sha)
    # Fields that nobody reads are there to be read.
    assert named["fields"]["externalURL"] == "http://alertmanager.example.com:9093"
    assert named["fields"]["notification_reason"] == "initial"


def test_a_payload_cannot_forge_its_citation(desk: Desk) -> None:
    value = json.loads((PAYLOADS / "alertmanager.json").read_text("utf-8"))
    forged = {**value, "source": "elsewhere", "sha256": "0" * 64}
    desk.new(saved(desk.site, "a.json", forged))
    [named] = desk.read(ASSESSMENT)["x-alertmanager"]
    assert named["source"].startswith("sources/alertmanager-")
    assert named["sha256"][:12] in named["source"]
    assert named["fields"]["source"] == "elsewhere"


def test_a_cleared_alert_is_a_second_signal(desk: Desk) -> None:
    desk.new(PAYLOADS / "alertmanager.json")
    said = desk.new(PAYLOADS / "alertmanager-resolved.json")
    assert "1 signal in" in said.stdout
    assert [s for s in desk.signals() if "APILatencyHigh" in s[2]] == [
        ("2026-03-14 02:10:07 UTC", "Alertmanager", "APILatencyHigh: API latency > 800 ms"),
        ("2026-03-14 02:31:07 UTC", "Alertmanager", "Cleared: APILatencyHigh"),
    ]


def test_a_cleared_alert_that_was_never_seen_firing_is_two_signals(desk: Desk) -> None:
    desk.new(PAYLOADS / "alertmanager-resolved.json")
    assert [s[2][:7] for s in desk.signals()] == ["APILate", "Cleared"]


def test_what_was_left_out_by_alertmanager_is_said(desk: Desk) -> None:
    value = json.loads((PAYLOADS / "alertmanager.json").read_text("utf-8"))
    said = desk.new(saved(desk.site, "a.json", {**value, "truncatedAlerts": 7}))
    assert "left out 7 more alerts" in " ".join(said.stdout.split())


def test_a_storm_of_alerts_stays_readable(desk: Desk) -> None:
    value = json.loads((PAYLOADS / "alertmanager.json").read_text("utf-8"))
    first = value["alerts"][0]
    value["alerts"] = [
        {**first, "fingerprint": f"{n:016x}", "labels": {"alertname": f"A{n}"}} for n in range(230)
    ]
    said = desk.new(saved(desk.site, "storm.json", value))
    assert len(desk.signals()) == 200
    assert "30 more are in sources/alertmanager-" in " ".join(said.stdout.split())


@pytest.mark.parametrize("day", ["2026-03-13", "2026-03-11", "2019-05-15"])
def test_an_old_alert_does_not_change_the_dates_of_others(desk: Desk, day: str) -> None:
    desk.example("in-progress-2")
    before = desk.signals()
    value = json.loads((PAYLOADS / "alertmanager.json").read_text("utf-8"))
    value["alerts"] = [{**value["alerts"][0], "startsAt": f"{day}T23:58:00Z"}]
    said = desk.new(saved(desk.site, "a.json", value))
    log, _ = facts.intake(desk.record())
    shown = {e.time.shown for e in log.entries if e.time}
    assert {time for time, _, _ in before} | {f"{day} 23:58 UTC"} == shown
    # The record says another time of detection: nothing is replaced, and it is said.
    assert "look into it, nothing was replaced" in " ".join(said.stdout.split())
    assert desk.read(ASSESSMENT)["detected_at"] == "2026-03-14T02:10:00Z"


@pytest.mark.parametrize("secret", [True, False])
def test_what_looks_like_a_secret_is_said_and_not_repeated(desk: Desk, *, secret: bool) -> None:
    value = json.loads((PAYLOADS / "alertmanager.json").read_text("utf-8"))
    token = "ghp_" + "m4d3up" * 6
    value["alerts"][0]["annotations"]["summary"] = f"seen {token}" if secret else "seen"
    said = desk.new(saved(desk.site, "a.json", value))
    assert ("looks like a secret (GitHub token)" in " ".join(said.stdout.split())) == secret
    assert token not in said.stdout


# --- a real Alertmanager -------------------------------------------------------------------------


def test_what_a_real_alertmanager_sends_is_imported(desk: Desk) -> None:
    began = datetime.now(timezone.utc) - timedelta(minutes=3)
    labels = {"alertname": "APILatencyHigh", "service": "api", "severity": "critical"}
    alert = {"labels": labels, "annotations": {"summary": "API latency > 800 ms"}}
    with alertmanager.running(desk.site) as manager:
        manager.send({**alert, "startsAt": began.isoformat()})
        firing = manager.receiver.next("firing")
        over = datetime.now(timezone.utc) - timedelta(seconds=1)
        manager.send({**alert, "startsAt": began.isoformat(), "endsAt": over.isoformat()})
        resolved = manager.receiver.next("resolved")
    done = desk.run("new", ID, "--from", "-", said=firing)
    assert done.exit_code == 0, done.output
    [(_, source, text)] = desk.signals()
    assert (source, text) == ("Alertmanager", "APILatencyHigh: API latency > 800 ms")
    detected = times.from_value(desk.read(ASSESSMENT)["detected_at"])
    assert detected is not None
    assert abs(detected.earliest - began) < timedelta(seconds=1)
    assert asked_of_intake(desk) == {"SEV002"}
    assert "1 signal" in desk.run("new", ID, "--from", "-", said=resolved).stdout
    assert [s[2] for s in desk.signals()][1:] == ["Cleared: APILatencyHigh"]


def asked_of_intake(desk: Desk) -> set[str]:
    """The rules of gate 1's criterion on the intake log that are not satisfied."""
    report = json.loads(desk.run("check", "--require", "all", "--format", "json").stdout)
    gates = report["incidents"][0]["gates"]
    found = [f for g in gates if g["id"] == "severity" for f in (*g["findings"], *g["needs"])]
    return {f["rule"] for f in found if f["rule"] in ("SEV001", "SEV002", "SEV003")}


# --- PagerDuty -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pagerduty-webhook.json", "pagerduty-acknowledged.json"])
def test_an_event_of_pagerduty_begins_the_record(desk: Desk, name: str) -> None:
    desk.new(PAYLOADS / name)
    assert desk.signals() == [
        ("2026-03-14 02:10:12 UTC", "PagerDuty #420", "API latency > 800 ms (API)")
    ]
    assert desk.read(ASSESSMENT)["detected_at"]["at"] == "2026-03-14T02:10:12Z"


def test_an_acknowledgement_is_a_time_and_no_signal(desk: Desk) -> None:
    desk.new(PAYLOADS / "pagerduty-webhook.json")
    desk.new(PAYLOADS / "pagerduty-acknowledged.json")
    assert len(desk.signals()) == 1
    assert desk.read(ASSESSMENT)["acknowledged_at"]["at"] == "2026-03-14T02:11:03.120Z"


def test_an_incident_of_the_rest_api_brings_its_log_entries(desk: Desk) -> None:
    desk.new(PAYLOADS / "pagerduty-incident.json")
    assert [s[0] for s in desk.signals()] == ["2026-03-14 02:10:12 UTC", "2026-03-14 02:36:40 UTC"]
    assert desk.signals()[1][2] == "Resolved in PagerDuty: API latency > 800 ms"
    assessment = desk.read(ASSESSMENT)
    assert assessment["acknowledged_at"]["at"] == "2026-03-14T02:11:03Z"
    assert assessment["classifications"][0]["severity"].startswith("TODO")


def test_webhook_and_rest_of_one_incident_are_one_signal(desk: Desk) -> None:
    desk.new(PAYLOADS / "pagerduty-incident.json")
    before = desk.files()
    said = desk.new(PAYLOADS / "pagerduty-webhook.json")
    assert "nothing new" in said.stdout
    assert desk.files() == before


# --- severity only as the policy says ------------------------------------------------------------

MAPPED = """severity_from:
  alertmanager: {critical: SEV-1, warning: SEV-3}
  pagerduty: {P1: SEV-1}
  statuspage: {critical: SEV-2}
  github-issue: {bug: SEV-3}
"""


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("alertmanager.json", "SEV-1"),
        ("pagerduty-webhook.json", "SEV-1"),
        ("statuspage.json", "SEV-2"),
    ],
)
def test_a_policy_proposes_a_severity_that_nobody_has_assessed(
    desk: Desk, name: str, severity: str
) -> None:
    desk.policy(MAPPED)
    said = desk.new(PAYLOADS / name)
    [classified] = desk.read(ASSESSMENT)["classifications"]
    assert classified["severity"] == severity
    assert classified["x-proposed"]["by"] in said.stdout
    assert "nobody has assessed it yet" in " ".join(said.stdout.split())
    [consensus] = facts.classifications(desk.record())
    assert consensus.assessors == ()
    report = json.loads(desk.run("check", "--require", "all", "--format", "json").stdout)
    rules = {f["rule"] for g in report["incidents"][0]["gates"] for f in g["findings"]}
    assert "SEV004" in rules


@pytest.mark.parametrize("name", ["alertmanager.json", "pagerduty-webhook.json", "statuspage.json"])
def test_without_a_policy_no_severity_is_proposed(desk: Desk, name: str) -> None:
    said = desk.new(PAYLOADS / name)
    [classified] = desk.read(ASSESSMENT)["classifications"]
    assert classified["severity"].startswith("TODO")
    assert "severity_from" in said.stdout


def test_a_severity_that_was_written_is_never_replaced(desk: Desk) -> None:
    desk.policy(MAPPED)
    desk.example("in-progress-2")
    before = desk.read(ASSESSMENT)["classifications"]
    said = desk.new(PAYLOADS / "statuspage.json")
    assert desk.read(ASSESSMENT)["classifications"] == before
    assert "maps to SEV-2; the record says SEV-1" in " ".join(said.stdout.split())


# --- Statuspage ----------------------------------------------------------------------------------


def test_updates_of_a_status_page_are_notices_to_customers(desk: Desk) -> None:
    desk.new(PAYLOADS / "statuspage.json")
    notices, log = facts.notices(desk.record())
    assert not log.unreadable
    assert [(n.time.clock if n.time else "", n.message) for n in notices] == [
        (
            "02:16:20",
            "Investigating: Checkout is slow for many customers. We are looking into it.",
        ),
        # The time on the page was set back to 02:30:00; it was posted later.
        ("02:30:44", "Monitoring: We went back to the previous release and are watching."),
        ("02:41:09", "Resolved: All systems are normal again."),
    ]
    assert {n.audiences for n in notices} == {frozenset({"customers"})}


def test_a_later_update_is_the_only_one_that_is_added(desk: Desk) -> None:
    value = json.loads((PAYLOADS / "statuspage.json").read_text("utf-8"))
    updates = value["incident"]["incident_updates"]
    early = {**value, "incident": {**value["incident"], "incident_updates": updates[1:]}}
    desk.new(saved(desk.site, "early.json", early))
    said = desk.new(PAYLOADS / "statuspage.json")
    assert "1 notice in communication-log.md" in said.stdout
    assert len(facts.notices(desk.record())[0]) == 3


def test_a_planned_maintenance_is_no_incident(desk: Desk) -> None:
    value = json.loads((PAYLOADS / "statuspage.json").read_text("utf-8"))
    value["incident"]["status"] = "scheduled"
    done = desk.run("new", ID, "--from", str(saved(desk.site, "m.json", value)))
    assert (done.exit_code, "a scheduled maintenance" in done.stderr) == (2, True)


# --- GitHub --------------------------------------------------------------------------------------


def test_an_issue_is_a_signal(desk: Desk) -> None:
    [event, *_] = webhooks.examples("issues", "opened")
    issue = event["issue"]
    desk.new(saved(desk.site, "issue.json", event))
    [(time, source, text)] = desk.signals()
    assert time.replace(" UTC", "Z").replace(" ", "T") == issue["created_at"]
    name = event["repository"]["full_name"]
    assert (source, text) == (f"GitHub {name}#{issue['number']}", issue["title"])


def test_the_same_issue_from_the_rest_api_is_the_same_signal(desk: Desk) -> None:
    [event, *_] = webhooks.examples("issues", "opened")
    desk.new(saved(desk.site, "event.json", event))
    assert "nothing new" in desk.new(saved(desk.site, "rest.json", event["issue"])).stdout
    closed = {
        **event["issue"],
        "state": "closed",
        "state_reason": "not_planned",
        "closed_at": "2030-05-15T15:20:21Z",
    }
    desk.new(saved(desk.site, "closed.json", closed))
    assert desk.signals()[-1][2].startswith("Issue closed as not planned: ")


def test_every_deployment_example_of_github_is_an_execution(desk: Desk) -> None:
    desk.example("in-progress-2")
    for event in webhooks.examples("deployment_status"):
        done = desk.run("record", "execution", "--from", str(saved(desk.site, "event.json", event)))
        assert done.exit_code == 0, done.output
        entry = desk.read(EXECUTIONS)["executions"][-1]
        assert str(event["deployment"]["id"]) in entry["change_reference"]
        assert event["deployment"]["sha"][:12] in entry["command"]
    assert schema.fits("mitigation-execution-report", desk.read(EXECUTIONS))


def deployment(state: str, time: str, ident: int = 7) -> dict[str, Any]:
    """The first example of GitHub as if it told of ours."""
    event = webhooks.examples("deployment_status")[0]
    event["deployment"] |= {"id": ident, "created_at": "2026-03-14T02:25:00Z"}
    event["deployment_status"] |= {"state": state, "created_at": time, "description": ""}
    return event


@pytest.mark.parametrize(
    ("state", "outcome"), [("success", "succeeded"), ("failure", "failed"), ("error", "failed")]
)
def test_the_state_of_a_deployment_is_its_outcome(desk: Desk, state: str, outcome: str) -> None:
    desk.example("in-progress-2")
    event = deployment(state, "2026-03-14T02:27:40Z")
    desk.run("record", "execution", "--from", str(saved(desk.site, "e.json", event)))
    [entry] = desk.read(EXECUTIONS)["executions"]
    assert (entry["id"], entry["decision"], entry["outcome"]) == ("E-1", "D-1", outcome)
    assert entry["services"] == ["api", "checkout"]
    assert entry["started_at"]["at"] == "2026-03-14T02:25:00Z"
    assert entry["completed_at"]["at"] == "2026-03-14T02:27:40Z"
    assert entry["operator"]["name"] == event["deployment"]["creator"]["login"]
    assert entry["exit_code"].startswith("N/A: ")
    # That it was deployed does not say that it arrived.
    assert "propagation_verified_at" not in entry


def test_a_deployment_that_runs_is_completed_when_it_ends(desk: Desk) -> None:
    desk.example("in-progress-2")
    running = saved(desk.site, "1.json", deployment("in_progress", "2026-03-14T02:25:10Z"))
    ended = saved(desk.site, "2.json", deployment("success", "2026-03-14T02:27:40Z"))
    desk.run("record", "execution", "--from", str(running))
    [entry] = desk.read(EXECUTIONS)["executions"]
    assert entry["outcome"] == "unknown"
    assert entry["completed_at"] == "N/A: it was in progress when this was imported"
    for _ in range(2):
        desk.run("record", "execution", "--from", str(ended))
    [entry] = desk.read(EXECUTIONS)["executions"]
    assert (entry["outcome"], entry["output"]) == ("succeeded", "GitHub says success")
    assert entry["started_at"]["at"] == "2026-03-14T02:25:10Z"
    assert entry["completed_at"]["at"] == "2026-03-14T02:27:40Z"
    # Out of order: the end is known already.
    desk.run("record", "execution", "--from", str(running))
    assert desk.read(EXECUTIONS)["executions"] == [entry]


@pytest.mark.parametrize(
    "written",
    [{"outcome": "partial"}, {"completed_at": "2026-03-14T02:26:00Z"}, {"outcome": "failed"}],
)
def test_what_somebody_wrote_into_a_deployment_stays(desk: Desk, written: dict[str, str]) -> None:
    desk.example("in-progress-2")
    running = saved(desk.site, "1.json", deployment("in_progress", "2026-03-14T02:25:10Z"))
    desk.run("record", "execution", "--from", str(running))
    report = desk.read(EXECUTIONS)
    report["executions"][0] |= written
    (desk.folder / EXECUTIONS).write_text(json.dumps(report, indent=2), "utf-8")
    ended = saved(desk.site, "2.json", deployment("success", "2026-03-14T02:27:40Z"))
    desk.run("record", "execution", "--from", str(ended))
    assert desk.read(EXECUTIONS) == report


def test_new_says_which_decision_is_missing_and_takes_it_later(desk: Desk) -> None:
    desk.example("in-progress-2")
    event = saved(desk.site, "e.json", deployment("success", "2026-03-14T02:27:40Z"))
    said = desk.new(event)
    [entry] = desk.read(EXECUTIONS)["executions"]
    assert "decision" not in entry
    assert entry["services"] == ["TODO each service that it acts on"]
    assert "E-1 names no decision" in " ".join(said.stdout.split())
    desk.new(event, options=("--decision", "D-1"))
    [entry] = desk.read(EXECUTIONS)["executions"]
    assert (entry["decision"], entry["services"]) == ("D-1", ["api", "checkout"])
    wrong = desk.run("new", ID, "--from", str(event), "--decision", "D-9")
    assert (wrong.exit_code, "no decision D-9" in wrong.stderr) == (2, True)


def test_a_deployment_that_was_replaced_is_no_execution(desk: Desk) -> None:
    event = saved(desk.site, "e.json", deployment("inactive", "2026-03-14T02:27:40Z"))
    done = desk.run("new", ID, "--from", str(event))
    assert (done.exit_code, "a later deployment took its place" in done.stderr) == (2, True)


def test_what_ran_already_is_not_run(desk: Desk) -> None:
    desk.example("in-progress-2")
    event = str(saved(desk.site, "e.json", deployment("success", "2026-03-14T02:27:40Z")))
    for extra in (["--", "true"], ["--operator", "Kim"], ["--emergency", "it burns"]):
        done = desk.run("record", "execution", "--from", event, *extra)
        assert (done.exit_code, "--from records what ran already" in done.stderr) == (2, True)
    wrong = desk.run("record", "execution", "--from", str(PAYLOADS / "alertmanager.json"))
    assert "here it must be a GitHub deployment_status event" in wrong.stderr


# --- JUnit ---------------------------------------------------------------------------------------


def results(desk: Desk) -> dict[str, tuple[str, str]]:
    found = desk.read(CHECKS)["checks"]
    return {c["id"]: (r["result"], r["checked_at"]) for c in found for r in c["results"][-1:]}


def test_suites_and_tests_are_put_to_the_checks_that_were_planned(desk: Desk) -> None:
    desk.example("in-progress-2")
    plan = desk.read("rollback-readiness-checklist.json")["recovery_checks"]
    critical = {c["id"]: c["critical"] for c in plan}
    done = desk.run("record", "recovery-check", "--from", str(PAYLOADS / "junit.xml"))
    assert done.exit_code == 0, done.output
    found = results(desk)
    assert found["api-smoke"] == ("passed", "2026-03-14T02:29:30Z")
    assert found["load"] == ("failed", "2026-03-14T02:31:00Z")
    checks = {c["id"]: c for c in desk.read(CHECKS)["checks"]}
    assert checks["api-smoke"]["critical"] is critical["api-smoke"] is True
    # Nobody planned these: they count for nothing until somebody says what they are.
    assert checks["load"]["critical"] is False
    assert "Not planned, so not critical until you say so:" in " ".join(done.output.split())
    assert {c["id"] for c in plan} <= set(checks)
    assert schema.fits("recovery-validation", desk.read(CHECKS))


def test_a_test_inside_a_suite_is_put_to_its_own_check(desk: Desk) -> None:
    desk.example("in-progress-2")
    plan = [c["id"] for c in desk.read("rollback-readiness-checklist.json")["recovery_checks"]]
    first, second = plan[0], plan[1]
    xml = (
        f'<testsuite name="all" timestamp="2026-03-14T02:30:00Z"><testcase name="{first}"/>'
        f'<testcase name="{second.upper().replace("-", "_")}"><failure message="503"/></testcase>'
        '<testcase name="other"/></testsuite>'
    )
    (desk.site / "r.xml").write_text(xml)
    desk.run("record", "recovery-check", "--from", "r.xml")
    found = results(desk)
    assert (found[first][0], found[second][0], found["all"][0]) == ("passed", "failed", "passed")


@pytest.mark.parametrize(
    ("inside", "result"),
    [
        ("<testcase name='a'/>", "passed"),
        ("<testcase name='a'><skipped/></testcase>", "skipped"),
        ("<testcase name='a'/><testcase name='b'><skipped/></testcase>", "skipped"),
        ("<testcase name='a'><error/></testcase>", "failed"),
        ("<testcase name='a'><skipped/><failure/></testcase>", "failed"),
        ("<testcase name='a' status='notrun'/>", "skipped"),
        ("<testcase name='a' status='failed'/>", "failed"),
        ("<testsuite name='s'><testcase name='a'><failure/></testcase></testsuite>", "failed"),
        ("<testcase name='a'><system-out>failure</system-out></testcase>", "passed"),
    ],
)
def test_nothing_passes_that_did_not_pass(desk: Desk, inside: str, result: str) -> None:
    suite = f"<testsuite name='s' timestamp='2026-03-14T02:30:00Z'>{inside}</testsuite>"
    (desk.site / "r.xml").write_text(f"<testsuites>{suite}</testsuites>")
    desk.new("r.xml")
    assert results(desk)["s"][0] == result


def test_a_suite_that_counts_more_failures_than_it_shows_has_failed(desk: Desk) -> None:
    (desk.site / "r.xml").write_text(
        '<testsuite name="s" failures="2" timestamp="2026-03-14T02:30:00Z"><testcase name="a"/>'
        "</testsuite>"
    )
    desk.new("r.xml")
    [check] = desk.read(CHECKS)["checks"]
    assert check["results"][0]["result"] == "failed"
    assert "the suite itself counts 2 failures" in check["results"][0]["evidence"]


def test_very_many_suites_that_nobody_planned_are_one_check(desk: Desk) -> None:
    desk.example("in-progress-3")
    good = "".join(f'<testsuite name="s{n}"><testcase name="t"/></testsuite>' for n in range(5000))
    bad = '<testsuite name="z"><testcase name="t"><failure message="no"/></testcase></testsuite>'
    (desk.site / "r.xml").write_text(f"<testsuites>{good}{bad}</testsuites>")
    began = time.monotonic()
    desk.new(desk.site / "r.xml")
    assert time.monotonic() - began < 20
    [check] = [c for c in desk.read(CHECKS)["checks"] if c["id"] == "5001-suites"]
    assert check["results"][0]["result"] == "failed"
    assert check["results"][0]["evidence"].startswith("5000 of 5001 tests passed; t failed: no")


def test_a_time_without_an_offset_is_asked_for(desk: Desk) -> None:
    text = (PAYLOADS / "junit.xml").read_text("utf-8").replace('Z"', '"')
    (desk.site / "r.xml").write_text(text)
    said = desk.new("r.xml")
    assert all(
        time.startswith("TODO when it ran: the results say 2026-03-14T02:")
        for _, time in results(desk).values()
    )
    assert "--offset" in said.stdout
    # The same results, with the offset that their author knows.
    desk.new("r.xml", options=("--offset", "+01:00"))
    assert results(desk)["api-smoke"] == ("passed", "2026-03-14T02:29:30+01:00")
    assert [len(c["results"]) for c in desk.read(CHECKS)["checks"]] == [1, 1, 1]


LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<testsuite name="&b;"><testcase name="a"/></testsuite>"""
OUTSIDE = """<?xml version="1.0"?>
<!DOCTYPE t [<!ENTITY f SYSTEM "file:///etc/passwd">]>
<testsuite name="&f;"><testcase/></testsuite>"""


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        (LAUGHS, "it declares a document type"),
        (OUTSIDE, "it declares a document type"),
        ("<testsuite name='&undefined;'/>", "it is no whole XML"),
        ("<testsuite>", "it is no whole XML"),
        ("<html><body/></html>", "its top element is html"),
        ("<testsuites/>", "it holds no test"),
        ("<testsuite>" + "<a>" * 40, "nested more than 32 levels deep"),
        ('<?xml version="1.0" encoding="klingon"?><testsuite/>', "it is no"),
    ],
)
def test_xml_that_could_harm_is_refused(desk: Desk, xml: str, said: str) -> None:
    (desk.site / "r.xml").write_text(xml)
    done = desk.run("new", ID, "--from", "r.xml")
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert not desk.folder.exists()


# --- once, and all of it -------------------------------------------------------------------------

EVERY = sorted(path.name for path in PAYLOADS.iterdir())


@pytest.mark.parametrize("name", EVERY)
def test_a_repeated_import_adds_nothing(desk: Desk, name: str) -> None:
    desk.new(PAYLOADS / name)
    before = desk.files()
    said = desk.new(PAYLOADS / name)
    assert "nothing new: the record says it already" in said.stdout
    assert desk.files() == before
    # The same in other bytes.
    if name.endswith(".json"):
        value = json.loads((PAYLOADS / name).read_text("utf-8"))
        desk.new(saved(desk.site, "again.json", value))
        assert desk.files() == before


def test_a_crash_before_the_payload_was_kept_doubles_nothing(desk: Desk) -> None:
    desk.new(PAYLOADS / "alertmanager.json", PAYLOADS / "statuspage.json")
    before = desk.files()
    shutil.rmtree(desk.folder / "sources")
    desk.new(PAYLOADS / "alertmanager.json", PAYLOADS / "statuspage.json")
    assert len(desk.signals()) == 2
    assert len(facts.notices(desk.record())[0]) == 3
    assert desk.text(INTAKE) == before[str(desk.folder / INTAKE)].decode()


@pytest.mark.parametrize("name", EVERY)
def test_what_is_written_is_a_sound_record(desk: Desk, name: str) -> None:
    done = desk.new(PAYLOADS / name, options=("--json",))
    assert json.loads(done.stdout)["incident_id"] == ID
    report = json.loads(desk.run("check", "--format", "json").stdout)
    assert report["incidents"][0]["verdict"] == "in_progress"
    gates = report["incidents"][0]["gates"]
    found = [*report["incidents"][0]["findings"], *(f for g in gates for f in g["findings"])]
    # The payloads are of March: nothing new since then, which is true; and one test failed.
    assert {f["rule"] for f in found} <= {"FIL014", "REC017"}


def test_several_sources_at_once_begin_with_what_saw_it_first(desk: Desk) -> None:
    names = ["statuspage", "pagerduty-incident", "alertmanager"]
    desk.new(*(PAYLOADS / f"{name}.json" for name in names), options=("--commander", "Alex"))
    assert desk.read(ASSESSMENT)["detected_at"]["source"].startswith("Alertmanager")
    assert len(desk.signals()) == 4
    who = [a["by"]["name"] for a in desk.read("prerequisites.json")["approvals"]]
    assert "Alex" in who


def test_other_lines_keep_their_bytes(desk: Desk) -> None:
    desk.example("in-progress-2")
    before = {name: desk.text(name).splitlines() for name in (INTAKE, NOTICES, ASSESSMENT)}
    desk.new(PAYLOADS / "alertmanager.json", PAYLOADS / "statuspage.json")
    for name, lines in before.items():
        now = iter(desk.text(name).splitlines())
        # A comma may follow what was the last value of an object.
        assert all(any(line in (new, new.removesuffix(",")) for new in now) for line in lines)


def test_a_closed_record_takes_no_import(desk: Desk) -> None:
    desk.example("complete")
    before = desk.files()
    done = desk.run("new", ID, "--from", str(PAYLOADS / "alertmanager.json"))
    assert (done.exit_code, "is closed" in done.stderr) == (2, True)
    assert desk.files() == before


def test_two_imports_at_the_same_moment_lose_nothing(desk: Desk) -> None:
    desk.new()
    run = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})"
    command = [sys.executable, "-c", f"{run}; from incident_gates.cli import main; main()"]
    names = ["alertmanager.json", "pagerduty-incident.json", "statuspage.json"]
    started = [
        subprocess.Popen([*command, "new", ID, "--from", str(PAYLOADS / name)], cwd=desk.site)
        for name in names
    ]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert len(desk.signals()) == 4
    assert len(facts.notices(desk.record())[0]) == 3
    assert len(list((desk.folder / "sources").iterdir())) == 3


# --- payloads that are something else ------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "content", "said"),
    [
        ("absent.json", None, "absent.json: there is no such file."),
        ("p", b"", "p:1: the file is empty."),
        ("p", b"not JSON", "p:1: this is not valid JSON."),
        ("p", b"[1]", "p:1: the file does not hold a JSON object at the top."),
        ("p", b'{"a": 1, "a": 2}', "occurs twice"),
        ("p", b'{"a": 1}', "p is nothing that can be imported"),
        ("p", b"\xff\xfe", "p:1: the file is UTF-16"),
        ("p", b'{"version": "3", "groupKey": "", "alerts": []}', "version 4 can be read"),
        ("p", b" " * (2 * 1024 * 1024 + 1), "larger than 2 MiB"),
        ("statuspage=p", b'{"version": "4", "groupKey": "", "alerts": []}', "it looks like an Al"),
        ("junit=p", b'{"version": "4"}', "p is not JUnit results (XML)."),
        ("statuspage=p", b"<testsuite/>", "p is not a Statuspage incident: it looks like JUnit"),
        ("nagios=p", b"{}", "nagios is no kind that can be imported: alertmanager, pagerduty"),
        (
            "p",
            b'{"version":"4","groupKey":"","alerts":[],"log_entries":[]}',
            "say which with --from alertmanager=FILE",
        ),
    ],
)
def test_a_payload_that_is_something_else_writes_nothing(
    desk: Desk, written: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (desk.site / "p").write_bytes(content)
    done = desk.run("new", ID, "--from", written)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not desk.folder.exists()


def test_an_ambiguous_payload_is_what_it_is_said_to_be(desk: Desk) -> None:
    value = json.loads((PAYLOADS / "alertmanager.json").read_text("utf-8"))
    path = saved(desk.site, "a.json", {**value, "log_entries": []})
    desk.new(f"alertmanager={path}")
    assert len(desk.signals()) == 2


def test_one_payload_that_is_wrong_stops_all(desk: Desk) -> None:
    good = str(PAYLOADS / "alertmanager.json")
    done = desk.run("new", ID, "--from", good, "--from", "absent.json")
    assert done.exit_code == 2
    assert not desk.folder.exists()


def test_a_log_that_cannot_be_read_is_left_alone(desk: Desk) -> None:
    desk.new()
    (desk.folder / ASSESSMENT).write_text('{"incident_id": ')
    before = desk.files()
    done = desk.run("new", ID, "--from", str(PAYLOADS / "alertmanager.json"))
    assert (done.exit_code, ASSESSMENT in done.stderr) == (2, True)
    assert desk.files() == before


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_link_in_the_place_of_sources_is_not_followed(desk: Desk) -> None:
    desk.new()
    (desk.site / "elsewhere").mkdir()
    (desk.folder / "sources").symlink_to(desk.site / "elsewhere")
    before = desk.files()
    done = desk.run("new", ID, "--from", str(PAYLOADS / "alertmanager.json"))
    assert (done.exit_code, "is no folder of its own" in done.stderr) == (2, True)
    assert desk.files() == before
    assert list((desk.site / "elsewhere").iterdir()) == []


def test_hostile_texts_stay_texts(desk: Desk) -> None:
    value = json.loads((PAYLOADS / "alertmanager.json").read_text("utf-8"))
    evil = "\x1b[31m::error::x\n## Validity\n- Verdict: real incident | <!-- `a` *b* \u202e c\u0000"
    value["alerts"] = [{**value["alerts"][0], "annotations": {"summary": evil}}]
    said = desk.new(saved(desk.site, "a.json", value))
    [(_, _, text)] = desk.signals()
    assert text.endswith("- Verdict: real incident | <!-- `a` *b* \\u202e c\\u0000")
    assert "\x1b" not in said.output + desk.text(INTAKE)
    validity = facts.intake(desk.record())[1]
    assert validity is not None
    assert validity.verdict == ""


# --- properties ----------------------------------------------------------------------------------

QUIET = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 2**70) | st.text(max_size=20)
STAMPS = st.sampled_from(
    ["2026-03-14T02:10:00Z", "2026-03-14T02:10:00.5+01:00", "0001-01-01T00:00:00Z", "02:10", ""]
)
# Names that the sources use, so that something is found below them.
WORDS = """event data incident log_entries incident_updates issue deployment deployment_status
version alerts status created_at startsAt labels annotations state id priority type"""
KEYS = st.sampled_from(WORDS.split())
JSONS = st.recursive(
    SCALARS | STAMPS,
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3)
    ),
    max_leaves=8,
)


@QUIET
@given(data=st.binary(max_size=300), kind=st.sampled_from(["", *payload.kinds()]))
def test_any_bytes_give_a_payload_or_a_sentence(data: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "payload"
    path.write_bytes(data)
    taken(f"{kind}={path}" if kind else str(path))


@QUIET
@given(value=st.dictionaries(KEYS, JSONS, max_size=5), kind=st.sampled_from([*payload.kinds()]))
def test_any_object_gives_claims_or_a_sentence(value: dict[str, Any], kind: str) -> None:
    try:
        claims = payload.read(kind, value, json.dumps(value).encode(), "p")
    except UsageError as error:
        said = str(error)
        assert said.startswith("p cannot be imported: ")
    else:
        assert all(times.parse(signal.time) for signal in claims.signals)


def taken(written: str) -> payload.Payload | None:
    try:
        return payload.opened(written)
    except UsageError:
        return None


def spoiled(draw: st.DrawFn, value: Any) -> Any:
    """A payload in which any value may be something else."""
    if draw(st.integers(0, 11)) == 0:
        return draw(JSONS)
    if isinstance(value, dict):
        return {key: spoiled(draw, inside) for key, inside in value.items()}
    return [spoiled(draw, v) for v in value] if isinstance(value, list) else value


@st.composite
def spoiled_payloads(draw: st.DrawFn) -> bytes:
    name = draw(st.sampled_from([name for name in EVERY if name.endswith(".json")]))
    value = json.loads((PAYLOADS / name).read_text("utf-8"))
    top = {key: spoiled(draw, inside) for key, inside in value.items()}
    return json.dumps(top).encode()


TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)")


@settings(QUIET, max_examples=80)
@given(data=spoiled_payloads())
def test_no_time_is_written_that_the_payload_does_not_state(
    data: bytes, desk: Desk, fresh_folder: Callable[[], None]
) -> None:
    fresh_folder()
    began = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M")
    done = desk.run("new", ID, "--from", "-", said=data)
    assert done.exit_code in (0, 2), done.output
    if done.exit_code == 2:
        assert not (desk.folder / "sources").exists()
        return
    stated = {stamp.earliest.strftime("%Y-%m-%dT%H:%M:%S") for stamp in stamps(data.decode())}
    for name in (INTAKE, NOTICES, ASSESSMENT):
        for stamp in stamps(desk.text(name)):
            written = stamp.earliest.strftime("%Y-%m-%dT%H:%M:%S")
            assert written in stated or written[:16] >= began
    problems = json.loads(desk.run("check", "--format", "json").stdout)["incidents"][0]
    assert problems["verdict"] == "in_progress"


STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z| UTC|[+-]\d\d:\d\d)")


def stamps(text: str) -> list[times.Time]:
    """Every time that stands in a text."""
    written = (s.replace(" UTC", "Z").replace(" ", "T") for s in STAMP.findall(text))
    return [time for stamp in written if (time := times.parse(stamp))]


@pytest.fixture
def fresh_folder(desk: Desk) -> Callable[[], None]:
    """Takes the record away, so that each example begins anew."""
    return lambda: shutil.rmtree(desk.site / ".artifacts", ignore_errors=True)


def test_every_kind_is_said_where_it_is_asked_for(desk: Desk) -> None:
    assert len(payload.kinds()) == 6
    help_ = " ".join(desk.run("new", "--help").stdout.split())
    for word in ("Alertmanager", "PagerDuty", "Statuspage", "GitHub", "JUnit"):
        assert word in help_
    assert filling.SOURCES == "sources"
