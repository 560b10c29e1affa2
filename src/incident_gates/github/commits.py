"""From an event to the commit that a change starts from, and the paths that it changes."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from incident_gates.errors import CouldNotTell
from incident_gates.evidence import history
from incident_gates.github.event import commit_id

if TYPE_CHECKING:
    from pathlib import Path

    from incident_gates.github.event import Event

SUBMODULE = "160000"
MERGED = 2
MAX_COMMITS = 250
FULL_HISTORY = "Give actions/checkout `fetch-depth: 0`."
NO_REF = "Let actions/checkout take its default commit: remove its `ref:`."


class Changed(NamedTuple):
    """One changed path: ``A``, ``M``, ``D`` or ``T``, with its blobs before and after."""

    path: str
    status: str
    old: str
    new: str
    submodule: bool = False


class Change(NamedTuple):
    """What an event changed; ``base`` is None where no single change was asked about.

    ``rules`` is the commit whose policy is in force.
    """

    repository: Path
    base: str | None
    head: str = ""
    paths: tuple[Changed, ...] = ()
    rules: str | None = None


class Git:
    """What is asked of the repository that the workflow checked out."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository

    def ask(self, *arguments: str, seconds: int = 60) -> str:
        """What git prints; "" where it cannot answer."""
        answer = history.ask(self.repository, *arguments, seconds=seconds)
        return os.fsdecode(answer or b"")

    def resolve(self, revision: str) -> str:
        """The commit that a revision names, or ""."""
        wanted = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return commit_id(self.ask(*wanted).strip())

    def parents(self, commit: str) -> list[str]:
        """The parents as the commit itself names them: a shallow clone may lack them."""
        head = self.ask("cat-file", "commit", commit).partition("\n\n")[0]
        return [p for line in head.split("\n") if (p := commit_id(_after("parent ", line)))]

    @property
    def shallow(self) -> bool:
        """Whether history was cut off; unknown counts as cut off."""
        return self.ask("rev-parse", "--is-shallow-repository").strip() != "false"

    def obtain(self, commit: str) -> bool:
        """Whether a commit is there, or could be fetched."""
        if commit and not self.resolve(commit):
            depth = ("--depth=1",) if self.shallow else ()
            quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
            self.ask("fetch", *quiet, *depth, "origin", commit, seconds=180)
        return bool(commit and self.resolve(commit))

    def merge_base(self, one: str, other: str) -> str:
        """The best common ancestor, or ""."""
        return commit_id(self.ask("merge-base", one, other).strip()) if one and other else ""

    def branch(self, name: str) -> str:
        """The tip of a branch as it was fetched, or ""."""
        found = (self.resolve(f"refs/{where}/{name}") for where in ("remotes/origin", "heads"))
        return next((tip for tip in found if tip), "") if name else ""

    def blob(self, commit: str, path: str) -> bytes | None:
        """A file as a commit holds it."""
        return history.ask(self.repository, "cat-file", "blob", f"{commit}:{path}")

    def names(self, commit: str, folder: str) -> frozenset[str]:
        """The names directly in a folder, as a commit holds it."""
        where = (f"{folder}/",) if folder not in ("", ".") else ()
        listed = self.ask("ls-tree", "-z", "--name-only", commit, "--", *where)
        return frozenset(name.rpartition("/")[2] for name in listed.split("\0") if name)

    def messages(self, base: str, head: str) -> list[str]:
        """The messages of the commits of a change, as far as they are there."""
        wanted = ("log", "-z", "--format=%B", f"--max-count={MAX_COMMITS}", head, f"^{base}", "--")
        return self.ask(*wanted).split("\0")


def _after(prefix: str, line: str) -> str:
    return line[len(prefix) :] if line.startswith(prefix) else ""


def change_of(event: Event, repository: Path) -> Change:
    """What an event changed; raises CouldNotTell, with the mend, where git cannot say."""
    git = Git(repository)
    find = {
        "pull_request": _pull_request,
        "pull_request_target": _target,
        "merge_group": _merge_group,
        "push": _push,
    }.get(event.name)
    head = git.resolve("HEAD")
    if not head:
        raise CouldNotTell(
            "Git cannot read this repository. Let actions/checkout run before, and git be there."
        )
    if find is None:  # a schedule, a run by hand: no change, so everything
        return Change(repository, None, head)
    base = find(event, git, head)
    if base is None:
        return Change(repository, None, head)
    rules = _branched_off(event, git, head) if event.name == "push" else ""
    return Change(repository, base, head, _changed(git, base, head), rules or base)


