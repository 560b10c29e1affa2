"""The Action as a runner sees it: its inputs, its isolation, and what it does on each event."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import runner_oracle
import webhooks
import yaml
from gitwork import ENVIRONMENT, INCIDENTS, ZERO, Site, environment, pull_request

from incident_gates import cli, schema
from incident_gates.github import demand, hand_over

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = ROOT / ".github" / "workflows"
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEP = ACTION["runs"]["steps"][0]
BIN = Path(sys.executable).parent
ENTRY = ROOT / "action" / "run.py"


RUN = runpy.run_path(str(ENTRY), run_name="action_run")


def tool(name: str) -> str:
    """A program of the development group, or a skip where it cannot be installed."""
    found = shutil.which(name, path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed: it has no package for this platform or Python")
    return found


# --- inputs, flags and settings are one thing ----------------------------------------------------


def test_every_input_is_a_flag_and_reaches_it_through_the_environment() -> None:
    flags = {o for p in cli.check.params for o in (*p.opts, *p.secondary_opts)}
    assert set(ACTION["inputs"]) == {*RUN["FLAGS"], "enforce", "path", "overview"}
    assert {*RUN["FLAGS"].values(), *RUN["SWITCHES"].values()} <= flags
    assert STEP["env"] == {
        RUN["PREFIX"] + name.upper(): f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]
    }
    assert "${{" not in STEP["run"]
    assert not any(entry.get("required") for entry in ACTION["inputs"].values())


def test_defaults_are_those_of_the_command_but_for_the_scope() -> None:
    defaults = {p.name: p.default for p in cli.check.params}
    inputs = {name: entry["default"] for name, entry in ACTION["inputs"].items()}
    assert (inputs.pop("require"), inputs.pop("enforce")) == (defaults["require"], "true")
    assert defaults["enforce"] is True
    assert inputs.pop("scope") == "changed"
    assert set(inputs.values()) == {""}


def test_outputs_are_what_is_handed_over() -> None:
    step = {n: f"${{{{ steps.{STEP['id']}.outputs.{n} }}}}" for n in ACTION["outputs"]}
    assert {n: entry["value"] for n, entry in ACTION["outputs"].items()} == step
    report = type("R", (), {"incidents": (), "all_findings": (), "verdict": _Verdict})()
    assert set(hand_over.outputs(report)) == set(ACTION["outputs"])


class _Verdict:
    value = "passed"


def test_the_reusable_workflow_hands_every_input_on() -> None:
    text = (WORKFLOWS / "gates.yml").read_text("utf-8")
    workflow = yaml.safe_load(text)
    given = workflow[True]["workflow_call"]["inputs"]
    others = {"reports", "package", "path", "shard", "now", "merge", "overview"}
    assert set(given) == set(ACTION["inputs"]) - others
    step = workflow["jobs"]["gates"]["steps"][-1]
    assert step["with"] == {name: f"${{{{ inputs.{name} }}}}" for name in given}
    assert {n: str(e["default"]).lower() for n, e in given.items()} == {
        n: ACTION["inputs"][n]["default"] for n in given
    }


def test_the_policy_knows_what_asks_for_evidence() -> None:
    known = schema.load("policy")["properties"][demand.KEY]["properties"]
    source = Path(demand.__file__).read_text("utf-8")
    assert set(known) == set(re.findall(r'asked\.get\("(\w+)"', source))


def test_the_page_has_the_workflow_that_we_run() -> None:
    page = (ROOT / "docs" / "github.md").read_text("utf-8")
    shown = re.findall(r"```yaml\n(name: incident-gates\n.*?)```", page, re.DOTALL)[0]
    own = (WORKFLOWS / "incident-gates.yml").read_text("utf-8").partition("\nname:")
    ours = re.sub(r"uses: \./.*", "uses: incident-gates/incident-gates@v1", f"name:{own[2]}")
    assert shown == ours


# --- what the tools say --------------------------------------------------------------------------


def test_actionlint_has_nothing_to_say() -> None:
    done = subprocess.run(
        [tool("actionlint")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0)


def test_zizmor_has_nothing_to_say() -> None:
    quiet = ["--persona", "auditor", "--offline", "--quiet", "--no-progress"]
    places = ["action.yml", ".github/workflows"]
    command = [tool("zizmor"), *quiet, *places]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_ignore_has_its_reason_beside_it() -> None:
    for path in WORKFLOWS.glob("*.yml"):
        for line in path.read_text("utf-8").splitlines():
            if "zizmor: ignore" in line:
                assert re.search(r"ignore\[[\w-]+\] \w+,? \w+", line), line


# --- the entry script ----------------------------------------------------------------------------


def test_inputs_become_arguments_and_nothing_else() -> None:
    given = {
        "INCIDENT_GATES_ROOT": "--help",
        "INCIDENT_GATES_INCIDENT": " INC-1 \n\nINC-2; rm -rf /\n",
        "INCIDENT_GATES_REPORTS": "json=a.json\nsarif=b c.sarif\n",
        "INCIDENT_GATES_ENFORCE": "False",
    }
    assert RUN["arguments_from"](given) == [
        "check",
        "--root=--help",
        "--incident=INC-1",
        "--incident=INC-2; rm -rf /",
        "--report=json=a.json",
        "--report=sarif=b c.sarif",
        "--advisory",
    ]
    assert RUN["arguments_from"](
        {
            "INCIDENT_GATES_PATH": "-x",
            "INCIDENT_GATES_SCOPE": "changed",
            "INCIDENT_GATES_REQUIRE": "due",
        }
    ) == ["check", "--require=due", "--enforce", "--allow-empty", "--", "-x"]
    with pytest.raises(RUN["Unusable"], match="true or false"):
        RUN["arguments_from"]({"INCIDENT_GATES_ENFORCE": "maybe"})


def test_the_callers_settings_say_where_packages_come_from_not_where_they_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PIP_TARGET", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "UV_PYTHON", "PYTHONPATH"):
        monkeypatch.setenv(name, "x")
    for name in ("PIP_INDEX_URL", "PIP_CERT", "UV_DEFAULT_INDEX", "UV_CACHE_DIR", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "kept")
    kept = RUN["_environment"]()
    assert "x" not in {kept.get(n) for n in ("PIP_TARGET", "PIP_USER", "UV_PYTHON", "PYTHONPATH")}
    assert "PIP_REQUIRE_VIRTUALENV" not in kept
    assert kept["PIP_INDEX_URL"] == kept["PIP_CERT"] == kept["UV_DEFAULT_INDEX"] == "kept"
    assert kept["UV_CACHE_DIR"] == kept["HTTPS_PROXY"] == "kept"


def dependencies() -> tuple[Path, str]:
    """Where this Python has the dependencies, and the name of the folder that would hold them."""
    folder = Path(yaml.__file__).parents[1]
    parent = Path(os.environ.get("RUNNER_TEMP", "."))
    about = RUN["installed"]
    names = about.__globals__
    digest = names["hashlib"].sha256(
        f"{sys.version}\0{names['platform'].machine()}\0".encode() + RUN["LOCK"].read_bytes()
    )
    return folder, (parent / f"incident-gates-{digest.hexdigest()[:16]}").name


class Done(NamedTuple):
    """What came of a run: exit code, output, and the two files."""

    code: int
    output: str
    outputs: dict[str, str]
    summary: str


def obeyed(done: Done) -> runner_oracle.Seen:
    """What the runner would make of the output: annotations, and nothing else but the pause."""
    seen = runner_oracle.obeyed(done.output, done.code)
    others = {c.name for c in seen.others}
    assert all(n == "stop-commands" or re.fullmatch("[0-9a-f]{32}", n) for n in others), others
    return seen


def run_entry(folder: Path, temporary: Path, given: dict[str, str], **inputs: str) -> Done:
    """Runs the entry script as action.yml does."""
    site, name = dependencies()
    if not (temporary / name).exists():
        (temporary / name).symlink_to(site, target_is_directory=True)
    variables = {f"INCIDENT_GATES_{key.upper()}": value for key, value in inputs.items()}
    done = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", str(ENTRY)],
        cwd=folder,
        env={**ENVIRONMENT, **given, "RUNNER_TEMP": str(temporary), **variables},
        capture_output=True,
        check=False,
    )
    output = (done.stdout + done.stderr).decode()
    files = [temporary / "output", temporary / "summary.md"]
    texts = [path.read_text("utf-8") if path.exists() else "" for path in files]
    return Done(done.returncode, output, runner_oracle.outputs(texts[0]), texts[1])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


def test_planted_modules_and_forged_commands_do_nothing(site: Site, tmp_path: Path) -> None:
    site.branch("feature")
    folder = site.example("contradictions")
    proof = tmp_path / "executed"
    for name in ("click", "json", "yaml", "incident_gates", "sitecustomize", "encodings"):
        site.write(f"{name}/__init__.py", f"open({str(proof)!r}, 'w')\n")
        site.write(f"{INCIDENTS}/{name}.py", f"open({str(proof)!r}, 'w')\n")
    log = json.loads((folder / "decision-log.json").read_text())
    forged = "x\n::error::forged\n##[error]forged\r::stop-commands::t ##[set-output name=verdict]"
    log["decisions"][0]["approvals"][0]["by"]["name"] = forged
    log["decisions"][0]["option"] = forged
    (folder / "decision-log.json").write_text(json.dumps(log))
    site.write(f"{INCIDENTS}/::error::x ##[error]y/decision-log.json", json.dumps(log))
    site.commit("planted")
    site.merged()
    temporary = tmp_path / "runner"
    given = environment(site.folder, temporary, "pull_request", pull_request(site))
    done = run_entry(site.folder, temporary, given, scope="changed")
    assert done.code == 1
    assert not proof.exists()
    assert "forged" not in {c.data for c in obeyed(done).kept}
    assert done.outputs["verdict"] == "failed"
    assert len(done.summary.encode()) < 900 * 1024


def test_what_could_not_be_told_is_said_everywhere(site: Site, tmp_path: Path) -> None:
    temporary = tmp_path / "runner"
    given = environment(site.folder, temporary, "pull_request_target", {})
    done = run_entry(site.folder, temporary, given, scope="changed")
    (error,) = (c for c in obeyed(done).kept if c.name == "error" and c.line)
    assert (done.code, done.outputs["verdict"]) == (3, "error")
    assert "on: pull_request" in error.data
    assert "COULD NOT TELL" in done.summary
    wrong = run_entry(site.folder, temporary, given, enforce="perhaps")
    assert (wrong.code, wrong.outputs["verdict"]) == (2, "error")


def test_an_advisory_run_shows_everything_and_fails_nothing(site: Site, tmp_path: Path) -> None:
    site.branch("feature")
    site.example("contradictions")
    site.commit("a record")
    site.merged()
    temporary = tmp_path / "runner"
    given = environment(site.folder, temporary, "pull_request", pull_request(site))
    reports = f"json={tmp_path / 'a.json'}\nsarif={tmp_path / 'b.sarif'}"
    inputs = {"enforce": "false", "reports": reports, "package": str(tmp_path / "package")}
    done = run_entry(site.folder, temporary, given, scope="changed", **inputs)
    assert [each.name for each in (tmp_path / "package").iterdir()] == ["INC-2026-0042"]
    assert (done.code, done.outputs["verdict"], done.outputs["critical"]) == (0, "failed", "2")
    assert json.loads(done.outputs["reports"]) == [str(tmp_path / n) for n in ("a.json", "b.sarif")]
    report = json.loads((tmp_path / "a.json").read_text())
    assert (report["exit_code"], report["verdict"]) == (0, "failed")
    assert report["base"] == site.first


def test_outputs_refuse_what_would_end_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    hand_over.write_outputs({"a": "x\nb=1\nb<<END\n", "c": ""})
    assert runner_oracle.outputs((tmp_path / "output").read_text()) == {
        "a": "x\nb=1\nb<<END\n",
        "c": "",
    }


def test_it_installs_what_is_locked_into_a_folder_of_its_own(tmp_path: Path) -> None:
    script = f"import runpy; print(runpy.run_path({str(ENTRY)!r})['installed']())"
    keep = {n: v for n, v in os.environ.items() if n.startswith(("PIP_", "SSL_", "REQUESTS_"))}
    bare = {"PATH": os.defpath, "HOME": str(Path.home()), "RUNNER_TEMP": str(tmp_path), **keep}
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], env=bare, capture_output=True, text=True, check=False
    )
    if re.search("Connection|resolve|timed out|No matching distribution", done.stderr):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    (made,) = tmp_path.iterdir()
    assert (made / "click" / "__init__.py").is_file()
    assert (made / "jsonschema_rs").is_dir()


# --- on each event, by act -----------------------------------------------------------------------

WORKFLOW = """\
on: [pull_request, push, merge_group, workflow_dispatch]
jobs:
  gates:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v7
      - run: ln -s "$DEPENDENCIES" "$RUNNER_TEMP/$FOLDER"
      - id: gates
        uses: incident-gates/incident-gates@v1
