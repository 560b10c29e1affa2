"""Puts tests to the recovery checks that were planned, and adds those that nobody planned."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.desk.imports import values
from incident_gates.evidence import times
from incident_gates.facts import slug

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from incident_gates.desk.imports.claims import Run

WORST = ("failed", "skipped", "passed")
# More checks that nobody planned are read by nobody: they become one, with the worst result.
MOST = 200


class Checked(NamedTuple):
    """A check, with one more result."""

    check: dict[str, Any]
    result: dict[str, Any]
    planned: bool = True


def checked(
    known: Sequence[Mapping[str, Any]], runs: Iterable[Run], source: str, offset: str
) -> list[Checked]:
    """One result for each check that the tests were for; ``known`` are the checks of the record."""
    by_name = {slug(name): check for check in reversed(known) for name in _names(check)}
    planned: dict[str, list[Run]] = {}
    others: dict[str, list[Run]] = {}
    for run in runs:
        own = next((by_name[n] for n in map(slug, run.names) if n in by_name), None)
        suite = by_name.get(slug(run.suite))
        for check_id in dict.fromkeys(check["id"] for check in (own, suite) if check):
            planned.setdefault(check_id, []).append(run)
        if not own and not suite:
            others.setdefault(run.suite, []).append(run)
    if len(others) > MOST:
        others = {f"{len(others)} suites": [run for suite in others.values() for run in suite]}
    checks = {check["id"]: check for check in known}
    found = [Checked(dict(checks[c]), _result(r, source, offset)) for c, r in planned.items()]
    for suite_name, unplanned in others.items():
        check = _unplanned(suite_name, set(checks))
        checks[check["id"]] = check
        found.append(Checked(check, _result(unplanned, source, offset), planned=False))
    return found


def _names(check: Mapping[str, Any]) -> list[str]:
    names = [check.get("id"), check.get("description")]
    return [name for name in names if isinstance(name, str) and slug(name)]


def _unplanned(suite: str, taken: set[str]) -> dict[str, Any]:
    """A check that is not in the plan counts for nothing until somebody says what it is."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", suite).strip("-._")[:60] or "junit"
    number = next(n for n in range(1, len(taken) + 2) if _numbered(stem, n) not in taken)
    said = f'JUnit suite "{suite}"' if suite else "JUnit suite without a name"
    return {"id": _numbered(stem, number), "critical": False, "description": said}


def _numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem[:59]}-{number}"


def _result(runs: Sequence[Run], source: str, offset: str) -> dict[str, Any]:
    """All passed, or it did not pass; a test that was skipped was not passed."""
    worst = next(result for result in WORST if any(run.result == result for run in runs))
    passed = sum(run.result == "passed" for run in runs)
    said = f"{passed} of {len(runs)} tests passed"
    first = next((run for run in runs if run.result == worst and worst != "passed"), None)
    if first:
        name = next(iter(first.names), first.suite)
        said = f"{said}; {name} {worst}{f': {first.message}' if first.message else ''}"
    return {
        "result": worst,
        "checked_at": _time(runs, offset),
        "evidence": f"{values.plain(said, 1000)} ({source})",
    }


def _time(runs: Sequence[Run], offset: str) -> str:
    """The earliest time among the tests: what ran before the others may have seen less."""
    stated = list(dict.fromkeys(run.time for run in runs))
    read = [(times.parse(t), t) for t in (values.time(_whole(text, offset)) for text in stated)]
    known = [(time.earliest, text) for time, text in read if time]
    if known and len(known) == len(stated):
        return min(known)[1]
    bare = next((values.plain(text, 60) for text in stated if text), "")
    why = f"the results say {bare} without an offset" if bare else "the results do not say"
    return f"TODO when it ran: {why}"


def _whole(text: str, offset: str) -> str:
    """A time with the offset that was given for those that state none."""
    written = text.strip().replace(" ", "T")
    whole = written + offset
    return whole if not values.time(written) and values.time(whole) else written
