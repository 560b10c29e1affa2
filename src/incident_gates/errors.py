"""The few errors a command can end with, each with its exit code."""

from __future__ import annotations

from typing import ClassVar


class GateError(Exception):
    """Anything that ends a run early; its text is one sentence for the person at the terminal."""

    exit_code: ClassVar[int] = 3


class UsageError(GateError):
    """The command was called wrongly."""

    exit_code = 2


class PolicyError(GateError):
    """The repository's policy or waivers cannot be used."""

    exit_code = 2


class ConfigurationError(GateError):
    """The tool itself is incomplete: a dependency or its own data is missing."""

    exit_code = 2


class CouldNotTell(GateError):
    """The record could not be judged, which must never look like a pass."""

    exit_code = 3
