"""git/history.json: what git says of each file of a record, and how it stands to each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates import custody
from incident_gates.custody import Told
from incident_gates.evidence.refusal import Refusal
from incident_gates.model import LEVELS, Finding, Location
from incident_gates.package.own import GENERATOR, NAMES
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from incident_gates.evidence.history import Commit, Version, Who
    from incident_gates.package.judged import Judged

MEANS = (
    "Names and dates are those that commits claim, and prove nothing by themselves. Versions are "
    "listed oldest first; a commit cannot come before its parents."
)


def of(judged: Judged) -> dict[str, Any]:
    """The record as plain data; ``why`` says why it is empty where nothing is known."""
    history = custody.of(judged.chain).history
    history.load(e["file"] for e in judged.limits.protocol.data["custody"]["recorded"])
    # What aggregate writes tells of the evidence: its own commits would make it tell of itself.
    files = {path: kept for path, kept in sorted(history.files.items()) if path not in NAMES}
    touched = {version.commit.sha for kept in files.values() for version in kept}
    commits = [commit for commit in history.commits if commit.sha in touched]
    return {
        "generator": GENERATOR,
        "means": MEANS,
        "folder": history.folder,
        "known": history.known,
        "why": history.why_not,
        "commits": [_commit(commit, history.signed) for commit in commits],
        "files": {path: [_version(version) for version in kept] for path, kept in files.items()},
        "times": _times(judged) if history.known else [],
        "custody": _custody(judged),
    }


def _custody(judged: Judged) -> dict[str, Any]:
    """What the rules about custody said; a package that is alone cannot ask git again."""
    known, report = custody.of(judged.chain), judged.report
    rules = about_custody()
    return {
        "asked": bool(known.asked),
        "findings": [_found(f) for f in report.findings if f.rule in rules],
        "left": {rule: why for rule, why in report.rules_left if rule in rules},
        "corroborated": known.borne_out,
        "not_verified": list(report.assurance.not_verified),
    }


def about_custody() -> frozenset[str]:
    """The rules about custody: what they find may differ wherever the history differs."""
    return frozenset(rule.id for rule in RULES.values() if rule.criterion == "custody")


def _found(finding: Finding) -> dict[str, Any]:
    """A finding without its excuse, which stands in the record."""
    said = {key: value for key, value in finding._asdict().items() if key != "excuse"}
    return {**said, "location": finding.location._asdict()}


def told(history: Mapping[str, Any]) -> Told:
    """The same read back; raises Refusal for what cannot have been written so."""
    try:
        stated = history["custody"]
        asked, known = _typed(stated["asked"], bool), _typed(history["known"], bool)
        return Told(
            asked,
            asked and known,
            tuple(_finding(each) for each in _typed(stated["findings"], list)),
            {_text(rule): _text(why) for rule, why in stated["left"].items()},
            _texts(stated["corroborated"]),
            _texts(stated["not_verified"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        said = "it does not say what the rules about custody found"
        raise Refusal(said, "Ask for another copy.") from error


def _finding(stated: Mapping[str, Any]) -> Finding:
    if stated["rule"] not in about_custody() or stated["level"] not in LEVELS:
        raise ValueError
    return Finding(
        rule=stated["rule"],
        level=stated["level"],
        message=_text(stated["message"]),
        location=_location(stated["location"]),
        fix=_text(stated["fix"]),
        subject=_text(stated["subject"]),
        expected=_text(stated["expected"]),
        actual=_texts(stated["actual"]),
        concerned=_texts(stated["concerned"]),
    )


def _location(stated: Mapping[str, Any]) -> Location:
    line, column, end = (
        _typed(stated[key], int, type(None)) for key in ("line", "column", "end_column")
    )
    source = _typed(stated["source"], str, type(None))
    return Location(_text(stated["file"]), line, column, end, source)


def _text(value: Any) -> str:
    return str(_typed(value, str))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, _typed(value, list)))


def _typed(value: Any, *kinds: type) -> Any:
    if type(value) not in kinds:
        raise TypeError
    return value


def _commit(commit: Commit, signed: frozenset[str]) -> dict[str, Any]:
    return {
        "commit": commit.sha,
        "parents": list(commit.parents),
        "author": _who(commit.author),
        "committer": _who(commit.committer),
        "carries_signature": commit.sha in signed,
    }


def _who(who: Who) -> dict[str, str]:
    return {"name": who.name, "email": who.email, "date": _moment(who.time)}


def _moment(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _version(version: Version) -> dict[str, str | None]:
    return {
        "commit": version.commit.sha,
        "status": version.status,
        "blob": version.blob or None,
    }


def _times(judged: Judged) -> list[dict[str, Any]]:
    known = custody.of(judged.chain)
    return [
        {
            "file": file,
            "value": " ".join(stated.key),
            "time": stated.shown,
            "grade": grade,
            "commit": first.commit.sha if (first := known.first(file, stated)) else None,
        }
        for file, stated, grade in known.times
    ]
