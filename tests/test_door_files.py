"""Files and folders that somebody else filled."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_gates.evidence import bounds, files
from incident_gates.evidence.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

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


@posix
def test_as_much_as_a_folder_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and folders are counted together; the bundle of the folder itself weighs nothing."""
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "x").write_bytes(b"12345")
    (tmp_path / "INCIDENT-EVIDENCE-BUNDLE.zip").write_bytes(b"1234567890")
    monkeypatch.setattr(bounds, "INCIDENT_FILES", 4)
    monkeypatch.setattr(bounds, "INCIDENT_BYTES", 5)
    names = [entry.name for entry in files.listing(tmp_path)]
    assert names == ["INCIDENT-EVIDENCE-BUNDLE.zip", "d/x"]
    assert len(files.shallow(tmp_path)) == 1
    (tmp_path / "d" / "y").touch()
    (tmp_path / "d" / "z").touch()
    with pytest.raises(Refusal, match="more than 4 files"):
        files.listing(tmp_path)
    (tmp_path / "d" / "z").write_bytes(b"6")
    monkeypatch.setattr(bounds, "INCIDENT_FILES", 9)
    with pytest.raises(Refusal, match="more than 0 MiB"):
        files.listing(tmp_path)


def test_a_file_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"12345678901")
    monkeypatch.setattr(files, "_check_file", lambda *_: None)
    with pytest.raises(Refusal, match="larger than 0 KiB"):
        files.read(tmp_path / "a", 10)
    assert files.read(tmp_path / "a", 11) == b"12345678901"


def test_a_file_that_is_too_large_is_not_read_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(bytes(1025))
    monkeypatch.setattr(os, "read", lambda *_: pytest.fail("it was read"))
    with pytest.raises(Refusal, match="larger than 1 KiB"):
        files.read(tmp_path / "a", bounds.KIB)


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (bounds.KIB, "1 KiB"),
        (bounds.MIB - 1, "1023 KiB"),
        (bounds.MIB, "1 MiB"),
        (64 << 20, "64 MiB"),
    ],
)
def test_a_bound_is_said_in_its_own_unit(limit: int, said: str) -> None:
    assert files._too_large(limit).what == f"the file is larger than {said}"


@posix
def test_every_file_is_closed_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12")
    before = len(list(Path("/dev/fd").iterdir()))
    for path in (tmp_path / "a", tmp_path):
        with pytest.raises(Refusal):
            files.read(path, 1)
    assert files.read(tmp_path / "a", 2) == b"12"
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_junction_of_windows_is_a_link() -> None:
    junction: Any = SimpleNamespace(
        st_mode=stat.S_IFREG, st_file_attributes=stat.FILE_ATTRIBUTE_REPARSE_POINT
    )
    with pytest.raises(Refusal, match="symbolic link"):
        files._refuse_link(junction)


@pytest.mark.parametrize("look", [files.shallow, files.listing])
def test_a_folder_may_hold_as_much_as_the_bounds_say(
    look: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"12")
    monkeypatch.setattr(bounds, "INCIDENT_FILES", 2)
    monkeypatch.setattr(bounds, "INCIDENT_BYTES", 4)
    assert look(tmp_path)
    for name, less, said in (("INCIDENT_FILES", 1, "1 files"), ("INCIDENT_BYTES", 3, "0 MiB")):
        with monkeypatch.context() as lower:
            lower.setattr(bounds, name, less)
            with pytest.raises(Refusal, match=f"more than {said}"):
                look(tmp_path)


@posix
def test_where_the_system_cannot_refuse_a_link_we_look_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(__file__)
    monkeypatch.setattr(files, "_FLAGS", os.O_RDONLY)
    monkeypatch.delattr(os, "O_NOFOLLOW")
    with pytest.raises(Refusal, match="symbolic link"):
        files.read(tmp_path / "link", 1 << 20)


