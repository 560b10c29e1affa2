"""The bundle: the same byte for byte, whole or not at all, and checked by standard tools."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from packagesite import ID, ROOT, Site, on, site

from incident_gates import schema
from incident_gates.cli import main
from incident_gates.package import bundle, own

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["site"]
NAME = own.BUNDLE
TOOLS = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in ("unzip", "sha256sum", "git", "openssl", "jq")),
    reason="the tools that VERIFY.md names are not here",
)


def packed(site: Site) -> Path:
    said = site.run("--bundle")
    assert said.stdout.split()[-1] == f".artifacts/incidents/{ID}/{NAME}", said.output
    return site.folder / NAME


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_holds_all_that_it_takes_to_judge_again(site: Site) -> None:
    held = members(packed(site))
    record = f"record/.artifacts/incidents/{ID}"
    for path in site.folder.rglob("*"):
        if path.is_file() and path.name != NAME:
            name = f"{record}/{path.relative_to(site.folder).as_posix()}"
            assert held.pop(name) == path.read_bytes()
    for path in schema.folder().glob("*.schema.json"):
        assert held.pop(f"schemas/{path.name}") == path.read_bytes()
    assert set(held) == {
        "VERIFY.md",
        "report.html",
        own.SUMS,
        "protocol/protocol.yaml",
        "git/history.json",
        own.STATEMENT,
    }


def test_it_judges_again_to_the_same(site: Site, tmp_path: Path) -> None:
    """Pinned inputs without a copy, and the policy with what it extends, come along."""
    policy = "extends: org/base.yaml\nclose_within_days: 4\n"
    (site.site / ".incident-gates.yaml").write_text(policy)
    (site.site / "org").mkdir()
    (site.site / "org/base.yaml").write_text("stale_after_days: 6\n")
    (site.folder / "alert-test-results.json").unlink()
    before = site.run()
    packed(site)
    manifest = site.manifest()
    apart = tmp_path / "apart"
    with zipfile.ZipFile(site.folder / NAME) as archive:
        archive.extractall(apart)
    inputs = apart / "record/.artifacts/monitoring/alert-test-results.json"
    assert inputs.is_file()
    record = apart / "record"
    for name in own.WRITTEN:
        (record / f".artifacts/incidents/{ID}" / name).unlink()
    said = CliRunner().invoke(main, ["aggregate", str(record)])
    assert said.exit_code == before.exit_code == 1, "closed without a copy of its own"
    again = site.manifest(record / f".artifacts/incidents/{ID}")
    assert again == manifest
    assert again["policy_sha256"]


def test_the_same_evidence_gives_the_same_bytes_anywhere(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = packed(site).read_bytes()
    (site.folder / NAME).unlink()
    for path in site.folder.rglob("*"):
        path.chmod(0o700)
        os.utime(path, (1, 1))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert packed(site).read_bytes() == first
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    site.run("--bundle", str(elsewhere / "one.zip"))
    assert (elsewhere / "one.zip").read_bytes() == first
    monkeypatch.delenv("TZ")
    time.tzset()


def test_members_are_plain_sorted_and_timeless(site: Site) -> None:
    with zipfile.ZipFile(packed(site)) as archive:
        infos = archive.infolist()
    assert [i.filename for i in infos] == sorted(i.filename for i in infos)
    assert {(i.date_time, i.compress_type, i.external_attr >> 16) for i in infos} == {
        (bundle.A_FIXED_TIME, zipfile.ZIP_STORED, 0o100644)
    }


def test_the_sums_list_every_other_member_but_the_statement_about_them(site: Site) -> None:
    held = members(packed(site))
    lines = [line.split("  ", 1) for line in held.pop(own.SUMS).decode().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert held.pop(own.STATEMENT)
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in held.items()}


def test_attachments_are_packed_piece_by_piece(site: Site) -> None:
    """A big file is never in memory as a whole, neither for its digest nor for the archive."""
    size = 40 * 1024 * 1024
    with (site.folder / "attachments/core.bin").open("wb") as stream:
        stream.truncate(size)
    script = (
        "import resource, sys; from incident_gates.cli import main\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: main(['aggregate', '--bundle'])\n"
        "except SystemExit: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base, file=sys.stderr)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    grown = int(done.stderr.split()[-1])
    assert (site.folder / NAME).stat().st_size > size
    assert grown < 60 * 1024, f"{grown} KiB more"


def test_a_bundle_beside_a_large_record_does_not_make_it_too_large(site: Site) -> None:
    with (site.folder / "attachments/core.bin").open("wb") as stream:
        stream.truncate(40 * 1024 * 1024)
    assert site.run("--bundle").exit_code == 0
    assert site.run("--bundle").exit_code == 0
    assert "core.bin" in str(site.manifest()["files"])


def test_a_file_that_changes_while_it_is_packed_is_noticed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = bundle._read

    def changing(path: Path) -> Iterator[bytes]:
        yield from read(path)
        yield b"more"

    monkeypatch.setattr(bundle, "_read", changing)
    said = site.run("--bundle")
    assert (said.exit_code, "changed while it was packed" in said.stderr) == (3, True)
    assert not (site.folder / NAME).exists()


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + b"\0" * 18, b"not a zip"])
def test_what_others_wrote_is_never_overwritten(site: Site, data: bytes) -> None:
    (site.folder / NAME).write_bytes(data)
    assert site.run("--bundle").exit_code == 2
    assert (site.folder / NAME).read_bytes() == data
    mine = site.site / "mine.zip"
    mine.write_bytes(data)
    assert site.run("--bundle", "mine.zip").exit_code == 2
    assert mine.read_bytes() == data


def test_a_bundle_has_a_place_of_its_own(site: Site) -> None:
    assert site.run("--bundle", f".artifacts/incidents/{ID}/notes.zip").exit_code == 2
    assert site.run("--bundle", "nowhere/one.zip").exit_code == 2
    assert site.run("--bundle", ".artifacts").exit_code == 2
    assert not list(site.folder.glob("*.zip"))[1:], "only the monitoring package"


def test_a_policy_that_cannot_come_along_is_said(site: Site, tmp_path: Path) -> None:
    outside = tmp_path.parent / "base-policy.yaml"
    outside.write_text("stale_after_days: 6\n")
    (site.site / ".incident-gates.yaml").write_text("extends: ../base-policy.yaml\n")
    said = site.run("--bundle")
    assert (said.exit_code, "cannot carry" in said.stderr) == (2, True)


def test_the_git_record_of_each_file(site: Site) -> None:
    first = site.committed()
    held = members(packed(site))
    history = json.loads(held["git/history.json"])
    assert history["known"]
    assert [c["commit"] for c in history["commits"]] == [first]
    [version] = history["files"]["decision-log.json"]
    blob = site.git("rev-parse", f"HEAD:.artifacts/incidents/{ID}/decision-log.json")
    assert version == {"commit": first, "status": "A", "blob": blob}
    assert {t["grade"] for t in history["times"]} <= {
        "contradicted",
        "unsupported",
        "git-consistent",
        "platform-attested",
    }
    before = (site.folder / NAME).read_bytes()
    site.committed("Package")
    assert packed(site).read_bytes() == before, "its own commits are no evidence"


# --- VERIFY.md -----------------------------------------------------------------------------------


def verify(folder: Path, **environment: str) -> list[subprocess.CompletedProcess[str]]:
    """Runs each shell block of VERIFY.md where it says to stand."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (folder / "VERIFY.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) == 7
    return [
        subprocess.run(
            ["sh", "-e", "-c", block],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
        )
        for block in blocks
    ]


