"""The intake: signals with time and source, judged real or a false positive."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from incident_gates.rules import CRITICAL, Breach, Place, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.policy import Limits

INTAKE, ASSESSMENT = "incident-intake-log.md", "severity-assessment.json"
NOTHING_RUN = ("", "not_applicable")
VERDICTS = ("real incident", "false positive")
NO_IMPACT = r"(?i:none|no (customer )?impact)\W*"


@rule(
    "SEV001",
    gate="severity",
    criterion="intake",
    level=CRITICAL,
    says="The intake log holds no complete signal",
    why="The signal is the beginning of the record: everything else answers it.",
    fix="Write each signal with its time, its source and what it said.",
    needs=(INTAKE,),
)
def intake_holds_signals(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """At least one signal, and each with time, source and text."""
    log, _ = chain.intake
    if not log.entries and not log.unreadable:
        yield Breach(Place(INTAKE, line=1), "no signal is recorded")
    for entry in log.entries:
        absent = [name for name in ("source", "text") if not entry.column(name)]
        absent += [] if entry.time else ["time"]
        if absent:
            said = f"the signal lacks its {' and '.join(absent)}"
            yield Breach(entry.place, said, subject=f"line {entry.place.line}")


@rule(
    "SEV002",
    gate="severity",
    criterion="intake",
    level=CRITICAL,
    says="Nobody has judged whether the alert is real",
    why="The protocol pauses until a named person says: real incident or false positive.",
    fix="Add a Validity section: `- Verdict: real incident`, `- By: Alex (incident_commander)`, "
    "`- Time: 02:12 UTC`.",
    needs=(INTAKE,),
)
def alert_validity_is_decided(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """A named person judged the signals, at a time."""
    _, validity = chain.intake
    if validity is None:
        yield Breach(Place(INTAKE, line=1), "there is no verdict on the signals")
        return
    if validity.verdict not in VERDICTS:
        said = f'"{validity.verdict}" is no verdict on the signals' if validity.verdict else ""
        said = said or "the verdict itself is missing"
        yield Breach(validity.place, said, " or ".join(VERDICTS), subject="verdict")
    absent = [] if validity.by else ["the name of who judged it"]
    absent += [] if validity.time else ["the time"]
    if absent:
        yield Breach(validity.place, f"the verdict lacks {' and '.join(absent)}")


@rule(
    "SEV003",
    gate="severity",
    criterion="intake",
    level=CRITICAL,
    says="A false positive stands beside an execution or customer impact",
    why="Something was run, or customers were hurt: then it was an incident.",
    fix="Judge it a real incident, and complete the record.",
    at_once=True,
)
def false_positive_is_one(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Nothing was executed and no customer was affected by a false positive."""
    _, validity = chain.intake
    if validity is None or validity.verdict != "false positive":
        return
    seen = [
        f"{e.id} was executed  {e.node.file}"
        for e in chain.executions
        if any((e.started, e.completed, e.node["exit_code"], e.outcome not in NOTHING_RUN))
        or (e.node["output"].text and not e.outcome)
    ]
    seen += [f"{c.id} was checked for recovery" for c in chain.checks if c.latest][:1]
    if chain.resolution["mitigated_at"].time:
        seen.append("mitigated_at is recorded  resolution-summary.json")
    impacts = (c.classification.node["customer_impact"].text for c in chain.consensus)
    if any(text and not re.fullmatch(NO_IMPACT, text) for text in impacts):
        seen.append(f"customer impact is recorded  {ASSESSMENT}")
    if chain.severity_file["impact_started_at"].time:
        seen.append(f"impact_started_at is recorded  {ASSESSMENT}")
    if seen:
        yield Breach(
            validity.place,
            f"a false positive, but {seen[0].split('  ')[0]}",
            "no impact",
            tuple(seen),
        )
