"""Properties of the door and of the exit: what stands there comes in, and goes out inert."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_to_bytes

import runner_oracle as runner
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import budget, nodes

from incident_gates.evidence import bounds, markdown, places, strict_json, strict_yaml, times
from incident_gates.evidence.files import decode
from incident_gates.evidence.markdown import Line, Table
from incident_gates.evidence.refusal import Refusal
from incident_gates.evidence.times import Clock, Order, Time
from incident_gates.report import escape

if TYPE_CHECKING:
    from collections.abc import Callable

UTC = timezone.utc
A_DAY = timedelta(days=1)
T = TypeVar("T")


def outcome(reading: Callable[[], T]) -> T | Refusal:
    """What comes in, or why it does not."""
    try:
        return reading()
    except Refusal as refusal:
        return refusal


def is_inside(text: str, line: int | None, column: int | None) -> bool:
    """Whether a line and a column, where they are named, are some of a text."""
    lines = text.split("\n")
    if line is None or not 1 <= line <= len(lines):
        return line is None
    return column is None or 1 <= column <= len(lines[line - 1]) + 1


# --- JSON ----------------------------------------------------------------------------------------

LETTERS = st.characters(exclude_categories=["Cs"])
KEYS = st.text(st.sampled_from('ab":\\ {[é😀\u2028'), max_size=4)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(LETTERS, max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
STYLES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"indent": 2}, {"indent": "\t"}, {"ensure_ascii": False}, {"separators": (" ,", " :\r\n")}]
)
OBJECTS = st.builds(
    lambda value, style: json.dumps(value, **style), st.dictionaries(KEYS, VALUES), STYLES
)
PUNCTUATION = st.sampled_from(("{", "}", "[", "]", ":", ",", '"', "\\", " ", "\n", "\x00", "//"))
SCALARS = st.sampled_from(
    ('"a"', '"\\u0061"', '"é"', '"\\ud83d"', '"\\ud83d\\ude00"', '"\ud800"', "0", "01", "-1", "1.5")
) | st.sampled_from(("1e999", "9" * 20, "NaN", "-Infinity", "true", "null"))
TOKENS = st.lists(PUNCTUATION | SCALARS, max_size=12).map("".join)
HELD = st.lists(SCALARS, min_size=1, max_size=3).map(lambda held: f'{{"a": [{", ".join(held)}]}}')


@st.composite
def nearly_json(draw: st.DrawFn) -> str:
    """JSON with a token put in somewhere."""
    text = draw(OBJECTS)
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(TOKENS) + text[at:]


def refused_by_name(text: str) -> bool:
    """Whether JSON that Python's reader takes is refused here for a reason that has a name."""
    twice: list[str] = []
    numbers: list[bool] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        twice.extend(key for key in dict(found) if [k for k, _ in found].count(key) > 1)
        return dict(found)

    def whole(token: str) -> int:
        numbers.append(len(token.lstrip("-")) > bounds.INTEGER_DIGITS)
        return int(token[: bounds.INTEGER_DIGITS])

    def real(token: str) -> float:
        numbers.append(abs(float(token)) == float("inf"))
        return float(token)

    def constant(_: str) -> float:
        numbers.append(True)
        return 0.0

    value = json.loads(
        text, object_pairs_hook=pairs, parse_int=whole, parse_float=real, parse_constant=constant
    )
    lone = re.search(
        "[\ud800-\udfff]", json.dumps(value, ensure_ascii=False) + text + "".join(twice)
    )
    return bool(twice or any(numbers) or lone or not isinstance(value, dict))


@given(nearly_json() | TOKENS | HELD)
@example('{"a": 1, "\\u0061": 2}')
@example('{"a": NaN}')
@example('{"a": "\\ud83d"}')
@budget(400)
def test_json_comes_in_as_python_reads_it_or_is_refused_by_name(text: str) -> None:
    """JSON is accepted where Python's reader takes it and no rule of ours names why not."""
    try:
        known = None if refused_by_name(text) else json.loads(text)
    except ValueError:
        known = None
    read = outcome(lambda: strict_json.parse(text))
    assert (None if isinstance(read, Refusal) else read) == known
    if known is not None:
        again = json.dumps(known)
        assert json.dumps(strict_json.parse(again)) == again


