"""The GitHub report: one annotation a finding, as commands that the workflow runner reads.

The runner keeps the first ten errors, ten warnings and ten notices of a step, and all the steps of
a composite action count as one. Ten errors are written although the runner adds its own "Process
completed with exit code 1": it keeps the first that come, so that it is this line that gives way,
which says nothing that the findings do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from incident_gates.model import CRITICAL, INFO, LEVELS, WARNING, Status
from incident_gates.report import findings
from incident_gates.report.escape import CUT, command_data, command_property, plain, visible
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from incident_gates.model import GateReport, IncidentReport, Report
    from incident_gates.report.findings import Entry

COMMANDS = {CRITICAL: "error", WARNING: "warning", INFO: "notice"}
BUDGET = 10
LONGEST_MESSAGE = 4096  # the runner cuts there, in UTF-16 units
LONGEST_TITLE = 255
WARNED = "WARNING: "


class Annotation(NamedTuple):
    """One annotation; a file that cannot be pointed at is empty."""

    level: str
    title: str
    message: str
    file: str = ""
    line: int | None = None
    column: int | None = None
    end_column: int | None = None


def render(
    report: Report,
    anchors: Mapping[str, tuple[str, int]] | None = None,
    *,
    is_absent: Callable[[str], bool] = lambda _: False,
    rest: str = "the step summary",
) -> str:
    """The report as workflow commands, one a line; empty where there is nothing to say.

    An absent file cannot carry an annotation: ``anchors`` gives, for the path of an incident, the
    file and line of the change that made it due. ``rest`` names where all findings are.
    """
    everything = list(_annotations(report, anchors or {}, is_absent))
    shown = [a for level in LEVELS for a in _within_budget(everything, level)]
    if len(shown) < len(everything):
        last = [a for a in shown if a.level == INFO][BUDGET - 1 :]
        shown = [a for a in shown if a not in last]
        shown.append(_more(everything, shown, rest))
    return "".join(f"{_command(annotation)}\n" for annotation in shown)


# --- what is said --------------------------------------------------------------------------------


def _annotations(
    report: Report, anchors: Mapping[str, tuple[str, int]], is_absent: Callable[[str], bool]
) -> Iterator[Annotation]:
    for incident in report.incidents:
        for gate in incident.gates:
            if gate.status is Status.ERROR:
                yield _not_told(incident, gate)
    for entry in findings.all_worst_first(report):
        yield _placed(entry, anchors, is_absent)
    yield from _notices(report)


def _not_told(incident: IncidentReport, gate: GateReport) -> Annotation:
    title = f"{visible(incident.incident_id, 60)} · {findings.gate_name(gate)}"
    why = visible(gate.summary) or "no reason is known"
    return Annotation(CRITICAL, title, f"This gate could not be judged, and is not passed: {why}.")


def _notices(report: Report) -> Iterator[Annotation]:
    """What was said about the run; one that failed without any record is explained by it."""
    unexplained = report.exit_code != 0 and not report.incidents
    for notice in report.notices:
        warned = WARNING if notice.startswith(WARNED) else INFO
        level = CRITICAL if unexplained else warned
        said = visible(notice.removeprefix(WARNED), findings.DETAIL)
        yield Annotation(level, "Incident Gates", said)


def _placed(
    entry: Entry, anchors: Mapping[str, tuple[str, int]], is_absent: Callable[[str], bool]
) -> Annotation:
    """A finding at its line; at the change that made it due; or, at no file, with its path."""
    finding, location = entry.finding, entry.finding.location
    level = INFO if finding.excuse else finding.level
    title = f"{findings.entry_name(entry)} · {finding.rule}"
    said = findings.message(entry.incident, finding)
    absent = location.line is None and is_absent(location.file)
    if not absent and plain(location.file):
        return Annotation(level, title, said, *location[:4])
    if entry.incident.path:
        title = f"{visible(entry.incident.incident_id, 60)} · {title}"
    said = f"{visible(location.file)}: {said}"
    file, line = anchors.get(entry.incident.path, ("", None))
    if plain(file):
        return Annotation(level, title, said, file, line)
    return Annotation(level, title, said)


def _more(everything: list[Annotation], shown: list[Annotation], rest: str) -> Annotation:
    hidden = [
        counted(count, COMMANDS[level])
        for level in LEVELS
        if (count := _count(everything, level) - _count(shown, level))
    ]
    number = counted(len(everything) - len(shown), "more finding")
    verb = "is" if number.startswith("1 ") else "are"
    said = f"{number} ({', '.join(hidden)}) {verb} not annotated; {rest} has all of them."
    return Annotation(INFO, "Incident Gates", said)


def _count(annotations: Iterable[Annotation], level: str) -> int:
    return sum(annotation.level == level for annotation in annotations)


# --- how it is said ------------------------------------------------------------------------------


def _within_budget(annotations: Iterable[Annotation], level: str) -> list[Annotation]:
    """The first of each file, then the second of each, until the budget is spent."""
    seen: dict[str, int] = {}
    turns = []
    for annotation in annotations:
        if annotation.level == level:
            turns.append((seen.setdefault(annotation.file, 0), annotation))
            seen[annotation.file] += 1
    turns.sort(key=lambda turn: turn[0])
    return [annotation for _, annotation in turns[:BUDGET]]


def _command(annotation: Annotation) -> str:
    properties = ",".join(f"{name}={value}" for name, value in _properties(annotation))
    said = command_data(_shortened(annotation.message, LONGEST_MESSAGE))
    return f"::{COMMANDS[annotation.level]} {properties}::{said}"


def _properties(annotation: Annotation) -> Iterator[tuple[str, str]]:
    """File, place and title; the runner drops columns without a line, and so does this."""
    if annotation.file:
        yield "file", command_property(annotation.file)
        if annotation.line:
            yield "line", str(annotation.line)
            yield from _columns(annotation)
    yield "title", command_property(_shortened(annotation.title, LONGEST_TITLE))


def _columns(annotation: Annotation) -> Iterator[tuple[str, str]]:
    """Columns within one line: no end line is ever written, so the runner takes it as the same."""
    if annotation.column:
        yield "col", str(annotation.column)
        if annotation.end_column and annotation.end_column >= annotation.column:
            yield "endColumn", str(annotation.end_column)


def _shortened(text: str, units: int) -> str:
    """A text of at most so many UTF-16 units."""
    if len(text.encode("utf-16-le")) // 2 <= units:
        return text
    kept = text.encode("utf-16-le")[: 2 * (units - 1)].decode("utf-16-le", "ignore")
    return f"{kept}{CUT}"
