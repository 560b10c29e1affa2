"""The table of `make torture` holds each figure to its aim; each writer keeps to its section."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from junitparser.xunit2 import JUnitXml

BENCH = Path(__file__).resolve().parents[1] / "bench"
FIGURE = "<properties><property name='torture: a figure' value='{}'/></properties>"
REPORT = f"""<testsuites><testsuite name='pytest'>
<testcase name='well'>{FIGURE.format("2 of 2 · all")}</testcase>
<testcase name='ill'>{FIGURE.format("1 of 2 · all")}<failure message='one came in'/></testcase>
<testcase name='quick'>{FIGURE.format("1.9 s of CPU · at most 10 s")}</testcase>
<testcase name='slow'>{FIGURE.format("10.1 s of CPU · at most 10 s")}</testcase>
<testcase name='mute'/>
</testsuite></testsuites>"""


@pytest.fixture
def torture(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module("torture")


def test_a_figure_is_held_to_its_test_and_to_its_aim(torture: Any) -> None:
    cases = [case for suite in JUnitXml.fromstring(REPORT) for case in suite]
    assert [tuple(row) for case in cases for row in torture.handed_in(case)] == [
        ("a figure", "2 of 2", "all", True),
        ("a figure", "1 of 2", "all", False),
        ("a figure", "1.9 s of CPU", "at most 10 s", True),
        ("a figure", "10.1 s of CPU", "at most 10 s", False),
    ]


@pytest.mark.parametrize("killed", [90, 89])
def test_nine_mutants_in_ten_are_killed(
    killed: int, torture: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "survivors.yaml"
    kept.write_text(f"chain: {{of: 300, mutants: 100, killed: {killed}, survivors: []}}\n")
    monkeypatch.setattr(torture, "MUTATION", kept)
    (row,) = torture.mutated()
    assert (row.what, row.well) == ("mutants killed: chain", killed >= 90)
    assert row.figure.startswith(f"{killed}.0% of 100 tried of 300 ")


def test_scores_that_nobody_measured_are_outside_their_aim(
    torture: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torture, "MUTATION", tmp_path / "survivors.yaml")
    assert [row.well for row in torture.mutated()] == [False]


@pytest.mark.parametrize("ends", [0, 77])
def test_a_broken_target_is_named_and_ends_in_failure(
    ends: int, torture: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fuzzing, kept = torture.fuzzing, []

    def libfuzzer(target: str, _: list[str], out: Any) -> int:
        out.write(b"#9\tINITED cov: 7 ft: 9\n#8000\tNEW    cov: 11 ft: 12\n")
        if ends:
            (tmp_path / f"{target}-crash-1").touch()
        return ends

    monkeypatch.setattr(fuzzing, "FOUND", tmp_path)
    monkeypatch.setattr(fuzzing, "TARGETS", ("archive",))
    monkeypatch.setattr(fuzzing, "child", libfuzzer)
    monkeypatch.setattr(fuzzing, "possible", lambda: True)
    monkeypatch.setattr(torture, "tested", lambda: iter(()))
    monkeypatch.setattr(torture, "mutated", lambda: iter(()))
    monkeypatch.setattr(torture.results, "keep", lambda *given: kept.append(given))
    monkeypatch.setattr(sys, "argv", ["torture.py", "--write"])
    assert torture.main() == (1 if ends else 0)
    ((section, body),) = kept
    said = "**8,000 inputs, 11 branches: BROKEN: archive-crash-1**"
    assert section == "Torture"
    assert (said in body) == bool(ends)
    assert ("| 8,000 inputs, 11 branches: nothing broken |" in body) == (not ends)


def test_each_writer_keeps_the_sections_of_the_others(torture: Any, tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    for section, body in (("Speed", "slow"), ("Torture", "held"), ("Speed", "fast\n\n| a |\n")):
        torture.results.keep(section, body, page)
    said = "# Measured\n\n## Speed\n\nfast\n\n| a |\n\n## Torture\n\nheld\n"
    assert page.read_text(encoding="utf-8") == said
