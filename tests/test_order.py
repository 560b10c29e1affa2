"""Properties of the causal order: a clock's zero means nothing, and vagueness proves nothing."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import casework
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from incident_gates import engine, policy, protocol
from incident_gates.evidence import times
from incident_gates.incident import Record
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from incident_gates.model import IncidentReport

Key = tuple[str, str]
Stated = tuple[int, str | None]  # seconds away from the time of the example, and a precision
Changes = Mapping[Key, Stated | None]  # None: not available

NOW = datetime(2026, 3, 20, tzinfo=timezone.utc)
TIMES = {
    "decision-log.json": [f"/decisions/0/approvals/{i}/approved_at" for i in range(2)]
    + ["/decisions/0/decided_at"],
    "severity-assessment.json": [
        *(f"/classifications/0/assessors/{i}/assessed_at" for i in range(3)),
        "/classifications/0/blast_radius/assessed_at",
    ],
    "rollback-readiness-checklist.json": [f"/items/{i}/verified_at" for i in range(7)],
    "prerequisites.json": [
        *(f"/approvals/{i}/approved_at" for i in range(2)),
        *(f"/system_states/{i}/verified_at" for i in range(3)),
    ],
    "mitigation-execution-report.json": ["/executions/0/started_at"],
}
KEYS = [(name, pointer) for name, pointers in TIMES.items() for pointer in pointers]
# Each wider one holds every moment that the narrower one holds.
WIDER = [
    (None, "minute"),
    (None, "PT10M"),
    (None, "hour"),
    (None, "day"),
    ("minute", "PT10M"),
    ("minute", "hour"),
    ("minute", "day"),
    ("PT10M", "PT2H"),
    ("hour", "day"),
]
# Not claimed of an hour or a day: where they begin is a matter of the writer's own clock.
FINE = st.sampled_from([None, "second", "minute", "PT10M"])
SOMEWHERE = st.integers(-1500, 1500)
RECORDS = st.dictionaries(st.sampled_from(KEYS), st.tuples(SOMEWHERE, FINE), max_size=4)
THOROUGH = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def _judged(
    changes: Changes, rewrite: Callable[[str, str], str] | None = None, now: datetime = NOW
) -> IncidentReport:
    """The report on the example with other times, its text rewritten when it is complete."""
    with tempfile.TemporaryDirectory() as made:
        record = casework.build(casework.Case(Path(made)), Path(made) / "site")
        for name in {name for name, _ in changes}:
            _edit(record.folder / name, {p: v for (n, p), v in changes.items() if n == name})
        for path in sorted(record.folder.iterdir()) if rewrite else ():
            if rewrite and path.suffix in (".json", ".md"):
                path.write_text(rewrite(path.suffix, path.read_text("utf-8")), "utf-8")
        casework.REFRESH["pins"](record.folder)
        fresh = Record(record.folder, site=record.site, base=record.base, protocol=protocol.load())
        limits = policy.Limits(protocol.load(), policy.Policy())
        return engine.judge(fresh, limits, now, engine.Request())


def _edit(path: Path, changes: Mapping[str, Stated | None]) -> None:
    top = json.loads(path.read_text(encoding="utf-8"))
    for pointer, stated in changes.items():
        parent, last = casework._parent(top, pointer)
        parent[last] = _time(str(parent[last]), stated)
    path.write_text(json.dumps(top, indent=2), encoding="utf-8")


def _time(original: str, stated: Stated | None) -> Any:
    if stated is None:
        return "N/A: not published"
    seconds, precision = stated
    parsed = times.parse(original)
    assert parsed is not None
    at = f"{parsed.earliest + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"
    return {"at": at, "precision": precision} if precision else at


# --- moving a record -----------------------------------------------------------------------------

INSTANT = re.compile(r"\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z")
DATE = re.compile(r'"(\d{4}-\d\d-\d\d)"')
BARE = re.compile(r"\b(\d\d:\d\d) UTC")


def _moved(by: timedelta, ahead: int) -> Callable[[str, str], str]:
    """Moves every time of a file, and writes it on a clock so many minutes ahead of UTC."""
    zone = timezone(timedelta(minutes=ahead))

    def instant(match: re.Match[str]) -> str:
        moment = datetime.fromisoformat(match[1]).replace(tzinfo=timezone.utc) + by
        return moment.astimezone(zone).isoformat() if ahead else f"{moment:%Y-%m-%dT%H:%M:%SZ}"

    def bare(match: re.Match[str]) -> str:
        moment = datetime.fromisoformat(f"2026-03-14T{match[1]}:00+00:00") + by
        shown = moment.astimezone(zone)
        offset = shown.isoformat()[-6:] if ahead else " UTC"
        return f"{shown:%Y-%m-%d %H:%M}{offset}"

    def date(match: re.Match[str]) -> str:
        moved = datetime.fromisoformat(match[1]) + by + timedelta(days=1)
        return f'"{moved:%Y-%m-%d}"'

    def rewrite(suffix: str, text: str) -> str:
        if suffix == ".md":
            return BARE.sub(bare, text)
        return DATE.sub(date, INSTANT.sub(instant, text))

    return rewrite


def _said(report: IncidentReport) -> tuple[object, ...]:
    """What a report says, but for the times themselves."""
    return (
        report.verdict,
        [gate.status for gate in report.gates],
        sorted((f.rule, f.level) for f in report.all_findings),
        sorted((link.event, link.label, link.order) for link in report.causal_line),
    )


@THOROUGH
@given(changes=RECORDS, minutes=st.integers(-300_000, 300_000))
@example(changes={}, minutes=0)
@example(changes={}, minutes=-150)
def test_moving_a_record_in_time_changes_nothing(changes: Changes, minutes: int) -> None:
    """The same incident at another time gets the same verdict and the same findings."""
    by = timedelta(minutes=minutes)
    assert _said(_judged(changes, _moved(by, 0), NOW + by)) == _said(_judged(changes))


@THOROUGH
@given(changes=RECORDS, quarters=st.integers(-48, 56))
@example(changes={}, quarters=22)
def test_another_zone_changes_nothing(changes: Changes, quarters: int) -> None:
    """The same moments on another clock get the same verdict and the same findings."""
    assert _said(_judged(changes, _moved(timedelta(), quarters * 15))) == _said(_judged(changes))


# --- knowing less --------------------------------------------------------------------------------


def _order_findings(report: IncidentReport) -> set[Key]:
    # MIT026 compares texts; MIT027 speaks of the impossible alone, which a doubt removes.
    order = {r.id for r in RULES.values() if r.criterion == "order"} - {"MIT026", "MIT027"}
    return {(f.rule, f.subject) for f in report.all_findings if f.rule in order}


def _proven(report: IncidentReport) -> set[str]:
    return {link.event for link in report.causal_line if link.order == "proven"}


@THOROUGH
@given(
    changes=RECORDS,
    key=st.sampled_from(KEYS),
    seconds=SOMEWHERE,
    precisions=st.sampled_from(WIDER),
)
@example(changes={}, key=KEYS[0], seconds=150, precisions=(None, "hour"))
@example(changes={}, key=KEYS[4], seconds=900, precisions=("minute", "hour"))
def test_knowing_a_time_less_exactly_proves_nothing(
    changes: Changes, key: Key, seconds: int, precisions: tuple[str | None, str]
) -> None:
    """Widening a precision removes no finding about order, and makes no link of the line proven."""
    narrow, wide = (_judged({**changes, key: (seconds, p)}) for p in precisions)
    assert _order_findings(narrow) <= _order_findings(wide)
    assert _proven(wide) <= _proven(narrow)


@THOROUGH
@given(unknown=st.sets(st.sampled_from(KEYS)))
@example(unknown=set(KEYS))
def test_unknown_times_invent_no_order(unknown: set[Key]) -> None:
    """Of a record in order, unknown times leave gaps and no order, lateness or silence."""
    report = _judged(dict.fromkeys(unknown))
    assert not _order_findings(report)
    assert not [f for f in report.all_findings if f.rule in ("SEV009", "SEV011", "SEV014")]


def test_a_record_without_any_time_fails_and_invents_nothing() -> None:
    """Where every time is N/A, what is missing is said, and no order, duration or SLA made up."""

    def nothing(suffix: str, text: str) -> str:
        text = re.sub(r'"PT\d+M"', '"N/A: not published"', text)
        hidden = re.sub(
            r'(_at|"from"|"until"|"at)": "2026[^"]*"', r'\1": "N/A: not published"', text
        )
        objects = re.sub(
            r'"impact_started_at": \{[^}]*\}', '"impact_started_at": "N/A: unknown"', hidden
        )
        return BARE.sub("N/A: not published", objects) if suffix == ".md" else objects

    report = _judged({}, nothing)
    said = [f.message for f in report.all_findings]
    assert report.verdict.value == "failed"
    assert [gate.status.value for gate in report.gates] == ["failed"] * 5
    assert not _order_findings(report)
    assert [text for text in said if not re.search(r"not available|lacks", text)] == []
