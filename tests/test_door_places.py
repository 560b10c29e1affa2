"""A pointer leads to the text of its value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_gates.evidence.places import Index, locate, locate_key, span
from incident_gates.evidence.refusal import position, shortened

TEXT = '{\n  "é": [1, "two",\n    {"a b" : -3.5e2, "empty": {}}],\n  "end": null\n}\n'


def _at(text: str, line: int, column: int, length: int) -> str:
    return text.split("\n")[line - 1][column - 1 : column - 1 + length]


@pytest.mark.parametrize(
    ("pointer", "shown"),
    [
        ((), "{"),
        (("é",), "["),
        (("é", 1), '"two"'),
        (("é", 2, "a b"), "-3.5e2"),
        (("é", 2, "empty"), "{"),
        (("end",), "null"),
        (("missing",), "{"),
        (("é", 7), "["),
        (("é", "not an index"), "["),
        (("end", "below a scalar"), "null"),
    ],
)
def test_a_value_is_found(pointer: tuple[str | int, ...], shown: str) -> None:
    assert _at(TEXT, *locate(TEXT, pointer)) == shown


def test_a_key_is_found() -> None:
    assert _at(TEXT, *locate_key(TEXT, ("é", 2, "a b"))) == '"a b"'
    assert _at(TEXT, *locate_key(TEXT, ("é", 1))) == '"two"'
    assert locate_key(TEXT, ("é", 2, "missing")) == (3, 5, 1)


def test_an_excerpt_is_one_line() -> None:
    assert Index("a\r\nb\n").excerpt(1) == "a"
    assert Index("a\r\nb\n").excerpt(2) == "b"
    assert Index("a").excerpt(9) == ""


def _leaves(value: Any, pointer: tuple[str | int, ...] = ()) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, (*pointer, key))]
    if isinstance(value, list):
        return [leaf for i, inner in enumerate(value) for leaf in _leaves(inner, (*pointer, i))]
    return [(pointer, value)]


@given(
    st.recursive(
        st.integers() | st.text() | st.booleans(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.sampled_from([{}, {"indent": 0}, {"indent": 3, "ensure_ascii": False}]),
)
def test_places_hold_their_values(value: Any, style: dict[str, Any]) -> None:
    text = json.dumps(value, **style)
    for pointer, leaf in _leaves(value):
        assert json.loads(_at(text, *locate(text, pointer))) == leaf


@pytest.mark.parametrize("space", [" ", "\t", "\r", "\n"])
def test_white_space_of_each_kind_may_stand_everywhere(space: str) -> None:
    tokens = ["", "{", '"a"', ":", "[", "1", ",", "2", "]", ",", '"b"', ":", "3", "}", ""]
    text = space.join(tokens)
    for pointer, value in ((("a", 0), "1"), (("a", 1), "2"), (("b",), "3")):
        found = span(text, pointer)
        assert found is not None
        assert text[slice(*found)] == value


def test_a_line_that_is_not_there_is_empty() -> None:
    index = Index('{\r\n"a": 1}')
    assert [index.excerpt(line) for line in (-1, 0, 1, 2, 3)] == ["", "", "{", '"a": 1}', ""]
    assert span('{"a": 1}', ("b",)) is None


def test_a_span_begins_and_ends_at_the_value() -> None:
    assert span('{"a": 17}', ("a",)) == (6, 8)
    assert span(' {"a": 17}', ()) == (1, 10)


def test_a_position_is_counted_from_the_first_character() -> None:
    assert [position("\nab\nc", offset) for offset in range(5)] == [
        (1, 1),
        (2, 1),
        (2, 2),
        (2, 3),
        (3, 1),
    ]


def test_what_is_cut_has_the_length_that_it_may_have() -> None:
    assert (shortened("abcd", 4), shortened("abcde", 4)) == ("abcd", "abc…")
