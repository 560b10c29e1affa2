"""One incident's folder: which files it holds, read once each through the door, when asked for."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from incident_gates import schema
from incident_gates.evidence import (
    archives,
    bounds,
    bulk,
    files,
    history,
    markdown,
    places,
    strict_json,
    strict_yaml,
    times,
)
from incident_gates.evidence.refusal import Refusal
from incident_gates.model import Location, Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from incident_gates.evidence.markdown import Markdown
    from incident_gates.evidence.times import Time
    from incident_gates.protocol import Artifact, Protocol

NOT_AVAILABLE = "N/A:"


class Document:
    """One file as read: its parsed value, or the refusal that says why there is none."""

    def __init__(  # noqa: PLR0913 - what a file is, in one place
        self,
        name: str,
        path: str,
        artifact: Artifact,
        *,
        data: bytes = b"",
        text: str = "",
        value: Any = None,
        refusal: Refusal | None = None,
        marks: dict[tuple[str | int, ...], tuple[int, int]] | None = None,
    ) -> None:
        self.name = name
        self.path = path
        self.artifact = artifact
        self.data = data
        self.text = text
        self.value = value
        self.refusal = refusal
        self.marks = marks or {}
        self.stem = name.rsplit(".", 1)[0]
        self.root = Node(name, None, "", value if isinstance(value, dict) else None)

    @cached_property
    def sha256(self) -> str:
        """The digest of the bytes that were judged."""
        return files.digest(self.data)

    @cached_property
    def index(self) -> places.Index:
        """Where its values and lines stand."""
        return places.Index(self.text)

    @cached_property
    def unknown(self) -> tuple[schema.Problem, ...]:
        """What the schema of the file does not know; decided once, for it costs most."""
        return () if self.fits else schema.unknown_properties(self.stem, self.value)

    @cached_property
    def problems(self) -> tuple[schema.Problem, ...]:
        """How the file breaks its schema."""
        return () if self.fits else schema.problems(self.stem, self.value)

    @cached_property
    def fits(self) -> bool:
        """Whether there is nothing to say about its shape."""
        return (
            self.refusal is not None
            or not self.name.endswith((".json", ".yaml"))
            or not schema.known(self.stem)
            or schema.fits(self.stem, self.value)
        )


class Node:
    """A value inside a JSON or YAML file that knows where it stands. Absent values are nodes too.

    Reading is tolerant: a value of the wrong type reads as absent, for its schema finding says so.
    """

    __slots__ = ("_key", "_parent", "file", "value")

    def __init__(self, file: str, parent: Node | None, key: str | int, value: Any) -> None:
        self.file = file
        self._parent = parent
        self._key = key
        self.value = value

    def __getitem__(self, key: str) -> Node:
        inside = self.value
        return Node(self.file, self, key, inside.get(key) if type(inside) is dict else None)

    def __iter__(self) -> Iterator[Node]:
        if isinstance(self.value, list):
            for index, item in enumerate(self.value):
                yield Node(self.file, self, index, item)

    def __bool__(self) -> bool:
        return self.value is not None

    @property
    def pointer(self) -> tuple[str | int, ...]:
        """The JSON pointer from the top of the file."""
        parent = self._parent
        return () if parent is None else (*parent.pointer, self._key)

    @property
    def place(self) -> Place:
        """Where the value stands, or would stand."""
        return Place(self.file, self.pointer)

    @property
    def text(self) -> str:
        """The text, or "" where it is absent, not available, or a placeholder."""
        value = self.value
        return text_of(value) if isinstance(value, str) else ""

    @property
    def time(self) -> Time | None:
        """The time as an interval, or None."""
        return times.from_value(self.value) if self.value is not None else None

    @property
    def number(self) -> float | None:
        """The number, or None; true and false are no numbers."""
        is_number = isinstance(self.value, (int, float)) and not isinstance(self.value, bool)
        return self.value if is_number else None

    @property
    def flag(self) -> bool | None:
        """True or false, or None."""
        return self.value if isinstance(self.value, bool) else None

    @property
    def unavailable(self) -> str:
        """The reason of an ``N/A: reason``, or ""."""
        value = self.value
        if isinstance(value, str) and value.startswith(NOT_AVAILABLE):
            return value[len(NOT_AVAILABLE) :].strip()
        return ""

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of a list."""
        return tuple(item.text for item in self if item.text)


