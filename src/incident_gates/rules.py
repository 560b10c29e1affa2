"""A rule: one question about a record, with all that a person needs to read about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.evidence import bounds
from incident_gates.evidence.refusal import Refusal
from incident_gates.evidence.times import Order, from_value, order
from incident_gates.incident import text_of
from incident_gates.model import CRITICAL, INFO, WARNING, Breach, Place

if TYPE_CHECKING:
    from incident_gates.chain import Chain
    from incident_gates.evidence.times import Time
    from incident_gates.incident import Node
    from incident_gates.policy import Limits

Check = Callable[["Chain", "Limits"], Iterator[Breach]]
DO_NOT_CHANGE = "Do not change the times"


class Rule(NamedTuple):
    """A rule as declared.

    ``needs`` are the files of its own gate without which it has nothing to say: their absence is a
    finding of its own. ``at_once`` rules fail a gate that is not due yet: they find what no later
    evidence can mend. Rules of ``history`` ask git, and are left out where it is not asked.
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
    history: bool = False


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
    history: bool = False,
) -> Callable[[Check], Check]:
    """Registers a check under an id that is never used again."""

    def register(check: Check) -> Check:
        if rule_id in RULES:
            raise ValueError(f"{rule_id} is declared twice")
        RULES[rule_id] = Rule(
            rule_id, gate, criterion, level, says, why, fix, needs, at_once, check, history
        )
        return check

    return register


def missing(
    node: Node, *names: str, subject: str = "", because: str = "", reasoned: str = ""
) -> Iterator[Breach]:
    """A breach for each of the named values that is absent, a placeholder, or not available.

    ``reasoned`` is the level where a value is ``N/A`` for a reason, if not that of the rule: some
    things need not exist. A person counts by name. What is not available for one and the same
    reason is one breach: twelve times "not published" hides the thirteenth finding.
    """
    for reason, group in _unsaid(node, names):
        value = node[group[0]]
        place = value.place if value else node.place
        verb = "is" if len(group) == 1 else "are"
        said = f"{_listed(group)} {verb} "
        said += f"not available ({reason})" if reason else "missing"
        about = f"{subject}: {said}" if subject else said
        name, level = _joined(subject, ", ".join(group)), reasoned if reason else ""
        yield Breach(place, f"{about}{because}", subject=name, level=level)


def _unsaid(node: Node, names: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """What is missing, one by one; what is not available, together for each reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    stated = node.value if isinstance(node.value, dict) else {}
    for name in names:
        if _is_said(stated.get(name)):
            continue
        reason = node[name].unavailable
        groups.setdefault((reason, "" if reason else name), []).append(name)
    for (reason, _), group in groups.items():
        yield reason, group


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _is_said(value: Any) -> bool:
    """Whether a value says something; of nothing else is more often asked."""
    if isinstance(value, str):
        return bool(text_of(value))
    if isinstance(value, list):
        return any(map(_is_said, value))
    if not isinstance(value, dict):
        return value is not None
    if "at" in value and from_value(value):
        return True
    if "name" in value:
        return isinstance(value["name"], str) and _is_said(value["name"])
    return bool(value) and "at" not in value


def intact(chain: Chain, file: Node, subject: str) -> Iterator[Breach]:
    """A breach unless the file that an entry names by path and sha256 is there as it was kept."""
    path, stated = file["path"], file["sha256"].text
    try:
        found = chain.record.attachment_digest(path.text)
    except Refusal as refusal:
        named = "" if path.text in refusal.what else f"{path.text}: "
        said = f"{subject}: {named}{refusal.what}"
        yield Breach(path.place, said, subject=subject, fix=refusal.fix)
        return
    if not stated:
        said = f"{subject}: sha256 of {path.text} is missing"
        fix = "Write the sha256 of the file, if it is still as it was kept."
        yield Breach(path.place, said, f"sha256 {found}", (), subject, fix=fix)
    elif found != stated:
        said = f"{subject}: {path.text} is not what was archived, its sha256 differs"
        place, seen = file["sha256"].place, (f"sha256 {found}",)
        fix = "Restore the file as archived, or archive the new one beside it."
        yield Breach(place, said, f"sha256 {stated}", seen, subject, fix=fix)


def percent(share: float) -> str:
    """A share as people read it, rounded down: 94.97 % must not look like 95 %."""
    return f"{math.floor(share * 1000 + 1e-9) / 10:g}%"


def one_of(names: Iterable[str]) -> str:
    """The names that would have done, as many as anybody reads; "" where there are none."""
    listed = list(names)
    more = len(listed) - bounds.NAMES_LISTED
    said = ", ".join(listed[: bounds.NAMES_LISTED]) + (f" and {more} more" if more > 0 else "")
    return f"one of {said}" if listed else ""


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
        possibly = message.replace("{gap} ", "possibly ")
        said = f"{possibly}: the order of {_about(then)} and {_about(first)} cannot be told"
        fix = f"{DO_NOT_CHANGE}. Give a finer one with its source, if there is one."
        yield breach._replace(message=said, fix=fix)
        return
    yield breach._replace(message=message.replace("{gap}", gap(then, first)))


def _about(time: Time) -> str:
    """A time as people say it; of a coarse one also how coarse."""
    if time.fine:
        return time.clock
    if time.precision in ("hour", "day"):
        return f"{time.clock} (known to the {time.precision})"
    return f"{time.clock} ({time.earliest:%H:%M} to {time.latest:%H:%M})"


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
    "intact",
    "missing",
    "one_of",
    "percent",
    "rule",
]
