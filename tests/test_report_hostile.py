"""Whatever evidence says, a report obeys its format, and the runner obeys nothing in it."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest
import reportwork as work
import runner_oracle as runner
import sarif_schema
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from junitparser import JUnitXml
from pagework import ALLOWED_TAGS, HIDING, blocks, check_markup, gfm, links, tokens

from incident_gates.model import CRITICAL, INFO, WARNING, Location, Report, Verdict
from incident_gates.report import github, json_report, junit, markdown, sarif
from incident_gates.report.escape import markdown as escaped
from incident_gates.report.escape import plain, uri, visible

ON_STDOUT = sorted(set(work.RENDERERS) - {"github"})
HOSTILE = [pytest.param(text, id=name) for name, text in work.HOSTILE.items()]
PIECES = [*work.HOSTILE.values(), "::", "##[", "%0A", "\r", "`", "\\", "|", "](", "<", "@", "&"]
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=80),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=6).map("".join),
)


# --- the runner ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ON_STDOUT)
@pytest.mark.parametrize("said", HOSTILE)
def test_no_report_but_annotations_speaks_to_the_runner(said: str, kind: str) -> None:
    """Printed in a workflow, a report holds no command in either form."""
    shown = work.RENDERERS[kind](work.hostile(said))
    assert list(runner.commands(shown)) == []
    assert shown.encode()


def check_annotations(report: Report) -> runner.Seen:
    """Each line is one annotation of ours, and all of them are kept."""
    shown = work.RENDERERS["github"](report)
    assert shown.encode()
    assert "##[" not in shown
    assert not HIDING.search(shown)
    seen = runner.obeyed(shown)
    assert len(seen.kept) == len([line for line in runner.lines(shown) if line])
    assert not seen.lost
    assert not seen.others
    for command in seen.kept:
        assert command.properties.keys() <= {"file", "line", "col", "endcolumn", "title"}
        assert plain(command.properties.get("file", ""))
        assert len(command.data.encode("utf-16-le")) <= 2 * runner.LONGEST
    return seen


@pytest.mark.parametrize("said", HOSTILE)
def test_annotations_are_the_only_commands(said: str) -> None:
    """No text ends a command, begins one, or adds a property."""
    check_annotations(work.hostile(said))


@given(TEXTS)
@settings(max_examples=50, deadline=None)
def test_any_text_in_every_log(said: str) -> None:
    """What the table of hostile texts does not think of."""
    report = work.hostile(said)
    check_annotations(report)
    for kind in ON_STDOUT:
        assert list(runner.commands(work.RENDERERS[kind](report))) == []


@given(TEXTS)
def test_visible_text_can_be_cut_anywhere(said: str) -> None:
    """Wherever a text is wrapped, no line of it begins with a command."""
    shown = visible(said)
    assert "::" not in shown
    assert "##[" not in shown
    assert visible(shown, len(shown)) == shown


# --- the budget ----------------------------------------------------------------------------------


def many(levels: dict[str, int], files: int) -> Report:
    """A report with so many findings of each level, spread over some files."""
    found = tuple(
        work.finding(
            f"{level} {number}", level, location=Location(f"f{number % files}", number + 1)
        )
        for level, count in levels.items()
        for number in range(count)
    )
    report = work.hostile("x")
    incident = report.incidents[0]._replace(gates=(), findings=found)
    return report._replace(incidents=(incident,), notices=())


def test_the_budget_goes_to_the_worst_and_to_every_file_first() -> None:
    """Ten of each kind; of twelve files the first ten; the last notice counts the rest."""
    seen = runner.obeyed(github.render(many({INFO: 30, WARNING: 12, CRITICAL: 40}, 12)), 1)
    names = [command.name for command in seen.kept]
    assert [names.count(kind) for kind in runner.ANNOTATIONS] == [10, 10, 10]
    assert names == sorted(names, key=runner.ANNOTATIONS.index)
    files = [command.properties["file"] for command in seen.kept if command.name == "error"]
    assert len(set(files)) == 10
    said = "53 more findings (30 errors, 2 warnings, 21 notices) are not annotated; "
    assert seen.kept[-1].data == f"{said}the step summary has all of them."
    assert [command.data for command in seen.lost] == ["Process completed with exit code 1."]


def test_nothing_is_said_to_be_hidden_when_nothing_is() -> None:
    """Ten of a kind fit, all in one file."""
    seen = runner.obeyed(github.render(many({CRITICAL: 10, INFO: 10}, 1)))
    assert [command.name for command in seen.kept] == ["error"] * 10 + ["notice"] * 10


def test_a_file_that_is_absent_is_shown_where_the_change_made_it_due() -> None:
    """At the anchor of its incident; without one, at no file, with its path in the message."""
    report = many({CRITICAL: 1}, 1)
    finding = work.finding("gone", location=Location("i/rca-manifest.json"))
    incident = report.incidents[0]._replace(path="i", findings=(finding,))
    report = report._replace(incidents=(incident,))
    at = [
        runner.obeyed(github.render(report, anchors, is_absent=lambda _: True)).kept[0]
        for anchors in ({"i": ("i/resolution-summary.json", 10)}, {})
    ]
    assert (at[0].properties["file"], at[0].properties["line"]) == (
        "i/resolution-summary.json",
        "10",
    )
    assert at[1].properties.keys() == {"title"}
    assert all(command.data.startswith("i/rca-manifest.json: gone. ") for command in at)


def test_a_run_that_failed_without_a_record_says_why() -> None:
    """No red step without a reason beside it."""
    report = work.wrap(notices=("There is no incident here.",))
    failed = report._replace(verdict=Verdict.FAILED, exit_code=1)
    seen = runner.obeyed(github.render(failed))
    assert [(c.name, c.data) for c in seen.kept] == [("error", "There is no incident here.")]


# --- Markdown ------------------------------------------------------------------------------------


def check_page(report: Report) -> None:
    """A page holds our own markup alone, and links to the judged commit alone."""
    page = markdown.render(report, work.GATES, work.link)
    found = tokens(page)
    leading = links(found)
    assert all(to.startswith(f"https://github.com/o/r/blob/{work.COMMIT}/") for to in leading)
    assert len(leading) == page.count("](https://github.com/")
    check_markup(found)
    assert not HIDING.search(page)
    assert blocks(found) == PLAIN_SHAPE


def _shape(said: str) -> list[str]:
    page = markdown.render(work.hostile(said), work.GATES, work.link)
    return blocks(tokens(page))


PLAIN_SHAPE = _shape("x")


@pytest.mark.parametrize("said", [p for p in HOSTILE if p.id != "empty"])
def test_a_page_keeps_its_shape(said: str) -> None:
    """The same blocks, and no other tag or link, whatever the evidence says."""
    check_page(work.hostile(said))


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_escaped_markdown_reads_as_the_text(said: str) -> None:
    """Rendered, a text is itself: no markup, no link, in a line, an item or a cell."""
    wanted = visible(said).strip().replace("`", "")
    for frame in ("{}", "- {}", "**{}** x", "| a |\n|---|\n| {} |"):
        inline = [t for t in gfm().parse(frame.format(escaped(said))) if t.type == "inline"]
        parts = [child for token in inline for child in token.children or ()]
        kinds = {t.type for t in parts} - {"text", "text_special", "code_inline", "html_inline"}
        assert kinds <= {"strong_open", "strong_close"}
        assert {t.content for t in parts if t.type == "html_inline"} <= ALLOWED_TAGS
        shown = "".join(t.content for t in parts if t.type != "html_inline")
        assert wanted in shown.replace("`", "")


def test_a_page_never_grows_beyond_its_limit_and_says_what_it_left_out() -> None:
    """Two thousand records of wide text: cut, closed, and said."""
    report = work.hostile("\U0001f525" * 5000)
    notices = ("$" * 5000,) * 100
    many_records = report._replace(incidents=tuple(report.incidents) * 2000, notices=notices)
    page = markdown.render(many_records, work.GATES, work.link)
    assert len(page.encode()) <= markdown.LIMIT
    assert page.count("<details>") == page.count("</details>")
    last = page.splitlines()
    assert any(line.startswith("**Cut to fit: ") and " sections" in line for line in last)
    assert last[-1].startswith("<sub>incident-gates ")


# --- SARIF, JUnit, JSON --------------------------------------------------------------------------


@pytest.mark.parametrize("said", HOSTILE)
def test_sarif_fits_its_schema(said: str) -> None:
    """The official schema; one stable, unique fingerprint a result; addresses that are relative."""
    log = json.loads(work.RENDERERS["sarif"](work.hostile(said)))
    Draft202012Validator(sarif_schema.official()).validate(log)
    results = log["runs"][0]["results"]
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in results]
    assert len(set(prints)) == len(prints) == 8
    for result in results:
        place = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert re.fullmatch(r"[\w/.~%-]*", place["uri"], re.ASCII)
        assert "](" not in result["message"]["text"]


def test_a_fingerprint_stays_when_lines_move() -> None:
    """A line inserted above must not close one alert and open another."""
    prints = []
    for line in (3, 9):
        report = work.hostile("x")
        gates = tuple(
            gate._replace(
                findings=tuple(
                    work.finding("x", f.level, location=f.location._replace(line=line))
                    for f in gate.findings
                )
            )
            for gate in report.incidents[0].gates
        )
        moved = report._replace(incidents=(report.incidents[0]._replace(gates=gates),))
        results = sarif.as_data(moved, work.RULES)["runs"][0]["results"]
        prints.append([result["partialFingerprints"] for result in results])
    assert prints[0] == prints[1]


def test_sarif_keeps_the_worst_and_says_what_it_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many results as GitHub takes."""
    monkeypatch.setattr(sarif, "MOST_RESULTS", 7)
    log = sarif.as_data(many({INFO: 5, CRITICAL: 5}, 3), work.RULES)
    Draft202012Validator(sarif_schema.official()).validate(log)
    run = log["runs"][0]
    assert [result["level"] for result in run["results"]] == ["error"] * 5 + ["note"] * 2
    said = run["invocations"][0]["toolExecutionNotifications"][-1]["message"]["text"]
    assert said.startswith("3 more findings are not in this file")


