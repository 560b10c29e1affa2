"""One record with all that was said of it: what every page of its package is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from incident_gates.chain import Chain
from incident_gates.gates.record import last_moment
from incident_gates.model import CRITICAL
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from incident_gates.incident import Record
    from incident_gates.model import Finding, IncidentReport
    from incident_gates.package.committed import Committed
    from incident_gates.policy import Limits


def moment(record: Record, limits: Limits, now: datetime) -> datetime:
    """When a record is judged for its package: an open one now; one that has ended must not age.

    Ages and expiries are judged at its closing anyway. What else counts from now – a reminder, an
    excuse that was granted later – counts from the last moment that the record itself speaks of.
    """
    chain = Chain(record, limits, now)
    if chain.closed:
        return max(chain.as_of, last_moment(chain))
    if not chain.false_positive:
        return now
    validity = chain.intake[1]
    judged = validity.time if validity else None
    said = last_moment(chain)
    return max(said, min(judged.latest, now)) if judged else said


class Judged(NamedTuple):
    """One record, what was said of it, and what git knows of its files."""

    record: Record
    limits: Limits
    chain: Chain
    report: IncidentReport
    committed: Committed

    @property
    def sealed(self) -> bool:
        """Whether nothing more is to come: what changes from now on needs an amendment."""
        return self.chain.closed or self.chain.false_positive

    def findings(self) -> Iterable[Finding]:
        """Every finding, those included that a gate not due only needs."""
        for gate in self.report.gates:
            yield from gate.findings
            yield from gate.needs
        yield from self.report.findings

    def about(self, name: str) -> list[Finding]:
        """What was found in a file."""
        path = f"{self.report.path}/{name}"
        return [f for f in self.findings() if f.location.file == path]

    def valid(self, name: str) -> bool:
        """Whether a file is there, readable, of its agreed shape, and without placeholders."""
        broken = (
            f.level == CRITICAL and RULES[f.rule].criterion == "readable" for f in self.about(name)
        )
        return name in self.record.names and not any(broken)
