"""The doctor: each check finds what is wrong, and has nothing to say where nothing is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from click.testing import CliRunner, Result
from gitwork import ENVIRONMENT, INCIDENTS, Site

from incident_gates import protocol
from incident_gates.cli import main
from incident_gates.desk.setup import doctor, running_on, workflows
from incident_gates.desk.setup.checks import CHECKS
from incident_gates.desk.setup.patient import Patient
from incident_gates.evidence import history

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from incident_gates.desk.setup.answers import Answer

INCIDENT = f"{INCIDENTS}/INC-2026-0042"
WORKFLOW = ".github/workflows/gates.yml"
GOOD_WORKFLOW = """\
on:
  pull_request:
  merge_group:
  schedule: [{cron: "17 6 * * 1"}]
permissions: {contents: read}
jobs:
  gates:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v7
        with: {fetch-depth: 0}
      - uses: incident-gates/incident-gates@v1
"""
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A repository in which all is well."""
    made = Site(tmp_path / "site")
    made.example("complete")
    made.write(".gitattributes", ".artifacts/** -text\n")
    made.write(WORKFLOW, GOOD_WORKFLOW)
    made.commit("a record, a workflow")
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("INCIDENT_GATES_DEBUG", "1")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"):
        monkeypatch.setenv(name, ENVIRONMENT[name])
    return made


def asked(site: Site, check: str, root: str | None = None) -> Answer:
    found = {answer.check: answer for answer in doctor.examined(site.folder, root)}
    return found[check]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments])


class Case(NamedTuple):
    """One way in which something is wrong: the check that sees it, and what it says of where."""

    check: str
    prepare: Callable[[Site], Any]
    said: str
    place: str = ""
    status: str = "wrong"


def changed(old: str, new: str) -> Callable[[Site], None]:
    """The good workflow with one thing changed."""
    assert old in GOOD_WORKFLOW
    return lambda site: site.write(WORKFLOW, GOOD_WORKFLOW.replace(old, new))


def staged(*names: str, text: str = "x\n") -> Callable[[Site], None]:
    """Names in the index, which the disk here may not be able to hold."""

    def prepare(site: Site) -> None:
        for name in names:
            blob = subprocess.run(
                ["git", "hash-object", "-w", "--stdin"],
                cwd=site.folder, input=text, text=True, capture_output=True, check=True,
            ).stdout.strip()  # fmt: skip
            site.git("-c", "core.protectNTFS=false", "update-index", "--add",
                     "--cacheinfo", f"100644,{blob},{name}")  # fmt: skip

    return prepare


def moved(old: str, new: str) -> Callable[[Site], None]:
    def prepare(site: Site) -> None:
        (site.folder / new).parent.mkdir(parents=True, exist_ok=True)
        (site.folder / old).rename(site.folder / new)

    return prepare


def converted(site: Site) -> None:
    site.write(".gitattributes", "*.json text eol=crlf\n")
    (site.folder / INCIDENT / "decision-log.json").unlink()
    site.git("checkout", "--", f"{INCIDENT}/decision-log.json")


def autocrlf(site: Site) -> None:
    site.git("rm", "-q", ".gitattributes")
    site.git("config", "core.autocrlf", "true")


def no_attributes(site: Site) -> None:
    site.git("rm", "-q", ".gitattributes")


def nested(site: Site) -> None:
    (site.folder / INCIDENT / "attachments/copy").mkdir()
    subprocess.run(
        ["git", "init", "-q"], cwd=site.folder / INCIDENT / "attachments/copy", check=True
    )


def bare(site: Site) -> None:
    command = ["git", "init", "-q", "--bare"]
    subprocess.run([*command, str(site.folder / INCIDENT / "x")], check=True)


def submodule(site: Site) -> None:
    """A commit of another repository in the index, and nothing of it on the disk."""
    entry = f"160000,{site.first},{INCIDENT}/module"
    site.git("update-index", "--add", "--cacheinfo", entry)


def all_ignored(site: Site) -> None:
    site.write(".gitignore", "# build\n.artifacts/\n!.artifacts/incidents/\n")


def ignored_log(site: Site) -> None:
    site.write(".gitignore", "*.log\n")
    site.write(f"{INCIDENT}/a.log")


def no_workflow(site: Site) -> None:
    (site.folder / WORKFLOW).unlink()


