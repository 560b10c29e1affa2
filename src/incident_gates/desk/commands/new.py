"""``incident-gates new``."""

from __future__ import annotations

from pathlib import Path

import click

from incident_gates.options import ROOT
from incident_gates.terminal import SETTINGS, Command, errors_as_sentences, incident_ids, put


@click.command(cls=Command, context_settings=SETTINGS)
@click.argument("incident_id", metavar="[ID]", required=False, shell_complete=incident_ids)
@ROOT
def new(incident_id: str | None, root: str | None) -> None:
    """Begin a record, or add the files of the phase that it has come to.

    Nothing is ever overwritten. Without ID, the next free number of the year.

    \b
      incident-gates new
      incident-gates new INC-2026-0042
    """
    with errors_as_sentences():
        from incident_gates.desk import new as beginning

        put(beginning.text(beginning.begin(incident_id, root, Path.cwd())))
