"""Judges a bundled real incident as a newcomer sees it; exits 0 on the expected verdict."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _checkout import SOURCE

sys.path.insert(0, str(SOURCE))
EXAMPLES = SOURCE.parent / "examples"
WIDTH = 80
MOST = 5
DOES_NOT_PROVE = (
    "This shows where the public record stops. It does not judge the team, who may have all of it "
    "in records of their own; and a pass would prove only that a record is complete and does not "
    "contradict itself."
)

if TYPE_CHECKING:
    from incident_gates.model import Finding, IncidentReport, Report


def main(arguments: list[str]) -> int:
    """Prints the demonstration; another list of examples may be named, for the tests."""
    import yaml

    from incident_gates.report import text
    from incident_gates.terminal import coloured, put

    listed = Path(arguments[0]) if arguments else EXAMPLES / "examples.yaml"
    catalogue = yaml.safe_load(listed.read_text(encoding="utf-8"))
    demo = catalogue["demo"]
    example = next(e for e in catalogue["examples"] if e["name"] == demo["example"])
    report = judged(example)
    [incident] = report.incidents
    only = chosen(incident, demo["shows"])
    # The protocol's block for each failed gate is left out: five of them are a page.
    body = text.render(report, {}, colour=coloured(sys.stdout), only=only)
    put(f"{before(demo)}\n{body}\n{after(example)}")
    expected = report.verdict.value == example["verdict"] and report.exit_code == example["exit"]
    if not expected:
        print(f"The verdict is {report.verdict.value}, not {example['verdict']}.", file=sys.stderr)
    return 0 if expected else 1


def judged(example: dict[str, Any]) -> Report:
    """The report that ``check`` makes of an example."""
    from incident_gates.discover import Selection
    from incident_gates.engine import Request
    from incident_gates.run import Job, run

    selection = Selection((str(EXAMPLES / example["name"]),))
    request = Request(example.get("require", "due"))
    return run(Job(selection, request, as_of=example["as_of"]))


def chosen(incident: IncidentReport, shows: list[str]) -> list[Finding]:
    """The findings to print: the first that fits each entry."""
    found = incident.all_findings
    wanted = [entry.partition(" ")[::2] for entry in shows[:MOST]]
    firsts = (
        next((f for f in found if f.rule == rule and subject in ("", f.subject)), None)
        for rule, subject in wanted
    )
    return [finding for finding in firsts if finding]


def before(demo: dict[str, Any]) -> str:
    """What happened, and what is asked."""
    question = (
        "Was severity agreed, the plan ready and the rollback approved before anyone ran it? "
        "Here is what the published post-mortem shows:"
    )
    return f"{filled(demo['story'])}\n{demo['source']}\n\n{filled(question)}\n"


def after(example: dict[str, Any]) -> str:
    """What was never published, what this shows and does not prove, and what to type next."""
    values, files = unpublished(EXAMPLES / example["name"])
    paragraphs = (
        f"{values} facts and {files} files were never published: N/A in the record, never guessed.",
        DOES_NOT_PROVE,
    )
    names = {
        "every finding": example["name"],
        "a record in order": "complete",
        "approved too late": "contradictions",
    }
    command = ".venv/bin/python scripts/run_protocol_13_gates.py examples/"
    lines = [f"  # {what}\n  {command}{name}" for what, name in names.items()]
    return "\n".join((*(filled(p) + "\n" for p in paragraphs), "Type next:", *lines, ""))


def unpublished(folder: Path) -> tuple[int, int]:
    """How many values of an example are N/A, and how many files are not available at all."""
    texts = {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted(folder.glob(".artifacts/incidents/*/*"))
        # The report tells again what other files are the home of.
        if path.suffix in (".json", ".md") and path.name != "INCIDENT-REPORT.md"
    }
    absent = json.loads(texts["prerequisites.json"])["not_available"]
    return sum(text.count("N/A: ") for text in texts.values()), len(absent)


def filled(said: str) -> str:
    """A paragraph at the width of a terminal."""
    return textwrap.fill(said, WIDTH)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ImportError as error:
        lock = SOURCE.parent / "requirements" / "run.txt"
        print(f"{error.name} is not installed. Run: pip install -r {lock}", file=sys.stderr)
        sys.exit(2)