_DECORATION = " \t\n*_`.,:;?!…–—-"
_PLACEHOLDER = re.compile(
    r"""[\[<(]?\s*(?:
        tbd(?![\w./-]*\w)                          # TBD, [TBD], TBD by Sam
      | (?:todo|fixme|xxx)\s*(?:[\])>:]|\Z)        # TODO: say who; but not todo-api, Todo app
      | (?-i:TODO|FIXME|XXX)\s)                    # TODO say who
    | n/a(?::\s*(?:n/?a|none|nothing|nil|null|because|not\ (?:available|applicable)))?\Z
    | to\ be\ (?:determined|defined|decided|announced|added|written|filled\ in)\Z
    | lorem\ ipsum\b
    | <(?!https?:)[^<>]*>\Z | \[(?=[^\[\]]*\ )[^\[\]]*\]\Z  # <who>, [describe the impact]""",
    re.IGNORECASE | re.VERBOSE,
)


@lru_cache(maxsize=4096)
def is_placeholder(text: str) -> bool:
    """Whether a text only holds the place of evidence: TBD, TODO …, a lone dot, a bare N/A."""
    word = text.strip(_DECORATION)
    if len(word) > bounds.TEXT_CHARS:
        word = f"{word[: bounds.TEXT_CHARS]}…"
    return not word or _PLACEHOLDER.match(word) is not None


def gives_reason(text: str) -> bool:
    """Whether a text that is asked for a reason gives one: "none" and "because" are none."""
    return not is_placeholder(f"{NOT_AVAILABLE} {text.strip(_DECORATION)}")


@lru_cache(maxsize=4096)
def text_of(text: str) -> str:
    """What a text says: "" where it is not available or a placeholder."""
    return "" if text.startswith(NOT_AVAILABLE) or is_placeholder(text) else text.strip()


def texts_in(value: Any) -> list[str]:
    """Every text of a parsed file, in no order: a look before its nodes are walked."""
    waiting, found = [value], []
    while waiting:
        inside = waiting.pop()
        if isinstance(inside, str):
            found.append(inside)
        elif isinstance(inside, dict):
            waiting += inside.values()
        elif isinstance(inside, list):
            waiting += inside
    return found


