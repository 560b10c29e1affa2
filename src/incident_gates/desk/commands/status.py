"""``incident-gates status``."""

from __future__ import annotations

import sys
from typing import Any

import click

from incident_gates.desk.commands.job import job_of
from incident_gates.options import POLICY, ROOT, with_options
from incident_gates.terminal import (
    SETTINGS,
    Command,
    coloured,
    errors_as_sentences,
    incident_ids,
    put,
)


@click.command(cls=Command, context_settings=SETTINGS)
@with_options(
    click.argument("paths", nargs=-1, type=click.Path(), metavar="[PATH]..."),
    ROOT,
    click.option(
        "--incident", "incidents", multiple=True, metavar="ID", shell_complete=incident_ids
    ),
    POLICY,
    click.option("--as-of", metavar="TIME", help="As of this time (RFC 3339), not now."),
    click.option(
        "--format",
        "format_",
        type=click.Choice(("text", "json")),
        default="text",
        show_default=True,
        help="Text for people, or the JSON report of check.",
    ),
)
def status(format_: str, **given: Any) -> None:
    """Say what is done, what is missing, and what to type next.

    Several incidents: one line for each open one. It judges nothing: the exit code is 0
    unless it could not be told how things stand.

    \b
      incident-gates status
      incident-gates status --incident INC-2026-0042
    """
    with errors_as_sentences():
        job = job_of(**given)
        if format_ == "json":
            from incident_gates.report import json_report
            from incident_gates.run import run

            report = run(job)
            put(json_report.render(report))
            code = report.exit_code
        else:
            from incident_gates.desk import found
            from incident_gates.desk import status as standing

            seen = standing.seen(found.every(job))
            put(standing.render(seen, colour=coloured(sys.stdout)))
            code = standing.exit_code(seen)
    raise SystemExit(3 if code == 3 else 0)  # noqa: PLR2004
