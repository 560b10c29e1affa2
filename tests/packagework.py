"""Judges an example as `aggregate` does, for tests of what is made of the judgement."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident_gates import engine, policy, protocol
from incident_gates.chain import Chain
from incident_gates.evidence import times
from incident_gates.incident import Record
from incident_gates.package import manifest
from incident_gates.package.committed import Committed
from incident_gates.package.judged import Judged

if TYPE_CHECKING:
    from incident_gates.policy import Limits

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NOW = "2026-03-20T00:00:00Z"


def copied(example: str, site: Path) -> Path:
    """A copy of an example; returns the incident's folder."""
    shutil.copytree(EXAMPLES / example, site, dirs_exist_ok=True)
    return next(p for p in sorted((site / ".artifacts/incidents").iterdir()) if p.is_dir())


def judged(folder: Path, now: str = NOW) -> tuple[Judged, dict[str, Any]]:
    """A record judged, and its manifest."""
    site = folder.parents[2]
    moment = times.parse(now)
    assert moment is not None
    limits = _limits(site)
    record = Record(folder, site=site, base=site, protocol=protocol.load())
    report = engine.judge(record, limits, moment.earliest, engine.Request())
    chain = Chain(record, limits, moment.earliest)
    found = Judged(record, limits, chain, report, Committed())
    return found, manifest.made(found, [])


def _limits(site: Path) -> Limits:
    own = site / policy.NAME
    return policy.Limits(protocol.load(), policy.read(own) if own.is_file() else policy.Policy())
