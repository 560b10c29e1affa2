"""Judges a change: the incidents that it touches, by the policy of the commit it starts from."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import discover, judgements, run, shards
from incident_gates.chain import Chain
from incident_gates.changes import finding
from incident_gates.engine import DUE, Request
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import bounds, files
from incident_gates.evidence.refusal import Refusal
from incident_gates.github import base_policy, commits, demand, event, waivers
from incident_gates.github.touched import is_incident, touched
from incident_gates.incident import Record
from incident_gates.kept import keep
from incident_gates.model import LEVELS, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from incident_gates.discover import Root
    from incident_gates.github.commits import Change
    from incident_gates.github.event import Event
    from incident_gates.github.touched import Touched
    from incident_gates.model import Finding, IncidentReport, Report, Shard
    from incident_gates.policy import Limits
    from incident_gates.run import Job

ALL = "all"
WORKFLOWS = ".github/workflows/"
OURS = b"incident-gates"
WORKFLOW_BYTES = 512 * bounds.KIB
NOTHING = "This change touches no incident, and nothing asks it to: there is nothing to judge."
NONE_YET = "There is no incident here, so there is nothing to judge."


class Judged(NamedTuple):
    """A report on a change, and for each incident the changed file that brought it here."""

    report: Report
    anchors: dict[str, tuple[str, int]]


class _Setting(NamedTuple):
    """What a change is judged with."""

    job: Job
    change: Change
    limits: Limits
    roots: list[Root]
    now: datetime


def judge(job: Job, scope: str) -> Judged:
    """Judges what an event changed, or everything where it changed no one thing."""
    if job.selection.paths:
        raise UsageError("--scope judges what an event changed; name no paths beside it.")
    happened = event.read(os.environ)
    if job.part and scope != ALL:
        raise UsageError("--shard splits all incidents; add --scope all, or leave --shard away.")
    change = commits.change_of(happened, _repository(job))
    policy, found = base_policy.in_force(job, change)
    limits, notices = run.limits_under(policy, job)
    setting = _Setting(job, change, limits, _roots(job, limits, change), run.present(job))
    here = touched(change, setting.roots, limits.protocol)
    found += [*here.findings, *_workflows(change)]
    incidents, said, shard = _incidents(setting, here, scope)
    missing, satisfied = _evidence(setting, here, happened)
    found += missing
    verdict = _verdict(setting, incidents, shard)
    report = run.report_on(job, limits, setting.now, verdict, incidents)
    report = report._replace(
        incidents=waivers.marked(incidents, change),
        notices=(*notices, *said, *satisfied),
        findings=tuple(sorted(found, key=lambda f: (LEVELS.index(f.level), f.rule))),
        base=change.base,
    )
    report = run.counting_findings(report, strict=job.request.strict)
    return Judged(shards.stamped(report, shard), _anchors(report.incidents, change))


def limits_in_force(job: Job) -> Limits:
    """The limits that a change is judged by: those of the base's policy, not of its own."""
    change = commits.change_of(event.read(os.environ), _repository(job))
    policy, _ = base_policy.in_force(job, change)
    return run.limits_under(policy, job)[0]


# --- what to judge -------------------------------------------------------------------------------


def _repository(job: Job) -> Path:
    """The repository that the event is about: where the workflow stands, or what holds the root."""
    here = job.here
    root = (here / (job.selection.root or ".")).absolute()
    inside = [folder for folder in root.parents if here in folder.parents]
    for folder in (here, *reversed(inside)):
        if (folder / ".git").exists():
            return folder
    raise CouldNotTell("There is no repository here. Let actions/checkout run before this.")


def _roots(job: Job, limits: Limits, change: Change) -> list[Root]:
    """The roots as the base's policy has them; one that the change deletes is still a root."""
    if job.selection.root:
        folder = Path(os.path.normpath(job.here / job.selection.root))
        if not folder.is_dir() and not _changed_below(change, folder):
            raise UsageError(f"The root {job.selection.root} does not exist.")
        return [_root(folder, change)]
    names = limits.policy.data.get("roots", (discover.ROOT,))
    return [_root(change.repository / name, change) for name in names]


def _changed_below(change: Change, folder: Path) -> bool:
    return any(folder in (change.repository / c.path).parents for c in change.paths)


def _root(folder: Path, change: Change) -> Root:
    root = discover.root_at(folder)
    inside = change.repository in folder.parents
    return root._replace(base=change.repository) if inside else root


def _record(folder: Path, root: Root, limits: Limits) -> Record:
    return Record(folder, site=root.site, base=root.base, protocol=limits.protocol)


def _incidents(
    setting: _Setting, here: Touched, scope: str
) -> tuple[Sequence[IncidentReport], list[str], Shard | None]:
    """The reports on what is to be judged, what is to be said of the choice, and its part."""
    job, change, limits, _, now = setting
    asked = job.selection.incidents
    everything = scope == ALL or change.base is None
    if everything or asked:
        records, shard = list(_every_record(setting)), None
        said = [] if records else [run.BEGIN if _must_be(setting) else NONE_YET]
        if job.part:
            records, shard = shards.taken(records, job.part, run.asked(job, scope))
        judged = judgements.judge_all(records, limits, now, job.request)
        return keep(judged, len(records)), said, shard
    records = [_record(folder, root, limits) for folder, root in here.folders.items()]
    open_ones = _open_ones(setting, here)
    count = len(records) + len(open_ones)
    said = [_about_inputs(len(open_ones))] if open_ones else []
    if not count:
        said.append(NOTHING)
    judged = judgements.judge_all(records, limits, now, job.request)
    more = judgements.judge_all(open_ones, limits, now, _only_inputs(job))
    return keep(chain(judged, more), count), said, None


