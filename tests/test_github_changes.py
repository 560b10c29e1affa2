"""Which incidents a change touches, from which commit it starts, and what it does to evidence."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from gitwork import INCIDENTS, ZERO, Runner, Site, pull_request, push

from incident_gates.discover import Selection
from incident_gates.engine import Request
from incident_gates.errors import CouldNotTell, PolicyError, UsageError
from incident_gates.github import change
from incident_gates.model import Report, Verdict
from incident_gates.package import aggregate
from incident_gates.run import Job


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runner:
    return Runner(monkeypatch, tmp_path / "runner")


def ids(report: Report) -> list[str]:
    return [incident.incident_id for incident in report.incidents]


def rules(report: Report) -> list[str]:
    return [finding.rule for finding in report.findings]


def with_record(site: Site, example: str = "complete", branch: str = "feature") -> str:
    """A branch that brings a record, merged as GitHub would; returns its tip."""
    site.branch(branch)
    site.example(example)
    tip = site.commit("a record")
    site.merged(branch)
    return tip


# --- from which commit ---------------------------------------------------------------------------


def test_a_pull_request_is_judged_from_the_first_parent_of_its_merge(
    site: Site, judge: Runner
) -> None:
    folder = site.example("complete")
    stale = site.commit("a record")
    site.branch("feature")
    site.change(folder)
    site.commit("a retrospective")
    site.branch("main", "main")
    site.write(f"{INCIDENTS}/INC-9/decision-log.json", "{}")
    main = site.commit("someone else's incident")
    site.merged()
    payload = pull_request(site)
    payload["pull_request"]["base"]["sha"] = stale
    report = judge(site.folder, "pull_request", payload)
    assert (ids(report), report.verdict) == (["INC-2026-0042"], Verdict.PASSED)
    assert (report.exit_code, report.base) == (0, main)


def test_a_contradiction_fails_and_a_change_elsewhere_is_not_applicable(
    site: Site, judge: Runner
) -> None:
    with_record(site, "contradictions")
    assert judge(site.folder, "pull_request", pull_request(site)).exit_code == 1
    site.branch("main", "HEAD")
    site.branch("other")
    site.write("src/app.py")
    site.commit("code")
    site.merged("other")
    report = judge(site.folder, "pull_request", pull_request(site, "other"))
    assert (report.verdict, report.exit_code, report.incidents) == (Verdict.NOT_APPLICABLE, 0, ())
    assert report.notices[-1] == change.NOTHING


@pytest.mark.parametrize("depth", [1, 2, 0])
def test_a_shallow_checkout_fetches_the_one_commit_that_it_lacks(
    site: Site, judge: Runner, tmp_path: Path, depth: int
) -> None:
    with_record(site, "contradictions")
    site.clone(tmp_path / "clone", site.git("rev-parse", "HEAD"), depth)
    report = judge(tmp_path / "clone", "pull_request", pull_request(site))
    assert (ids(report), report.exit_code) == (["INC-2026-0042"], 1)


def test_a_commit_that_cannot_be_fetched_is_no_pass_and_says_the_mend(
    site: Site, judge: Runner, tmp_path: Path
) -> None:
    with_record(site)
    payload = pull_request(site)
    site.clone(tmp_path / "clone", site.git("rev-parse", "HEAD"))
    shutil.move(site.folder, tmp_path / "away")
    with pytest.raises(CouldNotTell, match="fetch-depth: 2"):
        judge(tmp_path / "clone", "pull_request", payload)


def test_a_checkout_of_the_head_itself_is_compared_with_where_it_branched_off(
    site: Site, judge: Runner
) -> None:
    with_record(site, "contradictions")
    payload = pull_request(site)
    site.git("checkout", "--quiet", "feature")
    site.commit("one more")
    payload["pull_request"]["head"]["sha"] = site.git("rev-parse", "HEAD")
    assert judge(site.folder, "pull_request", payload).exit_code == 1


def test_another_checkout_than_the_events_is_not_judged(site: Site, judge: Runner) -> None:
    with_record(site, "contradictions")
    payload = pull_request(site)
    merge = site.git("rev-parse", "HEAD")
    site.git("checkout", "--quiet", "main")
    with pytest.raises(CouldNotTell, match="remove its `ref:`"):
        judge(site.folder, "pull_request", payload, sha=merge)
    site.git("checkout", "--quiet", merge)
    payload["pull_request"]["head"]["sha"] = "1" * 40
    with pytest.raises(CouldNotTell, match="run again"):
        judge(site.folder, "pull_request", payload)


def test_pull_request_target_is_refused(site: Site, judge: Runner) -> None:
    with pytest.raises(CouldNotTell, match="on: pull_request"):
        judge(site.folder, "pull_request_target", pull_request(site, "main"))


def test_a_merge_group_is_judged_from_its_base(site: Site, judge: Runner) -> None:
    with_record(site, "contradictions")
    head = site.git("rev-parse", "HEAD")
    group = {"merge_group": {"base_sha": site.first, "head_sha": head}}
    assert judge(site.folder, "merge_group", group).exit_code == 1
    with pytest.raises(CouldNotTell, match="fetch-depth: 0"):
        judge(site.folder, "merge_group", {"merge_group": {"base_sha": "1" * 40, "head_sha": head}})


def test_a_push_is_judged_from_what_stood_there(site: Site, judge: Runner) -> None:
    site.example("contradictions")
    site.commit("a record")
    assert judge(site.folder, "push", push(site, site.first)).exit_code == 1
    before = site.git("rev-parse", "HEAD")
    site.write("src/app.py")
    site.commit("code")
    assert judge(site.folder, "push", push(site, before)).verdict is Verdict.NOT_APPLICABLE


def test_a_push_that_creates_a_branch_is_judged_from_where_it_branched_off(
    site: Site, judge: Runner
) -> None:
    site.branch("feature")
    site.example("contradictions")
    site.commit("a record")
    report = judge(site.folder, "push", push(site, ZERO, "feature"))
    assert (ids(report), report.base) == (["INC-2026-0042"], site.first)


def test_a_first_push_judges_everything(site: Site, judge: Runner) -> None:
    site.example("contradictions")
    site.commit("a record")
    report = judge(site.folder, "push", push(site, ZERO))
    assert (ids(report), report.base) == (["INC-2026-0042"], None)


def test_a_forced_push_to_the_default_branch_cannot_drop_evidence(
    site: Site, judge: Runner
) -> None:
    site.example("complete")
    before = site.commit("a record")
    site.git("reset", "--quiet", "--hard", site.first)
    site.write("src/app.py")
    site.commit("rewritten")
    report = judge(site.folder, "push", push(site, before, forced=True))
    assert (rules(report), report.exit_code) == (["CHG001"], 1)
    with pytest.raises(CouldNotTell, match="by hand"):
        judge(site.folder, "push", push(site, "1" * 40, forced=True))


def test_a_forced_push_of_a_branch_is_judged_from_where_it_branched_off(
    site: Site, judge: Runner
) -> None:
    site.branch("feature")
    site.example("contradictions")
    site.commit("a record")
    gone = push(site, "1" * 40, "feature", forced=True)
    assert judge(site.folder, "push", gone).base == site.first


def test_unrelated_or_missing_history_is_no_pass(site: Site, judge: Runner, tmp_path: Path) -> None:
    site.git("checkout", "--quiet", "--orphan", "lone")
    tip = site.commit("alone")
    with pytest.raises(CouldNotTell, match="shares no history"):
        judge(site.folder, "push", push(site, ZERO, "lone"))
    site.clone(tmp_path / "clone", tip)
    with pytest.raises(CouldNotTell, match="fetch-depth: 0"):
        judge(tmp_path / "clone", "push", push(site, ZERO, "lone"))


def test_a_deleted_branch_changes_nothing(site: Site, judge: Runner) -> None:
    gone = push(site, site.first, "feature", deleted=True, after=ZERO)
    assert judge(site.folder, "push", gone).verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize("name", ["schedule", "workflow_dispatch"])
def test_without_a_change_everything_is_judged(site: Site, judge: Runner, name: str) -> None:
    assert judge(site.folder, name, {}).verdict is Verdict.NOT_APPLICABLE
    ready = judge(site.folder, name, {}, request=Request("ready"))
    assert (ready.verdict, ready.exit_code) == (Verdict.FAILED, 1)
    site.example("contradictions")
    site.commit("a record")
    assert ids(judge(site.folder, name, {})) == ["INC-2026-0042"]


@pytest.mark.parametrize(
    ("payload", "said"),
    [("{", "not JSON"), ("[]", "not an object"), ("[" * 100_000, "not JSON"), ("", "not JSON")],
)
def test_a_payload_that_cannot_be_read_is_no_pass(
    site: Site, judge: Runner, payload: str, said: str
) -> None:
    with pytest.raises(CouldNotTell, match=said):
        judge(site.folder, "push", payload)


@pytest.mark.parametrize("payload", [{}, {"pull_request": 3}, {"pull_request": {"head": []}}])
def test_a_payload_of_another_shape_is_no_pass(site: Site, judge: Runner, payload: Any) -> None:
    with pytest.raises(CouldNotTell):
        judge(site.folder, "pull_request", payload)


def test_no_event_and_no_repository_are_no_pass(
    site: Site, judge: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CouldNotTell, match="actions/checkout"):
        judge(tmp_path / "empty", "push", {})
    monkeypatch.delenv("GITHUB_EVENT_NAME")
    with pytest.raises(CouldNotTell, match="By hand"):
        change.judge(Job(cwd=site.folder), "changed")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_repository_of_another_user_is_judged_all_the_same(site: Site, judge: Runner) -> None:
    with_record(site, "contradictions")
    payload = pull_request(site)
    for path in (site.folder, *site.folder.rglob("*")):
        os.chown(path, 12345, 12345)
    head = (site.folder / ".git" / "HEAD").read_text().strip()
    assert judge(site.folder, "pull_request", payload, sha=head).exit_code == 1


# --- what is touched -----------------------------------------------------------------------------


def test_untouched_incidents_are_not_judged_unless_all_are_asked_for(
    site: Site, judge: Runner
) -> None:
    site.example("contradictions")
    (site.folder / INCIDENTS / "INC-2026-0042").rename(site.folder / INCIDENTS / "INC-1")
    site.commit("an old one")
    with_record(site)
    payload = pull_request(site)
    assert ids(judge(site.folder, "pull_request", payload)) == ["INC-2026-0042"]
    everything = judge(site.folder, "pull_request", payload, "all")
    assert ids(everything) == ["INC-1", "INC-2026-0042"]
    one = judge(site.folder, "pull_request", payload, selection=Selection(incidents=("inc-1",)))
    assert ids(one) == ["INC-1"]
    with pytest.raises(UsageError, match="no incident inc-2"):
        judge(site.folder, "pull_request", payload, selection=Selection(incidents=("INC-2",)))


def test_deleted_and_moved_evidence_is_found(site: Site, judge: Runner) -> None:
    site.example("complete")
    site.commit("a record")
    site.branch("feature")
    site.git("mv", f"{INCIDENTS}/INC-2026-0042", "old")
    site.commit("moved")
    site.merged()
    report = judge(site.folder, "pull_request", pull_request(site))
    (finding,) = report.findings
    assert (finding.rule, report.exit_code) == ("CHG001", 1)
    assert finding.message == "the evidence of INC-2026-0042 was moved away, to old"
    site.branch("gone")
    site.git("rm", "-rq", ".artifacts")
    site.commit("deleted")
    site.merged("gone")
    report = judge(site.folder, "pull_request", pull_request(site, "gone"))
    assert report.findings[0].message == "the evidence of INC-2026-0042 was deleted"
    report = judge(
        site.folder,
        "pull_request",
        pull_request(site, "gone"),
        selection=Selection(root=INCIDENTS),
    )
    assert rules(report) == ["CHG001"]


def test_a_record_replaced_by_a_link_is_gone(site: Site, judge: Runner) -> None:
    folder = site.example("complete")
    site.commit("a record")
    site.branch("feature")
    shutil.move(folder, site.folder / "elsewhere")
    folder.symlink_to("../../elsewhere")
    site.commit("linked")
    site.merged()
    assert rules(judge(site.folder, "pull_request", pull_request(site))) == ["CHG001"]


def test_changes_to_a_closed_record_are_said(site: Site, judge: Runner) -> None:
    folder = site.example("complete")
    site.commit("a record")
    site.branch("feature")
    site.change(folder)
    site.commit("a retrospective comes after closing")
    site.merged()
    assert rules(judge(site.folder, "pull_request", pull_request(site))) == []
    site.branch("feature", "feature")
    site.change(folder, "incident-timeline.md")
    (folder / "attachments" / "api-error.log").unlink()
    (folder / "incident-playbook.md").unlink()
    site.commit("edited")
    site.merged()
    assert rules(judge(site.folder, "pull_request", pull_request(site))) == ["CHG002", "CHG003"]


def test_the_package_of_a_closed_record_is_no_edit_of_it(site: Site, judge: Runner) -> None:
    folder = site.example("complete")
    site.commit("a record")
    site.branch("feature")
    aggregate.aggregate(Job(Selection((str(folder),)), cwd=site.folder), None)
    (folder / "action-items.json").write_text('{"items": []}', "utf-8")
    site.commit("packaged, as docs/auditors.md says")
    site.merged()
    assert "SHA256SUMS" in {path.name for path in folder.iterdir()}
    assert "CHG003" not in rules(judge(site.folder, "pull_request", pull_request(site)))


def test_a_folder_without_evidence_is_said(site: Site, judge: Runner) -> None:
    site.branch("feature")
    site.write(f"{INCIDENTS}/INC-1/decisionlog.json")
    site.commit("misspelt")
    site.merged()
    report = judge(site.folder, "pull_request", pull_request(site))
    assert (rules(report), report.exit_code) == (["CHG007"], 0)


def test_shared_inputs_judge_the_prerequisites_of_open_incidents(site: Site, judge: Runner) -> None:
    site.example("in-progress-3")
    site.example("complete", into="closed")
    shutil.move(site.folder / "closed" / INCIDENTS / "INC-2026-0042", site.folder / INCIDENTS / "C")
    shutil.rmtree(site.folder / "closed")
    site.commit("records")
    site.branch("feature")
    site.change(site.folder / ".artifacts/monitoring", "alert-test-results.json")
    site.commit("inputs")
    site.merged()
    report = judge(site.folder, "pull_request", pull_request(site))
    assert ids(report) == ["INC-2026-0042"]
    assert [gate.id for gate in report.incidents[0].gates] == ["prerequisites"]


def test_a_monorepo_names_its_roots_and_paths_are_the_repositorys(
    site: Site, judge: Runner
) -> None:
    site.write(".incident-gates.yaml", 'roots: ["services/api/.artifacts/incidents"]\n')
    site.commit("policy")
    site.branch("feature")
    site.example("contradictions", into="services/api")
    site.example("contradictions", into="services/web")
    site.commit("records")
    site.merged()
    report = judge(site.folder, "pull_request", pull_request(site))
    assert [i.path for i in report.incidents] == [f"services/api/{INCIDENTS}/INC-2026-0042"]
    selection = Selection(root=f"services/web/{INCIDENTS}")
    report = judge(site.folder, "pull_request", pull_request(site), selection=selection)
    assert [i.path for i in report.incidents] == [f"services/web/{INCIDENTS}/INC-2026-0042"]
    with pytest.raises(UsageError, match="does not exist"):
        judge(site.folder, "push", push(site, site.first), selection=Selection(root="nowhere"))


def test_the_flat_layout_is_one_incident(site: Site, judge: Runner) -> None:
    site.branch("feature")
    folder = site.example("contradictions")
    for path in folder.iterdir():
        shutil.move(path, folder.parent / path.name)
    folder.rmdir()
    site.commit("flat")
    site.merged()
    report = judge(site.folder, "pull_request", pull_request(site))
    assert (ids(report), report.exit_code) == (["INC-2026-0042"], 1)


@pytest.mark.skipif(sys.platform != "linux", reason="these names exist on Linux alone")
def test_hostile_names_are_names(site: Site, judge: Runner) -> None:
    site.branch("feature")
    names = ("::error::x", "##[error]y", "-rf", "a\nb", "\u202egpj", ":!x", "$(id)", "*")
    for name in names:
        site.write(f"{INCIDENTS}/{name}/decision-log.json", "{}")
    raw = os.fsencode(site.folder / INCIDENTS) + b"/\xff\xfe"
    Path(os.fsdecode(raw)).mkdir()
    Path(os.fsdecode(raw + b"/decision-log.json")).write_text("{}")
    site.commit("names")
    site.merged()
    report = judge(site.folder, "pull_request", pull_request(site))
    assert len(report.incidents) == len(names) + 1
    assert report.verdict is Verdict.FAILED
    site.branch("gone", "HEAD")
    site.git("rm", "-rq", ".artifacts")
    site.commit("deleted")
    deleted = judge(site.folder, "push", push(site, site.git("rev-parse", "gone^"), "gone"))
    assert rules(deleted) == ["CHG001"] * (len(names) + 1)


def test_planted_code_and_repositories_are_data(site: Site, judge: Runner, tmp_path: Path) -> None:
    site.branch("feature")
    folder = site.example("complete")
    proof = tmp_path / "executed"
    bare = f"{INCIDENTS}/INC-2026-0042"
    site.write(f"{bare}/HEAD", "ref: refs/heads/main\n")
    site.write(f"{bare}/objects/.keep", "")
    site.write(f"{bare}/refs/.keep", "")
    site.write(f"{bare}/config", f'[core]\n\tbare = true\n\tfsmonitor = "touch {proof}"\n')
    site.write("click.py", f"open({str(proof)!r}, 'w')\n")
    site.write(".gitattributes", "* diff=evil filter=evil\n")
    site.git("config", "diff.external", f"touch {proof}")
    site.git("config", "diff.evil.textconv", f"touch {proof}")
    site.commit("planted")
    site.merged()
    report = judge(site.folder, "pull_request", pull_request(site))
    assert (ids(report), report.verdict) == ([folder.name], Verdict.PASSED)
    inside = Selection(root=f"{INCIDENTS}/INC-2026-0042")
    judge(site.folder, "pull_request", pull_request(site), selection=inside)
    assert not proof.exists()


def test_evidence_in_a_submodule_is_no_pass(site: Site, judge: Runner) -> None:
    site.branch("feature")
    site.git("update-index", "--add", "--cacheinfo", f"160000,{site.first},.artifacts")
    site.git("commit", "--quiet", "--message=submodule")
    site.merged()
    with pytest.raises(CouldNotTell, match="submodule"):
        judge(site.folder, "pull_request", pull_request(site))


def test_a_pointer_of_lfs_is_named_for_what_it_is(site: Site, judge: Runner) -> None:
    site.branch("feature")
    folder = site.example("complete")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n"
    (folder / "decision-log.json").write_text(pointer)
    site.commit("in LFS")
    site.merged()
    report = judge(site.folder, "pull_request", pull_request(site))
    said = [finding.message for finding in report.incidents[0].all_findings]
    assert report.exit_code == 1
    assert any("Git LFS pointer" in message for message in said)


# --- by which rules ------------------------------------------------------------------------------


def test_the_policy_is_the_bases_and_an_edit_is_said(site: Site, judge: Runner) -> None:
    site.write(".incident-gates.yaml", "thresholds:\n  notification_minutes: 1\n")
    site.commit("strict")
    site.branch("feature")
    site.example("complete")
    site.write(".incident-gates.yaml", "thresholds:\n  notification_minutes: 100\n")
    site.commit("loosened")
    site.merged()
    report = judge(site.folder, "pull_request", pull_request(site))
    assert (rules(report), report.exit_code) == (["CHG004"], 1)
    assert "its base commit's is in force" in report.findings[0].message
    assert report.policy[0] == ".incident-gates.yaml"


def test_a_new_policy_is_not_in_force_and_a_broken_one_fails(site: Site, judge: Runner) -> None:
    site.branch("feature")
    site.write(".incident-gates.yaml", "stale_after_days: 3\n")
    site.commit("policy")
    site.merged()
    report = judge(site.folder, "pull_request", pull_request(site))
    assert (rules(report), report.exit_code, report.policy) == (["CHG004"], 0, (None, None))
    site.branch("broken")
    site.write(".incident-gates.yaml", "nonsense: 3\n")
    site.commit("policy")
    site.merged("broken")
    report = judge(site.folder, "pull_request", pull_request(site, "broken"))
    assert (report.findings[0].level, report.exit_code) == ("CRITICAL", 1)


def test_a_broken_policy_can_be_mended(site: Site, judge: Runner) -> None:
    site.write(".incident-gates.yaml", "nonsense: 3\n")
    site.commit("broken")
    site.branch("feature")
    site.write("src/app.py")
    site.commit("code")
    site.merged()
    with pytest.raises(PolicyError):
        judge(site.folder, "pull_request", pull_request(site))
    site.branch("mend")
    site.write(".incident-gates.yaml", "stale_after_days: 3\n")
    site.commit("mended")
    site.merged("mend")
    report = judge(site.folder, "pull_request", pull_request(site, "mend"))
    assert (rules(report), report.exit_code) == (["CHG004"], 0)


def test_a_policy_of_its_own_and_what_it_extends_come_from_the_base_too(
    site: Site, judge: Runner
) -> None:
    site.write("gates/policy.yaml", "extends: ../organisation.yaml\n")
    site.write("organisation.yaml", "thresholds:\n  notification_minutes: 1\n")
    site.commit("strict")
    site.branch("feature")
    site.example("complete")
    site.write("organisation.yaml", "thresholds:\n  notification_minutes: 100\n")
    site.commit("loosened")
    site.merged()
    payload = pull_request(site)
    report = judge(site.folder, "pull_request", payload, policy="gates/policy.yaml")
    assert (rules(report), report.exit_code) == (["CHG004"], 1)
    with pytest.raises(UsageError, match="does not exist"):
        judge(site.folder, "pull_request", payload, policy="gates/other.yaml")


def test_a_pushed_branch_is_judged_by_the_policy_of_the_default_one(
    site: Site, judge: Runner
) -> None:
    site.branch("feature")
    site.write(".incident-gates.yaml", "thresholds:\n  notification_minutes: 100\n")
    loosened = site.commit("loosened")
    site.example("late-notice")
    site.commit("a record")
    report = judge(site.folder, "push", push(site, loosened, "feature"))
    assert report.policy == (None, None)


def test_flags_looser_than_the_base_are_ignored_and_said(site: Site, judge: Runner) -> None:
    with_record(site)
    flags = {"notification_minutes": 100.0}
    report = judge(site.folder, "pull_request", pull_request(site), flags=flags)
    assert report.notices[0].startswith("WARNING: --sla 100 is looser than 5")


def test_a_changed_workflow_is_said(site: Site, judge: Runner) -> None:
    site.branch("feature")
    site.write(".github/workflows/gates.yml", "on: push\n")
    site.write(".github/workflows/other.yml", "uses: x/incident-gates@v1\n")
    site.write(".github/workflows/third.yml", "on: push\n")
    site.commit("workflows")
    site.merged()
    report = judge(site.folder, "pull_request", pull_request(site))
    assert [f.location.file for f in report.findings if f.rule == "CHG005"] == [
        ".github/workflows/gates.yml",
        ".github/workflows/other.yml",
    ]
    assert report.exit_code == 0
    strict = Request(strict=True)
    assert judge(site.folder, "pull_request", pull_request(site), request=strict).exit_code == 1


def test_paths_beside_a_scope_are_refused(site: Site, judge: Runner) -> None:
    with pytest.raises(UsageError, match="no paths"):
        judge(site.folder, "push", push(site, site.first), selection=Selection(paths=(".",)))
