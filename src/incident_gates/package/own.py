"""The files that aggregate writes beside a record, and how each is recognised as its own."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from incident_gates.errors import UsageError
from incident_gates.evidence import bounds, files
from incident_gates.evidence.refusal import Refusal
from incident_gates.seal import BUNDLE, ENVELOPE, HANDOFF, MANIFEST, METRICS, STATEMENT, SUMS
from incident_gates.seal import WRITTEN as NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["BUNDLE", "ENVELOPE", "HANDOFF", "MANIFEST", "METRICS", "NAMES", "STATEMENT", "SUMS"]

# In the order in which they are written: the sums seal what came before them.
WRITTEN = (METRICS, HANDOFF, MANIFEST, SUMS)
GENERATOR = "incident-gates aggregate"
MARK = f"<!-- Written by {GENERATOR}: changes are overwritten. -->"
# A manifest of the most files that a record may hold is smaller than this.
OWN_BYTES = 8 * bounds.MIB
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
# sha256sum begins the line of a name that it had to escape with a backslash.
_SUM = re.compile(r"\\?[0-9a-f]{64}  [^\n]+")
_END_OF_ZIP = b"PK\x05\x06"


def encoded(data: Mapping[str, Any]) -> bytes:
    """Data as the bytes of a file, always the same for the same data, and all of it ASCII."""
    return (json.dumps(data, indent=2, ensure_ascii=True) + "\n").encode()


def check(folder: Path, names: Iterable[str] = WRITTEN) -> None:
    """Only what was written here before is overwritten, and nothing is written through a link."""
    if folder.is_symlink():
        raise UsageError(f"{folder.name} is a link; nothing is written through it.")
    for name in names:
        refuse_foreign(folder / name)


def refuse_foreign(path: Path, kind: str = "") -> None:
    """Raises UsageError where something stands that was not written here."""
    if os.path.lexists(path) and not is_own(path, kind):
        raise UsageError(f"{path} was not written by {GENERATOR}, and is left as it is.")


def is_own(path: Path, kind: str = "") -> bool:
    """Whether a file is one of ours, by what it holds; ``kind`` where its name says nothing."""
    name = kind or path.name
    try:
        if name == BUNDLE:
            return _is_bundle(path)
        text = files.read(path, OWN_BYTES).decode("utf-8", "replace")
        if name == SUMS:
            return _is_sums(text)
        return text.startswith(MARK) or _is_ours(name, json.loads(text))
    except (Refusal, ValueError, AttributeError, RecursionError, OSError):
        return False


def _is_ours(name: str, top: Any) -> bool:
    if name == STATEMENT:
        return bool(top.get("_type") == STATEMENT_TYPE)
    if name == ENVELOPE:
        return bool(top.get("payloadType") == PAYLOAD_TYPE)
    return bool(top.get("generator") == GENERATOR)


def _is_sums(text: str) -> bool:
    """A list of sums has no room for a mark: ours is one that holds nothing else, and names ours.

    Whatever such a list says can be computed again, so nothing of anyone's is lost with it.
    """
    lines = text.splitlines()
    ours = any(line.endswith(f"  {MANIFEST}") for line in lines)
    return ours and all(_SUM.fullmatch(line) for line in lines)


def _is_bundle(path: Path) -> bool:
    """By the comment at its end, which an archive of ours carries."""
    comment = GENERATOR.encode()
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        length = 22 + len(comment)
        stream.seek(max(0, size - length))
        end = stream.read(length)
    return end.startswith(_END_OF_ZIP) and end.endswith(comment)
