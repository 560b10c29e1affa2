"""The documentation is complete: each element is there, and so is the feedback it calls for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates.chain import once
from incident_gates.evidence.markdown import Line, Table
from incident_gates.gates.resolution.agreement import report_field
from incident_gates.incident import Node, is_placeholder
from incident_gates.rules import CRITICAL, WARNING, Breach, Place, percent, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.markdown import Markdown, Section
    from incident_gates.policy import Limits

SUMMARY, REPORT = "resolution-summary.json", "INCIDENT-REPORT.md"
SHOWN = 3


# What a rule of its own asks for is not said twice.
OWN_RULE = frozenset(
    ("status", "mitigated_at", "resolved_at", "resolution", "slos_restored", "alerts_cleared")
) | {"stability_window", "stakeholders_informed", "action_owners"}


@rule(
    "RES014",
    gate="resolution",
    criterion="report",
    level=CRITICAL,
    says="The documentation is not complete enough",
    why="What is not documented will be investigated again.",
    fix="Add what is missing; where something is not known, write `N/A: ` and why.",
)
def documentation_is_complete(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Satisfied elements of all required ones are at least the threshold."""
    absent, wanted = _absent(chain, limits), limits.threshold("documentation_completeness")
    done_of, total = completeness(chain, limits)
    rate = done_of / total
    if rate < wanted:
        first = ", ".join(element["label"] for element in absent[:SHOWN])
        more = f" and {len(absent) - SHOWN} more" if len(absent) > SHOWN else ""
        asked = f"at least {wanted * 100:g}%"
        done = f"{done_of} of {total} elements are documented"
        said = f"{done} ({percent(rate)}; {asked} is asked); missing: {first}{more}"
        listed = tuple(f"{e['label']}  {e['file']}" for e in absent)
        yield Breach(Place(REPORT, line=1), said, asked, listed)


@rule(
    "RES015",
    gate="resolution",
    criterion="report",
    level=WARNING,
    says="A documentation element is missing",
    why="Above the threshold it does not fail, but it is still missing.",
    fix="Add it; where it is not known, write `N/A: ` and why.",
)
def elements_are_documented(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Names each missing element where the threshold is met all the same."""
    absent = _absent(chain, limits)
    done, total = completeness(chain, limits)
    if done / total >= limits.threshold("documentation_completeness"):
        for element in (e for e in absent if e["id"] not in OWN_RULE):
            said = f"{element['label']} is missing"
            yield Breach(_home(chain, element), said, subject=element["id"])


def _home(chain: Chain, element: dict[str, Any]) -> Place:
    """Where an element stands, or would stand."""
    if "pointer" in element:
        keys = element["pointer"].strip("/").split("/")
        known = keys[: keys.index("*")] if "*" in keys else keys
        return Place(element["file"], tuple(known))
    parsed = chain.record.markdown(element["file"])
    if "value" in element:
        return Place(
            element["file"], line=report_field(chain, element["value"], element["file"])[1] or 1
        )
    section = parsed.find(*element["section"]) if parsed else None
    return Place(element["file"], line=section.line if section else 1)


@once
def _absent(chain: Chain, limits: Limits) -> list[dict[str, Any]]:
    return [e for e in limits.documentation_elements if not _documented(chain, e)]


def _documented(chain: Chain, element: dict[str, Any]) -> bool:
    """Whether an element is there; a reasoned N/A counts as documented."""
    if "pointer" in element:
        keys = element["pointer"].strip("/").split("/")
        return _reaches(chain.record.node(element["file"]), keys)
    parsed = chain.record.markdown(element["file"])
    if "value" in element:
        value = report_field(chain, element["value"], element["file"])[0]
        return bool(value) and not is_placeholder(value)
    section = parsed.find(*element["section"]) if parsed else None
    return section is not None and parsed is not None and _says_something(parsed, section)


def _reaches(node: Node, keys: list[str]) -> bool:
    """Whether a pointer leads to a value; ``*`` means every entry, and at least one."""
    if node.unavailable:
        return True
    if not keys:
        return bool(node.text or node.time or node.number is not None or node.flag is not None)
    if keys[0] == "*":
        entries = list(node)
        return bool(entries) and all(_reaches(entry, keys[1:]) for entry in entries)
    return _reaches(node[keys[0]], keys[1:])


def _says_something(parsed: Markdown, section: Section) -> bool:
    """Whether a section, or one below it, holds a line that is no placeholder."""
    inside = [s for s in parsed.sections if section.line <= s.line <= section.end]
    blocks = [block for s in inside for block in s.blocks]
    lines = [b.text for b in blocks if isinstance(b, Line)]
    rows = [" ".join(r.cells) for b in blocks if isinstance(b, Table) for r in b.rows]
    return any(not is_placeholder(text) for text in (*lines, *rows))


@rule(
    "RES017",
    gate="resolution",
    criterion="report",
    level=WARNING,
    says="The record calls for feedback to another protocol, and there is none",
    why="What an incident taught about alerts and performance is lost where nobody hands it over.",
    fix="Write the file, or say in resolution-summary.json that there is nothing to hand over.",
    needs=(SUMMARY,),
)
def feedback_is_written(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """An output whose condition the closed record itself states is there, and says something."""
    for entry in limits.protocol.data["outputs"]:
        called_for = chain.resolution[entry["noted_in"]] if "noted_in" in entry else None
        if chain.closed and called_for and calls_for(called_for):
            file = entry["file"]
            if not says_something(chain, file):
                lacking = "says nothing yet" if file in chain.record.names else "is missing"
                said = f"{file} for Protocol {entry['to']} {lacking}: {entry['when']}"
                yield Breach(called_for.place, said, subject=file)


def calls_for(noted: Node) -> bool:
    """Whether a value of the summary, true or a text, says that there is something to hand over."""
    return bool(noted.flag or noted.text)


def says_something(chain: Chain, file: str) -> bool:
    """Whether a feedback file is there and holds an entry, or a line that is no placeholder."""
    parsed = chain.record.markdown(file)
    if parsed is not None:
        return any(_says_something(parsed, section) for section in parsed.sections)
    return bool(list(chain.record.node(file)["feedback"]))


@once
def completeness(chain: Chain, limits: Limits) -> tuple[int, int]:
    """Documented elements and all of them: the protocol's own, or with the policy's, if worse.

    However many elements a policy adds, they cannot make up for the protocol's.
    """
    absent = {element["id"] for element in _absent(chain, limits)}
    counts = []
    for elements in (limits.documentation_elements, limits.protocol.data["documentation_elements"]):
        total = len(elements)
        counts.append((total - sum(e["id"] in absent for e in elements), total))
    return min(counts, key=lambda count: count[0] / count[1])
