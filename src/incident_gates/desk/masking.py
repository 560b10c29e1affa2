"""Finds secrets in what is written down of a command, so that the record does not keep them."""

from __future__ import annotations

import importlib
import re
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# Shorter values of the environment are words that turn up everywhere.
KNOWN_CHARS: Final = 8
# A detector of others may need the square of a line's length.
DETECTED_CHARS: Final = 4_000

_NAMES: Final = (
    r"pass(?:word|wd|phrase|code)|secret(?!s)|token(?!s)|credential(?!s)|api[_-]?key|"
    r"access[_-]?key|private[_-]?key|encryption[_-]?key|(?<=;)[ ]?pwd"
)
# What is said about a secret, and is none: its file, how many there are, when it ends.
_ABOUT: Final = (
    r"(?![\w.-]{0,30}?(?:count|length|size|name|type|ttl|age|at|expir(?:y|es|ation)|expires_?in|policy"
    r"|version|file|path|url|uri|sha256|sha512|digest|fingerprint|limit|total|usage|status|enabled"
    r"|required)(?:[^\w.-]|\Z))"
)
# Colour of a terminal may stand between a name and its value.
_COLOUR: Final = r"(?:\x1b\[[0-9;]{0,16}m)*"
_VALUE: Final = (
    r"""(?:"(?P<a>[^"\r\n]{1,4096})"|'(?P<b>[^'\r\n]{1,4096})'|(?P<c>[^\s"',;&]{1,4096}))"""
)
_KEY: Final = r"(?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"

_LINES: Final = (
    r"(?:(?:\s|\\n){0,4}[A-Za-z0-9+/=]{16,100}){0,200}(?:(?:\s|\\n){0,4}[A-Za-z0-9+/=]{1,99}\Z)?"
)

