"""How a decided action is compared with what was run: by the versions and files that it names."""

from __future__ import annotations

import pytest

from incident_gates.gates.mitigation.order import _tokens, another_version

DECIDED = "rollback_backend.sh v1.2.3"


@pytest.mark.parametrize(
    ("decided", "stated"),
    [
        (DECIDED, "rollback_backend.sh v1.2.2"),
        (DECIDED, "rollback_backend.sh v1.12.30"),
        (DECIDED, "helm rollback --to=v1.2.4"),
        (DECIDED, "image api:v1.2.4."),
        ("deploy 1.2.3", "deploy 1.2.4"),
        ("deploy 10.20.30", "deploy 10.20.31"),
        ("deploy v1.2.3 or v1.2.2", "v1.2.1 arrived"),
    ],
)
def test_another_version_of_that_form_is_another_one(decided: str, stated: str) -> None:
    assert another_version(decided, stated)


@pytest.mark.parametrize(
    ("decided", "stated"),
    [
        (DECIDED, "rollback_backend.sh v1.2.3"),
        (DECIDED, "image api:v1.2.3, and no v1.3.0 any more"),
        # The same version, with and without its v.
        (DECIDED, "release 1.2.3"),
        ("deploy 1.2.3", "v1.2.3 arrived"),
        # Written in another way, it may be the version of something else.
        (DECIDED, "python 3.11 and node 20.1.4"),
        (DECIDED, "v2.0"),
        (DECIDED, "build 20260314.7"),
        # A part of a name, an address, a file or a longer number names no version.
        (DECIDED, "v1.2.4-rc1"),
        (DECIDED, "libv1.2.4"),
        (DECIDED, "10.v1.2.4"),
        (DECIDED, "v1.2.4_amd64"),
        (DECIDED, "v1.2.4.tar"),
        (DECIDED, "nothing is named"),
        ("flip the flag", "v1.2.4"),
    ],
)
def test_no_other_version_is_made_up(decided: str, stated: str) -> None:
    assert not another_version(decided, stated)


@pytest.mark.parametrize(
    ("action", "named"),
    [
        ("run `rollback_backend.sh` (v1.2.3), then wait", ["rollback_backend.sh", "v1.2.3"]),
        ("kubectl set image api=registry/shop/api:v1.2.3;", ["v1.2.3"]),
        ("scripts/back.py --to=7", ["back.py", "7"]),
        ("'page2' \"a.b\",", ["page2", "a.b"]),
        ("turn the flag off", []),
        ("stop. go", []),
    ],
)
def test_words_that_name_one_thing(action: str, named: list[str]) -> None:
    assert _tokens(action) == named
