"""Records how grave it is: who says so, why, and how far the damage reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.desk.record import files, given, intake, prerequisites, words
from incident_gates.desk.record.draft import opened
from incident_gates.errors import UsageError
from incident_gates.evidence import times
from incident_gates.incident import NOT_AVAILABLE, is_placeholder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_gates.desk.found import Found
    from incident_gates.desk.record.draft import Draft
    from incident_gates.run import Job

NAME = "severity-assessment.json"
FLAGS = ("regulated_data", "customer_notification")


class Assessment(NamedTuple):
    """What the responders say."""

    severity: str
    by: Sequence[str]
    why: str = ""
    slos: Sequence[str] = ()
    impact: str = ""
    services: Sequence[str] = ()
    scope: str = ""
    impact_started: str | None = None
    detected: str | None = None
    declared: str | None = None
    regulated_data: bool | None = None
    customer_notification: bool | None = None
    at: str | None = None
    source: str = ""


def record(job: Job, said: Assessment) -> words.Answer:
    """Adds a classification; where only names are given, more voices on the one that stands."""
    with opened(job) as draft:
        found = draft.found
        severity = given.severity(found, said.severity)
        moment = given.moment(said.at, found.now, source=said.source)
        assessors = [_assessor(found, text, severity, moment) for text in said.by]
        given.unique([found.limits.identity(a["name"]) for a in assessors], "--by")
        if _waiting(draft) is None and _joins(found, severity, said):
            _more_voices(draft, assessors)
        else:
            waiting = _waiting(draft)
            known = waiting[1] if waiting else {}
            entry = _classification(_completed(said, known), severity, assessors, moment)
            _classify(draft, {**_kept(known), **entry}, waiting)
            _clocks(draft, said, moment)
            intake.judged_real(draft, assessors, entry["rationale"], moment)
        _prerequisites(draft, said)
        draft.notes += _unavailable(said)
    draft.notes += _unnamed(draft, assessors)
    names = words.joined(
        [
            a["name"] if a["severity"] == severity else f"{a['name']} ({a['severity']})"
            for a in assessors
        ]
    )
    return words.answered(
        draft,
        f"{severity} by {names} at {moment.time.clock} UTC",
        _announcement(draft, severity),
    )


def flags(job: Job, said: Assessment) -> words.Answer:
    """Adds what is known of data and customers to the classification that stands."""
    with opened(job) as draft:
        chain = draft.found.chain
        if chain.severity is None:
            raise UsageError("No severity stands yet: say it with --severity and --by.")
        for flag in FLAGS:
            known, value = chain.prerequisites[flag].flag, getattr(said, flag)
            if known is not None and value is not None and known != value:
                option = f"--{flag.replace('_', '-')}"
                raise UsageError(f"{option}: {str(known).lower()} is recorded already.")
        _prerequisites(draft, said)
        for flag in FLAGS:
            if getattr(said, flag) is not None:
                draft.noted(prerequisites.NAME, (flag,), getattr(said, flag))
    stated = [f"{e.where[0]} {str(e.value).lower()}" for e in draft.entries]
    return words.answered(draft, words.joined(stated).replace("_", " "), "")


def _unavailable(said: Assessment) -> list[str]:
    """That nobody knows since when is recorded, and counted."""
    if not (said.impact_started or "").startswith(NOT_AVAILABLE):
        return []
    return ["without the time when the impact began, gate 1 will fail (SEV008)."]


def _unnamed(draft: Draft, assessors: Sequence[dict[str, Any]]) -> list[str]:
    """Whoever commands by their own word alone: nothing is agreed until the record names them."""
    found = files.fresh(draft.found)
    if not found.chain.consensus or found.chain.consensus[-1].commander:
        return []
    said = "neither policy nor prerequisites.json names {} as incident commander, so nothing is"
    said += " agreed. If so, name them: incident-gates new {} --commander NAME"
    ident = found.record.incident_id
    return [said.format(a["name"], ident) for a in assessors if a["role"] == "incident_commander"]


def false_positive(job: Job, by: str, why: str, at: str | None, source: str) -> words.Answer:
    """Judges the signals to be no incident, which ends the record."""
    with opened(job) as draft:
        found = draft.found
        if found.chain.executing or found.chain.severity:
            said = "something was executed" if found.chain.executing else "it has a severity"
            raise UsageError(f"This cannot be a false positive any more: {said}.")
        person = given.person(found, by, "--by")
        moment = given.moment(at, found.now, source=source)
        intake.judge(draft, "false positive", person, given.said(why, "--why"), moment)
    return words.answered(draft, f"False positive, says {person['name']}", "")


def _joins(found: Found, severity: str, said: Assessment) -> bool:
    """Whether only voices are added to the classification that stands."""
    grounds = (said.why, said.slos, said.impact, said.services, said.scope)
    standing = found.chain.severity
    return bool(standing and standing == found.limits.severity(severity) and not any(grounds))


def _assessor(found: Found, text: str, severity: str, moment: given.Moment) -> dict[str, Any]:
    """NAME:ROLE, or NAME:ROLE:SEVERITY of who sees it otherwise."""
    name, _, rest = text.partition(":")
    role, _, own = rest.partition(":")
    person = given.person(found, f"{name}:{role}", "--by")
    verdict = given.severity(found, own, "--by") if own else severity
    return {
        **person,
        "severity": verdict,
        "assessed_at": moment.value,
        **moment.recorded(found.now),
    }


def _classification(
    said: Assessment, severity: str, assessors: Sequence[dict[str, Any]], moment: given.Moment
) -> dict[str, Any]:
    wanted = {
        "--why": said.why,
        "--slo": said.slos,
        "--impact": said.impact,
        "--service": said.services,
        "--scope": said.scope,
    }
    absent = [option for option, value in wanted.items() if not value]
    if absent:
        raise UsageError(f"A severity rests on grounds: add {', '.join(absent)}.")
    first = {key: assessors[0][key] for key in ("name", "role")}
    return {
        "severity": severity,
        "rationale": given.said(said.why, "--why"),
        "slo_breaches": [_breach(text) for text in said.slos],
        "customer_impact": given.said(said.impact, "--impact"),
        "blast_radius": {
            "services": [given.said(s, "--service") for s in given.listed(said.services)],
            "scope": given.said(said.scope, "--scope"),
            "assessed_at": moment.value,
            "assessed_by": first,
        },
        "assessors": list(assessors),
    }


def _breach(text: str) -> dict[str, str]:
    objective, separator, observed = text.rpartition("=")
    if not separator:
        said = f'--slo {text}: write OBJECTIVE=OBSERVED, such as "p99 at most 800 ms=2400 ms".'
        raise UsageError(said)
    return {"objective": given.said(objective, "--slo"), "observed": given.said(observed, "--slo")}


def _waiting(draft: Draft) -> tuple[int, dict[str, Any]] | None:
    """The classification that nobody has assessed yet: the template's, or an import's."""
    listed = draft.value(NAME).get("classifications", [])
    index = len(listed) - 1
    entry = listed[index] if listed else None
    if not isinstance(entry, dict):
        return None
    voices = entry.get("assessors", [])
    named = [a for a in voices if isinstance(a, dict) and not given.unsaid(a.get("name"))]
    return None if named else (index, entry)


def _completed(said: Assessment, known: dict[str, Any]) -> Assessment:
    """What was imported need not be typed; what is typed wins, and adds to the breaches."""
    radius = known.get("blast_radius")
    services = radius.get("services") if isinstance(radius, dict) else None
    breaches = known.get("slo_breaches")
    stated = [
        f"{b['objective']}={b['observed']}"
        for b in (breaches if isinstance(breaches, list) else ())
        if not given.unsaid(b)
    ]
    return said._replace(
        slos=[*stated, *(s for s in said.slos if s not in stated)],
        services=said.services or ([] if given.unsaid(services) else services or []),
        impact=said.impact or _text(known.get("customer_impact")),
        why=said.why or _text(known.get("rationale")),
    )


def _text(value: Any) -> str:
    return "" if given.unsaid(value) or not isinstance(value, str) else value


def _kept(known: dict[str, Any]) -> dict[str, Any]:
    """What an import left beside the fields that are written here."""
    return {key: value for key, value in known.items() if key.startswith("x-")}


def _classify(
    draft: Draft, entry: dict[str, Any], waiting: tuple[int, dict[str, Any]] | None
) -> None:
    """Adds it, or puts it where one was waiting for a verdict."""
    if waiting:
        draft.replace(NAME, ("classifications", waiting[0]), entry)
    else:
        draft.append(NAME, ("classifications",), entry)


def _more_voices(draft: Draft, assessors: Sequence[dict[str, Any]]) -> None:
    found = draft.found
    standing = found.chain.consensus[-1].classification
    for assessor in assessors:
        said = [a for a in standing.assessors if found.chain.same(a.name, assessor["name"])]
        verdict = found.limits.severity(assessor["severity"])
        if said and found.limits.severity(said[-1].severity) == verdict:
            raise UsageError(f"{assessor['name']} said {assessor['severity']} already.")
    index = standing.node.pointer[1]
    for assessor in assessors:
        draft.append(NAME, ("classifications", index, "assessors"), assessor)


def _clocks(draft: Draft, said: Assessment, moment: given.Moment) -> None:
    """The times that start a clock, where none is there yet: as typed, or as the record has it."""
    first = _first_signal(draft.found)
    known = {
        "impact_started_at": said.impact_started,
        "detected_at": said.detected,
        "declared_at": said.declared,
    }
    fallback = {
        "detected_at": first or moment.value,
        "declared_at": moment.value,
    }
    top = draft.value(NAME)
    for key, typed in known.items():
        option = f"--{key.removesuffix('_at').replace('_', '-')}"
        if typed and times.from_value(top.get(key)):
            raise UsageError(f"{option}: {key} is recorded already; it is not replaced.")
        if typed:
            draft.put(NAME, (key,), _time_or_reason(typed, draft.found, option))
        elif top.get(key) is None or is_placeholder(str(top[key])):
            if key not in fallback:
                said_ = f'{option}: since when are customers affected? 02:08, or "N/A: reason".'
                raise UsageError(said_)
            draft.put(NAME, (key,), fallback[key])


def _time_or_reason(typed: str, found: Found, option: str) -> Any:
    """A time, or out loud that it is not known."""
    if typed.startswith(NOT_AVAILABLE) and typed.removeprefix(NOT_AVAILABLE).strip():
        return given.plain(typed)
    return given.at(typed, found.now, option)


def _first_signal(found: Found) -> Any:
    """When the first signal of the intake log came, as a value of JSON."""
    starts = [e.time for e in found.chain.intake[0].entries if e.time]
    first = min(starts, key=lambda t: t.earliest, default=None)
    if first is None:
        return None
    at = first.earliest.strftime("%Y-%m-%dT%H:%M:%SZ")
    if first.precision != "minute":
        return at
    return {"at": at, "precision": "minute", "source": "incident-intake-log.md"}


def _prerequisites(draft: Draft, said: Assessment) -> None:
    """What somebody says of data and customers, and the states that the policy vouches for."""
    for flag in FLAGS:
        value: bool | None = getattr(said, flag)
        if value is not None:
            draft.put(prerequisites.NAME, (flag,), value)
    before = draft.text(prerequisites.NAME)
    text, cited = prerequisites.states(draft.found, before)
    draft.rewrite(prerequisites.NAME, text)
    draft.notes += cited


def _announcement(draft: Draft, severity: str) -> str:
    found = files.fresh(draft.found)
    agreed = found.chain.in_force(None)
    if agreed:
        return words.prompt(found, 1, severity=severity)
    return words.step(found, "1.2")