CHECKOUT = "      - uses: actions/checkout@v7\n        with: {fetch-depth: 0}\n"
HEAD = "with: {fetch-depth: 0, ref: '${{ github.event.pull_request.head.sha }}'}"
PYTHON = "      - uses: actions/setup-python@v7\n        with: {{python-version: {}}}\n"
CASES = [
    Case(
        "policy", lambda s: s.write(".incident-gates.yaml", "stale: 7\n"), ".incident-gates.yaml:1"
    ),
    Case(
        "root", lambda s: s.write(".incident-gates.yaml", "roots: [x]\n"), "no folder x", "", "hint"
    ),
    Case("ignored", all_ignored, "reach no commit", ".gitignore:2  .artifacts/"),
    Case("ignored", ignored_log, "files of evidence", f"{INCIDENT}/a.log"),
    Case("line endings", converted, "changed line ends", "decision-log.json"),
    Case("line endings", autocrlf, "core.autocrlf"),
    Case("line endings", no_attributes, "On Windows", "", "hint"),
    Case(
        "overlooked",
        moved(INCIDENT, f"{INCIDENTS}/2026/INC-1"),
        "not judged",
        "2026/INC-1 is one folder too deep",
    ),
    Case("large files", lambda s: s.write(f"{INCIDENT}/big.bin", POINTER), "LFS", "big.bin"),
    Case("nested", nested, "Repositories", f"{INCIDENT}/attachments/copy"),
    Case("nested", bare, "Repositories", f"{INCIDENT}/x"),
    Case("nested", submodule, "Repositories", f"{INCIDENT}/module"),
    Case("names", staged(f"{INCIDENT}/aux.json"), "Windows", "aux.json"),
    Case("names", staged(f"{INCIDENT}/02:10.log"), "Windows", "02:10.log"),
    Case("names", staged(f"{INCIDENT}/trailing."), "Windows", "trailing."),
    Case(
        "case",
        staged(f"{INCIDENT}/Decision-log.json"),
        "One file",
        f"{INCIDENT}/Decision-log.json and {INCIDENT}/decision-log.json",
    ),
    Case("case", staged(f"{INCIDENTS}/inc-2026-0042/x"), "One file", f"{INCIDENTS}/inc-2026-0042"),
    Case("workflow", no_workflow, "No workflow"),
    Case("workflow", changed("on:\n", "on: &all\n"), "cannot be read", WORKFLOW, "unknown"),
    Case(
        "permissions",
        changed("permissions: {contents: read}\n", ""),
        "does not say",
        f"{WORKFLOW}:",
    ),
    Case("permissions", changed("{contents: read}", "{}"), "does not say", f"{WORKFLOW}:5"),
    Case("permissions", changed("{contents: read}", "write-all"), "and no more", f"{WORKFLOW}:5"),
    Case(
        "permissions",
        changed("    steps:", "    permissions: {issues: write}\n    steps:"),
        "does not say",
        f"{WORKFLOW}:9",
    ),
    Case("pull requests", changed("  pull_request:\n", ""), "before it is merged"),
    Case(
        "path filter",
        changed("pull_request:", "pull_request: {paths: [.artifacts/**]}"),
        "pending for ever",
        f"{WORKFLOW}:2",
    ),
    Case(
        "path filter",
        changed("pull_request:", "pull_request: {branches-ignore: [x]}"),
        "pending for ever",
        f"{WORKFLOW}:2",
    ),
    Case(
        "fork safety",
        changed("pull_request:", "pull_request_target:"),
        "refuse it",
        f"{WORKFLOW}:2",
    ),
    Case(
        "fork safety",
        lambda s: s.write(
            WORKFLOW,
            GOOD_WORKFLOW.replace("pull_request:", "pull_request_target:").replace(
                "with: {fetch-depth: 0}", HEAD
            ),
        ),
        "secrets at hand",
        f"{WORKFLOW}:10",
    ),
    Case("checkout", changed(CHECKOUT, ""), "do not see", f"{WORKFLOW}:10"),
    Case("checkout", changed("with: {fetch-depth: 0}", HEAD), "do not see", f"{WORKFLOW}:11"),
    Case("fetch depth", changed("with: {fetch-depth: 0}", "with: {}"), "a part", f"{WORKFLOW}:10"),
    Case("fetch depth", changed("fetch-depth: 0", "fetch-depth: 2"), "a part", f"{WORKFLOW}:10"),
    Case(
        "fetch depth",
        changed("fetch-depth: 0", "fetch-depth: '${{ inputs.n }}'"),
        "computed",
        f"{WORKFLOW}:10",
        "unknown",
    ),
    Case(
        "runner python",
        changed(CHECKOUT, CHECKOUT + PYTHON.format('"3.9"')),
        "too old",
        f"{WORKFLOW}:13",
    ),
    Case(
        "runner python",
        changed(CHECKOUT, CHECKOUT + PYTHON.format("3.10")),
        "too old",
        f"{WORKFLOW}:13",
    ),
    Case("merge queue", changed("  merge_group:\n", ""), "merge queue", "", "hint"),
    Case(
        "schedule", changed('  schedule: [{cron: "17 6 * * 1"}]\n', ""), "never closed", "", "hint"
    ),
    Case(
        "enforced",
        lambda s: s.write(WORKFLOW, GOOD_WORKFLOW + "        with: {enforce: false}\n"),
        "Advisory",
        "",
        "hint",
    ),
]


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=f"{c.check} {n}") for n, c in enumerate(CASES)]
)
def test_what_is_wrong_is_seen_where_it_is(site: Site, case: Case) -> None:
    case.prepare(site)
    answer = asked(site, case.check)
    assert (answer.status, case.said in answer.said) == (case.status, True), answer
    assert answer.do
    assert any(case.place in place for place in answer.places or ("",)), answer


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_passes_where_nothing_is_wrong(site: Site, check: str) -> None:
    assert asked(site, check).status == "good"


