"""The commands as people type them: from any folder, on any repository, with every option."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner

from incident_gates import cli, schema

ROOT = Path(__file__).resolve().parents[1]
COMPLETE = ROOT / "examples/complete"
INCIDENT = ".artifacts/incidents/INC-2026-0042"
AS_OF = ("--as-of", "2026-03-20T00:00:00Z")
COMMANDS = sorted(path.stem for path in (ROOT / "scripts").glob("*_13*.py"))
GATES = [name for name in COMMANDS if name != "aggregate_evidence_13"]


def run(name: str, *arguments: object, cwd: Path = ROOT, **env: str) -> Any:
    """One of the scripts as a process of its own."""
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)]
    clean = {k: v for k, v in os.environ.items() if k not in ("CI", "GITHUB_ACTIONS", "NO_COLOR")}
    return subprocess.run(
        command, cwd=cwd, env=clean | env, capture_output=True, text=True, check=False
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A repository of somebody else, with one incident in order."""
    shutil.copytree(COMPLETE, tmp_path / "repo")
    (tmp_path / "repo/.git").mkdir()
    return tmp_path / "repo"


@pytest.mark.parametrize("name", GATES)
def test_each_script_judges_from_any_folder(name: str, site: Path, tmp_path: Path) -> None:
    """With a path from elsewhere, and without one from below the repository."""
    elsewhere = run(name, site, *AS_OF, cwd=tmp_path)
    assert (elsewhere.returncode, elsewhere.stderr) == (0, "")
    assert "PASSED" in elsewhere.stdout
    below = run(name, *AS_OF, cwd=site / ".artifacts/monitoring")
    assert below.stdout == elsewhere.stdout


