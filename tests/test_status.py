"""`status`: the awareness statement of one record, the table of several, JSON, watching."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from incident_gates import causal, cli, completion_table, schema
from incident_gates.desk import watch

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
ID = "INC-2026-0042"
AT = "2026-03-14T02:24:00Z"
RUN = "import sys; sys.path.insert(0, {src!r}); from incident_gates.entry import main; main()"
posix = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals and signals of POSIX")


class Site:
    """An example in a repository of its own."""

    def __init__(self, path: Path, example: str) -> None:
        shutil.copytree(EXAMPLES / example, path, dirs_exist_ok=True)
        subprocess.run(["git", "-C", str(path), "init", "-q"], check=True)
        self.path = path
        self.folder = path / ".artifacts/incidents" / ID

    def status(self, *arguments: str, at: str = AT) -> Result:
        given = ["status", "--as-of", at, *arguments]
        return CliRunner().invoke(cli.main, given, env={"INCIDENT_GATES_DEBUG": "1"})

    def data(self, *arguments: str, at: str = AT) -> dict[str, Any]:
        said = self.status("--format", "json", *arguments, at=at)
        whole: dict[str, Any] = json.loads(said.stdout)
        _check_shape(whole)
        record: dict[str, Any] = whole["status"][0]
        return record

    def change(self, name: str, change: Any) -> None:
        top = json.loads((self.folder / name).read_text("utf-8"))
        change(top)
        (self.folder / name).write_text(json.dumps(top, indent=2) + "\n", "utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text("utf-8")
        assert old in text
        (self.folder / name).write_text(text.replace(old, new), "utf-8")


def _check_shape(data: dict[str, Any]) -> None:
    """By the schemas of the project, the report inside included."""
    common = DRAFT202012.create_resource(schema.load("common"))
    registry: Registry[Any] = Registry().with_resource(common.contents["$id"], common)
    for name, part in (("status", data), ("report", data["report"])):
        Draft202012Validator(schema.load(name), registry=registry).validate(part)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Site:
    monkeypatch.chdir(tmp_path)
    return Site(tmp_path, getattr(request, "param", "in-progress-1"))


def starting(example: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("site", [example], indirect=True)


# --- one record ----------------------------------------------------------------------------------


def test_the_whole_statement_is_there(site: Site) -> None:
    said = site.status().stdout
    for part in (
        "Phase 2 of 4",
        "Step 2.1",
        "Halt: Pause if",
        "Velocity:",
        "Confidence",
        "Assumed",
    ):
        assert part in said, part
    assert "Next update to sre_on_call, product_owner, support_lead due 02:46 UTC, in 22" in said
    assert max(map(len, said.splitlines())) <= 80
    assert "\x1b" not in said


@starting("contradictions")
def test_every_gate_that_blocks_is_listed_with_its_levels(site: Site) -> None:
    said = site.status(at="2026-03-20T00:00:00Z").stdout
    assert "GATE 2 MITIGATION READINESS FAILED: 1 thing" in said
    assert "GATE 4 RESOLUTION & DOCUMENTATION FAILED: 1 thing" in said
    assert re.search(r"1\. CRITICAL MIT004  E-1 started 9 min before", said)


def test_gates_of_later_phases_are_counted_and_json_has_them_all(site: Site) -> None:
    assert "Not due yet, and still needed: gate 3 Recovery" in site.status().stdout
    gates = {blocker["gate"] for blocker in site.data()["blockers"]}
    assert {"mitigation", "recovery", "resolution"} <= gates


def test_a_warning_is_named_and_does_not_block(site: Site) -> None:
    site.replace("communication-log.md", "| 02:16 UTC |", "| 02:19 UTC |")
    levels = {b["level"]: b["blocks"] for b in site.data()["blockers"]}
    assert levels["CRITICAL"] is True
    late = next(p for p in site.data()["velocity"] if p["what"].endswith("support_lead"))
    assert (late["state"], late["late_by_seconds"]) == ("late", 60)
    assert "first notice to support_lead: 6 min, expected 5 min, 1 min late" in site.status().stdout


def test_an_execution_that_outruns_its_option_is_late_by_how_much(
    tmp_path: Path, site: Site
) -> None:
    del site
    other = Site(tmp_path / "other", "in-progress-3")
    top = json.loads((other.folder / "mitigation-execution-report.json").read_text("utf-8"))
    top["executions"][0].update(completed_at="2026-03-14T02:58:00Z")
    (other.folder / "mitigation-execution-report.json").write_text(json.dumps(top), "utf-8")
    said = json.loads(
        other.status(str(other.path), "--format", "json", at="2026-03-14T03:10:00Z").stdout
    )
    entry = next(p for p in said["status"][0]["velocity"] if "against option" in p["what"])
    assert entry["state"] == "late"
    assert entry["taken_seconds"] == 33 * 60
    assert entry["file"].endswith("mitigation-plan.md")
    assert entry["line"]


def test_what_is_overdue_is_said_to_be(site: Site) -> None:
    said = site.status(at="2026-03-14T02:55:00Z").stdout
    assert "was due 02:46 UTC, 9 min ago" in " ".join(said.split())
    assert "since the last notice: 39 min, expected 30 min, 9 min late" in said


def test_whoever_waits_too_long_is_among_the_next_steps(site: Site) -> None:
    early, late = (site.data(at=f"2026-03-14T02:{minute}:00Z")["next"] for minute in (24, 55))
    assert not any("record notice" in step for step in early)
    assert "record notice" in late[1]
    assert "--audience sre_on_call,product_owner,support_lead" in late[1]


def test_before_the_first_notice_its_own_deadline_counts(site: Site) -> None:
    (site.folder / "communication-log.md").unlink()
    update = site.data(at="2026-03-14T02:15:00Z")["next_update"]
    assert (update["first"], update["due"]) == (True, "2026-03-14T02:18:00Z")


@starting("complete")
def test_nobody_waits_for_news_of_a_closed_record(site: Site) -> None:
    said = site.data(at="2026-03-20T00:00:00Z")
    assert said["next_update"] is None
    assert said["blockers"] == []
    assert "Nothing is missing." in site.status(at="2026-03-20T00:00:00Z").stdout


def test_confidence_falls_with_what_cannot_be_read(site: Site) -> None:
    assert site.data()["confidence"]["level"] == "medium"
    (site.folder / "communication-log.md").write_bytes(b"\xff\xfe broken")
    said = site.data()
    assert said["confidence"]["level"] == "low"
    assert any("communication-log.md cannot be read" in entry for entry in said["not_known"])


def test_what_the_record_says_is_not_known_is_repeated(site: Site) -> None:
    site.change("severity-assessment.json", lambda t: t.update(impact_started_at="N/A: no metric"))
    assert "severity-assessment.json: impact_started_at (no metric)" in site.data()["not_known"]


@starting("in-progress-2")
def test_inputs_that_others_owe_are_named(site: Site) -> None:
    site.change("decision-log.json", lambda top: top["decisions"][0]["approvals"].pop())
    shutil.rmtree(site.path / ".artifacts/deployment")
    needed = site.data()["needed_inputs"]
    assert "release_manager: a word on D-1" in needed
    assert "production-deployment-report.json from Protocol 15" in needed


# --- next steps ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "site",
    ["in-progress-1", "in-progress-2", "in-progress-3", "in-progress-4", "contradictions"],
    indirect=True,
)
def test_each_next_step_is_a_command_of_ours_or_a_place_to_edit(site: Site) -> None:
    """Options and all: what is suggested must be what may be typed."""
    steps = site.data(at="2026-03-20T00:00:00Z")["next"]
    assert 1 <= len(steps) <= 4
    for step in steps:
        words = step.partition(" -- ")[0].split()
        if words[0] == "edit":
            assert Path(words[1].partition(":")[0]).is_file(), step
            continue
        name = words[1] if words[1] != "record" else " ".join(words[1:3])
        _, options, _ = completion_table.COMMANDS[name]
        assert {w for w in words if w.startswith("--")} <= set(options), step


def test_paths_are_as_seen_from_where_one_stands(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(EXAMPLES / "in-progress-4", site.path, dirs_exist_ok=True)
    site.change("resolution-summary.json", lambda top: top.update(status="closed"))
    monkeypatch.chdir(site.folder)
    edits = [s for s in site.data(at="2026-03-20T00:00:00Z")["next"] if s.startswith("edit ")]
    assert edits
    assert all(Path(step.split()[1].partition(":")[0]).is_file() for step in edits)


# --- announcing, several, errors -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("site", "words"),
    [
        ("in-progress-1", "[MASTER RAY™ | PHASE 2 START] - Identifying"),
        ("in-progress-3", "[MASTER RAY™ | PHASE 3 START]"),
        ("complete", "[MASTER RAY™ | PHASE 4 COMPLETE] - Incident documentation finalized."),
        ("contradictions", "[MASTER RAY™ | PHASE 4 START]"),
    ],
    indirect=["site"],
)
def test_the_announcement_is_the_protocols(site: Site, words: str) -> None:
    said = site.status("--announce", at="2026-03-20T00:00:00Z")
    first, second = said.stdout.splitlines()
    assert first.startswith(words)
    assert second.startswith(f"{ID} · SEV-1 · ")
    assert ("2 failed" in second) is ("PHASE 4 START" in words)


@starting("complete")
def test_a_packaged_record_still_has_a_status(site: Site) -> None:
    assert CliRunner().invoke(cli.main, ["aggregate"]).exit_code == 0
    said = site.status(at="2026-03-20T00:00:00Z")
    assert (said.exit_code, "Nothing is missing." in said.output) == (0, True), said.output


def test_several_are_told_apart_by_who_waits(site: Site) -> None:
    site.folder.rename(site.folder.with_name("INC-2026-0041"))
    for path in site.folder.with_name("INC-2026-0041").iterdir():
        if path.is_file():
            path.write_text(path.read_text("utf-8").replace(ID, "INC-2026-0041"), "utf-8")
    shutil.copytree(EXAMPLES / "in-progress-1", site.path, dirs_exist_ok=True)
    lines = site.status(at="2026-03-14T02:55:00Z").stdout.splitlines()
    assert len(lines) == 3
    assert all("update overdue" in line for line in lines[1:])


def test_untrusted_text_stays_text_wherever_it_comes_up(site: Site) -> None:
    evil = "N/A: \x1b[2J::error::x ##[group]"
    site.change("severity-assessment.json", lambda top: top.update(impact_started_at=evil))
    for arguments in ((), ("--format", "json"), ("--announce",)):
        said = site.status(*arguments).stdout
        assert "\x1b" not in said
        assert "##[" not in said
        assert not re.search("^::", said, re.MULTILINE)


def test_a_record_that_cannot_be_judged_claims_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ArithmeticError

    monkeypatch.setattr(causal, "links", broken)
    for arguments in ((), ("--announce",), ("--format", "json")):
        said = CliRunner().invoke(cli.main, ["status", "--as-of", AT, *arguments])
        assert said.exit_code == 3, said.output
    assert site.path.is_dir()
    data = json.loads(CliRunner().invoke(cli.main, ["status", "--format", "json"]).stdout)
    _check_shape(data)
    record = data["status"][0]
    assert record["confidence"]["level"] == "none"
    assert record["files"] == record["velocity"] == []
    assert record["announcement"][0].startswith("[RAY ERROR]")


# --- watching ------------------------------------------------------------------------------------


def test_it_is_drawn_again_only_when_something_changed(tmp_path: Path) -> None:
    shown: list[str] = []
    turns = iter(range(100))

    def draw() -> tuple[str, list[Path]]:
        turn = next(turns)
        if turn == 0:
            (tmp_path / "later").write_text("", "utf-8")  # changes while it is being drawn
        return f"drawn {turn}\n", [tmp_path, tmp_path / "absent"]

    watch.watch(draw, shown.append, 0.001, redraw=False, rounds=5)
    assert shown == ["drawn 0\n"]
    (tmp_path / "new").write_text("x", "utf-8")
    watch.watch(draw, shown.append, 0.001, redraw=True, rounds=1)
    assert shown[-1] == f"{watch.CLEAR}drawn 1\n"


def _watching(site: Site, *arguments: str, **given: Any) -> subprocess.Popen[bytes]:
    code = RUN.format(src=str(ROOT / "src"))
    command = [sys.executable, "-c", code, "status", "--watch", "0.1", "--as-of", AT, *arguments]
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "TERM": "xterm"}
    return subprocess.Popen(command, cwd=site.path, env=environment, **given)


def _until(stream: int, wanted: bytes, seconds: float = 20) -> bytes:
    """What a stream says up to some words."""
    said, deadline = b"", time.monotonic() + seconds
    while wanted not in said:
        left = deadline - time.monotonic()
        assert left > 0, said
        if select.select([stream], [], [], left)[0]:
            said += os.read(stream, 65536)
    return said


@posix
def test_watching_appends_without_a_terminal_and_ends_with_ctrl_c(site: Site) -> None:
    with _watching(site, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        stream = process.stdout.fileno()
        first = _until(stream, b"--require ready\n")
        assert b"mitigation-plan.md                   missing" in first
        shutil.copy(
            EXAMPLES / "complete/.artifacts/incidents" / ID / "mitigation-plan.md", site.folder
        )
        second = _until(stream, b"--require ready\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert b"mitigation-plan.md                   done" in second
    assert b"\x1b" not in first + second


@posix
def test_watching_redraws_on_a_terminal(site: Site) -> None:
    pty = pytest.importorskip("pty")
    own, other = pty.openpty()
    with _watching(site, stdout=other, stderr=other) as process:
        os.close(other)
        said = _until(own, b"--require ready")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    os.close(own)
    assert said.startswith(watch.CLEAR.encode())
    assert said.count(b"\x1b") == 3


@posix
def test_watching_survives_a_file_half_written(site: Site) -> None:
    with _watching(site, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        stream = process.stdout.fileno()
        _until(stream, b"--require ready\n")
        (site.path / ".incident-gates.yaml").write_text("roots: [", "utf-8")
        assert b".incident-gates.yaml" in _until(stream, b"\n")
        (site.path / ".incident-gates.yaml").unlink()
        _until(stream, b"--require ready\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


# --- what is loaded ------------------------------------------------------------------------------

HEAVY = {"jsonschema", "referencing", "git", "pyromark", "concurrent.futures", "difflib"}


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--version"], HEAVY | {"yaml", "jsonschema_rs", "incident_gates.engine"}),
        (["--help"], HEAVY | {"yaml", "jsonschema_rs", "incident_gates.engine"}),
        (["status", "--help"], HEAVY | {"yaml", "jsonschema_rs", "incident_gates.engine"}),
        (["status"], {"jsonschema", "referencing", "git", "concurrent.futures"}),
    ],
    ids=["version", "help", "status help", "status"],
)
def test_nothing_is_loaded_that_is_not_needed(
    site: Site, arguments: list[str], absent: set[str]
) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); sys.argv[1:] = {arguments!r}\n"
        "import atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from incident_gates.entry import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=site.path, capture_output=True, text=True, check=True
    )
    assert not absent & set(done.stderr.split())
