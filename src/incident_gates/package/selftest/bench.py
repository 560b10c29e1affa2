"""One valid record, ready to be spoilt and judged as the record itself would be."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from incident_gates import engine
from incident_gates.evidence.refusal import Refusal
from incident_gates.package.selftest import findings, steps, table, values, workshop
from incident_gates.package.selftest.model import Outcome, Trial
from incident_gates.package.selftest.state import NotApplicable
from incident_gates.package.selftest.workshop import Workshop
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from incident_gates.incident import Record
    from incident_gates.model import IncidentReport
    from incident_gates.package.selftest.table import Mutation
    from incident_gates.policy import Limits

INTAKE = engine.INTAKE


class Bench:
    """The copy of one record, how it is judged as it is, and the facts that mutations speak of."""

    def __init__(self, record: Record, limits: Limits, now: datetime, folder: Path) -> None:
        self.now = now
        self.limits, self.protocol = limits, limits.protocol
        self.valid, place = workshop.held(record)
        setting = workshop.Setting(limits, now, record.flat)
        self.shop = Workshop(folder, self.valid, place, setting)
        self.report = self.shop.judged(self.valid)

    @cached_property
    def values(self) -> values.Values:
        """What the mutations may speak of."""
        report = self.report
        facts = values.known(self.valid, report.incident_id, report.severity, self.limits)
        return values.Values(self.valid, table.load().names, facts)

    @property
    def false_positive(self) -> bool:
        """Whether the incident was none: then the intake log alone is asked for."""
        return self.report.state == "false positive"

    def tried(self, mutation: Mutation) -> Trial:
        """One mutation of the table, and whether its rule found it."""
        try:
            outcome, why = self._tried(mutation)
        except NotApplicable as reason:
            outcome, why = Outcome.NOT_APPLICABLE, str(reason)
        except Refusal as refusal:  # of a file that no gate needs
            outcome, why = Outcome.NOT_APPLICABLE, refusal.what
        finally:
            self.shop.forget_history()
        return Trial(RULES[mutation.rule].gate, mutation.rule, mutation.says, outcome, why)

    def _tried(self, mutation: Mutation) -> tuple[Outcome, str]:
        self._refuse_unasked(mutation)
        mutation = mutation._replace(level=self.values.filled(mutation.level))
        now = self.now + mutation.later if mutation.later else self.now
        given = self.shop.made(self.valid, mutation.given, self.values)
        before = self.shop.judged(given, now)
        if mutation.given and not findings.passes(before):
            raise NotApplicable(f"what comes first does not pass here, {_worst(before)}")
        spoilt = self.shop.made(given, mutation.steps, self.values)
        if not any(spoilt.changed_from(given)) and not _commits(mutation.steps):
            raise NotApplicable("it is like that already")
        after = self.shop.judged(spoilt, now)
        _refuse_blind(mutation, after)
        return findings.outcome(mutation, before, after)

    def _refuse_unasked(self, mutation: Mutation) -> None:
        """Of a false alarm, nothing but the intake log and what cannot be mended is asked."""
        if not self.false_positive or RULES[mutation.rule].at_once:
            return
        if steps.touched([*mutation.given, *mutation.steps]) - {INTAKE}:
            raise NotApplicable("a false alarm needs its intake log alone")


def _refuse_blind(mutation: Mutation, after: IncidentReport) -> None:
    """A rule that asks git says nothing where git gave no answer."""
    left = dict(after.rules_left)
    if RULES[mutation.rule].history and mutation.rule in left:
        raise NotApplicable(left[mutation.rule])


def _worst(report: IncidentReport) -> str:
    found = (f"{f.rule}: {f.message}" for f in report.all_findings if f.fails)
    return next(found, ", ".join(report.assurance.not_verified))


def _commits(done: Iterable[steps.Step]) -> bool:
    return any("commit" in step for step in done)
