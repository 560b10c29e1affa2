"""`check --fix`: adds what is absent and mechanical, shows it first, and changes nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_gates import cli
from incident_gates.desk import fix
from incident_gates.discover import Selection
from incident_gates.errors import CouldNotTell
from incident_gates.run import Job

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
ID = "INC-2026-0042"
AT = "2026-03-14T03:10:00Z"
SUMMARY, RCA, TIMELINE = "resolution-summary.json", "rca-manifest.json", "incident-timeline.md"
HEADS = ("$schema", "schema_version", "incident_id")
RUN = "import sys; sys.path.insert(0, {src!r}); from incident_gates.entry import main; main()"
posix = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")


class Site:
    """The example of an incident that is resolved and not closed."""

    def __init__(self, path: Path, example: str = "in-progress-4") -> None:
        shutil.copytree(EXAMPLES / example, path, dirs_exist_ok=True)
        subprocess.run(["git", "-C", str(path), "init", "-q"], check=True)
        self.path = path
        self.folder = path / ".artifacts/incidents" / ID

    @property
    def job(self) -> Job:
        return Job(Selection([str(self.path)]), as_of=AT, cwd=self.path)

    def check(self, *arguments: str) -> Result:
        given = ["check", str(self.path), "--as-of", AT, *arguments]
        return CliRunner().invoke(cli.main, given, env={"INCIDENT_GATES_DEBUG": "1"})

    def findings(self) -> Counter[tuple[str, str]]:
        report = json.loads(self.check("--format", "json").stdout)["incidents"][0]
        found = [f for g in report["gates"] for f in (*g["findings"], *g["needs"])]
        return Counter((f["rule"], f["file"]) for f in (*found, *report["findings"]))

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text("utf-8"))

    def change(self, name: str, change: Any) -> None:
        top = self.read(name)
        change(top)
        (self.folder / name).write_text(json.dumps(top, indent=2) + "\n", "utf-8")

    def bytes(self) -> dict[str, bytes]:
        files = (p for p in sorted(self.path.rglob("*")) if p.is_file() and ".git/" not in str(p))
        return {str(p.relative_to(self.path)): p.read_bytes() for p in files}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def without_values(top: dict[str, Any]) -> None:
    for entry in top["durations"]:
        del entry["value"]


def without_digests(top: dict[str, Any]) -> None:
    for entry in top["items"]:
        entry.pop("sha256", None)


def shuffled(site: Site, order: list[int]) -> None:
    """The timeline with its entries in another order."""
    lines = (site.folder / TIMELINE).read_text("utf-8").split("\n")
    at = [n for n, line in enumerate(lines) if line.startswith("- ")]
    mixed = [lines[at[index]] for index in order if index < len(at)]
    for number, line in zip(at, mixed, strict=False):
        lines[number] = line
    (site.folder / TIMELINE).write_text("\n".join(lines), "utf-8")


# --- what it adds --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (SUMMARY, without_values),
        (RCA, without_digests),
        ("prerequisites.json", lambda top: top["inputs"][0].pop("sha256")),
        *((SUMMARY, lambda top, key=key: top.pop(key)) for key in HEADS),
        ("decision-log.json", lambda top: [top.pop(key) for key in HEADS]),
    ],
)
def test_what_is_absent_is_added_as_it_was(site: Site, name: str, damage: Any) -> None:
    before = site.read(name)
    site.change(name, damage)
    assert site.read(name) != before
    said = site.check("--fix", "--yes")
    assert site.read(name) == before
    assert said.exit_code == 0
    assert "Written." in said.stderr


def test_leading_keys_are_put_where_files_have_them(site: Site) -> None:
    site.change(SUMMARY, lambda top: [top.pop(key) for key in HEADS])
    site.check("--fix", "--yes")
    assert tuple(site.read(SUMMARY))[:3] == HEADS


def test_the_timeline_is_brought_into_the_order_of_time(site: Site) -> None:
    before = (site.folder / TIMELINE).read_text("utf-8")
    shuffled(site, [0, 2, 1, 3, 5, 4, 6])
    assert (site.folder / TIMELINE).read_text("utf-8") != before
    site.check("--fix", "--yes")
    assert (site.folder / TIMELINE).read_text("utf-8") == before


def test_every_other_byte_stays_as_its_author_wrote_it(site: Site) -> None:
    path = site.folder / SUMMARY
    text = path.read_text("utf-8")
    odd = text.replace("\n", "\r\n").replace('  "status":', '     "status" :')
    odd = odd.replace(',\r\n      "value": "PT27M"', "")
    path.write_bytes(odd.encode())
    site.check("--fix", "--yes")
    after = path.read_bytes().decode()
    assert after == odd.replace(
        '"to": "resolved_at"\r\n', '"to": "resolved_at",\r\n      "value": "PT27M"\r\n'
    )


# --- what it leaves alone ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (SUMMARY, lambda top: top["durations"][2].update(value="PT99M")),
        (SUMMARY, lambda top: top["durations"][2].update(value="N/A: nobody looked")),
        (RCA, lambda top: top["items"][0].update(sha256="0" * 64)),
        (RCA, lambda top: top["items"][0].update(sha256="TODO")),
        (SUMMARY, lambda top: top.update(incident_id="INC-2026-0001")),
        ("decision-log.json", lambda top: top["decisions"][0]["approvals"][0].pop("option_sha256")),
        ("decision-log.json", lambda top: top["decisions"][0]["approvals"][0].pop("approved_at")),
        (SUMMARY, lambda top: [top["durations"][2].pop("value"), top.pop("resolved_at")]),
    ],
    ids=["duration", "reason", "digest", "todo", "id", "approved text", "approval time", "anchor"],
)
def test_no_recorded_value_and_no_meaning_is_touched(site: Site, name: str, change: Any) -> None:
    site.change(name, change)
    before = site.bytes()
    site.check("--fix", "--yes")
    assert site.bytes() == before


def test_a_coarse_time_gives_no_duration(site: Site) -> None:
    coarse = {"at": "2026-03-14T02:10:00Z", "precision": "hour"}
    site.change("severity-assessment.json", lambda top: top.update(detected_at=coarse))
    site.change(SUMMARY, without_values)
    site.check("--fix", "--yes")
    assert all("value" not in entry for entry in site.read(SUMMARY)["durations"][1:])


def test_a_duration_that_would_contradict_the_report_is_left_to_people(site: Site) -> None:
    report = site.folder / "INCIDENT-REPORT.md"
    report.write_text(report.read_text("utf-8").replace("27 min", "55 min"), "utf-8")
    site.change(SUMMARY, without_values)
    before = site.findings()
    site.check("--fix", "--yes")
    assert not site.findings() - before


def test_a_closed_record_is_left_alone(tmp_path: Path) -> None:
    site = Site(tmp_path, "complete")
    site.change(SUMMARY, without_values)
    before = site.bytes()
    said = site.check("--fix", "--yes")
    assert site.bytes() == before
    assert f"{ID} is closed: nothing in it is changed." in said.stderr


@pytest.mark.parametrize(
    ("manifest", "why"),
    [('{"sealed": true, "files": []}', "sealed"), ("{broken", "sealed")],
)
def test_a_sealed_record_is_left_alone(site: Site, manifest: str, why: str) -> None:
    (site.folder / "evidence-manifest.json").write_text(manifest, "utf-8")
    site.change(SUMMARY, without_values)
    before = site.bytes()
    said = site.check("--fix", "--yes")
    assert site.bytes() == before
    assert f"is {why}" in said.stderr


def test_a_file_that_cannot_be_read_is_left_alone(site: Site) -> None:
    (site.folder / RCA).write_bytes(b'{"items": [')
    (site.folder / SUMMARY).write_bytes(b'{"status": "resolved", "status": "closed"}')
    before = site.bytes()
    said = site.check("--fix", "--yes")
    assert site.bytes() == before
    assert "perhaps closed" in said.stderr
    assert said.exit_code == 1


def test_a_derived_timeline_is_left_to_the_command_that_derives_it(site: Site) -> None:
    path = site.folder / TIMELINE
    shuffled(site, [0, 2, 1, 3])
    text = path.read_text("utf-8").replace("---\n", "---\nderived_from: [decision-log.json]\n", 1)
    path.write_text(text, "utf-8")
    site.check("--fix", "--yes")
    assert path.read_text("utf-8") == text


@pytest.mark.parametrize("extra", ["  a line that belongs to the entry\n", "1. numbered\n"])
def test_a_list_that_is_more_than_its_lines_is_not_sorted(site: Site, extra: str) -> None:
    path = site.folder / TIMELINE
    shuffled(site, [0, 2, 1, 3])
    text = path.read_text("utf-8")
    path.write_text(text.replace("- 02:25", f"{extra}- 02:25"), "utf-8")
    before = path.read_bytes()
    site.check("--fix", "--yes")
    assert path.read_bytes() == before


def test_a_link_is_not_followed(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("secret", "utf-8")
    log = site.folder / "attachments/api-error.log"
    log.unlink()
    log.symlink_to(secret)
    site.change(RCA, without_digests)
    site.check("--fix", "--yes")
    assert "sha256" not in site.read(RCA)["items"][0]
    assert "sha256" in site.read(RCA)["items"][1]


# --- asking --------------------------------------------------------------------------------------


def test_without_a_terminal_it_shows_and_writes_nothing(site: Site) -> None:
    site.change(RCA, without_digests)
    before = site.bytes()
    said = site.check("--fix", "--format", "json")
    assert site.bytes() == before
    assert '+      "sha256": "' in said.stderr
    assert f"--- a/.artifacts/incidents/{ID}/{RCA}" in said.stderr
    assert "--fix --yes writes it" in said.stderr
    json.loads(said.stdout)


def test_the_exit_code_is_that_of_the_record_afterwards(site: Site) -> None:
    site.change("prerequisites.json", lambda top: top["inputs"][0].pop("sha256"))
    assert site.check("--fix").exit_code == 1
    assert site.check("--fix", "--yes").exit_code == 0
    assert "Nothing to add." in site.check("--fix", "--yes").stderr


def test_yes_alone_is_a_question_without_an_answer(site: Site) -> None:
    said = site.check("--yes")
    assert (said.exit_code, "--fix" in said.stderr) == (2, True)


def _drain(terminal: int, typed: bytes) -> None:
    """Reads to the end, which on Linux is an error; Ctrl-C at the wrong moment is typed again."""
    with contextlib.suppress(OSError):
        while True:
            if not select.select([terminal], [], [], 1.0)[0]:
                os.write(terminal, typed)
            elif not os.read(terminal, 65536):
                break
    os.close(terminal)


@posix
@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\x03", 130)])
def test_on_a_terminal_it_asks(site: Site, typed: bytes, code: int) -> None:
    pty = pytest.importorskip("pty")
    site.change("prerequisites.json", lambda top: top["inputs"][0].pop("sha256"))
    before = site.bytes()
    process, terminal = pty.fork()
    if process == 0:
        os.environ["INCIDENT_GATES_DEBUG"] = "1"
        program = RUN.format(src=str(ROOT / "src"))
        arguments = ["check", str(site.path), "--as-of", AT, "--fix"]
        os.execv(sys.executable, [sys.executable, "-c", program, *arguments])  # noqa: S606
    said = b""
    while b"Write this?" not in said:
        said += os.read(terminal, 65536)
    os.write(terminal, typed)
    _drain(terminal, typed)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == code
    assert (site.bytes() == before) is (code != 0)


def test_a_file_changed_after_it_was_shown_is_not_overwritten(site: Site) -> None:
    site.change(RCA, without_digests)
    plan = fix.planned(site.job)
    site.change(RCA, lambda top: top.update(trigger="Somebody wrote this meanwhile"))
    before = site.bytes()
    with pytest.raises(CouldNotTell, match="changed meanwhile"):
        fix.write(plan)
    assert site.bytes() == before


def test_evidence_cannot_drive_the_terminal_through_the_diff(site: Site) -> None:
    site.change(
        RCA,
        lambda top: [
            top["items"][1].pop("sha256"),
            top["items"][0].update(description="\x1b[2J\u202e"),
        ],
    )
    said = site.check("--fix").stderr
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_an_addition_that_would_bring_a_finding_is_left_out(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    harmful = fix._value("another incident", ("incident_id",), "INC-1999-0001")
    monkeypatch.setattr(fix, "_additions", lambda _, d: [harmful] if d.name == RCA else [])
    assert fix.planned(site.job).edits == ()


# --- in general ----------------------------------------------------------------------------------

DAMAGE = st.fixed_dictionaries(
    {
        "drop": st.lists(st.sampled_from(["values", "digests", "pins", *HEADS]), unique=True),
        "file": st.sampled_from([SUMMARY, RCA, "decision-log.json", "severity-assessment.json"]),
        "order": st.permutations(range(7)),
        "archive": st.booleans(),
        "report": st.booleans(),
        "seed": st.integers(0, 2**16),
    }
)


def _damaged(site: Site, damage: dict[str, Any]) -> None:
    chance = random.Random(damage["seed"])  # noqa: S311 - which entries lose something
    for what in damage["drop"]:
        if what == "values":
            site.change(
                SUMMARY, lambda t: [e.pop("value") for e in t["durations"] if chance.random() < 0.7]
            )
        elif what == "digests":
            site.change(
                RCA, lambda t: [e.pop("sha256", 0) for e in t["items"] if chance.random() < 0.7]
            )
        elif what == "pins":
            site.change("prerequisites.json", lambda t: [e.pop("sha256") for e in t["inputs"]])
        else:
            site.change(damage["file"], lambda t, key=what: t.pop(key, None))
    shuffled(site, damage["order"])
    if damage["archive"]:  # a file of the record that is archived as well
        entry = {"id": "tl", "kind": "other", "path": TIMELINE}
        site.change(RCA, lambda t: t["items"].append(entry))
    if damage["report"]:
        report = site.folder / "INCIDENT-REPORT.md"
        report.write_text(report.read_text("utf-8").replace("27 min", "28 min"), "utf-8")


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(damage=DAMAGE)
def test_it_never_adds_a_finding_and_has_no_more_to_do(
    tmp_path_factory: pytest.TempPathFactory, damage: dict[str, Any]
) -> None:
    site = Site(tmp_path_factory.mktemp("site"))
    _damaged(site, damage)
    before = site.findings()
    fix.write(fix.planned(site.job))
    assert not site.findings() - before
    assert fix.planned(site.job).edits == ()
