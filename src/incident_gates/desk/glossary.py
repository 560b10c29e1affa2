"""The words of the protocol and of its files, as data."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from incident_gates.evidence import strict_yaml

PATH = Path(__file__).with_name("glossary.yaml")


def slug(text: str) -> str:
    """One spelling for a word, whatever its case and however its parts are joined."""
    return re.sub(r"[\s_-]+", "_", text.strip().casefold())


@lru_cache(maxsize=1)
def load() -> dict[str, dict[str, Any]]:
    """Each term with what it ``means``, what else it is called (``also``), and where to ``see``."""
    terms: dict[str, dict[str, Any]] = strict_yaml.parse(PATH.read_text(encoding="utf-8")).value
    return terms


def find(word: str) -> str | None:
    """The term that is meant, by any of its names."""
    wanted = slug(word)
    for term, entry in load().items():
        if wanted in {slug(term), *map(slug, entry.get("also", ()))}:
            return term
    return None
