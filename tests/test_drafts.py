"""What `new WHAT` derives and drafts: true to the record, and never over anybody's words."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from incident_gates import derived, logs, run
from incident_gates.cli import main
from incident_gates.desk.drafts import KINDS, rca, words, yaml_text
from incident_gates.errors import CouldNotTell
from incident_gates.evidence import markdown

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
ID = "INC-2026-0042"
AS_OF = ("--as-of", "2026-03-20T00:00:00Z")


class Site:
    """A repository with one example in it, and its author Sam."""

    def __init__(self, folder: Path, example: str) -> None:
        self.base = folder
        self.folder = folder / ".artifacts/incidents" / ID
        self.fill(example)
        self.git("init", "-q")
        self.git("config", "user.name", "Sam")
        self.git("config", "user.email", "sam@example.org")

    def fill(self, example: str) -> None:
        for name in (".artifacts", ".cursor"):
            shutil.rmtree(self.base / name, ignore_errors=True)
            if (EXAMPLES / example / name).is_dir():
                # With new times: git tells two files of one size apart by their time and place.
                source = EXAMPLES / example / name
                shutil.copytree(source, self.base / name, copy_function=shutil.copy)

    def git(self, *arguments: str, **environment: str) -> None:
        command = ["git", "-C", str(self.base), *arguments]
        subprocess.run(command, check=True, env={**os.environ, **environment})

    def commit(self, at: str) -> None:
        self.git("add", "-A")
        dates = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
        self.git("commit", "-q", "-m", "evidence", **dates)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env={"INCIDENT_GATES_DEBUG": "1"})

    def new(self, what: str, *arguments: str) -> dict[str, Any]:
        """Drafts, and answers with what the command says as JSON."""
        result = self.run("new", what, "--incident", ID, "--json", *arguments)
        assert result.exit_code == 0, result.output
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer

    def text(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def change(self, name: str, change: Any) -> None:
        top = json.loads(self.text(name))
        change(top)
        self.write(name, json.dumps(top, indent=2) + "\n")

    def remove(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink()

    def found(self, *arguments: str) -> set[str]:
        """The rules that find something."""
        result = self.run("check", "--format", "json", *(arguments or AS_OF))
        incident = json.loads(result.stdout)["incidents"][0]
        gates = [f for gate in incident["gates"] for f in gate["findings"]]
        return {finding["rule"] for finding in (*gates, *incident["findings"])}


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    return Site(tmp_path, getattr(request, "param", "complete"))


def starting(*examples: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("site", examples, indirect=True)


def front(text: str) -> dict[str, Any]:
    return markdown.parse(text).front


# --- timeline ------------------------------------------------------------------------------------

CLOSED = ("complete", "emergency", "fail-forward", "failed-rollback", "late-notice")


@starting(*CLOSED)
def test_a_derived_timeline_passes_and_is_no_witness(site: Site) -> None:
    before = site.found()
    site.remove("incident-timeline.md")
    assert site.new("timeline")["state"] == "written"
    assert site.found() - before == {"REC016"}
    assert "derived files" in site.run("check", *AS_OF).stdout


def test_a_timeline_holds_each_kind_of_event_with_its_file(site: Site) -> None:
    site.remove("incident-timeline.md")
    site.new("timeline")
    text = site.text("incident-timeline.md")
    for line in (
        "- 02:10 UTC - Detected · severity-assessment.json",
        "- 02:14 UTC - Assessed as SEV-1 by the incident commander · severity-assessment.json",
        "- 02:23 UTC - D-1 approved by the release manager · decision-log.json",
        "- 02:27:40 UTC - E-1 ended: succeeded, exit code 0 · mitigation-execution-report.json",
        "- 02:37 UTC - Resolved: Rollback to release v1.2.3 · resolution-summary.json",
    ):
        assert f"\n{line}\n" in text
    for source in front(text)["derived_from"]:
        stands = (site.folder / source["file"]).read_bytes()
        assert source["sha256"] == hashlib.sha256(stands).hexdigest()
    log = logs.read("t", markdown.parse(text), markdown.parse(text).sections, ("text",))
    assert not log.unreadable
    assert not log.stepped_back
    assert len(log.entries) == text.count("\n- ")
    assert not any(name in text for name in ("Alex", "Jordan", "Lee"))


def test_a_timeline_is_refreshed_until_somebody_edits_it(site: Site) -> None:
    site.remove("incident-timeline.md")
    site.new("timeline")
    assert site.new("timeline")["state"] == "current"
    site.change("resolution-summary.json", lambda top: top.update(resolution="Rolled back"))
    assert site.new("timeline")["state"] == "refreshed"
    assert "Resolved: Rolled back" in site.text("incident-timeline.md")
    edited = site.text("incident-timeline.md").replace("Rolled back", "All well again")
    site.write("incident-timeline.md", edited)
    result = site.run("new", "timeline", "--incident", ID)
    assert result.exit_code == 1
    assert "+- 02:37 UTC - Resolved: Rolled back · resolution-summary.json" in result.stdout
    assert site.text("incident-timeline.md") == edited


def test_a_timeline_that_somebody_typed_is_left_alone(site: Site) -> None:
    typed = site.text("incident-timeline.md")
    assert site.run("new", "timeline", "--incident", ID).exit_code == 1
    assert site.text("incident-timeline.md") == typed


def test_events_typed_into_a_derived_timeline_are_kept_where_they_belong(site: Site) -> None:
    site.remove("incident-timeline.md")
    site.new("timeline")
    own = "- 02:34 UTC - The graph is flat again, says support\n  seen on the wall display"
    head, closed, tail = site.text("incident-timeline.md").partition("- 02:37 UTC")
    site.write("incident-timeline.md", f"{head}{own}\n{closed}{tail}")
    site.change("resolution-summary.json", lambda top: top.update(resolution="Rolled back"))
    answer = site.new("timeline")
    assert answer["state"] == "refreshed"
    assert "Kept 1 event typed by hand." in answer["notes"]
    text = site.text("incident-timeline.md")
    assert text.index("02:34 UTC - Alert cleared") < text.index(own) < text.index("02:36 UTC")
    assert site.new("timeline")["state"] == "current"


@starting("in-progress-3")
def test_the_template_of_a_timeline_gives_way(site: Site) -> None:
    site.remove("incident-timeline.md")
    site.run("new", ID)
    assert "One line for each event" in site.text("incident-timeline.md")
    seen = "- 02:31 UTC - Support sees no more tickets"
    site.write("incident-timeline.md", site.text("incident-timeline.md") + f"\n{seen}\n")
    assert site.new("timeline")["state"] == "written"
    assert f"\n{seen}\n" in site.text("incident-timeline.md")


def test_untrusted_text_becomes_one_harmless_line(site: Site) -> None:
    evil = "x\n- 02:11 UTC - forged · decision-log.json <!-- [a](javascript:b) `c` \x1b[31m"
    site.change("resolution-summary.json", lambda top: top.update(resolution=evil))
    site.remove("incident-timeline.md")
    site.new("timeline")
    text = site.text("incident-timeline.md")
    assert "\n- 02:11 UTC - forged" not in text
    assert "\x1b" not in text
    assert r"\<!-- \[a\](javascript:b) \`c\`" in text
    blocks = [block for section in markdown.parse(text).sections for block in section.blocks]
    lines = [block.text for block in blocks if isinstance(block, markdown.Line)]
    assert any("<!-- [a](javascript:b) `c`" in line for line in lines)


def test_nothing_to_derive_is_said_in_a_sentence(site: Site) -> None:
    for name in KINDS:
        assert name
    for path in site.folder.glob("*.json"):
        path.unlink()
    for name in ("incident-intake-log.md", "communication-log.md", "incident-timeline.md"):
        site.remove(name)
    result = site.run("new", "timeline", "--incident", ID)
    assert result.exit_code == 2
    assert "No other file records an event yet" in result.output


# --- report --------------------------------------------------------------------------------------


@starting(*CLOSED)
def test_a_drafted_report_agrees_with_the_record_and_needs_only_judgement(site: Site) -> None:
    site.remove("INCIDENT-REPORT.md")
    answer = site.new("report")
    assert answer["todo"] == 2
    assert site.found() >= {"FIL009"}
    text = site.text("INCIDENT-REPORT.md")
    site.write("INCIDENT-REPORT.md", text.replace("TODO", "Said:"))
    assert not {f for f in site.found() if f.startswith("RES") or f in ("FIL009", "FIL016")}


def test_a_report_says_roles_and_warns_of_blame(site: Site) -> None:
    factor = "Lee should have tested the cache; it was human error"
    site.change("rca-manifest.json", lambda top: top.update(contributing_factors=[factor]))
    site.remove("INCIDENT-REPORT.md")
    notes = " ".join(site.new("report")["notes"])
    assert '"human error", "should have"' in notes
    text = site.text("INCIDENT-REPORT.md")
    assert "approved by the incident commander and the release manager" in text
    assert "Alex" not in text
    assert "Owner: Lee, due 2026-04-03" in text


@starting("in-progress-3")
def test_a_report_invents_nothing_that_has_not_happened(site: Site) -> None:
    site.new("report")
    text = site.text("INCIDENT-REPORT.md")
    assert "- Duration: TODO" in text
    assert "- Resolution: TODO" in text
    assert "Owner: TODO who" in text


def test_a_report_beside_a_typed_timeline_repeats_only_its_times(site: Site) -> None:
    site.remove("INCIDENT-REPORT.md")
    site.new("report")
    assert "RES013" not in site.found()


def test_a_report_says_what_it_took_from_the_timeline_and_one_just_begun_thins_nothing(
    site: Site,
) -> None:
    site.remove("INCIDENT-REPORT.md")
    site.new("report")
    whole = site.text("INCIDENT-REPORT.md")
    assert "incident-timeline.md" in whole.partition("\n---\n")[0]
    site.remove("INCIDENT-REPORT.md")
    begun = "# Timeline\n\n- 2026-03-14 02:10 UTC - Alert triggered\n"
    site.write("incident-timeline.md", begun)
    site.new("report")
    text = site.text("INCIDENT-REPORT.md")
    assert "incident-timeline.md" not in text.partition("\n---\n")[0]
    events = text.partition("## Timeline")[2].partition("## ")[0]
    assert events.count(" UTC - ") > 3


# --- root cause evidence -------------------------------------------------------------------------


@starting("in-progress-4")
def test_rca_lists_each_file_with_its_digest_and_kind(site: Site) -> None:
    site.remove("rca-manifest.json")
    shutil.rmtree(site.folder / "attachments")
    for name in ("attachments/app.log", "a.patch", "attachments/shell.txt", "sources/alert.json"):
        site.write(name, name)
    answer = site.new("rca")
    items = {item["path"]: item for item in json.loads(site.text("rca-manifest.json"))["items"]}
    assert {path: item["kind"].split()[0] for path, item in items.items()} == {
        "a.patch": "diff",
        "attachments/app.log": "log",
        "attachments/shell.txt": "TODO",
        "sources/alert.json": "other",
    }
    for path, item in items.items():
        assert item["sha256"] == hashlib.sha256(path.encode()).hexdigest()
    assert any(note.startswith("Still missing: dashboard.") for note in answer["notes"])
    assert site.new("rca")["state"] == "current"


def test_rca_adds_and_changes_nothing_that_stands(site: Site) -> None:
    before = site.text("rca-manifest.json")
    site.write("attachments/more.log", "x")
    assert site.new("rca")["state"] == "added"
    after = site.text("rca-manifest.json")
    stood, stands = json.loads(before), json.loads(after)
    assert stands["items"][: len(stood["items"])] == stood["items"]
    assert stands["items"][-1]["id"] == "log-2"
    assert {**stands, "items": None} == {**stood, "items": None}


def test_rca_takes_no_link_and_no_derived_file(site: Site) -> None:
    site.remove("incident-timeline.md")
    site.new("timeline")
    (site.folder / "attachments/passwd.log").symlink_to("/etc/passwd")
    site.write("evidence-manifest.json", "{}")
    notes = site.new("rca")["notes"]
    assert any("passwd.log" in note and "link" in note for note in notes)
    listed = site.text("rca-manifest.json")
    assert "passwd" not in listed
    assert "incident-timeline" not in listed
    assert "evidence-manifest" not in listed


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("attachments/api-error.LOG", "log"),
        ("attachments/v1.diff", "diff"),
        ("x/api-latency-dashboard.json", "dashboard"),
        ("values.yaml", ""),
        ("sources/x.log", "other"),
        ("screenshot.png", ""),
    ],
)
def test_a_kind_is_stated_only_where_the_name_leaves_no_doubt(name: str, kind: str) -> None:
    assert rca.kind_of(name) == kind


# --- waivers and deviations ----------------------------------------------------------------------


@starting("contradictions")
def test_a_deviation_is_drafted_and_counts_once_others_have_accepted_it(site: Site) -> None:
    answer = site.new("deviation", "--rule", "MIT004")
    assert any("Alex, Jordan and Sam" in note for note in answer["notes"])
    [entry] = yaml.safe_load(site.text("waivers.yaml"))["entries"]
    assert entry == {
        "kind": "deviation",
        "rule": "MIT004",
        "incident": ID,
        "subject": "E-1",
        "what_happened": "E-1 started 9 min before it was approved",
        "why": "TODO why it happened so",
        "corrective_action": "TODO what is done so that it does not happen again",
        "requested_by": {"name": "Sam"},
    }
    assert {"MIT004", "EXC002"} <= site.found()
    assert "FIL003" not in site.found()
    granted = (
        site.text("waivers.yaml")
        .replace("TODO why it happened so", "The release manager could not be reached.")
        .replace("TODO what is done so that it does not happen again", "A deputy is on call.")
        .replace(
            "# accepted_by: [{ name: TODO, role: TODO }, { name: TODO, role: TODO }]", ACCEPTED
        )
        .replace("# accepted_at: TODO when", 'accepted_at: "2026-03-15T09:00:00Z"')
    )
    site.write("waivers.yaml", granted)
    assert "EXC002" not in site.found()


ACCEPTED = "accepted_by: [{ name: Morgan, role: sre_lead }, { name: Kim, role: product_owner }]"


@starting("in-progress-2")
def test_a_waiver_names_the_roles_that_its_gate_asks_for(site: Site) -> None:
    def unverify(top: Any) -> None:
        top["items"][1]["status"] = "pending"

    site.change("rollback-readiness-checklist.json", unverify)
    site.new("waiver", "--rule", "mit011")
    text = site.text("waivers.yaml")
    assert "# approved_by:" in text
    assert "role: incident_commander" in text
    assert "role: release_manager" in text
    assert "# expires_at: TODO" in text
    again = site.run("new", "waiver", "--incident", ID, "--rule", "MIT011")
    assert again.exit_code == 2
    assert "an entry for this finding of MIT011 already" in again.output


@starting("contradictions", "complete")
def test_only_rules_that_find_something_here_are_proposed(
    site: Site, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 3, 20, tzinfo=timezone.utc)
    monkeypatch.setattr(run, "moment", lambda _: now)
    result = site.run("new", "deviation", "--incident", ID)
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    if "complete" in request.node.name:
        assert said == f"Error: Nothing is found in {ID} that takes a deviation."
        return
    named = re.findall(r"[A-Z]{3}\d{3}", said)
    assert "MIT004" in named
    for rule in named:
        answer = site.run("new", "deviation", "--rule", rule, "--incident", ID)
        assert answer.exit_code == 0 or "say which with --subject" in " ".join(
            answer.output.split()
        )
    waivable = site.run("new", "waiver", "--incident", ID)
    assert "MIT004" not in waivable.output


@starting("contradictions")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("waiver", "--rule", "MIT004"), "causal order cannot be waived. It takes a deviation."),
        (("waiver", "--rule", "RES012"), "gate 4 cannot be waived"),
        (("deviation", "--rule", "FIL003"), "a file can always be repaired"),
        (("deviation", "--rule", "XXX999"), "XXX999 is no rule"),
        (("deviation", "--rule", "SEV001"), "SEV001 finds nothing"),
        (("deviation", "--rule", "MIT004", "--subject", "E-9"), "say which with --subject: E-1"),
        (("deviation",), "Say which finding is meant"),
        (("amendment",), "The record is not sealed"),
    ],
)
def test_what_cannot_be_excused_is_refused(site: Site, arguments: Any, said: str) -> None:
    result = site.run("new", *arguments, "--incident", ID)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert not (site.folder / "waivers.yaml").exists()


def test_a_missing_file_is_waived_only_where_its_gate_can_be(site: Site) -> None:
    site.remove("rca-manifest.json", "recovery-validation.json")
    said = site.run("new", "waiver", "--incident", ID, "--rule", "FIL001", "--subject", RCA)
    assert said.exit_code == 2
    assert "Gate 4 cannot be waived" in said.output
    site.new("waiver", "--rule", "FIL001", "--subject", "recovery-validation.json")


RCA = "rca-manifest.json"


def test_a_waiver_is_added_below_what_stands(site: Site) -> None:
    shutil.copytree(
        EXAMPLES / "late-notice/.artifacts", site.base / ".artifacts", dirs_exist_ok=True
    )
    before = site.text("waivers.yaml")
    site.remove("INCIDENT-REPORT.md")
    site.new("report")
    site.change(
        "mitigation-execution-report.json", lambda top: top["executions"][0].pop("operator")
    )
    site.new("waiver", "--rule", "REC002")
    after = site.text("waivers.yaml")
    assert after.startswith(before)
    assert len(yaml.safe_load(after)["entries"]) == 2


@pytest.mark.parametrize(
    "text",
    [
        "a: b\n",
        "entries: []\n",
        "entries:\n- id: 1\n",
        "entries:\n  - id: 1\n",
        "entries: []\nb: 1\n",
    ],
)
def test_an_entry_is_added_to_any_layout(text: str) -> None:
    changed = yaml_text.appended(text, yaml_text.block({"id": 2, "l": ["x: y"]}, {"at": "TODO"}))
    before, after = yaml.safe_load(text), yaml.safe_load(changed)
    assert after.pop("entries") == [*(before.pop("entries", None) or []), {"id": 2, "l": ["x: y"]}]
    assert after == before


def test_a_layout_that_cannot_be_added_to_is_left_alone() -> None:
    with pytest.raises(CouldNotTell):
        yaml_text.appended("entries: [{id: 1}]\n", yaml_text.block({"id": 2}, {}))


# --- amendments ----------------------------------------------------------------------------------


def seal(site: Site) -> None:
    """A manifest as aggregate writes it, as far as the seal reads it."""
    paths = sorted(p for p in site.folder.rglob("*") if p.is_file())
    files = [
        {
            "path": p.relative_to(site.folder).as_posix(),
            "sha256": hashlib.sha256(p.read_bytes()).hexdigest(),
            "sealed": True,
        }
        for p in paths
    ]
    site.write("evidence-manifest.json", json.dumps({"files": files, "sealed": True, "seals": []}))


def test_an_amendment_lists_what_is_not_as_sealed_with_both_digests(site: Site) -> None:
    seal(site)
    old = hashlib.sha256((site.folder / "communication-log.md").read_bytes()).hexdigest()
    site.write("communication-log.md", site.text("communication-log.md") + "\n")
    new = hashlib.sha256((site.folder / "communication-log.md").read_bytes()).hexdigest()
    site.write("retrospective.md", "outside the seal")
    site.remove("attachments/api-error.log")
    assert site.new("amendment")["state"] == "written"
    [entry] = yaml.safe_load(site.text("amendments.yaml"))["entries"]
    assert {f["path"]: (f["old_sha256"], f["new_sha256"]) for f in entry["files"]} == {
        "attachments/api-error.log": (entry["files"][0]["old_sha256"], None),
        "communication-log.md": (old, new),
    }
    assert entry["id"] == "A-1"
    assert entry["by"] == {"name": "Sam"}
    assert "FIL003" not in site.found()
    assert not any("is sealed" in note for note in site.new("rca")["notes"])
    site.remove("incident-timeline.md")
    assert any("The record is sealed" in note for note in site.new("timeline")["notes"])
    site.remove("retrospective.md")
    for what, state in (
        ("timeline", "current"), ("rca", "current"), ("retrospective", "written"),
        ("retrospective", "current"),
    ):  # fmt: skip
        said = site.new(what)
        assert said["state"] == state
        assert not any("is sealed" in note for note in said["notes"])
    site.new("amendment")
    again = site.run("new", "amendment", "--incident", ID)
    assert again.exit_code == 2
    assert "has its amendment already" in " ".join(again.output.split())


# --- retrospective -------------------------------------------------------------------------------


def grown(site: Site) -> None:
    """A record as it grew: begun, found wrong at closing, mended a day later."""
    for example, at in (
        ("in-progress-1", "2026-03-14T02:18:00Z"),
        ("in-progress-3", "2026-03-14T02:33:00Z"),
        ("contradictions", "2026-03-16T10:05:00Z"),
        ("complete", "2026-03-17T09:05:00Z"),
    ):
        site.fill(example)
        (site.folder / "retrospective.md").unlink(missing_ok=True)
        site.commit(at)


def test_a_retrospective_says_which_gates_failed_and_for_how_long(site: Site) -> None:
    grown(site)
    answer = site.new("retrospective")
    text = site.text("retrospective.md")
    assert (
        "- Gate 2 Mitigation Readiness failed for 23 h, from 2026-03-16 10:05 UTC: MIT004" in text
    )
    assert "- Gate 4 Resolution & Documentation failed for 23 h, from" in text
    assert (
        "Never failed at any of 4 commits: Prerequisites, Gate 1 Severity Alignment, Gate 3" in text
    )
    assert "- Phase 2, agreed severity to execution: 11 min" in text
    assert "- incident-timeline.md was changed" in text
    assert "Judged 4 commits of the record anew." in answer["notes"]
    assert "SEV" not in text.replace("Severity", "")
    assert not list(site.folder.glob("*.tmp"))


def test_a_retrospective_asks_the_whole_agenda_and_is_unfinished_until_answered(site: Site) -> None:
    site.remove("retrospective.md")
    assert "LRN001" in site.found()
    site.new("retrospective")
    text = site.text("retrospective.md")
    titles = [s.title for s in markdown.parse(text).sections]
    wanted = ["What went well", "What went poorly", "Action items"]
    assert [t for t in titles if t in wanted] == wanted
    assert sum(t.endswith("?") for t in titles) == 9
    assert "LRN001" in site.found()
    answered = "\n".join(line.replace("TODO", "Said:") for line in text.split("\n"))
    site.write("retrospective.md", answered)
    assert "LRN001" not in site.found()
    assert site.run("new", "retrospective", "--incident", ID).exit_code == 1


def test_a_retrospective_says_what_history_cannot_tell(site: Site) -> None:
    site.remove("retrospective.md")
    notes = " ".join(site.new("retrospective")["notes"])
    assert "How the gates stood before is not known: there is no commit yet." in notes
    site.remove("retrospective.md")
    site.commit("2026-03-16T10:05:00Z")
    notes = " ".join(site.new("retrospective")["notes"])
    assert "One commit brought the whole record: how it grew is not known." in notes


@starting("failed-rollback")
def test_a_retrospective_names_what_failed_and_was_excused(site: Site) -> None:
    site.remove("retrospective.md")
    site.write("protocol-execution-log.md", BLOCKED)
    site.new("retrospective")
    text = site.text("retrospective.md")
    assert "- E-1 ended as failed" in text
    assert "- Halted at step 2.2 Validate Rollback Feasibility: No image; resolved: Pushed" in text
    assert "Recovery pass rate: 100%, asked >= 95%" in text


@starting("late-notice")
def test_a_retrospective_names_promises_missed_and_deviations(site: Site) -> None:
    site.remove("retrospective.md")
    site.new("retrospective")
    text = site.text("retrospective.md")
    assert "(SEV011)" in text
    assert "- Deviation of SEV011: The mail to the support lead is sent by hand" in text


BLOCKED = """# Log

