"""Records in the intake log whether the signals are a real incident."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from incident_gates import facts
from incident_gates.desk.record import given, log
from incident_gates.evidence import markdown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incident_gates.desk.record.draft import Draft

NAME = log.SIGNALS.name
COMMANDER = "incident_commander"


def judged_real(
    draft: Draft, assessors: Sequence[Mapping[str, Any]], why: str, moment: given.Moment
) -> None:
    """Who classifies an incident says that it is one, unless somebody has said so before."""
    validity = draft.found.chain.intake[1]
    if validity and validity.verdict:
        return
    first = next((a for a in assessors if a["role"] == COMMANDER), assessors[0])
    judge(draft, "real incident", first, why, moment)


def judge(
    draft: Draft, verdict: str, by: Mapping[str, Any], why: str, moment: given.Moment
) -> None:
    """Writes the verdict where the log has room for it, or in a section of its own."""
    clock = moment.time.earliest.strftime(
        "%Y-%m-%d %H:%M UTC" if moment.time.precision == "minute" else "%Y-%m-%d %H:%M:%S UTC"
    )
    stated = {
        "Verdict": verdict,
        "By": f"{by['name']} ({by['role']})",
        "Time": clock,
        "Reason": log.noted(given.line(why), moment.recorded(draft.found.now)),
    }
    lines = [f"- {key}: {value}" for key, value in stated.items()]
    text = draft.text(NAME)
    section = markdown.parse(text).find(*facts.VALIDITY)
    listed = text.split("\n")
    if section:
        kept = [s for s in listed[section.line : section.end] if not _replaced(s)]
        body = "\n".join(["", *lines, *_rest(kept), ""])
        listed[section.line : section.end] = body.split("\n")
        at = section.line + 2
    else:
        while listed and not listed[-1].strip():
            listed.pop()
        at = len(listed) + 4
        listed += ["", "## Validity", "", *lines, ""]
    draft.add_line(NAME, "\n".join(listed), at, stated)


def _replaced(line: str) -> bool:
    return bool(re.match(r"\s*[-*+]\s*(verdict|by|time|reason)\s*:", line, re.IGNORECASE))


def _rest(lines: list[str]) -> list[str]:
    """What else stands in the section, without blank lines around it."""
    text = "\n".join(lines).strip("\n")
    return ["", text] if text.strip() else []
