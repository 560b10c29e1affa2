"""ZIP files are looked into, never extracted, and cannot be bombs."""

from __future__ import annotations

import io
import struct
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_gates.evidence import archives, bounds
from incident_gates.evidence.refusal import Refusal


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


GOOD = _zip({"alerts/rules.yml": b"groups: []\n" * 50, "alerts/": b"", "é.json": b"{}"})


def _read_all(data: bytes) -> None:
    archive = archives.open_archive(data)
    for member in archive.members:
        archive.read(member.name)


def _refused(data: bytes, what: str) -> None:
    with pytest.raises(Refusal, match=what):
        _read_all(data)


def test_members_are_listed_and_read() -> None:
    archive = archives.open_archive(GOOD)
    assert archive.members == (
        archives.Member("alerts/rules.yml", 550),
        archives.Member("é.json", 2),
    )
    assert archive.read("é.json") == b"{}"
    with pytest.raises(Refusal, match="no member"):
        archive.read("other")


@pytest.mark.parametrize(
    "name", ["../a", "a/..", "a/../../b", "/a", "C:/a", "c:a", "a\\b", "a\nb", "a\x1b", "\x7f"]
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    _refused(_zip({name: b"x"}), "plain relative path")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_compression_is_refused(method: int) -> None:
    _refused(_zip({"a": b"x"}, method), "compression method")


def test_links_and_encrypted_members_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    _refused(buffer.getvalue(), "link or a device")
    encrypted = bytearray(_zip({"a": b"x"}))
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    _refused(bytes(encrypted), "encrypted")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("a", "2")
    _refused(buffer.getvalue(), "twice")


def test_overlapping_members_are_refused() -> None:
    data = bytearray(_zip({"a": b"1" * 99, "b": b"2" * 99}, zipfile.ZIP_STORED))
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    struct.pack_into("<L", data, second + 42, 0)
    _refused(bytes(data), "overlap")


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _refused(_zip({"a": bytes(bounds.ZIP_INFLATED + 1)}), "inflates to more")
    _refused(b"x" * (bounds.ZIP_BYTES + 1), "larger than")
    _refused(_zip({str(i): b"" for i in range(bounds.ZIP_MEMBERS + 1)}), "members")
    _refused(b"PK\x01\x02" * 20_000, "members")
    archive = archives.open_archive(GOOD)
    monkeypatch.setattr(archive, "_left", 1)
    with pytest.raises(Refusal, match="inflates to more"):
        archive.read("alerts/rules.yml")


def test_an_archive_that_announces_too_much_is_not_opened() -> None:
    with pytest.raises(Refusal, match="inflates to more than 50 MiB"):
        archives.open_archive(_zip({"a": bytes(bounds.ZIP_INFLATED), "b": b"1"}))
    assert archives.open_archive(_zip({"a": bytes(bounds.ZIP_INFLATED)})).members


@pytest.mark.parametrize(("more", "refused"), [(0, False), (1, True)])
def test_a_member_ends_before_the_directory(more: int, *, refused: bool) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("a")
        info.extra = b"\x99\x99\x04\x00more"
        archive.writestr(info, b"1" * 99)
    data = bytearray(buffer.getvalue())
    struct.pack_into("<L", data, data.index(b"PK\x01\x02") + 20, 99 + more)
    if refused:
        with pytest.raises(Refusal, match="overlap its directory"):
            archives.open_archive(bytes(data))
    else:
        assert archives.open_archive(bytes(data)).read("a") == b"1" * 99


def test_as_many_and_as_much_as_a_bound_allows() -> None:
    most = archives.Most(packed=400, members=2, inflated=10)
    assert archives.open_archive(_zip({"a": b"12345", "b": b"12345"}), most).read("b") == b"12345"
    with pytest.raises(Refusal, match="more than 2 members"):
        archives.open_archive(_zip({"a": b"", "b": b"", "c": b""}), most)
    exact = _zip({"a": b"1"})
    assert archives.open_archive(exact, most._replace(packed=len(exact))).members
    with pytest.raises(Refusal, match="larger than"):
        archives.open_archive(exact, most._replace(packed=len(exact) - 1))
    shared = archives.open_archive(_zip({"a": b"123456", "b": b"1234"}), most)
    assert shared.read("a") + shared.read("b") == b"1234561234"
    with pytest.raises(Refusal, match="inflates to more"):
        shared.read("b")


def test_archives_within_an_archive_hold_the_signature_too() -> None:
    most = archives.Most(packed=4000, members=2, inflated=4000)
    within = _zip({"a": b"PK\x01\x02" * 19}, zipfile.ZIP_STORED)
    assert archives.open_archive(within, most).members
    with pytest.raises(Refusal, match="more than 2 members"):
        archives.open_archive(_zip({"a": b"PK\x01\x02" * 20}, zipfile.ZIP_STORED), most)


def test_the_directory_may_have_another_order() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in "ab":
            archive.writestr(name, name * 99)
        archive.filelist.reverse()
    assert archives.open_archive(buffer.getvalue()).read("b") == b"b" * 99


def test_a_long_member_is_read_whole() -> None:
    data = bytes(range(256)) * 600
    assert archives.open_archive(_zip({"a": data})).read("a") == data


@pytest.mark.parametrize(
    ("kind", "refused"),
    [(0o100644, False), (0o040755, False), (0, False), (0o010644, True), (0o020644, True)],
)
def test_only_files_and_folders_come_in(kind: int, *, refused: bool) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("a")
        info.external_attr = kind << 16
        archive.writestr(info, "x")
    if refused:
        _refused(buffer.getvalue(), "link or a device")
    else:
        _read_all(buffer.getvalue())


def test_a_lie_about_the_size_is_noticed() -> None:
    data = bytearray(_zip({"a": b"1" * 9999}))
    struct.pack_into("<L", data, data.index(b"PK\x01\x02") + 24, 10)
    _refused(bytes(data), "damaged")


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
def test_damage_gives_members_or_a_refusal(place: int, byte: int, length: int) -> None:
    for data in (GOOD[:place] + bytes([byte]) + GOOD[place + 1 :], GOOD[:length]):
        with suppress(Refusal):
            _read_all(data)


@given(st.binary())
def test_any_bytes_give_an_archive_or_a_refusal(data: bytes) -> None:
    with pytest.raises(Refusal):
        archives.open_archive(data)