def unpacked(site: Site, target: Path) -> Path:
    target.parent.mkdir()
    subprocess.run(["unzip", "-tq", str(site.folder / NAME)], check=True, capture_output=True)
    subprocess.run(["unzip", "-q", str(site.folder / NAME), "-d", str(target)], check=True)
    return target


@TOOLS
def test_its_own_instructions_check_it(site: Site, tmp_path: Path) -> None:
    site.committed()
    packed(site)
    folder = unpacked(site, tmp_path / "audit/bundle")
    *checks, signed = verify(folder, REPOSITORY=str(site.site), KEY="")
    for done in checks:
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("ok: "), "silence is no answer"
    assert signed.stdout.startswith("not checked: nobody signed")


@TOOLS
def test_its_own_instructions_never_pass_over_what_they_cannot_check(
    site: Site, tmp_path: Path
) -> None:
    site.committed()
    packed(site)
    folder = unpacked(site, tmp_path / "audit/bundle")
    assert [done.stdout[:3] for done in verify(folder, REPOSITORY="", KEY="")] == [
        *["ok:"] * 4,
        *["not"] * 3,
    ]
    site.git("init", "-q", str(tmp_path / "other"))
    elsewhere = verify(folder, REPOSITORY=str(tmp_path / "other"), KEY="")[4]
    assert (elsewhere.returncode, elsewhere.stdout[:22]) == (1, "NOT in this repository")


