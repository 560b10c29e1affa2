"""Whatever evidence says, the runner of a workflow obeys nothing in it and reads it back whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import reportwork as work
import runner_oracle as runner
from shared import any_text, expect

from incident_gates.report import escape, text

if TYPE_CHECKING:
    from incident_gates.model import Report

ALLOWED = {"file", "line", "col", "endcolumn", "title"}


def fuzz(data: bytes) -> None:
    """One text, as message, title, path, subject and quotation at once."""
    said = any_text(data)
    expect_visible(said)
    expect_read_back(said)
    report = said_in_a_gate(said)
    expect_annotations(report)
    printed = text.render(report, work.GATES)
    expect(not list(runner.commands(printed)), "the printed report commands")


def expect_visible(said: str) -> None:
    """One line that holds no beginning of a command, wherever it is wrapped later."""
    shown = escape.visible(said)
    expect(len(runner.lines(shown)) == 1, "more than one line")
    expect(escape.visible(shown, len(shown)) == shown, "escaped twice reads differently")
    seen = runner.UNSEEN.sub("", shown)
    expect("::" not in seen and "##[" not in seen, "the beginning of a command")


def expect_read_back(said: str) -> None:
    """The runner undoes what the escapes of data and property did, and no more."""
    # With an end, for the runner trims blanks behind the last property.
    titled = f"{said}."
    line = f"::error title={escape.command_property(titled)}::{escape.command_data(said)}"
    seen = [runner.parse(part) for part in runner.lines(line)]
    expect(len(seen) == 1 and seen[0], "an annotation of more than one line")
    if seen[0]:
        expect(seen[0].properties.get("title") == titled, "the property reads differently")
        expect(seen[0].data == said, "the message reads differently")


def said_in_a_gate(said: str) -> Report:
    """A report with one gate, every word of which is the text."""
    report = work.hostile(said)
    failed = report.incidents[0].gates[1]
    incident = report.incidents[0]._replace(gates=(failed,), findings=())
    return report._replace(incidents=(incident,))


def expect_annotations(report: Report) -> None:
    """Each line is one annotation, and there is no other command."""
    shown = work.RENDERERS["github"](report)
    shown.encode()
    seen = runner.obeyed(shown)
    expect(len(seen.kept) == len([line for line in runner.lines(shown) if line]), "not all kept")
    expect(not seen.lost and not seen.others, f"{[c.name for c in seen.others]}")
    for command in seen.kept:
        expect(command.properties.keys() <= ALLOWED, f"{sorted(command.properties)}")
        expect(escape.plain(command.properties.get("file", "")), "a file name with a control")
