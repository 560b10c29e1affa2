"""Writes beside each incident what it holds, how it was judged, and how good it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import __version__, atomic, discover, engine, run, schema
from incident_gates.chain import Chain
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import bounds, files
from incident_gates.evidence.refusal import Refusal
from incident_gates.model import CRITICAL, WARNING
from incident_gates.report.escape import visible
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_gates.evidence.files import Entry
    from incident_gates.incident import Document, Record
    from incident_gates.model import Finding, GateReport, IncidentReport, Metric
    from incident_gates.policy import Limits
    from incident_gates.run import Job

MANIFEST, METRICS = "evidence-manifest.json", "quality-metrics.md"
GENERATOR = "incident-gates aggregate"
MARK = f"<!-- Written by {GENERATOR}: changes are overwritten. -->"
# A manifest of the most files that a record may hold is smaller than this.
OWN_BYTES = 8 * bounds.MIB
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


class Judged(NamedTuple):
    """One record and what was said of it."""

    record: Record
    limits: Limits
    chain: Chain
    report: IncidentReport


def aggregate(job: Job, output: str | None) -> tuple[list[str], int]:
    """Writes manifest and metrics of each incident; the exit code is that of the judgement."""
    judged = _judged(job)
    folders = [_folder(each, job, output) for each in judged]
    twice = {str(f) for f in folders if folders.count(f) > 1}
    if twice:
        raise UsageError(f"Two incidents would be written to {min(twice)}: name one --incident.")
    contents = [_contents(each) for each in judged]
    for folder in folders:
        _check_own(folder)
    written: list[str] = []
    for folder, texts in zip(folders, contents, strict=True):
        written += _write(folder, texts, job.here)
    return written, max(run.EXIT_CODES[each.report.verdict] for each in judged)


def _judged(job: Job) -> list[Judged]:
    now = run.moment(job.as_of)
    limits, _ = run.limits_of(job)
    records, _ = discover.records(job.selection, limits.policy, limits.protocol, job.here)
    if not records:
        raise UsageError(run.BEGIN)
    return [
        Judged(
            record,
            limits,
            Chain(record, limits, now),
            engine.judge(record, limits, now, job.request),
        )
        for record in records
    ]


# --- where ---------------------------------------------------------------------------------------


def _folder(judged: Judged, job: Job, output: str | None) -> Path:
    """Beside the evidence, or in a folder of the incident's name below the output."""
    record = judged.record
    if output is None:
        return record.folder
    target = (job.here / output).absolute()
    return record.folder if target == record.folder else target / _safe(record.incident_id)


def _safe(incident_id: str) -> str:
    """The id of a flat record is what its files say, which may be anything."""
    if not re.fullmatch(schema.load(schema.COMMON)["$defs"]["id"]["pattern"], incident_id):
        raise UsageError(f"{incident_id!r} is no incident id that could name a folder.")
    return incident_id


def _check_own(folder: Path) -> None:
    """Only what was written here before is overwritten, and nothing is written through a link."""
    if folder.is_symlink():
        raise UsageError(f"{folder.name} is a link; nothing is written through it.")
    for name in (MANIFEST, METRICS):
        path = folder / name
        if (path.exists() or path.is_symlink()) and not _is_own(path):
            raise UsageError(f"{path} was not written by {GENERATOR}, and is left as it is.")


def _is_own(path: Path) -> bool:
    try:
        text = files.read(path, OWN_BYTES).decode("utf-8", "replace")
        return text.startswith(MARK) or json.loads(text).get("generator") == GENERATOR
    except (Refusal, ValueError, AttributeError, RecursionError):
        return False


