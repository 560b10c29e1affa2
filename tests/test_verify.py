"""One altered byte anywhere is found and named; what cannot be checked is said."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import stat
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import packagework
import pytest
from click.testing import CliRunner, Result
from gitwork import ENVIRONMENT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_gates import protocol, schema, seal
from incident_gates.cli import main
from incident_gates.evidence import bounds, files
from incident_gates.package import attest, own, sums
from incident_gates.package.verify import checks, container
from incident_gates.package.verify.model import Outcome, Verification

if TYPE_CHECKING:
    from collections.abc import Callable

ID = "INC-2026-0042"
PLACE = f"record/.artifacts/incidents/{ID}"
MANIFEST = f"{PLACE}/{own.MANIFEST}"
OPENSSL = shutil.which("openssl")
Members = dict[str, bytes]


class Made:
    """A signed bundle of an example, its members, and the keys."""

    def __init__(self, site: Path, example: str = "complete", *arguments: str) -> None:
        self.folder = packagework.copied(example, site)
        self.site = site
        self.key, self.public = site / "key.pem", site / "public.pem"
        if OPENSSL is None:
            pytest.skip("openssl, which makes the keys, is not installed")
        for call in (
            ["genpkey", "-algorithm", "ed25519", "-out", "key.pem"],
            ["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"],
        ):
            subprocess.run([OPENSSL, *call], cwd=site, check=True, capture_output=True)
        self.key.chmod(0o600)
        self.aggregate("--bundle", "--sign", str(self.key), *arguments)
        self.bundle = self.folder / own.BUNDLE
        self.data = self.bundle.read_bytes()
        self.members = container.opened(self.data)

    def aggregate(self, *arguments: str) -> None:
        said = CliRunner().invoke(main, ["aggregate", str(self.folder), *arguments])
        assert said.exit_code in (0, 1), said.output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("made"))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "bundle.zip"


def verified(target: Path, key: Path | None = None) -> Verification:
    [one] = checks.verify(target, key)
    return one


def found(one: Verification, outcome: Outcome = Outcome.DIFFERS) -> dict[str, str]:
    """Each check with that outcome, and all that it says."""
    chosen = [check for check in one.checks if check.outcome is outcome]
    return {check.id: " ".join((check.said, *check.details)) for check in chosen}


def packed(members: Members) -> bytes:
    """A bundle of these members as aggregate would pack them, whatever they say."""
    return b"".join(part for part, _ in container._parts(members))


def consistent(members: Members) -> Members:
    """The same with sums that fit: what somebody does who knows the layout."""
    beside = (own.SUMS, own.STATEMENT, own.ENVELOPE)
    digests = {n: files.digest(d) for n, d in members.items() if n not in beside}
    return {**members, own.SUMS: sums.listed(digests)}


def with_statement(members: Members, change: Callable[[dict[str, Any]], None]) -> Members:
    top = json.loads(members[own.STATEMENT])
    change(top)
    return {**members, own.STATEMENT: own.encoded(top)}


def subjects_fit(members: Members) -> Members:
    """A forger's best: sums and an unsigned statement that name the files as they are now."""
    fits = {n: d for n, d in consistent(members).items() if n != own.ENVELOPE}
    beside = (own.SUMS, own.STATEMENT)
    named = {n: files.digest(d) for n, d in fits.items() if n not in beside}

    def change(top: dict[str, Any]) -> None:
        top["subject"] = [{"name": n, "digest": {"sha256": named[n]}} for n in sorted(named)]

    return with_statement(fits, change)


def write(target: Path, members: Members) -> Path:
    target.write_bytes(packed(members))
    return target


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["verify", *arguments], env={"INCIDENT_GATES_DEBUG": "1"})


# --- what is in order ----------------------------------------------------------------------------


def test_a_bundle_as_written_is_verified(made: Made) -> None:
    one = verified(made.bundle, made.public)
    assert one.outcome is Outcome.VERIFIED
    assert [c.id for c in one.checks if c.outcome is not Outcome.VERIFIED] == []
    assert (one.incident_id, one.verdict) == (ID, "passed")


def test_what_is_printed_is_readable_at_80_columns(made: Made) -> None:
    said = command(str(made.bundle), "--key", str(made.public))
    assert said.exit_code == 0, said.output
    lines = said.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == f"{ID}  bundle {own.BUNDLE}"
    assert lines[-1].startswith("VERIFIED")
    assert "Identities" in said.stdout
    assert "Clocks" in said.stdout


