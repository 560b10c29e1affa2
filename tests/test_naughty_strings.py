"""The Big List of Naughty Strings, in every place of a record and through every face of the tool.

A report and its harmless twin, in which every unusual letter is an x, must look alike.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from contextlib import suppress
from functools import cache
from itertools import count, cycle, islice
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import casework
import pytest
import reportwork as work
import runner_oracle as runner
import sarif_schema
import suitework
import test_github_comment as commenting
import test_html as offline
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from junitparser import JUnitXml
from markdown_it import MarkdownIt
from pagework import HIDING, REORDERING, Elements, check_markup, harmless, links, markup, tokens

from incident_gates import (
    __version__,
    engine,
    facts,
    merge,
    overview,
    policy,
    protocol,
    run,
    schema,
)
from incident_gates.cli import main
from incident_gates.desk.drafts import words
from incident_gates.desk.record import given
from incident_gates.discover import Selection
from incident_gates.evidence import times
from incident_gates.github import hand_over
from incident_gates.incident import Record, is_placeholder
from incident_gates.model import Shard, Verdict
from incident_gates.report import github, html, text
from incident_gates.report import markdown as summary
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from incident_gates.model import Finding, IncidentReport, Report

# What the list lacks: commands that a runner obeys in the output of a step, and Markdown.
LACKING = ("command", "old command", "carriage return", "links", "addresses", "mention", "blocks")
STRINGS = [*suitework.naughty_strings(), *(work.HOSTILE[name] for name in LACKING)]
NOW = "2026-03-20T00:00:00Z"
A_TIME = 65  # strings of a kind of place that one record holds
SHARES = 4  # files of a kind share them
RECORDS = -(-len(STRINGS) // A_TIME)
PREFIX = f"https://github.com/o/r/blob/{work.COMMIT}/"


# --- what no report may do -----------------------------------------------------------------------


def check_every_face(report: Report, twin: Report | None = None) -> None:
    """Nothing of a stranger acts in any format; the summary looks like that of a harmless twin."""
    shown = {kind: render(report) for kind, render in work.RENDERERS.items()}
    for kind, said in shown.items():
        assert said.encode(), kind
        assert not HIDING.search(said), kind
        assert kind == "github" or list(runner.commands(said)) == [], kind
    check_annotations(shown["github"])
    check_page(report, twin or harmless(report))
    check_json(shown["json"], report)
    check_junit(shown["junit"], report)


def check_annotations(said: str) -> None:
    """Each line is one annotation, and no other command."""
    seen = runner.obeyed(said)
    assert not seen.lost
    assert not seen.others
    assert len(seen.kept) == len([line for line in runner.lines(said) if line])


def check_page(report: Report, twin: Report) -> None:
    """No markup of a stranger, and no way to anywhere but the judged commit."""
    page = summary.render(report, work.GATES, work.link)
    assert not HIDING.search(page)
    found = tokens(page)
    check_markup(found)
    assert all(to.startswith(PREFIX) for to in links(found))
    assert markup(found) == markup_of(summary.render(twin, work.GATES, work.link))


@cache
def markup_of(page: str) -> list[str]:
    return markup(tokens(page))


def check_json(said: str, report: Report) -> None:
    """The very text comes back."""
    names = [incident["incident_id"] for incident in json.loads(said)["incidents"]]
    assert names == [incident.incident_id for incident in report.incidents]


def check_junit(said: str, report: Report) -> None:
    """XML that a common reader takes, a suite for each record."""
    assert ET.fromstring(said).tag == "testsuites"  # noqa: S314 - our own output
    assert len(list(JUnitXml.fromstring(said.encode()))) == len(report.incidents)


@pytest.fixture(autouse=True)
def nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on what is shown must not hide what would go wrong."""
    monkeypatch.setattr(github, "BUDGET", 10**6)
    monkeypatch.setattr(runner, "KEPT", 10**6)
    monkeypatch.setattr(text, "SHOWN_FINDINGS", 10**6)


