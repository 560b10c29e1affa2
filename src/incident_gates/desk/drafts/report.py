"""``new report``: INCIDENT-REPORT.md as far as the record tells it, roles instead of names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from incident_gates.desk.drafts import kept, timeline, words
from incident_gates.evidence.times import Overlapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.desk.drafts import Options
    from incident_gates.desk.found import Found
    from incident_gates.facts import Decision, Execution
    from incident_gates.incident import Node

NAME, MANIFEST = "INCIDENT-REPORT.md", "rca-manifest.json"
SOURCES = (*timeline.SOURCES, "mitigation-plan.md", MANIFEST)
# Words that ask who instead of what: nobody learns from "should have".
_BLAME = re.compile(
    r"\b(?:human error|operator error|user error|careless\w*|negligen\w*|at fault|to blame|"
    r"should(?:n't| not)? have|could have|would have|failed to (?:follow|notice|read))\b",
    re.IGNORECASE,
)


def write(what: str, found: Found, _: Options) -> kept.Written:
    """Drafts the incident report."""
    chain = found.chain
    body = "\n".join(["", *_lines(chain)]) + "\n"
    sources = [*SOURCES, timeline.NAME] if _told(chain)[1] else SOURCES
    began = chain.detected or chain.declared
    day = began.day if began else found.now.date().isoformat()
    text = kept.front(found, NAME, body, sources, day) + body
    return kept.put(what, found, NAME, text, [*_blame(body), *_named(chain, body)])


def _lines(chain: Chain) -> Iterator[str]:
    yield from ("# Incident report: TODO what happened, in one line", "")
    for title, lines in (
        ("Summary", _summary(chain)),
        ("Impact", _impact(chain)),
        ("Timeline", _timeline(chain)),
        ("Contributing factors", _factors(chain)),
        ("Actions taken", _actions(chain)),
        ("Next steps", _next_steps(chain)),
    ):
        yield from (f"## {title}", "", *lines, "")


def _summary(chain: Chain) -> Iterator[str]:
    worst, last = chain.worst_severity, chain.severity
    if worst and last and worst != last:
        yield f"- Severity: {worst.name} (lowered to {last.name})"
    else:
        yield f"- Severity: {last.name if last else 'TODO as in the severity assessment'}"
    yield f"- Duration: {duration(chain) or 'TODO such as 27 minutes, once it is resolved'}"
    how = words.inline(chain.resolution["resolution"].text, 2000)
    yield f"- Resolution: {how or 'TODO as in the resolution summary'}"


def duration(chain: Chain) -> str:
    """How long it lasted by the record's own times, and from what to what; "" if not known."""
    end = chain.resolution["resolved_at"].time
    begin = chain.detected or chain.severity_file["impact_started_at"].time or chain.declared
    if begin is None or end is None:
        return ""
    what = "detected" if chain.detected else "began"
    took = words.exact(end.earliest - begin.earliest)
    return f"{took} ({what} {begin.shown}, resolved {end.shown})"


def _impact(chain: Chain) -> Iterator[str]:
    begin, end = (
        chain.severity_file["impact_started_at"].time,
        chain.resolution["mitigated_at"].time,
    )
    if begin and end:
        took = words.exact(end.earliest - begin.earliest)
        yield f"- Customers affected: {took}, from {begin.shown} to {end.shown}"
    for consensus in chain.consensus:
        node = consensus.classification.node
        yield from _stated("What they noticed", node["customer_impact"])
        radius = node["blast_radius"]
        services = words.inline(words.listed(list(radius["services"].texts)))
        yield from [f"- Services: {services}"] if services else []
        yield from _stated("Scope", radius["scope"])
        for slo in node["slo_breaches"]:
            objective, seen = (
                words.inline(slo["objective"].text),
                words.inline(slo["observed"].text),
            )
            yield from [f"- Objective: {objective}; observed: {seen or 'N/A'}"] if objective else []
    yield "- TODO who noticed what, in numbers where there are any"


def _stated(label: str, node: Node) -> Iterator[str]:
    text = words.inline(node.text, 600)
    if text:
        yield f"- {label}: {text}"