def test_json_has_a_schema(made: Made, target: Path) -> None:
    for path in (made.bundle, write(target, {**made.members, "report.html": b"<p>"})):
        said = command(str(path), "--format", "json")
        data = json.loads(said.stdout)
        assert schema.fits("verification", data), schema.problems("verification", data)
        assert data["exit_code"] == said.exit_code


@pytest.mark.parametrize(
    ("example", "arguments"),
    [
        ("contradictions", ()),
        ("false-positive", ()),
        ("late-notice", ()),
        ("emergency", ()),
        ("failed-rollback", ()),
        ("in-progress-3", ("--as-of", "2026-03-14T02:33:00Z")),
        ("posthog-2025-09-29", ("--as-of", "2025-11-01T00:00:00Z")),
    ],
)
def test_every_kind_of_record_can_be_verified(
    example: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    whole = Made(tmp_path, example, *arguments)
    final = example != "in-progress-3"
    one = verified(whole.bundle, whole.public if final else None)
    assert one.outcome is Outcome.VERIFIED, found(one)
    assert (own.STATEMENT in whole.members) is final
    assert verified(whole.folder, whole.public if final else None).outcome is Outcome.VERIFIED


def test_a_policy_is_packed_and_judged_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text("stale_after_days: 9\n")
    (tmp_path / ".incident-gates.yaml").write_text("extends: base.yaml\n")
    whole = Made(tmp_path)
    assert verified(whole.bundle, whole.public).outcome is Outcome.VERIFIED
    assert "record/base.yaml" in whole.members
    other = {**whole.members, "record/base.yaml": b"stale_after_days: 90\n"}
    one = verified(write(tmp_path / "x.zip", subjects_fit(other)))
    assert "policy" in found(one)


def test_the_flat_layout_is_verified_as_well(tmp_path: Path) -> None:
    folder = packagework.copied("complete", tmp_path)
    for path in folder.iterdir():
        path.rename(folder.parent / path.name)
    folder.rmdir()
    (folder.parent / "attachments/é ü.txt").write_text("x")
    said = CliRunner().invoke(main, ["aggregate", str(folder.parent), "--bundle", "--statement"])
    assert said.exit_code == 0, said.output
    assert verified(folder.parent / own.BUNDLE).outcome is Outcome.VERIFIED
    assert verified(folder.parent).outcome is Outcome.VERIFIED


def test_an_unpacked_bundle_is_verified_as_the_packed_one(made: Made, tmp_path: Path) -> None:
    with zipfile.ZipFile(made.bundle) as archive:
        archive.extractall(tmp_path)
    assert verified(tmp_path, made.public).outcome is Outcome.VERIFIED
    (tmp_path / "notes.txt").write_text("mine")
    assert "added: notes.txt" in found(verified(tmp_path))["sums"]


def test_nothing_is_left_behind(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = sorted(made.folder.rglob("*"))
    verified(made.bundle)
    verified(made.folder)
    assert list(tmp_path.iterdir()) == []
    assert sorted(made.folder.rglob("*")) == before


# --- one byte ------------------------------------------------------------------------------------


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


def test_one_byte_of_each_member_is_found_and_the_member_named(made: Made, target: Path) -> None:
    with zipfile.ZipFile(made.bundle) as archive:
        infos = archive.infolist()
    for info in infos:
        start = info.header_offset + 30 + len(info.filename.encode())
        target.write_bytes(flipped(made.data, start + info.file_size // 2))
        said = found(verified(target))
        assert info.filename in said["archive"], info.filename


def test_one_byte_of_any_header_is_found(made: Made, target: Path) -> None:
    """Every byte of a member's two headers, and of the end of the archive."""
    with zipfile.ZipFile(made.bundle) as archive:
        info, directory = archive.infolist()[3], archive.start_dir
    name = len(info.filename)
    entry = made.data.index(info.filename.encode(), directory) - 46
    places = [*range(info.header_offset, info.header_offset + 30 + name)]
    places += [*range(entry, entry + 46 + name)]
    places += [*range(len(made.data) - 22 - len(own.GENERATOR), len(made.data))]
    missed = []
    for at in places:
        target.write_bytes(flipped(made.data, at))
        if verified(target).outcome is not Outcome.DIFFERS:
            missed.append(at)
    assert missed == []


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_byte_at_all(made: Made, target: Path, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(made.data) - 1))
    target.write_bytes(flipped(made.data, at, data.draw(st.integers(0, 7))))
    assert verified(target, made.public).outcome is Outcome.DIFFERS


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_byte_of_any_member_in_an_archive_that_fits(
    made: Made, target: Path, data: st.DataObject
) -> None:
    """Packed anew around the change, so that no checksum of the ZIP gives it away."""
    name = data.draw(st.sampled_from(sorted(made.members)))
    whole = made.members[name]
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = {**made.members, name: flipped(whole, at, data.draw(st.integers(0, 7)))}
    one = verified(write(target, changed), made.public)
    assert one.outcome is Outcome.DIFFERS
    said = " ".join(found(one).values())
    sealed = name not in (own.SUMS, own.STATEMENT, own.ENVELOPE)
    assert not sealed or name in said or "manifest" in found(one)


def test_truncated_or_extended(made: Made, target: Path) -> None:
    for data in (made.data[:-1], made.data[:1000], made.data + b"\0", b"\0" + made.data, b""):
        target.write_bytes(data)
        assert "archive" in found(verified(target))


def test_one_byte_of_each_file_of_a_folder(made: Made, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(made.site / ".artifacts", site / ".artifacts")
    folder = site / ".artifacts/incidents" / ID
    free = seal.outside(protocol.load()) - own.NAMES
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name == own.BUNDLE:
            continue
        whole = path.read_bytes()
        path.write_bytes(flipped(whole, len(whole) // 2))
        one = verified(folder, made.public)
        name = path.relative_to(folder).as_posix()
        if name in free:
            assert name in found(one, Outcome.LEFT)["sums"]
        else:
            assert one.outcome is Outcome.DIFFERS, name
            named = name in " ".join(found(one).values())
            assert named or {"manifest", "sums", "statement", "signature"} & found(one).keys()
        path.write_bytes(whole)
    assert verified(folder, made.public).outcome is Outcome.VERIFIED


# --- somebody who knows the layout ---------------------------------------------------------------


def test_changed_missing_and_added_are_told_apart(made: Made, target: Path) -> None:
    log = f"{PLACE}/decision-log.json"
    changed = {**made.members, log: made.members[log] + b" "}
    assert f"changed: {log}" in found(verified(write(target, changed)))["sums"]
    missing = {name: data for name, data in made.members.items() if name != log}
    said = found(verified(write(target, missing)))
    assert f"missing: {log}" in said["sums"]
    assert "missing: decision-log.json" in said["manifest"]
    added = {**made.members, f"{PLACE}/attachments/more.log": b"x"}
    said = found(verified(write(target, added)))
    assert f"added: {PLACE}/attachments/more.log" in said["sums"]
    assert "added: attachments/more.log" in said["manifest"]


def test_evidence_changed_with_sums_that_fit(made: Made, target: Path) -> None:
    log = f"{PLACE}/decision-log.json"
    changed = {**made.members, log: made.members[log].replace(b"02:23", b"02:34")}
    said = found(verified(write(target, consistent(changed))))
    assert "sums" not in said
    assert "changed: decision-log.json" in said["manifest"]
    assert "MIT004" in said["gates"]
    assert log in said["statement"]


def test_a_failed_record_cannot_be_shown_as_passed(tmp_path: Path) -> None:
    whole = Made(tmp_path, "contradictions")
    lie = json.loads(whole.members[MANIFEST])
    lie["verdict"] = "passed"
    for gate in lie["gates"]:
        gate["status"] = "passed"
        gate["findings"] = {"critical": 0, "warnings": 0, "rules": [], "excused": []}
    changed = {**whole.members, MANIFEST: own.encoded(lie)}

    def change(top: dict[str, Any]) -> None:
        top["predicate"]["result"] = "PASSED"
        top["predicate"]["passedTests"] += top["predicate"]["failedTests"]
        top["predicate"]["failedTests"] = []

    forged = with_statement(subjects_fit(changed), change)
    said = found(verified(write(tmp_path / "x.zip", forged)))
    assert 'verdict: stated "passed", found "failed"' in said["gates"]
    assert "predicate/result" in said["statement"]
    assert "MIT004" in said["statement"]


def test_a_page_that_says_something_else(made: Made, target: Path) -> None:
    for name in (
        "report.html",
        "VERIFY.md",
        f"{PLACE}/{own.METRICS}",
        "schemas/common.schema.json",
    ):
        forged = subjects_fit({**made.members, name: made.members[name] + b"\n"})
        one = verified(write(target, forged))
        assert found(one).keys() == {"pages"}, name
        assert name in found(one)["pages"]
    forged = subjects_fit({**made.members, "git/history.json": b"[]"})
    assert "git/history.json" in found(verified(write(target, forged)))["gates"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("severity", "SEV-3", "severity: stated"),
        ("as_of", "2031-01-01T00:00:00Z", "asOf"),
        ("commit", "0" * 40, ""),
        ("log", ["It was fine."], "log: It was fine. is stated and was not found"),
        ("generator", "someone", ""),
        ("files", [], ""),
    ],
)
def test_any_word_of_the_manifest(
    made: Made, target: Path, key: str, value: Any, said: str
) -> None:
    changed = {**json.loads(made.members[MANIFEST]), key: value}
    forged = subjects_fit({**made.members, MANIFEST: own.encoded(changed)})
    one = verified(write(target, forged))
    assert one.outcome is Outcome.DIFFERS
    assert said in " ".join(found(one).values())


# --- the statement -------------------------------------------------------------------------------


def leave_a_rule_out(top: dict[str, Any]) -> None:
    top["predicate"]["passedTests"].remove("MIT004")


def call_a_rule_passed(top: dict[str, Any]) -> None:
    top["predicate"]["passedTests"].append("MIT999")


def swap_subjects(top: dict[str, Any]) -> None:
    one, other = top["subject"][:2]
    one["digest"], other["digest"] = other["digest"], one["digest"]


def drop_a_subject(top: dict[str, Any]) -> None:
    top["subject"].pop()


def loosen(top: dict[str, Any]) -> None:
    top["predicate"]["configuration"][0]["digest"]["sha256"] = "0" * 64


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda top: top.update(_type="https://in-toto.io/Statement/v9"), "type that this tool"),
        (lambda top: top.update(predicateType="https://slsa.dev/provenance/v1"), "predicateType"),
        (lambda top: top.update(subject="all of it"), "another shape"),
        (lambda top: top.update(predicate=[]), "another shape"),
        (swap_subjects, "other files"),
        (drop_a_subject, "other files"),
        (leave_a_rule_out, "MIT004 was found and is not stated"),
        (call_a_rule_passed, "MIT999 is stated and was not found"),
        (loosen, "configuration"),
    ],
)
def test_a_statement_that_says_something_else(
    change: Callable[[dict[str, Any]], None], said: str, made: Made, target: Path
) -> None:
    unsigned = {name: data for name, data in made.members.items() if name != own.ENVELOPE}
    one = verified(write(target, with_statement(unsigned, change)))
    assert found(one).keys() == {"statement"}
    assert said in found(one)["statement"]
    assert "signature" in found(verified(write(target, with_statement(made.members, change))))


def test_a_statement_that_is_missing_or_unreadable(made: Made, target: Path) -> None:
    beside = (own.STATEMENT, own.ENVELOPE)
    without = {name: data for name, data in made.members.items() if name not in beside}
    assert "is missing" in found(verified(write(target, without)))["statement"]
    for junk in (b"{", b"[]", b"\xff", b'{"_type": NaN}', b"[" * 100_000):
        one = verified(write(target, {**made.members, own.STATEMENT: junk}))
        assert "statement" in found(one)


# --- the signature -------------------------------------------------------------------------------


def test_without_a_key_the_signature_is_said_to_be_unverified(made: Made) -> None:
    one = verified(made.bundle)
    assert one.outcome is Outcome.VERIFIED
    assert "no key given" in found(one, Outcome.LEFT)["signature"]


def test_another_key_is_not_the_signers(made: Made, tmp_path: Path) -> None:
    other = Made(tmp_path)
    assert "not made with the key" in found(verified(made.bundle, other.public))["signature"]


def test_a_signature_taken_away_is_missed_by_who_has_the_key(made: Made, target: Path) -> None:
    without = {name: data for name, data in made.members.items() if name != own.ENVELOPE}
    write(target, without)
    assert "there is no" in found(verified(target, made.public))["signature"]
    assert verified(target).outcome is Outcome.VERIFIED
    assert "there is none" in found(verified(target), Outcome.LEFT)["signature"]


def enveloped(made: Made, **changes: Any) -> Members:
    top = {**json.loads(made.members[own.ENVELOPE]), **changes}
    return {**made.members, own.ENVELOPE: own.encoded(top)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"payloadType": "text/plain"}, "another type"),
        ({"payload": base64.b64encode(b"{}").decode()}, "not statement.intoto.json"),
        ({"payload": "***"}, "another shape"),
        ({"signatures": []}, "no signature"),
        ({"signatures": [{"keyid": "x", "sig": "AAAA"}]}, "not made with the key"),
        ({"signatures": "yes"}, "another shape"),
        ({"comment": "hello"}, "not as they were written"),
    ],
)
def test_an_envelope_that_is_not_ours(
    changes: dict[str, Any], said: str, made: Made, target: Path
) -> None:
    one = verified(write(target, enveloped(made, **changes)), made.public)
    assert said in found(one)["signature"]


