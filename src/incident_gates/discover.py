"""Finds the records to judge: from paths, from the policy's roots, or from where one stands."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from incident_gates import policy as policies
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import bounds, files, history
from incident_gates.evidence.refusal import Refusal
from incident_gates.incident import Record

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from incident_gates.policy import Policy
    from incident_gates.protocol import Protocol

ROOT = ".artifacts/incidents"
MOST_OVERLOOKED = 5


class Root(NamedTuple):
    """A folder of incidents: ``site`` holds ``.artifacts``, ``base`` is the repository."""

    folder: Path
    site: Path
    base: Path


def repository(start: Path) -> Path:
    """The repository that a path is in: the nearest folder with .git, a policy, or evidence."""
    folder = start if start.is_dir() else start.parent
    above = (folder, *folder.parents)
    marked = (c for c in above if (c / ".git").exists() or (c / policies.NAME).is_file())
    evident = (c for c in above if (c / ".artifacts").is_dir())
    return next(marked, None) or next(evident, folder)


def root_at(folder: Path) -> Root:
    """A root of evidence with its site and repository."""
    in_artifacts = folder.parent.name == ".artifacts"
    site = folder.parent.parent if in_artifacts else folder.parent
    return Root(folder, site, repository(folder))


def read_policy(explicit: str | None, start: Path) -> Policy:
    """The policy asked for, or the repository's own, or an empty one."""
    if explicit:
        path = Path(explicit)
        if not path.is_file():
            raise UsageError(f"The policy {explicit} does not exist.")
        return policies.read(path)
    for candidate in (start, *start.parents):
        path = candidate / policies.NAME
        if os.path.lexists(path):  # a link or a pipe is refused, not passed over
            return policies.read(path)
        if (candidate / ".git").exists():
            break
    return policies.Policy()


class Selection(NamedTuple):
    """What to judge: paths (none: the policy's roots), and incident ids (none: all)."""

    paths: Sequence[str] = ()
    root: str | None = None
    incidents: Sequence[str] = ()


def records(
    selection: Selection, policy: Policy, protocol: Protocol, cwd: Path
) -> tuple[list[Record], list[str]]:
    """The records selected, in the order of their paths, and notices about what was looked at."""
    found: dict[Path, Record] = {}
    notices: list[str] = []
    wanted = {i.casefold() for i in selection.incidents}
    for root, folder in _places(selection, policy, protocol, cwd):
        flat = folder == root.folder
        record = Record(folder, site=root.site, base=root.base, protocol=protocol, flat=flat)
        if not wanted or record.incident_id.casefold() in wanted:
            found[folder] = record
    missing = wanted - {r.incident_id.casefold() for r in found.values()}
    if missing:
        typed = [i for i in selection.incidents if i.casefold() in missing]
        raise UsageError(f"There is no incident {', '.join(typed)} here.")
    if not wanted:
        roots = _roots(selection, policy, cwd)
        notices += _overlooked(roots, found.keys(), selection, protocol, cwd)
    parents = {record.folder.parent for record in found.values()}
    notices += _links(parents, protocol)
    for parent in parents:
        said = ignored_notice(root_at(parent))
        notices += [said] if said else []
    return list(found.values()), notices


def overlooked(folder: Path, protocol: Protocol, judged: Container[Path] = ()) -> list[str]:
    """What a root holds that looks like evidence and is no incident, so that nobody judges it.

    An incident may be one folder too deep, or have its files named in another case.
    """
    said: list[str] = []
    for child in sorted(folder.iterdir()):
        plain = child not in judged and child.is_dir() and not child.is_symlink()
        if plain and not holds_incident(child, protocol):
            said += sorted(_unjudged(child, protocol))
    return said


def _overlooked(
    roots: set[Path], judged: Container[Path], selection: Selection, protocol: Protocol, cwd: Path
) -> list[str]:
    """The same as notices, for the roots that were asked for whole."""
    asked = [cwd / path for path in selection.paths]
    whole = {r for r in roots if not asked or any(a == r or a in r.parents for a in asked)}
    said = [s for root in sorted(whole) for s in overlooked(root, protocol, judged)]
    more = [f"{len(said) - MOST_OVERLOOKED} more are not judged."] if said[MOST_OVERLOOKED:] else []
    return [f"WARNING: {s}, and was not judged." for s in said[:MOST_OVERLOOKED]] + more


def _unjudged(child: Path, protocol: Protocol) -> Iterable[str]:
    """One look at the names, and one level below: a stranger's folder may hold anything."""
    known = {name.casefold(): name for name in protocol.phase_artifacts}
    try:
        with os.scandir(child) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if holds_incident(Path(entry.path), protocol):
                        yield f"{child.name}/{entry.name} is one folder too deep"
                elif entry.name.casefold() in known:
                    right = known[entry.name.casefold()]
                    yield f"{child.name}/{entry.name} should be named {right}"
    except OSError:
        return


def _links(parents: set[Path], protocol: Protocol) -> list[str]:
    """Incidents behind links are not judged, and that is said."""
    linked = (c for parent in sorted(parents) for c in sorted(parent.iterdir()) if c.is_symlink())
    return [
        f"WARNING: {child.name} is a link and was not judged."
        for child in linked
        if child.is_dir() and holds_incident(child, protocol)
    ]


def ignored_notice(root: Root) -> str:
    """A sentence where git ignores the root, so that its evidence never reaches a commit."""
    if not _may_be_ignored(root) or not history.ignored(root.base, root.folder):
        return ""
    return (
        f"{root.folder.relative_to(root.base).as_posix()} is ignored by git: its evidence will "
        "reach no commit. Add a line beginning with ! to .gitignore."
    )


