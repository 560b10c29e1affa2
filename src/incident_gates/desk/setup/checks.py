"""The registry of checks: each is one small function that looks at one thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from incident_gates.desk.setup.answers import Answer
    from incident_gates.desk.setup.patient import Patient

    Check = Callable[[Patient], Answer]

CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    """Puts a check into the registry."""

    def registered(function: Check) -> Check:
        if name in CHECKS:
            raise ValueError(name)
        CHECKS[name] = function
        return function

    return registered
