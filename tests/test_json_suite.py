"""Every file of JSONTestSuite as evidence of a record: what is no JSON is a finding at its place.

tests/golden/json_test_suite.txt holds all verdicts; ``--accept`` writes it anew.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import casework
import pytest
import reportwork as work
import suitework

from incident_gates import engine, policy, protocol
from incident_gates.evidence import strict_json, times
from incident_gates.evidence.files import decode
from incident_gates.evidence.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from incident_gates.model import Finding

FILES = suitework.json_files()
FILE = "recovery-validation.json"
NO_OBJECT = "the file does not hold a JSON object at the top"

# What RFC 8259 lets pass and we do not: two readers would read two values.
REFUSED_BY_NAME = {
    "y_object_duplicated_key.json": "the key 'a' occurs twice in one object",
    "y_object_duplicated_key_and_value.json": "the key 'a' occurs twice in one object",
}
HEAD = """\
# How each file of JSONTestSuite is judged as evidence of a record, with line and column.
# y_ must be JSON, n_ must not be, i_ may be either. "no object" is JSON, and no file of ours.
"""


class Judged(NamedTuple):
    """The verdict on one file of the suite, and the finding that says so."""

    verdict: str
    finding: Finding | None

    def row(self, name: str) -> str:
        """A line of the table."""
        if self.finding is None or self.verdict != "refused":
            return f"{self.verdict:<9}         {name}"
        at = self.finding.location
        place = f"{at.line}:{at.column or '-'}"
        return f"{self.verdict:<9} {place:>7} {name:<60} {self.finding.message}"


def judge_in(folder: Path) -> Callable[[bytes], Judged]:
    """Judges bytes as one file of a record that is in order otherwise."""
    record = casework.build(casework.Case(casework.CASES / "suite"), folder)
    limits = policy.Limits(protocol.load(), policy.Policy())
    now = times.parse("2026-03-20T00:00:00Z")
    assert now is not None

    def judge(data: bytes) -> Judged:
        (record.folder / FILE).write_bytes(data)
        report = engine.judge(record.again(), limits, now.earliest, engine.Request())
        found = [f for f in report.all_findings if f.rule == "FIL002"]
        if not found:
            return Judged("accepted", None)
        [finding] = found
        assert finding.location.file.endswith(f"/{FILE}")
        return Judged("no object" if finding.message == NO_OBJECT else "refused", finding)

    return judge


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Judged]:
    """The verdict on every file."""
    judge = judge_in(tmp_path_factory.mktemp("suite"))
    return {name: judge(data) for name, data in FILES.items()}


def of(kind: str, verdicts: dict[str, Judged]) -> dict[str, Judged]:
    """The verdicts on the files of one kind."""
    return {name: judged for name, judged in verdicts.items() if name.startswith(f"{kind}_")}


def test_the_suite_is_whole() -> None:
    counts = [len([n for n in FILES if n.startswith(kind)]) for kind in ("y_", "n_", "i_")]
    assert counts == [95, 188, 35]


def test_what_is_no_json_is_a_finding_at_its_place(
    verdicts: dict[str, Judged], record_property: Callable[[str, object], None]
) -> None:
    """Each one critical, in a line that the file has, with a message and a fix."""
    told = of("n", verdicts)
    refused = {name: judged for name, judged in told.items() if judged.verdict == "refused"}
    record_property("torture: JSONTestSuite n_ refused", f"{len(refused)} of {len(told)} · all")
    assert refused == told
    for name, judged in refused.items():
        finding = judged.finding
        assert finding is not None
        assert finding.fails, name
        assert 1 <= (finding.location.line or 0) <= FILES[name].count(b"\n") + 1, name
        assert finding.fix, name


def test_what_is_json_is_taken_but_for_what_is_refused_by_name(
    verdicts: dict[str, Judged], record_property: Callable[[str, object], None]
) -> None:
    """No object is fine JSON, which a file of a record may not be."""
    told = of("y", verdicts)
    refused = {
        n: j.finding.message for n, j in told.items() if j.verdict == "refused" and j.finding
    }
    taken = len(told) - len(refused)
    shown = f"{taken} of {len(told)}, {len(refused)} refused by name · all but duplicate keys"
    record_property("torture: JSONTestSuite y_ accepted", shown)
    assert refused == REFUSED_BY_NAME


def test_what_is_taken_comes_in_unchanged(verdicts: dict[str, Judged]) -> None:
    """Whatever the suite holds at the top is the same value inside an object."""
    for name, judged in verdicts.items():
        if judged.verdict != "refused":
            text = decode(FILES[name])
            assert strict_json.parse(f'{{"x-suite": {text}}}') == {"x-suite": json.loads(text)}


def test_what_is_no_json_is_none_inside_an_object_either() -> None:
    """What follows a value must not hide what is wrong with it."""
    for name, data in FILES.items():
        if name.startswith("n_") and data.strip():
            with pytest.raises(Refusal):
                strict_json.parse(decode(b'{"x-suite": [' + data + b"]}"))


def test_what_parsers_may_choose_is_judged_without_a_crash(
    verdicts: dict[str, Judged], record_property: Callable[[str, object], None]
) -> None:
    """Half characters, foreign encodings and endless numbers are refused, the rest is taken."""
    told = of("i", verdicts)
    refused = [name for name, judged in told.items() if judged.verdict == "refused"]
    shown = f"{len(told)} of {len(told)}, {len(refused)} refused · no crash"
    record_property("torture: JSONTestSuite i_ judged", shown)
    assert set(told) - set(refused) == {
        "i_number_double_huge_neg_exp.json",
        "i_number_real_underflow.json",
    }


def test_every_verdict_is_the_one_in_the_table(
    verdicts: dict[str, Judged], *, accept: bool
) -> None:
    rows = [judged.row(name).rstrip() for name, judged in verdicts.items()]
    work.golden("json_test_suite.txt", HEAD + "\n".join(rows) + "\n", accept=accept)
