"""Records a notice: who was told what, by which channel."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import facts
from incident_gates.desk.record import given, log, words
from incident_gates.desk.record.draft import opened
from incident_gates.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_gates.desk.found import Found
    from incident_gates.run import Job

CUSTOMERS = "customers"


class Notice(NamedTuple):
    """What was sent."""

    audiences: Sequence[str]
    channel: str
    message: str
    sender: str | None = None
    at: str | None = None
    source: str = ""


def record(job: Job, notice: Notice) -> words.Answer:
    """Adds a row to the communication log."""
    with opened(job) as draft:
        found = draft.found
        told = audiences(found, notice.audiences)
        moment = given.moment(notice.at, found.now, source=notice.source)
        sender = given.name(found, notice.sender, "--sender")
        said = given.said(notice.message, "--message")
        columns = {
            "channel": given.said(notice.channel, "--channel"),
            "audience": ", ".join(told),
            "text": log.noted(said, moment.recorded(found.now)),
            "sender": sender,
        }
        text, line = log.added(log.NOTICES, draft.text(log.NOTICES.name), moment.time, columns)
        value = {**columns, "audience": told, "text": said, "at": moment.value}
        value.update(moment.recorded(found.now))
        draft.add_line(log.NOTICES.name, text, line, value)
        draft.notes += _notes(found, told)
        draft.note_clock(log.NOTICES.name, (n.time for n in found.chain.notices))
    sentence = f"{moment.time.clock} UTC: {words.joined(told)} told by {sender}"
    return words.answered(draft, sentence, words.step(found, "1.3") if _early(found) else "")


def _early(found: Found) -> bool:
    """A notice belongs to the first phase until something is executed."""
    return not found.chain.executing


def audiences(found: Found, written: Sequence[str]) -> list[str]:
    """Audiences as identifiers, each once; one that is nearly a known one is refused."""
    named = [facts.slug(part) for text in written for part in text.split(",")]
    told = list(dict.fromkeys(name for name in named if name))
    if not told:
        raise UsageError("--audience: say who was told, such as sre_on_call,product_owner.")
    known = _known(found)
    for name in told:
        near = [] if name in known else get_close_matches(name, known, n=1, cutoff=0.7)
        if near:
            raise UsageError(f"--audience {name}: did you mean {near[0]}?")
    return told


def _known(found: Found) -> list[str]:
    """The audiences that the protocol and the policy ask for at any severity."""
    asked = (found.limits.audiences(s) for s in found.limits.protocol.severities.values())
    return list(dict.fromkeys([*(a for names in asked for a in names), CUSTOMERS]))


def _notes(found: Found, told: Sequence[str]) -> list[str]:
    strangers = [name for name in told if name not in _known(found)]
    said = [f"neither protocol nor policy asks to tell {' or '.join(strangers)}"]
    return said if strangers else []
