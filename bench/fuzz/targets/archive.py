"""An archive is refused, or lists plain names and never inflates beyond its bound."""

from __future__ import annotations

import re
from contextlib import suppress

from shared import expect

from incident_gates.evidence import archives
from incident_gates.evidence.refusal import Refusal

# Small enough to be crossed by the small files that a fuzzer makes.
MOST = archives.Most(packed=32 * 1024, members=8, inflated=64 * 1024)
PLAIN = re.compile(r"[^\x00-\x1f\x7f\\]+\Z")
DRIVE = re.compile(r"[A-Za-z]:")


def fuzz(data: bytes) -> None:
    """One archive, every member of it read."""
    try:
        archive = archives.open_archive(data, MOST)
    except Refusal:
        return
    expect(len(data) <= MOST.packed, "larger than allowed")
    expect(len(archive.members) <= MOST.members, "more members than allowed")
    names = [member.name for member in archive.members]
    expect(len(set(names)) == len(names), "two members of one name")
    announced = sum(member.size for member in archive.members)
    expect(announced <= MOST.inflated, "announces more than allowed")
    for name in names:
        expect_plain(name)
    expect(inflated(archive, names) <= MOST.inflated, "inflates to more than allowed")


def expect_plain(name: str) -> None:
    """A name that leads nowhere else, on any system."""
    expect(PLAIN.match(name), f"the name {name!r}")
    parts = name.split("/")
    leads_out = ".." in parts or parts[0] == "" or DRIVE.match(name)
    expect(not leads_out, f"the way {name!r}")


def inflated(archive: archives.Archive, names: list[str]) -> int:
    """The bytes of all members that can be read."""
    total = 0
    for name in names:
        with suppress(Refusal):
            total += len(archive.read(name))
    return total
