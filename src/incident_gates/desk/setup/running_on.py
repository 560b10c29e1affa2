"""Checks of what the gates run on: Python, git, and what may be installed beside them."""

from __future__ import annotations

import re
from importlib import metadata
from typing import TYPE_CHECKING

from incident_gates.desk.setup.answers import Answer, good, hint, unknown, wrong
from incident_gates.desk.setup.checks import check
from incident_gates.evidence import history

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.desk.setup.patient import Patient

OLDEST_PYTHON = (3, 10)
# Older ones pass over the settings that keep a planted repository from running its own commands.
OLDEST_GIT = (2, 31)
_EXTRA = re.compile(r"""^(?P<name>[\w.-]+).*;.*extra\s*==\s*['"](?P<extra>[\w.-]+)['"]""")


@check("python")
def python(patient: Patient) -> Answer:
    """Old Pythons cannot run it at all, and a new one may be beside an old one."""
    shown = ".".join(map(str, patient.python))
    if patient.python[:2] < OLDEST_PYTHON:
        return wrong(f"Python {shown} is too old.", "Install Python 3.10 or newer.")
    return good(f"Python {shown}")


@check("git")
def git(patient: Patient) -> Answer:
    """Without git there is no history, no base commit, no staged file."""
    answer = history.ask(patient.base, "version")
    if answer is None:
        return wrong("git cannot be run here.", "Install git, or put it on the PATH.")
    found = re.search(rb"(\d+)\.(\d+)[\w.]*", answer)
    if found is None:
        return unknown("git does not say its version.", "See: git version")
    version = found.group().decode("ascii", "replace")
    if (int(found[1]), int(found[2])) < OLDEST_GIT:
        return wrong(f"git {version} is too old to be asked safely.", "Install git 2.31 or newer.")
    return good(f"git {version}")


@check("extras")
def extras(_: Patient) -> Answer:
    """What can be installed beside the gates, and is not."""
    try:
        required = metadata.requires("incident-gates") or []
    except metadata.PackageNotFoundError:
        return good("Run from a checkout: nothing is installed beside it.")
    missing = sorted({extra for extra, name in _optional(required) if not _there(name)})
    if not missing:
        return good("Everything optional is installed.")
    said = f"Not installed, and needed by some commands alone: {', '.join(missing)}."
    return hint(said, f'pip install "incident-gates[{",".join(missing)}]"')


def _optional(required: list[str]) -> Iterator[tuple[str, str]]:
    for line in required:
        if found := _EXTRA.match(line):
            yield found["extra"], found["name"]


def _there(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
