"""Reports for the tests of reporters: from records, and from nothing but one hostile text."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import casework
import pytest

from incident_gates import run
from incident_gates.model import (
    CRITICAL,
    INFO,
    WARNING,
    Assurance,
    Excuse,
    Finding,
    GateReport,
    IncidentReport,
    Link,
    Location,
    Metric,
    Report,
    Status,
    Verdict,
)
from incident_gates.report import github, json_report, junit, markdown, sarif, text

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parent / "golden"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
RULES = run.rule_texts()
GATES = run.gate_texts()

# Everything that was ever used to break out of a log, a page, XML or a file name.
HOSTILE = {
    "command": "a\n::error::PWN",
    "old command": "##[add-matcher]x",
    "doubled": "###[add-matcher]x :::error::PWN",
    "escaped": "%0A::set-output name=verdict::passed",
    "carriage return": "a\r::stop-commands::x\r::add-mask::a",
    "wrapped": f"{'x' * 60} ::error::PWN {'y' * 90}::error::PWN {'z' * 77} ::add-mask::a",
    "unseen": "\u200b::error::PWN #\u034f#\u00ad[add-mask]a \ufe0f:\ufe0f:error::PWN",
    "right to left": "\u202eabc\u2066def\u200f",
    "cdata": "]]></failure><testcase name='x'/>",
    "tag": "<img src=x onerror=alert(1)><script>x</script></details><!-- &lt;b&gt; &#64;",
    "links": "[a](https://evil.example) ![b](https://evil.example/x.png) <https://evil.example>",
    "addresses": "https://evil.example www.evil.example ftp://evil.example mailto:me@evil.example",
    "mention": "@octocat @github/security #1 GH-1 owner/repo#2 $a$ `@x` ``@y``",
    "blocks": "# h\n- x\n\n---\n| a | b |\n|---|---|\n```\ncode\n```\n> q\n1. y\n    z",
    "inline": "*a* **b** _c_ ~~d~~ `e` \\*f\\* [g]: h ||i|| $$x$$ {0} [x](0)",
    "first": "- [ ] x",
    "number": "1. x",
    "number alone": "0",
    "blank": "    x",
    "long": "n" * 5000,
    "long and wide": "\U0001f525" * 5000,
    "lone surrogate": "a\ud800b\udcffc",
    "controls": "\x00\x01\x1b[31mred\x7f\x85\u2028\ufffe\uffff",
    "empty": "",
}


def from_case(name: str, tmp_path: Path) -> IncidentReport:
    """The report on a case of tests/cases."""
    return casework.judge(casework.load(casework.CASES / name), tmp_path)


def from_example(name: str, now: str, tmp_path: Path, **data: Any) -> IncidentReport:
    """The report on an example, as of a moment."""
    case = casework.Case(casework.CASES / name, {"base": name, "now": now, **data})
    return casework.judge(case, tmp_path)


def wrap(*incidents: IncidentReport, notices: tuple[str, ...] = ()) -> Report:
    """A report around records, of fixed versions, so that a release changes no golden file."""
    verdicts = {incident.verdict for incident in incidents}
    verdict = next((v for v in run.WORST_FIRST if v in verdicts), Verdict.NOT_APPLICABLE)
    code = run.EXIT_CODES[verdict]
    protocol, as_of = ("17", "1.0.0", "ab" * 32), "2026-03-20T00:00:00Z"
    return Report("1.2.3", protocol, (None, None), as_of, "due", verdict, code, incidents, notices)


def link(file: str, line: int | None) -> str:
    """Where a file of the judged commit can be seen."""
    return f"https://github.com/o/r/blob/{COMMIT}/{file}{f'#L{line}' if line else ''}"


RENDERERS: dict[str, Callable[[Report], str]] = {
    "github": lambda report: github.render(report, is_absent=lambda _: False),
    "markdown": lambda report: markdown.render(report, GATES),
    "json": json_report.render,
    "sarif": lambda report: sarif.render(report, RULES),
    "junit": junit.render,
    "text": lambda report: text.render(report, GATES),
}


def golden(name: str, said: str, *, accept: bool) -> None:
    """Compares with a golden file; ``--accept`` writes it."""
    path = GOLDEN / name
    if accept:
        path.write_bytes(said.encode())
    wanted = path.read_bytes().decode() if path.is_file() else ""
    if said != wanted:
        rows = difflib.unified_diff(wanted.splitlines(), said.splitlines(), "golden", "now", n=1)
        pytest.fail("\n".join([f"{name} differs (--accept writes it)", *rows]), pytrace=False)


# --- reports made of one text --------------------------------------------------------------------


def finding(said: str, level: str = CRITICAL, **changes: Any) -> Finding:
    """A finding every word of which is the same."""
    return Finding(
        changes.get("rule", "MIT004"),
        level,
        said,
        changes.get("location", Location(said, 3, 5, 9, said)),
        said,
        said,
        said,
        (said, said),
        (said,),
        changes.get("excuse"),
    )


def hostile(said: str, verdict: Verdict = Verdict.FAILED) -> Report:
    """A report every free word of which is the same, in every state that a gate can have."""
    excuse = Excuse("deviation", (said, said), said, said, Location(said, 1, 1, 2, said))
    found = (finding(said), finding(said, WARNING), finding(said, INFO))
    nowhere = finding(said, location=Location(said))
    gates = tuple(
        GateReport(
            name,
            number,
            f"{name.capitalize()} Gate",
            status,
            status is not Status.PENDING,
            said,
            (Metric("share", 0.5, 0.95, "ratio", ">="), Metric("wait", None, 5, "minutes", "<=")),
            (*found, nowhere) if status is Status.FAILED else (),
            found if status is Status.PENDING else (),
        )
        for number, (name, status) in enumerate(
            (
                ("prerequisites", Status.ERROR),
                ("severity", Status.FAILED),
                ("mitigation", Status.PENDING),
                ("recovery", Status.NOT_APPLICABLE),
                ("resolution", Status.PASSED),
            )
        )
    )
    waived = gates[4]._replace(status=Status.WAIVED, findings=(finding(said, excuse=excuse),))
    order = ("start", "not_provable", "contradicted")
    line = tuple(
        Link("executed", said, said, said, said, said, said, Location(said, 1), o, said)
        for o in order
    )
    incident = IncidentReport(
        said,
        said,
        said,
        said,
        2,
        said,
        verdict,
        line,
        (*gates[:4], waived),
        found,
        (said,),
        Assurance((said,), (said,), (said,)),
    )
    return wrap(incident, notices=(said, f"WARNING: {said}"))._replace(policy=(said, "cd" * 32))