@TOOLS
def test_its_own_instructions_show_what_came_later(site: Site, tmp_path: Path) -> None:
    site.committed()
    packed(site)
    folder = unpacked(site, tmp_path / "audit/bundle")
    site.edit("decision-log.json", "rollback_backend.sh", "another.sh")
    site.committed("Tidy")
    later = verify(folder, REPOSITORY=str(site.site), KEY="")[5].stdout
    assert "Robin" in later
    assert f"M\t.artifacts/incidents/{ID}/decision-log.json" in later


@TOOLS
def test_its_own_instructions_find_another_protocol(site: Site, tmp_path: Path) -> None:
    packed(site)
    folder = unpacked(site, tmp_path / "audit/bundle")
    (folder / "protocol/protocol.yaml").write_text("other\n")
    done = verify(folder, REPOSITORY="", KEY="")[3]
    assert (done.returncode, done.stdout) == (1, "NOT that protocol\n")


@TOOLS
@pytest.mark.parametrize(
    "name",
    ["report.html", "git/history.json", f"record/.artifacts/incidents/{ID}/decision-log.json"],
)
def test_its_own_instructions_find_an_altered_byte(site: Site, tmp_path: Path, name: str) -> None:
    site.committed()
    packed(site)
    folder = unpacked(site, tmp_path / "audit/bundle")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    first, *_ = verify(folder, REPOSITORY=str(site.site), KEY="")
    assert first.returncode != 0
    assert name in first.stdout + first.stderr


@TOOLS
def test_its_own_instructions_find_what_was_put_beside(site: Site, tmp_path: Path) -> None:
    packed(site)
    folder = unpacked(site, tmp_path / "audit/bundle")
    (folder / "record/extra.txt").write_text("more\n")
    done = verify(folder, REPOSITORY=str(site.site), KEY="")[1]
    assert (done.returncode, "record/extra.txt" in done.stdout) == (1, True)


@TOOLS
@pytest.mark.parametrize("name", ["record/statement.more.json", "statement.more.json", "link"])
def test_its_own_instructions_find_a_link_and_a_false_statement(
    site: Site, tmp_path: Path, name: str
) -> None:
    packed(site)
    folder = unpacked(site, tmp_path / "audit/bundle")
    if name == "link":
        (folder / name).symlink_to("report.html")
    else:
        (folder / name).write_text("{}")
    done = verify(folder, REPOSITORY="", KEY="")[1]
    assert (done.returncode, name in done.stdout) == (1, True)


@TOOLS
def test_its_own_instructions_find_what_is_not_as_committed(site: Site, tmp_path: Path) -> None:
    site.committed()
    (site.folder / "attachments/api-error.log").write_text("something else\n")
    packed(site)
    folder = unpacked(site, tmp_path / "audit/bundle")
    done = verify(folder, REPOSITORY=str(site.site), KEY="")[4]
    assert (done.returncode, done.stdout) == (1, "NOT as committed: attachments/api-error.log\n")


