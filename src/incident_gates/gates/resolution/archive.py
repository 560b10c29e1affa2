"""Root cause evidence: each kind archived, intact, and no two factors the same."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from incident_gates import facts
from incident_gates.incident import Node, gives_reason
from incident_gates.rules import CRITICAL, INFO, WARNING, Breach, intact, missing, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.policy import Limits

MANIFEST = "rca-manifest.json"


@rule(
    "RES008",
    gate="resolution",
    criterion="archived",
    level=CRITICAL,
    says="An archived file is missing or changed",
    why="Evidence that is not the evidence that was archived proves nothing.",
    fix="Restore the file as archived; if it was replaced on purpose, archive the new one beside "
    "it.",
    needs=(MANIFEST,),
)
def archived_files_are_intact(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each archived path exists under the folder, with its digest."""
    for item in chain.record.node(MANIFEST)["items"]:
        subject = item["id"].text or str(item.pointer[-1])
        if item["path"].text:
            yield from intact(chain, item, subject)
        elif item["uri"].text:
            yield from missing(item, "captured_at", "captured_by", subject=subject)
            yield from missing(item, "sha256", subject=subject, reasoned=WARNING)
        else:
            yield Breach(item.place, f"{subject}: neither path nor uri", subject=subject)


@rule(
    "RES009",
    gate="resolution",
    criterion="archived",
    level=CRITICAL,
    says="A kind of root cause evidence is not archived",
    why="Logs, dashboards and diffs are gone when the retrospective asks for them.",
    fix="Archive one, or list the kind under not_available with the reason.",
    needs=(MANIFEST,),
)
def every_kind_is_archived(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Log, dashboard and diff each occur, or are not available for a reason."""
    manifest = chain.record.node(MANIFEST)
    seen = dict.fromkeys((d.sha256 for d in chain.record.own()), "a part of the record itself")
    named = {n["kind"].text: gives_reason(n["reason"].text) for n in manifest["not_available"]}
    for kind in limits.protocol.data["rca_floor"]:
        items = [item for item in manifest["items"] if item["kind"].text == kind]
        wanting = [_shows_nothing(chain, item, seen) for item in items]
        seen |= {item["sha256"].text: f"archived as {kind}" for item in items}
        if not named.get(kind) and all(wanting):
            no_reason = ["not_available gives no reason why"] if kind in named else []
            why = "".join(f": {said}" for said in (*wanting, *no_reason)[:1])
            place = items[0].place if items else manifest["items"].place
            yield Breach(place, f"no {kind} is archived{why}", subject=kind)


def _shows_nothing(chain: Chain, item: Node, seen: dict[str, str]) -> str:
    """Why an archived item is no evidence of its kind, or ""."""
    digest, path = item["sha256"].text, item["path"].text
    if digest == EMPTY or (path and chain.record.attachment_is_blank(path)):
        return f"{path or item['uri'].text} holds nothing"
    return f"{path or item['uri'].text} is {seen[digest]}" if digest and digest in seen else ""


EMPTY = hashlib.sha256(b"").hexdigest()


@rule(
    "RES010",
    gate="resolution",
    criterion="archived",
    level=INFO,
    says="Evidence outside the repository was not verified here",
    why="What stands behind a URI is not in git; its digest can be checked by who can reach it.",
    fix="Nothing to do; to have it verified, commit a copy as an attachment.",
    needs=(MANIFEST,),
)
def remote_evidence_is_listed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Lists each URI that the manifest cites."""
    for item in chain.record.node(MANIFEST)["items"]:
        if item["uri"].text and not item["path"].text:
            said = f"{item['uri'].text} is not verified here"
            yield Breach(item["uri"].place, said, subject=item["id"].text)


@rule(
    "RES018",
    gate="resolution",
    criterion="archived",
    level=CRITICAL,
    says="One contributing factor is given several times",
    why="Asking why five times helps only if the answers differ.",
    fix="Give each factor once; where only one is known, one is enough.",
    needs=(MANIFEST,),
)
def factors_are_different(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No contributing factor repeats another."""
    given: dict[str, list[Node]] = {}
    for node in chain.record.node(MANIFEST)["contributing_factors"]:
        given.setdefault(facts.words(node.text), []).append(node)
    for said, (node, *again) in given.items():
        if said and again:
            about = f'"{node.text}" is given {len(again) + 1} times'
            yield Breach(again[0].place, about, subject=str(again[0].pointer[-1]))
