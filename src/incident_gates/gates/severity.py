"""Gate 1: severity agreed, stakeholders notified, intake log complete."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from incident_gates.evidence.times import Order, elapsed, order, show_duration
from incident_gates.model import Metric
from incident_gates.rules import (
    CRITICAL,
    DO_NOT_CHANGE,
    WARNING,
    Breach,
    Place,
    gap,
    missing,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain, Consensus
    from incident_gates.evidence.places import Pointer
    from incident_gates.evidence.times import Time
    from incident_gates.facts import Notice
    from incident_gates.policy import Limits
    from incident_gates.protocol import Severity

INTAKE, ASSESSMENT, NOTICES = (
    "incident-intake-log.md",
    "severity-assessment.json",
    "communication-log.md",
)
NOTHING_RUN = ("", "not_applicable")
VERDICTS = ("real incident", "false positive")
FINER = f"{DO_NOT_CHANGE}. Give a finer one with its source, if there is one."
NO_IMPACT = r"(?i:none|no (customer )?impact)\W*"


@rule(
    "SEV001",
    gate="severity",
    criterion="intake",
    level=CRITICAL,
    says="The intake log holds no complete signal",
    why="The signal is the beginning of the record: everything else answers it.",
    fix="Write each signal with its time, its source and what it said.",
    needs=(INTAKE,),
)
def intake_holds_signals(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """At least one signal, and each with time, source and text."""
    log, _ = chain.intake
    if not log.entries and not log.unreadable:
        yield Breach(Place(INTAKE, line=1), "no signal is recorded")
    for entry in log.entries:
        absent = [name for name in ("source", "text") if not entry.column(name)]
        absent += [] if entry.time else ["time"]
        if absent:
            said = f"the signal lacks its {' and '.join(absent)}"
            yield Breach(entry.place, said, subject=f"line {entry.place.line}")


@rule(
    "SEV002",
    gate="severity",
    criterion="intake",
    level=CRITICAL,
    says="Nobody has judged whether the alert is real",
    why="The protocol pauses until a named person says: real incident or false positive.",
    fix="Add a Validity section: `- Verdict: real incident`, `- By: Alex (incident_commander)`, "
    "`- Time: 02:12 UTC`.",
    needs=(INTAKE,),
)
def alert_validity_is_decided(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """A named person judged the signals, at a time."""
    _, validity = chain.intake
    if validity is None:
        yield Breach(Place(INTAKE, line=1), "there is no verdict on the signals")
        return
    if validity.verdict not in VERDICTS:
        said = f'"{validity.verdict}" is no verdict on the signals' if validity.verdict else ""
        said = said or "the verdict itself is missing"
        yield Breach(validity.place, said, " or ".join(VERDICTS), subject="verdict")
    absent = [] if validity.by else ["the name of who judged it"]
    absent += [] if validity.time else ["the time"]
    if absent:
        yield Breach(validity.place, f"the verdict lacks {' and '.join(absent)}")


@rule(
    "SEV003",
    gate="severity",
    criterion="intake",
    level=CRITICAL,
    says="A false positive stands beside an execution or customer impact",
    why="Something was run, or customers were hurt: then it was an incident.",
    fix="Judge it a real incident, and complete the record.",
    at_once=True,
)
def false_positive_is_one(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Nothing was executed and no customer was affected by a false positive."""
    _, validity = chain.intake
    if validity is None or validity.verdict != "false positive":
        return
    seen = [
        f"{e.id} was executed  {e.node.file}"
        for e in chain.executions
        if any((e.started, e.completed, e.node["exit_code"], e.outcome not in NOTHING_RUN))
        or (e.node["output"].text and not e.outcome)
    ]
    seen += [f"{c.id} was checked for recovery" for c in chain.checks if c.latest][:1]
    if chain.resolution["mitigated_at"].time:
        seen.append("mitigated_at is recorded  resolution-summary.json")
    impacts = (c.classification.node["customer_impact"].text for c in chain.consensus)
    if any(text and not re.fullmatch(NO_IMPACT, text) for text in impacts):
        seen.append(f"customer impact is recorded  {ASSESSMENT}")
    if chain.severity_file["impact_started_at"].time:
        seen.append(f"impact_started_at is recorded  {ASSESSMENT}")
    if seen:
        yield Breach(
            validity.place,
            f"a false positive, but {seen[0].split('  ')[0]}",
            "no impact",
            tuple(seen),
        )


