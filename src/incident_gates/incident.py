"""One incident's folder: which files it holds, read once each through the door, when asked for."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident_gates.evidence import (
    archives,
    bounds,
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

    from incident_gates.evidence.markdown import Markdown
    from incident_gates.evidence.times import Time
    from incident_gates.protocol import Artifact, Protocol

NOT_AVAILABLE = "N/A:"


@dataclass(frozen=True)
class Document:
    """One file as read: its parsed value, or the refusal that says why there is none."""

    name: str
    path: str
    artifact: Artifact
    data: bytes = b""
    text: str = ""
    value: Any = None
    refusal: Refusal | None = None
    marks: dict[tuple[str | int, ...], tuple[int, int]] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The name without its ending, which is the name of its schema."""
        return self.name.rsplit(".", 1)[0]

    @cached_property
    def sha256(self) -> str:
        """The digest of the bytes that were judged."""
        return files.digest(self.data)

    @property
    def root(self) -> Node:
        """The whole JSON or YAML value, as a node; an empty one where the file has none."""
        return Node(self, (), self.value if isinstance(self.value, dict) else None)


@dataclass(frozen=True, slots=True)
class Node:
    """A value inside a JSON or YAML file that knows where it stands. Absent values are nodes too.

    Reading is tolerant: a value of the wrong type reads as absent, for its schema finding says so.
    """

    document: Document
    pointer: tuple[str | int, ...]
    value: Any

    def __getitem__(self, key: str) -> Node:
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return Node(self.document, (*self.pointer, key), value)

    def __iter__(self) -> Iterator[Node]:
        if isinstance(self.value, list):
            for index, item in enumerate(self.value):
                yield Node(self.document, (*self.pointer, index), item)

    def __bool__(self) -> bool:
        return self.value is not None

    @property
    def place(self) -> Place:
        """Where the value stands, or would stand."""
        return Place(self.document.name, self.pointer)

    @property
    def text(self) -> str:
        """The text, or "" where it is absent, not available, or a placeholder."""
        value = self.value
        if not isinstance(value, str) or value.startswith(NOT_AVAILABLE) or is_placeholder(value):
            return ""
        return value.strip()

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
    r"""[\[<(]?\s*(?:tbd|todo|fixme|xxx)\b   # TBD, [TBD], TODO: say who
    | n/a\Z                                  # not available, and no reason
    | <[^<>]*>\Z | \[[^\[\]]*\ [^\[\]]*\]\Z  # <who>, [describe the impact]""",
    re.IGNORECASE | re.VERBOSE,
)


def is_placeholder(text: str) -> bool:
    """Whether a text only holds the place of evidence: TBD, TODO …, a lone dot, a bare N/A."""
    word = text.strip(_DECORATION)
    return not word or _PLACEHOLDER.match(word) is not None


_HINT = re.compile(r'tbd|todo|fixme|xxx|"\s*n/a\W*"|"[^\w"]*"|"<|"\[', re.IGNORECASE)


def may_hold_placeholder(text: str) -> bool:
    """A quick look at a whole file, before every value of it is walked."""
    return _HINT.search(text) is not None


