"""What goes wrong around us leaves every file old or new, and never looks like a pass."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from click.testing import CliRunner, Result
from gitwork import ENVIRONMENT

from incident_gates import seal
from incident_gates.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
INCIDENT = ".artifacts/incidents/INC-2026-0042"
ENTRY = f"""
import sys; sys.path.insert(0, {str(ROOT / "src")!r})
from incident_gates.entry import main; main()
"""
# How a file is called until it is whole.
LEFTOVER = re.compile(r"\.[a-z0-9_]{8}\.unfinished$")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs the signals of Linux")


def site_of(folder: Path, example: str = "") -> Path:
    """A repository, with an example in it or nothing."""
    if example:
        shutil.copytree(ROOT / "examples" / example, folder)
    folder.mkdir(exist_ok=True)
    for command in (["init", "-q", "--template="], ["config", "user.name", "Sam"]):
        subprocess.run(["git", *command], cwd=folder, env=ENVIRONMENT, check=True)
    return folder


def ran(
    site: Path, *words: str, entry: str = ENTRY, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """One command in a process of its own."""
    options = {"env": ENVIRONMENT, "stdin": subprocess.DEVNULL, **options}
    if "stdout" not in options:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-c", entry, *words]
    return subprocess.run(command, cwd=site, timeout=60, check=False, **options)


def typed(monkeypatch: pytest.MonkeyPatch, site: Path, *words: str) -> Result:
    """One command in this process, where nothing is asked of the process itself."""
    monkeypatch.chdir(site)
    done = CliRunner().invoke(main, words, env=ENVIRONMENT)
    assert "Traceback" not in done.output
    return done


def traceless(done: subprocess.CompletedProcess[bytes]) -> str:
    """What was said, in sentences."""
    said = ((done.stdout or b"") + (done.stderr or b"")).decode("utf-8", "replace")
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    return said


# --- any write, at any moment --------------------------------------------------------------------


class Command(NamedTuple):
    """A command that writes, the example it is typed in, and what is asked of what a kill left."""

    example: str
    words: tuple[str, ...]
    # An error of the disk, each met by some command.
    error: str = "ENOSPC"
    # Whether it adds an entry each time that it is typed.
    adds: bool = False
    ask: tuple[str, ...] = ()
    clock: str = "2026-03-14T02:40:00+00:00"

    @property
    def tidies(self) -> bool:
        """Whether it has the record to itself, and removes what a killed run left there."""
        return self.words[0] in ("record", "aggregate") or "--fix" in self.words

    def outcomes(self, folder: Path) -> Outcomes:
        """Every run of it: killed one step later each time, then refused one step later."""
        site = site_of(folder / "site", self.example)
        if "--fix" in self.words:
            unversioned(site)
        if self.ask:
            packaged_before(site)
        faults = ("kill", self.error)
        whole, *runs = faulty(site, *faults, words=self.words, ask=self.ask, clock=self.clock)
        sorted_out = ([run for run in runs if run["fault"] == fault] for fault in faults)
        return Outcomes(tree(site), whole, *sorted_out)


class Outcomes(NamedTuple):
    """The files as they were, the run in which nothing went wrong, and the others."""

    before: dict[str, str]
    whole: dict[str, Any]
    killed: list[dict[str, Any]]
    refused: list[dict[str, Any]]


def unversioned(site: Path) -> None:
    """What can be fixed: two files without their schema version."""
    for name in ("decision-log.json", "severity-assessment.json"):
        path = site / INCIDENT / name
        path.write_text(path.read_text().replace('  "schema_version": "1.0",\n', ""))


def packaged_before(site: Path) -> None:
    """A package of what the record said before its last entry."""
    log = site / INCIDENT / "communication-log.md"
    whole = log.read_text()
    log.write_text(whole.rstrip().rpartition("\n")[0] + "\n")
    assert ran(site, "aggregate", "--bundle", "--as-of", PACKAGED).returncode == 0
    log.write_text(whole)


def faulty(
    site: Path,
    *faults: str,
    words: tuple[str, ...],
    ask: tuple[str, ...] = (),
    clock: str = "2026-03-14T02:40:00+00:00",
) -> list[dict[str, Any]]:
    """What the other program says of each run."""
    order = json.dumps({"faults": faults, "command": words, "ask": ask, "clock": clock})
    script = str(ROOT / "tests" / "faultwork.py")
    done = subprocess.run(
        [sys.executable, script, str(site), order],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


SIGNAL = ("event", "hello", "--signal", "monitoring")
VOICE = ("assessment", "--severity", "SEV-1", "--by", "Pat:operator", "--customer-notification")
ANOTHER = ("decision", "--option", "O-2", "--supersedes", "D-1")
PACKAGED = "2026-03-14T03:10:00+00:00"
VERIFY = ("verify", ".artifacts/incidents")
COMMANDS = {
    "new": Command("", ("new", "INC-2026-0042")),
    "init": Command("", ("init", "--yes", "--only", "workflow,policy"), "EROFS"),
    "record event": Command("in-progress-2", ("record", *SIGNAL), "EDQUOT", adds=True),
    "record assessment": Command("in-progress-2", ("record", *VOICE), adds=True),
    "record decision": Command("in-progress-2", ("record", *ANOTHER), "EIO", adds=True),
    "aggregate --bundle": Command(
        "in-progress-4", ("aggregate", "--bundle"), ask=VERIFY, clock=PACKAGED
    ),
    "check --report": Command("complete", ("check", "--report", "json=report.json"), "EIO"),
    "check --fix": Command("in-progress-4", ("check", "--fix", "--yes"), "EACCES"),
}


def whole_or_old(run: dict[str, Any], before: dict[str, str], whole: dict[str, str]) -> None:
    """Every file is the old one or the new one, and none is gone."""
    assert not run["broken"]
    files = known(run["files"])
    assert before.keys() <= files.keys()
    for path, digest in files.items():
        assert digest in (before.get(path), whole.get(path)), path


def known(files: dict[str, str]) -> dict[str, str]:
    """Without what has a name of its own, for it was only begun."""
    return {path: digest for path, digest in files.items() if not LEFTOVER.search(path)}


@pytest.mark.parametrize("name", COMMANDS)
def test_at_any_write_a_kill_or_a_disk_that_refuses_tears_nothing(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Before each change of the disk: SIGKILL, or the disk is full, broken or read-only."""
    command = COMMANDS[name]
    found = command.outcomes(tmp_path)
    assert found.killed
    assert found.refused
    for run in found.killed:
        killed(command, run, found)
    for run in found.refused:
        refused(run, found)
    said = f"{len(found.killed)} of {len(found.killed)} whole · all"
    record_property(f"torture: killed in {name}", said)
    said = f"{len(found.refused)} of {len(found.refused)} said and whole · all"
    record_property(f"torture: {command.error} in {name}", said)


