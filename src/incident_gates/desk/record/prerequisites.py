"""Fills prerequisites.json: who holds which authority, and what the policy verified in advance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates import lock
from incident_gates.desk import found as finding
from incident_gates.desk import json_text, templates
from incident_gates.desk.record import files, given, standing
from incident_gates.evidence import strict_json
from incident_gates.incident import is_placeholder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.desk.found import Found

NAME = "prerequisites.json"


def fill(
    found: Found,
    *,
    commander: str | None = None,
    release_manager: str | None = None,
    at: str | None = None,
) -> list[str]:
    """Writes who commands and who acknowledged, and cites the states that stand; says what it did.

    Only a placeholder is replaced: what somebody wrote stays, and a second approval of the same
    kind is added beside the first.
    """
    named = {"incident_commander": commander, "release_manager": release_manager}
    with lock.held(found.record.folder):
        found = files.fresh(found)
        before = text = files.text(found, NAME)
        notes: list[str] = []
        for role, name in named.items():
            if name:
                text = approved(found, text, role, name, at=at)
                notes.append(f"{given.plain(name)} is {role.replace('_', ' ')}")
        text, cited = states(found, text)
        if text != before:
            files.save(found, NAME, before, text)
    return [*notes, *cited, *_ran_out(found, text)]


def approved(found: Found, text: str, role: str, name: str, *, at: str | None = None) -> str:
    """The text with the approval that the protocol asks of a role."""
    wanted = found.limits.protocol.data["prerequisites"]["approvals"]
    approval = next(entry["id"] for entry in wanted if entry["role"] == role)
    moment = given.moment(at, found.now)
    author = templates.author(found.record.base) or "somebody"
    entry = {
        "approval": approval,
        "by": {"name": given.line(name), "role": role},
        "approved_at": moment.value,
        "reference": f"named by {author} in this record at {finding.shown(found.now)}",
        **moment.recorded(found.now),
    }
    entries = strict_json.parse(text).get("approvals", [])
    return _put(text, ("approvals",), _blank(entries, "approval", approval, "by"), entry)


def states(found: Found, text: str) -> tuple[str, list[str]]:
    """The text with each system state that nobody verified and that the policy vouches for."""
    cited: list[str] = []
    asked = [s["id"] for s in found.limits.protocol.data["prerequisites"]["system_states"]]
    for entry in standing.system_states(found):
        entries = strict_json.parse(text).get("system_states", [])
        index = _blank(entries, "state", entry["state"], "verified_by")
        known = any(e.get("state") == entry["state"] for e in entries)
        if entry["state"] in asked and (index is not None or not known):
            text = _put(text, ("system_states",), index, entry)
            place = entry["standing"]["reference"].partition(" (sha256")[0]
            cited.append(f"{entry['state']} cited from {place}")
    return text, cited


def _ran_out(found: Found, text: str) -> Iterator[str]:
    """Each state that the policy no longer vouches for, and nobody else does yet."""
    asked = [s["id"] for s in found.limits.protocol.data["prerequisites"]["system_states"]]
    entries = strict_json.parse(text).get("system_states", [])
    for entry in standing.ran_out(found, "system_states"):
        state = entry["state"]
        blank = _blank(entries, "state", state, "verified_by") is not None
        if state in asked and (blank or not any(e.get("state") == state for e in entries)):
            named = f"standing.system_states.{entry['id']}"
            until = given.clock(entry["expires_at"])
            yield f"Note: {state} is not cited: {named} stood until {until}. Verify it anew."


def _blank(entries: list[dict[str, Any]], key: str, wanted: str, who: str) -> int | None:
    """The template's entry of that kind, which nobody has filled yet."""
    for index, entry in enumerate(entries):
        by = entry.get(who)
        name = by.get("name", "") if isinstance(by, dict) else ""
        if entry.get(key) == wanted and (not name or is_placeholder(name)):
            return index
    return None


def _put(text: str, where: tuple[str | int, ...], index: int | None, entry: Any) -> str:
    if index is None:
        return json_text.appended(text, where, entry)
    return json_text.replaced(text, (*where, index), entry)
