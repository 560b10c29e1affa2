"""Amendments: which of them count, and what they say was changed in a sealed record."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from incident_gates import seal as seals
from incident_gates.seal import Difference, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.incident import Node
    from incident_gates.seal import Differences, Seal

PREREQUISITES: Final = "prerequisites.json"
ROLES: Final = ("incident_commander", "release_manager")


class Amendment(NamedTuple):
    """One entry of amendments.yaml; ``why_not`` says why it does not count, or ""."""

    id: str
    node: Node
    steps: tuple[Step, ...]
    why_not: str


def read(chain: Chain) -> tuple[Amendment, ...]:
    """Every amendment of a record, each judged by who made and who approved it."""
    nodes = list(chain.record.node(seals.AMENDMENTS)["entries"])
    times = Counter(node["id"].text for node in nodes)
    return tuple(
        Amendment(
            node["id"].text,
            node,
            tuple(_steps(node)),
            f"the id {node['id'].text} is used twice"
            if times[node["id"].text] > 1
            else _why_not(chain, node),
        )
        for node in nodes
    )


def steps(chain: Chain, seal: Seal | None) -> tuple[Step, ...]:
    """What the amendments in force change, those left out that a seal was renewed with."""
    settled = seal.settled if seal else frozenset()
    counting = (a for a in read(chain) if not a.why_not and a.id not in settled)
    return tuple(step for amendment in counting for step in amendment.steps)


def uncovered(chain: Chain, seal: Seal) -> Differences:
    """How the folder differs from its seal beyond what was amended; raises Refusal."""
    return seals.uncovered(chain.record, seal, steps(chain, seal))


def covering(chain: Chain, seal: Seal) -> tuple[str, ...]:
    """The ids of the amendments in force that a new seal settles."""
    return tuple(a.id for a in read(chain) if not a.why_not and a.id not in seal.settled)


def idle(amendment: Amendment, found: Differences) -> tuple[Difference, ...]:
    """The files that an amendment names although nothing changed so: another digest, or none."""
    there = {d.path: d for d in found.all}
    return tuple(
        Difference(step.path, step.old, step.new)
        for step in amendment.steps
        if step.path not in there or not _on_the_way(step, there[step.path])
    )


def makes_its_approver(chain: Chain, amendment: Amendment) -> bool:
    """Whether an amendment changes the very file that gives its approvers their roles."""
    changed = any(step.path == PREREQUISITES for step in amendment.steps)
    return changed and all(chain.limits.holders(role) is None for role in ROLES)


def _on_the_way(step: Step, difference: Difference) -> bool:
    return step.old == difference.old or step.new == difference.new


def _steps(node: Node) -> Iterator[Step]:
    for file in node["files"]:
        old, new = file["old_sha256"], file["new_sha256"]
        yield Step(file["path"].text, old.text or None, new.text or None)


def _why_not(chain: Chain, node: Node) -> str:
    """Why an amendment does not count; "" where it does."""
    absent = [key for key in ("id", "why") if not node[key].text]
    absent += ["at"] if node["at"].time is None else []
    absent += ["by"] if not node["by"]["name"].text else []
    if absent:
        return f"it lacks {', '.join(absent)}"
    at = node["at"].time
    # Who asks how it stood at an earlier moment asks about the files of today all the same.
    if at and at.earliest > chain.now and not chain.fixed:
        return f"it is dated {at.shown}, which is later than now"
    if any(step.old == step.new for step in _steps(node)) or not any(_steps(node)):
        return "it names no change"
    return _unapproved(chain, node)


def _unapproved(chain: Chain, node: Node) -> str:
    author, moment = node["by"]["name"].text, node["at"].time
    people = [(p["name"].text, p["role"].text) for p in node["approved_by"] if p["name"].text]
    others = [(name, role) for name, role in people if not chain.same(name, author)]
    if not others:
        return f"nobody but {author}, who made it, approved it"
    if not any(role in ROLES and chain.holds(name, role, moment) for name, role in others):
        return f"nobody who approved it is {' or '.join(ROLES)}, other than {author}"
    return ""
