"""Fills the severity assessment where a source states a time, a breach or a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates.desk.imports import citing
from incident_gates.evidence import times
from incident_gates.incident import is_placeholder
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incident_gates.desk.imports.claims import Breach, Moment, Rank
    from incident_gates.desk.imports.payload import Payload
    from incident_gates.desk.record.draft import Draft

NAME = "severity-assessment.json"
MOST = 20


def filled(draft: Draft, payload: Payload) -> list[str]:
    """Replaces placeholders by what the source states, and nothing else."""
    claims = payload.claims
    if not claims.signals and not claims.notices:
        return []
    said = [*_moments(draft, payload, claims.moments)]
    classes = draft.value(NAME).get("classifications")
    if isinstance(classes, list) and classes and isinstance(classes[-1], dict):
        where = ("classifications", len(classes) - 1)
        said += _ranked(draft, payload, where)
        said += _breached(draft, claims.breaches, where)
        said += _services(draft, claims.services, where)
    citing.in_json(draft, NAME, payload)
    return [f"{', '.join(said)} in {NAME}"] if said else []


def blank(value: Any) -> bool:
    """Whether nobody has said anything there."""
    if isinstance(value, str):
        return is_placeholder(value)
    if isinstance(value, list):
        return all(map(blank, value))
    return value is None or (isinstance(value, dict) and all(map(blank, value.values())))


def _moments(draft: Draft, payload: Payload, moments: Sequence[Moment]) -> Iterator[str]:
    """The earliest time of each name; what somebody wrote stays, a contradiction is said."""
    for name in dict.fromkeys(moment.name for moment in moments):
        stated = [(t, m) for m in moments if m.name == name and (t := times.parse(m.time))]
        time, first = min(stated, key=lambda pair: pair[0].earliest)
        there = draft.value(NAME).get(name)
        source = f"{payload.source} {first.field}, {payload.path}"
        if blank(there):
            draft.put(NAME, (name,), {"at": first.time, "source": source})
            yield name
        elif (known := times.from_value(there)) and time.latest <= known.earliest:
            said = f"{name} says {known.shown}, but {payload.source} has {time.shown}: look into it"
            draft.notes.append(f"{said}, nothing was replaced.")


def _ranked(draft: Draft, payload: Payload, where: tuple[str | int, ...]) -> Iterator[str]:
    """A severity only where the policy says which one the source's own word proposes."""
    mapped = _mapped(draft, payload)
    entry = _at(draft, where)
    if not mapped:
        _say_unmapped(draft, payload, entry)
        return
    severity, rank = mapped
    if blank(entry.get("severity")):
        draft.put(NAME, (*where, "severity"), severity)
        proposed = {"by": payload.source, "field": rank.field, "value": rank.value}
        draft.put(NAME, (*where, "x-proposed"), {**proposed, "source": payload.path})
        draft.notes.append(
            f'{severity} is proposed by the policy for {payload.source} "{rank.value}"; '
            "nobody has assessed it yet."
        )
        yield f"severity {severity} (proposed)"
    elif entry.get("severity") != severity:
        draft.notes.append(
            f'{payload.source} says "{rank.value}", which the policy maps to {severity}; '
            f"the record says {entry['severity']}."
        )


def _say_unmapped(draft: Draft, payload: Payload, entry: Any) -> None:
    """The source has a word for it, and nobody has said what that means here."""
    word = next(iter(payload.claims.ranks), None)
    if word and word.field != "label" and blank(entry.get("severity")):
        said = f'{payload.source} says {word.field} "{word.value}"; the policy could say which'
        draft.notes.append(f"{said} severity that proposes (severity_from).")


def _mapped(draft: Draft, payload: Payload) -> tuple[str, Rank] | None:
    """The worst severity among those that the policy maps the source's words to."""
    table = draft.found.limits.policy.data.get("severity_from", {}).get(payload.kind, {})
    folded = {str(word).casefold(): severity for word, severity in table.items()}
    found = [
        (folded[rank.value.casefold()], rank)
        for rank in payload.claims.ranks
        if rank.value.casefold() in folded
    ]
    return min(found, key=lambda pair: str(pair[0]), default=None)


def _breached(
    draft: Draft, breaches: Sequence[Breach], where: tuple[str | int, ...]
) -> Iterator[str]:
    if not breaches:
        return
    there = _at(draft, where).get("slo_breaches")
    known = [] if blank(there) or not isinstance(there, list) else there
    said = {entry.get("objective") for entry in known if isinstance(entry, dict)}
    new = [
        {"objective": b.objective, "observed": b.observed or "TODO what is measured instead"}
        for b in {b.objective: b for b in breaches}.values()
        if b.objective not in said
    ]
    if new and (known or blank(there)):
        draft.put(NAME, (*where, "slo_breaches"), [*known, *new[:MOST]])
        yield counted(min(len(new), MOST), "SLO breach", "SLO breaches")


def _services(draft: Draft, services: Sequence[str], where: tuple[str | int, ...]) -> Iterator[str]:
    radius = _at(draft, where).get("blast_radius")
    if services and isinstance(radius, dict) and blank(radius.get("services")):
        draft.put(NAME, (*where, "blast_radius", "services"), [s[:200] for s in services[:MOST]])
        yield "services"


def _at(draft: Draft, where: tuple[str | int, ...]) -> Any:
    value = draft.value(NAME)
    for step in where:
        value = value[step]
    return value
