"""The Markdown report, written for the step summary: the verdict first, everything else folded.

The runner drops a summary of more than 1 MiB altogether, so that this one stays below 900 KiB of
UTF-8, whatever it is given, and says what it left out.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from incident_gates.model import CRITICAL, Status, Verdict
from incident_gates.report import findings
from incident_gates.report.escape import in_html, markdown, target
from incident_gates.report.findings import (
    MARKS,
    VERDICT_MARKS,
    counts,
    gate_name,
    verdict_word,
    worst_first,
)
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from incident_gates.model import Finding, GateReport, IncidentReport, Link, Location, Report

    Linker = Callable[[str, int | None], str]

LIMIT = 900 * 1024
RESERVE = 16 * 1024  # twice: for notices, and for the last lines, which are never cut
NO_BREAK = "\u00a0"
NEXT_STEPS = 5
NEEDS = 10
READY = ("prerequisites", "severity", "mitigation")  # asked before anything is executed
FOLD_END = "\n</details>\n\n"


class Page:
    """Text that stops growing at a limit, and counts what did not fit."""

    def __init__(self, limit: int) -> None:
        self._parts: list[str] = []
        self.room = limit
        self.cut: Counter[str] = Counter()

    def add(self, text: str, what: str = "line") -> bool:
        """Adds a text, or counts it as cut."""
        size = len(text.encode())
        if size > self.room:
            self.cut[what] += 1
            return False
        self.room -= size
        self._parts.append(text)
        return True

    def fold(self, summary: str, items: Iterable[str]) -> None:
        """Adds items under a line that opens them; none of them is left open."""
        opening = f"<details><summary>{summary}</summary>\n\n"
        needed = len(FOLD_END.encode())
        self.room -= needed
        opened = self.add(opening, "section")
        for item in items:
            if not opened:
                self.cut["finding"] += 1
            else:
                self.add(item, "finding")
        self.room += needed
        if opened:
            self.add(FOLD_END)

    def text(self) -> str:
        """All that was added."""
        return "".join(self._parts)


def render(
    report: Report,
    texts: Mapping[str, Mapping[str, str]],
    link: Linker | None = None,
    *,
    base: str | None = None,
    limit: int = LIMIT,
) -> str:
    """The report as GitHub-flavoured Markdown.

    ``texts`` are the protocol's words for each gate; ``link`` gives the address of a file and
    line at the commit that was judged, or "" for a file that is not there; ``base`` is the commit
    that it was compared with.
    """
    page = Page(limit - 2 * RESERVE)
    _change(page, report, link)
    if len(report.incidents) == 1:
        _incident(page, report.incidents[0], texts, link, "##")
    else:
        _several(page, report, texts, link)
    notices = Page(RESERVE)
    for notice in report.notices:
        notices.add(f"> {markdown(notice, findings.DETAIL)}\n\n", "notice")
    last = [_cut(page.cut + notices.cut), _small_print(report, base or report.base)]
    return "".join([page.text(), notices.text(), *last])


def _change(page: Page, report: Report, link: Linker | None) -> None:
    """What is wrong with the change itself, apart from the records that it touches."""
    if not report.findings:
        return
    change = findings.the_change(report)
    page.add(f"## {VERDICT_MARKS[change.verdict]} {findings.CHANGE}\n\n")
    for entry in worst_first(change):
        page.add(_finding(change, entry.finding, link), "finding")
    page.add("\n")


# --- one record ----------------------------------------------------------------------------------


def _incident(
    page: Page,
    incident: IncidentReport,
    texts: Mapping[str, Mapping[str, str]],
    link: Linker | None,
    heading: str,
) -> None:
    page.add(f"{heading} {_headline(incident)}\n\n")
    page.add(_worst(incident, link))
    page.add(_causal_line(incident.causal_line))
    page.add(_gate_table(incident, texts))
    page.add(_next(incident, link))
    _excused(page, incident, link)
    for gate in (*incident.gates, None):
        _folded(page, incident, gate, link)
    page.add(_assurance(incident))


def _headline(incident: IncidentReport) -> str:
    mark = VERDICT_MARKS[incident.verdict]
    waived = [gate_name(gate) for gate in incident.gates if gate.status is Status.WAIVED]
    but = f" but for {' and '.join(waived)}: waived, not passed" if waived else ""
    said = [
        f"{mark} {verdict_word(incident.verdict)}{but}",
        markdown(incident.incident_id, 80),
        markdown(incident.severity or "severity not recorded", 40),
        markdown(incident.state, 80),
    ]
    return " · ".join(said)


def _worst(incident: IncidentReport, link: Linker | None) -> str:
    """The worst fact in one bold sentence; a record in order says so."""
    failing = [e for e in worst_first(incident) if counts(incident, e.finding)]
    if failing:
        finding = failing[0].finding
        said = markdown(finding.message, findings.MESSAGE)
        more = f" And {len(failing) - 1} more." if len(failing) > 1 else ""
        return f"**{said}** – {_where(incident, finding.location, link)}.{more}\n\n"
    untold = [gate_name(gate) for gate in incident.gates if gate.status is Status.ERROR]
    if untold:
        return f"**{markdown(' and '.join(untold))} could not be judged, and is not passed.**\n\n"
    return f"**{_good_news(incident)}**\n\n"


def _good_news(incident: IncidentReport) -> str:
    if incident.verdict is Verdict.IN_PROGRESS:
        return "Nothing that is due has failed."
    waived = [gate_name(gate) for gate in incident.gates if gate.status is Status.WAIVED]
    if waived:
        return f"Nothing failed; {markdown(' and '.join(waived))} was waived, not passed."
    if incident.verdict is Verdict.NOT_APPLICABLE:
        return "No gate applies to this record."
    return "The record is complete and consistent."


def _causal_line(links: tuple[Link, ...]) -> str:
    return f"{' → '.join(_link(link) for link in links)}\n\n" if links else ""


def _link(link: Link) -> str:
    broken = link.order == "contradicted"
    label = markdown(link.label.upper() if broken else link.label, 40)
    time = markdown(link.time, 40)
    if broken:
        return f"**✗ {time} {label}** ({markdown(link.gap, 80)})"
    return f"? {time} {label}" if link.order == "not_provable" else f"{time} {label}"


# --- the table -----------------------------------------------------------------------------------


def _gate_table(incident: IncidentReport, texts: Mapping[str, Mapping[str, str]]) -> str:
    rows = ["| Gate | Measured | Required |", "|---|---|---|"]
    for gate in incident.gates:
        name = f"{MARKS[gate.status]}{NO_BREAK}{markdown(gate_name(gate).removeprefix('Gate '))}"
        wanted = markdown(_required(gate, texts.get(gate.id, {})), findings.DETAIL)
        rows.append(f"| {name} | {markdown(_measured(gate))} | {wanted} |")
    return "\n".join(rows) + "\n\n"


def _measured(gate: GateReport) -> str:
    if gate.status is Status.NOT_APPLICABLE:
        return "not applicable"
    if gate.status is Status.ERROR:
        return f"could not tell: {gate.summary}"
    notes = {Status.PENDING: "not due yet", Status.WAIVED: "waived, not passed"}
    return " – ".join(said for said in (gate.summary, notes.get(gate.status)) if said)


def _required(gate: GateReport, text: Mapping[str, str]) -> str:
    measured = [wanted for metric in gate.metrics if (wanted := findings.required(metric))]
    return ", ".join(measured) or text.get("criteria", "")


# --- what to do ----------------------------------------------------------------------------------


def _next(incident: IncidentReport, link: Linker | None) -> str:
    steps = list(_steps(incident, link))
    if not steps:
        return ""
    lines = [f"{number}. {step}" for number, step in enumerate(steps, 1)]
    return "\n".join(["**Do next**", "", *lines]) + "\n\n"


def _steps(incident: IncidentReport, link: Linker | None) -> Iterator[str]:
    """The mend of each failing finding; while all is well, what lacks to execute, or to close."""
    failing = [e.finding for e in worst_first(incident) if counts(incident, e.finding)]
    if failing:
        mends: dict[str, list[Finding]] = {}
        for finding in failing:
            mends.setdefault(finding.fix, []).append(finding)
        for fix, found in list(mends.items())[:NEXT_STEPS]:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            where = _where(incident, found[0].location, link)
            yield f"{markdown(findings.sentence(fix), findings.DETAIL)} ({where}{more})"
        if len(mends) > NEXT_STEPS:
            yield f"Then mend the other {len(mends) - NEXT_STEPS} kinds of findings below."
        return
    needs = [(gate.id in READY, need) for gate in incident.gates for need in gate.needs]
    first = [need for ready, need in needs if ready] or [need for _, need in needs]
    for need in first[:NEEDS]:
        said = markdown(findings.sentence(need.message), findings.MESSAGE)
        yield f"{said} ({_where(incident, need.location, link)})"
    later = len(needs) - len(first[:NEEDS])
    if later:
        yield f"Later: {counted(later, 'more thing')}, when due."


# --- findings ------------------------------------------------------------------------------------


def _excused(page: Page, incident: IncidentReport, link: Linker | None) -> None:
    excused = [e.finding for e in findings.entries(incident) if e.finding.excuse]
    if not excused:
        return
    page.add("**Waived, not passed**\n\n")
    for finding in excused:
        page.add(_excuse(incident, finding, link), "waiver or deviation")
    page.add("\n")


def _excuse(incident: IncidentReport, finding: Finding, link: Linker | None) -> str:
    who = markdown(findings.excused_by(finding), 3 * findings.DETAIL)
    what = markdown(findings.sentence(finding.message), findings.MESSAGE)
    stated = _where(incident, finding.excuse.location, link) if finding.excuse else ""
    return f"- **{finding.rule}** {what} {who} ({stated})\n"


def _folded(
    page: Page, incident: IncidentReport, gate: GateReport | None, link: Linker | None
) -> None:
    found = [e.finding for e in worst_first(incident) if e.gate is gate and not e.finding.excuse]
    if not found:
        return
    page.fold(
        f"{in_html(gate_name(gate))} – {findings.tally(found)}",
        (_finding(incident, finding, link) for finding in found),
    )


def _finding(incident: IncidentReport, finding: Finding, link: Linker | None) -> str:
    where = _where(incident, finding.location, link)
    said = markdown(findings.sentence(finding.message), findings.MESSAGE)
    level = f"**{finding.level}**" if finding.level == CRITICAL else finding.level
    lines = [f"- {level} {finding.rule} {where} {said}"]
    if finding.expected:
        lines.append(f"  - Expected: {markdown(finding.expected, findings.DETAIL)}")
    lines += [f"  - Actual: {markdown(row)}" for row in findings.rows(incident, finding)]
    if finding.fix:
        lines.append(f"  - Fix: {markdown(finding.fix, findings.DETAIL)}")
    return "\n".join(lines) + "\n"


def _where(incident: IncidentReport, location: Location, link: Linker | None) -> str:
    """A file and line, as a link where there is something to link to."""
    line = f":{location.line}" if location.line else ""
    name = f"{markdown(findings.short(incident, location.file))}{line}"
    address = link(location.file, location.line) if link else ""
    return f"[{name}]({target(address)})" if address else name


# --- several records -----------------------------------------------------------------------------


def _several(
    page: Page, report: Report, texts: Mapping[str, Mapping[str, str]], link: Linker | None
) -> None:
    tally = Counter(verdict_word(incident.verdict).lower() for incident in report.incidents)
    said = ", ".join(f"{count:,} {word}" for word, count in sorted(tally.items()))
    number = counted(len(report.incidents), "incident")
    head = f"{VERDICT_MARKS[report.verdict]} {verdict_word(report.verdict)} · {number}"
    page.add(f"## {head}{f': {said}' if said else ''}\n\n")
    if not report.incidents:
        return
    page.add("| Incident | Severity | State | Gates | Findings |\n|---|---|---|---|---|\n")
    urgencies = [_urgency(incident) for incident in report.incidents]
    ordered = sorted(range(len(urgencies)), key=urgencies.__getitem__)
    for place in ordered:
        page.add(_row(report.incidents[place]), "incident")
    page.add("\n")
    for place in ordered:
        incident = report.incidents[place]
        if not _needs_a_section(incident):
            continue
        if page.cut:
            page.cut["section"] += 1
        else:
            _incident(page, incident, texts, link, "###")


def _urgency(incident: IncidentReport) -> int:
    order = (Verdict.ERROR, Verdict.FAILED, Verdict.IN_PROGRESS)
    return order.index(incident.verdict) if incident.verdict in order else len(order)


def _needs_a_section(incident: IncidentReport) -> bool:
    """Failing ones; and those with an excuse, which every report shows with who and why."""
    failed = incident.verdict in (Verdict.FAILED, Verdict.ERROR)
    return failed or any(finding.excuse for finding in incident.all_findings)


def _row(incident: IncidentReport) -> str:
    gates = " ".join(f"{gate.number or 'P'}{MARKS[gate.status]}" for gate in incident.gates)
    cells = (
        f"{VERDICT_MARKS[incident.verdict]} {markdown(incident.incident_id, 80)}",
        markdown(incident.severity or "not recorded", 40),
        markdown(incident.state, 80),
        markdown(gates),
        findings.tally(f for f in incident.all_findings if not f.excuse) or "none",
    )
    return f"| {' | '.join(cells)} |\n"


# --- the last lines ------------------------------------------------------------------------------


def _assurance(incident: IncidentReport) -> str:
    said = [*incident.assurance.consistent, *incident.assurance.corroborated]
    lacking = incident.assurance.not_corroborated
    if lacking:
        said.append(f"{' and '.join(lacking)} not corroborated")
    said += incident.assurance.not_verified
    text = markdown("; ".join(said), findings.DETAIL)
    return f"<sub>Assurance: {text}.</sub>\n\n" if said else ""


def _cut(cut: Counter[str]) -> str:
    if not cut:
        return ""
    said = ", ".join(counted(number, what) for what, number in cut.items())
    return f"**Cut to fit: {said} not shown here. The JSON report has everything.**\n\n"


def _small_print(report: Report, base: str | None) -> str:
    number, version, digest = report.protocol
    path, policy = report.policy
    said: list[Any] = [
        f"incident-gates {report.tool_version}",
        f"Protocol {number} version {version} (sha256 {digest[:12]})",
        f"policy {path} (sha256 {(policy or 'unknown')[:12]})" if path else "no policy file",
        f"judged as of {report.as_of}",
    ]
    if base:
        said.append(f"base commit {base[:12]}")
    return f"<sub>{' · '.join(markdown(part, 200) for part in said)}</sub>\n"
