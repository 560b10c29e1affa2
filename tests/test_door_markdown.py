"""Markdown comes in as sections, lines and tables with their places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_gates.evidence import bounds, markdown
from incident_gates.evidence.markdown import Line, Row, Table
from incident_gates.evidence.refusal import Refusal

TEXT = """\
---
incident_id: INC-2026-0042
date: 2026-03-14
---
Préamble *über* `code`
second line

# Communication log

- Channel: #incident-sev1
- 02:10 UTC - Älert
  continued
  - nested **bold**: x

  later
1. see [the page](https://example.org "t") <!-- hidden --> &amp; more

```
02:20 UTC - code is nothing
```

<!--
02:30 UTC - a comment is nothing
-->

> quoted
> # not a chapter

## **Notices:**

| time | message |
|---|---|
| 02:10 UTC | é `x` |
| 02:15 UTC |

Setext
======
"""


def test_blocks_have_text_line_and_depth() -> None:
    preamble, log, notices, last = markdown.parse(TEXT).sections
    assert preamble.blocks == (Line("Préamble über code", 5, 0), Line("second line", 6, 0))
    assert log.blocks == (
        Line("Channel: #incident-sev1", 10, 1),
        Line("02:10 UTC - Älert continued", 11, 1),
        Line("nested bold: x", 13, 2),
        Line("later", 15, 1),
        Line("see the page  & more", 16, 1),
        Line("quoted", 26, 0),
        Line("not a chapter", 27, 0),
    )
    rows = (Row(("02:10 UTC", "é x"), 33), Row(("02:15 UTC", ""), 34))
    assert notices.blocks == (Table(("time", "message"), rows, 31),)
    assert last.blocks == ()


def test_sections_know_where_they_begin_and_end() -> None:
    sections = markdown.parse(TEXT).sections
    assert [(s.title, s.level, s.line, s.end) for s in sections] == [
        ("", 0, 5, 7),
        ("Communication log", 1, 8, 35),
        ("Notices:", 2, 29, 35),
        ("Setext", 1, 36, 37),
    ]


def test_front_matter_is_read_with_its_places() -> None:
    document = markdown.parse(TEXT)
    assert document.front == {"incident_id": "INC-2026-0042", "date": "2026-03-14"}
    assert document.front_marks[("date",)] == (3, 7)
    assert markdown.parse("---\n---\ntext").sections[0].blocks == (Line("text", 3, 0),)
    assert markdown.parse("---\n\ntext").front == {}


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("---\na: 1\na: 2\n---\n", "twice", 3),
        ("---\na: *b\n---\n", "aliases", 2),
        ("---\n- a\n---\n", "not a mapping", 2),
        ("---\nkey: value\n\ntext", "not closed", 1),
        # Found by fuzzing: a carriage return alone ends a line for us, and for no editor.
        ("---\na: b\rc: d\nc: e\n---\n", "twice", 3),
        (f"---\na: {'x' * bounds.FRONT_MATTER_BYTES}\n---\n", "larger", 1),
    ],
)
def test_bad_front_matter_is_refused(text: str, what: str, line: int) -> None:
    with pytest.raises(Refusal) as caught:
        markdown.parse(text)
    assert what in caught.value.what
    assert caught.value.line == line


def test_nothing_below_the_front_matter_ends_with_the_file() -> None:
    """Found by fuzzing: without a last line break the file seemed a line shorter than it is."""
    (section,) = markdown.parse("---\na: b\n---").sections
    assert (section.line, section.end) == (4, 3)


def test_a_section_is_found_by_title() -> None:
    document = markdown.parse(TEXT)
    found = document.find("Messages", "notices")
    assert found is not None
    assert found.title == "Notices:"
    assert document.find("") is None


def test_raw_text_is_the_same_on_every_platform() -> None:
    unix = "# A\n\ntext  \n\n## B\n\nmore\n\n \n# C"
    for text in (unix, unix.replace("\n", "\r\n"), unix.replace("\n", "\r")):
        document = markdown.parse(text)
        assert [document.raw(s) for s in document.sections] == [
            "",
            "# A\n\ntext  \n\n## B\n\nmore\n",
            "## B\n\nmore\n",
            "# C\n",
        ]


def test_fields_are_key_and_value() -> None:
    text = "Incident-ID: X\nOwner:\n\n- **Expected_Duration:** 5 min\n- owner : Ana\n- Owner: Bo\n"
    assert markdown.fields(markdown.parse(text).sections[0]) == {
        "incident id": ("X", 1),
        "expected duration": ("5 min", 4),
        "owner": ("Ana", 5),
    }


@given(st.text() | st.text("# -*>|`~<!a1.\n\t [](&\r"))
def test_any_text_gives_sections_within_it(text: str) -> None:
    try:
        document = markdown.parse(text)
    except Refusal:
        return
    last = document.text.count("\n") + 1
    for section in document.sections:
        document.raw(section)
        markdown.fields(section)
        assert 1 <= section.line <= last + 1
        assert section.line - 1 <= section.end <= last
        for block in section.blocks:
            assert section.line <= block.line <= section.end


def test_a_parser_that_breaks_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicError(BaseException):
        pass

    def broken(_: str) -> None:
        raise PanicError

    monkeypatch.setattr(markdown, "_events", lambda: broken)
    with pytest.raises(Refusal, match="cannot be read"):
        markdown.parse("text")


@given(st.lists(st.text("aé€😀", min_size=1, max_size=5), min_size=1))
def test_lines_are_counted_in_any_script(words: list[str]) -> None:
    text = "".join(f"- {word}\n" for word in words)
    expected = tuple(Line(word, i + 1, 1) for i, word in enumerate(words))
    assert markdown.parse(text).sections[0].blocks == expected


@pytest.mark.parametrize("piece", ["[", ">", "![", "[a](", "*a _", "1. ", "|a", "`", "<!--"])
def test_hostile_text_takes_no_time(piece: str) -> None:
    text = piece * (bounds.FILE_BYTES // 4 // len(piece))
    assert markdown.parse(text).sections


def test_a_heading_of_two_lines_is_one_title() -> None:
    [before, section] = markdown.parse("Mitigation\nplan\n====\n\ntext\n").sections
    assert (before.blocks, section.title, section.line) == ((), "Mitigation plan", 1)


def test_a_rule_at_the_beginning_is_no_front_matter() -> None:
    section = markdown.parse("---\n\n# Title\n").find("Title")
    assert section is not None
    assert section.line == 3


def test_front_matter_that_yaml_refuses_as_a_whole_begins_on_line_two() -> None:
    wide = "a: " + "é" * (bounds.YAML_BYTES // 2)
    with pytest.raises(Refusal, match="larger than 64 KiB") as caught:
        markdown.parse(f"---\n{wide}\n---\n")
    assert caught.value.line == 2


def test_the_key_of_a_field_may_hold_an_apostrophe() -> None:
    section = markdown.parse("# A\n\n- Customer's view: none\n").sections[1]
    assert markdown.fields(section) == {"customer's view": ("none", 3)}


def test_paragraphs_of_one_item_are_one_thing_said() -> None:
    section = markdown.parse("- one\n\n  two\n").sections[0]
    assert section.blocks == (Line("one two", 1, 1),)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_whoever_stops_a_run_stops_it(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A panic of the parser is a refusal, and no Exception; these are none either."""

    def stopped(_: str) -> None:
        raise error

    monkeypatch.setattr(markdown, "_events", lambda: stopped)
    with pytest.raises(error):
        markdown.parse("# A\n")


def test_a_heading_in_an_item_stands_by_itself() -> None:
    section = markdown.parse("- a\n  # b\n  c\n").sections[0]
    assert section.blocks == (Line("a", 1, 1), Line("b", 2, 1), Line("c", 3, 1))