def test_every_rule_has_what_code_scanning_shows() -> None:
    """Short and full description, help in both forms, a level."""
    log = sarif.as_data(work.wrap(), work.RULES, "https://example.org/docs/rules.md")
    Draft202012Validator(sarif_schema.official()).validate(log)
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(work.RULES)
    for rule in rules:
        assert rule["shortDescription"]["text"].endswith(".")
        assert rule["helpUri"] == f"https://example.org/docs/rules.md#{rule['id'].lower()}"
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["help"]["markdown"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")


def test_a_path_that_is_no_utf_8_keeps_its_bytes_in_an_address() -> None:
    """As git and the file system know it."""
    assert uri("a b/\udcff#é.json") == "a%20b/%FF%23%C3%A9.json"


@pytest.mark.parametrize("said", HOSTILE)
def test_junit_is_xml_that_a_common_parser_reads(said: str) -> None:
    """Gates that failed, could not tell, and were not passed are told apart and counted."""
    text = work.RENDERERS["junit"](work.hostile(said))
    assert ET.fromstring(text).tag == "testsuites"  # noqa: S314 - our own output
    parsed = JUnitXml.fromstring(text.encode())
    suites = list(parsed)
    assert (parsed.tests, parsed.errors, parsed.failures, parsed.skipped) == (6, 1, 2, 3)
    assert [len(list(suite)) for suite in suites] == [6]


def test_junit_of_a_run_that_judged_nothing_is_not_green() -> None:
    """An empty file would be."""
    failed = work.wrap(notices=("There is no incident here.",))._replace(exit_code=1)
    parsed = JUnitXml.fromstring(junit.render(failed).encode())
    assert (parsed.tests, parsed.failures) == (1, 1)


@pytest.mark.parametrize("said", HOSTILE)
def test_json_keeps_the_text_itself(said: str) -> None:
    """Escaped for the log, and yet the same text to a reader."""
    data = json.loads(work.RENDERERS["json"](work.hostile(said)))
    assert data["incidents"][0]["incident_id"] == said
    assert data == json.loads(json.dumps(json_report.as_data(work.hostile(said))))
    assert data["incidents"][0]["findings"][0]["level"] == CRITICAL