# --- killed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(1, 16))
def test_a_kill_at_any_step_leaves_each_file_old_or_new(site: Site, at: int) -> None:
    """The process dies for good at the n-th system call that writes."""
    packed(site)
    old = {name: (site.folder / name).read_bytes() for name in (*own.WRITTEN, NAME)}
    for name in (own.MANIFEST, own.SUMS):
        (site.folder / name).rename(site.site / name)
    site.edit("communication-log.md", "Alex", "Alexa")
    packed(site)
    new = {name: (site.folder / name).read_bytes() for name in old}
    changed = {name for name in old if old[name] != new[name]}
    assert {own.MANIFEST, own.SUMS, NAME} <= changed
    for name, data in old.items():
        (site.folder / name).write_bytes(data)
    (site.folder / own.MANIFEST).unlink()  # not committed: it may be made anew
    _killed(site.site, at)
    manifest = site.folder / own.MANIFEST
    for name, data in old.items():
        if name != own.MANIFEST or manifest.exists():
            assert (site.folder / name).read_bytes() in (data, new[name]), name
    listed = (site.folder / own.SUMS).read_text()
    fits = manifest.exists() and hashlib.sha256(manifest.read_bytes()).hexdigest() in listed
    is_new = manifest.exists() and (site.folder / own.SUMS).read_bytes() == new[own.SUMS]
    assert fits == is_new, "old sums never pass for those of a new manifest"
    assert site.run("--bundle").exit_code in (0, 1, 2), "and it can be run again"


def _killed(site: Path, at: int) -> None:
    """Aggregates in a process of its own, which ends without goodbye at the n-th write."""
    script = (
        "import os, signal, sys, tempfile, pathlib\n"
        "left = [int(sys.argv[1])]\n"
        "def dying(function):\n"
        "    def step(*a, **k):\n"
        "        left[0] -= 1\n"
        "        if not left[0]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return function(*a, **k)\n"
        "    return step\n"
        "tempfile.mkstemp = dying(tempfile.mkstemp)\n"
        "pathlib.Path.chmod = dying(pathlib.Path.chmod)\n"
        "pathlib.Path.replace = dying(pathlib.Path.replace)\n"
        "from incident_gates.cli import main\n"
        "main(['aggregate', '--bundle'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(at)],
        cwd=site,
        check=False,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def test_what_a_killed_run_left_behind_is_no_evidence(site: Site) -> None:
    site.run("--bundle")
    first = {name: (site.folder / name).read_bytes() for name in (*own.WRITTEN, NAME)}
    for name in first:
        (site.folder / f".{name}.ab12cd_9.unfinished").write_bytes(b"half")
    (site.folder / ".SHA256SUMS.notes.unfinished").write_bytes(b"mine")
    assert site.run("--bundle").exit_code == 2, "what is no leftover was added under the seal"
    (site.folder / ".SHA256SUMS.notes.unfinished").unlink()
    assert site.run("--bundle").exit_code == 0
    assert {name: (site.folder / name).read_bytes() for name in first} == first
    assert not list(site.folder.glob(".*"))


def test_a_write_that_fails_leaves_no_traces(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {p: p.read_bytes() for p in site.folder.rglob("*") if p.is_file()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    said = site.run("--bundle")
    assert (said.exit_code, "cannot be written" in said.stderr) == (3, True)
    assert {p: p.read_bytes() for p in site.folder.rglob("*") if p.is_file()} == before


@on("contradictions")
def test_a_failed_record_is_packed_as_such(site: Site) -> None:
    assert site.run("--bundle").exit_code == 1
    held = members(site.folder / NAME)
    assert b"judged **failed**" in held["VERIFY.md"]
    assert b"FAILED" in held["report.html"]
