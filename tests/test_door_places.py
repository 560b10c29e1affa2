"""A pointer leads to the text of its value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_gates.evidence.places import excerpt, locate, locate_key

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
    assert excerpt("a\r\nb\n", 1) == "a"
    assert excerpt("a\r\nb\n", 2) == "b"
    assert excerpt("a", 9) == ""


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
