"""Tries every mutation on copies of one valid record, and tells what was caught and what missed."""

from __future__ import annotations

import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from incident_gates import discover, engine, protocol
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.package.judged import moment
from incident_gates.package.selftest import findings, sweeps, table
from incident_gates.package.selftest.bench import Bench
from incident_gates.package.selftest.model import Selftest, Trial
from incident_gates.policy import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incident_gates.incident import Record
    from incident_gates.model import IncidentReport


def run(target: Path, progress: Callable[[int, int], None] | None = None) -> Selftest:
    """Tries everything on copies of the record in a folder; raises UsageError, CouldNotTell."""
    with tempfile.TemporaryDirectory(prefix="incident-gates-") as folder:
        bench = ready(target, Path(folder).resolve())
        trials = tuple(_trials(bench, progress or _silent))
    return Selftest(bench.report.incident_id, str(target), bench.report.as_of, trials)


def ready(target: Path, folder: Path) -> Bench:
    """A copy of the record in an empty folder; raises UsageError where it does not pass."""
    record, limits = _found(target)
    now = moment(record, limits, datetime.now(timezone.utc))
    request = engine.Request(engine.ALL, history=False)
    _refuse_failing(engine.judge(record, limits, now, request), target)
    bench = Bench(record, limits, now, folder)
    if not findings.passes(bench.report):
        raise CouldNotTell(
            f"A copy of {record.incident_id} does not pass, though the record does: it rests on "
            "what is not in its folder. Keep earlier plans there, as mitigation-plan.1.md."
        )
    return bench


def _found(target: Path) -> tuple[Record, Limits]:
    if not target.is_dir():
        raise UsageError(f"--selftest takes the folder of one incident; {target} is a file.")
    proto = protocol.load()
    policy = discover.read_policy(None, target.absolute())
    selection = discover.Selection((str(target),))
    records, _ = discover.records(selection, policy, proto, Path.cwd())
    if len(records) != 1:
        many = f"{len(records)} incidents" if records else "no incident"
        raise UsageError(f"--selftest takes the folder of one incident; {target} holds {many}.")
    return records[0], Limits(proto, policy)


def _refuse_failing(report: IncidentReport, target: Path) -> None:
    if findings.passes(report):
        return
    verdict = report.verdict.value.replace("_", " ")
    raise UsageError(
        f"--selftest needs a record that passes with every gate due; {report.incident_id} is "
        f"{verdict}. See: incident-gates check {target} --require all"
    )


def _trials(bench: Bench, progress: Callable[[int, int], None]) -> Iterator[Trial]:
    mutations = table.load().mutations
    sweep = sweeps.planned(bench)
    whole = len(mutations) + len(sweep)
    for number, mutation in enumerate(mutations, 1):
        progress(number, whole)
        yield bench.tried(mutation)
    for number, one in enumerate(sweep, len(mutations) + 1):
        progress(number, whole)
        yield one()


def _silent(_: int, __: int) -> None:
    """Nobody watches."""
