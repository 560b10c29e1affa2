"""What init would write, and the one place that writes it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import atomic
from incident_gates.desk import says
from incident_gates.desk.setup import site as sites
from incident_gates.errors import CouldNotTell
from incident_gates.report.escape import visible
from incident_gates.report.text import WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incident_gates.desk.setup.site import Site

LONGEST = 400


class Proposal(NamedTuple):
    """One file: as it stands, as it would be, and what that is good for.

    ``after`` equal to ``before`` changes nothing, and ``says`` tells why not.
    """

    part: str
    path: str
    says: str
    before: str | None
    after: str | None

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return self.after is not None and self.after != self.before

    @property
    def kind(self) -> str:
        """What would happen to the file."""
        if not self.changes:
            return "as it is"
        return "new" if self.before is None else "change"


def listing(proposals: Sequence[Proposal], *, whole: bool) -> str:
    """What would be written: new files by name (or whole), changes as a diff."""
    lines: list[str] = []
    for proposal in proposals:
        lines += says.wrapped(f"{proposal.kind:<8}  {visible(proposal.path)}")
        lines += [f"          {line}" for line in _sentence(proposal)]
        if proposal.changes and (whole or proposal.before is not None):
            lines += ["", *_diff(proposal), ""]
    return "\n".join(lines) + "\n"


def _sentence(proposal: Proposal) -> Iterator[str]:
    import textwrap

    yield from textwrap.wrap(visible(proposal.says, LONGEST), WIDTH - 10)


def _diff(proposal: Proposal) -> Iterator[str]:
    before, after = (proposal.before or "").splitlines(), (proposal.after or "").splitlines()
    names = (proposal.path if proposal.before is not None else "/dev/null", proposal.path)
    for line in difflib.unified_diff(before, after, *names, lineterm=""):
        yield f"  {visible(line, LONGEST)}"


def write(site: Site, proposals: Sequence[Proposal]) -> list[str]:
    """Writes what was shown; a file that changed since then is left, and that is said."""
    written = []
    for proposal in proposals:
        if proposal.changes:
            _write(site, proposal)
            written.append(proposal.path)
    return written


def _write(site: Site, proposal: Proposal) -> None:
    target = site.base / proposal.path
    if sites.text(site, proposal.path) != proposal.before:
        raise CouldNotTell(f"{proposal.path} changed meanwhile and was left. Run this again.")
    data = (proposal.after or "").encode()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if proposal.before is not None:
            atomic.write(target, data)
        elif not atomic.create(target, data):
            raise CouldNotTell(f"{proposal.path} appeared meanwhile and was left. Run this again.")
    except OSError as error:
        raise CouldNotTell(f"{proposal.path} cannot be written: {error.strerror}") from error
