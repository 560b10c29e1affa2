"""The two public suites of hostile input that tests/suites/ holds."""

from __future__ import annotations

import json
from pathlib import Path

SUITES = Path(__file__).parent / "suites"


def json_files() -> dict[str, bytes]:
    """Every parsing file of JSONTestSuite, by name."""
    held = json.loads((SUITES / "json_test_suite.json").read_text(encoding="ascii"))["files"]
    return {name: _whole(content).encode("latin-1") for name, content in held.items()}


def naughty_strings() -> list[str]:
    """The Big List of Naughty Strings."""
    held = json.loads((SUITES / "naughty_strings.json").read_text(encoding="ascii"))["strings"]
    return list(map(str, held))


def _whole(content: str | list[tuple[str, int]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(piece * times for piece, times in content)
