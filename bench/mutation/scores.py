"""Keeps the score of each module, and its survivors with the reasons that people wrote to them.

survivors.yaml is the home of both: a run renews counts and survivors there, and keeps each
``why`` whose mutant still survives. SCORES.md shows it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).resolve().parent
KEPT = HERE / "survivors.yaml"
SHOWN = HERE / "SCORES.md"
COUNTS = ("of", "mutants", "killed")
HEAD = """# Mutation testing

Each mutant is the code with one thing changed: `<` for `<=`, `and` for `or`, a call left out. A
test that fails has *killed* it; one that survives shows what no test asks. `make mutants` tries
them all, `make mutants MODULE=chain` those of one module; what is mutated, and what is not and
why, says [config.yaml](config.yaml). Where fewer were tried than there are, they were drawn at
random, the same ones each time.

Survivors count against the score, also those that change nothing that can be seen
(*equivalent*). The reasons stand in [survivors.yaml](survivors.yaml), by function and change, so
that they outlive moved lines.

"""


class Survivor(NamedTuple):
    """A mutant that no test noticed."""

    file: str
    function: str
    change: str
    outcome: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What a reason is filed under."""
        return self.file, self.function, self.change


def keep(module: str, everything: int, tried: int, found: list[Survivor]) -> None:
    """Renews the score of a module in both files."""
    kept = _kept()
    reasons = {_key(s): s.get("why", "") for s in kept.get(module, {}).get("survivors", ())}
    survivors = [{**s._asdict(), "why": reasons.get(s.key, "")} for s in found]
    counts = {"of": everything, "mutants": tried, "killed": tried - len(found)}
    kept[module] = {**counts, "survivors": survivors}
    text = yaml.safe_dump(kept, allow_unicode=True, sort_keys=False, width=100)
    KEPT.write_text(text, encoding="utf-8")
    SHOWN.write_text(page(kept), encoding="utf-8")


def known(module: str) -> set[tuple[str, str, str]]:
    """The mutants of a module that survived last time."""
    return {_key(survivor) for survivor in _kept().get(module, {}).get("survivors", ())}


def _kept() -> dict[str, Any]:
    if not KEPT.is_file():
        return {}
    kept: dict[str, Any] = yaml.safe_load(KEPT.read_text(encoding="utf-8"))
    return kept


def _key(survivor: dict[str, str]) -> tuple[str, str, str]:
    return survivor["file"], survivor["function"], survivor["change"]


def page(kept: dict[str, Any]) -> str:
    """SCORES.md."""
    lines = ["| Module | Mutants | Tried | Killed | Score |", "|---|--:|--:|--:|--:|"]
    for module, score in kept.items():
        lines.append(_row(module, *(score[count] for count in COUNTS)))
    lines.append(_row("all", *(sum(s[count] for s in kept.values()) for count in COUNTS)))
    for module, score in kept.items():
        if score["survivors"]:
            lines += ["", f"## Survivors: {module}", *_survivors(score["survivors"])]
    return HEAD + "\n".join(lines) + "\n"


def _row(module: str, everything: int, tried: int, killed: int) -> str:
    share = f"{100 * killed / tried:.1f} %"
    return f"| {module} | {everything:,} | {tried:,} | {killed:,} | {share} |"


def _survivors(survivors: list[dict[str, str]]) -> list[str]:
    lines = ["", "| Where | Change | Why it survives |", "|---|---|---|"]
    for one in survivors:
        place = f"{one['file']} `{one['function']}`" if one["function"] else one["file"]
        reason = one["why"] or f"**{one['outcome']}**: a test is wanted"
        lines.append(f"| {place} | {_code(one['change'])} | {reason} |")
    return lines


def _code(change: str) -> str:
    """A change between backticks, in a cell of a table."""
    one_line = " ".join(change.split()).replace("|", "\\|")
    return f"`` {one_line} ``"
