"""PagerDuty: an event of a v3 webhook, or an incident of the REST API with its log entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates.desk.imports import claims
from incident_gates.desk.imports.values import at, first, items, left, text, time
from incident_gates.evidence import times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.desk.imports.claims import Claims

# What an event or log entry tells of, by its type without "incident." or "_log_entry".
BEGAN, ENDED, TAKEN = ("trigger", "triggered"), ("resolve", "resolved"), ("acknowledge",)


def read(payload: dict[str, Any]) -> Claims:
    """What the event or the incident says."""
    event = at(payload, "event")
    return _event(payload, event) if isinstance(event, dict) else _incident(payload)


def _event(payload: dict[str, Any], event: dict[str, Any]) -> Claims:
    kind = text(event, "event_type").removeprefix("incident.")
    incident = at(event, "data")
    if text(incident, "type") not in ("incident", ""):
        # A note, a task, a service: nothing that a record asks for.
        return claims.Claims(left=left(payload, "event"))
    occurred = time(event, "occurred_at")
    began = first(time(incident, "created_at"), occurred)
    signals = [*_began(incident, began)] if kind in BEGAN or time(incident, "created_at") else []
    signals += [*_ended(incident, occurred)] if kind in ENDED else []
    moments = [claims.Moment("detected_at", s.time, "created_at") for s in signals[:1]]
    if kind.startswith(TAKEN) and occurred:
        moments.append(claims.Moment("acknowledged_at", occurred, "occurred_at"))
    return _claims(incident, signals, moments, left(payload, "event"))


def _incident(payload: dict[str, Any]) -> Claims:
    inner = at(payload, "incident")
    incident = inner if isinstance(inner, dict) else payload
    entries = items(payload, "log_entries") or items(incident, "log_entries")
    began = first(time(incident, "created_at"), *_times(entries, BEGAN))
    ended = first(*_times(entries, ENDED), time(incident, "resolved_at"))
    taken = _times(entries, TAKEN)
    signals = [*_began(incident, began), *_ended(incident, ended)]
    moments = [claims.Moment("detected_at", began, "created_at")] if began else []
    moments += [claims.Moment("acknowledged_at", t, "acknowledge_log_entry") for t in taken[:1]]
    return _claims(incident, signals, moments, left(payload, "incident", "log_entries", *READ))


READ = ("incident_number", "title", "summary", "created_at", "resolved_at", "service", "priority")


def _times(entries: list[dict[str, Any]], kinds: tuple[str, ...]) -> list[str]:
    """The times of log entries of a kind, earliest first."""
    found = [
        time(entry, "created_at")
        for entry in entries
        if text(entry, "type").removesuffix("_log_entry").removesuffix("_reference") in kinds
    ]
    stated = [(moment.earliest, t) for t in found if (moment := times.parse(t))]
    return [t for _, t in sorted(stated)]


def _claims(
    incident: Any, signals: list[claims.Signal], moments: list[claims.Moment], rest: dict[str, Any]
) -> Claims:
    priority = first(text(incident, "priority", "summary"), text(incident, "priority", "name"))
    return claims.Claims(
        signals=tuple(signals),
        moments=tuple(moments),
        ranks=(claims.Rank(priority, "priority"),) if priority else (),
        left=rest,
    )


def _began(incident: Any, when: str) -> Iterator[claims.Signal]:
    if when:
        title = first(
            text(incident, "title"), text(incident, "summary"), "incident without a title"
        )
        service = text(incident, "service", "summary")
        said = f"{title} ({service})" if service else title
        yield claims.Signal(f"triggered {_id(incident)} {when}", when, _source(incident), said)


def _ended(incident: Any, when: str) -> Iterator[claims.Signal]:
    if when:
        said = f"Resolved in PagerDuty: {first(text(incident, 'title'), _source(incident))}"
        yield claims.Signal(f"resolved {_id(incident)} {when}", when, _source(incident), said)


def _id(incident: Any) -> str:
    return first(text(incident, "id"), text(incident, "incident_number"))


def _source(incident: Any) -> str:
    number = first(text(incident, "number"), text(incident, "incident_number"))
    return f"PagerDuty #{number}" if number else "PagerDuty"
