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


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/a", "C:/a", "a\\b", "a\nb", "a\x1b"])
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
