"""What git knows: read whole, bounded, whatever the commits claim, and never taken for more."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import casework
import gitwork
import pytest
import sealwork
from click.testing import CliRunner
from sealwork import commit, git

from incident_gates import custody, engine, history, policy, protocol
from incident_gates.chain import Chain
from incident_gates.cli import main
from incident_gates.evidence import bounds, times
from incident_gates.evidence import history as door
from incident_gates.incident import Record
from incident_gates.model import Verdict
from incident_gates.rules import RULES

INCIDENT = ".artifacts/incidents/INC-2026-0042"
AT = "2026-03-14T02:30:00Z"
LATE = "2026-03-16T11:00:00Z"
NOW = times.parse("2026-03-20T00:00:00Z")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A repository without a commit, and a record in it."""
    casework.build(casework.Case(tmp_path / "none"), tmp_path / "site")
    sealwork.begin(tmp_path / "site")
    return tmp_path / "site"


def record_in(base: Path) -> Record:
    return Record(base / INCIDENT, site=base, base=base, protocol=protocol.load())


def known(base: Path) -> history.History:
    return history.of(record_in(base), history.repository_of(record_in(base)))


def judged(base: Path, **settings: Any) -> Any:
    """The report with history asked for, under a policy."""
    assert NOW is not None
    limits = policy.Limits(protocol.load(), policy.Policy(settings))
    return engine.judge(record_in(base), limits, NOW.earliest, engine.Request(history=True))


def grades(base: Path, **settings: Any) -> dict[str, str]:
    """The grade of each event of the causal line."""
    return {link.event: link.grade for link in judged(base, **settings).causal_line}


def write(site: Path, name: str, text: str) -> None:
    (site / INCIDENT / name).write_text(text, encoding="utf-8")


# --- what is read ---------------------------------------------------------------------------------


def test_every_version_of_every_file_is_known(site: Path) -> None:
    """Commit, blob, author and committer of each, oldest first; a removal has no blob."""
    folder = site / INCIDENT
    first = commit(site, folder, AT, "Kim", ["decision-log.json"])
    write(site, "decision-log.json", "{}")
    second = commit(site, folder, LATE, "Robin <robin@corp.example>")
    (folder / "decision-log.json").unlink()
    third = commit(site, folder, LATE)
    found = known(site)
    versions = found.of("decision-log.json")
    assert [(v.commit.sha, v.status) for v in versions] == [
        (first, "A"),
        (second, "M"),
        (third, "D"),
    ]
    assert [found.content(v) for v in versions[1:]] == [b"{}", None]
    author = versions[1].commit.author
    assert (author.name, author.email) == ("Robin", "robin@corp.example")
    assert versions[1].commit.committer.time.isoformat() == "2026-03-16T11:00:00+00:00"
    assert [c.sha for c in found.commits] == [first, second, third]
    assert found.last == found.commits[-1]
    assert found.uncommitted == ()
    write(site, "new.txt", "x")
    assert known(site).uncommitted == ("new.txt",)


def test_a_merge_hides_nothing(site: Path) -> None:
    """A side that a merge did not take is read too, and so is what only the merge itself holds."""
    folder = site / INCIDENT
    commit(site, folder, AT)
    git(site, "checkout", "-q", "-b", "side")
    write(site, "a.txt", "side")
    side = commit(site, folder, AT)
    git(site, "checkout", "-q", "main")
    write(site, "b.txt", "main")
    commit(site, folder, AT)
    git(site, "merge", "-q", "--no-commit", "-s", "ours", "side")
    write(site, "b.txt", "merge")
    merge = commit(site, folder, LATE)
    found = known(site)
    assert [v.commit.sha for v in found.of("a.txt")] == [side]
    assert [found.content(v) for v in found.of("b.txt")] == [b"main", b"merge"]
    assert found.of("b.txt")[-1].commit.sha == merge
    assert len(found.of("b.txt")[-1].commit.parents) == 2


