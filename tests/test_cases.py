"""Every rule on evidence: what it finds, exactly, and what it lets pass."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import casework
import pytest

from incident_gates import protocol
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from pathlib import Path

CASES = casework.discovered()
BY_RULE: dict[str, list[casework.Case]] = defaultdict(list)
for _case in CASES:
    BY_RULE[_case.rule].append(_case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: casework.Case, tmp_path: Path, *, accept: bool) -> None:
    """The report says exactly what expected.txt says."""
    said = casework.said(casework.judge(case, tmp_path))
    if accept:
        (case.folder / "expected.txt").write_text(said, encoding="utf-8")
    assert said == case.expected


@pytest.mark.parametrize("rule_id", sorted(RULES))
def test_rule_has_a_failing_and_a_passing_case(rule_id: str) -> None:
    """Each rule is seen to find something, and to let something similar pass."""
    finds = [f" {rule_id} " in case.expected for case in BY_RULE[rule_id]]
    assert any(finds), f"{rule_id} has no case in which it finds something"
    assert not all(finds), f"{rule_id} has no case that it lets pass"


@pytest.mark.parametrize("rule_id", sorted(RULES))
def test_deleting_a_rule_breaks_its_case(
    rule_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its body, a rule's failing case no longer says what it must."""
    failing = [case for case in BY_RULE[rule_id] if f" {rule_id} " in case.expected]
    emptied = RULES[rule_id]._replace(check=lambda *_: iter(()))
    monkeypatch.setitem(RULES, rule_id, emptied)
    assert casework.said(casework.judge(failing[0], tmp_path)) != failing[0].expected


def test_every_case_is_about_a_rule() -> None:
    """No case folder is named after something else."""
    assert set(BY_RULE) <= set(RULES)


def test_every_criterion_has_a_rule_and_every_rule_a_criterion() -> None:
    """The protocol's criteria and the rules' are the same set."""
    asked = {(gate, c) for gate, named in protocol.load().criteria().items() for c in named}
    assert {(rule.gate, rule.criterion) for rule in RULES.values()} == asked


def test_a_rule_needs_only_files_of_its_own_gate() -> None:
    """A rule that is skipped for want of a file leaves a finding in the same gate."""
    artifacts = protocol.load().artifacts
    for rule in RULES.values():
        for name in rule.needs:
            assert artifacts[name].gate == rule.gate, f"{rule.id} needs {name}"
            assert artifacts[name].required, f"{rule.id} needs {name}, which is optional"
