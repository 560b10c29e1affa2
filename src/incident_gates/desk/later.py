"""Whether a record is being written down later than it happened, and the commands that say so."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from incident_gates.chain import once
from incident_gates.desk.verbs import PROGRAM
from incident_gates.evidence import times

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from incident_gates.chain import Chain

LONG_AGO = timedelta(days=1)
# These are said of the past already, or of now.
UNDATED = (" --id ", " --status closed", " --plan ")


def dated(command: str, chain: Chain) -> str:
    """The command with the time that it is about, where the record is written down later."""
    past, last = _times(chain)
    backfilled = bool(past and (last is None or past > last))
    # What waits to be run is run now, however long ago it was decided.
    long_ago = bool(last and not chain.resolved and chain.now - last > LONG_AGO)
    if not (backfilled or (long_ago and " -- " not in command)):
        return command
    if command.startswith(f"{PROGRAM} new ") and " NAME" in command:
        return f"{command} --at TIME"
    if not command.startswith(f"{PROGRAM} record ") or any(w in command for w in UNDATED):
        return command
    head, dash, run = command.partition(" -- ")
    at = "" if " --at " in head else " --at TIME"
    ended = " --ended TIME --exit-code CODE" if dash else ""
    return f"{head}{at}{ended} --source TEXT{dash}{run}"


@once
def _times(chain: Chain) -> tuple[datetime | None, datetime | None]:
    """When something was last written down later, and when the last entry of its own time is."""
    found = [
        pair
        for name in chain.record.names & chain.record.protocol.artifacts.keys()
        if name.endswith(".json") and (document := chain.record.document(name))
        for pair in _written(document.value)
    ]
    logged = [n.time for n in chain.notices]
    logged += [e.time for log in (chain.intake[0], chain.timeline) for e in log.entries]
    live = [at for at, later in found if not later] + [t.earliest for t in logged if t]
    past = [at for at, later in found if later and at <= chain.now]
    last = max((at for at in live if at <= chain.now), default=None)
    return max(past, default=None), last


def _written(value: Any) -> Iterator[tuple[datetime, bool]]:
    """Each time of an entry; of one that was written down later, when that was."""
    if isinstance(value, dict):
        recorded = times.from_value(value.get("recorded_at"))
        if recorded:
            yield recorded.earliest, True
        for key, inside in value.items():
            at = times.from_value(inside) if key.endswith("_at") and key != "expires_at" else None
            if at and not recorded:
                yield at.earliest, False
            elif key not in ("standing", "x-example"):
                yield from _written(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _written(inside)