class Record:
    """One incident's files, and the upstream inputs that belong to it.

    ``folder`` holds the evidence, ``site`` is the folder that holds ``.artifacts``, ``base`` is
    the repository: reported paths are relative to it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        site: Path,
        base: Path,
        protocol: Protocol,
        flat: bool | None = None,
    ) -> None:
        self.folder = folder
        self.site = site
        self.base = base
        self.protocol = protocol
        usual = folder.name == "incidents" and folder.parent.name == ".artifacts"
        # Files directly in the root: the protocol's own layout, one incident.
        self.flat = usual if flat is None else flat
        self.path = _relative(folder, base)
        self.refusal: Refusal | None = None
        self._documents: dict[str, Document | None] = {}
        self._blanks: dict[str, Document] = {}
        self._digests: dict[str, str] = {}
        self._blank_files: dict[str, bool] = {}
        self._unhashed = bounds.INCIDENT_BYTES

    def again(self) -> Record:
        """The same record with nothing of it read yet: its files may be others by now."""
        return Record(
            self.folder, site=self.site, base=self.base, protocol=self.protocol, flat=self.flat
        )

    @cached_property
    def names(self) -> frozenset[str]:
        """The files directly in the folder."""
        return frozenset(entry.name for entry in self.entries)

    @cached_property
    def entries(self) -> tuple[files.Entry, ...]:
        """What stands directly in the folder; its known files alone where that is too much."""
        # Only a folder of its own is counted whole: beside a flat record stand other incidents.
        listed = files.shallow if self.flat else files.listing
        try:
            return tuple(e for e in listed(self.folder) if "/" not in e.name)
        except Refusal as refusal:
            self.refusal = refusal.without_trace()
        there = (n for n in self.protocol.artifacts if (self.folder / n).is_file())
        return tuple(files.Entry(name, 0, "file") for name in there)

    @cached_property
    def incident_id(self) -> str:
        """The folder's name; in the flat layout, what the files themselves say."""
        if not self.flat:
            return self.folder.name
        stated = (str(n.value) for n in self.stated_ids() if isinstance(n.value, str))
        return next(stated, self.folder.name)

    def stated_ids(self) -> list[Node]:
        """The ``incident_id`` of each own JSON file that states one."""
        ids = (d.root["incident_id"] for d in self.own() if d.name.endswith((".json", ".yaml")))
        return [node for node in ids if node]

    def own(self) -> list[Document]:
        """Every known file that stands in the folder, inputs kept as copies left out."""
        return self._own

    def documents(self) -> list[Document]:
        """Every known file of the record, inputs included."""
        return self._all

    @cached_property
    def _own(self) -> list[Document]:
        names = [n for n in self.protocol.artifacts if n not in self.protocol.upstream]
        return [d for d in map(self.document, names) if d]

    @cached_property
    def _all(self) -> list[Document]:
        return [d for d in map(self.document, self.protocol.artifacts) if d]

    def document(self, name: str) -> Document | None:
        """A file of the record by name; for an input, the copy in the folder wins."""
        if name not in self._documents:
            self._documents[name] = self._read(name)
        return self._documents[name]

    def node(self, name: str) -> Node:
        """The top of a JSON file; an empty node where there is no such file."""
        document = self.document(name)
        return (document or self._absent(name)).root

    def markdown(self, name: str) -> Markdown | None:
        """A Markdown file as parsed, or None."""
        document = self.document(name)
        value = document.value if document else None
        return value if isinstance(value, markdown.Markdown) else None

    def readable(self, name: str) -> bool:
        """Whether the file is there and could be read."""
        document = self.document(name)
        return document is not None and document.refusal is None

    def reason_not_available(self, name: str) -> str:
        """The reason that prerequisites.json gives for an absent file, or ""."""
        entries = self.node("prerequisites.json")["not_available"]
        return next((e["reason"].text for e in entries if e["file"].text == name), "")

    def attachment_digest(self, path: str) -> str:
        """The digest of a file that the evidence names; raises Refusal where it may not be read."""
        # One file under a thousand spellings of its path is read once.
        name = str(PurePosixPath(path))
        if name not in self._digests:
            found = files.looked_into(self.folder, path, self._unhashed)
            self._digests[name], self._blank_files[name] = found
            self._unhashed -= (self.folder / name).lstat().st_size
        return self._digests[name]

    def attachment_is_blank(self, path: str) -> bool:
        """Whether a file that can be read holds nothing, or one byte over and over."""
        with suppress(Refusal):
            self.attachment_digest(path)
        return self._blank_files.get(str(PurePosixPath(path)), False)

    def kept_plans(self) -> Iterator[Markdown]:
        """Earlier mitigation plans, one by one: copies in the folder, and what git holds of it."""
        for kept in (self._kept(), history.blobs_of(self.base, self.folder / "mitigation-plan.md")):
            yield from (plan for data in kept if (plan := _markdown_or_none(data)))

    def _kept(self) -> Iterator[bytes]:
        # A copy that may not be read proves nothing, and is no reason to judge nothing.
        left = bounds.KEPT_PLANS
        with suppress(Refusal):
            for entry in files.listing(self.folder):
                if re.search(_KEPT_PLAN, entry.name) and entry.name != "mitigation-plan.md":
                    limit = min(left, bounds.MARKDOWN_BYTES)
                    with suppress(Refusal):
                        data = files.read_under(self.folder, entry.name, limit)
                        left -= len(data)
                        yield data

    def file_of(self, name: str) -> Path:
        """Where a file stands: in the folder, or upstream for an input that has no copy."""
        if name in self.names:
            return self.folder / name
        upstream = self.protocol.upstream.get(name)
        return self.site / upstream / name if upstream else self.folder / name

    def _absent(self, name: str) -> Document:
        if name not in self._blanks:
            self._blanks[name] = Document(name, self._shown(name), self.protocol.artifacts[name])
        return self._blanks[name]

    def _shown(self, name: str) -> str:
        """The path of a file as it is reported."""
        if self.path == "." or (name not in self.names and name in self.protocol.upstream):
            return _relative(self.file_of(name), self.base)
        return f"{self.path}/{name}"

    def _read(self, name: str) -> Document | None:
        inside = name in self.names
        if not inside and not (name in self.protocol.upstream and self._relies_on(name)):
            return None
        blank = self._absent(name)
        path = f"{self.folder}{os.sep}{name}" if inside else str(self.file_of(name))
        try:
            if not inside and not os.path.lexists(path):
                return None
            upstream = name in self.protocol.upstream
            return _parsed(blank, path, bulk.INPUT if upstream else bulk.RECORD)
        except Refusal as refusal:
            return Document(name, blank.path, blank.artifact, refusal=refusal.without_trace())

    def _relies_on(self, name: str) -> bool:
        """Whether an upstream file is part of the record: a closed one has only what it pinned.

        What is deployed or rehearsed after closing must not change the verdict.
        """
        shared = all(entry["file"] != name for entry in self.protocol.inputs)
        if shared or self.node("resolution-summary.json")["status"].text != "closed":
            return True
        inputs = self.node("prerequisites.json")["inputs"]
        return any(n["file"].text == name and n["sha256"].text for n in inputs)

    def locate(self, place: Place) -> Location:
        """Turns a rule's place into lines and columns; only asked for findings that are kept."""
        document = self._documents.get(place.file)
        if document is None:
            if place.file in self.protocol.artifacts:
                return Location(self._shown(place.file))
            return Location(_relative(self.folder / place.file, self.base))
        return _located(document, place)


