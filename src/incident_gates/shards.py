"""Splits the records of a run into parts, each judged elsewhere, so that a record stays in its own.

A record's part follows from its path and the number of parts alone: one that is added moves no
other. Parts are of about the same size, because digests are spread evenly.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from incident_gates.errors import UsageError
from incident_gates.evidence import history
from incident_gates.model import Shard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from incident_gates.incident import Record
    from incident_gates.model import Report

MOST = 1000
_PART = r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})\Z"


def parsed(text: str) -> tuple[int, int]:
    """``K/N`` as two numbers."""
    found = re.match(_PART, text)
    number, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= count <= MOST:
        said = f"--shard {text}: write K/N, such as 2/8, with K from 1 to N and N at most {MOST:,}."
        raise UsageError(said)
    return number, count


def number_of(path: str, count: int) -> int:
    """The part that a record belongs to."""
    digest = hashlib.sha256(path.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % count + 1


def taken(
    records: list[Record], part: tuple[int, int], asked: Mapping[str, Any]
) -> tuple[list[Record], Shard]:
    """The records of one part, and how they stand among all."""
    number, count = part
    paths = [record.path for record in records]
    positions = tuple(i for i, path in enumerate(paths) if number_of(path, count) == number)
    commit = _commit(records)
    shard = Shard(number, count, len(paths), positions, listing(paths), commit, asked)
    return [records[i] for i in positions], shard


def listing(paths: Iterable[str]) -> str:
    """A digest that differs as soon as a record is added, missing or in another place."""
    text = "".join(f"{path}\0" for path in paths)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _commit(records: list[Record]) -> str | None:
    """What is checked out, where git knows: parts of two commits must not be joined."""
    found = history.offline(records[0].base, "rev-parse", "HEAD^{commit}") if records else None
    return found.decode("ascii", "replace").strip() if found else None


def stamped(report: Report, shard: Shard | None) -> Report:
    """A report that says of which part it is, if it is of one."""
    if shard is None:
        return report
    return report._replace(shard=shard, notices=(about(shard), *report.notices))


def about(shard: Shard) -> str:
    """What is to be said of a part: it is no verdict on all, least of all where it is empty."""
    own, total = len(shard.positions), shard.total
    return (
        f"This is shard {shard.number} of {shard.parts}, with {own:,} of {total:,} incidents. "
        "It says nothing of the others: check --merge joins the reports of all shards."
    )