def _write(folder: Path, texts: Mapping[str, str], here: Path) -> Iterator[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            atomic.write(folder / name, text.encode())
            yield _shown(folder / name, here)
    except OSError as error:
        raise CouldNotTell(f"{folder.name} cannot be written: {error.strerror}") from error


def _shown(path: Path, here: Path) -> str:
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()


# --- what ----------------------------------------------------------------------------------------


def _contents(judged: Judged) -> dict[str, str]:
    manifest = _manifest(judged)
    return {
        MANIFEST: json.dumps(manifest, indent=2, ensure_ascii=True) + "\n",
        METRICS: _metrics_page(judged.report, manifest["quality_metrics"]),
    }


def _manifest(judged: Judged) -> dict[str, Any]:
    """The manifest: the same evidence judged as of the same time gives the same bytes."""
    record, limits, report = judged.record, judged.limits, judged.report
    held, left_out = _inventory(record)
    outputs = _outputs(judged, held)
    return {
        "$schema": f"{schema.BASE}evidence-manifest.schema.json",
        "schema_version": "1.0",
        "generator": GENERATOR,
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
        "gates": [_gate(gate) for gate in report.gates],
        "findings": _counted(report.findings),
        "quality_metrics": _quality(judged, outputs),
        "files": held,
        "left_out": left_out,
        "inputs": [_input(record, entry) for entry in limits.protocol.inputs],
        "outputs": outputs,
        "log": list(report.log),
    }


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


def _inventory(record: Record) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Every file of the folder with its digest, and what was left out, with the reason."""
    held, left_out = [], []
    try:
        entries = list(_entries(record))
    except Refusal as refusal:
        raise CouldNotTell(f"{record.path}: {refusal.what}. {refusal.fix}") from refusal
    for entry in entries:
        if entry.name in (MANIFEST, METRICS) and _is_own(record.folder / entry.name):
            continue
        try:
            held.append(_file(record, entry))
        except Refusal as refusal:
            left_out.append({"path": entry.name, "reason": refusal.what})
    return held, left_out


def _entries(record: Record) -> Iterator[Entry]:
    """What belongs to the record; in the flat layout, the folders of other incidents do not."""
    if not record.flat:
        yield from files.listing(record.folder)
        return
    yield from files.shallow(record.folder)
    for child in sorted(record.folder.iterdir()):
        is_folder = child.is_dir() and not child.is_symlink()
        if is_folder and not _is_another(child, record):
            for entry in files.listing(child):
                yield entry._replace(name=f"{child.name}/{entry.name}")


def _is_another(folder: Path, record: Record) -> bool:
    return discover.holds_incident(folder, record.protocol) or _is_own(folder / MANIFEST)


def _file(record: Record, entry: Entry) -> dict[str, Any]:
    """The digest is that of the bytes judged, where they were judged."""
    document = record.document(entry.name) if entry.name in record.protocol.artifacts else None
    if document is not None and document.data:
        digest, size = document.sha256, len(document.data)
    else:
        digest = files.digest_file(record.folder / entry.name, bounds.ATTACHMENT_BYTES)
        size = entry.size
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
                "valid": document is not None and _valid(judged, name),
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
    wanted = chain.resolution["alert_improvements"]
    return name == "alert-tuning-feedback.json" and bool(wanted.flag or wanted.text)


def _valid(judged: Judged, name: str) -> bool:
    """Readable, of its agreed shape, and without placeholders."""
    report = judged.report
    everything = [f for g in report.gates for f in (*g.findings, *g.needs)] + list(report.findings)
    broken = {
        f.location.file
        for f in everything
        if f.level == CRITICAL and RULES[f.rule].criterion == "readable"
    }
    return name in judged.record.names and f"{report.path}/{name}" not in broken


def _unchanged(record: Record, document: Document) -> bool:
    """Whether the file on disk is still the one that was judged."""
    try:
        return (
            files.digest_file(record.folder / document.name, bounds.FILE_BYTES) == document.sha256
        )
    except Refusal:
        return False


def _quality(judged: Judged, outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The protocol's quality metrics: target, actual, status."""
    artifacts = judged.limits.protocol.artifacts.values()
    required = [a.file for a in artifacts if a.required]
    if judged.chain.false_positive:
        required = [engine.INTAKE]
    owed = [o for o in outputs if o["owed"]]
    sound = [o for o in owed if o["present"] and o["valid"] and o["unchanged"]]
    values = {
        "gate_3_pass_rate": judged.chain.pass_rate,
        "evidence_completeness": _ratio(sum(_valid(judged, n) for n in required), len(required)),
        "integration_integrity": _ratio(len(sound), len(owed)),
    }
    return [
        _measured(entry, values[entry["id"]])
        for entry in judged.limits.protocol.data["quality_metrics"]
    ]


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


def _metrics_page(report: IncidentReport, metrics: list[dict[str, Any]]) -> str:
    """The protocol's table."""
    lines = [
        MARK,
        "",
        f"# Quality metrics of {_plain(report.incident_id)}",
        "",
        f"Verdict {report.verdict.value.replace('_', ' ')}, as of {report.as_of}.",
        "",
        *_excused(report),
        "| Metric | Target | Actual | Status |",
        "|---|---|---|---|",
    ]
    for metric in metrics:
        sign = {">=": "≥", "<=": "≤"}[metric["comparison"]]
        actual = "–" if metric["value"] is None else f"{metric['value']:.1%}"
        status = metric["status"].replace("_", " ")
        lines.append(f"| {metric['name']} | {sign} {metric['target']:.0%} | {actual} | {status} |")
    return "\n".join([*lines, ""])


def _excused(report: IncidentReport) -> list[str]:
    """Each excuse with who granted it: a waived gate is not a passed one."""
    lines = []
    for found in report.all_findings:
        if found.excuse:
            by = " and ".join(_plain(name) for name in found.excuse.by)
            said = f"{found.excuse.kind.capitalize()} of {found.rule} by {by}"
            lines.append(f"- {said}: {_plain(found.excuse.reason)}")
    return [*lines, ""] if lines else []


def _plain(text: str) -> str:
    """Text that Markdown takes for nothing else."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+!|~&" else c for c in visible(text))
