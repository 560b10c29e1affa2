"""Properties of the judgement of a record, whatever somebody wrote into it."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest
import strategies as given_a
from hypothesis import assume, example, given
from hypothesis import strategies as st
from strategies import Gone, Kept, Line, Put, budget, changed, judged, own, path_of

from incident_gates import protocol
from incident_gates.evidence import bounds
from incident_gates.model import Finding, IncidentReport, Location, Verdict
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FINISHED = st.sampled_from(["complete", "failed-rollback", "fail-forward", "emergency"])
REQUIRED = {a.file: a.gate for a in protocol.load().artifacts.values() if a.required}
# What a gate reads, the inputs that a closed record keeps included. Neither an excuse nor what is
# written after closing is evidence of the incident.
EVIDENCE = {a.file: a.gate for a in protocol.load().artifacts.values() if a.gate}
WAIVERS, SUMMARY = "waivers.yaml", "resolution-summary.json"
FOLDER = ".artifacts/incidents/INC-2026-0042/"


# --- any bytes -----------------------------------------------------------------------------------

# What each of these finds, it finds in one file alone, whatever the others hold.
OF_ONE_FILE = ("FIL002", "FIL003", "FIL004", "FIL007", "FIL008", "FIL009", "FIL010")
PIECES = st.sampled_from(
    (b"\xff", b"\x00", b"\xef\xbb\xbf", b"\r", b"\r\n", "\u2028".encode(), b"\t", b'"', b"\\", b"{")
) | st.sampled_from(
    (b"[" * 100, b"---\n", b"a: *b\n", b"NaN", b"1e999", b"\\ud800", b"```", b"<!--", b"TBD")
)


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[Kept, str, bytes]:
    """Other bytes in the place of a file: any at all, or its own with a piece cut, or put in."""
    kept = draw(given_a.records())
    name = draw(st.sampled_from(own(given_a.example(kept.name))))
    data = given_a.example(kept.name)[path_of(given_a.example(kept.name), name) or ""]
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + 40)) | st.just(len(data)))
    piece = draw(PIECES | st.just(b""))
    return kept, name, draw(st.binary(max_size=60) | st.just(data[:start] + piece + data[end:]))


def of_one_file(report: IncidentReport, other_than: str) -> Counter[tuple[str, str, str, Location]]:
    """What is found in each of the other files by itself."""
    return Counter(
        (f.rule, f.subject, f.message, f.location)
        for f in given_a.all_said(report)
        if f.rule in OF_ONE_FILE and not f.location.file.endswith("/" + other_than)
    )


@given(spoilt())
@budget(120)
def test_any_bytes_in_a_file_are_judged(record: tuple[Kept, str, bytes]) -> None:
    """Any bytes in any file give a report that says so, and loses nothing said of other files."""
    kept, name, data = record
    files = kept.files
    path = path_of(given_a.example(kept.name), name) or ""
    before, after = judged(files, kept.now), judged({**files, path: data}, kept.now)
    assert (after.verdict is Verdict.FAILED) >= any(f.fails for f in after.all_findings)
    said = [f for f in given_a.all_said(after) if f.location.file == path]
    if name in REQUIRED and any(f.rule == "FIL002" for f in said):
        assert after.verdict is Verdict.FAILED
        assert given_a.statuses(after)[REQUIRED[name]] == "failed"
    if (before.state == "false positive") == (after.state == "false positive"):
        assert of_one_file(before, name) == of_one_file(after, name)


# --- places --------------------------------------------------------------------------------------

# How another editor or system writes the same text, and what people put into it.
STYLES: Mapping[str, tuple[str, str]] = {
    "Windows": ("\n", "\r\n"),
    "carriage returns alone": ("\n", "\r"),
    "a carriage return in a line": (" the ", " the\r "),
    "line separators": (" the ", " the\u2028 "),
    "next lines": (" the ", " the\x85 "),
    "tabs": ("  ", "\t"),
    "emoji": ("Alex", "🚒 Alex é"),
    "blank lines": ("\n", "\n\n"),
}


def restyled(files: Mapping[str, bytes], styles: frozenset[str], final: str) -> given_a.Files:
    """The files as another editor writes them, ending with or without a line break."""
    new = dict(files)
    for path in files:
        if path.endswith((".json", ".md", ".yaml")):
            text = files[path].decode().rstrip("\n") + "\n"
            for old, by in (STYLES[name] for name in STYLES if name in styles):
                text = text.replace(old, by)
            new[path] = (text.rstrip("\r\n") + final).encode()
    return new


def places(report: IncidentReport) -> Iterator[Location]:
    """Every place that a report names."""
    for finding in given_a.all_said(report):
        yield finding.location
        if finding.excuse:
            yield finding.excuse.location
    yield from (link.location for link in report.causal_line)


def is_inside(files: Mapping[str, bytes], place: Location) -> bool:
    """Whether a place is one of its file, counted as git counts lines."""
    if place.line is None or place.file not in files:
        return place.line is None
    lines = files[place.file].decode(errors="replace").split("\n")
    if not 1 <= place.line <= len(lines):
        return False
    line = lines[place.line - 1]
    columns = [column for column in (place.column, place.end_column) if column is not None]
    shown = place.source is None or place.source == line.rstrip("\r")[: bounds.TEXT_CHARS]
    return shown and all(1 <= column <= len(line) + 1 for column in columns)


@given(
    given_a.records(names=st.sampled_from(sorted(given_a.EXAMPLES))),
    st.frozensets(st.sampled_from(sorted(STYLES)), max_size=3),
    st.sampled_from(["", "\n", "\n\n"]),
)
@example(Kept("late-notice"), frozenset({"line separators"}), "\n")
@example(
    Kept("late-notice", (Line("incident-timeline.md", 8, "- soon"),)),
    frozenset({"carriage returns alone"}),
    "",
)
@budget(100)
def test_every_place_is_inside_its_file(kept: Kept, styles: frozenset[str], final: str) -> None:
    """Every line and column that a report names lies inside the file, however that is written."""
    files = restyled(kept.files, styles, final)
    outside = [place for place in places(judged(files, kept.now)) if not is_inside(files, place)]
    assert not outside


# --- excuses -------------------------------------------------------------------------------------

ALEX = {"name": "Alex", "role": "incident_commander"}
JORDAN = {"name": "Jordan", "role": "release_manager"}
KIM = {"name": "Kim", "role": "product_owner"}
MORGAN, DANA = {"name": "Morgan", "role": "sre_lead"}, {"name": "Dana", "role": "support_director"}


def entry(kind: str, rule: str, subject: str) -> dict[str, Any]:
    """A complete excuse of one finding, by people who may grant it."""
    either = {"kind": kind, "rule": rule, "incident": "INC-2026-0042", "requested_by": KIM}
    either |= {"subject": subject} if subject else {}
    if kind == "deviation":
        return either | {
            "what_happened": "It came late.",
            "why": "The pager was down.",
            "corrective_action": "A second pager (A-3).",
            "accepted_by": [MORGAN, DANA],
            "accepted_at": "2026-03-15T09:30:00Z",
        }
    return either | {
        "reason": "The archive is being restored.",
        "approved_by": [ALEX, JORDAN],
        "approved_at": "2026-03-14T02:20:00Z",
        "expires_at": "2026-06-01T00:00:00Z",
        "compensating_control": "Daily review.",
    }


def excused(files: Mapping[str, bytes], entries: list[dict[str, Any]]) -> given_a.Files:
    """The files with those excuses beside them."""
    folder = next(m[0] for name in files if (m := given_a.FOLDER.match(name)))
    top = {"schema_version": "1.0", "incident_id": "INC-2026-0042", "entries": entries}
    return {**files, folder + WAIVERS: json.dumps(top, indent=2).encode()}


def about(finding: Finding) -> tuple[str, ...]:
    """What a finding says, and where, whether or not it is excused."""
    return (finding.rule, finding.subject, finding.level, finding.message, str(finding.location))


def green(report: IncidentReport) -> Counter[tuple[str, ...]]:
    """The findings that an excuse covers."""
    return Counter(about(f) for f in given_a.all_said(report) if f.excuse)


def said_beside_excuses(report: IncidentReport) -> Counter[tuple[str, ...]]:
    """Every finding, but for what is said of the excuses themselves."""
    found = (f for f in given_a.all_said(report) if RULES[f.rule].criterion != "excused")
    return Counter(about(f) for f in found)


def late(item: int) -> Put:
    """An item of the checklist that was verified only after the rollback had started."""
    pointer = ("items", item, "verified_at")
    return Put("rollback-readiness-checklist.json", pointer, "2026-03-14T02:41:00Z")


@st.composite
def excuses_of(draw: st.DrawFn) -> tuple[Kept, list[dict[str, Any]], dict[str, Any]]:
    """A record with faults of one kind and others, the excuses that it has, and one more."""
    kept = draw(given_a.records(names=FINISHED, most=2))
    items = draw(st.lists(st.integers(0, 6), max_size=3, unique=True))
    kept = kept._replace(edits=(*kept.edits, *map(late, items)))
    found = judged(kept.files, kept.now).all_findings
    named = [(f.rule, f.subject) for f in found] + [("MIT004", "E-1")]
    entries = st.builds(
        lambda kind, what, vague, lost: {
            key: value
            for key, value in entry(kind, what[0], "" if vague else what[1]).items()
            if key != lost
        },
        st.sampled_from(["deviation", "deviation", "waiver"]),
        st.sampled_from(named),
        st.sampled_from([False, False, True]),
        st.sampled_from([*[""] * 6, "reason", "why", "expires_at", "requested_by", "incident"]),
    )
    return kept, draw(st.lists(entries, max_size=2)), draw(entries)


TWO_LATE = Kept("complete", (late(0), late(1)))
ONE_EXCUSED = entry("deviation", "MIT006", "E-1/rollback-script")


@given(excuses_of())
@example((TWO_LATE, [], ONE_EXCUSED))
@example((TWO_LATE, [], entry("deviation", "MIT006", "")))
@budget(80)
def test_an_excuse_turns_no_other_finding_green(
    record: tuple[Kept, list[dict[str, Any]], dict[str, Any]],
) -> None:
    """Adding or removing an excuse changes what it names, and nothing about any other finding."""
    kept, others, one = record
    before = judged(excused(kept.files, others), kept.now)
    after = judged(excused(kept.files, [*others, one]), kept.now)
    named = {
        about(f)
        for f in given_a.all_said(after)
        if f.rule == one["rule"] and f.subject == one.get("subject", f.subject)
    }
    assert said_beside_excuses(before) == said_beside_excuses(after)
    changes = (green(after) - green(before)) + (green(before) - green(after))
    assert set(changes) <= named
    assert sum((green(after) - green(before)).values()) <= 1
    if one.get("subject") is None and len(named) > 1:
        assert not changes


def test_an_excuse_that_counts_turns_its_own_finding_green() -> None:
    """The excuses that the property adds do count: one of two late items is excused."""
    report = judged(excused(TWO_LATE.files, [ONE_EXCUSED]), TWO_LATE.now)
    found = {f.subject: f.excuse is not None for f in report.all_findings if f.rule == "MIT006"}
    assert found == {"E-1/rollback-script": True, "E-1/image": False}


# --- missing files -------------------------------------------------------------------------------


@given(given_a.records(names=FINISHED), st.sampled_from(sorted(REQUIRED)))
@budget(60)
def test_without_a_required_file_nothing_passes(kept: Kept, name: str) -> None:
    """A record without one of its required files fails, and so does the gate that reads it."""
    files = changed(kept.files, [Gone(name)])
    report = judged(files, kept.now)
    if report.state != "false positive" or name == "incident-intake-log.md":
        assert report.verdict is Verdict.FAILED
        assert given_a.statuses(report)[REQUIRED[name]] == "failed"


@given(given_a.records(names=FINISHED), st.sampled_from(sorted(EVIDENCE)))
@example(Kept("complete", (Put(SUMMARY, ("status",), "resolved"),)), SUMMARY)
@example(Kept("complete", (Gone("MONITORING-PACKAGE.zip"),)), SUMMARY)
@example(Kept("complete", (Line("incident-timeline.md", 10, None),)), "incident-timeline.md")
@budget(60)
def test_removing_a_file_mends_nothing(kept: Kept, name: str) -> None:
    """What failed still fails without one of its files; so does the gate that reads the file.

    Another gate may lose what compared that file with its own, and then the file's gate fails.
    """
    before, after = (judged(changed(kept.files, gone), kept.now) for gone in ((), (Gone(name),)))
    assume(before.state != "false positive" or name == "incident-intake-log.md")
    assert (before.verdict is Verdict.FAILED) <= (after.verdict is Verdict.FAILED)
    failed, fails = (
        {gate for gate, status in given_a.statuses(report).items() if status == "failed"}
        for report in (before, after)
    )
    assert EVIDENCE[name] not in failed - fails
    assert EVIDENCE[name] in fails or failed <= fails


# --- order without a meaning ---------------------------------------------------------------------

# The order of these entries says nothing; of the others it may: who took command, who spoke first.
UNORDERED = frozenset(
    ("items", "recovery_checks", "checks", "inputs", "system_states", "action_items")
) | {"stakeholders_informed", "durations", "slos_restored", "alerts_cleared", "slo_breaches"}

# Of an input, or of what was archived, a digest is kept: it is not written anew.
REWRITABLE = [a.file for a in protocol.load().artifacts.values() if a.gate]
REWRITABLE = [name for name in REWRITABLE if name not in protocol.load().upstream]


def shuffled(items: Iterable[Any], seed: int) -> list[Any]:
    """The items in another order, the same for the same seed."""
    return sorted(items, key=lambda item: hashlib.sha256(f"{seed}{item}".encode()).digest())


def reordered(value: Any, seed: int, *, entries: bool) -> Any:
    """The same value with its keys, and perhaps its entries, in another order."""
    if isinstance(value, list):
        return [reordered(item, seed + 1, entries=entries) for item in value]
    if not isinstance(value, dict):
        return value
    new = {key: reordered(value[key], seed + 1, entries=entries) for key in shuffled(value, seed)}
    for key in UNORDERED & new.keys() if entries else ():
        if isinstance(new[key], list):
            new[key] = shuffled(new[key], seed)
    return new


def rewritten(files: Mapping[str, bytes], seed: int, *, entries: bool) -> given_a.Files:
    """The same files with their keys, and perhaps their entries, in another order."""
    new = dict(files)
    for name in (n for n in given_a.own(files, ".json") if n in REWRITABLE):
        path = path_of(files, name) or ""
        top = reordered(json.loads(files[path]), seed, entries=entries)
        new[path] = json.dumps(top, indent=2).encode()
    return new


def said_without_lines(report: IncidentReport) -> tuple[object, ...]:
    """What a report says, but for lines and columns."""
    found = given_a.all_said(report)
    said = sorted(
        (f.rule, f.level, f.subject, f.message, f.fix, f.expected, f.location.file) for f in found
    )
    line = [link._replace(location=Location("")) for link in report.causal_line]
    kept = [gate._replace(findings=(), needs=()) for gate in report.gates]
    return report.verdict, report.state, said, line, kept


@contextmanager
def listed(seed: int) -> Iterator[None]:
    """Meanwhile, every folder lists its files in another order, as other systems do."""
    scandir = os.scandir

    def in_another_order(*folder: Any) -> Any:
        with scandir(*folder) as entries:
            return nullcontext(shuffled(entries, seed))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", in_another_order)
        yield


NO_TEXT = Put(
    "severity-assessment.json",
    ("classifications", 0, "assessors", 0, "name"),
    {"name": "Alex", "role": "operator", "x-since": "2026"},
)

# What another incident decided lies ahead of this one.
DECIDED = json.loads(given_a.example("complete")[f"{FOLDER}decision-log.json"])["decisions"]
COPIED = Kept("crates-io-2023-07-20", (Put("decision-log.json", ("decisions",), DECIDED),))


@given(given_a.records(), st.integers(0, 9999))
@example(Kept("complete", (NO_TEXT,)), 0)
@example(COPIED, 1)
@budget(60)
def test_the_order_of_files_and_keys_means_nothing(kept: Kept, seed: int) -> None:
    """Files in another order change nothing; keys in another order only lines and columns."""
    there = rewritten(kept.files, seed, entries=False)
    one, other = judged(kept.files, kept.now), judged(there, kept.now)
    with listed(seed):
        assert judged(kept.files, kept.now) == one
    assert said_without_lines(one) == said_without_lines(other)


@given(given_a.records(), st.integers(0, 9999))
@budget(60)
def test_the_order_of_entries_means_nothing(kept: Kept, seed: int) -> None:
    """Entries in another order get the same verdict, gates and findings, where none comes first."""
    there = rewritten(kept.files, seed, entries=True)
    reports = [judged(files, kept.now) for files in (kept.files, there)]
    one, other = [
        (r.verdict, given_a.statuses(r), Counter((f.rule, f.level) for f in given_a.all_said(r)))
        for r in reports
    ]
    assert one == other
