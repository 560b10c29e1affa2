"""Whether a record that was sealed may be sealed again, and the seals that it had before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates import amendments, seal
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence.refusal import Refusal
from incident_gates.package import own
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from incident_gates.chain import Chain
    from incident_gates.incident import Record
    from incident_gates.seal import Differences

SHOWN = 3
NOT_COMMITTED = f"If no commit holds this package yet, remove {own.MANIFEST} instead."


def seals(chain: Chain, committed: bytes | None) -> list[dict[str, Any]]:
    """The earlier seals of a record, the last one among them where it no longer fits.

    ``committed`` is the manifest as the last commit has it, where the folder has another or none:
    a seal does not end because somebody edits it. Raises UsageError where the record was sealed
    and differs, and no amendment says why.
    """
    try:
        last = seal.parse(committed) if committed else seal.read(chain.record)
        if last is None or not _is_ours(chain.record):
            return []
        earlier = [_entry(e.sha256, e.as_of, e.amendments) for e in last.seals]
        if not last.sealed or not _sealable(seal.differences(chain.record, last)):
            return earlier
        _refuse(chain.record, _sealable(amendments.uncovered(chain, last)))
    except Refusal as refusal:
        said = f"{chain.record.path}: {refusal.what}. {refusal.fix}"
        raise CouldNotTell(said) from refusal
    return [*earlier, _entry(last.sha256, last.as_of, amendments.covering(chain, last))]


def _sealable(found: Differences) -> Differences:
    """Without what no manifest lists: links, and names that mean something else elsewhere."""
    return found._replace(
        added=tuple(d for d in found.added if not d.why and not seal.unusual(d.path))
    )


def _is_ours(record: Record) -> bool:
    """Somebody else's file of that name is no seal; it is refused where it would be replaced."""
    path = record.folder / own.MANIFEST
    return own.is_own(path) or not path.exists()


def _entry(sha256: str, as_of: str, ids: tuple[str, ...]) -> dict[str, Any]:
    return {"sha256": sha256, "as_of": as_of, "amendments": list(ids)}


def _refuse(record: Record, found: Differences) -> None:
    if not found:
        return
    names = [visible(d.path) for d in found.all]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    listed = ", ".join(names[:SHOWN]) + more
    name = visible(record.incident_id, 64)
    raise UsageError(
        f"{name} was sealed, and no amendment covers what changed since: {listed}. Say why with "
        f"incident-gates new amendment --incident {name}, then aggregate again. {NOT_COMMITTED}"
    )
