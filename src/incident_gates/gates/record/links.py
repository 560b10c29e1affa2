"""What a file refers to is there: its incident, its entries, and what it was derived from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates import derived, facts
from incident_gates.evidence.markdown import Markdown
from incident_gates.rules import CRITICAL, WARNING, Breach, Place, one_of, rule
from incident_gates.wording import brief

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.incident import Document, Node, Record
    from incident_gates.policy import Limits


@rule(
    "FIL005",
    gate="record",
    criterion="consistent",
    level=CRITICAL,
    says="A file belongs to another incident",
    why="A copied file that still names another incident is evidence of that incident.",
    fix="Write this incident's id, or move the file to the folder of its own incident.",
    at_once=True,
)
def incident_id_agrees(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The ids in the files are equal, and equal to the folder's name."""
    wanted = chain.record.incident_id
    for stated, place in _stated_ids(chain.record):
        if stated != wanted:
            said = f"incident_id is {brief(stated)}, the record is {wanted}"
            yield Breach(place, said, subject=place.file)


def _stated_ids(record: Record) -> Iterator[tuple[str, Place]]:
    for node in record.stated_ids():
        if isinstance(node.value, str):  # anything else breaks the schema, which is said there
            yield node.value, node.place
    for document in record.own():
        parsed = document.value
        if isinstance(parsed, Markdown) and "incident_id" in parsed.front:
            line = parsed.front_marks.get(("incident_id",), (1, 1))[0]
            # YAML reads an id such as 2026 as a number.
            yield str(parsed.front["incident_id"]), Place(document.name, line=line)


@rule(
    "FIL010",
    gate="record",
    criterion="readable",
    level=CRITICAL,
    says="An id is used twice",
    why="Two entries under one id cannot be told apart by what refers to them.",
    fix="Give each entry an id of its own, and mend what refers to it.",
    at_once=True,
)
def ids_are_unique(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Ids are unique in each list."""
    node = chain.record.node
    lists = {
        "decision": node("decision-log.json")["decisions"],
        "execution": node("mitigation-execution-report.json")["executions"],
        "check": node("recovery-validation.json")["checks"],
        "readiness item": chain.checklist["items"],
        "planned check": chain.checklist["recovery_checks"],
        "archived item": node("rca-manifest.json")["items"],
        "action item": chain.resolution["action_items"],
    }
    for kind, entries in lists.items():
        seen: set[str] = set()
        for entry in entries:
            ident = entry["id"].text
            if ident and ident in seen:
                yield Breach(entry["id"].place, f"{kind} {ident} stands twice", subject=ident)
            seen.add(ident)
    titles: set[str] = set()
    for option in chain.options:
        if option.id in titles:
            yield Breach(option.place, f"option {option.id} stands twice", subject=option.id)
        titles.add(option.id)


@rule(
    "FIL011",
    gate="record",
    criterion="consistent",
    level=CRITICAL,
    says="An entry refers to something that is not there",
    why="A link that leads nowhere breaks the chain from decision to recovery.",
    fix="Correct the id, or add the entry that it names.",
    at_once=True,
)
def references_lead_somewhere(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every reference between entries names an existing one."""
    decisions = {d.id for d in chain.decisions}
    executions = {e.id for e in chain.executions}
    options = {o.id for o in chain.options}
    for decision in chain.decisions:
        # Where the plan holds no option at all, that is said of the plan.
        if options:
            yield from _dangling(decision.node["option"], options, "option in the plan")
        yield from _dangling(decision.node["supersedes"], decisions - {decision.id}, "decision")
        if decision.id in _replaced_by(chain, decision):
            said = f"{decision.id} supersedes itself by way of {decision.supersedes}"
            yield Breach(decision.node["supersedes"].place, said, subject=decision.id)
    for execution in chain.executions:
        # That it names a decision is asked in gate 2, which must not pass without one.
        others = executions - {execution.id}
        yield from _dangling(execution.node["superseded_by"], others, "execution")
    for item in chain.checklist["items"] if options else ():
        yield from _dangling(item["option"], options, "option in the plan")


def _replaced_by(chain: Chain, decision: facts.Decision) -> set[str]:
    """Every decision that one supersedes, directly or by way of others."""
    older = {d.id: d.supersedes for d in chain.decisions}
    seen: set[str] = set()
    current = decision.supersedes
    while current and current not in seen:
        seen.add(current)
        current = older.get(current, "")
    return seen if decision.supersedes != decision.id else set()


def _dangling(node: Node, known: set[str], kind: str) -> Iterator[Breach]:
    if node.text and node.text not in known:
        said = f"{node.pointer[-1]} names {node.text}: there is no such {kind}"
        yield Breach(node.place, said, one_of(sorted(known)), subject=node.text)


@rule(
    "FIL018",
    gate="record",
    criterion="consistent",
    level=CRITICAL,
    says="Files were derived from each other",
    why="What goes round in a circle comes from nowhere: no file of it holds a fact of its own.",
    fix="Remove derived_from from the file in which somebody wrote down what happened.",
)
def derivation_has_a_beginning(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No file is derived, directly or by way of others, from itself."""
    own = [document for document in chain.record.own() if derived.is_derived(document)]
    links = {d.name: {name for _, name, _ in _sources(d)} for d in own}
    for document in own:
        if document.name in _reached(links, document.name):
            place = next(place for place, _, _ in _sources(document))
            said = f"{document.name} is derived from itself, by way of {_way(links, document.name)}"
            yield Breach(place, said, subject=document.name)


def _reached(links: dict[str, set[str]], start: str) -> set[str]:
    """Every file that one was derived from, directly or by way of others."""
    found: set[str] = set()
    waiting = set(links.get(start, ()))
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= links.get(name, set()) - found
    return found


def _way(links: dict[str, set[str]], name: str) -> str:
    back = sorted(other for other in links[name] if name in {other, *_reached(links, other)})
    return " and ".join(back)


@rule(
    "FIL016",
    gate="record",
    criterion="consistent",
    level=WARNING,
    says="A derived file is older than what it was derived from",
    why="A derived file repeats others and proves nothing by itself; out of date, it misleads.",
    fix="Derive it again, or write its entries by hand and remove derived_from.",
)
def derived_files_are_current(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each digest in derived_from is that of the file it names."""
    for document in chain.record.own():
        if derived.is_edited(document):
            continue  # a draft that somebody took over is that person's own text
        for place, name, stated in _sources(document):
            source = chain.record.document(name) if name in limits.protocol.artifacts else None
            if source is None or source.sha256 != stated:
                gone = "is not here" if source is None else "has changed since"
                yield Breach(place, f"{name or 'its source'} {gone}", subject=document.name)


def _sources(document: Document) -> Iterator[tuple[Place, str, str]]:
    if isinstance(document.value, Markdown):
        stated = document.value.front.get("derived_from")
        line = document.value.front_marks.get(("derived_from",), (1, 1))[0]
        for entry in stated if isinstance(stated, list) else ():
            if isinstance(entry, dict):
                name, sha = str(entry.get("file", "")), str(entry.get("sha256", ""))
                yield Place(document.name, line=line), name, sha
    else:
        for node in document.root["derived_from"]:
            yield node.place, node["file"].text, node["sha256"].text
