"""Shows where the time of one incident goes, and the least that each part could take.

Usage: python bench/phases.py [--incidents 100] [--rounds 5] [--write]
Each part is timed by itself; of the rounds the quickest counts. ``--write``
keeps the table in bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peers
import results
import run as whole
import sites

sys.path.insert(0, str(sites.ROOT / "src"))

import pyromark

from incident_gates import engine, incident, protocol, schema
from incident_gates.chain import Chain
from incident_gates.cli import _rendered
from incident_gates.discover import Selection
from incident_gates.evidence import archives, files, markdown, strict_json
from incident_gates.policy import Limits
from incident_gates.rules import RULES
from incident_gates.run import Job, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incident_gates.model import Breach
    from incident_gates.rules import Check

NOW = datetime(2026, 3, 20, tzinfo=timezone.utc)
# What is timed inside another part, and the name of the part that it is.
INSIDE: tuple[tuple[Any, str, str], ...] = (
    (files, "read", "read"),
    (strict_json, "parse", "decode JSON"),
    (markdown, "parse", "parse Markdown"),
    (archives, "open_archive", "open the ZIP"),
    (schema, "fits", "check schemas"),
)
PARTS = (
    *("read", "decode JSON", "parse Markdown", "open the ZIP", "check schemas"),
    *("open the record", "facts and chain"),
    *(f"rules: {name}" for name in ("record", "prerequisites", *engine.GATES)),
    *("causal line, statuses, verdict", "print as text"),
)


class Clock:
    """Seconds by part; a part inside another one stops the outer one's clock."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._open = [""]
        self._since = time.perf_counter()

    def begin(self, name: str) -> None:
        """From now on it is another part, inside this one."""
        now = time.perf_counter()
        self.spent[self._open[-1]] += now - self._since
        self._open.append(name)
        self._since = time.perf_counter()

    def end(self) -> None:
        """From now on it is the outer part again."""
        self.spent[self._open.pop()] += time.perf_counter() - self._since
        self._since = time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Whatever happens inside belongs to a part."""
        self.begin(name)
        yield
        self.end()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, as a part."""

        def wrapped(*args: Any) -> Any:
            self.begin(name)
            try:
                return function(*args)
            finally:
                self.end()

        return wrapped


@contextmanager
def instrumented(clock: Clock) -> Iterator[None]:
    """Times what is called inside other parts."""
    kept = [(module, name, getattr(module, name)) for module, name, _ in INSIDE]
    rules = dict(RULES)
    for module, name, part in INSIDE:
        setattr(module, name, clock.timed(part, getattr(module, name)))
    for rule in rules.values():
        check = clock.timed(f"rules: {rule.gate}", partial(_whole, rule.check))
        RULES[rule.id] = rule._replace(check=check)
    try:
        yield
    finally:
        RULES.update(rules)
        for module, name, function in kept:
            setattr(module, name, function)


def _whole(check: Check, chain: Chain, limits: Limits) -> Iterator[Breach]:
    """What a rule finds, all of it looked for at once."""
    return iter(list(check(chain, limits)))


def judged(clock: Clock, folder: Path, site: Path, limits: Limits, asked: list[str]) -> list[str]:
    """One record, part by part; gives what was asked of its chain, to be asked of the next one."""
    with clock.part("open the record"):
        record = incident.Record(folder, site=site, base=site, protocol=limits.protocol)
        for document in record.documents():
            _ = document.fits
    with clock.part("facts and chain"):
        chain = engine.chain_of(record, limits, NOW, engine.Request())
        for name in asked:
            getattr(chain, name)
    with clock.part("causal line, statuses, verdict"):
        engine.judge_chain(chain, engine.Request())
    return [name for name in vars(chain) if isinstance(vars(Chain).get(name), cached_property)]


