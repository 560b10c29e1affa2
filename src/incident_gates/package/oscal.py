"""Writes how records were judged as OSCAL assessment results, for those who collect them so."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import __version__, controls, schema
from incident_gates.evidence import times
from incident_gates.model import WARNING, Status, Verdict
from incident_gates.report.escape import uri, visible
from incident_gates.rules import RULES
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from incident_gates.model import Finding, GateReport, IncidentReport
    from incident_gates.package.judged import Judged
    from incident_gates.policy import Limits

VERSION = "1.2.3"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, f"{schema.BASE}oscal")
PROPERTIES = "https://github.com/incident-gates/incident-gates/ns/oscal"
JUDGED = (Status.PASSED, Status.FAILED, Status.WAIVED)
FINAL = (Verdict.PASSED, Verdict.FAILED)
RECORD = "record"
LONGEST = 2000
_ENHANCEMENT = re.compile(r"\((\d+)\)")


class Part(NamedTuple):
    """What one record adds to the document: plain data, which travels between processes."""

    as_of: str
    protocol_id: str
    plan: dict[str, Any]
    result: dict[str, Any]
    resources: list[dict[str, Any]]


class Seen(NamedTuple):
    """What was found for one criterion of one incident."""

    key: str
    observation: str
    failing: tuple[Finding, ...]
    excused: tuple[Finding, ...]
    warned: tuple[Finding, ...] = ()
    left: tuple[tuple[str, str], ...] = ()


def part(judged: Judged, manifest: Mapping[str, Any]) -> Part:
    """What one record, with its manifest, adds to the document."""
    limits = judged.limits
    return Part(
        judged.report.as_of,
        str(limits.protocol.data["id"]),
        _plan(limits),
        _result(judged, manifest),
        list(_resources(judged, manifest)),
    )


def document(parts: Sequence[Part]) -> dict[str, Any]:
    """The assessment results of several records as one document."""
    first = parts[0]
    body = {
        "metadata": {
            "title": "Incident Gates: incidents judged against the gates of Protocol "
            f"{first.protocol_id}",
            "last-modified": max(each.as_of for each in parts),
            "version": f"incident-gates {__version__}",
            "oscal-version": VERSION,
            "remarks": "Which control a criterion speaks to is the judgement of "
            "the authors of Incident Gates, not of those who publish the controls.",
        },
        "import-ap": {"href": f"#{first.plan['uuid']}"},
        "results": [each.result for each in parts],
        "back-matter": {"resources": [first.plan, *(r for each in parts for r in each.resources)]},
    }
    # The same results are the same document, other results another.
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return {"assessment-results": {"uuid": _uuid("document", digest), **body}}


def _uuid(*parts: str) -> str:
    return str(uuid.uuid5(NAMESPACE, "\0".join(parts)))


def _text(text: str) -> str:
    """Text on one line as OSCAL takes it: never empty, no space at its ends."""
    return visible(text, LONGEST).strip() or "–"


def _control_id(identifier: str) -> str:
    """A control as OSCAL's catalogue spells it: CM-2(3) is cm-2.3."""
    return _ENHANCEMENT.sub(r".\1", identifier).lower()


