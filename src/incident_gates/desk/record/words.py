"""What a verb answers: what was written where, the protocol's words for the step, what is next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.desk import awareness, says, steps
from incident_gates.desk.record import files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_gates.desk.found import Found
    from incident_gates.desk.record.draft import Draft, Entry


class Answer(NamedTuple):
    """What there is to say about one call of a verb."""

    incident: str
    said: str
    entries: tuple[Entry, ...]
    announcement: str
    next: str
    notes: tuple[str, ...] = ()


def answered(draft: Draft, said: str, announcement: str, next_: str = "") -> Answer:
    """The answer to what was just written."""
    found = draft.found
    entries = tuple(draft.placed())
    return Answer(
        found.record.incident_id,
        said,
        entries,
        announcement,
        next_ or next_command(files.fresh(found)),
        tuple(draft.notes),
    )


def next_command(found: Found) -> str:
    """What to type next, as status says it."""
    standing = awareness.seen([found])[0]
    return steps.after(awareness.of(standing), Path.cwd())[0]


def text(answer: Answer) -> str:
    """The answer in lines of a terminal."""
    lines = says.wrapped(answer.said, "  ")
    lines += [part for place in _places(answer.entries) for part in says.wrapped(place, "    ")]
    lines += [part for note in answer.notes for part in says.wrapped(f"Note: {note}", "  ")]
    if answer.announcement:
        lines += ["", *says.wrapped(answer.announcement)]
    return "\n".join([*lines, *says.wrapped(f"Next: {answer.next}", " " * 6)]) + "\n"


def _places(entries: Sequence[Entry]) -> list[str]:
    """Each file once, with the lines that were written."""
    lines: dict[str, list[int]] = {}
    for entry in entries:
        lines.setdefault(entry.file, []).append(entry.line or 0)
    return [
        f"  {file}:{', '.join(str(line) for line in sorted(set(found)))}"
        for file, found in lines.items()
    ]


def data(answer: Answer) -> dict[str, Any]:
    """The answer as one JSON object; file, line and entry are those of the first entry."""
    listed = [{"file": e.file, "line": e.line, "entry": e.value} for e in answer.entries]
    return {
        "incident": answer.incident,
        **(listed[0] if listed else {"file": None, "line": None, "entry": None}),
        "entries": listed,
        "said": answer.said,
        "announcement": answer.announcement,
        "next": answer.next,
        "notes": list(answer.notes),
    }


def step(found: Found, ident: str) -> str:
    """What the protocol announces at a step: the step's own words, or those of its phase."""
    for phase in found.limits.protocol.data["phases"]:
        for entry in phase["steps"]:
            if entry["id"] == ident:
                own: str = entry.get("communication") or phase["announcement"]
                return own
    return ""


def prompt(found: Found, phase: int, **filled: str) -> str:
    """The protocol's question at the end of a phase."""
    question: str = found.limits.protocol.data["phases"][phase - 1].get("prompt", "")
    for key, value in filled.items():
        question = question.replace(f"{{{key}}}", value)
    return question


def joined(names: Sequence[str]) -> str:
    """Names as people list them."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
