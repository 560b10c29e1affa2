"""``incident-gates doctor``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from incident_gates.options import ROOT
from incident_gates.terminal import SETTINGS, Command, coloured, errors_as_sentences, put


@click.command(
    cls=Command,
    context_settings=SETTINGS,
    short_help="Say why the gates would not work in this repository.",
)
@ROOT
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def doctor(root: str | None, *, as_json: bool) -> None:
    """Say why the gates would not work in this repository, and what to do.

    It reads and changes nothing. Exit codes: 0 all is well, 1 something is wrong,
    3 something could not be told.

    \b
      incident-gates doctor
      incident-gates doctor --json
      incident-gates doctor --root services/api/.artifacts/incidents
    """
    with errors_as_sentences():
        from incident_gates.desk.setup import answers
        from incident_gates.desk.setup import doctor as examining

        found = examining.examined(Path.cwd(), root)
        colour = coloured(sys.stdout)
        put(answers.as_json(found) if as_json else answers.as_text(found, colour=colour))
        code = answers.exit_code(found)
    raise SystemExit(code)
