"""What a selftest says: one outcome a mutation, and what came of each sweep."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

DROPPED, HALVED, TURNED, DELETED = "dropped", "halved", "turned", "deleted"
SWEEPS = (DROPPED, HALVED, TURNED, DELETED)


class Outcome(str, Enum):
    """How a mutation ended. ``UNASKED`` is a change that no rule claims to notice."""

    CAUGHT = "caught"
    MISSED = "missed"
    NOT_APPLICABLE = "not_applicable"
    UNASKED = "not_asked"


class Trial(NamedTuple):
    """One mutation tried: of which group, what was spoilt, and what came of it.

    ``rule`` is the one that had to find it, or "" in a sweep, where any finding will do.
    """

    group: str
    rule: str
    says: str
    outcome: Outcome
    why: str = ""


class Selftest(NamedTuple):
    """All of it, about one record."""

    incident_id: str
    path: str
    as_of: str
    trials: tuple[Trial, ...]

    def count(self, outcome: Outcome) -> int:
        """How many mutations ended so; deleted values are counted by themselves."""
        return sum(t.outcome is outcome for t in self.trials if t.group != DELETED)

    @property
    def applicable(self) -> int:
        """How many mutations had to be caught."""
        return self.count(Outcome.CAUGHT) + self.count(Outcome.MISSED)

    @property
    def exit_code(self) -> int:
        """0 all caught, 1 something missed, 3 nothing could be tried."""
        if not self.applicable:
            return 3
        return 1 if self.count(Outcome.MISSED) else 0
