"""Reads a file of the record to add to it, and writes it back whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates import atomic, schema
from incident_gates.desk import found as finding
from incident_gates.desk import templates
from incident_gates.desk.found import Found
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import bounds, files, strict_json
from incident_gates.evidence.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping


def fresh(found: Found) -> Found:
    """The same record, read again."""
    return Found(found.record.again(), found.limits, finding.moment())


def text(found: Found, name: str) -> str:
    """A file's text; that of its template where it is missing."""
    if name not in found.record.names:
        return templates.filled(name, found).decode()
    return standing(found, name)


def standing(found: Found, name: str) -> str:
    """The text of a file that is there, if it can be read at all."""
    try:
        said = files.decode(files.read(found.record.folder / name, bounds.FILE_BYTES))
        if name.endswith(".json"):
            strict_json.parse(said)
    except Refusal as refusal:
        where = f"{name}:{refusal.line}" if refusal.line else name
        raise UsageError(f"{where}: {refusal.what}. {refusal.fix}") from None
    return said


def save(found: Found, name: str, before: str, after: str) -> None:
    """Writes a file, unless the change would break its schema."""
    check(name, before, after)
    write(found, {name: after})


def write(found: Found, texts: Mapping[str, str]) -> None:
    """Writes files of the record: all of them or, on a disk that is full, none."""
    folder = found.record.folder
    try:
        atomic.write_all({folder / name: text.encode() for name, text in texts.items()})
    except OSError as error:
        said = f"{' and '.join(texts)} cannot be written: {error.strerror}"
        raise CouldNotTell(said) from error


def check(name: str, before: str, after: str) -> None:
    """Refuses a change that would break the schema where it was not broken before."""
    if not name.endswith(".json"):
        return
    stem = name.rsplit(".", 1)[0]
    known = set(schema.problems(stem, strict_json.parse(before)))
    new = [p for p in schema.problems(stem, strict_json.parse(after)) if p not in known]
    if new:
        raise UsageError(f"{name} would be broken: {new[0].message}.")
