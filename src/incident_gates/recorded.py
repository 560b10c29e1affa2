"""What a JSON file states, value by value, under names that outlast a reordering of its lists."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.evidence import files, strict_json, times
from incident_gates.evidence.refusal import Refusal
from incident_gates.incident import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_gates.evidence.times import Time

    Pointer = tuple[str | int, ...]
    Key = tuple[str, ...]

# What names an entry of a list, in this order.
_NAMES = ("id", "file", "state", "approval", "name", "check", "title")


class Stated(NamedTuple):
    """One value as a file states it: where, under which name, and what."""

    key: Key
    pointer: Pointer
    value: Any

    @property
    def time(self) -> Time | None:
        """The value as a time."""
        return times.from_value(self.value)

    @property
    def said(self) -> bool:
        """Whether it says anything: what was not known may be learnt without a rewriting."""
        if isinstance(self.value, str):
            return text_of(self.value) not in ("", "unknown")
        return self.value is not None

    @property
    def shown(self) -> str:
        """The value as people read it."""
        time = self.time
        return time.shown if time else str(self.value)


def of_bytes(data: bytes | None) -> dict[Key, Stated]:
    """What a version of a JSON file states; nothing where it cannot be read."""
    if data is None:
        return {}
    try:
        return of(strict_json.parse(files.decode(data)))
    except Refusal:
        return {}


def of(value: Any) -> dict[Key, Stated]:
    """Every value that an object states, by its name."""
    return {stated.key: stated for stated in _walk(value, (), ())}


def _walk(value: Any, key: Key, pointer: Pointer) -> Iterator[Stated]:
    if isinstance(value, dict) and "at" not in value:
        for name, inside in value.items():
            yield from _walk(inside, (*key, name), (*pointer, name))
    elif isinstance(value, list):
        seen: Counter[str] = Counter()
        for index, item in enumerate(value):
            label = _label(item, index)
            seen[label] += 1
            again = f"#{seen[label]}" if seen[label] > 1 else ""
            yield from _walk(item, (*key, label + again), (*pointer, index))
    else:
        yield Stated(key, pointer, value)


def _label(item: Any, index: int) -> str:
    """What an entry is called: by its id or name, by who said it, or by its place in the list."""
    if not isinstance(item, dict):
        return str(index)
    by = item.get("by")
    person: Mapping[str, Any] = by if isinstance(by, dict) else item
    name, role = person.get("name"), person.get("role")
    if isinstance(name, str) and isinstance(role, str):
        return f"{name} ({role})"
    said = (item.get(key) for key in _NAMES)
    return next((text for text in said if isinstance(text, str)), str(index))


def words(key: Key) -> str:
    """A name as people read it: ``D-1 Alex (incident_commander) approved_at``."""
    return " ".join(part for part in key if not part.endswith("s") or part != key[0])
