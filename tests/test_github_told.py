"""What a workflow is told: annotations, outputs and the page of a run, one by one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import reportwork as work
import runner_oracle as runner

from incident_gates.errors import CouldNotTell
from incident_gates.github import hand_over
from incident_gates.model import (
    CRITICAL,
    INFO,
    WARNING,
    Excuse,
    Finding,
    Location,
    Report,
    Status,
    Verdict,
)
from incident_gates.report import github

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
SITE = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA")
AT = Location("i/decision-log.json", 7, 3, 9, "")


def _finding(message: str = "m", level: str = CRITICAL, at: Location = AT, **more: Any) -> Finding:
    return Finding("MIT004", level, message, at, "Mend it", "", "", (), (), more.get("excuse"))


def _report(*found: Finding, **more: Any) -> Report:
    """A report on one record that has these findings, and nothing else."""
    incident = (
        work.hostile("x")
        .incidents[0]
        ._replace(incident_id="I-1", path="i", gates=more.pop("gates", ()), findings=found)
    )
    values = {"incidents": (incident,), "findings": (), "notices": (), **more}
    return work.hostile("x")._replace(**values)


def _annotated(report: Report, **how: Any) -> list[str]:
    return github.render(report, **how).splitlines()


# --- annotations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "place"),
    [
        (Location("f", 7, 3, 9, ""), "file=f,line=7,col=3,endColumn=9,"),
        (Location("f", 7, 3, 3, ""), "file=f,line=7,col=3,endColumn=3,"),
        (Location("f", 7, 3, 2, ""), "file=f,line=7,col=3,"),
        (Location("f", 7, 3, None, ""), "file=f,line=7,col=3,"),
        (Location("f", 7, None, 9, ""), "file=f,line=7,"),
        (Location("f", None, 3, 9, ""), "file=f,"),
        (Location("", 7, 3, 9, ""), ""),
        (Location("a,b:c%", None, None, None, ""), "file=a%2Cb%3Ac%25,"),
    ],
)
def test_an_annotation_names_the_place_as_far_as_it_is_known(at: Location, place: str) -> None:
    (said,) = _annotated(_report(_finding(at=at)))
    assert said == f"::error {place}title=Record · MIT004::m. Mend it."


@pytest.mark.parametrize(
    ("level", "command"), [(CRITICAL, "error"), (WARNING, "warning"), (INFO, "notice")]
)
def test_each_level_has_its_command(level: str, command: str) -> None:
    (said,) = _annotated(_report(_finding(level=level)))
    assert said.startswith(f"::{command} ")


def test_an_excused_finding_is_a_notice() -> None:
    excuse = Excuse("waiver", ("Kim",), "why", None, AT)
    (said,) = _annotated(_report(_finding(excuse=excuse)))
    assert said.startswith("::notice ")


def test_a_gate_that_could_not_be_judged_is_an_error() -> None:
    gates = work.hostile("x").incidents[0].gates
    broken = next(gate for gate in gates if gate.status is Status.ERROR)
    gate = broken._replace(name="Recovery Gate", number=3, summary="KeyError in REC001")
    said = "This gate could not be judged, and is not passed: "
    (told,) = _annotated(_report(gates=(gate,)))
    assert told == f"::error title=I-1 · Gate 3 Recovery::{said}KeyError in REC001."
    (told,) = _annotated(_report(gates=(gate._replace(summary=""),)))
    assert told == f"::error title=I-1 · Gate 3 Recovery::{said}no reason is known."


@pytest.mark.parametrize(
    ("code", "incidents", "notice", "said"),
    [
        (0, 1, "Two records were left out", "::notice title=Incident Gates::Two records"),
        (1, 1, "Two records were left out", "::notice title=Incident Gates::Two records"),
        (0, 0, "No record was touched", "::notice title=Incident Gates::No record"),
        (1, 0, "No record was found", "::error title=Incident Gates::No record"),
        (1, 1, "WARNING: git is not there", "::warning title=Incident Gates::git is"),
    ],
)
def test_what_is_said_of_the_run(code: int, incidents: int, notice: str, said: str) -> None:
    """A run that failed without any record is explained by its notice."""
    report = _report(exit_code=code, notices=(notice,))
    (told,) = _annotated(report._replace(incidents=report.incidents[:incidents]))
    assert told.startswith(said)


def test_a_file_that_cannot_be_pointed_at_is_named_in_the_text() -> None:
    """Of an absent file the change that made it due is shown; a line proves that it is there."""
    gone = Location("i/x.json", None, None, None, "")

    def said(at: Location, file: str = "i/d.json", path: str = "i") -> str:
        report = _report(_finding(at=at))
        incident = report.incidents[0]._replace(path=path)
        report = report._replace(incidents=(incident,))
        (told,) = _annotated(report, anchors={path: (file, 4)}, is_absent=lambda _: True)
        return told

    named = "title=I-1 · Record · MIT004::i/x.json: m. Mend it."
    assert said(gone) == f"::error file=i/d.json,line=4,{named}"
    assert said(gone, file="i/\u202ed.json") == f"::error {named}"
    assert said(gone, path="") == "::error file=i/d.json,line=4," + named.replace("I-1 · ", "")
    assert said(AT).startswith(f"::error file={AT.file},line=7,")
    hidden = said(Location("i/\u202ex.json", 7, 3, 9, ""))
    assert "::i/\\u202ex.json: m." in hidden
    assert hidden.startswith("::error file=i/d.json,line=4,")


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({CRITICAL: 11}, "1 more finding (1 error) is not annotated; "),
        ({CRITICAL: 12}, "2 more findings (2 errors) are not annotated; "),
        ({CRITICAL: 11, WARNING: 11}, "2 more findings (1 error, 1 warning) are not annotated; "),
        ({WARNING: 11, INFO: 10}, "2 more findings (1 warning, 1 notice) are not annotated; "),
        ({WARNING: 11, INFO: 9}, "1 more finding (1 warning) is not annotated; "),
        ({WARNING: 10, INFO: 10}, ""),
    ],
)
def test_what_the_budget_leaves_out_is_counted(counts: dict[str, int], said: str) -> None:
    found = [
        _finding(f"{level} {n}", level) for level, count in counts.items() for n in range(count)
    ]
    told = _annotated(_report(*found), rest="the page")
    wanted = f"::notice title=Incident Gates::{said}the page has all of them."
    assert [line for line in told if "annotated" in line] == ([wanted] if said else [])
    assert not said or told[-1] == wanted
    assert all(
        sum(line.startswith(f"::{kind} ") for line in told) <= 10 for kind in runner.ANNOTATIONS
    )


def test_each_file_has_its_turn() -> None:
    found = [
        _finding(f"{n}", at=Location(file, n, None, None, "")) for n, file in enumerate("aaab", 1)
    ]
    told = _annotated(_report(*found))
    assert [line.partition(",title")[0].removeprefix("::error file=") for line in told] == [
        "a,line=1",
        "b,line=4",
        "a,line=2",
        "a,line=3",
    ]


@pytest.mark.parametrize("wide", ["x", "\U0001f525"])
def test_the_runner_cuts_nothing_because_we_do(wide: str) -> None:
    """The runner counts in UTF-16, in which a flame is two."""
    units = len(wide.encode("utf-16-le")) // 2
    shortened: Callable[[str, int], str] = github._shortened
    assert shortened(wide * 10, 10 * units) == wide * 10
    kept = (10 * units - 2) // units
    assert shortened(wide * 10, 10 * units - 1) == wide * kept + "…"


def test_no_character_is_cut_in_two() -> None:
    assert github._shortened("\U0001f525" * 10, 18) == "\U0001f525" * 8 + "…"


def test_a_message_and_a_title_are_as_long_as_the_runner_keeps() -> None:
    said = github._command(github.Annotation(INFO, "t" * 256, "m" * 4097))
    assert said == f"::notice title={'t' * 254}…::{'m' * 4095}…"
    whole = github._command(github.Annotation(INFO, "t" * 255, "m" * 4096))
    assert whole == f"::notice title={'t' * 255}::{'m' * 4096}"


# --- outputs and the page ------------------------------------------------------------------------


@pytest.fixture(name="told")
def _told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The files that the runner reads."""
    files = {name: tmp_path / name for name in FILES}
    for name, path in files.items():
        monkeypatch.setenv(name, str(path))
    for name in SITE:
        monkeypatch.delenv(name, raising=False)
    return files


