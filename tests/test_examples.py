"""The examples are what they claim: through the real command, the real ones without a guess."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
CATALOGUE: dict[str, Any] = yaml.safe_load((EXAMPLES / "examples.yaml").read_text("utf-8"))
LISTED: list[dict[str, Any]] = CATALOGUE["examples"]
DEMO: dict[str, Any] = CATALOGUE["demo"]
MARK = "<!-- From examples.yaml; `pytest tests/test_examples.py --accept` writes it. -->\n"

# Typed from the published accounts. "Some time after 12:28" is all that is known of 12:29.
PUBLISHED = {
    "crates-io-2023-07-20": {
        "2023-07-19": {"12:32", "17:41"},
        "2023-07-20": {"12:08", "12:16", "12:17", "12:18", "12:24", "12:25", "12:28", "12:29"}
        | {"12:30", "13:38", "13:49", "14:08", "14:10"},
        "2023-07-21": {"day"},
    },
    "posthog-2025-09-29": {
        "2025-09-29": {"16:54:16", "16:58", "17:02", "17:05", "17:12", "17:25", "17:40", "18:15"}
        | {"18:46"}
    },
}
REAL = sorted(PUBLISHED)
SHAPE = re.compile(r"FIL0(0[2-9]|1[0-3]) ")


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One of the project's scripts, as a person runs it."""
    command = [sys.executable, str(ROOT / "scripts" / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def command(example: dict[str, Any]) -> list[str]:
    """What a person types to judge an example."""
    require = ["--require", example["require"]] if "require" in example else []
    return [f"examples/{example['name']}", *require, "--as-of", example["as_of"]]


def said(incident: dict[str, Any]) -> str:
    """A JSON report in the form of expected.txt."""
    gates = " · ".join(f"{gate['number'] or 'P'} {gate['status']}" for gate in incident["gates"])
    lines = [f"{incident['verdict']}: {gates}"]
    for gate in incident["gates"]:
        lines += [line(incident, finding) for finding in gate["findings"]]
        lines += [f"needs {line(incident, finding)}" for finding in gate["needs"]]
    lines += [line(incident, finding) for finding in incident["findings"]]
    return "\n".join(lines) + "\n"


def line(incident: dict[str, Any], finding: dict[str, Any]) -> str:
    """One finding of a JSON report, with its file and line."""
    where = finding["file"].removeprefix(f"{incident['path']}/")
    where += f":{finding['line']}" if finding["line"] else ""
    subject = f" [{finding['subject']}]" if finding["subject"] else ""
    excused = f" ({finding['waiver']['kind']})" if finding["waiver"] else ""
    about = f"{where}{subject} {finding['message']}{excused}"
    return f"{finding['level']} {finding['rule']} {about}"


def expected(name: str) -> str:
    """What an example must give."""
    path = EXAMPLES / name / "expected.txt"
    return path.read_text("utf-8") if path.is_file() else ""


def evidence(name: str) -> dict[str, str]:
    """The text of every file of an example's evidence."""
    paths = (EXAMPLES / name / ".artifacts").glob("**/*")
    return {path.name: path.read_text("utf-8") for path in paths if path.is_file()}


def named(examples: list[dict[str, Any]]) -> list[object]:
    return [pytest.param(example, id=example["name"]) for example in examples]


@pytest.mark.parametrize("example", named(LISTED))
def test_an_example_gives_what_it_says(example: dict[str, Any], *, accept: bool) -> None:
    path, *options = command(example)
    done = run("run_protocol_13_gates.py", str(ROOT / path), *options, "--format", "json")
    assert done.stderr == ""
    report = json.loads(done.stdout)
    [incident] = report["incidents"]
    if accept:
        (EXAMPLES / example["name"] / "expected.txt").write_text(said(incident), "utf-8")
    assert said(incident) == expected(example["name"])
    assert (report["verdict"], done.returncode) == (example["verdict"], example["exit"])


def test_every_example_is_listed_and_every_listed_one_is_there() -> None:
    folders = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
    assert sorted(example["name"] for example in LISTED) == folders


@pytest.mark.parametrize("example", named(LISTED))
def test_a_page_says_how_to_judge_its_example(example: dict[str, Any]) -> None:
    page = (EXAMPLES / example["name"] / "README.md").read_text("utf-8")
    assert f"python scripts/run_protocol_13_gates.py {' '.join(command(example))}\n" in page
    assert page.count("\n") <= 60


def test_the_table_of_examples_is_that_of_the_catalogue(*, accept: bool) -> None:
    rows = [
        f"| [{e['name']}]({e['name']}/README.md) | {e['says']} | {e['verdict'].replace('_', ' ')} |"
        for e in LISTED
    ]
    table = "\n".join(["| Example | What it is | Verdict |", "|---|---|---|", *rows, ""])
    page = EXAMPLES / "README.md"
    before = page.read_text("utf-8").partition(MARK)[0]
    if accept:
        page.write_text(f"{before}{MARK}\n{table}", "utf-8")
    assert page.read_text("utf-8") == f"{before}{MARK}\n{table}"


@pytest.mark.parametrize("example", named(LISTED))
def test_every_file_of_an_example_has_its_shape(example: dict[str, Any]) -> None:
    """No unknown property, foreign id, double id, dead link or unreadable entry, in any of them."""
    assert not SHAPE.search(expected(example["name"]))


def test_the_protocols_contradictions_are_found_and_nothing_else() -> None:
    found = expected("contradictions").splitlines()[1:]
    assert [entry.split()[:3] for entry in found] == [
        ["CRITICAL", "MIT004", "mitigation-execution-report.json:20"],
        ["CRITICAL", "RES012", "INCIDENT-REPORT.md:11"],
    ]


@pytest.mark.parametrize("name", [f"in-progress-{phase}" for phase in (1, 2, 3, 4)])
def test_an_open_incident_has_its_inputs_upstream(name: str) -> None:
    own = {path.name for path in (EXAMPLES / name).glob(".artifacts/incidents/*/*")}
    upstream = {path.name for path in (EXAMPLES / name).glob(".artifacts/*/*") if path.is_file()}
    assert "MONITORING-PACKAGE.zip" in upstream
    assert not own & upstream


# --- the real ones -------------------------------------------------------------------------------


def stated_times(text: str) -> set[str]:
    """Every time of day in a text, seconds only where they are not zero."""
    found = re.findall(r"(?<![\d:])([0-2]\d:[0-5]\d)(?::([0-5]\d))?(?![\d:])", text)
    return {minute if second in ("", "00") else f"{minute}:{second}" for minute, second in found}


@pytest.mark.parametrize("name", REAL)
def test_no_time_of_a_real_record_is_invented(name: str) -> None:
    days = PUBLISHED[name]
    known = set().union(*days.values())
    for file, text in evidence(name).items():
        by_day = re.findall(r"\b(20\d\d-\d\d-\d\d)T(\d\d:\d\d:\d\d)Z", text)
        for day, clock in by_day:
            if "day" in days[day]:
                assert clock == "00:00:00", file
            else:
                assert stated_times(clock) <= days[day], file
        plain = re.sub(r"20\d\d-\d\d-\d\dT\S+Z", "", text)
        assert stated_times(plain) <= known, file


@pytest.mark.parametrize("name", REAL)
def test_each_time_of_a_real_record_says_how_exact_it_is_and_whence(name: str) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "at" in value:
                assert value["precision"] in ("minute", "day")
                assert value.get("source") or value.get("from")
            for key, item in value.items():
                assert key == "at" or not (isinstance(item, str) and re.match(r"20\d\d-.*T", item))
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    for file, text in evidence(name).items():
        if file.endswith(".json"):
            walk(json.loads(text))


@pytest.mark.parametrize("name", REAL)
def test_a_real_record_names_its_source_and_invents_nobody(name: str) -> None:
    for file, text in evidence(name).items():
        assert "https://" in text, file
        people = set(
            re.findall(r'"(?:operator|by|verified_by|owner)": \{\s*"name": "([^"]+)"', text)
        )
        assert people <= {"deploying developer"}
        # The one digest is that of a file of this very folder.
        assert "sha256" not in text or file == "prerequisites.json"
        assert not re.search(r"SEV-?\d", text)


@pytest.mark.parametrize("name", REAL)
def test_nothing_is_early_late_or_long_where_a_time_is_not_known(name: str) -> None:
    """Order, durations and notices need times; these rules are about them."""
    rules = {entry.split()[1] for entry in expected(name).splitlines()[1:]}
    assert not rules & {"SEV009", "SEV010", "SEV011", "SEV012", "SEV014", "MIT004", "MIT006"}
    assert not rules & {"MIT007", "REC004", "REC007", "REC012", "REC015"}
    assert not rules & {"RES002", "RES003", "RES011", "RES012", "RES013", "FIL008", "FIL012"}


# --- the demonstration ---------------------------------------------------------------------------


def test_the_demo_shows_what_it_promises() -> None:
    done = run("demo.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(r"^  (?:CRITICAL|WARNING|INFO) ", done.stdout, re.MULTILINE)) == 3
    for gate in ("Prerequisites", "1 Severity", "2 Mitigation", "3 Recovery", "4 Resolution"):
        assert re.search(rf"^  . +{gate} ", done.stdout, re.MULTILINE)
    assert "→ 17:40 failed →" in done.stdout
    assert re.search(r"^\d+ facts and \d+ files were never published", done.stdout, re.MULTILINE)
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stdout.count("\n") <= 64


@pytest.mark.parametrize(("key", "value"), [("verdict", "passed"), ("exit", 0)])
def test_the_demo_fails_when_the_verdict_is_another(
    key: str, value: object, tmp_path: Path
) -> None:
    changed = [{**e, key: value} if e["name"] == DEMO["example"] else e for e in LISTED]
    other = tmp_path / "examples.yaml"
    other.write_text(yaml.safe_dump({"examples": changed, "demo": DEMO}), "utf-8")
    assert run("demo.py", str(other)).returncode == 1


@pytest.mark.parametrize("name", REAL)
def test_a_page_counts_what_was_not_published(name: str) -> None:
    own = {n: text for n, text in evidence(name).items() if n != "INCIDENT-REPORT.md"}
    values = sum(text.count("N/A: ") for text in own.values())
    files = len(json.loads(own["prerequisites.json"])["not_available"])
    page = (EXAMPLES / name / "README.md").read_text("utf-8")
    assert f"Not published: {values} values and {files} files." in page
