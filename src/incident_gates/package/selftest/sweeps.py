"""Sweeps that need no table: files dropped, halved, one bit of each turned; values deleted."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from incident_gates import seal
from incident_gates.model import Verdict
from incident_gates.package.selftest import findings
from incident_gates.package.selftest.bench import INTAKE
from incident_gates.package.selftest.model import DELETED, DROPPED, HALVED, TURNED, Outcome, Trial
from incident_gates.package.selftest.special import PINS, pin_again

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incident_gates.model import IncidentReport
    from incident_gates.package.selftest.bench import Bench
    from incident_gates.package.selftest.state import Files

# A record of more files or values than this is no incident's; the sweep ends there.
MOST_FILES: Final = 200
MOST_VALUES: Final = 2000
# What an editor reads, and no rule.
FOR_EDITORS: Final = ("$schema",)


def planned(bench: Bench) -> list[Callable[[], Trial]]:
    """Every trial of every sweep, not yet begun."""
    asked = _asked(bench)
    files = [partial(_dropped, bench, name) for name in asked]
    files += [partial(_halved, bench, name) for name in asked]
    sealed = Sealed(bench)
    files += [partial(sealed.turned, name) for name in sealed.names]
    return [*files, *(partial(_deleted, bench, *leaf) for leaf in _leaves(bench, asked))]


def _asked(bench: Bench) -> list[str]:
    """The files that gates ask for, of those that the record has."""
    proto = bench.protocol
    inputs = {entry["file"] for entry in proto.inputs if not entry.get("optional")}
    wanted = {name for name, a in proto.artifacts.items() if a.required} | inputs
    if bench.false_positive:
        wanted = {INTAKE}
    return [name for name in bench.valid.names() if name in wanted][:MOST_FILES]


def _noticed(bench: Bench, files: Files) -> tuple[IncidentReport, str]:
    """The report on a spoilt copy, and the rules that found something new."""
    after = bench.shop.judged(files)
    return after, findings.rules(findings.new(bench.report, after))


def _must_fail(bench: Bench, group: str, name: str, files: Files) -> Trial:
    after, rules = _noticed(bench, files)
    caught = bool(rules) and after.verdict is Verdict.FAILED
    why = rules if caught else f"the record is {after.verdict.value} all the same"
    return Trial(group, "", name, Outcome.CAUGHT if caught else Outcome.MISSED, why)


def _dropped(bench: Bench, name: str) -> Trial:
    files = bench.valid.copy()
    files.drop(name)
    return _must_fail(bench, DROPPED, name, files)


def _halved(bench: Bench, name: str) -> Trial:
    files = bench.valid.copy()
    data = files.read(name)
    files.write(name, data[: len(data) // 2])
    return _must_fail(bench, HALVED, name, files)


# --- sealed files --------------------------------------------------------------------------------


class Sealed:
    """The record under a seal that is made for this."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._files = bench.shop.made(bench.valid, ({"seal": "now"},), bench.values)
        self._before = bench.shop.judged(self._files)
        listed = self._files.data(seal.MANIFEST)["files"]
        self.names = [entry["path"] for entry in listed if entry["sealed"]][:MOST_FILES]

    def turned(self, name: str) -> Trial:
        """One bit in the middle of a sealed file turned: the seal names the file."""
        files = self._files.copy()
        data = bytearray(files.read(name))
        if not data:
            return Trial(TURNED, "", name, Outcome.NOT_APPLICABLE, "the file is empty")
        data[len(data) // 2] ^= 1
        files.write(name, bytes(data))
        after = self._bench.shop.judged(files)
        found = findings.new(self._before, after)
        named = any(f.rule == "CUS001" and f.subject == name for f in found)
        caught = named and after.verdict is Verdict.FAILED
        why = "CUS001" if caught else "CUS001 does not name it"
        return Trial(TURNED, "", name, Outcome.CAUGHT if caught else Outcome.MISSED, why)


# --- values --------------------------------------------------------------------------------------


def _leaves(bench: Bench, names: list[str]) -> list[tuple[str, tuple[str | int, ...]]]:
    """Every value of the record's JSON files, by file and pointer."""
    found = [
        (name, pointer)
        for name in names
        if name.endswith(".json")
        for pointer in _pointers(bench.valid.data(name), ())
        if pointer[-1] not in FOR_EDITORS
    ]
    return found[:MOST_VALUES]


def _pointers(value: Any, way: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _pointers(item, (*way, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _pointers(item, (*way, index))
    elif way:
        yield way


def _deleted(bench: Bench, name: str, pointer: tuple[str | int, ...]) -> Trial:
    """One value deleted: some finding names it, or nobody asks for it."""
    files = bench.valid.copy()
    top = json.loads(files.text(name))
    parent = top
    for key in pointer[:-1]:
        parent = parent[key]
    del parent[pointer[-1]]
    files.write_data(name, top)
    after, rules = _noticed(bench, _pinned(bench, files, name))
    says = f"{name}/{'/'.join(map(str, pointer))}"
    noticed = bool(rules) or after.verdict is not bench.report.verdict
    return Trial(DELETED, "", says, Outcome.CAUGHT if noticed else Outcome.UNASKED, rules)


def _pinned(bench: Bench, files: Files, name: str) -> Files:
    """An input is pinned anew, so that its content is what is asked about and not its digest."""
    if name in bench.protocol.upstream and files.has(PINS):
        pin_again(files, bench.values, {})
    return files
