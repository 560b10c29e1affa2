"""`explain`: every rule, file, gate and word, however it is spelled, with evidence that is real."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from incident_gates import cli, controls, excuses, protocol
from incident_gates.changes import CHANGES
from incident_gates.desk import explain, glossary
from incident_gates.rules import RULES

ROOT = Path(__file__).resolve().parents[1]
KNOWN = protocol.load()
EXAMPLES: dict[str, Any] = json.loads(explain.EXAMPLES.read_text("utf-8"))


def run(*topic: str) -> Result:
    return CliRunner().invoke(cli.main, ["explain", *topic], env={"INCIDENT_GATES_DEBUG": "1"})


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_is_explained_with_evidence_that_fails_and_passes(rule: str) -> None:
    said = run(rule).stdout
    flat = " ".join(said.split())
    for part in (RULES[rule].says, RULES[rule].why, RULES[rule].fix):
        assert " ".join(part.split()) in flat
    assert f"excuse {excuses.allowed(RULES[rule], KNOWN)}" in flat
    mapped = controls.told(controls.of(RULES[rule].gate, RULES[rule].criterion))
    assert (f"controls {mapped} (our mapping)" in flat) == bool(mapped)
    assert "FAILS  " in said
    assert "PASSES  " in said
    assert said.index("FAILS  ") < said.index("→ ") < said.index("PASSES  ")
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("rule", sorted(EXAMPLES))
def test_the_two_examples_differ(rule: str) -> None:
    fails, passes = EXAMPLES[rule]["fails"], EXAMPLES[rule]["passes"]
    setting = ("lines", "policy", "as_of", "git")
    assert [fails.get(k) for k in setting] != [passes.get(k) for k in setting]
    assert fails["found"]
    assert fails["why"]


def test_the_examples_are_what_the_cases_show() -> None:
    """After a change of a case: python docs/rule_examples.py."""
    spec = importlib.util.spec_from_file_location("rule_examples", ROOT / "docs/rule_examples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.collected() == EXAMPLES


@pytest.mark.parametrize("rule", sorted(CHANGES))
def test_rules_about_a_change_are_explained(rule: str) -> None:
    assert CHANGES[rule].why[:30] in " ".join(run(rule).stdout.split())


@pytest.mark.parametrize("file", sorted(KNOWN.artifacts))
def test_every_file_has_a_home_a_reader_and_its_fields(file: str) -> None:
    said = run(file).stdout
    artifact = KNOWN.artifacts[file]
    if artifact.gate:
        assert f"read by    gate {KNOWN.gate(artifact.gate).number or 'P'}" in said
    if artifact.required:
        assert f"incident-gates new ID, from phase {artifact.phase} on" in said
        assert "EXAMPLE" in said
    assert max(map(len, said.splitlines())) <= 80


def test_a_file_names_what_each_entry_of_a_list_holds() -> None:
    said = run("decision-log.json").stdout
    assert ".decisions" in said
    assert "Each: id, option, " in " ".join(said.split())


@pytest.mark.parametrize("gate", [gate.id for gate in KNOWN.gates])
def test_a_gate_names_its_criteria_thresholds_and_rules(gate: str) -> None:
    said = " ".join(run(gate).stdout.split())
    entry = KNOWN.gate(gate)
    for part in (entry.asks, entry.pass_threshold, entry.failure_handling):
        assert part in said
    assert all(rule.id in said for rule in RULES.values() if rule.gate == gate)
    for name, threshold in KNOWN.data["thresholds"].items():
        assert (name in said) == (threshold.get("gate") == gate)


@pytest.mark.parametrize("term", sorted(glossary.load()))
def test_a_term_is_explained_by_every_name_it_has(term: str) -> None:
    entry = glossary.load()[term]
    for name in (term, *entry.get("also", ())):
        found = explain.answer(name)
        assert found.kind in ("term", "gate"), name
        assert glossary.find(name) == term


def test_names_of_terms_are_used_once_and_what_they_point_to_exists() -> None:
    names: list[str] = []
    for term, entry in glossary.load().items():
        names += {glossary.slug(name) for name in (term, *entry.get("also", ()))}
        for other in entry.get("see", ()):
            explain.answer(other)
    assert len(names) == len(set(names))


def test_what_the_glossary_quotes_stands_in_the_protocol() -> None:
    """A quotation names its step or gate; what follows is the protocol's, word for word."""
    said = " ".join(json.dumps(KNOWN.data, ensure_ascii=False).split()).casefold()
    checked = 0
    for entry in glossary.load().values():
        quoted = str(entry.get("protocol", ""))
        if quoted.startswith("Step ") and "halt" not in quoted and "Stakeholders:" not in quoted:
            assert quoted.partition(": ")[2].casefold() in said, quoted
            checked += 1
    assert checked > 4


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("mit004", "MIT004"),
        ("MIT-4", "MIT004"),
        ("mit 04", "MIT004"),
        ("decision_log", "decision-log.json"),
        ("Decision Log", "decision-log.json"),
        (".artifacts/incidents/INC-1/decision-log.json:12", "decision-log.json"),
        ("incident report", "INCIDENT-REPORT.md"),
        ("gate 3", "recovery"),
        ("3", "recovery"),
        ("Recovery Validation Gate", "recovery"),
        ("P", "prerequisites"),
        ("BLAST-RADIUS", "blast radius"),
        ("break glass", "break-glass"),
        ("not_provable", "not provable"),
        ("n/a", "N/A"),
        ("sev2", "SEV-1"),
    ],
)
def test_spelling_is_forgiven(spelled: str, name: str) -> None:
    assert json.loads(run("--json", *spelled.split()).stdout)["name"] == name


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("MIT0O4", "MIT004"), ("waver", "waiver"), ("decison-log.json", "decision-log.json")],
)
def test_a_slip_is_answered_with_what_was_meant(asked: str, meant: str) -> None:
    said = run(asked)
    assert said.exit_code == 2
    assert meant in said.stderr
    assert len(said.stderr.splitlines()) == 1


def test_an_unknown_word_says_where_the_list_is() -> None:
    said = run("zorp\x1b[2J")
    assert (said.exit_code, "\x1b" in said.stderr) == (2, False)
    assert "incident-gates explain" in said.stderr


def test_without_a_topic_it_lists_them() -> None:
    said = run().stdout
    for name in ("mitigation", "decision-log.json", "blast radius", "MIT004"):
        assert name in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 80


def test_json_has_one_shape_whatever_it_is_about() -> None:
    shapes = {
        tuple(json.loads(run("--json", topic).stdout))
        for topic in ("MIT004", "decision-log.json", "mitigation", "waiver")
    }
    assert len(shapes) == 1
