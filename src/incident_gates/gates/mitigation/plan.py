"""The plan: options that can be decided on, and the one that is proposed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates import facts
from incident_gates.rules import (
    CRITICAL,
    Breach,
    Place,
    one_of,
    rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.policy import Limits

PLAN = "mitigation-plan.md"


@rule(
    "MIT001",
    gate="mitigation",
    criterion="plan",
    level=CRITICAL,
    says="The plan holds no usable option",
    why="A decision needs something to decide on.",
    fix="Write one section per option: `## Option O-1: what to do`, with its Strategy.",
    needs=(PLAN,),
)
def plan_holds_options(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """At least one option, each with a known strategy."""
    if not chain.options:
        yield Breach(Place(PLAN, line=1), "no option is described")
    known = limits.protocol.data["strategies"]
    for option in chain.options:
        if option.strategy not in known:
            stated = option.field("strategy")
            said = f'{option.id}: strategy "{stated}" is not known' if stated else ""
            expected = one_of(known)
            said = said or f"{option.id} lacks its strategy"
            yield Breach(option.place, said, expected, subject=option.id)


@rule(
    "MIT002",
    gate="mitigation",
    criterion="plan",
    level=CRITICAL,
    says="An option does not state its risks, dependencies or duration",
    why="Mitigation pauses if options are unclear or dependencies unknown.",
    fix="Add `- Risks:`, `- Dependencies:` and `- Expected duration:` to the option.",
    needs=(PLAN,),
)
def options_are_complete(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each option names risks, dependencies and an expected duration."""
    for option in chain.options:
        absent = [n for n in ("risks", "dependencies") if not option.field(n)]
        absent += [] if option.expected else ["expected duration"]
        if absent:
            said = f"{option.id} lacks its {' and '.join(absent)}"
            yield Breach(option.place, said, subject=option.id)


@rule(
    "MIT003",
    gate="mitigation",
    criterion="plan",
    level=CRITICAL,
    says="The plan does not propose an option, or not why",
    why="Approvers approve a proposal and its reason, not a list.",
    fix="Add a Proposal section: `- Option: O-1` and `- Why: …`.",
    needs=(PLAN,),
)
def plan_proposes(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """A proposal names an option of the plan, and why."""
    proposal = facts.proposal(chain.record)
    if proposal is None:
        yield Breach(Place(PLAN, line=1), "there is no proposal")
        return
    if chain.options and chain.option(proposal.option) is None:
        said = f"the proposal names {proposal.option or 'no option'}"
        yield Breach(proposal.place, said, one_of(o.id for o in chain.options))
    if not proposal.why:
        yield Breach(proposal.place, "the proposal does not say why")