@given(st.binary(max_size=80) | TOKENS.map(lambda text: text.encode(errors="surrogatepass")))
@budget(300)
def test_any_bytes_are_json_or_a_refusal_with_its_place(data: bytes) -> None:
    """Any bytes give an object, or a refusal whose line and column lie inside the file."""
    read = outcome(lambda: strict_json.parse(decode(data)))
    if isinstance(read, Refusal):
        assert is_inside(data.decode(errors="replace"), read.line, read.column)
    else:
        assert isinstance(read, dict)


@given(OBJECTS)
@budget(150)
def test_a_pointer_leads_to_the_text_of_its_value(text: str) -> None:
    """Each pointer leads to the text that a full parse reads as its value, and to its key."""
    lines = text.split("\n")
    for pointer, value in nodes(json.loads(text)):
        line, column, length = places.locate(text, pointer)
        start = sum(len(before) + 1 for before in lines[: line - 1]) + column - 1
        assert json.JSONDecoder().raw_decode(text, start)[0] == value
        shown = text[start : start + length]
        assert shown in "[{" if isinstance(value, (list, dict)) else json.loads(shown) == value
        span = places.span(text, pointer)
        assert span is not None
        assert json.loads(text[slice(*span)]) == value
        at_key = places.locate_key(text, pointer)
        if isinstance(pointer[-1], str):
            key = lines[at_key[0] - 1][at_key[1] - 1 :][: at_key[2]]
            assert json.loads(key) == pointer[-1]


# --- YAML ----------------------------------------------------------------------------------------

YAML_TEXTS = st.text("ab:-?[]{}&*!|>'\"#%@,\n \t0.\r\x85\u2028é😀", max_size=40)
FLAT = st.dictionaries(
    st.text("abc", min_size=1, max_size=4), st.text("ab1:-./@()+ #'~", max_size=20), max_size=4
)


@given(st.text(max_size=40) | YAML_TEXTS)
@example("# said to nobody\u2028rule: MIT004\n")
@example("key: [a\x85, b]\n")
@budget(300)
def test_yaml_is_read_or_refused_and_every_place_is_inside(text: str) -> None:
    """Any YAML gives a value or a refusal, and every line and column lies inside the text."""
    read = outcome(lambda: strict_yaml.parse(text))
    if isinstance(read, Refusal):
        assert is_inside(text, read.line, read.column)
    else:
        assert all(is_inside(text, line, column) for line, column in read.marks.values())


@given(FLAT)
@budget(100)
def test_the_short_way_reads_yaml_as_the_long_way_does(flat: dict[str, str]) -> None:
    """Flat `key: value` lines are read without the YAML machinery exactly as with it."""
    text = "".join(f"{key}: {value}\n" for key, value in flat.items())
    assert yaml_outcome(text) == yaml_outcome(text + "# a comment forces the long way\n")


def yaml_outcome(text: str) -> object:
    read = outcome(lambda: strict_yaml.parse(text))
    return "refused" if isinstance(read, Refusal) else read


# --- Markdown ------------------------------------------------------------------------------------

MARKS = st.sampled_from(
    ("# ", "## ", "- ", "  - ", "1. ", "> ", "|", "|---|", "```", "<!--", "-->", "*", "`", "===")
)
WRITTEN = st.sampled_from(("---\n", "a: 1\n", "é", "😀", "\t", "\\", "\u2028", "text"))
BREAKS = st.sampled_from(("\n", "\n\n", "\r\n", "\r"))
MARKDOWN = st.lists(MARKS | WRITTEN | BREAKS, max_size=25).map("".join)


