"""Shows what verifying said: for people at 80 columns, and as JSON."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from incident_gates import __version__
from incident_gates.package.verify.model import EXIT_CODES, Outcome, worst
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.package.verify.model import Check, Verification

WIDTH = 80
MARKS = {
    Outcome.VERIFIED: "✓",
    Outcome.DIFFERS: "✗",
    Outcome.UNKNOWN: "?",
    Outcome.LEFT: "?",
}
MOST = 20
LAST = {
    Outcome.VERIFIED: "VERIFIED  everything that could be checked is as it was written",
    Outcome.DIFFERS: "ALTERED  {count} of {all} checks found something else than what was written",
    Outcome.UNKNOWN: "COULD NOT TELL  {count} of {all} checks came to no answer",
}


def text(found: tuple[Verification, ...]) -> str:
    """The checks of each package, then what no check could reach, then one line."""
    return "\n".join("\n".join(_package(each)) + "\n" for each in found)


def _package(one: Verification) -> Iterator[str]:
    name = visible(one.incident_id, 40)
    yield f"{name}  {one.kind} {visible(one.target, 60)}" if name else visible(one.target)
    yield ""
    for check in one.checks:
        yield from _check(check)
    if one.not_verified:
        yield ""
        yield "Not verified:"
        for said in one.not_verified:
            yield from _wrapped(f"  - {said}", "    ")
    yield ""
    yield _last(one)


def _check(check: Check) -> Iterator[str]:
    yield from _wrapped(f"  {MARKS[check.outcome]} {check.id:<10} {check.said}", " " * 15)
    for detail in check.details[:MOST]:
        yield from _wrapped(f"{'':15}{detail}", " " * 17)
    if len(check.details) > MOST:
        yield f"{'':15}and {len(check.details) - MOST} more"


def _wrapped(line: str, indent: str) -> list[str]:
    """Lines of at most 80 columns; a path longer than one is left whole."""
    return textwrap.wrap(
        line,
        WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _last(one: Verification) -> str:
    count = sum(check.outcome is one.outcome for check in one.checks)
    return LAST[one.outcome].format(count=count, all=len(one.checks))


def as_json(found: tuple[Verification, ...]) -> str:
    """The same as data; schemas/verification.schema.json has its shape."""
    outcome = worst(found)
    data = {
        "schema_version": "1.0",
        "tool": {"name": "incident-gates", "version": __version__},
        "outcome": outcome.value,
        "exit_code": EXIT_CODES[outcome],
        "packages": [_as_data(each) for each in found],
    }
    return json.dumps(data, indent=2, ensure_ascii=True) + "\n"


def _as_data(one: Verification) -> dict[str, Any]:
    return {
        "target": one.target,
        "kind": one.kind,
        "incident_id": one.incident_id or None,
        "as_of": one.as_of or None,
        "verdict": one.verdict or None,
        "outcome": one.outcome.value,
        "checks": [
            {
                "id": check.id,
                "outcome": check.outcome.value,
                "said": check.said,
                "details": list(check.details),
            }
            for check in one.checks
        ],
        "not_verified": list(one.not_verified),
    }
