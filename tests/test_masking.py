"""Secrets in what is recorded of a command are masked; what the terminal shows is left alone."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_gates import schema
from incident_gates.cli import main
from incident_gates.desk import masking, running

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
ID = "INC-2026-0042"
RUN = "import sys; sys.path.insert(0, {src!r}); from incident_gates.cli import main; main()"
posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

# Made up, and put together here so that no scanner of this repository takes them for real.
KEY_LINES = ["MIIEpAIBAAKCAQEA7x0vQmadeup" * 2, "b2f0aGVyIG1hZGV1cCBsaW5l" * 2, "c2hvcnQ="]
BEGIN, END = "-----BEGIN RSA " + "PRIVATE KEY-----", "-----END RSA " + "PRIVATE KEY-----"
KEY = "\n".join([BEGIN, *KEY_LINES, END])
AWS = "AKIA" + "MADEUPMADEUPMADE"
GITHUB = "ghp_" + "m4d3upm4d3upm4d3upm4d3upm4d3upm4d3up"
SLACK = "xoxb-" + "123456789012-madeupmadeup"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiJtYWRldXAifQ" + ".bWFkZXVw"


class Desk:
    """A record that is ready to execute."""

    def __init__(self, site: Path) -> None:
        shutil.copytree(ROOT / "examples/in-progress-2", site, dirs_exist_ok=True)
        self.site = site
        self.folder = site / ".artifacts/incidents" / ID
        for command in (["init", "-q"], ["config", "user.name", "Sam"]):
            subprocess.run(["git", "-C", str(site), *command], check=True)

    def execute(self, *command: str) -> Result:
        arguments = ["record", "execution", "--", *command]
        return CliRunner().invoke(main, arguments, env={"INCIDENT_GATES_DEBUG": "1"})

    def printing(self, text: str) -> Result:
        """Records a command that prints a text, which it does not have on its command line."""
        (self.site / "said").write_text(text, "utf-8", newline="")
        return self.execute(sys.executable, "-c", "print(open('said').read())")

    def entry(self) -> dict[str, Any]:
        report = json.loads((self.folder / "mitigation-execution-report.json").read_text("utf-8"))
        assert schema.fits("mitigation-execution-report", report)
        [entry] = report["executions"]
        found: dict[str, Any] = entry
        return found

    def written(self) -> str:
        """Everything that the record holds."""
        return "\n".join(p.read_text("utf-8", "replace") for p in self.folder.rglob("*.*"))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    return Desk(tmp_path)


@pytest.fixture(autouse=True)
def without_the_extra(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is promised here holds without detect-secrets."""
    monkeypatch.setattr(masking, "_detectors", tuple)
    yield
    monkeypatch.undo()


# --- what is found -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc123456789", "Authorization: Bearer [masked: authorization]"),
        ("authorization: Basic c2FtOmd=\nok", "authorization: Basic [masked: authorization]\nok"),
        ('{"Authorization": "token abc1"}', '{"Authorization": "token [masked: authorization]"}'),
        ("sent Bearer abc.def-123456", "sent Bearer [masked: bearer token]"),
        ("postgres://app:pa!ss@db/x", "postgres://app:[masked: password in a URL]@db/x"),
        ("redis://:geheim@cache:6379", "redis://:[masked: password in a URL]@cache:6379"),
        (f"key {AWS}.", "key [masked: AWS key]."),
        (f"pushed with {GITHUB}", "pushed with [masked: GitHub token]"),
        (f"{SLACK} ok", "[masked: Slack token] ok"),
        (f"jwt {JWT}", "jwt [masked: JSON web token]"),
        (f"before\n{KEY}\nafter", "before\n[masked: private key]\nafter"),
        (KEY.replace("\n", "\\n"), "[masked: private key]"),
        (KEY.replace("\n", "\r\n"), "[masked: private key]"),
        ("\n".join(KEY.split("\n")[:2]), "[masked: private key]"),
        ("\n".join(KEY.split("\n")[2:]) + "\nafter", "[masked: private key]\nafter"),
        ("password=hunter2 user=sam", "password=[masked: value of password] user=sam"),
        ("DB_PASSWORD: 'a b c' next", "DB_PASSWORD: '[masked: value of password]' next"),
        ('{"api_key": "k", "x": 1}', '{"api_key": "[masked: value of api_key]", "x": 1}'),
        ("aws_secret_access_key = wJalr/XU", "aws_secret_access_key = [masked: value of secret]"),
        ("token: \x1b[1mabc\x1b[0m ok", "token: \x1b[1m[masked: value of token] ok"),
        ("Server=a;Pwd=hunter2;", "Server=a;Pwd=[masked: value of pwd];"),
        ("Set-Cookie: sid=abc; Path=/", "Set-Cookie: [masked: cookie]"),
        ("paid with sk_" + "live_m4d3upm4d3upm4d3up", "paid with [masked: Stripe key]"),
        ("VAULT hvs." + "m4d3up" * 5, "VAULT [masked: Vault token]"),
        ("+ x --db-password hunter2 -v", "+ x --db-password [masked: value of password] -v"),
    ],
)  # fmt: skip
def test_secrets_are_masked(text: str, expected: str) -> None:
    assert masking.masked(text) == (expected, 1)


