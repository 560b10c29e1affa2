"""Options, paths and Hypothesis profiles that every test shares."""

from __future__ import annotations

import functools
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# A workflow that runs these tests is not the one that they are about; what it promises holds.
PROMISES = ("INCIDENT_GATES_REQUIRE_ALERTMANAGER",)
for name in [name for name in os.environ if name.startswith(("GITHUB_", "INCIDENT_GATES_"))]:
    if name not in PROMISES:
        del os.environ[name]

# What runs in the background of a shell or under nohup ignores interrupts and hang-ups, and so
# would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The same examples on every machine, as many as a change can wait for; `torture` looks further,
# elsewhere each time. What it finds becomes an @example or a case.
SLOW = [HealthCheck.too_slow]
settings.register_profile(
    "checked", derandomize=True, database=None, deadline=None, suppress_health_check=SLOW
)
settings.register_profile(
    "torture",
    max_examples=1000,  # so that `make torture` takes minutes
    deadline=None,
    print_blob=True,
    suppress_health_check=SLOW,
)
settings.load_profile("checked")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--accept`` writes what the tool says now into expected.txt; read it before committing."""
    parser.addoption("--accept", action="store_true", help="write expected.txt of each case")


@pytest.fixture
def accept(request: pytest.FixtureRequest) -> bool:
    """Whether expectations are to be written."""
    return bool(request.config.getoption("--accept"))


@pytest.fixture(autouse=True)
def examples_are_counted(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hands in how many examples a property held for, under the first line of its docstring."""
    handle = getattr(request.function, "hypothesis", None)
    if handle is None or not request.path.name.startswith("test_properties_"):
        yield
        return
    record_property = request.getfixturevalue("record_property")
    inner, held = handle.inner_test, 0

    @functools.wraps(inner)
    def counted(*args: Any, **given: Any) -> None:
        nonlocal held
        inner(*args, **given)
        held += 1

    handle.inner_test = counted
    yield
    handle.inner_test = inner
    what = str(request.function.__doc__).strip().splitlines()[0].rstrip(".")
    record_property(f"torture: {what}", f"{held:,} examples hold · all")