@pytest.mark.skipif(sys.platform != "linux", reason="its file systems take it for the right name")
def test_a_name_in_another_case_is_overlooked(site: Site) -> None:
    site.write(f"{INCIDENTS}/INC-9/Decision-Log.JSON")
    answer = asked(site, "overlooked")
    said = "INC-9/Decision-Log.JSON should be named decision-log.json"
    assert (answer.status, answer.places) == ("wrong", (said,))


ELSEWHERE = {"python", "git", "extras", "history"}  # what they look at is no file; tests below


def test_every_check_has_a_case_in_which_it_fails() -> None:
    assert {case.check for case in CASES} | ELSEWHERE == set(CHECKS)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_in_the_root_is_not_followed(site: Site, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "big.bin").write_text(POINTER, "utf-8")
    (site.folder / INCIDENTS / "elsewhere").symlink_to(outside)
    assert asked(site, "large files").status == "good"
    assert asked(site, "overlooked").status == "good"


# --- what they run on ----------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "status"), [((3, 9, 18), "wrong"), ((3, 10, 0), "good")])
def test_an_old_python(site: Site, version: tuple[int, ...], status: str) -> None:
    assert running_on.python(Patient(site.folder, python=version)).status == status


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"git version 2.30.9\n", "wrong"),
        (b"git version 2.31.0 (Apple Git-130)\n", "good"),
        (b"git version 2.45.1.windows.1\n", "good"),
        (b"?", "unknown"),
        (None, "wrong"),
    ],
)
def test_an_old_git(
    site: Site, monkeypatch: pytest.MonkeyPatch, said: bytes | None, status: str
) -> None:
    monkeypatch.setattr(history, "ask", lambda *_, **__: said)
    assert running_on.git(Patient(site.folder)).status == status


def test_extras_that_are_not_installed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ["click>=8.1", 'pytest>=8; extra == "here"', 'no-such-thing>=1; extra == "secrets"']
    monkeypatch.setattr(metadata, "requires", lambda _: listed)
    answer = running_on.extras(Patient(site.folder))
    assert (answer.status, answer.do) == ("hint", 'pip install "incident-gates[secrets]"')


def test_a_shallow_clone(site: Site, tmp_path: Path) -> None:
    site.clone(tmp_path / "shallow", site.git("rev-parse", "HEAD"))
    found = {a.check: a for a in doctor.examined(tmp_path / "shallow", None)}
    assert found["history"].status == "wrong"
    assert "--unshallow" in found["history"].do


# --- workflows of strangers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "jobs: [incident-gates]",
        "jobs: {a: incident-gates}",
        "incident-gates",
        "on: 1 # incident-gates",
        "jobs: {a: {steps: {uses: incident-gates/incident-gates@v1}}}",
        "jobs: {a: {steps: [1, {uses: [incident-gates/incident-gates@v1]}]}}",
    ],
)
def test_a_workflow_of_another_shape_is_not_ours(site: Site, text: str) -> None:
    site.write(WORKFLOW, text)
    assert [w for w in workflows.every(site.folder) if w.ours] == []
    assert asked(site, "workflow").status == "wrong"


def test_the_reusable_workflow_needs_no_steps(site: Site) -> None:
    use = "incident-gates/incident-gates/.github/workflows/gates.yml@v1"
    head = GOOD_WORKFLOW.partition("    runs-on")[0]
    site.write(WORKFLOW, f"{head}    uses: {use}\n")
    assert run().exit_code == 0


