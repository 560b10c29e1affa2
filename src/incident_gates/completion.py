"""What a shell may complete a word to, told without loading the commands.

A shell asks at every press of the key, so next to nothing is imported: a table that is generated
from the commands (``docs/completion.py``) says what may stand where. The wire is click's own, and
so are the scripts that a shell sources.
"""

from __future__ import annotations

import os
import sys

ASKED = "_INCIDENT_GATES_COMPLETE"
ROOT = ".artifacts/incidents"
POLICY = ".incident-gates.yaml"
FEW = 200  # of more, none is looked at: a stray file among them does no harm
Items = list[tuple[str, str, str]]


def answered() -> bool:
    """Answers a shell that asks; False where none does."""
    shell, _, what = os.environ.get(ASKED, "").partition("_")
    if what != "complete" or shell not in WIRES:
        return False
    sys.stdout.write("".join(f"{WIRES[shell](*item)}\n" for item in _asked(shell)))
    return True


def _plain(kind: str, value: str, _: str) -> str:
    return f"{kind},{value}"


def _zsh(kind: str, value: str, said: str) -> str:
    shown = value.replace(":", r"\:") if said else value
    return f"{kind}\n{shown}\n{said or '_'}"


def _fish(kind: str, value: str, said: str) -> str:
    return f"{kind},{value}\t{said}" if said else f"{kind},{value}"


WIRES = {"bash": _plain, "zsh": _zsh, "fish": _fish}


def _asked(shell: str) -> Items:
    words = _split(os.environ.get("COMP_WORDS", ""))[1:]
    word = os.environ.get("COMP_CWORD", "")
    if shell == "fish":  # gives the word itself, and has it among the words as well
        begun = (_split(word) or [""])[0]
        return complete(words[:-1] if begun and words[-1:] == [begun] else words, begun)
    at = int(word) - 1 if word.isdigit() else len(words)
    return complete(words[:at], words[at] if at < len(words) else "")


def _split(text: str) -> list[str]:
    """Words as a shell splits them; quoting is rare, and its reader slow to load."""
    if not any(mark in text for mark in "'\"\\"):
        return text.split()
    from click.shell_completion import split_arg_string

    return split_arg_string(text)


def complete(words: list[str], begun: str) -> Items:
    """What may stand where somebody began a word, as (kind, value, what it is)."""
    from incident_gates.completion_table import COMMANDS

    here, taken, waiting, root = "", 0, "", ""
    if begun.startswith("--") and "=" in begun:
        option, _, begun = begun.partition("=")
        words = [*words, option]
    for position, word in enumerate(words):
        below, options, _ = COMMANDS[here]
        if word == "--":
            return [("file", begun, "")]
        if word == "=":  # a shell that splits words there
            continue
        if waiting:
            root = word if waiting == "root" else root
            waiting = ""
        elif word.startswith("-"):
            given = "=" in word
            waiting = "" if given else options.get(word, ("", ""))[0]
            waiting = "" if waiting == "?" and position < len(words) - 1 else waiting
        elif not taken and any(word == name for name, _ in below):
            here = f"{here} {word}".strip()
        else:
            taken += 1
    begun = "" if begun == "=" else begun
    return _items(COMMANDS[here], begun, waiting, taken, root)


def _items(
    command: tuple[tuple[tuple[str, str], ...], dict[str, tuple[str, str]], tuple[str, ...]],
    begun: str,
    waiting: str,
    taken: int,
    root: str,
) -> Items:
    below, options, arguments = command
    if waiting and waiting != "?":
        return values(waiting, begun, root)
    if begun.startswith("-"):
        return [("plain", n, said) for n, (_, said) in options.items() if n.startswith(begun)]
    if below:
        return [("plain", n, said) for n, said in below if n.startswith(begun)]
    kind = arguments[min(taken, len(arguments) - 1)] if arguments else ""
    many = kind.endswith("*")
    return values(kind.rstrip("*"), begun, root) if many or taken < len(arguments) else []


def values(kind: str, begun: str, root: str = "") -> Items:
    """What an option or argument of some kind may be."""
    if kind in ("file", "dir", "root"):
        return [("dir" if kind == "root" else kind, begun, "")]
    if kind in ("incidents", "new"):
        found: Items = [("plain", name, "") for name in incident_ids(begun, root)]
        return found + (_words(kind, begun) if kind == "new" else [])
    return _words(kind, begun)


def _words(kind: str, begun: str) -> Items:
    from incident_gates.completion_table import WORDS

    folded = begun.casefold()
    known = WORDS.get(kind) or tuple((word, "") for word in kind.split("|") if "|" in kind)
    return [("plain", w, said) for w, said in known if w.casefold().startswith(folded)]


# --- incidents -----------------------------------------------------------------------------------


def incident_ids(begun: str, root: str = "") -> list[str]:
    """The ids of incidents, by the names of their folders alone: no file is opened."""
    found = {name for folder in ([root] if root else _roots()) for name in _folders(folder, begun)}
    return sorted(found)


def _folders(folder: str, begun: str) -> list[str]:
    try:
        names = os.listdir(folder)  # noqa: PTH208 - half the time of asking for entries
        named = [name for name in names if name.startswith(begun)]
        if not named:
            folded = begun.casefold()
            named = [name for name in names if name.casefold().startswith(folded)]
        named = [name for name in named if _is_id(name)]
        if len(named) > FEW:
            return named
        return [name for name in named if os.path.isdir(f"{folder}/{name}")]  # noqa: PTH112
    except OSError:
        return []


def _is_id(name: str) -> bool:
    """Whether a name can be an id; a shell would read any other mark in its own way."""
    bare = name.replace("-", "")
    bare = bare if bare.isalnum() else bare.replace("_", "").replace(".", "")
    return bare.isalnum() and bare.isascii() and name[0].isalnum()


def _roots() -> list[str]:
    """The folders of incidents: the policy's, or the usual one at or above where one stands."""
    here = os.getcwd()  # noqa: PTH109 - pathlib takes longer to load than all of this takes
    above = [here]
    while (parent := os.path.dirname(above[-1])) != above[-1]:  # noqa: PTH120
        above.append(parent)
    base = next((f for f in above if _stands(f, ".git") or _stands(f, POLICY)), "")
    own = _configured(base) if base and _stands(base, POLICY) else []
    usual = above[: above.index(base) + 1] if base else above
    return own or [f"{folder}/{ROOT}" for folder in usual if _stands(folder, ROOT)][-1:]


def _stands(folder: str, name: str) -> bool:
    return os.path.lexists(f"{folder}/{name}")


def _configured(base: str) -> list[str]:
    """The policy's own roots; YAML is loaded only where it names any."""
    try:
        with open(f"{base}/{POLICY}", "rb") as stream:  # noqa: PTH123
            if b"roots" not in stream.read(1 << 20):
                return []
        from pathlib import Path

        from incident_gates import policy

        return [f"{base}/{name}" for name in policy.read(Path(base) / POLICY).data.get("roots", ())]
    except Exception:  # noqa: BLE001 - a shell is no place to say what is wrong with a policy
        return []