# --- every string in every slot of a report ------------------------------------------------------


def told(texts: list[str]) -> Report:
    """A report of a record for each text, all of whose words are that text."""
    incidents = [_lean(work.hostile(said).incidents[0]) for said in texts]
    return work.hostile(texts[0])._replace(incidents=tuple(incidents), notices=tuple(texts))


def _lean(incident: IncidentReport) -> IncidentReport:
    """The same with one finding in each place, for the others look like it."""
    gates = tuple(
        gate._replace(findings=gate.findings[:1] + gate.findings[3:], needs=gate.needs[:1])
        for gate in incident.gates
    )
    return incident._replace(gates=gates, findings=incident.findings[:1])


def test_every_string_in_every_slot_of_every_report(
    record_property: Callable[[str, object], None],
) -> None:
    """Five strings a page, each in every word that a report can hold."""
    texts = [said for said in STRINGS if visible(said).strip()]
    for some in (texts[n : n + 5] for n in range(0, len(texts), 5)):
        check_every_face(told(some), told(["x"] * len(some)))
    shown = f"{len(texts)} strings in {len(work.RENDERERS)} formats · no command, no markup"
    record_property("torture: naughty strings, every slot of a report", shown)


# --- every string in every kind of place of a record ---------------------------------------------


def window(number: int) -> Iterator[str]:
    """The strings, beginning with those of one record."""
    return islice(cycle(STRINGS), number * A_TIME, None)


def strewn(record: Record, number: int) -> Record:
    """The record with each string of each file replaced; a window fills each kind of place."""
    values, texts = window(number), list(islice(window(number), A_TIME))
    for turn, path in enumerate(sorted(record.folder.glob("*.json"))):
        content = _each_string(json.loads(path.read_text("utf-8")), lambda _: next(values))
        keys = dict.fromkeys(texts[turn % SHARES :: SHARES], "an unknown key")
        path.write_text(json.dumps({**content, **keys}), "utf-8")
    for turn, path in enumerate(sorted(record.folder.glob("*.md"))):
        path.write_bytes(_markdown(texts[turn % SHARES :: SHARES]).encode())
    _waive(record.folder, texts)
    for said in texts:
        _attach(record.folder, said)
    return record


def _each_string(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _each_string(inside, change) for key, inside in value.items()}
    if isinstance(value, list):
        return [_each_string(inside, change) for inside in value]
    return change(value) if isinstance(value, str) else value


def _markdown(texts: list[str]) -> str:
    """A log in every form that one may have, each holding every string."""
    front = yaml.safe_dump({"date": "2026-03-14", "x-notes": texts}, allow_unicode=True)
    lines = ["---", front.rstrip(), "---"]
    for said in texts:
        lines += [f"## {said}", "", said, "", f"- {said}", f"- 02:13 UTC - {said}"]
        lines += [f"- Channel: {said}", "", "| Time | Channel | Message |", "|---|---|---|"]
        lines += [f"| 02:14 UTC | {said} | {said} |", f"| {said} | x | x |", ""]
    return "\n".join(lines)


def _waive(folder: Path, texts: list[str]) -> None:
    known = ("rule", "kind", "incident", "reason", "compensating_control")
    entries = [{**dict.fromkeys(known, said), said or "x": said} for said in texts]
    shown = yaml.safe_dump({"entries": entries}, allow_unicode=True)
    (folder / "waivers.yaml").write_text(shown, "utf-8")


def _attach(folder: Path, said: str) -> None:
    name = file_name(said)
    with suppress(OSError):  # what this system does not call a name
        (folder / "attachments" / name).write_bytes(b"x")
        (folder / f"decisionlog{name}.json").write_bytes(b"{}")


def file_name(said: str) -> str:
    """A string as a file may be called: no slash, no NUL, not too long."""
    cut = re.sub("[/\0]", "\u2215", said).encode()[:180]
    return f"{cut.decode(errors='ignore')}-"


