"""How the desk's commands put findings into lines of a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from incident_gates.report.escape import visible
from incident_gates.report.text import WIDTH
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incident_gates.model import Finding, IncidentReport

MOST = 12


def numbered(
    report: IncidentReport, title: str, findings: Sequence[Finding], things: int | None = None
) -> Iterator[str]:
    """Findings under a title, numbered, each with its file and line; ``things`` counts them."""
    count = len(findings)
    things = count if things is None else things
    yield f"{title}: {counted(things, 'thing')} missing or wrong"
    for number, finding in enumerate(findings[:MOST], 1):
        yield from _entry(f"{number:>3}. ", visible(finding.message, 300), where(report, finding))
    if count > MOST:
        yield f"     and {count - MOST} more"


def where(report: IncidentReport, finding: Finding) -> str:
    """File and line, as seen from the incident's folder."""
    line = f":{finding.location.line}" if finding.location.line else ""
    return visible(finding.location.file.removeprefix(f"{report.path}/")) + line


def _entry(head: str, message: str, place: str) -> Iterator[str]:
    lines = textwrap.wrap(message, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
    *above, last = lines or [head]
    yield from above
    gap = WIDTH - len(last) - len(place)
    if gap > 1:
        yield f"{last}{' ' * gap}{place}"
    else:
        yield last
        yield f"{place:>{WIDTH}}"


def wrapped(text: str, indent: str = "") -> list[str]:
    """A sentence in lines of the terminal; paths and ids are not broken."""
    return textwrap.wrap(
        visible(text, 2000),
        WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
