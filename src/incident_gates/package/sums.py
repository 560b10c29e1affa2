"""SHA256SUMS: the manifest's files and the manifest itself, as ``sha256sum -c`` reads them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}


def listed(digests: Mapping[str, str]) -> bytes:
    """One line for each path, sorted by path; the bytes of a name are kept as they are."""
    named = sorted((os.fsencode(path), digest) for path, digest in digests.items())
    return b"".join(_line(digest, path) for path, digest in named)


def _line(digest: str, path: bytes) -> bytes:
    """A name with a line break or a backslash is escaped, and the line says so, as coreutils do."""
    escaped = path
    for character, written in _ESCAPES.items():
        escaped = escaped.replace(character.encode(), written.encode())
    mark = b"\\" if escaped != path else b""
    return b"%s%s  %s\n" % (mark, digest.encode(), escaped)
