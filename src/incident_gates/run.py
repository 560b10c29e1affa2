"""One run: selects records, judges each, and gives one report with one exit code."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import __version__, discover, engine, judgements, protocol, shards
from incident_gates.changes import CHANGES
from incident_gates.discover import Selection
from incident_gates.engine import Request
from incident_gates.errors import UsageError
from incident_gates.evidence import times
from incident_gates.kept import keep
from incident_gates.model import WARNING, Report, Verdict
from incident_gates.policy import Limits, Policy, looser
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from incident_gates.model import IncidentReport

EXIT_CODES = {
    Verdict.PASSED: 0,
    Verdict.IN_PROGRESS: 0,
    Verdict.NOT_APPLICABLE: 0,
    Verdict.FAILED: 1,
    Verdict.ERROR: 3,
}
WORST_FIRST = (
    Verdict.ERROR,
    Verdict.FAILED,
    Verdict.IN_PROGRESS,
    Verdict.PASSED,
    Verdict.NOT_APPLICABLE,
)
NOW_BEGIN = "Begin one with: incident-gates new"
BEGIN = f"There is no incident here. {NOW_BEGIN}"
ADVISORY = "Advisory: a gate failed, and this run does not fail because of it."


class Job(NamedTuple):
    """What a command asked for; ``cwd`` is the current folder unless given.

    ``part`` is the shard that is judged, of how many; ``now`` is the present that they share.
    """

    selection: Selection = Selection()
    request: Request = Request()
    flags: Mapping[str, float] = MappingProxyType({})
    policy: str | None = None
    as_of: str | None = None
    cwd: Path | None = None
    part: tuple[int, int] | None = None
    now: str | None = None
    allow_empty: bool = False

    @property
    def here(self) -> Path:
        """Where the command stands."""
        return self.cwd or Path.cwd()


def present(job: Job) -> datetime:
    """The moment that stands for now."""
    return moment(job.as_of) if job.as_of else moment(job.now, "--now")


def moment(text: str | None, flag: str = "--as-of") -> datetime:
    """The moment that a flag names, or now; raises UsageError where it cannot be read."""
    if text is None:
        return datetime.now(timezone.utc)
    parsed = times.parse(text if "T" in text or " " in text else f"{text}T00:00:00Z")
    if parsed is None:
        raise UsageError(f"{flag} {text}: {times.why_not(text)}; write 2026-03-14T02:25:00Z.")
    return parsed.earliest


def limits_of(job: Job) -> tuple[Limits, list[str]]:
    """The limits in force, and notices about flags that CI ignored and settings that are looser."""
    first = Path(job.selection.root or next(iter(job.selection.paths), "."))
    start = (job.here / first).absolute()
    policy = discover.read_policy(job.policy, start if start.is_dir() else start.parent)
    return limits_under(policy, job)


def limits_under(policy: Policy, job: Job) -> tuple[Limits, list[str]]:
    """The same under a policy that was read already."""
    proto = protocol.load()
    if policy.path:
        policy = policy._replace(path=_shown(Path(policy.path), job.here))
    base = Limits(proto, policy)
    notices = _ignored_flags(base, job.flags)
    limits = Limits(proto, policy, job.flags, flags_tighten_only=in_ci())
    said = limits.looser_than_protocol()
    return limits, notices + [f"Looser than the protocol: {sentence}" for sentence in said]


def _shown(path: Path, cwd: Path) -> str:
    try:
        return path.relative_to(cwd).as_posix()
    except ValueError:
        return path.name


def in_ci() -> bool:
    """Whether a service runs us, where a change must not loosen what judges it."""
    return os.environ.get("CI", "").lower() in ("1", "true")


def _ignored_flags(base: Limits, flags: Mapping[str, float]) -> list[str]:
    """Flags that ask for less than policy or protocol, which in CI are ignored, and said."""
    said = []
    for name, value in flags.items() if in_ci() else ():
        entry = base.protocol.data["thresholds"][name]
        floors = {base.threshold(name, severity) for severity in ("", *base.protocol.severities)}
        tightest = min(floors) if entry["comparison"] == "<=" else max(floors)
        if looser(entry, value, tightest):
            said.append(
                f"WARNING: {entry['flag']} {value:g} is looser than {tightest:g} "
                "of the policy or the protocol, and is ignored in CI where it is."
            )
    return said


def run(job: Job) -> Report:
    """Judges what was selected; the worst verdict is the report's."""
    now = present(job)
    limits, notices = limits_of(job)
    records, said = discover.records(job.selection, limits.policy, limits.protocol, job.here)
    none_is = Verdict.NOT_APPLICABLE
    if not records:
        nothing_here = " ".join([*said, _nothing(job.selection)])
        if job.request.require == engine.DUE and not job.allow_empty:
            raise UsageError(nothing_here)
        notices.append(nothing_here)
        none_is = none_is if job.allow_empty else Verdict.FAILED
    shard = None
    if job.part:
        records, shard = shards.taken(records, job.part, asked(job))
    request = job.request._replace(fixed=job.as_of is not None)
    incidents = keep(judgements.judge_all(records, limits, now, request), len(records))
    report = report_on(job, limits, now, worst(incidents) or none_is, incidents)
    report = asked_by_hand(report._replace(notices=tuple(notices + said)))
    return shards.stamped(report, shard)


