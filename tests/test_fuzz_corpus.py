"""Every input that fuzzing kept still holds, and each target still notices what it is there for."""

from __future__ import annotations

import gc
import importlib
import weakref
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from incident_gates import engine
from incident_gates.evidence import archives, markdown, strict_json, strict_yaml, times
from incident_gates.incident import Record
from incident_gates.model import Status
from incident_gates.report import escape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

FUZZ = Path(__file__).resolve().parents[1] / "bench/fuzz"
TARGETS = sorted(path.stem for path in (FUZZ / "targets").glob("*.py"))
KIB = 1024


@pytest.fixture(autouse=True)
def beside_the_targets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The targets import what they share; what one of them sets in the environment is undone."""
    monkeypatch.syspath_prepend(FUZZ)
    monkeypatch.setenv(engine.DEBUG, "1")
    yield
    times.parse.cache_clear()


def target(name: str) -> ModuleType:
    return importlib.import_module(f"targets.{name}")


def kept(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((FUZZ / "corpus" / name).iterdir())]


@pytest.mark.parametrize("name", TARGETS)
def test_every_kept_input_holds(name: str) -> None:
    """As plain Python, so that no fuzzer is needed to see it."""
    inputs = kept(name)
    assert inputs
    for data in inputs:
        target(name).fuzz(data)


def test_the_corpus_is_small_and_every_folder_has_a_target() -> None:
    """What is kept travels with every copy of the project."""
    assert sorted(path.name for path in (FUZZ / "corpus").iterdir()) == TARGETS
    assert sum(len(data) for name in TARGETS for data in kept(name)) < 300 * KIB


def passed_anyway(*given: Any) -> Any:
    """An engine that lets every gate pass."""
    report = judge(*given)
    return report._replace(gates=tuple(g._replace(status=Status.PASSED) for g in report.gates))


judge = engine._judge
SPOILT: dict[str, tuple[Any, str, Any]] = {
    "archive": (archives, "_check_members", lambda *_: None),
    "command_escape": (escape, "command_data", lambda text: text),
    "front_matter": (markdown, "_front", strict_yaml.parse),
    "json_reader": (strict_json, "_check_surrogates", lambda _: None),
    "markdown_escape": (escape, "_dead", lambda found: found.group()),
    "markdown_reader": (markdown, "_unix", lambda text: text),
    "policy_yaml": (strict_yaml, "_check_breaks", lambda _: None),
    "record": (engine, "_judge", passed_anyway),
    "time_reader": (times, "_offset", lambda _: timedelta()),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_notices_that_a_promise_is_broken(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one function of the product spoilt, some kept input says so."""
    fuzz, inputs = target(name).fuzz, kept(name)
    monkeypatch.setattr(*SPOILT[name])
    times.parse.cache_clear()
    # A fuzzer stops at any exception; the standard library has words of its own for a bad offset.
    with pytest.raises((AssertionError, ValueError)):
        list(map(fuzz, inputs))


def test_a_record_with_unreadable_files_is_let_go() -> None:
    """Found by fuzzing: the trace of a refusal kept its record in memory for good."""
    site = target("record").SITE
    site.begin()
    site.put("decision-log.json", b"{")
    site.put("incident-timeline.md", b"---\na: [\n---\n")
    gone = weakref.ref(judged_record(site))
    gc.collect()
    assert gone() is None
    site.begin()


def judged_record(site: Any) -> Record:
    module = target("record")
    protocol = module.LIMITS.protocol
    record = Record(site.folder, site=site.root, base=site.root, protocol=protocol)
    report = engine.judge(record, module.LIMITS, module.AS_OF.earliest, engine.Request())
    refused = [document.name for document in record.documents() if document.refusal]
    assert report.gates
    assert refused == ["decision-log.json", "incident-timeline.md"]
    return record
