"""Adds an entry to a list of a YAML file and leaves every other byte as its author wrote it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from incident_gates import atomic, lock, schema
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import strict_yaml
from incident_gates.evidence.refusal import Refusal

if TYPE_CHECKING:
    from incident_gates.incident import Record

ENTRIES = "entries"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _./@()-]*[A-Za-z0-9.)]\Z")
_WORDS = frozenset(("null", "true", "false", "yes", "no", "on", "off"))


def scalar(value: Any) -> str:
    """A value on one line that YAML and JSON read alike."""
    bare = isinstance(value, str) and _PLAIN.match(value) and value.casefold() not in _WORDS
    return str(value) if bare else json.dumps(value, ensure_ascii=False)


def block(fields: dict[str, Any], asked: dict[str, str]) -> str:
    """An entry as YAML; what is asked of a person stands in comments, for it has no shape yet."""
    lines = [line for key, value in fields.items() for line in _lines(key, value)]
    lines += [f"# {key}: {said}" for key, said in asked.items()]
    return "".join(f"{'    ' if n else '  - '}{line}\n" for n, line in enumerate(lines))


def _lines(key: str, value: Any) -> list[str]:
    """A key with its value: a list has a line for each entry."""
    if isinstance(value, list):
        return [f"{key}:", *(f"  - {_flow(item)}" for item in value)]
    return [f"{key}: {_flow(value)}"]


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k}: {_flow(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return scalar(value)


def appended(text: str, entry: str) -> str:
    """The text with one more entry; raises CouldNotTell where that would touch anything else."""
    before = _read(text)
    added = _read(f"{ENTRIES}:\n{entry}")[ENTRIES]
    expected = {**before, ENTRIES: [*(before.get(ENTRIES) or []), *added]}
    ways = _ways(text.rstrip("\n") + "\n", entry)
    fit = next((changed for changed in ways if _says(changed, expected)), "")
    if not fit:
        raise CouldNotTell("The entry could not be added without touching what stands there")
    return fit


def _says(text: str, expected: dict[str, Any]) -> bool:
    try:
        return _read(text) == expected
    except UsageError:
        return False


_EMPTY = re.compile(rf"^{ENTRIES}:[ \t]*(?:\[\])?[ \t]*$", re.MULTILINE)
_LIST = re.compile(rf"^{ENTRIES}:\n(?:(?:[ \t#-].*)?\n)*", re.MULTILINE)


def _ways(text: str, entry: str) -> list[str]:
    """How an entry may be added: below the last one, indented or not, or as the first one."""
    begun = _EMPTY.sub(f"{ENTRIES}:", text)
    if not _LIST.search(begun):
        return [f"{text}{ENTRIES}:\n{entry}"]
    flush = "".join(line[2:] + "\n" for line in entry.splitlines())
    return [_below(begun, new) for new in (entry, flush)]


def _below(text: str, entry: str) -> str:
    """The text with an entry at the end of its list."""
    found = _LIST.search(text)
    start, end = found.span() if found else (len(text), len(text))
    return f"{text[:start]}{text[start:end].rstrip()}\n{entry}{text[end:]}"


def _read(text: str) -> dict[str, Any]:
    try:
        value = strict_yaml.parse(text).value
    except Refusal as refusal:
        raise UsageError(f"it cannot be read: {refusal.what}") from None
    if not isinstance(value, dict):
        raise UsageError("it holds no mapping")
    return value


def add(record: Record, name: str, entry: str) -> bool:
    """Adds an entry to a file of the record; True where the file was not there before."""
    path = record.folder / name
    with lock.held(record.folder):
        document = record.document(name)
        text = _begin(record, name) if document is None else document.text
        if document is not None and document.refusal:
            raise UsageError(f"{name} is left as it is: {document.refusal.what}. Mend it first.")
        try:
            changed = appended(text, entry)
        except UsageError as error:
            raise UsageError(f"{name} is left as it is: {error}. Mend it first.") from None
        except CouldNotTell:
            raise CouldNotTell(
                f"{name} is left as it is: its entries are laid out in a way that nothing can be "
                "added to. Put each on lines of its own, below entries:"
            ) from None
        atomic.write(path, changed.encode())
    return document is None


def _begin(record: Record, name: str) -> str:
    address = f"{schema.BASE}{name.rsplit('.', 1)[0]}.schema.json"
    return (
        f"# yaml-language-server: $schema={address}\n"
        f'schema_version: "1.0"\nincident_id: {scalar(record.incident_id)}\n'
    )
