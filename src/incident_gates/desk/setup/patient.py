"""The repository that is examined; everything is looked up when a check asks for it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from incident_gates import discover, protocol
from incident_gates.desk.setup import site as sites
from incident_gates.desk.setup import workflows
from incident_gates.errors import CouldNotTell, PolicyError
from incident_gates.evidence import files, history

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Patient:
    """A repository, what runs here, and where the incidents are."""

    base: Path
    named: str | None = None
    python: tuple[int, ...] = field(default_factory=lambda: tuple(sys.version_info[:3]))

    @classmethod
    def at(cls, cwd: Path, root: str | None) -> Patient:
        """The repository around a folder."""
        site = sites.at(cwd, root)
        return cls(site.base, site.root if root else None)

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """The folders of incidents: the one named, the policy's, or the usual one."""
        if self.named:
            return (self.named,)
        try:
            policy = discover.read_policy(None, self.base)
        except PolicyError:  # which the check of the policy tells
            return (discover.ROOT,)
        return tuple(policy.data.get("roots", (discover.ROOT,)))

    @cached_property
    def folders(self) -> list[Path]:
        """The roots that are there; a link is not followed."""
        paths = [self.base / root for root in self.roots]
        return [path for path in paths if path.is_dir() and not path.is_symlink()]

    @cached_property
    def protocol(self) -> protocol.Protocol:
        """What says which files make a folder an incident."""
        return protocol.load()

    @cached_property
    def workflows(self) -> list[workflows.Workflow]:
        """The workflows that run the gates, or that cannot be read."""
        return list(workflows.every(self.base))

    @cached_property
    def evidence(self) -> list[files.Entry]:
        """Every file below the roots; raises Refusal where there are too many."""
        found = []
        for folder in self.folders:
            name = folder.relative_to(self.base).as_posix()
            found += [entry._replace(name=f"{name}/{entry.name}") for entry in _below(folder)]
        return found

    @cached_property
    def tracked(self) -> list[str]:
        """The files below the roots that git has in its index."""
        return self.names("ls-files", "-z", "--cached", "--", *self.roots)

    def git(self, *arguments: str) -> str:
        """What git answers; raises CouldNotTell where it does not."""
        answer = history.ask(self.base, *arguments)
        if answer is None:
            raise CouldNotTell(f"git {arguments[0]} gave no answer")
        return os.fsdecode(answer)

    def names(self, *arguments: str) -> list[str]:
        """The paths that git lists."""
        return [name for name in self.git(*arguments).split("\0") if name]

    def setting(self, name: str) -> str:
        """A setting of git, or "" where there is none."""
        return os.fsdecode(history.ask(self.base, "config", "--get", name) or b"").strip()


def _below(folder: Path) -> list[files.Entry]:
    """Files of a root: each incident is bounded by itself, for there may be thousands."""
    entries = list(files.shallow(folder))
    for child in sorted(folder.iterdir()):
        if child.is_dir() and not child.is_symlink():
            entries += [e._replace(name=f"{child.name}/{e.name}") for e in files.listing(child)]
    return entries
