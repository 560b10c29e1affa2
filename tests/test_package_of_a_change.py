"""A change is packaged under the policy that judged it, never under one that it brings."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from click.testing import CliRunner
from gitwork import Site, environment, pull_request

from incident_gates.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BASE = "close_within_days: 3\n"
OWN = "close_within_days: 300\n"


def test_the_package_names_the_policy_of_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path / "site")
    site.write(".incident-gates.yaml", BASE)
    site.commit("policy")
    site.branch("feature")
    site.write(".incident-gates.yaml", OWN)
    site.example("complete")
    site.commit("a record, and rules for it")
    site.merged()
    given = environment(site.folder, tmp_path / "runner", "pull_request", pull_request(site))
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(site.folder)
    said = CliRunner().invoke(main, ["check", "--scope", "changed", "--package", "out"])
    assert said.exit_code == 0, said.output
    manifest = json.loads((site.folder / "out/INC-2026-0042/evidence-manifest.json").read_text())
    assert manifest["policy_sha256"] == hashlib.sha256(BASE.encode()).hexdigest()
    assert manifest["verdict"] == "passed"
