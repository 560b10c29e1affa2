"""Does one thing to many items, in as many processes as there are cores."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any, TypeVar

from incident_gates.errors import CouldNotTell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Item = TypeVar("Item")
Done = TypeVar("Done")


def pays(count: int, many: int) -> bool:
    """Whether there are other cores, and enough items for what it costs to start a process."""
    return count >= many and _cores() > 1


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def mapped(
    work: Callable[[Item], Done],
    items: Sequence[Item],
    begin: Callable[..., None],
    given: tuple[Any, ...],
    *,
    chunk: int = 1,
) -> Iterator[Done]:
    """What the work says of each item, in their order; each process begins with what is given."""
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    try:
        start = (gc.get_threshold(), begin, given)
        with ProcessPoolExecutor(_cores(), initializer=_started, initargs=start) as pool:
            yield from pool.map(work, items, chunksize=chunk)
    except BrokenProcessPool as error:
        said = "A worker process was killed; not everything was done. Run it again."
        raise CouldNotTell(said) from error


def _started(threshold: tuple[int, int, int], begin: Callable[..., None], given: Any) -> None:
    """A process that is not a fork, as on macOS or Python 3.14, inherits no setting of ours."""
    gc.set_threshold(*threshold)
    begin(*given)
