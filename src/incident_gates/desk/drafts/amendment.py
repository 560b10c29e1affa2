"""``new amendment``: an entry in amendments.yaml for what is not as it was sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates import amendments, seal
from incident_gates.desk import found as finding
from incident_gates.desk.drafts import kept, yaml_text
from incident_gates.desk.drafts.excuse import requester
from incident_gates.errors import UsageError
from incident_gates.evidence.refusal import Refusal
from incident_gates.report.escape import visible
from incident_gates.wording import counted

if TYPE_CHECKING:
    from incident_gates.desk.drafts import Options
    from incident_gates.desk.found import Found
    from incident_gates.incident import Record
    from incident_gates.seal import Difference

SHOWN = 8


def write(what: str, found: Found, _: Options) -> kept.Written:
    """Drafts the entry: the files with both digests; why, and who approved, is typed."""
    record = found.record
    differences = _differences(found)
    fields: dict[str, Any] = {
        "id": _next_id(record),
        "at": finding.shown(found.now),
        "by": requester(found),
        "why": "TODO why a sealed record had to change",
        "approved_by": [{"name": "TODO who approved it", "role": "incident_commander"}],
        "files": [_file(difference) for difference in differences],
    }
    entry = yaml_text.block(fields, {"at": "correct it if the record was changed earlier"})
    fresh = yaml_text.add(record, seal.AMENDMENTS, entry)
    state = kept.WRITTEN if fresh else kept.ADDED
    path, todo = f"{record.path}/{seal.AMENDMENTS}", kept.placeholders(entry)
    notes = [_said(difference) for difference in differences[:SHOWN]]
    more = len(differences) - SHOWN
    notes += [f"and {counted(more, 'more file')}"] if more > 0 else []
    return kept.Written(what, record.incident_id, path, state, todo, tuple(notes))


def _differences(found: Found) -> list[Difference]:
    """What is not as sealed and no amendment in the file explains, in force or not."""
    record = found.record
    try:
        sealed = seal.read(record)
        if sealed is None or not sealed.sealed:
            raise UsageError("The record is not sealed, so it can be changed without an amendment.")
        drafted = amendments.read(found.chain)
        steps = [s for a in drafted if a.id not in sealed.settled for s in a.steps]
        differences = list(seal.uncovered(record, sealed, steps).all)
    except Refusal as refusal:
        raise UsageError(f"{seal.MANIFEST}: {refusal.what}. {refusal.fix}") from refusal
    unread = next((d for d in differences if d.why), None)
    if unread:
        raise UsageError(
            f"{visible(unread.path, 200)}: {unread.why}. Mend it, then run this again."
        )
    if not differences:
        raise UsageError("Every sealed file is as it was sealed, or has its amendment already.")
    return differences


def _next_id(record: Record) -> str:
    taken = {entry["id"].text for entry in record.node(seal.AMENDMENTS)["entries"]}
    number = 1
    while f"A-{number}" in taken:
        number += 1
    return f"A-{number}"


def _file(difference: Difference) -> dict[str, Any]:
    return {"path": difference.path, "old_sha256": difference.old, "new_sha256": difference.new}


def _said(difference: Difference) -> str:
    verb = "added" if difference.old is None else "removed" if difference.new is None else "changed"
    return f"{visible(difference.path, 120)}: {verb} since it was sealed"
