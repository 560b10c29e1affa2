"""What closing asks for: objectives restored, stability awaited, people told, work owned."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from incident_gates import facts
from incident_gates.evidence.times import Order, order, show_duration
from incident_gates.gates.resolution.ending import before_closing, since_impact
from incident_gates.rules import (
    CRITICAL,
    DO_NOT_CHANGE,
    WARNING,
    Breach,
    in_order,
    missing,
    one_of,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.incident import Node
    from incident_gates.policy import Limits

SUMMARY = "resolution-summary.json"


@rule(
    "RES001",
    gate="resolution",
    criterion="summary",
    level=CRITICAL,
    says="The incident is resolved but not closed",
    why="What stays open is forgotten before it is learned from.",
    fix="Complete the documentation, then set status to closed and record closed_at.",
    needs=(SUMMARY,),
)
def resolved_is_closed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """A resolved incident is closed within close_within_days; closed has its times."""
    status = chain.resolution["status"]
    if not chain.closed:
        resolved = chain.resolution["resolved_at"].time
        days = limits.threshold("close_within_days")
        said = f"the status is {chain.status or 'missing'}, not closed"
        if resolved:
            seconds = (chain.now - resolved.earliest) // timedelta(seconds=1)
            ago = show_duration(timedelta(seconds=seconds))
            said = f"resolved {ago} ago and not closed (status {chain.status or 'missing'})"
        expected = f"closed within {days:g} days"
        yield Breach((status or chain.resolution).place, said, expected, subject="status")
    names = ("resolution", "mitigated_at", "resolved_at", *(("closed_at",) if chain.closed else ()))
    yield from missing(chain.resolution, *names)


@rule(
    "RES004",
    gate="resolution",
    criterion="summary",
    level=CRITICAL,
    says="Restored objectives or cleared alerts are not shown",
    why="Resolved means that the objectives hold again and the alerts are quiet.",
    fix="Record each breached objective with what was observed and when, in the words of the "
    "assessment, and each alert with when it cleared.",
    needs=(SUMMARY,),
)
def objectives_are_restored(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each breached SLO restored and at least one alert cleared, before closing."""
    # Where customers saw it first, no alert fired that could clear; a reason is all there is.
    reasoned = {"slos_restored": "", "alerts_cleared": WARNING}
    lists = {
        "slos_restored": ("objective", "observed", "restored_at"),
        "alerts_cleared": ("alert", "cleared_at"),
    }
    for name, names in lists.items():
        entries = list(chain.resolution[name])
        if not entries:
            yield from missing(chain.resolution, name, reasoned=reasoned[name])
        for entry in entries:
            subject = f"{name}/{entry.pointer[-1]}"
            yield from missing(entry, *names, subject=subject)
            did = "held again" if name == "slos_restored" else "cleared"
            said = f"{entry[names[0]].text} {did}"
            yield from before_closing(chain, entry[names[-1]], said, subject)
            yield from since_impact(chain, entry[names[-1]], said, subject)
    restored = {facts.slug(n["objective"].text): n for n in chain.resolution["slos_restored"]}
    for objective, observed in _breached(chain).items() if restored else ():
        again = restored.get(facts.slug(objective))
        if again is None:
            place = chain.resolution["slos_restored"].place
            said = f'"{objective}" was breached and is not among the restored objectives'
            yield Breach(place, said, subject=objective)
        elif re.search(r"[0-9]", observed) and facts.words(again["observed"].text) == observed:
            said = f'"{objective}" is said to hold at {again["observed"].text}, as when breached'
            yield Breach(again["observed"].place, said, subject=objective)


def _breached(chain: Chain) -> dict[str, str]:
    """The objectives that the assessment says were breached, with what was first seen of each."""
    found: dict[str, str] = {}
    for classification in chain.severity_file["classifications"]:
        for breach in classification["slo_breaches"]:
            if breach["objective"].text:
                found.setdefault(breach["objective"].text, facts.words(breach["observed"].text))
    return found


