"""The repository that is set up: where it is, and where in it the incidents are."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from incident_gates import discover
from incident_gates.errors import UsageError
from incident_gates.evidence import bounds, files
from incident_gates.evidence.refusal import Refusal

PLAYBOOK = ".cursor/context-kit/incident-playbook.md"


class Site(NamedTuple):
    """A repository, and the folder of incidents in it that was named."""

    base: Path
    root: str = discover.ROOT

    @property
    def usual(self) -> bool:
        """Whether the incidents are where nobody has to say it."""
        return self.root == discover.ROOT

    @property
    def part(self) -> str:
        """What stands before ``.artifacts`` in a monorepo, with its slash."""
        head, found, _ = f"/{self.root}".rpartition("/.artifacts/")
        return f"{head}/".lstrip("/") if found else ""

    @property
    def evidence(self) -> str:
        """The folder that holds all evidence: incidents and what their inputs are pinned from."""
        return f"{self.part}.artifacts" if "/.artifacts/" in f"/{self.root}" else self.root


def at(cwd: Path, root: str | None) -> Site:
    """The repository around a folder; raises UsageError where there is none."""
    base = next((f for f in (cwd, *cwd.parents) if (f / ".git").exists()), None)
    if base is None:
        raise UsageError("This is no git repository. Go into yours, or begin one with: git init")
    return Site(base, _named(base, cwd, root) if root else discover.ROOT)


def _named(base: Path, cwd: Path, root: str) -> str:
    folder = Path(os.path.normpath(cwd / root))
    try:
        name = folder.relative_to(base).as_posix()
    except ValueError:
        raise UsageError(f"--root {root} is outside this repository.") from None
    if name == "." or any(c in name for c in "\"'*?[]{}#,\\\n"):
        raise UsageError(f"--root {root}: name a folder such as services/api/{discover.ROOT}.")
    return name


def text(site: Site, path: str) -> str | None:
    """A file of the repository as text; None where there is none, "" where it is empty."""
    refuse_links(site, path)
    if not os.path.lexists(site.base / path):
        return None
    try:
        data = files.read_under(site.base, path, bounds.FILE_BYTES)
        return files.decode(data) if data.strip() else data.decode("ascii", "replace")
    except Refusal as refusal:
        raise UsageError(f"{path}: {refusal.what}. {refusal.fix}") from refusal


def refuse_links(site: Site, path: str) -> None:
    """Nothing is written through a link: it may lead out of the repository."""
    parts = PurePosixPath(path).parts
    for count in range(1, len(parts) + 1):
        name = "/".join(parts[:count])
        if (site.base / name).is_symlink():
            raise UsageError(f"{name} is a link, and nothing is written through one.")
        if count < len(parts) and (site.base / name).is_file():
            raise UsageError(f"{name} is a file, so {path} cannot stand below it.")
