"""The examination: what each check finds in a repository, in the order in which it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.desk.setup import folders, running_on, tracked, triggers
from incident_gates.desk.setup.answers import Answer, unknown
from incident_gates.desk.setup.checks import CHECKS
from incident_gates.desk.setup.patient import Patient
from incident_gates.errors import CouldNotTell, UsageError

if TYPE_CHECKING:
    from pathlib import Path


# From what it runs on to what runs it; each module registers its checks.
ORDER = [module.__name__ for module in (running_on, tracked, folders, triggers)]
NAMES = sorted(CHECKS, key=lambda name: ORDER.index(CHECKS[name].__module__))


def examined(cwd: Path, root: str | None) -> list[Answer]:
    """What every check says; one that cannot tell is heard, and the others go on."""
    patient = Patient.at(cwd, root)
    return [_asked(name, patient) for name in NAMES]


def _asked(name: str, patient: Patient) -> Answer:
    try:
        answer = CHECKS[name](patient)
    except (CouldNotTell, UsageError) as error:
        answer = unknown(str(error))
    return answer._replace(check=name)