# Every run is bounded: what a command prints must not decide how long this takes.
_PATTERNS: Final = tuple(
    (kind, re.compile(pattern, re.ASCII | re.IGNORECASE | re.DOTALL | re.MULTILINE))
    for kind, pattern in (
        ("private key", rf"-----BEGIN {_KEY}.{{0,8192}}?-----END {_KEY}"),
        # One that was cut off, at its end or at its beginning.
        (
            "private key",
            rf"-----BEGIN {_KEY}{_LINES}",
        ),
        (
            "private key",
            (
                r"(?:^[A-Za-z0-9+/=]{16,100}\r?\n){0,200}"
                rf"(?:^[A-Za-z0-9+/=]{{1,100}}\r?\n)?-----END {_KEY}"
            ),
        ),
        (
            "authorization",
            (
                r"\bauthorization[\"']?[ \t]{0,9}[:=][ \t]{0,9}[\"']?"
                r"(?:(?:bearer|basic|token|digest|negotiate|apikey|aws4-hmac-sha256)[ \t]{1,9})?"
                r"(?P<a>[^\s\"'][^\r\n\"']{0,4096})"
            ),
        ),
        ("bearer token", r"\bbearer[ \t]{1,9}(?=[^\s]{0,99}[0-9])(?P<a>[\w.~+/=-]{8,4096})"),
        ("password in a URL", r"://[^\s/:@\"'<>]{0,256}:(?P<a>[^\s/\"'<>]{1,512})@"),
        ("AWS key", r"\b(?-i:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)(?-i:[A-Z0-9]{16})\b"),
        ("GitHub token", r"\b(?:gh[pousr]_\w{20,255}|github_pat_\w{20,255})"),
        ("GitLab token", r"\bglpat-[\w-]{20,100}"),
        ("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
        ("Slack token", r"\b(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,255}"),
        ("Slack webhook", r"https://hooks\.slack\.com/(?P<a>[\w/-]{10,255})"),
        (
            "cookie",
            r"\b(?:set-)?cookie[\"']?[ \t]{0,9}:[ \t]{0,9}[\"']?(?P<a>[^\s\"'][^\r\n\"']{0,4096})",
        ),
        ("Stripe key", r"\b(?-i:[rs]k_(?:live|test)_)[A-Za-z0-9]{16,255}"),
        ("Vault token", r"\b(?-i:hv[sbr]\.)[\w-]{20,512}"),
        ("PyPI token", r"\b(?-i:pypi-)[\w-]{40,512}"),
        ("Google key", r"\b(?-i:AIza)[\w-]{35}"),
        ("JSON web token", r"\b(?-i:eyJ)[\w-]{8,4096}\.(?-i:eyJ)[\w-]{8,4096}\.[\w-]{0,4096}"),
        (
            "value of {name}",
            (
                rf"(?P<name>{_NAMES}){_ABOUT}[\w.-]{{0,40}}[\"']?{_COLOUR}[ \t]{{0,9}}(?::=|=>|=|:)"
                rf"[ \t]{{0,9}}{_COLOUR}{_VALUE}"
            ),
        ),
        # As `set -x` prints it.
        (
            "value of {name}",
            (
                rf"(?<![\w-])--?[\w-]{{0,40}}?(?P<name>{_NAMES}){_ABOUT}"
                rf"[\w-]{{0,40}}[ \t]{{1,9}}(?!-){_VALUE}"
            ),
        ),
    )
)
_OPTION: Final = re.compile(
    rf"--?[\w-]{{0,40}}?(?P<name>{_NAMES}){_ABOUT}[\w-]{{0,40}}", re.ASCII | re.IGNORECASE
)
_USER: Final = ("-u", "--user", "--proxy-user")
_SECRET_NAME: Final = re.compile(f"(?:{_NAMES}){_ABOUT}", re.IGNORECASE)
# What hides a value already, or is none.
_NO_SECRET: Final = re.compile(
    r"[*x•.#-]+|\[masked.*|<[\w -]*>|\$\{?\w+\}?"
    r"|\(?(?:null|none|nil|true|false|redacted|hidden)\)?",
    re.IGNORECASE,
)
# Of detect-secrets: those that call every digest a secret, and those whose work is done above.
_NOT_ASKED: Final = (
    "HighEntropy",
    "KeywordDetector",
    "PrivateKeyDetector",
    "BasicAuthDetector",
    "IPPublicDetector",
)


class Span(NamedTuple):
    """A secret's place in a text, and what it seems to be."""

    start: int
    end: int
    kind: str


class Masked(NamedTuple):
    """A text without the secrets that were found in it, and how many those were."""

    text: str
    hidden: int


class Command(NamedTuple):
    """A command line without its secrets; ``known`` are these, to be found in its output too."""

    words: tuple[str, ...]
    hidden: int
    known: Mapping[str, str]


def masked(text: str, known: Mapping[str, str] | None = None) -> Masked:
    """A text whose secrets read ``[masked: …]``."""
    found = spans(text, known or {})
    return Masked(applied(text, found), len(found))


def applied(text: str, found: Sequence[Span]) -> str:
    """The text with a mark in the place of each span."""
    ends = [0, *(span.end for span in found)]
    pieces = [text[end : span.start] + mark(span) for end, span in zip(ends, found, strict=False)]
    return "".join(pieces) + text[ends[-1] :]


def mark(span: Span) -> str:
    """What stands in the place of a secret."""
    return f"[masked: {span.kind}]"


def command(words: Sequence[str]) -> Command:
    """A command line's words, those that are secrets masked."""
    said: list[str] = []
    known: dict[str, str] = {}
    count = 0
    for word, before in zip(words, ("", *words), strict=False):
        found = _told_by_option(before, word, words[0]) or spans(word, {})
        known |= {word[s.start : s.end]: s.kind for s in found}
        count += len(found)
        said.append(applied(word, found))
    return Command(tuple(said), count, {v: k for v, k in known.items() if len(v) >= KNOWN_CHARS})


def _told_by_option(before: str, word: str, program: str) -> list[Span]:
    """The secret that a word is because of the option before it."""
    option = _OPTION.fullmatch(before)
    if option and not word.startswith("-") and not _NO_SECRET.fullmatch(word):
        return [Span(0, len(word), f"value of {option['name'].lower()}")]
    name, colon, password = word.partition(":")
    if before in _USER and colon and password:
        return [Span(len(name) + 1, len(word), "password")]
    if before == "-p" and program.rsplit("/", 1)[-1] == "sshpass":
        return [Span(0, len(word), "password")]
    return []


def of_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The values of variables whose names say that they are secret."""
    return {
        value: f"value of ${name}"
        for name, value in environment.items()
        if len(value) >= KNOWN_CHARS and _SECRET_NAME.search(name) and "\n" not in value.strip()
    }


def spans(text: str, known: Mapping[str, str]) -> list[Span]:
    """Every secret in a text, in order; of two that overlap the outer one."""
    found = [*_patterns(text), *_values(text, known), *_detected(text)]
    found.sort(key=lambda span: (span.start, -span.end))
    apart: list[Span] = []
    for span in found:
        if apart and span.start < apart[-1].end:
            last = apart[-1]
            apart[-1] = last._replace(end=max(last.end, span.end))
        else:
            apart.append(span)
    return apart


def _patterns(text: str) -> Iterator[Span]:
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            named = match.groupdict()
            group = next((g for g in ("a", "b", "c") if named.get(g)), 0)
            if not _NO_SECRET.fullmatch(match[group].rstrip(")]}")):
                start, end = match.span(group)
                yield Span(start, end, kind.format(name=(named.get("name") or "").strip().lower()))


def _values(text: str, known: Mapping[str, str]) -> Iterator[Span]:
    for value, kind in known.items():
        for match in re.finditer(re.escape(value), text):
            yield Span(*match.span(), kind)


def _detected(text: str) -> Iterator[Span]:
    """What detect-secrets finds, where it is installed; it is never asked to verify anything."""
    detectors = _detectors()
    if not detectors:
        return
    offset = 0
    for line in text.splitlines(keepends=True):
        if len(line) <= DETECTED_CHARS:
            for detector in detectors:
                for value in {v for v in detector.analyze_string(line) if len(v) >= KNOWN_CHARS}:
                    for match in re.finditer(re.escape(value), line):
                        start, end = match.span()
                        yield Span(offset + start, offset + end, detector.secret_type)
        offset += len(line)


@lru_cache(maxsize=1)
def _detectors() -> tuple[Any, ...]:
    """The detectors of the extra ``incident-gates[secrets]`` that know a shape."""
    try:
        util = importlib.import_module("detect_secrets.core.plugins.util")
        base = importlib.import_module("detect_secrets.plugins.base")
    except ImportError:
        return ()
    classes: Iterable[Any] = util.get_mapping_from_secret_type_to_class().values()
    shapes = (c for c in classes if issubclass(c, base.RegexBasedDetector))
    return tuple(c() for c in shapes if not any(name in c.__name__ for name in _NOT_ASKED))


def after(found: Sequence[Span], offset: int) -> int:
    """An offset that cuts no span in half: the end of the one that it falls into."""
    index = bisect_right([span.start for span in found], offset) - 1
    return max(offset, found[index].end) if index >= 0 else offset
