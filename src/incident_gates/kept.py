"""Keeps many things in a file without a name: memory does not grow with what was judged."""

from __future__ import annotations

import pickle
import tempfile
from array import array
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, TypeVar, overload
from weakref import finalize

from incident_gates.errors import CouldNotTell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Kind = TypeVar("Kind")
# So many need no file.
FEW = 150


def keep(items: Iterable[Kind], count: int) -> Sequence[Kind]:
    """The items, of which there are about so many: a tuple of few, a file of many.

    Where no temporary file can be made, they are held in memory after all.
    """
    if count <= FEW:
        return tuple(items)
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - it is read as long as what is kept
    except OSError:
        return tuple(items)
    return Kept(items, file)


class Kept(Sequence[Kind]):
    """A sequence on disk, each of its items read anew whenever it is asked for.

    The file has no name, so nobody else can write what is read back. A disk that is full is
    "could not tell".
    """

    def __init__(self, items: Iterable[Kind], file: IO[bytes]) -> None:
        self._file = file
        finalize(self, _let_go, file)
        self._ends = array("Q", [0])
        for item in items:
            written = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
            with _room_is_needed():
                self._file.write(written)
            self._ends.append(self._ends[-1] + len(written))
        with _room_is_needed():
            self._file.flush()

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> Kind: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Kind]: ...

    def __getitem__(self, index: int | slice) -> Kind | Sequence[Kind]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        number = range(len(self))[index]
        start, end = self._ends[number : number + 2]
        try:
            self._file.seek(start)
            item: Kind = pickle.loads(self._file.read(end - start))  # noqa: S301 - our own, nameless
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            said = "What was judged cannot be read back from its temporary file. Run it again."
            raise CouldNotTell(said) from error
        return item


@contextmanager
def _room_is_needed() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        said = f"There is no room for a temporary file with what was judged: {error.strerror}."
        raise CouldNotTell(said) from error


def _let_go(file: IO[bytes]) -> None:
    with suppress(OSError):  # a full disk was said before
        file.close()
