"""Measures whole processes beside their peers, in turns, and prints one table of ratios.

Usage: python bench/run.py [--incidents 1000] [--rounds 5] [--only WORDS] [--write]
``--write`` keeps the table in bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples/complete"
INCIDENT = ".artifacts/incidents/INC-2026-0042"
GATES = [sys.executable, str(ROOT / "scripts/run_protocol_13_gates.py")]
PACKAGE = [sys.executable, str(ROOT / "scripts/aggregate_evidence_13.py")]
# One archive an incident, of the evidence alone: ours holds schemas, protocol and report as well.
BY_HAND = """
for folder in "$1"/.artifacts/incidents/*/; do
  cd "$folder" && rm -f "$2/peer.zip"
  find . -type f ! -name SHA256SUMS -print0 | xargs -0 sha256sum > "$2/peer.sums"
  zip -q -r -X "$2/peer.zip" . -x INCIDENT-EVIDENCE-BUNDLE.zip
done
"""
FLOOR = [[sys.executable, "-c", "import click, yaml, jsonschema_rs"]]
# What a console script does, once it is installed.
DESK = "import sys; sys.path.insert(0, {!r}); from incident_gates.entry import main; main()"
CHECK_JSONSCHEMA = str(Path(sys.executable).with_name("check-jsonschema"))
UNZIP = 'rm -rf "$2" && unzip -q "$1" -d "$2" && cd "$2" && sha256sum -c --quiet SHA256SUMS'


class Run(NamedTuple):
    """Processes in a row: seconds waited, seconds of CPU, and the memory of the largest."""

    seconds: float
    cpu: float
    mebibytes: float


class Row(NamedTuple):
    """Ours beside a peer: medians, and the medians of the ratios of each round."""

    what: str
    ours: Run
    peer: Run
    ratio: Run
    aim: str


Commands = list[list[str]]


class Pair(NamedTuple):
    """What is measured beside what, how often, where, and what is wanted of the ratio."""

    what: str
    ours: Commands
    peer: Commands
    rounds: int
    aim: str
    cwd: Path | None = None
    asked: dict[str, str] | None = None


def once(commands: Commands, pair: Pair) -> Run:
    """Runs commands one after another; what they print is thrown away."""
    begin, cpu, peak = time.perf_counter(), 0.0, 0
    environment = {**os.environ, **(pair.asked or {})}
    for command in commands:
        with subprocess.Popen(
            command,
            cwd=pair.cwd,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{command[:3]} exited with {process.returncode}")
        # Of a process and of those that it waited for itself.
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss)
    return Run(time.perf_counter() - begin, cpu, peak / 1024)


def interleaved(pair: Pair) -> Row:
    """Both in turns, after one warm-up."""
    once(pair.ours, pair)
    once(pair.peer, pair)
    runs = [(once(pair.ours, pair), once(pair.peer, pair)) for _ in range(pair.rounds)]
    ratios = [Run(*(a / b for a, b in zip(*both, strict=True))) for both in runs]
    ours, peer = ([both[side] for both in runs] for side in (0, 1))
    return Row(pair.what, _median(ours), _median(peer), _median(ratios), pair.aim)


def _median(runs: list[Run]) -> Run:
    return Run(*map(statistics.median, zip(*runs, strict=True)))


def corpus(folder: Path, count: int) -> Path:
    """A repository with so many incidents: copies of the complete example, each with its own id."""
    source = EXAMPLE / INCIDENT
    site = folder / f"site-{count}"
    for number in range(count):
        name = f"INC-2026-{number:05}"
        target = site / ".artifacts/incidents" / name
        shutil.copytree(source, target)
        for path in target.iterdir():
            if path.suffix in (".json", ".md"):
                text = path.read_text(encoding="utf-8")
                path.write_text(text.replace("INC-2026-0042", name), encoding="utf-8")
    (site / ".git").mkdir(parents=True)
    return site


def committed(site: Path) -> Path:
    """The same, in a real repository whose one commit holds it all."""
    (site / ".git").rmdir()
    git = ["git", "-C", str(site), "-c", "user.name=bench", "-c", "user.email=bench@example.com"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Evidence"]):
        subprocess.run([*git, *command], check=True)
    return site


def self_contained(folder: Path) -> Path:
    """The schemas with the shared definitions inside each: the peer would fetch them otherwise."""
    target = folder / "schemas"
    target.mkdir()
    shared = json.loads((ROOT / "schemas/common.schema.json").read_text(encoding="utf-8"))["$defs"]
    for path in (ROOT / "schemas").glob("*.schema.json"):
        text = path.read_text(encoding="utf-8").replace("common.schema.json#", "#")
        schema = json.loads(text)
        inside = json.loads(json.dumps(shared).replace("common.schema.json#", "#"))
        schema["$defs"] = {**inside, **schema.get("$defs", {})}
        (target / path.name).write_text(json.dumps(schema), encoding="utf-8")
    return target


def check_jsonschema(site: Path, schemas: Path) -> Commands:
    """check-jsonschema on every JSON file, one call for each schema (it does only the shapes)."""
    calls = []
    for schema in sorted(schemas.glob("*.schema.json")):
        name = schema.name.removesuffix(".schema.json")
        found = sorted(map(str, site.glob(f".artifacts/incidents/*/{name}.json")))
        calls += [
            [CHECK_JSONSCHEMA, "--schemafile", str(schema), *found[start : start + 1000]]
            for start in range(0, len(found), 1000)
        ]
    return calls