def _may_be_ignored(root: Root) -> bool:
    """A look at the repository's own lists, before git is started to be asked."""
    lists = (root.base / ".gitignore", root.base / ".git/info/exclude")
    lines = [line for path in lists for line in _lines(path) if line[:1] not in ("", "#")]
    parts = root.folder.relative_to(root.base).parts
    names = (*parts, "/".join(parts))
    patterns = [line.strip().strip("/").removeprefix("**/") for line in lines]
    return any(
        fnmatchcase(name, pattern) or pattern.startswith(f"{name}/")
        for name in names
        for pattern in patterns
    )


def _lines(path: Path) -> list[str]:
    try:
        return files.decode(files.read(path, bounds.FILE_BYTES)).splitlines()
    except Refusal:
        return []


def _places(
    selection: Selection, policy: Policy, protocol: Protocol, cwd: Path
) -> Iterable[tuple[Root, Path]]:
    if selection.root:
        folder = _existing(selection.root, cwd)
        yield from incidents(root_at(folder), protocol)
    elif selection.paths:
        for path in selection.paths:
            yield from _at(_existing(path, cwd), policy, protocol)
    else:
        base = repository(cwd)
        found = list(_in_repository(base, policy, protocol))
        yield from found or _below(cwd, base, protocol)


def _roots(selection: Selection, policy: Policy, cwd: Path) -> set[Path]:
    """The roots that a selection looks through, whether or not there is an incident in them."""
    if selection.root:
        return {_existing(selection.root, cwd)}
    starts = [_existing(path, cwd) for path in selection.paths] or [repository(cwd), cwd]
    named = policy.data.get("roots", (ROOT,))
    places = {start / name for start in starts for name in (*named, ".", "incidents")}
    return {p for p in places if p.is_dir() and _is_root(p, policy)}


def _below(cwd: Path, base: Path, protocol: Protocol) -> Iterable[tuple[Root, Path]]:
    """The nearest usual root between where one stands and the repository: a part of a monorepo."""
    for candidate in (cwd, *cwd.parents):
        folder = candidate / ROOT
        if folder.is_dir():
            return incidents(root_at(folder), protocol)
        if candidate == base:
            break
    return ()


def _existing(path: str, cwd: Path) -> Path:
    resolved = (cwd / path).absolute()
    if not resolved.exists():
        raise UsageError(f"The path {path} does not exist.")
    return Path(*resolved.parts)


def _in_repository(base: Path, policy: Policy, protocol: Protocol) -> Iterable[tuple[Root, Path]]:
    for name in policy.data.get("roots", (ROOT,)):
        folder = base / name
        if folder.is_dir():
            root = root_at(folder)
            yield from incidents(Root(folder, root.site, base), protocol)


def _at(path: Path, policy: Policy, protocol: Protocol) -> Iterable[tuple[Root, Path]]:
    """What a path means: a file of an incident, an incident, a root, or a repository."""
    folder = path if path.is_dir() else path.parent
    whole = path.is_dir() and (path / ".git").exists()
    if whole:
        # Whatever lies at the top of a repository hides none of its incidents.
        yield from _in_repository(path, policy, protocol)
    if holds_incident(folder, protocol):
        flat = _is_root(folder, policy)
        root = root_at(folder if flat else folder.parent)
        refuse_what_is_elsewhere(root, folder)
        yield root, folder
        if flat and path.is_dir():
            yield from ((root, child) for child in _children(folder, protocol))
    elif any(True for _ in _children(folder, protocol)):
        yield from incidents(root_at(folder), protocol)
    elif folder.name == ".artifacts" and (folder / "incidents").is_dir():
        yield from incidents(root_at(folder / "incidents"), protocol)
    elif not whole:
        yield from _in_repository(folder, policy, protocol)


def _is_root(folder: Path, policy: Policy) -> bool:
    """Whether a folder is a root itself, so that files directly in it are one incident."""
    usual = folder.parent.name == ".artifacts" and folder.name == "incidents"
    base = repository(folder)
    return usual or any(folder == base / name for name in policy.data.get("roots", ()))


def incidents(root: Root, protocol: Protocol) -> Iterable[tuple[Root, Path]]:
    """Every incident of a root: the flat one, then those in folders of their own."""
    refuse_what_is_elsewhere(root)
    if holds_incident(root.folder, protocol):
        yield root, root.folder
    yield from ((root, child) for child in _children(root.folder, protocol))


def refuse_what_is_elsewhere(root: Root, folder: Path | None = None) -> None:
    """Raises CouldNotTell where a link makes another's evidence that of this repository."""
    base = root.base.resolve()
    for asked in (root.folder, *([folder] if folder else ())):
        real = asked.resolve()
        if base not in (real, *real.parents):
            said = f"{asked.name} is behind a link that leads out of the repository"
            raise CouldNotTell(f"{said}; name the folder that it leads to.")


def _children(folder: Path, protocol: Protocol) -> Iterable[Path]:
    for child in sorted(folder.iterdir()):
        if child.is_dir() and not child.is_symlink() and holds_incident(child, protocol):
            yield child


def holds_incident(folder: Path, protocol: Protocol) -> bool:
    """Whether a folder is an incident: it directly holds a file of gates 1 to 4."""
    try:
        return any((folder / name).is_file() for name in protocol.phase_artifacts)
    except OSError:
        return False
