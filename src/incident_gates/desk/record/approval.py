"""Records what somebody says about a decision, with the digest of the option as it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.chain import latest_words
from incident_gates.desk.record import files, given, words
from incident_gates.desk.record.draft import opened
from incident_gates.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_gates.chain import Chain, RequiredApproval
    from incident_gates.desk.found import Found
    from incident_gates.facts import Approval, Decision, Option
    from incident_gates.run import Job

DECISIONS = "decision-log.json"


class Word(NamedTuple):
    """What somebody says about a decision."""

    decision: str | None
    role: str
    name: str | None
    reject: bool
    at: str | None
    source: str | None = None


def record(job: Job, word: Word) -> words.Answer:
    """Appends an approval, or a rejection, of a decision's option as it is written now."""
    with opened(job) as draft:
        found = draft.found
        chain = found.chain
        decision = given.decision(chain, word.decision)
        option = chain.option(decision.option)
        if option is None:
            said = f"{decision.id} chooses option {decision.option}"
            raise UsageError(f"{said}, which mitigation-plan.md lacks.")
        entry = _word(found, word, option)
        _refuse_repeat(chain, decision, option, entry)
        index = decision.node.pointer[1]
        draft.append(DECISIONS, ("decisions", index, "approvals"), entry)
    now = files.fresh(draft.found)
    draft.notes += _standing_of(now, decision.id, option, entry)
    who, verb = entry["by"], "approves" if entry["verdict"] == "approve" else "rejects"
    sentence = f"{who['name']} ({who['role']}) {verb} {decision.id}: {option.id} {option.title}"
    sentence += f", text {option.sha256[:12]}…"
    action = decision.node["action"].text or option.title
    return words.answered(draft, sentence, words.prompt(now, 2, action=action))


def _word(found: Found, word: Word, option: Option) -> dict[str, Any]:
    role = given.role(found, word.role)
    name = given.name(found, word.name, "--name")
    moment = given.moment(word.at, found.now, source=word.source or "")
    if moment.backfilled and not moment.source:
        said = "--at records an earlier word: say where it can be seen with --source TEXT."
        raise UsageError(said)
    return {
        "verdict": "reject" if word.reject else "approve",
        "by": {"name": name, "role": role},
        "approved_at": moment.value,
        "option_sha256": option.sha256,
        **moment.recorded(found.now),
    }


def _refuse_repeat(chain: Chain, decision: Decision, option: Option, entry: dict[str, Any]) -> None:
    """One person has one word on one text; who changes it, or sees a changed text, speaks anew."""
    said = [a for a in decision.approvals if chain.same(a.name, entry["by"]["name"])]
    last: Approval | None = said[-1] if said else None
    if last and last.verdict == entry["verdict"] and last.sha256 in ("", option.sha256):
        verb = "approved" if last.verdict == "approve" else "rejected"
        line = chain.record.locate(last.node.place).line
        raise UsageError(f"{last.name} {verb} {decision.id} already ({DECISIONS}:{line}).")


def _standing_of(
    found: Found, decision_id: str, option: Option, entry: dict[str, Any]
) -> list[str]:
    """Whether the role is held, and who still has to approve."""
    chain = found.chain
    decision = given.decision(chain, decision_id)
    who, role = entry["by"]["name"], entry["by"]["role"]
    required = chain.required_approvals(decision, None)
    notes = []
    if role in {r.role for r in required} and not chain.holds(who, role, None):
        notes.append(f"neither policy nor prerequisites.json names {who} as {role}.")
    against = [w.name for w in latest_words(chain, decision) if w.verdict == "reject"]
    lacking = _lacking(required, option)
    if against:
        notes.append(f"rejected by {' and '.join(against)}: {decision.id} cannot be executed.")
    elif lacking:
        notes.append(f"still to approve this text: {', '.join(lacking)}")
    else:
        notes.append("all have approved.")
    return notes


def _lacking(required: Sequence[RequiredApproval], option: Option) -> list[str]:
    """Who has not approved this text."""
    current = {None, "", option.sha256}
    return [
        r.role or "one other person"
        for r in required
        if r.approval is None or (not r.approval.standing and r.approval.sha256 not in current)
    ]