@rule(
    "SEV004",
    gate="severity",
    criterion="consensus",
    level=CRITICAL,
    says="Severity is not agreed upon",
    why="Consensus is what the assessors themselves said, never a flag.",
    fix="Let the missing assessors record their own verdict; if they differ, assess anew together.",
    needs=(ASSESSMENT,),
)
def severity_is_agreed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each classification has enough assessors, and all of them say the same."""
    if not chain.consensus:
        yield Breach(chain.severity_file["classifications"].place, "nothing is classified yet")
    for consensus in chain.consensus:
        node, severity = consensus.classification.node, consensus.severity
        if severity is None:
            continue
        people = len(consensus.agreeing) + len(consensus.silent)
        if consensus.dissent:
            words = tuple(f"{a.name}  {a.severity}" for a in consensus.dissent)
            said = f"the assessors disagree: {', '.join(' '.join(w.split()) for w in words)}"
            expected = f"{severity.name} from every assessor"
            place = consensus.dissent[0].node["severity"].place
            yield Breach(place, said, expected, words, severity.name)
        elif people < severity.assessors:
            said = f"{people} of {severity.assessors} assessors of {severity.name}"
            yield Breach(node["assessors"].place, said, subject=severity.name)
        for assessor in consensus.silent:
            yield from missing(assessor.node, "severity", subject=assessor.name)
        for assessor in consensus.agreeing:
            yield from missing(assessor.node, "assessed_at", subject=assessor.name)


@rule(
    "SEV005",
    gate="severity",
    criterion="consensus",
    level=CRITICAL,
    says="The incident commander is not among those who agree",
    why="Who leads the response must own its severity.",
    fix="Let the commander record a verdict, or record in prerequisites.json who held command.",
    needs=(ASSESSMENT,),
)
def commander_agrees(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The commander at that time is one of the assessors who agree."""
    for consensus in chain.consensus:
        assessors = consensus.classification.assessors
        if not consensus.severity or consensus.commander or not assessors:
            continue
        if any(chain.commands(a.name, a.time) for a in (*consensus.dissent, *consensus.silent)):
            continue  # Then the commander has spoken, and SEV004 says what is wrong with it.
        holder = " or ".join(chain.commanders_at(assessors[-1].time))
        yield Breach(
            consensus.classification.node["assessors"].place,
            f"the commander has not assessed {consensus.severity.name}",
            f"a verdict of the commander ({holder or 'nobody had taken command by then'})",
            tuple(a.name for a in assessors),
            consensus.severity.name,
        )


