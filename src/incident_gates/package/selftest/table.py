"""The table of mutations: which ones each rule claims to catch, as data."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.evidence import strict_yaml
from incident_gates.evidence.times import duration
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

PATH = Path(__file__).with_name("mutations.yaml")


class Mutation(NamedTuple):
    """One way to spoil a valid record. ``given`` comes first, and must still be in order.

    ``level`` is that of the finding, where it is not the rule's own; ``later`` is how much time
    passes before anybody judges.
    """

    rule: str
    says: str
    steps: tuple[dict[str, Any], ...]
    given: tuple[dict[str, Any], ...] = ()
    level: str = ""
    later: timedelta | None = None

    @property
    def expected(self) -> str:
        """The level of the finding that must come."""
        return self.level or RULES[self.rule].level


class Table(NamedTuple):
    """All of them, and the names that they speak of."""

    mutations: tuple[Mutation, ...]
    names: Mapping[str, Mapping[str, str]]


@lru_cache(maxsize=1)
def load() -> Table:
    """The table as shipped."""
    top = strict_yaml.parse(PATH.read_text(encoding="utf-8")).value
    shared = top["given"]
    mutations = tuple(_mutation(entry, shared) for entry in top["mutations"])
    return Table(mutations, top["names"])


def _mutation(entry: dict[str, Any], shared: dict[str, Any]) -> Mutation:
    given = entry.get("given", [])
    return Mutation(
        entry["rule"],
        entry["says"],
        tuple(entry["do"]),
        tuple(shared[given] if isinstance(given, str) else given),
        entry.get("level", ""),
        duration(entry["later"]) if "later" in entry else None,
    )
