"""Runs one command again and again, and lets each thing that it does to the disk go wrong once.

``python faultwork.py SITE ORDER`` copies SITE for every run. ORDER is a JSON object: the
``command``, the ``clock`` that stands while it runs, and ``faults``. A fault is ``kill`` (the
process ends before the n-th change of the disk, as if by SIGKILL or a power cut), ``interrupt``
(Ctrl-C), the name of an error such as ENOSPC, which the n-th change fails with, or a number: the
mode of the incident's folder or, where that cannot be entered, of its decision log; then there is
one run, never as root.
A write counts twice: half of its bytes arrive.
What became of the files, the exit code and what was said comes out as one JSON object a run; in the
first, nothing goes wrong. After a kill, ``ask`` is a command that judges what was left, and then
the same command is typed once more; what was left twice in the same state is asked once.
"""

from __future__ import annotations

import datetime as dt
import errno
import gc
import hashlib
import io
import json
import os
import pkgutil
import re
import shutil
import signal
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

real = dt.datetime


def stopped(clock: str) -> type[real]:
    """A clock that stands, so that two runs write the same."""

    class Stopped(real):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Stopped:
            return cls.fromisoformat(clock).astimezone(tz)

    return Stopped


class Disk:
    """Notes what changes the disk below a folder, and lets the n-th change fail."""

    def __init__(self, folder: Path, fault: str, number: int) -> None:
        self.folder = folder
        self.fault = fault
        self.number = number
        self.steps: list[str] = []

    def step(self, kind: str) -> None:
        """One more change; the chosen one does not happen."""
        self.steps.append(kind)
        if len(self.steps) != self.number:
            return
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
            return
        code = getattr(errno, self.fault)
        raise OSError(code, os.strerror(code))

    def holds(self, path: object) -> bool:
        """Whether a path lies where changes are counted."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False
        return Path(os.fsdecode(path)).absolute().is_relative_to(self.folder)

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Hears of each call that Python makes of the system, before it is made."""
        if event == "open":
            path, _, flags = arguments
            changes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if changes and self.holds(path):
                self.step(event)
        elif event in CHANGES and self.holds(arguments[0]):
            self.step(event)


CHANGES = (
    *("os.rename", "os.mkdir", "os.rmdir", "os.link", "os.chmod", "os.symlink", "os.remove"),
)
# What a kill before it leaves is what a kill before the next step leaves.
UNSEEN = ("os.chmod", "fsync")
# Where removing fails, nothing can be cleaned up.
CLEANING = ("os.remove",)


