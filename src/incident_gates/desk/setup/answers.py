"""What a check answers, and how the answers are shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import __version__
from incident_gates.report.escape import visible
from incident_gates.report.text import WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MARKS = {"good": "✓", "hint": "·", "wrong": "✗", "unknown": "?"}
COLOURS = {"good": "32", "hint": "2", "wrong": "31", "unknown": "33"}
NAME_WIDTH = 15
MOST_PLACES = 5
LONGEST = 600


class Answer(NamedTuple):
    """What one check found: how it stands, what to do, and where."""

    status: str
    said: str
    do: str = ""
    places: tuple[str, ...] = ()
    check: str = ""


def good(said: str) -> Answer:
    """Nothing stands in the way."""
    return Answer("good", said)


def hint(said: str, do: str) -> Answer:
    """Nothing is wrong; it could be better."""
    return Answer("hint", said, do)


def wrong(said: str, do: str, places: Sequence[str] = ()) -> Answer:
    """It would not work, or not as it seems."""
    return Answer("wrong", said, do, tuple(places))


def unknown(said: str, do: str = "", places: Sequence[str] = ()) -> Answer:
    """It could not be told, which is no good sign."""
    return Answer("unknown", said, do, tuple(places))


def exit_code(answers: Sequence[Answer]) -> int:
    """0 all is well, 1 something is wrong, 3 something could not be told."""
    statuses = {answer.status for answer in answers}
    return 3 if "unknown" in statuses else 1 if "wrong" in statuses else 0


def as_text(answers: Sequence[Answer], *, colour: bool = False) -> str:
    """One line or a few for each check, then what it comes to."""
    lines = [line for answer in answers for line in _lines(answer, colour=colour)]
    return "\n".join([*lines, "", _summary(answers)]) + "\n"


def _lines(answer: Answer, *, colour: bool) -> Iterator[str]:
    mark = MARKS[answer.status]
    shown = f"\x1b[{COLOURS[answer.status]}m{mark}\x1b[0m" if colour else mark
    first, *more = _wrapped(answer.said)
    yield f"  {shown} {answer.check:<{NAME_WIDTH}} {first}"
    indent = " " * (NAME_WIDTH + 5)
    yield from (indent + line for line in more)
    for place in answer.places[:MOST_PLACES]:
        yield f"{indent}{visible(place)}"
    if len(answer.places) > MOST_PLACES:
        yield f"{indent}and {len(answer.places) - MOST_PLACES} more"
    if answer.do:
        first, *more = _wrapped(answer.do, 2)
        yield f"{indent}→ {first}"
        yield from (f"{indent}  {line}" for line in more)


def _wrapped(text: str, less: int = 0) -> list[str]:
    import textwrap

    width = WIDTH - NAME_WIDTH - 5 - less
    return textwrap.wrap(visible(text, LONGEST), width, break_on_hyphens=False) or [""]


def _summary(answers: Sequence[Answer]) -> str:
    count = {status: sum(a.status == status for a in answers) for status in MARKS}
    if count["wrong"] or count["unknown"]:
        parts = [f"{count['wrong']} wrong"] if count["wrong"] else []
        parts += [f"{count['unknown']} could not be told"] if count["unknown"] else []
        return ", ".join(parts) + f", {count['good']} good."
    hints = f" {count['hint']} could be better." if count["hint"] else ""
    return f"All is well.{hints}"


def as_json(answers: Sequence[Answer]) -> str:
    """The same for programs."""
    checks = [
        {"check": a.check, "status": a.status, "said": a.said, "do": a.do, "places": a.places}
        for a in answers
    ]
    whole = {"tool_version": __version__, "exit_code": exit_code(answers), "checks": checks}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
