"""Checks what a package's statement says, and who signed it."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from incident_gates.evidence import files, strict_json
from incident_gates.evidence.refusal import Refusal
from incident_gates.model import Verdict
from incident_gates.package import attest, own
from incident_gates.package.verify.compare import differences
from incident_gates.package.verify.judging import (
    custody_rules,
    rests_on_claims,
    rewritten_later,
)
from incident_gates.package.verify.model import differs, left, unknown, verified
from incident_gates.package.verify.opened import BUNDLE
from incident_gates.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from incident_gates.package.judged import Judged
    from incident_gates.package.verify.model import Check
    from incident_gates.package.verify.opened import Opened

LISTS = ("passedTests", "warnedTests", "failedTests", "pendingTests")
TYPES = {"_type": own.STATEMENT_TYPE, "predicateType": attest.PREDICATE_TYPE}
UNKNOWN_TYPE = "it names a type that this tool does not know, so nothing in it can be relied on"


# --- the statement -------------------------------------------------------------------------------


def statement(opened: Opened, judged: Judged | None) -> Check:
    """Whether the statement speaks of these files, and says what the judgement says."""
    if opened.statement is None:
        return _none(opened, judged)
    try:
        top = strict_json.parse(files.decode(opened.statement))
    except Refusal as refusal:
        return differs("statement", f"it cannot be read: {refusal.what}")
    if foreign := [key for key, known in TYPES.items() if top.get(key) != known]:
        shown = visible(str(top.get(foreign[0])), 80)
        return differs("statement", f"{UNKNOWN_TYPE}: {foreign[0]} is {shown}")
    if apart := _subjects(top, opened):
        return differs("statement", "it speaks of other files than these", apart)
    try:
        return _against(opened, top, judged)
    except (KeyError, TypeError, AttributeError):
        return differs("statement", "its predicate has another shape than test-result gives it")


def _none(opened: Opened, judged: Judged | None) -> Check:
    final = judged is not None and judged.report.verdict in (Verdict.PASSED, Verdict.FAILED)
    if opened.kind == BUNDLE and final:
        return differs("statement", f"{own.STATEMENT} is missing; every judged bundle has one")
    if opened.envelope is not None:
        return differs("statement", f"{own.STATEMENT} is missing beside its signature")
    return left("statement", "there is none")


def _subjects(top: Mapping[str, Any], opened: Opened) -> tuple[str, ...]:
    """Files named with another digest, or named and not there, or there and not named."""
    try:
        named = {each["name"]: each["digest"]["sha256"] for each in top["subject"]}
        once = len(named) == len(top["subject"])
    except (KeyError, TypeError):
        return ("its subjects have another shape than in-toto gives them",)
    said = [] if once else ["it names a file twice"]
    for name in sorted({*named, *opened.digests}, key=str):
        if name in opened.free and opened.digests.get(name) != named.get(name):
            continue
        if named.get(name) != opened.digests.get(name):
            said.append(visible(str(name)))
    return tuple(said)


def _against(opened: Opened, top: Mapping[str, Any], judged: Judged | None) -> Check:
    if judged is None:
        return unknown("statement", "it speaks of these files; they could not be judged again")
    commit = opened.manifest.get("commit")
    made = attest.statement(judged.report, judged.limits, _named(top), commit)
    if made is None:
        said = f"it stands beside a record whose verdict is {judged.report.verdict.value}"
        return differs("statement", said)
    shared = None if _tool(top) == _tool(made) else _rules(top) & _rules(made)
    asks_git = frozenset() if rests_on_claims(opened) else custody_rules()
    stated, found = (_comparable(each, shared, asks_git) for each in (top, made))
    apart = tuple(differences(stated, found))
    if apart and opened.other_policy:
        return unknown("statement", "it speaks of these files, judged by another policy")
    if not apart:
        return _agrees(opened, top, made, _rules(top) ^ _rules(made))
    if rewritten_later(opened, apart):
        said = "it speaks of these files; what was changed after closure has findings of its own"
        return left("statement", said, apart)
    if _tool(top) != _tool(made):
        apart = (*apart, "it was made by another build of the tool, which may have other rules")
    return differs("statement", "judged again, it would say otherwise", apart)


def _named(top: Mapping[str, Any]) -> dict[str, str]:
    return {each["name"]: each["digest"]["sha256"] for each in top["subject"]}


def _agrees(
    opened: Opened, top: Mapping[str, Any], made: Mapping[str, Any], unshared: set[str]
) -> Check:
    """``unshared`` are rules that one build alone knows: nothing here can say how they came out."""
    predicate = made["predicate"]
    rules = sum(len(predicate[key]) for key in LISTS)
    said = f"{predicate['result']}, {rules} rules ran, the same as here"
    if unshared:
        said = f"{predicate['result']}, but made by another build of the tool, with other rules"
        return unknown("statement", said, (visible(", ".join(sorted(unshared))),))
    if _tool(top) != _tool(made):
        return left("statement", f"{said}; made by another build of the tool than this one")
    if opened.statement not in (own.encoded(made), own.encoded(top)):
        return differs("statement", "its bytes are not as they were written")
    return verified("statement", said)


def _tool(top: Mapping[str, Any]) -> Any:
    configuration = top["predicate"].get("configuration") or ()
    return next((c for c in configuration if c.get("name") == "incident-gates"), None)


def _rules(top: Mapping[str, Any]) -> set[str]:
    """Every rule that a statement knows, whether it ran or not."""
    predicate = top.get("predicate")
    if not isinstance(predicate, dict):
        return set()
    left_out = {each["name"] for each in predicate.get("testsNotRun") or ()}
    return left_out.union(*(predicate.get(key) or () for key in LISTS))


def _comparable(
    top: Mapping[str, Any], shared: set[str] | None, asks_git: frozenset[str]
) -> dict[str, Any]:
    """A statement without the build that made it, and without what only git can show.

    ``shared`` are the rules that both builds know; None where it is one and the same.
    """
    predicate = dict(top["predicate"]) if isinstance(top.get("predicate"), dict) else {}
    # Every rule that asks git was there, and in one list; in which, depends on the history.
    predicate["asksGit"] = sorted(_rules(top) & asks_git & (shared or asks_git))
    for key in LISTS:
        listed = (rule for rule in predicate.get(key) or () if rule not in asks_git)
        predicate[key] = [rule for rule in listed if shared is None or rule in shared]
    not_run = predicate.get("testsNotRun") or ()
    not_run = [e for e in not_run if e["name"] not in asks_git]
    predicate["testsNotRun"] = [e for e in not_run if shared is None or e["name"] in shared]
    configuration = predicate.get("configuration") or ()
    predicate["configuration"] = [c for c in configuration if c.get("name") != "incident-gates"]
    return {**top, "predicate": predicate}


# --- the signature -------------------------------------------------------------------------------


def signature(opened: Opened, key: Path | None) -> Check:
    """Whether the holder of a key signed this very statement."""
    if opened.envelope is None:
        if key:
            return differs("signature", f"a key was given, and there is no {own.ENVELOPE}")
        return left("signature", "there is none: who wrote the package is not proven")
    try:
        top = strict_json.parse(files.decode(opened.envelope))
        problem, payload, signatures = _parts(top, opened)
    except Refusal as refusal:
        return differs("signature", f"{own.ENVELOPE} cannot be read: {refusal.what}")
    if problem:
        return differs("signature", problem)
    if key is None:
        return left("signature", "present, not verified: no key given (--key PUBLIC.pem)")
    return _verified(payload, signatures, key)


Signatures = list[tuple[str, bytes]]


def _parts(top: dict[str, Any], opened: Opened) -> tuple[str, bytes, Signatures]:
    """What is wrong with an envelope, else its payload and signatures."""
    nothing: tuple[bytes, Signatures] = (b"", [])
    if top.get("payloadType") != own.PAYLOAD_TYPE:
        return (
            f"its payload is of another type: {visible(str(top.get('payloadType')), 80)}",
            *nothing,
        )
    try:
        payload = base64.b64decode(top["payload"], validate=True)
        found = [(s["keyid"], base64.b64decode(s["sig"], validate=True)) for s in top["signatures"]]
    except (KeyError, TypeError, ValueError, binascii.Error):
        return "its parts have another shape than DSSE gives them", *nothing
    if not found:
        return "it holds no signature", *nothing
    if payload != opened.statement:
        return f"what was signed is not {own.STATEMENT}", *nothing
    if attest.sealed(payload, found) != opened.envelope:
        return "its bytes are not as they were written", *nothing
    return "", payload, found


def _verified(payload: bytes, signatures: Signatures, key: Path) -> Check:
    public = attest.public_key(key)
    for keyid, raw in signatures:
        if attest.is_signed(public, payload, raw):
            if keyid != public.keyid:
                return differs("signature", "signed with this key, under another key's id")
            return verified("signature", f"signed with the key given, {public.keyid[:16]}…")
    return differs("signature", "it was not made with the key given, or the statement was changed")
