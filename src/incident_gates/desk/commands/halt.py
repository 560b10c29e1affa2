"""``incident-gates halt`` and ``incident-gates proceed``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from incident_gates.desk.commands.answer import JSON, Verb, answering, put_json
from incident_gates.desk.commands.entries import AT
from incident_gates.desk.commands.job import job_of
from incident_gates.options import INCIDENT, POLICY, ROOT, with_options
from incident_gates.terminal import SETTINGS, put

if TYPE_CHECKING:
    from incident_gates.desk.halts import Recorded

WHO = (
    click.option("--name", default="", metavar="NAME", help="Who; without it, git's author."),
    click.option("--role", default="", metavar="ROLE", help="Such as incident_commander."),
    AT,
)


@click.command(cls=Verb, context_settings=SETTINGS, short_help="Record what stops the work.")
@with_options(
    INCIDENT,
    click.option("--step", default="", metavar="N.N", help="The step that cannot go on."),
    click.option("--gate", default="", metavar="GATE", help="The gate that failed."),
    click.option(
        "--blocker", default="", metavar="TEXT", help="What stops it, if not the findings."
    ),
    click.option("--cause", default="", metavar="TEXT", help="What led to it."),
    click.option("--resolution", default="", metavar="TEXT", help="What was done about it."),
    click.option(
        "--prevention", default="", metavar="TEXT", help="What keeps it from coming back."
    ),
    click.option("--resolved", is_flag=True, help="Complete a blocker that is open."),
    click.option("--number", type=int, metavar="N", help="Which open blocker, with --resolved."),
    *WHO,
    JSON,
    ROOT,
    POLICY,
)
def halt(
    *,
    incident: str | None,
    root: str | None,
    policy: str | None,
    resolved: bool,
    number: int | None,
    json_: bool,
    **given: Any,
) -> None:
    """Record what stops the work, in protocol-execution-log.md.

    At a step or a gate, the blocker is what check finds there now. With neither, it is the
    decision not to begin, with every prerequisite's status.

    \b
      incident-gates halt --incident INC-2026-0042 --step 2.2
      incident-gates halt --incident INC-2026-0042 --gate mitigation --cause "No backup"
      incident-gates halt --incident INC-2026-0042 --resolved --resolution "Backup taken"
    """
    with answering(json_):
        from incident_gates.desk import halts

        job, asked = job_of(incident=incident, root=root, policy=policy), halts.Asked(**given)
        said = halts.resolve(job, asked, number) if resolved else halts.halt(job, asked)
        _show(said, json_)


@click.command(cls=Verb, context_settings=SETTINGS)
@with_options(INCIDENT, *WHO, JSON, ROOT, POLICY)
def proceed(
    *, incident: str | None, root: str | None, policy: str | None, json_: bool, **given: Any
) -> None:
    """Record the decision to begin, with every prerequisite's status.

    While one is missing, nothing is recorded and the exit code is 1.

    \b
      incident-gates proceed --incident INC-2026-0042 --role incident_commander
    """
    with answering(json_):
        from incident_gates.desk import halts

        job = job_of(incident=incident, root=root, policy=policy)
        said = halts.proceed(job, halts.Asked(**given))
        _show(said, json_)
    raise SystemExit(int(said.refused))


def _show(said: Recorded, json_: bool) -> None:
    if json_:
        put_json(said.as_json)
    else:
        put("\n".join(_lines(said)) + "\n")


def _lines(said: Recorded) -> list[str]:
    from incident_gates.desk import says

    missing = [p for p in said.prerequisites if p.missing]
    lines: list[Any] = []
    if said.refused:
        lines.append(
            f"NOT RECORDED: {len(missing)} of {len(said.prerequisites)} prerequisites missing"
        )
    else:
        where = f" at {said.step}" if said.step else ""
        lines += says.wrapped(f"{said.decision}{where}, {said.at}, by {said.by}.", "  ")
        lines += says.wrapped(f"Written to {said.file}.", "  ")
        lines += says.wrapped(said.condition) if said.condition else []
    lines += [part for p in missing for part in says.wrapped(f"  ✗ {p.name}: {p.missing}", "    ")]
    lines += says.wrapped(said.announcement) if said.announcement else []
    return [*lines, *_next(said)]


def _next(said: Recorded) -> list[str]:
    about = f"--incident {said.incident_id}"
    if said.refused:
        return [
            "Next: supply them; or record that you do not begin:",
            f"  incident-gates halt {about}",
        ]
    if said.decision == "Halt" and not said.step:
        return ["Next: supply what is missing, then:", f"  incident-gates proceed {about}"]
    if said.decision == "Halt":
        command = f"incident-gates halt {about} --resolved --resolution TEXT"
        return ["Next: remove the blocker, then:", f"  {command}"]
    return ["Next:", f"  incident-gates status {about}"]
