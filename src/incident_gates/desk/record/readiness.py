"""Records what of a rollback's prerequisites was verified: by somebody now, or in advance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.desk.record import given, standing, words
from incident_gates.desk.record.draft import opened
from incident_gates.errors import UsageError
from incident_gates.incident import is_placeholder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from incident_gates.desk.record.draft import Draft
    from incident_gates.run import Job

NAME = "rollback-readiness-checklist.json"
REHEARSAL = "rollback-verification-report.json"
DEPLOYMENT = "production-deployment-report.json"


class Verified(NamedTuple):
    """Which items somebody vouches for, and by what."""

    items: Sequence[str] = ()
    by: str | None = None
    evidence: str = ""
    at: str | None = None
    source: str = ""


class Readiness(NamedTuple):
    """What is said about the checklist in one line."""

    verified: Verified
    all: bool = False
    unmet: str = ""
    standing: Sequence[str] = ()
    category: str = ""
    description: str = ""
    target: str = ""


def record(job: Job, said: Readiness) -> words.Answer:
    """Marks items as verified or unmet, adds a new one, or cites those that stand."""
    with opened(job) as draft:
        _begin(draft, said.target)
        _clear(draft, said)
        for entry in standing.readiness(draft.found, given.listed(said.standing)):
            _put(draft, entry)
        if said.category:
            _new(draft, said)
        items = _pending(draft) if said.all else given.listed(said.verified.items)
        if not items and not said.standing and not said.target:
            raise UsageError("Say which items: --item ID, --all, or --standing ID.")
        given.unique(said.verified.items, "--item")
        _mark(draft, said.verified._replace(items=items), said.unmet)
    waiting = _pending(draft)
    sentence = f"{words.joined([e.value['id'] for e in draft.entries]) or 'Checklist'}: "
    sentence += "unmet" if said.unmet else "verified"
    sentence += f"; still pending: {', '.join(waiting)}" if waiting else "; nothing is pending"
    return words.answered(draft, sentence, words.step(draft.found, "2.2"))


def cite(draft: Draft, option: Mapping[str, Any], option_id: str, verified: Verified) -> None:
    """Brings what a known option needs: items that stand, items to verify, recovery checks."""
    found = draft.found
    _begin(draft, "")
    _drop_items(draft, _is_dummy)
    stand, over = standing.to_cite_or_verify(found, option.get("readiness", ()))
    for entry in stand:
        _put(draft, entry)
    for entry in (*over, *option.get("verify", ())):
        _put(draft, _to_verify(entry))
    _drop_checks(draft)
    for check in option.get("recovery_checks", ()):
        plan(draft, check)
    if verified.items:
        _mark(draft, verified._replace(items=given.listed(verified.items)), "")
    waiting = _pending(draft)
    draft.notes += [
        f"the standing item {e['id']} ran out at {e['expires_at']}"
        for e in over
        if e["id"] in waiting
    ]
    if waiting:
        draft.notes.append(f"{option_id} still needs somebody to verify {', '.join(waiting)}")


def _to_verify(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An item of the policy that somebody has yet to verify."""
    kept = {key: entry[key] for key in ("id", "category", "description")}
    return {**kept, "required": entry.get("required", True), "status": "pending"}


def _begin(draft: Draft, target: str) -> None:
    """What is gone back to; what upstream knows is cited."""
    if target:
        draft.put(NAME, ("rollback_target",), given.said(target, "--target"))
    _cite_upstream(draft)


def _clear(draft: Draft, said: Readiness) -> None:
    """Takes out the template's items that nothing asks for: only a rollback needs each of them."""
    data = draft.found.limits.protocol.data
    asking = {*data["rollback_strategies"], "fail_forward", ""}
    strategies = {option.strategy for option in draft.found.chain.planned} or {""}
    if not said.all and not strategies & asking:
        named = given.listed(said.verified.items)
        _drop_items(draft, lambda item: _is_dummy(item) and item.get("id") not in named)


def _drop_items(draft: Draft, which: Callable[[Mapping[str, Any]], bool]) -> None:
    items = draft.value(NAME).get("items", [])
    for index in reversed(range(len(items))):
        if which(items[index]):
            draft.drop(NAME, ("items", index))


def _drop_checks(draft: Draft) -> None:
    """Takes out the checks that the template plans of no service."""
    planned = draft.value(NAME).get("recovery_checks", [])
    for index in reversed(range(len(planned))):
        if is_placeholder(str(planned[index].get("service", ""))):
            draft.drop(NAME, ("recovery_checks", index))


def _is_dummy(item: Mapping[str, Any]) -> bool:
    by = item.get("verified_by", {})
    name = by.get("name", "") if isinstance(by, dict) else ""
    return item.get("status") == "pending" and bool(name) and is_placeholder(name)


