"""The files of a record in memory: what a mutation changes, before anything is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from incident_gates.evidence import files as door
from incident_gates.evidence import strict_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator


class NotApplicable(Exception):
    """The record has nothing that this mutation could change."""


class Files:
    """Files by path below the site; those of the record are asked for by their own name."""

    def __init__(self, held: dict[str, bytes], folder: str) -> None:
        self._held = dict(held)
        self._first = dict(held)
        self._folder = folder

    def path(self, name: str) -> str:
        """The path of a record's file below the site; one that begins with a slash is one."""
        return name[1:] if name.startswith("/") else f"{self._folder}/{name}"

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return self.path(name) in self._held

    def read(self, name: str) -> bytes:
        """The bytes of a file; raises NotApplicable."""
        try:
            return self._held[self.path(name)]
        except KeyError:
            raise NotApplicable(f"the record has no {name}") from None

    def text(self, name: str) -> str:
        """The text of a file; raises NotApplicable."""
        return door.decode(self.read(name))

    def write(self, name: str, data: bytes) -> None:
        """Puts another file in its place."""
        self._held[self.path(name)] = data

    def drop(self, name: str) -> None:
        """Takes a file away; raises NotApplicable where it is not there."""
        self.read(name)
        del self._held[self.path(name)]

    def restore(self, name: str) -> None:
        """Puts a file back as the valid record has it."""
        self._held[self.path(name)] = self._first[self.path(name)]

    def data(self, name: str) -> Any:
        """The value of a JSON or YAML file."""
        text = self.text(name)
        return strict_yaml.parse(text).value if name.endswith(".yaml") else json.loads(text)

    def write_data(self, name: str, value: Any) -> None:
        """Writes a value as JSON, which is YAML as well."""
        self.write(name, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())

    def names(self) -> list[str]:
        """The record's files, those in folders below it as well."""
        start = f"{self._folder}/"
        return sorted(p[len(start) :] for p in self._held if p.startswith(start))

    def copy(self) -> Files:
        """The same files, to change them."""
        made = Files(self._held, self._folder)
        made._first = self._first
        return made

    def changed_from(self, other: Files) -> Iterator[tuple[str, bytes | None]]:
        """What to write, or to remove (None), to come here from other files."""
        for path in sorted(self._held.keys() | other._held.keys()):
            data = self._held.get(path)
            if data != other._held.get(path):
                yield path, data
