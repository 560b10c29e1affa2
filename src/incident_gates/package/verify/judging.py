"""Judges the record of a package again, as of the same moment, and compares what comes out."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from incident_gates import __version__, engine
from incident_gates import protocol as protocols
from incident_gates.chain import Chain
from incident_gates.evidence import files, strict_json, times
from incident_gates.evidence.refusal import Refusal
from incident_gates.model import Verdict
from incident_gates.package import bundle, git_record, handoff, metrics, offline, own
from incident_gates.package import manifest as manifests
from incident_gates.package.committed import Committed
from incident_gates.package.judged import Judged, moment
from incident_gates.package.verify.blobs import is_blob
from incident_gates.package.verify.compare import differences
from incident_gates.package.verify.model import differs, left, unknown, verified
from incident_gates.package.verify.opened import BUNDLE, PROTOCOL, tool_of
from incident_gates.policy import Limits
from incident_gates.report.escape import visible
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from incident_gates.custody import Told
    from incident_gates.incident import Record
    from incident_gates.package.verify.model import Check
    from incident_gates.package.verify.opened import Opened

# What a manifest says of the judgement; the files that it lists are compared byte for byte.
JUDGEMENT = (
    "incident_id",
    "as_of",
    "verdict",
    "severity",
    "sealed",
    "gates",
    "findings",
    "quality_metrics",
    "inputs",
    "outputs",
    "log",
    "left_out",
)
HISTORY = "git/history.json"
SHOW_FINDINGS = frozenset((bundle.REPORT, own.HANDOFF, own.METRICS))


def again(opened: Opened, *, history: bool = False) -> Judged:
    """The record judged as of the manifest's moment; raises Refusal where that is no time."""
    stated = opened.manifest.get("as_of")
    as_of = times.parse(stated) if isinstance(stated, str) else None
    if as_of is None:
        raise Refusal("the manifest does not say as of when it was judged", "")
    limits = Limits(opened.protocol, opened.policy)
    now, fixed = _now(opened, limits, as_of.earliest)
    # A bundle has no repository, and a folder's has grown since: custody is a check of its own.
    request = engine.Request(fixed=fixed, history=history, told=told(opened))
    record = _as_it_was(opened)
    report = engine.judge(record, limits, now, request)
    chain = Chain(record, limits, now, fixed=fixed)
    return Judged(record, limits, chain, report, _committed(opened.manifest))


def told(opened: Opened) -> Told | None:
    """What a bundle claims that git said; one of another version may claim it otherwise."""
    data = opened.members.get(HISTORY)
    if data is None or not rests_on_claims(opened):
        return None
    try:
        return git_record.told(strict_json.parse(files.decode(data)))
    except Refusal as refusal:
        raise Refusal(f"{HISTORY} cannot be read: {refusal.what}", refusal.fix) from refusal


def rests_on_claims(opened: Opened) -> bool:
    """Whether the bundle itself says what the rules about custody found when it was written."""
    return opened.kind == BUNDLE and same_tool(opened)


def _as_it_was(opened: Opened) -> Record:
    """The record without the files outside the seal that were added since."""
    stated = {entry["path"] for entry in opened.manifest["files"]}
    record = opened.record
    added = record.names & opened.free - stated
    if not added:
        return record
    earlier = record.again()
    earlier.names = record.names - added
    return earlier


def _now(opened: Opened, limits: Limits, as_of: datetime) -> tuple[datetime, bool]:
    """The moment of judging, and whether somebody chose it: a record that has ended has its own."""
    own_moment = moment(opened.record, limits, datetime.now(timezone.utc))
    chain = Chain(opened.record, limits, own_moment)
    ended = chain.closed or chain.false_positive
    return (own_moment, False) if ended and chain.as_of == as_of else (as_of, True)


def _committed(manifest: Mapping[str, Any]) -> Committed:
    """What git said when the package was written, taken from the manifest."""
    commit, loose = manifest.get("commit"), manifest.get("uncommitted") or []
    names = tuple(name for name in loose if isinstance(name, str))
    return Committed(commit, names, known=bool(commit or names))


def same_tool(opened: Opened) -> bool:
    """Whether this very version wrote the package."""
    return tool_of(opened.manifest) == __version__


# --- under which rules ---------------------------------------------------------------------------


def protocol(opened: Opened) -> Check:
    """Whether the record was judged under a protocol that this tool can vouch for."""
    stated = opened.manifest.get("protocol")
    stated = stated if isinstance(stated, dict) else {}
    carried = opened.digests.get(PROTOCOL) if opened.kind == BUNDLE else None
    named = f"Protocol {stated.get('id')}, version {stated.get('version')}"
    own_one = protocols.load()
    if carried and carried != stated.get("sha256"):
        return differs("protocol", f"{PROTOCOL} is not the one that the manifest names")
    if stated.get("sha256") == own_one.sha256:
        return verified("protocol", f"{named}, as this tool carries it")
    if stated.get("version") == own_one.version:
        return differs("protocol", f"{named} has other bytes than the one of this tool")
    said = f"{named} is not the one of this tool, {own_one.version}: use the version that judged"
    return unknown("protocol", said)


