"""The text report: what a tired person reads in a terminal, 80 columns, with or without colour."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from incident_gates.model import CRITICAL, INFO, WARNING, Status, Verdict
from incident_gates.report.escape import visible
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from incident_gates.model import Finding, GateReport, IncidentReport, Link, Metric, Report

WIDTH = 80
MARKS = {
    Status.PASSED: "✓",
    Status.FAILED: "✗",
    Status.WAIVED: "~",
    Status.PENDING: "…",
    Status.NOT_APPLICABLE: "-",
    Status.ERROR: "?",
}
COLOURS = {
    Status.PASSED: "32",
    Status.FAILED: "31;1",
    Status.WAIVED: "33",
    Status.PENDING: "36",
    Status.NOT_APPLICABLE: "2",
    Status.ERROR: "35;1",
    CRITICAL: "31;1",
    WARNING: "33",
    INFO: "36",
}
VERDICT_COLOURS = {Verdict.PASSED: "32;1", Verdict.FAILED: "31;1", Verdict.ERROR: "35;1"}
SHOWN_FINDINGS = 50
GRADES = ("contradicted", "unsupported", "git-consistent", "platform-attested")
NOT_DUE = {
    "prerequisites": "due before execution",
    "severity": "due once decided",
    "mitigation": "due before execution",
    "recovery": "not yet due",
    "resolution": "not yet due",
}


def render(
    report: Report,
    texts: Mapping[str, Mapping[str, str]],
    *,
    colour: bool = False,
    only: Collection[Finding] | None = None,
) -> str:
    """The whole report as text; ``texts`` are the protocol's words for a failed gate.

    With ``only``, those findings are printed, and the others counted.
    """
    return "".join(pieces(report, texts, colour=colour, only=only))


def pieces(
    report: Report,
    texts: Mapping[str, Mapping[str, str]],
    *,
    colour: bool = False,
    only: Collection[Finding] | None = None,
) -> Iterator[str]:
    """The same, record by record, so that ten thousand need not be held at once."""
    last = ""
    for part in _parts(report, texts, _paint if colour else _plain, only):
        yield last
        last = f"{part}\n"
    yield f"{last.rstrip()}\n"


def _parts(
    report: Report,
    texts: Mapping[str, Mapping[str, str]],
    paint: Callable[[str, str], str],
    only: Collection[Finding] | None,
) -> Iterator[str]:
    yield from _grouped(report.findings, lambda f: visible(f.location.file), paint)
    verdicts: Counter[str] = Counter()
    for incident in report.incidents:
        verdicts[incident.verdict.value] += 1
        yield "\n".join([*_incident(incident, texts, paint, only), ""])
    for notice in report.notices:
        yield from textwrap.wrap(f"Note: {visible(notice, 400)}", WIDTH)
    if len(report.incidents) != 1 or report.findings:
        yield f"\n{_total(report, verdicts, paint)}"


def overview(incident: IncidentReport, *, colour: bool = False) -> list[str]:
    """The headline, and one line for each gate."""
    paint = _paint if colour else _plain
    return [_headline(incident, paint), "", *(_gate_line(gate, paint) for gate in incident.gates)]


def _plain(text: str, _: str) -> str:
    return text


def _paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if code else text


def _total(report: Report, verdicts: Counter[str], paint: Callable[[str, str], str]) -> str:
    said = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in sorted(verdicts.items()))
    about = counted(len(report.incidents), "incident") + (f": {said}" if said else "")
    if report.findings:
        about += f" · the change: {counted(len(report.findings), 'finding')}"
    head = report.verdict.value.replace("_", " ").upper()
    shown = paint(head, VERDICT_COLOURS.get(report.verdict, ""))
    return f"{shown}  {about}"


def _incident(
    incident: IncidentReport,
    texts: Mapping[str, Mapping[str, str]],
    paint: Callable[[str, str], str],
    only: Collection[Finding] | None = None,
) -> Iterator[str]:
    yield _headline(incident, paint)
    yield ""
    yield from (_gate_line(gate, paint) for gate in incident.gates)
    yield ""
    yield from _causal_line(incident.causal_line, paint)
    yield from _grades(incident.causal_line)
    for gate in incident.gates:
        if gate.status is Status.FAILED and gate.id in texts:
            yield from _failed_block(gate, texts[gate.id])
    yield from _needs(incident)
    yield from _findings(incident, paint, only)
    yield _verdict(incident, paint)
    yield from _excused(incident)
    yield from _assurance(incident)
    worst = next((f for f in incident.all_findings if f.fails), None)
    if worst and only is None:
        yield f"Next: incident-gates explain {worst.rule}"


def _headline(incident: IncidentReport, paint: Callable[[str, str], str]) -> str:
    name = visible(incident.incident_id, 40)
    standing = visible(f"{incident.severity or 'severity not recorded'}  {incident.state}")
    head, bare = f"{paint(name, '1')}  {standing}", f"{name}  {standing}"
    path = visible(incident.path)
    room = WIDTH - len(bare) - 2
    return f"{head}  {path:>{room}}" if len(path) <= room else f"{head}\n{path:>{WIDTH}}"


def _gate_line(gate: GateReport, paint: Callable[[str, str], str]) -> str:
    mark = paint(MARKS[gate.status], COLOURS[gate.status])
    number = str(gate.number) if gate.number else " "
    name = visible(gate.name.split(" ")[0])
    summary = visible(gate.summary, 60)
    if gate.status is Status.PENDING:
        note = NOT_DUE[gate.id]
        summary = f"{summary:<34} {note}" if summary and len(summary) < 34 else summary or note  # noqa: PLR2004
    if gate.status is Status.FAILED:
        failing = sum(finding.fails for finding in gate.findings)
        counted = " · ".join(filter(None, (summary, f"{failing} critical" if failing else "")))
        summary = counted if len(counted) <= WIDTH - 21 else summary
    if gate.status is Status.NOT_APPLICABLE:
        summary = "not applicable"
    if gate.status is Status.ERROR:
        summary = f"could not tell: {summary}"
    return f"  {mark} {number} {name:<14} {summary}".rstrip()


def _causal_line(links: tuple[Link, ...], paint: Callable[[str, str], str]) -> Iterator[str]:
    parts = []
    for link in links:
        time = visible(link.time, 40)
        text = f"{time} {visible(link.label, 30)}"
        if link.order == "contradicted":
            text = paint(f"✗ {time} {visible(link.label, 30).upper()}", COLOURS[CRITICAL])
            text += f" ({visible(link.gap, 60)})"
        elif link.order == "not_provable":
            text = f"? {text}" + (f" ({visible(link.gap, 60)})" if link.gap else "")
        parts.append(text)
    if parts:
        yield from _wrapped(parts)
        yield ""


def _grades(links: tuple[Link, ...]) -> Iterator[str]:
    """What git says of the times, one line a grade, worst first; nothing where it was not asked."""
    graded: dict[str, list[str]] = defaultdict(list)
    for link in links:
        said = f"{visible(link.time, 40)} {visible(link.label, 30)}"
        graded[link.grade].append(said.replace(" ", "\xa0"))
    names = [name for name in GRADES if graded[name]]
    for name in names:
        text = f"  {name:<17}  {', '.join(graded[name])}"
        for line in textwrap.wrap(text, WIDTH, subsequent_indent=" " * 21, break_on_hyphens=False):
            yield line.replace("\xa0", " ")
    if names:
        yield "  (against the dates of commits, which are claims as well)"
        yield ""


def _wrapped(parts: list[str]) -> Iterator[str]:
    line = f"  {parts[0]}"
    for part in parts[1:]:
        if _length(line) + _length(part) + 3 > WIDTH:
            yield line
            line = f"  → {part}"
        else:
            line += f" → {part}"
    yield line


def _length(text: str) -> int:
    """Columns of a text without its colour codes."""
    plain, inside = 0, False
    for character in text:
        inside = inside or character == "\x1b"
        plain += not inside
        inside = inside and character != "m"
    return plain


def _failed_block(gate: GateReport, text: Mapping[str, str]) -> Iterator[str]:
    """The protocol's own words for a failed gate, once."""
    failing = [f for f in gate.findings if f.fails]
    actual = "; ".join(dict.fromkeys(visible(f.message, 80) for f in failing[:3]))
    more = f"; and {len(failing) - 3} more" if len(failing) > 3 else ""  # noqa: PLR2004
    yield f"[RAY GATE FAILED: {visible(gate.name)} Gate]"
    yield f"> \"Quality gate '{visible(gate.name)} Gate' failed."
    for label, said in (
        ("Criteria", text["criteria"]),
        ("Actual", (actual or "a warning, under --strict") + more),
        ("Required action", f'{text["failure_handling"]}"'),
    ):
        yield from textwrap.wrap(
            f"{label}: {said}", WIDTH - 2, initial_indent="> ", subsequent_indent=">   "
        )
    yield ""


