"""What a record says: each statement of its files as plain data that knows where it stands."""

import hashlib
import itertools
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple

from incident_gates import logs
from incident_gates.evidence import times
from incident_gates.evidence.bounds import ASSESSORS
from incident_gates.evidence.markdown import Markdown, Section, fields
from incident_gates.evidence.times import Time
from incident_gates.incident import Node, Record, text_of
from incident_gates.model import Place


class Person(NamedTuple):
    """Someone named in the record, in a role."""

    name: str
    role: str
    place: Place


def person(node: Node) -> Person | None:
    """The person that a node names, or None where it names nobody."""
    name = node["name"].text
    return Person(name, node["role"].text, node.place) if name else None


# --- Gate 1 --------------------------------------------------------------------------------------

VALIDITY = ("validity", "verdict", "validation", "alert validity")


class Validity(NamedTuple):
    """Who judged the signals to be a real incident or a false positive, and when."""

    verdict: str
    by: str
    role: str
    time: Time | None
    place: Place


class Notice(NamedTuple):
    """One notice: who was told what, where, when, by whom."""

    time: Time | None
    channel: str
    audiences: frozenset[str]
    message: str
    sender: str
    place: Place


class Assessor(NamedTuple):
    """One responder's own verdict."""

    name: str
    role: str
    severity: str
    time: Time | None
    node: Node


class Classification(NamedTuple):
    """One judgement of severity, with what each assessor said."""

    node: Node
    severity: str
    assessors: tuple[Assessor, ...]


def intake(record: Record) -> tuple[logs.Log, Validity | None]:
    """The signals, and whether they were judged real."""
    name = "incident-intake-log.md"
    parsed = record.markdown(name)
    if parsed is None:
        return logs.Log((), (), ()), None
    sections = [s for s in parsed.sections if s.title.casefold().strip(": ") not in VALIDITY]
    log = logs.read(name, parsed, sections, ("source", "text"))
    section = parsed.find(*VALIDITY)
    return log, _validity(name, parsed, section) if section else None


_WHO = re.compile(r"(?P<name>[^()]*)(?:\((?P<role>[^()]*)\))?")


def _validity(name: str, parsed: Markdown, section: Section) -> Validity:
    stated = fields(section)
    text = {key: text_of(value) for key, (value, _) in stated.items()}
    who = _WHO.match(text.get("by", ""))
    clock = times.Clock(logs.day_of(parsed))
    clock.heading(section.title)
    read = clock.read(text.get("time", ""))
    verdict = text.get("verdict", "").casefold().replace("_", " ")
    line = stated.get("verdict", ("", section.line))[1]
    return Validity(
        verdict,
        who["name"].strip() if who else "",
        slug(who["role"] or "") if who else "",
        read[0] if read else None,
        Place(name, line=line),
    )


@lru_cache(maxsize=4096)
def slug(text: str) -> str:
    """A role or audience as an identifier: ``SRE On-call`` is ``sre_on_call``."""
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")


def words(text: str) -> str:
    """A text as it is compared with others: case, spaces and punctuation around it do not count."""
    return " ".join(text.casefold().split()).strip(" .,;:!?…")


def notices(record: Record) -> tuple[tuple[Notice, ...], logs.Log]:
    """Every notice of the communication log."""
    name = "communication-log.md"
    parsed = record.markdown(name)
    sections = parsed.sections if parsed else ()
    log = logs.read(name, parsed, sections, ("channel", "audience", "text", "sender"))
    return tuple(_notice(entry) for entry in log.entries), log


def _notice(entry: logs.LogEntry) -> Notice:
    channel = entry.column("channel")
    told = {slug(part) for part in re.split(r"[,;&]|\band\b", entry.column("audience"))}
    # A status page speaks to customers; nobody inside is paged by it.
    on_status_page = "status page" in channel.casefold() or "statuspage" in channel.casefold()
    audiences = {"customers"} if on_status_page else told - {""}
    message, sender = entry.column("text"), entry.column("sender")
    return Notice(entry.time, channel, frozenset(audiences), message, sender, entry.place)


def classifications(record: Record) -> tuple[Classification, ...]:
    """Every classification, in the order of the file; to its schema, more people are too many."""
    return tuple(
        Classification(
            node,
            node["severity"].text,
            tuple(
                Assessor(
                    a["name"].text, a["role"].text, a["severity"].text, a["assessed_at"].time, a
                )
                for a in itertools.islice(node["assessors"], ASSESSORS)
                if a["name"].text or a["severity"].text
            ),
        )
        for node in record.node("severity-assessment.json")["classifications"]
    )


# --- Gate 2 --------------------------------------------------------------------------------------


class Option(NamedTuple):
    """One option of the plan; ``sha256`` is of its section as written."""

    id: str
    title: str
    strategy: str
    stated: Mapping[str, tuple[str, int]]
    sha256: str
    place: Place

    def field(self, *names: str) -> str:
        """A ``Key: value`` line of the option, or ""."""
        values = (self.stated[name][0] for name in names if name in self.stated)
        return next((v for v in values if text_of(v)), "")

    @property
    def expected(self) -> timedelta | None:
        """How long it is expected to take."""
        return times.human_duration(self.field("expected duration", "duration"))


class Proposal(NamedTuple):
    """The option proposed, and why."""

    option: str
    why: str
    place: Place


OPTION = re.compile(r"option\s+(?P<id>[A-Za-z0-9][\w.-]*)\s*[:–—-]?\s*(?P<title>.*)", re.IGNORECASE)


