"""evidence-manifest.json: every file with its digest, and how the record was judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident_gates import __version__, engine, schema, seal
from incident_gates.errors import CouldNotTell
from incident_gates.evidence import bounds, files
from incident_gates.evidence.refusal import Refusal
from incident_gates.gates.resolution import calls_for, says_something
from incident_gates.model import CRITICAL, WARNING
from incident_gates.package import own

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_gates.evidence.files import Entry
    from incident_gates.incident import Document, Record
    from incident_gates.model import Finding, GateReport, Metric
    from incident_gates.package.judged import Judged

# Below this, the digest of an attachment that a rule asked for is not computed twice.
SMALL = 1 * bounds.MIB
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".diff": "text/x-diff",
    ".gif": "image/gif",
    ".html": "text/html",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".patch": "text/x-diff",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
}


def made(judged: Judged, seals: list[dict[str, Any]]) -> dict[str, Any]:
    """The manifest: the same evidence judged as of the same time gives the same bytes."""
    record, limits, report = judged.record, judged.limits, judged.report
    held, left_out = _inventory(judged)
    outputs = _outputs(judged, held)
    return {
        "$schema": f"{schema.BASE}evidence-manifest.schema.json",
        "schema_version": "1.0",
        "generator": own.GENERATOR,
        "incident_id": record.incident_id,
        "path": record.path,
        "tool": {"name": "incident-gates", "version": __version__},
        "protocol": {
            "id": limits.protocol.data["id"],
            "version": limits.protocol.version,
            "sha256": limits.protocol.sha256,
        },
        "policy_sha256": limits.policy.sha256,
        "as_of": report.as_of,
        "verdict": report.verdict.value,
        "severity": report.severity,
        "sealed": judged.sealed,
        "seals": seals,
        "commit": judged.committed.commit,
        "uncommitted": list(judged.committed.uncommitted),
        "gates": [_gate(gate) for gate in report.gates],
        "findings": _counted(report.findings),
        "quality_metrics": _quality(judged, outputs),
        "files": held,
        "left_out": left_out,
        "inputs": [_input(record, entry) for entry in limits.protocol.inputs],
        "outputs": outputs,
        "log": list(report.log),
    }


def decoded(data: bytes) -> dict[str, Any]:
    """A manifest of ours, from its bytes."""
    listed: dict[str, Any] = json.loads(data)
    return listed


def _gate(gate: GateReport) -> dict[str, Any]:
    return {
        "id": gate.id,
        "number": gate.number,
        "name": gate.name,
        "status": gate.status.value,
        "due": gate.due,
        "summary": gate.summary,
        "metrics": [_metric(metric) for metric in gate.metrics],
        "findings": _counted(gate.findings),
        "needs": len(gate.needs),
    }


def _metric(metric: Metric) -> dict[str, Any]:
    keys = ("name", "value", "threshold", "unit", "comparison")
    return {key: getattr(metric, key) for key in keys}


def _counted(findings: tuple[Finding, ...]) -> dict[str, Any]:
    """How many findings stand, and which are excused: by whom, and why."""
    open_ = [f for f in findings if not f.excuse]
    excused = [(f, f.excuse) for f in findings if f.excuse]
    return {
        "critical": sum(f.level == CRITICAL for f in open_),
        "warnings": sum(f.level == WARNING for f in open_),
        "rules": sorted({f.rule for f in open_}),
        "excused": [
            {"rule": f.rule, "kind": e.kind, "by": list(e.by), "reason": e.reason}
            for f, e in excused
        ],
    }


# --- inventory -----------------------------------------------------------------------------------


def _inventory(judged: Judged) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Every file of the folder with its digest, and what was left out, with the reason."""
    record, outside = judged.record, seal.outside(judged.record.protocol)
    held, left_out, names = [], [], set()
    for entry in _entries(record):
        if entry.name in own.NAMES and own.is_own(record.folder / entry.name):
            continue
        reason = seal.unusual(entry.name)
        if seal.folded_path(entry.name) in names:
            reason = "another name is the same on some systems"
        try:
            file = {} if reason else _file(record, entry)
        except Refusal as refusal:
            file, reason = {}, refusal.what
        if reason:
            left_out.append({"path": entry.name, "reason": reason})
            continue
        names.add(seal.folded_path(entry.name))
        held.append({**file, "sealed": judged.sealed and entry.name not in outside})
    return held, left_out


def _entries(record: Record) -> list[Entry]:
    try:
        return list(seal.entries(record))
    except Refusal as refusal:
        raise CouldNotTell(f"{record.path}: {refusal.what}. {refusal.fix}") from refusal


