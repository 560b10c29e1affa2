"""Judges many records, each let go as soon as it is judged; on all cores when they are many."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from incident_gates import engine, parallel, progress, protocol
from incident_gates.incident import Record
from incident_gates.policy import Limits, Policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from incident_gates.engine import Request
    from incident_gates.model import IncidentReport

# Below this, starting a second process costs more than it saves.
MANY = 150
CHUNK = 50


class _Setting(NamedTuple):
    """What every record of a run is judged with; it travels to each worker once."""

    policy: Policy
    flags: dict[str, float]
    tighten_only: bool
    now: datetime
    request: Request


def judge_all(
    records: list[Record], limits: Limits, now: datetime, request: Request
) -> Iterator[IncidentReport]:
    """The reports on all records, in their order; the list is emptied on the way."""
    return progress.shown(_judged(records, limits, now, request), len(records))


def _judged(
    records: list[Record], limits: Limits, now: datetime, request: Request
) -> Iterator[IncidentReport]:
    if not parallel.pays(len(records), MANY):
        records.reverse()
        while records:
            yield engine.judge(records.pop(), limits, now, request)
        return
    policy = limits.policy._replace(data=dict(limits.policy.data))
    setting = _Setting(policy, dict(limits.flags), limits.flags_tighten_only, now, request)
    places = [(r.folder, r.site, r.base, r.flat) for r in records]
    records.clear()
    yield from parallel.mapped(_judge, places, _begin, (setting,), chunk=CHUNK)


_current: list[tuple[Limits, _Setting]] = []


def _begin(setting: _Setting) -> None:
    tighten_only = setting.tighten_only
    limits = Limits(protocol.load(), setting.policy, setting.flags, flags_tighten_only=tighten_only)
    _current.append((limits, setting))


def _judge(place: tuple[Path, Path, Path, bool]) -> IncidentReport:
    limits, setting = _current[-1]
    folder, site, base, flat = place
    record = Record(folder, site=site, base=base, protocol=limits.protocol, flat=flat)
    return engine.judge(record, limits, setting.now, setting.request)