def _timeline(chain: Chain) -> Iterator[str]:
    """The main events, one a line."""
    held, _ = _told(chain)
    if not held:
        yield "TODO the main events, as in incident-timeline.md"
    several = len({event.time.day for event in held}) > 1
    for event in held:
        day = f"{event.time.day} " if several else ""
        yield f"- {day}{words.clock(event.time)} - {event.text}"


def _told(chain: Chain) -> tuple[list[timeline.Event], bool]:
    """The main events, and whether the timeline chose them: one that somebody keeps does.

    A timeline that holds hardly any of them was only begun, and chooses nothing.
    """
    known = Overlapping(entry.time for entry in chain.timeline.entries if entry.time)
    main = [event for event in timeline.events(chain) if event.main]
    held = [event for event in main if event.time in known]
    chosen = len(held) * 2 >= len(main) > 0
    return (held, True) if chosen else (main, False)


def _factors(chain: Chain) -> Iterator[str]:
    manifest = chain.record.node(MANIFEST)
    trigger = words.inline(manifest["trigger"].text, 600)
    yield f"- Trigger: {trigger or 'TODO what set it off'}"
    factors = [words.inline(text, 600) for text in manifest["contributing_factors"].texts]
    yield from (f"- {factor}" for factor in factors)
    if not factors:
        yield "- TODO which conditions made it possible, or worse; conditions, never people"


def _actions(chain: Chain) -> Iterator[str]:
    if not chain.executions:
        yield "TODO what was done, with the ids of the decisions"
    for execution in chain.executions:
        yield f"- {_action(chain, execution)}"


def _action(chain: Chain, execution: Execution) -> str:
    decision = chain.decision_of(execution)
    option = chain.option(decision.option) if decision else None
    title = words.inline(option.title, 200) if option else ""
    outcome = words.inline(execution.outcome.replace("_", " "), 40) or "no outcome recorded"
    said = f"{words.inline(execution.id, 64)}: {title or 'TODO what it did'}; {outcome}"
    if execution.started and execution.completed:
        said += f" after {words.exact(execution.completed.earliest - execution.started.earliest)}"
    return said + (f" ({_approval(decision)})" if decision else "")


def _approval(decision: Decision) -> str:
    """By which roles a decision was approved."""
    given = dict.fromkeys(a.role for a in decision.approvals if a.verdict == "approve")
    roles = list(dict.fromkeys(map(words.role, given)))
    by = f", approved by {words.listed(roles)}" if roles else ", not approved"
    return f"decision {words.inline(decision.id, 64)}{by}"


def _next_steps(chain: Chain) -> Iterator[str]:
    items = list(chain.resolution["action_items"])
    for item in items:
        what = words.inline(item["description"].text, 600) or "TODO what is to be done"
        owner = words.inline(item["owner"]["name"].text, 100) or "TODO who sees to it"
        due = words.inline(item["due_date"].text, 40) or "TODO by which date"
        ident = words.inline(item["id"].text, 64)
        yield f"- {f'{ident}: ' if ident else ''}{what}. Owner: {owner}, due {due}"
    if not items:
        yield "- TODO what keeps it from happening again. Owner: TODO who, due TODO by when"


# --- what a blameless reader would stumble over ---------------------------------------------------


def _blame(body: str) -> list[str]:
    found = sorted({match[0].lower() for match in _BLAME.finditer(body)})
    said = ", ".join(f'"{phrase}"' for phrase in found)
    return (
        [f"Reads like blame, and comes from the record: {said}. Say what happened."]
        if found
        else []
    )


def _named(chain: Chain, body: str) -> list[str]:
    """People of the record whose names the quoted words hold; owners are meant to be named."""
    prose = body.partition("\n## Next steps")[0]
    within = [name for name in sorted(people(chain)) if name in prose]
    named = [n for n in within if re.search(rf"(?<!\w){re.escape(n)}(?!\w)", prose)]
    said = ", ".join(words.inline(name, 60) for name in named)
    return [f"Names people; write roles instead: {said}."] if named else []


def people(chain: Chain) -> set[str]:
    """Everybody whom the record names as having acted."""
    found = {e.operator for e in chain.executions}
    found |= {a.name for d in chain.decisions for a in d.approvals}
    found |= {a.name for c in chain.consensus for a in c.classification.assessors}
    found |= {a["by"]["name"].text for a in chain.prerequisites["approvals"]}
    return found - {""}