@given(st.text(max_size=40) | MARKDOWN)
@example("# One\rtwo\r- three\n- four")
@example("---\na: 1\r\u2028: *b\n---\n")
@budget(300)
def test_sections_nest_and_cover_the_text(text: str) -> None:
    """Sections begin in order, end inside their chapter, and together hold every line and block."""
    parsed = outcome(lambda: markdown.parse(text))
    if isinstance(parsed, Refusal):
        assert is_inside(text, parsed.line, None)
        return
    last = parsed.text.count("\n") + 1
    preamble, *sections = parsed.sections
    assert [s.line for s in parsed.sections] == sorted(s.line for s in parsed.sections)
    for section, after in zip(parsed.sections, [*sections, None], strict=True):
        until = after.line - 1 if after else max(last, section.line - 1)
        begun = [b.line for b in section.blocks]
        assert begun == sorted(begun)
        assert all(section.line <= line <= max(until, section.line) for line in begun)
        rows = [row.line for b in section.blocks if isinstance(b, Table) for row in b.rows]
        assert all(section.line <= line <= until for line in rows)
        assert section.line - 1 <= section.end <= last
        inner = [s for s in sections if section.line < s.line <= section.end and section.level]
        assert all(s.level > section.level and s.end <= section.end for s in inner)
        assert parsed.raw(section) in parsed.text + "\n"
    chapters = [s for s in sections if not any(o.line < s.line <= o.end for o in sections)]
    covered = [range(s.line, s.end + 1) for s in (preamble, *chapters)]
    front = parsed.text.split("\n")[: preamble.line - 1]
    assert [*range(1, len(front) + 1), *(n for lines in covered for n in lines)] in (
        list(range(1, last + 1)),
        list(range(1, last)),  # a final line break begins no line
    )


@given(st.text(max_size=40) | MARKDOWN)
@budget(150)
def test_markdown_is_the_same_on_every_platform(text: str) -> None:
    """Line breaks of Windows or of old machines change no section, no block and no digest."""
    unix = text.replace("\r\n", "\n").replace("\r", "\n")
    for ending in ("\r\n", "\r"):
        assert markdown_outcome(unix.replace("\n", ending)) == markdown_outcome(unix)


def markdown_outcome(text: str) -> object:
    parsed = outcome(lambda: markdown.parse(text))
    if isinstance(parsed, Refusal):
        return parsed.what
    return parsed, [parsed.raw(section) for section in parsed.sections]


WORDS = st.text("aé€😀\u2028", min_size=1, max_size=5).filter(str.strip)


@given(st.lists(st.tuples(st.integers(0, 2), WORDS.map(str.strip)), min_size=1, max_size=8))
@budget(100)
def test_what_is_written_is_read_at_its_line(items: list[tuple[int, str]]) -> None:
    """Items and cells in any script are read as written, each at its own line."""
    listed = "".join(f"- {word}\n" for _, word in items)
    expected = tuple(Line(word, number, 1) for number, (_, word) in enumerate(items, 1))
    assert markdown.parse(listed).sections[0].blocks == expected
    table = "| a | b |\n|---|---|\n" + "".join(f"| {word} | x |\n" for _, word in items)
    [read] = markdown.parse(table).sections[0].blocks
    assert isinstance(read, Table)
    assert [(r.cells[0], r.line) for r in read.rows] == [
        (word, number) for number, (_, word) in enumerate(items, 3)
    ]


# --- times ---------------------------------------------------------------------------------------

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1))  # noqa: DTZ001
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timedelta(minutes=minutes))
PRECISIONS = st.sampled_from([None, "second", "minute", "hour", "day", "PT30S", "PT10M", "P1D"])


def rfc3339(moment: datetime, offset: timedelta = timedelta()) -> str:
    """A moment as somebody's clock shows it."""
    return moment.replace(tzinfo=UTC, microsecond=0).astimezone(timezone(offset)).isoformat()


STATED = st.builds(
    lambda at, precision: {"at": at, "precision": precision} if precision else at,
    st.builds(rfc3339, MOMENTS, OFFSETS),
    PRECISIONS,
)


def read(value: object) -> Time:
    time = times.from_value(value)
    assert time is not None
    return time


@given(MOMENTS, OFFSETS)
@example(datetime(2026, 3, 14, 23, 59, 59, 999_999), timedelta(hours=14))  # noqa: DTZ001
@budget(200)
def test_a_time_that_is_printed_reads_as_itself(moment: datetime, offset: timedelta) -> None:
    """A moment written on any clock is read as that moment, and shown in UTC as it was."""
    whole = moment.replace(microsecond=0, tzinfo=UTC)
    time = read(rfc3339(moment, offset))
    assert (time.earliest, time.tolerance) == (whole, timedelta(seconds=1))
    assert times.parse(f"{time.day}T{time.clock:0<5}{'' if whole.second else ':00'}Z") is not None
    assert time.shown.startswith(f"{whole:%Y-%m-%d %H:%M}")
    exact = read(moment.replace(tzinfo=UTC).astimezone(timezone(offset)).isoformat())
    assert exact.earliest == moment.replace(tzinfo=UTC)


