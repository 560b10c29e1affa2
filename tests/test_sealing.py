"""A closed record is sealed: what changes later needs an amendment; every seal stays visible."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from packagesite import ID, Site, on, site

from incident_gates import protocol, run, seal
from incident_gates.cli import main
from incident_gates.package import own

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["site"]
LOG = "communication-log.md"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def amend(site: Site, name: str, old: str | None, new: str | None, number: int = 1) -> None:
    """An amendment as somebody writes it, for one file."""
    path = site.folder / "amendments.yaml"
    listed = json.loads(path.read_text("utf-8"))["entries"] if path.exists() else []
    file: dict[str, Any] = {"path": name}
    file |= {"old_sha256": old} if old else {}
    file |= {"new_sha256": new} if new else {}
    entry = {
        "id": f"AM-{number}",
        "at": "2026-03-18T09:00:00Z",
        "by": {"name": "Dana", "role": "scribe"},
        "why": "The channel was named wrongly.",
        "approved_by": [{"name": "Alex", "role": "incident_commander"}],
        "files": [file],
    }
    top = {"schema_version": "1.0", "incident_id": ID, "entries": [*listed, entry]}
    path.write_text(json.dumps(top, indent=2), "utf-8")


def changed(site: Site) -> tuple[str, str]:
    """A file of a sealed record changes; both digests."""
    before = digest(site.folder / LOG)
    with (site.folder / LOG).open("a", encoding="utf-8") as stream:
        stream.write("\n<!-- the channel was #incident-sev1 -->\n")
    return before, digest(site.folder / LOG)


def test_a_closed_record_is_sealed_with_what_may_still_change_left_open(site: Site) -> None:
    (site.folder / "retrospective.md").write_text("# Retrospective\n\n- It went well.\n")
    site.run()
    manifest = site.manifest()
    assert (manifest["sealed"], manifest["seals"]) == (True, [])
    by_path = {file["path"]: file["sealed"] for file in manifest["files"]}
    free = seal.outside(protocol.load())
    assert by_path == {path: path not in free for path in by_path}
    assert (by_path["retrospective.md"], by_path["decision-log.json"]) == (False, True)


@on("in-progress-3")
def test_an_open_record_is_not_sealed(site: Site) -> None:
    site.run()
    manifest = site.manifest()
    assert not manifest["sealed"]
    assert not any(file["sealed"] for file in manifest["files"])
    site.edit("decision-log.json", "Alex", "Alexa")
    assert site.run().exit_code in (0, 1), "and may change"


@on("false-positive")
def test_a_false_positive_is_sealed(site: Site) -> None:
    [site.folder] = [p for p in site.root.iterdir() if p.is_dir()]
    site.run()
    assert site.manifest()["sealed"]


def test_a_sealed_record_that_changed_is_not_sealed_again(site: Site) -> None:
    site.run()
    first = site.bytes()
    changed(site)
    said = site.run()
    assert (said.exit_code, said.stdout) == (2, "")
    assert LOG in said.stderr
    assert "incident-gates new amendment" in said.stderr
    assert site.bytes() == first, "nothing is written"


@pytest.mark.parametrize("how", ["delete", "add"])
def test_neither_may_files_come_or_go(site: Site, how: str) -> None:
    site.run()
    if how == "delete":
        (site.folder / "attachments/api-error.log").unlink()
    else:
        (site.folder / "attachments/late.log").write_text("later\n")
    said = site.run()
    assert (said.exit_code, "attachments/" in said.stderr) == (2, True)


def test_an_amendment_lets_it_be_sealed_again_and_the_old_seal_stays(site: Site) -> None:
    site.run()
    first, as_of = digest(site.folder / own.MANIFEST), site.manifest()["as_of"]
    amend(site, LOG, *changed(site))
    said = site.run()
    assert said.exit_code == 0, said.output
    seals = site.manifest()["seals"]
    assert seals == [{"sha256": first, "as_of": as_of, "amendments": ["AM-1"]}]
    again = site.bytes()
    site.run()
    assert site.bytes() == again, "and nothing more happens"
    second = digest(site.folder / own.MANIFEST)
    amend(site, LOG, *changed(site), number=2)
    assert site.run().exit_code == 0
    assert [(s["sha256"], s["amendments"]) for s in site.manifest()["seals"]] == [
        (first, ["AM-1"]),
        (second, ["AM-2"]),
    ]


def test_an_amendment_of_something_else_covers_nothing(site: Site) -> None:
    site.run()
    before, _ = changed(site)
    amend(site, LOG, before, "0" * 64)
    assert site.run().exit_code == 2
    amend(site, "decision-log.json", before, digest(site.folder / LOG), number=2)
    assert site.run().exit_code == 2


def test_what_is_said_after_closing_is_no_future_and_the_package_does_not_age(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deviation granted, and feedback written, after the incident was closed."""
    feedback = {
        "schema_version": "1.0",
        "incident_id": ID,
        "prepared_at": "2026-03-18T09:00:00Z",
        "feedback": [{"id": "F-1", "alert": "ApiLatencyHigh", "problem": "late"}],
    }
    (site.folder / "alert-tuning-feedback.json").write_text(json.dumps(feedback))
    checked = CliRunner().invoke(main, ["check"])
    said = site.run("--bundle")
    assert said.exit_code == checked.exit_code == 0, said.output
    manifest = site.manifest()
    assert (manifest["verdict"], manifest["as_of"][:10]) == ("passed", "2026-03-16")
    assert manifest["findings"]["critical"] == 0
    first = {**site.bytes(), own.BUNDLE: (site.folder / own.BUNDLE).read_bytes()}
    monkeypatch.setattr(run, "moment", lambda _: datetime(2031, 1, 1, tzinfo=timezone.utc))
    site.run("--bundle")
    assert {**site.bytes(), own.BUNDLE: (site.folder / own.BUNDLE).read_bytes()} == first
    assert CliRunner().invoke(main, ["verify", str(site.folder / own.BUNDLE)]).exit_code == 0


