"""Drafts a file from what the record already says: derived where it follows, TODO where not."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.desk.drafts.kept import Written
from incident_gates.errors import CouldNotTell, UsageError

if TYPE_CHECKING:
    from incident_gates.desk.found import Found

KINDS = {
    "timeline": "incident-timeline.md, derived from the events of the other files",
    "report": "INCIDENT-REPORT.md, drafted from the record",
    "rca": "rca-manifest.json, with every log, diff and dashboard that stands in the folder",
    "retrospective": "retrospective.md, the protocol's agenda answered from the record and git",
    "waiver": "an entry in waivers.yaml for something missing (--rule)",
    "deviation": "an entry in waivers.yaml for a past fact that cannot be mended (--rule)",
    "amendment": "an entry in amendments.yaml for what changed after sealing",
}
# Several kinds may share a module; each is imported when it is asked for.
MODULES = {"waiver": "excuse", "deviation": "excuse"}


class Options(NamedTuple):
    """What was asked: the finding to excuse, where the kind is a waiver or a deviation."""

    rule: str = ""
    subject: str = ""


def write(what: str, found: Found, options: Options | None = None) -> Written:
    """Writes one draft, or says why it is left as it is; see Written for what was done."""
    if what not in KINDS:
        raise UsageError(f"{what!r} is nothing to draft; it may be {', '.join(KINDS)}.")
    name = f"incident_gates.desk.drafts.{MODULES.get(what, what)}"
    try:
        written: Written = import_module(name).write(what, found, options or Options())
    except OSError as error:
        raise CouldNotTell(f"The draft cannot be written: {error.strerror}") from error
    return written


def text(written: Written) -> str:
    """What was done and what comes next, for the terminal."""
    return written.text


def as_json(written: Written) -> dict[str, Any]:
    """The same as data."""
    return written.as_json


__all__ = ["KINDS", "Options", "Written", "as_json", "text", "write"]
