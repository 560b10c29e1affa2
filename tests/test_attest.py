"""The statement says how a record was judged, no more and no less; a signature seals it."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import packagework
import pytest
from click.testing import CliRunner, Result

from incident_gates.cli import main
from incident_gates.package import attest, many, own
from incident_gates.rules import RULES

ID = "INC-2026-0042"
LISTS = ("passedTests", "warnedTests", "failedTests", "pendingTests")
EARLIER = "2026-03-14T02:33:00Z"
POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
OPENSSL = shutil.which("openssl") or ""


def predicate(example: str, site: Path, now: str = packagework.NOW) -> dict[str, Any]:
    judged, _ = packagework.judged(packagework.copied(example, site), now)
    made = attest.statement(judged.report, judged.limits, {"a": "0" * 64}, None)
    assert made is not None
    found: dict[str, Any] = made["predicate"]
    return found


def openssl(*arguments: str, cwd: Path) -> None:
    if not OPENSSL:
        pytest.skip("openssl is not installed")
    subprocess.run([OPENSSL, *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with key.pem and public.pem, as a person makes them."""
    folder = tmp_path / "keys"
    folder.mkdir()
    openssl("genpkey", "-algorithm", "ed25519", "-out", "key.pem", cwd=folder)
    openssl("pkey", "-in", "key.pem", "-pubout", "-out", "public.pem", cwd=folder)
    (folder / "key.pem").chmod(0o600)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.chdir(tmp_path)
    return packagework.copied("complete", tmp_path)


def run(*arguments: str, **environment: str) -> Result:
    env = {"INCIDENT_GATES_DEBUG": "1", **environment}
    return CliRunner().invoke(main, ["aggregate", *arguments], env=env)


def statement(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / own.STATEMENT).read_bytes())
    return read


# --- what it says --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("example", "result", "warned", "failed"),
    [
        ("complete", "PASSED", [], []),
        ("late-notice", "WARNED", ["SEV011"], []),
        ("emergency", "WARNED", ["MIT023"], []),
        ("contradictions", "FAILED", [], ["MIT004", "RES012"]),
        ("false-positive", "PASSED", [], []),
    ],
)
def test_result_and_rules(
    example: str, result: str, warned: list[str], failed: list[str], tmp_path: Path
) -> None:
    found = predicate(example, tmp_path)
    assert (found["result"], found["warnedTests"], found["failedTests"]) == (result, warned, failed)
    assert found["passedTests"]


@pytest.mark.parametrize("example", ["complete", "contradictions", "false-positive", "late-notice"])
def test_every_rule_is_in_exactly_one_list(example: str, tmp_path: Path) -> None:
    found = predicate(example, tmp_path)
    named = [rule for key in LISTS for rule in found[key]]
    named += [entry["name"] for entry in found["testsNotRun"]]
    assert sorted(named) == sorted(RULES)


def test_a_rule_that_had_nothing_to_ask_is_named_with_the_reason(tmp_path: Path) -> None:
    found = predicate("false-positive", tmp_path / "a")
    reasons = {entry["name"]: entry["reason"] for entry in found["testsNotRun"]}
    assert reasons["MIT004"] == "false positive"
    folder = packagework.copied("complete", tmp_path / "b")
    (folder / "mitigation-plan.md").unlink()
    judged, _ = packagework.judged(folder)
    reasons = dict(judged.report.rules_left)
    assert reasons["MIT001"] == "mitigation-plan.md is not there, or cannot be read"
    assert "MIT001" not in judged.report.rules_run


def test_a_rule_that_breaks_down_did_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("x")

    folder = packagework.copied("complete", tmp_path)
    monkeypatch.setitem(RULES, "MIT004", RULES["MIT004"]._replace(check=broken))
    judged, _ = packagework.judged(folder)
    assert "MIT004" not in judged.report.rules_run
    assert dict(judged.report.rules_left)["MIT004"] == "KeyError in MIT004"
    assert attest.statement(judged.report, judged.limits, {}, None) is None, "could not be told"


