"""Shows what a selftest caught and missed: for people at 80 columns, and as JSON."""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING, Final

from incident_gates import __version__, protocol
from incident_gates.package.selftest.model import DELETED, DROPPED, HALVED, SWEEPS, TURNED, Outcome
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.package.selftest.model import Selftest, Trial

WIDTH: Final = 80
MARKS: Final = {
    Outcome.CAUGHT: "✓",
    Outcome.MISSED: "✗ MISSED",
    Outcome.NOT_APPLICABLE: "–",
}
SWEPT: Final = {
    DROPPED: "files that a gate asks for, taken away in turn",
    HALVED: "of them, cut in half",
    TURNED: "sealed files, one bit turned in each",
}


def text(found: Selftest) -> str:
    """One line a mutation, by gate; the sweeps; then how many were caught."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Selftest) -> Iterator[str]:
    yield f"{visible(found.incident_id, 40)}  every check against a spoilt copy, {found.as_of}"
    for gate, title in _titles().items():
        trials = sorted((t for t in found.trials if t.group == gate), key=lambda t: t.rule)
        yield from ("", title) if trials else ()
        for trial in trials:
            yield from _trial(trial)
    yield from ("", "Sweeps")
    for sweep in SWEEPS:
        yield from _sweep(sweep, [t for t in found.trials if t.group == sweep])
    yield from ("", _summary(found))


def _titles() -> dict[str, str]:
    """The gates in their order, and what is asked of the record as a whole."""
    gates = protocol.load().gates
    return {g.id: f"{g.number or ''} {g.name}".strip() for g in gates} | {
        "record": "The record itself"
    }


def _trial(trial: Trial) -> Iterator[str]:
    said = f"  {MARKS[trial.outcome]} {trial.rule} {trial.says}"
    if trial.outcome is Outcome.NOT_APPLICABLE:
        said += f" (not applicable: {visible(trial.why, 60)})"
    elif trial.outcome is Outcome.MISSED:
        said += f": {visible(trial.why)}"
    yield from textwrap.wrap(said, WIDTH, subsequent_indent=" " * 11)


def _sweep(sweep: str, trials: list[Trial]) -> Iterator[str]:
    asked = [t for t in trials if t.outcome is not Outcome.NOT_APPLICABLE]
    caught = sum(t.outcome is Outcome.CAUGHT for t in asked)
    if not asked:
        return
    if sweep == DELETED:
        rest = f"{len(asked) - caught} no rule asks for"
        yield f"  · {len(asked)} values deleted in turn: {caught} are noticed, {rest}"
        return
    missed = [t for t in asked if t.outcome is Outcome.MISSED]
    mark = MARKS[Outcome.MISSED if missed else Outcome.CAUGHT]
    yield f"  {mark} {caught} of {len(asked)} {SWEPT[sweep]}"
    for trial in missed:
        said = f"{' ' * 11}{visible(trial.says)}: {visible(trial.why)}"
        yield from textwrap.wrap(said, WIDTH, subsequent_indent=" " * 13)


def _summary(found: Selftest) -> str:
    caught, rest = found.count(Outcome.CAUGHT), found.count(Outcome.NOT_APPLICABLE)
    said = f"{caught} of {found.applicable} applicable mutations caught"
    return f"{said}; {rest} not applicable" if rest else said


def as_json(found: Selftest) -> str:
    """The same as data; schemas/selftest.schema.json has its shape."""
    made = {
        "schema_version": "1.0",
        "tool": {"name": "incident-gates", "version": __version__},
        "incident_id": found.incident_id,
        "path": found.path,
        "as_of": found.as_of,
        "exit_code": found.exit_code,
        "applicable": found.applicable,
        **{o.value: found.count(o) for o in Outcome if o is not Outcome.UNASKED},
        "trials": [_plain(trial) for trial in found.trials],
    }
    return json.dumps(made, indent=2) + "\n"


def _plain(trial: Trial) -> dict[str, str]:
    entries = {
        "group": trial.group,
        "rule": trial.rule,
        "says": trial.says,
        "outcome": trial.outcome.value,
        "because": trial.why,
    }
    return {key: value for key, value in entries.items() if value}


def progress(number: int, whole: int) -> None:
    """Says on a terminal how far it is; nothing where nobody watches."""
    if sys.stderr.isatty():
        end = "\r\x1b[K" if number == whole else ""
        sys.stderr.write(f"\r{number} of {whole}{end}")
        sys.stderr.flush()
