"""Finds the one record that a command of the desk is about."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import discover, run
from incident_gates.chain import Chain
from incident_gates.errors import UsageError

if TYPE_CHECKING:
    from incident_gates.incident import Record
    from incident_gates.policy import Limits


class Found(NamedTuple):
    """A record with what it is judged by, at a moment."""

    record: Record
    limits: Limits
    now: datetime

    @property
    def chain(self) -> Chain:
        """The record's events, read anew."""
        return Chain(self.record, self.limits, self.now)


def moment() -> datetime:
    """Now."""
    return datetime.now(timezone.utc)


def shown(time: datetime) -> str:
    """A moment as it is recorded: UTC, to the second."""
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def every(job: run.Job) -> list[Found]:
    """Every record selected; raises UsageError where there is none."""
    limits, _ = run.limits_of(job)
    now = run.moment(job.as_of)
    records, _ = discover.records(job.selection, limits.policy, limits.protocol, job.here)
    if not records:
        raise UsageError(run.BEGIN)
    return [Found(record, limits, now) for record in records]


def one(job: run.Job) -> Found:
    """The record that is meant; without an id, the only open one."""
    found = every(job)
    if len(found) > 1:
        found = [f for f in found if not is_over(f.chain)]
    if len(found) != 1:
        names = ", ".join(f.record.incident_id for f in found[:5])
        said = f"Several incidents are open: {names}" if found else "No incident is open"
        raise UsageError(f"{said}. Say which one with --incident ID.")
    return found[0]


def is_over(chain: Chain) -> bool:
    """Whether nothing more is expected of a record."""
    return chain.closed or chain.false_positive
