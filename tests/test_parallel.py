"""Many records on all cores: the same answers, in the same order, and never a lost one."""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from incident_gates import judgements, parallel
from incident_gates.discover import Selection
from incident_gates.errors import CouldNotTell
from incident_gates.run import Job, run

if TYPE_CHECKING:
    from pathlib import Path

_given: list[int] = []


def _begin(number: int) -> None:
    _given.append(number)


def _times(item: int) -> int:
    return item * _given[-1]


def _killed(item: int) -> int:
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_answers_come_in_order_and_each_process_begins_with_what_is_given() -> None:
    assert list(parallel.mapped(_times, range(9), _begin, (7,), chunk=2)) == list(range(0, 63, 7))


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_worker_is_could_not_tell_and_never_a_shorter_answer() -> None:
    with pytest.raises(CouldNotTell, match="was killed"):
        list(parallel.mapped(_killed, range(9), _begin, (1,)))


def test_records_are_judged_alike_in_one_process_and_in_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("contradictions", "complete", "late-notice"):
        example = judgements.__file__.partition("/src/")[0] + f"/examples/{name}/.artifacts"
        shutil.copytree(example, tmp_path / name / ".artifacts")
    job = Job(Selection(tuple(map(str, sorted(tmp_path.iterdir())))), as_of="2026-03-20T00:00:00Z")
    alone = run(job)
    monkeypatch.setattr(judgements, "MANY", 2)
    assert run(job) == alone
    assert [report.verdict.value for report in alone.incidents] == ["passed", "failed", "passed"]


def _threshold(_: int) -> int:
    return gc.get_threshold()[0]


def test_a_worker_looks_for_cycles_as_seldom_as_we_do() -> None:
    before, start = gc.get_threshold(), multiprocessing.get_start_method()
    gc.set_threshold(50_000)
    multiprocessing.set_start_method("spawn", force=True)
    try:
        assert list(parallel.mapped(_threshold, [0], _begin, (1,))) == [50_000]
    finally:
        multiprocessing.set_start_method(start, force=True)
        gc.set_threshold(*before)
