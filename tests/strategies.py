"""Records that somebody could have kept: an example, and the few things changed in it."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import casework
import yaml
from hypothesis import settings
from hypothesis import strategies as st

from incident_gates import engine, policy, protocol
from incident_gates.evidence import times
from incident_gates.incident import Record
from incident_gates.model import Finding, IncidentReport, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Files = dict[str, bytes]
Pointer = tuple[str | int, ...]

EXAMPLES: dict[str, datetime] = {
    entry["name"]: datetime.fromisoformat(entry["as_of"].replace("Z", "+00:00"))
    for entry in yaml.safe_load((casework.EXAMPLES / "examples.yaml").read_text())["examples"]
}
FOLDER = re.compile(r"\.artifacts/incidents/[^/]+/")
JSON_FILES = sorted(n for n in protocol.load().artifacts if n.endswith(".json"))


def budget(examples: int) -> settings:
    """So many examples in every run, and as many times more under a larger profile."""
    return settings(max_examples=examples * settings().max_examples // 100)


# --- changes -------------------------------------------------------------------------------------


class Put(NamedTuple):
    """Another value at a pointer of a JSON file."""

    file: str
    pointer: Pointer
    value: Any


class Drop(NamedTuple):
    """What stands at a pointer of a JSON file is left out."""

    file: str
    pointer: Pointer


class Twice(NamedTuple):
    """An entry of a list stands there once more, at the end."""

    file: str
    pointer: Pointer


class Line(NamedTuple):
    """Another line in the place of one of a Markdown file; None leaves it out."""

    file: str
    number: int
    text: str | None


class Gone(NamedTuple):
    """A file that is not there."""

    file: str


Edit = Put | Drop | Twice | Line | Gone


def changed(files: Mapping[str, bytes], edits: Iterable[Edit]) -> Files:
    """The files with those changes that still find what they are about."""
    new = dict(files)
    for edit in edits:
        path = path_of(new, edit.file)
        if path is None:
            continue
        if isinstance(edit, Gone):
            del new[path]
        elif isinstance(edit, Line):
            new[path] = _lines_changed(new[path], edit)
        else:
            new[path] = _json_changed(new[path], edit)
    return new


def path_of(files: Mapping[str, bytes], name: str) -> str | None:
    """Where a file of the incident's own folder stands."""
    return next((path for path in files if FOLDER.sub("", path) == name), None)


def _lines_changed(data: bytes, edit: Line) -> bytes:
    lines = data.decode().split("\n")
    if edit.number < len(lines):
        lines[edit.number : edit.number + 1] = [] if edit.text is None else [edit.text]
    return "\n".join(lines).encode()


def _json_changed(data: bytes, edit: Put | Drop | Twice) -> bytes:
    top = json.loads(data)
    *way, last = edit.pointer
    try:
        parent = top
        for key in way:
            parent = parent[key]
        if isinstance(edit, Put):
            parent[last] = edit.value
        elif isinstance(edit, Drop):
            del parent[last]
        else:
            parent.append(parent[last])
    except (KeyError, IndexError, TypeError, AttributeError):
        return data
    return json.dumps(top, indent=2, ensure_ascii=False).encode()


# --- what the examples hold ----------------------------------------------------------------------


@cache
def example(name: str) -> Mapping[str, bytes]:
    """The files of an example, by their paths below the site."""
    root = casework.EXAMPLES / name
    inside = (p for p in sorted(root.rglob("*")) if p.is_file() and p.parent != root)
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in inside}


def own(files: Mapping[str, bytes], suffix: str = "") -> list[str]:
    """The names of the files directly in the incident's folder."""
    names = (FOLDER.sub("", path) for path in files if FOLDER.match(path))
    return [name for name in names if "/" not in name and name.endswith(suffix)]


def nodes(value: Any, pointer: Pointer = ()) -> Iterator[tuple[Pointer, Any]]:
    """Every value below a value, with its pointer."""
    inside = dict(enumerate(value)) if isinstance(value, list) else value
    for key, inner in inside.items() if isinstance(inside, dict) else ():
        yield (*pointer, key), inner
        yield from nodes(inner, (*pointer, key))


@cache
def places_of(name: str) -> list[tuple[str, Pointer, Any]]:
    """Every place of an example's own JSON files."""
    files = example(name)
    return [
        (file, pointer, value)
        for file in own(files, ".json")
        if file in JSON_FILES
        for pointer, value in nodes(json.loads(files[path_of(files, file) or ""]))
        if pointer[0] not in ("$schema", "schema_version")
    ]


@cache
def lines_of(name: str) -> list[tuple[str, int, str]]:
    """Every line of an example's own Markdown files."""
    files = example(name)
    return [
        (file, number, line)
        for file in own(files, ".md")
        for number, line in enumerate(files[path_of(files, file) or ""].decode().split("\n"))
        if line.strip()
    ]


@cache
def _said() -> dict[str | int, list[Any]]:
    """What the examples say under each key, which is what anybody might write there."""
    found: dict[str | int, list[Any]] = defaultdict(list)
    for name in EXAMPLES:
        for _, pointer, value in places_of(name):
            if value not in found[pointer[-1]]:
                found[pointer[-1]].append(value)
    return found


# --- strategies ----------------------------------------------------------------------------------

