"""What is written beside an incident: whole, the same every time, and over nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from packagesite import ID, OUTPUTS, ROOT, Site, on, site

from incident_gates.cli import main
from incident_gates.commands import aggregate_evidence_13
from incident_gates.package import own

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["site"]


def test_manifest_holds_every_file_with_its_digest(site: Site) -> None:
    said = site.run("--output", ".artifacts/incidents/")
    assert said.exit_code == 0, said.output
    assert said.stdout.split() == [f".artifacts/incidents/{ID}/{name}" for name in OUTPUTS]
    manifest = site.manifest()
    on_disk = {
        path.relative_to(site.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in site.folder.rglob("*")
        if path.is_file() and path.name not in OUTPUTS
    }
    assert {f["path"]: f["sha256"] for f in manifest["files"]} == on_disk
    by_path = {f["path"]: f for f in manifest["files"]}
    assert by_path["decision-log.json"]["role"] == "artifact"
    assert by_path["alert-test-results.json"]["role"] == "input_copy"
    log = by_path["attachments/api-error.log"]
    assert (log["role"], log["media_type"], log["size"]) == (
        "attachment",
        "text/plain",
        (site.folder / "attachments/api-error.log").stat().st_size,
    )
    assert manifest["left_out"] == []


def test_manifest_says_how_it_was_judged(site: Site) -> None:
    site.run()
    manifest = site.manifest()
    assert (manifest["verdict"], manifest["severity"]) == ("passed", "SEV-1")
    assert {g["id"]: g["status"] for g in manifest["gates"]} == dict.fromkeys(
        ("prerequisites", "severity", "mitigation", "recovery", "resolution"), "passed"
    )
    assert manifest["gates"][3]["metrics"][0]["value"] == 1.0
    assert manifest["as_of"].startswith("2026-03-16T10:00:0"), "its own closing, not today"
    pinned = [i for i in manifest["inputs"] if i["required"]]
    assert all(i["present"] and i["sha256"] == i["pinned_sha256"] for i in pinned)
    outputs = {o["file"]: o for o in manifest["outputs"]}
    report = outputs["INCIDENT-REPORT.md"]
    assert (report["to_protocol"], report["valid"], report["unchanged"]) == (22, True, True)


@on("in-progress-2")
def test_metrics_of_an_open_record_have_not_failed(site: Site) -> None:
    site.run()
    table = (site.folder / own.METRICS).read_text("utf-8")
    assert table.count("| ⏳ in progress |") == 3
    assert "not met" not in table


def test_metrics_are_the_protocols_table(site: Site) -> None:
    site.run()
    page = (site.folder / own.METRICS).read_text("utf-8")
    assert page.startswith("<!-- Written by incident-gates aggregate")
    table = page[page.index("| Metric") :].splitlines()
    assert table == [
        "| Metric | Target | Actual | Status |",
        "|---|---|---|---|",
        "| Gate 3 Pass Rate | ≥ 95% | 100.0% | met |",
        "| Evidence Completeness | 100% | 100.0% | met |",
        "| Integration Integrity | 100% | 100.0% | met |",
    ]


def test_same_evidence_gives_the_same_bytes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.run()
    first = site.bytes()
    site.run("--output", ".artifacts/incidents")
    assert site.bytes() == first
    monkeypatch.chdir(site.folder / "attachments")
    assert site.run("--incident", ID).exit_code == 0
    assert site.bytes() == first, "wherever one stands"
    for path in sorted(site.folder.rglob("*"), reverse=True):
        os.utime(path, (1, 1))
    site.run("--root", str(site.root))
    assert site.bytes() == first, "whatever the clock says"


@on("in-progress-3")
def test_an_open_record_is_the_same_as_of_the_same_time(site: Site) -> None:
    at = ("--as-of", "2026-03-14T02:40:00Z")
    assert site.run(*at).exit_code == 0
    first = site.bytes()
    assert site.manifest()["as_of"] == "2026-03-14T02:40:00Z"
    site.run(*at)
    assert site.bytes() == first


def test_its_own_files_are_no_evidence_and_no_finding(site: Site) -> None:
    before = CliRunner().invoke(main, ["check", "--format", "json"]).stdout
    site.run()
    site.run()
    after = CliRunner().invoke(main, ["check", "--format", "json"]).stdout
    assert json.loads(after)["incidents"] == json.loads(before)["incidents"]
    (site.folder / "rca-manifest.json").unlink()
    said = CliRunner().invoke(main, ["check", "--format", "json"]).stdout
    assert "FIL006" not in said, "the manifest is no misspelt rca-manifest.json"


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("text", ["{}", "# Ours\n", "", "[1]", '{"generator": "someone"}'])
def test_what_others_wrote_is_never_overwritten(site: Site, name: str, text: str) -> None:
    (site.folder / name).write_text(text)
    said = site.run()
    assert (said.exit_code, said.stdout, said.stderr.count("\n")) == (2, "", 1)
    assert "was not written by incident-gates aggregate" in said.stderr
    assert (site.folder / name).read_text() == text
    others = set(OUTPUTS) - {name}
    assert not any((site.folder / other).exists() for other in others), "nothing is half-written"


def test_links_are_neither_followed_nor_written_through(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("outside")
    (site.folder / "attachments/link.log").symlink_to(secret)
    (site.folder / "elsewhere").symlink_to(tmp_path)
    site.run()
    manifest = site.manifest()
    left = {entry["path"] for entry in manifest["left_out"]}
    assert left == {"attachments/link.log", "elsewhere"}
    assert hashlib.sha256(b"outside").hexdigest() not in json.dumps(manifest)
    (site.folder / own.MANIFEST).unlink()
    (site.folder / own.MANIFEST).symlink_to(secret)
    assert site.run().exit_code == 2
    assert secret.read_text() == "outside"
    output = tmp_path / "output"
    output.mkdir()
    (output / ID).symlink_to(tmp_path)
    assert site.run("--output", "output").exit_code == 2
    assert not (tmp_path / own.MANIFEST).exists()


def test_another_output_folder_is_made(site: Site) -> None:
    said = site.run("--output", "audit/2026")
    assert said.stdout.split() == [f"audit/2026/{ID}/{name}" for name in OUTPUTS]
    assert not (site.folder / own.MANIFEST).exists()
    assert site.manifest(site.site / "audit/2026" / ID)["incident_id"] == ID


def test_the_flat_layout_keeps_its_own_files_only(site: Site) -> None:
    neighbour = site.root / "INC-2026-0041"
    shutil.copytree(site.folder, neighbour)
    for path in neighbour.rglob("*"):
        if path.suffix in (".json", ".md"):
            path.write_text(path.read_text("utf-8").replace(ID, neighbour.name), "utf-8")
    for path in site.folder.iterdir():
        path.rename(site.root / path.name)
    site.folder.rmdir()
    said = site.run("--output", ".artifacts/incidents")
    assert said.exit_code == 0, said.output
    manifest = site.manifest(site.root)
    assert manifest["incident_id"] == ID
    paths = {entry["path"] for entry in manifest["files"]}
    assert "attachments/api-error.log" in paths
    assert not [path for path in paths if path.startswith(neighbour.name)]
    assert site.manifest(neighbour)["incident_id"] == neighbour.name


@on("contradictions")
def test_the_exit_code_is_that_of_the_judgement(site: Site) -> None:
    said = site.run()
    assert said.exit_code == CliRunner().invoke(main, ["check"]).exit_code == 1
    manifest = site.manifest()
    assert manifest["verdict"] == "failed"
    assert "MIT004" in manifest["gates"][2]["findings"]["rules"]


@on("late-notice")
def test_what_is_excused_is_named_with_who_and_why(site: Site) -> None:
    site.run()
    [excused] = [e for g in site.manifest()["gates"] for e in g["findings"]["excused"]]
    assert excused["kind"] == "deviation"
    assert len(excused["by"]) == 2
    assert excused["reason"]


@on("in-progress-1")
def test_metrics_of_an_early_record_measure_what_there_is(site: Site) -> None:
    assert site.run().exit_code == 0
    metrics = site.metrics()
    assert metrics["gate_3_pass_rate"] == (None, "not_measured")
    value, status = metrics["evidence_completeness"]
    assert (round(13 * (value or 0)), status) == (5, "not_met")


@on("false-positive")
def test_a_false_positive_owes_its_intake_log_alone(site: Site) -> None:
    [folder] = [p for p in site.root.iterdir() if p.is_dir()]
    site.folder = folder
    site.run()
    metrics = site.metrics()
    assert metrics["evidence_completeness"] == (1.0, "met")
    assert metrics["integration_integrity"] == (1.0, "met")


def test_a_broken_or_unfilled_file_is_not_valid(site: Site) -> None:
    (site.folder / "incident-timeline.md").write_text("- TODO what happened\n")
    (site.folder / "rca-manifest.json").write_text("{")
    assert site.run().exit_code == 1
    metrics = site.metrics()
    assert metrics["evidence_completeness"] == (11 / 13, "not_met")
    assert metrics["integration_integrity"] == (3 / 4, "not_met")
    outputs = {o["file"]: o for o in site.manifest()["outputs"]}
    broken = outputs["rca-manifest.json"]
    assert (broken["present"], broken["valid"]) == (True, False)


def test_feedback_is_owed_where_the_record_names_an_improvement(site: Site) -> None:
    summary = site.folder / "resolution-summary.json"
    top = json.loads(summary.read_text("utf-8"))
    summary.write_text(json.dumps({**top, "alert_improvements": True}))
    site.run()
    assert site.metrics()["integration_integrity"] == (4 / 5, "not_met")
    feedback: dict[str, Any] = {"schema_version": "1.0", "incident_id": ID, "feedback": []}
    (site.folder / "alert-tuning-feedback.json").write_text(json.dumps(feedback))
    site.run()
    assert site.metrics()["integration_integrity"] == (4 / 5, "not_met"), "it says nothing yet"
    feedback["feedback"].append({"id": "F-1", "alert": "ApiLatencyHigh", "problem": "late"})
    (site.folder / "alert-tuning-feedback.json").write_text(json.dumps(feedback))
    site.run()
    assert site.metrics()["integration_integrity"] == (1.0, "met")


def test_two_records_of_one_name_are_not_written_over_each_other(site: Site) -> None:
    shutil.copytree(site.site / ".artifacts", site.site / "team/.artifacts")
    roots = "roots: [.artifacts/incidents, team/.artifacts/incidents]\n"
    (site.site / ".incident-gates.yaml").write_text(roots)
    assert site.run("--output", "out").exit_code == 2
    assert not (site.site / "out").exists()
    assert site.run().exit_code == 0


def test_nothing_to_aggregate_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(main, ["aggregate"])
    assert (said.exit_code, "incident-gates new" in said.stderr) == (2, True)


def test_an_output_that_cannot_be_written_is_said(site: Site) -> None:
    (site.site / "taken").write_text("a file")
    said = site.run("--output", "taken")
    assert (said.exit_code, said.stderr.count("\n") <= 1) == (3, True)


def test_the_protocols_script_does_the_same(site: Site) -> None:
    script = str(ROOT / "scripts/aggregate_evidence_13.py")
    done = subprocess.run(
        [sys.executable, script, "--output", ".artifacts/incidents/"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    first = site.bytes()
    assert CliRunner().invoke(aggregate_evidence_13, []).exit_code == 0
    assert site.bytes() == first
