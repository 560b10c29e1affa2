"""Reads what was typed: people, roles, times, and which decision is meant."""

from __future__ import annotations

import re
from datetime import date, timedelta, timezone
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import facts
from incident_gates.desk import found as finding
from incident_gates.desk import running, templates
from incident_gates.errors import UsageError
from incident_gates.evidence import times
from incident_gates.incident import is_placeholder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from incident_gates.chain import Chain
    from incident_gates.desk.found import Found
    from incident_gates.evidence.times import Time
    from incident_gates.facts import Decision

DECISIONS = "decision-log.json"
CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?: ?(?:UTC|Z))?", re.IGNORECASE)
ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
ROLE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def role(found: Found, written: str, option: str = "--role") -> str:
    """A role as an identifier; one that is nearly a known role is refused."""
    slug = facts.slug(written)
    if not ROLE.fullmatch(slug):
        raise UsageError(f"{option} {written}: write a role such as incident_commander.")
    known = roles(found)
    near = [] if slug in known else get_close_matches(slug, known, n=1, cutoff=0.8)
    if near:
        raise UsageError(f"{option} {written}: did you mean {near[0]}?")
    return slug


def roles(found: Found) -> list[str]:
    """The roles that the protocol and the policy know."""
    data = found.limits.protocol.data
    named = [entry["role"] for entry in data["prerequisites"]["approvals"]]
    people = found.limits.policy.data.get("people", ())
    return [*named, *(role for person in people for role in person.get("roles", ()))]


class Moment(NamedTuple):
    """When something happened: as it is recorded, as an interval, and whether it was said later."""

    value: Any
    time: Time
    backfilled: bool
    source: str = ""

    def recorded(self, now: datetime) -> dict[str, str]:
        """What an entry says besides its time where it is written down later than it happened."""
        said = {"recorded_at": finding.shown(now)} if self.backfilled else {}
        return {**said, **({"source": self.source} if self.source else {})}


def moment(text: str | None, now: datetime, option: str = "--at", source: str = "") -> Moment:
    """A time as typed, or now: RFC 3339, or the clock of the last 24 hours (02:23, UTC)."""
    said = line(source or "")
    if text is None:
        shown = finding.shown(now)
        return Moment(shown, times.parse(shown) or _now(now), backfilled=False, source=said)
    clock = CLOCK.fullmatch(text.strip())
    written = _today(clock, now) if clock else text.strip().upper().replace(" ", "T")
    time = times.parse(written)
    if time is None:
        why = "there is no such time of day" if clock else times.why_not(text)
        raise UsageError(
            f"{option} {text}: {why}; write 02:23 (UTC, the last 24 hours) "
            "or RFC 3339, such as 2026-03-14T02:23:00Z."
        )
    if time.earliest > now:
        raise UsageError(f"{option} {text}: that is later than now.")
    if clock and not clock[3]:
        value = {"at": written, "precision": "minute"}
        return Moment(value, times.from_value(value) or time, backfilled=True, source=said)
    return Moment(written, time, backfilled=True, source=said)


def _now(now: datetime) -> Time:
    return times.Time(now, now, finding.shown(now), "second")


def _today(clock: re.Match[str], now: datetime) -> str:
    """The last moment at which the clocks showed that, in UTC."""
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    try:
        then = now.astimezone(timezone.utc).replace(
            hour=hour, minute=minute, second=second, microsecond=0
        )
    except ValueError:
        return clock[0]
    return finding.shown(then if then <= now else then - timedelta(days=1))


def at(text: str, now: datetime, option: str = "--at") -> Any:
    """A time that is not later than now, as it is recorded."""
    return moment(text, now, option).value


def clock(value: Any) -> str:
    """A recorded time as people read it."""
    time = times.from_value(value)
    return time.shown if time else str(value)


def name(found: Found, given: str | None, option: str) -> str:
    """Who is meant: as typed, or the author that git knows."""
    said = line(given) if given else templates.author(found.record.base)
    if not said:
        raise UsageError(f"Git knows no user.name here: say who with {option} NAME.")
    return said


def plain(text: str) -> str:
    """Text from the command line without what cannot be written or seen."""
    return running.visible(text.encode("utf-8", "backslashreplace").decode())


def line(text: str) -> str:
    """The same on one line: in a Markdown file a second one could begin an entry, or a heading."""
    return " ".join(plain(text).split())


