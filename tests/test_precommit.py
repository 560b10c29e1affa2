"""The hook for pre-commit, and what it runs: incidents judged as they are staged."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from gitwork import ENVIRONMENT, INCIDENTS, Site

from incident_gates import __version__
from incident_gates import run as running
from incident_gates.cli import main
from incident_gates.evidence import history

ROOT = Path(__file__).resolve().parents[1]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
ID = "INC-2026-0042"
SEVERITY = f"{INCIDENTS}/{ID}/severity-assessment.json"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path / "site")
    made.example("complete")
    made.commit("a record")
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("INCIDENT_GATES_DEBUG", "1")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"):
        monkeypatch.setenv(name, ENVIRONMENT[name])
    return made


def staged(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["staged", *arguments])


def broken(site: Site) -> str:
    """The record with a severity that nobody knows; returns how it was."""
    path = site.folder / SEVERITY
    text = path.read_text("utf-8")
    path.write_text(text.replace('"SEV-1"', '"SEV-9"'), "utf-8")
    return text


# --- what is judged ------------------------------------------------------------------------------


def test_what_is_staged_is_judged(site: Site) -> None:
    text = broken(site)
    site.git("add", SEVERITY)
    (site.folder / SEVERITY).write_text(text, "utf-8")
    done = staged()
    assert done.exit_code == 1
    assert "SEV006" in done.stdout
    assert SEVERITY.rpartition("/")[0] in done.stdout


def test_what_is_only_edited_is_not(site: Site) -> None:
    site.change(site.folder / INCIDENTS / ID)
    site.git("add", "--all")
    broken(site)
    done = staged()
    assert done.exit_code == 0
    assert "PASSED" in done.stdout


def test_what_is_not_added_is_not(site: Site) -> None:
    site.git("rm", "-q", "--cached", SEVERITY)
    done = staged()
    assert done.exit_code == 1
    assert "severity-assessment.json is missing" in " ".join(done.stdout.split())


def test_other_incidents_are_left_alone(site: Site) -> None:
    site.example("contradictions", into="other")
    shutil.copytree(site.folder / "other" / INCIDENTS / ID, site.folder / INCIDENTS / "INC-2")
    shutil.rmtree(site.folder / "other")
    site.commit("another, which contradicts itself")
    site.change(site.folder / INCIDENTS / ID)
    site.git("add", "--all")
    done = staged()
    assert done.exit_code == 0
    assert "INC-2" not in done.stdout.replace(ID, "")


def test_an_attachment_stands_for_its_incident(site: Site) -> None:
    site.write(f"{INCIDENTS}/{ID}/attachments/new.log")
    site.git("add", "--all")
    assert f"{ID}  SEV-1  closed" in staged().stdout


def test_nothing_staged_is_nothing_to_judge(site: Site) -> None:
    site.write("README.md", "Other words.\n")
    site.git("add", "--all")
    done = staged()
    assert (done.exit_code, done.stdout) == (0, "Nothing that is staged is an incident.\n")


@pytest.mark.usefixtures("site")
def test_a_file_that_is_named_is_judged_staged_or_not() -> None:
    assert staged(SEVERITY).exit_code == 0


def test_from_a_folder_below(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.folder / INCIDENTS / ID)
    assert f"{ID}  SEV-1  closed" in staged("severity-assessment.json").stdout
    assert staged("../../../../../elsewhere").exit_code == 2


def test_a_part_of_a_monorepo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path / "site")
    site.example("complete", into="services/api")
    site.git("add", "--all")
    monkeypatch.chdir(site.folder)
    done = staged()
    assert done.exit_code == 0
    assert "5 artifacts" in done.stdout  # the inputs beside it were found
    assert f"services/api/{INCIDENTS}/{ID}" in "".join(done.stdout.split())


def test_the_staged_policy_is_in_force(site: Site) -> None:
    site.write(".incident-gates.yaml", "roots: [records]\n")
    (site.folder / INCIDENTS).rename(site.folder / "records")
    site.git("add", "--all")
    assert "records/INC-2026-0042" in staged().stdout


def test_earlier_versions_are_looked_up_in_the_repository(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = running.run

    def run(job: running.Job) -> object:
        asked.append(history.ask(job.here, "rev-parse", "HEAD"))
        return real(job)

    monkeypatch.setattr(running, "run", run)
    assert staged(SEVERITY).exit_code == 0
    assert asked == [f"{site.git('rev-parse', 'HEAD')}\n".encode()]


def test_nothing_of_the_repository_changes(site: Site) -> None:
    broken(site)
    site.git("add", SEVERITY)
    before = site.git("status", "--porcelain"), site.git("write-tree")
    staged()
    assert (site.git("status", "--porcelain"), site.git("write-tree")) == before


@pytest.mark.skipif(os.name != "posix", reason="a filter written for a POSIX shell")
@pytest.mark.parametrize("named", ["smudge", "process", "clean"])
def test_no_program_that_the_repository_names_is_run(site: Site, named: str) -> None:
    site.write("said.sh", "#!/bin/sh\ntouch ran\ncat\n")
    (site.folder / "said.sh").chmod(0o755)
    site.change(site.folder / INCIDENTS / ID)
    site.git("add", "--all")
    (site.folder / ".git/info").mkdir(exist_ok=True)
    (site.folder / ".git/info/attributes").write_text("* filter=theirs\n", "utf-8")
    for key in (f"filter.theirs.{named}", "core.fsmonitor", "diff.external", "core.pager"):
        site.git("config", key, os.fspath(site.folder / "said.sh"))
    assert staged().exit_code == 0
    assert list(site.folder.rglob("ran")) == []


def test_bytes_are_those_that_are_committed(site: Site) -> None:
    (site.folder / ".git/info").mkdir(exist_ok=True)
    (site.folder / ".git/info/attributes").write_text("* text eol=crlf ident\n", "utf-8")
    done = staged(SEVERITY)
    assert (done.exit_code, "3 archived files as digested" in done.stdout) == (0, True)


def test_a_merge_conflict_is_said(site: Site) -> None:
    blob = site.git("rev-parse", f"HEAD:{SEVERITY}").strip()
    lines = [f"0 {'0' * 40}\t{SEVERITY}", *(f"100644 {blob} {n}\t{SEVERITY}" for n in (1, 2, 3))]
    given = "\n".join(lines) + "\n"
    index = ["git", "update-index", "--index-info"]
    subprocess.run(index, cwd=site.folder, env=ENVIRONMENT, input=given, text=True, check=True)
    done = staged()
    assert done.exit_code == 3
    assert f"{SEVERITY} has a merge conflict: settle it" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_a_staged_link_is_none_of_what_it_leads_to(site: Site, tmp_path: Path) -> None:
    shutil.copy(site.folder / SEVERITY, tmp_path / "other.json")
    (site.folder / SEVERITY).unlink()
    (site.folder / SEVERITY).symlink_to(tmp_path / "other.json")
    site.git("add", "--all")
    done = staged()
    assert done.exit_code == 1
    assert "this is a symbolic link, never followed" in done.stdout


@pytest.mark.parametrize("fetched", [True, False])
def test_what_git_lfs_keeps_is_taken_from_its_store(site: Site, *, fetched: bool) -> None:
    real = (site.folder / SEVERITY).read_bytes()
    oid = hashlib.sha256(real).hexdigest()
    pointer = "version https://git-lfs.github.com/spec/v1\n"
    site.write(SEVERITY, f"{pointer}oid sha256:{oid}\nsize {len(real)}\n")
    site.git("add", "--all")
    store = site.folder / ".git/lfs/objects" / oid[:2] / oid[2:4]
    store.mkdir(parents=True)
    (store / oid).write_bytes(real if fetched else b"something else")
    assert staged().exit_code == (0 if fetched else 1)


def test_without_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert staged().exit_code == 2


def test_the_page_shows_the_hook_at_this_release() -> None:
    page = (ROOT / "docs" / "setup.md").read_text("utf-8")
    assert f"    rev: v{__version__}\n    hooks:\n      - id: {HOOKS[0]['id']}\n" in page


# --- the hook ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        (SEVERITY, True),
        (f"services/api/{SEVERITY}", True),
        (f"{INCIDENTS}/decision-log.json", True),
        ("README.md", False),
        ("docs/x.artifacts/incidents/y", False),
    ],
)
def test_which_files_bring_the_hook(path: str, *, taken: bool) -> None:
    assert bool(re.search(HOOKS[0]["files"], path)) is taken


@pytest.mark.skipif(os.name == "nt", reason="the shim is a shell script")
def test_the_hook_in_pre_commit_itself(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pre-commit runs it on a real commit; only the installation is ours and not from an index."""
    pre_commit = _pre_commit()
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{_shim(tmp_path)}{os.pathsep}{os.environ['PATH']}")
    config = {
        "repo": str(_hooks(tmp_path)),
        "rev": "v1",
        "hooks": [{"id": "incident-gates", "language": "system"}],
    }
    site.write(".pre-commit-config.yaml", yaml.safe_dump({"repos": [config]}))
    site.git("add", "--all")
    subprocess.run([pre_commit, "install"], cwd=site.folder, check=True, capture_output=True)

    text = broken(site)
    site.git("add", "--all")
    (site.folder / SEVERITY).write_text(text, "utf-8")  # mended, and not staged
    refused = _commit(site)
    assert refused.returncode == 1
    assert "SEV006" in refused.stdout + refused.stderr

    site.git("add", "--all")
    broken(site)  # broken again, and not staged
    kept = _commit(site)
    assert kept.returncode == 0, kept.stdout + kept.stderr
    assert site.git("show", f"HEAD:{SEVERITY}") == text.strip()


def _pre_commit() -> str:
    beside = Path(sys.executable).parent
    found = shutil.which("pre-commit", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs pre-commit, of the development group")
        pytest.skip("pre-commit is not installed")
    return found


def _shim(tmp_path: Path) -> Path:
    """The command as it would be installed."""
    script = tmp_path / "bin" / "incident-gates"
    script.parent.mkdir()
    where = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})"
    entry = f"{where}; from incident_gates.cli import main; main()"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{entry}" "$@"\n', "utf-8")
    script.chmod(0o755)
    return script.parent


def _hooks(tmp_path: Path) -> Path:
    """A repository that holds the hook's description."""
    made = Site(tmp_path / "hooks")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", made.folder)
    made.commit("the hook")
    made.git("tag", "v1")
    return made.folder


def _commit(site: Site) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "PRE_COMMIT_HOME", "HOME")}
    environment = {**ENVIRONMENT, **kept}
    command = ["git", "commit", "-m", "A record"]
    return subprocess.run(
        command, cwd=site.folder, env=environment, capture_output=True, text=True, check=False
    )
