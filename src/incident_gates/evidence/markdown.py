"""Markdown as sections, lines and tables, each with the line it stands on."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import accumulate, islice
from typing import Any, Final, NamedTuple

from incident_gates.evidence import strict_yaml
from incident_gates.evidence.bounds import FRONT_MATTER_BYTES
from incident_gates.evidence.refusal import Refusal

Marks = dict[tuple[str | int, ...], tuple[int, int]]


class Line(NamedTuple):
    """One thing said: an item's own text (depth 1 and more) or a line of a paragraph (0)."""

    text: str
    line: int
    depth: int


class Row(NamedTuple):
    cells: tuple[str, ...]
    line: int


class Table(NamedTuple):
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    line: int


Block = Line | Table


class Section(NamedTuple):
    """A heading, what stands between it and the next heading, and where its chapter ends."""

    title: str
    level: int
    line: int
    end: int
    blocks: tuple[Block, ...]


class Markdown(NamedTuple):
    """One file; the first section is what stands before any heading."""

    text: str
    front: dict[str, Any]
    front_marks: Marks
    sections: tuple[Section, ...]

    def raw(self, section: Section) -> str:
        """The section's source from heading to end, the same on every platform."""
        lines = _lines(self.text)[section.line - 1 : section.end]
        while lines and not lines[-1].strip():
            lines.pop()
        return "\n".join(lines) + "\n" if lines else ""

    def find(self, *titles: str) -> Section | None:
        """The first section with one of the titles."""
        wanted = {_folded(title) for title in titles}
        return next((s for s in self.sections if s.level and _folded(s.title) in wanted), None)


def parse(text: str) -> Markdown:
    """The structure of a Markdown file, or a Refusal."""
    source, text = text, _unix(text)
    try:
        front, marks, body, before = _front_matter(text)
    except Refusal as refusal:
        refusal.line = file_line(source, refusal.line or 1)
        raise
    events = _events()
    try:
        reader = _Reader(body.encode(), before)
        reader.read(events(body))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - a panic of the parser is no Exception
        raise Refusal("the Markdown cannot be read", "Simplify its formatting.") from None
    return Markdown(text, front, marks, reader.sections(_count_lines(text)))


def fields(section: Section) -> dict[str, tuple[str, int]]:
    """The `Key: value` lines of a section; of two with one key the first counts."""
    found: dict[str, tuple[str, int]] = {}
    for block in section.blocks:
        if isinstance(block, Line) and (match := _FIELD.match(block.text)):
            key = " ".join(_GAP.sub(" ", match[1]).split()).casefold()
            found.setdefault(key, (match[2].strip(), block.line))
    return found


_FIELD: Final = re.compile(r"([^\W\d_][\w /()&'.-]{0,59}):\s+(\S.*)", re.DOTALL)
_GAP: Final = re.compile(r"[\s_-]+")
_BREAK: Final = re.compile(r"\r\n?|\n")
_KEY: Final = re.compile(r"[A-Za-z_][\w-]*:(?:\s|\Z)")


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def file_line(source: str, line: int) -> int:
    """The line as git and its viewers count it, which a lone carriage return does not end."""
    if "\r" not in source:
        return line
    before = islice(_BREAK.finditer(source), line - 1)
    return 1 + sum(found[0] != "\r" for found in before)


@lru_cache(maxsize=1)
def _lines(text: str) -> list[str]:
    """The lines of the text that was asked about last: a plan is asked once for each option."""
    return text.split("\n")


