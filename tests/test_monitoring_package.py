"""What shows that an archive holds monitoring configuration, and what does not."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import casework
import pytest

from incident_gates import engine, policy, protocol
from incident_gates.evidence import bounds, times

RULES = "groups:\n  - name: api\n    rules: []\n"
LARGE = RULES + "#" * bounds.ZIP_MEMBER_BYTES
PHOTO = b"\xff\xd8\xff\xe0 groups:"


def found(tmp_path: Path, members: dict[str, str | bytes]) -> list[str]:
    """What PRE005 finds in such a package, and what it says that it saw."""
    record = casework.build(casework.Case(Path("no-such-case")), tmp_path)
    with zipfile.ZipFile(record.folder / "MONITORING-PACKAGE.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    now = times.parse("2026-03-20T00:00:00Z")
    assert now is not None
    limits = policy.Limits(protocol.load(), policy.Policy())
    report = engine.judge(record.again(), limits, now.earliest, engine.Request())
    assert report.verdict.value == "failed"  # the package is not the one that was pinned
    seen = [f for gate in report.gates for f in gate.findings if f.rule == "PRE005"]
    return [name for finding in seen for name in finding.actual]


@pytest.mark.parametrize(
    "members",
    [
        {"rules.yml": RULES},
        {"rules.yaml": RULES},
        {"rules.json": json.dumps({"groups": [{"name": "api"}]})},
        {"rule.yml": "kind: PrometheusRule\nspec:\n  groups:\n    - name: api\n"},
        {"alertmanager.yml": "route:\n  receiver: sre\n"},
        {"alertmanager.yml": "receivers:\n  - name: sre\n"},
        {"dashboard.json": json.dumps({"panels": [{"id": 1}]})},
        {"dashboard.json": json.dumps({"dashboard": {"panels": [{"id": 1}]}})},
        # What the strict reader of YAML refuses is looked at line by line.
        {"rules.yml": f"x: &all {{}}\ny: *all\n{RULES}"},
        {"alertmanager.yml": "x: &all {}\ny: *all\nroute:\n  receiver: sre\n"},
        {"alertmanager.yml": "x: &all {}\ny: *all\nreceivers:\n  - name: sre\n"},
        # One is enough, whatever lies beside it.
        {"photo.yml": PHOTO, "broken.json": "{", "list.json": "[1]", "rules.yml": RULES},
        {f"{number:03}.txt": "x" for number in range(200)} | {"rules.yml": RULES},
    ],
)
def test_configuration(members: dict[str, str | bytes], tmp_path: Path) -> None:
    assert not found(tmp_path, members)


@pytest.mark.parametrize(
    "members",
    [
        {"README.md": RULES},
        {"rules.yml.txt": RULES},
        {"rules.yml": "groups: []\n"},
        {"rules.yml": "# groups:\nother: 1\n"},
        {"rules.yml": "other:\n  groups:\n    - name: api\n"},
        {"rules.yml": "x: &all {}\ny: *all\nz:\n  groups: 1\n"},
        {"dashboard.json": RULES},
        {"dashboard.json": json.dumps({"panels": []})},
        {"dashboard.json": json.dumps([{"panels": [1]}])},
        {"photo.yml": PHOTO},
        # Longer than what anybody writes, or behind more files than are looked into.
        {"rules.yml": LARGE},
        {f"{number:03}.yml": "x: 1" for number in range(bounds.ZIP_LOOKED_INTO)}
        | {"rules.yml": RULES},
    ],
)
def test_something_else(members: dict[str, str | bytes], tmp_path: Path) -> None:
    assert found(tmp_path, members) == list(members)[:5]