def policy(opened: Opened) -> Check:
    """Whether the policy at hand is the one that was in force."""
    stated, here = opened.manifest.get("policy_sha256"), opened.policy.sha256
    if stated == here:
        return verified("policy", "the one in force" if here else "none was in force")
    if opened.kind == BUNDLE:
        return differs("policy", "the policy in the bundle is not the one that the manifest names")
    said = "the one in force then is neither in the repository nor in its history"
    return unknown("policy", said)


# --- what came out -------------------------------------------------------------------------------


def gates(opened: Opened, judged: Judged) -> Check:
    """Verdict, gates and findings against those that the manifest states."""
    report = judged.report
    if report.verdict is Verdict.ERROR:
        return unknown("gates", f"the record could not be judged again: {_why(judged)}")
    made = manifests.made(judged, list(opened.manifest.get("seals") or []))
    # What could not be packed was left out of the bundle as well.
    keys = [k for k in JUDGEMENT if opened.kind != BUNDLE or k != "left_out"]
    alike = _same_bytes(opened, made)
    stated = {key: opened.manifest.get(key) for key in keys}
    stated["files"] = _about(opened.manifest, alike)
    found = {key: made[key] for key in keys} | {"files": _about(made, alike)}
    if not same_tool(opened):
        stated, found = _essence(stated), _essence(found)
    if not rests_on_claims(opened):
        stated, found = _without_custody(stated, found)
    apart = list(differences(stated, found))
    if apart and not rests_on_claims(opened) and _rests_on_history(stated, apart):
        said = "the verdict rests on what git knew, which a folder or a clone alone can show"
        return unknown("gates", said, tuple(apart))
    if apart and opened.other_policy:
        return unknown("gates", "judged again by another policy, it comes out otherwise")
    if apart and rewritten_later(opened, apart):
        said = "verdict and gates as stated; what was changed after closure has findings of its own"
        return left("gates", said, tuple(apart))
    if apart:
        said = f"judged again as of {report.as_of}, it comes out otherwise"
        return differs("gates", said, tuple(_marked(opened, apart)))
    verdict = report.verdict.value.replace("_", " ")
    return verified("gates", f"judged again as of {report.as_of}: {verdict}, as stated")


def _same_bytes(opened: Opened, made: Mapping[str, Any]) -> set[str]:
    """The files that are as the manifest lists them; of the others, other checks tell."""
    stated = {entry["path"]: entry["sha256"] for entry in opened.manifest["files"]}
    return {e["path"] for e in made["files"] if stated.get(e["path"]) == e["sha256"]}


# Where a manifest and a statement list the rules that found something, or nothing, about no gate.
LISTED = ("findings/", "predicate/passedTests: ", "predicate/warnedTests: ")


def rewritten_later(opened: Opened, apart: Sequence[str]) -> bool:
    """Whether only findings about no gate differ, and a file outside the seal is another now."""
    stated = {entry["path"]: entry["sha256"] for entry in opened.manifest["files"]}
    listed = opened.free.intersection(stated)
    changed = any(opened.digests.get(name) != stated[name] for name in listed)
    named = (rule for line in apart for rule in re.findall(r"\b[A-Z]{3}[0-9]+\b", line))
    about_no_gate = all(rule in RULES and RULES[rule].gate == "record" for rule in named)
    return changed and about_no_gate and all(line.startswith(LISTED) for line in apart)


def _about(manifest: Mapping[str, Any], paths: set[str]) -> dict[str, Any]:
    """What a manifest says of some files besides their digests."""
    return {entry["path"]: entry for entry in manifest["files"] if entry["path"] in paths}


def _essence(judgement: Mapping[str, Any]) -> dict[str, Any]:
    """What two versions of the tool must agree in: other wording is no other verdict."""
    listed = judgement.get("gates")
    gates = listed if isinstance(listed, list) else []
    return {
        **{key: judgement.get(key) for key in ("incident_id", "as_of", "verdict", "severity")},
        "gates": [f"{g.get('id')} {g.get('status')}" for g in gates if isinstance(g, dict)],
    }


def _why(judged: Judged) -> str:
    broken = (gate.summary for gate in judged.report.gates if gate.status.value == "error")
    return next(broken, "the policy asks for a history, and there is none here")


def _marked(opened: Opened, apart: list[str]) -> Iterator[str]:
    yield from apart
    if not same_tool(opened):
        version = tool_of(opened.manifest)
        yield f"it was judged by another version of the tool: {version}, here {__version__}"


