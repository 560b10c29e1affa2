"""Fills the execution report with a deployment, and completes it once that has ended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from incident_gates.desk.imports import citing
from incident_gates.desk.record import given
from incident_gates.errors import UsageError

if TYPE_CHECKING:
    from incident_gates.desk.imports.claims import Execution
    from incident_gates.desk.imports.filling import Choices
    from incident_gates.desk.imports.payload import Payload
    from incident_gates.desk.record.draft import Draft

NAME = "mitigation-execution-report.json"
DEPLOYMENT = "deployment"
ENDING = ("completed_at", "outcome", "output")


def filled(draft: Draft, payload: Payload, choices: Choices) -> list[str]:
    """Adds the deployment, or what is new about one that is there; says what was done."""
    claim = payload.claims.execution
    if claim is None:
        return []
    chosen = _chosen(draft, choices)
    entries = _entries(draft)
    index = next((i for i, e in enumerate(entries) if _deployment(e, payload) == claim.key), None)
    if index is None:
        return [_appended(draft, payload, claim, chosen)]
    return _completed(draft, payload, claim, chosen, index)


def _chosen(draft: Draft, choices: Choices) -> dict[str, Any]:
    """The decision that is carried out and the services, as far as somebody said them."""
    chain = draft.found.chain
    decision = None
    live = [d for d in chain.decisions if chain.superseding(d) is None]
    if choices.decision or (choices.only_decision and len(live) == 1):
        decision = given.decision(chain, choices.decision)
    services = [given.plain(s) for s in choices.services]
    services = services or list(decision.services if decision else ())
    said = {"decision": decision.id if decision else None, "services": services}
    return {name: value for name, value in said.items() if value}


def _entries(draft: Draft) -> list[Any]:
    entries = draft.value(NAME).get("executions", [])
    if not isinstance(entries, list):
        raise UsageError(f"{NAME}: executions is not a list.")
    return entries


def _deployment(entry: Any, payload: Payload) -> str:
    own = entry.get(citing.key(payload)) if isinstance(entry, dict) else None
    return str(own.get(DEPLOYMENT, "")) if isinstance(own, dict) else ""


def _appended(draft: Draft, payload: Payload, claim: Execution, chosen: dict[str, Any]) -> str:
    ident = _next_id(_entries(draft))
    services = chosen.get("services", ["TODO each service that it acts on"])
    entry = {
        "id": ident,
        **({"decision": chosen["decision"]} if "decision" in chosen else {}),
        "services": services,
        **claim.entry,
        citing.key(payload): {DEPLOYMENT: claim.key, **citing.cited(payload)},
    }
    draft.append(NAME, ("executions",), entry)
    _say_missing(draft, entry)
    return f"{ident}, {claim.entry['outcome']}, in {NAME}"


def _next_id(entries: list[Any]) -> str:
    ids = [str(e.get("id", "")) for e in entries if isinstance(e, dict)]
    numbers = [int(m[1]) for i in ids if (m := re.fullmatch(r"E-([0-9]{1,6})", i))]
    return f"E-{max(numbers, default=0) + 1}"


def _completed(
    draft: Draft, payload: Payload, claim: Execution, chosen: dict[str, Any], index: int
) -> list[str]:
    """What was not known yet of a deployment; nothing that somebody wrote is replaced."""
    entry = _entries(draft)[index]
    new = {name: value for name, value in chosen.items() if _open(entry.get(name))}
    if claim.ended and entry.get("outcome") == "unknown" and _open(entry.get("completed_at")):
        new |= {name: claim.entry[name] for name in ENDING}
        new["x-completed-by"] = {"source": payload.path, "sha256": payload.sha256}
    if not new:
        return []
    changed = {**entry, **new}
    draft.replace(NAME, ("executions", index), changed)
    _say_missing(draft, changed)
    return [f"{entry['id']}: {', '.join(n for n in new if n[:2] != 'x-')} in {NAME}"]


def _open(value: Any) -> bool:
    from incident_gates.desk.imports.assessment import blank

    return blank(value) or (isinstance(value, str) and value.startswith("N/A: it was "))


def _say_missing(draft: Draft, entry: dict[str, Any]) -> None:
    if "decision" not in entry:
        draft.notes.append(
            f"{entry['id']} names no decision. Say which it carried out with the same command "
            "and --decision ID."
        )
    if entry["outcome"] == "succeeded" and "propagation_verified_at" not in entry:
        draft.notes.append(
            f"{entry['id']} was deployed; see that it reached every instance, and record it."
        )