def _branched_off(event: Event, git: Git, head: str) -> str:
    """Where a pushed branch left the default one: its own earlier policy binds nobody yet."""
    default = event.text("repository", "default_branch")
    if event.text("ref") == f"refs/heads/{default}":
        return ""
    return git.merge_base(git.branch(default), head)


def _pull_request(event: Event, git: Git, head: str) -> str:
    """The merge commit's first parent; the payload's own base may be older than that."""
    own = event.commit("pull_request", "head", "sha")
    parents = git.parents(head)
    if head == own:
        tip = git.branch(event.text("pull_request", "base", "ref"))
        return _common(git, tip or event.commit("pull_request", "base", "sha"), head)
    if head != event.sha or len(parents) != MERGED or own not in ("", parents[1]):
        raise CouldNotTell(
            "The checkout is not the merge commit of this pull request as the event has it. "
            f"{NO_REF} If the branch was pushed to meanwhile, run again."
        )
    if not git.obtain(parents[0]):
        raise CouldNotTell(
            "The commit that this pull request starts from is not here and cannot be fetched. "
            "Give actions/checkout `fetch-depth: 2`."
        )
    return parents[0]


def _target(_: Event, __: Git, ___: str) -> str:
    raise CouldNotTell(
        "pull_request_target checks out the base, not the change, with secrets at hand. "
        "Use `on: pull_request`."
    )


def _merge_group(event: Event, git: Git, head: str) -> str:
    _same(head, event.commit("merge_group", "head_sha") or event.sha)
    base = event.commit("merge_group", "base_sha")
    if not git.obtain(base):
        raise CouldNotTell(
            f"The commit that this merge group starts from is not here. {FULL_HISTORY}"
        )
    return base


def _push(event: Event, git: Git, head: str) -> str | None:
    if event.at("deleted") is True:
        return head  # a deleted branch changes nothing here
    _same(head, event.sha or event.commit("after"))
    before = event.commit("before")
    default = event.text("repository", "default_branch")
    on_default = event.text("ref") == f"refs/heads/{default}"
    if before and (on_default or event.at("forced") is not True) and git.obtain(before):
        return before
    if on_default and not before:
        return None  # the first commits of a repository: everything is new
    if on_default or not default:
        raise CouldNotTell(
            "The commit that stood here before this push is gone. Run the workflow by hand: "
            "then every incident is judged."
        )
    return _common(git, git.branch(default), head)


def _same(head: str, wanted: str) -> None:
    if head != wanted:
        raise CouldNotTell(f"The checkout is not the commit that the event is about. {NO_REF}")


def _common(git: Git, tip: str, head: str) -> str:
    """The commit where a branch left another."""
    git.obtain(tip)
    base = git.merge_base(tip, head)
    if base:
        return base
    if git.shallow or not tip:
        raise CouldNotTell(f"Too little history is here to see what changed. {FULL_HISTORY}")
    raise CouldNotTell(
        "This branch shares no history with the one that it would go to, so nothing says what "
        "changed. Rebase it, or run the workflow by hand: then every incident is judged."
    )


_RAW = re.compile(r":(\d{6}) (\d{6}) ([0-9a-f]+) ([0-9a-f]+) ([A-Z])\d*\Z")


def _changed(git: Git, base: str, head: str) -> tuple[Changed, ...]:
    """Every path that differs; plumbing, so that no setting or attribute changes the answer."""
    if base == head:
        return ()
    wanted = ("diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", base, head, "--")
    answer = history.ask(git.repository, *wanted, seconds=300)
    if answer is None:
        raise CouldNotTell(f"Git cannot compare this change with its base. {FULL_HISTORY}")
    parts = os.fsdecode(answer).split("\0")
    found = []
    for raw, path in zip(parts[::2], parts[1::2], strict=False):
        match = _RAW.match(raw)
        if match is None:
            raise CouldNotTell("Git says what changed in a form that is not known here.")
        before, after, old, new, status = match.groups()
        found.append(Changed(path, status, old, new, SUBMODULE in (before, after)))
    return tuple(found)