@st.composite
def two_stated(draw: st.DrawFn) -> tuple[Any, Any]:
    """Two times that may be years apart, or next to each other."""
    at, offset = draw(MOMENTS), draw(OFFSETS)
    near = at + timedelta(seconds=draw(st.integers(-90, 90)))
    other = draw(MOMENTS | st.just(near))
    one, then = (
        {"at": rfc3339(moment, offset), "precision": draw(PRECISIONS) or "second"}
        for moment in (at, other)
    )
    return one, then


@given(two_stated())
@example(("2026-03-14T02:25:01Z", "2026-03-14T02:25:00Z"))
@budget(300)
def test_two_times_are_in_order_the_other_way_or_it_cannot_be_told(times_: tuple[Any, Any]) -> None:
    """Of two times the first is proven, contradicted or not provable; turned round, the reverse."""
    first, then = map(read, times_)
    forth, back = times.order(first, then), times.order(then, first)
    reverse = {
        Order.PROVEN: Order.CONTRADICTED,
        Order.CONTRADICTED: Order.PROVEN,
        Order.NOT_PROVABLE: Order.NOT_PROVABLE,
    }
    assert back is reverse[forth]
    assert (forth is Order.NOT_PROVABLE) == times.overlap(first, then) == times.overlap(then, first)
    least, most = times.elapsed(first, then)
    assert most - least == first.tolerance + then.tolerance
    assert (least >= timedelta()) == (forth is Order.PROVEN)
    assert (most <= timedelta()) == (forth is Order.CONTRADICTED)


@given(STATED, STATED, STATED)
@budget(200)
def test_what_is_proven_in_two_steps_is_proven_in_one(one: Any, two: Any, three: Any) -> None:
    """If one is proven before two, and two before three, then so is one before three."""
    first, then, last = sorted(map(read, (one, two, three)), key=lambda time: time.latest)
    if times.order(first, then) is times.order(then, last) is Order.PROVEN:
        assert times.order(first, last) is Order.PROVEN


@given(MOMENTS, OFFSETS, st.sampled_from(["minute", "hour", "day"]))
@example(datetime(2026, 3, 14, 2, 25, 40), timedelta(hours=5, minutes=30), "hour")  # noqa: DTZ001
@budget(200)
def test_a_unit_begins_where_the_clock_of_the_writer_says(
    moment: datetime, offset: timedelta, unit: str
) -> None:
    """A minute, an hour or a day is the one that the written digits name, and so long."""
    written = rfc3339(moment, offset)
    time = read({"at": written, "precision": unit})
    begins = {"minute": "T%H:%M:00", "hour": "T%H:00:00", "day": "T00:00:00"}[unit]
    first = f"{written[:10]}{datetime.fromisoformat(written).strftime(begins)}{written[19:]}"
    assert time.earliest == datetime.fromisoformat(first)
    assert time.tolerance == {"minute": A_DAY / 1440, "hour": A_DAY / 24, "day": A_DAY}[unit]


@given(MOMENTS, MOMENTS, OFFSETS, PRECISIONS, st.sampled_from(["PT10M", "P1D", "hour", "day"]))
@budget(200)
def test_a_wider_time_proves_and_contradicts_less(
    moment: datetime, other: datetime, offset: timedelta, precision: str | None, wider: str
) -> None:
    """A time that holds another one proves and contradicts nothing that the other does not."""
    near = moment + (other - moment) / 2**20
    known, then = rfc3339(moment, offset), read(rfc3339(near))
    narrow = read({"at": known, "precision": precision} if precision else known)
    wide = read({"at": known, "precision": wider})
    if wide.earliest <= narrow.earliest and narrow.latest <= wide.latest:
        assert times.order(wide, then) in (times.order(narrow, then), Order.NOT_PROVABLE)
        assert times.order(then, wide) in (times.order(then, narrow), Order.NOT_PROVABLE)


