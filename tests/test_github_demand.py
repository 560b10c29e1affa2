"""Which pull requests must carry evidence, and what counts as carrying it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from gitwork import INCIDENTS, Runner, Site, pull_request

from incident_gates.github import demand
from incident_gates.model import Report, Verdict

if TYPE_CHECKING:
    from pathlib import Path

POLICY = """\
evidence_required:
  labels: [Hotfix]
  branches: ["hotfix/*"]
  # - "revert-*"
  titles: ["hotfix:*"]
  paths: ["deploy/**", "**/prod.tf"]
"""
NOW = "2026-03-14T02:40:00Z"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site")
    made.write(".incident-gates.yaml", POLICY)
    made.commit("policy")
    return made


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runner:
    return Runner(monkeypatch, tmp_path / "runner")


def asked(
    site: Site, judge: Runner, *, branch: str = "feature", message: str = "fix", **own: Any
) -> Report:
    """The report on a pull request that changes one file of the code."""
    start = own.pop("start", "main")
    site.branch(branch, start)
    site.write(own.pop("path", "src/app.py"), f"{message}\n")
    site.commit(message)
    site.merged(branch)
    payload = pull_request(site, branch, **own)
    return judge(site.folder, "pull_request", payload, as_of=NOW)


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"labels": ["later", "HOTFIX"]}, "label HOTFIX"),
        ({"branch": "hotfix/a/b"}, "branch hotfix/a/b"),
        ({"title": "HotFix: it"}, "title “HotFix: it”"),
        ({"path": "deploy/api/values.yaml"}, "it changes deploy/api/values.yaml"),
        ({"path": "prod.tf"}, "it changes prod.tf"),
    ],
)
def test_a_pull_request_that_matches_lacks_evidence(
    site: Site, judge: Runner, change: dict[str, Any], because: str
) -> None:
    report = asked(site, judge, **change)
    (finding,) = report.findings
    assert (finding.rule, finding.level, report.exit_code) == ("CHG006", "CRITICAL", 1)
    assert f"({because}), and touches and names none" in finding.message
    assert (site.folder / finding.location.file).is_file()


def test_everything_else_is_not_applicable(site: Site, judge: Runner) -> None:
    report = asked(site, judge, labels=["later"], title="Revert it", branch="revert-7")
    assert (report.verdict, report.exit_code) == (Verdict.NOT_APPLICABLE, 0)


def test_a_draft_is_warned(site: Site, judge: Runner) -> None:
    report = asked(site, judge, labels=["hotfix"], draft=True)
    assert (report.findings[0].level, report.exit_code) == ("WARNING", 0)


@pytest.mark.parametrize(
    "named",
    [
        {"body": "Rolls back.\r\n\r\nIncident: INC-2026-0042\r\n"},
        {"body": "- incident: `inc-2026-0042`"},
        {"message": "roll back\n\nIncident: INC-2026-0042"},
    ],
)
def test_naming_an_incident_that_is_ready_is_enough(
    site: Site, judge: Runner, named: dict[str, str]
) -> None:
    site.example("in-progress-3")
    site.commit("a record")
    report = asked(site, judge, labels=["hotfix"], **named)
    assert (report.findings, report.exit_code) == ((), 0)
    assert "INC-2026-0042 is ready" in report.notices[-1]


def test_touching_an_incident_that_is_ready_is_enough(site: Site, judge: Runner) -> None:
    site.branch("feature")
    site.example("in-progress-3")
    site.commit("a record")
    assert asked(site, judge, labels=["hotfix"], start="feature").exit_code == 0


@pytest.mark.parametrize(
    ("example", "why"),
    [
        ("in-progress-1", "no decision is recorded"),
        ("complete", "it is closed"),
        ("false-positive", "false positive"),
    ],
)
def test_an_incident_that_is_not_ready_is_not(
    site: Site, judge: Runner, example: str, why: str
) -> None:
    site.example(example)
    site.commit("a record")
    report = asked(site, judge, labels=["hotfix"], body="Incident: INC-2026-0042")
    assert report.exit_code == 1
    assert why in report.findings[0].message


def test_an_incident_that_nobody_approved_is_not_ready(site: Site, judge: Runner) -> None:
    folder = site.example("in-progress-2")
    log = json.loads((folder / "decision-log.json").read_text())
    log["decisions"][0]["approvals"] = []
    (folder / "decision-log.json").write_text(json.dumps(log))
    site.commit("a record")
    report = asked(site, judge, labels=["hotfix"], body="Incident: INC-2026-0042")
    assert "INC-2026-0042: Mitigation" in report.findings[0].message
    assert "is failed: " in report.findings[0].message


def test_an_incident_that_is_not_there_is_said(site: Site, judge: Runner) -> None:
    report = asked(site, judge, labels=["hotfix"], body="Incident: INC-1")
    assert "INC-1: there is no such incident here" in report.findings[0].message


def test_a_template_names_nothing() -> None:
    comments = "<!-- Incident: INC-1 -->\n<!--\nIncident: INC-2\n-->\nIncident: INC-3\n"
    assert demand.named([comments, "Incident: a/../b", "Incident: ", "see Incident: INC-4"]) == [
        "INC-3"
    ]
    assert demand.named(["<!--" * 20_000 + "\nIncident: INC-1"]) == []


def test_only_pull_requests_are_asked(site: Site, judge: Runner) -> None:
    site.write("deploy/a")
    head = site.commit("deployed")
    group = {"merge_group": {"base_sha": site.git("rev-parse", "HEAD^"), "head_sha": head}}
    assert judge(site.folder, "merge_group", group).verdict is Verdict.NOT_APPLICABLE


def test_the_policy_that_asks_is_the_bases(site: Site, judge: Runner) -> None:
    site.branch("feature")
    site.write(".incident-gates.yaml", "stale_after_days: 3\n")
    site.commit("asks no more")
    report = asked(site, judge, labels=["hotfix"], start="feature")
    assert [f.rule for f in report.findings] == ["CHG006", "CHG004"]


def test_break_glass_is_enough_where_severity_was_agreed(site: Site, judge: Runner) -> None:
    folder = site.example("emergency")
    (folder / "resolution-summary.json").unlink()
    site.commit("a record")
    report = asked(site, judge, labels=["hotfix"], body="Incident: INC-2026-0042")
    assert report.findings == ()
    (folder / "severity-assessment.json").unlink()
    site.branch("main", "main")
    site.commit("no severity")
    report = asked(site, judge, labels=["hotfix"], body="Incident: INC-2026-0042", message="x")
    assert "Severity" in report.findings[0].message


def test_waivers_of_the_same_change_are_new(site: Site, judge: Runner) -> None:
    folder = site.example("late-notice")
    excuses = (folder / "waivers.yaml").read_text()
    (folder / "waivers.yaml").unlink()
    site.commit("a record")
    site.branch("feature")
    site.write(f"{INCIDENTS}/INC-2026-0042/waivers.yaml", excuses)
    site.commit("a deviation")
    site.merged()
    report = judge(site.folder, "pull_request", pull_request(site))
    excused = [f.excuse for f in report.incidents[0].all_findings if f.excuse]
    assert excused
    assert all(excuse.new for excuse in excused)
    site.git("branch", "--force", "main", "HEAD")
    site.branch("again")
    site.write(f"{INCIDENTS}/INC-2026-0042/waivers.yaml", f"# Moved down.\n{excuses}")
    site.commit("a comment")
    site.merged("again")
    report = judge(site.folder, "pull_request", pull_request(site, "again"))
    excused = [f.excuse for f in report.incidents[0].all_findings if f.excuse]
    assert excused
    assert not any(excuse.new for excuse in excused)