def _cite_upstream(draft: Draft) -> None:
    """Target and rehearsal, where nobody wrote them and the pinned inputs know them."""
    record = draft.found.record
    previous = record.node(DEPLOYMENT)["previous_release"].text
    rehearsal, document = record.node(REHEARSAL), record.document(REHEARSAL)
    known: dict[str, Any] = {"rollback_target": previous}
    if document and rehearsal["result"].text == "passed" and rehearsal["verified_at"].time:
        known["last_exercised_at"] = rehearsal["verified_at"].value
        known["last_exercised_evidence"] = f"{REHEARSAL} (sha256 {document.sha256})"
    for key in ("rollback_target", "last_exercised_at", "last_exercised_evidence"):
        written = draft.value(NAME).get(key)
        if written is not None and not is_placeholder(str(written)):
            continue
        if known.get(key):
            draft.put(NAME, (key,), known[key])


def _put(draft: Draft, entry: dict[str, Any]) -> None:
    """Adds an item, or completes the one of that id while nobody has verified it.

    The template's item of the same kind gives way to it.
    """
    _give_way(draft, entry["category"], entry["id"])
    items = draft.value(NAME).get("items", [])
    index = next((i for i, item in enumerate(items) if item.get("id") == entry["id"]), None)
    if index is None:
        draft.append(NAME, ("items",), entry)
    elif items[index].get("status") != "verified" and entry["status"] == "verified":
        draft.replace(NAME, ("items", index), {**items[index], **entry})


def _give_way(draft: Draft, category: str, ident: str) -> None:
    _drop_items(
        draft, lambda i: _is_dummy(i) and (i.get("category") == category or i.get("id") == ident)
    )


def plan(draft: Draft, check: Mapping[str, Any]) -> bool:
    """Plans a recovery check, unless one of that id is planned already."""
    _drop_checks(draft)
    planned = {c.get("id") for c in draft.value(NAME).get("recovery_checks", [])}
    if check["id"] in planned:
        return False
    entry = {k: check[k] for k in ("id", "service", "kind")}
    entry["critical"] = check.get("critical", True)
    draft.append(NAME, ("recovery_checks",), {**entry, "description": check["description"]})
    return True


def _new(draft: Draft, said: Readiness) -> None:
    """An item that the checklist does not have yet."""
    categories = schema_words("category")
    if len(said.verified.items) != 1:
        raise UsageError("--category describes one new item: name it with --item ID.")
    ident = said.verified.items[0]
    _give_way(draft, said.category, ident)
    taken = [i.get("id") for i in draft.value(NAME).get("items", [])]
    entry = {
        "id": given.new_id(ident, taken, "--item"),
        "category": given.among(said.category, categories, "--category"),
        "required": True,
        "description": given.said(said.description, "--description"),
        "status": "pending",
    }
    draft.append(NAME, ("items",), entry)


def schema_words(key: str) -> list[str]:
    """The words that the schema allows for a field of an item."""
    from incident_gates import schema

    items = schema.load("rollback-readiness-checklist")["properties"]["items"]["items"]
    found: list[str] = items["properties"][key]["enum"]
    return found


def _pending(draft: Draft) -> list[str]:
    items = draft.value(NAME).get("items", [])
    return [i["id"] for i in items if i.get("status") == "pending" and i.get("required", True)]


def _mark(draft: Draft, said: Verified, unmet: str) -> None:
    """Writes who verified which item, when, and by what evidence."""
    if not said.items:
        return
    found = draft.found
    moment = given.moment(said.at, found.now, source=said.source)
    person = _person(draft, said.by)
    if not unmet and not said.evidence.strip():
        raise UsageError("--evidence: say what shows it, such as a job or an output.")
    known = [i.get("id") for i in draft.value(NAME).get("items", [])]
    for ident in said.items:
        given.among(ident, known, "--item")
        item = draft.value(NAME)["items"][known.index(ident)]
        if item.get("status") == "verified" and not unmet:
            said_ = f'"{ident}" was verified already; what is verified is not replaced.'
            raise UsageError(said_)
        verdict = {
            "status": "unmet" if unmet else "verified",
            "verified_by": person,
            "verified_at": moment.value,
            **({"reason": given.said(unmet, "--unmet")} if unmet else {}),
            **({"evidence": given.said(said.evidence, "--evidence")} if said.evidence else {}),
            **moment.recorded(found.now),
        }
        kept = {k: v for k, v in item.items() if k not in ("evidence", "reason", "standing")}
        _replace(draft, known.index(ident), {**kept, **verdict})


def _person(draft: Draft, by: str | None) -> dict[str, str]:
    """Who verified: named by the one who types, never guessed."""
    if not by:
        raise UsageError("--by: say who verified it, as NAME or NAME:ROLE.")
    return given.person(draft.found, by, "--by", otherwise="operator")


def _replace(draft: Draft, index: int, entry: dict[str, Any]) -> None:
    draft.entries[:] = [e for e in draft.entries if e.where != ("items", index)]
    draft.replace(NAME, ("items", index), entry)