def _count_lines(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n"))


@lru_cache(maxsize=4096)
def _folded(title: str) -> str:
    return " ".join(title.strip(" \t:*_`").split()).casefold()


@lru_cache(maxsize=1)
def _events() -> Callable[[str], Iterable[tuple[Any, Any]]]:
    import pyromark

    return pyromark.Markdown(options=pyromark.Options.ENABLE_TABLES).events_with_range


def _front_matter(text: str) -> tuple[dict[str, Any], Marks, str, int]:
    """Front matter, its marks, the rest of the text and the number of lines before that."""
    if not text.startswith("---"):
        return {}, {}, text, 0
    first, _, rest = text.partition("\n")
    end = re.search(r"^---[ \t]*(?:\n|\Z)", rest, re.MULTILINE)
    if first.rstrip() != "---" or (end is None and not _KEY.match(rest)):
        return {}, {}, text, 0  # a thematic break
    if end is None:
        raise Refusal("the front matter is not closed", "Add a line '---' after it.", line=1)
    source = rest[: end.start()]
    if len(source) > FRONT_MATTER_BYTES:
        size = FRONT_MATTER_BYTES // 1024
        raise Refusal(f"the front matter is larger than {size} KiB", "Shorten it.", line=1)
    front, marks = _front(source)
    return front, marks, rest[end.end() :], source.count("\n") + 2


def _front(source: str) -> tuple[dict[str, Any], Marks]:
    try:
        yaml = strict_yaml.parse(source)
    except Refusal as refusal:
        refusal.line = (refusal.line or 1) + 1
        raise
    value = {} if yaml.value is None else yaml.value
    if not isinstance(value, dict):
        raise Refusal("the front matter is not a mapping", "Write `key: value` lines.", line=2)
    return value, {where: (line + 1, column) for where, (line, column) in yaml.marks.items()}


class _Draft:
    """A section while its blocks are still coming."""

    __slots__ = ("blocks", "level", "line", "title")

    def __init__(self, title: str, level: int, line: int) -> None:
        self.title = title
        self.level = level
        self.line = line
        self.blocks: list[Block] = []


class _Reader:
    """Turns the parser's flat stream of events into sections, without recursion."""

    def __init__(self, data: bytes, before: int) -> None:
        self._ends = list(accumulate(len(line) + 1 for line in data.split(b"\n")))
        self._first_line = before + 1
        self._drafts = [_Draft("", 0, self._first_line)]
        self._text: list[str] = []
        self._text_at = 0
        self._block_at = 0
        self._kept = 0
        self._items = 0
        self._titled = False
        self._quotes = 0
        self._rows: list[Row] = []
        self._cells: list[str] = []

    def read(self, events: Iterable[tuple[Any, Any]]) -> None:
        """Takes all events in; the frequent ones are dealt with here, without a call."""
        text = self._text
        for event, span in events:
            if type(event) is str:
                self._break(event)
                continue
            [kind] = event
            value = event[kind]
            if kind == "Text" or kind == "Code":  # noqa: PLR1714 - a set is slower
                if not text:
                    self._text_at = span["start"]
                text.append(value)
            elif value == "TableCell":
                if kind == "End":
                    self._cells.append(self._take())
            elif kind == "Start":
                self._begin(value if type(value) is str else next(iter(value)), span)
            elif kind == "End":
                self._finish(value if type(value) is str else next(iter(value)), value)

    def sections(self, last: int) -> tuple[Section, ...]:
        """The sections of a text that ends at a line."""
        ends = [last] * len(self._drafts)
        unfinished: list[int] = []
        for index, draft in enumerate(self._drafts):
            # The preamble is no chapter: any heading ends it.
            while unfinished and (self._drafts[unfinished[-1]].level or 9) >= draft.level:
                ends[unfinished.pop()] = draft.line - 1
            unfinished.append(index)
        return tuple(
            Section(draft.title, draft.level, draft.line, end, tuple(draft.blocks))
            for draft, end in zip(self._drafts, ends, strict=True)
        )

    def _break(self, event: str) -> None:
        if not self._items and not self._titled:
            self._flush()
        elif self._text and event != "Rule":
            self._text.append(" ")

    def _begin(self, tag: str, span: Any) -> None:
        match tag:
            case "Paragraph":
                if self._text:
                    self._text.append(" ")
            case "Item":
                self._flush()
                self._items += 1
            case "Heading" | "Table":
                self._flush()
                self._block_at = span["start"]
                self._titled = tag == "Heading"
            case "TableHead" | "TableRow":
                self._block_at = span["start"]
                self._cells = []
            case "CodeBlock":
                self._kept = len(self._text)
            case "BlockQuote":
                self._quotes += 1

    def _finish(self, tag: str, value: Any) -> None:
        match tag:
            case "Paragraph":
                if not self._items:
                    self._flush()
            case "Item":
                self._flush()
                self._items -= 1
            case "Heading":
                self._titled = False
                self._heading(int(value["Heading"][1:]))
            case "TableHead" | "TableRow":
                self._rows.append(Row(tuple(self._cells), self._line(self._block_at)))
            case "Table":
                header, *rows = self._rows
                self._rows = []
                self._drafts[-1].blocks.append(Table(header.cells, tuple(rows), header.line))
            case "CodeBlock":
                del self._text[self._kept :]
            case "BlockQuote":
                self._quotes -= 1

    def _heading(self, level: int) -> None:
        # A heading in a list or a quotation is something said there, not a chapter.
        if self._items or self._quotes:
            self._flush()
        else:
            self._drafts.append(_Draft(self._take(), level, self._line(self._block_at)))

    def _flush(self) -> None:
        if self._text and (text := self._take()):
            self._drafts[-1].blocks.append(Line(text, self._line(self._text_at), self._items))

    def _take(self) -> str:
        text = "".join(self._text)
        self._text.clear()
        return text.strip()

    def _line(self, offset: int) -> int:
        return self._first_line + bisect_right(self._ends, offset)
