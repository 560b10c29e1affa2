"""Writes a draft so that nothing anybody typed is ever overwritten."""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import atomic, derived, lock, seal
from incident_gates.desk import says, templates
from incident_gates.errors import UsageError
from incident_gates.evidence.refusal import Refusal
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_gates.desk.found import Found
    from incident_gates.incident import Document

WRITTEN, REFRESHED, CURRENT, EDITED, ADDED = "written", "refreshed", "current", "edited", "added"
SAID = {
    WRITTEN: "Wrote {file}",
    REFRESHED: "Derived {file} anew",
    CURRENT: "{file} is up to date: nothing to write",
    EDITED: "{file} holds words that somebody typed, so it is left as it is",
    ADDED: "Added to {file}",
}
DIFF_LINES = 200


class Written(NamedTuple):
    """What became of a draft: its file as seen from the repository, and what there is to say.

    ``state`` is written, refreshed, added, current, or edited: then nothing was written, and
    ``diff`` leads from the file as it stands to what would be derived now.
    """

    what: str
    incident_id: str
    file: str
    state: str
    todo: int = 0
    notes: tuple[str, ...] = ()
    diff: str = ""

    @property
    def exit_code(self) -> int:
        """1 where the file was left alone because somebody edited it."""
        return int(self.state == EDITED)

    @property
    def as_json(self) -> dict[str, Any]:
        """The same as data."""
        given = {name: getattr(self, name) for name in ("what", "incident_id", "file", "state")}
        return {**given, "todo": self.todo, "notes": list(self.notes), "diff": self.diff}

    @property
    def text(self) -> str:
        """What was done and what comes next, for the terminal."""
        lines = says.wrapped(SAID[self.state].format(file=self.file) + ".", "  ")
        lines += [part for note in self.notes for part in says.wrapped(note, "  ")]
        if self.state == EDITED:
            lines += self.diff.splitlines()
            lines += says.wrapped(
                "Take over by hand what you need of this; or move the file away and run it again."
            )
        elif self.todo:
            gaps = "1 TODO is" if self.todo == 1 else f"{self.todo} TODOs are"
            lines += says.wrapped(f"{gaps} left for you. Then:")
        if self.state != EDITED:
            lines.append(f"  incident-gates status --incident {self.incident_id}")
        return "\n".join(lines) + "\n"


def front(found: Found, name: str, body: str, sources: Iterable[str], day: str) -> str:
    """The front matter of a derived file: what it was made from, and what was made."""
    documents = (found.record.document(source) for source in sources)
    read = [d for d in documents if d and d.refusal is None]
    lines = ["---", f"incident_id: {_scalar(found.record.incident_id)}", f"date: {day}"]
    lines += ["derived_from:"] if read else ["derived_from: []"]
    lines += [f"  - {{file: {d.name}, sha256: {d.sha256}}}" for d in read]
    lines += [f"derived_sha256: {derived.body_digest(name, body)}", "---", ""]
    return "\n".join(lines)


def _scalar(text: str) -> str:
    """An id as YAML reads it back: quoted where it could be a number or a word of YAML."""
    return text if re.fullmatch(r"[A-Z]{2,}-[\w.-]+", text) else json.dumps(text)


def put(what: str, found: Found, name: str, text: str, notes: Iterable[str] = ()) -> Written:
    """Writes a derived file, refreshes one that nobody edited, and leaves any other alone."""
    record = found.record
    blank = Written(what, record.incident_id, f"{record.path}/{name}", WRITTEN)
    same = blank._replace(state=CURRENT, todo=placeholders(text), notes=tuple(notes))
    done = same._replace(state=WRITTEN, notes=(*same.notes, *sealed_note(found, name)))
    with lock.held(record.folder):
        if atomic.create(record.folder / name, text.encode()):
            return done
        standing = _standing(found, name)
        if standing.text == text:
            return same
        if not may_replace(standing):
            return blank._replace(state=EDITED, diff=_diff(name, standing.text, text))
        atomic.write(record.folder / name, text.encode())
    return done._replace(state=REFRESHED if derived.is_derived(standing) else WRITTEN)


def _standing(found: Found, name: str) -> Document:
    """The file as it stands now, read under the lock."""
    fresh = found.record.again().document(name)
    if fresh is None or fresh.refusal:
        why = fresh.refusal.what if fresh and fresh.refusal else "it cannot be read"
        raise UsageError(f"{name} is left as it is: {why}. Mend or remove it, then run it again.")
    return fresh


def may_replace(standing: Document) -> bool:
    """Whether a file holds nothing that anybody typed."""
    if derived.is_derived(standing):
        return "derived_sha256" in standing.value.front and not derived.is_edited(standing)
    if standing.name == derived.TIMELINE:  # events that were recorded into it will be kept
        return templates.untouched(standing.name, standing.text, derived.is_own)
    return templates.untouched(standing.name, standing.text)


def _diff(name: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(
        derived.body(old).splitlines(),
        derived.body(new).splitlines(),
        name,
        "now",
        lineterm="",
        n=1,
    )
    shown = [visible(line, 300) for line in lines]
    more = [f"… and {len(shown) - DIFF_LINES} more lines"] if len(shown) > DIFF_LINES else []
    return "\n".join([*shown[:DIFF_LINES], *more])


_TODO = re.compile(r"\bTODO\b")


def sealed_note(found: Found, name: str) -> list[str]:
    """What a change of a sealed file asks for."""
    try:
        sealed = seal.read(found.record)
    except Refusal:
        return []  # what is wrong with the manifest is said by the gates
    if sealed is None or not sealed.sealed or name in seal.outside(found.record.protocol):
        return []
    return ["The record is sealed: say why it changed with `incident-gates new amendment`."]


def placeholders(text: str) -> int:
    """How many places are left to a person."""
    return len(_TODO.findall(text))