@pytest.mark.parametrize(
    "text",
    [
        "sha256:56b31df46439c7a8ad214c4ae4a8fedd6acff67d0575b86250b4ffd7a44db1ea",
        "commit f95f852bd8fca8fcc58a9a2d6c842781e32a215e",
        "24/24 pods ready, https://example.com:443/a@b",
        "secret/my-secret configured",
        "the password is wrong; tokens: 1500",
        "PASSWORD: *** TOKEN=$TOKEN secret=${SECRET} password=<hidden>",
        "password:\nnext line",
        "bearer certificates expire soon",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "PWD=/home/sam",
        "token_count: 5, tokenExpiresIn: 3600, password_reset_at=2026-03-14T02:10:00Z",
        "secretName: db-credentials, secret_path=/run/x, client_secret_sha256=56b31df46439",
        "+ x --password-file /run/secrets/db --token-ttl 3600",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masking.masked(text) == (text, 0)


def test_a_command_line_is_masked_word_by_word() -> None:
    said = masking.command(
        [
            "deploy",
            "--password",
            "hunter2hunter2",
            "--token=abcdefgh",
            "-u",
            "sam:geheim",
            "--force",
        ]
    )
    assert said.words == (
        "deploy",
        "--password",
        "[masked: value of password]",
        "--token=[masked: value of token]",
        "-u",
        "sam:[masked: password]",
        "--force",
    )
    assert said.hidden == 3
    # Short ones are words that turn up everywhere.
    assert set(said.known) == {"hunter2hunter2", "abcdefgh"}
    assert masking.command(["sshpass", "-p", "x", "ssh"]).words[2] == "[masked: password]"


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "password",
        BEGIN,
        "://",
        "token=",
        "Bearer ",
        "--token ",
        "A" * 64 + "\n",
        "eyJ",
        "x:y@",
    ],
)
def test_no_output_makes_it_slow(unit: str) -> None:
    text = unit * (running.KEPT_BYTES * 2 // len(unit))
    began = time.process_time()
    masking.masked(text)
    assert time.process_time() - began < 5


@settings(deadline=None)
@given(st.text(max_size=200), st.sampled_from([AWS, GITHUB, SLACK]), st.text(max_size=200))
def test_a_token_is_masked_wherever_it_stands(before: str, token: str, after: str) -> None:
    text = f"{before} {token} {after}"
    assert token not in masking.masked(text).text


# --- what is recorded ----------------------------------------------------------------------------


def test_the_terminal_shows_all_and_the_record_does_not(desk: Desk) -> None:
    text = f"login with password=hunter2hunter2\n{KEY}\nsha256:{'ab' * 32}\ndone"
    done = desk.printing(text)
    assert text in done.stdout
    entry = desk.entry()
    assert entry["output"] == (
        "login with password=[masked: value of password]\n[masked: private key]\n"
        f"sha256:{'ab' * 32}\ndone\n"
    )
    assert entry["x-masked"] == 2
    assert "2 secrets masked in the record" in done.stderr
    for secret in ("hunter2hunter2", *KEY_LINES):
        assert secret not in desk.written()


def test_a_secret_of_the_command_line_is_masked_in_its_output_too(desk: Desk) -> None:
    code = "import sys; print('connecting with', sys.argv[2])"
    done = desk.execute(sys.executable, "-c", code, "--password", "correct-horse")
    assert done.stdout == "connecting with correct-horse\n"
    entry = desk.entry()
    assert entry["output"] == "connecting with [masked: value of password]\n"
    assert entry["command"].endswith("--password '[masked: value of password]'")
    assert entry["x-masked"] == 2
    assert "correct-horse" not in desk.written()


def test_values_of_secret_variables_are_masked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "blue-elephant-7")
    monkeypatch.setenv("DEPLOY_COLOUR", "blue-elephant")
    desk.printing("blue-elephant-7 and blue-elephant")
    assert desk.entry()["output"] == "[masked: value of $DEPLOY_TOKEN] and blue-elephant\n"


def test_a_variable_about_a_secret_is_none() -> None:
    said = {
        "DB_PASSWORD_FILE": "/run/secrets/db",
        "TOKEN_EXPIRES_AT": "2026-03-14",
        "X_TOKEN": "m4d3upm4d3",
    }
    assert masking.of_environment(said) == {"m4d3upm4d3": "value of $X_TOKEN"}


def test_nothing_to_mask_is_not_counted(desk: Desk) -> None:
    desk.printing("24/24 pods ready")
    assert "x-masked" not in desk.entry()


def test_a_secret_in_pieces_is_one_secret(desk: Desk) -> None:
    code = (
        "import sys, time\n"
        f"for piece in {[GITHUB[:9], GITHUB[9:20], GITHUB[20:]]!r}:\n"
        "    sys.stdout.write(piece); sys.stdout.flush(); time.sleep(0.2)\n"
        "    sys.stderr.write('working\\n'); sys.stderr.flush(); time.sleep(0.2)\n"
    )
    (desk.site / "pieces.py").write_text(code)
    done = desk.execute(sys.executable, "pieces.py")
    assert GITHUB[:9] in done.stdout
    entry = desk.entry()
    assert entry["x-masked"] == 1
    assert sorted(entry["output"].split()) == sorted(
        ["working"] * 3 + ["[masked:", "GitHub", "token]"]
    )


