"""Reads the workflows of a repository, which a stranger's pull request may bring."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.evidence import bounds, files, strict_yaml
from incident_gates.evidence.refusal import Refusal
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = ".github/workflows"
MOST = 200
ACTION = re.compile(r"incident-gates/incident-gates(?:@.+)?\Z", re.IGNORECASE)
REUSABLE = re.compile(
    r"incident-gates/incident-gates/\.github/workflows/gates\.yml@.+\Z", re.IGNORECASE
)
COMMAND = re.compile(r"\bincident-gates\s+(?:check|aggregate)\b|\b(?:run_protocol|validate)_\w*13")
CHECKOUT = re.compile(r"actions/checkout@", re.IGNORECASE)
PYTHON = re.compile(r"actions/setup-python@", re.IGNORECASE)
Pointer = tuple[str | int, ...]


class Step(NamedTuple):
    """One step of a job, and where it stands."""

    data: dict[str, Any]
    pointer: Pointer

    def uses(self, pattern: re.Pattern[str]) -> bool:
        """Whether it uses an action of that name."""
        return bool(pattern.match(str(self.data.get("uses", ""))))

    def given(self, name: str) -> Any:
        """What the action is given, or None."""
        return mapping(self.data.get("with")).get(name)


class Job(NamedTuple):
    """One job with its steps, as far as they can be read."""

    data: dict[str, Any]
    pointer: Pointer
    steps: tuple[Step, ...]
    ours: bool


class Workflow(NamedTuple):
    """One workflow: what it says, and ``refused`` where that could not be read."""

    path: str
    data: dict[str, Any] = {}  # noqa: RUF012 - never written to
    marks: dict[Pointer, tuple[int, int]] = {}  # noqa: RUF012 - never written to
    jobs: tuple[Job, ...] = ()
    refused: str = ""

    @property
    def ours(self) -> bool:
        """Whether it runs the gates."""
        return any(job.ours for job in self.jobs)

    def place(self, *pointer: str | int) -> str:
        """File and line of what stands there, or of the innermost part that does."""
        while pointer and pointer not in self.marks:
            pointer = pointer[:-1]
        line = self.marks.get(pointer, (1, 1))[0]
        return f"{visible(self.path)}:{line}"

    def trigger(self, name: str) -> dict[str, Any] | None:
        """What is said of an event; None where the workflow does not run on it."""
        on = self.data.get("on")
        if isinstance(on, dict):
            return mapping(on[name]) if name in on else None
        named = on if isinstance(on, list) else [on]
        return {} if name in named else None


def mapping(value: Any) -> dict[str, Any]:
    """A mapping, or an empty one."""
    return value if isinstance(value, dict) else {}


def every(base: Path) -> Iterator[Workflow]:
    """The workflows that name us; others are nobody's business here."""
    try:
        entries = files.shallow(base / FOLDER)
    except Refusal:
        return
    names = [e.name for e in entries if e.name.endswith((".yml", ".yaml"))]
    for name in names[:MOST]:
        workflow = _read(base, f"{FOLDER}/{name}")
        if workflow.ours or workflow.refused:
            yield workflow


def _read(base: Path, path: str) -> Workflow:
    try:
        text = files.decode(files.read_under(base, path, bounds.FILE_BYTES))
        if "incident-gates" not in text.lower() and not COMMAND.search(text):
            return Workflow(path)
        parsed = strict_yaml.parse(text)
    except Refusal as refusal:
        where = f" (line {refusal.line})" if refusal.line else ""
        return Workflow(path, refused=f"{refusal.what}{where}")
    data = mapping(parsed.value)
    jobs = tuple(_job(mapping(job), ("jobs", name)) for name, job in _jobs(data))
    return Workflow(path, data, parsed.marks, jobs)


def _jobs(data: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from mapping(data.get("jobs")).items()


def _job(data: dict[str, Any], pointer: Pointer) -> Job:
    listed = data.get("steps")
    steps = tuple(
        Step(step, (*pointer, "steps", number))
        for number, step in enumerate(listed if isinstance(listed, list) else ())
        if isinstance(step, dict)
    )
    ours = bool(REUSABLE.match(str(data.get("uses", "")))) or any(map(is_ours, steps))
    return Job(data, pointer, steps, ours)


def is_ours(step: Step) -> bool:
    """Whether a step runs the gates."""
    return step.uses(ACTION) or bool(COMMAND.search(str(step.data.get("run", ""))))
