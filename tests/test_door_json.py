"""JSON comes in exactly, or is refused with its place."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_gates.evidence import bounds, strict_json
from incident_gates.evidence.files import decode
from incident_gates.evidence.refusal import Refusal

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from('ab":\\ {[')), inner),
    max_leaves=20,
)


@given(
    st.dictionaries(st.text(max_size=5), VALUES),
    st.sampled_from([{}, {"indent": 2}, {"ensure_ascii": False}, {"separators": (" ,", " :")}]),
)
def test_every_plain_object_comes_in_unchanged(
    value: dict[str, Any], style: dict[str, Any]
) -> None:
    text = json.dumps(value, **style)
    assert strict_json.parse(text) == json.loads(text) == value


@given(st.binary() | st.text('{}[]":,\\ud8ab019.eE-tfn \n').map(str.encode))
def test_any_bytes_give_an_object_or_a_refusal(data: bytes) -> None:
    with suppress(Refusal):
        assert isinstance(strict_json.parse(decode(data)), dict)


@pytest.mark.parametrize(
    ("text", "what", "line", "column"),
    [
        ('{"a": 1,\n "a": 2}', "'a' occurs twice", 2, 2),
        ('{"a": 1,\n "\\u0061" : 2}', "'a' occurs twice", 2, 2),
        ('{"a":1,"b" :":", "b":2}', "'b' occurs twice", 1, 18),
        ('{"a":"\\"b\\":",\n"b":{"c":1,"c":1}}', "'c' occurs twice", 2, 12),
        ('{"a": NaN}', "NaN is not a JSON value", 1, 7),
        ('{"NaN": -Infinity}', "-Infinity is not a JSON value", 1, 9),
        ('{"a": 12345678901234567890}', "is too large", 1, 7),
        ('{"a": "1e999",\n "b": 1e999}', "is too large", 2, 7),
        ('{"a": "\\ud83d"}', "half of a character", 1, 8),
        ('{"\\uDE00\\uD83D": 1}', "half of a character", 1, 3),
        ("[1]", "does not hold a JSON object", 1, 1),
        ('{"a": 1,}', "trailing commas", 1, 8),
        ('{"a": [1,\n]}', "trailing commas", 1, 9),
        ('{"a": 1} // note', "comments", 1, 10),
        ('{\n# note\n"a": 1}', "comments", 2, 1),
        ("{'a': 1}", "straight double quotes", 1, 2),
        ("{“a”: 1}", "straight double quotes", 1, 2),
        ('{"a": True}', "not a JSON value", 1, 7),
        ('{"a": "x\ny"}', "line break", 1, 9),
        ('{"a": "\x1b"}', "control character", 1, 8),
        ('{"a": 1} {"b": 2}', "text follows", 1, 10),
        ('{"a": 1', "ends in the middle", 1, 8),
        ('{"a": ', "ends in the middle", 1, 7),
        ('{"a" 1}', "colon", 1, 6),
        ('{\n<<<<<<< HEAD\n"a": 1}', "merge conflict", 2, 1),
        ('{"ä": "ö" "b"}', "comma", 1, 11),
        ('{"a": -12345678901234567890}', "is too large", 1, 7),
        ('{"a": 1.5, "b": "\ud800"}', "half of a character", 1, 18),
        ('\n\n{"a": tru}', "not valid JSON", 3, 7),
        ('{"a": [{}, {}], "b": {"c": 1}, "b": 2}', "'b' occurs twice", 1, 32),
        ('{"a": {"b": 1}, "b": 2, "b": 3}', "'b' occurs twice", 1, 25),
        ('{"a": [1,\n  ]}', "trailing commas", 1, 9),
        ('{"a": 1,  }', "trailing commas", 1, 8),
    ],
)
def test_what_is_refused_says_where(text: str, what: str, line: int, column: int) -> None:
    with pytest.raises(Refusal) as caught:
        strict_json.parse(text)
    refusal = caught.value
    assert what in refusal.what
    assert (refusal.line, refusal.column) == (line, column)


@pytest.mark.parametrize("text", ['{"a": "\\ud83d\\ude00 \\\\ud83d"}', '{"a": "x\\":y", "b": 1}'])
def test_what_only_looks_wrong_comes_in(text: str) -> None:
    assert strict_json.parse(text) == json.loads(text)


def test_numbers_come_in_as_far_as_their_digits_go() -> None:
    most = "9" * bounds.INTEGER_DIGITS
    text = f'{{"a": {most}, "b": -{most}, "c": 1.5, "d": -2e3}}'
    assert strict_json.parse(text) == {"a": int(most), "b": -int(most), "c": 1.5, "d": -2000.0}


@pytest.mark.parametrize("beside", ["", '"[[{"', '"\\"[[["', '"\\\\"', ", []" * 6000])
@pytest.mark.parametrize(("opened", "closed"), ["[]", ('{"b":', "}")])
def test_as_deep_as_the_bound_and_no_level_more(opened: str, closed: str, beside: str) -> None:
    """The bound counts the object itself; brackets in strings and side by side are not deeper."""
    more = f'"x": {beside}, ' if beside.startswith('"') else f'"x": [0{beside}], '

    def nested(levels: int) -> str:
        return "{" + more + '\n"a": ' + opened * levels + "0" + closed * levels + "}"

    most = bounds.JSON_DEPTH - 1
    assert strict_json.parse(nested(most))["a"]
    with pytest.raises(Refusal, match="nested more than 64 levels") as caught:
        strict_json.parse(nested(most + 1))
    assert (caught.value.line, caught.value.column) == (2, 6 + most * len(opened))


def test_nesting_is_counted_outside_strings() -> None:
    deepest = bounds.JSON_DEPTH - 1
    brackets = '"' + "[" * 500 + '\\"]"'
    assert strict_json.parse('{"a":' + "[" * deepest + brackets + "]" * deepest + "}")
    with pytest.raises(Refusal, match="nested"):
        strict_json.parse('{"a":' + '["]",' * (deepest + 1) + "0" + "]" * (deepest + 1) + "}")


@pytest.mark.parametrize("piece", ["[", '{"a":', '["', '"\\"', "9", "{}", '"\\u00', "[[]", "-"])
def test_hostile_megabytes_are_refused_at_once(piece: str) -> None:
    with pytest.raises(Refusal):
        strict_json.parse(piece * (bounds.FILE_BYTES // len(piece)))


def test_a_message_repeats_little_and_nothing_raw() -> None:
    key = "\x1b::error::" + "k" * 100_000
    with pytest.raises(Refusal) as caught:
        strict_json.parse(json.dumps({key: 1})[:-1] + "," + json.dumps({key: 1})[1:])
    assert len(caught.value.what) < 2 * bounds.EXCERPT_CHARS
    assert "\x1b" not in caught.value.what
