"""The official SARIF schema, from the npm package that carries it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import npm_package

PACKAGE = "@microsoft/jest-sarif@1.0.0-beta.0"


@cache
def official() -> dict[str, Any]:
    """The schema of SARIF 2.1.0."""
    found = npm_package.member(PACKAGE, "lib/schemas/sarif-2.1.0-rtm.5.json")
    schema: dict[str, Any] = json.loads(found)
    return schema
