"""Joins the reports of all shards into the one that a single run would have given, or refuses to.

Reports come from elsewhere: each is read within bounds, held against its schema, and must be what
this very version writes. Whatever is missing, twice there or does not belong together ends in
"could not tell"; what was judged is never judged again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import __version__, protocol, run, schema, shards, wording
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import bounds, files, strict_json
from incident_gates.evidence.refusal import Refusal
from incident_gates.model import Status, Verdict
from incident_gates.report import json_report, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from incident_gates.model import IncidentReport, Report, Shard

REPORT_BYTES = 256 * bounds.MIB
SHOWN = 5


class Part(NamedTuple):
    """The report of a shard, and the file that it was read from."""

    name: str
    report: Report
    shard: Shard


def joined(paths: Sequence[str]) -> Report:
    """The report of the whole run whose shards wrote these reports."""
    parts = [_part(path) for path in named(paths)]
    first = parts[0]
    for other in parts[1:]:
        _belong_together(first, other)
    _all_there(parts)
    incidents = _in_order(parts)
    verdict = run.worst(incidents) or run.worst(part.report for part in parts) or Verdict.ERROR
    report = first.report._replace(
        verdict=verdict,
        exit_code=run.EXIT_CODES[verdict],
        incidents=incidents,
        notices=_notices(first),
        shard=None,
    )
    by_hand = first.shard.asked["scope"] is None
    report = run.counting_findings(report, strict=first.shard.asked["strict"])
    return run.asked_by_hand(report) if by_hand else report


def named(paths: Sequence[str]) -> list[Path]:
    """The files that are meant: a folder stands for the reports in it."""
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise UsageError(f"The report {path} does not exist.")
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not inside:
            raise UsageError(f"The folder {path} holds no report (*.json).")
        found += inside
    return list(dict.fromkeys(found))


# --- one report ----------------------------------------------------------------------------------


def read(path: Path) -> tuple[Report, str]:
    """A report that this version wrote, under the protocol that it has, and its SHA-256."""
    try:
        written = files.read(path, REPORT_BYTES)
        text = files.decode(written)
        data = strict_json.parse(text)
    except Refusal as refusal:
        raise CouldNotTell(f"{path} cannot be read: {refusal.what}.") from None
    for problem in schema.problems("report", data):
        where = wording.path(problem.pointer) or "the top"
        raise CouldNotTell(f"{path} is no report of incident-gates: {where} {problem.message}.")
    report = reading.report(data)
    _is_ours(path, report)
    if json_report.render(report) != text:
        raise CouldNotTell(f"{path} is not as incident-gates writes it; it was changed.")
    for incident in report.incidents:
        if _contradicts_itself(incident):
            said = f"the verdict on {incident.incident_id} is not what its gates say"
            raise CouldNotTell(f"{path} contradicts itself: {said}.")
    worst = run.worst(report.incidents)
    if worst and run.WORST_FIRST.index(report.verdict) > run.WORST_FIRST.index(worst):
        said = "its verdict is better than that on its incidents"
        raise CouldNotTell(f"{path} contradicts itself: {said}.")
    if report.exit_code not in _exit_codes(report):
        raise CouldNotTell(f"{path} contradicts itself: its exit code is not that of its verdict.")
    return report, hashlib.sha256(written).hexdigest()


def _exit_codes(report: Report) -> tuple[int, ...]:
    """The exit codes that a verdict may have had: an advisory run ends with 0."""
    code = run.EXIT_CODES[report.verdict]
    asked = run.asked_by_hand(report._replace(exit_code=code)).exit_code
    return (code, asked, *((0,) if run.ADVISORY in report.notices else ()))


def _is_ours(path: Path, report: Report) -> None:
    """Another version has other rules, and would have said other things."""
    known = protocol.load()
    ours = (str(known.data["id"]), known.version, known.sha256)
    if report.tool_version != __version__:
        said = f"{path} was judged by incident-gates {report.tool_version}; this is {__version__}."
        raise CouldNotTell(said)
    if report.protocol != ours:
        raise CouldNotTell(f"{path} was judged by another protocol than this version has.")


def _contradicts_itself(incident: IncidentReport) -> bool:
    statuses = {gate.status for gate in incident.gates}
    if Status.ERROR in statuses:
        return incident.verdict is not Verdict.ERROR
    failed = Status.FAILED in statuses or any(f.fails for f in incident.all_findings)
    return failed and incident.verdict is not Verdict.FAILED


def _part(path: Path) -> Part:
    """The report of a shard, which holds the incidents that belong there and no others."""
    report, _ = read(path)
    if report.shard is None:
        raise CouldNotTell(f"{path} was written without --shard: there is nothing to join it with.")
    shard = report.shard
    own = all(shards.number_of(i.path, shard.parts) == shard.number for i in report.incidents)
    if not own or len(report.incidents) != len(shard.positions):
        raise CouldNotTell(f"{path} does not hold the incidents of its shard.")
    return Part(str(path), report, shard)


# --- all of them ---------------------------------------------------------------------------------


def _notices(part: Part) -> tuple[str, ...]:
    """What was said of the run, without what was said of the shard."""
    of_the_shard = (shards.about(part.shard), run.ADVISORY)
    return tuple(notice for notice in part.report.notices if notice not in of_the_shard)


# What all shards of one run have in common, as people call it.
SHARED: dict[str, Callable[[Part], Any]] = {
    "policy": lambda part: part.report.policy,
    "moment (give every shard the same --now)": lambda part: part.report.as_of,
    "--require": lambda part: part.report.require,
    "base commit": lambda part: part.report.base,
    "number of shards": lambda part: part.shard.parts,
    "commit": lambda part: part.shard.commit,
    "list of incidents": lambda part: (part.shard.total, part.shard.listing),
    "request": lambda part: part.shard.asked,
    "notices": _notices,
    "findings in the change": lambda part: part.report.findings,
}


def _belong_together(first: Part, other: Part) -> None:
    for what, of in SHARED.items():
        if of(first) != of(other):
            said = f"{first.name} and {other.name} were not judged alike: another {what}."
            raise CouldNotTell(said)


def _all_there(parts: Sequence[Part]) -> None:
    names: dict[int, str] = {}
    for part in parts:
        other = names.setdefault(part.shard.number, part.name)
        if other != part.name:
            said = f"{other} and {part.name} are both of shard {part.shard.number}."
            raise CouldNotTell(said)
    count = parts[0].shard.parts
    missing = [number for number in range(1, count + 1) if number not in names]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        which = ", ".join(map(str, missing[:SHOWN]))
        said = f"The reports of these shards of {count} are missing: {which}{more}."
        raise CouldNotTell(said)


def _in_order(parts: Sequence[Part]) -> tuple[IncidentReport, ...]:
    """Every incident at its place; what was listed must be what was judged."""
    found: dict[int, IncidentReport] = {}
    for part in parts:
        found.update(zip(part.shard.positions, part.report.incidents, strict=True))
    incidents = tuple(found[position] for position in sorted(found))
    listed = parts[0].shard
    if len(found) != listed.total or shards.listing(i.path for i in incidents) != listed.listing:
        raise CouldNotTell("The incidents of all shards together are not those that were listed.")
    return incidents
