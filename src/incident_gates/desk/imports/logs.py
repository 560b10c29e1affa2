"""Fills the intake log with signals, and the communication log with notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.desk.imports import citing
from incident_gates.desk.record import log
from incident_gates.evidence import times
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from incident_gates.desk.imports.payload import Payload
    from incident_gates.desk.record.draft import Draft
    from incident_gates.logs import LogEntry

SIGNALS, NOTICES = log.SIGNALS.name, log.NOTICES.name
# What a person can still read; the payload holds the rest.
MOST = 200


def filled(draft: Draft, payload: Payload, fresh: Collection[str]) -> list[str]:
    """Adds the entries whose keys are new; says how many went where."""
    claims = payload.claims
    signals = [
        (s.time, {"source": s.source, "text": s.text}) for s in claims.signals if s.key in fresh
    ]
    notices = [
        (
            n.time,
            {"channel": n.channel, "audience": n.audience, "text": n.message, "sender": n.sender},
        )
        for n in claims.notices
        if n.key in fresh
    ]
    there = draft.found.chain
    said = _added(draft, payload, log.SIGNALS, signals, there.intake[0].entries)
    return said + _added(draft, payload, log.NOTICES, notices, there.communication[1].entries)


def _added(
    draft: Draft,
    payload: Payload,
    kind: log.Log,
    entries: list[tuple[str, dict[str, str]]],
    there: Iterable[LogEntry],
) -> list[str]:
    known = list(there)
    new = [(t, columns) for t, columns in entries if not _holds(known, t, columns)]
    for time, columns in new[:MOST]:
        _add(draft, kind, time, columns)
    if not new:
        return []
    draft.rewrite(kind.name, citing.in_log(draft.text(kind.name), payload))
    if len(new) > MOST:
        draft.notes.append(f"{len(new) - MOST} more are in {payload.path}, and not in {kind.name}.")
    what = "signal" if kind is log.SIGNALS else "notice"
    return [f"{counted(min(len(new), MOST), what)} in {kind.name}"]


def _add(draft: Draft, kind: log.Log, time: str, columns: Mapping[str, str]) -> None:
    moment = times.parse(time)
    if moment is None:
        return
    changed, line = log.added(kind, draft.text(kind.name), moment, columns)
    draft.add_line(kind.name, changed, line, {**columns, "at": time})


def _holds(entries: list[LogEntry], time: str, columns: Mapping[str, str]) -> bool:
    """Whether the log says the same already."""
    moment = times.parse(time)
    said = [" ".join(text.split()) for text in columns.values()]
    return any(
        moment
        and e.time
        and times.overlap(e.time, moment)
        and [" ".join(e.columns.get(name, "").split()) for name in columns] == said
        for e in entries
    )
