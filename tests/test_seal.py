"""The seal: what a manifest may say, what differs from it, and what an amendment explains."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import casework
import pytest
import sealwork

from incident_gates import amendments, engine, policy, protocol, seal
from incident_gates.chain import Chain
from incident_gates.evidence import bounds, times
from incident_gates.evidence.refusal import Refusal
from incident_gates.incident import Record
from incident_gates.package import own
from incident_gates.seal import Difference, Step

ROOT = Path(__file__).resolve().parents[1]
ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64
NOW = times.parse("2026-03-20T00:00:00Z")


def manifest(*entries: Any, **own_keys: Any) -> bytes:
    return json.dumps({"sealed": True, "files": list(entries), **own_keys}).encode()


def entry(path: Any, sha256: Any = ONE, **own_keys: Any) -> dict[str, Any]:
    return {"path": path, "sha256": sha256, **own_keys}


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A closed record, complete."""
    return casework.build(casework.Case(tmp_path / "none"), tmp_path / "site")


def chain_of(record: Record) -> Chain:
    """A chain over the record as it is on disk now."""
    assert NOW is not None
    again = Record(record.folder, site=record.site, base=record.base, protocol=record.protocol)
    return Chain(again, policy.Limits(protocol.load()), NOW.earliest)


def rules_of(record: Record) -> set[str]:
    """The custody rules that find something."""
    assert NOW is not None
    again = chain_of(record).record
    limits = policy.Limits(protocol.load())
    report = engine.judge(again, limits, NOW.earliest, engine.Request())
    return {f.rule for f in report.all_findings if f.rule.startswith("CUS")}


# --- what a manifest may say ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../other/decision-log.json",
        "a/../../b",
        "a//b",
        "./a",
        "a/",
        "",
        "a\\b",
        "C:/a",
        "c:a",
        "a:stream",
        "a\nb",
        "a\x00b",
        "a\u202eb",
        "a.",
        "a /b",
        "x" * (bounds.PATH_CHARS + 1),
        7,
        None,
    ],
)
def test_a_manifest_that_names_an_impossible_path_is_refused(path: Any) -> None:
    """No path of a manifest is ever opened that is not plainly inside the folder."""
    with pytest.raises(Refusal, match="is no path of this folder"):
        seal.parse(manifest(entry(path)))


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (("a.json", "a.json"), "twice"),
        (("a.json", "A.JSON"), "one file on some systems"),
        (("stra\u00dfe", "STRASSE"), "one file on some systems"),
        (("caf\u00e9", "cafe\u0301"), "one file on some systems"),
        (("logs", "logs/a"), "a file and a folder"),
    ],
)
def test_paths_that_collide_are_refused(paths: tuple[str, ...], said: str) -> None:
    """Two names of one file leave it open which digest was meant."""
    with pytest.raises(Refusal, match=said):
        seal.parse(manifest(*map(entry, paths)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"[]", "object"),
        (b"\xff\xfe", "UTF-16"),
        (b'{"files": 7}', "files must be a list"),
        (b'{"files": [7]}', "no object"),
        (b'{"files": [], "files": []}', "twice"),
        (manifest(entry("a", ONE[:-1])), "no digest"),
        (manifest(entry("a", ONE.replace("1", "A"))), "no digest"),
        (manifest(entry("a", sealed="no")), "sealed has the wrong type"),
        (manifest(sealed="false"), "sealed has the wrong type"),
        (manifest(commit="main"), "no full commit id"),
        (manifest(commit="--output=x"), "no full commit id"),
        (manifest(seals=[7]), "no object"),
        (manifest(seals=[{"sha256": "x"}]), "no sha256"),
        (manifest(seals=[{"sha256": ONE, "amendments": [7]}]), "no text"),
        (manifest(*[entry("a")] * (bounds.INCIDENT_FILES + 1)), "at most"),
        (manifest(seals=[{"sha256": ONE}] * (bounds.SEALS + 1)), "more than"),
    ],
)
def test_what_is_no_manifest_is_refused_in_a_sentence(data: bytes, said: str) -> None:
    """A manifest is read strictly: what it might mean is not guessed."""
    with pytest.raises(Refusal, match=said) as refused:
        seal.parse(data)
    assert refused.value.fix