def _prop(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": PROPERTIES, "value": _text(value)}


# --- back matter ---------------------------------------------------------------------------------


def _plan(limits: Limits) -> dict[str, Any]:
    """What was assessed against, in the place of an assessment plan: protocol and policy."""
    protocol, policy = limits.protocol, limits.policy
    hashed = [("protocol.yaml", protocol.sha256)]
    hashed += [(".incident-gates.yaml", policy.sha256)] if policy.sha256 else []
    return {
        "uuid": _uuid("plan", protocol.sha256, policy.sha256 or ""),
        "title": f"Protocol {protocol.data['id']}, version {protocol.version}"
        + (", with the policy of the repository" if policy.sha256 else ""),
        "rlinks": [_link(name, "application/yaml", digest) for name, digest in hashed],
    }


def _resources(judged: Judged, manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in manifest["files"]:
        yield {
            "uuid": _resource(judged, entry),
            "title": _text(f"{judged.report.incident_id}: {entry['path']}"),
            "rlinks": [_link(_path(judged, entry), entry["media_type"], entry["sha256"])],
        }


def _resource(judged: Judged, entry: Mapping[str, Any]) -> str:
    return _uuid("resource", judged.report.path, entry["path"], entry["sha256"])


def _path(judged: Judged, entry: Mapping[str, Any]) -> str:
    return f"{judged.report.path}/{entry['path']}"


def _link(path: str, media_type: str, digest: str) -> dict[str, Any]:
    # A first segment with a colon would read as a scheme; uri() leaves none.
    hashes = [{"algorithm": "SHA-256", "value": digest}]
    return {"href": uri(path), "media-type": media_type, "hashes": hashes}


# --- one incident --------------------------------------------------------------------------------


def _result(judged: Judged, manifest: Mapping[str, Any]) -> dict[str, Any]:
    report = judged.report
    seen = list(_criteria(judged))
    risks = {r["uuid"]: r for one in seen for r in (_risk(report, one, f) for f in one.excused)}
    result = {
        "uuid": _uuid("result", report.path, report.as_of, *_digests(manifest)),
        "title": _text(f"{report.incident_id}: {report.verdict.value.replace('_', ' ')}"),
        "description": _text(_description(report)),
        "start": report.as_of,
        "end": report.as_of,
        "props": [_prop("verdict", report.verdict.value), *_gate_props(report)],
        "reviewed-controls": {"control-selections": [_selection(seen)]},
        "observations": [_observation(judged, manifest, one) for one in seen],
        "risks": list(risks.values()),
        "findings": list(_findings(report, seen)),
    }
    return {key: value for key, value in result.items() if value != []}


def _digests(manifest: Mapping[str, Any]) -> list[str]:
    return [entry["sha256"] for entry in manifest["files"]]


def _description(report: IncidentReport) -> str:
    severity = f", {report.severity}" if report.severity else ""
    said = f"{report.incident_id}{severity}, {report.state}, judged as of {report.as_of}."
    if report.verdict is Verdict.ERROR:
        return f"{said} It could not be told how the record stands, so nothing is satisfied."
    return f"{said} Identities and clocks are what the record states."


def _gate_props(report: IncidentReport) -> list[dict[str, str]]:
    return [_prop(f"gate-{gate.id}", gate.status.value) for gate in report.gates]


def _selection(seen: Iterable[Seen]) -> dict[str, Any]:
    """The controls that something was observed about; where nothing was, those in question."""
    ids = {_control_id(c.id) for one in seen for c in _nist(one.key)}
    if ids:
        return {"include-controls": [{"control-id": each} for each in sorted(ids)]}
    every = {_control_id(c.id) for row in controls.load() for c in row.controls if _is_nist(c)}
    return {
        "description": "Nothing of this record is due yet, so nothing is said of these controls.",
        "include-controls": [{"control-id": each} for each in sorted(every)],
    }


def _is_nist(control: controls.Control) -> bool:
    return control.framework == controls.NIST


def _nist(key: str) -> list[controls.Control]:
    gate, _, criterion = key.partition("/")
    return [c for c in controls.of(gate, criterion) if _is_nist(c)]


def _criteria(judged: Judged) -> Iterator[Seen]:
    """Each criterion that was judged: one of a gate that is pending says nothing yet."""
    report = judged.report
    for gate in report.gates:
        if gate.status in JUDGED:
            for criterion in judged.limits.protocol.gate(gate.id).criteria:
                key = f"{gate.id}/{criterion}"
                found = [f for f in gate.findings if _speaks_of(f, gate, criterion)]
                # Where no rule had anything to ask, nothing was seen, and nothing is satisfied.
                if found or _ran(report, key):
                    yield _seen(report, key, found)
    if report.verdict in FINAL:
        for criterion in judged.limits.protocol.criteria()[RECORD]:
            found = [f for f in report.all_findings if _is_of(f, RECORD, criterion)]
            yield _seen(report, f"{RECORD}/{criterion}", found)


def _ran(report: IncidentReport, key: str) -> list[str]:
    """The rules of a criterion that ran."""
    return [rule for rule in report.rules_run if _key(rule) == key]


def _is_of(found: Finding, gate: str, criterion: str) -> bool:
    rule = RULES[found.rule]
    return (rule.gate, rule.criterion) == (gate, criterion)


def _speaks_of(found: Finding, gate: GateReport, criterion: str) -> bool:
    """A file that is missing or unreadable speaks of every criterion of the gate that reads it."""
    return RULES[found.rule].gate != gate.id or _is_of(found, gate.id, criterion)


def _seen(report: IncidentReport, key: str, found: list[Finding]) -> Seen:
    return Seen(
        key,
        _uuid("observation", report.path, report.as_of, key),
        tuple(f for f in found if f.fails),
        tuple(f for f in found if f.excuse),
        tuple(f for f in found if f.level == WARNING and not f.fails and not f.excuse),
        tuple((r, why) for r, why in report.rules_left if _key(r) == key),
    )


def _key(rule: str) -> str:
    known = RULES.get(rule)
    return f"{known.gate}/{known.criterion}" if known else ""


def _observation(judged: Judged, manifest: Mapping[str, Any], one: Seen) -> dict[str, Any]:
    """What the rules of a criterion found, with the files that they read."""
    gate_id, _, criterion = one.key.partition("/")
    gates = {gate.id: gate for gate in judged.limits.protocol.gates}
    reads, name = (gates[gate_id].evidence, gates[gate_id].name) if gate_id in gates else ((), "")
    read = {*reads, *(f.location.file.rpartition("/")[2] for f in one.failing)}
    files = [entry for entry in manifest["files"] if entry["path"] in read]
    evidence = [
        {"href": f"#{_resource(judged, entry)}", "description": _text(entry["path"])}
        for entry in files
    ]
    asked = judged.limits.protocol.criteria()[gate_id][criterion]
    ran = _ran(judged.report, one.key)
    seen = {
        "uuid": one.observation,
        "title": _text(f"{name or 'Every file'}: {asked}"),
        "description": _text(_observed(one, ran)),
        "props": [_prop("rule", rule) for rule in ran],
        "methods": ["EXAMINE", "TEST"],
        "relevant-evidence": evidence,
        "collected": judged.report.as_of,
    }
    return {key: value for key, value in seen.items() if value != []}


def _observed(one: Seen, ran: list[str]) -> str:
    said = [f"{f.rule}: {f.message}" for f in one.failing]
    said += [f"{f.rule}, excused: {f.message}" for f in one.excused]
    said += [] if said else [f"{counted(len(ran), 'rule')} ran and none failed"]
    said += [f"{f.rule}, a warning: {f.message}" for f in one.warned]
    said += [f"{rule} did not run: {why}" for rule, why in one.left]
    return f"{'; '.join(said)}."


def _findings(report: IncidentReport, seen: list[Seen]) -> Iterator[dict[str, Any]]:
    """One finding an objective, where everything that shows it was judged."""
    by_key = {one.key: one for one in seen}
    for objective, criteria in controls.objectives().items():
        if all(key in by_key for key in criteria):
            yield _finding(report, objective, [by_key[key] for key in criteria])


def _finding(report: IncidentReport, objective: str, seen: list[Seen]) -> dict[str, Any]:
    failing = [f"{f.rule}: {f.message}" for one in seen for f in one.failing]
    excused = [(one, found) for one in seen for found in one.excused]
    warned = [f"{f.rule}: {f.message}" for one in seen for f in one.warned]
    reason = "fail" if failing else "other" if excused else "pass"
    warnings = f" With warnings: {'; '.join(warned)}." if warned else ""
    said = {
        "pass": f"Every criterion that shows this objective is met.{warnings}",
        "other": "Not met as written, and excused: see the related risks.",
        "fail": "; ".join(failing),
    }
    status = {"state": "satisfied" if reason == "pass" else "not-satisfied", "reason": reason}
    finding: dict[str, Any] = {
        "uuid": _uuid("finding", report.path, report.as_of, objective),
        "title": _text(f"{report.incident_id}: {objective}"),
        "description": _text(said[reason]),
        "target": {"type": "objective-id", "target-id": objective, "status": status},
        "related-observations": [{"observation-uuid": one.observation} for one in seen],
    }
    if excused:
        uuids = dict.fromkeys(_risk_uuid(report, one, found) for one, found in excused)
        finding["related-risks"] = [{"risk-uuid": each} for each in uuids]
    return finding


def _risk_uuid(report: IncidentReport, one: Seen, found: Finding) -> str:
    place = f"{found.location.file}:{found.location.line}"
    return _uuid("risk", report.path, one.key, found.rule, found.subject, place, found.message)


def _risk(report: IncidentReport, one: Seen, found: Finding) -> dict[str, Any]:
    """A finding that was excused: a waiver has a deadline, a deviation is for good."""
    excuse = found.excuse
    assert excuse is not None  # noqa: S101 - asked by the caller
    by = " and ".join(excuse.by)
    risk: dict[str, Any] = {
        "uuid": _risk_uuid(report, one, found),
        "title": _text(f"{report.incident_id}: {found.rule}, {excuse.kind}"),
        "description": _text(found.message),
        "statement": _text(f"{excuse.kind.capitalize()} by {by}: {excuse.reason}"),
        "status": "deviation-approved",
        "related-observations": [{"observation-uuid": one.observation}],
    }
    until = times.parse(excuse.expires) if excuse.expires else None
    if until:
        risk["deadline"] = until.earliest.isoformat().replace("+00:00", "Z")
    return risk
