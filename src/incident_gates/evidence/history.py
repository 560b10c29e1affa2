"""Asks git for what it kept; imported libraries and repositories are opened only when needed."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from threading import Timer
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from . import bounds

if TYPE_CHECKING:
    from git import Git

# A repository planted inside evidence must not run its own configuration.
_SAFE = {
    "GIT_CONFIG_COUNT": "8",
    "GIT_CONFIG_KEY_0": "safe.bareRepository",
    "GIT_CONFIG_VALUE_0": "explicit",
    "GIT_CONFIG_KEY_1": "core.fsmonitor",
    "GIT_CONFIG_VALUE_1": "false",
    "GIT_CONFIG_KEY_2": "core.hooksPath",
    "GIT_CONFIG_VALUE_2": os.devnull,
    "GIT_CONFIG_KEY_3": "gc.auto",
    "GIT_CONFIG_VALUE_3": "0",
    # Signatures are asked of the programs that git itself would take.
    "GIT_CONFIG_KEY_4": "gpg.program",
    "GIT_CONFIG_VALUE_4": "gpg",
    "GIT_CONFIG_KEY_5": "gpg.openpgp.program",
    "GIT_CONFIG_VALUE_5": "gpg",
    "GIT_CONFIG_KEY_6": "gpg.x509.program",
    "GIT_CONFIG_VALUE_6": "gpgsm",
    "GIT_CONFIG_KEY_7": "gpg.ssh.program",
    "GIT_CONFIG_VALUE_7": "ssh-keygen",
    # A graft gives a commit other parents, so that a seal falls out of history.
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
MAX_BLOBS = 100
# A part of a repository may be left with its server; what is asked about a record stays offline,
# whatever transports the repository allows itself: one of them runs any command.
_BROUGHT: Final = ("local", "worktree")
_OFFLINE: Final = {"GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1"}


def _git(repository: Path) -> "Git | None":
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


def ask(
    repository: Path,
    *arguments: str,
    seconds: int = 20,
    literal: bool = True,
    given: BinaryIO | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> bytes | None:
    """What a git command prints, to the byte; None where git or the repository cannot answer.

    Only ``check-ignore`` must be asked without literal pathspecs, which it refuses; ``settings``
    are added to git's environment.
    """
    git = _git(repository)
    if git is None:
        return None
    git.update_environment(**settings)
    if not literal:
        git.update_environment(GIT_LITERAL_PATHSPECS="0")
    try:
        answer: object = git.execute(
            ["git", *arguments],
            stdout_as_string=False,
            strip_newline_in_stdout=False,
            kill_after_timeout=None if os.name == "nt" else seconds,  # GitPython cannot there
            istream=given,
        )
    except Exception:  # noqa: BLE001 - GitPython raises many kinds; every one means: no answer
        return None
    return answer if isinstance(answer, bytes) else None


def blobs_of(repository: Path, path: Path) -> list[bytes]:
    """Every version of a file that git holds, newest first, at most MAX_BLOBS."""
    try:
        relative = path.relative_to(repository).as_posix()
    except ValueError:
        return []
    try:
        versions = log(repository, relative)
    except Unknown:
        return []
    shas = list(dict.fromkeys(v.blob for v in versions if v.blob and v.path == relative))
    found = blobs(repository, shas[:MAX_BLOBS])
    return [found[sha] for sha in shas if sha in found]


def author(repository: Path) -> str:
    """The name that git would give to a commit made now, or ""."""
    name = ask(repository, "config", "user.name") or b""
    return name.decode("utf-8", "replace").strip()


def ignored(repository: Path, path: Path) -> bool:
    """Whether git ignores a path, so that what is written there never reaches a commit."""
    try:
        relative = path.relative_to(repository).as_posix()
    except ValueError:
        return False
    return bool(ask(repository, "check-ignore", "--", relative, literal=False))


def offline(repository: Path, *arguments: str, **how: Any) -> bytes | None:
    """The same as ``ask``, with no way to any server."""
    return ask(repository, *arguments, settings={**_OFFLINE, **how.pop("settings", {})}, **how)


# --- the history of a folder ---------------------------------------------------------------------


class Who(NamedTuple):
    """An author or committer as a commit names them: a claim, and so is the time."""

    name: str
    email: str
    time: datetime


class Commit(NamedTuple):
    """One commit."""

    sha: str
    parents: tuple[str, ...]
    author: Who
    committer: Who


class Version(NamedTuple):
    """What a commit made of one file; ``blob`` is empty where it removed the file."""

    commit: Commit
    path: str
    blob: str
    status: str


class Signature(NamedTuple):
    """What git says of a commit's signature: its letter, and with which key it was made."""

    commit: str
    letter: str
    key: str
    primary: str


