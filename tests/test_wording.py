"""How a number of things is said."""

from __future__ import annotations

import pytest

from incident_gates.wording import counted


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (counted(0, "file"), "0 files"),
        (counted(1, "file"), "1 file"),
        (counted(1234, "file"), "1,234 files"),
        (counted(1, "breach", "breaches"), "1 breach"),
        (counted(2, "breach", "breaches"), "2 breaches"),
    ],
)
def test_one_is_not_said_in_the_plural(said: str, expected: str) -> None:
    assert said == expected
