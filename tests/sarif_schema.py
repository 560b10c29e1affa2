"""The official SARIF schema, from the npm package that carries it; it is not ours to copy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PACKAGE = "@microsoft/jest-sarif@1.0.0-beta.0"
MEMBER = "package/lib/schemas/sarif-2.1.0-rtm.5.json"


@cache
def official() -> dict[str, Any]:
    """The schema of SARIF 2.1.0; skips where there is no npm, and fails where CI has none."""
    npm = shutil.which("npm")
    if npm is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs npm to fetch the official SARIF schema")
        pytest.skip("npm, which brings the official SARIF schema, is not installed")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([npm, "pack", "--silent", PACKAGE], cwd=folder, check=True)
        archive = next(Path(folder).glob("*.tgz"))
        with tarfile.open(archive) as packed:
            member = packed.extractfile(MEMBER)
            assert member is not None
            schema: dict[str, Any] = json.loads(member.read())
    return schema
