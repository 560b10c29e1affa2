"""The checks bite: every example that passes is spoilt in every way, and every rule is needed."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner
from test_play_through import FOLDER, before_execution, execute, recover_and_close
from test_play_through import play as desk  # noqa: F401 - a fixture

from incident_gates import schema
from incident_gates.cli import main
from incident_gates.errors import CouldNotTell
from incident_gates.package.selftest import lines, pointers, proving, shown, sweeps, table, workshop
from incident_gates.package.selftest.model import (
    DELETED,
    DROPPED,
    HALVED,
    TURNED,
    Outcome,
    Selftest,
    Trial,
)
from incident_gates.package.selftest.state import NotApplicable
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from test_play_through import Play

    from incident_gates.package.selftest.bench import Bench

EXAMPLES = Path(__file__).parents[1] / "examples"
CATALOGUE = yaml.safe_load((EXAMPLES / "examples.yaml").read_text("utf-8"))["examples"]
# One that passes when asked about some gates alone is no passing record.
PASSING = [e["name"] for e in CATALOGUE if e["verdict"] == "passed" and "require" not in e]
MUTATIONS = table.load().mutations
WIDTH = 80
# Of a record that the desk wrote, with a policy that lists people.
MOST_LEFT = 6


def folder_of(example: str) -> Path:
    """The record of an example."""
    found = sorted((EXAMPLES / example / ".artifacts/incidents").iterdir())
    return next(path for path in found if path.is_dir())


@pytest.fixture(scope="module")
def bench_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bench]:
    """Each passing example, ready to be spoilt; the expensive part is done once."""
    return {
        name: proving.ready(folder_of(name), tmp_path_factory.mktemp(name).resolve())
        for name in PASSING
    }


class Trials:
    """What came of every mutation of the table, tried once for each example that is asked about."""

    def __init__(self, bench_of: dict[str, Bench]) -> None:
        self._bench_of = bench_of
        self._tried: dict[str, list[Trial]] = {}

    def __getitem__(self, example: str) -> list[Trial]:
        if example not in self._tried:
            self._tried[example] = [self._bench_of[example].tried(m) for m in MUTATIONS]
        return self._tried[example]


@pytest.fixture(scope="module")
def trials_of(bench_of: dict[str, Bench]) -> Trials:
    """Tried when a test first asks."""
    return Trials(bench_of)


def named(trial: Trial) -> str:
    return f"{trial.rule or trial.group} {trial.says}: {trial.why}"


# --- every example -------------------------------------------------------------------------------


def test_there_are_examples_of_every_kind_to_spoil() -> None:
    assert {"complete", "false-positive", "failed-rollback", "fail-forward"} <= set(PASSING)


@pytest.mark.parametrize("example", PASSING)
def test_no_mutation_of_an_example_is_missed(example: str, trials_of: Trials) -> None:
    found = trials_of[example]
    assert [named(t) for t in found if t.outcome is Outcome.MISSED] == []
    assert any(t.outcome is Outcome.CAUGHT for t in found)


@pytest.mark.parametrize("example", PASSING)
def test_no_file_of_an_example_can_be_lost_halved_or_turned(
    example: str, bench_of: dict[str, Bench]
) -> None:
    planned = sweeps.planned(bench_of[example])
    found = [one() for one in planned if one.func.__name__ != "_deleted"]  # type: ignore[attr-defined]
    assert {t.group for t in found} == {DROPPED, HALVED, TURNED}
    assert [named(t) for t in found if t.outcome is not Outcome.CAUGHT] == []


def test_every_mutation_applies_to_the_complete_example(trials_of: Trials) -> None:
    """A pointer with a typing error would never be missed, and would prove nothing."""
    unused = [t for t in trials_of["complete"] if t.outcome is not Outcome.CAUGHT]
    assert [named(t) for t in unused] == []


@pytest.mark.parametrize("example", PASSING)
def test_little_of_it_does_not_apply(example: str, trials_of: Trials) -> None:
    """All but a false alarm have nearly everything that can be spoilt."""
    left = [t for t in trials_of[example] if t.outcome is Outcome.NOT_APPLICABLE]
    assert len(left) <= 2 or example == "false-positive", [named(t) for t in left]


# --- a record that the desk wrote ----------------------------------------------------------------


def test_no_mutation_of_what_the_desk_wrote_is_missed(desk: Play) -> None:  # noqa: F811
    """Its notices, its derived timeline and report, and a policy that lists people."""
    before_execution(desk)
    execute(desk)
    recover_and_close(desk)
    trials = proving.run(desk.site / FOLDER).trials
    assert [named(t) for t in trials if t.outcome is Outcome.MISSED] == []
    left = {t.rule: t.why for t in trials if t.outcome is Outcome.NOT_APPLICABLE}
    assert left["MIT019"] == "by the policy others are release managers"
    assert left["REC016"] == "it was derived from them"
    caught = {t.rule for t in trials if t.outcome is Outcome.CAUGHT}
    assert {"SEV010", "SEV012", "SEV013", "RES013", "REC007", "CUS011"} <= caught
    assert len([t for t in trials if t.outcome is Outcome.NOT_APPLICABLE]) <= MOST_LEFT


# --- every rule ----------------------------------------------------------------------------------


def test_every_rule_has_a_mutation() -> None:
    assert {mutation.rule for mutation in MUTATIONS} == RULES.keys()


def test_no_two_mutations_say_the_same() -> None:
    said = [(m.rule, m.says) for m in MUTATIONS]
    assert len(said) == len(set(said))
    assert all(len(f"  ✗ MISSED {rule} {says}") <= WIDTH for rule, says in said)


@pytest.mark.parametrize("rule_id", sorted(RULES))
def test_a_rule_without_its_body_is_missed(
    rule_id: str, bench_of: dict[str, Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each mutation needs its very rule: no other finding passes for it."""
    emptied = RULES[rule_id]._replace(check=lambda *_: iter(()))
    monkeypatch.setitem(RULES, rule_id, emptied)
    bench = bench_of["complete"]
    for mutation in (m for m in MUTATIONS if m.rule == rule_id):
        assert bench.tried(mutation).outcome is Outcome.MISSED, mutation.says


