"""``incident-gates record``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from incident_gates.desk.commands.job import job_of
from incident_gates.options import INCIDENT, POLICY, ROOT, with_options
from incident_gates.terminal import SETTINGS, Group, errors_as_sentences, put

if TYPE_CHECKING:
    from incident_gates.desk.record import Begun, Done, NotReady

DECISION = click.option(
    "--decision", metavar="ID", help="The decision; without it, the only one that stands."
)


@click.group(cls=Group, context_settings=SETTINGS)
def record() -> None:
    """Append an entry that no one can write by hand.

    \b
      incident-gates record approval --incident INC-2026-0042 --role incident_commander
      incident-gates record execution --incident INC-2026-0042 -- ./rollback.sh v1.2.3
    """


@record.command(context_settings=SETTINGS)
@with_options(
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

        job = job_of(incident=incident, root=root, policy=policy)
        said = recording.approval(job, recording.Word(**given))
        put("".join(f"{visible(line, 500)}\n" for line in said.split("\n")))


@record.command(context_settings={**SETTINGS, "allow_interspersed_args": False})
@with_options(
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

        job = job_of(incident=incident, root=root, policy=policy)
        done = recording.execution(job, recording.Order(**given), _warn)
        if isinstance(done, recording.NotReady):
            _refuse(done)
            code = 1
        else:
            _conclude(done)
            code = done.exit_code
    raise SystemExit(code)


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