def _file(record: Record, entry: Entry) -> dict[str, Any]:
    """The digest is that of the bytes judged, where they were judged."""
    document = record.document(entry.name) if entry.name in record.protocol.artifacts else None
    size = entry.size
    if document is not None and document.data:
        digest, size = document.sha256, len(document.data)
    elif entry.kind == "file" and size < SMALL:
        digest = record.attachment_digest(entry.name)
    else:
        digest = files.digest_file(record.folder / entry.name, bounds.ATTACHMENT_BYTES)
    return {
        "path": entry.name,
        "sha256": digest,
        "size": size,
        "media_type": MEDIA_TYPES.get(Path(entry.name).suffix.lower(), "application/octet-stream"),
        "role": _role(record, entry.name),
    }


def _role(record: Record, name: str) -> str:
    inputs = {entry["file"] for entry in record.protocol.inputs}
    if name in inputs:
        return "input_copy"
    return "artifact" if name in record.protocol.artifacts else "attachment"


def _input(record: Record, entry: Mapping[str, Any]) -> dict[str, Any]:
    """One upstream file: where it was read, its digest, and whether it was pinned."""
    name = entry["file"]
    document = record.document(name)
    there = document is not None and bool(document.data)
    pins = record.node("prerequisites.json")["inputs"]
    pinned = next((n["sha256"].text for n in pins if n["file"].text == name), "")
    return {
        "file": name,
        "from_protocol": entry.get("from"),
        "required": not entry.get("optional", False),
        "present": there,
        "path": document.path if document and there else None,
        "sha256": document.sha256 if document and there else None,
        "pinned_sha256": pinned or None,
    }


# --- quality -------------------------------------------------------------------------------------


def _outputs(judged: Judged, held: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What other protocols are handed: there, valid, and the very bytes judged."""
    record = judged.record
    digests = {entry["path"]: entry["sha256"] for entry in held}
    listed = []
    for entry in judged.limits.protocol.data["outputs"]:
        name = entry["file"]
        document = record.document(name)
        listed.append(
            {
                "file": name,
                "to_protocol": entry["to"],
                "owed": _owed(judged, entry),
                "present": document is not None,
                "valid": document is not None and _valid(judged, entry),
                "unchanged": document is not None and _unchanged(record, document),
                "sha256": digests.get(name),
            }
        )
    return listed


def _owed(judged: Judged, entry: Mapping[str, Any]) -> bool:
    """Some are owed only where the record says so; a false positive hands over its intake log."""
    record, chain, name = judged.record, judged.chain, entry["file"]
    if chain.false_positive:
        return bool(name == engine.INTAKE)
    if "when" not in entry or name in record.names:
        return True
    return "noted_in" in entry and calls_for(chain.resolution[entry["noted_in"]])


def _valid(judged: Judged, entry: Mapping[str, Any]) -> bool:
    """Valid as every file is; feedback must hold something as well."""
    feedback = "when" in entry and not says_something(judged.chain, entry["file"])
    return judged.valid(entry["file"]) and not feedback


def _unchanged(record: Record, document: Document) -> bool:
    """Whether the file on disk is still the one that was judged."""
    path = record.folder / document.name
    try:
        return files.digest_file(path, bounds.FILE_BYTES) == document.sha256
    except Refusal:
        return False


def _quality(judged: Judged, outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The protocol's quality metrics: target, actual, status."""
    artifacts = judged.limits.protocol.artifacts.values()
    required = [a.file for a in artifacts if a.required]
    if judged.chain.false_positive:
        required = [engine.INTAKE]
    owed = [o for o in outputs if o["owed"]]
    sound = [o for o in owed if is_sound(o)]
    values = {
        "gate_3_pass_rate": judged.chain.pass_rate,
        "evidence_completeness": _ratio(sum(judged.valid(n) for n in required), len(required)),
        "integration_integrity": _ratio(len(sound), len(owed)),
    }
    return [
        _measured(entry, values[entry["id"]])
        for entry in judged.limits.protocol.data["quality_metrics"]
    ]


def is_sound(output: Mapping[str, Any]) -> bool:
    """Whether an output is there, valid, and the very bytes judged."""
    return bool(output["present"] and output["valid"] and output["unchanged"])


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _measured(entry: Mapping[str, Any], value: float | None) -> dict[str, Any]:
    target = entry["target"]
    if value is None:
        status = "not_measured"
    else:
        met = value <= target if entry["comparison"] == "<=" else value >= target
        status = "met" if met else "not_met"
    keys = ("id", "name", "target", "comparison", "unit")
    return {**{key: entry[key] for key in keys}, "value": value, "status": status}
