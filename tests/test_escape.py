"""What each escape writes, character by character: the edges of what is dangerous."""

from __future__ import annotations

import pytest

from incident_gates.report import escape

# First and last of each run of characters that control, hide or reorder what people see.
UNSAFE = [
    (0x00, 0x08),
    (0x0B, 0x0C),
    (0x0E, 0x1F),
    (0x7F, 0x9F),
    (0xAD, 0xAD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xD800, 0xDFFF),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFF),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
]
EDGES = sorted({edge for run in UNSAFE for edge in run})
BESIDE = [
    beside
    for first, last in UNSAFE
    for beside in (first - 1, last + 1)
    if beside >= 0x20 and not any(low <= beside <= high for low, high in UNSAFE)
]


@pytest.mark.parametrize("number", EDGES, ids=hex)
def test_a_dangerous_character_is_written_out(number: int) -> None:
    written = f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
    assert escape.visible(f"a{chr(number)}b") == f"a{written}b"
    assert not escape.plain(chr(number))


@pytest.mark.parametrize("number", BESIDE, ids=hex)
def test_its_neighbour_is_text(number: int) -> None:
    assert escape.visible(chr(number)) == chr(number)
    assert escape.plain(chr(number))


@pytest.mark.parametrize("space", ["\t", "\n", "\r"])
def test_white_space_becomes_one_space_on_the_same_line(space: str) -> None:
    assert escape.visible(f"02:10{space}down") == "02:10 down"


def test_the_longest_text_stays_whole_and_one_more_character_is_cut() -> None:
    assert escape.visible("x" * 200) == "x" * 200
    assert escape.visible("x" * 201) == "x" * 199 + "…"
    assert escape.visible("abcd", 3) == "ab…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::down", ": :error: :down"),
        (":::", ": : :"),
        ("a: b", "a: b"),
        ("##[error]down", "# #[error]down"),
        ("## Impact", "## Impact"),
    ],
)
def test_commands_of_the_runner_are_taken_apart(text: str, shown: str) -> None:
    assert escape.visible(text) == shown


@pytest.mark.parametrize("mark", list(r"\[]()*_~!<>|&"))
def test_a_mark_of_markdown_gets_a_backslash(mark: str) -> None:
    assert escape.markdown(f"a{mark}b") == f"a\\{mark}b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@oncall", "<span>@</span>oncall"),
        ("see #7", "see <span>#</span>7"),
        ("$x$", "<span>$</span>x<span>$</span>"),
        ("https://example.org", "https<span>://</span>example.org"),
        ("www.example.org", "www<span>.</span>example.org"),
        ("WWW.example.org", "WWW<span>.</span>example.org"),
        ("1. Rolled back", "1\\. Rolled back"),
        ("123456789. last of nine digits", "123456789\\. last of nine digits"),
        ("123456789) last", "123456789\\) last"),
        ("1234567890. too many digits", "1234567890. too many digits"),
        ("- an item", "\\- an item"),
        ("+ an item", "\\+ an item"),
        ("= a heading", "\\= a heading"),
        ("a - b", "a - b"),
        ("  four spaces  ", "four spaces"),
        ("`incident-gates new timeline`", "`incident-gates new timeline`"),
        ("`kubectl rollout undo deploy/api`", "`kubectl rollout undo deploy/api`"),
        ("`./Run-2 sub.d/B-3`", "`./Run-2 sub.d/B-3`"),
        ("`a*b`", "\\`a\\*b\\`"),
        ("`two  spaces`", "\\`two  spaces\\`"),
        ("`v2.1_x`", "\\`v2.1\\_x\\`"),
        ("`", "\\`"),
    ],
)
def test_text_reads_as_itself_in_markdown(text: str, shown: str) -> None:
    assert escape.markdown(text) == shown


def test_markdown_and_html_are_cut_like_all_text() -> None:
    assert escape.markdown("x" * 201) == escape.in_html("x" * 201) == "x" * 199 + "…"
    assert escape.in_html("<b>&'\"") == "&lt;b&gt;&amp;&#x27;&quot;"


def test_an_address_cannot_end_its_brackets() -> None:
    address = "https://example.org:8080/a?b=c&d=e+f,g;h%20~$@#i"
    assert escape.target(address) == address
    assert escape.target("a)(b <c>") == "a%29%28b%20%3Cc%3E"


def test_a_path_keeps_its_bytes_in_an_address() -> None:
    assert escape.uri("logs/a b#1?.txt") == "logs/a%20b%231%3F.txt"
    assert escape.uri("caf\u00e9") == "caf%C3%A9"
    assert escape.uri("not-utf-8-\udcff") == "not-utf-8-%FF"
    assert escape.uri("half-\ud800") == "half-%ED%A0%80"


def test_the_parts_of_a_command_end_where_they_should() -> None:
    assert escape.command_data("100%\r\nof: all, now") == "100%25%0D%0Aof: all, now"
    assert escape.command_property("a:b,c%\r\n") == "a%3Ab%2Cc%25%0D%0A"
