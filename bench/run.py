"""Measures whole processes beside their peers, in turns, and prints one table of ratios.

Usage: python bench/run.py [--incidents 10000] [--rounds 5] [--only WORDS] [--write] [--check]
``--write`` keeps the table in bench/RESULTS.md; ``--check`` exits 1 where a ratio is above what is
held to: the aim, or what leaves room for a busy machine, or for an aim that was missed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import peers
import results
import sites

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from peers import Commands

GATES = [sys.executable, str(sites.ROOT / "scripts/run_protocol_13_gates.py")]
PACKAGE = [sys.executable, str(sites.ROOT / "scripts/aggregate_evidence_13.py")]
ACTION = str(sites.ROOT / "action/run.py")
LOCK = str(sites.ROOT / "requirements/run.txt")
# What a console script does, once it is installed.
DESK = "import sys; sys.path.insert(0, {!r}); from incident_gates.entry import main; main()"


class Run(NamedTuple):
    """Processes in a row: seconds waited, seconds of CPU, and the memory of the largest."""

    seconds: float
    cpu: float
    mebibytes: float


class Pair(NamedTuple):
    """What is measured beside what, how often, where, and what is wanted of the ratio.

    ``held`` is what a regression is told by, where the aim was missed; ``memory`` is what is wanted
    of the memory's ratio, if anything.
    """

    what: str
    ours: Commands
    peer: Commands
    rounds: int
    aim: float
    cwd: Path | None = None
    asked: dict[str, str] | None = None
    peer_cwd: Path | None = None
    peer_asked: dict[str, str] | None = None
    held: float | None = None
    memory: float | None = None


class Row(NamedTuple):
    """Ours beside a peer: medians, and the medians of the ratios of each round."""

    pair: Pair
    ours: Run
    peer: Run
    ratio: Run

    @property
    def well(self) -> bool:
        """Whether the ratio is within what is held to."""
        in_time = self.ratio.seconds <= (self.pair.held or self.pair.aim)
        return in_time and (not self.pair.memory or self.ratio.mebibytes <= self.pair.memory)


def once(commands: Commands, cwd: Path | None, asked: dict[str, str] | None) -> Run:
    """Runs commands one after another; what they print is thrown away."""
    runs = [_measured(command, cwd, {**os.environ, **(asked or {})}) for command in commands]
    seconds, cpu, peak = zip(*runs, strict=True)
    return Run(sum(seconds), sum(cpu), max(peak))


# A process is billed for the memory of what started it, so something small does. Of a process
# and of those that it waited for itself: exit code, seconds, seconds of CPU, KiB.
STARTER = """
import os, sys, time
begin = time.perf_counter()
null = os.open(os.devnull, os.O_WRONLY)
silent = [(os.POSIX_SPAWN_DUP2, null, stream) for stream in (1, 2)]
process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent)
_, status, used = os.wait4(process, 0)
waited = time.perf_counter() - begin
print(os.waitstatus_to_exitcode(status), waited, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def _measured(command: Sequence[str], cwd: Path | None, env: dict[str, str]) -> Run:
    starter = [sys.executable, "-I", "-S", "-c", STARTER, *command]
    said = subprocess.run(starter, cwd=cwd, env=env, stdout=subprocess.PIPE, text=True, check=True)
    code, seconds, cpu, peak = said.stdout.split()
    if code != "0":
        raise SystemExit(f"{command[:3]} exited with {code}")
    return Run(float(seconds), float(cpu), int(peak) / 1024)


def interleaved(*pairs: Pair) -> Iterator[Row]:
    """Ours and every peer in turns, after one warm-up where they are run more than once.

    Ours is the same in all pairs, and run once a round.
    """
    first = pairs[0]

    def all_of_them() -> list[Run]:
        ours = once(first.ours, first.cwd, first.asked)
        return [ours, *(once(p.peer, p.peer_cwd or p.cwd, p.peer_asked or p.asked) for p in pairs)]

    if first.rounds > 1:
        all_of_them()
    ours, *peers_of = zip(*(all_of_them() for _ in range(first.rounds)), strict=True)
    for pair, peer in zip(pairs, peers_of, strict=True):
        both = zip(ours, peer, strict=True)
        ratios = [Run(*(a / b for a, b in zip(*two, strict=True))) for two in both]
        yield Row(pair, _median(ours), _median(peer), _median(ratios))


def _median(runs: Sequence[Run]) -> Run:
    return Run(*map(statistics.median, zip(*runs, strict=True)))


def desk(*arguments: str) -> list[str]:
    """One call of the command, from this checkout."""
    return [sys.executable, "-c", DESK.format(str(sites.ROOT / "src")), *arguments]


def one_incident(folder: Path, _: int, rounds: int) -> Iterator[Row]:
    """One record, beside what must be imported and beside tools that check shapes."""
    schemas, one = peers.self_contained(folder), sites.many(folder, 1)
    ours = [[*GATES, str(one)]]
    what = "one incident / importing what it needs"
    yield from interleaved(Pair(what, ours, peers.IMPORTS, 5 * rounds, 2, held=2.2))
    command = [peers.CHECK_JSONSCHEMA, "--schemafile"]
    shapes = peers.calls(one, schemas, *command)
    yield from interleaved(Pair("one incident / check-jsonschema", ours, shapes, rounds, 0.1))
    for name, native in peers.native(folder).items():
        shapes = peers.calls(one, schemas, *native)
        yield from interleaved(Pair(f"one incident / {name}", ours, shapes, 3 * rounds, 3))


def many_incidents(folder: Path, count: int, rounds: int) -> Iterator[Row]:
    """Many records, beside a tool that checks shapes, beside reading them, and beside a tenth."""
    schemas = peers.self_contained(folder)
    few, many = sites.many(folder, count // 10), sites.many(folder, count)
    some, all_of_it = ([[*GATES, str(site)]] for site in (few, many))
    command = [peers.CHECK_JSONSCHEMA, "--schemafile"]
    shapes = [peers.calls(site, schemas, *command) for site in (few, many)]
    beside = "check-jsonschema"
    what = f"{count // 10:,} incidents / {beside}"
    yield from interleaved(Pair(what, some, shapes[0], min(rounds, 2), 0.1, held=0.4))
    reading = [[sys.executable, "-c", peers.READING, str(many)]]
    floor = "reading every byte, decoding the JSON"
    yield from interleaved(
        # First, so that little time lies between the two.
        Pair(f"{count:,} / {count // 10:,} incidents", all_of_it, some, 1, 11, memory=1.4),
        Pair(f"{count:,} incidents / {beside}", all_of_it, shapes[1], 1, 0.1, held=0.4),
        Pair(f"{count:,} incidents / {floor}", all_of_it, reading, 1, 4, held=13),
    )


def changes(folder: Path, count: int, rounds: int) -> Iterator[Row]:
    """A pull request that touches three records, among many and among ten."""
    ten, many = (sites.committed(sites.many(folder, number)) for number in (10, count))
    here, there = (sites.pull_request(site, 3) for site in (many, ten))
    ours = [desk("check", "--scope", "changed")]
    what = f"a pull request in three of {count:,} / in three of 10"
    yield from interleaved(Pair(what, ours, ours, 2 * rounds, 1.3, many, here, ten, there, 1.6))


def histories(folder: Path, count: int, rounds: int) -> Iterator[Row]:
    """What git knows of one record among many, beside one look at its log."""
    site = sites.long_history(folder / "long", count, 2 * count)
    place = f"{sites.INCIDENTS}/{sites.name_of(0)}"
    without = desk("check", place)
    log = ["git", "log", "--name-only", "--", place]
    what = f"one incident with its history of {2 * count:,} commits / without + git log"
    ours = [desk("check", "--history", place)]
    yield from interleaved(Pair(what, ours, [without, log], rounds, 1.5, site, held=2))


def action(folder: Path, _: int, rounds: int) -> Iterator[Row]:
    """The Action from nothing to a verdict, beside a new environment with the same packages."""
    one = sites.many(folder, 1)
    python, place = sys.executable, str(folder)
    ours = [["sh", "-c", peers.ACTION, "sh", python, ACTION, place]]
    venv = [["sh", "-c", peers.VENV, "sh", python, LOCK, GATES[1], place, str(one)]]
    asked = {"INCIDENT_GATES_PATH": str(one)}
    what = "the Action, from nothing to the verdict / venv + pip"
    yield from interleaved(Pair(what, ours, venv, min(rounds, 3), 0.6, asked=asked, held=0.9))


def packaging(folder: Path, count: int, rounds: int) -> Iterator[Row]:
    """A package of each record beside sums and an archive by hand, and verifying one."""
    number = max(10, count // 10)
    many = sites.committed(sites.many(folder, number))
    by_hand = [["sh", "-c", peers.BY_HAND, "sh", str(many), str(folder)]]
    what = f"{number:,} incidents packaged and bundled / sha256sum + zip"
    ours = [[*PACKAGE, str(many), "--bundle"]]
    yield from interleaved(Pair(what, ours, by_hand, 1, 2, held=4))
    bundle = many / sites.INCIDENTS / sites.name_of(0) / "INCIDENT-EVIDENCE-BUNDLE.zip"
    unzipped = [["sh", "-c", peers.UNZIP, "sh", str(bundle), str(folder / "unzipped")]]
    what = "one bundle verified / unzip + sha256sum"
    ours = [desk("verify", str(bundle))]
    yield from interleaved(Pair(what, ours, unzipped, rounds, 3, held=30))


def at_the_desk(folder: Path, count: int, rounds: int) -> Iterator[Row]:
    """What a person waits for: the statement on one incident, and an id completed among many."""
    one, many = folder / "in-progress", folder / "named"
    shutil.copytree(sites.ROOT / "examples/in-progress-3", one)
    what, version = "status / check-jsonschema --version", [[peers.CHECK_JSONSCHEMA, "--version"]]
    yield from interleaved(Pair(what, [desk("status")], version, rounds, 1, one))
    for number in range(count):
        (many / sites.INCIDENTS / sites.name_of(number)).mkdir(parents=True)
    sites.git(many, "init", "--quiet")
    asked = {
        "_INCIDENT_GATES_COMPLETE": "bash_complete",
        "COMP_WORDS": "incident-gates status --incident INC-2026-0004",
        "COMP_CWORD": "3",
    }
    floor = [[sys.executable, "-c", "pass"], ["git", "--version"]]
    what = f"an id completed among {count:,} / python -c pass + git --version"
    yield from interleaved(Pair(what, [desk()], floor, 3 * rounds, 1.5, many, asked, held=2))


PARTS = {
    one_incident: "one incident / importing, check-jsonschema, jsonvet, sourcemeta",
    many_incidents: "incidents / check-jsonschema, reading",
    changes: "a pull request",
    histories: "history git log",
    action: "the Action venv pip",
    packaging: "packaged and bundled verified",
    at_the_desk: "status id completed",
}


def measure(count: int, rounds: int, only: str) -> Iterator[Row]:
    """Every row of the table, or those of the parts and names that hold some words."""
    with tempfile.TemporaryDirectory() as folder:
        for part, about in PARTS.items():
            if only in about:
                yield from part(Path(folder), count, rounds)


HEAD = (
    "| Measured | Ours: waited, CPU, memory | Peer | Waited | CPU | Aim |",
    "|---|---|---|---|---|---|",
)


def line(row: Row) -> str:
    """One row of the table as Markdown."""
    ratio = f"{row.ratio.seconds:.2f} | {row.ratio.cpu:.2f}"
    aim = _aim(row.ratio.seconds, row.pair.aim)
    if row.pair.memory:
        aim += f", memory {_aim(row.ratio.mebibytes, row.pair.memory)}"
    return f"| {row.pair.what} | {_shown(row.ours)} | {_shown(row.peer)} | {ratio} | {aim} |"


def _aim(ratio: float, aim: float) -> str:
    return f"≤ {aim:g}{'' if ratio <= aim else ': missed'}"


def _shown(run: Run) -> str:
    return f"{run.seconds:.2f} s, {run.cpu:.2f} s, {run.mebibytes:.0f} MiB"


def main() -> None:
    """Measures, prints, and keeps the table where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", metavar="WORDS", help="parts that hold these words")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    # Without the compiled files, every process would compile the modules anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print(*HEAD, sep="\n", flush=True)
    rows = []
    for row in measure(given.incidents, given.rounds, given.only):
        rows.append(row)
        print(line(row), flush=True)
    if given.write:
        command = shlex.join(["python", "bench/run.py", *sys.argv[1:]])
        said = (
            "Whole processes and their children, run in turns; times are medians, ratios are "
            f"medians of each round's ratio. {results.machine()}. Command: `{command}`."
        )
        results.keep("Speed", "\n".join([said, "", *HEAD, *map(line, rows)]))
    if given.check and not all(row.well for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
