"""Begins a record, and later adds the files of the phase that it has come to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import atomic, discover, protocol, schema
from incident_gates.desk import says, templates
from incident_gates.desk.found import Found, moment
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.incident import Record
from incident_gates.policy import Limits
from incident_gates.report.escape import visible
from incident_gates.wording import counted

if TYPE_CHECKING:
    from incident_gates.chain import Chain
    from incident_gates.discover import Root

ATTEMPTS = 100


class Begun(NamedTuple):
    """What was written, and what there is to say about it."""

    incident_id: str
    path: str
    phase: int
    written: tuple[str, ...]
    notes: tuple[str, ...]
    # What --from filled, in lines.
    filled: tuple[str, ...] = ()
    # The command to type next.
    next: str = ""


def begin(incident_id: str | None, root: str | None, cwd: Path) -> Begun:
    """Makes the folder where there is none, and writes the files that the phase lacks."""
    place, limits = _root(root, cwd)
    discover.refuse_what_is_elsewhere(place)
    if incident_id is not None:
        _check_id(incident_id)
    try:
        folder = _folder(place.folder, incident_id)
        record = Record(folder, site=place.site, base=place.base, protocol=limits.protocol)
        return _written(Found(record, limits, moment()), place)
    except OSError as error:
        raise CouldNotTell(f"The record cannot be written: {error.strerror}") from error


def _root(root: str | None, cwd: Path) -> tuple[Root, Limits]:
    start = (cwd / root).absolute() if root else cwd
    policy = discover.read_policy(None, start)
    if root:
        place = discover.root_at(Path(*start.parts))
    else:
        base = discover.repository(cwd)
        name = next(iter(policy.data.get("roots", ())), discover.ROOT)
        place = discover.root_at(base / name)._replace(base=base)
    return place, Limits(protocol.load(), policy)


def _check_id(incident_id: str) -> None:
    shape = schema.load(schema.COMMON)["$defs"]["id"]
    if not re.fullmatch(shape["pattern"], incident_id):
        raise UsageError(f"{incident_id!r} is no incident id: {shape['$comment']}")


def _folder(root: Path, incident_id: str | None) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    if incident_id is None:
        return _next_folder(root)
    _check_twin(root, incident_id)
    folder = root / incident_id
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{incident_id} stands there already and is no folder.")
    folder.mkdir(exist_ok=True)
    return folder


def _check_twin(root: Path, incident_id: str) -> None:
    """Two ids that differ in case alone would be one folder on another machine."""
    folded = incident_id.casefold()
    twins = [p.name for p in root.iterdir() if p.name.casefold() == folded]
    if twins and incident_id not in twins:
        raise UsageError(
            f"There is {twins[0]} already, which differs in upper and lower case only."
        )


def _next_folder(root: Path) -> Path:
    """The next free number of the year; another who takes it at this moment takes only that one."""
    prefix = f"INC-{moment().year}-"
    for _ in range(ATTEMPTS):
        numbered = re.compile(rf"{prefix}(\d{{1,9}})", re.IGNORECASE)
        taken = [int(m[1]) for p in root.iterdir() if (m := numbered.fullmatch(p.name))]
        folder = root / f"{prefix}{max(taken, default=0) + 1:04}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise CouldNotTell("No free incident number was found; name one: incident-gates new ID")


def _written(found: Found, place: Root) -> Begun:
    record, artifacts = found.record, found.limits.protocol.artifacts.values()
    phase = phase_to_write(found.chain)
    over = found.chain.false_positive
    wanted = [a.file for a in artifacts if a.required and a.phase <= phase and not over]
    absent = [n for n in wanted if n not in record.names and not record.reason_not_available(n)]
    contents = {name: templates.filled(name, found) for name in absent}
    written = [name for name, data in contents.items() if atomic.create(record.folder / name, data)]
    notes = _pins(found) if "prerequisites.json" in written else []
    last = max(a.phase for a in artifacts if a.required)
    copied, said = copies(found) if phase == last else ([], [])
    ignored = discover.ignored_notice(place)
    notes += said + ([f"Note: {ignored}"] if ignored else [])
    notes += ["The alert was a false positive: nothing more is asked for."] if over else []
    return Begun(record.incident_id, record.path, phase, (*written, *copied), tuple(notes))


def phase_to_write(chain: Chain) -> int:
    """The phase whose files are wanted: the record's own, or the next once that one has ended."""
    if chain.false_positive:
        return 1
    if chain.phase == 2 and _approved(chain):  # noqa: PLR2004
        return 3
    if chain.phase == 3 and _recovered(chain):  # noqa: PLR2004
        return 4
    return chain.phase


def _approved(chain: Chain) -> bool:
    live = [d for d in chain.decisions if chain.superseding(d) is None]
    return bool(live) and all(r.approval for r in chain.required_approvals(live[-1], None))


def _recovered(chain: Chain) -> bool:
    wanted = chain.limits.threshold("recovery_pass_rate")
    return chain.recovered is not None and (chain.pass_rate or 0) >= wanted


def _pins(found: Found) -> list[str]:
    names = [entry["file"] for entry in templates.pinned(found)]
    return [f"Pinned by digest: {', '.join(names)}"] if names else []


def copies(found: Found) -> tuple[list[str], list[str]]:
    """Keeps a copy of each pinned input that is still the one that was pinned."""
    record, copied, notes = found.record, [], []
    for entry in found.chain.prerequisites["inputs"]:
        name, digest = entry["file"].text, entry["sha256"].text
        known = {e["file"] for e in found.limits.protocol.inputs}
        document = record.document(name) if name in known and name not in record.names else None
        if document is None or not digest:
            continue
        if document.data and document.sha256 == digest:
            copied += [name] if atomic.create(record.folder / name, document.data) else []
        else:
            notes.append(f"Not copied: {document.path} is not the file that was pinned.")
    if copied:
        notes.append("Copied the pinned inputs: the next deployment may overwrite them upstream.")
    return copied, notes


def text(begun: Begun) -> str:
    """What was done and what comes next, for the terminal."""
    count = len(begun.written)
    lines = [f"{begun.incident_id}  phase {begun.phase} of 4", f"  {visible(begun.path)}", ""]
    said = f"Wrote {counted(count, 'file')}" if count else "Nothing to write"
    if count or not begun.filled:
        lines.append(f"{said}:" if count else f"{said}: every file of this phase is there.")
    lines += [f"  {name}" for name in begun.written]
    lines += [part for line in begun.filled for part in says.wrapped(line, "    ")]
    lines += [part for note in begun.notes for part in says.wrapped(note, "  ")]
    announced = protocol.load().data["phases"][begun.phase - 1]["announcement"]
    look = f"incident-gates status --incident {begun.incident_id}"
    lines += ["", *says.wrapped(announced), *says.wrapped(f"Next: {begun.next or look}", " " * 6)]
    if count and begun.next:
        by_hand = f"or:   write over each TODO by hand; then: {look}"
        lines += says.wrapped(by_hand, " " * 6)
    return "\n".join(lines) + "\n"