"""


class Act:
    """Runs the workflow above in a repository, as a runner would."""

    def __init__(self, temporary: Path) -> None:
        self.temporary = temporary
        self.product = temporary / "product"
        for name in ("action", "src", "schemas"):
            skipped = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, self.product / name, ignore=skipped)
        for name in ("action.yml", "requirements/run.txt"):
            (self.product / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, self.product / name)

    def __call__(self, site: Site, name: str, payload: dict[str, Any]) -> Done:
        workflow = site.folder / ".github" / "workflows" / "gates.yml"
        workflow.parent.mkdir(parents=True)
        workflow.write_text(WORKFLOW)
        event = self.temporary / "event.json"
        event.write_text(json.dumps(payload))
        folder, wanted = dependencies()
        command = [tool("act"), name, "--json", "--eventpath", str(event)]
        command += ["--platform", "ubuntu-latest=-self-hosted"]
        command += ["--artifact-server-port", str(free_port())]
        command += ["--local-repository", f"incident-gates/incident-gates@v1={self.product}"]
        command += ["--env", f"DEPENDENCIES={folder}", "--env", f"FOLDER={wanted}"]
        bare = {"PATH": f"{BIN}:{os.defpath}:/usr/bin", "HOME": str(self.temporary / "home")}
        done = subprocess.run(
            command, cwd=site.folder, env=bare, capture_output=True, text=True, check=False
        )
        return _read(done.returncode, done.stdout)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _read(code: int, text: str) -> Done:
    """What the Action's own step printed and handed over."""
    entries = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    own = [e for e in entries if e.get("stepID") == ["gates", "gates"]]
    assert own, text
    lines = [e["msg"] if e.get("raw_output") else f"{e['raw']}\n" for e in own if _printed(e)]
    outputs = {e["name"]: e["arg"] for e in own if e.get("command") == "set-output"}
    summaries = [e["content"] for e in own if e.get("command") == "summary"]
    return Done(code, "".join(lines), outputs, "".join(summaries[:1]))