def test_a_manifest_is_read_whole() -> None:
    """Sealed files apart from listed ones, the earlier seals and what settled them."""
    data = manifest(
        entry("a.json"),
        entry("notes.md", TWO, sealed=False),
        commit="a" * 40,
        as_of="2026-03-14T04:00:00Z",
        seals=[{"sha256": THREE, "as_of": "2026-03-13T00:00:00Z", "amendments": ["A-1"]}],
    )
    read = seal.parse(data)
    assert (read.sealed, read.commit, read.as_of) == (True, "a" * 40, "2026-03-14T04:00:00Z")
    assert (dict(read.files), dict(read.listed)) == (
        {"a.json": ONE},
        {"a.json": ONE, "notes.md": TWO},
    )
    assert read.settled == {"A-1"}


def test_one_list_says_what_aggregate_writes() -> None:
    """What is not evidence is the same for who writes it and who compares it."""
    assert seal.WRITTEN == own.NAMES


# --- what differs ---------------------------------------------------------------------------------


def test_the_folder_is_compared_file_by_file(record: Record) -> None:
    """Changed, missing and added are three things; what is outside the seal is none of them."""
    sealwork.seal(record.folder)
    before = sealwork.digests(record.folder)
    (record.folder / "decision-log.json").write_text("{}")
    (record.folder / "attachments/api-error.log").unlink()
    (record.folder / "attachments/new.log").write_text("x")
    (record.folder / "retrospective.md").write_text("# Later")
    (record.folder / "SHA256SUMS").write_text("x")
    again = chain_of(record).record
    read = seal.read(again)
    assert read is not None
    found = seal.differences(again, read)
    after = sealwork.digests(record.folder)
    name = "decision-log.json"
    assert found.changed == (Difference(name, before[name], after[name]),)
    assert [d.path for d in found.missing] == ["attachments/api-error.log"]
    assert [d.path for d in found.added] == ["attachments/new.log"]


def test_what_is_listed_and_not_sealed_may_change(record: Record) -> None:
    """A manifest lists more than it seals."""
    data = sealwork.manifest(record.folder)
    for listed in data["files"]:
        listed["sealed"] = listed["path"] != "incident-timeline.md"
    (record.folder / seal.MANIFEST).write_text(json.dumps(data))
    (record.folder / "incident-timeline.md").write_text("# Anything\n")
    again = chain_of(record).record
    read = seal.read(again)
    assert read is not None
    assert not seal.differences(again, read)


def test_a_seal_holds_in_the_flat_layout_as_well(record: Record, tmp_path: Path) -> None:
    """Files directly in the root are sealed; the folder of another incident is not theirs."""
    flat = tmp_path / "flat/.artifacts/incidents"
    shutil.copytree(record.folder, flat)
    sealwork.seal(flat)
    shutil.copytree(record.folder, flat / "INC-2026-0043")

    def found() -> seal.Differences:
        base = tmp_path / "flat"
        again = Record(flat, site=base, base=base, protocol=protocol.load(), flat=True)
        read = seal.read(again)
        assert read is not None
        return seal.differences(again, read)

    assert not found()
    (flat / "attachments/api-error.log").write_text("another")
    assert [d.path for d in found().changed] == ["attachments/api-error.log"]


def test_aggregate_seals_what_check_compares(record: Record, monkeypatch: Any) -> None:
    """The manifest that is really written is read back, and one altered byte is found."""
    from click.testing import CliRunner

    from incident_gates.cli import main

    monkeypatch.chdir(record.base)
    monkeypatch.delenv("CI", raising=False)
    assert CliRunner().invoke(main, ["aggregate"]).exit_code == 0
    read = seal.read(chain_of(record).record)
    assert read is not None
    assert read.sealed
    assert set(read.files) == set(sealwork.digests(record.folder)) - seal.outside(protocol.load())
    assert rules_of(record) == set()
    path = record.folder / "attachments/api-error.log"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert rules_of(record) == {"CUS001"}


def test_a_false_positive_is_sealed_as_well(tmp_path: Path) -> None:
    """A record that ended as a false positive keeps what it was sealed with."""
    case = casework.Case(tmp_path / "none", {"base": "false-positive"})
    record = casework.build(case, tmp_path / "site")
    sealwork.seal(record.folder)
    assert rules_of(record) == set()
    (record.folder / "severity-assessment.json").write_text("{}")
    path = record.folder / "incident-intake-log.md"
    path.write_text(path.read_text() + "\n")
    assert rules_of(record) >= {"CUS001", "CUS003"}


