"""Checks of the repository itself: what git ignores, converts, or has not fetched."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from incident_gates import discover
from incident_gates.desk.setup.answers import Answer, good, hint, wrong
from incident_gates.desk.setup.checks import check
from incident_gates.errors import PolicyError
from incident_gates.evidence import history

if TYPE_CHECKING:
    from incident_gates.desk.setup.patient import Patient

INIT = "incident-gates init --yes --only"
_LINE = re.compile(r"(.*?:\d+):(.+)\t")
# Left by systems and editors; nobody misses them in a record.
JUNK = (".DS_Store", "Thumbs.db", "desktop.ini", ".swp", "~")


@check("history")
def shallow(patient: Patient) -> Answer:
    """Approvals are held against earlier versions of the plan, changes against their base."""
    if patient.git("rev-parse", "--is-shallow-repository").strip() != "false":
        return wrong(
            "This clone is shallow: what was approved earlier cannot be looked up.",
            "git fetch --unshallow; in a workflow, give actions/checkout fetch-depth: 0.",
        )
    return good("The whole history is here.")


@check("policy")
def policy(patient: Patient) -> Answer:
    """A policy that cannot be read stops every run."""
    try:
        found = discover.read_policy(None, patient.base)
    except PolicyError as error:
        said = str(error).replace(f"{patient.base.as_posix()}/", "")
        return wrong(said, "Correct that line. docs/files.md has every setting.")
    if not found.path:
        return good("None, so the protocol's own limits hold.")
    return good("It is valid.")


@check("root")
def root(patient: Patient) -> Answer:
    """Where the incidents are expected."""
    named = ", ".join(patient.roots)
    if not patient.folders:
        return hint(f"There is no folder {named} yet.", "Begin a record with: incident-gates new")
    return good(named)


@check("ignored")
def ignored(patient: Patient) -> Answer:
    """Evidence that git ignores reaches no commit and nobody's review."""
    lines = [line for root in patient.roots for line in _ignoring(patient, root)]
    if lines:
        said = "git ignores it, so evidence will reach no commit. This line does it:"
        do = "Remove the line, or narrow it; a ! line brings nothing back below an ignored folder."
        return wrong(said, do, lines)
    listed = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--")
    found = [n for n in patient.names(*listed, *patient.roots) if not n.endswith(JUNK)]
    if found:
        said = "git ignores files of evidence:"
        return wrong(said, "Add them with git add --force, or a ! line to .gitignore.", found)
    return good("git ignores nothing of it.")


def _ignoring(patient: Patient, root: str) -> list[str]:
    """The line by which a new file there would be ignored, though older ones may be tracked."""
    asked = ("check-ignore", "--no-index", "--verbose", "--", f"{root}/INC-1/decision-log.json")
    answer = history.ask(patient.base, *asked, literal=False)
    found = _LINE.match(os.fsdecode(answer or b""))
    return [f"{found[1]}  {found[2]}"] if found and found[2][0] != "!" else []


@check("line endings")
def line_endings(patient: Patient) -> Answer:
    """A line end that git changes on the way out changes the digest of the file."""
    lines = patient.names("ls-files", "--eol", "-z", "--", *patient.roots)
    changed = [n for i, w, n in map(_eol, lines) if {i, w} == {"i/lf", "w/crlf"}]
    do = f"{INIT} attributes; then git add --renormalize . and check it out anew."
    if changed:
        return wrong("git changed line ends here, so digests do not fit:", do, changed)
    if all(_kept(patient, f"{root}/INC-1/decision-log.json") for root in patient.roots):
        return good("Evidence keeps its bytes on every system.")
    if patient.setting("core.autocrlf") == "true":
        said = "core.autocrlf is true: the next checkout changes line ends, and so digests."
        return wrong(said, do)
    return hint("On Windows git may change line ends, and so digests.", f"{INIT} attributes")


def _eol(line: str) -> tuple[str, str, str]:
    state, _, name = line.partition("\t")
    index, tree, *_ = [*state.split(), "", ""]
    return index, tree, name


def _kept(patient: Patient, path: str) -> bool:
    """Whether attributes keep the bytes, or at least the same line ends everywhere."""
    fields = patient.git("check-attr", "-z", "text", "eol", "--", path).split("\0")
    values = dict(zip(fields[1::3], fields[2::3], strict=False))
    return values.get("text") == "unset" or values.get("eol") == "lf"
