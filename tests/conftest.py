"""Options and paths that every test shares."""

from __future__ import annotations

import os
import signal

import pytest

# A workflow that runs these tests is not the one that they are about; what it promises holds.
PROMISES = ("INCIDENT_GATES_REQUIRE_ALERTMANAGER",)
for name in [name for name in os.environ if name.startswith(("GITHUB_", "INCIDENT_GATES_"))]:
    if name not in PROMISES:
        del os.environ[name]

# What runs in the background of a shell ignores interrupts, under nohup hang-ups, and so would
# all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--accept`` writes what the tool says now into expected.txt; read it before committing."""
    parser.addoption("--accept", action="store_true", help="write expected.txt of each case")


@pytest.fixture
def accept(request: pytest.FixtureRequest) -> bool:
    """Whether expectations are to be written."""
    return bool(request.config.getoption("--accept"))
