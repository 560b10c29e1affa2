"""Does one thing to many records, on all cores when they are many."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from incident_gates.errors import CouldNotTell, GateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from incident_gates.package.aggregate import Setting, Task
    from incident_gates.package.oscal import Part
    from incident_gates.policy import Limits

    Written = tuple[list[str], int, Part | None]
    Work = Callable[[Sequence[Task], Setting, Limits], Iterator[Written]]

# Below this, starting a second process costs more than it saves.
MANY = 60
CHUNK = 10


def each(work: Work, tasks: Sequence[Task], setting: Setting) -> Iterator[Written]:
    """What the work says of each task, in their order; it is given some tasks at a time."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    if len(tasks) < MANY or cores < 2:  # noqa: PLR2004
        limits = setting.limits
        for some in _chunks(tasks):
            yield from work(some, setting, limits)
        return
    yield from _in_parallel(work, tasks, setting, cores)


def _chunks(tasks: Sequence[Task]) -> list[Sequence[Task]]:
    return [tasks[start : start + CHUNK] for start in range(0, len(tasks), CHUNK)]


def _in_parallel(
    work: Work, tasks: Sequence[Task], setting: Setting, cores: int
) -> Iterator[Written]:
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    try:
        with ProcessPoolExecutor(cores, initializer=_begin, initargs=(work, setting)) as pool:
            for done in pool.map(_done, _chunks(tasks)):
                if isinstance(done, GateError):
                    pool.shutdown(cancel_futures=True)
                    raise done
                yield from done
    except BrokenProcessPool as error:
        said = "A worker process was killed; not every package was written. Run it again."
        raise CouldNotTell(said) from error


_current: list[tuple[Work, Setting, Limits]] = []


def _begin(work: Work, setting: Setting) -> None:
    _current.append((work, setting, setting.limits))


def _done(tasks: Sequence[Task]) -> list[Written] | GateError:
    """An error travels as a value: not every exception survives the way between processes."""
    work, setting, limits = _current[-1]
    try:
        return list(work(tasks, setting, limits))
    except GateError as error:
        return error
