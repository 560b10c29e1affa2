"""What a payload claims: plain data, each claim with the key by which it is known again."""

from __future__ import annotations

from typing import Any, NamedTuple


class Signal(NamedTuple):
    """Something was noticed, or is over."""

    key: str
    time: str
    source: str
    text: str


class Notice(NamedTuple):
    """Somebody was told."""

    key: str
    time: str
    channel: str
    audience: str
    message: str
    sender: str


class Moment(NamedTuple):
    """One of the times of the severity assessment, in the words of the source."""

    name: str
    time: str
    field: str


class Breach(NamedTuple):
    """An objective that the source calls breached."""

    objective: str
    observed: str


class Rank(NamedTuple):
    """How bad the source says it is, in its own words."""

    value: str
    field: str


class Execution(NamedTuple):
    """A deployment: its entry as far as the source states it, and what it still runs as."""

    key: str
    entry: dict[str, Any]
    ended: bool


class Run(NamedTuple):
    """One run of one test: ``names`` are those by which a plan may know it."""

    suite: str
    names: tuple[str, ...]
    result: str
    time: str
    message: str


class Claims(NamedTuple):
    """All that a payload claims; ``left`` are its top-level fields that fill no file."""

    signals: tuple[Signal, ...] = ()
    notices: tuple[Notice, ...] = ()
    moments: tuple[Moment, ...] = ()
    breaches: tuple[Breach, ...] = ()
    services: tuple[str, ...] = ()
    ranks: tuple[Rank, ...] = ()
    execution: Execution | None = None
    runs: tuple[Run, ...] = ()
    left: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, never changed
    notes: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """The keys of what this payload adds: it is known again by them."""
        logged = [*(s.key for s in self.signals), *(n.key for n in self.notices)]
        return frozenset([*logged, *(f"{m.name} {m.time}" for m in self.moments)])
