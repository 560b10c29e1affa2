"""What every file of a record is held to, whichever gate reads it."""

from __future__ import annotations

from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING

from incident_gates import facts, schema
from incident_gates.evidence.markdown import Line, Markdown
from incident_gates.incident import NOT_AVAILABLE, Node, is_placeholder, may_hold_placeholder
from incident_gates.rules import CRITICAL, DO_NOT_CHANGE, INFO, WARNING, Breach, Place, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.times import Time
    from incident_gates.incident import Document, Record
    from incident_gates.policy import Limits

NEAR_MISS = 0.8


def reason_not_available(record: Record, name: str) -> str:
    """The reason that prerequisites.json gives for an absent file, or ""."""
    entries = record.node("prerequisites.json")["not_available"]
    return next((e["reason"].text for e in entries if e["file"].text == name), "")


@rule(
    "FIL001",
    gate="record",
    criterion="readable",
    level=CRITICAL,
    says="A required file is missing",
    why="A gate cannot judge evidence that is not there.",
    fix="Add the file; `incident-gates new` writes the ones that this phase needs.",
)
def required_file_is_there(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every required file stands in the folder."""
    record = chain.record
    for artifact in limits.protocol.artifacts.values():
        if not artifact.required or artifact.file in record.names:
            continue
        reason = reason_not_available(record, artifact.file)
        said = f"{artifact.file} is missing" + (f" ({reason})" if reason else "")
        yield Breach(
            Place(artifact.file), said, f"it holds {artifact.home_of}", subject=artifact.file
        )


@rule(
    "FIL002",
    gate="record",
    criterion="readable",
    level=CRITICAL,
    says="A file cannot be read",
    why="What cannot be read proves nothing, and may hide what it says.",
    fix="Commit the file as a plain, complete UTF-8 file.",
    at_once=True,
)
def file_can_be_read(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every known file passes the door."""
    for document in chain.record.documents():
        refusal = document.refusal
        if refusal:
            place = Place(document.name, line=refusal.line, column=refusal.column)
            yield Breach(place, refusal.what, subject=document.name, fix=refusal.fix)


@rule(
    "FIL003",
    gate="record",
    criterion="readable",
    level=CRITICAL,
    says="A value has the wrong shape",
    why="A time without offset, an unknown word or a wrong type can be read in two ways.",
    fix="Write the value as its schema describes; docs/files.md shows an example of each.",
    at_once=True,
)
def file_fits_its_schema(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every JSON and YAML file fits its schema."""
    for document in _with_schema(chain):
        for problem in schema.problems(document.stem, document.value):
            place = Place(document.name, problem.pointer)
            yield Breach(place, problem.message, subject=_path(problem.pointer))


@rule(
    "FIL004",
    gate="record",
    criterion="readable",
    level=WARNING,
    says="A property is not known",
    why="A misspelt property is evidence that nothing reads.",
    fix="Correct the name, or begin it with x- if it is your own.",
)
def property_is_known(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No property is unknown to the schema, but for x- ones."""
    for document in _with_schema(chain):
        for problem in schema.unknown_properties(document.stem, document.value):
            name = problem.pointer[-1]
            place = Place(document.name, problem.pointer)
            yield Breach(place, f'"{name}" is not known: {problem.message}', subject=str(name))


def _with_schema(chain: Chain) -> list[Document]:
    return [
        document
        for document in chain.record.documents()
        if document.refusal is None
        and document.name.endswith((".json", ".yaml"))
        and schema.known(document.stem)
    ]


def _path(pointer: tuple[str | int, ...]) -> str:
    return "/".join(map(str, pointer))


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
    record = chain.record
    wanted = record.incident_id
    for node in record.stated_ids():
        if node.value != wanted:
            said = f"incident_id is {node.value!r}, the record is {wanted}"
            yield Breach(node.place, said, subject=node.document.name)
    for document in record.own():
        stated = (
            document.value.front.get("incident_id")
            if isinstance(document.value, Markdown)
            else None
        )
        if stated is not None and stated != wanted:
            line = document.value.front_marks.get(("incident_id",), (1, 1))[0]
            said = f"incident_id is {stated!r}, the record is {wanted}"
            yield Breach(Place(document.name, line=line), said, subject=document.name)


@rule(
    "FIL006",
    gate="record",
    criterion="readable",
    level=WARNING,
    says="A file name nearly matches a known one",
    why="A file under a slightly different name is read by no gate.",
    fix="Rename the file.",
)
def file_name_is_exact(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No unknown file is a near miss of a known one that is absent."""
    record = chain.record
    absent = {n.casefold(): n for n in limits.protocol.artifacts if n not in record.names}
    for name in sorted(record.names - limits.protocol.artifacts.keys()):
        close = get_close_matches(name.casefold(), absent, n=1, cutoff=NEAR_MISS)
        if close and name.rsplit(".", 1)[-1].isalpha():
            meant = absent[close[0]]
            yield Breach(Place(name), f"did you mean {meant}?", subject=name)


@rule(
    "FIL007",
    gate="record",
    criterion="readable",
    level=CRITICAL,
    says="An entry of a log cannot be read",
    why="A line that looks like evidence and is skipped would be lost without a word.",
    fix="Begin the entry with its time and zone, such as `02:10 UTC - what happened`.",
    at_once=True,
)
def log_entries_can_be_read(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every line of a log that looks like an entry is one."""
    for log in _logs(chain.record):
        for line in log.unreadable:
            yield Breach(
                line.place, f'"{line.source}": {line.why}', subject=f"line {line.place.line}"
            )


@rule(
    "FIL008",
    gate="record",
    criterion="readable",
    level=WARNING,
    says="A log steps back in time",
    why="An entry out of order is often a typing error in its time.",
    fix=f"Put the entry where it belongs. {DO_NOT_CHANGE} unless one was mistyped.",
)
def log_runs_forward(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each entry of a log is not earlier than the one before."""
    for log in _logs(chain.record):
        for entry in log.stepped_back:
            clock = entry.time.clock if entry.time else ""
            said = f"{clock} UTC stands after a later entry"
            yield Breach(entry.place, said, subject=f"line {entry.place.line}")


def _logs(record: Record) -> list[facts.Log]:
    return [facts.intake(record)[0], facts.notices(record)[1], facts.timeline(record)]


@rule(
    "FIL009",
    gate="record",
    criterion="readable",
    level=CRITICAL,
    says="A placeholder stands where evidence belongs",
    why="TBD is not evidence, and N/A without a reason is silence.",
    fix="Write what happened, or `N/A: ` and why it is not known.",
)
def no_placeholders(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No value of the record is a placeholder."""
    for document in chain.record.own():
        if isinstance(document.value, Markdown):
            yield from _markdown_placeholders(document.name, document.value)
        elif isinstance(document.value, dict) and may_hold_placeholder(document.text):
            for node in _texts(document.root):
                if is_placeholder(node.value):
                    said = f'"{node.value}" is a placeholder'
                    yield Breach(node.place, said, subject=_path(node.pointer))


def _texts(node: Node) -> Iterator[Node]:
    """Every text below a node; command output is quoted, not written, and left out."""
    if isinstance(node.value, str):
        yield node
    elif isinstance(node.value, list):
        for child in node:
            yield from _texts(child)
    elif isinstance(node.value, dict):
        for key in node.value:
            if key != "output":
                yield from _texts(node[key])


def _markdown_placeholders(name: str, parsed: Markdown) -> Iterator[Breach]:
    for section in parsed.sections:
        for block in section.blocks:
            lines = [block] if isinstance(block, Line) else []
            for line in lines:
                value = line.text.split(": ", 1)[-1] if ": " in line.text else line.text
                keyed = line.text.rstrip().endswith(":") and line.depth > 0
                if (is_placeholder(value) and value.strip()) or keyed:
                    said = f'"{line.text}" is a placeholder'
                    yield Breach(Place(name, line=line.line), said, subject=f"line {line.line}")


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
    lists = {
        "decision": [d.node for d in chain.decisions],
        "execution": [e.node for e in chain.executions],
        "check": [c.node for c in chain.checks],
        "readiness item": list(chain.checklist["items"]),
    }
    for kind, nodes in lists.items():
        seen: set[str] = set()
        for node in sorted(nodes, key=lambda n: n.pointer):
            ident = node["id"].text
            if ident in seen:
                yield Breach(node["id"].place, f"{kind} {ident} stands twice", subject=ident)
            seen.add(ident)
    titles = [option.id for option in chain.options]
    for index, option in enumerate(chain.options):
        if option.id in titles[:index]:
            yield Breach(option.place, f"option {option.id} stands twice", subject=option.id)


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
        if chain.record.readable("mitigation-plan.md"):
            yield from _dangling(decision.node["option"], options, "option of the plan")
        yield from _dangling(decision.node["supersedes"], decisions, "decision")
    for execution in chain.executions:
        yield from _dangling(execution.node["decision"], decisions, "decision")
        yield from _dangling(execution.node["superseded_by"], executions, "execution")


def _dangling(node: Node, known: set[str], kind: str) -> Iterator[Breach]:
    if node.text and node.text not in known:
        yield Breach(node.place, f"{node.text} is no {kind}", subject=node.text)


@rule(
    "FIL012",
    gate="record",
    criterion="consistent",
    level=CRITICAL,
    says="A recorded time lies in the future",
    why="What has not happened yet cannot be evidence.",
    fix="Record what has happened, when it has happened; check the clock and the zone.",
    at_once=True,
)
def nothing_lies_ahead(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No event is later than now."""
    for label, time, place in _events(chain):
        if time and time.earliest > chain.now:
            said = f"{label} at {time.shown} is later than now"
            yield Breach(place, said, subject=label)


def _events(chain: Chain) -> Iterator[tuple[str, Time | None, Place]]:
    severity, resolution = chain.severity_file, chain.resolution
    for name in ("impact_started_at", "detected_at", "declared_at"):
        yield name, severity[name].time, severity[name].place
    for decision in chain.decisions:
        yield decision.id, decision.time, decision.node["decided_at"].place
        for approval in decision.approvals:
            yield f"{approval.name}'s approval", approval.time, approval.node["approved_at"].place
    for execution in chain.executions:
        yield execution.id, execution.started, execution.node["started_at"].place
        yield execution.id, execution.completed, execution.node["completed_at"].place
    for check in chain.checks:
        for result in check.results:
            yield check.id, result.time, result.node["checked_at"].place
    for name in ("mitigated_at", "resolved_at", "closed_at"):
        yield name, resolution[name].time, resolution[name].place


@rule(
    "FIL013",
    gate="record",
    criterion="consistent",
    level=CRITICAL,
    says="Everything is said to have happened at one moment",
    why="Detection, approval, execution and recovery cannot share one time; such a record was "
    "filled in, not kept.",
    fix="Record each event at the time its source shows, with that source.",
    at_once=True,
)
def events_spread_over_time(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Four or more kinds of event do not all carry the same time."""
    approvals = (a.time for d in chain.decisions for a in d.approvals)
    firsts = [
        chain.detected,
        chain.declared,
        next((t for t in approvals if t), None),
        next((e.started for e in chain.executions if e.started), None),
        next((e.completed for e in chain.executions if e.completed), None),
        chain.recovered,
    ]
    known = {(t.earliest, t.latest) for t in firsts if t}
    if sum(1 for t in firsts if t) >= 4 and len(known) == 1:  # noqa: PLR2004
        said = f"{sum(1 for t in firsts if t)} kinds of event all carry {firsts[0].shown}"  # type: ignore[union-attr]
        yield Breach(Place("severity-assessment.json", ("detected_at",)), said)


@rule(
    "FIL014",
    gate="record",
    criterion="current",
    level=WARNING,
    says="An open incident has no new evidence",
    why="An incident that nobody closes is an incident whose lessons nobody writes down.",
    fix="Record what happened since, resolve it, or close it.",
)
def open_record_is_kept_up(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """An open incident has evidence younger than the limit."""
    times = [(time, place) for _, time, place in _events(chain) if time]
    if chain.closed or chain.false_positive or not times:
        return
    newest, place = max(times, key=lambda entry: entry[0].latest)
    days = limits.threshold("stale_after_days")
    if chain.now - newest.latest > timedelta(days=days):
        age = (chain.now - newest.latest).days
        yield Breach(place, f"the newest evidence is {age} days old", f"at most {days:g} days")


@rule(
    "FIL015",
    gate="record",
    criterion="current",
    level=INFO,
    says="Validation was done by hand while automation was down",
    why="It is shown in every report, and never counts instead of a gate that can run now.",
    fix="Nothing to do: this run has judged the gates again.",
)
def manual_log_is_shown(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Shows the manual validation log."""
    name = "manual-validation-log.md"
    parsed = chain.record.markdown(name)
    said = (
        [b.text for s in parsed.sections for b in s.blocks if isinstance(b, Line)] if parsed else []
    )
    first = next((text for text in said if not text.startswith(NOT_AVAILABLE)), "")
    if first:
        yield Breach(Place(name, line=1), f"the manual log says: {first}")
