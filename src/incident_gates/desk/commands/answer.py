"""How a verb answers: lines for a person, or one JSON object for a program."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from incident_gates.errors import GateError
from incident_gates.terminal import Command, errors_as_sentences, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.desk.record.words import Answer

JSON = click.option("--json", "json_", is_flag=True, help="One JSON object on stdout; errors too.")


class Verb(Command):
    """A command whose wrong call is a JSON object as well, where JSON is asked for."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        given = args[: args.index("--")] if "--" in args else args
        asked = "--json" in given
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            if not asked:
                raise
            _put_error(error.format_message(), 2)
            raise SystemExit(2) from None


@contextmanager
def answering(json_: bool) -> Iterator[None]:
    """Turns every error into a sentence on stderr, or into a JSON object on stdout."""
    with errors_as_sentences():
        try:
            yield
        except GateError as error:
            if not json_:
                raise
            _put_error(str(error), error.exit_code)
            raise SystemExit(error.exit_code) from None
        except Exception as error:
            if not json_ or "INCIDENT_GATES_DEBUG" in os.environ:
                raise
            _put_error(f"{type(error).__name__}; set INCIDENT_GATES_DEBUG=1 to see where", 3)
            raise SystemExit(3) from None


def put_answer(answer: Answer, json_: bool) -> None:
    """Prints what was done: as lines, or as one object."""
    from incident_gates.desk.record import words

    if json_:
        put_json(words.data(answer))
    else:
        put(words.text(answer))


def put_json(data: dict[str, Any]) -> None:
    """One object on one line; nothing that a terminal could take for a command."""
    put(json.dumps(data, ensure_ascii=True) + "\n")


def _put_error(sentence: str, code: int) -> None:
    put_json({"error": sentence, "exit_code": code})
