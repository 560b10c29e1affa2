"""What the GitHub runner would do with output and files: an oracle of its own parser, by hand.

After actions/runner v2.336: ``ActionCommand.cs`` (both forms of a command), ``OutputManager.cs``
(every line of both streams), ``ActionCommandManager.cs`` (stop-commands, columns),
``ExecutionContext.cs`` (what it keeps) and ``FileCommandManager.cs`` (outputs). Where .NET might
compare by culture and skip characters that cannot be seen, this skips them as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = 10  # annotations of each kind in a step; a composite action is one step
LONGEST = 4096
ANNOTATIONS = ("error", "warning", "notice")
REGISTERED = {
    *ANNOTATIONS,
    *("add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "group"),
    *("remove-matcher", "save-state", "set-env", "set-output", "stop-commands"),
}
DATA = (("\r", "%0D"), ("\n", "%0A"), ("%", "%25"))
PROPERTY = (("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C"), ("%", "%25"))
OLD_FORM = ((";", "%3B"), ("\r", "%0D"), ("\n", "%0A"), ("]", "%5D"), ("%", "%25"))
UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]")


class Command(NamedTuple):
    """A command as the runner understands it."""

    name: str
    properties: dict[str, str]
    data: str
    line: str


class Seen(NamedTuple):
    """What comes of some output: annotations kept and lost, and every other command."""

    kept: list[Command]
    lost: list[Command]
    others: list[Command]


def obeyed(output: str, exit_code: int = 0) -> Seen:
    """What the runner does with the output of a step that ends with an exit code."""
    kept, lost, others = [], [], []
    counts: Counter[str] = Counter()
    found = list(commands(output))
    if exit_code:
        said = f"Process completed with exit code {exit_code}."
        found.append(Command("error", {}, said, ""))
    for command in found:
        if command.name not in ANNOTATIONS:
            others.append(command)
        elif counts[command.name] < KEPT:
            counts[command.name] += 1
            kept.append(_as_kept(command))
        else:
            lost.append(command)
    return Seen(kept, lost, others)


def commands(output: str) -> Iterator[Command]:
    """Every command in some output, until one of them stops the others."""
    token = ""
    for line in lines(output):
        registered = REGISTERED | {token.lower()} if token else REGISTERED
        command = parse(line, registered)
        if command is None or (token and command.name != token.lower()):
            continue
        if token:
            token = ""
            continue
        if command.name == "stop-commands":
            token = command.data
        yield command


def lines(output: str) -> list[str]:
    """Lines as .NET's ReadLine has them: a bare carriage return ends one too."""
    return re.split("\r\n|\r|\n", output)


def parse(line: str, registered: set[str] = REGISTERED) -> Command | None:
    """The command in a line, in either form."""
    for text in (line,) if line.isascii() else (line, _seen(line)):
        found = _new_form(text, registered) or _old_form(text, registered)
        if found:
            return found
    return None


def _seen(line: str) -> str:
    return "".join(c for c in UNSEEN.sub("", line) if unicodedata.category(c) != "Cf")


def _new_form(line: str, registered: set[str]) -> Command | None:
    text = line.lstrip()
    end = text.find("::", 2)
    if not text.startswith("::") or end < 0:
        return None
    name, _, properties = text[2:end].partition(" ")
    if name.lower() not in registered:
        return None
    pairs = _pairs(properties.strip().split(","), PROPERTY)
    return Command(name.lower(), pairs, _unescaped(text[end + 2 :], DATA), line)


def _old_form(line: str, registered: set[str]) -> Command | None:
    start = line.find("##[")
    end = line.find("]", start)
    if start < 0 or end < 0:
        return None
    name, _, properties = line[start + 3 : end].partition(" ")
    if name.lower() not in registered:
        return None
    pairs = _pairs(properties.split(";"), OLD_FORM)
    return Command(name.lower(), pairs, _unescaped(line[end + 1 :], OLD_FORM), line)


def _pairs(parts: list[str], mappings: tuple[tuple[str, str], ...]) -> dict[str, str]:
    pairs = [part.partition("=") for part in parts if "=" in part]
    return {name.lower(): _unescaped(value, mappings) for name, _, value in pairs if value}


def _unescaped(text: str, mappings: tuple[tuple[str, str], ...]) -> str:
    for token, escaped in mappings:
        text = text.replace(escaped, token)
    return text


def _as_kept(command: Command) -> Command:
    """An annotation after the runner has cut its message and dropped what does not fit."""
    given = dict(command.properties)
    line, end_line = _number(given, "line"), _number(given, "endline")
    column, end_column = _number(given, "col"), _number(given, "endcolumn")
    across = end_line is not None and line != end_line and column is not None
    backwards = column is not None and end_column is not None and end_column < column
    if line is None or across or backwards:
        given.pop("col", None)
        given.pop("endcolumn", None)
    return command._replace(properties=given, data=cut(command.data))


def _number(given: dict[str, str], name: str) -> int | None:
    return int(given[name]) if given.get(name, "").isdecimal() else None


def cut(message: str) -> str:
    """The first 4,096 UTF-16 units of a message."""
    kept = message.encode("utf-16-le", "surrogatepass")[: 2 * LONGEST]
    return kept.decode("utf-16-le", "replace")


def outputs(text: str) -> dict[str, str]:
    """A GITHUB_OUTPUT file as read; raises ValueError where the runner would fail the step."""
    found: dict[str, str] = {}
    rest = text.split("\n")
    while rest:
        line = rest.pop(0)
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, value = line.partition("=")
        elif heredoc >= 0:
            name, _, delimiter = line.partition("<<")
            if not delimiter or delimiter not in rest:
                raise ValueError(f"no end of {line}")
            end = rest.index(delimiter)
            value, rest = "\n".join(rest[:end]), rest[end + 1 :]
        else:
            raise ValueError(f"invalid line {line}")
        if not name:
            raise ValueError(f"no name in {line}")
        found[name] = value
    return found
