"""Writes beside each incident what it holds, how it was judged, and how good it is."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import atomic, custody, discover, engine, lock, protocol, run, schema
from incident_gates.chain import Chain
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.incident import Record
from incident_gates.package import (
    bundle,
    committed,
    git_record,
    handoff,
    manifest,
    many,
    metrics,
    offline,
    oscal,
    own,
    sealing,
    statements,
    sums,
    together,
)
from incident_gates.package.judged import Judged, moment
from incident_gates.policy import Limits, Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import Any

    from incident_gates.engine import Request
    from incident_gates.history import History
    from incident_gates.package.committed import Committed
    from incident_gates.run import Job


class Setting(NamedTuple):
    """What every record of a run is packaged with; it travels to each worker once."""

    policy: Policy
    flags: dict[str, float]
    tighten_only: bool
    now: datetime
    request: Request
    here: Path
    layers: bundle.Layers
    statements: statements.Wanted
    oscal: bool

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        flags, tighten_only = self.flags, self.tighten_only
        return Limits(protocol.load(), self.policy, flags, flags_tighten_only=tighten_only)


class Task(NamedTuple):
    """One record to package: where it stands, where its pages go, and what is known of it."""

    folder: Path
    site: Path
    base: Path
    flat: bool
    target: Path
    committed: Committed
    seals: list[dict[str, Any]]
    bundle: Path | None


def aggregate(
    job: Job,
    output: str | None,
    bundled: str | None = None,
    limits: Limits | None = None,
    extra: Extra | None = None,
) -> tuple[list[str], int]:
    """Writes the package of each incident; the exit code is that of the judgement.

    ``bundled`` names the bundle's file; ``limits`` are in force where they do not come from disk.
    """
    limits = limits or run.limits_of(job)[0]
    records, _ = discover.records(job.selection, limits.policy, limits.protocol, job.here)
    if not records:
        raise UsageError(run.BEGIN)
    extra = extra or Extra()
    extra.check(records, job.here)
    setting = _setting(job, limits, bundled, extra)
    tasks = list(_tasks(records, setting, limits, _Wanted(job, output, bundled)))
    written: list[str] = []
    parts: list[oscal.Part] = []
    code = 0
    for paths, one_code, part in many.each(packaged, tasks, setting):
        written += paths
        parts += [part] if part else []
        code = max(code, one_code)
    if extra.oscal:
        written.append(_written_oscal(extra.oscal, parts, job.here))
    return written, code


class Extra(NamedTuple):
    """What may be asked for besides: statements, their key's place, and a file for OSCAL."""

    statements: statements.Wanted = statements.Wanted()
    key: Path | None = None
    oscal: Path | None = None

    def check(self, records: list[Record], here: Path) -> None:
        """Raises UsageError where a key or an output would stand among the evidence."""
        for name, path in (("--sign", self.key), ("--oscal", self.oscal)):
            whole = (here / path).absolute() if path else None
            if whole and any(r.folder.absolute() in whole.parents for r in records):
                raise UsageError(f"{name}: {whole.name} stands among the evidence of an incident.")
        if self.oscal and not (here / self.oscal).parent.is_dir():
            raise UsageError(f"--oscal {self.oscal}: name a file in a folder that exists.")


def _written_oscal(target: Path, parts: list[oscal.Part], here: Path) -> str:
    path = here / target
    try:
        atomic.write(path, own.encoded(oscal.document(parts)))
    except OSError as error:
        raise CouldNotTell(f"{path.name} cannot be written: {error.strerror}") from error
    return _shown(path, here)


def _setting(job: Job, limits: Limits, bundled: str | None, extra: Extra) -> Setting:
    policy = limits.policy
    path = _policy_file(job, policy) if bundled is not None and policy.path else None
    return Setting(
        policy._replace(data=dict(policy.data)),
        dict(limits.flags),
        limits.flags_tighten_only,
        run.moment(job.as_of),
        job.request._replace(fixed=job.as_of is not None),
        job.here,
        bundle.layers(path, policy.sha256),
        extra.statements,
        extra.oscal is not None,
    )


