"""The rules of each gate; importing this package registers all of them."""

from incident_gates.gates import (
    excuses,
    files,
    mitigation,
    prerequisites,
    recovery,
    resolution,
    severity,
)

__all__ = [
    "excuses",
    "files",
    "mitigation",
    "prerequisites",
    "recovery",
    "resolution",
    "severity",
]
