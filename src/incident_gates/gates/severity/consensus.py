"""Severity is agreed, with its grounds, by enough people and the commander."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from incident_gates.evidence.times import Order, order
from incident_gates.rules import CRITICAL, DO_NOT_CHANGE, WARNING, Breach, gap, missing, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.places import Pointer
    from incident_gates.policy import Limits
    from incident_gates.protocol import Severity

ASSESSMENT = "severity-assessment.json"


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