def _policy_file(job: Job, policy: Policy) -> Path:
    """Where the policy stands: its own path is what is shown, the bare name of one elsewhere."""
    first = job.here / (job.selection.root or next(iter(job.selection.paths), "."))
    start = first.absolute()
    found = discover.read_policy(job.policy, start if start.is_dir() else start.parent)
    same = found.path and found.sha256 == policy.sha256
    return job.here / str(found.path if same else policy.path)


# --- before anything is written ------------------------------------------------------------------


class _Wanted(NamedTuple):
    """What was asked for."""

    job: Job
    output: str | None
    bundled: str | None


def _tasks(
    records: list[Record], setting: Setting, limits: Limits, wanted: _Wanted
) -> Iterator[Task]:
    """What is to be written, refused as a whole where any of it may not be."""
    targets = _targets(records, wanted)
    for target in targets:
        own.check(target, (*own.WRITTEN, *statements.NAMES))
        if target.is_dir():
            lock.tidy(target)
    known = committed.of(records)
    for record, target in zip(records, targets, strict=True):
        # A record of its own: what is read for this must not stay in memory with all the others.
        apart = record.again()
        chain = Chain(apart, limits, setting.now, fixed=setting.request.fixed)
        yield Task(
            record.folder,
            record.site,
            record.base,
            record.flat,
            target,
            known[record.folder],
            sealing.seals(chain, known[record.folder].manifest),
            _bundle(wanted.bundled, target, records, wanted.job),
        )


def _targets(records: list[Record], wanted: _Wanted) -> list[Path]:
    targets = [_target(record, wanted.job, wanted.output) for record in records]
    twice = [str(t) for t, times in Counter(targets).items() if times > 1]
    if twice:
        raise UsageError(f"Two incidents would be written to {min(twice)}: name one --incident.")
    return targets


def _target(record: Record, job: Job, output: str | None) -> Path:
    """Beside the evidence, or in a folder of the incident's name below the output."""
    if output is None:
        return record.folder
    target = (job.here / output).absolute()
    return record.folder if target == record.folder else target / _safe(record.incident_id)


def _safe(incident_id: str) -> str:
    """The id of a flat record is what its files say, which may be anything."""
    if not re.fullmatch(schema.load(schema.COMMON)["$defs"]["id"]["pattern"], incident_id):
        raise UsageError(f"{incident_id!r} is no incident id that could name a folder.")
    return incident_id


def _bundle(bundled: str | None, target: Path, records: list[Record], job: Job) -> Path | None:
    """Beside the pages under its own name, or where somebody wants the only one."""
    if bundled is None:
        return None
    if bundled in ("", own.BUNDLE):
        own.refuse_foreign(target / own.BUNDLE)
        return target / own.BUNDLE
    if len(records) > 1:
        raise UsageError(f"--bundle {bundled} can hold one incident: name one --incident.")
    path = (job.here / bundled).absolute()
    if path.is_dir():
        raise UsageError(f"--bundle {bundled} is a folder: name the file, or write --bundle last.")
    if not path.parent.is_dir():
        raise UsageError(f"--bundle {bundled}: name a file in a folder that exists.")
    if any(record.folder in path.parents for record in records):
        raise UsageError(f"--bundle: {path.name} would stand among the evidence of an incident.")
    own.refuse_foreign(path, own.BUNDLE)
    return path


# --- one record ----------------------------------------------------------------------------------


def packaged(tasks: Sequence[Task], setting: Setting, limits: Limits) -> Iterator[many.Written]:
    """Judges some records and writes their packages, one by one."""
    bundled = [_record(task, limits) for task in tasks if task.bundle]
    known = together.histories(bundled)
    for task in tasks:
        _make(task.target)
        with lock.held(task.target):
            judged = _judged(task, setting, limits, known.get(task.folder))
            written = _packaged(task, setting, judged)
        yield written


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CouldNotTell(f"{folder.name} cannot be written: {error.strerror}") from error