def test_another_keys_id_on_a_good_signature(made: Made, target: Path) -> None:
    [signed] = json.loads(made.members[own.ENVELOPE])["signatures"]
    changed = enveloped(made, signatures=[{**signed, "keyid": "0" * 64}])
    one = verified(write(target, changed), made.public)
    assert "another key's id" in found(one)["signature"]


def test_a_key_that_is_none_is_a_usage_error(made: Made, tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("no key")
    for key in (tmp_path / "junk.pem", made.key, tmp_path / "absent.pem"):
        said = command(str(made.bundle), "--key", str(key))
        assert (said.exit_code, said.stdout, said.stderr.count("\n")) == (2, "", 1)


# --- under which rules ---------------------------------------------------------------------------


def test_a_moment_that_somebody_chose_is_said(made: Made, tmp_path: Path) -> None:
    assert "The moment" not in " ".join(verified(made.bundle).not_verified)
    whole = Made(tmp_path, "complete", "--as-of", "2026-03-16T09:00:00Z")
    assert "The moment" in " ".join(verified(whole.bundle).not_verified)


def with_protocol(made: Made, old: str, new: str) -> Members:
    text = made.members["protocol/protocol.yaml"].decode()
    assert old in text
    changed = text.replace(old, new).encode()
    manifest = json.loads(made.members[MANIFEST])
    manifest["protocol"]["sha256"] = files.digest(changed)
    if "version" in old:
        manifest["protocol"]["version"] = "9.9.9"
    pinned = {MANIFEST: own.encoded(manifest), "protocol/protocol.yaml": changed}
    return subjects_fit({**made.members, **pinned})


def test_a_loosened_protocol_of_the_same_version(made: Made, target: Path) -> None:
    loose = with_protocol(made, "{value: 0.95, unit: ratio", "{value: 0.05, unit: ratio")
    assert "other bytes" in found(verified(write(target, loose)))["protocol"]


def test_a_protocol_that_this_tool_does_not_know_is_no_pass(made: Made, target: Path) -> None:
    newer = with_protocol(made, "version: 1.0.0", "version: 9.9.9")
    one = verified(write(target, newer))
    assert "use the version that judged" in found(one, Outcome.UNKNOWN)["protocol"]
    said = command(str(target))
    assert said.exit_code == (1 if found(one) else 3)


def test_a_protocol_that_contradicts_itself(made: Made, target: Path) -> None:
    broken = with_protocol(made, "  - id: severity\n", "  - id: severe\n")
    assert verified(write(target, broken)).outcome is Outcome.DIFFERS


def test_a_policy_slipped_in(made: Made, target: Path) -> None:
    loose = {**made.members, "record/.incident-gates.yaml": b"stale_after_days: 900\n"}
    assert "policy" in found(verified(write(target, subjects_fit(loose))))
    outside = {**made.members, "record/.incident-gates.yaml": b"extends: ../../../etc/passwd\n"}
    assert verified(write(target, subjects_fit(outside))).outcome is Outcome.DIFFERS


def test_another_version_of_the_tool_says_so(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    from incident_gates.package.verify import judging

    monkeypatch.setattr(judging, "__version__", "99.0.0")
    monkeypatch.setattr(attest, "__version__", "99.0.0")
    one = verified(made.bundle, made.public)
    assert one.outcome is Outcome.VERIFIED, found(one)
    left = found(one, Outcome.LEFT)
    assert "another build" in left["statement"]
    assert "another version" in left["pages"]


# --- archives made to harm -----------------------------------------------------------------------


def crafted(*entries: tuple[zipfile.ZipInfo | str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return stream.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


def lying() -> bytes:
    """A member that announces one byte and holds many."""
    data = bytearray(crafted(("a", b"x" * 1000), how=zipfile.ZIP_DEFLATED))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (1).to_bytes(4, "little")
    return bytes(data)


def encrypted() -> bytes:
    data = bytearray(crafted(("a", b"x")))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


HARMFUL: dict[str, Callable[[], bytes]] = {
    "absolute": lambda: crafted(("/tmp/escaped", b"x")),  # noqa: S108
    "escaping": lambda: crafted(("record/../../escaped", b"x")),
    "drive": lambda: crafted(("C:/escaped", b"x")),
    "backslash": lambda: crafted(("record\\..\\escaped", b"x")),
    "case": lambda: crafted(("record/a", b"x"), ("record/A", b"y")),
    "composition": lambda: crafted(("record/\u00e9", b"x"), ("record/e\u0301", b"y")),
    "file and folder": lambda: crafted(("record/a", b"x"), ("record/a/b", b"y")),
    "trailing dot": lambda: crafted(("record/a.", b"x")),
    "stream": lambda: crafted(("record/a:b", b"x")),
    "unseen": lambda: crafted(("record/\u202ea", b"x")),
    "link": lambda: crafted((link("record/a"), b"/etc/passwd")),
    "bomb": lambda: crafted(("a", b"\0" * (bounds.BUNDLE_BYTES + 1)), how=zipfile.ZIP_DEFLATED),
    "lying size": lying,
    "encrypted": encrypted,
    "many": lambda: crafted(*((f"{n}", b"") for n in range(bounds.BUNDLE_MEMBERS + 1))),
    "nothing": crafted,
    "no archive": lambda: b"PK" + os.urandom(100),
    "text": lambda: b"hello\n",
}


@pytest.mark.parametrize("what", HARMFUL)
def test_an_archive_made_to_harm_is_refused_and_nothing_is_written(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    target = tmp_path / "bundle.zip"
    target.write_bytes(HARMFUL[what]())
    said = command(str(target))
    assert said.exit_code == 1, said.output
    assert "Traceback" not in said.output
    assert said.stdout.splitlines()[-1].startswith("ALTERED")
    assert list(home.iterdir()) == []
    assert not Path("/tmp/escaped").exists()  # noqa: S108 - where the archive points
    assert {p.name for p in tmp_path.iterdir()} == {"home", "bundle.zip"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_comes_twice_is_refused(target: Path) -> None:
    target.write_bytes(crafted(("record/a", b"x"), ("record/a", b"y")))
    assert "occurs twice" in found(verified(target))["archive"]


def test_a_larger_file_than_any_bundle_is_refused(target: Path) -> None:
    with target.open("wb") as stream:
        stream.truncate(bounds.BUNDLE_BYTES + 1)
    said = command(str(target))
    assert (said.exit_code, said.stderr.count("\n")) == (2, 1)


HOSTILE_PATHS = (
    "/etc/passwd",
    "../../escaped",
    "C:\\escaped",
    "attachments\\x",
    "Decision-Log.json",
    "a\u202eb",
    "decision-log.json/x",
    "",
)


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_a_manifest_with_a_path_that_is_none(path: str, made: Made, target: Path) -> None:
    manifest = json.loads(made.members[MANIFEST])
    manifest["files"].append({**manifest["files"][0], "path": path})
    forged = subjects_fit({**made.members, MANIFEST: own.encoded(manifest)})
    one = verified(write(target, forged))
    assert "manifest" in found(one)
    folder = target.parent / "site/.artifacts/incidents" / ID
    shutil.copytree(made.folder, folder)
    (folder / own.MANIFEST).write_bytes(own.encoded(manifest))
    assert "manifest" in found(verified(folder))


@pytest.mark.parametrize("path", ["/tmp", "../..", "elsewhere", 7, None])  # noqa: S108
def test_a_manifest_of_another_place(path: Any, made: Made, target: Path) -> None:
    manifest = {**json.loads(made.members[MANIFEST]), "path": path}
    forged = subjects_fit({**made.members, MANIFEST: own.encoded(manifest)})
    assert "manifest" in found(verified(write(target, forged)))


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b"{}", b'{"files": 1}', b"\xff\xfe"])
def test_a_manifest_that_cannot_be_read(junk: bytes, made: Made, target: Path) -> None:
    one = verified(write(target, {**made.members, MANIFEST: junk}))
    assert {"sums", "manifest"} <= found(one).keys()


def test_names_are_printed_inert(made: Made, target: Path) -> None:
    name = f"{PLACE}/attachments/::error::##[group]x"
    target.write_bytes(crafted(*made.members.items(), (name.replace(":", ";"), b"x")))
    said = command(str(target))
    assert said.exit_code == 1
    assert "##[" not in said.output


# --- a folder ------------------------------------------------------------------------------------


def test_a_folder_without_a_package_is_a_usage_error(tmp_path: Path) -> None:
    folder = packagework.copied("complete", tmp_path)
    for target in (folder, tmp_path):
        said = command(str(target))
        assert (said.exit_code, said.stdout, said.stderr.count("\n")) == (2, "", 1)


def test_each_record_of_a_root_and_the_worst_counts(made: Made, tmp_path: Path) -> None:
    root = tmp_path / ".artifacts/incidents"
    shutil.copytree(made.folder, root / ID)
    said = command(str(root))
    assert said.exit_code == 0, said.output
    other = root / "INC-2026-0041"
    shutil.copytree(made.folder, other)
    said = command(str(root), "--format", "json")
    assert said.exit_code == 1
    outcomes = {p["target"]: p["outcome"] for p in json.loads(said.stdout)["packages"]}
    assert outcomes == {ID: "verified", other.name: "differs"}


def test_a_link_in_the_place_of_a_page_is_not_followed(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / ".artifacts/incidents" / ID
    shutil.copytree(made.folder, folder)
    (folder / own.SUMS).unlink()
    (folder / own.SUMS).symlink_to(made.folder / own.SUMS)
    assert "link" in " ".join(found(verified(folder)).values())


class Repository:
    """A repository with a record, its package committed after it."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self.folder = packagework.copied("complete", site)
        self.git("init", "--quiet", "--initial-branch=main")
        self.evidence = self.commit("evidence")
        said = CliRunner().invoke(main, ["aggregate", str(self.folder), "--statement"])
        assert said.exit_code == 0, said.output
        self.commit("package")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.site,
            env=ENVIRONMENT,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_git_has_the_files_as_they_are(repository: Repository) -> None:
    one = verified(repository.folder)
    assert one.outcome is Outcome.VERIFIED, found(one)
    assert repository.evidence[:12] in found(one, Outcome.VERIFIED)["git"]


def test_evidence_packaged_anew_is_not_what_the_commit_has(repository: Repository) -> None:
    """Somebody who changes a file, and writes manifest, sums and statement that fit it."""
    log = repository.folder / "attachments/api-error.log"
    log.write_bytes(log.read_bytes() + b"\n")
    manifest = json.loads((repository.folder / own.MANIFEST).read_text())
    for entry in manifest["files"]:
        if entry["path"] == "attachments/api-error.log":
            entry["sha256"], entry["size"] = files.digest(log.read_bytes()), log.stat().st_size
    (repository.folder / own.MANIFEST).write_bytes(own.encoded(manifest))
    digests = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    digests[own.MANIFEST] = files.digest(own.encoded(manifest))
    (repository.folder / own.SUMS).write_bytes(sums.listed(digests))
    said = found(verified(repository.folder))
    assert "sums" not in said
    assert "attachments/api-error.log" in said["git"]


def test_a_commit_that_is_not_there(repository: Repository, tmp_path: Path) -> None:
    repository.git("checkout", "--quiet", "--orphan", "new")
    repository.commit("all of it, new")
    repository.git("branch", "--quiet", "-D", "main")
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("gc", "--quiet", "--prune=now")
    assert "is not here" in found(verified(repository.folder))["git"]
    clone = tmp_path / "clone"
    address = repository.site.as_uri()
    repository.git("clone", "--quiet", "--depth=1", address, str(clone))
    one = verified(clone / ".artifacts/incidents" / ID)
    assert "shallow" in found(one, Outcome.LEFT)["git"]


def test_a_sealed_file_that_was_deleted(repository: Repository) -> None:
    (repository.folder / "decision-log.json").unlink()
    repository.commit("tidied up")
    said = found(verified(repository.folder))
    assert "missing: decision-log.json" in said["sums"]
    assert "decision-log.json" in said["custody"]


def test_the_policy_in_force_then_is_found_in_git(repository: Repository) -> None:
    own_policy = repository.site / ".incident-gates.yaml"
    own_policy.write_text("stale_after_days: 9\n")
    repository.commit("policy")
    CliRunner().invoke(main, ["aggregate", str(repository.folder), "--statement"])
    repository.commit("package under the policy")
    own_policy.write_text("stale_after_days: 8\n")
    repository.commit("another policy")
    one = verified(repository.folder)
    assert one.outcome is Outcome.VERIFIED, found(one)
    shutil.rmtree(repository.site / ".git")
    one = verified(repository.folder)
    assert {"policy", "statement"} <= found(one, Outcome.UNKNOWN).keys()
    assert one.outcome is Outcome.UNKNOWN, found(one)


def test_a_retrospective_after_closure_is_no_alteration(repository: Repository) -> None:
    (repository.folder / "performance-notes.md").write_text("# Performance notes\n\nNone.\n")
    one = verified(repository.folder)
    left = found(one, Outcome.LEFT)
    assert "performance-notes.md" in left["sums"], found(one)


DRAFT = "# Retrospective\n\n- Held: TODO when\n"


def test_a_draft_added_after_closure_is_no_alteration_either(repository: Repository) -> None:
    """It has findings of its own, about no gate; the sealed record is as it was."""
    (repository.folder / "retrospective.md").unlink()
    command_line = ["aggregate", str(repository.folder), "--statement"]
    assert CliRunner().invoke(main, command_line).exit_code == 0
    repository.commit("packaged before the retrospective")
    (repository.folder / "retrospective.md").write_text(DRAFT, "utf-8")
    one = verified(repository.folder)
    assert found(one) == {}
    assert "judged again" in found(one, Outcome.VERIFIED)["gates"]


def test_a_draft_changed_after_closure_leaves_the_verdict_alone(repository: Repository) -> None:
    (repository.folder / "retrospective.md").write_text(DRAFT, "utf-8")
    one = verified(repository.folder)
    assert found(one) == {}
    left = found(one, Outcome.LEFT)
    assert "verdict and gates as stated" in left["gates"]
    assert "changed after closure" in left["statement"]


def test_without_a_commit_the_last_one_is_asked(repository: Repository) -> None:
    path = repository.folder / own.MANIFEST
    listed = json.loads(path.read_text())
    listed["commit"] = None
    path.write_bytes(own.encoded(listed))
    said = found(verified(repository.folder), Outcome.LEFT)["git"]
    assert said == "the manifest names no commit; the last one holds every file as it is"
    (repository.folder / "mitigation-plan.md").write_text("Other words.\n")
    assert "mitigation-plan.md" in found(verified(repository.folder), Outcome.LEFT)["git"]


@pytest.mark.parametrize("name", ["decision-log.json", own.MANIFEST, own.SUMS])
def test_a_file_that_may_not_be_read_is_not_called_altered(
    name: str, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def kept(path: Any, flags: int, *more: Any) -> int:
        if os.fspath(path).endswith(name):
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, *more)

    monkeypatch.setattr(os, "open", kept)
    one = verified(made.folder)
    assert one.outcome is Outcome.UNKNOWN, found(one)
    assert "may not be read" in " ".join(found(one, Outcome.UNKNOWN).values())


def test_a_file_that_may_not_be_read_hides_no_alteration(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made.site / ".artifacts", tmp_path / ".artifacts")
    folder = tmp_path / ".artifacts/incidents" / ID
    (folder / "mitigation-plan.md").write_text("Other words.\n")
    opened = os.open

    def kept(path: Any, flags: int, *more: Any) -> int:
        if os.fspath(path).endswith("decision-log.json"):
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, *more)

    monkeypatch.setattr(os, "open", kept)
    assert "mitigation-plan.md" in found(verified(folder))["sums"]


def test_an_unpacked_bundle_may_hold_as_much_as_a_packed_one(tmp_path: Path) -> None:
    folder = packagework.copied("complete", tmp_path)
    there = sum(path.is_file() for path in folder.rglob("*"))
    for number in range(bounds.INCIDENT_FILES - there - 30):
        (folder / "attachments" / f"{number}.log").write_text(f"{number}\n")
    said = CliRunner().invoke(main, ["aggregate", str(folder), "--bundle"])
    assert said.exit_code == 0, said.output
    apart = tmp_path / "apart"
    with zipfile.ZipFile(folder / own.BUNDLE) as archive:
        archive.extractall(apart)
    assert verified(apart).outcome is Outcome.VERIFIED
    (apart / "there").symlink_to(tmp_path)
    assert verified(apart).outcome is Outcome.DIFFERS
