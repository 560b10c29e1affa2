"""Which pull requests must carry evidence, and whether the incident they bring is ready for it."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import engine
from incident_gates.chain import Chain
from incident_gates.changes import finding
from incident_gates.gates.mitigation.approvals import break_glass
from incident_gates.model import WARNING, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from incident_gates.github.commits import Change
    from incident_gates.github.event import Event
    from incident_gates.incident import Record
    from incident_gates.model import Finding, GateReport
    from incident_gates.policy import Limits

KEY = "evidence_required"
LONGEST = 100_000
SHOWN_IDS = 5
_NAMED = re.compile(
    r"^[ \t]*(?:[-*][ \t]+)?incident:[ \t]+`?([A-Z0-9][A-Z0-9._-]{0,99})`?[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)


class Demand(NamedTuple):
    """Why a pull request must carry evidence, and the changed file that says so best."""

    because: str
    file: str


def demanded(event: Event, change: Change, policy: Mapping[str, object]) -> Demand | None:
    """Why evidence is asked of this event; None where it is not: only pull requests are asked."""
    asked = policy.get(KEY)
    if event.name != "pull_request" or not isinstance(asked, dict):
        return None
    paths = [changed.path for changed in change.paths]
    outside = [path for path in paths if "/.artifacts/" not in f"/{path}"]
    first = next(iter(outside or paths), "")
    for because in _reasons(event, asked):
        return Demand(because, first)
    hit = next((p for p in paths if any(_matches(p, g) for g in asked.get("paths", ()))), None)
    return None if hit is None else Demand(f"it changes {hit}", hit)


def _reasons(event: Event, asked: Mapping[str, list[str]]) -> Iterator[str]:
    labels = event.at("pull_request", "labels")
    for label in labels if isinstance(labels, list) else ():
        name = label.get("name") if isinstance(label, dict) else None
        if isinstance(name, str) and name.casefold() in {
            each.casefold() for each in asked.get("labels", ())
        }:
            yield f"label {name}"
    branch = event.text("pull_request", "head", "ref")
    if any(_matches(branch, glob) for glob in asked.get("branches", ())):
        yield f"branch {branch}"
    title = event.text("pull_request", "title")
    if any(_matches(title.casefold(), glob.casefold()) for glob in asked.get("titles", ())):
        yield f"title “{title}”"


def _matches(text: str, glob: str) -> bool:
    """Whether a glob fits; a star stands for any characters, slashes too."""
    return fnmatchcase(text, glob) or (glob.startswith("**/") and fnmatchcase(text, glob[3:]))


def named(texts: Iterable[str]) -> list[str]:
    """The incidents that a description or commit message names on a line of its own."""
    found = (_NAMED.findall(_without_comments(text[:LONGEST])) for text in texts)
    return list(dict.fromkeys(name for names in found for name in names))


def _without_comments(text: str) -> str:
    """A template's hints stand in comments; they name no incident."""
    kept = []
    while text:
        before, opened, rest = text.partition("<!--")
        kept.append(before)
        text = rest.partition("-->")[2] if opened else ""
    return "".join(kept)


def lacking(
    demand: Demand, why_not: Iterable[tuple[str, str]], unknown: Iterable[str], *, draft: bool
) -> Finding:
    """The one finding of a change that had to carry evidence and does not."""
    actual = [f"{name}: {reason}" for name, reason in why_not]
    actual += [f"{name}: there is no such incident here" for name in unknown]
    said = f"this pull request must carry the evidence of an incident ({demand.because})"
    if not actual:
        said += ", and touches and names none"
    elif len(actual) == 1:
        said += f", and its incident is not ready: {actual[0]}"
    else:
        said += ", and none of its incidents is ready"
    return finding(
        "CHG006",
        demand.file,
        said + (", once it is no draft any more" if draft else ""),
        expected="an incident, touched or named, that is ready for a decision not yet carried out",
        actual=tuple(actual[:SHOWN_IDS]),
        level=WARNING if draft else "",
    )


def why_not_ready(record: Record, limits: Limits, now: datetime) -> str:
    """Why an incident does not cover a mitigation; "" where it does.

    The pull request is the mitigation: prerequisites and gates 1 and 2 are asked, 3 and 4 later.
    """
    chain = Chain(record, limits, now)
    if chain.false_positive:
        return "it was judged a false positive, so nothing is to be mitigated"
    if chain.closed:
        return "it is closed"
    report = engine.judge(record, limits, now, engine.Request(engine.READY))
    gates = {gate.id: gate for gate in report.gates}
    if any(break_glass(chain, execution) for execution in chain.executions):
        # An emergency is approved afterwards; agreement on severity is never excused.
        return _why_not(gates[name] for name in ("severity",))
    if not any(chain.superseding(decision) is None for decision in chain.decisions):
        return "no decision is recorded"
    return _why_not(gates[name] for name in engine.READY_GATES)


def _why_not(gates: Iterable[GateReport]) -> str:
    for gate in gates:
        if gate.status not in (Status.PASSED, Status.WAIVED):
            worst = next((f.message for f in gate.findings if f.fails), gate.summary)
            return f"{gate.name} is {gate.status.value}: {worst}"
    return ""
