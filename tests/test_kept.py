"""What was judged of many records is kept on disk, and read back as it was."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import reportwork as work

from incident_gates import kept
from incident_gates.discover import Selection
from incident_gates.errors import CouldNotTell
from incident_gates.run import Job, run

if TYPE_CHECKING:
    from incident_gates.model import Report

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NAMES = ("contradictions", "complete", "in-progress-2", "late-notice")
MANY = kept.FEW + 1


def test_few_are_a_tuple_and_many_come_back_as_they_were() -> None:
    assert kept.keep(iter("abc"), 3) == ("a", "b", "c")
    many = kept.keep(map(str, range(MANY)), MANY)
    assert isinstance(many, kept.Kept)
    assert list(many) == list(many) == [str(number) for number in range(MANY)]
    assert (len(many), many[0], many[-1]) == (MANY, "0", str(MANY - 1))
    assert many[2:4] == ("2", "3")
    with pytest.raises(IndexError):
        many[MANY]


def test_no_room_is_could_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no disk here that is always full")
    monkeypatch.setattr(tempfile, "TemporaryFile", partial(full.open, "wb+"))
    with pytest.raises(CouldNotTell, match="no room for a temporary file"):
        kept.keep(range(MANY), MANY)


def test_where_no_file_can_be_made_it_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", none)
    assert kept.keep(range(MANY), MANY) == tuple(range(MANY))


def test_what_cannot_be_read_back_is_could_not_tell() -> None:
    file = tempfile.TemporaryFile()  # noqa: SIM115
    many = kept.Kept(range(MANY), file)
    file.truncate(0)
    with pytest.raises(CouldNotTell, match="cannot be read back"):
        many[MANY - 1]


@pytest.mark.skipif(os.name != "posix", reason="a file without a name")
def test_what_is_kept_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    many = kept.keep(range(MANY), MANY)
    assert sum(many) == sum(range(MANY))
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Report]:
    """A run as it is when its records are few, and as it is when they are many."""
    folder = tmp_path_factory.mktemp("sites")
    for name in NAMES:
        shutil.copytree(EXAMPLES / name / ".artifacts", folder / name / ".artifacts")
    job = Job(Selection(tuple(map(str, sorted(folder.iterdir())))), as_of="2026-03-20T00:00:00Z")
    with pytest.MonkeyPatch.context() as patch:
        few = run(job)
        patch.setattr(kept, "FEW", 1)
        return few, run(job)


@pytest.mark.parametrize("name", work.RENDERERS)
def test_every_format_prints_many_as_it_prints_few(both: tuple[Report, Report], name: str) -> None:
    few, many = both
    assert isinstance(many.incidents, kept.Kept)
    assert work.RENDERERS[name](many) == work.RENDERERS[name](few)