def test_outputs_are_words_numbers_and_lists() -> None:
    excuse = Excuse("waiver", ("Kim",), "why", None, AT)
    gate = work.hostile("x").incidents[0].gates[0]
    statuses = {
        "severity": Status.FAILED,
        "recovery": Status.PASSED,
        "mitigation": Status.ERROR,
        "resolution": Status.PENDING,
    }
    gates = tuple(gate._replace(id=n, status=s, findings=()) for n, s in statuses.items())
    found = (_finding(), _finding(level=WARNING), _finding(level=WARNING), _finding(level=INFO))
    report = _report(*found, _finding(excuse=excuse), gates=gates, verdict=Verdict.FAILED)
    twice = report._replace(incidents=tuple(report.incidents) * 2)
    assert hand_over.outputs(twice, ["a.json"]) == {
        "verdict": "failed",
        "incidents": '["I-1", "I-1"]',
        "failed-gates": '["severity", "mitigation"]',
        "critical": "2",
        "warnings": "4",
        "reports": '["a.json"]',
    }
    assert hand_over.outputs(report)["reports"] == "[]"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("INC-2026.03_14", "INC-2026.03_14"),
        ("$(id) `x`;\n'\"é", "__id___x______"),
        ("n" * 101, "n" * 100),
    ],
)
def test_an_id_is_safe_in_a_shell(name: str, said: str) -> None:
    report = _report()
    named = report._replace(incidents=(report.incidents[0]._replace(incident_id=name),))
    assert json.loads(hand_over.outputs(named)["incidents"]) == [said]


