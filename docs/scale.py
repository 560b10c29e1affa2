"""What many incidents and many repositories cost, reckoned from bench/RESULTS.md and the rates."""

from __future__ import annotations

import re
import sys
from math import ceil
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).resolve().parents[1] / "bench" / "RESULTS.md"

# Measured on two cores, as bench/RESULTS.md is; docs/scale.md says how.
CHECKOUT = 0.005  # seconds an incident: ten thousand of thirteen files each took 50 s
INSTALL = 2.4  # seconds a job: what the Action installs, by pip
JOIN = 0.001  # seconds of CPU an incident: the reports of 1,000 were read and joined in 0.9 s

# Taken from GitHub's own pages, named in docs/scale.md.
START = 5.0  # seconds until a job's own steps run; nobody promises it
CORES = 2
DOLLARS = 0.006  # a minute, each job rounded up
MATRIX = 256
PLANS = {"Free": 20, "Team": 60, "Enterprise": 500}  # jobs at once


class Measured(NamedTuple):
    """Seconds of CPU: to judge nothing but one incident, and for each of many."""

    process: float
    incident: float


class Cost(NamedTuple):
    """What is waited for, and what is billed."""

    seconds: float
    minutes: int


def measured(text: str) -> Measured:
    """The figures, from the table of ``make bench``."""
    one = _cpu(text, "one incident / importing what it needs")
    return Measured(one, (_cpu(text, "1,000 incidents / check-jsonschema") - one) / 999)


def _cpu(text: str, name: str) -> float:
    found = re.search(rf"^\| {re.escape(name)} \| [\d.]+ s, ([\d.]+) s,", text, re.MULTILINE)
    if found is None:
        sys.exit(f"bench/RESULTS.md has no row {name}")
    return float(found[1])


def job(incidents: int, judged: float, known: Measured) -> float:
    """A job that checks incidents out and judges some of them, in seconds."""
    judging = known.process + judged * known.incident / CORES
    return START + INSTALL + incidents * CHECKOUT + judging


def repository(incidents: int, shards: int, known: Measured) -> Cost:
    """One repository, whole or in shards; each shard checks all of it out."""
    each = job(incidents, incidents / shards, known)
    if shards == 1:
        return Cost(each, _minutes(each))
    plan, join = START, START + INSTALL + incidents * JOIN
    minutes = _minutes(plan) + shards * _minutes(each) + _minutes(join)
    return Cost(plan + each + join, minutes)


def organisation(repositories: int, incidents: int, at_once: int, known: Measured) -> Cost:
    """Many repositories, a job each, in as many calls as matrices are needed."""
    calls = ceil(repositories / MATRIX)
    each = job(incidents, incidents, known)
    around = START + INSTALL
    minutes = repositories * _minutes(each) + 2 * calls * _minutes(around)
    return Cost(2 * around + ceil(repositories / at_once) * each, minutes)


def _minutes(seconds: float) -> int:
    return ceil(seconds / 60)


def _waited(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"  # noqa: PLR2004


def main() -> None:
    """Prints what docs/scale.md shows."""
    known = measured(RESULTS.read_text(encoding="utf-8"))
    print(f"Judging: {known.incident * 1000:.1f} ms of CPU an incident.\n")
    print("One repository               1 job                      8 shards")
    for incidents in (1000, 10_000, 100_000):
        costs = [repository(incidents, shards, known) for shards in (1, 8)]
        said = [f"waited {_waited(c.seconds):>6}, billed {c.minutes:>3} min" for c in costs]
        print(f"{incidents:>7,} incidents   {said[0]}   {said[1]}")
    print("\n1,000 repositories of 1,000 incidents")
    for plan, at_once in PLANS.items():
        cost = organisation(1000, 1000, at_once, known)
        waited, dollars = _waited(cost.seconds), cost.minutes * DOLLARS
        jobs = f"{at_once} jobs at once"
        print(f"{plan:<11} {jobs:<17} waited {waited:>6}, {cost.minutes:,} min, ${dollars:.2f}")


if __name__ == "__main__":
    main()
