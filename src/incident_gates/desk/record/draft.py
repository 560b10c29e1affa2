"""Changes to the files of one record: shown sound first, then written, while nobody else writes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import lock
from incident_gates.desk import found as finding
from incident_gates.desk import json_text
from incident_gates.desk.found import Found
from incident_gates.desk.record import files
from incident_gates.errors import UsageError
from incident_gates.evidence import markdown, places, strict_json, times
from incident_gates.incident import Document, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from incident_gates.run import Job

Pointer = tuple[str | int, ...]


class Entry(NamedTuple):
    """One entry that was written: where it stands, and what it says."""

    file: str
    where: Pointer
    value: Any
    line: int | None = None


class Draft:
    """The files of a record as they will be."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.entries: list[Entry] = []
        self.notes: list[str] = []
        self._before: dict[str, str] = {}
        self._after: dict[str, str] = {}

    def text(self, name: str) -> str:
        """A file as it will be; that of its template where it is missing."""
        if name not in self._after:
            self._before[name] = self._after[name] = files.text(self.found, name)
        return self._after[name]

    def value(self, name: str) -> Any:
        """What a JSON file will say."""
        return strict_json.parse(self.text(name))

    def rewrite(self, name: str, text: str) -> None:
        """Another text for a file."""
        self.text(name)
        self._after[name] = text

    def put(self, name: str, where: Pointer, value: Any) -> None:
        """Sets one value of a JSON file."""
        self.rewrite(name, json_text.put(self.text(name), where, value))

    def drop(self, name: str, where: Pointer) -> None:
        """Takes one value out of a JSON file, if it is there."""
        if places.span(self.text(name), where):
            self.rewrite(name, json_text.removed(self.text(name), where))

    def append(self, name: str, where: Pointer, value: Any) -> None:
        """Adds an entry to a list of a JSON file, and notes it as written."""
        if isinstance(self._at(name, where), str):
            # "N/A: reason", or a placeholder: the first real entry ends it.
            self.put(name, where, [])
        self.note_clock(name, _times(self.value(name)))
        self.rewrite(name, json_text.appended(self.text(name), where, value))
        count = len(self._at(name, where))
        self.entries.append(Entry(name, (*where, count - 1), value))

    def replace(self, name: str, where: Pointer, value: Any) -> None:
        """Puts an entry in the place of another, and notes it as written."""
        self.put(name, where, value)
        self.entries.append(Entry(name, where, value))

    def noted(self, name: str, where: Pointer, value: Any) -> None:
        """Names an entry as written, where several values made it."""
        self.entries.append(Entry(name, where, value))

    def add_line(self, name: str, text: str, line: int, value: Any) -> None:
        """A Markdown file with one more entry at a line."""
        self.rewrite(name, text)
        self.entries.append(Entry(name, (), value, line))

    def save(self) -> None:
        """Writes every file that changed, after all of them were found sound."""
        # A file that is only a template yet is not written for itself.
        changed = {n: text for n, text in self._after.items() if text != self._before[n]}
        for name, text in changed.items():
            files.check(name, self._before[name], text)
        # The entry itself last: until it stands, the same command can be typed once more.
        files.write(self.found, dict(reversed(changed.items())))

    def placed(self) -> list[Entry]:
        """The entries with their lines, as the files stand now."""
        return [
            entry
            if entry.line
            else entry._replace(line=places.locate(self.text(entry.file), entry.where)[0])
            for entry in self.entries
        ]

    def supposed(self) -> Found:
        """The record as it would be once this was written, to be judged before it is."""
        record = Supposed(files.fresh(self.found).record, self._after)
        return Found(record, self.found.limits, self.found.now)

    def _at(self, name: str, where: Pointer) -> Any:
        value = self.value(name)
        for key in where:
            value = value.get(key, []) if isinstance(value, dict) else value[key]
        return value

    def note_clock(self, name: str, known: Iterable[times.Time | None]) -> None:
        """A clock that was set back loses no evidence, but it should be known."""
        last = max((t for t in known if t), key=lambda t: t.earliest, default=None)
        if last and last.earliest > self.found.now:
            said = f"{name} holds an entry of {last.shown}, which is later than this clock says"
            self.notes.append(f"{said} ({finding.shown(self.found.now)}): recorded as it is.")


class Supposed(Record):
    """The record as it would be with other texts in some of its files."""

    def __init__(self, record: Record, texts: Mapping[str, str]) -> None:
        super().__init__(
            record.folder,
            site=record.site,
            base=record.base,
            protocol=record.protocol,
            flat=record.flat,
        )
        self.names = record.names | set(texts)
        for name, text in texts.items():
            parse = strict_json.parse if name.endswith(".json") else markdown.parse
            self._documents[name] = Document(
                name,
                f"{record.path}/{name}",
                record.protocol.artifacts[name],
                data=text.encode(),
                text=text,
                value=parse(text),
            )


def _times(value: Any) -> Iterator[times.Time]:
    """Every time that somebody wrote into a value, but for those that say until when."""
    if isinstance(value, dict):
        for key, inside in value.items():
            if key.endswith("_at") and key != "expires_at" and (time := times.from_value(inside)):
                yield time
            elif key not in ("standing", "x-example"):
                yield from _times(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _times(inside)


@contextmanager
def opened(job: Job) -> Iterator[Draft]:
    """The one record that is meant, while nobody else can write; saved when the block ends."""
    found = finding.one(job)
    with lock.held(found.record.folder):
        found = files.fresh(found)
        refuse_closed(found)
        draft = Draft(found)
        yield draft
        draft.save()


def refuse_closed(found: Found) -> None:
    """Nothing is added to a closed record; what changes afterwards is an amendment."""
    if found.chain.closed:
        ident = found.record.incident_id
        said = f"{ident} is closed: what is found out now is an amendment. Type"
        raise UsageError(f"{said} incident-gates new amendment --incident {ident}")
