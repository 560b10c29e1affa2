"""Says in which values two JSON documents differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = 60


def differences(stated: Any, found: Any, at: str = "") -> Iterator[str]:
    """Each value that is stated otherwise than it was found, by the way that leads to it."""
    if isinstance(stated, dict) and isinstance(found, dict):
        for key in sorted({*stated, *found}, key=str):
            yield from differences(stated.get(key), found.get(key), _below(at, key))
    elif isinstance(stated, list) and isinstance(found, list) and _plain(stated + found):
        yield from _of_lists(stated, found, at)
    elif isinstance(stated, list) and isinstance(found, list) and len(stated) == len(found):
        for number, (one, other) in enumerate(zip(stated, found, strict=True)):
            yield from differences(one, other, f"{at}/{number}")
    elif stated != found or type(stated) is not type(found):
        yield f"{at}: stated {_shown(stated)}, found {_shown(found)}"


def _below(at: str, key: str) -> str:
    """The way to a key, which may be any text at all."""
    inside = visible(key, SHOWN)
    return f"{at}/{inside}" if at else inside


def _plain(items: list[Any]) -> bool:
    return all(isinstance(item, str) for item in items)


def _of_lists(stated: list[str], found: list[str], at: str) -> Iterator[str]:
    """Of lists of names, which name stands on one side alone."""
    if stated == found:
        return
    more, fewer = sorted(set(stated) - set(found)), sorted(set(found) - set(stated))
    if more:
        yield f"{at}: {visible(', '.join(more), SHOWN)} is stated and was not found"
    if fewer:
        yield f"{at}: {visible(', '.join(fewer), SHOWN)} was found and is not stated"
    if not more and not fewer:
        yield f"{at}: the same entries in another order or number"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} entries"
    return visible(json.dumps(value, ensure_ascii=False), SHOWN)
