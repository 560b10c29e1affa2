"""What the policy says once and for all, and a record cites: with its expiry, while it holds."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from incident_gates.errors import UsageError
from incident_gates.evidence import times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incident_gates.desk.found import Found

Entry = dict[str, Any]


def system_states(found: Found) -> list[Entry]:
    """Each system state that stands, as an entry of prerequisites.json; expired ones are not."""
    entries = found.limits.standing("system_states")
    return [
        {
            "state": entry["state"],
            "verified_by": entry["verified_by"],
            "verified_at": entry["verified_at"],
            "method": entry["method"],
            "standing": cited(found, "system_states", entry),
        }
        for entry in entries
        if in_force(found, entry)
    ]


def readiness(found: Found, wanted: Sequence[str]) -> list[Entry]:
    """Items of the checklist that stand, by their ids; an expired one is refused by name."""
    known = {entry["id"]: entry for entry in found.limits.standing("readiness")}
    return [_item(found, one(known, ident, "readiness")) for ident in wanted]


def to_cite_or_verify(found: Found, wanted: Sequence[str]) -> tuple[list[Entry], list[Entry]]:
    """The same for an option, which brings its items: those that stand, those to verify anew."""
    known = {entry["id"]: entry for entry in found.limits.standing("readiness")}
    entries = [one(known, ident, "readiness") for ident in wanted]
    stand = [_item(found, entry) for entry in entries if in_force(found, entry)]
    return stand, [dict(entry) for entry in entries if not in_force(found, entry)]


def _item(found: Found, entry: Mapping[str, Any]) -> Entry:
    if not in_force(found, entry):
        said = f"The standing item {entry['id']} ran out at {entry['expires_at']}: verify it anew."
        raise UsageError(said)
    return {
        "id": entry["id"],
        "category": entry["category"],
        "required": entry.get("required", True),
        "description": entry["description"],
        "status": "verified",
        "verified_by": entry["verified_by"],
        "verified_at": entry["verified_at"],
        "evidence": entry["evidence"],
        "standing": cited(found, "readiness", entry),
    }


def option(found: Found, ident: str) -> Mapping[str, Any]:
    """The option of that id that the policy describes."""
    return one({entry["id"]: entry for entry in found.limits.standing("options")}, ident, "options")


def one(known: Mapping[str, Mapping[str, Any]], ident: str, section: str) -> Mapping[str, Any]:
    """The entry of that id; one that is not there is refused with what is."""
    if ident in known:
        return known[ident]
    if not known:
        raise UsageError(f"The policy has nothing under standing.{section} that could be cited.")
    near = get_close_matches(ident, known, n=1, cutoff=0.6)
    said = f"did you mean {near[0]}?" if near else f"it holds {', '.join(known)}."
    raise UsageError(f"The policy has no standing.{section} entry {ident}; {said}")


def in_force(found: Found, entry: Mapping[str, Any]) -> bool:
    """Whether an entry was verified by now, and has not run out."""
    begins, ends = times.parse(entry["verified_at"]), times.parse(entry["expires_at"])
    return bool(begins and ends and begins.earliest <= found.now < ends.earliest)


def ran_out(found: Found, section: str) -> list[Mapping[str, Any]]:
    """The entries of a section whose end has passed."""
    ends = [(entry, times.parse(entry["expires_at"])) for entry in found.limits.standing(section)]
    return [entry for entry, end in ends if end and end.earliest <= found.now]


def cited(found: Found, section: str, entry: Mapping[str, Any]) -> Entry:
    """Where an entry stands, and until when it holds."""
    return {"reference": source(found, section, entry["id"]), "expires_at": entry["expires_at"]}


def source(found: Found, section: str, ident: str) -> str:
    """The policy's path and the entry, with the digest of the policy as it is now."""
    policy = found.limits.policy
    name = (policy.path or "the policy").rsplit("/", 1)[-1]
    digest = f" (sha256 {policy.sha256})" if policy.sha256 else ""
    return f"{name}: standing.{section}.{ident}{digest}"
