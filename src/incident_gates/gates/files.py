"""What every file of a record is held to, whichever gate reads it."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from incident_gates import derived, facts, schema
from incident_gates.evidence.markdown import Line, Markdown, Table
from incident_gates.evidence.times import from_value
from incident_gates.incident import NOT_AVAILABLE, Node, is_placeholder, texts_in
from incident_gates.rules import (
    CRITICAL,
    DO_NOT_CHANGE,
    INFO,
    WARNING,
    Breach,
    Place,
    one_of,
    rule,
)
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from incident_gates.chain import Chain
    from incident_gates.evidence.places import Pointer
    from incident_gates.evidence.times import Time
    from incident_gates.incident import Document, Record
    from incident_gates.policy import Limits

NEAR_MISS = 0.8
SHOWN = 80
MANUAL_LOG = "manual-validation-log.md"


def reason_not_available(record: Record, name: str) -> str:
    """The reason that prerequisites.json gives for an absent file, or ""."""
    entries = record.node("prerequisites.json")["not_available"]
    return next((e["reason"].text for e in entries if e["file"].text == name), "")


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


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
        if refusal and document.name != MANUAL_LOG:  # which no gate reads; FIL015 says so
            place = Place(document.name, line=refusal.line, column=refusal.column)
            yield Breach(
                place,
                refusal.what,
                subject=document.name,
                fix=refusal.fix,
                level=_weight(document),
            )
    folder = chain.record.refusal
    if folder:
        yield Breach(Place("."), folder.what, subject=chain.record.incident_id, fix=folder.fix)


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
        for problem in document.problems:
            place = Place(document.name, problem.pointer)
            yield Breach(
                place,
                problem.message,
                subject=_path(problem.pointer),
                level=_weight(document),
            )


def _weight(document: Document) -> str:
    """A file that no gate reads, such as the retrospective, must not fail a closed record."""
    read = document.artifact.gate or document.name == "waivers.yaml"
    return CRITICAL if read else WARNING


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
        for problem in document.unknown:
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
    wanted = chain.record.incident_id
    for stated, place in _stated_ids(chain.record):
        if stated != wanted:
            said = f"incident_id is {_short(stated)}, the record is {wanted}"
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
        from difflib import get_close_matches

        close = get_close_matches(name.casefold(), absent, n=1, cutoff=NEAR_MISS)
        if close and name.rsplit(".", 1)[-1].isalpha():
            meant = absent[close[0]]
            said = f"{name} is read by no gate; did you mean {meant}?"
            yield Breach(Place(name), said, subject=name)


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
    for log in _logs(chain):
        # A placeholder is no misread entry; FIL009 says so, and does not fail a draft at once.
        lines = [line for line in log.unreadable if not _is_template(line.source)]
        undated = [line for line in lines if UNDATED in line.why]
        for line in [line for line in lines if line not in undated] + undated[:1]:
            more = f" (and {len(undated) - 1} more lines)" if line in undated[:1] else ""
            said = f'"{_short(line.source)}": {line.why}{more if len(undated) > 1 else ""}'
            fix = DATED if line in undated else ""
            yield Breach(line.place, said, subject=f"line {line.place.line}", fix=fix)


# One missing date leaves every entry of a log without one; it is said once.
UNDATED = "has no date"
DATED = "Give the file's front matter a line such as `date: 2026-03-14`."


def _is_template(text: str) -> bool:
    """Whether a text is a placeholder in words; an empty cell or a dash is none."""
    return is_placeholder(text) and any(character.isalnum() for character in text)


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
    for log in _logs(chain):
        for entry in log.stepped_back:
            clock = entry.time.clock if entry.time else ""
            said = f"{clock} UTC stands after a later entry"
            yield Breach(entry.place, said, subject=f"line {entry.place.line}")


def _logs(chain: Chain) -> list[facts.Log]:
    return [chain.intake[0], chain.communication[1], chain.timeline]


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
        # What no gate reads, such as the draft of a retrospective, cannot fail one.
        level = "" if document.artifact.gate else WARNING
        for place, text, subject in _placeholders(document):
            said = f'"{_short(text)}" is a placeholder'
            yield Breach(place, said, subject=subject, level=level)


def _placeholders(document: Document) -> Iterator[tuple[Place, str, str]]:
    if isinstance(document.value, Markdown):
        for line, text in _markdown_placeholders(document.value):
            yield Place(document.name, line=line), text, f"line {line}"
    elif document.name.endswith(".json") and any(map(is_placeholder, texts_in(document.value))):
        for node in _texts(document.root):
            if is_placeholder(node.value):
                yield node.place, node.value, _path(node.pointer)


def _texts(node: Node) -> Iterator[Node]:
    """Every text below a node; output is quoted and ``x-`` keys are private: both are left out."""
    if isinstance(node.value, str):
        yield node
    elif isinstance(node.value, list):
        for child in node:
            yield from _texts(child)
    elif isinstance(node.value, dict):
        for key in node.value:
            if key != "output" and not key.startswith("x-"):
                yield from _texts(node[key])


def _markdown_placeholders(parsed: Markdown) -> Iterator[tuple[int, str]]:
    source = parsed.text.split("\n")
    for key, value in parsed.front.items():
        if isinstance(value, str) and is_placeholder(value):
            yield parsed.front_marks.get((key,), (1, 1))[0], value
    for section in parsed.sections:
        for block in section.blocks:
            if isinstance(block, Table):
                for row in block.rows:
                    yield from ((row.line, cell) for cell in row.cells if _is_template(cell))
            elif is_placeholder(block.text.split(": ", 1)[-1]) or _says_nothing(block, source):
                yield block.line, block.text


def _says_nothing(line: Line, source: list[str]) -> bool:
    """Whether an item ends in a colon and nothing follows that belongs to it."""
    if line.depth == 0 or not line.text.endswith(":"):
        return False
    after = next((text for text in source[line.line :] if text.strip()), "")
    own = source[line.line - 1]
    return len(after) - len(after.lstrip()) <= len(own) - len(own.lstrip())


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
    limit = chain.now + timedelta(minutes=limits.protocol.data["custody"]["clock_skew_minutes"])
    ahead: dict[str, list[tuple[str, Time, Place]]] = {}
    for event in _events(chain, since=f"{chain.now - A_DAY:%Y-%m-%d}"):
        if event[1].earliest > limit:
            ahead.setdefault(event[2].file, []).append(event)
    # A wrong clock or zone moves every time of a file: it is said once for each, of the first time.
    for events in ahead.values():
        subject, time, place = min(events, key=lambda event: (event[1].earliest, event[0]))
        others = len(events) - 1
        verb = "is" if others == 1 else "are"
        more = f", and so {verb} {counted(others, 'more time')} here" if others else ""
        expected = f"at most {chain.now:%Y-%m-%d %H:%M} UTC"
        yield Breach(place, f"{time.shown} is later than now{more}", expected, subject=subject)


# An offset moves a time by less than a day.
A_DAY = timedelta(days=1)
_DATES = re.compile(r"2[01][0-9]{2}-[01][0-9]-[0-3][0-9](?=T)")


def _events(chain: Chain, since: str = "") -> Iterator[tuple[str, Time, Place]]:
    """What the record's own files say has happened; ``since`` a date leaves out older files.

    An expiry or a due date lies ahead by its nature and is no event.
    """
    for document in chain.record.own():
        if document.name.endswith(".json") and _mentions(document.text, since):
            for pointer, time in _moments(document.root.value, ()):
                yield _path(pointer), time, Place(document.name, pointer)
    for log in _logs(chain):
        for entry in log.entries:
            if entry.time:
                yield f"line {entry.place.line}", entry.time, entry.place


def last_moment(chain: Chain) -> datetime:
    """The latest moment that the record's own files speak of, excuses included, up to now."""
    grants = (d.root for d in chain.record.own() if d.name.endswith(".yaml"))
    granted = (time for root in grants for _, time in _moments(root.value, ()))
    amended = (node["at"].time for node in chain.record.node("amendments.yaml")["entries"])
    events = (time for _, time, _ in _events(chain))
    times = (*events, *granted, *(time for time in amended if time))
    past = (time for time in times if time.earliest <= chain.now)
    return max((min(time.latest, chain.now) for time in past), default=chain.as_of)


