"""What people wrote: every entry of a log can be read, and no text only holds a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates import facts
from incident_gates.evidence.markdown import Line, Markdown, Table
from incident_gates.incident import NOT_AVAILABLE, Node, is_placeholder, texts_in
from incident_gates.rules import CRITICAL, DO_NOT_CHANGE, INFO, WARNING, Breach, Place, rule
from incident_gates.wording import brief, path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.incident import Document
    from incident_gates.policy import Limits

MANUAL_LOG = "manual-validation-log.md"


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
    for log in chain.logs:
        # A placeholder is no misread entry; FIL009 says so, and does not fail a draft at once.
        lines = [line for line in log.unreadable if not _is_template(line.source)]
        undated = [line for line in lines if UNDATED in line.why]
        for line in [line for line in lines if line not in undated] + undated[:1]:
            more = f" (and {len(undated) - 1} more lines)" if line in undated[:1] else ""
            said = f'"{brief(line.source)}": {line.why}{more if len(undated) > 1 else ""}'
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
    for log in chain.logs:
        for entry in log.stepped_back:
            clock = entry.time.clock if entry.time else ""
            said = f"{clock} UTC stands after a later entry"
            yield Breach(entry.place, said, subject=f"line {entry.place.line}")


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
            said = f'"{brief(text)}" is a placeholder'
            yield Breach(place, said, subject=subject, level=level)


def _placeholders(document: Document) -> Iterator[tuple[Place, str, str]]:
    if isinstance(document.value, Markdown):
        for line, text in _markdown_placeholders(document.value):
            yield Place(document.name, line=line), text, f"line {line}"
    elif document.name.endswith(".json") and any(map(is_placeholder, texts_in(document.value))):
        for node in _texts(document.root):
            if is_placeholder(node.value):
                yield node.place, node.value, path(node.pointer)


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
        if len(found) >= QUESTIONS:
            place = next(reversed(found.values()))
            said = f'"{brief(text)}" stands as {", ".join(found)}'
            yield Breach(place, said, subject=next(iter(found)))


QUESTIONS = 4
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
        yield Breach(place, f"the manual log says: {brief(first.text)}")