def custody_rules() -> frozenset[str]:
    """The rules that ask git: what they find may differ wherever the history differs."""
    return git_record.about_custody()


def _without_custody(
    stated: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Judgements without what only history can show; no counts, where one of them counts that."""
    asks_git = custody_rules()
    counts = not any(asks_git.intersection(_rules_of(each)) for each in (stated, found))
    return _plain(stated, asks_git, counts=counts), _plain(found, asks_git, counts=counts)


def _plain(
    judgement: Mapping[str, Any], asks_git: frozenset[str], *, counts: bool
) -> dict[str, Any]:
    found = judgement.get("findings")
    if not isinstance(found, dict) or counts:
        return dict(judgement)
    rules = [rule for rule in _rules_of(judgement) if rule not in asks_git]
    kept = {key: value for key, value in found.items() if key not in ("critical", "warnings")}
    return {**judgement, "findings": {**kept, "rules": rules}}


def _rules_of(judgement: Mapping[str, Any]) -> list[str]:
    """The rules that found something about no gate."""
    found = judgement.get("findings")
    rules = found.get("rules") if isinstance(found, dict) else None
    return [rule for rule in rules if isinstance(rule, str)] if isinstance(rules, list) else []


def _rests_on_history(stated: Mapping[str, Any], apart: list[str]) -> bool:
    """Whether the verdict alone differs, and rules that ask git were among those that failed."""
    only = all(line.partition(":")[0] == "verdict" for line in apart)
    asked_git = bool(custody_rules().intersection(_rules_of(stated)))
    return only and stated.get("verdict") == "failed" and asked_git


# --- the pages -----------------------------------------------------------------------------------


def pages(opened: Opened, judged: Judged) -> Check:
    """Whether the pages for people say what the judgement says.

    Pages that cannot be written again here could say anything: only a signature vouches for them.
    """
    if not same_tool(opened):
        version = visible(tool_of(opened.manifest), 20)
        said = f"written by another version of the tool: verify them with {version}"
        return unknown("pages", said)
    try:
        expected = dict(_pages(opened, judged))
    except Exception as error:  # noqa: BLE001 - a forged history may be any JSON at all
        said = f"they cannot be written again from this record: {type(error).__name__}"
        return differs("pages", said)
    wrong = tuple(name for name, pages in expected.items() if opened.members.get(name) not in pages)
    if (
        wrong
        and SHOW_FINDINGS.issuperset(n.rpartition("/")[2] for n in wrong)
        and not rests_on_claims(opened)
        and _asked_git(opened)
    ):
        said = "they show what git knew, which is not here: look in a clone, or ask for a signature"
        return unknown("pages", said, wrong)
    if wrong:
        return differs("pages", "written again, these come out otherwise", wrong)
    return verified("pages", f"{len(expected)} pages written again, the same to the byte")


def _asked_git(opened: Opened) -> bool:
    """Whether rules that ask git ran when the package was written, as its statement says."""
    try:
        predicate = json.loads(opened.statement or b"{}")["predicate"]
        not_run = {each["name"] for each in predicate["testsNotRun"]}
    except (ValueError, KeyError, TypeError):
        return False
    return not custody_rules() & not_run


def _as_git_told(opened: Opened, history: Mapping[str, Any]) -> bool:
    """Whether what git is said to hold has our words around it, and these files among its own."""
    ours = (git_record.MEANS, own.GENERATOR, own.encoded(history))
    if (history["means"], history["generator"], opened.members[HISTORY]) != ours:
        return False
    loose = tuple(opened.manifest["uncommitted"])
    place = "" if opened.manifest["path"] == "." else f"{opened.manifest['path']}/"
    for name, versions in history["files"].items() if history["known"] else ():
        data = opened.members.get(f"{bundle.RECORD}/{place}{name}")
        held = (version["blob"] or "" for version in versions)
        if data and name not in loose and not any(is_blob(blob, data) for blob in held):
            return False
    return True


def _pages(opened: Opened, judged: Judged) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Each page with what it may hold: whether git was there is not said in the manifest."""
    listed = dict(opened.manifest)
    both = [judged._replace(committed=judged.committed._replace(known=k)) for k in (True, False)]
    place = f"{bundle.RECORD}/{listed['path']}/" if opened.kind == BUNDLE else ""
    yield f"{place}{own.METRICS}", (metrics.page(judged.report, listed["quality_metrics"]),)
    yield f"{place}{own.HANDOFF}", tuple(handoff.page(each, listed) for each in both)
    if opened.kind == BUNDLE:
        history = json.loads(opened.members[HISTORY])
        told = (opened.members[HISTORY],) if _as_git_told(opened, history) else ()
        yield HISTORY, told
        yield bundle.VERIFY, (bundle.how_to_verify(judged, listed).data,)
        yield bundle.REPORT, (offline.page(judged, listed, history),)
        for name, member in bundle.constant().items():
            yield name, (member.data,)
