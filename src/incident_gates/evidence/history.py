"""Asks git for what it kept; imported libraries and repositories are opened only when needed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import bounds

if TYPE_CHECKING:
    from pathlib import Path

    from git import Git

# A repository planted inside evidence must not run its own configuration.
_SAFE = {
    "GIT_CONFIG_COUNT": "4",
    "GIT_CONFIG_KEY_0": "safe.bareRepository",
    "GIT_CONFIG_VALUE_0": "explicit",
    "GIT_CONFIG_KEY_1": "core.fsmonitor",
    "GIT_CONFIG_VALUE_1": "false",
    "GIT_CONFIG_KEY_2": "core.hooksPath",
    "GIT_CONFIG_VALUE_2": os.devnull,
    "GIT_CONFIG_KEY_3": "gc.auto",
    "GIT_CONFIG_VALUE_3": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
MAX_BLOBS = 100


def _git(repository: Path) -> Git | None:
    """Git in a repository that is known to be one; no search through parent folders."""
    if not (repository / ".git").exists():
        return None
    try:
        from git import Git
    except ImportError:  # GitPython refuses to be imported where there is no git
        return None
    git = Git(repository)
    git.update_environment(**_SAFE, GIT_DIR=os.fspath(repository / ".git"))
    return git


def ask(repository: Path, *arguments: str, seconds: int = 20, literal: bool = True) -> bytes | None:
    """What a git command prints, to the byte; None where git or the repository cannot answer.

    Only ``check-ignore`` must be asked without literal pathspecs, which it refuses.
    """
    git = _git(repository)
    if git is None:
        return None
    if not literal:
        git.update_environment(GIT_LITERAL_PATHSPECS="0")
    try:
        answer: object = git.execute(
            ["git", *arguments],
            stdout_as_string=False,
            strip_newline_in_stdout=False,
            kill_after_timeout=None if os.name == "nt" else seconds,  # GitPython cannot there
        )
    except Exception:  # noqa: BLE001 - GitPython raises many kinds; every one means: no answer
        return None
    return answer if isinstance(answer, bytes) else None


def _run(repository: Path, *arguments: str) -> bytes:
    """What a git command prints; nothing where git or the repository cannot answer."""
    return ask(repository, *arguments) or b""


def blobs_of(repository: Path, path: Path) -> list[bytes]:
    """Every version of a file that git holds, newest first, at most MAX_BLOBS."""
    try:
        relative = path.relative_to(repository).as_posix()
    except ValueError:
        return []
    log = _run(repository, "log", "--format=", "--raw", "--no-abbrev", "-z", "--", relative)
    fields = [part.split() for part in log.split(b"\0") if part.lstrip(b"\n").startswith(b":")]
    shas = dict.fromkeys(field[3].decode() for field in fields if len(field) > 3)  # noqa: PLR2004
    found = []
    for sha in list(shas)[:MAX_BLOBS]:
        if set(sha) - {"0"}:
            data = _run(repository, "cat-file", "blob", sha)
            found += [data] if len(data) <= bounds.FILE_BYTES else []
    return found


def author(repository: Path) -> str:
    """The name that git would give to a commit made now, or ""."""
    return _run(repository, "config", "user.name").decode("utf-8", "replace").strip()


def ignored(repository: Path, path: Path) -> bool:
    """Whether git ignores a path, so that what is written there never reaches a commit."""
    try:
        relative = path.relative_to(repository).as_posix()
    except ValueError:
        return False
    return bool(ask(repository, "check-ignore", "--", relative, literal=False))