def options(parsed: Markdown | None, name: str = "mitigation-plan.md") -> tuple[Option, ...]:
    """Every option of a plan: a section whose heading reads ``Option <id>: <title>``."""
    found = []
    for section in parsed.sections if parsed else ():
        heading = OPTION.match(section.title)
        if parsed and heading:
            stated = fields(section)
            strategy = slug(text_of(stated.get("strategy", ("", 0))[0]))
            place = Place(name, line=section.line)
            sha = section_digest(parsed, section)
            title = heading["title"].strip()
            found.append(Option(heading["id"], title, strategy, stated, sha, place))
    return tuple(found)


def section_digest(parsed: Markdown, section: Section) -> str:
    """The digest of a section as written: LF line ends, no trailing blank lines, one final LF."""
    return hashlib.sha256(parsed.raw(section).encode()).hexdigest()


def kept_digests(record: Record) -> dict[str, set[str]]:
    """The digests of each option in every earlier plan that was kept: as a copy, or in git."""
    found: dict[str, set[str]] = {}
    for plan in record.kept_plans():
        for option in options(plan):
            found.setdefault(option.id, set()).add(option.sha256)
    return found


def proposal(record: Record) -> Proposal | None:
    """What the plan proposes."""
    name = "mitigation-plan.md"
    parsed = record.markdown(name)
    section = parsed.find("proposal", "proposed option", "recommendation") if parsed else None
    if section is None:
        return None
    stated = fields(section)

    def first(*keys: str) -> str:
        values = (stated[k][0] for k in keys if k in stated)
        return next((v for v in values if text_of(v)), "")

    option = re.sub(r"^option\s+", "", first("option", "proposed", "proposal"), flags=re.IGNORECASE)
    option = option.split(":")[0].split()[0] if option.split() else ""
    why = first("why", "because", "reason", "rationale")
    return Proposal(option, why, Place(name, line=section.line))


class Approval(NamedTuple):
    """One person's word on one decision."""

    verdict: str
    name: str
    role: str
    time: Time | None
    sha256: str
    standing: str
    node: Node


class Decision(NamedTuple):
    """A decision for an option, and what each approver said."""

    id: str
    option: str
    services: tuple[str, ...]
    time: Time | None
    supersedes: str
    approvals: tuple[Approval, ...]
    node: Node

    def __hash__(self) -> int:
        # A thousand approvals need not be hashed to tell two entries of a file apart.
        return hash(self.node)


def decisions(record: Record) -> tuple[Decision, ...]:
    """Every decision, in the order of the file."""
    return tuple(
        Decision(
            node["id"].text,
            node["option"].text,
            node["services"].texts,
            node["decided_at"].time,
            node["supersedes"].text,
            tuple(_approval(a) for a in node["approvals"]),
            node,
        )
        for node in record.node("decision-log.json")["decisions"]
    )


def _approval(node: Node) -> Approval:
    who = node["by"]
    return Approval(
        node["verdict"].text,
        who["name"].text,
        who["role"].text,
        node["approved_at"].time,
        node["option_sha256"].text,
        node["standing"].text,
        node,
    )


# --- Gate 3 --------------------------------------------------------------------------------------


class Execution(NamedTuple):
    """One thing that was run."""

    id: str
    decision: str
    services: tuple[str, ...]
    purpose: str
    operator: str
    started: Time | None
    completed: Time | None
    propagated: Time | None
    outcome: str
    emergency: Node
    node: Node


def executions(record: Record) -> tuple[Execution, ...]:
    """Every execution, in the order of the file."""
    return tuple(
        Execution(
            node["id"].text,
            node["decision"].text,
            node["services"].texts,
            node["purpose"].text or "mitigation",
            node["operator"]["name"].text,
            node["started_at"].time,
            node["completed_at"].time,
            node["propagation_verified_at"].time,
            node["outcome"].text,
            node["emergency"],
            node,
        )
        for node in record.node("mitigation-execution-report.json")["executions"]
    )


class Result(NamedTuple):
    """One run of a check."""

    result: str
    time: Time | None
    node: Node


class Check(NamedTuple):
    """One recovery check with its runs; ``latest`` is the one that counts."""

    id: str
    service: str
    kind: str
    critical: bool
    results: tuple[Result, ...]
    latest: Result | None
    node: Node

    @property
    def passed(self) -> bool:
        """Whether the latest run passed."""
        return self.latest is not None and self.latest.result == "passed"


def _latest(results: tuple[Result, ...]) -> Result | None:
    """The latest run by time; where that cannot be told, one that did not pass."""
    if not results:
        return None
    last = max((r.time.earliest for r in results if r.time), default=None)
    # Whichever of several may have come last counts as the last; one that did not pass, first.
    maybe = [r for r in results if not r.time or not last or r.time.latest > last]
    return next((r for r in maybe if r.result != "passed"), maybe[-1])


def checks(record: Record) -> tuple[Check, ...]:
    """Every recovery check, in the order of the file."""
    return tuple(_check(node) for node in record.node("recovery-validation.json")["checks"])


def _check(node: Node) -> Check:
    runs = tuple(Result(r["result"].text, r["checked_at"].time, r) for r in node["results"])
    return Check(
        node["id"].text,
        node["service"].text,
        node["kind"].text,
        node["critical"].flag is not False,
        runs,
        _latest(runs),
        node,
    )


def planned_checks(record: Record) -> tuple[Node, ...]:
    """The checks that the readiness checklist planned for recovery."""
    return tuple(record.node("rollback-readiness-checklist.json")["recovery_checks"])


def timeline(record: Record) -> logs.Log:
    """The events of the timeline."""
    name = "incident-timeline.md"
    parsed = record.markdown(name)
    return logs.read(name, parsed, parsed.sections if parsed else (), ("text",))
