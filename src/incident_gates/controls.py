"""Which controls of which framework a criterion or a file speaks to; the mapping is our own."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from incident_gates.errors import ConfigurationError
from incident_gates.evidence import strict_yaml
from incident_gates.evidence.refusal import Refusal

PATH = Path(__file__).with_name("controls.yaml")
NIST = "nist_800_53"
LISTS = ("criteria", "files", "objectives")


class Control(NamedTuple):
    """One control; ``title`` is empty where its framework has none, or keeps its wording."""

    framework: str
    name: str
    id: str
    title: str


class Mapping(NamedTuple):
    """One row: what it is about, and the criteria, files, objectives and controls it joins."""

    about: str
    criteria: tuple[str, ...]
    files: tuple[str, ...]
    objectives: tuple[str, ...]
    controls: tuple[Control, ...]


@lru_cache(maxsize=1)
def load() -> tuple[Mapping, ...]:
    """The mapping that this version of the tool carries."""
    return read(PATH.read_text(encoding="utf-8"))


def read(text: str) -> tuple[Mapping, ...]:
    """The mapping in a YAML text; raises ConfigurationError where an id cannot be one."""
    try:
        data = strict_yaml.parse(text).value
    except Refusal as refusal:
        raise ConfigurationError(f"controls.yaml: {refusal.what}") from refusal
    rows = tuple(_row(entry, data["frameworks"]) for entry in data["mapping"])
    if problems := _problems(rows, data["frameworks"]):
        raise ConfigurationError(f"controls.yaml: {'; '.join(problems)}.")
    return rows


def _row(entry: dict[str, Any], frameworks: dict[str, Any]) -> Mapping:
    controls = tuple(
        Control(key, frameworks[key]["name"], each, frameworks[key].get("titles", {}).get(each, ""))
        for key, ids in entry["controls"].items()
        for each in ids
    )
    criteria, files, objectives = (tuple(entry.get(key, ())) for key in LISTS)
    return Mapping(entry["about"], criteria, files, objectives, controls)


def _problems(rows: tuple[Mapping, ...], frameworks: dict[str, Any]) -> list[str]:
    """Ids that are misspelt, withdrawn, or without the title that their framework has."""
    found = []
    for control in (control for row in rows for control in row.controls):
        framework = frameworks[control.framework]
        withdrawn = framework.get("withdrawn", ())
        if not re.fullmatch(framework["pattern"], control.id):
            found.append(f"{control.id!r} is no id of {control.name}")
        elif control.id in withdrawn or control.id.split("-")[0] in withdrawn:
            found.append(f"{control.id} of {control.name} is withdrawn")
        elif "titles" in framework and not control.title:
            found.append(f"{control.id} of {control.name} has no title here")
    return found


def of(gate: str, criterion: str) -> tuple[Control, ...]:
    """The controls that a gate's criterion speaks to."""
    wanted = f"{gate}/{criterion}"
    rows = (row for row in load() if wanted in row.criteria)
    return tuple(dict.fromkeys(control for row in rows for control in row.controls))


def of_file(name: str) -> tuple[Control, ...]:
    """The controls that a file of evidence speaks to."""
    rows = (row for row in load() if name in row.files)
    return tuple(dict.fromkeys(control for row in rows for control in row.controls))


def objectives() -> dict[str, tuple[str, ...]]:
    """Each objective of NIST SP 800-53A that is known here, with the criteria that show it."""
    return {each: row.criteria for row in load() for each in row.objectives}


def told(controls: tuple[Control, ...]) -> str:
    """Controls as one line people read: ``NIST CSF 2.0: RC.RP-01, RC.RP-02 · SOC 2 …``."""
    by_name: dict[str, list[str]] = {}
    for control in controls:
        by_name.setdefault(control.name, []).append(control.id)
    return " · ".join(f"{name}: {', '.join(ids)}" for name, ids in by_name.items())
