"""The files that a record begins with: data beside this module, filled with what is known now."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident_gates import facts, schema
from incident_gates.desk.found import shown
from incident_gates.evidence import history
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from incident_gates.desk.found import Found

FOLDER = Path(__file__).with_name("templates")


def filled(name: str, found: Found) -> bytes:
    """One file as it begins: TODO wherever somebody must say what happened."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    known = {"schema": f"{schema.BASE}{name.rsplit('.', 1)[0]}.schema.json", **_known(found)}
    if not name.endswith(".json"):
        return _put(text, known).encode()
    data = {key: _filled(value, known) for key, value in json.loads(text).items()}
    if name in LISTS:
        key, entries = LISTS[name]
        data[key] = entries(found)
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _known(found: Found) -> dict[str, str]:
    """What a machine can know at this moment; everything else is typed."""
    now = shown(found.now)
    return {
        "incident_id": found.record.incident_id,
        "now": now,
        "today": now[:10],
        "clock": now[11:16],
        "author": author(found.record.base) or "you",
        "protocol_version": found.limits.protocol.version,
        "strategies": ", ".join(found.limits.protocol.data["strategies"]),
    }


@lru_cache(maxsize=1)
def author(base: Path) -> str:
    """Who git says is at work here, safe to put into any file."""
    name = visible(history.author(base), 60)
    return name.translate({ord(character): None for character in "<>|"}).strip()


def _filled(value: Any, known: dict[str, str]) -> Any:
    if isinstance(value, str):
        return _put(value, known)
    if isinstance(value, list):
        return [_filled(item, known) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, known) for key, item in value.items()}
    return value


def untouched(name: str, text: str, own: Callable[[str], bool] = lambda _: False) -> bool:
    """Whether a Markdown file still is its template; ``own`` are lines that may stand in it."""
    path = FOLDER / name
    if not path.is_file():
        return False
    parts = re.split(r"\{\{\w+\}\}", _without(path.read_text(encoding="utf-8"), own))
    pattern = r"[^\n]*".join(map(re.escape, parts))
    return re.fullmatch(pattern, _without(text, own)) is not None


def _without(text: str, own: Callable[[str], bool]) -> str:
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not own(line))


def _put(text: str, known: dict[str, str]) -> str:
    for key, value in known.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    return text


def pinned(found: Found) -> list[dict[str, str]]:
    """Each upstream file that is there, with its digest; what is absent is not mentioned."""
    documents = (found.record.document(entry["file"]) for entry in found.limits.protocol.inputs)
    return [{"file": d.name, "sha256": d.sha256} for d in documents if d and d.data]


def _planned(found: Found) -> list[dict[str, Any]]:
    """The checks that the readiness checklist planned, each still without a result."""
    keys = ("id", "service", "kind", "critical", "description")
    nodes = facts.planned_checks(found.record)
    checks = [{key: node[key].value for key in keys if node[key]} for node in nodes]
    return [{**check, "results": []} for check in checks if check.get("id")]


def _audiences(found: Found) -> list[dict[str, str]]:
    """Who was to be told of the incident, and is now to be told that it is over."""
    severity = found.chain.worst_severity
    audiences = found.limits.audiences(severity) if severity else ()
    blank = {"informed_at": "TODO when", "channel": "TODO where"}
    return [{"audience": audience, **blank} for audience in audiences]


LISTS = {
    "prerequisites.json": ("inputs", pinned),
    "recovery-validation.json": ("checks", _planned),
    "resolution-summary.json": ("stakeholders_informed", _audiences),
}