def test_a_seal_does_not_change_its_mind(record: Record) -> None:
    """Years later the same record under the same seal has the same verdict."""
    sealwork.seal(record.folder)
    limits = policy.Limits(protocol.load())
    later = times.parse("2031-03-20T00:00:00Z")
    assert NOW is not None
    assert later is not None
    verdicts = {
        engine.judge(chain_of(record).record, limits, moment.earliest, engine.Request()).verdict
        for moment in (NOW, later)
    }
    assert len(verdicts) == 1


# --- what an amendment explains -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "explained"),
    [
        ([Step("a", ONE, TWO)], True),
        ([Step("a", ONE, THREE), Step("a", THREE, TWO)], True),
        ([Step("a", THREE, TWO), Step("a", ONE, THREE)], True),
        ([Step("b", ONE, TWO)], False),
        ([Step("a", TWO, ONE)], False),
        ([Step("a", ONE, THREE)], False),
        ([Step("a", ONE, None)], False),
        ([], False),
    ],
)
def test_an_amendment_covers_exactly_what_it_lists(steps: list[Step], *, explained: bool) -> None:
    """From the sealed digest to the present one there must be a way."""
    assert seal.reaches(Difference("a", ONE, TWO), steps) is explained


def test_a_file_that_cannot_be_read_is_explained_by_nothing() -> None:
    """Its digest is not known, so no amendment can list it; a removal lists None."""
    assert seal.reaches(Difference("a", ONE, None), [Step("a", ONE, None)])
    assert not seal.reaches(Difference("a", ONE, None, "a link"), [Step("a", ONE, None)])


def test_a_settled_amendment_explains_no_new_change(record: Record) -> None:
    """What a seal was renewed with is used up: the same change again takes an amendment again."""
    path = record.folder / "incident-timeline.md"
    before, text = sealwork.digests(record.folder), path.read_text()
    settled = [{"sha256": ONE, "as_of": "2026-03-14T04:00:00Z", "amendments": ["A-1"]}]
    for earlier, expected in (([], False), (settled, True)):
        path.write_text(text)
        sealwork.seal(record.folder, seals=earlier)
        path.write_text(text + "\n")
        sealwork.amend(record.folder, before, [{"id": "A-1", "files": [path.name]}])
        chain = chain_of(record)
        read = seal.read(chain.record)
        assert read is not None
        assert bool(amendments.uncovered(chain, read)) is expected
        assert amendments.covering(chain, read) == (() if expected else ("A-1",))
        assert rules_of(record) == ({"CUS001"} if expected else set())


@pytest.mark.parametrize(
    "broken",
    [
        {"why": ""},
        {"why": "TBD"},
        {"at": "yesterday"},
        {"by": {"role": "operator"}},
        {"approved_by": []},
        {"approved_by": [{"name": "@SAM", "role": "incident_commander"}]},
        {"approved_by": [{"name": "Alex", "role": "operator"}]},
        {"files": []},
        {"files": [{"path": "incident-timeline.md", "old_sha256": ONE, "new_sha256": ONE}]},
    ],
)
def test_an_amendment_that_lacks_something_does_not_count(
    record: Record, broken: dict[str, Any]
) -> None:
    """Who, why, when, what, and somebody else who may approve it."""
    sealwork.seal(record.folder)
    path = record.folder / "incident-timeline.md"
    before = sealwork.digests(record.folder)
    path.write_text(path.read_text() + "\n")
    amended = {"id": "A-1", "files": [path.name]}
    sealwork.amend(record.folder, before, [amended])
    assert rules_of(record) == set()
    sealwork.amend(record.folder, before, [{**amended, **broken}])
    assert rules_of(record) == {"CUS001", "CUS005"}


def test_two_amendments_of_one_id_do_not_count(record: Record) -> None:
    """A later seal names amendments by id, and must mean one of them."""
    sealwork.seal(record.folder)
    path = record.folder / "incident-timeline.md"
    before = sealwork.digests(record.folder)
    path.write_text(path.read_text() + "\n")
    twice = [{"id": "A-1", "files": [path.name]}] * 2
    sealwork.amend(record.folder, before, twice)
    assert rules_of(record) == {"CUS001", "CUS005"}


def test_a_sealed_record_is_checked_without_git(record: Record) -> None:
    """Comparing a seal takes digests alone; GitPython stays out."""
    sealwork.seal(record.folder)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from incident_gates.commands import run_protocol_13_gates as run\n"
        "try: run([sys.argv[2]])\n"
        "except SystemExit as done: print(done.code)\n"
        "print(sorted({'jsonschema', 'git'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "src"), str(record.folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-2:] == ["0", "[]"]