def desk(*arguments: str) -> list[str]:
    """One call of the command, from this checkout."""
    return [sys.executable, "-c", DESK.format(str(ROOT / "src")), *arguments]


def judging(folder: Path, count: int, rounds: int) -> Iterator[Pair]:
    """One record and many, beside what must be imported and beside a tool that checks shapes."""
    schemas = self_contained(folder)
    one, some, many = corpus(folder, 1), corpus(folder, 100), corpus(folder, count)
    what = "one incident / importing what it needs"
    yield Pair(what, [[*GATES, str(one)]], FLOOR, 3 * rounds, "≤ 2")
    shapes = check_jsonschema(one, schemas)
    yield Pair("one incident / check-jsonschema", [[*GATES, str(one)]], shapes, rounds, "≤ 0.1")
    shapes, all_of_it = check_jsonschema(many, schemas), [[*GATES, str(many)]]
    yield Pair(f"{count:,} incidents / check-jsonschema", all_of_it, shapes, 1, "≤ 0.1")
    what = f"{count:,} / 100 incidents"
    yield Pair(what, all_of_it, [[*GATES, str(some)]], 1, "memory ≤ 1.1")


def packaging(folder: Path, count: int, rounds: int) -> Iterator[Pair]:
    """A package of each record beside sums and an archive by hand, and verifying one."""
    many = committed(corpus(folder, count))
    by_hand = [["sh", "-c", BY_HAND, "sh", str(many), str(folder)]]
    what = f"{count:,} incidents packaged and bundled / sha256sum + zip"
    yield Pair(what, [[*PACKAGE, str(many), "--bundle"]], by_hand, 2, "≤ 2")
    bundle = many / ".artifacts/incidents/INC-2026-00000/INCIDENT-EVIDENCE-BUNDLE.zip"
    unzipped = [["sh", "-c", UNZIP, "sh", str(bundle), str(folder / "unzipped")]]
    what = "one bundle verified / unzip + sha256sum"
    yield Pair(what, [desk("verify", str(bundle))], unzipped, rounds, "≤ 3")


def at_the_desk(folder: Path, count: int, rounds: int) -> Iterator[Pair]:
    """What a person waits for: the statement on one incident, and an id completed among many."""
    one, many = folder / "one", folder / "many"
    shutil.copytree(ROOT / "examples/in-progress-3", one)
    what, version = "status / check-jsonschema --version", [[CHECK_JSONSCHEMA, "--version"]]
    yield Pair(what, [desk("status")], version, rounds, "≤ 1", one)
    for number in range(10 * count):
        (many / f".artifacts/incidents/INC-2026-{number:05}").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(many)], check=True)  # noqa: S607
    asked = {
        "_INCIDENT_GATES_COMPLETE": "bash_complete",
        "COMP_WORDS": "incident-gates status --incident INC-2026-0004",
        "COMP_CWORD": "3",
    }
    floor = [[sys.executable, "-c", "pass"], ["git", "--version"]]
    what = f"an id completed among {10 * count:,} / python -c pass + git --version"
    yield Pair(what, [desk()], floor, 3 * rounds, "≤ 1.5", many, asked)


def measure(count: int, rounds: int, only: str) -> Iterator[Row]:
    """Every row of the table, or those whose name holds some words."""
    for part in (judging, packaging, at_the_desk):
        with tempfile.TemporaryDirectory() as folder:
            for pair in part(Path(folder), count, rounds):
                # What is verified must have been packaged.
                if only in pair.what or (part is packaging and "bundled" in pair.what):
                    yield interleaved(pair)


HEAD = (
    "| Measured | Ours: waited, CPU, memory | Peer | Waited | CPU | Aim |",
    "|---|---|---|---|---|---|",
)


def line(row: Row) -> str:
    """One row of the table as Markdown."""
    ratio = f"{row.ratio.seconds:.2f} | {row.ratio.cpu:.2f}"
    if row.aim.startswith("memory"):
        ratio = f"memory {row.ratio.mebibytes:.2f} |"
    return f"| {row.what} | {_shown(row.ours)} | {_shown(row.peer)} | {ratio} | {row.aim} |"


def _shown(run: Run) -> str:
    return f"{run.seconds:.2f} s, {run.cpu:.2f} s, {run.mebibytes:.0f} MiB"


def main() -> None:
    """Measures, prints, and keeps the table where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", metavar="WORDS", help="rows that hold these words")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    # Without the compiled files, every process would compile the modules anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    lines = list(HEAD)
    print(*HEAD, sep="\n", flush=True)
    for row in measure(given.incidents, given.rounds, given.only):
        lines.append(line(row))
        print(lines[-1], flush=True)
    shown = "\n".join(lines)
    if given.write:
        machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}"
        command = shlex.join(["python", "bench/run.py", *sys.argv[1:]])
        page = (
            "# Measured\n\n"
            "Whole processes and their children, run in turns; times are medians, ratios are "
            f"medians of each round's ratio. {machine}. Command: `{command}`.\n\n{shown}\n"
        )
        (ROOT / "bench/RESULTS.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