def _printed(entry: dict[str, Any]) -> bool:
    return bool(entry.get("raw_output") or entry.get("raw"))


@pytest.fixture
def act(tmp_path: Path) -> Act:
    tool("act")
    return Act(tmp_path / "act")


def annotated(done: Done) -> list[tuple[str, str]]:
    return [(c.name, c.properties.get("title", "")) for c in obeyed(done).kept if c.line]


CONTRADICTION = ("error", "Gate 2 Mitigation · MIT004")


@pytest.mark.parametrize("kind", ["open", "draft", "fork"])
def test_act_pull_request(site: Site, act: Act, kind: str) -> None:
    site.branch("feature")
    site.example("contradictions")
    site.commit("a record")
    site.merged()
    action = "converted_to_draft" if kind == "draft" else "opened"
    payload = webhooks.pull_request(site, webhooks.examples("pull_request", action)[0])
    if kind == "fork":
        payload["pull_request"]["head"]["repo"] = webhooks.fork()
    done = act(site, "pull_request", payload)
    assert done.code == 1
    assert CONTRADICTION in annotated(done)
    assert done.outputs["verdict"] == "failed"
    assert done.outputs["incidents"] == '["INC-2026-0042"]'
    assert done.outputs["failed-gates"] == '["mitigation", "resolution"]'
    assert done.summary.startswith("## ✗ FAILED · INC-2026-0042")


