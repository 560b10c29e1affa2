"""The seal: what the manifest in a record's folder says that every file was, and what differs."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from incident_gates import discover
from incident_gates.evidence import bounds, files, strict_json
from incident_gates.evidence.refusal import Refusal, quoted
from incident_gates.incident import Record
from incident_gates.protocol import Protocol

AMENDMENTS: Final = "amendments.yaml"
# What aggregate writes beside the evidence: it describes the record and is no part of it.
MANIFEST: Final = "evidence-manifest.json"
METRICS: Final = "quality-metrics.md"
HANDOFF: Final = "handoff.md"
SUMS: Final = "SHA256SUMS"
STATEMENT: Final = "statement.intoto.json"
ENVELOPE: Final = "statement.dsse.json"
BUNDLE: Final = "INCIDENT-EVIDENCE-BUNDLE.zip"
WRITTEN: Final = frozenset((MANIFEST, METRICS, HANDOFF, SUMS, STATEMENT, ENVELOPE, BUNDLE))
_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_UNSEEN: Final = "[\x00-\x1f\x7f]"
_RESERVED: Final = (
    r"(?i:(?:\A|/)(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\xb9\xb2\xb3])"
    r" *(?:\.|/|\Z))"
)
_UNDO: Final = "Restore the manifest as it was committed, or aggregate the record again."


class Earlier(NamedTuple):
    """A seal that another one replaced, and the amendments by which it did."""

    sha256: str
    as_of: str
    amendments: tuple[str, ...]


class Seal(NamedTuple):
    """A manifest as read. ``files`` are the sealed ones by path, ``listed`` all that it names.

    ``left_out`` are names that no seal can hold: links, and what has no plain name.
    """

    sha256: str
    sealed: bool
    as_of: str
    commit: str | None
    files: Mapping[str, str]
    listed: Mapping[str, str]
    seals: tuple[Earlier, ...]
    left_out: frozenset[str] = frozenset()

    @property
    def settled(self) -> frozenset[str]:
        """The amendments that the record was sealed again with."""
        return frozenset(i for earlier in self.seals for i in earlier.amendments)


class Difference(NamedTuple):
    """One file that is not as sealed: both digests, None where there is no file to digest.

    ``why`` says what stands there instead, where it may not be read.
    """

    path: str
    old: str | None
    new: str | None
    why: str = ""


class Differences(NamedTuple):
    """How a folder differs from its seal."""

    changed: tuple[Difference, ...] = ()
    missing: tuple[Difference, ...] = ()
    added: tuple[Difference, ...] = ()

    @property
    def all(self) -> tuple[Difference, ...]:
        """Every difference, by path."""
        return tuple(sorted((*self.changed, *self.missing, *self.added)))

    def __bool__(self) -> bool:
        return bool(self.changed or self.missing or self.added)


def outside(protocol: Protocol) -> frozenset[str]:
    """The files that may change after sealing, and those that aggregate writes."""
    free = (a.file for a in protocol.artifacts.values() if a.outside_seal)
    return WRITTEN.union(free)


# --- the manifest --------------------------------------------------------------------------------


def read(record: Record) -> Seal | None:
    """The seal in a record's folder, or None where there is none; raises Refusal."""
    if MANIFEST not in record.names:
        return None
    return parse(files.read(record.folder / MANIFEST, bounds.MANIFEST_BYTES))


def parse(data: bytes) -> Seal:
    """A manifest from its bytes; raises Refusal where it cannot be one."""
    top = strict_json.parse(files.decode(data))
    listed = top.get("files")
    if not isinstance(listed, list) or len(listed) > bounds.INCIDENT_FILES:
        raise _refused(f"files must be a list of at most {bounds.INCIDENT_FILES} entries")
    entries = [_entry(entry, number) for number, entry in enumerate(listed)]
    _refuse_colliding([path for path, _, _ in entries])
    return Seal(
        files.digest(data),
        _typed(top, "sealed", bool) or False,
        _typed(top, "as_of", str) or "",
        _commit(top),
        MappingProxyType({path: digest for path, digest, sealed in entries if sealed}),
        MappingProxyType({path: digest for path, digest, _ in entries}),
        tuple(_earlier(entry) for entry in _listed(top, "seals")),
        frozenset(_left_out(top)),
    )


