"""From changed paths to the incidents that they touch; untouched ones are not even listed."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import discover, seal
from incident_gates.changes import finding
from incident_gates.errors import CouldNotTell
from incident_gates.evidence import files, strict_json
from incident_gates.evidence.refusal import Refusal
from incident_gates.github.commits import Git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from incident_gates.discover import Root
    from incident_gates.github.commits import Change, Changed
    from incident_gates.model import Finding
    from incident_gates.protocol import Protocol

SUMMARY = "resolution-summary.json"
SHOWN = 10


class Touched(NamedTuple):
    """What a change touches: folders of incidents, roots whose inputs it changes, and findings."""

    folders: dict[Path, Root]
    inputs: tuple[Root, ...]
    findings: tuple[Finding, ...]


def touched(change: Change, roots: list[Root], protocol: Protocol) -> Touched:
    """Every incident that a change touches, and what it does that a record cannot say."""
    folders: dict[Path, Root] = {}
    inputs: dict[Path, Root] = {}
    findings: list[Finding] = []
    for root in roots:
        under = _relative(root.folder, change.repository)
        if under is None:
            continue  # another checkout: nothing there is part of this change
        _refuse_submodule(change, under)
        for name, paths in _by_folder(change, under).items():
            folder = root.folder / name if name else root.folder
            if not name and not any(_leaf(p) in protocol.artifacts for p in paths):
                continue
            if is_incident(folder, protocol):
                folders[folder] = root
            findings += _said(change, _join(under, name), folder, paths, protocol)
        if _changes_inputs(change, root, protocol):
            inputs[root.folder] = root
    return Touched(folders, tuple(inputs.values()), tuple(findings))


def is_incident(folder: Path, protocol: Protocol) -> bool:
    """Whether a folder is an incident, and not a link to one."""
    return not folder.is_symlink() and discover.holds_incident(folder, protocol)


def _relative(path: Path, repository: Path) -> str | None:
    try:
        return path.relative_to(repository).as_posix()
    except ValueError:
        return None


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part not in ("", "."))


def _below(path: str, folder: str) -> str | None:
    """A path as seen from a folder, or None where it is elsewhere."""
    if folder in ("", "."):
        return path
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None


def _leaf(changed: Changed) -> str:
    return changed.path.rpartition("/")[2]


def _refuse_submodule(change: Change, under: str) -> None:
    for changed in change.paths:
        inside = _below(changed.path, under) is not None
        around = changed.path == under or _below(under, changed.path) is not None
        if changed.submodule and (inside or around):
            raise CouldNotTell(
                "The evidence lies in a submodule, and this change moves it. Check the "
                "submodule out, and judge it with `scope: all`."
            )


def _by_folder(change: Change, under: str) -> dict[str, list[Changed]]:
    """Changed paths by the folder directly below a root; "" for files in the root itself."""
    found: dict[str, list[Changed]] = defaultdict(list)
    for changed in change.paths:
        rest = _below(changed.path, under)
        if rest is not None:
            name, separator, _ = rest.partition("/")
            found[name if separator else ""].append(changed)
    return found


def _changes_inputs(change: Change, root: Root, protocol: Protocol) -> bool:
    site = _relative(root.site, change.repository)
    if site is None:
        return False
    watched = {_join(site, entry["folder"]) for entry in protocol.inputs}
    return any(_below(changed.path, folder) for changed in change.paths for folder in watched)


# --- what is done to a record --------------------------------------------------------------------


def _said(
    change: Change, path: str, folder: Path, paths: list[Changed], protocol: Protocol
) -> Iterator[Finding]:
    base, git = change.base or "", Git(change.repository)
    was = bool(git.names(base, path) & protocol.phase_artifacts)
    name = PurePosixPath(path).name
    if not is_incident(folder, protocol):
        if was:
            yield _gone(change, name, paths)
        elif any(p.status != "D" and p.path.count("/") == path.count("/") + 1 for p in paths):
            said = f"{name} holds no file that a gate reads, so nothing in it is judged"
            yield finding("CHG007", paths[0].path, said, subject=name)
        return
    if was:
        yield from _deleted(path, name, paths, protocol)
        yield from _closed(git, base, path, paths, protocol)


def _gone(change: Change, name: str, paths: list[Changed]) -> Finding:
    """An incident is there no more: deleted, renamed away, or moved out of the root."""
    blobs = {p.old for p in paths if p.status == "D"}
    moved = sorted(p.path.rpartition("/")[0] for p in change.paths if _arrives(p, blobs))
    said = f"the evidence of {name} was deleted"
    if moved:
        said = f"the evidence of {name} was moved away, to {moved[0] or 'the top folder'}"
    return finding("CHG001", paths[0].path, said, subject=name, actual=_listed(paths))


def _arrives(changed: Changed, blobs: set[str]) -> bool:
    return changed.status == "A" and changed.new in blobs


def _deleted(path: str, name: str, paths: list[Changed], protocol: Protocol) -> Iterator[Finding]:
    for changed in paths:
        if changed.status == "D" and _below(changed.path, path) in protocol.artifacts:
            said = f"{_leaf(changed)} was deleted from {name}"
            yield finding("CHG002", changed.path, said, subject=name)


def _closed(
    git: Git, base: str, path: str, paths: list[Changed], protocol: Protocol
) -> Iterator[Finding]:
    name, free = PurePosixPath(path).name, seal.outside(protocol)
    changed = [p for p in paths if _below(p.path, path) not in free]
    if changed and _status(git.blob(base, f"{path}/{SUMMARY}")) == "closed":
        said = f"{name} was closed before this change, which edits its evidence"
        yield finding("CHG003", changed[0].path, said, subject=name, actual=_listed(changed))


def _status(data: bytes | None) -> str:
    try:
        value = strict_json.parse(files.decode(data or b""))
    except Refusal:
        return ""
    status = value.get("status")
    return status if isinstance(status, str) else ""


def _listed(paths: list[Changed]) -> tuple[str, ...]:
    words = {"A": "added", "D": "deleted", "M": "changed", "T": "changed in kind"}
    shown = tuple(f"{words.get(p.status, 'changed')} {p.path}" for p in paths[:SHOWN])
    more = len(paths) - SHOWN
    return (*shown, f"and {more} more") if more > 0 else shown
