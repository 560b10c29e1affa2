"""Writes what payloads claim into the files of one record: all of it or nothing, and once."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import atomic, lock
from incident_gates.desk import found as finding
from incident_gates.desk import masking
from incident_gates.desk.imports import assessment, execution, logs, recovery
from incident_gates.desk.imports.payload import Payload, kinds, opened, parsed, read
from incident_gates.desk.record import draft as drafting
from incident_gates.desk.record import files as files_of
from incident_gates.desk.record import words
from incident_gates.errors import CouldNotTell, GateError, UsageError
from incident_gates.evidence import bounds, files, times
from incident_gates.evidence.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incident_gates.desk.found import Found
    from incident_gates.desk.record.draft import Draft
    from incident_gates.run import Job

SOURCES = "sources"


class Choices(NamedTuple):
    """What the payloads do not say and somebody typed."""

    decision: str | None = None
    services: Sequence[str] = ()
    offset: str = ""
    only_decision: bool = False


class Added(NamedTuple):
    """What was written where, in lines for people; the draft has it for machines."""

    lines: tuple[str, ...]
    draft: Draft


def add(job: Job, payloads: Sequence[Payload], choices: Choices | None = None) -> Added:
    """Fills the one record that is meant, and keeps each payload beside what it filled."""
    found = finding.one(job)
    with lock.held(found.record.folder):
        found = files_of.fresh(found)
        drafting.refuse_closed(found)
        _refuse_place(found)
        draft = drafting.Draft(found)
        seen = _seen(found)
        payloads = sorted(payloads, key=_detected)
        lines = [line for p in payloads for line in _filled(draft, p, choices or Choices(), seen)]
        _refuse_large(draft)
        draft.save()
        # Last: whoever finds a payload kept may rely on its claims being written.
        for payload in payloads:
            if payload.path in seen.paths:
                _keep(found, payload)
    return Added(tuple(lines), draft)


def _detected(payload: Payload) -> datetime:
    """What noticed it first is written first; what notices nothing comes last."""
    stated = [times.parse(m.time) for m in payload.claims.moments if m.name == "detected_at"]
    last = datetime.max.replace(tzinfo=timezone.utc)
    return min((time.earliest for time in stated if time), default=last)


class Seen:
    """What was imported before: the payloads that are kept, and the keys of their claims."""

    def __init__(self) -> None:
        self.kept: set[str] = set()
        self.keys: set[tuple[str, str]] = set()
        # Those of this run that are to be kept.
        self.paths: set[str] = set()


def _seen(found: Found) -> Seen:
    seen = Seen()
    for path, kind in _kept(found):
        with suppress(Refusal, GateError):
            data = files.read_under(found.record.folder, path, bounds.FILE_BYTES)
            claims = read(kind, parsed(kind, data), data, path)
            seen.keys |= {(kind, key) for key in claims.keys}
            if path == Payload(kind, path, data, claims).path:
                seen.kept.add(path)
    return seen


def _kept(found: Found) -> Iterator[tuple[str, str]]:
    folder = found.record.folder / SOURCES
    if not folder.is_dir():
        return
    try:
        entries = files.shallow(folder)
    except Refusal as refusal:
        raise UsageError(f"{SOURCES}: {refusal.what}. {refusal.fix}") from None
    for entry in entries:
        kind = entry.name.rpartition("-")[0]
        if kind in kinds() and entry.kind == "file":
            yield f"{SOURCES}/{entry.name}", kind


def _filled(draft: Draft, payload: Payload, choices: Choices, seen: Seen) -> Iterator[str]:
    """Writes one payload's claims into the draft and says what went where."""
    again = payload.path in seen.kept | seen.paths
    if again:
        said = recovery.completed(draft, payload, choices.offset)
    else:
        said = _new(draft, payload, choices, seen)
    said += execution.filled(draft, payload, choices)
    yield f"From {payload.source} ({payload.name}):"
    if not said and (again or payload.claims.keys or payload.claims.execution):
        yield "  nothing new: the record says it already"
        return
    yield from (f"  {line}" for line in said or ["nothing in it fills a file of the record"])
    if not again:
        seen.paths.add(payload.path)
        yield f"  kept as {payload.path}"
        draft.notes += [*payload.claims.notes, *_secrets(payload)]


def _secrets(payload: Payload) -> list[str]:
    """What looks like a secret is kept with the rest, for a digest is of all of it: it is said."""
    found = masking.spans(payload.data.decode("utf-8", "replace"), {})
    if not found:
        return []
    kinds_ = ", ".join(dict.fromkeys(span.kind for span in found))
    said = f"what was imported holds what looks like a secret ({kinds_}). It stands as it came in"
    return [f"{said} {payload.path} and in what that filled: look before you commit it."]


def _new(draft: Draft, payload: Payload, choices: Choices, seen: Seen) -> list[str]:
    fresh = {key for key in payload.claims.keys if (payload.kind, key) not in seen.keys}
    seen.keys |= {(payload.kind, key) for key in fresh}
    if payload.claims.keys and not fresh:
        return []
    return [
        *logs.filled(draft, payload, fresh),
        *assessment.filled(draft, payload),
        *recovery.filled(draft, payload, choices.offset),
    ]


def _refuse_large(draft: Draft) -> None:
    """A file that grows beyond what is read would make the record unreadable."""
    for name in {entry.file for entry in draft.entries}:
        if len(draft.text(name).encode()) > bounds.FILE_BYTES:
            size = bounds.FILE_BYTES // bounds.MIB
            raise UsageError(f"{name} would become larger than {size} MiB; nothing was written.")


def _refuse_place(found: Found) -> None:
    """Payloads are kept in a folder of the record, and nowhere else."""
    folder = found.record.folder / SOURCES
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{SOURCES} in {found.record.incident_id} is no folder of its own.")


def _keep(found: Found, payload: Payload) -> None:
    path = found.record.folder / payload.path
    try:
        path.parent.mkdir(exist_ok=True)
        atomic.create(path, payload.data)
    except OSError as error:
        raise CouldNotTell(f"{payload.path} cannot be written: {error.strerror}") from error


def results(job: Job, source: str, offset: str, *, typed: bool) -> words.Answer:
    """Test results as results of recovery checks."""
    if typed:
        raise UsageError("--from says itself what was checked: leave the other options out.")
    return answered(add(job, [opened(source, ("junit",))], Choices(offset=offset)))


def answered(added: Added) -> words.Answer:
    """What a verb of ``record`` answers."""
    said = "; ".join(line.strip() for line in added.lines[1:])
    return words.answered(added.draft, said, "")