def spent(site: Path, rounds: int) -> Counter[str]:
    """Milliseconds an incident by part, in the quickest round."""
    limits = Limits(protocol.load())
    folders = sorted((site / sites.INCIDENTS).iterdir())
    found = []
    asked: list[str] = []
    for _ in range(rounds + 1):  # the first warms up
        clock = Clock()
        with instrumented(clock):
            for folder in folders:
                asked = judged(clock, folder, site, limits, asked)
        report = run(Job(Selection((str(folders[0]),))))
        with clock.part("print as text"):
            for _ in folders:
                "".join(_rendered(report, "text"))
        found.append(clock.spent)
    best = min(found[1:], key=Counter.total)
    return Counter({part: 1000 * best[part] / len(folders) for part in PARTS})


def least(site: Path, rounds: int) -> dict[str, float]:
    """Milliseconds an incident that the libraries alone need for the same files."""
    paths = [p for p in (site / sites.INCIDENTS).rglob("*") if p.is_file()]
    known = {p: p.read_bytes() for p in paths}
    texts = {p: data.decode() for p, data in known.items() if p.suffix == ".json"}
    values = [(p.stem, json.loads(text)) for p, text in texts.items() if schema.known(p.stem)]
    notes = [data.decode() for p, data in known.items() if p.suffix == ".md"]
    parser = pyromark.Markdown(options=pyromark.Options.ENABLE_TABLES)
    work: dict[str, Callable[[], Any]] = {
        "read": lambda: [p.read_bytes() for p in paths],
        "decode JSON": lambda: [json.loads(text) for text in texts.values()],
        "parse Markdown": lambda: [list(parser.events_with_range(text)) for text in notes],
        "check schemas": lambda: [schema.fits(*value) for value in values],
    }
    incidents = len(list((site / sites.INCIDENTS).iterdir()))
    return {part: 1000 * _quickest(does, rounds) / incidents for part, does in work.items()}


def _quickest(work: Callable[[], Any], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def starting(site: Path, rounds: int) -> Iterator[tuple[str, float]]:
    """Milliseconds of CPU that a process takes before and around the judging of one incident."""
    ours = f"import sys; sys.path.insert(0, {str(sites.ROOT / 'src')!r}); "
    steps = {
        "Python itself": "pass",
        "import click, yaml, jsonschema_rs": peers.IMPORTS[0][-1],
        "import what is ours": f"{ours}import incident_gates.commands, incident_gates.run",
    }
    commands = {name: [[sys.executable, "-c", code]] for name, code in steps.items()}
    commands["protocol, schemas, first use, one incident"] = [[*whole.GATES, str(site)]]
    before = 0.0
    for name, command in commands.items():
        taken = 1000 * min(whole.once(command, None, None).cpu for _ in range(3 * rounds))
        yield name, taken - before
        before = taken


def table(parts: Counter[str], floor: dict[str, float]) -> Iterator[str]:
    """Each part beside the least that it could take."""
    yield "| One incident of many | ms | Share | The libraries alone |"
    yield "|---|---|---|---|"
    for part in PARTS:
        bare = f"{floor[part]:.2f}" if part in floor else ""
        share = 100 * parts[part] / parts.total()
        yield f"| {part} | {parts[part]:.2f} | {share:.0f} % | {bare} |"
    yield f"| all of it | {parts.total():.2f} | 100 % | {sum(floor.values()):.2f} |"


def main() -> None:
    """Measures, prints, and keeps the tables where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        many, one = (sites.many(Path(folder), number) for number in (given.incidents, 1))
        lines = list(table(spent(many, given.rounds), least(many, given.rounds)))
        lines += ["", "| One process | ms of CPU |", "|---|---|"]
        lines += [f"| {name} | {taken:.0f} |" for name, taken in starting(one, given.rounds)]
    print("\n".join(lines))
    if given.write:
        command = shlex.join(["python", "bench/phases.py", *sys.argv[1:]])
        said = f"Where the time goes; the quickest of the rounds. {results.machine()}. "
        results.keep("Profile", "\n".join([f"{said}Command: `{command}`.", "", *lines]))


if __name__ == "__main__":
    main()