@pytest.mark.parametrize("rule_id", ["MIT004", "REC008", "SEV011", "RES012", "PRE011"])
def test_a_rule_that_no_longer_fails_a_record_is_missed(
    rule_id: str, bench_of: dict[str, Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A critical rule that only warns has lost its teeth."""
    rule = RULES[rule_id]

    def softened(*given: Any) -> Iterator[Any]:
        yield from (breach._replace(level="WARNING") for breach in rule.check(*given))

    monkeypatch.setitem(RULES, rule_id, rule._replace(check=softened))
    for mutation in (m for m in MUTATIONS if m.rule == rule_id):
        found = bench_of["complete"].tried(mutation)
        assert found.outcome is Outcome.MISSED
        assert "WARNING" in found.why


def test_a_critical_finding_on_a_passing_record_is_missed(bench_of: dict[str, Bench]) -> None:
    """Found and passed all the same is as bad as not found."""
    from incident_gates.package.selftest import findings

    bench = bench_of["complete"]
    mutation = next(m for m in MUTATIONS if m.rule == "FIL001")
    spoilt = bench.shop.made(bench.valid, mutation.steps, bench.values)
    after = bench.shop.judged(spoilt)
    assert findings.outcome(mutation, bench.report, after)[0] is Outcome.CAUGHT
    as_if = after._replace(verdict=bench.report.verdict)
    assert findings.outcome(mutation, bench.report, as_if)[0] is Outcome.MISSED


# --- the command ---------------------------------------------------------------------------------


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["verify", "--selftest", *arguments])


def digests(folder: Path) -> dict[str, str]:
    """Every file below a folder with its digest."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_command_says_what_it_caught_and_leaves_the_folder_alone(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(EXAMPLES / "complete", site)
    before = digests(site)
    done = run(str(site / ".artifacts/incidents/INC-2026-0042"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert digests(site) == before
    printed = done.stdout.splitlines()
    assert max(map(len, printed)) <= WIDTH
    assert "  ✓ MIT004 both approved 9 min after it had started" in printed
    caught = int(re.fullmatch(r"(\d+) of \1 applicable mutations caught", printed[-1])[1])  # type: ignore[index]
    assert caught >= len(MUTATIONS)
    assert re.search(r"· \d+ values deleted in turn: \d+ are noticed, \d+ no rule", done.stdout)


def test_a_sealed_record_is_tried_without_its_seal(tmp_path: Path) -> None:
    """Its own seal would notice every change, and no other rule would have to."""
    site = tmp_path / "site"
    shutil.copytree(EXAMPLES / "false-positive", site)
    folder = next((site / ".artifacts/incidents").iterdir())
    assert CliRunner().invoke(main, ["aggregate", str(folder)]).exit_code == 0
    assert (folder / "evidence-manifest.json").is_file()
    bench = proving.ready(folder, tmp_path.resolve())
    assert bench.valid.names() == ["incident-intake-log.md"]
    assert proving.run(folder).exit_code == 0


def test_as_json_it_lists_every_trial() -> None:
    done = run(str(folder_of("false-positive")), "--format", "json")
    found = json.loads(done.stdout)
    assert schema.fits("selftest", found), schema.problems("selftest", found)
    assert (done.exit_code, found["exit_code"]) == (0, 0)
    assert found["missed"] == 0
    assert found["caught"] == found["applicable"] > 0
    outcomes = {trial["outcome"] for trial in found["trials"]}
    assert outcomes == {"caught", "not_applicable"}
    assert {m.rule for m in MUTATIONS} <= {trial.get("rule") for trial in found["trials"]}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("contradictions", "needs a record that passes"),
        ("in-progress-4", "needs a record that passes"),
        ("examples.yaml", "is a file"),
        ("complete/.cursor", "no incident"),
    ],
)
def test_what_is_no_passing_record_is_refused(target: str, said: str) -> None:
    done = run(str(EXAMPLES / target))
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_it_asks_for_no_key() -> None:
    assert run(str(folder_of("complete")), "--key", "x.pem").exit_code == 2


def test_a_copy_that_does_not_pass_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = workshop.held

    def held(record: Any) -> Any:
        files, place = whole(record)
        files.drop("decision-log.json")
        return files, place

    monkeypatch.setattr(workshop, "held", held)
    with pytest.raises(CouldNotTell, match="does not pass"):
        proving.ready(folder_of("complete"), tmp_path)


def test_something_missed_is_exit_1_and_nothing_tried_is_exit_3() -> None:
    caught = Trial("severity", "SEV001", "x", Outcome.CAUGHT)
    missed = Trial("severity", "SEV002", "\x1b[31mx", Outcome.MISSED, "found nothing\n::error::")
    unasked = Trial(DELETED, "", "a.json/b", Outcome.UNASKED)
    found = Selftest("INC-1", ".", "2026-03-16T10:00:00Z", (caught, missed, unasked))
    assert found.exit_code == 1
    printed = shown.text(found)
    assert "✗ MISSED SEV002" in printed
    assert "1 of 2 applicable mutations caught" in printed
    assert "::" not in printed
    assert Selftest("INC-1", ".", "2026-03-16T10:00:00Z", (unasked,)).exit_code == 3


def test_without_git_its_rules_are_not_applicable(
    bench_of: dict[str, Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = [bench_of["complete"].tried(m) for m in MUTATIONS if m.rule == "CUS009"]
    assert [t.outcome for t in found] == [Outcome.NOT_APPLICABLE]
    assert "git" in found[0].why


def test_a_person_at_a_terminal_sees_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown.progress(1, 2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown.progress(1, 2)
    shown.progress(2, 2)
    assert capsys.readouterr().err == "\r1 of 2\r2 of 2\r\x1b[K"


# --- the small interpreter -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("/a/*/b", [1, 2]),
        ("/a/*[b=x]/c", []),
        ("/a/*[d.e=y]/b", [2]),
        ("/a/*[d.e!=y]/b", [1]),
        ("/a/last/b", [2]),
        ("/a/-2/b", [1]),
        ("/a/7/b", []),
    ],
)
def test_a_pointer_names_places(pointer: str, found: list[int]) -> None:
    top = {"a": [{"b": 1}, {"b": 2, "d": {"e": "y"}}]}
    assert [s.value for s in pointers.spots(top, pointer) if s.there] == found


def test_what_is_not_there_is_not_applicable_in_words() -> None:
    with pytest.raises(NotApplicable, match="the record has no standing of approvals"):
        pointers.found({"approvals": []}, "/approvals/*/standing")


def test_a_comment_holds_no_entry() -> None:
    text = "<!-- A row:\n| 02:13 UTC | x | -->\n| 02:14 UTC | y |\n<!-- | 02:15 UTC | -->\n"
    assert lines.matching(text, lines.ENTRY) == [2]


def test_a_line_is_looked_for_under_its_heading() -> None:
    text = "# R\n- 02:01\n## Timeline\n- 02:02\n### Later\n- 02:03\n## Actions\n- 02:04\n"
    assert lines.matching(text, lines.ENTRY, under="(?i)timeline") == [3, 5]
    with pytest.raises(NotApplicable):
        lines.matching(text, lines.ENTRY, under="Impact")


def test_an_audience_is_found_however_it_is_spelt(bench_of: dict[str, Bench]) -> None:
    pattern = bench_of["complete"].values.filled("(?i){audience}")
    assert all(re.search(pattern, text) for text in ("SRE On-call", "sre_on_call", "SRE oncall"))
    assert not re.search(pattern, "Product Owner")


def test_a_section_ends_where_the_next_of_its_level_begins() -> None:
    text = "# A\n\n## B\nb\n### C\nc\n## D\nd\n"
    assert lines.without_section(text, "^B$") == "# A\n\n## D\nd\n"


def test_a_cell_is_named_by_its_column() -> None:
    text = "| Time | Sender |\n|---|---|\n| 02:10 UTC | Alex |\n"
    assert lines.with_cells(text, 2, {"sender": ""}).endswith("| 02:10 UTC |  |\n")
    with pytest.raises(NotApplicable):
        lines.with_cells("- 02:10 UTC Alex\n", 0, {"sender": ""})


def test_a_time_is_reckoned_from_the_record(bench_of: dict[str, Bench]) -> None:
    values = bench_of["complete"].values
    assert values.filled("{started -PT5M}") == "2026-03-14T02:20:00Z"
    assert values.filled("at {started -PT5M|log}, {incident}") == (
        "at 2026-03-14 02:20 UTC, INC-2026-0042"
    )
    assert values.filled({"a": ["{operator}"]}) == {"a": [{"name": "Sam", "role": "operator"}]}
