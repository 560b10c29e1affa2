"""Adds what is absent and mechanical to records that are still open; never replaces a value.

Every single addition is judged before it is kept: one that would bring a finding is left out.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import atomic, derived, discover, engine, facts, lock, run, schema, seal
from incident_gates.desk import json_text, says
from incident_gates.desk.found import Found
from incident_gates.errors import CouldNotTell
from incident_gates.evidence import bounds, files, markdown, places, strict_json
from incident_gates.evidence.refusal import Refusal
from incident_gates.evidence.times import Order, order
from incident_gates.incident import Document, Record
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta
    from pathlib import Path

    from incident_gates.evidence.times import Time
    from incident_gates.incident import Node
    from incident_gates.run import Job

TIMELINE, SUMMARY = "incident-timeline.md", "resolution-summary.json"
FIRST_KEYS = ("$schema", "schema_version", "incident_id")
COLOURS = {"+": "32", "-": "31", "@": "36"}
_ENTRY = re.compile(r"\s*(?:[-*+]\s|\|)")


class Edit(NamedTuple):
    """One file of a record before and after, and what was added to it."""

    found: Found
    name: str
    before: str
    after: str
    added: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Where the file stands."""
        return self.found.record.folder / self.name


class Plan(NamedTuple):
    """What could be added, and which records are left as they are, with the reason."""

    edits: tuple[Edit, ...]
    left: tuple[str, ...]


class _Addition(NamedTuple):
    """One addition: what it is, and how a text of the file becomes one that has it."""

    what: str
    apply: Callable[[str], str]


def planned(job: Job) -> Plan:
    """All that can be added to the records selected; nothing is written."""
    limits, _ = run.limits_of(job)
    now = run.moment(job.as_of)
    records, _ = discover.records(job.selection, limits.policy, limits.protocol, job.here)
    edits: list[Edit] = []
    left: list[str] = []
    for record in records:
        why_not = _untouchable(record)
        if why_not:
            left.append(f"{record.incident_id} is {why_not}: nothing in it is changed.")
        else:
            edits += _edits(Found(record, limits, now))
    return Plan(tuple(edits), tuple(left))


def _untouchable(record: Record) -> str:
    if record.node(SUMMARY)["status"].value == "closed":
        return "closed"
    document = record.document(SUMMARY)
    if document and document.refusal:
        return f"perhaps closed, for {SUMMARY} cannot be read"
    return "sealed" if _sealed(record) else ""


def _sealed(record: Record) -> bool:
    """Whether aggregate sealed the record; a manifest that cannot be read counts as a seal."""
    try:
        found = seal.read(record)
    except Refusal:
        return True
    return found is not None and (found.sealed or bool(found.seals))


# --- one record ----------------------------------------------------------------------------------


def _edits(found: Found) -> list[Edit]:
    """The edits of a record, each made of additions that were judged one by one."""
    texts: dict[str, str] = {}
    added: dict[str, list[str]] = {}
    record, before = found.record, None
    for name in [TIMELINE, *(d.name for d in found.record.own() if d.name != TIMELINE)]:
        current = _with(found, texts) if texts else record
        document = current.document(name)
        if document is None or document.refusal or derived.is_derived(document):
            continue
        for addition in _additions(found._replace(record=current), document):
            before = before or _findings(found, record)
            text = texts.get(name, document.text)
            tried = {**texts, name: _tried(addition, text)}
            after = _findings(found, _with(found, tried))
            if tried[name] != text and not after - before:
                texts, before = tried, after
                added.setdefault(name, []).append(addition.what)
    return [
        Edit(found, name, _text(record, name), after, tuple(added[name]))
        for name, after in texts.items()
    ]


def _text(record: Record, name: str) -> str:
    document = record.document(name)
    return document.text if document else ""


def _tried(addition: _Addition, text: str) -> str:
    try:
        return addition.apply(text)
    except CouldNotTell:  # the text cannot take it without another change
        return text


def _with(found: Found, texts: dict[str, str]) -> Record:
    """The record as it would be with some texts in place of what stands on disk."""
    old = found.record
    again = old.again()
    for name, text in texts.items():
        document = old.document(name)
        if document:
            parse = strict_json.parse if name.endswith(".json") else markdown.parse
            made = (name, document.path, document.artifact)
            new = Document(*made, data=text.encode(), text=text, value=parse(text))
            again._documents[name] = new  # noqa: SLF001 - a record that was never on disk
            again._digests[name] = new.sha256  # noqa: SLF001
    return again


