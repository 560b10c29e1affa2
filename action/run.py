"""Runs the gates for action.yml: installs what is locked into a folder of its own, then judges.

Started as ``python -I -X utf8``: nothing of the repository that is judged can be imported.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "run.txt"
PREFIX = "INCIDENT_GATES_"
FLAGS = {
    "root": "--root",
    "incident": "--incident",
    "require": "--require",
    "policy": "--policy",
    "scope": "--scope",
    "reports": "--report",
    "package": "--package",
    "shard": "--shard",
    "now": "--now",
    "merge": "--merge",
}
SEVERAL = ("incident", "reports", "merge", "overview")
# What was judged is not judged again: only what is printed can be asked for.
JOINING = ("merge", "reports")
SAID = 600
SWITCHES = {"true": "--enforce", "false": "--advisory"}
# Where packages come from is the caller's business; where they go is ours.
KEPT = re.compile("INDEX|FIND_LINKS|CERT|CACHE|HOST|PROXY|TIMEOUT|RETRIES|TLS|OFFLINE|KEYRING")


class Unusable(Exception):
    """The action cannot run; its text is the sentence that says why."""


def main() -> None:
    """Installs, then hands over to the command line."""
    sys.path.insert(0, str(ROOT / "src"))
    try:
        arguments = arguments_from(os.environ)
        sys.path.insert(1, str(installed()))
    except Unusable as error:
        from incident_gates.github import hand_over

        print(hand_over.could_not_tell(str(error)), end="", flush=True)
        sys.exit(2)
    from incident_gates.cli import main as command
    from incident_gates.entry import seek_no_cycles

    seek_no_cycles()
    command(arguments, prog_name="incident-gates")


def arguments_from(environment: Mapping[str, str]) -> list[str]:
    """The command line that the inputs stand for; an empty input is one that was not given."""
    given = {name: _values(environment, name) for name in (*FLAGS, "path", "overview")}
    names = JOINING if given["merge"] or given["overview"] else tuple(FLAGS)
    if given["path"]:
        names = tuple(name for name in names if name != "scope")
    arguments = [f"{FLAGS[name]}={value}" for name in names for value in given[name]]
    enforce = environment.get(f"{PREFIX}ENFORCE", "").strip().lower() or "true"
    if enforce not in SWITCHES:
        raise Unusable("The input enforce is true or false.")
    arguments.append(SWITCHES[enforce])
    if given["overview"]:
        return ["overview", *arguments, "--", *given["overview"]]
    if given["path"]:
        arguments += ["--allow-empty", "--", *given["path"]]
    return ["check", *arguments]


def _values(environment: Mapping[str, str], name: str) -> list[str]:
    given = environment.get(PREFIX + name.upper(), "")
    lines = given.splitlines() if name in SEVERAL else [given]
    return [line.strip() for line in lines if line.strip()]


def installed() -> Path:
    """The folder that holds the dependencies; made once a job, whole or not at all."""
    about = f"{sys.version}\0{platform.machine()}\0".encode() + LOCK.read_bytes()
    parent = Path(os.environ.get("RUNNER_TEMP") or tempfile.gettempdir())
    target = parent / f"incident-gates-{hashlib.sha256(about).hexdigest()[:16]}"
    if not target.is_dir():
        made = _made(parent)
        with contextlib.suppress(OSError):  # another step of the job was faster
            made.rename(target)
    return target


def _made(parent: Path) -> Path:
    """A new folder with the dependencies, by the first installer that can."""
    why = "There is neither uv nor pip. Let actions/setup-python run before this."
    for installer in _installers():
        target = Path(tempfile.mkdtemp(prefix="incident-gates-", dir=parent))
        run = subprocess.run(
            [*installer, "--target", str(target), "-r", str(LOCK)],
            cwd=target,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if run.returncode == 0:
            return target
        said = " ".join(run.stderr.decode(errors="replace").split())
        if "No module named pip" not in said:
            why = f"The dependencies cannot be installed: {said[-SAID:]}"
    raise Unusable(why)


def _installers() -> Iterator[list[str]]:
    """Uv where there is one, then pip; both take nothing that is not locked, and build nothing."""
    os.environ["NODEFAULTCURRENTDIRECTORYINEXEPATH"] = "1"  # Windows looks there first
    strict = ["--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    uv = shutil.which("uv")
    if uv:
        yield [uv, "pip", "install", "--no-config", "--python", sys.executable, *strict]
    pip = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    yield [*pip, "install", "--no-user", *strict]


def _environment() -> dict[str, str]:
    """The caller's environment without what would send packages elsewhere."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV"))
        or KEPT.search(name.upper())
    }


if __name__ == "__main__":
    main()
