"""Who must be told was told, in time and again and again."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from incident_gates.evidence.times import Order, elapsed, order, show_duration
from incident_gates.rules import CRITICAL, DO_NOT_CHANGE, WARNING, Breach, Place, gap, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain, Consensus
    from incident_gates.evidence.times import Time
    from incident_gates.facts import Notice
    from incident_gates.policy import Limits
    from incident_gates.protocol import Severity

NOTICES = "communication-log.md"
FINER = f"{DO_NOT_CHANGE}. Give a finer one with its source, if there is one."


@rule(
    "SEV010",
    gate="severity",
    criterion="notified",
    level=CRITICAL,
    says="A required audience was not notified",
    why="Who must act or answer must know.",
    fix="Record the notice with the time at which it was sent; if none was sent, notify them now.",
    needs=(NOTICES,),
)
def every_audience_is_notified(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each audience of the severity got a notice, after detection."""
    if not chain.notices and chain.communication[1].unreadable:
        return  # what stands there cannot be read, which FIL007 says
    untimed = {a for notice in chain.notices if not notice.time for a in notice.audiences}
    for clock in clocks(chain, limits):
        for audience in clock.audiences:
            # A notice without a time is SEV013's: nobody knows which clock it answers.
            if clock.first_notice(audience) is None and audience not in untimed:
                said = f"no notice of {clock.severity.name} to {audience} is recorded"
                expected = f"a notice within {clock.minutes:g} min of {clock.shown}"
                yield Breach(
                    Place(NOTICES, line=1), said, expected, subject=clock.subject(audience)
                )