def test_what_is_not_final_is_not_sworn_to(tmp_path: Path) -> None:
    folder = packagework.copied("in-progress-3", tmp_path)
    judged, _ = packagework.judged(folder, EARLIER)
    assert attest.statement(judged.report, judged.limits, {}, None) is None


def test_what_a_pending_gate_needs_did_not_pass(tmp_path: Path) -> None:
    folder = packagework.copied("in-progress-3", tmp_path)
    (folder / "severity-assessment.json").write_text("{")
    judged, _ = packagework.judged(folder, EARLIER)
    made = attest.statement(judged.report, judged.limits, {}, None)
    assert made is not None
    found = made["predicate"]
    assert found["result"] == "FAILED"
    assert found["pendingTests"]
    assert not set(found["pendingTests"]) & set(found["passedTests"])


def test_configuration_pins_protocol_policy_and_tool(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".incident-gates.yaml").write_text("stale_after_days: 9\n")
    judged, _ = packagework.judged(folder)
    made = attest.statement(judged.report, judged.limits, {}, "a" * 40)
    assert made is not None
    pinned = {entry["name"]: entry for entry in made["predicate"]["configuration"]}
    assert pinned["protocol.yaml"]["digest"] == {"sha256": judged.limits.protocol.sha256}
    assert pinned[".incident-gates.yaml"]["digest"] == {"sha256": judged.limits.policy.sha256}
    assert pinned["commit"]["digest"] == {"gitCommit": "a" * 40}
    assert re.fullmatch("[0-9a-f]{64}", pinned["incident-gates"]["digest"]["dirHash"])


def test_excuses_are_named_with_who_and_why(tmp_path: Path) -> None:
    [excused] = predicate("late-notice", tmp_path)["excused"]
    assert (excused["rule"], excused["kind"], excused["expiresAt"]) == ("SEV011", "deviation", None)
    assert len(excused["by"]) == 2


# --- what is written -----------------------------------------------------------------------------


def test_subjects_are_the_lines_of_the_sums(folder: Path) -> None:
    assert run("--statement").exit_code == 0
    made = statement(folder)
    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    lines = (folder / own.SUMS).read_text().splitlines()
    assert [f"{s['digest']['sha256']}  {s['name']}" for s in made["subject"]] == lines
    first = (folder / own.STATEMENT).read_bytes()
    assert run("--statement").exit_code == 0
    assert (folder / own.STATEMENT).read_bytes() == first


def test_none_unless_asked_for(folder: Path) -> None:
    run()
    assert not (folder / own.STATEMENT).exists()


def test_an_open_record_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = packagework.copied("in-progress-3", tmp_path)
    said = run("--statement", "--as-of", EARLIER)
    assert said.exit_code == 0
    assert own.STATEMENT not in said.stdout
    assert said.stderr == "No statement was written: no verdict here is final.\n"
    assert not (folder / own.STATEMENT).exists()


def test_what_no_longer_holds_is_not_left_behind(folder: Path, keys: Path) -> None:
    key = str(keys / "key.pem")
    assert run("--sign", key).exit_code == 0
    signed = (folder / own.ENVELOPE).read_bytes()
    assert run().exit_code == 0
    assert (folder / own.ENVELOPE).read_bytes() == signed, "nothing changed, so it holds"
    (folder / "retrospective.md").write_text("# Retrospective\n\nMore was learnt.\n")
    run()
    assert not (folder / own.ENVELOPE).exists(), "it was over other files"
    assert "retrospective.md" in {each["name"] for each in statement(folder)["subject"]}


def test_somebody_elses_statement_is_left_alone(folder: Path) -> None:
    (folder / own.STATEMENT).write_text("{}")
    said = run("--statement")
    assert (said.exit_code, "was not written by" in said.stderr) == (2, True)
    assert (folder / own.STATEMENT).read_text() == "{}"


# --- the signature -------------------------------------------------------------------------------