LIMITS = {
    ".zip": bounds.ZIP_BYTES,
    ".yaml": bounds.YAML_BYTES,
    ".md": bounds.MARKDOWN_BYTES,
}
_KEPT_PLAN = r"(^|/)mitigation-plan[\w.-]*\.md\Z"


def _markdown_or_none(data: bytes) -> Markdown | None:
    try:
        return markdown.parse(files.decode(data))
    except Refusal:
        return None


def _parsed(blank: Document, path: str, most: bulk.Most) -> Document:
    kind = f".{blank.name.rpartition('.')[2]}"
    limit = LIMITS.get(kind, bounds.FILE_BYTES)
    data = files.read(path, limit)
    files.refuse_pointer(data)
    made = (blank.name, blank.path, blank.artifact)
    if kind == ".zip":
        return Document(*made, data=data, value=archives.open_archive(data))
    try:
        text = files.decode(data)
        if kind == ".yaml":
            parsed = strict_yaml.parse(text)
            bulk.refuse(text, parsed.value, most, lambda at: parsed.marks[at][0])
            return Document(*made, data=data, text=text, value=parsed.value, marks=parsed.marks)
        if kind == ".md":
            bulk.refuse_lines(text)
            return Document(*made, data=data, text=text, value=markdown.parse(text))
        value = strict_json.parse(text)
        bulk.refuse(text, value, most, lambda at: places.locate(text, at)[0])
        return Document(*made, data=data, text=text, value=value)
    except Refusal as refusal:
        # The line that a finding quotes, even where the bytes are no UTF-8.
        said = data.decode(errors="replace")
        return Document(*made, data=data, text=said, refusal=refusal.without_trace())


def _located(document: Document, place: Place) -> Location:
    line, column, length = place.line, place.column, 0
    if line and isinstance(document.value, markdown.Markdown):
        line = markdown.file_line(document.text, line)
    if place.pointer is not None and isinstance(document.value, dict):
        if document.name.endswith(".json"):
            line, column, length = document.index.locate(place.pointer)
        else:
            line, column = _marked(document, place.pointer)
    if not line or not document.text:
        return Location(document.path, line, column)
    source = document.index.excerpt(line)[: bounds.TEXT_CHARS]
    end = column + length if column and length else None
    return Location(document.path, line, column, end, source)


def _marked(document: Document, pointer: tuple[str | int, ...]) -> tuple[int, int]:
    while pointer not in document.marks and pointer:
        pointer = pointer[:-1]
    return document.marks.get(pointer, (1, 1))


def _relative(path: Path, base: Path) -> str:
    """A path as seen from another, with slashes."""
    text, prefix = str(path), f"{base}{os.sep}"
    inside = text[len(prefix) :] if text.startswith(prefix) else os.path.relpath(path, base)
    return inside.replace(os.sep, "/")
