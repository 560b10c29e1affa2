"""What the table cannot say in its verbs: digests to compute anew, archives, copies elsewhere."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

from incident_gates import facts
from incident_gates.evidence import markdown
from incident_gates.evidence.files import digest
from incident_gates.package.selftest.state import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable

    from incident_gates.package.selftest.state import Files
    from incident_gates.package.selftest.values import Values

PINS, PLAN, DECISIONS = "prerequisites.json", "mitigation-plan.md", "decision-log.json"


def pin_again(files: Files, _: Values, __: dict[str, Any]) -> None:
    """Pins each input as it is now, so that only its content is wrong."""
    top = files.data(PINS)
    for entry in top["inputs"]:
        if files.has(str(entry.get("file"))):
            entry["sha256"] = digest(files.read(entry["file"]))
    files.write_data(PINS, top)


def approve_again(files: Files, _: Values, __: dict[str, Any]) -> None:
    """Lets each approval carry the digest of its option as it is written now."""
    top = files.data(DECISIONS)
    written = {o.id: o.sha256 for o in facts.options(markdown.parse(files.text(PLAN)))}
    for decision in top["decisions"]:
        for approval in decision.get("approvals", ()):
            if "option_sha256" in approval and decision.get("option") in written:
                approval["option_sha256"] = written[decision["option"]]
    files.write_data(DECISIONS, top)


def keep_upstream(files: Files, values: Values, step: dict[str, Any]) -> None:
    """Lets an input stand in its own place as well, as it stands in the record."""
    folder = values.of("upstream")[step["input"]]
    files.write(f"/{folder}/{step['input']}", files.read(step["input"]))


def lose_input(files: Files, values: Values, step: dict[str, Any]) -> None:
    """Takes an input away from the record and from its own place."""
    name = step["input"]
    place = f"/{values.of('upstream')[name]}/{name}"
    if not (files.has(name) or files.has(place)):
        raise NotApplicable(f"the record has no {name}")
    for path in (name, place):
        if files.has(path):
            files.drop(path)


def pack(files: Files, _: Values, step: dict[str, Any]) -> None:
    """Puts another archive in an archive's place."""
    files.read(step["file"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in step["members"].items():
            archive.writestr(zipfile.ZipInfo(name), text)
    files.write(step["file"], buffer.getvalue())


CALLS: dict[str, Callable[[Files, Values, dict[str, Any]], None]] = {
    "pin again": pin_again,
    "approve again": approve_again,
    "keep upstream": keep_upstream,
    "lose input": lose_input,
    "pack": pack,
}
