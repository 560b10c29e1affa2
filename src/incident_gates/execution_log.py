"""protocol-execution-log.md: blockers and readiness decisions in the protocol's form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from incident_gates.evidence.markdown import fields
from incident_gates.incident import text_of
from incident_gates.model import Place

if TYPE_CHECKING:
    from incident_gates.evidence.markdown import Section
    from incident_gates.incident import Record

NAME = "protocol-execution-log.md"
PROCEED, HALT = "Proceed", "Halt"
# The protocol's form of a blocker; each stands in bold and ends in a colon.
FORM = ("Blocker", "Root Cause", "Resolution", "Prevention")
_TITLE = r"(?P<time>.*? UTC) - (?P<verb>Proceed|Halt)(?: at (?P<step>.+))?\Z"


class Entry(NamedTuple):
    """One decision: ``step`` is "" where it is about readiness to begin at all."""

    decision: str
    step: str
    time: str
    by: str
    blocker: str
    cause: str
    resolution: str
    prevention: str
    resolved: str
    place: Place

    @property
    def open(self) -> bool:
        """Whether it is a halt that nobody has lifted."""
        return self.decision == HALT and not self.resolution


def entries(record: Record) -> tuple[Entry, ...]:
    """Every decision and blocker, in the order of the log."""
    parsed = record.markdown(NAME)
    read = (_entry(section) for section in parsed.sections) if parsed else ()
    return tuple(entry for entry in read if entry)


def _entry(section: Section) -> Entry | None:
    """A section that holds a decision or, in the protocol's bare form, a blocker."""
    stated = {key: value for key, (value, _) in fields(section).items()}
    title = re.match(_TITLE, section.title)
    decision = stated.get("decision") or (title["verb"] if title else "")
    if not decision and "blocker" not in stated:
        return None
    blocker, cause, resolution, prevention = (text_of(stated.get(k.lower(), "")) for k in FORM)
    return Entry(
        PROCEED if decision.casefold().startswith("proceed") else HALT,
        (title["step"] or "") if title else "",
        title["time"] if title else "",
        text_of(stated.get("by", "")),
        blocker,
        cause,
        resolution,
        prevention,
        text_of(stated.get("resolved", "")),
        Place(NAME, line=section.line or 1),
    )


def open_halts(record: Record) -> tuple[Entry, ...]:
    """The halts that stand: neither resolved, nor followed by a decision to proceed."""
    found = entries(record)
    last = max((i for i, e in enumerate(found) if e.decision == PROCEED), default=-1)
    return tuple(e for i, e in enumerate(found) if e.open and (e.step or i > last))
