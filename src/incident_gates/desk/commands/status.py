"""``incident-gates status``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from incident_gates.desk.commands.answer import Verb, answering
from incident_gates.desk.commands.job import job_of
from incident_gates.errors import GateError
from incident_gates.options import POLICY, ROOT, with_options
from incident_gates.terminal import (
    SETTINGS,
    coloured,
    incident_ids,
    put,
)

if TYPE_CHECKING:
    from pathlib import Path

    from incident_gates.run import Job

COULD_NOT_TELL = 3


@click.command(cls=Verb, context_settings=SETTINGS)
@with_options(
    click.argument("paths", nargs=-1, type=click.Path(), metavar="[PATH]..."),
    ROOT,
    click.option(
        "--incident",
        "incidents",
        multiple=True,
        metavar="ID",
        shell_complete=incident_ids,
        help="Only this incident. Repeatable.",
    ),
    POLICY,
    click.option("--as-of", metavar="TIME", help="As of this time (RFC 3339), not now."),
    click.option(
        "--watch",
        "every",
        is_flag=False,
        flag_value=2.0,
        type=click.FloatRange(min=0.1, max=3600),
        metavar="[SECONDS]",
        help="Show it again on every change, looking every 2 seconds; Ctrl-C ends it.",
    ),
    click.option("--announce", is_flag=True, help="The protocol's words for a channel."),
    click.option(
        "--format",
        "format_",
        type=click.Choice(("text", "json")),
        default="text",
        show_default=True,
        help="Text for people, or JSON with all of it and the report of check.",
    ),
    click.option("--json", "json_", is_flag=True, help="The same as --format json."),
)
def status(*, format_: str, every: float | None, announce: bool, json_: bool, **given: Any) -> None:
    """Say what is done, what is missing, and what to type next.

    Several incidents: one line for each open one. It judges nothing: the exit code is 0
    unless it could not be told how things stand.

    \b
      incident-gates status
      incident-gates status --incident INC-2026-0042
      incident-gates status --watch
      incident-gates status --announce
      incident-gates status --format json
    """
    json_ = json_ or format_ == "json"
    with answering(json_):
        job = job_of(**given)
        if every is not None:
            _watch(job, every, announce=announce, json=json_)
        said, code = _said(job, announce=announce, json=json_)
        put(said)
    raise SystemExit(COULD_NOT_TELL if code == COULD_NOT_TELL else 0)


def _said(job: Job, *, announce: bool, json: bool) -> tuple[str, int]:
    """What to show, and the exit code of the judgement."""
    if json:
        from incident_gates.desk import statement

        return statement.written(job)
    from incident_gates.desk import found
    from incident_gates.desk import status as standing

    seen = standing.seen(found.every(job), fixed=job.as_of is not None)
    if announce:
        return standing.announcement(seen), standing.exit_code(seen)
    shown = standing.render(seen, colour=coloured(sys.stdout), cwd=job.here)
    return shown, standing.exit_code(seen)


def _watch(job: Job, seconds: float, *, announce: bool, json: bool) -> None:
    from incident_gates.desk import watch

    def draw() -> tuple[str, list[Path]]:
        """An error now may be a file half-written: it is said, and looked at again."""
        try:
            text, _ = _said(job, announce=announce, json=json)
        except GateError as error:
            from incident_gates.report.escape import visible

            text = f"{visible(str(error), 500)}\n"
        return text, _folders(job)

    watch.watch(draw, put, seconds, redraw=sys.stdout.isatty() and not json)


def _folders(job: Job) -> list[Path]:
    """Where a change can change what is shown: the records, beside them, and upstream."""
    from incident_gates.desk import found

    try:
        records = [f.record for f in found.every(job)]
    except GateError:
        return [job.here]
    upstream = {r.site / name for r in records for name in r.protocol.upstream.values()}
    folders = {r.folder for r in records} | {r.folder.parent for r in records}
    return sorted(folders | upstream | {r.base for r in records})