def killed(command: Command, run: dict[str, Any], found: Outcomes) -> None:
    """What was left is whole, and the same command then does what it should."""
    whole = found.whole["files"]
    assert run["exit"] == -signal.SIGKILL
    whole_or_old(run, found.before, whole)
    is_done = known(run["files"]) == whole
    # Some entries cannot be made twice, and that is said.
    assert run["again"] == found.whole["exit"] or (command.adds and is_done and run["again"] == 2)
    assert command.adds or known(run["after"]) == whole
    assert not command.tidies or known(run["after"]) == run["after"]
    if command.ask:
        assert (run["asked"] == 0) == fits(run["files"], whole), "a mixture is never verified"
        assert run["asked"] in (0, 1)


def fits(files: dict[str, str], whole: dict[str, str]) -> bool:
    """Whether all that stands beside a record is of one package, that of the record as it is."""
    pages = [f"{INCIDENT}/{name}" for name in seal.WRITTEN]
    return known(files) == files and all(files.get(p) == whole.get(p) for p in pages)


def refused(run: dict[str, Any], found: Outcomes) -> None:
    """It ends in a sentence and exit 3, and leaves nothing begun."""
    # What can be done in another way is done: a file system may know no links.
    assert run["exit"] == 3 or run["files"] == found.whole["files"], run["said"]
    assert "Traceback" not in run["said"]
    assert known(run["files"]) == run["files"]
    whole_or_old(run, found.before, found.whole["files"])


RUN = Command("in-progress-2", ("record", "execution", "--", "touch", "ran"))


