"""Bad input through the whole command: a finding at its place, the rest judged, no traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "run_protocol_13_gates.py"
EXAMPLE = ROOT / "examples" / "complete"
ID = "INC-2026-0042"
AS_OF = ("--as-of", "2026-03-20")
MIB = 1024 * 1024

# A second mistake, in a file that no case touches: it must be found whatever else is broken.
TIMELINE = "incident-timeline.md"
OTHER = ("FIL007", TIMELINE, 12)

Spoil = Callable[[Path], object]


class Bad(NamedTuple):
    """One kind of bad input: what it does to which file, and where it must be found."""

    file: str
    spoil: Spoil
    rule: str
    line: int | None


def text(content: str) -> Spoil:
    return lambda path: path.write_text(content, encoding="utf-8")


def raw(content: bytes) -> Spoil:
    return lambda path: path.write_bytes(content)


def changed(old: str, new: str) -> Spoil:
    def change(path: Path) -> None:
        content = path.read_text(encoding="utf-8")
        assert old in content
        path.write_text(content.replace(old, new, 1), encoding="utf-8")

    return change


def cut(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8")[:200], encoding="utf-8")


def recoded(encoding: str) -> Spoil:
    return lambda path: path.write_bytes(
        (path.read_text(encoding="utf-8") + "café\n").encode(encoding)
    )


def linked(path: Path) -> None:
    path.rename(path.with_suffix(".kept"))
    path.symlink_to(path.with_suffix(".kept"))


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


CHECKS, SEVERITY, PLAN = (
    "recovery-validation.json",
    "severity-assessment.json",
    "mitigation-plan.md",
)
SUMMARY, NOTICES = "resolution-summary.json", "communication-log.md"
BAD = {
    "missing": Bad(CHECKS, Path.unlink, "FIL001", None),
    "empty": Bad(CHECKS, text(""), "FIL002", 1),
    "blank": Bad(NOTICES, text(" \n\n"), "FIL002", 1),
    "truncated": Bad(CHECKS, cut, "FIL002", 5),
    "merge conflict": Bad(CHECKS, changed('  "checks"', '<<<<<<< HEAD\n  "checks"'), "FIL002", 5),
    "duplicate key": Bad(CHECKS, changed('  "checks"', '  "checks": [],\n  "checks"'), "FIL002", 6),
    "NaN": Bad(CHECKS, changed('"critical": true', '"critical": NaN'), "FIL002", 10),
    "endless number": Bad(CHECKS, changed("true", "9" * 5000), "FIL002", 10),
    "half a character": Bad(CHECKS, changed("200 OK", "\\ud83d"), "FIL002", 15),
    "list at the top": Bad(CHECKS, text("[]"), "FIL002", 1),
    "deeply nested": Bad(CHECKS, text('{"checks":\n' + "[" * 100_000), "FIL002", 2),
    "Latin-1": Bad(NOTICES, recoded("latin-1"), "FIL002", 16),
    "UTF-16": Bad(NOTICES, recoded("utf-16"), "FIL002", 1),
    "NUL bytes": Bad(NOTICES, raw(b"# Log\n\0\n"), "FIL002", 2),
    "oversized": Bad(NOTICES, raw(b"# Log\n" * MIB), "FIL002", None),
    "no ZIP": Bad("MONITORING-PACKAGE.zip", raw(b"PK\x03\x04"), "FIL002", None),
    "open front matter": Bad(PLAN, text("---\ndate: 2026-03-14\n# Plan\n"), "FIL002", 1),
    "anchor in YAML": Bad("waivers.yaml", text("entries: &a\n  - *a\n"), "FIL002", 1),
    "wrong type": Bad(CHECKS, changed('"api-smoke"', "7"), "FIL003", 7),
    "unknown word": Bad(CHECKS, changed('"passed"', '"fine"'), "FIL003", 13),
    "naive time": Bad(SUMMARY, changed("02:29:00Z", "02:29:00"), "FIL003", 8),
    "impossible time": Bad(SUMMARY, changed("02:29:00Z", "25:29:00Z"), "FIL003", 8),
    "impossible date": Bad(SUMMARY, changed("2026-03-14T02:29", "2026-02-30T02:29"), "FIL003", 8),
    "naive time in Markdown": Bad(NOTICES, changed("02:13 UTC", "02:13"), "FIL007", 10),
    "unknown severity": Bad(SEVERITY, changed('"SEV-1"', '"SEV-9"'), "SEV006", 14),
    "another incident": Bad(SUMMARY, changed(ID, "INC-2026-0031"), "FIL005", 4),
    "times that disagree": Bad(SUMMARY, changed('"PT27M"', '"PT72M"'), "RES011", 63),
}
POSIX = {
    "link": Bad(CHECKS, linked, "FIL002", None),
    "pipe": Bad(CHECKS, piped, "FIL002", None),
}
if os.name == "posix":
    BAD |= POSIX


class Ran(NamedTuple):
    """What the command said."""

    code: int
    out: str
    err: str


def run(*arguments: object, cwd: Path | None = None) -> Ran:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "CI"))}
    done = subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        capture_output=True,
        check=False,
        cwd=cwd,
        encoding="utf-8",
        env={**environment, "PYTHONUTF8": "1"},
        timeout=60,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A repository with two incidents; the timeline of the first holds one mistake."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    changed("02:29 UTC", "02:29")(folder(tmp_path) / TIMELINE)
    return tmp_path


def folder(site: Path) -> Path:
    return site / ".artifacts" / "incidents" / ID


def found(report: str) -> set[tuple[str, str, int | None]]:
    """Rule, file name and line of every finding, of gates or of none."""
    incidents: list[dict[str, Any]] = json.loads(report)["incidents"]
    holders = [holder for incident in incidents for holder in (*incident["gates"], incident)]
    findings = [finding for holder in holders for finding in holder["findings"]]
    return {(f["rule"], f["file"].rsplit("/", 1)[1], f["line"]) for f in findings}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_a_finding_at_its_place_and_the_rest_is_judged(kind: str, site: Path) -> None:
    bad = BAD[kind]
    bad.spoil(folder(site) / bad.file)
    ran = run(site, "--format", "json", *AS_OF)
    assert ran.code == 1
    assert not ran.err
    findings = found(ran.out)
    assert (bad.rule, bad.file, bad.line) in findings
    assert OTHER in findings


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_readable_in_text(kind: str, site: Path) -> None:
    bad = BAD[kind]
    bad.spoil(folder(site) / bad.file)
    ran = run(site, *AS_OF)
    assert ran.code == 1
    assert f"CRITICAL {bad.rule}" in ran.out
    assert not any(ord(c) < 32 and c != "\n" for c in ran.out)


def test_one_broken_record_leaves_the_others_as_they_are(site: Path) -> None:
    second = folder(site).with_name("INC-2026-0043")
    shutil.copytree(EXAMPLE / ".artifacts" / "incidents" / ID, second)
    for path in second.iterdir():
        if path.suffix in (".json", ".md"):
            content = path.read_text(encoding="utf-8")
            path.write_text(content.replace(ID, second.name), encoding="utf-8")
    for path in folder(site).glob("*.json"):
        path.write_text("{", encoding="utf-8")
    ran = run(site, "--format", "json", *AS_OF)
    verdicts = {i["incident_id"]: i["verdict"] for i in json.loads(ran.out)["incidents"]}
    assert verdicts == {ID: "failed", second.name: "passed"}
    assert ran.code == 1


def test_a_folder_of_too_many_files_is_said_and_its_files_are_judged(site: Path) -> None:
    for number in range(2001):
        (folder(site) / f"{number}.txt").touch()
    ran = run(site, "--format", "json", *AS_OF)
    assert ran.code == 1
    assert {("FIL002", ID, None), OTHER} <= found(ran.out)


def test_a_hostile_name_and_text_reach_no_terminal(site: Path) -> None:
    (folder(site) / "decision-lo\x1b[31mg.json").write_text("{}", encoding="utf-8")
    changed("by the rollback", "\x1b]0;owned\x07::error::x")(folder(site) / NOTICES)
    ran = run(site, *AS_OF)
    assert ran.code == 1
    assert "\x1b" not in ran.out + ran.err


WRONG = {
    "unknown flag": ["--nosuch"],
    "value of a flag": ["--sla", "soon"],
    "ratio above one": ["--recovery-threshold", "3"],
    "unknown choice": ["--require", "sometimes"],
    "time": ["--as-of", "yesterday"],
    "path": ["no/such/folder"],
    "root": ["--root", "no/such/folder"],
    "incident": ["--incident", "INC-1999-0001"],
    "policy that is not there": ["--policy", "no-such.yaml"],
    "report format": ["--report", "stone=gates.txt"],
    "report folder": ["--report", "json=no/such/folder/gates.json"],
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG)
def test_a_wrong_call_is_one_sentence_and_exit_2(arguments: list[str], site: Path) -> None:
    ran = run(*arguments, cwd=site)
    assert ran.code == 2
    assert not ran.out
    assert ran.err.startswith("Error: ")
    assert len(ran.err.splitlines()) == 1


POLICIES = {
    "broken YAML": "thresholds: [",
    "unknown key": "tresholds: {notification_minutes: 5}",
    "wrong type": "thresholds: {notification_minutes: soon}",
    "anchor": "roots: &a [x]",
    "extends nothing": "extends: ../no-such.yaml",
    "extends itself": "extends: .incident-gates.yaml",
    "not UTF-8": "roots: [\udcff]",
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_a_broken_policy_is_one_sentence_and_exit_2(policy: str, site: Path) -> None:
    path = site / ".incident-gates.yaml"
    path.write_bytes(policy.encode("utf-8", "surrogateescape"))
    ran = run(cwd=site)
    assert ran.code == 2
    assert not ran.out
    assert ran.err.startswith("Error: ")
    assert ".yaml" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_nothing_to_judge_says_how_to_begin(tmp_path: Path) -> None:
    ran = run(cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "incident-gates new" in ran.err


@pytest.mark.parametrize("require", ["ready", "all"])
def test_nothing_to_judge_is_no_pass_where_gates_are_required(require: str, tmp_path: Path) -> None:
    ran = run("--require", require, cwd=tmp_path)
    assert ran.code == 1
    assert "incident-gates new" in " ".join(ran.out.split())
