"""The ids under which git may keep a file."""

from __future__ import annotations

import hashlib

from incident_gates.evidence import files


def is_blob(blob: str, data: bytes) -> bool:
    """Whether git would keep a file under an id.

    A checkout may have turned its line ends round, or fetched what LFS keeps a pointer to.
    """
    about = f"oid sha256:{files.digest(data)}\nsize {len(data)}\n"
    pointer = f"version https://git-lfs.github.com/spec/v1\n{about}".encode()
    kept = (data, data.replace(b"\r\n", b"\n"), pointer)
    return any(blob == _blob_id(each, blob) for each in kept)


def _blob_id(data: bytes, like: str) -> str:
    """The id that git gives to a file's bytes, in the hash that the repository uses."""
    whole = b"blob %d\0%b" % (len(data), data)
    if len(like) == 64:  # noqa: PLR2004 - the digits of SHA-256
        return hashlib.sha256(whole).hexdigest()
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()
