"""Loads protocol.yaml and refuses it where it contradicts itself."""

import hashlib
import itertools
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from incident_gates.errors import ConfigurationError
from incident_gates.evidence import strict_yaml
from incident_gates.evidence.refusal import Refusal

PATH = Path(__file__).with_name("protocol.yaml")


class Artifact(NamedTuple):
    """A file that a record may hold; ``gate`` is empty for files that no gate reads.

    What is ``outside_seal`` may change after the record was sealed.
    """

    file: str
    gate: str
    phase: int
    required: bool
    home_of: str
    outside_seal: bool = False


class Gate(NamedTuple):
    """One gate; ``waiver`` holds the roles that together may waive it (empty: nobody may)."""

    id: str
    number: int
    name: str
    evidence: tuple[str, ...]
    criteria: dict[str, str]
    asks: str
    pass_threshold: str
    failure_handling: str
    due: str
    waiver: tuple[str, ...]


class Severity(NamedTuple):
    """The floors of one severity; rank 1 is the worst."""

    name: str
    rank: int
    assessors: int
    audiences: tuple[str, ...]
    approvers: tuple[str, ...]
    operator_may_approve: bool
    update_minutes: float | None


class Protocol:
    """The protocol as read, with its digest; ``data`` is the file's whole content."""

    def __init__(self, data: dict[str, Any], sha256: str) -> None:
        self.data = data
        self.sha256 = sha256

    @property
    def version(self) -> str:
        """The version of the protocol file, which closed records name."""
        return str(self.data["version"])

    @cached_property
    def gates(self) -> tuple[Gate, ...]:
        """The gates in their order, prerequisites first."""
        return tuple(_gate(entry) for entry in self.data["gates"])

    @cached_property
    def artifacts(self) -> dict[str, Artifact]:
        """Every file that a record may hold, inputs included, by name."""
        own = [_artifact(entry) for entry in self.data["artifacts"]]
        return {a.file: a for a in own} | {
            entry["file"]: Artifact(entry["file"], "prerequisites", 1, required=False, home_of="")
            for entry in self.inputs
        }

    @cached_property
    def phase_artifacts(self) -> frozenset[str]:
        """The files that make a folder an incident: those of gates 1 to 4."""
        return frozenset(
            a["file"]
            for a in self.data["artifacts"]
            if a.get("gate") not in (None, "prerequisites")
        )

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The upstream files: ``file``, ``folder``, ``from``, ``optional``."""
        inputs: list[dict[str, Any]] = self.data["prerequisites"]["artifacts"]
        return inputs

    @cached_property
    def upstream(self) -> dict[str, str]:
        """The folder of each file that incidents share, below the site."""
        manual = PurePosixPath(self.data["manual_log"])
        inputs = {entry["file"]: entry["folder"] for entry in self.inputs}
        return {**inputs, manual.name: str(manual.parent)}

    @cached_property
    def severities(self) -> dict[str, Severity]:
        """The floors by severity, worst first."""
        return {name: _severity(name, entry) for name, entry in self.data["severities"].items()}

    def gate(self, gate_id: str) -> Gate:
        """The gate of that id."""
        return next(gate for gate in self.gates if gate.id == gate_id)

    def criteria(self) -> dict[str, dict[str, str]]:
        """Every criterion by gate, and those that any file of a record is held to."""
        return {g.id: g.criteria for g in self.gates} | {"record": self.data["record"]["criteria"]}


def _gate(entry: dict[str, Any]) -> Gate:
    return Gate(
        entry["id"],
        entry["number"],
        entry["name"],
        tuple(entry["evidence"]),
        dict(entry["criteria"]),
        entry["asks"],
        entry["pass_threshold"],
        entry["failure_handling"],
        entry["due"],
        tuple(entry.get("waiver", ())),
    )


def _artifact(entry: dict[str, Any]) -> Artifact:
    return Artifact(
        entry["file"],
        entry.get("gate", ""),
        entry.get("phase", 4),
        entry.get("required", False),
        entry["home_of"],
        entry.get("outside_seal", False),
    )


def _severity(name: str, entry: dict[str, Any]) -> Severity:
    return Severity(
        name,
        entry["rank"],
        entry["assessors"],
        tuple(entry["audiences"]),
        tuple(entry["approvers"]),
        entry["operator_may_approve"],
        entry.get("update_minutes"),
    )


def _contradictions(data: dict[str, Any]) -> list[str]:
    """Everything in which the protocol file disagrees with itself, one sentence each."""
    files = {a["file"]: a for a in data["artifacts"]}
    gates = {g["id"]: g for g in data["gates"]}
    found = [
        f"step {step['id']} names the evidence {file}, which is no artifact"
        for phase in data["phases"]
        for step in phase["steps"]
        for file in step["evidence"]
        if file not in files
    ]
    for gate in data["gates"]:
        found += [
            f"gate {gate['id']} reads {file}, which is not an artifact of that gate"
            for file in gate["evidence"]
            if files.get(file, {}).get("gate") != gate["id"]
        ]
    found += [
        f"artifact {a['file']} belongs to gate {a['gate']}, which does not list it"
        for a in data["artifacts"]
        if "gate" in a and a["file"] not in gates.get(a["gate"], {}).get("evidence", ())
    ]
    found += [
        f"element {e['id']} looks in {e['file']}, which is no artifact"
        for e in data["documentation_elements"]
        if e["file"] not in files
    ]
    found += [
        f"threshold {name} names the gate {t['gate']}, which does not exist"
        for name, t in data["thresholds"].items()
        if "gate" in t and t["gate"] not in gates
    ]
    found += [
        f"output {o['file']} is no artifact" for o in data["outputs"] if o["file"] not in files
    ]
    return found + _disorder(data) + _repeats(data)


def _disorder(data: dict[str, Any]) -> list[str]:
    """Numbers that must run in order, and floors that must not loosen as severity rises."""
    found = []
    if [g["number"] for g in data["gates"]] != list(range(len(data["gates"]))):
        found.append("gates are not numbered from 0 without a gap")
    floors = sorted(data["severities"].values(), key=lambda s: s["rank"])
    for worse, milder in itertools.pairwise(floors):
        if worse["assessors"] < milder["assessors"] or not set(milder["audiences"]) <= set(
            worse["audiences"]
        ):
            found.append(f"severity rank {worse['rank']} asks for less than rank {milder['rank']}")
    if data["changelog"][0]["version"] != data["version"]:
        found.append("the newest entry of the changelog is not the version")
    return found


def _repeats(data: dict[str, Any]) -> list[str]:
    """Ids that stand twice in a list where each must be unique."""
    lists = {
        "gates": [g["id"] for g in data["gates"]],
        "artifacts": [a["file"] for a in data["artifacts"]],
        "documentation_elements": [e["id"] for e in data["documentation_elements"]],
        "steps": [s["id"] for p in data["phases"] for s in p["steps"]],
    }
    return [
        f"{name} holds {entry} twice"
        for name, entries in lists.items()
        for entry in sorted({e for e in entries if entries.count(e) > 1})
    ]


def read(text: str) -> Protocol:
    """The protocol in a YAML text; raises ConfigurationError where it contradicts itself."""
    try:
        data = strict_yaml.parse(text).value
    except Refusal as refusal:
        raise ConfigurationError(f"protocol.yaml: {refusal.what}") from refusal
    problems = _contradictions(data)
    if problems:
        raise ConfigurationError(f"protocol.yaml contradicts itself: {'; '.join(problems)}.")
    return Protocol(data, hashlib.sha256(text.encode()).hexdigest())


@lru_cache(maxsize=1)
def load() -> Protocol:
    """The protocol that this version of the tool carries."""
    return read(PATH.read_text(encoding="utf-8"))
