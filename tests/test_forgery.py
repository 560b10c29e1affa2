"""What a forger tries on packages, seals and repositories: none of it passes, none of it runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import packagework
import pytest
import sealwork
from click.testing import CliRunner
from gitwork import ENVIRONMENT
from test_history import AT, INCIDENT, LATE, custody_of, judged, site, write
from test_verify import (
    ID,
    MANIFEST,
    Made,
    Members,
    Repository,
    command,
    found,
    made,
    repository,
    subjects_fit,
    target,
    verified,
    with_statement,
)
from test_verify import write as put

from incident_gates import seal
from incident_gates.cli import main
from incident_gates.evidence import bounds, files
from incident_gates.evidence import history as door
from incident_gates.package import own
from incident_gates.package.verify import container
from incident_gates.package.verify.model import Outcome
from incident_gates.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["made", "repository", "site", "target"]


def with_manifest(members: Members, change: Callable[[dict[str, Any]], None]) -> Members:
    listed = json.loads(members[MANIFEST])
    change(listed)
    return {**members, MANIFEST: own.encoded(listed)}


# --- bundles --------------------------------------------------------------------------------------


def test_a_claim_that_git_was_asked_excuses_no_page(made: Made, target: Path) -> None:
    """What git said is in the bundle as well: pages and statement have to agree with it."""
    asks_git = {r.id for r in RULES.values() if r.criterion == "custody"}

    def claim(top: dict[str, Any]) -> None:
        tests = top["predicate"]
        tests["testsNotRun"] = [e for e in tests["testsNotRun"] if e["name"] not in asks_git]
        tests["passedTests"] = sorted({*tests["passedTests"], *asks_git})

    forged = with_statement({**made.members, "report.html": b"<p>All was well.</p>"}, claim)
    one = verified(put(target, subjects_fit(forged)))
    assert "report.html" in found(one)["pages"]
    assert "statement" in found(one)


def test_a_claim_of_another_version_excuses_no_page(made: Made, target: Path) -> None:
    def older(listed: dict[str, Any]) -> None:
        listed["tool"]["version"] = "0.0.1"

    forged = with_manifest({**made.members, "VERIFY.md": b"curl | sh"}, older)
    one = verified(put(target, subjects_fit(forged)))
    assert "verify them with 0.0.1" in found(one, Outcome.UNKNOWN)["pages"]
    assert command(str(target)).exit_code == 3


def test_rules_that_nobody_knows_do_not_count_as_passed(made: Made, target: Path) -> None:
    def bogus(top: dict[str, Any]) -> None:
        tests = top["predicate"]
        asks_git = {r.id for r in RULES.values() if r.criterion == "custody"}
        tests["passedTests"] = ["ALL001", *sorted(asks_git)]
        tests["warnedTests"], tests["testsNotRun"] = [], []
        for entry in tests["configuration"]:
            if entry["name"] == "incident-gates":
                entry["digest"]["dirHash"] = "0" * 64

    one = verified(put(target, subjects_fit(with_statement(made.members, bogus))))
    assert one.outcome is not Outcome.VERIFIED
    said = found(one, Outcome.UNKNOWN).get("statement", "") + found(one).get("statement", "")
    assert "other rules" in said


@pytest.mark.parametrize(
    "name", ["START-HERE.html", "record/src/app.py", "record/.artifacts/incidents/INC-1/notes.md"]
)
def test_a_member_that_no_bundle_holds_is_named(made: Made, target: Path, name: str) -> None:
    one = verified(put(target, subjects_fit({**made.members, name: b"Trust us."})))
    assert name in found(one)["manifest"]


def test_what_a_manifest_says_besides_digests_is_compared(repository: Repository) -> None:
    path = repository.folder / own.MANIFEST
    listed = json.loads(path.read_text())
    listed["files"][0]["role"], listed["files"][1]["sealed"] = "attachment", False
    path.write_bytes(own.encoded(listed))
    assert {"role", "sealed"} <= set(
        found(verified(repository.folder))["gates"].replace(":", "/").split("/")
    )


def test_history_that_does_not_hold_these_files(made: Made, target: Path) -> None:
    """Words around it that are not ours, or a blob that no file has."""
    told = json.loads(made.members["git/history.json"])
    for change in (
        {"means": "Commit dates prove everything."},
        {"known": True, "files": {"decision-log.json": [{"blob": "0" * 40}]}},
    ):
        forged = (json.dumps({**told, **change}, indent=2) + "\n").encode()
        one = verified(put(target, subjects_fit({**made.members, "git/history.json": forged})))
        assert "git/history.json" in found(one)["pages"], change


def test_a_name_that_this_system_does_not_take(made: Made, target: Path) -> None:
    long = {**made.members, f"record/{'a' * 300}": b"x"}
    said = command(str(put(target, subjects_fit(long))))
    assert said.exit_code == 1
    assert "cannot be unpacked" in " ".join(said.output.split())


def test_a_manifest_larger_than_any(made: Made, target: Path) -> None:
    large = made.members[MANIFEST] + b" " * bounds.MANIFEST_BYTES
    one = verified(put(target, subjects_fit({**made.members, MANIFEST: large})))
    assert "larger than" in found(one)["manifest"]


def test_a_key_is_printed_inert(made: Made, target: Path) -> None:
    def hostile(top: dict[str, Any]) -> None:
        top["predicate"]["\x1b[31m\n::error::"] = 1

    put(target, subjects_fit(with_statement(made.members, hostile)))
    said = command(str(target)).output
    assert "\x1b" not in said
    assert "::error" not in said


def test_a_record_whose_package_was_taken_away_is_not_passed_over(
    made: Made, tmp_path: Path
) -> None:
    root = tmp_path / ".artifacts/incidents"
    shutil.copytree(made.folder, root / ID)
    shutil.copytree(made.folder, root / "INC-2026-0043")
    (root / "INC-2026-0043" / own.MANIFEST).unlink()
    open_one = packagework.copied("in-progress-1", tmp_path / "open")
    shutil.copytree(open_one, root / "INC-2026-0050")
    said = command(str(root), "--format", "json")
    assert said.exit_code == 3, said.output
    outcomes = {p["target"]: p["outcome"] for p in json.loads(said.stdout)["packages"]}
    assert outcomes == {ID: "verified", "INC-2026-0043": "unknown"}


# --- honest records -------------------------------------------------------------------------------


def test_what_no_seal_can_hold_stands_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link, a pipe, a strange name, and attachments in a folder named as in a bundle."""
    folder = packagework.copied("complete", tmp_path)
    monkeypatch.chdir(tmp_path)
    (folder / "attachments/link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "attachments/pipe")
    (folder / "attachments/a:b.txt").write_text("x")
    (folder / "attachments/nul.txt").write_text("x")
    (folder / "record").mkdir()
    (folder / "record/notes.txt").write_text("x")
    assert CliRunner().invoke(main, ["aggregate", "--bundle"]).exit_code == 0
    for what in (folder, folder / own.BUNDLE):
        one = verified(what)
        assert one.outcome is Outcome.VERIFIED, found(one)
        assert "attachments/link was left out" in " ".join(one.not_verified)
    assert "CUS003" not in CliRunner().invoke(main, ["check"]).output
    (folder / "attachments/another").symlink_to("/etc/passwd")
    assert "attachments/another was added" in CliRunner().invoke(main, ["check"]).output
    (folder / "attachments/link").unlink()
    (folder / "attachments/link").write_text("no link any more")
    assert "attachments/link was added" in CliRunner().invoke(main, ["check"]).output


def test_a_false_positive_gives_the_same_bytes_again(tmp_path: Path) -> None:
    """It is judged when somebody said so, not whenever the package is written."""
    folder = packagework.copied("false-positive", tmp_path)
    said = []
    for _ in range(2):
        assert CliRunner().invoke(main, ["aggregate", str(folder)]).exit_code == 0
        said.append((folder / own.MANIFEST).read_bytes())
    assert said[0] == said[1]
    assert json.loads(said[0])["as_of"] == "2026-03-14T02:17:00Z"
    assert verified(folder).outcome is Outcome.VERIFIED


@pytest.mark.parametrize("name", ["CON", "a/nul.txt", "lpt1", "x/AUX.log", "com¹"])
def test_names_of_devices_are_no_plain_names(name: str) -> None:
    assert "device" in seal.unusual(name)
    assert not seal.unusual(f"{name.rpartition('.')[0] or name}sole.txt")


def test_a_policy_that_stands_elsewhere_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the folder that the command runs in, or in a folder of its own; and said if loose."""
    folder = packagework.copied("complete", tmp_path / "site")
    own_policy = tmp_path / "site/.incident-gates.yaml"
    own_policy.write_text("thresholds: {recovery_pass_rate: 0.5}\n")
    other = tmp_path / "rules/policy.yaml"
    other.parent.mkdir()
    other.write_text("stale_after_days: 9\n")
    monkeypatch.chdir(folder.parent)
    for arguments, said in (
        ((), "asks for less"),
        (("--policy", "../../../rules/policy.yaml"), ""),
    ):
        run = CliRunner().invoke(main, ["aggregate", str(folder), "--bundle", *arguments])
        assert run.exit_code == 0, run.output
        one = verified(folder / own.BUNDLE)
        assert one.outcome is Outcome.VERIFIED, found(one)
        assert said in " ".join(one.not_verified)


@pytest.fixture(scope="module", params=["report", "required"])
def with_git(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A bundle of a record of which git knows something: a value that was rewritten."""
    whole = Made(tmp_path_factory.mktemp("with_git"))
    (whole.site / ".incident-gates.yaml").write_text(f"history: {request.param}\n")
    (whole.site / ".gitignore").write_text("*.pem\n")
    path = whole.folder / "decision-log.json"
    now = path.read_text()
    path.write_text(now.replace("Jordan", "Robin"))
    sealwork.begin(whole.site)
    sealwork.commit(whole.site, whole.folder, AT)
    path.write_text(now)
    sealwork.commit(whole.site, whole.folder, LATE)
    whole.aggregate("--bundle", "--sign", str(whole.key))
    whole.data = whole.bundle.read_bytes()
    whole.members = container.opened(whole.data)
    return whole


def test_pages_that_show_what_git_knew_are_written_again(with_git: Made, target: Path) -> None:
    """A bundle has no repository, so it carries what git said: as its claim, and no more."""
    told = json.loads(with_git.members["git/history.json"])["custody"]
    assert "CUS009" in {each["rule"] for each in told["findings"]}
    unsigned = {n: d for n, d in with_git.members.items() if n != own.ENVELOPE}
    for one in (verified(with_git.bundle, with_git.public), verified(put(target, unsigned))):
        assert one.outcome is Outcome.VERIFIED, found(one)
        assert "pages" in found(one, Outcome.VERIFIED)
        assert "as the bundle claims" in " ".join(one.not_verified)


def test_nothing_is_taken_out_of_what_git_said(with_git: Made, target: Path) -> None:
    """Whoever leaves a finding out of one place has to forge all the others, too."""
    history = json.loads(with_git.members["git/history.json"])

    def forged(name: str, data: bytes) -> str:
        members = subjects_fit({**with_git.members, name: data})
        return " ".join(found(verified(put(target, members))))

    change: dict[str, Any]
    for change in ({"findings": []}, {"corroborated": []}, {"left": {"CUS009": "no"}}):
        told = {**history, "custody": {**history["custody"], **change}}
        assert "pages" in forged("git/history.json", own.encoded(told)), change
    for broken in ({}, {"findings": [{"rule": "MIT004"}]}, {"corroborated": [1]}, {"asked": 1}):
        told = {**history, "custody": {**history["custody"], **broken} if broken else None}
        assert "gates" in forged("git/history.json", own.encoded(told)), broken
    page = with_git.members["report.html"].replace(b"CUS009", b"CUS010")
    assert "pages" in forged("report.html", page)


# --- a folder in git ------------------------------------------------------------------------------


def test_what_was_not_committed_is_not_said_to_be_as_committed(repository: Repository) -> None:
    path = repository.folder / own.MANIFEST
    listed = json.loads(path.read_text())
    listed["uncommitted"] = [entry["path"] for entry in listed["files"]]
    path.write_bytes(own.encoded(listed))
    one = verified(repository.folder)
    assert "or the last commit" in found(one, Outcome.VERIFIED)["git"]
    (repository.folder / "decision-log.json").write_text("{}")
    assert "decision-log.json" in found(verified(repository.folder), Outcome.LEFT)["git"]


def test_what_was_committed_with_the_package_is_as_the_last_commit_has_it(
    repository: Repository,
) -> None:
    (repository.folder / "attachments/late.log").write_text("late\n")
    amended = {"files": ["attachments/late.log"], "id": "A-1"}
    before = {k: v for k, v in sealwork.digests(repository.folder).items() if "late" not in k}
    sealwork.amend(repository.folder, before, [amended])
    said = CliRunner().invoke(main, ["aggregate", str(repository.folder), "--statement"])
    assert said.exit_code == 0, said.output
    assert "late.log" in found(verified(repository.folder), Outcome.LEFT)["git"]
    repository.commit("late evidence")
    assert "or the last commit" in found(verified(repository.folder), Outcome.VERIFIED)["git"]


def test_a_history_rewritten_under_the_seal_is_said(repository: Repository) -> None:
    repository.git("checkout", "-q", "--orphan", "again")
    repository.commit("all of it, anew")
    said = found(verified(repository.folder), Outcome.LEFT)["custody"]
    assert "CUS008" in said


def test_line_ends_and_large_files_as_git_keeps_them(repository: Repository) -> None:
    """A checkout with CRLF, and a file that git holds as a pointer."""
    from incident_gates.package.verify.blobs import is_blob

    data = b"one\r\ntwo\r\n"
    about = f"oid sha256:{files.digest(data)}\nsize {len(data)}\n"
    for kept in (
        data,
        b"one\ntwo\n",
        f"version https://git-lfs.github.com/spec/v1\n{about}".encode(),
    ):
        blob = (
            subprocess.run(
                ["git", "hash-object", "--stdin", "--no-filters"],
                input=kept,
                cwd=repository.site,
                capture_output=True,
                check=True,
                env=ENVIRONMENT,
            )
            .stdout.decode()
            .strip()
        )
        assert is_blob(blob, data), kept
    assert not is_blob("0" * 40, data)


def test_an_earlier_seal_has_to_be_named(site: Path) -> None:
    """Amended and sealed again, the record still says that it was sealed before."""
    folder = site / INCIDENT
    sealwork.commit(site, folder, AT)
    first, before = sealwork.seal(folder), sealwork.digests(folder)
    sealwork.commit(site, folder, LATE)
    write(site, "incident-timeline.md", (folder / "incident-timeline.md").read_text() + "\n")
    sealwork.amend(folder, before, [{"id": "A-1", "files": ["incident-timeline.md"]}])
    sealwork.seal(folder)
    sealwork.commit(site, folder, LATE)
    assert custody_of(site) == {("CUS007", "WARNING")}
    sealwork.seal(folder, seals=[{"sha256": first, "as_of": "", "amendments": ["A-1"]}])
    assert custody_of(site) == set()


def test_a_record_that_is_open_again_names_its_seal(site: Path) -> None:
    folder = site / INCIDENT
    sealwork.commit(site, folder, AT)
    first = sealwork.seal(folder)
    sealwork.commit(site, folder, LATE)
    sealwork.seal(folder, sealed=False)
    assert custody_of(site) == {("CUS007", "CRITICAL")}
    sealwork.seal(folder, sealed=False, seals=[{"sha256": first, "as_of": "", "amendments": []}])
    assert custody_of(site) == {("CUS007", "WARNING")}


def test_an_amendment_that_makes_its_own_approver(site: Path) -> None:
    folder = site / INCIDENT
    before = sealwork.digests(folder)
    sealwork.seal(folder)
    path = folder / "prerequisites.json"
    path.write_text(path.read_text().replace("Jordan", "Bo"), encoding="utf-8")
    approved = [{"name": "Bo", "role": "release_manager"}]
    entry = {"id": "A-1", "files": [path.name], "approved_by": approved}
    sealwork.amend(folder, before, [entry])
    said = [f.message for f in judged(site).all_findings if f.rule == "CUS005"]
    assert said == ["amendment A-1 changes prerequisites.json, which alone says who may approve it"]


# --- a repository that somebody planted -----------------------------------------------------------


class Planted:
    """A repository whose own settings would run a program; ``ran`` says whether they did."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.proof = folder / "site", folder / "ran"
        self.program = folder / "program"
        self.program.write_text(f"#!/bin/sh\ntouch '{self.proof}'\ncat\n")
        self.program.chmod(0o755)
        self.folder.mkdir()
        self.git("init", "-q")
        (self.folder / "f").write_text("x\n")
        self.git("add", "f")
        self.git("commit", "-qm", "first")

    def git(self, *arguments: str, given: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=ENVIRONMENT,
            input=given,
            check=True,
            capture_output=True,
        )
        return done.stdout.decode().strip()

    @property
    def ran(self) -> bool:
        return self.proof.exists()


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path)


def test_no_filter_of_the_repository_runs(planted: Planted) -> None:
    planted.git("config", "filter.ev=il.clean", str(planted.program))
    (planted.folder / ".git/info/attributes").write_text("* filter=ev=il\n")
    (planted.folder / "f").write_text("y\n")
    assert door.uncommitted(planted.folder, ".") == ("f",)
    assert not planted.ran


PROGRAMS = (
    "filter.x.clean",
    "filter.x.smudge",
    "filter.y.process",
    "diff.x.textconv",
    "diff.x.command",
    "diff.external",
    "core.fsmonitor",
    "core.pager",
    "core.alternateRefsCommand",
)
COMMANDS = (
    ("check", "--history", INCIDENT),
    ("aggregate", INCIDENT, "--bundle"),
    ("verify", INCIDENT),
    ("staged",),
    ("doctor",),
)


@pytest.mark.skipif(os.name != "posix", reason="a program written for a POSIX shell")
def test_no_command_runs_a_program_that_the_repository_names(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{proof}'\ncat\n")
    program.chmod(0o755)
    sealwork.begin(site)
    log = site / INCIDENT / "communication-log.md"
    sealwork.commit(site, site / INCIDENT, LATE)
    log.write_text(f"{log.read_text()}\n")
    sealwork.git(site, "add", "--all")
    (site / ".gitattributes").write_text("*.md filter=x diff=x\n*.json filter=y diff=x\n")
    for name in PROGRAMS:
        sealwork.git(site, "config", name, str(program))
    monkeypatch.chdir(site)

    def called(*arguments: str) -> bool:
        """Whether the program ran: every file looks changed, so that git has to look into it."""
        proof.unlink(missing_ok=True)
        for path in (site / ".artifacts").rglob("*"):
            os.utime(path, (1, 1))
        if arguments[0] == "git":
            subprocess.run(arguments, env=ENVIRONMENT, check=False, capture_output=True)
        else:
            run = CliRunner().invoke(main, arguments)
            assert run.exit_code in (0, 1), run.output
        return proof.exists()

    assert called("git", "--no-optional-locks", "status"), "or nothing is shown by this"
    assert [command for command in COMMANDS if called(*command)] == []


def test_no_program_of_the_repository_verifies_signatures(planted: Planted) -> None:
    for name in ("gpg.program", "gpg.openpgp.program", "gpg.ssh.program"):
        planted.git("config", name, str(planted.program))
    for kind in ("PGP", "SSH"):
        head, _, message = planted.git("cat-file", "commit", "HEAD").partition("\n\n")
        signature = (
            f"gpgsig -----BEGIN {kind} SIGNATURE-----\n \n x\n -----END {kind} SIGNATURE-----"
        )
        raw = f"{head}\n{signature}\n\n{message}\n".encode()
        commit = planted.git("hash-object", "-t", "commit", "-w", "--stdin", given=raw)
        assert door.signed(planted.folder, [commit]) == {commit}
        assert not door.verified(planted.folder, [commit], ["x ssh-ed25519 AAAA", "A" * 40])
    assert not planted.ran


def test_no_transport_of_the_repository_is_used(planted: Planted) -> None:
    blob = planted.git("rev-parse", "HEAD:f")
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{planted.program}",
        "protocol.ext.allow": "always",
    }.items():
        planted.git("config", name, value)
    (planted.folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    assert door.blobs(planted.folder, [blob]) == {}
    door.uncommitted(planted.folder, ".")
    assert not planted.ran


def test_a_graft_hides_no_commit(planted: Planted) -> None:
    (planted.folder / "f").write_text("y\n")
    planted.git("commit", "-qam", "second")
    tip = planted.git("rev-parse", "HEAD")
    (planted.folder / ".git/info/grafts").write_text(f"{tip}\n")
    assert len(door.log(planted.folder, ".")) == 2


@pytest.mark.parametrize("date", ["99999999999999999 +0000", "nonsense", "-1 -0000"])
def test_a_date_that_nobody_can_read_hides_no_history(planted: Planted, date: str) -> None:
    tree = planted.git("rev-parse", "HEAD^{tree}")
    parent = planted.git("rev-parse", "HEAD")
    (planted.folder / "f").write_text("y\n")
    planted.git("add", "f")
    tree = planted.git("write-tree")
    who = f"A <a@example.com> {date}"
    raw = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nx\n".encode()
    wild = ("hash-object", "-t", "commit", "-w", "--stdin", "--literally")
    planted.git("update-ref", "HEAD", planted.git(*wild, given=raw))
    versions = door.log(planted.folder, ".")
    assert [v.path for v in versions] == ["f", "f"]
