"""A rule: one question about a record, with all that a person needs to read about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from incident_gates.evidence.times import Order, order
from incident_gates.model import CRITICAL, INFO, WARNING, Breach, Place

if TYPE_CHECKING:
    from incident_gates.chain import Chain
    from incident_gates.evidence.times import Time
    from incident_gates.incident import Node
    from incident_gates.policy import Limits

Check = Callable[["Chain", "Limits"], Iterator[Breach]]
DO_NOT_CHANGE = "Do not change the times"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as declared.

    ``needs`` are the files of its own gate without which it has nothing to say: their absence is a
    finding of its own. ``at_once`` rules fail a gate that is not due yet: they find what no later
    evidence can mend.
    """

    id: str
    gate: str
    criterion: str
    level: str
    says: str
    why: str
    fix: str
    needs: tuple[str, ...]
    at_once: bool
    check: Check


RULES: dict[str, Rule] = {}


def rule(  # noqa: PLR0913 - a declaration says everything in one place
    rule_id: str,
    *,
    gate: str,
    criterion: str,
    level: str,
    says: str,
    why: str,
    fix: str,
    needs: tuple[str, ...] = (),
    at_once: bool = False,
) -> Callable[[Check], Check]:
    """Registers a check under an id that is never used again."""

    def register(check: Check) -> Check:
        if rule_id in RULES:
            raise ValueError(f"{rule_id} is declared twice")
        RULES[rule_id] = Rule(
            rule_id, gate, criterion, level, says, why, fix, needs, at_once, check
        )
        return check

    return register


def missing(node: Node, *names: str, subject: str = "", because: str = "") -> Iterator[Breach]:
    """One breach for each of the named values that is absent, a placeholder, or not available."""
    for name in names:
        value = node[name]
        if value.text or value.time or value.number is not None or value.flag is not None:
            continue
        if isinstance(value.value, (dict, list)) and value.value and "at" not in value.value:
            continue
        place = value.place if value else node.place
        said = (
            f"{name} is not available ({value.unavailable})"
            if value.unavailable
            else f"{name} is missing"
        )
        about = f"{subject}: {said}" if subject else said
        yield Breach(place, f"{about}{because}", subject=_joined(subject, name))


def _joined(subject: str, name: str) -> str:
    return f"{subject}/{name}" if subject else name


def in_order(  # noqa: PLR0913 - two events, and how to speak of them
    first: Time | None,
    then: Time | None,
    place: Place,
    message: str,
    *,
    expected: str = "",
    actual: tuple[str, ...] = (),
    subject: str = "",
    concerned: tuple[str, ...] = (),
) -> Iterator[Breach]:
    """A breach unless ``first`` is proven to be not later than ``then``.

    What cannot be proven at minute precision or finer is a WARNING; coarser times prove nothing,
    and fail. ``{gap}`` in the message becomes the distance, or "possibly".
    """
    if first is None or then is None:
        return
    verdict = order(first, then)
    if verdict is Order.PROVEN:
        return
    fine = first.fine and then.fine
    level = WARNING if verdict is Order.NOT_PROVABLE and fine else CRITICAL
    breach = Breach(place, message, expected, actual, subject, concerned, level)
    if verdict is Order.NOT_PROVABLE:
        said = f"{message.replace('{gap} ', 'possibly ')}: the order of {then.clock} and {first.clock} cannot be told"
        fix = "Give a finer time with its source, if there is one. Do not change the times."
        yield replace(breach, message=said, fix=fix)
        return
    yield replace(breach, message=message.replace("{gap}", gap(then, first)))


def gap(earlier: Time, later: Time) -> str:
    """The distance between two times as people say it: ``9 min``."""
    from incident_gates.evidence.times import show_duration

    return show_duration(later.earliest - earlier.earliest)


__all__ = [
    "CRITICAL",
    "DO_NOT_CHANGE",
    "INFO",
    "RULES",
    "WARNING",
    "Breach",
    "Place",
    "Rule",
    "gap",
    "in_order",
    "missing",
    "rule",
]
