"""Records a decision for an option, with what its approvers say about the option as written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.desk.record import given, ran, words
from incident_gates.desk.record.draft import opened
from incident_gates.errors import UsageError
from incident_gates.incident import is_placeholder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_gates.desk.found import Found
    from incident_gates.facts import Option
    from incident_gates.run import Job

NAME = "decision-log.json"


class Decision(NamedTuple):
    """What was decided."""

    option: str | None = None
    id: str | None = None
    action: str = ""
    services: Sequence[str] = ()
    supersedes: str | None = None
    reason: str = ""
    approve: Sequence[str] = ()
    standing: Sequence[str] = ()
    # The execution that came before it, in an emergency.
    execution: str | None = None
    at: str | None = None
    source: str = ""


def record(job: Job, said: Decision) -> words.Answer:
    """Adds the decision, and each approval with the digest of the option's text."""
    with opened(job) as draft:
        found = draft.found
        option = chosen(found, said.option)
        _refuse_unwritten(option)
        moment = given.moment(said.at, found.now, source=said.source)
        entry = _entry(found, said, option, moment)
        approvals = [_approval(found, text, option, moment, said) for text in said.approve]
        given.unique([found.limits.identity(a["by"]["name"]) for a in approvals], "--approve")
        approvals += [_standing(found, ident, option) for ident in said.standing]
        draft.drop(NAME, ("x-example",))
        draft.append(NAME, ("decisions",), {**entry, "approvals": approvals})
        if said.execution:
            ran.tie(draft, said.execution, entry["id"])
    by = [a["by"]["name"] if "by" in a else a["standing"] for a in approvals]
    sentence = f"{entry['id']}: {entry['action']} ({option.id})"
    sentence += f", approved by {words.joined(by)}" if by else ", not yet approved"
    asked = words.prompt(found, 2, action=entry["action"]).rstrip()
    return words.answered(draft, sentence, asked)


def chosen(found: Found, wanted: str | None) -> Option:
    """The option of the plan that is meant: the one named, or the one proposed."""
    options = found.chain.options
    if not options:
        raise UsageError("mitigation-plan.md holds no option yet: incident-gates record option")
    if wanted is None:
        proposed = found.chain.planned
        if len(proposed) != 1:
            names = ", ".join(o.id for o in options)
            raise UsageError(f"The plan holds {names}: say which with --option.")
        return proposed[0]
    given.among(wanted, [o.id for o in options], "--option")
    return next(o for o in options if o.id == wanted)


def _refuse_unwritten(option: Option) -> None:
    """Nobody can answer for what nobody wrote: a template is no option yet."""
    unsaid = [key for key, (value, _) in option.stated.items() if is_placeholder(value)]
    if is_placeholder(option.title):
        unsaid.insert(0, "title")
    if not option.strategy and "strategy" not in unsaid:
        unsaid.append("strategy")
    if unsaid:
        said = f"{option.id} is not written yet ({', '.join(unsaid)})"
        raise UsageError(f"{said}. Write it first: incident-gates record option")


def _entry(found: Found, said: Decision, option: Option, moment: given.Moment) -> dict[str, Any]:
    chain = found.chain
    taken = [d.id for d in chain.decisions]
    services = given.listed(said.services) or _services(found, option, said.execution)
    if not services:
        raise UsageError("Neither option nor assessment names a service: say it with --service.")
    entry = {
        "id": given.new_id(said.id, taken, "--id") if said.id else given.next_id("D", taken),
        "option": option.id,
        "action": given.plain(said.action).strip() or option.field("action") or option.title,
        "services": services,
        "decided_at": moment.value,
        "supersedes": _superseded(found, said.supersedes),
        "reason": given.plain(said.reason).strip(),
        **moment.recorded(found.now),
    }
    return {key: value for key, value in entry.items() if value}


def _services(found: Found, option: Option, execution: str | None) -> list[str]:
    if execution:
        return list(ran.one(found.chain, execution, "--for").services)
    stated = option.field("services")
    return given.listed([stated]) if stated else list(found.chain.affected_services)


def _superseded(found: Found, wanted: str | None) -> str:
    """The decision that this one replaces: two that stand at once answer nobody."""
    chain = found.chain
    live = [d.id for d in chain.decisions if chain.superseding(d) is None]
    if wanted:
        return given.among(wanted, live, "--supersedes")
    carried_out = {e.decision for e in chain.executions}
    waiting = [ident for ident in live if ident not in carried_out]
    if waiting:
        said = f"{waiting[-1]} stands and was not carried out"
        raise UsageError(f"{said}: replace it with --supersedes {waiting[-1]}.")
    return ""


def _approval(
    found: Found, text: str, option: Option, moment: given.Moment, said: Decision
) -> dict[str, Any]:
    if moment.backfilled and not said.source:
        raise UsageError("--at records an earlier word: say where it can be seen with --source.")
    return {
        "verdict": "approve",
        "by": given.person(found, text, "--approve"),
        "approved_at": moment.value,
        "option_sha256": option.sha256,
        **moment.recorded(found.now),
    }


def _standing(found: Found, ident: str, option: Option) -> dict[str, Any]:
    """An approval that the policy gave in advance, cited while it holds."""
    entry = found.limits.standing_approval(ident)
    listed = [e["id"] for e in found.limits.policy.data.get("standing_approvals", ())]
    if entry is None:
        given.among(ident, listed, "--standing")
        raise AssertionError
    if option.strategy not in entry["strategies"]:
        raise UsageError(f"--standing {ident} does not cover a {option.strategy}.")
    from incident_gates.evidence import times

    ends = times.parse(entry["expires_at"])
    if ends is None or ends.earliest <= found.now:
        raise UsageError(f"--standing {ident} ran out at {entry['expires_at']}.")
    by = dict(entry["approved_by"][0])
    by["role"] = entry["roles"][0]
    return {
        "verdict": "approve",
        "by": by,
        "approved_at": entry["approved_at"],
        "standing": ident,
        "option_sha256": option.sha256,
    }