def test_a_thousand_ids_are_enough() -> None:
    report = _report()
    many = report._replace(incidents=tuple(report.incidents) * 1001)
    assert len(json.loads(hand_over.outputs(many)["incidents"])) == 1000


@pytest.mark.parametrize("where", ["name", "value"])
def test_an_output_that_holds_its_delimiter_is_refused(
    where: str, told: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can guess it; if somebody does, nothing is written."""

    class Guessed:
        hex = "guessed"

    monkeypatch.setattr("uuid.uuid4", Guessed)
    hostile = "x\nghadelimiter_guessed\nverdict=passed"
    values = {hostile: "a"} if where == "name" else {"a": hostile}
    with pytest.raises(CouldNotTell, match="cannot be written safely"):
        hand_over.write_outputs({"b": "c", **values})
    assert not told["GITHUB_OUTPUT"].exists()


def test_outputs_are_added_to_what_is_there(told: dict[str, Path]) -> None:
    hand_over.write_outputs({"a": "1", "b": "x\r\ny"})
    hand_over.write_outputs({"c": ""})
    written = told["GITHUB_OUTPUT"].read_bytes().decode()
    assert runner.outputs(written) == {"a": "1", "b": "x\r\ny", "c": ""}


def test_a_summary_ends_its_line_and_only_once(told: dict[str, Path]) -> None:
    hand_over.write_summary("one")
    hand_over.write_summary("two\n")
    assert told["GITHUB_STEP_SUMMARY"].read_bytes() == b"one\ntwo\n"


def test_outside_of_a_workflow_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    hand_over.write_outputs({"a": "1"})


def test_a_file_that_cannot_be_written_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path))
    with pytest.raises(CouldNotTell, match="GITHUB_OUTPUT cannot be written: Is a directory"):
        hand_over.write_outputs({"a": "1"})


def test_files_on_the_page_are_links_where_the_commit_is_known(
    told: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told
    report = _report(_finding(at=Location("i/a b.json", 7, 3, 9, "")))
    assert "http" not in hand_over.summary(report, work.GATES)
    for name, value in zip(SITE, ("https://g.example", "o/r", "abc"), strict=True):
        monkeypatch.setenv(name, value)
    tree = "https://g.example/o/r/blob/abc/i"
    assert f"({tree}/a%20b.json#L7)" in hand_over.summary(report, work.GATES)
    assert "http" not in hand_over.summary(report, work.GATES, linked=False)
    nowhere = _report(_finding(at=Location("i/a.json", None, None, None, "")))
    assert f"({tree}/a.json)" in hand_over.summary(nowhere, work.GATES)
    monkeypatch.delenv("GITHUB_SHA")
    assert "http" not in hand_over.summary(report, work.GATES)


def test_a_text_for_the_log_is_inert() -> None:
    said = hand_over.inert("::error::x\n\n")
    first, text, last = said.splitlines()
    token = first.removeprefix("::stop-commands::")
    assert (text, last) == ("::error::x", f"::{token}::")
    assert len(token) == 32
    assert said.endswith("\n")
    assert hand_over.inert("x") != hand_over.inert("x")


def test_no_verdict_is_said_everywhere(told: dict[str, Path]) -> None:
    said = hand_over.could_not_tell("50% of *it*\n::error::is gone")
    assert said == "::error title=Incident Gates::50%25 of *it* : :error: :is gone\n"
    outputs = runner.outputs(told["GITHUB_OUTPUT"].read_text(encoding="utf-8"))
    assert outputs == {
        "verdict": "error",
        "incidents": "[]",
        "failed-gates": "[]",
        "critical": "0",
        "warnings": "0",
        "reports": "[]",
    }
    page = told["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
    assert page.splitlines()[0] == "## COULD NOT TELL"
    assert "50% of \\*it\\* : :error: :is gone" in page


def test_a_long_reason_is_shown_in_full(told: dict[str, Path]) -> None:
    assert told
    assert "x" * 1000 in hand_over.could_not_tell("x" * 1000)
    assert "x" * 1000 not in hand_over.could_not_tell("x" * 1001)
    page = told["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8").split("##")
    assert "x" * 1000 in page[1]
    assert "x" * 1000 not in page[2]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CouldNotTell("git is not there"), "git is not there"),
        (ImportError("No module named x"), "No module named x"),
        (KeyError("secret"), "KeyError: this is a bug; please report it"),
    ],
)
def test_an_error_that_ends_a_run_is_announced_and_goes_on(
    error: Exception,
    said: str,
    told: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(type(error)), hand_over.announced():
        raise error
    assert capsys.readouterr().out == f"::error title=Incident Gates::{said}\n"
    assert told["GITHUB_OUTPUT"].exists()


def test_without_an_error_nothing_is_announced(
    told: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with hand_over.announced():
        pass
    assert capsys.readouterr().out == ""
    assert not told["GITHUB_OUTPUT"].exists()
