"""A copy of a record's files in a temporary folder, where mutations are written and judged."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from incident_gates import engine
from incident_gates.chain import Chain
from incident_gates.errors import UsageError
from incident_gates.evidence import bounds
from incident_gates.evidence import files as door
from incident_gates.evidence.refusal import Refusal
from incident_gates.incident import Record
from incident_gates.package import manifest, own
from incident_gates.package.committed import Committed
from incident_gates.package.judged import Judged
from incident_gates.package.selftest import steps
from incident_gates.package.selftest.state import Files, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from incident_gates.model import IncidentReport
    from incident_gates.package.selftest.values import Values
    from incident_gates.policy import Limits

GIT_SECONDS: Final = 20


class Setting(NamedTuple):
    """What every copy is judged by: as the valid record was, whatever the clock says."""

    limits: Limits
    now: datetime
    flat: bool


class Workshop:
    """Holds the copy. ``valid`` are the files as they should be; only the copy is written to."""

    def __init__(self, folder: Path, valid: Files, place: str, setting: Setting) -> None:
        self.site = folder
        self.valid = valid
        self.setting = setting
        self._record = folder / place
        self._there = Files({}, place)
        self._flush(valid)

    def judged(self, files: Files, now: datetime | None = None) -> IncidentReport:
        """The report on these files."""
        self._flush(files)
        asks_git = (self.site / ".git").exists()
        request = engine.Request(engine.ALL, history=asks_git)
        return engine.judge(self._opened(), self.setting.limits, now or self.setting.now, request)

    def made(self, valid: Files, given: Iterable[steps.Step], values: Values) -> Files:
        """The files after some steps; seals and commits are made on disk in between."""
        made = valid.copy()
        for step in given:
            if "seal" in step:
                self._seal(made)
            elif "commit" in step:
                self._commit(made, values.filled(step["commit"]))
            else:
                steps.carry_out(step, made, values)
        return made

    def forget_history(self) -> None:
        """Removes the repository of one mutation."""
        shutil.rmtree(self.site / ".git", ignore_errors=True)

    # --- the disk ---

    def _opened(self) -> Record:
        protocol = self.setting.limits.protocol
        place = {"site": self.site, "base": self.site}
        return Record(self._record, **place, protocol=protocol, flat=self.setting.flat)

    def _flush(self, files: Files) -> None:
        """Makes the disk hold these files: what differs is written, and nothing else is touched."""
        for path, data in files.changed_from(self._there):
            target = self.site / path
            target.unlink(missing_ok=True)
            if data is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        self._there = files.copy()

    # --- seals and commits ---

    def _seal(self, files: Files) -> None:
        """Seals the files as aggregate would; a seal that stands there is made anew."""
        if files.has(own.MANIFEST):
            files.drop(own.MANIFEST)
        report = self.judged(files)
        record, limits, now = self._opened(), self.setting.limits, self.setting.now
        commit = Committed(self._git("rev-parse", "HEAD") if self._has_git else None)
        judged = Judged(record, limits, Chain(record, limits, now), report, commit)
        files.write(own.MANIFEST, own.encoded(manifest.made(judged, [])))

    @property
    def _has_git(self) -> bool:
        return (self.site / ".git").exists()

    def _commit(self, files: Files, wanted: dict[str, Any]) -> None:
        self._flush(files)
        if not self._has_git:
            self._git("init", "--quiet")
        names = [files.path(n) for n in wanted.get("files", ()) if files.has(n)] or ["--all"]
        self._git("add", "--force", *names)
        who = {f"GIT_{role}_NAME": str(wanted["by"]) for role in ("AUTHOR", "COMMITTER")}
        mail = {f"GIT_{role}_EMAIL": "selftest@example.com" for role in ("AUTHOR", "COMMITTER")}
        when = {f"GIT_{role}_DATE": str(wanted["on"]) for role in ("AUTHOR", "COMMITTER")}
        self._git("commit", "--quiet", "--allow-empty", "--message=selftest", **who, **mail, **when)

    def _git(self, *arguments: str, **environment: str) -> str:
        """Asks git in the copy, with nobody's own settings; raises NotApplicable without git."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and arguments of our own
                ["git", *arguments],  # noqa: S607 - the git that the person uses
                cwd=self.site,
                env={**clean, **nobody, **environment},
                capture_output=True,
                check=True,
                timeout=GIT_SECONDS,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise NotApplicable("no repository could be made: is git installed?") from error
        return done.stdout.decode("utf-8", "replace").strip()


def held(record: Record) -> tuple[Files, str]:
    """A record's files and the inputs beside it, read through the door; raises UsageError."""
    place = _below(record.folder, record.site)
    try:
        found = {f"{place}/{name}": data for name, data in _own(record)}
    except Refusal as refusal:
        raise UsageError(f"{record.path}: {refusal.what}. {refusal.fix}") from refusal
    return Files(dict(_upstream(record)) | found, place), place


def _below(folder: Path, site: Path) -> str:
    try:
        return folder.relative_to(site).as_posix()
    except ValueError:
        return folder.name


def _own(record: Record) -> Iterator[tuple[str, bytes]]:
    """The evidence without its seal, which would notice every change before a rule does.

    Where custody is asked about, a seal is made anew.
    """
    for entry in door.listing(record.folder):
        if entry.kind == "file" and entry.name not in own.NAMES:
            limit = min(bounds.ATTACHMENT_BYTES, bounds.INCIDENT_BYTES)
            yield entry.name, door.read_under(record.folder, entry.name, limit)


def _upstream(record: Record) -> Iterator[tuple[str, bytes]]:
    """The inputs in their own place, where there are any that may be read."""
    for name, folder in record.protocol.upstream.items():
        path = record.site / folder / name
        if path.is_file():
            try:
                yield f"{folder}/{name}", door.read(path, bounds.ZIP_BYTES)
            except Refusal:
                continue
