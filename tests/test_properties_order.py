"""Properties of time and order: a clock's zero means nothing, and vagueness proves nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from itertools import cycle, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import strategies as given_a
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import Drop, Kept, Put, budget, judged, path_of

from incident_gates import policy, protocol
from incident_gates.chain import Chain
from incident_gates.evidence import times
from incident_gates.evidence.times import Order
from incident_gates.model import Status, Verdict
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incident_gates.model import IncidentReport

FINISHED = st.sampled_from(["complete", "failed-rollback", "fail-forward", "emergency"])
COMPLETE = Kept("complete")
PEOPLE = "severity-assessment.json"
SPOKEN = ("classifications", 0, "assessors")


def spots(name: str) -> list[tuple[str, given_a.Pointer, str]]:
    """Every time that the JSON files of an example state."""
    return [
        (file, pointer, value)
        for file, pointer, value in given_a.places_of(name)
        if isinstance(value, str) and times.parse(value)
    ]


@st.composite
def at_other_times(
    draw: st.DrawFn, precisions: st.SearchStrategy[str | None], most: int = 3
) -> Kept:
    """A finished record in which a few things happened at other times, or were not seen at all."""
    name = draw(FINISHED)
    moved = st.builds(
        lambda spot, seconds, precision: Put(
            spot[0], spot[1], given_a.stated(spot[2], seconds, precision)
        ),
        st.sampled_from(spots(name)),
        given_a.SECONDS,
        precisions,
    )
    dropped = st.sampled_from(given_a.places_of(name)).map(lambda place: Drop(place[0], place[1]))
    return Kept(name, tuple(draw(st.lists(moved | moved | moved | dropped, max_size=most))))


# --- moving a record -----------------------------------------------------------------------------

INSTANT = re.compile(r"\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z")
DUE = re.compile(r'(?<="due_date": ")(\d{4}-\d\d-\d\d)(?=")')
BARE = re.compile(r"\b(\d\d:\d\d) UTC")
UTC = (timedelta(),)
SETTINGS: Mapping[str, Any] = {
    "standing_approvals": [
        {
            "id": "SA-1",
            "runbook": "runbooks/rollback.md",
            "strategies": ["rollback"],
            "services": ["api", "checkout"],
            "roles": ["release_manager"],
            "approved_by": {"name": "Jordan", "role": "release_manager"},
            "approved_at": "2026-03-01T09:00:00Z",
            "expires_at": "2026-03-14T02:25:00Z",
        }
    ]
}


def moved(text: str, by: timedelta, clocks: Sequence[timedelta], suffix: str) -> str:
    """A text with every time moved, each one written on the next clock, so far ahead of UTC."""
    zones = cycle(map(timezone, clocks))

    def shown(moment: str, form: str) -> str:
        zone = next(zones)
        at = (datetime.fromisoformat(moment).replace(tzinfo=timezone.utc) + by).astimezone(zone)
        return at.strftime(form) + (at.isoformat()[-6:] if "%H" in form else "")

    if suffix == ".md":
        return BARE.sub(lambda m: shown(f"2026-03-14T{m[1]}:00", "%Y-%m-%d %H:%M"), text)
    text = INSTANT.sub(lambda m: shown(m[1], "%Y-%m-%dT%H:%M:%S"), text)
    return DUE.sub(lambda m: shown(f"{m[1]}T23:59:59", "%Y-%m-%d"), text)


def elsewhere(
    kept: Kept, by: timedelta = timedelta(), clocks: Sequence[timedelta] = UTC
) -> given_a.Files:
    """A record with every time of it moved; inputs, which hold times, are pinned anew."""
    files = kept.files
    for path in files:
        plan = path.endswith("/mitigation-plan.md")  # approved to the letter, and holds no event
        if path.endswith((".json", ".md", ".yaml")) and "/attachments/" not in path and not plan:
            suffix = Path(path).suffix
            files[path] = moved(files[path].decode(), by, clocks, suffix).encode()
    return given_a.repinned(files, kept.files)


def said(report: IncidentReport) -> tuple[object, ...]:
    """What a report says, but for the times themselves."""
    return (
        report.verdict,
        given_a.statuses(report),
        Counter((f.rule, f.level) for f in given_a.all_said(report)),
        Counter((link.event, link.label, link.order) for link in report.causal_line),
    )


def policy_moved(by: timedelta, clocks: Sequence[timedelta] = UTC) -> Mapping[str, Any]:
    """The policy with its dates moved as well."""
    moved_too: Mapping[str, Any] = json.loads(moved(json.dumps(SETTINGS), by, clocks, ".json"))
    return moved_too


RESOLVED = Kept("complete", (Put("resolution-summary.json", ("status",), "resolved"),))
STANDING = Put("decision-log.json", ("decisions", 0, "approvals", 1, "standing"), "SA-1")
MAYBE_STANDING = st.sampled_from([(), (STANDING,)])


@given(
    at_other_times(st.sampled_from([None, "second", "minute", "PT10M"])),
    st.integers(-300_000, 300_000),
    MAYBE_STANDING,
    st.sampled_from(["due", "all"]),
)
@example(COMPLETE, 0, (), "all")
@example(COMPLETE, -150, (STANDING,), "all")
@example(RESOLVED, -150_000, (), "due")
@budget(40)
def test_moving_a_record_in_time_changes_nothing(
    kept: Kept, minutes: int, standing: tuple[Put, ...], require: str
) -> None:
    """A record moved in time, with its policy, gets the same verdict and the same findings."""
    kept = kept._replace(edits=(*kept.edits, *standing))
    by = timedelta(minutes=minutes)
    before = judged(elsewhere(kept), kept.now, require, settings_of=SETTINGS)
    after = judged(elsewhere(kept, by), kept.now + by, require, settings_of=policy_moved(by))
    assert said(before) == said(after)


@given(at_other_times(given_a.PRECISIONS), st.integers(-4000, 4000))
@budget(30)
def test_moving_a_record_by_days_changes_nothing(kept: Kept, days: int) -> None:
    """However coarse its times, a record moved by whole days gets the same findings."""
    by = timedelta(days=days)
    assert said(judged(elsewhere(kept), kept.now)) == said(
        judged(elsewhere(kept, by), kept.now + by)
    )


AHEAD = st.integers(-48, 56).map(lambda quarters: timedelta(minutes=15 * quarters))


@given(
    at_other_times(st.sampled_from([None, "second", "minute", "PT10M"])),
    st.lists(AHEAD, min_size=1, max_size=3),
    MAYBE_STANDING,
)
@example(COMPLETE, [timedelta(hours=5, minutes=30)], (STANDING,))
@example(COMPLETE, [timedelta(hours=1), timedelta(hours=-8)], ())
@budget(40)
def test_other_clocks_change_nothing(
    kept: Kept, clocks: list[timedelta], standing: tuple[Put, ...]
) -> None:
    """The same moments written on other clocks get the same verdict and the same findings."""
    kept = kept._replace(edits=(*kept.edits, *standing))
    before = judged(elsewhere(kept), kept.now, settings_of=SETTINGS)
    policy_there = policy_moved(timedelta(), clocks)
    there = judged(elsewhere(kept, clocks=clocks), kept.now, settings_of=policy_there)
    assert said(before) == said(there)


# --- knowing less --------------------------------------------------------------------------------

# Each wider one holds every moment that the narrower one holds.
WIDER: tuple[tuple[str | None, str], ...] = (
    *((None, wide) for wide in ("minute", "PT10M", "hour", "day")),
    *(("minute", wide) for wide in ("PT10M", "hour", "day")),
    ("PT10M", "PT2H"),
    ("hour", "day"),
)
# MIT026 compares texts; MIT027 and MIT032 speak of the impossible alone, which a doubt removes.
ORDER = {r.id for r in RULES.values() if r.criterion == "order"} - {"MIT026", "MIT027", "MIT032"}
# What these find is proven to be impossible, unusual, late or old; a doubt takes the proof away.
# A notice that may be from before the detection counts as one, and SEV012 says that it may be.
CERTAIN = {
    *("MIT014", "MIT027", "MIT032", "PRE009", "PRE010", "REC004", "REC006", "REC007", "REC015"),
    *("RES002", "RES003", "RES004", "RES005", "RES010", "RES011", "RES012", "RES013"),
    *("SEV009", "SEV012", "SEV014", "FIL008", "FIL012", "FIL013", "FIL014", "EXC004"),
}


def order_findings(report: IncidentReport) -> set[tuple[str, str]]:
    """What a report says about the causal order: rule and subject."""
    return {(f.rule, f.subject) for f in given_a.all_said(report) if f.rule in ORDER}


def proven(report: IncidentReport) -> set[str]:
    """The events whose order is proven."""
    return {link.event for link in report.causal_line if link.order == "proven"}


@st.composite
def known_less(draw: st.DrawFn) -> tuple[Kept, Kept]:
    """A record, and the same with one of its times known less exactly."""
    kept = draw(at_other_times(given_a.PRECISIONS, 2))
    file, pointer, value = draw(st.sampled_from(spots(kept.name)))
    seconds, precisions = draw(given_a.SECONDS), draw(st.sampled_from(WIDER))
    narrow, wide = (
        kept._replace(
            edits=(*kept.edits, Put(file, pointer, given_a.stated(value, seconds, known)))
        )
        for known in precisions
    )
    return narrow, wide


def detected(precision: str | None) -> Kept:
    """A record whose detection is later than its first notice, as far as that is known."""
    at = given_a.stated("2026-03-14T02:10:00Z", 240, precision)
    return Kept("fail-forward", (Put(PEOPLE, ("detected_at",), at),))


@given(known_less())
@example((detected(None), detected("PT10M")))
@budget(120)
def test_knowing_a_time_less_exactly_proves_nothing(records: tuple[Kept, Kept]) -> None:
    """Widening a precision removes no finding about order, and proves no link of the line."""
    narrow, wide = (judged(kept.files, kept.now) for kept in records)
    assert order_findings(narrow) <= order_findings(wide)
    assert proven(wide) <= proven(narrow)
    gone = {f.rule for f in given_a.all_said(narrow)} - {f.rule for f in given_a.all_said(wide)}
    doubted = (
        {"SEV010", "SEV011"} if any(f.rule == "SEV012" for f in given_a.all_said(wide)) else ()
    )
    assert gone <= CERTAIN.union(doubted)


@given(st.sets(st.sampled_from(spots("complete"))))
@example(set(spots("complete")))
@budget(30)
def test_unknown_times_invent_no_order(unknown: set[tuple[str, given_a.Pointer, str]]) -> None:
    """Of a record in order, unknown times leave gaps and no order, lateness or silence."""
    edits = tuple(Put(file, pointer, "N/A: not published") for file, pointer, _ in unknown)
    report = judged(Kept("complete", edits).files, COMPLETE.now)
    assert not order_findings(report)
    assert not [f for f in report.all_findings if f.rule in ("SEV009", "SEV011", "SEV014")]


def test_a_record_without_any_time_fails_and_invents_nothing() -> None:
    """Where every time is N/A, what is missing is said, and no order, duration or SLA made up."""
    files = COMPLETE.files
    for path in files:
        text = files[path].decode() if path.endswith((".json", ".md")) else ""
        if path.endswith(".json") and "/attachments/" not in path:
            text = re.sub(r'"PT\d+M"', '"N/A: not published"', text)
            text = re.sub(
                r'(_at|"from"|"until"|"at)": "2026[^"]*"', r'\1": "N/A: not published"', text
            )
            text = re.sub(
                r'"impact_started_at": \{[^}]*\}', '"impact_started_at": "N/A: unknown"', text
            )
        if path.endswith(".md"):
            text = BARE.sub("N/A: not published", text)
        files[path] = text.encode() or files[path]
    report = judged(given_a.repinned(files, COMPLETE.files), COMPLETE.now, "due")
    messages = [f.message for f in report.all_findings]
    assert report.verdict is Verdict.FAILED
    assert set(given_a.statuses(report).values()) == {"failed"}
    assert not order_findings(report)
    assert [text for text in messages if not re.search(r"not available|lacks", text)] == []


# --- the chain -----------------------------------------------------------------------------------

RUNS, LATER = "mitigation-execution-report.json", "2026-03-14T04:00:00Z"


@given(given_a.records(most=5))
@example(Kept("failed-rollback", (Put(RUNS, ("executions", 0, "started_at"), LATER),)))
@budget(60)
def test_events_stand_in_the_order_of_their_times(kept: Kept) -> None:
    """The events of a chain and its causal line never run backwards, whatever stands twice."""
    limits = policy.Limits(protocol.load())
    with given_a.on_disk(kept.files) as record:
        chain = Chain(record, limits, kept.now)
        started = [e.started for e in chain.executions if e.started]
        begun = [
            min(a.time.earliest for a in c.classification.assessors if a.time)
            for c in chain.consensus
            if all(a.time for a in c.classification.assessors) and c.classification.assessors
        ]
        untimed = len(begun) < len(chain.consensus)
    if len(started) == len(chain.executions):
        assert started == sorted(started, key=lambda time: time.earliest)
    assert untimed or begun == sorted(begun)
    line = [link.earliest or "" for link in judged(kept.files, kept.now).causal_line]
    moments = [datetime.fromisoformat(earliest.replace("Z", "+00:00")) for earliest in line]
    assert all(one <= other for one, other in pairwise(moments))


def word(name: str, role: str, severity: str, at: Any) -> dict[str, Any]:
    """What one assessor says."""
    return {"name": name, "role": role, "severity": severity, "assessed_at": at}


def minute(clock: str) -> dict[str, str]:
    return {"at": f"2026-03-14T{clock}Z", "precision": "minute"}


CLOCKS = st.integers(0, 9 * 60 - 1).map(lambda s: f"02:{14 + s // 60:02}:{s % 60:02}")
CLAIMS = CLOCKS.flatmap(lambda clock: st.sampled_from([f"2026-03-14T{clock}Z", minute(clock)]))


@given(st.lists(st.tuples(st.sampled_from(["SEV-1", "SEV-2"]), CLAIMS), min_size=2, max_size=4))
@example([("SEV-1", "2026-03-14T02:15:10Z"), ("SEV-2", minute("02:15:40"))])
@budget(40)
def test_who_may_have_objected_last_does_not_agree(words: list[tuple[str, Any]]) -> None:
    """A person whose last word cannot be told agrees only if each word that may be it agrees."""
    said_before = [
        word("Alex", "incident_commander", "SEV-1", "2026-03-14T02:14:00Z"),
        word("Kim", "product_owner", "SEV-1", "2026-03-14T02:14:30Z"),
    ]
    spoken = [word("Sam", "operator", severity, at) for severity, at in words]
    files = Kept("complete", (Put(PEOPLE, SPOKEN, [*spoken, *said_before]),)).files
    last = [severity for severity, at in words if not any(_before(at, other) for _, other in words)]
    report = judged(files, COMPLETE.now)
    disagrees = any("disagree" in f.message for f in report.all_findings if f.rule == "SEV004")
    assert disagrees == ("SEV-2" in last)


@given(CLAIMS, CLAIMS, st.sampled_from([1, -1]))
@example("2026-03-14T02:15:30Z", minute("02:15:40"), -1)
@budget(40)
def test_where_severities_cannot_be_told_apart_the_worst_counts(
    mild: Any, grave: Any, step: int
) -> None:
    """A milder severity is in force only if it is proven to be younger than the worse one."""
    listed = [
        classified(name, [word(who, role, name, at) for who, role in ASSESSORS])
        for name, at in (("SEV-3", mild), ("SEV-1", grave))
    ][::step]
    kept = Kept("complete", (Put(PEOPLE, ("classifications",), listed),))
    with given_a.on_disk(kept.files) as record:
        chain = Chain(record, policy.Limits(protocol.load()), kept.now)
        severity = chain.severity_at(chain.executions[0].started)
    assert severity is not None
    assert (severity.name == "SEV-3") == _before(grave, mild)


ASSESSORS = (("Sam", "operator"), ("Alex", "incident_commander"))


def classified(name: str, assessors: list[dict[str, Any]]) -> dict[str, Any]:
    """A classification as those people judged it."""
    top = json.loads(COMPLETE.files[path_of(COMPLETE.files, PEOPLE) or ""])
    return {**top["classifications"][0], "severity": name, "assessors": assessors}


def _before(one: Any, other: Any) -> bool:
    first, then = times.from_value(one), times.from_value(other)
    return first is not None and then is not None and times.order(first, then) is Order.PROVEN


# --- the engine ----------------------------------------------------------------------------------


@given(
    kept=given_a.records(), require=st.sampled_from(["due", "ready", "all"]), strict=st.booleans()
)
@budget(60)
def test_a_verdict_follows_from_the_gates(kept: Kept, require: str, *, strict: bool) -> None:
    """A record fails exactly where a gate or a finding does, and passes where nothing is left."""
    report = judged(kept.files, kept.now, require, strict=strict)
    fails = any(f.fails for f in report.all_findings)
    failed = Status.FAILED in {gate.status for gate in report.gates}
    for gate in report.gates:
        critical = any(f.fails for f in gate.findings)
        assert critical <= (gate.status is Status.FAILED)
        assert strict or critical == (gate.status is Status.FAILED)
        assert (gate.status is Status.PENDING) <= (not gate.due)
    assert (fails or failed) <= (report.verdict is Verdict.FAILED)
    assert strict or (report.verdict is Verdict.FAILED) == (fails or failed)
    if report.verdict is Verdict.PASSED and require == "all" and report.state != "false positive":
        assert all(gate.status in (Status.PASSED, Status.WAIVED) for gate in report.gates)


THRESHOLDS = {n: e["comparison"] for n, e in protocol.load().data["thresholds"].items()}


@given(
    kept=given_a.records(names=FINISHED),
    name=st.sampled_from(sorted(THRESHOLDS)),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    strict=st.booleans(),
)
@budget(60)
def test_a_tighter_threshold_mends_nothing(
    kept: Kept, name: str, shares: list[float], *, strict: bool
) -> None:
    """What fails under a threshold fails under every tighter one as well."""
    scale = 1 if name in ("recovery_pass_rate", "documentation_completeness") else 60
    values = [share * scale for share in shares]
    loose, tight = reversed(values) if THRESHOLDS[name] == "<=" else values
    before, after = (
        judged(kept.files, kept.now, flags={name: value}, strict=strict) for value in (loose, tight)
    )
    failed = {gate for gate, status in given_a.statuses(before).items() if status == "failed"}
    assert failed <= {g for g, status in given_a.statuses(after).items() if status == "failed"}
    assert (before.verdict is Verdict.FAILED) <= (after.verdict is Verdict.FAILED)
