"""A package opened for verifying: its bytes, and the record in it where it can be judged again."""

from __future__ import annotations

import posixpath
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import __version__, discover, policy, protocol, schema, seal, wording
from incident_gates.chain import Chain
from incident_gates.errors import PolicyError
from incident_gates.evidence import bounds, files, history, strict_json, strict_yaml
from incident_gates.evidence.refusal import Refusal, quoted
from incident_gates.incident import Record
from incident_gates.package import bundle, own
from incident_gates.policy import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_gates.policy import Policy
    from incident_gates.protocol import Protocol

BUNDLE, FOLDER = "bundle", "folder"
PROTOCOL = "protocol/protocol.yaml"
ASK = "Ask for another copy."
STATEMENTS = (own.STATEMENT, own.ENVELOPE)


class Opened(NamedTuple):
    """What was found. ``digests`` are those of all that the sums should list, as it is now.

    ``free`` are files that may change after sealing, which only a folder can show changed;
    ``layers`` are the policy of a bundle and what it extends; ``unread`` may not be read here.
    """

    kind: str
    sums: bytes | None
    digests: Mapping[str, str]
    manifest: Mapping[str, Any]
    statement: bytes | None
    envelope: bytes | None
    record: Record
    policy: Policy
    protocol: Protocol
    members: Mapping[str, bytes]
    free: frozenset[str] = frozenset()
    layers: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()

    @property
    def other_policy(self) -> bool:
        """Whether a folder's policy of then is not to be had: what comes out may differ by it."""
        differ = self.policy.sha256 != self.manifest["policy_sha256"]
        return differ and self.kind == FOLDER


class Foreign(Refusal):
    """Written by another version of the tool, in a shape that this one does not know."""


def manifest_of(data: bytes) -> dict[str, Any]:
    """A manifest as data of the known shape, its paths safe to use; raises Refusal."""
    if len(data) > bounds.MANIFEST_BYTES:
        said = f"the manifest is larger than {bounds.MANIFEST_BYTES // bounds.MIB} MiB"
        raise Refusal(said, ASK)
    seal.parse(data)
    top: dict[str, Any] = strict_json.parse(files.decode(data))
    path = top.get("path")
    if not isinstance(path, str) or (path != "." and seal.unusual(path)):
        said = f"the manifest cannot be read: its path {quoted(str(path))} is no plain path"
        raise Refusal(said, ASK)
    if wrong := schema.problems("evidence-manifest", top):
        where = wording.path(wrong[0].pointer)
        said = f"the manifest has another shape: {where} {wrong[0].message}"
        raise (Refusal if tool_of(top) == __version__ else Foreign)(said, ASK)
    return top


def tool_of(manifest: Mapping[str, Any]) -> str:
    """The version of the tool that a manifest names."""
    tool = manifest.get("tool")
    return str(tool.get("version")) if isinstance(tool, dict) else "unknown"


# --- a bundle ------------------------------------------------------------------------------------


def unpacked(members: Mapping[str, bytes], folder: Path) -> Opened:
    """A bundle's members, its record written into an empty folder; raises Refusal, PolicyError."""
    place = _place(members)
    data = members[f"{place}/{own.MANIFEST}"]
    manifest = manifest_of(data)
    if posixpath.normpath(posixpath.join(bundle.RECORD, manifest["path"])) != place:
        said = f"the manifest says that its record is {quoted(manifest['path'])}, and it is not"
        raise Refusal(said, ASK)
    _write(members, folder)
    proto = _protocol(members)
    rules, layers = _policy(members)
    return Opened(
        BUNDLE,
        members.get(own.SUMS),
        {n: files.digest(d) for n, d in members.items() if n not in (own.SUMS, *STATEMENTS)},
        manifest,
        members.get(own.STATEMENT),
        members.get(own.ENVELOPE),
        _record(folder / bundle.RECORD, manifest, proto),
        rules,
        proto,
        members,
        layers=layers,
    )


def _place(members: Mapping[str, bytes]) -> str:
    """The folder of the record: the one highest up that holds a manifest."""
    end = f"/{own.MANIFEST}"
    found = [
        n[: -len(end)] for n in members if n.startswith(f"{bundle.RECORD}/") and n.endswith(end)
    ]
    if not found:
        raise Refusal(
            f"there is no {own.MANIFEST} in it", "A bundle is what aggregate --bundle wrote."
        )
    return min(found, key=lambda place: (place.count("/"), place))


def _write(members: Mapping[str, bytes], folder: Path) -> None:
    for name, data in members.items():
        if name.startswith(f"{bundle.RECORD}/"):
            path = folder / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            except OSError as error:  # a name that this system does not take, or a full disk
                said = f"a member cannot be unpacked here: {error.strerror}: {quoted(name[:60])}"
                raise Refusal(said, ASK) from error


