"""GitHub's own payloads, each through the door, and each judged on a repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gitwork
import pytest
import webhooks
import yaml
from click.testing import CliRunner
from gitwork import AS_OF, ZERO, Runner, Site, environment

from incident_gates import cli
from incident_gates.github import commits, demand, event
from incident_gates.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.github.event import Event

WORKFLOWS = Path(__file__).resolve().parents[1] / ".github" / "workflows"
TAG = "refs/tags/v1"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runner:
    return Runner(monkeypatch, tmp_path / "runner")


def read(folder: Path, name: str, payload: Any) -> Event:
    """An event as the door gives it, from a file as a runner writes it."""
    path = folder / "event.json"
    path.write_text(json.dumps(payload), encoding="utf-8")
    return event.read({"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path)})


def with_record(site: Site, example: str = "contradictions") -> None:
    """A branch that brings a record, merged as GitHub would."""
    site.branch("feature")
    site.example(example)
    site.commit("a record")
    site.merged()


# --- through the door ----------------------------------------------------------------------------


def test_every_payload_comes_through_the_door(tmp_path: Path) -> None:
    for name in webhooks.names():
        for payload in webhooks.examples(name):
            happened = read(tmp_path, name, payload)
            assert (happened.name, happened.payload) == (name, payload)
            assert happened.text("repository", "default_branch") in ("", "main", "master")


def test_a_pull_request_is_read_as_it_is_sent(tmp_path: Path) -> None:
    wanted = {demand.KEY: {"labels": ["BUG"]}}
    for payload in webhooks.examples("pull_request"):
        pull = payload["pull_request"]
        happened = read(tmp_path, "pull_request", payload)
        for side in ("head", "base"):
            assert happened.commit("pull_request", side, "sha") == pull[side]["sha"]
            assert happened.text("pull_request", side, "ref") == pull[side]["ref"]
        assert happened.at("pull_request", "draft") is (payload["action"] == "converted_to_draft")
        assert happened.text("pull_request", "body") == (pull["body"] or "")
        asked = demand.demanded(happened, commits.Change(tmp_path, "1" * 40), wanted)
        labelled = [label["name"] for label in pull["labels"]]
        assert (asked.because if asked else None) == ("label bug" if "bug" in labelled else None)


@pytest.mark.parametrize(
    ("key", "glob", "because"),
    [("branches", "chan*", "branch changes"), ("titles", "update the*", "title “Update the")],
)
def test_branch_and_title_are_where_they_are_looked_for(
    tmp_path: Path, key: str, glob: str, because: str
) -> None:
    change = commits.Change(tmp_path, "1" * 40)
    for payload in webhooks.examples("pull_request"):
        happened = read(tmp_path, "pull_request", payload)
        asked = demand.demanded(happened, change, {demand.KEY: {key: [glob]}})
        assert asked is not None
        assert asked.because.startswith(because)


def test_a_push_is_read_as_it_is_sent(tmp_path: Path) -> None:
    kinds = set()
    for payload in webhooks.examples("push"):
        happened = read(tmp_path, "push", payload)
        assert happened.commit("before") == ("" if payload["created"] else payload["before"])
        assert happened.commit("after") == ("" if payload["deleted"] else payload["after"])
        assert happened.at("deleted") is payload["deleted"]
        assert happened.text("ref").startswith("refs/")
        kinds.add((payload["created"], payload["deleted"]))
    assert kinds == {(True, False), (False, True)}


def test_a_merge_group_is_read_as_it_is_sent(tmp_path: Path) -> None:
    for payload in webhooks.examples("merge_group"):
        happened = read(tmp_path, "merge_group", payload)
        for key in ("base_sha", "head_sha"):
            assert happened.commit("merge_group", key) == payload["merge_group"][key]


# --- judged --------------------------------------------------------------------------------------


def test_every_pull_request_is_judged(site: Site, judge: Runner) -> None:
    with_record(site)
    for payload in webhooks.examples("pull_request"):
        report = judge(site.folder, "pull_request", webhooks.pull_request(site, payload))
        assert [i.incident_id for i in report.incidents] == ["INC-2026-0042"]
        assert (report.base, report.exit_code) == (site.first, 1)


@pytest.mark.parametrize("kind", ["draft", "fork", "edited"])
def test_what_a_pull_request_is_changes_what_is_asked(site: Site, judge: Runner, kind: str) -> None:
    """A label asks for evidence; a draft is warned, a fork is asked as everyone is."""
    site.write(".incident-gates.yaml", "evidence_required:\n  labels: [bug]\n")
    site.commit("policy")
    site.branch("feature")
    site.write("src/app.py")
    site.commit("code")
    site.merged()
    action = "converted_to_draft" if kind == "draft" else "labeled"
    for payload in webhooks.examples("pull_request", action):
        given = webhooks.pull_request(site, payload)
        if kind == "fork":
            given["pull_request"]["head"]["repo"] = webhooks.fork()
        if kind == "edited":  # the package has none: it tells what was there before
            given |= {"action": "edited", "changes": {"title": {"from": "Another"}}}
        report = judge(site.folder, "pull_request", given)
        (finding,) = report.findings
        level = "WARNING" if kind == "draft" else "CRITICAL"
        assert (finding.rule, finding.level) == ("CHG006", level)
        assert "label bug" in finding.message


def pushes(site: Site) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Payloads of pushes of a branch, and the commit that each is to be compared with."""
    created, deleted = (
        [each for each in webhooks.examples("push") if each[kind]]
        for kind in ("created", "deleted")
    )
    main = site.git("rev-parse", "main")
    for payload in created:
        yield webhooks.push(site, payload, ZERO, "refs/heads/feature"), main
        yield webhooks.push(site, payload, ZERO, TAG), main
        yield webhooks.push(site, payload, ZERO), None  # the first commits of a repository
        later = {**payload, "created": False, "before": "1" * 40}
        yield webhooks.push(site, later, main, "refs/heads/feature"), main
        yield webhooks.push(site, {**later, "forced": True}, "1" * 40, "refs/heads/feature"), main
    for payload in deleted:
        for ref in ("refs/heads/feature", TAG):
            yield webhooks.push(site, payload, main, ref), site.git("rev-parse", "HEAD")


