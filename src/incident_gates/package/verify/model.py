"""What verifying a package says: one check after another, and what no check could reach."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Outcome(str, Enum):
    """How one check ended. ``UNKNOWN`` had to be told and could not; ``LEFT`` was not to be had."""

    VERIFIED = "verified"
    DIFFERS = "differs"
    UNKNOWN = "unknown"
    LEFT = "not_checked"


class Check(NamedTuple):
    """One check: what it is about, how it ended, in a sentence, and each thing it names."""

    id: str
    outcome: Outcome
    said: str
    details: tuple[str, ...] = ()


class Verification(NamedTuple):
    """One package verified."""

    target: str
    kind: str
    incident_id: str
    as_of: str
    verdict: str
    checks: tuple[Check, ...]
    not_verified: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """The worst of its checks: what differs before what could not be told."""
        found = {check.outcome for check in self.checks}
        for outcome in (Outcome.DIFFERS, Outcome.UNKNOWN):
            if outcome in found:
                return outcome
        return Outcome.VERIFIED


EXIT_CODES = {Outcome.VERIFIED: 0, Outcome.DIFFERS: 1, Outcome.UNKNOWN: 3}


def worst(verifications: tuple[Verification, ...]) -> Outcome:
    """The worst of several: an altered package is never hidden behind one that is unknown."""
    found = {verification.outcome for verification in verifications}
    for outcome in (Outcome.DIFFERS, Outcome.UNKNOWN):
        if outcome in found:
            return outcome
    return Outcome.VERIFIED


def verified(check: str, said: str, details: tuple[str, ...] = ()) -> Check:
    """A check that found what it should."""
    return Check(check, Outcome.VERIFIED, said, details)


def differs(check: str, said: str, details: tuple[str, ...] = ()) -> Check:
    """A check that found something else."""
    return Check(check, Outcome.DIFFERS, said, details)


def unknown(check: str, said: str, details: tuple[str, ...] = ()) -> Check:
    """A check that could not tell."""
    return Check(check, Outcome.UNKNOWN, said, details)


def left(check: str, said: str, details: tuple[str, ...] = ()) -> Check:
    """A check that had nothing to check, or nothing to check it with."""
    return Check(check, Outcome.LEFT, said, details)
