"""Runs what tortures the product, and prints one table: what, which figure, which aim.

Usage: python bench/torture.py [--seconds 60] [--write]
The tests of hostile suites, properties, faults, limits and gaming hand their figures in; each
target is fuzzed for its share of the seconds; the mutation score is read, for it takes hours.
``--write`` keeps the table in bench/RESULTS.md. Exit code: 1 where anything is outside its aim.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import results
import yaml
from fuzz import run as fuzzing
from junitparser.xunit2 import JUnitXml, TestCase

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PATTERNS = ("json_suite", "naughty_strings", "properties_*", "faults", "limits", "gaming")
PREFIX = "torture: "
MUTATION = ROOT / "bench/mutation/survivors.yaml"
AT_MOST = re.compile(r"at most ([\d.]+)")
KILLED = 0.9
LONGEST = 1800  # a property looks at ten times as many examples as in a plain run of the tests


class Row(NamedTuple):
    """One line of the table, and whether it is within its aim."""

    what: str
    figure: str
    aim: str
    well: bool = True


def tested() -> Iterator[Row]:
    """What the torture tests say of themselves, and how many of them passed."""
    files = sorted(path for name in PATTERNS for path in (ROOT / "tests").glob(f"test_{name}.py"))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-n", "auto", f"--junitxml={report}"]
        # The newer family of reports has no place for what a test hands in.
        options = ["--hypothesis-profile=torture", f"--timeout={LONGEST}", "-ojunit_family=xunit1"]
        # To the other channel, so that what comes out here is the table and nothing else.
        said = subprocess.run(
            [*command, *options, *map(str, files)], cwd=ROOT, check=False, stdout=sys.stderr
        )
        if not report.is_file():
            raise SystemExit(f"pytest ended with {said.returncode} and left no report")
        cases = [case for suite in JUnitXml.fromfile(str(report)) for case in suite]
    # Else in the order in which the processes came to an end with them.
    cases.sort(key=lambda case: (case.classname, case.name))
    for case in cases:
        yield from handed_in(case)
    passed = [case for case in cases if case.is_passed]
    figure = f"{len(passed)} of {len(cases)} passed in {len(files)} files"
    yield Row("all torture tests", figure, "all", said.returncode == 0 and passed == cases)


def handed_in(case: TestCase) -> Iterator[Row]:
    """The figures of one test; a test that fails was outside its aim."""
    for entry in case.properties():
        if entry.name.startswith(PREFIX):
            figure, _, aim = entry.value.rpartition(" · ")
            well = case.is_passed and within(figure, aim)
            yield Row(entry.name.removeprefix(PREFIX), figure, aim, well)


def within(figure: str, aim: str) -> bool:
    """Whether a figure is at most what is aimed at; no test asks that of seconds."""
    most = AT_MOST.match(aim)
    return most is None or float(figure.partition(" ")[0]) <= float(most[1])


def fuzzed(seconds: int) -> Iterator[Row]:
    """What came of each target."""
    if not fuzzing.possible():
        yield Row("fuzzing", "not here: atheris is missing", "nothing broken", well=False)
        return
    for row in fuzzing.all_of(fuzzing.TARGETS, seconds):
        outcome = fuzzing.outcome(row)
        figure = f"{row.inputs:,} inputs, {row.reached:,} branches: {outcome}"
        yield Row(f"fuzzing: {row.target}", figure, "nothing broken", row.well)


def mutated() -> Iterator[Row]:
    """The kept share of mutants that a test killed, of each module."""
    if not MUTATION.is_file():
        yield Row("mutants killed", "not measured", f"≥ {KILLED:.0%}", well=False)
        return
    for module, score in yaml.safe_load(MUTATION.read_text(encoding="utf-8")).items():
        share = score["killed"] / score["mutants"]
        tried = f"{score['mutants']:,} tried of {score['of']:,}"
        figure = f"{share:.1%} of {tried} (`make mutants MODULE={module}`)"
        yield Row(f"mutants killed: {module}", figure, f"≥ {KILLED:.0%}", share >= KILLED)


def table(rows: list[Row]) -> str:
    """The rows as Markdown, those outside their aim in bold."""
    lines = ["| What | Figure | Aim |", "|---|---|---|"]
    for row in rows:
        figure = row.figure if row.well else f"**{row.figure}**"
        cells = (cell.replace("|", r"\|") for cell in (row.what, figure, row.aim))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Measures, prints, and keeps the table where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="of fuzzing, all together")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = [*tested(), *fuzzed(given.seconds), *mutated()]
    shown = table(rows)
    print(f"## Torture\n\n{shown}")
    if given.write:
        command = shlex.join(["python", "bench/torture.py", *sys.argv[1:]])
        results.keep("Torture", f"{results.machine()}. Command: `{command}`.\n\n{shown}")
    return 0 if all(row.well for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