def _findings(found: Found, record: Record) -> Counter[tuple[str, str, str]]:
    """What a judgement finds or still needs, countable; lines and wording may move."""
    report = engine.judge(record, found.limits, found.now, engine.Request())
    everything = [*report.all_findings, *(f for gate in report.gates for f in gate.needs)]
    return Counter((f.rule, f.level, f.location.file) for f in everything)


# --- what may be added ---------------------------------------------------------------------------


def _additions(found: Found, document: Document) -> Iterator[_Addition]:
    if document.name == TIMELINE:
        yield from _sorted_timeline(found)
    if not document.name.endswith(".json") or not isinstance(document.value, dict):
        return
    yield from _heads(found.record, document)
    for node, digest in _digests(found.record, document):
        where = node.pointer
        named = node["file"].text or node["path"].text
        yield _value(f"sha256 of {visible(named, 60)}", (*where, "sha256"), digest)
    if document.name == SUMMARY:
        yield from _durations(found)


def _value(what: str, where: tuple[str | int, ...], value: str) -> _Addition:
    return _Addition(what, lambda text: json_text.put(text, where, value))


def _heads(record: Record, document: Document) -> Iterator[_Addition]:
    """The keys that every file begins with, where they are not there at all."""
    known = {
        "$schema": f"{schema.BASE}{document.stem}.schema.json",
        "schema_version": "1.0",
        "incident_id": record.incident_id if not record.flat or record.stated_ids() else "",
    }
    if not schema.known(document.stem):
        return
    for key in FIRST_KEYS:
        if key not in document.value and known[key]:
            yield _Addition(key, _leading(key, known[key]))


def _leading(key: str, value: str) -> Callable[[str], str]:
    """Puts a key where files have it: after the other leading ones, before everything else."""

    def apply(text: str) -> str:
        top = strict_json.parse(text)
        after = [k for k in FIRST_KEYS[: FIRST_KEYS.index(key)] if k in top]
        span = places.span(text, (after[-1],)) if after else None
        entry = f"{json.dumps(key)}: {json.dumps(value)}"
        if not top or (after and span is None):
            return json_text.put(text, (key,), value)
        inside = text.index("{") + 1
        gap = re.match(r"\s*", text[inside:])
        margin = gap.group() if gap else ""
        if span:
            changed = f"{text[: span[1]]},{margin}{entry}{text[span[1] :]}"
        else:
            changed = f"{text[:inside]}{margin}{entry},{margin or ' '}{text[inside:].lstrip()}"
        return changed if strict_json.parse(changed) == {**top, key: value} else text

    return apply


def _digests(record: Record, document: Document) -> Iterator[tuple[Node, str]]:
    """Each entry that names a file and has no digest, with the digest of what is there now.

    An approval is no such entry: its digest says what somebody approved, and only they know.
    """
    root = document.root
    if document.name == "prerequisites.json":
        for node in root["inputs"]:
            name = node["file"].text
            known = name in {entry["file"] for entry in record.protocol.inputs}
            read = record.document(name) if known else None
            if _lacks(node) and read and read.data and not read.refusal:
                yield node, read.sha256
    if document.name == "rca-manifest.json":
        yield from _archived(record, list(root["items"]))
    if document.name == "mitigation-execution-report.json":
        yield from _archived(record, [e["output_file"] for e in root["executions"]])


def _archived(record: Record, nodes: list[Node]) -> Iterator[tuple[Node, str]]:
    for node in nodes:
        path = node["path"].text
        if path and _lacks(node) and path != node.file:
            try:
                yield node, record.attachment_digest(path)
            except Refusal:
                continue


def _lacks(node: Node) -> bool:
    return isinstance(node.value, dict) and "sha256" not in node.value


def _durations(found: Found) -> Iterator[_Addition]:
    """The value of each duration that names its two times and leaves the value out."""
    chain = found.chain
    for node in chain.resolution["durations"]:
        if not isinstance(node.value, dict) or "value" in node.value:
            continue
        begin, end = (_anchor(found, node[key].text) for key in ("from", "to"))
        if begin and end and begin.fine and end.fine and order(begin, end) is Order.PROVEN:
            length = _written(end.earliest - begin.earliest)
            yield _value(f"duration {node['name'].text}", (*node.pointer, "value"), length)