class Record:
    """One incident's files, and the upstream inputs that belong to it.

    ``folder`` holds the evidence, ``site`` is the folder that holds ``.artifacts``, ``base`` is
    the repository: reported paths are relative to it.
    """

    def __init__(self, folder: Path, *, site: Path, base: Path, protocol: Protocol) -> None:
        self.folder = folder
        self.site = site
        self.base = base
        self.protocol = protocol
        self.path = _relative(folder, base)
        self._documents: dict[str, Document | None] = {}

    @cached_property
    def names(self) -> frozenset[str]:
        """The files directly in the folder."""
        return frozenset(entry.name for entry in self.entries)

    @cached_property
    def entries(self) -> tuple[files.Entry, ...]:
        """What stands directly in the folder."""
        return files.shallow(self.folder)

    @cached_property
    def flat(self) -> bool:
        """Whether the files lie directly in the root: the protocol's own layout, one incident."""
        return self.folder.name == "incidents" and self.folder.parent.name == ".artifacts"

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
        inputs = {entry["file"] for entry in self.protocol.inputs}
        names = [name for name in self.protocol.artifacts if name not in inputs]
        return [d for d in map(self.document, names) if d]

    def documents(self) -> list[Document]:
        """Every known file of the record, inputs included."""
        return [d for d in map(self.document, self.protocol.artifacts) if d]

    def document(self, name: str) -> Document | None:
        """A file of the record by name; for an input, the copy in the folder wins."""
        if name not in self._documents:
            self._documents[name] = self._read(name)
        return self._documents[name]

    def node(self, name: str) -> Node:
        """The top of a JSON file; an empty node where there is no such file."""
        document = self.document(name)
        return document.root if document else Node(self._absent(name), (), None)

    def markdown(self, name: str) -> Markdown | None:
        """A Markdown file as parsed, or None."""
        document = self.document(name)
        value = document.value if document else None
        return value if isinstance(value, markdown.Markdown) else None

    def readable(self, name: str) -> bool:
        """Whether the file is there and could be read."""
        document = self.document(name)
        return document is not None and document.refusal is None

    def attachment_digest(self, path: str) -> str:
        """The digest of a file that the evidence names; raises Refusal where it may not be read."""
        return files.digest(files.read_under(self.folder, path, bounds.INCIDENT_BYTES))

    def kept_plans(self) -> list[Markdown]:
        """Earlier mitigation plans: copies kept in the folder, and what git holds of the file."""
        kept = [
            files.read_under(self.folder, entry.name, bounds.FILE_BYTES)
            for entry in files.listing(self.folder)
            if _KEPT_PLAN.search(entry.name) and entry.name != "mitigation-plan.md"
        ]
        kept += history.blobs_of(self.base, self.folder / "mitigation-plan.md")
        return [plan for data in kept if (plan := _markdown_or_none(data))]

    def file_of(self, name: str) -> Path:
        """Where a file stands: in the folder, or upstream for an input that has no copy."""
        if name in self.names:
            return self.folder / name
        upstream = {entry["file"]: entry["folder"] for entry in self.protocol.inputs}
        return self.site / upstream[name] / name if name in upstream else self.folder / name

    def _absent(self, name: str) -> Document:
        path = _relative(self.file_of(name), self.base)
        return Document(name, path, self.protocol.artifacts[name])

    def _read(self, name: str) -> Document | None:
        path = self.file_of(name)
        if name not in self.names and path.parent == self.folder:
            return None
        blank = self._absent(name)
        try:
            if path.parent != self.folder and not os.path.lexists(path):
                return None
            return _parsed(blank, path)
        except Refusal as refusal:
            return Document(name, blank.path, blank.artifact, refusal=refusal)

    def locate(self, place: Place) -> Location:
        """Turns a rule's place into lines and columns; only asked for findings that are kept."""
        document = self._documents.get(place.file)
        if document is None:
            known = place.file in self.protocol.artifacts
            path = self.file_of(place.file) if known else self.folder / place.file
            return Location(_relative(path, self.base))
        return _located(document, place)


_KEPT_PLAN = re.compile(r"(^|/)mitigation-plan[\w.-]*\.md\Z")


def _markdown_or_none(data: bytes) -> Markdown | None:
    try:
        return markdown.parse(files.decode(data))
    except Refusal:
        return None


def _parsed(blank: Document, path: Path) -> Document:
    kind = path.suffix.lower()
    limit = {".zip": bounds.ZIP_BYTES, ".yaml": bounds.YAML_BYTES}.get(kind, bounds.FILE_BYTES)
    data = files.read(path, limit)
    made = (blank.name, blank.path, blank.artifact, data)
    if kind == ".zip":
        return Document(*made, value=archives.open_archive(data))
    text = files.decode(data)
    try:
        if kind == ".yaml":
            parsed = strict_yaml.parse(text)
            return Document(*made, text=text, value=parsed.value, marks=parsed.marks)
        parse = strict_json.parse if kind == ".json" else markdown.parse
        return Document(*made, text=text, value=parse(text))
    except Refusal as refusal:
        return Document(*made, text=text, refusal=refusal)


def _located(document: Document, place: Place) -> Location:
    line, column, length = place.line, place.column, 0
    if place.pointer is not None and isinstance(document.value, dict):
        if document.name.endswith(".json"):
            line, column, length = places.locate(document.text, place.pointer)
        else:
            line, column = _marked(document, place.pointer)
    if not line or not document.text:
        return Location(document.path)
    source = places.excerpt(document.text, line)
    end = column + length if column and length else None
    return Location(document.path, line, column, end, source)


def _marked(document: Document, pointer: tuple[str | int, ...]) -> tuple[int, int]:
    while pointer not in document.marks and pointer:
        pointer = pointer[:-1]
    return document.marks.get(pointer, (1, 1))


def _relative(path: Path, base: Path) -> str:
    try:
        return path.relative_to(base).as_posix()
    except ValueError:
        return Path(os.path.relpath(path, base)).as_posix()
