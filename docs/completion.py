"""Writes what shell completion knows, from the commands and the protocol; ``--check`` compares."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from pprint import pformat
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import click  # noqa: E402

from incident_gates import cli, protocol, terminal  # noqa: E402
from incident_gates import gates as _registered  # noqa: E402, F401 - registers every rule
from incident_gates.changes import CHANGES  # noqa: E402
from incident_gates.desk import drafts, glossary  # noqa: E402
from incident_gates.rules import RULES  # noqa: E402

TARGET = ROOT / "src/incident_gates/completion_table.py"
HEAD = '''"""What may stand where on a command line; written by docs/completion.py, not by hand."""

from __future__ import annotations

'''
# What the value of an option is, where its type does not say it; "" is anything.
KINDS = {
    "--incident": "incidents",
    "--root": "root",
    "--role": "roles",
    "--audience": "audiences",
    "--severity": "severities",
    "--rule": "rules",
    "--from": "file",
    "--gate": "gates",
    "--step": "steps",
    "--policy": "file",
    "--output": "dir",
    "--package": "dir",
}
ARGUMENTS = {"paths": "file", "topic": "topics", "what": "new"}
WIDTH = 60
Commands = dict[str, tuple[Any, Any, Any]]


def main(arguments: list[str]) -> int:
    """Writes the table, or says whether it is what it should be."""
    text = rendered()
    if "--check" not in arguments:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET.name} is not what the commands say: python docs/completion.py")
    return 1


def rendered() -> str:
    """The table as Python, which loads faster than anything that must be parsed."""
    commands: Commands = {}
    _walk(cli.main, click.Context(cli.main, **cli.main.context_settings), "", commands)
    return (
        f"{HEAD}# ruff: noqa: E501, ISC004, Q000\n# fmt: off\n"
        "COMMANDS: dict[\n"
        "    str, tuple[tuple[tuple[str, str], ...], dict[str, tuple[str, str]], tuple[str, ...]]\n"
        f"] = {_shown(commands)}\n"
        f"WORDS: dict[str, tuple[tuple[str, str], ...]] = {_shown(words())}\n"
    )


def _shown(value: Any) -> str:
    return pformat(value, width=98, sort_dicts=False)


def _walk(command: click.Command, context: click.Context, path: str, found: Commands) -> None:
    below = {}
    if isinstance(command, click.Group):
        listed = {n: command.get_command(context, n) for n in command.list_commands(context)}
        below = {name: child for name, child in listed.items() if child and not child.hidden}
    params = command.get_params(context)
    found[path] = (
        tuple((name, child.get_short_help_str(WIDTH).rstrip(".")) for name, child in below.items()),
        dict(entry for p in params if isinstance(p, click.Option) for entry in _option(p)),
        tuple(_argument(p) for p in params if isinstance(p, click.Argument)),
    )
    for name, child in below.items():
        inner = click.Context(child, info_name=name, parent=context, **child.context_settings)
        _walk(child, inner, f"{path} {name}".strip(), found)


def _short(said: str) -> str:
    return textwrap.shorten(said, WIDTH, placeholder="…")


def _option(option: click.Option) -> list[tuple[str, tuple[str, str]]]:
    said = _short((option.help or "").split(". ")[0].rstrip("."))
    names = [*option.opts, *option.secondary_opts]
    if option.is_flag or option.count or option.is_eager:
        return [(name, ("", said)) for name in names]
    optional = getattr(option, "_flag_needs_value", False)
    known = next((KINDS[n] for n in option.opts if n in KINDS), "")
    kind = "?" if optional else _choices(option) or known or _path(option) or "="
    return [(name, (kind, said)) for name in names]


def _argument(argument: click.Argument) -> str:
    kind = _choices(argument) or ARGUMENTS.get(str(argument.name), "") or _path(argument)
    if getattr(argument, "_custom_shell_complete", None) is terminal.incident_ids:
        kind = "incidents"
    return f"{kind}*" if argument.nargs == -1 else kind


def _choices(param: click.Parameter) -> str:
    choices = getattr(param.type, "choices", ())
    return "|".join(str(choice) for choice in choices) + ("|" if len(choices) == 1 else "")


def _path(param: click.Parameter) -> str:
    if isinstance(param.type, click.Path):
        return "dir" if param.type.dir_okay and not param.type.file_okay else "file"
    return "file" if isinstance(param.type, click.File) else ""


def words() -> dict[str, tuple[tuple[str, str], ...]]:
    """The words of the protocol that a person types."""
    known = protocol.load()
    people = [entry["role"] for entry in known.data["prerequisites"]["approvals"]]
    roles = [*people, "operator", "scribe", "communications_lead", "subject_matter_expert"]
    rules = tuple((rule.id, rule.says) for rule in (*RULES.values(), *CHANGES.values()))
    files = tuple((name, artifact.home_of) for name, artifact in known.artifacts.items())
    gates = tuple((gate.id, gate.name) for gate in known.gates)
    audiences = dict.fromkeys(a for s in known.severities.values() for a in s.audiences)
    terms = tuple((glossary.slug(term), "") for term in glossary.load())
    found = {
        "rules": rules,
        "files": files,
        "gates": gates,
        "roles": tuple((role, "") for role in dict.fromkeys(roles)),
        "audiences": tuple((name, "") for name in (*audiences, "customers")),
        "severities": tuple((name, "") for name in known.severities),
        "new": tuple(drafts.KINDS.items()),
        "steps": tuple((s["id"], s["title"]) for p in known.data["phases"] for s in p["steps"]),
        "topics": (*rules, *gates, *files, *terms),
    }
    return {
        kind: tuple((w, _short(said)) for w, said in entries) for kind, entries in found.items()
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