def test_names_of_files_and_people_are_taken_as_they_are(site: Path) -> None:
    """Nothing in a name ends a field, a line or a path."""
    folder = site / INCIDENT
    names = [":100644 a", "a\nb", 'q"uote', "tab\there", "-x", "\u00e4\u202e.txt", "'; rm -rf"]
    for name in names:
        write(site, name, name)
    write(site, "mitigation-plan.md", "x")
    hostile = "x\x1b[31m::error::x ##[warning] \u202e"
    commit(site, folder, AT, f"{hostile} <a b@c>")
    found = known(site)
    assert found.known
    assert set(names) <= set(found.files)
    assert {found.commits[0].author.name} == {hostile.strip()}
    shown = CliRunner().invoke(main, ["check", str(folder), "--history"])
    assert shown.exit_code == 1
    assert not re.search("\x1b|\u202e|##\\[|::error", shown.output)


@pytest.mark.parametrize(
    "setting",
    [
        ("log.showSignature", "true"),
        ("log.follow", "true"),
        ("log.diffMerges", "off"),
        ("log.mailmap", "true"),
        ("log.date", "relative"),
        ("diff.renames", "copies"),
        ("diff.relative", "true"),
        ("diff.noprefix", "true"),
        ("color.ui", "always"),
        ("core.quotePath", "true"),
        ("core.abbrev", "4"),
        ("i18n.logOutputEncoding", "UTF-16"),
        ("format.pretty", "oneline"),
        ("core.pager", "false"),
    ],
)
def test_settings_of_the_repository_change_no_answer(site: Path, setting: tuple[str, str]) -> None:
    """What is read of the log does not depend on how somebody likes to see it."""
    (site / ".mailmap").write_text("Nobody <nobody@example.com> <kim@example.com>\n")
    commit(site, site / INCIDENT, AT, "Kim")
    before = [v._replace(commit=v.commit) for v in known(site).versions]
    git(site, "config", *setting)
    assert known(site).versions == tuple(before)
    assert before[0].commit.author.name == "Kim"


def test_a_repository_inside_the_evidence_is_never_asked(site: Path, tmp_path: Path) -> None:
    """A planted repository runs none of its own commands."""
    commit(site, site / INCIDENT, AT)
    planted = site / INCIDENT
    git(site, "init", "-q", "--bare", str(tmp_path / "planted"))
    for part in ("HEAD", "objects", "refs", "config"):
        (tmp_path / "planted" / part).rename(planted / part)
    touched = tmp_path / "touched"
    (planted / "config").write_text(f"[core]\n\tbare = true\n\tfsmonitor = touch {touched}\n")
    found = known(site)
    assert found.known
    assert found.uncommitted
    assert not touched.exists()


