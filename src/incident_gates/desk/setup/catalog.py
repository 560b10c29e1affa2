"""The catalogue of schemas: which schema an editor takes for which file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import schema

if TYPE_CHECKING:
    from incident_gates.desk.setup.site import Site

NAME = "catalog.json"
ANYWHERE = "**/"


class Entry(NamedTuple):
    """One schema and the files that it describes."""

    url: str
    patterns: tuple[str, ...]

    @property
    def json(self) -> bool:
        """Whether its files are JSON; the others are YAML."""
        return self.patterns[0].endswith(".json")


def entries() -> list[Entry]:
    """Every schema of the catalogue that came with this installation."""
    text = (schema.folder() / NAME).read_text(encoding="utf-8")
    return [Entry(e["url"], tuple(e["fileMatch"])) for e in json.loads(text)["schemas"]]


def below(pattern: str, site: Site) -> str:
    """A pattern of the catalogue, held to where this repository keeps its evidence."""
    path = pattern.removeprefix(ANYWHERE)
    if not path.startswith(".artifacts/"):
        return path
    if path.startswith(".artifacts/incidents/"):
        return f"{site.root}/{path.removeprefix('.artifacts/incidents/')}"
    return f"{site.part}{path}"