def halved(disk: Disk) -> type[io.FileIO]:
    """A file of which every write is two."""

    class Halved(io.FileIO):
        def write(self, data: Any, /) -> int:
            disk.step("write")
            whole = bytes(data)
            done = super().write(whole[: len(whole) // 2])
            disk.step("write")
            return (done or 0) + (super().write(whole[done:]) or 0)

    return Halved


def arm(disk: Disk) -> None:
    """From here on the disk is counted."""
    opened, synced, raw = io.open, os.fsync, halved(disk)

    def opening(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if "b" not in mode or not set(mode) & set("wax+"):
            return opened(file, mode, *rest, **named)
        stream = raw(file, mode.replace("b", ""))
        return io.BufferedRandom(stream) if "+" in mode else io.BufferedWriter(stream)

    def syncing(fd: Any) -> None:
        disk.step("fsync")
        synced(fd)

    io.open = opening
    os.fsync = syncing
    sys.addaudithook(disk.watch)


def files(folder: Path) -> dict[str, str]:
    """Every file below a folder but git's, with its digest."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.parts
    }


def broken(folder: Path) -> list[str]:
    """The JSON files below a folder that are none."""
    return [path.name for path in folder.rglob("*.json") if not is_json(path.read_bytes())]


def is_json(data: bytes) -> bool:
    """Whether it can be read."""
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def executions(folder: Path) -> list[str]:
    """The ids of what was executed, as the reports below a folder list them."""
    reports = folder.rglob("mitigation-execution-report.json")
    entries = (e for path in reports for e in json.loads(path.read_bytes())["executions"])
    return [entry["id"] for entry in entries]


def run(
    main: Callable[..., Any], command: list[str], disk: Disk | None, said: Path, user: int = 0
) -> int:
    """The command in a child of its own; its exit code, or the signal that ended it as -9."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code: Any = 99
    try:
        output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if user and os.geteuid() == 0:
            os.setresuid(user, user, user)
        if disk:
            arm(disk)
        main(command, prog_name="incident-gates")
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if disk and not disk.number:
            said.with_name("steps").write_text(json.dumps(disk.steps))
        os._exit(int(code))


def chosen(steps: list[str], fault: str) -> Iterator[int]:
    """The numbers of the steps that go wrong.

    Whatever gives a name, what comes after that, and of all else in a long command every so many,
    which is another kind of step each time.
    """
    left_out = UNSEEN if fault == "kill" else CLEANING
    listed = [n for n, step in enumerate(steps, 1) if step not in left_out and not amid(steps, n)]
    for index, number in enumerate(listed):
        named = NAMING.intersection(steps[max(0, number - 2) : number])
        if index < FIRST or index % STRIDE == 0 or named:
            yield number


def amid(steps: list[str], number: int) -> bool:
    """Of hundreds of writes in a row, as an archive takes, the first two and the last count."""
    return steps[max(0, number - 3) : number + 1] == ["write"] * 4


FIRST, STRIDE = 4, 5
NAMING = frozenset(("os.rename", "os.link"))


class Runs:
    """Every run of one command."""

    def __init__(
        self, main: Callable[..., Any], site: Path, order: dict[str, Any], at: Path
    ) -> None:
        self.main, self.site, self.order = main, site, order
        self.place, self.said = at / "site", at / "said"
        self.seen: dict[str, Any] = {}

    def all(self) -> Iterator[dict[str, Any]]:
        """The one in which nothing goes wrong, and those in which something does."""
        first = self.one("none", 0)
        yield first
        steps = json.loads(self.said.with_name("steps").read_bytes())
        for fault in self.order["faults"]:
            for number in chosen(steps, fault):
                yield self.one(fault, number)

    def begin(self) -> None:
        """The site as it was, and we in it."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.site, self.place, symlinks=True)
        os.chdir(self.place)

    def one(self, fault: str, number: int) -> dict[str, Any]:
        """One run, of which one step goes wrong."""
        self.begin()
        disk = Disk(self.place, fault, number)
        code = run(self.main, self.order["command"], disk, self.said)
        left = files(self.place)
        outcome = {
            "fault": fault,
            "exit": code,
            "said": self.said.read_text("utf-8", "replace"),
            "files": left,
            "broken": broken(self.place),
            "runs": executions(self.place),
        }
        if fault == "kill":
            state = json.dumps(nameless(left))
            self.seen[state] = self.seen.get(state) or self.afterwards()
            outcome |= self.seen[state]
        return outcome

    def afterwards(self) -> dict[str, Any]:
        """What is said of the files as they were left, and what the same command makes of them."""
        ask, command = self.order["ask"], self.order["command"]
        asked = run(self.main, ask, None, self.said) if ask else None
        again = run(self.main, command, None, self.said)
        then = executions(self.place)
        return {"asked": asked, "again": again, "after": files(self.place), "then": then}

    def forbidden(self, mode: int) -> dict[str, Any]:
        """The command where a folder has another mode, by somebody who is not root."""
        self.begin()
        incident = next((self.place / ".artifacts/incidents").iterdir())
        self.place.parent.chmod(0o755)
        self.said.touch()
        self.said.chmod(0o666)
        target = incident if mode & 0o111 else incident / "decision-log.json"
        target.chmod(mode)
        code = run(self.main, self.order["command"], None, self.said, user=65534)
        target.chmod(0o755)
        said = self.said.read_text("utf-8", "replace")
        return {"exit": code, "said": said, "files": files(self.place)}


def nameless(found: dict[str, str]) -> list[tuple[str, str]]:
    """The files without what is random in the name of one that is not whole yet."""
    return sorted((re.sub(r"\.[a-z0-9_]{8}\.unfinished$", "", n), d) for n, d in found.items())


def program(clock: str) -> Callable[..., Any]:
    """The command line, loaded once here and not by every child, at a moment that does not pass."""
    dt.datetime = stopped(clock)  # type: ignore[misc]
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
    import incident_gates
    from incident_gates.cli import main

    for module in pkgutil.walk_packages(incident_gates.__path__, "incident_gates."):
        import_module(module.name)
    gc.freeze()
    return main


def told(site: Path, order: dict[str, Any]) -> None:
    """Says what became of each run, a line each."""
    main = program(order["clock"])
    with tempfile.TemporaryDirectory() as name:
        runs = Runs(main, site, order, Path(name).resolve())
        mode = order["faults"][0]
        for outcome in [runs.forbidden(int(mode, 8))] if mode.isdecimal() else runs.all():
            sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    told(Path(sys.argv[1]).resolve(), json.loads(sys.argv[2]))
