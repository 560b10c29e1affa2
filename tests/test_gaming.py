"""Records made to pass without merit: none passes, and a finding names each trick.

A trick is ``tests/gaming/<name>/``: a case as in casework.py over an example that passes, and the
findings that it must give. ``caught.yaml`` says which rule names it.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import casework
import pytest
import yaml
from click.testing import CliRunner

from incident_gates import cli, policy, protocol
from incident_gates.model import CRITICAL, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from incident_gates.model import IncidentReport

ROOT = casework.ROOT / "gaming"
TRICKS = {path.parent.name: casework.load(path.parent) for path in sorted(ROOT.glob("*/case.yaml"))}
CAUGHT: dict[str, str] = yaml.safe_load((ROOT / "caught.yaml").read_text("utf-8"))
# The strictest sensible reading: everybody is known, warnings fail, and every gate is due.
STRICTEST = {
    "people": [
        {"name": "Alex", "roles": ["incident_commander"]},
        {"name": "Jordan", "roles": ["release_manager"]},
        *({"name": name} for name in ("Sam", "Lee", "Kim", "Morgan")),
    ]
}

Judged = dict[str, "IncidentReport"]


def strictly(case: casework.Case) -> casework.Case:
    """A trick as the strictest reader judges it."""
    limits = {**STRICTEST, **case.data.get("policy", {})}
    return casework.Case(
        case.folder, {**case.data, "policy": limits, "strict": True, "require": "all"}
    )


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Every trick as the default policy judges it."""
    folder = tmp_path_factory.mktemp("gaming")
    return {name: casework.judge(case, folder / name) for name, case in TRICKS.items()}


@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_gives_exactly_these_findings(name: str, judged: Judged, *, accept: bool) -> None:
    said = casework.said(judged[name])
    if accept:
        (TRICKS[name].folder / "expected.txt").write_text(said, encoding="utf-8")
    assert said == TRICKS[name].expected


@pytest.mark.parametrize("name", TRICKS)
def test_a_finding_names_the_trick(name: str, judged: Judged) -> None:
    """An excuse that does not count is a WARNING; what it was to excuse then stands as CRITICAL."""
    report = judged[name]
    found = [f for g in report.gates for f in g.findings] + list(report.findings)
    assert CAUGHT[name] in {f.rule for f in found}
    assert any(f.fails for f in found if f.rule == CAUGHT[name] or f.level == CRITICAL)


def test_none_passes(
    judged: Judged, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """By the default policy, and by the strictest."""
    strict = {n: casework.judge(strictly(c), tmp_path / n) for n, c in TRICKS.items()}
    passed = {n for one in (judged, strict) for n, r in one.items() if r.verdict is Verdict.PASSED}
    kept = f"{len(TRICKS) - len(passed)} of {len(TRICKS)} do not pass"
    record_property("torture: records made to pass without merit", f"{kept} · all")
    assert passed == set()


@pytest.mark.parametrize("read", [lambda case: case, strictly], ids=["default", "strictest"])
def test_the_record_that_they_were_made_from_passes(
    read: Callable[[casework.Case], casework.Case], tmp_path: Path
) -> None:
    """Otherwise that a trick does not pass would show nothing."""
    report = casework.judge(read(casework.Case(ROOT, {})), tmp_path)
    assert report.verdict is Verdict.PASSED


def test_every_trick_has_its_rule() -> None:
    assert CAUGHT.keys() == TRICKS.keys()


# --- one person, however written -----------------------------------------------------------------

ALIKE = [
    ("Alex", " ALEX "),
    ("Alex", "@alex"),
    ("Alex", "Ａｌｅｘ"),
    ("Alex", "Al\u200bex"),
    ("Alex", "Alex (on call)"),
    ("Alex", "\u0410l\u0435\u0445"),  # with three letters of Cyrillic
    ("Alex", "\u0391lex"),  # with a Greek Alpha
    ("Alex", "\u0410l\u200b\u0435\u0445"),  # and a space that nobody sees
    ("Alex", "alex@shop.example"),
    ("Alex", "Alex <alex@shop.example>"),
    ("Alex Kim", "Kim, Alex"),
    ("Alex Kim", "alex.kim@shop.example"),
    ("Renée", "Rene\u0301e"),
    ("Renée", "Renee"),
    ("Андрей", "АНДРЕЙ"),
]
OTHERS = [
    ("Alex", "Alexa"),
    ("Sergey", "Сергей"),
    ("Сергей", "Андрей"),
    ("Кага", "Кака"),
    ("かが", "かか"),
    ("alex1", "alex2"),
    ("Alex Kim", "Alex Kin"),
    ("김민준", "김민서"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_two_spellings_are_one_person(one: str, other: str) -> None:
    limits = policy.Limits(protocol.load())
    assert limits.identity(one) == limits.identity(other)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_two_people_stay_two(one: str, other: str) -> None:
    limits = policy.Limits(protocol.load())
    assert limits.identity(one) != limits.identity(other)


def test_an_address_that_the_policy_knows_is_whose_it_says() -> None:
    """Two people may share what stands before the @; then the policy tells them apart."""
    people = [{"name": "Sam", "git": ["sam@shop.example"]}, {"name": "Samuel", "handles": ["sam"]}]
    limits = policy.Limits(protocol.load(), policy.Policy({"people": people}))
    assert limits.identity("sam@shop.example") == "sam"
    assert limits.identity("sam@elsewhere.example") == "samuel"


# --- more than one record ------------------------------------------------------------------------


def _spoilt(folder: Path) -> None:
    (folder / "decision-log.json").unlink()


def test_a_decoy_of_the_same_id_does_not_hide_the_record(tmp_path: Path) -> None:
    """Two roots hold one incident id, and only one of the two records is in order."""
    roots = [f"{name}/.artifacts/incidents" for name in ("decoy", "real")]
    for root in roots:
        shutil.copytree(casework.EXAMPLES / "complete/.artifacts/incidents", tmp_path / root)
    _spoilt(tmp_path / roots[1] / "INC-2026-0042")
    settings: dict[str, Any] = {"roots": roots}
    (tmp_path / policy.NAME).write_text(yaml.safe_dump(settings), encoding="utf-8")
    asked = ["check", str(tmp_path), "--as-of", "2026-03-20T00:00:00Z"]
    said = CliRunner().invoke(cli.main, [*asked, "--format", "text"])
    assert said.exit_code == 1, said.output
    assert "real/.artifacts/incidents/INC-2026-0042" in said.output