def test_openssl_alone_verifies_the_envelope(folder: Path, keys: Path, tmp_path: Path) -> None:
    """As the bundle's VERIFY.md says: the commands are taken from there."""
    if not shutil.which("jq"):
        pytest.skip("jq is not installed")
    assert run("--bundle", "--sign", str(keys / "key.pem")).exit_code == 0
    work = tmp_path / "audit/bundle"
    shutil.unpack_archive(folder / own.BUNDLE, work)
    page = (work / "VERIFY.md").read_text("utf-8")
    script = page[page.index("## 4.") :].partition("```sh\n")[2].partition("```")[0]

    def said(key: str = "public.pem") -> str:
        environment = {**os.environ, "KEY": str(keys / key) if key else ""}
        done = subprocess.run(
            ["/bin/sh", "-ec", script],
            cwd=work,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        last = done.stdout.splitlines()[-1]
        assert (done.returncode == 0) == (not last.startswith("NOT")), done.stderr
        return last

    wrong = "NOT signed by KEY for these files"
    assert said() == "ok: signed by KEY, for these very files: PASSED"
    assert said("") == "not checked: set KEY"
    openssl("genpkey", "-algorithm", "ed25519", "-out", "other.pem", cwd=keys)
    openssl("pkey", "-in", "other.pem", "-pubout", "-out", "wrong.pem", cwd=keys)
    assert said("wrong.pem") == wrong
    sums = (work / own.SUMS).read_text("utf-8")
    (work / own.SUMS).write_text(sums.replace("0", "1", 1), "utf-8")
    assert said() == wrong, "a true signature over other files"
    (work / own.SUMS).write_text(sums, "utf-8")
    top = json.loads((work / own.ENVELOPE).read_text())
    payload = base64.b64decode(top["payload"]).replace(b"PASSED", b"FAILED", 1)
    top["payload"] = base64.b64encode(payload).decode()
    (work / own.ENVELOPE).write_text(json.dumps(top))
    (work / own.STATEMENT).write_bytes(payload)
    assert said() == wrong


def test_the_envelope_is_the_statement_as_written(folder: Path, keys: Path) -> None:
    run("--sign", str(keys / "key.pem"))
    top = json.loads((folder / own.ENVELOPE).read_bytes())
    assert top["payloadType"] == "application/vnd.in-toto+json"
    assert base64.b64decode(top["payload"]) == (folder / own.STATEMENT).read_bytes()
    first = (folder / own.ENVELOPE).read_bytes()
    run("--sign", str(keys / "key.pem"))
    assert (folder / own.ENVELOPE).read_bytes() == first, "Ed25519 gives the same signature"


def test_an_encrypted_key_takes_its_passphrase_from_the_environment(
    folder: Path, keys: Path
) -> None:
    command = ("pkey", "-in", "key.pem", "-aes256", "-passout", "pass:correct horse")
    openssl(*command, "-out", "locked.pem", cwd=keys)
    (keys / "locked.pem").chmod(0o600)
    locked = str(keys / "locked.pem")
    said = run("--sign", locked)
    assert (said.exit_code, f"set {attest.PASSPHRASE}" in said.stderr) == (2, True)
    said = run("--sign", locked, **{attest.PASSPHRASE: "wrong"})
    assert (said.exit_code, "passphrase is wrong" in said.stderr) == (2, True)
    assert not (folder / own.SUMS).exists(), "nothing is written before the key is read"
    said = run("--sign", locked, **{attest.PASSPHRASE: "correct horse"})
    assert said.exit_code == 0, said.output
    assert "correct horse" not in said.output
    public = attest.public_key(keys / "public.pem")
    top = json.loads((folder / own.ENVELOPE).read_bytes())
    raw = base64.b64decode(top["signatures"][0]["sig"])
    assert attest.is_signed(public, base64.b64decode(top["payload"]), raw)
    said = run("--sign", str(keys / "key.pem"), **{attest.PASSPHRASE: "correct horse"})
    assert (said.exit_code, "is not encrypted" in said.stderr) == (2, True)


def test_a_key_that_cannot_sign_is_said_and_never_shown(folder: Path, keys: Path) -> None:
    openssl("genpkey", "-algorithm", "RSA", "-out", "rsa.pem", cwd=keys)
    (keys / "junk.pem").write_text(
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    )
    for name in ("rsa.pem", "junk.pem"):
        (keys / name).chmod(0o600)
    for name in ("rsa.pem", "junk.pem", "public.pem", "absent.pem"):
        if name == "public.pem":
            (keys / name).chmod(0o600)
        said = run("--sign", str(keys / name))
        assert (said.exit_code, said.stderr.count("\n"), said.stdout) == (2, 1, ""), name
        assert "c2VjcmV0" not in said.output
    assert not (folder / own.SUMS).exists()


@POSIX
def test_a_key_that_others_may_read_is_refused(folder: Path, keys: Path) -> None:
    (keys / "key.pem").chmod(0o640)
    said = run("--sign", str(keys / "key.pem"))
    assert (said.exit_code, "chmod 600" in said.stderr) == (2, True)
    assert not (folder / own.SUMS).exists()


@POSIX
def test_a_key_may_be_a_link_or_a_pipe(folder: Path, keys: Path) -> None:
    (keys / "mounted.pem").symlink_to("key.pem")
    assert run("--sign", str(keys / "mounted.pem")).exit_code == 0
    first = (folder / own.ENVELOPE).read_bytes()
    pipe = keys / "pipe"
    os.mkfifo(pipe, 0o600)
    with subprocess.Popen(["/bin/sh", "-c", f"cat {keys}/key.pem > {pipe}"]):
        assert run("--sign", str(pipe)).exit_code == 0
    assert (folder / own.ENVELOPE).read_bytes() == first


def test_a_key_is_not_packed_with_the_evidence(folder: Path, keys: Path) -> None:
    shutil.copy(keys / "key.pem", folder / "key.pem")
    (folder / "key.pem").chmod(0o600)
    said = run("--bundle", "--sign", str(folder / "key.pem"))
    assert (said.exit_code, "among the evidence" in said.stderr) == (2, True)
    assert not (folder / own.BUNDLE).exists()


def test_many_records_are_signed_by_worker_processes(
    folder: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = folder.with_name("INC-2026-0041")
    shutil.copytree(folder, other)
    for path in other.rglob("*"):
        if path.suffix in (".json", ".md"):
            path.write_text(path.read_text("utf-8").replace(ID, other.name), "utf-8")
    monkeypatch.setattr(many, "MANY", 2)
    assert run("--sign", str(keys / "key.pem")).exit_code == 0
    public = attest.public_key(keys / "public.pem")
    for each in (folder, other):
        top = json.loads((each / own.ENVELOPE).read_bytes())
        raw = base64.b64decode(top["signatures"][0]["sig"])
        assert attest.is_signed(public, (each / own.STATEMENT).read_bytes(), raw)


def test_without_the_extra_it_says_what_to_install(
    folder: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "securesystemslib.signer", None)
    said = run("--sign", str(keys / "key.pem"))
    assert (said.exit_code, "incident-gates[sign]" in said.stderr) == (2, True)
    assert run("--statement").exit_code == 0, "a statement needs no extra"
    assert (folder / own.STATEMENT).exists()


def test_a_signer_shows_nothing_of_its_key(keys: Path) -> None:
    signer = attest.signer(keys / "key.pem")
    assert "PRIVATE" not in repr(signer)
    assert "PRIVATE" not in str(vars(signer))


def test_the_tools_digest_is_what_coreutils_compute(tmp_path: Path) -> None:
    """In-toto's dirHash, by the command that its specification gives."""
    package = Path(attest.__file__).parents[1]
    copy = tmp_path / "copy"
    for path in package.rglob("*"):
        if path.suffix in (".py", ".yaml"):
            target = copy / path.relative_to(package)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    shutil.copytree(package.parents[1] / "schemas", copy / "schemas")
    for path in (copy / "schemas").iterdir():
        if not path.name.endswith(".schema.json"):
            path.unlink()
    command = "find . -type f | cut -c3- | LC_ALL=C sort | xargs -r sha256sum | sha256sum"
    done = subprocess.run(["/bin/sh", "-c", command], cwd=copy, check=True, capture_output=True)
    attest.tool_digest.cache_clear()
    assert attest.tool_digest() == done.stdout.split()[0].decode()
