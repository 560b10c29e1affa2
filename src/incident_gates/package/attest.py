"""Says how a record was judged in an in-toto statement, and signs it in a DSSE envelope."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident_gates import __version__, schema
from incident_gates.errors import ConfigurationError, UsageError
from incident_gates.evidence import bounds
from incident_gates.model import CRITICAL, WARNING, Status, Verdict
from incident_gates.package import own
from incident_gates.package.own import PAYLOAD_TYPE, STATEMENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from securesystemslib.signer import CryptoSigner, SSlibKey

    from incident_gates.model import Finding, IncidentReport
    from incident_gates.policy import Limits

PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
PASSPHRASE = "INCIDENT_GATES_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable, not a secret
# The rule that keeps an emergency visible: executed first, approved afterwards.
BROKEN_GLASS = "MIT023"
# A verdict that may still change, or that nobody could reach, is nothing to swear to.
FINAL = (Verdict.PASSED, Verdict.FAILED)
INSTALL = "Signatures need one more package: pip install 'incident-gates[sign]'"
_READABLE_BY_OTHERS = 0o077


# --- the statement -------------------------------------------------------------------------------


def statement(
    report: IncidentReport, limits: Limits, subjects: Mapping[str, str], commit: str | None
) -> dict[str, Any] | None:
    """The statement about a judged record; None where its verdict is not final.

    ``subjects`` are the files that it speaks about with their sha256: the lines of SHA256SUMS.
    """
    if report.verdict not in FINAL:
        return None
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": subjects[name]}} for name in sorted(subjects)
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": _result(report),
            "configuration": list(_configuration(limits, commit)),
            **_tests(report),
            "incident": {
                "id": report.incident_id,
                "severity": report.severity,
                "verdict": report.verdict.value,
                "asOf": report.as_of,
                "gates": [{"id": gate.id, "status": gate.status.value} for gate in report.gates],
            },
            "excused": [_excused(found) for found in report.all_findings if found.excuse],
        },
    }


def _result(report: IncidentReport) -> str:
    """WARNED is a pass that an excuse or an emergency carried."""
    if report.verdict is not Verdict.PASSED:
        return "FAILED"
    waived = any(gate.status is Status.WAIVED for gate in report.gates)
    carried = any(found.excuse or found.rule == BROKEN_GLASS for found in report.all_findings)
    return "WARNED" if waived or carried else "PASSED"


def _configuration(limits: Limits, commit: str | None) -> Iterator[dict[str, Any]]:
    """What the rules were: protocol, policy, and the tool itself, each by digest."""
    protocol = limits.protocol
    yield {
        "name": "protocol.yaml",
        "digest": {"sha256": protocol.sha256},
        "annotations": {"id": str(protocol.data["id"]), "version": protocol.version},
    }
    if limits.policy.sha256:
        yield {"name": ".incident-gates.yaml", "digest": {"sha256": limits.policy.sha256}}
    yield {
        "name": "incident-gates",
        "uri": f"pkg:pypi/incident-gates@{__version__}",
        "digest": {"dirHash": tool_digest()},
    }
    if commit:
        yield {"name": "commit", "digest": {"gitCommit": commit}}


def _tests(report: IncidentReport) -> dict[str, Any]:
    """Every rule in exactly one list, so that one which is missing cannot read as a pass."""
    needs = {found.rule for gate in report.gates for found in gate.needs}
    found = report.all_findings
    failed = {f.rule for f in found if f.fails}
    pending = needs - failed
    warned = {f.rule for f in found if _warns(f)} - failed - pending
    passed = set(report.rules_run) - failed - warned - pending
    return {
        "passedTests": sorted(passed),
        "warnedTests": sorted(warned),
        "failedTests": sorted(failed),
        "pendingTests": sorted(pending),
        "testsNotRun": [{"name": rule, "reason": reason} for rule, reason in report.rules_left],
    }


def _warns(found: Finding) -> bool:
    return found.level == WARNING or (found.level == CRITICAL and found.excuse is not None)


def _excused(found: Finding) -> dict[str, Any]:
    excuse = found.excuse
    assert excuse is not None  # noqa: S101 - asked by the caller
    return {
        "rule": found.rule,
        "kind": excuse.kind,
        "by": list(excuse.by),
        "reason": excuse.reason,
        "expiresAt": excuse.expires,
    }


@lru_cache(maxsize=1)
def tool_digest() -> str:
    """The digest of this tool's code, protocol and schemas, the same wherever it is installed.

    It is Go's directory hash, as in-toto's ``dirHash``: ``sha256sum`` over the ``sha256sum`` of
    every file, sorted by name.
    """
    package = Path(__file__).parents[1]
    code = (p for p in package.rglob("*") if p.suffix in (".py", ".yaml"))
    names = {p.relative_to(package).as_posix(): p for p in code}
    names |= {f"schemas/{p.name}": p for p in schema.folder().glob("*.schema.json")}
    lines = [f"{_sha256(names[name])}  {name}\n" for name in sorted(names)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- the envelope --------------------------------------------------------------------------------


class Signer:
    """A key that signs; it never shows more of itself than its public id."""

    def __init__(self, key: CryptoSigner) -> None:
        self._key = key

    def __reduce__(self) -> tuple[Callable[[bytes], Signer], tuple[bytes]]:
        """How it reaches a worker process of the same run: through memory, never over a disk."""
        return _restored, (self._key.private_bytes,)

    @property
    def keyid(self) -> str:
        """The id of the public key."""
        return str(self._key.public_key.keyid)

    def envelope(self, payload: bytes) -> bytes:
        """The payload signed, in a DSSE envelope; Ed25519 gives the same bytes each time."""
        signature = self._key.sign(authenticated(payload))
        return sealed(payload, [(self.keyid, bytes.fromhex(signature.signature))])


def _restored(private: bytes) -> Signer:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    return Signer(CryptoSigner(load_pem_private_key(private, None)))


def sealed(payload: bytes, signatures: Iterable[tuple[str, bytes]]) -> bytes:
    """A payload with its signatures, each with the id of its key, in an envelope."""
    return own.encoded(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {"keyid": keyid, "sig": base64.b64encode(raw).decode()} for keyid, raw in signatures
            ],
        }
    )


def is_signed(key: SSlibKey, payload: bytes, raw: bytes) -> bool:
    """Whether a signature over a payload was made with a key."""
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature

    try:
        key.verify_signature(Signature(key.keyid, raw.hex()), authenticated(payload))
    except UnverifiedSignatureError:
        return False
    return True


def authenticated(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """What is signed: DSSE's encoding of type and payload before authentication."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def signer(path: Path) -> Signer:
    """Reads a private key; raises UsageError with a sentence that never holds any of it."""
    data = _key_bytes(path, secret=True)
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from securesystemslib.signer import CryptoSigner
    except ImportError as error:
        raise ConfigurationError(INSTALL) from error
    passphrase = os.environ.get(PASSPHRASE)
    try:
        key = load_pem_private_key(data, passphrase.encode() if passphrase else None)
    except TypeError:  # encrypted and no passphrase, or a passphrase and not encrypted
        if passphrase:
            raise UsageError(f"{path.name} is not encrypted: unset {PASSPHRASE}.") from None
        raise UsageError(f"{path.name} is encrypted: set {PASSPHRASE}.") from None
    except Exception:  # noqa: BLE001 - whatever it says might quote the key
        raise UsageError(
            f"{path.name} is no PEM key, or the passphrase is wrong. {_MAKE}"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path.name} is no Ed25519 key. {_MAKE}")
    return Signer(CryptoSigner(key))


_MAKE = "Make one with: openssl genpkey -algorithm ed25519 -out KEY.pem"


def public_key(path: Path) -> SSlibKey:
    """Reads a public key, to verify with."""
    data = _key_bytes(path, secret=False)
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
        from securesystemslib.signer import SSlibKey
    except ImportError as error:
        raise ConfigurationError(INSTALL) from error
    make = "Get it from its owner, who has: openssl pkey -in KEY.pem -pubout"
    try:
        key = load_pem_public_key(data)
    except Exception:  # noqa: BLE001 - a private key given by mistake must not be quoted
        raise UsageError(f"{path.name} is no public key in PEM. {make}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{path.name} is no Ed25519 key. {make}")
    return SSlibKey.from_crypto(key)


def _key_bytes(path: Path, *, secret: bool) -> bytes:
    """A key from a file, or from a pipe of whatever keeps it; links are how secrets are mounted."""
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(bounds.YAML_BYTES)
    except OSError as error:
        raise UsageError(f"The key {path} cannot be read: {error.strerror}.") from None
    if secret and os.name == "posix" and stat.S_ISREG(mode) and mode & _READABLE_BY_OTHERS:
        raise UsageError(f"{path.name} may be read by others. Run: chmod 600 {path}")
    return data