@rule(
    "SEV011",
    gate="severity",
    criterion="notified",
    level=CRITICAL,
    says="A required audience was notified late",
    why="Late notice costs the people outside the room their chance to act.",
    fix=f"{DO_NOT_CHANGE}. If an earlier notice was sent, record it with its source; if not, "
    "record a deviation.",
    needs=(NOTICES,),
)
def notices_are_in_time(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The first notice to each audience is within the SLA of the clock's start."""
    for clock in clocks(chain, limits):
        late: dict[Notice, list[str]] = {}
        for audience in clock.audiences:
            notice = clock.first_notice(audience)
            if notice and clock.most(notice) > clock.minutes:
                late.setdefault(notice, []).append(audience)
        if clock.start and not clock.start.fine:
            told = [a for n, who in late.items() if clock.least(n) <= clock.minutes for a in who]
            late = {n: who for n, who in late.items() if clock.least(n) > clock.minutes}
            yield from _too_vague(clock, clock.start, told)
        yield from (_late(clock, notice, who) for notice, who in late.items())


def _late(clock: _Clock, notice: Notice, audiences: list[str]) -> Breach:
    """A notice that came late, or perhaps late, for all whom it was the first to reach."""
    proven = clock.least(notice) > clock.minutes
    took = gap(clock.start, notice.time) if clock.start and notice.time else ""
    at_most = show_duration(timedelta(minutes=clock.most(notice)))
    who = f"{', '.join(audiences)} {'was' if len(audiences) == 1 else 'were'} notified"
    return Breach(
        notice.place,
        f"{who} {took if proven else f'up to {at_most}'} after {clock.shown}"
        + ("" if proven else ": perhaps too late"),
        f"at most {clock.minutes:g} min",
        subject=clock.subject(", ".join(audiences)),
        concerned=(notice.sender,),
        level=CRITICAL if proven else WARNING,
        fix="" if proven else FINER,
    )


def _too_vague(clock: _Clock, start: Time, audiences: list[str]) -> Iterator[Breach]:
    """One breach for a start so coarse that nothing can be measured from it."""
    if audiences:
        who = ", ".join(audiences)
        yield Breach(
            clock.place,
            f"{clock.shown} (precision {start.precision}) is too vague: {who} may have heard late",
            f"at most {clock.minutes:g} min, from a start known to the minute",
            subject=clock.severity.name,
            fix=FINER,
        )


@rule(
    "SEV012",
    gate="severity",
    criterion="notified",
    level=WARNING,
    says="A notice was sent before the incident was detected",
    why="Such a notice cannot be about this incident, and does not count.",
    fix="Check its date and zone; if it is true, leave it.",
    needs=(NOTICES,),
)
def notices_follow_detection(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No notice is earlier than detection."""
    for notice in chain.notices:
        if _too_early(notice, chain.detected):
            clock = notice.time.clock if notice.time else ""
            since = f"the detection at {chain.detected.clock} UTC" if chain.detected else ""
            said = f"the notice of {clock} UTC is from before {since}"
            yield Breach(notice.place, said, subject=f"line {notice.place.line}")
    yield from _perhaps_too_early(chain)


def _perhaps_too_early(chain: Chain) -> Iterator[Breach]:
    """One breach for a detection so coarse that nobody can tell what was said before it."""
    found = chain.detected
    if found is None or found.fine:
        return
    times = [n.time for n in chain.notices if n.time]
    maybe = [t.clock for t in times if order(found, t) is Order.NOT_PROVABLE]
    if maybe:
        said = f"the detection at {found.clock} UTC (precision {found.precision}) is too vague: "
        place = chain.severity_file["detected_at"].place
        said += f"the notice of {maybe[0]} UTC may be from before it"
        yield Breach(place, said, subject="detected_at", fix=FINER)


@rule(
    "SEV013",
    gate="severity",
    criterion="notified",
    level=CRITICAL,
    says="A notice is incomplete",
    why="A notice proves something only if it says who told whom what, where and when.",
    fix="Complete the entry: time, channel, audience, message, sender.",
    needs=(NOTICES,),
)
def notices_are_complete(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each notice has time, channel, audience, message and sender."""
    for notice in chain.notices:
        parts = {
            "time": notice.time,
            "channel": notice.channel,
            "audience": notice.audiences,
            "message": notice.message,
            "sender": notice.sender,
        }
        absent = [name for name, value in parts.items() if not value]
        if absent:
            said = f"the notice lacks its {', '.join(absent)}"
            yield Breach(notice.place, said, subject=f"line {notice.place.line}")


@rule(
    "SEV014",
    gate="severity",
    criterion="notified",
    level=WARNING,
    says="Stakeholders waited long for an update",
    why="Silence makes people act on their own.",
    fix="Send updates at the agreed cadence, even if only to say that there is no news.",
    needs=(NOTICES,),
)
def updates_keep_the_cadence(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No gap between notices, until resolution, is longer than the cadence of that moment."""
    end = chain.resolution["resolved_at"].time
    sent = [
        (n.time, n.place) for n in chain.notices if n.time and not _too_early(n, chain.detected)
    ]
    sent.sort(key=lambda entry: entry[0].earliest)
    if end:
        sent = [m for m in sent if order(m[0], end) is not Order.CONTRADICTED]
        sent += [(end, sent[-1][1])] if sent else []
    for (one, place), (other, _) in pairwise(sent):
        judged = chain.in_force(one) or next(iter(chain.consensus), None)
        minutes = limits.update_minutes(judged.severity) if judged and judged.severity else None
        least, _ = elapsed(one, other)
        if minutes is not None and least.total_seconds() > minutes * 60:
            said = f"no update for {gap(one, other)} after {one.clock} UTC"
            yield Breach(place, said, f"every {minutes:g} min", subject=one.clock)


class _Clock:
    """The clock that a classification starts: who must be told, from when, how fast."""

    def __init__(
        self, chain: Chain, limits: Limits, severity: Severity, upgrade: Consensus | None
    ) -> None:
        self.chain = chain
        self.severity = severity
        self.audiences = limits.audiences(severity)
        self.minutes = limits.threshold("notification_minutes", severity.name)
        self.start = _reclassified(upgrade) if upgrade else chain.declared
        # Notices before detection count for nothing; after an upgrade all must hear of it anew.
        self.since = self.start if upgrade else chain.detected
        declared = chain.severity_file["declared_at"].place
        self.place = upgrade.classification.node["assessors"].place if upgrade else declared
        what = f"the upgrade to {severity.name}" if upgrade else "the declaration"
        self.shown = f"{what} at {self.start.clock} UTC" if self.start else what

    def subject(self, audience: str) -> str:
        """What an excuse names: the same audience may miss both the declaration and an upgrade."""
        return f"{self.severity.name}/{audience}"

    def least(self, notice: Notice) -> float:
        """The minutes that a notice took at least; 0 where a time is not known."""
        known = self.start and notice.time and elapsed(self.start, notice.time)
        return known[0].total_seconds() / 60 if known else 0

    def most(self, notice: Notice) -> float:
        """The minutes that a notice took at most; 0 where a time is not known."""
        known = self.start and notice.time and elapsed(self.start, notice.time)
        return known[1].total_seconds() / 60 if known else 0

    def first_notice(self, audience: str) -> Notice | None:
        """The first notice to an audience that counts: after detection, and after an upgrade."""
        told = [
            n
            for n in self.chain.notices
            if audience in n.audiences and n.time and not _too_early(n, self.since)
        ]
        return min(told, key=lambda n: n.time.earliest if n.time else self.chain.now, default=None)


def _too_early(notice: Notice, since: Time | None) -> bool:
    if notice.time is None or since is None:
        return False
    return order(since, notice.time) is Order.CONTRADICTED


def clocks(chain: Chain, limits: Limits) -> Iterator[_Clock]:
    """One clock for the declaration, and one for each upgrade; a downgrade starts none."""
    worst: Severity | None = None
    for consensus in chain.consensus:
        severity = consensus.severity
        if severity is None or (worst and severity.rank >= worst.rank):
            continue
        yield _Clock(chain, limits, severity, consensus if worst else None)
        worst = severity


def _reclassified(consensus: Consensus) -> Time | None:
    times = [a.time for a in consensus.classification.assessors if a.time]
    return consensus.agreed or min(times, key=lambda t: t.earliest, default=None)


def slowest_notice(chain: Chain, limits: Limits) -> float | None:
    """The slowest first notice, in minutes."""
    waits = [
        max(0.0, clock.least(notice))
        for clock in clocks(chain, limits)
        for notice in map(clock.first_notice, clock.audiences)
        if notice and notice.time and clock.start
    ]
    return round(max(waits), 2) if waits else None
