"""Measures whole processes against other tools, interleaved, and prints ratios of medians.

Usage: python bench/run.py [--incidents 1000] [--rounds 5] [--write]
``--write`` keeps the table in bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

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


class Run(NamedTuple):
    """One whole process, or several in a row: wall seconds and the peak memory of the largest."""

    seconds: float
    mebibytes: float


class Row(NamedTuple):
    """Ours beside a peer: medians, and the median of the ratios of each round."""

    what: str
    ours: Run
    peer: Run
    ratio: float
    aim: str


def once(commands: list[list[str]]) -> Run:
    """Runs commands one after another; what they print is thrown away."""
    begin, peak = time.perf_counter(), 0
    for command in commands:
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{command[:3]} exited with {process.returncode}")
        peak = max(peak, usage.ru_maxrss)
    return Run(time.perf_counter() - begin, peak / 1024)


def interleaved(
    ours: list[list[str]], peer: list[list[str]], rounds: int
) -> tuple[Run, Run, float]:
    """Medians of both, measured in turns after one warm-up, and the median of their ratios."""
    once(ours)
    once(peer)
    pairs = [(once(ours), once(peer)) for _ in range(rounds)]
    ratio = statistics.median(a.seconds / b.seconds for a, b in pairs)
    return _median([a for a, _ in pairs]), _median([b for _, b in pairs]), ratio


def _median(runs: list[Run]) -> Run:
    return Run(
        statistics.median(r.seconds for r in runs), statistics.median(r.mebibytes for r in runs)
    )


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


def check_jsonschema(site: Path, schemas: Path) -> list[list[str]]:
    """check-jsonschema on every JSON file, one call for each schema (it does only the shapes)."""
    tool = str(Path(sys.executable).with_name("check-jsonschema"))
    calls = []
    for schema in sorted(schemas.glob("*.schema.json")):
        name = schema.name.removesuffix(".schema.json")
        found = sorted(map(str, site.glob(f".artifacts/incidents/*/{name}.json")))
        calls += [
            [tool, "--schemafile", str(schema), *found[start : start + 1000]]
            for start in range(0, len(found), 1000)
        ]
    return calls


def measure(count: int, rounds: int) -> list[Row]:
    """Every row of the table."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        schemas = self_contained(folder)
        one, some, many = corpus(folder, 1), corpus(folder, 100), corpus(folder, count)
        ours, peer, ratio = interleaved([[*GATES, str(one)]], FLOOR, 2 * rounds)
        rows.append(Row("one incident / importing what it needs", ours, peer, ratio, "≤ 2"))
        ours, peer, ratio = interleaved(
            [[*GATES, str(one)]], check_jsonschema(one, schemas), rounds
        )
        rows.append(Row("one incident / check-jsonschema", ours, peer, ratio, "≤ 0.1"))
        ours, peer, ratio = interleaved([[*GATES, str(many)]], check_jsonschema(many, schemas), 1)
        rows.append(Row(f"{count:,} incidents / check-jsonschema", ours, peer, ratio, "≤ 0.1"))
        ours, peer, _ = interleaved([[*GATES, str(many)]], [[*GATES, str(some)]], 1)
        growth = ours.mebibytes / peer.mebibytes
        rows.append(Row(f"peak memory, {count:,} / 100 incidents", ours, peer, growth, "≤ 1.1"))
        by_hand = [["sh", "-c", BY_HAND, "sh", str(many), str(folder)]]
        ours, peer, ratio = interleaved([[*PACKAGE, str(committed(many)), "--bundle"]], by_hand, 1)
        what = f"{count:,} incidents packaged and bundled / sha256sum + zip"
        rows.append(Row(what, ours, peer, ratio, "≤ 2"))
    return rows


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| Measured | Ours | Peer | Ratio | Aim |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        ours = f"{row.ours.seconds:.2f} s, {row.ours.mebibytes:.0f} MiB"
        peer = f"{row.peer.seconds:.2f} s, {row.peer.mebibytes:.0f} MiB"
        lines.append(f"| {row.what} | {ours} | {peer} | {row.ratio:.2f} | {row.aim} |")
    return "\n".join(lines)


def main() -> None:
    """Measures, prints, and keeps the table where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    shown = table(measure(given.incidents, given.rounds))
    print(shown)
    if given.write:
        machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}"
        page = (
            "# Measured\n\n"
            "Whole processes, run in turns; times are medians, ratios are medians of each round's "
            f"ratio. {machine}. Command: `make bench`.\n\n{shown}\n"
        )
        (ROOT / "bench/RESULTS.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
