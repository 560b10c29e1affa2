"""Files and folders that somebody else filled."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_gates.evidence import bounds, files
from incident_gates.evidence.refusal import Refusal

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX files")


def test_a_file_is_read_and_hashed(tmp_path: Path) -> None:
    data = os.urandom(200_000)
    (tmp_path / "a").write_bytes(data)
    assert files.read(tmp_path / "a", 200_000) == data
    assert files.digest_file(tmp_path / "a", 200_000) == files.digest(data)
    assert files.digest(data) == hashlib.sha256(data).hexdigest()
    (tmp_path / "empty").touch()
    assert files.read(tmp_path / "empty", 0) == b""


@pytest.mark.parametrize("read", [files.read, files.digest_file])
def test_what_is_no_readable_file_is_refused(read: object, tmp_path: Path) -> None:
    assert callable(read)
    (tmp_path / "big").write_bytes(b"x" * 11)
    for path, what in [
        (tmp_path, "a folder"),
        (tmp_path / "big", "larger"),
        (tmp_path / "gone", "no such file"),
        (tmp_path / "big" / "below", "could not be read"),
        (tmp_path / "nul\0", "cannot be a path"),
        (tmp_path / ("x" * 5000), "could not be read"),
    ]:
        with pytest.raises(Refusal, match=what) as caught:
            read(path, 10)
        assert not caught.value.malformed


@posix
def test_links_pipes_and_devices_are_refused(tmp_path: Path) -> None:
    (tmp_path / "random").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for path, what in [
        (tmp_path / "random", "symbolic link"),
        (tmp_path / "loop", "symbolic link"),
        (tmp_path / "pipe", "device, pipe"),
        (Path("/dev/zero"), "device, pipe"),
    ]:
        with pytest.raises(Refusal, match=what):
            files.read(path, 10)


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_forbidden_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").touch(0o000)
    with pytest.raises(Refusal, match="may not be read"):
        files.read(tmp_path / "a", 10)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../a",
        "b/../../a",
        "C:/a",
        "c:a",
        "b\\a",
        "a\0",
        "a\n",
        "",
        "\ud800",
        "x" * 9999,
    ],
)
def test_a_path_from_evidence_stays_inside(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("secret")
    (tmp_path / "b").mkdir()
    with pytest.raises(Refusal):
        files.read_under(tmp_path / "b", name, 10)


@posix
def test_a_path_from_evidence_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.txt").write_text("x")
    (tmp_path / "there").symlink_to("logs")
    assert files.read_under(tmp_path, "./logs/a.txt", 10) == b"x"
    with pytest.raises(Refusal, match="symbolic link"):
        files.read_under(tmp_path, "there/a.txt", 10)


@posix
def test_a_listing_names_everything_and_follows_nothing(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "x").write_text("123")
    (tmp_path / "a").touch()
    (tmp_path / "up").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    entry = files.Entry
    expected = (entry("a", 0, "file"), entry("pipe", 0, "other"), entry("up", 0, "link"))
    assert files.shallow(tmp_path) == expected
    assert files.listing(tmp_path) == (expected[0], entry("b/c/x", 3, "file"), *expected[1:])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_not_text_are_listed(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n"))).touch()
    assert [entry.name for entry in files.listing(tmp_path)] == ["\udcff\n"]


def test_a_listing_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "/".join("d" * bounds.ATTACHMENT_DEPTH)).mkdir(parents=True)
    (tmp_path / "d" / "x").write_bytes(b"12345")
    assert len(files.listing(tmp_path)) == 1
    monkeypatch.setattr(bounds, "INCIDENT_BYTES", 4)
    with pytest.raises(Refusal, match="MiB"):
        files.listing(tmp_path)
    monkeypatch.setattr(bounds, "INCIDENT_FILES", 0)
    with pytest.raises(Refusal, match="more than 0 files"):
        files.listing(tmp_path)
    (tmp_path / "/".join("d" * (bounds.ATTACHMENT_DEPTH + 1))).mkdir()
    monkeypatch.undo()
    with pytest.raises(Refusal, match="levels deep"):
        files.listing(tmp_path)
    with pytest.raises(Refusal, match="no such"):
        files.shallow(tmp_path / "gone")


@pytest.mark.parametrize(
    ("data", "what", "line"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark", 1),
        ("{}".encode("utf-16"), "UTF-16", 1),
        ("{}".encode("utf-32"), "UTF-32", 1),
        ("{}".encode("utf-16-le"), "NUL", 1),
        (b"a\nb\xe9\n", "not UTF-8", 2),
        (b"a\n\0", "NUL", 2),
        (b"", "empty", 1),
        (b" \n\t", "empty", 1),
    ],
)
def test_only_utf8_text_is_text(data: bytes, what: str, line: int) -> None:
    with pytest.raises(Refusal, match=what) as caught:
        files.decode(data)
    assert caught.value.line == line
    assert caught.value.malformed


@given(st.binary())
def test_any_bytes_give_text_or_a_refusal(data: bytes) -> None:
    with suppress(Refusal):
        assert files.decode(data).encode() == data
