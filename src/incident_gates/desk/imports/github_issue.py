"""GitHub: an issue by which somebody reported the incident."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates.desk.imports import claims
from incident_gates.desk.imports.values import at, first, items, left, text, time

if TYPE_CHECKING:
    from incident_gates.desk.imports.claims import Claims

READ = ("number", "title", "created_at", "closed_at", "labels", "html_url", "repository_url")


def read(payload: dict[str, Any]) -> Claims:
    """The report, and its closing where the issue is closed."""
    inner = at(payload, "issue")
    issue = inner if isinstance(inner, dict) else payload
    name = first(text(payload, "repository", "full_name"), _repository(issue))
    source = f"GitHub {name}#{text(issue, 'number')}"
    opened, closed = time(issue, "created_at"), time(issue, "closed_at")
    title = first(text(issue, "title"), "issue without a title")
    signals = [claims.Signal(f"opened {source}", opened, source, title)] if opened else []
    if closed and text(issue, "state") == "closed":
        why = text(issue, "state_reason").replace("_", " ")
        said = f"Issue closed{f' as {why}' if why else ''}: {title}"
        signals.append(claims.Signal(f"closed {source} {closed}", closed, source, said))
    labels = [label for item in items(issue, "labels") if (label := text(item, "name"))]
    return claims.Claims(
        signals=tuple(signals),
        moments=(claims.Moment("detected_at", opened, "created_at"),) if opened else (),
        ranks=tuple(claims.Rank(label, "label") for label in labels),
        left=left(payload, *(("issue",) if inner else READ)),
    )


def _repository(issue: dict[str, Any]) -> str:
    """``owner/name`` from the address that the REST API gives."""
    return "/".join(text(issue, "repository_url").rsplit("/", 2)[-2:])
