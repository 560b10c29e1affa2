"""The workflows that fan out, run by act: real jobs and matrices, artifacts kept in a folder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from gitwork import EXAMPLES, INCIDENTS, Site
from test_action import BIN, Act, dependencies, free_port, tool

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = ROOT / ".github" / "workflows"
SHARDED = "incident-gates-sharded.yml"
AUDIT = "audit-repositories.yml"
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))

# What act does not bring along: each does with folders what the action does with GitHub.
STAND_INS = {
    "actions/checkout": (
        ["repository", "path"],
        'git clone --quiet "$REPOSITORIES/$REPOSITORY" "$GITHUB_WORKSPACE/$WHERE"',
    ),
    "actions/upload-artifact": (
        ["name", "path"],
        'mkdir -p "$ARTIFACTS/$NAME"\nfor file in $WHERE; do cp "$file" "$ARTIFACTS/$NAME"; done',
    ),
    "actions/download-artifact": (
        ["pattern", "path"],
        'mkdir -p "$WHERE"\nfor each in "$ARTIFACTS"/$PATTERN/*; do cp "$each" "$WHERE"; done',
    ),
}


class Ran(NamedTuple):
    """What came of a workflow: exit code, artifacts, summaries, and what act printed."""

    code: int
    artifacts: Path
    summaries: str
    printed: str

    def data(self, name: str) -> dict[str, Any]:
        """An artifact of the last job."""
        (file,) = self.artifacts.glob(f"*/{name}")
        found: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return found


def lent(workflow: str) -> str:
    """A workflow whose jobs find the dependencies that are installed here; act knows no ``$/``."""
    text = (WORKFLOWS / workflow).read_text("utf-8")
    data = yaml.safe_load(text.replace("uses: $/.", "uses: incident-gates/incident-gates@v1"))
    data["on"] = data.pop(True)
    for job in data["jobs"].values():
        job["steps"].insert(0, {"run": 'ln -s "$DEPENDENCIES" "$RUNNER_TEMP/$FOLDER"'})
    return str(yaml.safe_dump(data))


class Runner:
    """Calls one of our reusable workflows in a repository."""

    def __init__(self, temporary: Path) -> None:
        self.temporary = temporary
        self.product = Act(temporary / "act").product
        self.repositories = temporary / "repositories"

    def __call__(self, site: Site, workflow: str, given: Mapping[str, Any]) -> Ran:
        folder = site.folder / ".github" / "workflows"
        folder.mkdir(parents=True)
        called = lent(workflow)
        (folder / workflow).write_text(called, "utf-8")
        call = {"uses": f"./.github/workflows/{workflow}", "with": dict(given)}
        caller = {"on": "workflow_dispatch", "jobs": {"call": call}}
        (folder / "caller.yml").write_text(yaml.safe_dump(caller), "utf-8")
        artifacts = self.temporary / "artifacts"
        artifacts.mkdir()
        site_packages, name = dependencies()
        known = {
            "DEPENDENCIES": site_packages,
            "FOLDER": name,
            "ARTIFACTS": artifacts,
            "REPOSITORIES": self.repositories,
        }
        command = [tool("act"), "workflow_dispatch", "--json"]
        command += ["--workflows", str(folder / "caller.yml")]
        command += ["--platform", "ubuntu-latest=-self-hosted"]
        command += ["--artifact-server-port", str(free_port())]
        command += [word for k, v in known.items() for word in ("--env", f"{k}={v}")]
        command += ["--local-repository", f"incident-gates/incident-gates@v1={self.product}"]
        for action, ref in sorted(set(re.findall(r"uses: (actions/[\w-]+)@(\w+)", called))):
            there = self._stand_in(action)
            command += ["--local-repository", f"{action}@{ref}={there}"]
        bare = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(self.temporary / "home")}
        done = subprocess.run(
            command, cwd=site.folder, env=bare, capture_output=True, text=True, check=False
        )
        printed = done.stdout + done.stderr
        entries = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
        said = [e["content"] for e in entries if e.get("command") == "summary"]
        return Ran(done.returncode, artifacts, "".join(said), printed)

    def _stand_in(self, action: str) -> Path:
        inputs, script = STAND_INS[action]
        folder = self.temporary / action
        folder.mkdir(parents=True, exist_ok=True)
        variables = {
            ("where" if n == "path" else n).upper(): f"${{{{ inputs.{n} }}}}" for n in inputs
        }
        step = {"shell": "bash", "env": variables, "run": script}
        accepted = ["if-no-files-found", "retention-days", "merge-multiple", "token"]
        accepted += ["fetch-depth", "persist-credentials"]
        about = {
            "name": action,
            "inputs": {name: {"default": ""} for name in [*inputs, *accepted]},
            "runs": {"using": "composite", "steps": [step]},
        }
        (folder / "action.yml").write_text(yaml.safe_dump(about), "utf-8")
        return folder

    def repository(self, name: str, example: str) -> None:
        """A repository that can be checked out."""
        site = Site(self.repositories / name)
        if example:
            site.example(example)
            site.commit("evidence")


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    tool("act")
    return Runner(tmp_path)


def many(site: Site) -> None:
    for name in ("complete", "contradictions", "late-notice", "emergency", "in-progress-2"):
        source = EXAMPLES / name / INCIDENTS / "INC-2026-0042"
        shutil.copytree(source, site.folder / INCIDENTS / f"INC-{name}", copy_function=shutil.copy)
    site.commit("records")


def test_shards_are_judged_apart_and_joined(runner: Runner, tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    many(site)
    done = runner(site, SHARDED, {"shards": 3})
    parts = sorted(path.name for path in done.artifacts.iterdir())
    assert parts == ["incident-gates", *(f"incident-gates-shard-{k}" for k in (1, 2, 3))]
    report = done.data("incident-gates.json")
    assert [incident["incident_id"] for incident in report["incidents"]] == [
        "INC-complete",
        "INC-contradictions",
        "INC-emergency",
        "INC-in-progress-2",
        "INC-late-notice",
    ]
    assert (done.code, report["verdict"], "shard" in report) == (1, "failed", False)
    assert done.data("incident-gates.sarif")["version"] == "2.1.0"
    assert "5 incidents" in done.summaries
    assert "This is shard" not in done.summaries


def test_a_shard_that_broke_down_is_missed(runner: Runner, tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    many(site)
    script = STAND_INS["actions/upload-artifact"][1]
    broken = ["name", "path"], f'if [ "$NAME" = incident-gates-shard-2 ]; then exit 1; fi\n{script}'
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STAND_INS, "actions/upload-artifact", broken)
        done = runner(site, SHARDED, {"shards": 2, "enforce": False})
    assert done.code == 1
    assert "The reports of these shards of 2 are missing: 2." in done.printed
    assert "Never read this as a pass" in done.summaries


def test_repositories_are_judged_by_the_callers_policy_on_one_page(
    runner: Runner, tmp_path: Path
) -> None:
    site = Site(tmp_path / "site")
    site.write(
        "repositories.txt", "shop/good # ours\n\n  shop/bad\nshop/none\nshop/gone\nshop/own\n"
    )
    site.write(".incident-gates.yaml", "{}\n")
    site.commit("a list")
    for name, example in (("good", "complete"), ("bad", "contradictions"), ("none", "")):
        runner.repository(f"shop/{name}", example)
    runner.repository("shop/own", "late-notice")
    own = Site.__new__(Site)
    own.folder = runner.repositories / "shop/own"
    own.write(".incident-gates.yaml", "notification: nonsense\n")
    own.commit("a policy of its own that nobody asks")
    done = runner(site, AUDIT, {"list": "repositories.txt"})
    page = done.data("incident-gates-overview.json")
    verdicts = {row["repository"]: row["verdict"] for row in page["repositories"]}
    assert verdicts == {
        "shop/gone": "error",
        "shop/bad": "failed",
        "shop/good": "passed",
        "shop/none": "not_applicable",
        "shop/own": "passed",  # by its own policy it could not even be judged
    }
    assert (page["policy"]["path"], page["exit_code"], done.code) == (".incident-gates.yaml", 3, 1)
    assert "[shop/gone](https://github.com/shop/gone)" in done.summaries
    assert "blob" not in done.summaries, "a link of this repository would lead nowhere"


# --- the scripts alone ----------------------------------------------------------------------------


def plan(workflow: str, folder: Path, **given: str) -> tuple[int, dict[str, str]]:
    """Runs the step that plans, and returns its outputs."""
    jobs = yaml.safe_load((WORKFLOWS / workflow).read_text("utf-8"))["jobs"]
    step = jobs["plan"]["steps"][-1]
    assert set(given) <= set(step["env"])
    output = folder / "output"
    output.write_text("")
    variables = {name: given.get(name, "") for name in step["env"]}
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "GITHUB_OUTPUT": str(output), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, _outputs(output.read_text())


def _outputs(text: str) -> dict[str, str]:
    from runner_oracle import outputs

    return outputs(text)


@pytest.mark.parametrize("shards", ["", "0", "257", "1000", "-1", "8.5", "a", "1;id", "08", "1e2"])
def test_shards_are_a_number_that_a_matrix_takes(shards: str, tmp_path: Path) -> None:
    code, outputs = plan(SHARDED, tmp_path, SHARDS=shards)
    assert (code, outputs) == (2, {})


@pytest.mark.parametrize("shards", [1, 8, 256])
def test_shards_are_counted_from_one(shards: int, tmp_path: Path) -> None:
    code, outputs = plan(SHARDED, tmp_path, SHARDS=str(shards))
    assert (code, json.loads(outputs["shards"])) == (0, list(range(1, shards + 1)))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", outputs["now"])


def planned(folder: Path, text: str) -> tuple[int, dict[str, str]]:
    (folder / ".incident-gates.yaml").write_text("{}\n")
    return plan(AUDIT, folder, REPOSITORIES=text, POLICY=".incident-gates.yaml")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "# only a remark",
        "shop",
        "shop/",
        "/api",
        "shop/api/x",
        "shop/..",
        "shop/.",
        "shop/$(id)",
        "shop/a;id",
        'shop/a"b',
        "shop/a\\b",
        "shóp/api",
        "-shop/api",
        "shop/api|x",
        "shop/a&b",
    ],
)
def test_a_name_that_is_more_than_a_name_is_refused(name: str, tmp_path: Path) -> None:
    assert planned(tmp_path, name) == (2, {})
    if name:
        assert planned(tmp_path, f"shop/good\n{name}\n")[0] == (0 if name[0] == "#" else 2)


def test_a_plan_names_each_repository_once(tmp_path: Path) -> None:
    code, outputs = planned(tmp_path, "shop/web\n shop/api \nShop/API # again\n\n")
    assert code == 0
    matrix = json.loads(outputs["matrix"])
    assert [entry["repository"].casefold() for entry in matrix] == ["shop/api", "shop/web"]
    rows = [f"{e['repository']}=reports/{e['report']}.json" for e in matrix]
    assert outputs["rows"].splitlines() == rows
    assert len({entry["report"] for entry in matrix}) == 2


def test_a_plan_has_the_bound_of_a_matrix(tmp_path: Path) -> None:
    names = [f"shop/r{n}" for n in range(257)]
    assert planned(tmp_path, "\n".join(names))[0] == 2
    code, outputs = planned(tmp_path, "\n".join(names[:-1]))
    assert (code, len(json.loads(outputs["matrix"]))) == (0, 256)


def test_an_audit_without_a_policy_is_refused(tmp_path: Path) -> None:
    assert plan(AUDIT, tmp_path, REPOSITORIES="shop/api", POLICY=".incident-gates.yaml")[0] == 2


@pytest.mark.parametrize("workflow", [SHARDED, AUDIT])
def test_a_workflow_gives_the_action_what_it_knows_and_decides_last(workflow: str) -> None:
    text = (WORKFLOWS / workflow).read_text("utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    uses = [step for job in jobs.values() for step in job["steps"] if step.get("uses") == "$/."]
    assert all(set(step["with"]) <= set(ACTION["inputs"]) for step in uses)
    *_, last = jobs.values()
    assert last["if"] == "always()"
    assert last["permissions"] == {}
    assert not re.search(
        r"\$\{\{", "".join(s.get("run", "") for j in jobs.values() for s in j["steps"])
    )
