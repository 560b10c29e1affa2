"""What comes after an incident: the retrospective, the action items, and blockers left open.

These rules ask about today, not about the record's own time, and never fail: a verdict must not
drift because nobody has held the retrospective yet.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from incident_gates import execution_log
from incident_gates.evidence.markdown import Line, Markdown, Table
from incident_gates.evidence.times import show_duration
from incident_gates.incident import is_placeholder
from incident_gates.rules import INFO, WARNING, Breach, Place, one_of, rule
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.markdown import Section
    from incident_gates.incident import Node
    from incident_gates.policy import Limits

RETROSPECTIVE, ITEMS = "retrospective.md", "action-items.json"
SUMMARY = "resolution-summary.json"
SETTLED = ("done", "cancelled")


@rule(
    "LRN001",
    gate="record",
    criterion="learned",
    level=WARNING,
    says="The retrospective is missing or not finished",
    why="After two days people remember the story and no longer what happened.",
    fix="`incident-gates new retrospective` drafts it from the record; replace each TODO.",
)
def retrospective_is_held(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """A closed record has a retrospective that answers every part of the agenda, in time."""
    closed = chain.resolution["closed_at"].time
    if not chain.closed or closed is None:  # without a time of closing, nothing can be late
        return
    hours = limits.protocol.data["retrospective"]["within_hours"]
    late = chain.now - closed.latest > timedelta(hours=hours)
    reason = chain.record.reason_not_available(RETROSPECTIVE)
    level = WARNING if late and not reason else INFO
    due = f"due by {closed.latest + timedelta(hours=hours):%Y-%m-%d %H:%M} UTC"
    since = show_duration(max(chain.now - closed.earliest, timedelta()))
    when = f"{since} after closing" if late else due
    asked = f"within {hours:g} h of closing"
    for said in _unfinished(chain, limits):
        about = f"{said} ({reason})" if reason else f"{said}, {when}"
        yield Breach(Place(RETROSPECTIVE, line=1), about, asked, subject=RETROSPECTIVE, level=level)


def _unfinished(chain: Chain, limits: Limits) -> Iterator[str]:
    """What the retrospective lacks, in one phrase; nothing where it lacks nothing."""
    document = chain.record.document(RETROSPECTIVE)
    if document is None:
        yield "there is no retrospective"
    elif isinstance(document.value, Markdown):
        parsed = document.value
        agenda = limits.protocol.data["retrospective"]["agenda"]
        absent = [part["title"] for part in agenda if not _says_something(parsed, part["title"])]
        gaps = sum(_is_gap(text) for section in parsed.sections for text in _texts(section))
        if absent:
            yield f"the retrospective says nothing under {', '.join(absent)}"
        elif gaps:
            yield f"the retrospective still holds {counted(gaps, 'placeholder')}"


def _says_something(parsed: Markdown, title: str) -> bool:
    top = parsed.find(title)
    inside = [s for s in parsed.sections if top and top.line <= s.line <= top.end]
    return any(not _is_gap(text) for section in inside for text in _texts(section))


def _texts(section: Section) -> Iterator[str]:
    for block in section.blocks:
        if isinstance(block, Line):
            yield block.text
        elif isinstance(block, Table):
            yield from (cell for row in block.rows for cell in row.cells)


def _is_gap(text: str) -> bool:
    """Whether a line holds the place of an answer, with or without a label before it."""
    return is_placeholder(text.split(": ", 1)[-1]) and any(c.isalnum() for c in text)


@rule(
    "LRN002",
    gate="record",
    criterion="learned",
    level=WARNING,
    says="An action item is overdue",
    why="An incident comes back when its action items are forgotten.",
    fix="Write its status into action-items.json: done with a link, cancelled with a reason, or "
    "open with a new due date.",
)
def action_items_are_followed_up(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No action item is past its due date unless it is done or cancelled."""
    today = f"{chain.now:%Y-%m-%d}"
    states = {node["id"].text: node for node in chain.record.node(ITEMS)["items"]}
    for item in chain.resolution["action_items"]:
        state = states.get(item["id"].text)
        due = _due(item, state)
        if due and due < today and not _is_settled(state):
            owner = item["owner"]["name"].text
            whose = f", owned by {owner}" if owner else ""
            said = f"{item['id'].text or 'an action item'}{whose}, was due {due}"
            yield Breach(item["due_date"].place, said, subject=item["id"].text)


def _due(item: Node, state: Node | None) -> str:
    """The date by which it is due: the last one set; ISO dates compare as texts."""
    return (state["due_date"].text if state else "") or item["due_date"].text


def _is_said(node: Node) -> bool:
    """Whether there is a value, or the reason why there is none."""
    return bool(node.text or node.time or node.unavailable)


def _is_settled(state: Node | None) -> bool:
    """Whether it is over; one that is cancelled says why."""
    if state is None or state["status"].text not in SETTLED:
        return False
    return state["status"].text == "done" or bool(state["reason"].text)


@rule(
    "LRN003",
    gate="record",
    criterion="learned",
    level=WARNING,
    says="The status of an action item cannot be used",
    why="A status under a wrong id settles nothing, and the item stays open unseen.",
    fix="Write the id as resolution-summary.json has it, with status, at and by.",
)
def statuses_name_action_items(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each entry names an action item of the record, says when, and why if it is cancelled."""
    if not chain.record.readable(SUMMARY):
        return
    known = {item["id"].text for item in chain.resolution["action_items"]}
    for node in chain.record.node(ITEMS)["items"]:
        ident = node["id"].text
        if ident not in known:
            expected = one_of(sorted(known - {""}))
            yield Breach(node["id"].place, f"{ident} is no action item", expected, subject=ident)
            continue
        wanted = ("status", "at", *(("reason",) if node["status"].text == "cancelled" else ()))
        absent = [name for name in wanted if not _is_said(node[name])]
        if absent:
            said = f"{ident}: {' and '.join(absent)} missing"
            yield Breach(node.place, said, subject=ident)


@rule(
    "LRN004",
    gate="record",
    criterion="current",
    level=INFO,
    says="Work is halted",
    why="Whoever takes over must see what stopped the work, and what would let it go on.",
    fix="Remove the blocker, then `incident-gates halt --resolved`; or decide to proceed.",
)
def halts_are_shown(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Shows each halt that nobody has lifted; a closed record should have none."""
    over = chain.closed or chain.false_positive
    for number, halt in enumerate(execution_log.open_halts(chain.record), 1):
        where = f" at {halt.step}" if halt.step else ""
        since = f" since {halt.time}" if halt.time else ""
        said = f"halted{where}{since}: {halt.blocker or 'no blocker is named'}"
        level = WARNING if over else ""
        yield Breach(halt.place, said, subject=f"halt {number}", level=level)