def _needs(incident: IncidentReport) -> Iterator[str]:
    """What the gates that come next still lack."""
    ready = [g for g in incident.gates if g.id in ("prerequisites", "severity", "mitigation")]
    pending = [n for g in ready if g.status is Status.PENDING for n in g.needs]
    if pending and incident.verdict is not Verdict.FAILED:
        yield from _need_list(incident, "NOT READY TO EXECUTE", pending)
        return
    if incident.phase == 2 and _all_agree(ready):  # noqa: PLR2004
        yield "READY TO EXECUTE: severity agreed, plan ready, decision approved"
        yield ""
    later = [n for g in incident.gates if g.status is Status.PENDING for n in g.needs]
    if later and incident.verdict is not Verdict.FAILED:
        yield from _need_list(incident, "STILL TO COME", later)


def _all_agree(ready: list[GateReport]) -> bool:
    """Whether all three gates asked before executing were looked at, and none lacks anything."""
    settled = (Status.PASSED, Status.WAIVED, Status.PENDING)
    return len(ready) == 3 and all(g.status in settled and not g.needs for g in ready)  # noqa: PLR2004


def _need_list(incident: IncidentReport, title: str, needs: list[Finding]) -> Iterator[str]:
    yield f"{title}: {len(needs)} thing{'s' if len(needs) > 1 else ''} missing"
    for number, need in enumerate(needs[:10], 1):
        said = f"  {number}. {visible(need.message, WIDTH - 6)}"
        where = _where(incident, need)
        where = "" if where in said else where
        gap = WIDTH - len(said) - len(where)
        yield f"{said}{' ' * gap}{where}".rstrip() if gap > 1 else f"{said}\n{where:>{WIDTH}}"
    if len(needs) > 10:  # noqa: PLR2004
        yield f"  and {len(needs) - 10} more"
    yield ""