def test_a_workflow_that_calls_the_command_is_ours(site: Site) -> None:
    site.write(WORKFLOW, "jobs: {a: {steps: [{run: incident-gates check}]}}")
    assert asked(site, "workflow").status == "good"
    assert asked(site, "permissions").status == "wrong"


def test_others_are_nobodys_business(site: Site) -> None:
    site.write(".github/workflows/other.yml", "on: &a pull_request_target\n")
    assert run().exit_code == 0


@pytest.mark.parametrize(
    "text",
    [
        "x: " + "[" * 5000 + " # incident-gates",
        "incident-gates: \x00",
        "a: 1\na: 2 # incident-gates",
    ],
)
def test_a_hostile_workflow_is_a_question_mark(site: Site, text: str) -> None:
    site.write(WORKFLOW, text)
    done = run()
    assert done.exit_code == 3
    assert re.search(r"^  \? workflow ", done.stdout, re.MULTILINE)


# --- how it is told ------------------------------------------------------------------------------


@pytest.mark.usefixtures("site")
def test_all_well_is_exit_code_0() -> None:
    done = run()
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "All is well.")
    assert len(re.findall(r"^  ✓ ", done.stdout, re.MULTILINE)) == len(CHECKS)


def test_something_wrong_is_exit_code_1_and_fits_a_terminal(site: Site) -> None:
    site.write(f"{INCIDENT}/{'long-' * 30}.bin", POINTER)
    site.write(".gitignore", ".artifacts/\n")
    done = run()
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1].startswith("2 wrong, ")
    plain = [line for line in done.stdout.splitlines() if "long-" not in line]
    assert max(map(len, plain)) <= 80


def test_could_not_tell_is_exit_code_3_whatever_else(site: Site) -> None:
    site.write(".gitignore", ".artifacts/\n")
    changed("on:\n", "on: &all\n")(site)
    assert run().exit_code == 3


def test_for_programs(site: Site) -> None:
    site.write(f"{INCIDENT}/big.bin", POINTER)
    done = run("--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["exit_code"]) == (1, 1)
    assert [c["check"] for c in told["checks"]] == doctor.NAMES
    (wrong,) = [c for c in told["checks"] if c["status"] == "wrong"]
    assert (wrong["check"], wrong["places"]) == ("large files", [f"{INCIDENT}/big.bin"])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_cannot_forge_a_line(site: Site) -> None:
    site.write(f"{INCIDENT}/a\n::error::b\x1b[31m.bin", POINTER)
    said = run().stdout
    assert "\n::error::" not in said
    assert "\x1b" not in said


def test_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run()
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no git repository" in done.stderr


def test_nothing_is_written(site: Site) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in site.folder.rglob("*") if p.is_file())
    run()
    assert before == sorted(
        (p, p.stat().st_mtime_ns) for p in site.folder.rglob("*") if p.is_file()
    )


# --- check says the same of what it overlooks ----------------------------------------------------


def checked(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", "--as-of", "2026-03-20", *arguments])


def test_check_says_which_records_it_overlooks(site: Site) -> None:
    deep, upper = f"{INCIDENTS}/2026/INC-1", f"{INCIDENTS}/INC-9/DECISION-LOG.json"
    site.write(f"{deep}/decision-log.json", "{}")
    site.write(upper, "{}")
    for arguments in ((), (".",), (INCIDENTS,), ("--root", INCIDENTS)):
        done = checked(*arguments)
        said = " ".join(done.stdout.split())
        assert "WARNING: 2026/INC-1 is one folder too deep, and was not judged." in said, arguments
        if sys.platform == "linux":  # elsewhere the file system takes it for the right name
            assert "INC-9/DECISION-LOG.json should be named decision-log.json" in said
        assert done.exit_code == 0
    for arguments in ((INCIDENT,), ("--incident", "INC-2026-0042")):
        assert "not judged" not in checked(*arguments).stdout


def test_check_says_so_where_there_is_nothing_else(site: Site) -> None:
    moved(INCIDENT, f"{INCIDENTS}/2026/INC-1")(site)
    done = checked()
    assert done.exit_code == 2
    assert "2026/INC-1 is one folder too deep" in " ".join(done.stderr.split())


def test_attachments_are_not_overlooked_records(site: Site) -> None:
    name = min(protocol.load().phase_artifacts)
    site.write(f"{INCIDENT}/attachments/copy/{name}", "{}")
    assert "not judged" not in checked().stdout