def decision(chain: Chain, wanted: str | None) -> Decision:
    """The decision named, or the only one that stands."""
    live = [d for d in chain.decisions if chain.superseding(d) is None]
    if wanted is None:
        if len(live) == 1:
            return live[0]
        names = ", ".join(d.id for d in live)
        said = f"stands on {names}: say which with --decision" if live else "holds no decision yet"
        raise UsageError(f"{DECISIONS} {said}.")
    named = next((d for d in chain.decisions if d.id == wanted), None)
    if named is None:
        names = ", ".join(d.id for d in chain.decisions) or "no decision yet"
        raise UsageError(f"There is no decision {wanted}; {DECISIONS} holds {names}.")
    return named


def said(text: str, option: str) -> str:
    """A text that says something: not empty, and no placeholder."""
    written = plain(text).strip()
    if not written or is_placeholder(written):
        raise UsageError(f"{option} {written}".rstrip() + ": write what there is to say.")
    return written


def person(found: Found, written: str, option: str, otherwise: str = "") -> dict[str, str]:
    """A person as NAME:ROLE; without a role, the one that the policy gives, or another."""
    who, _, named = written.partition(":")
    if not who.strip():
        raise UsageError(f"{option} {written}: write NAME:ROLE, such as Alex:incident_commander.")
    if not named.strip():
        named = _only_role(found, who.strip()) or otherwise
    if not named:
        raise UsageError(f"{option} {who.strip()}: in which role? Write {who.strip()}:ROLE.")
    return {"name": line(who), "role": role(found, named, option)}


def _only_role(found: Found, who: str) -> str:
    """The role of somebody who has exactly one, by the policy or as commander of this record."""
    people = found.limits.policy.data.get("people", ())
    identity = found.limits.identity(who)
    roles_ = {
        held
        for entry in people
        if found.limits.identity(entry["name"]) == identity
        for held in entry.get("roles", ())
    }
    return next(iter(roles_)) if len(roles_) == 1 else ""


def severity(found: Found, written: str, option: str = "--severity") -> str:
    """A severity that the protocol or the policy's aliases know, as it was written."""
    limits = found.limits
    if limits.severity(written):
        return written.strip()
    known = [*limits.protocol.severities, *limits.policy.data.get("severity_aliases", {})]
    near = get_close_matches(written.upper(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"write {', '.join(known)}."
    raise UsageError(f"{option} {written}: {hint}")


def among(written: str, known: Iterable[str], option: str) -> str:
    """One of several words; another is refused with the nearest."""
    listed = list(known)
    if written in listed:
        return written
    near = get_close_matches(written, listed, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(listed) or 'none yet'}."
    raise UsageError(f"{option} {written}: {hint}")


def unique(ids: Sequence[str], option: str) -> None:
    """No id twice in one call."""
    twice = next((i for i in ids if list(ids).count(i) > 1), "")
    if twice:
        raise UsageError(f"{option} {twice} is named twice.")


def next_id(prefix: str, taken: Iterable[str]) -> str:
    """The next free number: D-3 after D-2."""
    found = [int(m[1]) for t in taken if (m := re.fullmatch(rf"{prefix}-(\d{{1,6}})", t))]
    return f"{prefix}-{max(found, default=0) + 1}"


def new_id(written: str, taken: Iterable[str], option: str) -> str:
    """An id that nobody has yet."""
    if not re.fullmatch(ID, written):
        raise UsageError(f"{option} {written}: write letters, digits, dot, - or _, 64 at most.")
    if written in set(taken):
        raise UsageError(f"{option} {written} is taken already.")
    return written


def listed(written: Sequence[str]) -> list[str]:
    """Values that were given one by one, or several in one with commas; each once."""
    parts = [part.strip() for text in written for part in text.split(",")]
    return list(dict.fromkeys(part for part in parts if part))


def day(written: str, option: str) -> str:
    """A date as 2026-04-03."""
    try:
        return date.fromisoformat(written.strip()).isoformat()
    except ValueError:
        raise UsageError(f"{option} {written}: write a date such as 2026-04-03.") from None


def unsaid(value: Any) -> bool:
    """Whether a part of a file still waits for somebody: a placeholder is in it, or nothing."""
    if isinstance(value, str):
        return is_placeholder(value)
    if isinstance(value, dict):
        return any(map(unsaid, value.values()))
    return value is None or (isinstance(value, list) and (not value or any(map(unsaid, value))))
