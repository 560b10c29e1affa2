"""Every file is there under its name, can be read, and fits its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates import schema
from incident_gates.gates.record.texts import MANUAL_LOG
from incident_gates.rules import CRITICAL, WARNING, Breach, Place, rule
from incident_gates.wording import path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.incident import Document
    from incident_gates.policy import Limits

NEAR_MISS = 0.8


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
        reason = record.reason_not_available(artifact.file)
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
                place, refusal.what, subject=document.name, fix=refusal.fix, level=_weight(document)
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
                place, problem.message, subject=path(problem.pointer), level=_weight(document)
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