def _mentions(text: str, since: str) -> bool:
    return not since or any(date >= since for date in _DATES.findall(text))


def _moments(value: Any, pointer: Pointer) -> Iterator[tuple[Pointer, Time]]:
    """Each time of an event in a value, with its pointer."""
    for key, inside in value.items() if isinstance(value, dict) else enumerate(value or ()):
        name = str(key)
        is_event = name.endswith("_at") and name != "expires_at"
        time = from_value(inside) if is_event else None
        if time:
            yield (*pointer, key), time
        elif isinstance(inside, (dict, list)) and not name.startswith("x-"):
            yield from _moments(inside, (*pointer, key))


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
    """Four or more kinds of event, all or all but one of them, do not carry the same time."""
    approvals = (a.time for d in chain.decisions for a in d.approvals)
    firsts = (
        chain.detected,
        chain.declared,
        next((t for t in approvals if t), None),
        next((e.started for e in chain.executions if e.started), None),
        next((e.completed for e in chain.executions if e.completed), None),
        chain.recovered,
    )
    # An honest "that day" or "that minute" may well hold all of it; the same second cannot.
    known = [t for t in firsts if t and t.tolerance <= timedelta(seconds=1)]
    for moment, alike in Counter(t.earliest for t in known).items():
        if alike >= max(KINDS, len(known) - 1):
            said = f"{alike} kinds of event all carry {moment:%Y-%m-%d %H:%M} UTC"
            yield Breach(Place("severity-assessment.json", ("detected_at",)), said)