def _every_record(setting: _Setting) -> Iterator[Record]:
    job, _, limits, roots, _ = setting
    wanted = {name.casefold() for name in job.selection.incidents}
    missing = set(wanted)
    for root in roots:
        if not root.folder.is_dir():
            continue
        for _, folder in discover.incidents(root, limits.protocol):
            record = _record(folder, root, limits)
            if not wanted or record.incident_id.casefold() in wanted:
                missing.discard(record.incident_id.casefold())
                yield record
    if missing:
        raise UsageError(f"There is no incident {', '.join(sorted(missing))} here.")


def _only_inputs(job: Job) -> Request:
    """The prerequisites, where they are due."""
    return Request(DUE, ("prerequisites",), job.request.strict, only_due=True)


def _open_ones(setting: _Setting, here: Touched) -> list[Record]:
    """Every open incident whose inputs the change replaces."""
    records = [
        _record(folder, root, setting.limits)
        for root in here.inputs
        if root.folder.is_dir()
        for _, folder in discover.incidents(root, setting.limits.protocol)
        if folder not in here.folders
    ]
    chains = (Chain(record, setting.limits, setting.now) for record in records)
    # As new ones: ten thousand need not be held with what was read of them.
    return [c.record.again() for c in chains if not c.closed and not c.false_positive]


def _about_inputs(number: int) -> str:
    return (
        "This change replaces inputs that incidents share, so the prerequisites of open incidents "
        f"were judged again ({number})."
    )


# --- what the change itself lacks or brings -------------------------------------------------------


def _workflows(change: Change) -> Iterator[Finding]:
    """A pull request runs the workflow that it brings: whoever reviews it should look there."""
    running = os.environ.get("GITHUB_WORKFLOW_REF", "").partition("@")[0]
    for changed in change.paths:
        path = changed.path
        if not path.startswith(WORKFLOWS) or not path.endswith((".yml", ".yaml")):
            continue
        if running.endswith(f"/{path}") or OURS in _text(change, path, changed.status):
            verb = {"A": "adds", "D": "deletes"}.get(changed.status, "edits")
            said = f"this change {verb} a workflow that runs the gates"
            yield finding("CHG005", path, said)


def _text(change: Change, path: str, status: str) -> bytes:
    """A workflow as it was and as it is; one that cannot be read counts as ours."""
    before = commits.Git(change.repository).blob(change.base or "", path) or b""
    if status == "D":
        return before
    try:
        return before + files.read(change.repository / path, WORKFLOW_BYTES)
    except Refusal:
        return OURS


def _evidence(setting: _Setting, here: Touched, happened: Event) -> tuple[list[Finding], list[str]]:
    """The finding where a pull request must carry evidence and does not; else what it carries."""
    _, change, limits, roots, now = setting
    asked = demand.demanded(happened, change, limits.policy.data)
    if asked is None:
        return [], []
    messages = commits.Git(change.repository).messages(change.base or "", change.head)
    names = demand.named([happened.text("pull_request", "body"), *messages])
    found = {folder: _record(folder, root, limits) for folder, root in here.folders.items()}
    unknown = []
    for name in names:
        record = _named(name, roots, limits)
        if record is None:
            unknown.append(name)
        else:
            found.setdefault(record.folder, record)
    reasons = [(r.incident_id, demand.why_not_ready(r, limits, now)) for r in found.values()]
    ready = [name for name, reason in reasons if not reason]
    if ready:
        return [], [f"Evidence is asked for ({asked.because}); {ready[0]} is ready."]
    draft = happened.at("pull_request", "draft") is True
    return [demand.lacking(asked, reasons, unknown, draft=draft)], []


def _named(name: str, roots: Iterable[Root], limits: Limits) -> Record | None:
    for root in (root for root in roots if root.folder.is_dir()):
        alike = (f for f in root.folder.iterdir() if f.name.casefold() == name.casefold())
        for folder in (*alike, root.folder):
            if is_incident(folder, limits.protocol):
                record = _record(folder, root, limits)
                if record.incident_id.casefold() == name.casefold():
                    return record
    return None


# --- how it ends ---------------------------------------------------------------------------------


def _must_be(setting: _Setting) -> bool:
    """Whether a run by hand asked for a record to be there."""
    return setting.change.base is None and setting.job.request.require != DUE


def _verdict(
    setting: _Setting, incidents: Sequence[IncidentReport], shard: Shard | None
) -> Verdict:
    if not incidents and _must_be(setting) and not (shard and shard.total):
        return Verdict.FAILED
    return run.worst(incidents) or Verdict.NOT_APPLICABLE


def _anchors(incidents: Iterable[IncidentReport], change: Change) -> dict[str, tuple[str, int]]:
    """For each incident a file of the change that is still there."""
    there = [changed.path for changed in change.paths if changed.status != "D"]
    found = {}
    for incident in incidents:
        own = (path for path in there if path.startswith(f"{incident.path}/"))
        first = next(own, next(iter(there), None))
        if first is not None:
            found[incident.path] = (first, 1)
    return found
