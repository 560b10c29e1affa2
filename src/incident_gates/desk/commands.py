"""The desk's commands on the command line: new, status, record."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from incident_gates.terminal import (
    SETTINGS,
    Command,
    Group,
    coloured,
    errors_as_sentences,
    incident_ids,
    put,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from incident_gates.desk.record import Begun, Done, NotReady
    from incident_gates.run import Job

ROOT = click.option("--root", metavar="FOLDER", help="Folder that holds the incidents.")
POLICY = click.option(
    "--policy", metavar="FILE", help="Policy file instead of .incident-gates.yaml."
)
INCIDENT = click.option(
    "--incident",
    metavar="ID",
    shell_complete=incident_ids,
    help="The incident; without it, the only open one.",
)
DECISION = click.option(
    "--decision", metavar="ID", help="The decision; without it, the only one that stands."
)


def register(group: click.Group) -> None:
    """Adds the desk's commands to the group."""
    for command in (new, status, record):
        group.add_command(command)


def _with(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


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


@click.command(cls=Command, context_settings=SETTINGS)
@_with(
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
        job = _job(**given)
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


@click.group(cls=Group, context_settings=SETTINGS)
def record() -> None:
    """Append an entry that no one can write by hand.

    \b
      incident-gates record approval --incident INC-2026-0042 --role incident_commander
      incident-gates record execution --incident INC-2026-0042 -- ./rollback.sh v1.2.3
    """


@record.command(context_settings=SETTINGS)
@_with(
    INCIDENT,
    DECISION,
    click.option("--role", required=True, metavar="ROLE", help="Such as release_manager."),
    click.option("--name", metavar="NAME", help="Who; without it, the author that git knows."),
    click.option("--reject", is_flag=True, help="Reject instead of approving."),
    click.option("--at", metavar="TIME", help="When it was said (RFC 3339), if not now."),
    click.option("--source", metavar="TEXT", help="Where an earlier approval can be seen."),
    ROOT,
    POLICY,
)
def approval(incident: str | None, root: str | None, policy: str | None, **given: Any) -> None:
    """Approve a decision, with the digest of its option as it is written now.

    \b
      incident-gates record approval --incident INC-2026-0042 --decision D-1 \\
          --role release_manager --name Jordan
    """
    with errors_as_sentences():
        from incident_gates.desk import record as recording
        from incident_gates.report.escape import visible

        job = _job(incident=incident, root=root, policy=policy)
        said = recording.approval(job, recording.Word(**given))
        put("".join(f"{visible(line, 500)}\n" for line in said.split("\n")))


@record.command(context_settings={**SETTINGS, "allow_interspersed_args": False})
@_with(
    INCIDENT,
    DECISION,
    click.option("--service", "services", multiple=True, metavar="NAME", help="Repeatable."),
    click.option("--change-reference", metavar="TEXT", help="Change record or pipeline run."),
    click.option("--emergency", metavar="REASON", help="Run before approval, and say why."),
    click.option("--operator", metavar="NAME", help="Who; without it, git's author."),
    ROOT,
    POLICY,
    click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD..."),
)
def execution(incident: str | None, root: str | None, policy: str | None, **given: Any) -> None:
    """Run a command and record its times, exit code and output.

    Nothing is run (exit code 1) before severity, readiness and approvals are there, except
    with --emergency. Otherwise the exit code is the command's own; 130 if interrupted.

    \b
      incident-gates record execution --incident INC-2026-0042 --decision D-1 \\
          --change-reference CHG-20931 -- ./rollback_backend.sh v1.2.3
    """
    with errors_as_sentences():
        from incident_gates.desk import record as recording

        job = _job(incident=incident, root=root, policy=policy)
        done = recording.execution(job, recording.Order(**given), _warn)
        if isinstance(done, recording.NotReady):
            _refuse(done)
            code = 1
        else:
            _conclude(done)
            code = done.exit_code
    raise SystemExit(code)


def _job(
    *,
    paths: tuple[str, ...] = (),
    root: str | None = None,
    incident: str | None = None,
    incidents: tuple[str, ...] = (),
    policy: str | None = None,
    as_of: str | None = None,
) -> Job:
    from incident_gates.discover import Selection
    from incident_gates.run import Job

    wanted = (*incidents, *((incident,) if incident else ()))
    return Job(Selection(paths, root, wanted), policy=policy, as_of=as_of)


def _warn(begun: Begun) -> None:
    """Says before an emergency what it asks for, and what it does not excuse."""
    from incident_gates.desk import says

    if "emergency" not in begun.entry:
        return
    minutes = begun.approve_within_minutes
    lines = says.wrapped(f"EMERGENCY: every approval must follow within {minutes:g} min.")
    if begun.bars:
        excuses = "It excuses late approvals, and nothing else; the record will show the rest."
        lines += [*says.numbered(begun.report, "EVEN SO", begun.bars), excuses]
    _remark("\n".join(lines))


def _refuse(refused: NotReady) -> None:
    from incident_gates.desk import says

    lines = says.numbered(refused.report, "NOT EXECUTED", refused.bars)
    way_out = 'If waiting does more harm: --emergency "REASON" runs it before it is approved.'
    _remark("\n".join([*lines, way_out]))


def _conclude(done: Done) -> None:
    from incident_gates.desk import says

    entry = done.entry
    said = f"Recorded {entry['id']}: {entry['outcome']}, exit code {entry['exit_code']}"
    lines = [said, *([done.said] if done.said else [])]
    if entry["outcome"] == "succeeded":
        lines.append("Next: see that it reached every instance; write propagation_verified_at.")
    elif entry["outcome"] == "unknown":
        lines.append("Next: find out what it did, and write that as its outcome.")
    else:
        lines.append("Next: back to planning; another attempt takes a new decision.")
    _remark("\n".join(part for line in lines for part in says.wrapped(line)))


def _remark(text: str) -> None:
    """Our own words go to stderr: stdout belongs to the command that was run."""
    put(f"{text}\n", sys.stderr)