def test_whatever_goes_wrong_what_was_run_is_recorded(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The entry stands before the command begins; one that cannot be completed is no success."""
    found = RUN.outcomes(tmp_path)
    runs = [*found.killed, *found.refused]
    assert (found.whole["exit"], found.whole["runs"]) == (0, ["E-1"])
    for run in runs:
        assert not run["broken"]
        assert run["runs"] == ["E-1"] or "ran" not in run["files"]
    for run in found.killed:
        assert run["again"] == 0
        assert run["then"] == [f"E-{n}" for n in range(1, len(run["runs"]) + 2)]
    unfinished = [run for run in found.refused if run["exit"]]
    assert {"ran" in run["files"] for run in unfinished} == {True, False}
    for run in unfinished:
        assert run["exit"] == 3
        assert ("NOT RECORDED: E-1: succeeded" in run["said"]) == ("ran" in run["files"])
        assert "ran" in run["files"] or run["files"] == found.before
    said = f"{len(runs)} of {len(runs)} recorded or not run · all"
    record_property("torture: killed or ENOSPC in record execution", said)


@pytest.mark.parametrize("words", [("record", "event", "hello"), ("aggregate",)])
def test_a_folder_that_may_not_be_written_stays_as_it_is(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    """By the permissions of the file system itself, for somebody who is not root."""
    site = site_of(tmp_path / "site", "in-progress-2")
    [run] = faulty(site, "555", words=words)
    assert run["exit"] == 3
    assert "ermission denied" in run["said"]
    assert known(run["files"]) == run["files"] == tree(site)


def test_a_file_that_may_not_be_read_is_a_finding(tmp_path: Path) -> None:
    """What cannot be read proves nothing, and fails at once."""
    site = site_of(tmp_path / "site", "in-progress-2")
    [run] = faulty(site, "000", words=("check",))
    assert run["exit"] == 1
    assert "the file may not be read" in run["said"]


def tree(site: Path) -> dict[str, str]:
    import faultwork

    return faultwork.files(site)


def test_a_file_that_may_grow_no_further_stays_the_old_one(tmp_path: Path) -> None:
    """The kernel itself ends the write half-way: a limit of the file size stands for the disk."""
    import resource

    site = site_of(tmp_path / "site", "in-progress-2")
    before = tree(site)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = ran(site, "record", "event", "hello", preexec_fn=limit)
    assert done.returncode == 3
    assert "cannot be written" in traceless(done)
    assert tree(site) == before


# --- two at once, and a clock that runs back -----------------------------------------------------

MANY = f"""
import sys; sys.path.insert(0, {str(ROOT / "src")!r})
from incident_gates.cli import main
for number in range(6):
    main(["record", "event", f"{{sys.argv[1]}}-{{number}}"], standalone_mode=False)
"""


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    """Each waits for the other; every entry of both stands in the end."""
    site = site_of(tmp_path / "site", "in-progress-2")
    both = [
        subprocess.Popen([sys.executable, "-c", MANY, who], cwd=site, env=ENVIRONMENT)
        for who in ("a", "b")
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    text = (site / INCIDENT / "incident-timeline.md").read_text("utf-8")
    wanted = {f"{who}-{number}" for who in "ab" for number in range(6)}
    assert wanted <= set(re.findall(r"[ab]-[0-9]", text))


def test_two_packages_at_once_fit_together(tmp_path: Path) -> None:
    """Each waits for the other; the sums fit what stands beside them."""
    site = site_of(tmp_path / "site", "in-progress-4")
    command = [sys.executable, "-c", ENTRY, "aggregate", "--bundle", "--as-of"]
    moments = [f"2026-03-14T03:1{number}:00Z" for number in range(4)]
    running = [
        subprocess.Popen([*command, moment], cwd=site, env=ENVIRONMENT, stderr=subprocess.PIPE)
        for moment in moments
    ]
    ended = [(process.communicate(timeout=60)[1], process.returncode) for process in running]
    assert {code for _, code in ended} == {0}, ended
    assert ran(site, *VERIFY).returncode == 0
    assert not [path for path in tree(site) if LEFTOVER.search(path)]


AT_A_TIME = f"import runpy; runpy.run_path({str(ROOT / 'tests/moved_clock.py')!r})"


def test_a_clock_that_was_set_back_is_said_and_found(tmp_path: Path) -> None:
    """Nothing is lost; what was written under the wrong clock lies ahead, and fails."""
    site, clock = site_of(tmp_path / "site", "in-progress-2"), tmp_path / "clock"
    environment = {**ENVIRONMENT, "MOVED_CLOCK": str(clock)}
    said = []
    for moment, text in (("2026-03-14T02:50:00Z", "first"), ("2026-03-14T02:40:00Z", "second")):
        clock.write_text(moment)
        done = ran(site, "record", "event", text, entry=AT_A_TIME, env=environment)
        assert done.returncode == 0, traceless(done)
        said.append(" ".join(traceless(done).split()))
    assert "later than this clock says" not in said[0]
    assert "later than this clock says (2026-03-14T02:40:00Z)" in said[1]
    log = (site / INCIDENT / "incident-timeline.md").read_text("utf-8")
    assert log.index("second") < log.index("first")
    report = ran(site, "check", "--format", "json", entry=AT_A_TIME, env=environment)
    assert report.returncode == 1
    assert "FIL012" in rules(report)


def test_a_clock_set_back_while_a_command_ran_is_found(tmp_path: Path) -> None:
    """It would have ended before it began."""
    site, clock = site_of(tmp_path / "site", "in-progress-2"), tmp_path / "clock"
    clock.write_text("2026-03-14T02:25:00Z")
    back = f"printf 2026-03-14T02:20:00Z > '{clock}'"
    environment = {**ENVIRONMENT, "MOVED_CLOCK": str(clock)}
    words = ("record", "execution", "--", "sh", "-c", back)
    done = ran(site, *words, entry=AT_A_TIME, env=environment)
    assert done.returncode == 0, traceless(done)
    report = ran(site, "check", "--as-of", "2026-03-14T02:30:00Z", "--format", "json")
    assert report.returncode == 1
    assert "completed" in report.stdout.decode()


def rules(done: subprocess.CompletedProcess[bytes] | Result) -> set[str]:
    """The rules that found something."""
    [incident] = json.loads(done.stdout)["incidents"]
    found = [f for gate in incident["gates"] for f in (*gate["findings"], *gate["needs"])]
    return {f["rule"] for f in (*found, *incident["findings"])}


# --- nobody listens, or somebody interrupts ------------------------------------------------------


def test_output_that_nobody_reads_is_no_pass(tmp_path: Path) -> None:
    """A closed pipe and a full device: exit 3, without a traceback."""
    site = site_of(tmp_path / "site", "complete")
    reading, writing = os.pipe()
    os.close(reading)
    done = ran(site, "check", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert done.returncode == 3
    traceless(done)
    with Path("/dev/full").open("wb") as full:
        done = ran(site, "check", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    traceless(done)


def test_a_full_pipe_is_waited_for(tmp_path: Path) -> None:
    """A reader that is slow gets all of it."""
    site = site_of(tmp_path / "site", "contradictions")
    command = [sys.executable, "-c", ENTRY, "check", "--format", "sarif"]
    with subprocess.Popen(command, cwd=site, env=ENVIRONMENT, stdout=subprocess.PIPE) as process:
        asleep(process.pid)
        assert process.stdout is not None
        json.loads(process.stdout.read())
    assert process.returncode == 1


def asleep(pid: int) -> None:
    """Waits until a process waits for something, and goes on waiting."""
    quiet = 0
    while quiet < 5:
        time.sleep(0.05)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert state != "Z", "it has ended"
        quiet = quiet + 1 if state == "S" else 0


def test_an_interrupt_is_no_traceback(tmp_path: Path) -> None:
    """Ctrl-C while it waits for what is typed in: 130, and nothing was begun."""
    site = site_of(tmp_path / "site")
    command = [sys.executable, "-c", ENTRY, "new", "INC-2026-0042", "--from", "-"]
    with subprocess.Popen(
        command, cwd=site, env=ENVIRONMENT, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        asleep(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert tree(site) == {}


@pytest.mark.parametrize("module", ["click", "incident_gates.cli", "incident_gates.engine"])
def test_an_interrupt_while_it_is_loaded_is_no_traceback(module: str, tmp_path: Path) -> None:
    """Ctrl-C comes as soon as somebody sees that it was the wrong command."""
    entry = f"""
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
{ENTRY}"""
    done = ran(site_of(tmp_path / "site", "complete"), "check", entry=entry)
    assert (done.returncode, traceless(done)) == (130, "")


def test_an_interrupt_at_any_write_tears_nothing(tmp_path: Path) -> None:
    """Ctrl-C before each change of the disk: 130, all is old or new, and nothing is left begun."""
    site = site_of(tmp_path / "site", "in-progress-2")
    whole, *interrupted = faulty(site, "interrupt", words=("record", *SIGNAL))
    assert interrupted
    for run in interrupted:
        assert run["exit"] == 130, run["said"]
        assert "Traceback" not in run["said"]
        assert known(run["files"]) == run["files"]
        whole_or_old(run, tree(site), whole["files"])


# --- odd places and names ------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"HOME": None}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_no_home_and_a_plain_locale_change_no_verdict(
    change: dict[str, str | None], tmp_path: Path
) -> None:
    """What a bare container lacks is not needed."""
    site = site_of(tmp_path / "site", "complete")
    changed = {**ENVIRONMENT, **change}
    done = ran(site, "check", env={k: v for k, v in changed.items() if v is not None})
    assert done.returncode == 0, traceless(done)
    traceless(done)


def test_a_name_that_is_no_text_is_listed_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of which the name is no UTF-8: every report can be encoded, the package says so."""
    site = site_of(tmp_path / "site", "complete")
    (site / INCIDENT / os.fsdecode(b"\xff.log")).write_text("x")
    for kind in ("text", "json", "sarif", "junit", "markdown"):
        done = typed(monkeypatch, site, "check", "--format", kind)
        assert done.exit_code == 0, done.output
    assert ran(site, "status").returncode == 0
    assert typed(monkeypatch, site, "aggregate").exit_code == 0
    manifest = json.loads((site / INCIDENT / "evidence-manifest.json").read_bytes())
    assert "\udcff.log" in [entry["path"] for entry in manifest["left_out"]]


@pytest.mark.parametrize("kind", ["pipe", "socket", "link to a device", "folder"])
def test_what_is_no_file_is_a_finding_and_is_not_waited_for(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the place of a file that a gate reads."""
    site = site_of(tmp_path / "site", "complete")
    path = site / INCIDENT / "decision-log.json"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(path.parent)  # such a name may not be long
        with socket.socket(socket.AF_UNIX) as plug:
            plug.bind(path.name)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    done = ran(site, "check", "--format", "json")
    assert done.returncode == 1, traceless(done)
    assert ("FIL001" if kind == "folder" else "FIL002") in rules(done)


def test_a_disk_that_cannot_read_a_file_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO in the middle of a file: what arrived before proves nothing."""
    site = site_of(tmp_path / "site", "complete")
    broken, real = (site / INCIDENT / "decision-log.json").stat().st_ino, os.read
    begun: list[int] = []

    def reading(descriptor: int, size: int) -> bytes:
        if os.fstat(descriptor).st_ino != broken:
            return real(descriptor, size)
        if len(begun) % 2:
            begun.append(size)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        begun.append(size)
        return real(descriptor, 100)

    monkeypatch.setattr(os, "read", reading)
    done = typed(monkeypatch, site, "check", "--format", "json")
    assert begun
    assert done.exit_code == 1
    assert "the file could not be read (EIO)" in done.stdout
    assert "FIL002" in rules(done)


def test_a_file_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size is what arrives, and not what was announced."""
    from incident_gates.evidence import files
    from incident_gates.evidence.refusal import Refusal

    path = tmp_path / "log"
    path.write_bytes(b"x" * 100)
    real = os.read

    def reading(descriptor: int, size: int) -> bytes:
        if path.stat().st_size < 1024 * 1024:
            with path.open("ab") as stream:
                stream.write(b"x" * size)
        return real(descriptor, size)

    monkeypatch.setattr(os, "read", reading)
    with pytest.raises(Refusal, match="larger"):
        files.read(path, 64 * 1024)


# --- git is missing, broken, or somebody else's --------------------------------------------------


def test_without_git_what_asks_git_cannot_tell(tmp_path: Path) -> None:
    """A policy that requires history must not pass where nobody can be asked."""
    site = site_of(tmp_path / "site", "complete")
    bare = {**ENVIRONMENT, "PATH": str(tmp_path)}
    plain = ran(site, "check", env=bare)
    assert plain.returncode == 0, traceless(plain)
    (site / ".incident-gates.yaml").write_text("history: required\n")
    done = ran(site, "check", env=bare)
    assert done.returncode == 3, traceless(done)
    traceless(done)


def emptied(site: Path) -> None:
    shutil.rmtree(site / ".git/objects")
    (site / ".git/objects").mkdir()


BROKEN: dict[str, Callable[[Path], object]] = {
    "a HEAD of garbage": lambda site: (site / ".git/HEAD").write_bytes(b"\0\xffgarbage"),
    "a HEAD that leads nowhere": lambda site: (site / ".git/HEAD").write_text("ref: refs/x\n"),
    "no objects": emptied,
    "an index of garbage": lambda site: (site / ".git/index").write_bytes(b"DIRC garbage"),
    "a configuration of garbage": lambda site: (site / ".git/config").write_text("[core\n"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_corrupt_repository_is_said_and_never_passes(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the policy requires history: exit 3, or a finding; a sentence in any case."""
    site = site_of(tmp_path / "site", "complete")
    (site / ".incident-gates.yaml").write_text("history: required\n")
    subprocess.run(["git", "add", "--all"], cwd=site, env=ENVIRONMENT, check=True)
    subprocess.run(["git", "commit", "-qm", "x"], cwd=site, env=ENVIRONMENT, check=True)
    assert typed(monkeypatch, site, "check").exit_code == 0, "before it is broken"
    BROKEN[how](site)
    for words in ("status", "doctor", "aggregate"):
        typed(monkeypatch, site, words)
    # What the index says is asked by nobody: history is what was committed.
    wanted = (0,) if "index" in how else (1, 3)
    assert typed(monkeypatch, site, "check").exit_code in wanted


COMMANDS_OF_GIT = ("core.fsmonitor", "core.sshCommand", "diff.external", "core.pager")


@pytest.mark.parametrize("words", ["check --history", "status", "aggregate", "doctor", "staged"])
def test_a_planted_repository_runs_nothing(words: str, tmp_path: Path) -> None:
    """An incident's folder that is a bare repository with commands in its configuration."""
    site = site_of(tmp_path / "site", "complete")
    folder, marker = site / INCIDENT, tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    subprocess.run(
        ["git", "init", "-q", "--bare", "--template=", str(folder)], env=ENVIRONMENT, check=True
    )
    for name in COMMANDS_OF_GIT:
        subprocess.run(
            ["git", "config", "--file", str(folder / "config"), name, str(program)], check=True
        )
    subprocess.run(["git", "add", "--all"], cwd=site, env=ENVIRONMENT, check=True)
    for here in (site, folder):
        traceless(ran(here, *words.split()))
    assert not marker.exists()


def test_planted_modules_are_not_imported(tmp_path: Path) -> None:
    """The scripts and the command, started in a folder that holds modules of the names we use."""
    site = site_of(tmp_path / "site", "complete")
    marker = tmp_path / "ran"
    plant = f"open({str(marker)!r}, 'w')"
    for place in (site, site / INCIDENT):
        for name in ("click", "yaml", "json", "re", "sitecustomize", "usercustomize"):
            (place / f"{name}.py").write_text(plant)
        (place / "incident_gates").mkdir()
        (place / "incident_gates" / "__init__.py").write_text(plant)
    starter = tmp_path / "bin" / "incident-gates"
    starter.parent.mkdir()
    starter.write_text(ENTRY)
    scripts = sorted((ROOT / "scripts").glob("*_13*.py"))
    assert scripts
    for place in (site, site / INCIDENT):
        for program in (scripts[0], starter):
            done = subprocess.run(
                [sys.executable, str(program), "--help"],
                cwd=place,
                env=ENVIRONMENT,
                capture_output=True,
                check=False,
            )
            assert done.returncode == 0, traceless(done)
    assert not marker.exists()


def test_a_folder_deeper_than_python_can_descend_stops_nobody(tmp_path: Path) -> None:
    site = site_of(tmp_path / "site", "in-progress-2")
    here = os.open(site / INCIDENT, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    done = ran(site, "record", "event", "hello")
    # What tidies up after tests descends as Python does.
    subprocess.run(["rm", "-rf", str(site)], check=True)
    assert done.returncode == 0, traceless(done)


def test_what_a_killed_run_left_among_attachments_is_removed(tmp_path: Path) -> None:
    site = site_of(tmp_path / "site", "in-progress-2")
    folder = site / INCIDENT / "attachments"
    folder.mkdir(exist_ok=True)
    left, own = folder / ".E-1.json.abcd1234.unfinished", folder / "notes.unfinished"
    left.write_text("{")
    own.write_text("somebody's")
    done = ran(site, "record", "event", "hello")
    assert done.returncode == 0, traceless(done)
    assert (left.exists(), own.exists()) == (False, True)