@rule(
    "RES005",
    gate="resolution",
    criterion="summary",
    level=CRITICAL,
    says="The stability window was not over when the incident was closed",
    why="Metrics must be stable before closing; a window cut short shows nothing.",
    fix=f"{DO_NOT_CHANGE}. Before closing, wait until it is over; if it was closed too early, "
    "record a deviation.",
    needs=(SUMMARY,),
)
def stability_was_awaited(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The window is long enough, counted from mitigation, and ends before closing."""
    window = chain.resolution["stability_window"]
    if not isinstance(window.value, dict):
        yield from missing(chain.resolution, "stability_window")
        return
    yield from missing(window, "from", "until", "observation", subject="stability_window")
    yield from before_closing(chain, window["until"], "the window ends", "stability_window/until")
    yield from _window_is_long_enough(chain, window, limits.threshold("stability_minutes"))


def _window_is_long_enough(chain: Chain, window: Node, minutes: float) -> Iterator[Breach]:
    begin, end = window["from"].time, window["until"].time
    mitigated = chain.resolution["mitigated_at"].time
    if begin is None or end is None:
        return
    since = ""
    if mitigated and order(mitigated, begin) is Order.CONTRADICTED:
        begin, since = mitigated, f" after mitigation at {mitigated.clock} UTC"
    held = end.earliest - begin.earliest
    if held <= timedelta():
        said = f"the window has no length{since}"
    elif held < timedelta(minutes=minutes):
        said = f"the window is {show_duration(held)} long{since}; {minutes:g} min are asked"
    else:
        return
    yield Breach(window.place, said, f"at least {max(minutes, 1):g} min", subject="length")


@rule(
    "RES006",
    gate="resolution",
    criterion="informed",
    level=CRITICAL,
    says="A required stakeholder was not told of the resolution",
    why="Who was told that it broke must be told that it works again.",
    fix="Tell them and record it under stakeholders_informed, with the time at which it was sent.",
    needs=(SUMMARY,),
)
def stakeholders_are_informed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each audience of the worst severity was informed, not before resolution."""
    told = chain.resolution["stakeholders_informed"]
    if not list(told):
        yield from missing(chain.resolution, "stakeholders_informed")
        return
    severity = chain.worst_severity or next(iter(limits.protocol.severities.values()))
    for audience in limits.audiences(severity):
        entries = [n for n in told if facts.slug(n["audience"].text) == audience]
        if not entries:
            yield Breach(told.place, f"those told do not include {audience}", subject=audience)
            continue
        # The entry that says most counts: someone may have been told before as well.
        found = [list(_told_in_time(chain, node, audience)) for node in entries]
        yield from min(found, key=len)


def _told_in_time(chain: Chain, node: Node, audience: str) -> Iterator[Breach]:
    yield from missing(node, "informed_at", "channel", subject=audience)
    resolved, told = chain.resolution["resolved_at"].time, node["informed_at"].time
    said = f"{audience} was told {{gap}} before the resolution"
    expected = f"after {resolved.clock} UTC" if resolved else ""
    fix = f"{DO_NOT_CHANGE}. Tell them that it is resolved, and record that with its time."
    place = node["informed_at"].place
    for breach in in_order(resolved, told, place, said, expected=expected, subject=audience):
        yield breach._replace(fix=breach.fix or fix)
    yield from before_closing(chain, node["informed_at"], f"{audience} was told", audience)


@rule(
    "RES007",
    gate="resolution",
    criterion="summary",
    level=CRITICAL,
    says="An action item has no owner or no due date",
    why="What nobody owns is not done.",
    fix="Name an owner and a due date for each action item.",
    needs=(SUMMARY,),
)
def action_items_are_owned(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """There are action items, each with kind, description, owner and due date."""
    if not list(chain.resolution["action_items"]):
        yield from missing(chain.resolution, "action_items", reasoned=WARNING)
    for item in chain.resolution["action_items"]:
        subject = item["id"].text or str(item.pointer[-1])
        yield from missing(item, "kind", "description", "owner", subject=subject)
        yield from missing(item, "due_date", subject=subject, reasoned=WARNING)
        yield from _means_nothing(chain, item, limits.protocol.data["action_items"], subject)


def _means_nothing(
    chain: Chain, item: Node, asked: dict[str, Any], subject: str
) -> Iterator[Breach]:
    """An owner who is everybody, a due date that nobody here will see, or one long past."""
    owner, due = item["owner"]["name"], item["due_date"]
    if facts.slug(owner.text) in asked["owned_by_nobody"]:
        said = f'"{owner.text}" is nobody who could be asked about {subject}'
        yield Breach(owner.place, said, "a person, or a team by its name", subject=subject)
    begun = chain.detected.earliest.date() if chain.detected else None
    last = chain.as_of.date() + timedelta(days=asked["due_within_days"])
    day = _day(due.text)
    if day and (day > last or (begun and day < begun - timedelta(days=1))):
        when = "so late that nobody will ask" if day > last else "before the incident"
        said = f"{subject} is due on {due.text}, {when}"
        # A ticket may be older than the incident that shows its worth, and long overdue.
        level, expected = ("", f"at most {last}") if day > last else (WARNING, f"from {begun} on")
        yield Breach(due.place, said, expected, subject=subject, level=level)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@rule(
    "RES016",
    gate="resolution",
    criterion="summary",
    level=WARNING,
    says="The closed record does not name the protocol version",
    why="A record is judged by the rules of its time; next year's readers must know which.",
    fix="Write the protocol's version, which every JSON report names, as protocol_version.",
    needs=(SUMMARY,),
)
def protocol_version_is_named(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """A closed record names the protocol version that it was judged by."""
    if not chain.closed:
        return
    for breach in missing(chain.resolution, "protocol_version"):
        yield breach._replace(expected=limits.protocol.version)
    named = chain.resolution["protocol_version"]
    known = [entry["version"] for entry in limits.protocol.data["changelog"]]
    if named.text and named.text not in known:
        said = f"{named.text} is no version of this protocol"
        yield Breach(named.place, said, one_of(known))