class Unknown(Exception):
    """History that cannot be told: why."""


# -c shows what a merge holds that none of its parents does; --full-history follows every parent,
# so that a merge cannot hide a seal of the side that it did not take. Settings of the user that
# would change the shape of the answer are switched off.
_LOG: Final = (
    "log",
    "--topo-order",
    "--full-history",
    "-c",
    "--raw",
    "--no-abbrev",
    "--no-renames",
    "--no-follow",
    "--no-mailmap",
    "--no-show-signature",
    "--no-notes",
    "--encoding=UTF-8",
    "--no-color",
    "--no-relative",
    "--no-ext-diff",
    "-z",
    "--format=%H%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct",
)
_FIELDS: Final = 8
# Later than any time that a record could state: such a commit came in time for nothing.
_NO_DATE: Final = datetime(9999, 12, 31, tzinfo=timezone.utc)
_ID: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")


def tip(repository: Path) -> str:
    """The commit that is checked out; raises Unknown where nothing can be said about history."""
    if not (repository / ".git").exists():
        raise Unknown("this is not a git repository")
    if _git(repository) is None:
        raise Unknown("git is not installed")
    answer = ask(repository, "rev-parse", "--is-shallow-repository", "HEAD^{commit}")
    if answer is None:
        begun = ask(repository, "rev-parse", "--is-shallow-repository")
        raise Unknown("there is no commit yet" if begun else "git cannot read this repository")
    shallow, _, commit = answer.decode("ascii", "replace").partition("\n")
    if shallow != "false":
        raise Unknown("the checkout is shallow; check out with fetch-depth: 0")
    return commit.strip()


def why_unknown(repository: Path) -> str:
    """Why nothing can be said about the history of a repository, or ""."""
    try:
        tip(repository)
    except Unknown as unknown:
        return str(unknown)
    return ""


def log(repository: Path, folder: str, times: int = 1) -> tuple[Version, ...]:
    """Every version of every file below a folder, newest first; raises Unknown.

    More than a bound is not read in part; ``times`` is by how much that of one record is raised.
    """
    most = bounds.HISTORY_COMMITS * times
    end = (f"--max-count={most + 1}", "--end-of-options", "HEAD", "--", folder)
    data = _bounded(repository, (*_LOG, *end), bounds.HISTORY_BYTES * times)
    found: list[Version] = []
    commits = 0
    for commit, changes in _commits(data):
        commits += 1
        found += [Version(commit, path, blob, status) for path, blob, status in changes]
    if commits > most:
        raise Unknown(f"it has more than {most} commits")
    return tuple(found)


def _bounded(repository: Path, arguments: tuple[str, ...], most: int) -> bytes:
    """What git prints, no more than a bound of it, within a bound of time; raises Unknown."""
    git = _git(repository)
    if git is None:
        raise Unknown("git is not installed")
    git.update_environment(**_OFFLINE)
    try:
        process: Any = git.execute(["git", *arguments], as_process=True)
    except Exception as error:
        raise Unknown("git cannot be run") from error
    timer = Timer(bounds.HISTORY_SECONDS, process.proc.kill)
    timer.start()
    try:
        data: bytes = process.proc.stdout.read(most + 1)
        if len(data) > most:
            raise Unknown(f"it is longer than {most // bounds.MIB} MiB")
        process.proc.stderr.read(bounds.KIB)
        code = process.proc.wait()
    finally:
        timer.cancel()
        process.proc.kill()
        process.proc.communicate()
    if code:
        raise Unknown("git could not read it, or took too long")
    return data