@on("late-notice")
def test_a_deviation_granted_after_closing_counts_in_the_package_too(site: Site) -> None:
    waivers = site.folder / "waivers.yaml"
    text = waivers.read_text("utf-8")
    later = re.sub(r"(accepted_at:\s*\"?)2026-03-\d\d", r"\g<1>2026-03-19", text)
    assert later != text
    waivers.write_text(later, "utf-8")
    assert CliRunner().invoke(main, ["check"]).exit_code == 0
    site.run("--bundle")
    assert site.manifest()["verdict"] == "passed"
    assert site.manifest()["gates"][1]["status"] == "waived"
    assert CliRunner().invoke(main, ["verify", str(site.folder / own.BUNDLE)]).exit_code == 0


def test_what_lies_outside_the_seal_needs_no_amendment(site: Site) -> None:
    site.run()
    (site.folder / "retrospective.md").write_text("# Retrospective\n\n- It went well.\n")
    assert site.run().exit_code == 0
    assert site.manifest()["seals"] == []


def test_a_committed_seal_does_not_end_because_somebody_edits_or_removes_it(site: Site) -> None:
    site.committed()
    site.run()
    site.committed("Package")
    changed(site)
    for name in own.WRITTEN:
        (site.folder / name).unlink()
    assert site.run().exit_code == 2, "the commit still has it"
    site.git("checkout", "-q", "--", f".artifacts/incidents/{ID}/{own.MANIFEST}")
    site.edit(own.MANIFEST, '"sealed": true', '"sealed": false')
    assert site.run().exit_code == 2


def test_a_package_that_no_commit_holds_may_be_thrown_away(site: Site) -> None:
    site.committed()
    site.run()
    changed(site)
    assert site.run().exit_code == 2
    (site.folder / own.MANIFEST).unlink()
    assert site.run().exit_code == 0


def test_links_and_strange_names_do_not_break_the_seal(site: Site) -> None:
    (site.folder / "attachments/link.log").symlink_to("api-error.log")
    (site.folder / "attachments/a:b.log").write_text("x\n")
    site.run()
    left = {entry["path"] for entry in site.manifest()["left_out"]}
    assert left == {"attachments/link.log", "attachments/a:b.log"}
    assert site.run().exit_code != 2, "what no manifest can list is no change of the seal"


def test_commit_and_what_no_commit_holds(site: Site) -> None:
    first = site.committed()
    site.run()
    assert (site.manifest()["commit"], site.manifest()["uncommitted"]) == (first, [])
    bytes_ = site.bytes()
    site.committed("Package")
    site.run()
    assert site.bytes() == bytes_, "committing the package changes nothing in it"
    (site.folder / "retrospective.md").write_text("# Retrospective\n\n- It went well.\n")
    site.run()
    assert site.manifest()["uncommitted"] == ["retrospective.md"]
    latest = site.committed("Retrospective")
    site.run()
    assert (site.manifest()["commit"], site.manifest()["uncommitted"]) == (latest, [])


def test_no_commit_is_named_where_git_cannot_say(site: Site, tmp_path: Path) -> None:
    site.run()
    assert (site.manifest()["commit"], site.manifest()["uncommitted"]) == (None, [])
    for name in own.WRITTEN:
        (site.folder / name).unlink()
    site.committed()
    (site.site / "README.md").write_text("Something else.\n")
    site.committed("Later")
    shallow = tmp_path / "shallow"
    site.git("clone", "-q", "--depth=1", f"file://{site.site}", str(shallow))
    folder = shallow / f".artifacts/incidents/{ID}"
    said = CliRunner().invoke(main, ["aggregate", str(folder)])
    assert said.exit_code == 0, said.output
    assert site.manifest(folder)["commit"] is None, "its first commit brings everything"