## 2026-03-14 02:19 UTC - Halt at step 2.2 Validate Rollback Feasibility

- Decision: Halt

**Blocker:** No image
**Root Cause:** Pruned
**Resolution:** Pushed
**Prevention:** Kept longer
"""


# --- all of them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["timeline", "report", "retrospective"])
def test_a_file_that_cannot_be_read_is_left_alone(site: Site, what: str) -> None:
    name = {"timeline": "incident-timeline.md", "report": "INCIDENT-REPORT.md"}.get(
        what, "retrospective.md"
    )
    (site.folder / name).write_bytes(b"\xff\xfe half")
    result = site.run("new", what, "--incident", ID)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert (site.folder / name).read_bytes() == b"\xff\xfe half"


def test_the_digest_of_a_body_ignores_blank_lines_and_own_events() -> None:
    text = "---\na: b\n---\n\n# T\n\n- 02:10 UTC - x · decision-log.json\n"
    own = text + "\n- 02:11 UTC - seen\n  on a wall\n"
    assert derived.body_digest(derived.TIMELINE, text) == derived.body_digest(derived.TIMELINE, own)
    assert derived.body_digest("r.md", text) != derived.body_digest("r.md", own)
    changed = text.replace("x ·", "y ·")
    assert derived.body_digest(derived.TIMELINE, text) != derived.body_digest(
        derived.TIMELINE, changed
    )


def test_every_kind_is_described_and_can_be_asked_for() -> None:
    said = CliRunner().invoke(main, ["new", "--help"]).output
    assert all(kind in said for kind in KINDS)
    assert all(len(text) > 20 for text in KINDS.values())


def test_durations_are_exact() -> None:
    from datetime import timedelta

    assert words.exact(timedelta(days=1, hours=3, minutes=55)) == "1 d 3 h 55 min"
    assert words.exact(timedelta(minutes=2, seconds=40)) == "2 min 40 s"
    assert words.exact(timedelta()) == "less than a minute"


@starting("false-positive")
def test_after_a_false_positive_nothing_more_is_begun(site: Site) -> None:
    site.remove(*(p.name for p in site.folder.iterdir() if p.name != "incident-intake-log.md"))
    said = site.run("new", ID)
    assert said.exit_code == 0
    assert "nothing more is asked for" in said.stdout
    assert [p.name for p in site.folder.iterdir()] == ["incident-intake-log.md"]
