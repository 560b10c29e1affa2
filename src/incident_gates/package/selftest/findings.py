"""Compares two reports: what was found after a mutation and not before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.model import CRITICAL, Verdict
from incident_gates.package.selftest.model import Outcome

if TYPE_CHECKING:
    from incident_gates.model import Finding, IncidentReport
    from incident_gates.package.selftest.table import Mutation


def passes(report: IncidentReport) -> bool:
    """Whether a record stands."""
    return report.verdict is Verdict.PASSED


def new(before: IncidentReport, after: IncidentReport) -> list[Finding]:
    """What was found after and not before; what is excused counts as not found.

    Lines move when a file is changed, so a finding is known by what it says.
    """
    known = {_key(f) for f in before.all_findings}
    return [f for f in after.all_findings if _key(f) not in known and f.excuse is None]


def _key(finding: Finding) -> tuple[str, ...]:
    place = finding.location.file
    return (finding.rule, finding.level, place, finding.subject, finding.message)


def rules(found: list[Finding]) -> str:
    """The rules that found something, in words."""
    return ", ".join(sorted({f.rule for f in found}))


def outcome(
    mutation: Mutation, before: IncidentReport, after: IncidentReport
) -> tuple[Outcome, str]:
    """Whether the rule found it, at its level, and kept the record from passing where it must."""
    found = [f for f in new(before, after) if f.rule == mutation.rule]
    right = [f for f in found if f.level == mutation.expected]
    if not found:
        return Outcome.MISSED, f"{mutation.rule} found nothing"
    if not right:
        return Outcome.MISSED, f"found as {found[0].level}, not {mutation.expected}"
    if mutation.expected == CRITICAL and after.verdict is not Verdict.FAILED:
        return Outcome.MISSED, f"found, and the record is {after.verdict.value} all the same"
    return Outcome.CAUGHT, right[0].message