def judged(record: Record) -> IncidentReport:
    limits = policy.Limits(protocol.load(), policy.Policy())
    now = times.parse(NOW)
    assert now is not None
    return engine.judge(record, limits, now.earliest, engine.Request())


@pytest.fixture(scope="module")
def strewn_records(tmp_path_factory: pytest.TempPathFactory) -> list[IncidentReport]:
    """Records in which no string is left; together they have each one in each kind of place."""
    folder = tmp_path_factory.mktemp("strewn")
    case = casework.Case(casework.CASES / "naughty")
    built = (casework.build(case, folder / str(number)) for number in range(RECORDS))
    return [judged(strewn(record, number)) for number, record in enumerate(built)]


# --- records whose order stands, in other words --------------------------------------------------

# Keys under which people write freely; what they say there is said everywhere by the same string.
FREE = {
    *("name", "id", "service", "services", "reason", "description", "evidence", "rationale"),
    *("scope", "objective", "observed", "command", "output", "change_reference", "method"),
    *("reference", "channel", "alert", "resolution", "trigger", "contributing_factors"),
    *("observation", "environment", "release", "rollback_target", "target", "customer_impact"),
    *("source", "propagation_evidence", "action", "message", "accepted_by", "title"),
}
MOMENTS = ("time_to_detect", "time_to_mitigate", "time_to_resolve")


def failing_cases() -> list[casework.Case]:
    """For each rule the first case in which it finds something."""
    found = (
        next(filter(_plain_and_failing, map(casework.load, sorted(rule.iterdir()))), None)
        for rule in sorted(casework.CASES.iterdir())
        if rule.is_dir()
    )
    return [case for case in found if case]


def _plain_and_failing(case: casework.Case) -> bool:
    plain = not {"git", "seal", "amend", "link"} & case.data.keys()
    return plain and f" {case.rule} " in case.expected


def reworded(record: Record, texts: Iterator[str]) -> Record:
    """The record with other words for all that is free: equal words stay equal."""
    held = {path: _loaded(path) for path in sorted(record.folder.glob("*.[jy]*"))}
    free = dict.fromkeys(said for content in held.values() for said in _free(content))
    renamed = dict(zip(free, texts, strict=False))
    for path, content in held.items():
        path.write_text(json.dumps(_each_string(content, lambda s: renamed.get(s, s))), "utf-8")
    for path in record.folder.glob("*.md"):
        said = re.sub(r"[A-Z][a-z]+\b", lambda m: renamed.get(m[0], m[0]), path.read_text("utf-8"))
        path.write_bytes(said.encode())
    return record


def _loaded(path: Path) -> Any:
    """What a file holds; one that is broken on purpose stays as it is, as a text."""
    content = path.read_text("utf-8", errors="replace")
    try:
        if path.suffix == ".json":
            return json.loads(content)
        return casework._strings_for_times(yaml.safe_load(content))
    except (ValueError, yaml.YAMLError):
        return content


def _free(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from _free(inside, name)
    elif isinstance(value, list):
        for inside in value:
            yield from _free(inside, key)
    elif isinstance(value, str) and key in FREE and value not in MOMENTS:
        yield value


def telling(number: int) -> Iterator[str]:
    """The strings that are not taken for a blank; another beginning for each record."""
    return (said for said in window(number) if said.strip() and not is_placeholder(said))


@pytest.fixture(scope="module")
def reworded_records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, IncidentReport]:
    """A record for each rule that finds something, retold in naughty strings."""
    folder = tmp_path_factory.mktemp("reworded")
    found = {}
    for number, case in enumerate(failing_cases()):
        record = casework.build(case, folder / case.rule)
        found[case.rule] = _only(case.rule, judged(reworded(record, telling(number))))
    return found


