"""What every command shares: its settings, ids for completion, and errors that are sentences."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from incident_gates import completion
from incident_gates.errors import CouldNotTell, GateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INTERRUPTED = 130
PIECE = 1 << 16
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


def incident_ids(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """The ids of incidents, for click's own completion."""
    return completion.incident_ids(incomplete)


def coloured(stream: TextIO) -> bool:
    """Whether a stream wants colour."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def put(text: str | Iterator[str], stream: TextIO | None = None) -> None:
    """Writes text or the pieces of one, with what the stream cannot encode replaced."""
    stream = stream or sys.stdout
    encoding = stream.encoding or "utf-8"
    for piece in _pieces(text) if isinstance(text, str) else text:
        stream.write(piece.encode(encoding, "replace").decode(encoding))
    stream.flush()


def _pieces(text: str) -> Iterator[str]:
    """A text in parts: encoded as a whole, it would be there three times."""
    return (text[start : start + PIECE] for start in range(0, len(text), PIECE))


class Command(click.Command):
    """A command that says what is wrong with a call in one sentence, as with every other error."""

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        with _wrong_call_as_sentence():
            return super().make_context(*arguments, **extra)


class Group(Command, click.Group):
    """A group of such commands.

    ``elsewhere`` names the module and attribute of those that are imported when asked for.
    """

    command_class = Command

    def __init__(
        self, *arguments: Any, elsewhere: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(*arguments, **extra)
        self._elsewhere = elsewhere or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._elsewhere})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands and cmd_name in self._elsewhere:
            module, _, attribute = self._elsewhere[cmd_name].partition(":")
            self.add_command(getattr(import_module(module), attribute), cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        with _wrong_call_as_sentence():
            return super().resolve_command(ctx, args)


@contextmanager
def _wrong_call_as_sentence() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        if error.ctx is None or type(error).__name__ == "NoArgsIsHelpError":
            raise
        # Without its context click leaves the usage out, which --help shows.
        said = f"{error.format_message()} See {error.ctx.command_path} --help."
        raise click.UsageError(said) from None


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Turns every error into one sentence on stderr and its exit code; never a traceback."""
    try:
        yield
    except GateError as error:
        _fail(str(error), error.exit_code)
    except ImportError as error:
        said = f"{error.name or error} is not installed. Install with: pip install incident-gates"
        _fail(said, 2)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(3) from None
    except Exception as error:
        if "INCIDENT_GATES_DEBUG" in os.environ:
            raise
        _fail(f"{_named(error)}; set INCIDENT_GATES_DEBUG=1 to see where", 3)


def _named(error: Exception) -> str:
    """What the system refused, in its own words; of anything unforeseen the kind alone."""
    if not isinstance(error, OSError) or not error.strerror:
        return type(error).__name__
    name = Path(str(error.filename or "")).name
    return f"{name}: {error.strerror}" if name else error.strerror


def _fail(sentence: str, code: int) -> NoReturn:
    from incident_gates.report.escape import visible

    said = visible(sentence, 500)
    if code == CouldNotTell.exit_code:
        announce(said)
    else:
        click.echo(f"Error: {said}", err=True)
    raise SystemExit(code)


def announce(said: str) -> None:
    """The protocol's words where it could not be told, on standard error."""
    from incident_gates.run import error_announcement

    context = click.get_current_context(silent=True)
    step = context.command_path.partition(" ")[2] if context else ""
    click.echo(error_announcement(step or "check", said), err=True)