@pytest.mark.parametrize("bound", ["HISTORY_BYTES", "HISTORY_COMMITS"])
def test_more_than_a_bound_is_not_known(
    site: Path, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of a history would be taken for the whole."""
    commit(site, site / INCIDENT, AT, files=["decision-log.json"])
    commit(site, site / INCIDENT, LATE)
    monkeypatch.setattr(bounds, bound, 1)
    found = known(site)
    assert not found.known
    assert "more than" in found.why_not or "longer than" in found.why_not
    assert not found.versions


def test_a_large_version_is_not_read(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blob is known, its content is not."""
    commit(site, site / INCIDENT, AT)
    monkeypatch.setattr(bounds, "FILE_BYTES", 100)
    found = known(site)
    version = found.of("decision-log.json")[0]
    assert version.blob
    assert found.content(version) is None
    monkeypatch.undo()
    monkeypatch.setattr(bounds, "HISTORY_CONTENT", 100)
    said = judged(site).assurance.not_verified
    assert "history not verified: some versions of decision-log.json" in said


def test_nothing_is_fetched_from_a_server(site: Path, tmp_path: Path) -> None:
    """A clone that left its blobs with the server stays offline, and is no traceback."""
    commit(site, site / INCIDENT, AT)
    git(site, "config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--filter=blob:none", site.as_uri(), str(clone))
    commit(site, site / INCIDENT, LATE)
    write(site, "later.txt", "later")
    commit(site, site / INCIDENT, LATE)
    git(clone, "fetch", "-q")
    git(clone, "update-ref", "refs/heads/main", "origin/main")
    found = known(clone)
    assert found.known
    assert found.content(found.of("later.txt")[0]) is None
    missing = git(clone, "rev-list", "--objects", "--missing=print", "HEAD")
    assert "?" in missing


def test_earlier_plans_are_kept_by_git(site: Path) -> None:
    """Every text that the plan ever had, newest first, each once, also across a merge."""
    folder = site / INCIDENT
    for text in ("# One\n", "# Two\n", "# One\n"):
        write(site, "mitigation-plan.md", text)
        commit(site, folder, AT)
    git(site, "checkout", "-q", "-b", "side")
    write(site, "mitigation-plan.md", "# Side\n")
    commit(site, folder, AT)
    git(site, "checkout", "-q", "main")
    git(site, "merge", "-q", "--no-edit", "-s", "ours", "side")
    git(site, "config", "log.showSignature", "true")
    assert [plan.text for plan in record_in(site).kept_plans()] == [
        "# Side\n",
        "# One\n",
        "# Two\n",
    ]


def test_the_flat_layout_has_a_history_of_its_own(site: Path) -> None:
    """Files and attachments directly in the root; another incident's folder is not theirs."""
    root = (site / INCIDENT).parent
    shutil.copytree(site / INCIDENT, root, dirs_exist_ok=True)
    commit(site, root, AT)
    record = Record(root, site=site, base=site, protocol=protocol.load(), flat=True)
    names = set(history.of(record, site).files)
    assert {"decision-log.json", "attachments/api-error.log"} <= names
    assert not [name for name in names if name.startswith("INC-")]


def test_a_part_of_a_monorepo_has_the_history_above_it(tmp_path: Path) -> None:
    """The policy's folder is the repository for paths; git may stand above it."""
    part = tmp_path / "services/api"
    casework.build(casework.Case(tmp_path / "none"), part)
    (part / policy.NAME).write_text("{}")
    sealwork.begin(tmp_path)
    commit(tmp_path, part / INCIDENT, AT)
    assert known(part).known


def test_records_side_by_side_are_read_together(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the second one on, one pass serves all; a new commit is a new history."""
    shutil.copytree(site / INCIDENT, site / INCIDENT.replace("0042", "0043"))
    commit(site, site / INCIDENT, AT)
    asked: list[str] = []
    log = door.log

    def counted(repository: Path, folder: str, times: int = 1) -> Any:
        asked.append(folder)
        return log(repository, folder, times)

    monkeypatch.setattr(door, "log", counted)
    alone = known(site)
    again = known(site)
    third = known(site)
    assert asked == [INCIDENT, INCIDENT.rpartition("/")[0]]
    assert alone.versions == again.versions == third.versions
    write(site, "later.txt", "later")
    commit(site, site / INCIDENT, LATE)
    assert known(site).of("later.txt")


# --- what is not known ----------------------------------------------------------------------------


def shallow(site: Path, tmp_path: Path) -> Path:
    commit(site, site / INCIDENT, AT, files=["decision-log.json"])
    commit(site, site / INCIDENT, LATE)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth=1", site.as_uri(), str(clone))
    return clone


def test_why_history_is_not_known(site: Path, tmp_path: Path) -> None:
    """Each reason is said; none is taken for an empty history."""
    assert known(site).why_not == "there is no commit yet"
    (site / "README.md").write_text("x")
    git(site, "add", "README.md")
    git(site, "commit", "-qm", "x")
    assert known(site).why_not == "no commit holds this record"
    (site / ".gitignore").write_text(".artifacts\n")
    assert known(site).why_not == "git ignores the folder"
    (site / ".gitignore").unlink()
    assert "shallow" in known(shallow(site, tmp_path)).why_not
    (site / ".git/HEAD").write_text("nonsense")
    assert known(site).why_not == "git cannot read this repository"
    (site / ".git").rename(tmp_path / "elsewhere")
    assert known(site).why_not == "this is not a git repository"


def test_unknown_history_is_said_and_changes_nothing(site: Path, tmp_path: Path) -> None:
    """A shallow checkout dates every file alike: nothing is graded, and the verdict stands."""
    report = judged(shallow(site, tmp_path))
    assert report.verdict is Verdict.PASSED
    assert "history not verified: the checkout is shallow" in report.assurance.not_verified[0]
    assert {link.grade for link in report.causal_line} == {""}
    left = dict(report.rules_left)
    assert "shallow" in left["CUS009"]
    assert "CUS009" not in report.rules_run


def test_a_policy_may_want_a_history_to_judge_by(site: Path, tmp_path: Path) -> None:
    """Then what cannot be known is no pass: the exit code says that it could not be told."""
    clone = shallow(site, tmp_path)
    assert judged(clone, history="required").verdict is Verdict.ERROR
    assert judged(site, history="required").verdict is Verdict.PASSED
    (clone / policy.NAME).write_text("history: required\n")
    done = CliRunner().invoke(main, ["check", str(clone / INCIDENT)])
    assert done.exit_code == 3
    assert "history not verified: the checkout is shallow" in " ".join(done.output.split())


@pytest.mark.parametrize(("setting", "asked"), [(None, False), ("off", False), ("report", True)])
def test_the_policy_says_whether_git_is_asked(
    site: Path, setting: str | None, *, asked: bool
) -> None:
    """Off unless set; the flag asks all the same."""
    commit(site, site / INCIDENT, AT)
    if setting:
        (site / policy.NAME).write_text(f"history: {setting}\n")
    for flags, expected in (([], asked), (["--history"], True)):
        done = CliRunner().invoke(main, ["check", str(site / INCIDENT), "--format=json", *flags])
        line = json.loads(done.stdout)["incidents"][0]["causal_line"]
        assert all(bool(link["grade"]) is expected for link in line)


# --- seals in history -----------------------------------------------------------------------------


def custody_of(site: Path) -> set[tuple[str, str]]:
    findings = judged(site).all_findings
    return {(f.rule, f.level) for f in findings if f.rule in ("CUS007", "CUS008")}


def test_history_rewritten_under_a_seal_is_found(site: Path) -> None:
    """The branch begins again: the commit that the seal was made on is no longer part of it."""
    folder = site / INCIDENT
    commit(site, folder, AT)
    sealwork.seal(folder, commit="HEAD")
    commit(site, folder, LATE)
    assert custody_of(site) == set()
    git(site, "checkout", "-q", "--orphan", "again")
    commit(site, folder, LATE)
    assert custody_of(site) == {("CUS008", "WARNING")}


def test_a_merge_cannot_take_a_seal_away(site: Path) -> None:
    """The merge takes the side that knows no seal; the other side still holds it."""
    folder = site / INCIDENT
    commit(site, folder, AT)
    git(site, "checkout", "-q", "-b", "side")
    write(site, "incident-timeline.md", "# Nothing happened\n")
    sealwork.seal(folder)
    commit(site, folder, LATE)
    git(site, "checkout", "-q", "main")
    sealwork.seal(folder)
    commit(site, folder, LATE)
    git(site, "merge", "-q", "--no-commit", "-s", "ours", "side")
    git(site, "checkout", "side", "--", ".")
    commit(site, folder, LATE)
    assert custody_of(site) == {("CUS007", "CRITICAL")}


def test_sealed_again_by_an_amendment_is_in_order(site: Path) -> None:
    """Both seals stay visible, and the amendment leads from one to the other."""
    folder = site / INCIDENT
    commit(site, folder, AT)
    first, before = sealwork.seal(folder), sealwork.digests(folder)
    commit(site, folder, LATE)
    path = folder / "incident-timeline.md"
    path.write_text(path.read_text() + "\n")
    sealwork.amend(folder, before, [{"id": "A-1", "files": [path.name]}])
    sealwork.seal(folder, seals=[{"sha256": first, "as_of": "", "amendments": ["A-1"]}])
    commit(site, folder, LATE)
    assert custody_of(site) == set()
    (folder / "amendments.yaml").unlink()
    assert custody_of(site) == {("CUS007", "CRITICAL")}


def test_an_uncommitted_change_of_the_seal_is_found(site: Path) -> None:
    """The committed seal speaks against a new one that was only written."""
    folder = site / INCIDENT
    sealwork.seal(folder)
    commit(site, folder, LATE)
    write(site, "incident-timeline.md", "# Nothing happened\n")
    sealwork.seal(folder)
    assert custody_of(site) == {("CUS007", "CRITICAL")}


# --- grades ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "grade"),
    [
        ("2026-03-14T02:17:59Z", "contradicted"),
        ("2026-03-14T02:18:00Z", "git-consistent"),
        ("2026-03-14T02:24:00Z", "git-consistent"),
        ("2026-03-15T02:23:01Z", "git-consistent"),
        ("2026-03-15T02:23:02Z", "unsupported"),
        ("1970-01-02T00:00:00Z", "contradicted"),
        ("2038-01-20T00:00:00Z", "unsupported"),
    ],
)
def test_a_time_is_graded_by_the_first_commit_that_holds_it(
    site: Path, at: str, grade: str
) -> None:
    """Approved at 02:23: clocks may differ by five minutes, and it may wait for a day."""
    commit(site, site / INCIDENT, at, files=["decision-log.json"])
    commit(site, site / INCIDENT, LATE)
    assert grades(site)["approved"] == grade


def test_the_first_commit_counts_wherever_the_entry_stands_in_its_list(site: Path) -> None:
    """Another entry before it, or a new line end, does not make a time younger."""
    path = site / INCIDENT / "decision-log.json"
    commit(site, site / INCIDENT, "2026-03-14T02:24:00Z", files=["decision-log.json"])
    data = json.loads(path.read_text())
    data["decisions"][0]["approvals"].reverse()
    path.write_text(json.dumps(data, indent=4))
    commit(site, site / INCIDENT, LATE)
    assert grades(site)["approved"] == "git-consistent"


def test_a_time_that_no_commit_holds_is_unsupported(site: Path) -> None:
    """What stands only on disk is borne out by nothing."""
    path = site / INCIDENT / "decision-log.json"
    commit(site, site / INCIDENT, "2026-03-14T02:24:00Z")
    path.write_text(path.read_text().replace("02:23:00Z", "02:23:01Z"))
    assert grades(site)["approved"] == "unsupported"


def test_a_broken_version_in_between_is_passed_over(site: Path) -> None:
    """A commit that broke the file says nothing, and hides nothing of the others."""
    path = site / INCIDENT / "decision-log.json"
    text = path.read_text()
    commit(site, site / INCIDENT, "2026-03-14T02:24:00Z", files=["decision-log.json"])
    path.write_text("<<<<<<< HEAD")
    commit(site, site / INCIDENT, LATE, files=["decision-log.json"])
    path.write_text(text)
    commit(site, site / INCIDENT, LATE)
    assert grades(site)["approved"] == "git-consistent"
    assert not any(f.rule == "CUS009" for f in judged(site).all_findings)


@pytest.mark.skipif(not shutil.which("gpg"), reason="no gpg here")
def test_a_key_of_openpgp_counts_by_its_fingerprint(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A good signature by another key of the keyring attests nothing."""
    home = tempfile.mkdtemp(prefix="gpg")  # the agent's socket needs a short path
    monkeypatch.setenv("GNUPGHOME", home)
    gpg = ["gpg", "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"]
    try:
        subprocess.run(
            [*gpg, "--quick-gen-key", "web-flow", "ed25519", "sign"],
            check=True,
            capture_output=True,
        )
        listed = subprocess.run(
            ["gpg", "--batch", "--with-colons", "--list-keys"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        key = next(row.split(":")[9] for row in listed.splitlines() if row.startswith("fpr"))
        git(site, "config", "commit.gpgSign", "true")
        git(site, "config", "user.signingKey", key)
        environment = {**gitwork.ENVIRONMENT, "GNUPGHOME": home}
        monkeypatch.setattr(gitwork, "ENVIRONMENT", environment)
        commit(site, site / INCIDENT, "2026-03-14T02:24:00Z")
        assert grades(site, allowed_signers=["A" * 40])["approved"] == "git-consistent"
        assert grades(site, allowed_signers=[key])["approved"] == "platform-attested"
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


def key_of(folder: Path, name: str) -> tuple[Path, str]:
    """A new SSH key, and its line in a list of allowed signers."""
    path = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True
    )
    return path, f"platform@example.com {path.with_suffix('.pub').read_text().rsplit(' ', 1)[0]}"


def test_only_a_platform_that_the_policy_lists_attests(site: Path, tmp_path: Path) -> None:
    """Another key, a key that nobody listed, and an altered commit attest nothing."""
    key, allowed = key_of(tmp_path, "platform")
    _, other = key_of(tmp_path, "other")
    git(site, "config", "gpg.format", "ssh")
    git(site, "config", "user.signingKey", str(key))
    git(site, "config", "commit.gpgSign", "true")
    sha = commit(site, site / INCIDENT, "2026-03-14T02:24:00Z", files=["decision-log.json"])
    git(site, "config", "commit.gpgSign", "false")
    commit(site, site / INCIDENT, LATE)
    assert known(site).signed == {sha}
    assert grades(site)["approved"] == "git-consistent"
    assert grades(site, allowed_signers=[other])["approved"] == "git-consistent"
    assert grades(site, allowed_signers=[allowed])["approved"] == "platform-attested"
    assert grades(site, allowed_signers=[allowed])["resolved"] != "platform-attested"


def test_a_signature_that_does_not_fit_attests_nothing(site: Path, tmp_path: Path) -> None:
    """A commit with the signature of another one carries it, and is not attested."""
    key, allowed = key_of(tmp_path, "platform")
    git(site, "config", "gpg.format", "ssh")
    git(site, "config", "user.signingKey", str(key))
    git(site, "config", "commit.gpgSign", "true")
    sha = commit(site, site / INCIDENT, "2026-03-14T02:24:00Z")
    forged = git(site, "cat-file", "commit", sha).replace("Sam", "Kim")
    (tmp_path / "forged").write_text(forged + "\n")
    altered = git(site, "hash-object", "-t", "commit", "-w", str(tmp_path / "forged"))
    git(site, "update-ref", "refs/heads/main", altered)
    assert known(site).signed == {altered}
    assert grades(site, allowed_signers=[allowed])["approved"] == "git-consistent"


def test_text_shows_grades_only_where_git_was_asked(site: Path) -> None:
    """A compact legend; in JSON, null where nobody asked."""
    commit(site, site / INCIDENT, "2026-03-14T02:24:00Z", files=["decision-log.json"])
    commit(site, site / INCIDENT, LATE)
    bare, asked = (
        CliRunner().invoke(main, ["check", str(site / INCIDENT), *flags]).output
        for flags in ([], ["--history"])
    )
    assert "git-consistent" not in bare
    assert (
        "  git-consistent     02:22 approved" in asked
        or "git-consistent     02:23 approved" in asked
    )
    assert "which are claims as well" in asked
    assert max(map(len, asked.splitlines())) <= 80


def test_no_text_takes_a_date_for_more_than_a_claim() -> None:
    """A commit's date proves nothing, and no rule says that it does."""
    rules = [r for r in RULES.values() if r.criterion == "custody"]
    page = Path(__file__).resolve().parents[1] / "docs/auditors.md"
    said = [text for r in rules for text in (r.says, r.why, r.fix)]
    assert len(rules) >= 14
    assert not [text for text in said if re.search(r"\bpro(of|ve)", text)]
    assert "claim" in page.read_text(encoding="utf-8")


# --- people ---------------------------------------------------------------------------------------


def test_the_policy_maps_addresses_to_people(site: Path) -> None:
    """An address that the policy lists is that person, whatever name the commit gives."""
    commit(site, site / INCIDENT, AT, "Somebody <alex@corp.example>")
    people = [{"name": "Alex", "git": ["alex@corp.example"]}]
    assert NOW is not None
    limits = policy.Limits(protocol.load(), policy.Policy({"people": people}))
    chain = Chain(record_in(site), limits, NOW.earliest, history=True)
    found = custody.of(chain)
    assert found.who(found.history.commits[0]) == ("alex", True)
    assert limits.committer("Alex", "x@y") == ("alex", True)
    assert limits.committer("Kim", "x@y") == ("kim", False)
    assert limits.committer("K. M.", "123+alex@users.noreply.github.com") == ("alex", True)
    assert limits.committer("K. M.", "kim@users.noreply.github.com") == ("kim", False)
    assert limits.committer("Kim", "alex@users.noreply.github.com.evil.example") == ("kim", False)


def test_two_people_whom_only_accents_tell_apart_commit_as_two() -> None:
    people = [{"name": "Nguyễn Văn Hùng"}, {"name": "Nguyễn Văn Hưng"}]
    limits = policy.Limits(protocol.load(), policy.Policy({"people": people}))
    known = [limits.committer(person["name"], "x@y") for person in people]
    assert [said for _, said in known] == [True, True]
    assert known[0] != known[1]


def test_without_git_there_is_no_traceback(site: Path) -> None:
    """A machine without git judges all the same, and says what it could not verify."""
    commit(site, site / INCIDENT, AT)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from incident_gates.cli import main; main(['check', sys.argv[2], '--history'])"
    )
    source = str(Path(__file__).resolve().parents[1] / "src")
    done = subprocess.run(
        [sys.executable, "-c", program, source, str(site / INCIDENT)],
        env={"PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "history not verified: git is not installed" in " ".join(done.stdout.split())
