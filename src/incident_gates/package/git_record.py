"""git/history.json: what git says of each file of a record, and how it stands to each time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from incident_gates import custody
from incident_gates.package.own import GENERATOR, NAMES

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
    }


def encoded(record: Mapping[str, Any]) -> bytes:
    """The bytes of git/history.json."""
    return (json.dumps(record, indent=2, ensure_ascii=True) + "\n").encode()


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
    return [
        {"file": file, "value": " ".join(stated.key), "time": stated.shown, "grade": grade}
        for file, stated, grade in custody.of(judged.chain).times
    ]
