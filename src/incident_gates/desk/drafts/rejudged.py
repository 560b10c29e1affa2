"""Judges a record as it stood at each commit, so that one can see which gates failed, how long."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import engine, history, seal
from incident_gates.incident import Record
from incident_gates.model import Status, Verdict
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from incident_gates.desk.found import Found
    from incident_gates.evidence.history import Commit, Version
    from incident_gates.evidence.markdown import Markdown
    from incident_gates.history import History
    from incident_gates.model import IncidentReport

# A record is written in tens of commits; of more, the newest are judged, and that is said.
MOST_COMMITS = 200


class Past(NamedTuple):
    """A record as judged at the time of one commit; the last one is how it stands now."""

    time: datetime
    report: IncidentReport


class Spell(NamedTuple):
    """A stretch of commits at which a gate failed; ``until`` is None where it fails still."""

    since: datetime
    until: datetime | None
    rules: tuple[str, ...]


class Told(NamedTuple):
    """What history tells: each past, oldest first, and what could not be told."""

    pasts: tuple[Past, ...] = ()
    untold: tuple[str, ...] = ()
    versions: tuple[tuple[str, int], ...] = ()

    def spells(self, gate: str) -> list[Spell]:
        """When a gate failed, and by which rules."""
        found: list[Spell] = []
        failing = False
        for time, report in self.pasts:
            rules = _failed(report, gate)
            if rules and failing:
                found[-1] = found[-1]._replace(rules=(*found[-1].rules, *rules))
            elif rules:
                found.append(Spell(time, None, rules))
            elif failing:
                found[-1] = found[-1]._replace(until=time)
            failing = bool(rules)
        return found

    def ever_found(self) -> set[str]:
        """The files in which something was wrong at any commit."""
        return {
            finding.location.file.rsplit("/", 1)[-1]
            for past in self.pasts
            for gate in past.report.gates
            for finding in gate.findings
            if finding.fails
        }


def _failed(report: IncidentReport, gate: str) -> tuple[str, ...]:
    judged = next((g for g in report.gates if g.id == gate), None)
    if judged is None or judged.status is not Status.FAILED:
        return ()
    return tuple(dict.fromkeys(f.rule for f in judged.findings if f.fails)) or ("a warning",)


class _Old(Record):
    """A record as a commit has it; the plans that were kept are those that are known today."""

    today: Record

    def kept_plans(self) -> Iterator[Markdown]:
        return self.today.kept_plans()


def told(found: Found) -> Told:
    """Each commit of the record judged anew, by today's rules and policy."""
    record = found.record
    known = history.of(record, history.repository_of(record))
    if not known.known:
        return Told(untold=(f"How the gates stood before is not known: {known.why_not}.",))
    commits = known.commits[-MOST_COMMITS:]
    untold = _untold(known, len(commits))
    pasts: list[Past] = []
    lost: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="incident-gates-") as folder:
        pasts += (_past(found, known, c, Path(folder) / c.sha, lost) for c in commits)
    broken = sum(past.report.verdict is Verdict.ERROR for past in pasts)
    if broken:
        untold.append(f"At {counted(broken, 'commit')} the record could not be judged.")
    if lost:
        untold.append(f"Too large to read from git: {', '.join(sorted(lost)[:5])}.")
    if known.uncommitted:
        files = counted(len(known.uncommitted), "file")
        untold.append(f"Not committed yet, so not among these: {files}.")
    return Told(tuple(pasts), tuple(untold), _versions(found, known))


def _untold(known: History, judged: int) -> list[str]:
    left = len(known.commits) - judged
    untold = [f"The oldest {counted(left, 'commit')} were not judged."] if left else []
    if len(known.commits) == 1:
        untold.append("One commit brought the whole record: how it grew is not known.")
    return untold


def _past(found: Found, known: History, commit: Commit, parent: Path, lost: set[str]) -> Past:
    record = found.record
    folder = parent / (record.folder.name or "record")
    folder.mkdir(parents=True)
    for path, version in _standing(known, commit).items():
        data = known.content(version)
        if data is None:
            lost.add(path)
            continue
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    old = _Old(folder, site=record.site, base=parent, protocol=record.protocol, flat=record.flat)
    old.today = record
    time = commit.committer.time
    return Past(time, engine.judge(old, found.limits, time, engine.Request()))


def _standing(known: History, commit: Commit) -> dict[str, Version]:
    """The files of the record as they stood at a commit."""
    versions = ((path, known.at(path, commit)) for path in known.files if not seal.unusual(path))
    return {path: version for path, version in versions if version}


def _versions(found: Found, known: History) -> tuple[tuple[str, int], ...]:
    """How often each file of the protocol was changed after it was first committed."""
    artifacts = found.limits.protocol.artifacts
    counts = [(path, len({v.blob for v in vs if v.blob}) - 1) for path, vs in known.files.items()]
    changed = [(path, count) for path, count in counts if count > 0 and path in artifacts]
    return tuple(sorted(changed, key=lambda entry: (-entry[1], entry[0])))