def _only(rule: str, report: IncidentReport) -> IncidentReport:
    """What one rule has to say; the rest is in the records above."""

    def said(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        return tuple(finding for finding in findings if finding.rule == rule)

    gates = tuple(
        gate._replace(findings=said(gate.findings), needs=said(gate.needs)) for gate in report.gates
    )
    return report._replace(gates=gates, findings=said(report.findings))


def groups(reports: list[IncidentReport], size: int = 10) -> Iterator[Report]:
    """Reports of some records each."""
    for first in range(0, len(reports), size):
        yield work.wrap(*reports[first : first + size])


def test_every_string_in_every_kind_of_place(
    strewn_records: list[IncidentReport], record_property: Callable[[str, object], None]
) -> None:
    """JSON values and keys, headings, items, cells, front matter, YAML, and names of files."""
    for report in groups(strewn_records, 1):
        assert report.verdict is Verdict.FAILED, [
            gate.summary for gate in report.incidents[0].gates
        ]
        assert schema.fits("report", json.loads(work.RENDERERS["json"](report)))
        check_every_face(report)
    count = sum(len(report.all_findings) for report in strewn_records)
    shown = f"{len(STRINGS)} strings, {count:,} findings quote them · no command, no markup"
    record_property("torture: naughty strings, every place of a record", shown)


def test_what_every_rule_says_of_them(
    reworded_records: dict[str, IncidentReport], record_property: Callable[[str, object], None]
) -> None:
    """A fault is still found when all names are naughty, and told without harm."""
    still = [rule for rule, report in reworded_records.items() if report.all_findings]
    assert len(still) >= 0.8 * len(reworded_records)
    for report in groups(list(reworded_records.values())):
        check_every_face(report)
    shown = (
        f"{len(still)} of {len(reworded_records)} still find their fault · no command, no markup"
    )
    record_property("torture: naughty strings, what rules say", shown)


def test_every_string_as_the_name_of_an_incident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders are named by anybody; outputs and summary hold no name that acts."""
    root = tmp_path / ".artifacts/incidents"
    for said in STRINGS:
        folder = root / file_name(said)
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "resolution-summary.json").write_text("{", "utf-8")
    report = run.run(run.Job(Selection((str(root),)), engine.Request(), as_of=NOW))
    assert len(report.incidents) == len(list(root.iterdir())) > 1
    for group in groups(list(report.incidents), 100):
        check_every_face(group)
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    hand_over.write_outputs(hand_over.outputs(report))
    told = runner.outputs((tmp_path / "output").read_text("utf-8"))
    assert told.keys() == hand_over.outputs(report).keys()
    assert re.fullmatch(r'\["[\w.-]+"(, "[\w.-]+")*\]', told["incidents"], re.ASCII)


# --- reports that are read again ----------------------------------------------------------------


# What every report of a run that was split says of it; it lets the report be read again.
ASKED: dict[str, Any] = {
    **dict.fromkeys(("root", "as_of", "scope")),
    **dict.fromkeys(("strict", "history"), False),
    **dict.fromkeys(("paths", "incidents", "gates"), ()),
    "flags": {},
}


def test_what_is_joined_says_what_one_run_says(
    strewn_records: list[IncidentReport], tmp_path: Path
) -> None:
    """A report that is read back looks the same in every format; its faces are looked at above."""
    file = tmp_path / "report.json"
    shard = Shard(1, 1, 1, (0,), "ab" * 32, None, ASKED)
    known = protocol.load()
    ours = (str(known.data["id"]), known.version, known.sha256)
    for report in groups(strewn_records[::2], 1):
        written = report._replace(tool_version=__version__, protocol=ours, shard=shard)
        file.write_text(work.RENDERERS["json"](written), "utf-8", newline="")
        read, _ = merge.read(file)
        for kind, render in work.RENDERERS.items():
            assert render(read) == render(written), kind


def test_every_string_on_a_page_of_many_repositories() -> None:
    """Why a repository is not known, and where the policy stands: one row, no other markup."""
    for said in STRINGS:
        shown = overview_of(said)
        page = overview.render(shown, "markdown")
        assert markup_of(page) == markup_of(overview.render(overview_of("x"), "markdown"))
        for kind in ("text", "markdown", "json"):
            printed = overview.render(shown, kind)
            assert not HIDING.search(printed)
            assert list(runner.commands(printed)) == []


def overview_of(said: str) -> overview.Overview:
    """A page of one repository whose report nobody could read."""
    judged_by = work.wrap()._replace(policy=(said, "cd" * 32))
    row = overview.Row("octo/service", Verdict.ERROR, said, said)
    return overview.Overview(Verdict.ERROR, 3, (row,), judged_by)


def test_every_string_as_a_report_of_somebody_else(typed: Typed) -> None:
    """A file called like it, with it inside, is refused without harm."""
    base, entries = json.loads(work.RENDERERS["json"](work.wrap())), []
    for number, said in enumerate(STRINGS):
        name = f"{file_name(said)}{number}.json"
        with suppress(OSError):  # what this system does not call a name
            (typed.site / name).write_text(json.dumps({**base, "verdict": said}), "utf-8")
            entries.append(f"octo/service-{number}={name}")
            assert typed.run("check", "--merge", name) == 3
    assert len(entries) > 0.9 * len(STRINGS)
    assert typed.run("overview", *entries) == 3


# --- formats with a schema of their own ----------------------------------------------------------


def test_code_scanning_gets_what_its_schema_asks(
    strewn_records: list[IncidentReport], reworded_records: dict[str, IncidentReport]
) -> None:
    """The official schema of SARIF, and addresses that are plain."""
    asked = Draft202012Validator(sarif_schema.official())
    for report in groups([*strewn_records[:2], *reworded_records.values()], 40):
        log = json.loads(work.RENDERERS["sarif"](report))
        asked.validate(log)
        for result in log["runs"][0]["results"]:
            place = result["locations"][0]["physicalLocation"]["artifactLocation"]
            assert re.fullmatch(r"[\w/.~%-]*", place["uri"], re.ASCII)
            assert "](" not in result["message"]["text"]


def test_the_offline_page_gets_no_element(reworded_records: dict[str, IncidentReport]) -> None:
    """The same elements with the same attributes as its harmless twin."""
    for report in list(reworded_records.values())[:40]:
        page = html.render(report, offline.about())
        assert not HIDING.search(page)
        twin = html.render(harmless(report), offline.about())
        assert Elements(page).found == Elements(twin).found


# --- the comment on a pull request ---------------------------------------------------------------


def test_the_comment_is_a_list_of_plain_text() -> None:
    """Ten annotations a comment, each a naughty file, title and message: ten items, one link."""
    for some in (STRINGS[n : n + 10] for n in range(0, len(STRINGS), 10)):
        given = [
            {**commenting.annotation(f"x {said}", f"{said} MIT004"), "path": said} for said in some
        ]
        [made] = commenting.written(commenting.calls(given, []))
        body = made["parameters"]["body"].removeprefix("<!-- incident-gates -->\n")
        found = tokens(body)
        assert links(found) == ["https://github.com/octo/service/actions/runs/3"]
        assert [t.type for t in found].count("list_item_open") == len(some)
        assert set(markup(found)) <= COMMENT
        assert not HIDING.search(body)


COMMENT = {
    *("paragraph_open", "paragraph_close", "inline", "strong_open", "strong_close", "link_open"),
    *("link_close", "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"),
}


# --- what the desk says and writes ---------------------------------------------------------------


class Typed:
    """A repository with a record in it, and somebody who types commands."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self.folder = site / ".artifacts/incidents/INC-2026-0042"
        subprocess.run(["git", "init", "-q", str(site)], check=True)

    def start(self, example: str) -> None:
        """Begins with an example, whatever was there before."""
        shutil.rmtree(self.site / ".artifacts", ignore_errors=True)
        shutil.copytree(casework.EXAMPLES / example, self.site, dirs_exist_ok=True)

    def record(self) -> Record:
        return Record(self.folder, site=self.site, base=self.site, protocol=protocol.load())

    def run(self, *arguments: str) -> int:
        """The exit code of a command; what it said must not have acted."""
        said = CliRunner().invoke(main, arguments, env={"INCIDENT_GATES_DEBUG": "1"})
        assert said.exit_code in (0, 1, 2, 3), said.output
        assert not HIDING.search(said.output)
        assert list(runner.commands(said.output)) == []
        return said.exit_code


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.chdir(tmp_path)
    return Typed(tmp_path)


def test_every_string_as_a_topic(typed: Typed) -> None:
    """What is not known is said back without harm."""
    assert {typed.run("explain", said) for said in STRINGS} <= {0, 2}


def test_every_string_typed_into_a_log(typed: Typed) -> None:
    """Each notice is read back as it was typed, and the log is one table without other markup."""
    typed.start("in-progress-2")
    before = notices(typed)
    typing = [
        (given.line(first), given.line(f"said {' '.join(rest)}"))
        for first, *rest in (STRINGS[n : n + 4] for n in range(0, len(STRINGS), 4))
    ]
    command = ("record", "notice", "--audience", "sre_on_call")
    written = [
        (channel, message)
        for channel, message in typing
        if typed.run(*command, f"--channel={channel}", f"--message={message}") == 0
    ]
    assert len(written) > 0.8 * len(typing)
    assert Counter(notices(typed)) - Counter(before) == Counter(written)
    shown = (typed.folder / "communication-log.md").read_text("utf-8")
    assert not REORDERING.search(shown)
    assert set(drafted(shown)) <= LOG


LOG = {
    *("heading_open", "heading_close", "table_open", "table_close", "thead_open", "thead_close"),
    *("tbody_open", "tbody_close", "tr_open", "tr_close", "th_open", "th_close", "td_open"),
    *("td_close", "inline"),
}


def notices(typed: Typed) -> list[tuple[str, str]]:
    """Channel and message of each notice, as the gates read them."""
    return [(notice.channel, notice.message) for notice in facts.notices(typed.record())[0]]


@pytest.mark.parametrize("said", [said for said in work.HOSTILE.values() if said])
def test_a_draft_takes_text_for_text(said: str) -> None:
    """At the beginning of an item and inside it: no list, heading, code or link."""
    for frame in ("- {}", "- Trigger: {}"):
        assert drafted(frame.format(words.inline(said))) == drafted(frame.format("x"))


@pytest.mark.parametrize("number", range(0, RECORDS, 4))
def test_what_is_told_and_drafted_of_a_record(number: int, typed: Typed) -> None:
    """Status, drafts, pages of a package: marked up like those of a record in plain words."""
    plain = written(typed, (f"word {n}" for n in count()))
    for name, page in written(typed, telling(number)).items():
        assert not HIDING.search(page)
        assert drafted(page) == drafted(plain[name]), name


PAGES = (
    *("incident-timeline.md", "INCIDENT-REPORT.md", "retrospective.md"),
    *("quality-metrics.md", "handoff.md"),
)


def written(typed: Typed, texts: Iterator[str]) -> dict[str, str]:
    """What the tool writes about a record that is told in other words."""
    typed.start("complete")
    reworded(typed.record(), texts)
    for name in PAGES:
        (typed.folder / name).unlink(missing_ok=True)
    for face in (("status",), ("status", "--format", "json"), ("check",), ("aggregate",)):
        typed.run(*face)
    for what in ("timeline", "report", "retrospective"):
        assert typed.run("new", what, "--incident", typed.folder.name) == 0
    return {path.name: path.read_text("utf-8") for path in map(typed.folder.joinpath, PAGES)}


def drafted(page: str) -> list[str]:
    """The markup of a file, as a reader of Markdown sees it; bare addresses may be links."""
    body = page.split("\n---\n", 1)[-1]
    top = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(body)
    return markup([part for token in top for part in (token, *(token.children or ()))])
