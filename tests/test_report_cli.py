"""Every format through the command, to standard output and to a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import reportwork as work
import sarif_schema
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from incident_gates import cli, options
from incident_gates.report import sarif

ROOT = Path(__file__).resolve().parents[1]
COMPLETE = ROOT / "examples" / "complete"
CHECK = ["check", str(COMPLETE), "--as-of", "2026-03-20"]
MULTITOOL = os.environ.get("SARIF_MULTITOOL", "")


def test_every_format_has_a_reporter() -> None:
    """The tests of reporters know all of them."""
    assert set(options.FORMATS) == set(work.RENDERERS)


@pytest.mark.parametrize("kind", options.FORMATS)
def test_a_file_holds_what_standard_output_would(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--format`` and ``--report`` are one reporter."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    target = tmp_path / "report"
    done = CliRunner().invoke(cli.main, [*CHECK, "--format", kind, "--report", f"{kind}={target}"])
    assert done.exit_code == 0, done.output
    assert target.read_bytes().decode() == done.stdout
    assert bool(done.stdout) is (kind != "github")


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="/dev/stdout")
def test_a_report_may_go_to_a_device() -> None:
    """Which stays one: nothing takes its place."""
    command = [sys.executable, str(ROOT / "scripts/run_protocol_13_gates.py"), str(COMPLETE)]
    said = subprocess.run(
        [*command, "--report", "json=/dev/stdout"], capture_output=True, check=False
    ).stdout
    assert json.loads(said[: said.rindex(b"}\n") + 2])["verdict"] == "passed"
    null = Path(os.devnull)
    before = null.stat().st_rdev
    subprocess.run([*command, "--report", f"json={null}"], capture_output=True, check=True)
    assert (null.stat().st_rdev, null.is_file()) == (before, False)


@pytest.mark.skipif(os.name != "posix", reason="devices that are files")
@pytest.mark.parametrize("away", [os.devnull, "/dev/stdout", "profile", "not/there"])
def test_a_report_follows_no_link(away: str, tmp_path: Path) -> None:
    """A stranger's pull request may hold one of the report's name: into the log, or worse."""
    (tmp_path / "profile").write_text("mine", "utf-8")
    link = tmp_path / "gates.md"
    link.symlink_to(away)
    done = CliRunner().invoke(cli.main, [*CHECK, "--report", f"markdown={link}"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "a symbolic link, never followed" in " ".join(done.stderr.split())
    assert (tmp_path / "profile").read_text("utf-8") == "mine"


def test_each_rule_of_sarif_is_tagged_with_its_controls() -> None:
    """So that a dashboard can be asked for a control; GitHub takes at most twenty tags a rule."""
    done = CliRunner().invoke(cli.main, [*CHECK, "--format", "sarif"])
    log = json.loads(done.stdout)
    Draft202012Validator(sarif_schema.official()).validate(log)
    listed = {rule["id"]: rule for rule in log["runs"][0]["tool"]["driver"]["rules"]}
    tags = {name: rule["properties"]["tags"] for name, rule in listed.items() if name[:3] != "CHG"}
    assert "NIST SP 800-53 Rev. 5 CM-3" in tags["MIT004"]
    assert all(0 < len(set(each)) <= 20 for each in tags.values())


@pytest.mark.skipif(not MULTITOOL, reason="SARIF_MULTITOOL names no Sarif.Multitool to ask")
def test_the_multitool_finds_no_error(tmp_path: Path) -> None:
    """The npm package @microsoft/sarif-multitool-linux; its exit code says nothing."""
    log, found = tmp_path / "log.sarif", tmp_path / "found.sarif"
    for report in (work.hostile("[a](https://evil.example) {0} \ud800 %20"), work.wrap()):
        log.write_text(sarif.render(report, work.RULES), encoding="utf-8")
        command = [MULTITOOL, "validate", str(log), "--rule-kind", "Sarif;Ghas"]
        overwrite = ["--output", str(found), "--log", "ForceOverwrite"]
        subprocess.run([*command, *overwrite], check=True, capture_output=True)
        results = json.loads(found.read_text("utf-8"))["runs"][0]["results"]
        assert [result for result in results if result.get("level") == "error"] == []