@rule(
    "SEV006",
    gate="severity",
    criterion="consensus",
    level=CRITICAL,
    says="A classification does not say what it rests on",
    why="Severity follows from SLO breaches, customer impact and blast radius.",
    fix="Write the breached objective and what was observed, the customer impact, the rationale.",
    needs=(ASSESSMENT,),
)
def classification_has_grounds(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each classification has rationale, SLO breaches and customer impact, in a known severity."""
    for consensus in chain.consensus:
        node = consensus.classification.node
        subject = node["severity"].text
        if subject and consensus.severity is None:
            known = ", ".join(chain.limits.protocol.severities)
            said = f'"{subject}" is no severity that this protocol or the policy knows'
            fix = "Write one of these, or name yours under severity_aliases in the policy."
            yield Breach(node["severity"].place, said, known, subject=subject, fix=fix)
        yield from missing(node, "severity")
        yield from missing(node, "rationale", "customer_impact", "slo_breaches", subject=subject)
        for breach in node["slo_breaches"]:
            yield from missing(breach, "objective", "observed", subject=subject)


@rule(
    "SEV007",
    gate="severity",
    criterion="consensus",
    level=CRITICAL,
    says="The blast radius is not assessed",
    why="Nobody may roll back without confirming the affected scope.",
    fix="Name the affected services and the scope, who assessed it and when.",
    needs=(ASSESSMENT,),
)
def blast_radius_is_assessed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each classification has a blast radius: services, scope, when and by whom."""
    for consensus in chain.consensus:
        node = consensus.classification.node
        radius, subject = node["blast_radius"], node["severity"].text
        whole = list(missing(node, "blast_radius", subject=subject))
        parts = ("services", "scope", "assessed_at", "assessed_by")
        yield from whole or missing(radius, *parts, subject=subject)


@rule(
    "SEV008",
    gate="severity",
    criterion="consensus",
    level=CRITICAL,
    says="A time that starts a clock is missing",
    why="Without detection and declaration nobody can tell whether notices were in time.",
    fix="Record the time with its precision and source, or `N/A: ` and why it is not known.",
    needs=(ASSESSMENT,),
)
def clocks_have_a_start(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Impact, detection and declaration have times."""
    names = ("impact_started_at", "detected_at", "declared_at")
    yield from missing(chain.severity_file, *names)


@rule(
    "SEV009",
    gate="severity",
    criterion="consensus",
    level=WARNING,
    says="The order of impact, detection and declaration is unusual",
    why="Real incidents are not strictly ordered, but an unusual order deserves a second look.",
    fix=f"{DO_NOT_CHANGE} if they are true; say in the report why the order is unusual.",
    needs=(ASSESSMENT,),
)
def beginning_is_in_order(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Impact, then detection, then declaration."""
    names = ("impact_started_at", "detected_at", "declared_at")
    for earlier, later in pairwise(names):
        first, then = chain.severity_file[earlier].time, chain.severity_file[later].time
        if first and then and order(first, then) is Order.CONTRADICTED:
            said = f"{later} ({then.clock}) is {gap(then, first)} before {earlier} ({first.clock})"
            yield Breach(chain.severity_file[later].place, said, subject=later)


@rule(
    "SEV015",
    gate="severity",
    criterion="consensus",
    level=CRITICAL,
    says="Too few people agreed to a milder severity before an execution",
    why="A milder severity asks for fewer approvals: nobody who wants to run something may lower "
    "the bar alone.",
    fix="Before execution, let as many assess the milder severity as the graver one asks for; "
    "afterwards, record a deviation.",
    needs=(ASSESSMENT,),
)
def downgrade_is_agreed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """A downgrade in force when something was run has as many assessors as what it replaced."""
    relied_on = _relied_on(chain)
    bar: Severity | None = None
    for consensus in chain.consensus:
        severity, people = consensus.severity, len(consensus.agreeing)
        node = consensus.classification.node
        if severity is None:
            continue
        if bar is None or severity.rank <= bar.rank or people >= bar.assessors:
            bar = severity
        elif node.pointer in relied_on:
            said = f"{people} of {bar.assessors} assessors made {bar.name} a {severity.name}"
            about = f"{said}, before something was run"
            level = relied_on[node.pointer]
            yield Breach(node["assessors"].place, about, subject=severity.name, level=level)


def _relied_on(chain: Chain) -> dict[Pointer, str]:
    """Each classification that something was run under, and how much a lone downgrade weighs.

    Once the service has recovered, a permanent fix hides no rollback: a WARNING.
    """
    levels: dict[Pointer, str] = {}
    for execution in chain.executions:
        begun, recovered = execution.started, chain.recovered
        agreed = chain.in_force(begun) if begun else None
        if begun and agreed:
            after = recovered is not None and order(recovered, begun) is Order.PROVEN
            level = WARNING if after and execution.purpose == "permanent_fix" else ""
            at = agreed.classification.node.pointer
            levels[at] = levels.get(at, level) and level
    return levels


# --- notices -------------------------------------------------------------------------------------


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
    for clock in _clocks(chain, limits):
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
    for clock in _clocks(chain, limits):
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


def _clocks(chain: Chain, limits: Limits) -> Iterator[_Clock]:
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
        for clock in _clocks(chain, limits)
        for notice in map(clock.first_notice, clock.audiences)
        if notice and notice.time and clock.start
    ]
    return round(max(waits), 2) if waits else None


def metrics(chain: Chain, limits: Limits) -> tuple[Metric, ...]:
    """The slowest first notice, against its SLA."""
    name = chain.worst_severity.name if chain.worst_severity else ""
    sla = limits.threshold("notification_minutes", name)
    return (Metric("slowest_notice", slowest_notice(chain, limits), sla, "minutes", "<="),)


def summary(chain: Chain, limits: Limits) -> str:
    """What the gate measured, in one line."""
    if chain.false_positive:
        return "false positive"
    last = chain.consensus[-1] if chain.consensus else None
    metric = metrics(chain, limits)[0]
    parts = []
    if last and not last.agreed:
        parts.append(f"severity not {'agreed' if last.severity else 'recorded'}")
    elif last:
        parts.append(
            f"{len(last.agreeing)} {'assessors agree' if len(last.agreeing) > 1 else 'assessor'}"
        )
    if metric.value is not None:
        parts.append(f"slowest notice {metric.value:.0f} min (≤ {metric.threshold:g})")
    return " · ".join(parts)