def asked(job: Job, scope: str | None = None) -> dict[str, Any]:
    """What the shards of one run must have been asked alike."""
    selection, request = job.selection, job.request
    return {
        "paths": list(selection.paths),
        "root": selection.root,
        "incidents": list(selection.incidents),
        "gates": list(request.gates),
        "strict": request.strict,
        "history": bool(request.history),
        "flags": dict(job.flags),
        "as_of": job.as_of,
        "scope": scope,
    }


def asked_by_hand(report: Report) -> Report:
    """Whoever asks by hand whether something may be executed is told no where nothing is."""
    nothing = report.incidents and report.verdict is Verdict.NOT_APPLICABLE
    if nothing and report.require == engine.READY:
        return report._replace(exit_code=EXIT_CODES[Verdict.FAILED])
    return report


def counting_findings(report: Report, *, strict: bool) -> Report:
    """The report with what is wrong with the change counted in; not to know outweighs it."""
    fails = any(f.fails or (strict and f.level == WARNING) for f in report.findings)
    if not fails or report.verdict is Verdict.ERROR:
        return report
    return report._replace(verdict=Verdict.FAILED, exit_code=EXIT_CODES[Verdict.FAILED])


def _nothing(selection: Selection) -> str:
    """What to say where there is nothing to judge."""
    named = selection.root or ", ".join(selection.paths)
    named = "" if named == os.curdir else named
    return f"There is no incident in {named}. {NOW_BEGIN}" if named else BEGIN


def report_on(
    job: Job,
    limits: Limits,
    now: datetime,
    verdict: Verdict,
    incidents: Sequence[IncidentReport],
) -> Report:
    """The report on records that were judged, and by what they were."""
    return Report(
        __version__,
        (str(limits.protocol.data["id"]), limits.protocol.version, limits.protocol.sha256),
        (limits.policy.path, limits.policy.sha256),
        now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        job.request.require,
        verdict,
        EXIT_CODES[verdict],
        incidents,
    )


def worst(reports: Iterable[IncidentReport | Report]) -> Verdict | None:
    """The worst of several verdicts."""
    found = {report.verdict for report in reports}
    return next((v for v in WORST_FIRST if v in found), None)


def gate_texts() -> dict[str, dict[str, str]]:
    """The protocol's words for each gate that failed."""
    return {
        gate.id: {
            "criteria": gate.asks.rstrip("."),
            "failure_handling": gate.failure_handling,
        }
        for gate in protocol.load().gates
    }


def rule_texts() -> dict[str, dict[str, str]]:
    """What each rule says about itself."""
    return {
        rule.id: {"level": rule.level, "says": rule.says, "why": rule.why, "fix": rule.fix}
        for rule in (*RULES.values(), *CHANGES.values())
    }


def rule_controls() -> dict[str, list[str]]:
    """The controls that each rule speaks to; the mapping is our own."""
    from incident_gates import controls

    return {
        rule.id: [f"{each.name} {each.id}" for each in controls.of(rule.gate, rule.criterion)]
        for rule in RULES.values()
    }


def error_announcement(step: str, explanation: str) -> str:
    """The protocol's words for a run that could not tell."""
    said: str = protocol.load().data["error_announcement"]
    return said.format(step=step, explanation=explanation.rstrip("."))
