"""Does one thing to many records, on all cores when they are many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates import parallel
from incident_gates.errors import GateError

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
    if not parallel.pays(len(tasks), MANY):
        for some in _chunks(tasks):
            yield from work(some, setting, setting.limits)
        return
    for done in parallel.mapped(_done, _chunks(tasks), _begin, (work, setting)):
        if isinstance(done, GateError):
            raise done
        yield from done


def _chunks(tasks: Sequence[Task]) -> list[Sequence[Task]]:
    return [tasks[start : start + CHUNK] for start in range(0, len(tasks), CHUNK)]


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