def _packaged(task: Task, setting: Setting, judged: Judged) -> many.Written:
    """Writes the package of one record: each file is old or new.

    The sums come last: until then, nothing that stands there passes for one package.
    """
    pages = pages_of(judged, task.seals)
    listed = manifest.decoded(pages[own.MANIFEST])
    subjects = _digests(listed, pages[own.MANIFEST])
    beside = statements.beside(judged, subjects, task.target, setting.statements)
    packed = _packed(task, setting, judged, pages)
    written = _write(task.target, {**pages, **beside.pages}, setting.here, beside.stale)
    part = oscal.part(judged, listed) if setting.oscal else None
    return [*written, *packed], run.EXIT_CODES[judged.report.verdict], part


def _packed(task: Task, setting: Setting, judged: Judged, pages: Pages) -> list[str]:
    """Writes the bundle, where one is wanted."""
    if task.bundle is None:
        return []
    members = members_of(judged, pages, setting.layers)
    named = {name: member.sha256 for name, member in members.items()}
    bundle.write(task.bundle, members, statements.made(judged, named, setting.statements))
    return [_shown(task.bundle, setting.here)]


def _judged(task: Task, setting: Setting, limits: Limits, history: History | None) -> Judged:
    record = _record(task, limits)
    fixed = setting.request.fixed
    now = setting.now if fixed else moment(record, limits, setting.now)
    request = setting.request._replace(history=_asks_git(task, limits))
    chain = engine.chain_of(record, limits, now, request)
    if history:
        custody.of(chain).history = history
    return Judged(record, limits, chain, engine.judge_chain(chain, request), task.committed)


def _asks_git(task: Task, limits: Limits) -> bool:
    """Whoever gets a bundle asks whether it was touched, so git is asked unless policy says no."""
    return limits.history != "off" or bool(task.bundle and "history" not in limits.policy.data)


def _record(of: Task, limits: Limits) -> Record:
    """The record at a place, nothing of it read yet."""
    return Record(of.folder, site=of.site, base=of.base, protocol=limits.protocol, flat=of.flat)


Pages = dict[str, bytes]


def pages_of(judged: Judged, seals: list[dict[str, Any]]) -> Pages:
    """Everything that stands beside the evidence, in the order in which it is written.

    A run that is killed in between leaves sums that do not fit the manifest, which ``sha256sum
    -c`` says; sums that fit it are never older than it.
    """
    listed = manifest.made(judged, seals)
    encoded = own.encoded(listed)
    return {
        own.METRICS: metrics.page(judged.report, listed["quality_metrics"]),
        own.HANDOFF: handoff.page(judged, listed),
        own.MANIFEST: encoded,
        own.SUMS: sums.listed(_digests(listed, encoded)),
    }


def _digests(listed: Mapping[str, Any], encoded: bytes) -> dict[str, str]:
    """Every file that the manifest lists, and the manifest itself, with their digests."""
    digests = {file["path"]: file["sha256"] for file in listed["files"]}
    return {**digests, own.MANIFEST: bundle.plain(encoded).sha256}


def members_of(judged: Judged, pages: Pages, layers: bundle.Layers) -> bundle.Members:
    """Everything that the bundle holds, but its sums and attestations."""
    listed = manifest.decoded(pages[own.MANIFEST])
    history = git_record.of(judged)
    return {
        **bundle.constant(),
        **bundle.evidence(judged, listed, pages, layers),
        bundle.REPORT: bundle.plain(offline.page(judged, listed, history)),
        bundle.VERIFY: bundle.how_to_verify(judged, listed),
        "git/history.json": bundle.plain(own.encoded(history)),
    }


def _write(folder: Path, pages: Pages, here: Path, stale: Sequence[str] = ()) -> list[str]:
    try:
        atomic.write_all({folder / name: data for name, data in pages.items()}, durable=False)
        for name in stale:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise CouldNotTell(f"{folder.name} cannot be written: {error.strerror}") from error
    return [_shown(folder / name, here) for name in pages]


def _shown(path: Path, here: Path) -> str:
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()
