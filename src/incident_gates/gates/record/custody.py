"""What is asked of a record's custody: that it stands as sealed, and that git contradicts nothing.

Rules about git find nothing where history was not asked for, or is not known; the report says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates import custody, seal
from incident_gates.amendments import idle, makes_its_approver
from incident_gates.custody import CONTRADICTED, shown
from incident_gates.evidence.times import show_duration
from incident_gates.recorded import words
from incident_gates.rules import CRITICAL, DO_NOT_CHANGE, INFO, WARNING, Breach, Place, rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from incident_gates.chain import Chain
    from incident_gates.custody import Custody, Rewritten
    from incident_gates.evidence.history import Version
    from incident_gates.facts import Approval, Decision
    from incident_gates.policy import Limits
    from incident_gates.recorded import Stated
    from incident_gates.seal import Difference

SHOWN = 10
AMEND = (
    "Put the file back as it was sealed. If it had to change, say so in amendments.yaml: who, "
    "why, approved by whom, with both digests."
)
DATES = "A commit's date is a claim as well"


# --- without git ---------------------------------------------------------------------------------


@rule(
    "CUS001",
    gate="record",
    criterion="custody",
    level=CRITICAL,
    says="Sealed evidence was changed",
    why="A verdict is about the bytes that were judged; a change after it has to be said.",
    fix=AMEND,
    at_once=True,
)
def sealed_file_is_unchanged(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every sealed file has its digest, or an amendment that says why not."""
    for found in custody.of(chain).uncovered.changed:
        said = f"{found.path} is not as it was sealed, and no amendment says why"
        actual = found.why or f"sha256 {found.new}"
        yield Breach(Place(found.path), said, f"sha256 {found.old}", (actual,), subject=found.path)


