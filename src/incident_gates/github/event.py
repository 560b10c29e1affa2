"""The event that started a workflow, as environment and payload tell it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.errors import CouldNotTell
from incident_gates.evidence import bounds, files
from incident_gates.evidence.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

PAYLOAD_BYTES = 32 * bounds.MIB
_SHA = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")


class Event(NamedTuple):
    """What happened: the event's name, its payload, and the commit that the run is about."""

    name: str
    payload: Any
    sha: str

    def at(self, *keys: str) -> Any:
        """A value of the payload, or None where it or its parents are absent."""
        value = self.payload
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def text(self, *keys: str) -> str:
        """A text of the payload, or ""."""
        value = self.at(*keys)
        return value if isinstance(value, str) else ""

    def commit(self, *keys: str) -> str:
        """The id of a commit in the payload, or "" where there is none, or nothing but zeros."""
        return commit_id(self.text(*keys))


def commit_id(text: str) -> str:
    """A full commit id, or "" for anything else: no such text may reach git as an argument."""
    return text if _SHA.match(text) and text.strip("0") else ""


def read(environment: Mapping[str, str]) -> Event:
    """The event; raises CouldNotTell where it cannot be read."""
    name = environment.get("GITHUB_EVENT_NAME", "")
    path = environment.get("GITHUB_EVENT_PATH", "")
    if not name or not path:
        raise CouldNotTell(
            "What changed is told by a workflow's event, and there is none here "
            "(GITHUB_EVENT_NAME, GITHUB_EVENT_PATH). By hand use --scope all, or --incident."
        )
    return Event(name, _payload(Path(path)), commit_id(environment.get("GITHUB_SHA", "")))


def _payload(path: Path) -> dict[str, Any]:
    try:
        parsed = json.loads(files.read(path, PAYLOAD_BYTES))
    except Refusal as refusal:
        raise CouldNotTell(f"The event's payload cannot be read: {refusal.what}.") from None
    except (ValueError, RecursionError):
        raise CouldNotTell("The event's payload is not JSON. Run the workflow again.") from None
    if not isinstance(parsed, dict):
        raise CouldNotTell("The event's payload is not an object. Run the workflow again.")
    return parsed
