"""The package's commands on the command line."""

from __future__ import annotations

from typing import Any

import click

from incident_gates.options import SELECTING, with_options
from incident_gates.terminal import SETTINGS, Command, errors_as_sentences

OUTPUT = click.option(
    "--output", metavar="FOLDER", help="Where to write; default: beside the evidence."
)


@click.command(cls=Command, context_settings=SETTINGS)
@with_options(*SELECTING, OUTPUT)
def aggregate(**options: Any) -> None:
    """Write gate results, inventory and quality metrics beside each incident.

    \b
      incident-gates aggregate --output .artifacts/incidents/
    """
    raise SystemExit(aggregated(**options))


def aggregated(
    *,
    paths: tuple[str, ...],
    root: str | None,
    incidents: tuple[str, ...],
    policy: str | None,
    as_of: str | None,
    output: str | None,
) -> int:
    """Writes the package of each incident; returns the exit code of the judgement."""
    with errors_as_sentences():
        from incident_gates.discover import Selection
        from incident_gates.package import aggregate as aggregating
        from incident_gates.run import Job

        job = Job(Selection(paths, root, incidents), policy=policy, as_of=as_of)
        written, code = aggregating.aggregate(job, output)
        for path in written:
            click.echo(path)
    return code
