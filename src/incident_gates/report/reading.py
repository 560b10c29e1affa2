"""Reads a JSON report back, so that it can be joined with others and printed in every format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates.model import (
    Assurance,
    Excuse,
    Finding,
    GateReport,
    IncidentReport,
    Link,
    Location,
    Metric,
    Report,
    Shard,
    Status,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Data = Mapping[str, Any]


def report(data: Data) -> Report:
    """The report that was written so; ``data`` fits the schema of a report."""
    return Report(
        data["tool"]["version"],
        tuple(data["protocol"][name] for name in ("id", "version", "sha256")),
        tuple(data["policy"][name] for name in ("path", "sha256")),
        data["as_of"],
        data["require"],
        Verdict(data["verdict"]),
        data["exit_code"],
        tuple(map(_incident, data["incidents"])),
        tuple(data["notices"]),
        _findings(data["findings"]),
        data["base"],
        _shard(data["shard"]) if "shard" in data else None,
    )


def _shard(data: Data) -> Shard:
    return Shard(**{**data, "positions": tuple(data["positions"])})


def _incident(data: Data) -> IncidentReport:
    return IncidentReport(
        data["incident_id"],
        data["path"],
        data["severity"],
        data.get("state", ""),
        data["phase"],
        data["as_of"],
        Verdict(data["verdict"]),
        tuple(map(_link, data["causal_line"])),
        tuple(map(_gate, data["gates"])),
        _findings(data["findings"]),
        tuple(data["log"]),
        Assurance(**{name: tuple(said) for name, said in data["assurance"].items()}),
    )


def _link(data: Data) -> Link:
    return Link(
        data["event"],
        data.get("label", ""),
        data["time"],
        data["earliest"],
        data["latest"],
        data["precision"],
        data["actor"],
        Location(data["file"], data["line"]),
        data["order"],
        data.get("gap", ""),
        data.get("grade") or "",
    )


def _gate(data: Data) -> GateReport:
    return GateReport(
        data["id"],
        data["number"],
        data["name"],
        Status(data["status"]),
        data["due"],
        data["summary"],
        tuple(Metric(**metric) for metric in data["metrics"]),
        _findings(data["findings"]),
        _findings(data["needs"]),
    )


def _findings(found: Iterable[Data]) -> tuple[Finding, ...]:
    return tuple(map(_finding, found))


def _finding(data: Data) -> Finding:
    return Finding(
        data["rule"],
        data["level"],
        data["message"],
        _location(data),
        data["fix"],
        data["subject"] or "",
        data["expected"] or "",
        tuple(data["actual"]),
        excuse=_excuse(data["waiver"]) if data["waiver"] else None,
    )


def _excuse(data: Data) -> Excuse:
    return Excuse(
        data["kind"],
        tuple(data["by"]),
        data["reason"],
        data["expires_at"],
        _location(data),
        data["new"],
    )


def _location(data: Data) -> Location:
    return Location(
        data["file"],
        data["line"],
        data.get("column"),
        data.get("end_column"),
        data.get("source"),
    )