def _anchor(found: Found, name: str) -> Time | None:
    """A recorded time by its name; each stands in one of two files."""
    chain = found.chain
    return (chain.severity_file[name].time or chain.resolution[name].time) if name else None


def _written(length: timedelta) -> str:
    """A length in ISO 8601: PT27M, PT1H2M3S."""
    seconds = int(length.total_seconds())
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{n}{u}" for n, u in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n]
    return f"PT{''.join(parts) or '0S'}"


# --- the timeline --------------------------------------------------------------------------------


def _sorted_timeline(found: Found) -> Iterator[_Addition]:
    """Entries in the order of their times, where the log is one unbroken list or table."""
    log = facts.timeline(found.record)
    if not log.stepped_back or log.unreadable or not all(e.time for e in log.entries):
        return
    numbers = [entry.place.line or 0 for entry in log.entries]
    if sorted(numbers) != list(range(min(numbers), max(numbers) + 1)):
        return
    ranked = sorted(log.entries, key=lambda e: e.time.earliest if e.time else found.now)
    order_ = [entry.place.line or 0 for entry in ranked]

    def apply(text: str) -> str:
        changed = _reordered(text, sorted(numbers), order_)
        return changed if changed and _same_entries(found, changed) else text

    yield _Addition("entries in the order of their times", apply)


def _reordered(text: str, numbers: list[int], ranked: list[int]) -> str:
    """The text with some of its lines in another order; "" where one is no entry by itself."""
    lines = re.split(r"(\r?\n)", text)  # every second one is a line end, which stays in its place
    bodies = [lines[2 * (n - 1)] for n in ranked]
    if not all(_ENTRY.match(body) for body in bodies):
        return ""
    for number, body in zip(numbers, bodies, strict=True):
        lines[2 * (number - 1)] = body
    return "".join(lines)


def _same_entries(found: Found, changed: str) -> bool:
    """Whether every entry still says the same at the same time, and the order is one of time."""
    before = facts.timeline(found.record)
    after = facts.timeline(_with(found, {TIMELINE: changed}))
    said = [
        sorted((e.time, sorted(e.columns.items())) for e in log.entries if e.time)
        for log in (before, after)
    ]
    times = [e.time.earliest for e in after.entries if e.time]
    in_order = all(one <= other for one, other in itertools.pairwise(times))
    return said[0] == said[1] and in_order and not after.unreadable


# --- showing and writing -------------------------------------------------------------------------


def diff(plan: Plan, *, colour: bool = False) -> list[str]:
    """What would change, as a unified diff in lines that are safe to print."""
    lines = [line for edit in plan.edits for line in _diff(edit)]
    return [_painted(line) for line in lines] if colour else lines


def _diff(edit: Edit) -> Iterator[str]:
    path = f"{edit.found.record.path}/{edit.name}"
    before, after = (text.split("\n") for text in (edit.before, edit.after))
    for line in difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm="", n=2):
        yield visible(line.rstrip("\r"), 400)


def _painted(line: str) -> str:
    code = COLOURS.get(line[:1], "")
    return f"\x1b[{code}m{line}\x1b[0m" if code else line


def summary(plan: Plan) -> list[str]:
    """What would be added, a line for each file."""
    if not plan.edits:
        return [] if plan.left else ["Nothing to add."]
    said = [f"{edit.name}: {', '.join(edit.added)}" for edit in plan.edits]
    return ["", *(part for line in said for part in says.wrapped(f"Adds to {line}", "  "))]


def write(plan: Plan) -> None:
    """Writes what was shown; raises CouldNotTell where a file has changed since."""
    for folder, edits in itertools.groupby(plan.edits, key=lambda e: e.found.record.folder):
        with lock.held(folder):
            _write(list(edits))


def _write(edits: list[Edit]) -> None:
    for edit in edits:
        if _standing(edit) != edit.before:
            raise CouldNotTell(f"{edit.name} was changed meanwhile; nothing was written, try again")
    try:
        atomic.write_all({edit.path: edit.after.encode() for edit in edits})
    except OSError as error:
        raise CouldNotTell(f"The fix cannot be written: {error.strerror}") from error


def _standing(edit: Edit) -> str:
    """The text that stands there now, or "" where it cannot be read any more."""
    try:
        return files.decode(files.read_under(edit.path.parent, edit.name, bounds.FILE_BYTES))
    except Refusal:
        return ""
