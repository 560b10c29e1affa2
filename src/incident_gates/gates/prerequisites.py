"""Gate P: the five artifacts, three approvals and three system states that come first."""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import timedelta
from fnmatch import fnmatchcase
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from incident_gates.evidence import bounds, strict_json, strict_yaml
from incident_gates.evidence.archives import Archive
from incident_gates.evidence.markdown import Table
from incident_gates.evidence.refusal import Refusal
from incident_gates.evidence.times import Order, duration, order, show_duration
from incident_gates.incident import is_placeholder
from incident_gates.rules import CRITICAL, DO_NOT_CHANGE, WARNING, Breach, Place, missing, rule
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.evidence.markdown import Section
    from incident_gates.evidence.times import Time
    from incident_gates.incident import Node
    from incident_gates.policy import Limits

OWN = ("prerequisites.json",)
PRODUCED = {
    "alert-test-results.json": "tested_at",
    "production-deployment-report.json": "finished_at",
    "rollback-verification-report.json": "verified_at",
    "monitoring-approval-record.json": "approved_at",
    "post-deployment-validation.json": "validated_at",
}


def _inputs(chain: Chain) -> list[dict[str, Any]]:
    return chain.limits.protocol.inputs


@rule(
    "PRE001",
    gate="prerequisites",
    criterion="artifacts",
    level=CRITICAL,
    says="A required upstream artifact is missing",
    why="Without it nobody knows what runs, what is monitored, or whether a rollback works.",
    fix="Copy the artifact to its place, or waive it if this incident cannot have it.",
)
def artifact_is_there(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every artifact that is not optional is there."""
    for entry in _inputs(chain):
        name = entry["file"]
        if entry.get("optional") or chain.record.document(name):
            continue
        reason = chain.record.reason_not_available(name)
        # What appears upstream after closing is no part of the record, and must not seem to be.
        what = "was neither kept nor pinned" if chain.closed else "is missing"
        copy = "a copy in the incident's folder, pinned in prerequisites.json"
        expected = copy if chain.closed else f"{entry['folder']}/{name}"
        said = f"{name} {what}" + (f" ({reason})" if reason else "")
        yield Breach(Place(name), said, expected, subject=name)


@rule(
    "PRE002",
    gate="prerequisites",
    criterion="artifacts",
    level=CRITICAL,
    says="An upstream artifact is not the one that was pinned",
    why="The next deployment overwrites these files; a verdict must rest on the bytes of the time.",
    fix="Keep a copy of the pinned file in the incident's folder: the copy wins.",
    needs=OWN,
    at_once=True,
)
def artifact_is_the_pinned_one(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every pinned digest is that of the file judged."""
    for node in chain.prerequisites["inputs"]:
        name, pinned = node["file"].text, node["sha256"].text
        known = name in chain.limits.protocol.artifacts
        document = chain.record.document(name) if known else None
        if document is None and known and _is_optional(chain, name):
            said = f"{name} was pinned and is gone"
            yield Breach(node["file"].place, said, f"sha256 {pinned}", subject=name)
        if document and document.data and pinned and document.sha256 != pinned:
            yield Breach(
                node["sha256"].place,
                f"{name} has changed since it was pinned",
                f"sha256 {pinned}",
                (f"sha256 {document.sha256}  {document.path}",),
                subject=name,
            )


def _is_optional(chain: Chain, name: str) -> bool:
    """Whether an input need not be there; of the others PRE001 says that they are missing."""
    return any(entry["file"] == name and entry.get("optional") for entry in _inputs(chain))


@rule(
    "PRE003",
    gate="prerequisites",
    criterion="artifacts",
    level=CRITICAL,
    says="An upstream artifact is not pinned",
    why="Without a digest nobody can tell later which version was relied on.",
    fix="Record its sha256 under inputs in prerequisites.json.",
    needs=OWN,
)
def artifact_is_pinned(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Every artifact that is there has a digest in prerequisites.json."""
    pinned = {n["file"].text for n in chain.prerequisites["inputs"] if n["sha256"].text}
    for entry in _inputs(chain):
        document = chain.record.document(entry["file"])
        if document and document.data and entry["file"] not in pinned:
            yield Breach(
                chain.prerequisites["inputs"].place,
                f"{entry['file']} is not pinned",
                f"sha256 {document.sha256}",
                subject=entry["file"],
            )


@rule(
    "PRE004",
    gate="prerequisites",
    criterion="artifacts",
    level=CRITICAL,
    says="A closed incident keeps no copy of an upstream artifact",
    why="Once the upstream file is overwritten, the same record would get another verdict.",
    fix="Copy the pinned file into the incident's folder before closing.",
    needs=OWN,
)
def closed_record_keeps_copies(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """A closed record holds its inputs."""
    for entry in _inputs(chain) if chain.closed else ():
        name = entry["file"]
        if chain.record.document(name) and name not in chain.record.names:
            yield Breach(Place(name), f"{name} stands only upstream", subject=name)


@rule(
    "PRE005",
    gate="prerequisites",
    criterion="artifacts",
    level=CRITICAL,
    says="The monitoring package holds no monitoring configuration",
    why="An archive of something else does not show that anyone was watching.",
    fix="Package the rule files, the Alertmanager configuration or the dashboards in use.",
)
def package_holds_configuration(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """At least one member is a rule file, an Alertmanager configuration, or a dashboard."""
    name = "MONITORING-PACKAGE.zip"
    document = chain.record.document(name)
    archive = document.value if document else None
    if not isinstance(archive, Archive):
        return
    globs = tuple(limits.policy.data.get("monitoring_globs", ()))
    small = [m for m in archive.members if m.size <= bounds.ZIP_MEMBER_BYTES]
    telling = [m for m in small if m.name.endswith((".yml", ".yaml", ".json"))]
    named = any(fnmatchcase(m.name, glob) for m in archive.members for glob in globs)
    most = bisect_right(list(accumulate(m.size for m in telling)), bounds.ZIP_READ_BYTES)
    looked_into = telling[: min(most, bounds.ZIP_LOOKED_INTO)]
    if not (named or any(_is_configuration(archive, m.name) for m in looked_into)):
        names = tuple(m.name for m in archive.members[:5])
        expected = "a Prometheus rule file, an Alertmanager configuration or a Grafana dashboard"
        yield Breach(Place(name), "no member is monitoring configuration", expected, names)


def _is_configuration(archive: Archive, name: str) -> bool:
    try:
        text = archive.read(name).decode()
        if name.endswith(".json"):
            return _configures(strict_json.parse(text))
        return _is_yaml_configuration(text)
    except (Refusal, UnicodeDecodeError):
        return False


CONFIGURES = ("groups", "panels", "route", "receivers")
WRAPPERS = ("spec", "dashboard")  # a PrometheusRule for Kubernetes, an exported dashboard
_TOP_LEVEL = re.compile(r"^(?:groups|route|receivers):", re.MULTILINE)


def _configures(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    inside = [value, *(value[key] for key in WRAPPERS if isinstance(value.get(key), dict))]
    return any(layer.get(key) for layer in inside for key in CONFIGURES)


def _is_yaml_configuration(text: str) -> bool:
    """Real rule files have anchors, tags and great length, which the strict reader refuses."""
    try:
        return _configures(strict_yaml.parse(text).value)
    except Refusal:
        return _TOP_LEVEL.search(text) is not None


@rule(
    "PRE006",
    gate="prerequisites",
    criterion="artifacts",
    level=CRITICAL,
    says="Alert routing was not proven to work",
    why="An alert that reaches nobody is no alert.",
    fix="Mend the route and test it again; pin the new results.",
)
def alert_routes_were_tested(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """At least one route was tested, and each reached its receiver."""
    name = "alert-test-results.json"
    if not chain.record.readable(name):
        return
    node = chain.record.node(name)
    yield from missing(node, "tested_at")
    routes = list(node["routes"])
    if not routes:
        yield Breach(node["routes"].place, "no route was tested")
    for route in routes:
        expected, actual = route["expected_receiver"].text, route["actual_receiver"].text
        if route["result"].text != "passed" or expected != actual or not expected:
            alert = route["alert"].text or "a route"
            result = route["result"].text or "not recorded"
            wrong = expected != actual or not expected
            said = f"{alert} reached {actual or 'nobody'}" if wrong else f"{alert}: {result}"
            asked = f"received by {expected or 'the receiver that is expected'}, result passed"
            received = (f"received by {actual or 'nobody'}, result {result}",)
            yield Breach(route.place, said, asked, received, subject=alert)


@rule(
    "PRE007",
    gate="prerequisites",
    criterion="artifacts",
    level=CRITICAL,
    says="The deployment report does not say what to roll back to",
    why="A rollback needs a known good release.",
    fix="Supply the deployment's report: release, previous_release, environment and result.",
)
def deployment_is_described(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The deployment report names the release, the previous one, and its result."""
    name = "production-deployment-report.json"
    if chain.record.readable(name):
        names = ("release", "previous_release", "environment", "finished_at", "result")
        yield from missing(chain.record.node(name), *names)


@rule(
    "PRE008",
    gate="prerequisites",
    criterion="artifacts",
    level=CRITICAL,
    says="The rollback rehearsal does not show that rollback works",
    why="An untested rollback is a second incident in waiting.",
    fix="Rehearse the rollback within its objective, and pin the new report.",
)
def rehearsal_passed(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The rehearsal passed, within its recovery time objective."""
    name = "rollback-verification-report.json"
    if not chain.record.readable(name):
        return
    node = chain.record.node(name)
    yield from missing(node, "procedure", "target", "duration", "rto", "result", "verified_at")
    if node["result"].text not in ("passed", ""):
        yield Breach(node["result"].place, f"the rehearsal {node['result'].text}", "passed")
    took, objective = duration(node["duration"].text), duration(node["rto"].text)
    place = node["duration"].place
    if took == timedelta():
        fix = "Write how long it took, with its seconds; if nobody knows, rehearse it again."
        yield Breach(place, "the rehearsal took 0 s", "how long it took", fix=fix)
    elif took and objective and took > objective:
        said = f"the rehearsal took {show_duration(took)}"
        yield Breach(place, said, f"at most {show_duration(objective)} (rto)")


@rule(
    "PRE009",
    gate="prerequisites",
    criterion="artifacts",
    level=WARNING,
    says="An upstream artifact was old when the incident was declared",
    why="What worked long ago may not work on the system of that day.",
    fix="Renew it before the next incident; this record need not change.",
)
def artifact_is_fresh(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each input is younger than its limit at declared_at."""
    for name, time, place in _produced(chain):
        allowed = limits.max_age_days(name)
        if allowed is None or chain.declared is None:
            continue
        age = chain.declared.earliest - time.latest
        if age > timedelta(days=allowed):
            said = f"{name} was {show_duration(age)} old when the incident was declared"
            yield Breach(place, said, f"at most {allowed:g} d", subject=name)


@rule(
    "PRE010",
    gate="prerequisites",
    criterion="artifacts",
    level=CRITICAL,
    says="An upstream artifact is newer than what was done on the strength of it",
    why="A file made after the first execution is not what responders relied on.",
    fix=f"{DO_NOT_CHANGE}. Keep and pin the version that was in force before the first execution; "
    "if there was none, record a deviation.",
)
def artifact_is_older_than_execution(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """No input was made after the first execution had started.

    Declaring is too early a limit: incidents are declared while a deployment still runs.
    """
    started = [e.started for e in chain.executions if e.started]
    first = min(started, key=lambda t: t.latest, default=None)
    for name, time, place in _produced(chain):
        if first and order(time, first) is Order.CONTRADICTED:
            said = f"{name} is from {time.shown}, after the first execution had started"
            yield Breach(place, said, f"before {first.shown}", subject=name)


def _produced(chain: Chain) -> Iterator[tuple[str, Time, Place]]:
    for name, key in PRODUCED.items():
        node = chain.record.node(name)[key]
        time = node.time
        if time:
            yield name, time, node.place


@rule(
    "PRE011",
    gate="prerequisites",
    criterion="approvals",
    level=CRITICAL,
    says="A required approval is not recorded",
    why="The protocol asks who may declare, who knows the cost of a rollback, and who answers for "
    "regulated data.",
    fix="Record who gave the approval and when, under approvals in prerequisites.json.",
    needs=OWN,
)
def required_approvals_are_recorded(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Commander, release manager and, where flagged, security approved."""
    top = chain.prerequisites
    yield from missing(top, "regulated_data", "customer_notification")
    for entry in limits.protocol.data["prerequisites"]["approvals"]:
        if "when" in entry and not any(top[flag].flag for flag in entry["when"]):
            continue
        given = [a for a in top["approvals"] if a["approval"].text == entry["id"]]
        if not given:
            said = f"{entry['title']}: not recorded"
            yield Breach(top["approvals"].place, said, subject=entry["id"])
        for approval in given:
            yield from _complete(approval, entry, limits)


def _complete(approval: Node, entry: dict[str, Any], limits: Limits) -> Iterator[Breach]:
    unknown = ("by",) if approval["by"].unavailable else ()
    yield from missing(approval, *unknown, "approved_at", subject=entry["id"])
    name, role = approval["by"]["name"].text, approval["by"]["role"].text
    holders = limits.holders(entry["role"])
    if unknown:
        return
    if not name:
        yield _nobody(approval, "by", entry["id"], "who gave it")
    elif role != entry["role"]:
        said = f"{entry['id']} is given by {name} as {role or 'no role'}"
        yield Breach(approval["by"].place, said, f"as {entry['role']}", subject=entry["id"])
    elif holders and limits.identity(name) not in holders:
        said = f"{entry['id']} is given by {name}, to whom the policy does not give that role"
        expected = f"a {role} of the policy: {', '.join(sorted(holders))}"
        yield Breach(approval["by"].place, said, expected, subject=entry["id"])


def _nobody(entry: Node, key: str, subject: str, what: str) -> Breach:
    place = entry[key].place if entry[key] else entry.place
    return Breach(place, f"{subject}: {what} is missing", "a name and a role", subject=subject)


@rule(
    "PRE012",
    gate="prerequisites",
    criterion="system_state",
    level=CRITICAL,
    says="A system state is not verified",
    why="Access, credentials and channels fail exactly when they are needed.",
    fix="Verify it and record who did, when and how, under system_states in prerequisites.json.",
    needs=OWN,
)
def system_states_are_verified(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each of the three states was verified by someone, at a time, in a way."""
    states = {n["state"].text: n for n in chain.prerequisites["system_states"]}
    for entry in limits.protocol.data["prerequisites"]["system_states"]:
        node = states.get(entry["id"])
        if node is None:
            place = chain.prerequisites["system_states"].place
            yield Breach(place, f"{entry['title']}: not verified", subject=entry["id"])
            continue
        unknown = ("verified_by",) if node["verified_by"].unavailable else ()
        yield from missing(node, *unknown, "verified_at", "method", subject=entry["id"])
        if not unknown and not node["verified_by"]["name"].text:
            yield _nobody(node, "verified_by", entry["id"], "who verified it")


@rule(
    "PRE013",
    gate="prerequisites",
    criterion="system_state",
    level=CRITICAL,
    says="A standing verification had expired, or never expires",
    why="A verification that has run out is none, and one without an end is never renewed.",
    fix="Verify again next time; for this record, cite the verification that was in force.",
    needs=OWN,
)
def standing_verifications_are_in_force(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Each standing verification has an end, and was in force when the incident was declared."""
    listed = (*chain.prerequisites["system_states"], *chain.prerequisites["approvals"])
    for node in listed:
        what = node["state"].text or node["approval"].text
        expires = node["standing"]["expires_at"]
        time = limits.cited_until(node["standing"]["reference"].text, expires.time)
        declared = chain.declared
        if node["standing"] and not time:
            yield from missing(node["standing"], "expires_at", subject=what)
        elif time and declared and order(declared, time) is not Order.PROVEN:
            said = f"what {what} cites ran out at {time.shown}, before the incident was declared"
            yield Breach(expires.place, said, f"after {declared.shown}", subject=what)


@rule(
    "PRE014",
    gate="prerequisites",
    criterion="approvals",
    level=CRITICAL,
    says="Customers were told, but customer_notification is false",
    why="Telling customers asks for security or compliance approval.",
    fix="Set customer_notification to true and record who approved it.",
    needs=OWN,
)
def customer_notice_is_flagged(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The flag agrees with the communication log."""
    flag = chain.prerequisites["customer_notification"]
    told = next((n for n in chain.notices if any(map(_customers, n.audiences))), None)
    if flag.flag is False and told:
        seen = f"a notice to customers  communication-log.md:{told.place.line}"
        said = "customer_notification is false, but customers were told"
        yield Breach(flag.place, said, "true", (seen,))


def _customers(audience: str) -> bool:
    """Whether an audience is customers, such as ``all_customers``; customer support is none."""
    words = set(audience.split("_"))
    return "customers" in words and not words & {"internal", "success", "support"}


@rule(
    "PRE015",
    gate="prerequisites",
    criterion="artifacts",
    level=WARNING,
    says="An optional upstream artifact speaks against the deployment",
    why="It need not be there, but what it says should be known.",
    fix="Say in the report how it was taken into account.",
)
def optional_artifacts_agree(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """Optional inputs, where present, passed, and are about the same release."""
    approval = chain.record.node("monitoring-approval-record.json")["verdict"]
    if approval.text not in ("approve", ""):
        said = f"the monitoring was not approved: {approval.text}"
        yield Breach(approval.place, said, subject="monitoring")
    validation = chain.record.node("post-deployment-validation.json")
    if validation["result"].text not in ("passed", ""):
        said = f"validation after the deployment: {validation['result'].text}"
        yield Breach(validation["result"].place, said, subject="validation")
    release = chain.record.node("production-deployment-report.json")["release"].text
    if release and validation["release"].text not in ("", release):
        said = f"validates {validation['release'].text}, the deployment report says {release}"
        yield Breach(validation["release"].place, said, subject="release")


@rule(
    "PRE016",
    gate="prerequisites",
    criterion="artifacts",
    level=WARNING,
    says="The incident playbook says nothing",
    why="An empty playbook helps nobody at night.",
    fix="Write the first three steps for this kind of incident.",
)
def playbook_says_something(chain: Chain, limits: Limits) -> Iterator[Breach]:
    """The playbook, where present, holds text."""
    name = "incident-playbook.md"
    parsed = chain.record.markdown(name)
    if parsed and not any(map(_says_something, parsed.sections)) and FENCE not in parsed.text:
        yield Breach(Place(name, line=1), "the playbook holds no text")


FENCE = "```"  # commands are text as well, but the reader of Markdown leaves them out


def _says_something(section: Section) -> bool:
    return any(isinstance(b, Table) or not is_placeholder(b.text) for b in section.blocks)


def summary(chain: Chain) -> str:
    """What the gate measured, in one line."""
    inputs = [e for e in _inputs(chain) if not e.get("optional")]
    there = sum(chain.record.document(e["file"]) is not None for e in inputs)
    playbook = chain.record.document("incident-playbook.md") is not None
    approvals = sum(bool(n["by"]["name"].text) for n in chain.prerequisites["approvals"])
    states = sum(bool(n["verified_by"]["name"].text) for n in chain.prerequisites["system_states"])
    counts = {"artifact": there + playbook, "approval": approvals, "system state": states}
    return " · ".join(counted(n, what) for what, n in counts.items())
