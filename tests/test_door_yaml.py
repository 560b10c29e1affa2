"""YAML means one thing here, or is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from incident_gates import protocol
from incident_gates.evidence import bounds, strict_yaml
from incident_gates.evidence.refusal import Refusal


@given(st.text() | st.text("ab:-?[]{}&*!|>'\"#%@,\n \t0."))
def test_any_text_gives_a_value_or_a_refusal(text: str) -> None:
    with suppress(Refusal):
        strict_yaml.parse(text)


@given(st.text("ab1:-./@()+ #'\n~", max_size=40))
def test_the_short_way_reads_what_the_long_way_reads(text: str) -> None:
    simple = f"key: {text}\nstate: open\n"
    short = _outcome(simple)
    assert short == _outcome(simple + "# a comment forces the long way\n")


def _outcome(text: str) -> strict_yaml.Yaml | str:
    try:
        return strict_yaml.parse(text)
    except Refusal:
        return "refused"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("true", True),
        ("True", "True"),
        ("null", None),
        ("~", None),
        ("", None),
        ("017", "017"),
        ("0x1F", "0x1F"),
        ("-17", -17),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-03-14", "2026-03-14"),
        ("2026-13-45", "2026-13-45"),
        ("1.50", 1.5),
        ("1e5", "1e5"),
        (".inf", ".inf"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("12345678901234567890", "12345678901234567890"),
        ("|\n  x\n", "x\n"),
        ("[a, 1]", ["a", 1]),
        ("{}", {}),
    ],
)
def test_scalars_are_not_guessed(written: str, value: object) -> None:
    assert strict_yaml.parse(f"key: {written}").value == {"key": value}
    assert strict_yaml.parse(f"key: {written}\n").value == {"key": value}


def test_every_value_has_its_place() -> None:
    text = "waivers:\n  - rule: MIT004\n    why: 'é' # x\n  - [1, {a: b}]\nlast:\n"
    assert strict_yaml.parse(text).marks == {
        (): (1, 1),
        ("waivers",): (2, 3),
        ("waivers", 0): (2, 5),
        ("waivers", 0, "rule"): (2, 11),
        ("waivers", 0, "why"): (3, 10),
        ("waivers", 1): (4, 5),
        ("waivers", 1, 0): (4, 6),
        ("waivers", 1, 1): (4, 9),
        ("waivers", 1, 1, "a"): (4, 13),
        ("last",): (5, 6),
    }


def test_a_value_left_out_at_the_end_stands_on_the_last_line() -> None:
    """Found by fuzzing: PyYAML says the line below, which the file does not have."""
    assert strict_yaml.parse("a: 1\n? b").marks[("b",)] == (2, 1)


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("a: &x 1", "anchors", 1),
        ("a: 1\nb: *x", "aliases", 2),
        ("a: !!bool junk", "tags", 1),
        ("a: !!int ''", "tags", 1),
        ("a: ! b", "tags", 1),
        ("&k a: 1", "anchors", 1),
        ("%YAML 1.1\n---\na: 1", "directives", 1),
        ("a: 1\n---\nb: 2", "several documents", 2),
        ("<<: {a: 1}", "merge", 1),
        ("a: 1\n'a': 2", "twice", 2),
        ("1: a", "key is not a string", 1),
        ("null: a", "key is not a string", 1),
        ("? [a]\n: 1", "key is not a plain string", 1),
        ('a: "\\UFFFFFFFF"', "not valid YAML", 1),
        ("a: b: c", "not valid YAML", 1),
        ("a:\n\t- b", "not valid YAML", 2),
        ("a: [", "not valid YAML", 1),
        ("a: 1\n# a comment\rstrict: true", "line break", 2),
        ("a: 1\u2028b: 2", "line break", 1),
        ("- " * (bounds.YAML_DEPTH + 1), "nested", 1),
    ],
)
def test_what_is_refused_says_where(text: str, what: str, line: int) -> None:
    with pytest.raises(Refusal) as caught:
        strict_yaml.parse(text)
    assert what in caught.value.what
    assert caught.value.line == line


@pytest.mark.parametrize("piece", ["[", "{", "- ", "[a,", "&a ", "a\n", "? ", '"'])
def test_hostile_text_is_bounded(piece: str) -> None:
    with pytest.raises(Refusal):
        strict_yaml.parse(piece * (bounds.YAML_BYTES // len(piece) + 1) + "]")


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_nothing_has_a_place_too(text: str) -> None:
    assert strict_yaml.parse(text) == strict_yaml.Yaml(None, {(): (1, 1)})


def test_what_the_package_carries_reads_the_same_without_libyaml(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    carried = [
        path
        for path in protocol.PATH.parent.rglob("*.yaml")
        if path.stat().st_size <= bounds.YAML_BYTES
    ]
    assert protocol.PATH in carried
    values = {path: strict_yaml.parse(path.read_text("utf-8")).value for path in carried}
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    for path, value in values.items():
        assert strict_yaml.parse(path.read_text("utf-8")).value == value, path.name


@pytest.mark.parametrize("text", ['a: "\\ud800"', "a: \ud800"])
def test_half_of_a_character_is_refused_by_both_parsers(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refusal, match="not valid YAML"):
        strict_yaml.parse(text)
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    with pytest.raises(Refusal, match="not valid YAML"):
        strict_yaml.parse(text)


@pytest.mark.parametrize(
    ("text", "what", "line", "column"),
    [
        ("a: 1\nb:  &x 1\n", "anchors (&name) are not allowed", 2, 5),
        (
            "a: 1\n  - b: ]\n",
            "this is not valid YAML (mapping values are not allowed in this context)",
            2,
            6,
        ),
        ("a: \ud800", "this is not valid YAML", None, None),
    ],
)
def test_what_is_refused_says_what_and_where(
    text: str, what: str, line: int | None, column: int | None
) -> None:
    with pytest.raises(Refusal) as caught:
        strict_yaml.parse(text)
    refusal = caught.value
    assert (refusal.what, refusal.line, refusal.column) == (what, line, column)


@pytest.mark.parametrize("found", ["\x85", "\u2028", "\u2029", "\r"])
def test_what_is_a_line_break_for_some_readers_alone_is_refused(found: str) -> None:
    with pytest.raises(Refusal, match="not every reader takes for a line break") as caught:
        strict_yaml.parse(f"a: 1\nb: x # y{found}c: 2\n")
    assert (caught.value.line, caught.value.column) == (2, 9)
