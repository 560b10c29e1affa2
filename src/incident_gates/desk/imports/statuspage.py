"""Statuspage: what customers were told, update by update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates.desk.imports import claims
from incident_gates.desk.imports.values import at, first, items, left, text, time
from incident_gates.errors import UsageError

if TYPE_CHECKING:
    from incident_gates.desk.imports.claims import Claims

PLANNED = ("scheduled", "in_progress", "verifying", "completed")


def read(payload: dict[str, Any]) -> Claims:
    """The updates of one incident, as notices to customers."""
    inner = at(payload, "incident")
    incident = inner if isinstance(inner, dict) else payload
    if text(incident, "status") in PLANNED:
        raise UsageError("it is a scheduled maintenance, not an incident")
    updates = items(incident, "incident_updates")
    impact = first(text(incident, "impact_override"), text(incident, "impact"))
    rest = left(payload, "incident") if inner else left(payload, "incident_updates", "components")
    return claims.Claims(
        notices=tuple(n for update in reversed(updates) if (n := _notice(incident, update))),
        ranks=(claims.Rank(impact, "impact"),) if impact else (),
        left=rest,
        notes=_notes(incident, updates),
    )


def _notice(incident: dict[str, Any], update: dict[str, Any]) -> claims.Notice | None:
    """An update counts from when it was posted; the time shown on the page can be edited."""
    posted = time(update, "created_at")
    if not posted:
        return None
    key = first(text(update, "id"), posted)
    status, body = text(update, "status"), text(update, "body")
    message = f"{status.capitalize()}: {body}" if status and body else first(body, status)
    page = first(text(incident, "name"), "incident")
    said = first(message, page)
    return claims.Notice(f"update {key}", posted, "Status page", "customers", said, "Statuspage")


def _notes(incident: dict[str, Any], updates: list[dict[str, Any]]) -> tuple[str, ...]:
    said = []
    untimed = sum(not time(update, "created_at") for update in updates)
    if untimed:
        said.append(f"{untimed} updates without a time were left in the payload.")
    if at(incident, "backfilled") is True:
        said.append("The page calls this incident backfilled: its times were entered later.")
    return tuple(said)