def test_act_pull_request_that_touches_nothing(site: Site, act: Act) -> None:
    site.example("contradictions")
    site.commit("an old record")
    site.branch("feature")
    site.write("src/app.py")
    site.commit("code")
    site.merged()
    sent = webhooks.examples("pull_request", "synchronize")[0]
    done = act(site, "pull_request", webhooks.pull_request(site, sent))
    assert (done.code, done.outputs["verdict"], done.outputs["incidents"]) == (
        0,
        "not_applicable",
        "[]",
    )
    assert [name for name, _ in annotated(done)] == ["notice"]


def created() -> dict[str, Any]:
    """A push that creates what it pushes."""
    return next(each for each in webhooks.examples("push") if each["created"])


def test_act_push(site: Site, act: Act) -> None:
    site.example("complete")
    site.commit("a record")
    sent = {**created(), "created": False, "before": site.first}
    done = act(site, "push", webhooks.push(site, sent, site.first))
    assert (done.code, done.outputs["verdict"], done.outputs["critical"]) == (0, "passed", "0")


def test_act_push_that_creates_a_branch(site: Site, act: Act) -> None:
    site.branch("feature")
    site.example("contradictions")
    site.commit("a record")
    done = act(site, "push", webhooks.push(site, created(), ZERO, "refs/heads/feature"))
    assert (done.code, done.outputs["verdict"]) == (1, "failed")
    assert CONTRADICTION in annotated(done)


def test_act_merge_group(site: Site, act: Act) -> None:
    site.branch("feature")
    site.example("contradictions")
    site.commit("a record")
    site.merged()
    sent = webhooks.merge_group(site, webhooks.examples("merge_group")[0], site.first)
    done = act(site, "merge_group", sent)
    assert (done.code, done.outputs["verdict"]) == (1, "failed")


def test_act_workflow_dispatch(site: Site, act: Act) -> None:
    site.example("contradictions")
    site.commit("a record")
    done = act(site, "workflow_dispatch", webhooks.examples("workflow_dispatch")[0])
    assert (done.code, done.outputs["verdict"]) == (1, "failed")


def test_act_that_cannot_tell_is_red(site: Site, act: Act) -> None:
    done = act(site, "merge_group", {"merge_group": {"base_sha": "1" * 40}})
    assert (done.code, done.outputs["verdict"]) == (1, "error")
    assert annotated(done) == [("error", "Incident Gates")]
    assert "Never read this as a pass" in done.summary
