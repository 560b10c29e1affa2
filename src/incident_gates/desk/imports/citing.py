"""Names in a file the payload that filled it, by its digest, with what else the payload said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from incident_gates.desk import json_text
from incident_gates.evidence import markdown

if TYPE_CHECKING:
    from incident_gates.desk.imports.payload import Payload
    from incident_gates.desk.record.draft import Draft

# Longer or deeper fields would bury the record; the payload holds them.
FIELD_CHARS = 600
FIELD_DEPTH = 6


def cited(payload: Payload) -> dict[str, Any]:
    """How a JSON file names a payload: its digest, and the fields that filled nothing."""
    fields = payload.claims.left
    short = {name: value for name, value in fields.items() if _short(value)}
    long = [name for name in fields if name not in short]
    entry: dict[str, Any] = {"source": payload.path, "sha256": payload.sha256}
    entry |= {"fields": short} if short else {}
    return {**entry, "only_in_source": long} if long else entry


def _short(value: Any) -> bool:
    written = json.dumps(value, ensure_ascii=False)
    return len(written) <= FIELD_CHARS and _depth(value) <= FIELD_DEPTH


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def key(payload: Payload) -> str:
    """The key of a JSON file under which a kind of payload is named."""
    return f"x-{payload.kind}"


def in_json(draft: Draft, name: str, payload: Payload) -> None:
    """Names the payload in a JSON file, beside those of its kind that were named before."""
    text = json_text.appended(draft.text(name), (key(payload),), cited(payload))
    draft.rewrite(name, text)


def in_log(text: str, payload: Payload) -> str:
    """A Markdown log with the payload named at its end, unless it is there already."""
    line = f"- Payload: {payload.path} sha256 {payload.sha256}"
    if line in text.splitlines():
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    section = markdown.parse(text).find("Sources")
    if section is None:
        return f"{text.rstrip()}{newline * 2}## Sources{newline * 2}{line}{newline}"
    lines = text.split("\n")
    last = max(n for n in range(section.line, section.end + 1) if lines[n - 1].strip())
    lines.insert(last, line + newline[:-1])
    return "\n".join(lines)
