"""The top of report.html: four questions, each with its answer, its evidence and what git says."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from packagesite import Site, on, site
from packagework import copied, judged

from incident_gates import gates as _registered  # noqa: F401 - registers every rule
from incident_gates.model import INFO, Excuse, Location
from incident_gates.package import answers, git_record
from incident_gates.report.html import STYLES, WORDS, Answer
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from pathlib import Path

    from incident_gates.package.judged import Judged

__all__ = ["site"]

PEOPLE, BEFORE, OPTION, UNTOUCHED = range(4)
# Of the same criteria, and no answer to any of the four questions.
ELSEWHERE = {
    "MIT005": "asks when severity was agreed, not when anybody approved",
    "MIT006": "asks when readiness was verified, not when anybody approved",
    "CUS014": "is about a clock; a time that git contradicts is said beside that time",
    "PRE011": "asks who may declare and who knows the cost, before there is any option",
    "PRE014": "is about telling customers",
}
REPORT = "mitigation-execution-report.json"
START = '"started_at": "2026-03-14T02:25:00Z"'


def asked(folder: Path) -> list[Answer]:
    found, manifest = judged(folder)
    return answers.of(found, manifest, git_record.of(found))


def edited(folder: Path, name: str, old: str, new: str) -> Path:
    path = folder / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return folder


def test_every_rule_of_approval_order_and_custody_speaks_to_a_question() -> None:
    spoken = [*answers.PEOPLE, *answers.BEFORE, *answers.OPTION, *answers.UNTOUCHED]
    assert len(spoken) == len(set(spoken))
    criteria = ("approvals", "order", "custody")
    wanted = {rule.id for rule in RULES.values() if rule.criterion in criteria}
    assert wanted >= ELSEWHERE.keys(), "a reason for a rule that is gone"
    assert wanted == (wanted & set(spoken)) | ELSEWHERE.keys()
    assert set(spoken) <= set(RULES)


def test_every_state_has_a_word_and_a_style() -> None:
    states = (answers.YES, answers.BUT, answers.PARTLY, answers.NO, answers.AMENDED)
    excused = (answers.EXCUSED, answers.EMERGENCY)
    assert set(WORDS) == {*states, *excused, answers.UNTOLD, answers.NONE}
    assert set(WORDS) <= set(STYLES)


def test_a_record_in_order_answers_with_file_and_line(tmp_path: Path) -> None:
    people, before, option, untouched = asked(copied("complete", tmp_path))
    assert [people.state, before.state, option.state] == [answers.YES] * 3
    assert untouched.state == answers.UNTOLD, "there is no repository"
    assert before.says == "The last approval came 2 min before E-1 started"
    for answer in (people, before, option):
        assert answer.proofs
        assert all(proof.line and proof.file for proof in answer.proofs)
    assert {p.grade for p in before.proofs} == {answers.NO_GRADE}


@pytest.mark.parametrize(
    ("example", "states"),
    [
        ("contradictions", ["yes", "no", "yes"]),
        ("emergency", ["yes", "emergency", "yes"]),
        ("failed-rollback", ["yes", "yes", "yes"]),
        ("false-positive", ["none", "none", "none"]),
        ("in-progress-2", ["none", "none", "none"]),
        ("posthog-2025-09-29", ["no", "untold", "no"]),
    ],
)
def test_each_kind_of_record_is_answered_as_it_is(
    tmp_path: Path, example: str, states: list[str]
) -> None:
    assert [answer.state for answer in asked(copied(example, tmp_path))[:UNTOUCHED]] == states


@pytest.mark.parametrize(
    ("name", "old", "new", "question", "state"),
    [
        ("decision-log.json", '"verdict": "approve"', '"verdict": "reject"', PEOPLE, "no"),
        ("mitigation-plan.md", "1.2.3", "1.2.2", OPTION, "no"),
        ("mitigation-execution-report.json", START, '"x-at": 1', BEFORE, "untold"),
        (
            "mitigation-execution-report.json",
            START,
            '"started_at": "2026-03-14T02:22:45Z"',
            BEFORE,
            "no",
        ),
    ],
)
def test_no_question_is_answered_yes_where_its_evidence_is_gone(  # noqa: PLR0913, PLR0917
    tmp_path: Path, name: str, old: str, new: str, question: int, state: str
) -> None:
    folder = edited(copied("complete", tmp_path), name, old, new)
    assert asked(folder)[question].state == state


@pytest.mark.parametrize("name", ["decision-log.json", "mitigation-plan.md"])
def test_a_file_that_is_gone_is_never_a_yes(tmp_path: Path, name: str) -> None:
    folder = copied("complete", tmp_path)
    (folder / name).unlink()
    people, before, option, _ = asked(folder)
    assert option.state != answers.YES
    if name == "decision-log.json":
        assert answers.YES not in (people.state, before.state)


def test_git_shows_no_order_where_all_came_in_one_commit(site: Site) -> None:
    site.committed()
    assert "in one commit: it shows no order" in page(site)


def test_untouched_is_no_yes_while_git_was_not_searched(site: Site) -> None:
    (site.site / ".incident-gates.yaml").write_text("history: 'off'\n", "utf-8")
    site.committed()
    assert "? as far as checked" in page(site)


def test_for_a_bundle_git_is_searched_unless_the_policy_says_no(site: Site) -> None:
    site.committed()
    assert "history was not asked for" not in page(site)


def test_untouched_is_no_yes_where_no_commit_holds_the_record_as_it_is(site: Site) -> None:
    site.committed()
    site.edit("decision-log.json", "rollback_backend.sh", "rollback_backend.sh ")
    assert "No commit holds these as they are: decision-log.json" in page(site)


def test_an_amended_record_is_not_untouched(tmp_path: Path) -> None:
    found, manifest = judged(copied("complete", tmp_path))
    seals = [{"as_of": "2026-03-16", "sha256": "0" * 64, "amendments": ["A-1"]}]
    manifest |= {"seals": seals, "commit": "f" * 40, "uncommitted": []}
    untouched = answers.of(found, manifest, git_record.of(found))[UNTOUCHED]
    assert untouched.state == answers.AMENDED
    assert "amendments: A-1" in untouched.says


def test_an_excused_answer_is_a_no_that_says_by_whom(tmp_path: Path) -> None:
    found, manifest = judged(copied("contradictions", tmp_path))
    place = Location("waivers.yaml", 3)
    excuse = Excuse("deviation", ("Morgan", "Dana"), "Nobody could be reached", None, place)
    gates = tuple(
        gate._replace(findings=tuple(f._replace(excuse=excuse) for f in gate.findings))
        for gate in found.report.gates
    )
    excused = found._replace(report=found.report._replace(gates=gates))
    before = answers.of(excused, manifest, git_record.of(found))[BEFORE]
    assert before.state == answers.EXCUSED
    assert "Morgan and Dana" in before.says


def silent(found: Judged, **changes: Any) -> Judged:
    """The same record, with rules that found nothing: the evidence itself must speak."""
    gates = tuple(gate._replace(findings=()) for gate in found.report.gates)
    return found._replace(report=found.report._replace(gates=gates, **changes))


def test_a_rule_that_could_not_run_leaves_no_yes(tmp_path: Path) -> None:
    found, manifest = judged(copied("complete", tmp_path))
    blind = silent(found, rules_left=(("MIT018", "TypeError in MIT018"),))
    people, before, *_ = answers.of(blind, manifest, git_record.of(found))
    assert (people.state, before.state) == (answers.UNTOLD, answers.YES)
    assert "TypeError in MIT018" in people.says


def test_another_text_is_no_yes_even_if_no_rule_says_so(tmp_path: Path) -> None:
    folder = edited(copied("complete", tmp_path), "mitigation-plan.md", "1.2.3", "1.2.2")
    found, manifest = judged(folder)
    option = answers.of(silent(found), manifest, git_record.of(found))[OPTION]
    assert option.state == answers.UNTOLD
    assert "not every approval names the digest" in option.says


def test_times_that_are_too_coarse_tell_nothing(tmp_path: Path) -> None:
    coarse = '"started_at": {"at": "2026-03-14T02:00:00Z", "precision": "hour"}'
    folder = edited(copied("complete", tmp_path), REPORT, START, coarse)
    found, manifest = judged(folder)
    before = answers.of(silent(found), manifest, git_record.of(found))[BEFORE]
    assert before.state == answers.UNTOLD
    assert "too coarse" in before.says


def test_a_time_that_git_contradicts_is_no_plain_yes(tmp_path: Path) -> None:
    found, manifest = judged(copied("complete", tmp_path))
    value = "executions E-1 started_at"
    time = {"file": REPORT, "value": value, "grade": "contradicted", "commit": None}
    history = {**git_record.of(found), "times": [time]}
    before = answers.of(found, manifest, history)[BEFORE]
    assert before.state == answers.BUT
    assert before.says.endswith("; but git contradicts one of these times")


def test_a_remark_changes_no_answer(tmp_path: Path) -> None:
    found, manifest = judged(copied("emergency", tmp_path))
    gates = tuple(
        gate._replace(findings=tuple(f._replace(level=INFO) for f in gate.findings))
        for gate in found.report.gates
    )
    remarked = found._replace(report=found.report._replace(gates=gates))
    before = answers.of(remarked, manifest, git_record.of(found))[BEFORE]
    assert before.state == answers.NO, "nothing is left that makes it an emergency"


@on("in-progress-2")
def test_an_open_record_is_not_sealed(site: Site) -> None:
    assert "it is not sealed yet, and may change" in page(site)


def page(site: Site) -> str:
    site.run("--bundle", "--incident", site.folder.name)
    with zipfile.ZipFile(site.folder / "INCIDENT-EVIDENCE-BUNDLE.zip") as archive:
        return archive.read("report.html").decode()
