"""Fuzzes each target for its share of some seconds; what breaks a promise is kept in found/.

Usage: python bench/fuzz/run.py [--seconds 60] [--keep] [--write] [TARGET …]
Exit code: 0 nothing found · 1 something found · 2 atheris is missing. ``--keep`` then brings the
kept corpus up to date: few small inputs that reach what all inputs reach, and whatever a person
gave a name. ``--write`` keeps the table in bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
FOUND = HERE / "found"
SEEDS = HERE / "corpus"
HEAD = ("| Target | Inputs | Branches at first | Branches | |", "|---|--:|--:|--:|---|")
TARGETS = tuple(sorted(path.stem for path in (HERE / "targets").glob("*.py")))
# One input may take as much memory as one incident, and as long: see one.py. What never ends is
# told by a clock on the wall, which on a busy machine runs on while nothing else does.
LIMITS = ("-timeout=60", "-rss_limit_mb=512", "-print_final_stats=1")
MERGE = ("-set_cover_merge=1", *LIMITS[:2])
# Each input is a whole judgement, so that one a branch is kept, however often it may be passed.
SLOW = {"record": ["-use_counters=0"]}
DIGEST = re.compile(r"[0-9a-f]{40}")
STARTED = re.compile(r"^#\d+\s+INITED cov: (\d+)", re.MULTILINE)
REACHED = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+)", re.MULTILINE)


class Fuzzed(NamedTuple):
    """One target's turn: inputs tried, branches reached before and after, inputs that broke it."""

    target: str
    inputs: int
    started: int
    reached: int
    broken: tuple[Path, ...]
    well: bool


def fuzzed(target: str, seconds: int) -> Fuzzed:
    """Lets libFuzzer have a target; what it learns stays in found/ for the next time."""
    before = set(FOUND.glob(f"{target}-*"))
    learned = FOUND / "corpus" / target
    learned.mkdir(parents=True, exist_ok=True)
    log = FOUND / f"{target}.log"
    options = [f"-max_total_time={max(1, seconds)}", *LIMITS, f"-dict={HERE / 'words.dict'}"]
    options += [f"-artifact_prefix={FOUND}/{target}-", str(learned), str(SEEDS / target)]
    with log.open("wb") as out:
        code = child(target, options, out)
    said = log.read_text(encoding="utf-8", errors="replace")
    begun, lines = STARTED.search(said), REACHED.findall(said)
    inputs, reached = map(int, lines[-1]) if lines else (0, 0)
    broken = tuple(sorted(set(FOUND.glob(f"{target}-*")) - before))
    return Fuzzed(target, inputs, int(begun[1]) if begun else 0, reached, broken, code == 0)


def possible() -> bool:
    """Whether atheris is installed; it comes built for Linux on x86-64, for Python 3.11 and up."""
    return importlib.util.find_spec("atheris") is not None


def all_of(targets: Sequence[str], seconds: int) -> Iterator[Fuzzed]:
    """Each target for its share of the seconds."""
    for target in targets:
        yield fuzzed(target, seconds // len(targets))


def child(target: str, arguments: list[str], out: IO[bytes]) -> int:
    """A process of its own, for libFuzzer ends the one it runs in, and tidies nothing away."""
    command = [sys.executable, str(HERE / "one.py"), f"--{target}", *arguments]
    with tempfile.TemporaryDirectory() as scratch:
        there = {**os.environ, "TMPDIR": scratch}
        return subprocess.run(command, check=False, stdout=out, stderr=out, env=there).returncode


def keep(target: str) -> int:
    """Merges what was learned into the kept corpus; gives the number of inputs kept."""
    with tempfile.TemporaryDirectory() as folder:
        smallest = Path(folder) / target
        shutil.copytree(SEEDS / target, smallest, ignore=unnamed)
        sources = [str(SEEDS / target), str(FOUND / "corpus" / target)]
        with Path(os.devnull).open("wb") as nowhere:
            if child(target, [*MERGE, *SLOW.get(target, ()), str(smallest), *sources], nowhere):
                raise SystemExit(f"{target}: the corpus could not be merged")
        if not any(smallest.iterdir()):
            raise SystemExit(f"{target}: nothing came of merging the corpus")
        shutil.rmtree(SEEDS / target)
        shutil.copytree(smallest, SEEDS / target)
    return len(list((SEEDS / target).iterdir()))


def unnamed(_: str, names: list[str]) -> list[str]:
    """The inputs to which libFuzzer gave a digest for a name."""
    return [name for name in names if DIGEST.fullmatch(name)]


def line(row: Fuzzed) -> str:
    """One row of the table as Markdown."""
    figures = f"{row.inputs:,} | {row.started:,} | {row.reached:,}"
    return f"| {row.target} | {figures} | {outcome(row)} |"


def outcome(row: Fuzzed) -> str:
    """What came of it, with the names of the inputs to look at."""
    names = ", ".join(path.name for path in row.broken) or f"see {row.target}.log"
    return "nothing broken" if row.well else f"BROKEN: {names}"


def main() -> int:
    """Fuzzes, and says of each target what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--keep", action="store_true", help="merge what was learned")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    given = parser.parse_args()
    targets = given.targets or TARGETS
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if not possible():
        print(
            "atheris is missing: Linux on x86-64, Python 3.11 or newer, make fuzz", file=sys.stderr
        )
        return 2
    print(*HEAD, sep="\n", flush=True)
    rows = []
    for row in all_of(targets, given.seconds):
        rows.append(row)
        print(line(row), flush=True)
    for target in targets if given.keep else ():
        print(f"{target}: {keep(target)} inputs kept", flush=True)
    if given.write:
        write(rows)
    return 0 if all(row.well for row in rows) else 1


def write(rows: list[Fuzzed]) -> None:
    """Keeps the table."""
    sys.path.append(str(HERE.parent))
    import results

    command = shlex.join(["python", "bench/fuzz/run.py", *sys.argv[1:]])
    table = "\n".join((*HEAD, *map(line, rows)))
    results.keep("Fuzzing", f"{results.machine()}. Command: `{command}`.\n\n{table}")


if __name__ == "__main__":
    sys.exit(main())
