"""What a mutation may speak of: facts of the valid record by name, and times reckoned from them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from incident_gates import facts
from incident_gates.evidence import markdown, times
from incident_gates.evidence.files import digest
from incident_gates.model import INFO, WARNING
from incident_gates.package.selftest import pointers
from incident_gates.package.selftest.state import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_gates.package.selftest.state import Files
    from incident_gates.policy import Limits

PLAN, SUMMARY = "mitigation-plan.md", "resolution-summary.json"
TIMELINE, PINS = "incident-timeline.md", "prerequisites.json"
# A name between braces, perhaps with a duration to add or take, and a shape after a bar.
_NAMED = re.compile(r"\{(\w+)(?: ([+-])(P\w+))?(?:\|(\w+))?\}")
_SHAPES = {
    "": lambda at: f"{at:%Y-%m-%dT%H:%M:%SZ}",
    "log": lambda at: f"{at:%Y-%m-%d %H:%M} UTC",
    "clock": lambda at: f"{at:%H:%M}",
    "date": lambda at: f"{at:%Y-%m-%d}",
}


class Values:
    """The facts of one valid record by name, looked up when a mutation asks for them."""

    def __init__(
        self, files: Files, names: Mapping[str, Mapping[str, str]], known: Mapping[str, Any]
    ) -> None:
        self._files = files
        self._names = names
        self._known = dict(known)

    def of(self, name: str) -> Any:
        """A fact; raises NotApplicable where the record does not hold it."""
        if name not in self._known:
            self._known[name] = self._looked_up(name)
        return self._known[name]

    def _looked_up(self, name: str) -> Any:
        entry = self._names[name]
        value = pointers.found(self._files.data(entry["file"]), entry["at"])[0].value
        if "time" in entry and times.from_value(value) is None:
            raise NotApplicable(f"the record has no time for {name}")
        return value

    def filled(self, value: Any, **more: Any) -> Any:
        """A value of the table with every name in it replaced."""
        if isinstance(value, dict):
            return {key: self.filled(item, **more) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item, **more) for item in value]
        return self._text(value, more) if isinstance(value, str) else value

    def _text(self, text: str, more: dict[str, Any]) -> Any:
        whole = _NAMED.fullmatch(text)
        if whole:
            return self._one(whole, more)
        return _NAMED.sub(lambda match: str(self._one(match, more)), text)

    def _one(self, match: re.Match[str], more: dict[str, Any]) -> Any:
        name, sign, length, shape = match.groups()
        value = more[name] if name in more else self.of(name)
        if not sign and not shape:
            return value
        return _SHAPES[shape or ""](moved(value, sign, length))


def moved(value: Any, sign: str | None, length: str | None) -> datetime:
    """A recorded time, moved by a duration; raises NotApplicable where it is none."""
    time = times.from_value(value)
    if time is None:
        raise NotApplicable("the record has no readable time there")
    by = times.duration(length or "PT0S") or timedelta()
    return time.earliest - by if sign == "-" else time.earliest + by


def known(files: Files, incident: str, severity: str | None, limits: Limits) -> dict[str, Any]:
    """The facts that stand at no one place."""
    protocol, commander = limits.protocol, _commander(files)
    others = [name for name in protocol.severities if name != severity]
    return {
        "incident": incident,
        "severity": severity or "none",
        "other_severity": others[0],
        "strategy": _strategy(files),
        "emergency": "yes" if _broke_glass(files) else "no",
        "audience": _audience(severity, limits),
        "timeline_derived": "yes" if _derived(files) else "no",
        "commander_may_be_both": "yes" if _may_be_both(commander, limits) else "no",
        # Whom the policy knows by name, git is believed about.
        "author_level": WARNING if limits.committer(commander, "")[1] else INFO,
        "upstream": protocol.upstream,
        "resolution_sha256": digest(files.read(SUMMARY)) if files.has(SUMMARY) else "",
    }


def _audience(severity: str | None, limits: Limits) -> str:
    """A pattern of one required audience, as a log may spell it: sre_on_call, SRE On-call."""
    known = limits.protocol.severities.get(severity or "")
    audiences = limits.audiences(known) if known else ()
    if not audiences:
        return "(?!)"  # matches nothing
    return r"[\W_]*".join(facts.slug(audiences[0]).split("_"))


def _derived(files: Files) -> bool:
    """Whether the timeline says already that it was put together from the other files."""
    text = files.text(TIMELINE) if files.has(TIMELINE) else ""
    return bool(re.search(r"^derived_from:", text, re.MULTILINE))


def _commander(files: Files) -> str:
    """Who commanded at first, "" where nobody says so."""
    top = files.data(PINS) if files.has(PINS) else {}
    named = pointers.spots(top, "/approvals/*[approval=commander_authority]/by/name")
    return str(named[0].value or "") if named else ""


def _may_be_both(name: str, limits: Limits) -> bool:
    """Whether the commander may be release manager as well, for all that the policy says."""
    holders = limits.holders("release_manager")
    return holders is None or limits.identity(name) in holders


def _broke_glass(files: Files) -> bool:
    """Whether the first execution was an emergency, approved afterwards."""
    name = "mitigation-execution-report.json"
    first = pointers.spots(files.data(name), "/executions/0/emergency") if files.has(name) else []
    return any(spot.there for spot in first)


def _strategy(files: Files) -> str:
    """The strategy of the option that was decided first."""
    if not (files.has(PLAN) and files.has("decision-log.json")):
        return "none"
    decided = pointers.spots(files.data("decision-log.json"), "/decisions/0/option")
    options = facts.options(markdown.parse(files.text(PLAN)))
    wanted = decided[0].value if decided else None
    return next((o.strategy for o in options if o.id == wanted), "none")