@rule(
    "CUS002",
    gate="record",
    criterion="custody",
    level=CRITICAL,
    says="Sealed evidence is gone",
    why="Evidence that can be removed without a word is no evidence.",
    fix="Put the file back, from git or the bundle; or say in amendments.yaml why it had to go.",
    at_once=True,
)
def sealed_file_is_there(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every sealed file is there, or an amendment says why not."""
    for found in custody.of(chain).uncovered.missing:
        said = f"{found.path} was sealed and is gone, and no amendment says why"
        place = Place(seal.MANIFEST)  # which names it; of an input the other copy is elsewhere
        yield Breach(place, said, f"sha256 {found.old}", subject=found.path)


@rule(
    "CUS003",
    gate="record",
    criterion="custody",
    level=WARNING,
    says="A file was added to a sealed record",
    why="What was not there when the record was judged was judged by nobody.",
    fix="List the file in amendments.yaml with old_sha256: null, or keep it elsewhere.",
    at_once=True,
)
def nothing_was_added(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No file joined a sealed record without an amendment; one that a gate reads weighs more."""
    for found in custody.of(chain).uncovered.added:
        artifact = limits.protocol.artifacts.get(found.path)
        read = artifact is not None and (artifact.gate or found.path == "waivers.yaml")
        said = f"{found.path} was added after the record was sealed, and no amendment says why"
        yield Breach(
            Place(found.path), said, subject=found.path, level=CRITICAL if read else WARNING
        )


@rule(
    "CUS004",
    gate="record",
    criterion="custody",
    level=CRITICAL,
    says="The seal cannot be read",
    why="A seal that nobody can read protects nothing, and hides what it once said.",
    fix="Restore the manifest as it was committed, or aggregate the record again.",
    at_once=True,
)
def seal_can_be_read(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The manifest is one, and names nothing but files of this folder."""
    known = custody.of(chain)
    if known.seal is None and known.refusal:
        ended = chain.closed or chain.false_positive
        yield Breach(
            Place(seal.MANIFEST, line=known.refusal.line),
            known.refusal.what,
            level=CRITICAL if ended else WARNING,
            fix=known.refusal.fix,
        )
    elif known.seal and known.seal.sealed and not known.now and known.refusal:
        said = f"the folder cannot be compared with its seal: {known.refusal.what}"
        yield Breach(Place("."), said, fix=known.refusal.fix)


@rule(
    "CUS005",
    gate="record",
    criterion="custody",
    level=WARNING,
    says="An amendment does not count",
    why="Whoever changes a sealed record cannot be the only one who agrees to it.",
    fix="Complete the entry; a commander or release manager who did not make it approves it.",
    at_once=True,
)
def amendment_counts(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each amendment is whole, approved by another, and lists what changed."""
    known = custody.of(chain)
    settled = known.seal.settled if known.seal else frozenset()
    for amendment in known.amendments:
        about = f"amendment {amendment.id or 'without an id'}"
        if amendment.why_not:
            said = f"{about} does not count: {amendment.why_not}"
            yield Breach(amendment.node.place, said, subject=amendment.id)
        elif makes_its_approver(chain, amendment):
            said = f"{about} changes prerequisites.json, which alone says who may approve it"
            yield Breach(
                amendment.node["approved_by"].place,
                said,
                "the roles in the policy, under people",
                subject=amendment.id,
            )
        elif amendment.id not in settled and known.seal and known.seal.sealed:
            changed = {d.path for d in known.differences.all}
            for step in idle(amendment, known.differences):
                how = "with other digests than it has" if step.path in changed else "as changed"
                said = f"{about} names {step.path} {how}"
                said += "" if step.path in changed else ", and it is as it was sealed"
                yield Breach(amendment.node["files"].place, said, subject=amendment.id)


@rule(
    "CUS006",
    gate="record",
    criterion="custody",
    level=WARNING,
    says="An amendment that a seal relies on is missing",
    why="A record that was sealed again names why; without that entry nobody can tell.",
    fix="Put the entry back in amendments.yaml as it was.",
    at_once=True,
)
def settled_amendment_is_there(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every amendment that the seal names stands in amendments.yaml, and counts."""
    known = custody.of(chain)
    there = {a.id for a in known.amendments if not a.why_not}
    for wanted in sorted((known.seal.settled if known.seal else frozenset()) - there):
        said = f"the record was sealed again by {wanted}, which amendments.yaml does not hold"
        yield Breach(Place(seal.AMENDMENTS), said, subject=wanted)


# --- with git: the seal --------------------------------------------------------------------------


@rule(
    "CUS007",
    gate="record",
    criterion="custody",
    level=CRITICAL,
    says="Sealed evidence was changed under another seal",
    why="A new seal over changed evidence looks whole; git still holds what was sealed before.",
    fix="Restore what was sealed, or say in amendments.yaml what changed from it and why.",
    at_once=True,
    history=True,
)
def earlier_seals_hold(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """What any seal in git covered still stands, or amendments lead from there to here."""
    known = custody.of(chain)
    if not known.known:
        return
    said_already = {d.path for d in known.uncovered.all}
    for replaced in known.replaced:
        found = replaced.found
        for gone in (*found.changed, *found.missing):
            if gone.path not in said_already:
                said_already.add(gone.path)
                yield _unsealed(gone, replaced.version)
    yield from _seals_dropped(known)
    for version in known.put_back():
        said = f"{version.path} was changed after it was sealed, and put back"
        actual = (shown(version.commit),)
        yield Breach(Place(version.path), said, "", actual, version.path, level=WARNING)


def _seals_dropped(known: Custody) -> Iterator[Breach]:
    """A seal that git holds, and the folder no longer speaks of."""
    for replaced in known.unnamed:
        said = "an earlier seal of other evidence stands in git, and the one here does not name it"
        actual = (f"sealed in {shown(replaced.version.commit)}",)
        yield Breach(Place(seal.MANIFEST), said, "", actual, replaced.seal.sha256, level=WARNING)
    if not known.replaced or (known.seal and known.seal.sealed):
        return
    last = known.replaced[-1]
    actual = (f"sealed in {shown(last.version.commit)}",)
    if last.seal.sha256 in known.named:
        said = "the record was sealed, and is open again"
        yield Breach(Place(seal.MANIFEST), said, "", actual, seal.MANIFEST, level=WARNING)
    else:
        said = "git holds a seal of this record, and here is none"
        yield Breach(Place(seal.MANIFEST), said, "", actual, seal.MANIFEST)


def _unsealed(gone: Difference, version: Version) -> Breach:
    what = "is gone" if gone.new is None and not gone.why else "was changed"
    said = f"{gone.path} {what}, though another seal covered it"
    actual = (gone.why or f"sha256 {gone.new or '–'}", f"sealed in {shown(version.commit)}")
    return Breach(Place(gone.path), said, f"sha256 {gone.old}", actual, gone.path)


@rule(
    "CUS008",
    gate="record",
    criterion="custody",
    level=WARNING,
    says="History was rewritten under a seal",
    why="A seal names the commit that it was made on. If that is gone, so may be what it held.",
    fix="Find out why. Squash merges and rebases do this, and so does a forced push.",
    at_once=True,
    history=True,
)
def seal_is_in_history(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The commit that the seal names is part of the history of what is checked out."""
    known = custody.of(chain)
    commit = known.seal.commit if known.seal else None
    if not known.known or commit is None or known.history.holds(commit):
        return
    said = f"the seal was made on commit {commit[:10]}, which this history does not hold"
    yield Breach(Place(seal.MANIFEST), said, subject=commit[:10])


# --- with git: values and texts ------------------------------------------------------------------


@rule(
    "CUS009",
    gate="record",
    criterion="custody",
    level=WARNING,
    says="A recorded value was rewritten later",
    why="What changes after it was recorded can no longer be taken as it was said.",
    fix=f"{DO_NOT_CHANGE}: restore what was recorded, and add the other claim with its source.",
    at_once=True,
    history=True,
)
def recorded_value_stands(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """What a commit holds of approvals, executions and times is what the record says now."""
    known = custody.of(chain)
    if not known.known:
        return
    for found in _by_entry(known.rewritten):
        place = Place(found.file, found.now.pointer if found.now else None)
        what = f"is {found.now.shown} now" if found.now else "is gone now"
        said = f"{words(found.first.key)} was {found.first.shown} when it was recorded, and {what}"
        commits = [f"recorded in {shown(found.recorded_in.commit)}"]
        if found.rewritten_in:
            commits.append(f"changed in {shown(found.rewritten_in.commit)}")
        yield Breach(
            place, said, "", tuple(commits), subject=words(found.first.key), level=found.level
        )


def _by_entry(rewritten: tuple[Rewritten, ...]) -> Iterator[Rewritten]:
    """Of an entry that is gone altogether, one value stands for all."""
    gone: set[tuple[str, ...]] = set()
    for found in rewritten:
        entry = (found.file, *found.first.key[:-1])
        if found.now is None and entry in gone:
            continue
        if found.now is None:
            gone.add(entry)
        yield found


@rule(
    "CUS010",
    gate="record",
    criterion="custody",
    level=WARNING,
    says="Another text stood in git when its approval was committed",
    why="Whoever approves an option approves the text that was there to be read.",
    fix="Approve the text as it is now, in a new entry; the earlier one stays as it was given.",
    at_once=True,
    history=True,
)
def approved_text_was_there(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The plan in the commit that brought an approval holds the text that it names."""
    known = custody.of(chain)
    for decision, approval, version in _approvals(chain, known):
        held = known.option_at(version.commit, decision.option)
        if approval.sha256 and held and held != approval.sha256:
            said = (
                f"option {decision.option} was another text when the approval of "
                f"{approval.name} was committed"
            )
            yield Breach(
                approval.node["option_sha256"].place,
                said,
                f"option_sha256 {approval.sha256}",
                (f"option_sha256 {held}", f"in {shown(version.commit)}"),
                subject=f"{decision.id}/{approval.name}",
            )


def _approvals(chain: Chain, known: Custody) -> Iterator[tuple[Decision, Approval, Version]]:
    """Each approval that a commit holds, with the first one that does."""
    if not known.known:
        return
    at = {s.pointer: s for s in known.stated("decision-log.json").values()}
    for decision in chain.decisions:
        for approval in decision.approvals:
            for name in ("option_sha256", "approved_at", "verdict"):
                stated = at.get(approval.node[name].pointer)
                version = known.first("decision-log.json", stated) if stated else None
                if version and approval.verdict == "approve":
                    yield decision, approval, version
                    break


@rule(
    "CUS011",
    gate="record",
    criterion="custody",
    level=WARNING,
    says="By git, an approver has another part in it as well",
    why="Four eyes are asked for because nobody sees the faults of their own plan.",
    fix="If a scribe committed it for others, nothing is wrong. If not, let another approve.",
    at_once=True,
    history=True,
)
def approver_is_another(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No approver committed the option's text, and no operator the approval of others."""
    known = custody.of(chain)
    operators = {limits.identity(e.operator): e.operator for e in chain.executions if e.operator}
    seen: set[tuple[str, str, str]] = set()
    for decision, approval, version in _approvals(chain, known):
        if known.all_at_once:
            return
        approver = limits.identity(approval.name)
        text = known.option_from(decision.option, approval.sha256) if approval.sha256 else None
        author, mapped = known.who(text.commit) if text else ("", False)
        writer, _ = known.who(version.commit)
        if text and author == approver and (approver, decision.option, "text") not in seen:
            seen.add((approver, decision.option, "text"))
            said = f"{approval.name} approved option {decision.option}, and committed its text"
            yield _part(decision, approval, said, text, WARNING if mapped else INFO)
        elif writer in operators and writer != approver and (writer, "", "word") not in seen:
            seen.add((writer, "", "word"))
            said = f"{operators[writer]}, who operated, committed the approval of {approval.name}"
            yield _part(decision, approval, said, version, INFO)


def _part(
    decision: Decision, approval: Approval, said: str, version: Version, level: str
) -> Breach:
    subject, actual = f"{decision.id}/{approval.name}", (shown(version.commit),)
    return Breach(
        approval.node["by"].place,
        said,
        "",
        actual,
        subject,
        concerned=(approval.name,),
        level=level,
    )


# --- with git: when it came ----------------------------------------------------------------------


def _closed(chain: Chain) -> datetime | None:
    time = chain.resolution["closed_at"].time
    return time.latest if time and chain.closed else None


@rule(
    "CUS012",
    gate="record",
    criterion="custody",
    level=WARNING,
    says="Evidence was first committed after the record was closed",
    why="What arrives after the end may have been written for it.",
    fix=f"{DO_NOT_CHANGE}. Commit evidence as it arises; for this record, add a deviation.",
    at_once=True,
    history=True,
)
def evidence_came_in_time(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every file was in git by the time the record was closed, or soon after."""
    known, closed = custody.of(chain), _closed(chain)
    if not known.known or closed is None:
        return
    brought = known.arrivals()
    limit = closed + known.grace
    late = {p: v for p, v in sorted(brought.items()) if v.commit.committer.time > limit}
    if not late or known.all_at_once:
        return  # all at once is CUS013
    last = max(v.commit.committer.time for v in late.values())
    many = f"{len(late)} files were" if len(late) > 1 else f"{next(iter(late))} was"
    said = f"{many} first committed after closing, the last {show_duration(last - closed)} after"
    lines = [f"{path} {shown(version.commit)}" for path, version in late.items()]
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    expected = f"in git by {limit:%Y-%m-%d %H:%M} UTC"
    yield Breach(Place("."), said, expected, (*lines[:SHOWN], *more), chain.record.incident_id)


@rule(
    "CUS013",
    gate="record",
    criterion="custody",
    level=INFO,
    says="All evidence came in one commit, after the fact",
    why="Then git tells nothing of what was written when. A squash merge does that to any record.",
    fix="Nothing is wrong by itself. Merge without squashing to keep what git knows.",
    at_once=True,
    history=True,
)
def evidence_came_bit_by_bit(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Git holds more than one late commit of the evidence."""
    known = custody.of(chain)
    resolved = chain.resolution["resolved_at"].time
    commit = known.all_at_once if known.known else None
    if resolved is None or commit is None:
        return
    if commit.committer.time > resolved.latest:
        after = show_duration(commit.committer.time - resolved.earliest)
        said = f"all evidence came in one commit, {after} after the incident was resolved"
        yield Breach(Place("."), said, "", (shown(commit),), chain.record.incident_id)


@rule(
    "CUS014",
    gate="record",
    criterion="custody",
    level=WARNING,
    says="A commit holds a time that had not come yet",
    why="Nobody can record what has not happened: either the time or the commit's date is wrong.",
    fix=f"{DO_NOT_CHANGE}. Say where each clock stood, in the time's source. {DATES}.",
    at_once=True,
    history=True,
)
def time_was_not_ahead(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No time is later than the date of the first commit that holds it."""
    known = custody.of(chain)
    ahead: dict[tuple[str, str], list[tuple[timedelta, Stated, Version]]] = {}
    for file, stated, grade in known.times if known.known else ():
        version = known.first(file, stated)
        if grade == CONTRADICTED and version and stated.time:
            by = stated.time.earliest - version.commit.committer.time
            ahead.setdefault((file, version.commit.sha), []).append((by, stated, version))
    for (file, _), group in ahead.items():
        by, stated, version = max(group, key=lambda entry: entry[0])
        said = f"{words(stated.key)} is {show_duration(by)} later than the commit that holds it"
        said += f", the furthest of {len(group)} times in this file" if group[1:] else ""
        actual = (shown(version.commit),)
        yield Breach(Place(file, stated.pointer), said, "", actual, subject=words(stated.key))