NAMES = st.sampled_from(sorted(EXAMPLES))
SECONDS = st.sampled_from([-1, 0, 1, -59, 59, -60, 60, 3600, -86_400]) | st.integers(-1500, 1500)
PRECISIONS = st.sampled_from([None, "second", "minute", "PT10M", "hour", "day"])
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        "",
        "TBD",
        "N/A",
        "N/A: not published",
        "soon",
        "SEV-2",
        None,
        True,
        0,
        -1,
        1.5,
        [],
        {},
        "é 😀",
    ]
)


def stated(original: str, seconds: int, precision: str | None) -> Any:
    """A time so many seconds away from another one, known so exactly."""
    parsed = times.parse(original)
    assert parsed is not None
    at = f"{parsed.earliest + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"
    return {"at": at, "precision": precision} if precision else at


def other_values(pointer: Pointer, value: Any) -> st.SearchStrategy[Any]:
    """What could stand in the place of a value."""
    if isinstance(value, str) and times.parse(value):
        return st.builds(stated, st.just(value), SECONDS, PRECISIONS) | ODD
    return st.sampled_from(_said()[pointer[-1]]) | ODD


@st.composite
def json_edits(draw: st.DrawFn, name: str) -> Edit:
    """One change of a JSON file of an example."""
    file, pointer, value = draw(st.sampled_from(places_of(name)))
    kinds = ["put", "put", "drop", *(["twice"] if isinstance(pointer[-1], int) else [])]
    match draw(st.sampled_from(kinds)):
        case "drop":
            return Drop(file, pointer)
        case "twice":
            return Twice(file, pointer)
    return Put(file, pointer, draw(other_values(pointer, value)))


@st.composite
def markdown_edits(draw: st.DrawFn, name: str) -> Edit:
    """One change of a Markdown file of an example."""
    file, number, line = draw(st.sampled_from(lines_of(name)))
    clock = st.builds(
        lambda hour, minute: re.sub(r"[0-9]{2}:[0-9]{2}", f"{hour:02}:{minute:02}", line),
        st.integers(0, 24),
        st.integers(0, 59),
    )
    another = st.sampled_from([text for other, _, text in lines_of(name) if other == file])
    text = draw(st.none() | clock | another | another.map(lambda text: f"{line}\n{text}"))
    return Line(file, number, text)


def edits(name: str, most: int = 3) -> st.SearchStrategy[list[Edit]]:
    """A few changes of an example."""
    gone = st.sampled_from(own(example(name))).map(Gone)
    kinds = [json_edits(name)] * 4 + [gone] + ([markdown_edits(name)] if lines_of(name) else [])
    if not places_of(name):
        kinds = kinds[4:]
    return st.lists(st.one_of(kinds), max_size=most)


class Kept(NamedTuple):
    """An example by name, and what is different in it."""

    name: str
    edits: tuple[Edit, ...] = ()

    @property
    def files(self) -> Files:
        """The files of the record."""
        return changed(example(self.name), self.edits)

    @property
    def now(self) -> datetime:
        """When the example is judged."""
        return EXAMPLES[self.name]


@st.composite
def records(draw: st.DrawFn, most: int = 3, names: st.SearchStrategy[str] = NAMES) -> Kept:
    """A record that somebody could have kept."""
    name = draw(names)
    return Kept(name, tuple(draw(edits(name, most))))


# --- judging -------------------------------------------------------------------------------------


def judged(  # noqa: PLR0913 - what a run may ask
    files: Mapping[str, bytes],
    now: datetime,
    require: str = "all",
    *,
    settings_of: Mapping[str, Any] | None = None,
    flags: Mapping[str, float] | None = None,
    strict: bool = False,
) -> IncidentReport:
    """The report on a record; that some rule breaks down is never one."""
    with on_disk(files) as record:
        limits = policy.Limits(protocol.load(), policy.Policy(settings_of or {}), flags)
        request = engine.Request(require, strict=strict)
        report = engine.judge(record, limits, now, request)
    assert report.verdict is not Verdict.ERROR, report.rules_left or report.gates
    return report


@contextmanager
def on_disk(files: Mapping[str, bytes]) -> Iterator[Record]:
    """The record of some files, in a folder of its own."""
    with tempfile.TemporaryDirectory() as made:
        site = Path(made)
        for name, data in files.items():
            path = site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        folder = next((site / m[0] for name in files if (m := FOLDER.match(name))), None)
        folder = folder or site / ".artifacts/incidents/INC-2026-0042"
        folder.mkdir(parents=True, exist_ok=True)
        yield Record(folder, site=site, base=site, protocol=protocol.load())


def repinned(files: Mapping[str, bytes], before: Mapping[str, bytes]) -> Files:
    """Changed files in which each digest of an earlier file is that of the file as it is now."""
    digests = {hashlib.sha256(before[p]).hexdigest(): hashlib.sha256(files[p]) for p in files}
    new = dict(files)
    for path in (p for p in files if p.endswith("/prerequisites.json")):
        text = re.sub(
            "[0-9a-f]{64}",
            lambda m: digests[m[0]].hexdigest() if m[0] in digests else m[0],
            files[path].decode(),
        )
        new[path] = text.encode()
    return new


def all_said(report: IncidentReport) -> list[Finding]:
    """Every finding of a report, what a pending gate still needs included."""
    return [*report.all_findings, *(f for gate in report.gates for f in gate.needs)]


def statuses(report: IncidentReport) -> dict[str, str]:
    """How each gate stands."""
    return {gate.id: gate.status.value for gate in report.gates}
