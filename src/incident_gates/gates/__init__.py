"""The rules of each gate; importing this package registers all of them."""

from incident_gates.gates import (
    custody,
    excuses,
    files,
    learning,
    mitigation,
    prerequisites,
    recovery,
    resolution,
    severity,
)

__all__ = [
    "custody",
    "excuses",
    "files",
    "learning",
    "mitigation",
    "prerequisites",
    "recovery",
    "resolution",
    "severity",
]
