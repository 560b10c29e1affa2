"""Fills the recovery validation with the results of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates import facts
from incident_gates.desk.imports import assessment, checks, citing, values
from incident_gates.errors import UsageError
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.desk.imports.payload import Payload
    from incident_gates.desk.record.draft import Draft

NAME = "recovery-validation.json"
PLANNED = ("id", "service", "kind", "critical", "description")


def filled(draft: Draft, payload: Payload, offset: str) -> list[str]:
    """Adds one result to each check that the tests were for, and the checks nobody planned."""
    if not payload.claims.runs:
        return []
    there = draft.value(NAME).get("checks", [])
    if not isinstance(there, list):
        raise UsageError(f"{NAME}: checks is not a list.")
    known = _known(draft, there)
    found = checks.checked(known, payload.claims.runs, payload.path, offset)
    for one in found:
        _add(draft, one)
    citing.in_json(draft, NAME, payload)
    _remark(draft, known, found)
    counts = {r: sum(one.result["result"] == r for one in found) for r in reversed(checks.WORST)}
    said = ", ".join(f"{count} {result}" for result, count in counts.items() if count)
    return [f"{counted(len(found), 'check')} ({said}) in {NAME}"]


def completed(draft: Draft, payload: Payload, offset: str) -> list[str]:
    """Gives the results of a payload that was imported before the times that they lacked."""
    if not payload.claims.runs or not offset:
        return []
    there = draft.value(NAME).get("checks", [])
    found = checks.checked(_known(draft, there), payload.claims.runs, payload.path, offset)
    times = {one.result["evidence"]: one.result["checked_at"] for one in found}
    count = 0
    for where, result in _results(there):
        time = times.get(result.get("evidence", ""), "")
        if values.time(time) and assessment.blank(result.get("checked_at")):
            draft.put(NAME, (*where, "checked_at"), time)
            count += 1
    return [f"{count} times in {NAME}"] if count else []


def _results(there: Any) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    for index, check in enumerate(there if isinstance(there, list) else ()):
        results = check.get("results") if isinstance(check, dict) else None
        for number, result in enumerate(results if isinstance(results, list) else ()):
            if isinstance(result, dict) and isinstance(result.get("evidence"), str):
                yield ("checks", index, "results", number), result


def _known(draft: Draft, there: list[Any]) -> list[dict[str, Any]]:
    """The checks of the file, then those that were planned and are not in it."""
    known = [
        check for check in there if isinstance(check, dict) and isinstance(check.get("id"), str)
    ]
    ids = {check["id"] for check in known}
    nodes = facts.planned_checks(draft.found.record)
    planned = [{k: node[k].value for k in PLANNED if node[k]} for node in nodes]
    return [*known, *(p for p in planned if p.get("id") and p["id"] not in ids)]


def _add(draft: Draft, one: checks.Checked) -> None:
    there = draft.value(NAME).get("checks", [])
    ids = [check.get("id") if isinstance(check, dict) else None for check in there]
    if one.check["id"] in ids:
        draft.append(NAME, ("checks", ids.index(one.check["id"]), "results"), one.result)
    else:
        check = {k: v for k, v in one.check.items() if k != "results"}
        draft.append(NAME, ("checks",), {**check, "results": [one.result]})


def _remark(draft: Draft, known: list[dict[str, Any]], found: list[checks.Checked]) -> None:
    strange = [one.check["id"] for one in found if not one.planned]
    if strange:
        names = ", ".join(strange[:5]) + (" …" if len(strange) > 5 else "")  # noqa: PLR2004
        draft.notes.append(f"Not planned, so not critical until you say so: {names}.")
    absent = [c["id"] for c in known if c["id"] not in {one.check["id"] for one in found}]
    if absent:
        names = ", ".join(absent[:5]) + (" …" if len(absent) > 5 else "")  # noqa: PLR2004
        draft.notes.append(f"Planned, and not in these results: {names}.")
    if any(one.result["checked_at"].startswith("TODO") for one in found):
        draft.notes.append(
            "The results give no time with an offset: import them with --offset +01:00 (or Z), "
            "or write checked_at."
        )