def _commits(data: bytes) -> Iterator[tuple[Commit, list[tuple[str, str, str]]]]:
    """Each commit of the answer with what it changed: path, blob, status."""
    tokens = data.decode("utf-8", "surrogateescape").split("\0")
    index = 0
    while index + _FIELDS <= len(tokens):
        commit = _commit(tokens[index : index + _FIELDS])
        index += _FIELDS
        while index < len(tokens) and not tokens[index]:  # as after the header of a merge
            index += 1
        changes: list[tuple[str, str, str]] = []
        while index + 1 < len(tokens) and tokens[index].lstrip("\n").startswith(":"):
            changes.append(_change(tokens[index].lstrip("\n"), tokens[index + 1]))
            index += 2
        while index < len(tokens) and not tokens[index]:
            index += 1
        yield commit, changes


def _commit(fields: list[str]) -> Commit:
    sha, parents, *who = (field.lstrip("\n") for field in fields)
    ids = (sha, *parents.split())
    if not all(map(_ID.match, ids)):
        raise Unknown("git answered in a way that is not understood")
    return Commit(sha, ids[1:], _who(*who[:3]), _who(*who[3:]))


def _who(name: str, email: str, seconds: str) -> Who:
    """A commit may claim any time at all; one that nobody can read bears out nothing."""
    try:
        time = datetime.fromtimestamp(int(seconds), timezone.utc)
    except (ValueError, OverflowError, OSError):
        time = _NO_DATE
    return Who(_utf8(name), _utf8(email), time)


def _utf8(text: str) -> str:
    """A name whose bytes are no UTF-8 still has to be printed."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _change(entry: str, path: str) -> tuple[str, str, str]:
    """One raw entry; of a merge, which has a mode and a blob for each parent, the last ones."""
    parents = len(entry) - len(entry.lstrip(":"))
    fields = entry.lstrip(":").split(" ")
    if len(fields) != 2 * parents + 3:
        raise Unknown("git answered in a way that is not understood")
    blob, status = fields[-2], fields[-1]
    return path, blob if set(blob) - {"0"} else "", status


def blobs(
    repository: Path, shas: Iterable[str], limit: int = bounds.FILE_BYTES
) -> dict[str, bytes]:
    """The contents of blobs by id; those that are too large, or not there, are left out."""
    wanted = [sha for sha in dict.fromkeys(shas) if _ID.match(sha)][: bounds.HISTORY_VERSIONS]
    small, total = [], 0
    # The smallest first: a bulky version must not push out the others.
    for size, sha in sorted(_sizes(_batch(repository, "--batch-check", wanted))):
        if size <= limit and total + size <= bounds.HISTORY_CONTENT:
            small.append(sha)
            total += size
    return dict(_contents(_batch(repository, "--batch", small)))


def _sizes(answer: bytes) -> Iterator[tuple[int, str]]:
    for line in answer.decode("ascii", "replace").splitlines():
        sha, _, rest = line.partition(" ")
        kind, _, size = rest.partition(" ")
        if kind == "blob":
            yield int(size), sha


def signed(repository: Path, shas: Iterable[str]) -> frozenset[str]:
    """The commits that carry a signature, whoever's it is: nothing is verified."""
    wanted = [sha for sha in dict.fromkeys(shas) if _ID.match(sha)]
    found = _contents(_batch(repository, "--batch", wanted))
    return frozenset(
        sha for sha, data in found if re.search(rb"^gpgsig(-sha256)? ", _header(data), re.MULTILINE)
    )


def _header(commit: bytes) -> bytes:
    return commit.partition(b"\n\n")[0]


def _batch(repository: Path, how: str, shas: list[str]) -> bytes:
    if not shas:
        return b""
    import tempfile

    with tempfile.TemporaryFile() as given:
        given.write("".join(f"{sha}\n" for sha in shas).encode())
        given.seek(0)
        return offline(repository, "cat-file", how, given=given) or b""