def _left_out(top: dict[str, Any]) -> Iterator[str]:
    entries = _typed(top, "left_out", list) or []
    for entry in entries[: bounds.INCIDENT_FILES]:
        path = entry.get("path") if isinstance(entry, dict) else None
        if isinstance(path, str):
            yield path


def _entry(entry: Any, number: int) -> tuple[str, str, bool]:
    if not isinstance(entry, dict):
        raise _refused(f"files/{number} is no object")
    path, digest = entry.get("path"), entry.get("sha256")
    if not isinstance(path, str) or unusual(path):
        said = unusual(path) if isinstance(path, str) else "it is no text"
        raise _refused(f"files/{number}: {quoted(str(path))} is no path of this folder: {said}")
    if not isinstance(digest, str) or not _SHA256.match(digest):
        raise _refused(f"files/{number}: the sha256 of {quoted(path)} is no digest")
    return path, digest, _typed(entry, "sealed", bool) is not False


def _earlier(entry: Any) -> Earlier:
    if not isinstance(entry, dict):
        raise _refused("an earlier seal is no object")
    digest = entry.get("sha256")
    if not isinstance(digest, str) or not _SHA256.match(digest):
        raise _refused("an earlier seal has no sha256")
    ids = _listed(entry, "amendments")
    if not all(isinstance(i, str) for i in ids):
        raise _refused("an earlier seal names an amendment that is no text")
    return Earlier(digest, _typed(entry, "as_of", str) or "", tuple(ids))


def _commit(top: dict[str, Any]) -> str | None:
    commit = _typed(top, "commit", str)
    if commit is not None and not _COMMIT.match(commit):
        raise _refused("commit is no full commit id")
    return str(commit) if commit else None


def _typed(entry: dict[str, Any], key: str, kind: type) -> Any:
    value = entry.get(key)
    if value is not None and not isinstance(value, kind):
        raise _refused(f"{key} has the wrong type")
    return value


def _listed(entry: dict[str, Any], key: str) -> list[Any]:
    value = _typed(entry, key, list) or []
    if len(value) > bounds.SEALS:
        raise _refused(f"{key} holds more than {bounds.SEALS} entries")
    return list(value)


def _refused(what: str) -> Refusal:
    return Refusal(f"the manifest cannot be read: {what}", _UNDO)


def unusual(path: str) -> str:
    """Why a path cannot be that of a file below a folder on every system; "" where it can."""
    if not path or len(path) > bounds.PATH_CHARS:
        return "it is empty or too long"
    if re.search(_UNSEEN, path) or not path.isprintable():
        return "it holds characters that nobody sees"
    if path.startswith("/"):
        return "it is absolute"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return "it leads elsewhere"
    return _on_windows(path)


def _on_windows(path: str) -> str:
    """Why a path is no such file on Windows; "" where it is."""
    if "\\" in path or ":" in path:
        return "a backslash or a colon means something else on Windows"
    if re.search(_RESERVED, path):
        return "a part is the name of a device on Windows"
    return "a part ends in a dot or a space" if re.search(r"[. ](?:/|\Z)", path) else ""


def _refuse_colliding(paths: list[str]) -> None:
    """Two paths that are one file on some system, or a file that is a folder as well."""
    seen: dict[str, str] = {}
    for path in paths:
        folded = folded_path(path)
        if folded in seen:
            how = "twice" if seen[folded] == path else f"beside {quoted(seen[folded])}"
            raise _refused(f"it names {quoted(path)} {how}, which is one file on some systems")
        seen[folded] = path
    for path in paths:
        above = folded_path(path).rpartition("/")[0]
        while above:
            if above in seen:
                raise _refused(f"{quoted(seen[above])} cannot be a file and a folder")
            above = above.rpartition("/")[0]