def test_every_push_is_judged(site: Site, judge: Runner) -> None:
    site.branch("feature")
    site.example("contradictions")
    site.commit("a record")
    for payload, base in pushes(site):
        report = judge(site.folder, "push", payload)
        verdict = Verdict.NOT_APPLICABLE if payload["deleted"] else Verdict.FAILED
        assert (report.base, report.verdict) == (base, verdict), payload["ref"]


def test_every_merge_group_is_judged(site: Site, judge: Runner) -> None:
    with_record(site)
    for payload in webhooks.examples("merge_group"):
        report = judge(site.folder, "merge_group", webhooks.merge_group(site, payload, site.first))
        assert (report.base, report.exit_code) == (site.first, 1)


def test_without_a_change_every_payload_asks_for_everything(site: Site, tmp_path: Path) -> None:
    compared = {"pull_request", "push", "merge_group"}
    for name in {*webhooks.names()} - compared:
        for payload in webhooks.examples(name):
            change = commits.change_of(read(tmp_path, name, payload), site.folder)
            assert (change.base, change.paths) == (None, ())


@pytest.mark.parametrize("name", ["workflow_dispatch", "workflow_run", "schedule"])
def test_a_run_without_a_change_judges_everything(site: Site, judge: Runner, name: str) -> None:
    site.example("contradictions")
    site.commit("a record")
    payloads = webhooks.examples("workflow_dispatch" if name == "schedule" else name)
    for payload in payloads:
        if name == "schedule":  # no webhook, so the package has none: inputs give way to the time
            del payload["inputs"]
            payload["schedule"] = "17 6 * * 1"
        report = judge(site.folder, name, payload)
        assert [i.incident_id for i in report.incidents] == ["INC-2026-0042"]


# --- the whole command ---------------------------------------------------------------------------


def checked(
    site: Site, temporary: Path, monkeypatch: pytest.MonkeyPatch, name: str, payload: Any
) -> tuple[int, str]:
    """Exit code and output of the command, run as the Action runs it."""
    for variable, value in environment(site.folder, temporary, name, payload).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(site.folder)
    done = CliRunner().invoke(cli.main, ["check", "--scope", "changed", "--as-of", AS_OF])
    return done.exit_code, done.output


def test_the_whole_command_on_each_event(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_record(site)
    given = {
        "pull_request": webhooks.pull_request(
            site, webhooks.examples("pull_request", "synchronize")[0]
        ),
        "merge_group": webhooks.merge_group(site, webhooks.examples("merge_group")[0], site.first),
        "push": next(payload for payload, _ in pushes(site)),
        "workflow_dispatch": webhooks.examples("workflow_dispatch")[0],
    }
    for name, payload in given.items():
        code, output = checked(site, tmp_path / name, monkeypatch, name, payload)
        assert code == 1, output
        assert "title=Gate 2 Mitigation · MIT004::" in output
        assert "verdict<<" in (tmp_path / name / "output").read_text("utf-8")


# --- what we make up has GitHub's shape ----------------------------------------------------------


def shaped(made: Any, real: Any, where: str = "payload") -> None:
    """Every key of ours is GitHub's too, and of the same kind."""
    if isinstance(made, dict):
        assert set(made) <= set(real), where
        for key, value in made.items():
            shaped(value, real[key], f"{where}.{key}")
    elif made is not None and real is not None:
        assert type(made) is type(real), where


def test_the_payloads_that_other_tests_make_up_have_the_shape_of_real_ones(site: Site) -> None:
    site.branch("feature")
    shaped(gitwork.pull_request(site), webhooks.examples("pull_request", "labeled")[0])
    shaped(gitwork.push(site, ZERO), webhooks.examples("push")[0])


def test_our_workflow_names_types_that_pull_requests_have() -> None:
    workflow = yaml.safe_load((WORKFLOWS / "incident-gates.yml").read_text("utf-8"))
    triggers = workflow[True]
    assert set(triggers["pull_request"]["types"]) <= set(webhooks.about("pull_request")["actions"])
    webhook_less = {"schedule"}
    assert set(triggers) - webhook_less <= set(webhooks.names())