def _where(incident: IncidentReport, finding: Finding) -> str:
    line = f":{finding.location.line}" if finding.location.line else ""
    return f"{_short(incident, finding)}{line}"


def _short(incident: IncidentReport, finding: Finding) -> str:
    """A file's path as seen from its incident's folder."""
    return visible(finding.location.file.removeprefix(f"{incident.path}/"))


def _findings(
    incident: IncidentReport,
    paint: Callable[[str, str], str],
    only: Collection[Finding] | None,
) -> Iterator[str]:
    found = [f for f in incident.all_findings if not f.excuse]
    shown = [f for f in found if only is None or f in only]
    yield from _grouped(shown, lambda f: _short(incident, f), paint, len(found) - len(shown))


def _grouped(
    shown: Sequence[Finding],
    name: Callable[[Finding], str],
    paint: Callable[[str, str], str],
    left_out: int = 0,
) -> Iterator[str]:
    """Findings under the file that each stands in."""
    by_file: dict[str, list[Finding]] = defaultdict(list)
    for finding in shown[:SHOWN_FINDINGS]:
        by_file[name(finding)].append(finding)
    for file, findings in by_file.items():
        yield paint(file, "1")
        for finding, then in zip(findings, [*findings[1:], None], strict=True):
            # One rule's findings stand together; what mends them all is said once, after the last.
            said_again = then is not None and (then.rule, then.fix) == (finding.rule, finding.fix)
            yield from _finding(finding, paint, fix="" if said_again else finding.fix)
        yield ""
    left_out += max(0, len(shown) - SHOWN_FINDINGS)
    if left_out:
        yield f"{left_out} more findings are not shown; --format json has all."
        yield ""