def test_why_a_file_could_not_be_read() -> None:
    said = {
        OSError(errno.EIO, "x"): "the file could not be read (EIO)",
        OSError("no number"): "the file could not be read (unknown error)",
        PermissionError(errno.EACCES, "x"): "the file may not be read",
        FileNotFoundError(errno.ENOENT, "x"): "there is no such file",
        OSError(errno.EMLINK, "x"): "this is a symbolic link, never followed",
        OSError(errno.ELOOP, "x"): "this is a symbolic link, never followed",
    }
    assert [files._unreadable(error).what for error in said] == list(said.values())


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("gone", "there is no such file"),
        ("gone/below", "there is no such file"),
        ("\ud800", "this name cannot be a path"),
        ("a\x1fb", "this name cannot be a path"),
        ("c:a", "the path c:a is not a plain path inside the folder"),
        ("a\x7fb", "this name cannot be a path"),
        ("x" * 300, "the file could not be read (ENAMETOOLONG)"),
        ("x" * (bounds.PATH_CHARS + 1), "this name cannot be a path"),
        ("/" + "x" * (bounds.PATH_CHARS - 1), f"the path /{'x' * 9}"),
    ],
)
def test_why_a_path_from_evidence_leads_nowhere(name: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        files.read_under(tmp_path, name, 10)
    assert caught.value.what.replace("'", "").startswith(what)
    assert not caught.value.malformed


def test_a_pointer_of_git_lfs_is_not_the_file() -> None:
    files.refuse_pointer(b"version 1 of the report\n")
    with pytest.raises(Refusal, match="Git LFS pointer") as caught:
        files.refuse_pointer(b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n")
    assert not caught.value.malformed


@pytest.mark.parametrize(
    ("data", "blank"),
    [(b"", True), (b" \n", True), (b"xx\nx", True), (b"xy", False), (b"0" * 70_000 + b"1", False)],
)
def test_a_file_of_one_byte_over_and_over_is_blank(
    data: bytes, tmp_path: Path, *, blank: bool
) -> None:
    (tmp_path / "a").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    assert files.looked_into(tmp_path, "a", 100_000) == (digest, blank)


def test_pieces_make_the_file(tmp_path: Path) -> None:
    data = os.urandom(70_000)
    (tmp_path / "a").write_bytes(data)
    pieces = list(files.chunks(tmp_path / "a", 70_000))
    assert len(pieces) == 2
    assert b"".join(pieces) == data
    assert files.digest_under(tmp_path, "a", 70_000) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("data", "what", "line", "column"),
    [
        (b"\xef\xbb\xbf{}", "the file is UTF-8 with a byte order mark", 1, 1),
        ("{}".encode("utf-16"), "the file is UTF-16", 1, 1),
        (b"\xfe\xff\0{\0}", "the file is UTF-16", 1, 1),
        ("{}".encode("utf-32"), "the file is UTF-32", 1, 1),
        (b"\0\0\xfe\xff\0\0\0{", "the file is UTF-32", 1, 1),
        ("{}".encode("utf-16-le"), "the file holds NUL bytes, so it is not text", 1, None),
        (b"a\nb\xe9\n", "the file is not UTF-8 text", 2, 2),
        (b"\xe9", "the file is not UTF-8 text", 1, 1),
        ("é\nüb".encode() + b"\xff", "the file is not UTF-8 text", 2, 3),
        (b"\n\xff", "the file is not UTF-8 text", 2, 1),
        (b"a\n\0", "the file holds NUL bytes, so it is not text", 2, None),
        (b"\n\0", "the file holds NUL bytes, so it is not text", 2, None),
        (b"", "the file is empty", 1, 1),
        (b" \n\t", "the file is empty", 1, 1),
    ],
)
def test_only_utf8_text_is_text(data: bytes, what: str, line: int, column: int | None) -> None:
    with pytest.raises(Refusal) as caught:
        files.decode(data)
    assert caught.value.what == what
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.malformed


@given(st.binary())
def test_any_bytes_give_text_or_a_refusal(data: bytes) -> None:
    with suppress(Refusal):
        assert files.decode(data).encode() == data
