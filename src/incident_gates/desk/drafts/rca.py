"""``new rca``: lists in rca-manifest.json what stands in the folder, each file with its digest."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident_gates import atomic, lock, seal
from incident_gates.desk import json_text, templates
from incident_gates.desk.drafts import kept, words
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import files
from incident_gates.evidence.refusal import Refusal
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.desk.drafts import Options
    from incident_gates.desk.found import Found
    from incident_gates.incident import Node, Record

NAME = "rca-manifest.json"
# Payloads as `new --from` received them: neither log nor diff, whatever their names.
PAYLOADS = "sources/"
UNSAID = "TODO log, dashboard, diff, config, trace or other"


def write(what: str, found: Found, _: Options) -> kept.Written:
    """Adds each file that the manifest does not list; nothing that stands there is changed."""
    record = found.record
    with lock.held(record.folder):
        text = _text(found)
        manifest = record.node(NAME)
        items, notes = _items(record, manifest)
        changed = text
        for item in items:
            changed = json_text.appended(changed, ("items",), item)
        notes += _gaps(found, manifest, items)
        state = kept.ADDED if NAME in record.names else kept.WRITTEN
        if changed == text and NAME in record.names:
            state = kept.CURRENT
        else:
            notes += kept.sealed_note(found, NAME)
            atomic.write(record.folder / NAME, changed.encode())
    listed = [f"{i['id']}  {i['kind'].split()[0]:<10} {visible(i['path'], 60)}" for i in items]
    path = f"{record.path}/{NAME}"
    todo = kept.placeholders(changed)
    return kept.Written(what, record.incident_id, path, state, todo, (*listed, *notes))


def _text(found: Found) -> str:
    """The manifest as it stands, or as it begins."""
    document = found.record.document(NAME)
    if document is None:
        return templates.filled(NAME, found).decode()
    if document.refusal or not isinstance(document.value, dict):
        why = document.refusal.what if document.refusal else "it holds no object"
        raise UsageError(f"{NAME} is left as it is: {why}. Mend it, then run this again.")
    return document.text


def _items(record: Record, manifest: Node) -> tuple[list[dict[str, Any]], list[str]]:
    listed = {n["path"].text for n in manifest["items"]}
    taken = {n["id"].text for n in manifest["items"]}
    items: list[dict[str, Any]] = []
    notes: list[str] = []
    for name in _names(record):
        if name in listed:
            continue
        try:
            digest = record.attachment_digest(name)
        except Refusal as refusal:
            notes.append(f"Left out {visible(name, 120)}: {refusal.what}.")
            continue
        kind = kind_of(name)
        items.append(_item(kind, name, digest, taken))
    return items, notes


def _names(record: Record) -> Iterator[str]:
    """What stands in the folder and is neither a file of the protocol nor written by us."""
    known = {*record.protocol.artifacts, *seal.WRITTEN, "README.md"}
    try:
        entries = files.listing(record.folder)
    except Refusal as refusal:
        raise CouldNotTell(f"The folder cannot be listed: {refusal.what}") from refusal
    for entry in entries:
        hidden = any(part.startswith(".") for part in entry.name.split("/"))
        if entry.name not in known and not hidden:
            yield entry.name


@lru_cache(maxsize=1)
def _kinds() -> dict[str, list[str]]:
    text = Path(__file__).with_name("rca_kinds.json").read_text(encoding="utf-8")
    kinds: dict[str, list[str]] = json.loads(text)
    return kinds


def kind_of(name: str) -> str:
    """The kind of evidence that a name leaves no doubt of, or ""."""
    if name.startswith(PAYLOADS):
        return "other"
    last = name.rsplit("/", 1)[-1].lower()
    return next((k for k, ps in _kinds().items() if any(fnmatchcase(last, p) for p in ps)), "")


def _item(kind: str, name: str, digest: str, taken: set[str]) -> dict[str, Any]:
    stem, number = kind if kind and kind != "other" else "item", 1
    while f"{stem}-{number}" in taken:
        number += 1
    ident = f"{stem}-{number}"
    taken.add(ident)
    item = {"id": ident, "kind": kind or UNSAID, "path": name, "sha256": digest}
    captured = {"captured_at": "TODO when", "captured_by": {"name": "TODO who"}}
    # A payload is kept by the import itself, which says when in the entries that it wrote.
    return item if name.startswith(PAYLOADS) else {**item, **captured}


def _gaps(found: Found, manifest: Node, items: list[dict[str, Any]]) -> Iterator[str]:
    """Each kind that the gate asks for and nothing shows yet."""
    held = {n["kind"].text for n in manifest["items"]} | {i["kind"] for i in items}
    held |= {n["kind"].text for n in manifest["not_available"]}
    absent = [kind for kind in found.limits.protocol.data["rca_floor"] if kind not in held]
    if absent:
        yield (
            f"Still missing: {words.listed(absent)}. Put a file into attachments/ and run this "
            "again, or name the kind under not_available with the reason."
        )