@pytest.mark.parametrize(
    ("where", "said"),
    [((), "here"), ((".",), "here"), (("--root", "."), "here"), (("api",), "in api")],
)
def test_an_empty_repository_is_told_how_to_begin(
    where: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """The exit code is that of a wrong call: nothing was judged."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "api").mkdir()
    done = run("run_protocol_13_gates", *where, cwd=tmp_path)
    wanted = f"Error: There is no incident {said}. Begin one with: incident-gates new\n"
    assert (done.returncode, done.stderr) == (2, wanted)


@pytest.mark.parametrize(
    "path", [".", ".artifacts/incidents", INCIDENT, f"{INCIDENT}/decision-log.json"]
)
def test_a_path_may_be_a_repository_a_root_an_incident_or_a_file(path: str, site: Path) -> None:
    """All of them mean the same incident."""
    done = run("run_protocol_13_gates", path, *AS_OF, cwd=site)
    assert done.returncode == 0
    assert "PASSED" in done.stdout


def test_the_flat_layout_is_one_incident(site: Path) -> None:
    """The protocol's own layout: files directly in the root."""
    folder = site / INCIDENT
    shutil.copytree(folder, site / "flat/.artifacts/incidents")
    done = run("run_protocol_13_gates", "flat", *AS_OF, cwd=site)
    assert "INC-2026-0042" in done.stdout
    assert done.returncode == 0


def test_thresholds_are_flags(site: Path) -> None:
    """``--sla``, ``--threshold`` and the long names of ``check``."""
    assert run("validate_gate_13_severity", site, "--sla", 5, *AS_OF).returncode == 0
    assert run("validate_gate_13_severity", site, "--sla", 2, *AS_OF).returncode == 1
    checks = site / INCIDENT / "recovery-validation.json"
    top = json.loads(checks.read_text())
    top["checks"][0] |= {"accepted_by": {"name": "Alex"}, "accepted_reason": "known, harmless"}
    top["checks"][0]["results"][0]["result"] = "failed"
    checks.write_text(json.dumps(top, indent=2))
    assert run("validate_gate_13_recovery", site, *AS_OF).returncode == 1
    assert run("validate_gate_13_recovery", site, "--threshold", 0.9, *AS_OF).returncode == 0
    strict = run("validate_gate_13_recovery", site, "--threshold", 0.9, "--strict", *AS_OF)
    assert strict.returncode == 1


def test_in_ci_a_looser_flag_is_ignored_and_said(site: Path) -> None:
    """A change must not loosen what judges it; a stricter flag counts."""
    loose = run("validate_gate_13_severity", site, "--sla", 60, *AS_OF, CI="true")
    assert "--sla 60 is looser than 5" in loose.stdout
    assert "(≤ 5)" in loose.stdout
    assert "(≤ 2)" in run("validate_gate_13_severity", site, "--sla", 2, *AS_OF, CI="1").stdout


def test_a_policy_may_be_looser_than_the_protocol_and_is_said(site: Path) -> None:
    """The owner of a repository decides, in the open; the organisation's file is extended."""
    (site / "organisation.yaml").write_text("thresholds:\n  notification_minutes: 10\n")
    (site / ".incident-gates.yaml").write_text("extends: organisation.yaml\n")
    done = run("run_protocol_13_gates", site, *AS_OF)
    assert "(≤ 10)" in done.stdout
    assert "notification_minutes is 10 minutes; the protocol asks 5" in " ".join(
        done.stdout.split()
    )


def test_the_json_report_has_one_shape(site: Path, tmp_path: Path) -> None:
    """On stdout and in a file, passing and failing, it fits its schema."""
    target = tmp_path / "report.json"
    done = run("run_protocol_13_gates", site, "--report", f"json={target}", *AS_OF)
    assert "PASSED" in done.stdout
    common = schema.load("common")
    registry = jsonschema_rs.Registry([(common["$id"], common)])
    shape = jsonschema_rs.validator_for(
        schema.load("report"), registry=registry, offline=True, validate_formats=True
    )
    shape.validate(json.loads(target.read_text()))
    (site / INCIDENT / "decision-log.json").write_text("{")
    failing = json.loads(run("run_protocol_13_gates", site, "--format", "json", *AS_OF).stdout)
    shape.validate(failing)
    assert failing["verdict"] == "failed"


def test_a_report_never_stands_among_evidence(site: Path) -> None:
    """An output that is an input would judge itself."""
    evidence = site / INCIDENT / "recovery-validation.json"
    before = evidence.read_bytes()
    for target in (evidence, site / INCIDENT / "gates.json", site / "decision-log.json"):
        done = run("run_protocol_13_gates", site, "--report", f"json={target}", *AS_OF)
        assert done.returncode == 2
        assert "among the evidence" in done.stderr
    assert evidence.read_bytes() == before


def test_text_is_readable_without_colour_and_in_eighty_columns(site: Path) -> None:
    """No escape codes off a terminal, and no line that wraps."""
    (site / INCIDENT / "communication-log.md").unlink()
    done = run("run_protocol_13_gates", site, "--require", "all", *AS_OF)
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_evidence_cannot_drive_the_terminal(site: Path) -> None:
    """Control codes, direction marks and workflow commands come out inert."""
    path = site / INCIDENT / "decision-log.json"
    hostile = "\\u001b[2J\\u202e##[error]x\\n::error::PWN"
    path.write_text(path.read_text().replace('"O-1"', f'"{hostile}"'))
    printed = run("run_protocol_13_gates", site, *AS_OF).stdout
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert "##[" not in printed
    assert not any(line.lstrip().startswith("::") for line in printed.splitlines())


def test_a_missing_dependency_says_what_to_install() -> None:
    """Not a traceback, and exit 2."""
    script = ROOT / "scripts/run_protocol_13_gates.py"
    done = subprocess.run(
        [sys.executable, "-S", str(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install -r" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_planted_module_is_not_imported(site: Path) -> None:
    """The folder that is judged is no place to import from."""
    (site / "click.py").write_text("raise SystemExit('planted')")
    (site / "json").mkdir()
    (site / "json/__init__.py").write_text("raise SystemExit('planted')")
    done = run("run_protocol_13_gates", ".", *AS_OF, cwd=site)
    assert (done.returncode, done.stderr) == (0, "")


def test_completion_knows_incident_ids(site: Path) -> None:
    """Typing ``--incident INC`` and tab lists what is there."""
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from incident_gates.cli import main; main(prog_name='incident-gates')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "src")],
        cwd=site,
        env=os.environ
        | {
            "_INCIDENT_GATES_COMPLETE": "bash_complete",
            "COMP_WORDS": "incident-gates check --incident INC",
            "COMP_CWORD": "3",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "INC-2026-0042" in done.stdout


def test_many_incidents_are_judged_alike_on_all_cores(tmp_path: Path) -> None:
    """The parallel run says the same as one record after another."""
    root = tmp_path / ".artifacts/incidents"
    for number in range(160):
        folder = root / f"INC-{number:03}"
        folder.mkdir(parents=True)
        text = f'{{"schema_version": "1.0", "incident_id": "INC-{number:03}", "decisions": []}}'
        (folder / "decision-log.json").write_text(text)
    report = json.loads(run("run_protocol_13_gates", tmp_path, "--format", "json", *AS_OF).stdout)
    ids = [incident["incident_id"] for incident in report["incidents"]]
    assert ids == [f"INC-{number:03}" for number in range(160)]
    assert {incident["verdict"] for incident in report["incidents"]} == {"in_progress"}


# --- what a newcomer, an auditor and an attacker found --------------------------------------------


def git(site: Path) -> None:
    """Git in a repository of the test's own."""
    shutil.rmtree(site / ".git", ignore_errors=True)
    subprocess.run(["git", "init", "-q", str(site)], check=True)


@pytest.mark.parametrize("ignoring", [".gitignore", ".git/info/exclude"])
def test_an_ignored_root_is_said(ignoring: str, site: Path) -> None:
    """Evidence that git ignores reaches no commit, and nobody else would say so."""
    git(site)
    quiet = run("run_protocol_13_gates", site, *AS_OF)
    (site / ignoring).write_text("build/\n.artifacts/\n")
    said = run("run_protocol_13_gates", site, *AS_OF)
    assert "is ignored by git" not in quiet.stdout
    assert ".artifacts/incidents is ignored by git" in said.stdout


def test_a_report_overwrites_neither_attachment_nor_policy(site: Path) -> None:
    """Wherever it would stand among evidence, inputs or settings, it is refused."""
    (site / ".incident-gates.yaml").write_text("close_within_days: 4\n")
    targets = (
        site / INCIDENT / "attachments/api-error.log",
        site / ".artifacts/monitoring/new.json",
        site / ".incident-gates.yaml",
    )
    for target in targets:
        before = target.read_bytes() if target.exists() else None
        done = run("run_protocol_13_gates", site, "--report", f"json={target}", *AS_OF)
        assert (done.returncode, "among the evidence" in done.stderr) == (2, True)
        assert (target.read_bytes() if target.exists() else None) == before


def test_in_ci_a_flag_loosens_no_severity(site: Path) -> None:
    """A policy that is lenient at SEV-3 lends nothing to a flag at SEV-1."""
    policy = "thresholds:\n  notification_minutes:\n    SEV-3: 60\n"
    (site / ".incident-gates.yaml").write_text(policy)
    log = site / INCIDENT / "communication-log.md"
    log.write_text(log.read_text().replace("| 02:16 UTC | email", "| 02:50 UTC | email"))
    done = run("validate_gate_13_severity", site, "--sla", 60, *AS_OF, CI="true")
    assert done.returncode == 1
    assert "(≤ 5)" in done.stdout


def test_a_part_of_a_monorepo_is_judged_from_inside(tmp_path: Path) -> None:
    """The policy at the top names the roots; without one, the nearest usual root counts."""
    part = tmp_path / "services/a"
    shutil.copytree(COMPLETE, part)
    (tmp_path / ".git").mkdir()
    assert "PASSED" in run("run_protocol_13_gates", *AS_OF, cwd=part).stdout
    (tmp_path / ".incident-gates.yaml").write_text("roots: [services/a/.artifacts/incidents]\n")
    assert "PASSED" in run("run_protocol_13_gates", *AS_OF, cwd=part).stdout
    assert "PASSED" in run("run_protocol_13_gates", *AS_OF, cwd=tmp_path).stdout


def test_the_flat_layout_works_in_a_root_of_ones_own(site: Path) -> None:
    """Files directly in a configured root are one incident, under the id that they state."""
    shutil.copytree(site / INCIDENT, site / "ops/records")
    (site / ".incident-gates.yaml").write_text("roots: [ops/records]\n")
    shutil.rmtree(site / INCIDENT)
    for arguments in ((), ("ops/records",), ("--root", "ops/records")):
        done = run("run_protocol_13_gates", *arguments, *AS_OF, cwd=site)
        assert (done.returncode, "INC-2026-0042  SEV-1" in done.stdout) == (0, True)


def test_nothing_to_execute_is_no_leave_to_execute() -> None:
    """A false positive has nothing to run: asked whether one may, the answer is no."""
    example = ROOT / "examples/false-positive"
    assert run("run_protocol_13_gates", example, *AS_OF).returncode == 0
    asked = run("run_protocol_13_gates", example, "--require", "ready", *AS_OF)
    assert (asked.returncode, "NOT APPLICABLE" in asked.stdout) == (1, True)


def test_a_linked_incident_is_said_not_to_be_judged(site: Path, tmp_path: Path) -> None:
    """What stands behind a link is not judged, and not passed over in silence."""
    shutil.copytree(site / INCIDENT, tmp_path / "elsewhere")
    (site / ".artifacts/incidents/INC-2026-0043").symlink_to(tmp_path / "elsewhere")
    done = run("run_protocol_13_gates", site, *AS_OF)
    assert "INC-2026-0043 is a link and was not judged" in done.stdout


def test_a_breakdown_is_announced(site: Path) -> None:
    """Exit 3 comes with the protocol's words for a run that could not tell."""
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from incident_gates import causal, commands\n"
        "causal.links = None\n"
        "commands.run_protocol_13_gates()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "src"), str(site)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.startswith("[RAY ERROR]")
    assert "could not be judged" in done.stdout


def test_a_misspelt_setting_is_shown_at_its_line(site: Path) -> None:
    """The key, its line, and the one that was meant."""
    (site / ".incident-gates.yaml").write_text("close_within_days: 4\nseverity_alias: {}\n")
    done = run("run_protocol_13_gates", site, *AS_OF)
    assert done.returncode == 2
    assert ".incident-gates.yaml:2: unknown key severity_alias; did you mean" in done.stderr


def test_a_false_positive_may_leave_its_templates_unfilled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a false positive gate 1 asks the intake log alone, whatever else was begun."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli.main, ["new", "INC-1"]).exit_code == 0
    log = tmp_path / ".artifacts/incidents/INC-1/incident-intake-log.md"
    day = (
        "---\nincident_id: INC-1\ndate: 2026-03-14\n---\n\n# Incident intake log\n\n## Signals\n\n"
    )
    log.write_text(
        f"{day}- 02:10 UTC - Alertmanager - API latency\n\n## Validity\n\n"
        "- Verdict: false positive\n- By: Alex (incident_commander)\n- Time: 02:12 UTC\n"
    )
    done = CliRunner().invoke(cli.main, ["check", *AS_OF])
    assert (done.exit_code, "PASSED" in done.output) == (0, True), done.output


def test_a_policy_that_is_no_file_is_not_passed_over(site: Path, tmp_path: Path) -> None:
    """A link or a pipe in its place ends with exit 2, never with the protocol alone."""
    (site / ".incident-gates.yaml").symlink_to(tmp_path / "nowhere.yaml")
    done = run("run_protocol_13_gates", site, *AS_OF)
    assert done.returncode == 2
    (site / ".incident-gates.yaml").unlink()
    os.mkfifo(site / ".incident-gates.yaml")
    assert run("run_protocol_13_gates", site, *AS_OF).returncode == 2
