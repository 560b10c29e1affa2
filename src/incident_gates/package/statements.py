"""Which statements a package carries: those that were asked for, and none that is out of date."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, NamedTuple

from incident_gates.package import attest, own

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from incident_gates.package.attest import Signer
    from incident_gates.package.judged import Judged

NAMES = (own.STATEMENT, own.ENVELOPE)


class Wanted(NamedTuple):
    """What was asked for: a statement beside the evidence, a signature on it."""

    beside: bool = False
    signer: Signer | None = None


class Beside(NamedTuple):
    """What is to be written beside a record, and which earlier files no longer hold."""

    pages: dict[str, bytes]
    stale: tuple[str, ...] = ()


def made(judged: Judged, subjects: Mapping[str, str], wanted: Wanted) -> dict[str, bytes]:
    """The statement about these files, and its signature where there is a key."""
    data = attest.statement(judged.report, judged.limits, subjects, judged.committed.commit)
    if data is None:
        return {}
    payload = own.encoded(data)
    signed = {own.ENVELOPE: wanted.signer.envelope(payload)} if wanted.signer else {}
    return {own.STATEMENT: payload, **signed}


def beside(judged: Judged, subjects: Mapping[str, str], target: Path, wanted: Wanted) -> Beside:
    """What stands beside the evidence: a statement that is there already is brought up to date.

    A signature over an earlier statement is stale: it would speak of files that are no more.
    """
    there = [name for name in NAMES if os.path.lexists(target / name)]
    if not wanted.beside and not wanted.signer and not there:
        return Beside({})
    pages = made(judged, subjects, wanted)
    stale = [n for n in there if n not in pages and not _holds(target / n, pages)]
    return Beside(pages, tuple(stale))


def _holds(path: Path, pages: Mapping[str, bytes]) -> bool:
    """Whether an earlier signature is over the statement as it is now."""
    if path.name != own.ENVELOPE or own.STATEMENT not in pages:
        return False
    try:
        payload = json.loads(path.read_bytes())["payload"]
        return base64.b64decode(payload, validate=True) == pages[own.STATEMENT]
    except (OSError, ValueError, KeyError, TypeError):
        return False
