"""Pointers with wildcards into a parsed file, and what is done at the place that they name."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.package.selftest.state import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterator

_EACH = re.compile(r"\*(?:\[([\w.]+)(!?=)(.*)\])?\Z")


class Spot(NamedTuple):
    """A value's place: what holds it, and under which key."""

    parent: Any
    key: str | int

    @property
    def value(self) -> Any:
        """What stands there; None where nothing does."""
        if isinstance(self.parent, dict):
            return self.parent.get(str(self.key))
        return self.parent[self.key]

    @property
    def there(self) -> bool:
        """Whether something stands there."""
        return isinstance(self.parent, list) or self.key in self.parent

    def put(self, value: Any) -> None:
        """Puts a value there."""
        self.parent[self.key] = value

    def remove(self) -> None:
        """Takes it away."""
        del self.parent[self.key]


def spots(top: Any, pointer: str) -> list[Spot]:
    """Every place that a pointer names; ``*`` is each entry, ``*[key=value]`` some of them.

    Entries are also named by number, from the end below zero, and ``last`` is the last.
    """
    return list(_spots(top, [part for part in pointer.split("/") if part]))


def _spots(value: Any, way: list[str]) -> Iterator[Spot]:
    for spot in _steps(value, way[0]):
        if len(way) == 1:
            yield spot
        elif spot.there:
            yield from _spots(spot.value, way[1:])


def _steps(value: Any, part: str) -> Iterator[Spot]:
    if isinstance(value, dict):
        yield Spot(value, part)
    elif isinstance(value, list):
        each = _EACH.match(part)
        if each:
            yield from (Spot(value, i) for i, v in enumerate(value) if _meets(v, each))
        elif part == "last" or part.lstrip("-").isdigit():
            index = -1 if part == "last" else int(part)
            if -len(value) <= index < len(value):
                yield Spot(value, index % len(value))


def _meets(entry: Any, each: re.Match[str]) -> bool:
    key, how, wanted = each.groups()
    if key is None:
        return True
    for name in key.split("."):
        entry = entry.get(name) if isinstance(entry, dict) else None
    shown = str(entry).lower() if isinstance(entry, bool) else entry
    return (shown == wanted) is (how == "=")


def found(top: Any, pointer: str, *, new: bool = False) -> list[Spot]:
    """The same, of which there is one at least; raises NotApplicable.

    ``new`` places need not hold anything yet.
    """
    all_of_them = [s for s in spots(top, pointer) if s.there or new]
    if not all_of_them:
        raise NotApplicable(f"the record has no {_words(pointer)}")
    return all_of_them


def _words(pointer: str) -> str:
    """A pointer as a person says it: /approvals/*[role=x]/standing is standing of approvals."""
    parts = [p for p in pointer.split("/") if p]
    named = [p for p in parts if not _EACH.match(p) and p != "last" and not p.lstrip("-").isdigit()]
    kind = next((f" {m[3]}" for p in parts if (m := _EACH.match(p)) and m[3]), "")
    return " of ".join(reversed(named[-2:])) + kind


def duplicated(spot: Spot) -> None:
    """Adds a copy of an entry to the end of its list."""
    spot.parent.append(copy.deepcopy(spot.value))