def _finding(finding: Finding, paint: Callable[[str, str], str], fix: str) -> Iterator[str]:
    head = f"  {paint(finding.level, COLOURS[finding.level])} {finding.rule}  "
    start = 5 + len(finding.level) + len(finding.rule)
    message = textwrap.wrap(visible(finding.message, 300), WIDTH - start) or [""]
    yield head + message[0]
    yield from (" " * start + rest for rest in message[1:])
    yield from _quoted(finding, paint)
    for label, said in (("expected", finding.expected), ("fix", fix)):
        if label == "fix":
            for number, row in enumerate(finding.actual[:10]):
                yield f"     {'actual' if number == 0 else '':<9} {visible(row)}"
        if said:
            yield from textwrap.wrap(
                visible(said, 400),
                WIDTH,
                initial_indent=f"     {label:<9} ",
                subsequent_indent=" " * 15,
            )


def _quoted(finding: Finding, paint: Callable[[str, str], str]) -> Iterator[str]:
    """The line of evidence, with the value marked."""
    location = finding.location
    if location.line is None or (location.source or "").strip() in ("", "{", "["):
        return
    source = (location.source or "").rstrip()
    indent = len(source) - len(source.lstrip())
    number = str(location.line)
    room = WIDTH - len(number) - 6
    yield f"  {number} │  {visible(source.strip(), room)}"
    if location.column and location.end_column:
        begin = location.column - 1 - indent
        end = min(location.end_column - 1 - indent, room)
        if 0 <= begin < end:
            marks = paint("^" * (end - begin), COLOURS[finding.level])
            yield f"  {' ' * len(number)} │  {' ' * begin}{marks}"


def _verdict(incident: IncidentReport, paint: Callable[[str, str], str]) -> str:
    open_ = [f for f in incident.all_findings if not f.excuse]
    critical = sum(f.level == CRITICAL for f in open_)
    warnings = sum(f.level == WARNING for f in open_)
    word = incident.verdict.value.replace("_", " ").upper()
    head = paint(word, VERDICT_COLOURS.get(incident.verdict, "1"))
    waived = [str(g.number or "P") for g in incident.gates if g.status is Status.WAIVED]
    failed = [str(g.number or "P") for g in incident.gates if g.status is Status.FAILED]
    if incident.verdict is Verdict.IN_PROGRESS:
        return f"{head}  nothing due has failed · {counted(warnings, 'warning')}"
    about = f"gate {', '.join(failed)} · " if failed else ""
    about += f"gate {', '.join(waived)} waived, not passed · " if waived else ""
    return f"{head}  {about}{critical} critical, {counted(warnings, 'warning')}"


def _excused(incident: IncidentReport) -> Iterator[str]:
    for finding in incident.all_findings:
        if finding.excuse:
            excuse = finding.excuse
            until = f" until {visible(excuse.expires, 40)}" if excuse.expires else ""
            by = " and ".join(visible(name, 40) for name in excuse.by)
            kind = f"{excuse.kind.capitalize()}{', new in this change,' if excuse.new else ''}"
            about = f"{kind} of {finding.rule} ({visible(finding.message, 80)})"
            said = f"{about} by {by}{until}: {visible(excuse.reason)}"
            yield from textwrap.wrap(said, WIDTH, initial_indent="  ~ ", subsequent_indent="    ")


def _assurance(incident: IncidentReport) -> Iterator[str]:
    said = [*incident.assurance.consistent, *incident.assurance.corroborated]
    lacking = incident.assurance.not_corroborated
    if lacking:
        said.append(f"{' and '.join(lacking)} not corroborated")
    said += incident.assurance.not_verified
    if said:
        yield from textwrap.wrap(f"Assurance: {visible('; '.join(said), 1000)}.", WIDTH)


def metric(value: Metric) -> str:
    """A metric as people read it: ``97.5 % (≥ 95 %)``."""
    if value.value is None:
        return "not measured"
    percent = value.unit == "ratio"
    shown = f"{value.value:.1%}" if percent else f"{value.value:g} {value.unit}"
    if value.threshold is None:
        return shown
    wanted = f"{value.threshold:.0%}" if percent else f"{value.threshold:g}"
    return f"{shown} ({'≤' if value.comparison == '<=' else '≥'} {wanted})"