def _protocol(members: Mapping[str, bytes]) -> Protocol:
    """The protocol as pinned; the tool's own where the bundle has none, which the sums will say."""
    data = members.get(PROTOCOL)
    own_one = protocol.load()
    if data is None or files.digest(data) == own_one.sha256:
        return own_one
    text = files.decode(data)
    if wrong := schema.problems("protocol", strict_yaml.parse(text).value):
        raise Refusal(f"{PROTOCOL} has another shape: {wrong[0].message}", ASK)
    try:
        return protocol.read(text)
    except (KeyError, TypeError, ValueError) as error:  # contradictions that nobody foresaw
        raise Refusal(f"{PROTOCOL} contradicts itself", ASK) from error


def _policy(members: Mapping[str, bytes]) -> tuple[Policy, frozenset[str]]:
    """The policy as packed, and its layers: what it extends is looked for in the bundle alone."""
    first = PurePosixPath(bundle.RECORD) / policy.NAME
    layers = set()

    def load(path: Path) -> bytes:
        name = posixpath.normpath(path.as_posix())
        if name not in members or len(members[name]) > bounds.YAML_BYTES:
            raise Refusal("it is not in the bundle, or too large.", "")
        layers.add(name)
        return members[name]

    there = first.as_posix() in members
    found = policy.read(Path(first), load) if there else policy.Policy()
    return found, frozenset(layers)


def _record(base: Path, manifest: Mapping[str, Any], proto: Protocol) -> Record:
    folder = base / manifest["path"]
    nested = folder.name == manifest.get("incident_id")
    root = discover.root_at(folder.parent if nested else folder)
    return Record(folder, site=root.site, base=base, protocol=proto, flat=not nested)


# --- a folder ------------------------------------------------------------------------------------


def beside(folder: Path) -> Opened:
    """A record's folder with what aggregate wrote there; raises Refusal, PolicyError."""
    data = files.read(folder / own.MANIFEST, bounds.MANIFEST_BYTES)
    manifest = manifest_of(data)
    proto = protocol.load()
    nested = folder.name == manifest.get("incident_id")
    root = discover.root_at(folder.parent if nested else folder)
    record = Record(folder, site=root.site, base=root.base, protocol=proto, flat=not nested)
    digests, unread = {own.MANIFEST: files.digest(data)}, set()
    # What was left out then is judged again as that; the sums never spoke of it.
    passed_over = {*own.NAMES, *(entry["path"] for entry in manifest["left_out"])}
    for entry in seal.entries(record):
        if entry.name in passed_over:
            continue
        try:
            digests[entry.name] = files.digest_under(folder, entry.name, bounds.ATTACHMENT_BYTES)
        except Refusal as refusal:
            digests[entry.name] = refusal.what
            unread |= {entry.name} if may_not_be_read(refusal) else set()
    return Opened(
        FOLDER,
        _optional(folder / own.SUMS),
        digests,
        manifest,
        _optional(folder / own.STATEMENT),
        _optional(folder / own.ENVELOPE),
        record,
        _policy_then(folder, manifest, root.base),
        proto,
        {name: page for name in own.WRITTEN if (page := _optional(folder / name)) is not None},
        seal.outside(proto) - own.NAMES,
        unread=frozenset(unread),
    )


def may_not_be_read(error: BaseException | None) -> bool:
    """Whether somebody else may read what was refused here: then nothing is told of it."""
    while error and not isinstance(error, PermissionError):
        error = error.__context__
    return error is not None


def has_ended(folder: Path) -> bool:
    """Whether a folder holds an incident that is closed, or was a false positive."""
    proto = protocol.load()
    if not discover.holds_incident(folder, proto):
        return False
    root = discover.root_at(folder.parent)
    record = Record(folder, site=root.site, base=root.base, protocol=proto, flat=False)
    chain = Chain(record, Limits(proto), datetime.now(timezone.utc))
    return chain.closed or chain.false_positive


def _policy_then(folder: Path, manifest: Mapping[str, Any], base: Path) -> Policy:
    """The policy that was in force: today's, or the version of it that git kept."""
    today = discover.read_policy(None, folder)
    wanted = manifest["policy_sha256"]
    if wanted is None or today.sha256 == wanted:
        return policy.Policy() if wanted is None else today
    path = base / policy.NAME
    for data in history.blobs_of(discover.repository(folder), path):
        kept = _kept(path, data)
        if kept.sha256 == wanted:
            return kept
    return today


def _kept(path: Path, data: bytes) -> Policy:
    """An earlier version of the policy, over what it extends today."""

    def load(layer: Path) -> bytes:
        return data if layer == path else files.read(layer, bounds.YAML_BYTES)

    try:
        return policy.read(path, load)
    except PolicyError:
        return policy.Policy()


def _optional(path: Path) -> bytes | None:
    try:
        return files.read(path, own.OWN_BYTES)
    except Refusal as refusal:
        if path.exists() or path.is_symlink():
            raise Refusal(f"{path.name}: {refusal.what}", refusal.fix) from None
        return None
