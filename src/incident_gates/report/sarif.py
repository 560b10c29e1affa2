"""The SARIF 2.1.0 report, for code scanning and for viewers of static analysis.

GitHub shows a result on a pull request only where all its lines are in the diff. Missing evidence
is in no diff, and evidence is seldom written and judged in one change: a required check needs the
exit code and the annotations; this file is for dashboards. GitHub also ignores suppressions, so
that a waived finding is a note as well.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from incident_gates.model import CRITICAL, INFO, WARNING, Status
from incident_gates.report import findings
from incident_gates.report.escape import uri, visible
from incident_gates.report.json_report import written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from incident_gates.model import Finding, Location, Report
    from incident_gates.report.findings import Entry

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
LEVELS = {CRITICAL: "error", WARNING: "warning", INFO: "note"}
ROOT = "%SRCROOT%"
MOST_RESULTS = 25_000  # of one run; GitHub refuses more, and keeps the 5,000 worst
FINGERPRINT = "primaryLocationLineHash"  # the only one that GitHub compares
CATEGORY = "incident-gates/"

# In a message ``[text](target)`` is a link and ``{0}`` an argument; evidence may hold either.
_LINK = re.compile(r"\](?=\()")
_ARGUMENT = re.compile(r"\{(?=\d+\})")


def render(
    report: Report,
    rules: Mapping[str, Mapping[str, str]],
    help_base: str | None = None,
    controls: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """The report as SARIF.

    ``rules`` are the texts of each rule: level, says, why and fix. ``help_base`` is the address of
    the page that explains them, each under an anchor of its own. ``controls`` are the controls
    that each rule speaks to, which become its tags.
    """
    return written(as_data(report, rules, help_base, controls))


def as_data(
    report: Report,
    rules: Mapping[str, Mapping[str, str]],
    help_base: str | None = None,
    controls: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict[str, Any]:
    """The report as a SARIF log of one run."""
    found = findings.all_worst_first(report)
    ids = sorted({*rules, *(entry.finding.rule for entry in found)})
    driver: dict[str, Any] = {
        "name": "Incident Gates",
        "semanticVersion": report.tool_version,
        "rules": [
            _rule(rule_id, rules.get(rule_id, {}), help_base, controls.get(rule_id, ()))
            for rule_id in ids
        ],
    }
    if help_base:
        driver["informationUri"] = help_base
    run = {
        "tool": {"driver": driver},
        "invocations": [_invocation(report, len(found) - MOST_RESULTS)],
        "automationDetails": {"id": CATEGORY},
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": list(_results(found[:MOST_RESULTS], ids)),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


# --- rules ---------------------------------------------------------------------------------------


def _rule(
    rule_id: str, text: Mapping[str, str], help_base: str | None, tags: Sequence[str]
) -> dict[str, Any]:
    says = findings.sentence(text.get("says", rule_id))
    why, fix = text.get("why", ""), text.get("fix", "")
    rule: dict[str, Any] = {
        "id": rule_id,
        "shortDescription": {"text": says},
        "fullDescription": {"text": " ".join(part for part in (says, why) if part)},
        "help": {
            "text": "\n".join(part for part in (says, why, f"Fix: {fix}") if part),
            "markdown": f"**{says}**\n\n{why}\n\n**Fix:** {fix}\n",
        },
        "defaultConfiguration": {"level": LEVELS[text.get("level", CRITICAL)]},
    }
    if help_base:
        rule["helpUri"] = f"{help_base}#{rule_id.lower()}"
    if tags:
        rule["properties"] = {"tags": list(tags)}
    return rule


# --- results -------------------------------------------------------------------------------------


def _results(found: Iterable[Entry], ids: list[str]) -> Iterator[dict[str, Any]]:
    indices = {rule_id: index for index, rule_id in enumerate(ids)}
    seen: Counter[str] = Counter()
    for entry in found:
        digest = _fingerprint(entry.finding)
        seen[digest] += 1
        yield _result(entry, indices[entry.finding.rule], f"{digest}:{seen[digest]}")


def _result(entry: Entry, index: int, fingerprint: str) -> dict[str, Any]:
    finding = entry.finding
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": LEVELS[INFO] if finding.excuse else LEVELS[finding.level],
        "message": {"text": _message(findings.message(entry.incident, finding))},
        "locations": [{"physicalLocation": _physical(finding.location)}],
        "partialFingerprints": {FINGERPRINT: fingerprint},
    }
    if finding.excuse:
        result["suppressions"] = [
            {
                "kind": "external",
                "status": "accepted",
                "justification": findings.excused_by(finding),
                "location": {"physicalLocation": _physical(finding.excuse.location)},
            }
        ]
    return result


def _fingerprint(finding: Finding) -> str:
    """The same for the same fault when lines move: the rule, the file, and which of several."""
    about = f"{finding.rule}\0{finding.location.file}\0{finding.subject}"
    return hashlib.sha256(about.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _message(text: str) -> str:
    return _ARGUMENT.sub("{ ", _LINK.sub("] ", text))


def _physical(location: Location) -> dict[str, Any]:
    return {
        "artifactLocation": {"uri": uri(location.file), "uriBaseId": ROOT},
        "region": _region(location),
    }


def _region(location: Location) -> dict[str, int]:
    """The marked value; else the whole line, and of a file as a whole the start of the first."""
    line = location.line or 1
    start = location.column or 1
    whole_line = len(location.source) + 1 if location.source else 0
    end = location.end_column or whole_line
    return {
        "startLine": line,
        "startColumn": start,
        "endLine": line,
        "endColumn": max(end, start + 1),
    }


# --- the run -------------------------------------------------------------------------------------


def _invocation(report: Report, cut: int) -> dict[str, Any]:
    told = report.exit_code in (0, 1)
    said = list(_notifications(report, cut))
    invocation: dict[str, Any] = {"executionSuccessful": told, "exitCode": report.exit_code}
    return {**invocation, "toolExecutionNotifications": said} if said else invocation


def _notifications(report: Report, cut: int) -> Iterator[dict[str, Any]]:
    for incident in report.incidents:
        for gate in incident.gates:
            if gate.status is Status.ERROR:
                name = f"{visible(incident.incident_id, 80)}: {findings.gate_name(gate)}"
                said = f"{name} could not be judged: {visible(gate.summary)}"
                yield _notification("error", findings.sentence(said))
    for notice in report.notices:
        yield _notification("note", findings.sentence(visible(notice, findings.DETAIL)))
    if cut > 0:
        said = f"{cut:,} more findings are not in this file; the JSON report has all of them."
        yield _notification("warning", said)


def _notification(level: str, text: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": _message(text)}}
