"""The YAML reader agrees with PyYAML on the same text, and a policy is used or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from shared import expect, expect_inside, expect_place, inside, let_in

from incident_gates import policy, protocol
from incident_gates.errors import PolicyError
from incident_gates.evidence import strict_yaml
from incident_gates.evidence.refusal import Refusal

NAME = Path(policy.NAME)
# Strings alone, so that no value is guessed: what a plain word means is ours to say.
PEER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def fuzz(data: bytes) -> None:
    """One policy."""
    text = let_in(data)
    if text is None:
        return
    expect_yaml(text)
    try:
        limits = policy.Limits(protocol.load(), policy.read(NAME, lambda _: data))
    except PolicyError as error:
        expect(str(error).startswith(policy.NAME), "an error without its file")
        return
    expect_used(limits)


def expect_yaml(text: str) -> None:
    """The value, and where each part of it stands."""
    try:
        parsed = strict_yaml.parse(text)
    except Refusal as refusal:
        expect_place(text, refusal)
        return
    same(parsed.value, yaml.load(text, Loader=PEER))  # noqa: S506 - a base loader makes strings
    for pointer, _ in inside(parsed.value):
        expect_inside(text, *parsed.marks[pointer])
    # A comment before it keeps flat lines from the quick way; both must read the same.
    slow = strict_yaml.parse(f"#\n{text}") if not text.startswith(("---", "%")) else parsed
    expect(repr(slow.value) == repr(parsed.value), "the quick way reads something else")


def same(ours: Any, theirs: Any) -> None:
    """Each value is what PyYAML took from the text, once words and numbers are understood."""
    if isinstance(ours, dict):
        expect(list(ours) == list(theirs), "keys differ")
        for key in ours:
            same(ours[key], theirs[key])
    elif isinstance(ours, list):
        expect(len(ours) == len(theirs), "lists differ")
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    else:
        expect(written(ours, theirs), f"{ours!r} for {theirs!r}")


def written(ours: object, text: str | None) -> bool:
    """Whether a scalar is a fair reading of its text."""
    if isinstance(ours, str):
        return ours == text
    if ours is None:
        return text in (None, "", "~", "null")
    if isinstance(ours, bool):
        return text == str(ours).lower()
    return isinstance(ours, (int, float)) and ours == type(ours)(text or "")


def expect_used(limits: policy.Limits) -> None:
    """Whatever a rule asks of a policy that was accepted has an answer."""
    for name in limits.protocol.data["thresholds"]:
        expect(isinstance(limits.threshold(name), float), f"{name} is no number")
    for name in (*limits.protocol.severities, "SEV1", "sev-9", ""):
        if severity := limits.severity(name):
            limits.audiences(severity)
            limits.update_minutes(severity)
    for role in ("incident commander", "sre"):
        limits.holders(role)
    for name in limits.protocol.artifacts:
        limits.max_age_days(name)
    expect(limits.identity("") == limits.identity(limits.identity("")), "a name of a name")
    expect(limits.history in ("off", "report", "required"), f"history is {limits.history}")
    expect(all(limits.looser_than_protocol()), "a setting without a sentence")
    expect(isinstance(limits.break_glass_severities(), tuple), "severities")
    expect(all(e["id"] for e in limits.documentation_elements), "an element without an id")
