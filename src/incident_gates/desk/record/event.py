"""Records an event in the timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.desk.record import given, log, words
from incident_gates.desk.record.draft import opened

if TYPE_CHECKING:
    from incident_gates.desk.record.draft import Draft
    from incident_gates.run import Job


def record(
    job: Job, text: str, at: str | None = None, source: str = "", signal: str = ""
) -> words.Answer:
    """Adds a line to the timeline, in the order of time; a signal to the intake log as well."""
    with opened(job) as draft:
        found, name = draft.found, log.EVENTS.name
        said = given.said(text, "TEXT")
        moment = given.moment(at, found.now, source=source)
        recorded = moment.recorded(found.now)
        columns = {"text": log.noted(said, recorded)}
        changed, line = log.added(log.EVENTS, draft.text(name), moment.time, columns)
        draft.add_line(name, changed, line, {"text": said, "at": moment.value, **recorded})
        draft.note_clock(name, (e.time for e in found.chain.timeline.entries))
        if signal:
            _signal(draft, given.said(signal, "--signal"), columns["text"], moment)
    announced = words.step(found, "1.1") if signal else ""
    return words.answered(draft, f"{moment.time.clock} UTC: {said}", announced)


def _signal(draft: Draft, origin: str, text: str, moment: given.Moment) -> None:
    """What the system or person said that noticed it: the beginning of the record."""
    name = log.SIGNALS.name
    columns = {"source": origin, "text": text}
    changed, line = log.added(log.SIGNALS, draft.text(name), moment.time, columns)
    draft.add_line(name, changed, line, {**columns, "at": moment.value})
