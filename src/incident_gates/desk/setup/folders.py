"""Checks of the folders of incidents: what is in them that nobody judges, or cannot check out."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from incident_gates import discover
from incident_gates.desk.setup.answers import Answer, good, unknown, wrong
from incident_gates.desk.setup.checks import check
from incident_gates.evidence import files
from incident_gates.evidence.refusal import Refusal

if TYPE_CHECKING:
    from incident_gates.desk.setup.patient import Patient

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_FORBIDDEN = re.compile(
    r'[<>:"|?*\\\x00-\x1f]|[. ]\Z|\A(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|\Z)',
    re.IGNORECASE,
)
POINTER_BYTES = 1024  # as long as Git LFS lets one be


@check("overlooked")
def overlooked(patient: Patient) -> Answer:
    """Records that stand where nobody looks for them pass silently."""
    said = [s for f in patient.folders for s in discover.overlooked(f, patient.protocol)]
    if said:
        do = f"Put each in {patient.roots[0]}/ID/, its files named as docs/files.md has them."
        return wrong("Looks like evidence, and is not judged:", do, said)
    return good("Every record is where it is judged.")


@check("large files")
def pointers(patient: Patient) -> Answer:
    """What Git LFS left in the place of a file is no evidence."""
    try:
        small = [e.name for e in patient.evidence if e.kind == "file" and e.size <= POINTER_BYTES]
    except Refusal as refusal:
        return unknown(f"{refusal.what}.", refusal.fix)
    found = [name for name in small if _is_pointer(patient, name)]
    if found:
        do = "git lfs pull; in a workflow, give actions/checkout lfs: true."
        return wrong("Git LFS pointers, not the files themselves:", do, found)
    return good("No file is left in Git LFS.")


def _is_pointer(patient: Patient, name: str) -> bool:
    try:
        files.refuse_pointer(files.read_under(patient.base, name, POINTER_BYTES))
    except Refusal as refusal:
        return "LFS" in refusal.what
    return False


@check("nested")
def nested(patient: Patient) -> Answer:
    """A repository inside the evidence hides what it holds, and can bring its own commands."""
    found = [folder for root in patient.folders for folder in _repositories(patient, root)]
    staged = patient.names("ls-files", "-z", "--stage", "--", *patient.roots)
    found += [line.partition("\t")[2] for line in staged if line.startswith("160000 ")]
    if found:
        do = "Move its files into this repository, or keep it elsewhere and refer to it."
        return wrong("Repositories inside the evidence:", do, sorted(set(found)))
    return good("No repository stands inside the evidence.")


def _repositories(patient: Patient, root: os.PathLike[str]) -> list[str]:
    found = []
    for folder, folders, names in os.walk(root):
        bare = "HEAD" in names and {"objects", "refs"} <= set(folders)
        if bare or ".git" in folders or ".git" in names:
            found.append(os.path.relpath(folder, patient.base).replace(os.sep, "/"))
            folders.clear()
    return found


@check("names")
def names(patient: Patient) -> Answer:
    """One name that Windows refuses, and nobody there can check the repository out."""
    found = [n for n in patient.tracked if any(map(_FORBIDDEN.search, n.split("/")))]
    if found:
        return wrong("Names that Windows cannot check out:", "Rename them with git mv.", found)
    return good("Every system can check the evidence out.")


@check("case")
def case(patient: Patient) -> Answer:
    """Two names that differ in case alone are one file on Windows and macOS."""
    spelled: dict[str, set[str]] = defaultdict(set)
    for name in patient.tracked:
        parts = name.split("/")
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            spelled[path.casefold()].add(path)
    found = [" and ".join(sorted(same)) for same in spelled.values() if len(same) > 1]
    if found:
        do = "Rename one with git mv."
        return wrong("One file on Windows and macOS, where one hides the other:", do, found)
    return good("No two names differ in case alone.")
