"""Many records cost git as few questions as one, and each gets the answer that it gets alone."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from packagesite import ID, Site

from incident_gates import custody, history, protocol
from incident_gates.evidence import history as git
from incident_gates.incident import Record
from incident_gates.package import many, together

if TYPE_CHECKING:
    from pathlib import Path

OTHERS = ("INC-2026-0043", "INC-2026-0044")


def copied(site: Site, name: str) -> None:
    """The record once more, under another id."""
    shutil.copytree(site.folder, site.root / name)
    for path in (*(site.root / name).glob("*.json"), *(site.root / name).glob("*.md")):
        path.write_text(path.read_text("utf-8").replace(ID, name), "utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Three records in a repository; the first was changed after its first commit."""
    made = Site(tmp_path / "site", "complete")
    monkeypatch.chdir(made.site)
    for name in OTHERS:
        copied(made, name)
    made.committed()
    made.edit(
        "communication-log.md",
        "Resolved at 02:37 UTC by the rollback | Alex |\n| 02:39",
        "Resolved by the rollback | Alex |\n| 02:39",
    )
    made.committed("A word")
    return made


def records(site: Site) -> list[Record]:
    folders = [site.root / name for name in (ID, *OTHERS)]
    return [Record(f, site=site.site, base=site.site, protocol=protocol.load()) for f in folders]


def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of git from now on."""
    seen: list[str] = []
    run = git._git

    def counted(*given: Any) -> Any:
        found = run(*given)
        seen.append("git")
        return found

    monkeypatch.setattr(git, "_git", counted)
    return seen


def contents(known: history.History) -> dict[str, list[bytes | None]]:
    return {name: [known.content(v) for v in known.of(name)] for name in known.files}


def test_each_gets_the_answer_that_it_gets_alone(site: Site) -> None:
    found = together.histories(records(site))
    for record in records(site):
        alone = history.of(record, site.site)
        one = found[record.folder]
        assert isinstance(one, together.Shared)
        assert one.versions == alone.versions
        assert one.commits == alone.commits
        assert one.signed == alone.signed
        assert contents(one) == contents(alone)
    assert len(found[site.folder].of("communication-log.md")) == 2


def test_three_records_are_asked_for_as_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for some in (records(site)[:2], records(site)):
        together._below.cache_clear()
        seen = asked(monkeypatch)
        for one in together.histories(some).values():
            assert one.known
            one.load([custody.PLAN, "decision-log.json"])
        counts.append(len(seen))
        monkeypatch.undo()
    assert counts[0] == counts[1] > 0


def test_what_a_bound_leaves_out_is_asked_for_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "blobs", lambda *_: {})
    found = together.histories(records(site))
    monkeypatch.undo()
    (version,) = found[site.folder].of("decision-log.json")
    kept = (site.folder / "decision-log.json").read_bytes()
    assert found[site.folder].content(version) == kept


@pytest.mark.parametrize("state", ["no repository", "no commit", "not committed"])
def test_what_is_not_known_says_why(tmp_path: Path, state: str) -> None:
    made = Site(tmp_path / "site", "complete")
    if state == "not committed":
        made.committed()
    elif state == "no commit":
        made.git("init", "-q")
    for name in OTHERS:
        copied(made, name)
    found = together.histories(records(made))
    for record in records(made):
        assert found[record.folder].why_not == history.of(record, made.site).why_not
    assert found[made.root / OTHERS[0]].why_not


def test_a_bundle_is_the_same_alone_and_among_others(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert site.run("--incident", ID, "--bundle").exit_code == 0
    alone = (site.folder / "INCIDENT-EVIDENCE-BUNDLE.zip").read_bytes()
    assert site.run("--bundle").exit_code == 0
    assert (site.folder / "INCIDENT-EVIDENCE-BUNDLE.zip").read_bytes() == alone
    monkeypatch.setattr(many, "MANY", 2)
    monkeypatch.setattr(many, "CHUNK", 2)
    assert site.run("--bundle").exit_code == 0
    assert (site.folder / "INCIDENT-EVIDENCE-BUNDLE.zip").read_bytes() == alone