def test_a_secret_whose_beginning_is_cut_off_is_masked(desk: Desk) -> None:
    # It begins before what is kept, and ends within.
    rest = "\n".join(f"line {n:06}" for n in range((running.KEPT_BYTES - 100) // 12))
    early = "early\n" * 9000
    desk.printing(f"{early}{KEY}\n{rest}")
    log = (desk.folder / "attachments/E-1.log").read_text("utf-8")
    assert log.startswith("[cut: the first ")
    assert "early" not in log
    for line in KEY_LINES:
        assert line not in desk.written()


@pytest.mark.parametrize("offset", range(-60, 200, 13))
def test_no_cut_shows_a_secret(offset: int) -> None:
    tail = running._Tail()
    data = b"e" * 40_000 + f"\npassword={'geheim' * 20}\n".encode()
    tail.add(1, data + b"x" * (running.KEPT_BYTES - offset))
    said = tail.text({})
    assert "geheim" not in said.text
    assert said.text.startswith("[cut: the first ")


def test_long_output_is_masked_in_its_file(desk: Desk) -> None:
    desk.printing("\n".join(f"line {n} password=geheim{n}" for n in range(900)))
    entry = desk.entry()
    assert entry["output_file"]["path"] == "attachments/E-1.log"
    assert entry["x-masked"] == 900
    assert "geheim" not in desk.written()


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupted_execution_keeps_what_it_had_without_secrets(desk: Desk, name: str) -> None:
    code = (
        "import time; print('begun', flush=True); "
        f"print('{AWS} half', end='', flush=True); time.sleep(60)"
    )
    (desk.site / "long.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN.format(src=str(ROOT / "src")), "record", "execution", "--",
         sys.executable, "long.py"],
        cwd=desk.site, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    assert process.stdout.read(len(AWS)) == AWS.encode()
    process.send_signal(getattr(signal, name))
    process.communicate(timeout=30)
    entry = desk.entry()
    output = entry["output"]
    assert output.startswith("begun\n")
    assert "[masked: AWS key] half" in output
    assert output.endswith(f"[recording was interrupted by {name}]")
    assert entry["outcome"] == "unknown"
    assert entry["x-masked"] == output.count("[masked: AWS key]")
    assert AWS not in desk.written()


def test_a_program_reads_one_object_and_the_output_goes_aside(desk: Desk) -> None:
    arguments = ["record", "execution", "--json", "--", sys.executable, "-c", "print('ran')"]
    done = CliRunner().invoke(main, arguments)
    said = json.loads(done.stdout)
    assert (said["entry"], said["exit_code"]) == (desk.entry(), 0)
    assert (said["incident"], done.stderr) == (ID, "ran\n")
    assert "PHASE 3 START" in said["announcement"]
    (desk.folder / "decision-log.json").unlink()
    refused = CliRunner().invoke(main, [*arguments[:3], "--decision", "D-1", *arguments[3:]])
    assert (refused.exit_code, "decision" in json.loads(refused.stdout)["error"]) == (2, True)


def test_a_program_reads_why_nothing_was_run(desk: Desk) -> None:
    path = desk.folder / "decision-log.json"
    log = json.loads(path.read_text("utf-8"))
    log["decisions"][0]["approvals"].pop()
    path.write_text(json.dumps(log), "utf-8")
    arguments = ["record", "execution", "--json", "--", sys.executable, "-c", "open('ran', 'w')"]
    done = CliRunner().invoke(main, arguments)
    said = json.loads(done.stdout)
    assert (done.exit_code, said["exit_code"]) == (1, 1)
    assert any("release_manager" in bar["message"] for bar in said["missing"])
    assert not (desk.site / "ran").exists()


# --- the extra -----------------------------------------------------------------------------------


class Shape:
    """A detector of detect-secrets, as far as it is used."""

    secret_type = "Made-up Key"  # noqa: S105 - a name of its own

    def analyze_string(self, line: str) -> Iterator[str]:
        if "madeup-" in line:
            yield line[line.index("madeup-") :].split(maxsplit=1)[0]


def test_detectors_of_the_extra_are_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_detectors", lambda: (Shape(),))
    assert masking.masked(f"a\nb madeup-12345 c\n{AWS}") == (
        "a\nb [masked: Made-up Key] c\n[masked: AWS key]",
        2,
    )


@pytest.mark.skipif(
    importlib.util.find_spec("detect_secrets") is None, reason="the extra is not installed"
)
def test_the_extra_knows_more_shapes_and_calls_no_digest_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    stripe = "rk_live_" + "m4d3upm4d3upm4d3upm4d3up"
    assert stripe not in masking.masked(f"paid with {stripe}").text
    text = (ROOT / "examples/complete").rglob("mitigation-execution-report.json")
    for path in text:
        assert masking.masked(path.read_text("utf-8")).hidden == 0
