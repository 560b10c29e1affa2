"""What is asked of waivers and deviations; these rules run after all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.rules import WARNING, Breach, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incident_gates.chain import Chain
    from incident_gates.incident import Node
    from incident_gates.policy import Limits


def _breaches(entries: Iterable[tuple[Node, str]]) -> Iterator[Breach]:
    for entry, said in entries:
        kind, about = entry["kind"].text, entry["rule"].text
        yield Breach(entry.place, f"the {kind} of {about} does not count: {said}", subject=about)


@rule(
    "EXC001",
    gate="record",
    criterion="excused",
    level=WARNING,
    says="This cannot be excused",
    why="Agreement on severity, causal order and readable files are the ground of every verdict.",
    fix="Mend the finding itself; a past fact that cannot be mended takes a deviation.",
)
def excuse_is_allowed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The rule takes an excuse of that kind."""
    yield from _breaches(chain.excuses.refused)


@rule(
    "EXC002",
    gate="record",
    criterion="excused",
    level=WARNING,
    says="An excuse is not authorised",
    why="Whoever asks for an excuse cannot be the one who grants it.",
    fix="Complete the entry, and let the people approve it who may.",
)
def excuse_is_authorised(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The entry is complete, and granted by the right people."""
    yield from _breaches(chain.excuses.unauthorised)


@rule(
    "EXC003",
    gate="record",
    criterion="excused",
    level=WARNING,
    says="A waiver has expired",
    why="What is missing is excused for a time, not for ever.",
    fix="Supply what is missing, or have a new waiver approved.",
)
def waiver_is_in_force(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The waiver had not expired at the record's own time."""
    yield from _breaches(chain.excuses.expired)


@rule(
    "EXC004",
    gate="record",
    criterion="excused",
    level=WARNING,
    says="An excuse covers nothing",
    why="An excuse without a finding hides the next one.",
    fix="Remove the entry, or correct its rule and subject.",
)
def excuse_covers_something(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each entry covers a finding."""
    yield from _breaches(chain.excuses.orphaned)


@rule(
    "EXC005",
    gate="record",
    criterion="excused",
    level=WARNING,
    says="An excuse does not say which finding it covers",
    why="One excuse must not turn several findings green.",
    fix="Add the subject of the finding that is meant; write one entry for each.",
)
def excuse_is_unambiguous(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No entry covers several findings."""
    yield from _breaches(chain.excuses.ambiguous)