def _contents(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Each object of a batch: a line with id, kind and size, the content, a line end."""
    start = 0
    while (end := data.find(b"\n", start)) > 0:
        sha, *rest = data[start:end].decode("ascii", "replace").split(" ")
        if len(rest) != 2:  # missing: there is no content  # noqa: PLR2004
            start = end + 1
            continue
        size = int(rest[1])
        yield sha, data[end + 1 : end + 1 + size]
        start = end + size + 2


def is_ancestor(repository: Path, commit: str, of: str = "HEAD") -> bool | None:
    """Whether a commit is part of the history of another; None where it is not even there."""
    if not _ID.match(commit):
        return None
    there = offline(repository, "cat-file", "-e", f"{commit}^{{commit}}")
    if there is None:
        return None
    return offline(repository, "merge-base", "--is-ancestor", commit, of) is not None


def descendants(repository: Path, commit: str) -> frozenset[str]:
    """The commits of this history that came after one, by ancestry; raises Unknown."""
    if not _ID.match(commit):
        raise Unknown("this is no commit id")
    asked = ("rev-list", "--ancestry-path", f"{commit}..HEAD")
    data = _bounded(repository, asked, bounds.HISTORY_BYTES)
    return frozenset(data.decode("ascii", "replace").split())


def uncommitted(repository: Path, folder: str) -> tuple[str, ...] | None:
    """The paths below a folder that differ from the last commit; None where git cannot say."""
    found = status(repository, (folder,))
    return None if found is None else tuple(sorted(found))


def status(repository: Path, paths: Iterable[str], seconds: int = 60) -> dict[str, str] | None:
    """Every path that differs from the last commit, or that git does not hold, and how."""
    how = ("--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--ignored=matching")
    asked = ("--no-optional-locks", "status", *how, "--ignore-submodules=dirty", "--", *paths)
    answer = offline(repository, *asked, seconds=seconds, settings=_unfiltered(repository))
    if answer is None:
        return None
    entries = (os.fsdecode(entry) for entry in answer.split(b"\0"))
    return {entry[3:]: entry[:2] for entry in entries if len(entry) > 3}  # noqa: PLR2004


def _unfiltered(repository: Path) -> dict[str, str]:
    """Settings under which no filter runs that the repository itself brings: it is any command."""
    asked = ("config", "--show-scope", "--name-only", "-z", "--get-regexp", r"^filter\.")
    words = os.fsdecode(offline(repository, *asked) or b"").split("\0")
    brought = [n for scope, n in zip(words[::2], words[1::2], strict=False) if scope in _BROUGHT]
    first = int(_SAFE["GIT_CONFIG_COUNT"])
    return {
        "GIT_CONFIG_COUNT": str(first + len(brought)),
        **{f"GIT_CONFIG_KEY_{n}": name for n, name in enumerate(brought, first)},
        **{
            f"GIT_CONFIG_VALUE_{n}": "false" if name.endswith(".required") else ""
            for n, name in enumerate(brought, first)
        },
    }


def verified(repository: Path, shas: Iterable[str], keys: Iterable[str]) -> frozenset[str]:
    """The commits whose signature is good and was made with one of the keys: slow, one by one.

    A key is the fingerprint of an OpenPGP key in the keyring here, or a line of an SSH
    allowed-signers file.
    """
    wanted = [sha for sha in dict.fromkeys(shas) if _ID.match(sha)]
    if not wanted:
        return frozenset()
    listed = tuple(keys)
    lines = [key for key in listed if " " in key]
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        signers = Path(folder, "allowed_signers")
        signers.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        found = _signatures(repository, wanted, os.fspath(signers))
    return frozenset(
        s.commit
        for s in found
        if (s.letter == "G" and s.key.startswith("SHA256:"))  # by the list that was just written
        or (s.letter in ("G", "U") and {s.key, s.primary} & set(listed))
    )


def _signatures(repository: Path, shas: list[str], signers: str) -> list[Signature]:
    asked = ("-c", f"gpg.ssh.allowedSignersFile={signers}", "-c", "gpg.ssh.revocationFile=")
    how = ("log", "--no-walk=unsorted", "--no-show-signature", "--no-color")
    form = "--format=%H%x00%G?%x00%GF%x00%GP%x00"
    answer = offline(repository, *asked, *how, form, *shas, seconds=60)
    fields = (answer or b"").decode("utf-8", "replace").split("\0")
    rows = zip(*(iter(fields),) * 4, strict=False)
    return [Signature(sha.strip(), letter, key, primary) for sha, letter, key, primary in rows]