KINDS = 4


@rule(
    "FIL017",
    gate="record",
    criterion="consistent",
    level=CRITICAL,
    says="A time is too vague to be contradicted",
    why="Known to the month or the year, a time fits every other; an order that nothing can "
    "contradict is not shown.",
    fix=f"{DO_NOT_CHANGE}. Give it as exactly as its source does, at least to the day; or write "
    "`N/A: ` and why it is not known.",
)
def times_can_be_contradicted(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every event is known to the day or so; when an impact crept in may be vague (WARNING)."""
    for document in chain.record.own():
        if document.name.endswith(".json") and _may_be_vague(document.text):
            for pointer, time in (*_moments(document.root.value, ()), *_window(document)):
                if time.tolerance > VAGUE:
                    yield _vague(Place(document.name, pointer), time)


def _may_be_vague(text: str) -> bool:
    """A time that says how exact it is, is an object; its key may be written with an escape."""
    return '"at"' in text or "\\u" in text


def _window(document: Document) -> Iterator[tuple[Pointer, Time]]:
    """Both ends of the stability window; the later one may lie ahead, and is no event."""
    for key in ("from", "until"):
        node = document.root["stability_window"][key]
        time = node.time
        if time:
            yield node.pointer, time


def _vague(place: Place, time: Time) -> Breach:
    pointer = place.pointer or ()
    subject, days = _path(pointer), time.tolerance // A_DAY
    level = WARNING if pointer[-1] in MAY_BE_VAGUE else ""
    said = f"{subject} is {time.shown}, give or take: it may lie anywhere in {days} days"
    return Breach(place, said, "known to the day", subject=subject, level=level)


# A day, written with a day more or less on either side of it.
VAGUE = timedelta(days=3)
MAY_BE_VAGUE = frozenset(("impact_started_at", "last_exercised_at", "captured_at", "recorded_at"))


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
    "FIL019",
    gate="record",
    criterion="consistent",
    level=CRITICAL,
    says="One text answers different questions",
    why="Impact, cause, risk and outcome are different things; a sentence that fits all of them "
    "says nothing about any.",
    fix="Write in each place what is asked there, or `N/A: ` and why it is not known.",
)
def texts_are_different(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No text stands in four or more fields that ask for different things."""
    places: dict[str, dict[str, Place]] = {}
    for what, text, place in _statements(chain):
        if len(text) >= A_SENTENCE:
            places.setdefault(facts.words(text), {}).setdefault(what, place)
    for text, found in places.items():
        if len(found) >= KINDS:
            place = next(reversed(found.values()))
            said = f'"{_short(text)}" stands as {", ".join(found)}'
            yield Breach(place, said, subject=next(iter(found)))


A_SENTENCE = 12  # characters: "none" and "all regions" may answer several questions


def _statements(chain: Chain) -> Iterator[tuple[str, str, Place]]:
    """What people wrote in answer to different questions."""
    summary, manifest = chain.resolution, chain.record.node("rca-manifest.json")
    nodes = [summary["resolution"], summary["stability_window"]["observation"]]
    nodes += [manifest["trigger"]]
    for consensus in chain.consensus:
        node = consensus.classification.node
        nodes += [node["rationale"], node["customer_impact"], node["blast_radius"]["scope"]]
    yield from ((str(n.pointer[-1]), n.text, n.place) for n in nodes)
    for factor in manifest["contributing_factors"]:
        yield "contributing_factors", factor.text, factor.place
    for option in chain.options:
        for key in ("risks", "dependencies"):
            yield key, option.field(key), option.place


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
    if chain.closed or chain.false_positive:
        return
    times = [(time, place) for _, time, place in _events(chain)]
    if not times:
        return
    newest, place = max(times, key=lambda entry: entry[0].latest)
    days = limits.threshold("stale_after_days")
    if chain.now - newest.latest > timedelta(days=days):
        age = (chain.now - newest.latest).days
        yield Breach(place, f"the newest evidence is {age} days old", f"at most {days:g} days")


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
    document = chain.record.document(MANUAL_LOG)
    if document is None:
        return
    place = Place(document.name, line=1)
    if document.refusal:
        said = f"the manual log cannot be read: {document.refusal.what}"
        yield Breach(place, said, fix=document.refusal.fix)
        return
    lines = (b for s in document.value.sections for b in s.blocks if isinstance(b, Line))
    first = next((line for line in lines if not line.text.startswith(NOT_AVAILABLE)), None)
    if first:
        place = Place(document.name, line=first.line)
        yield Breach(place, f"the manual log says: {_short(first.text)}")
