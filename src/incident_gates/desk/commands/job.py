"""What a command of the desk asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incident_gates.run import Job


def job_of(
    *,
    paths: tuple[str, ...] = (),
    root: str | None = None,
    incident: str | None = None,
    incidents: tuple[str, ...] = (),
    policy: str | None = None,
    as_of: str | None = None,
) -> Job:
    """The records that options of the command line select."""
    from incident_gates.discover import Selection
    from incident_gates.run import Job

    wanted = (*incidents, *((incident,) if incident else ()))
    return Job(Selection(paths, root, wanted), policy=policy, as_of=as_of)