def folded_path(path: str) -> str:
    """A path as systems compare it that tell neither case nor compositions apart."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


# --- the folder ----------------------------------------------------------------------------------


def entries(record: Record) -> Iterator[files.Entry]:
    """What belongs to a record; in the flat layout, the folders of other incidents do not."""
    if not record.flat:
        yield from files.listing(record.folder)
        return
    yield from files.shallow(record.folder)
    for child in sorted(record.folder.iterdir()):
        if child.is_dir() and not child.is_symlink() and not _is_another(record, child.name):
            for entry in files.listing(child):
                yield entry._replace(name=f"{child.name}/{entry.name}")


def _is_another(record: Record, name: str) -> bool:
    folder = record.folder / name
    return discover.holds_incident(folder, record.protocol) or (folder / MANIFEST).is_file()


def digests(record: Record) -> dict[str, Difference]:
    """Every file of a record that a seal could hold, with its digest now; raises Refusal."""
    free = outside(record.protocol)
    return {e.name: _digested(record, e.name) for e in entries(record) if e.name not in free}


def _digested(record: Record, path: str) -> Difference:
    """A file with its digest now: that of the bytes that were judged, where they were."""
    document = record.document(path) if path in record.protocol.artifacts else None
    if document is not None and document.data:
        return Difference(path, None, document.sha256)
    try:
        digest = files.digest_under(record.folder, path, bounds.ATTACHMENT_BYTES)
    except Refusal as refusal:
        return Difference(path, None, None, refusal.what)
    return Difference(path, None, digest)


def differences(record: Record, seal: Seal) -> Differences:
    """How the folder differs from its seal, in the sealed files alone; raises Refusal."""
    return compared(digests(record), seal, record.protocol)


def compared(now: Mapping[str, Difference], seal: Seal, protocol: Protocol) -> Differences:
    """The same of files that were digested already."""
    free = outside(protocol)
    sealed = {path: old for path, old in seal.files.items() if path not in free}
    stand = [now[path]._replace(old=old) for path, old in sealed.items() if path in now]
    return Differences(
        tuple(d for d in stand if d.new != d.old),
        tuple(Difference(path, old, None) for path, old in sealed.items() if path not in now),
        tuple(
            now[path] for path in sorted(now.keys() - seal.listed.keys()) if _new(now[path], seal)
        ),
    )


def _new(found: Difference, seal: Seal) -> bool:
    """What no seal can hold is not new where the seal says that it stood there already."""
    sealable = not found.why and not unusual(found.path)
    return sealable or found.path not in seal.left_out


# --- amendments ----------------------------------------------------------------------------------


class Step(NamedTuple):
    """One file of an amendment: from which digest to which; None where there is no file."""

    path: str
    old: str | None
    new: str | None


def uncovered(record: Record, seal: Seal, steps: Iterable[Step]) -> Differences:
    """The differences that no step explains; raises Refusal.

    ``steps`` are those of the amendments in force that are not settled by an earlier seal
    (see ``amendments.steps``).
    """
    return unexplained(differences(record, seal), steps)


def unexplained(found: Differences, steps: Iterable[Step]) -> Differences:
    """Those of some differences that no chain of steps leads to."""
    if not found:
        return found
    onward = list(steps)
    return Differences(*(tuple(d for d in part if not reaches(d, onward)) for part in found))


def reaches(difference: Difference, steps: Iterable[Step]) -> bool:
    """Whether a chain of steps leads from what was sealed to what is there now."""
    if difference.why:
        return False
    onward = [step for step in steps if step.path == difference.path]
    reached = {difference.old}
    for _ in onward:
        reached |= {step.new for step in onward if step.old in reached}
    return difference.new in reached and difference.new != difference.old
