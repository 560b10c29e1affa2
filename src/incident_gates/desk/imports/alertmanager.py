"""Alertmanager: alerts that fire and clear, as its webhook receiver gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates.desk.imports import claims
from incident_gates.desk.imports.values import at, first, items, left, text, time
from incident_gates.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.desk.imports.claims import Claims

READ = ("version", "alerts", "truncatedAlerts")
# Under which names labels and annotations tell of an objective; Sloth and Pyrra write the last two.
OBJECTIVE = ("objective", "slo", "sloth_slo")
OBSERVED = ("observed", "current_value", "value")


def read(payload: dict[str, Any]) -> Claims:
    """What the alerts of one notification say."""
    if text(payload, "version") != "4":
        said = text(payload, "version") or "none"
        raise UsageError(f"its version is {said}; version 4 can be read")
    alerts = items(payload, "alerts")
    started = [time(alert, "startsAt") for alert in alerts]
    return claims.Claims(
        signals=tuple(signal for alert in alerts for signal in _signals(alert)),
        moments=tuple(claims.Moment("detected_at", t, "startsAt") for t in started if t),
        breaches=tuple(breach for alert in alerts if (breach := _breach(alert))),
        services=tuple(dict.fromkeys(s for a in alerts if (s := text(a, "labels", "service")))),
        ranks=tuple(
            claims.Rank(rank, "label severity")
            for alert in alerts
            if (rank := text(alert, "labels", "severity"))
        ),
        left=left(payload, *READ),
        notes=_notes(payload),
    )


def _signals(alert: dict[str, Any]) -> Iterator[claims.Signal]:
    """The alert began; and where it is resolved, it ended."""
    name = first(text(alert, "labels", "alertname"), "alert without a name")
    key = first(text(alert, "fingerprint"), _labels(alert))
    started, ended = time(alert, "startsAt"), time(alert, "endsAt")
    said = _said(alert)
    whole = f"{name}: {said}" if said and said != name else name
    if started:
        yield claims.Signal(f"firing {key} {started}", started, "Alertmanager", whole)
    if ended and text(alert, "status") == "resolved":
        cleared = f"Cleared: {name}"
        yield claims.Signal(f"resolved {key} {ended}", ended, "Alertmanager", cleared)


def _labels(alert: dict[str, Any]) -> str:
    labels = at(alert, "labels")
    return repr(sorted(labels.items(), key=str)) if isinstance(labels, dict) else ""


def _said(alert: dict[str, Any]) -> str:
    annotations = at(alert, "annotations")
    return first(*(text(annotations, name) for name in ("summary", "description", "message")))


def _breach(alert: dict[str, Any]) -> claims.Breach | None:
    stated = (at(alert, "annotations"), at(alert, "labels"))
    objective = first(*(text(place, name) for name in OBJECTIVE for place in stated))
    observed = first(*(text(place, name) for name in OBSERVED for place in stated))
    return claims.Breach(objective, observed) if objective else None


def _notes(payload: dict[str, Any]) -> tuple[str, ...]:
    cut = payload.get("truncatedAlerts")
    if not isinstance(cut, int) or cut <= 0:
        return ()
    return (f"Alertmanager left out {cut} more alerts (max_alerts).",)