TIME_TEXTS = st.text("0123456789-:.TZ+ UCPSDHMWN/A", max_size=30) | st.text(max_size=20)


@given(TIME_TEXTS)
@example("P3650DT86400S")
@example("9999-12-31T23:59:59.999999999-23:59")
@budget(400)
def test_any_text_is_a_time_or_a_duration_or_neither(text: str) -> None:
    """Any text is a time, a duration that is not negative, or neither."""
    time, clock = times.parse(text), Clock(date(2026, 3, 14))
    clock.heading(text)
    read_there = clock.read(text)
    for known in (time, read_there[0] if read_there else None):
        assert known is None or timedelta() < known.tolerance <= timedelta(minutes=1)
    assert (time is None) or not times.why_not(text).startswith("it has")
    if read_there:
        assert times.looks_like_time(text)
    for length in (times.duration(text), times.human_duration(text)):
        assert length is None or timedelta() <= length <= timedelta(days=bounds.DURATION_DAYS)
    assert times.grain(text) >= timedelta()


@given(st.integers(0, 10**6), st.sampled_from([1, 60, 3600]))
@budget(200)
def test_a_duration_that_is_shown_is_read_again(amount: int, unit: int) -> None:
    """What is shown of a duration in its two largest units reads as no more than it was."""
    length = timedelta(seconds=amount * unit)
    shown = times.show_duration(length)
    again = times.human_duration(shown)
    if length <= timedelta(days=bounds.DURATION_DAYS):
        assert again is not None
        assert timedelta() <= length - again < timedelta(hours=1)
        assert times.show_duration(again) == shown
    assert times.show_duration(-length) == (f"-{shown}" if length else shown)


# --- what goes out -------------------------------------------------------------------------------

PIECES = ["::", "##[", "%0A", "%", "\r", "\n", "`", "\\", "|", "](", "<", "@", "&", ",", ":"]
UNSEEN = ["\x1b[2J", "\x85", "\u200b", "\u2028", "\u202e", "\u2066", "\ufeff", "\U000e0041"]


def texts(pieces: list[str]) -> st.SearchStrategy[str]:
    """Texts that hold what acts somewhere."""
    return st.lists(st.sampled_from(pieces) | st.text(max_size=3), max_size=8).map("".join)


PATHS = st.text(st.characters(exclude_characters="\0"), max_size=20) | st.binary(max_size=10).map(
    lambda name: name.decode(errors="surrogateescape")
)
CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


@given(texts(PIECES + UNSEEN))
@budget(300)
def test_a_terminal_sees_no_control_character(text: str) -> None:
    """What a terminal or a log gets holds no control character and no command, and is stable."""
    shown = escape.visible(text, 10_000)
    assert not CONTROL.search(shown)
    assert "::" not in shown
    assert "##[" not in shown
    assert escape.visible(shown, 10_000) == shown
    assert escape.plain(shown)


# Characters that nobody sees are written out before a command is made of a text.
SEEN = texts(PIECES).filter(lambda text: text.isascii() or runner._seen(text) == text)


@given(SEEN, SEEN)
@budget(300)
def test_a_workflow_command_decodes_to_what_was_put_in(message: str, value: str) -> None:
    """The runner decodes the message and the property of a command to exactly what was escaped."""
    line = f"::error title={escape.command_property(value)}::{escape.command_data(message)}"
    commands = list(runner.commands(line))
    assert [c.name for c in commands] == ["error"]
    assert commands[0].data == message
    # Of blanks that end all properties the runner keeps none; a line break is no blank by then.
    assert commands[0].properties.get("title", "") == re.sub(r"[^\S\r\n]+\Z", "", value)


@given(PATHS)
@budget(300)
def test_an_address_decodes_to_the_bytes_of_its_path(path: str) -> None:
    """A path in SARIF is plain ASCII, and decodes to the bytes of the path as git knows it."""
    with suppress(UnicodeEncodeError):
        assert unquote_to_bytes(escape.uri(path)) == path.encode("utf-8", "surrogateescape")
    assert re.fullmatch(r"[\w/.~%-]*", escape.uri(path), re.ASCII)
    assert ")" not in escape.target(path)
