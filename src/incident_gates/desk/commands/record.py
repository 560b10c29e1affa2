"""``incident-gates record``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from incident_gates.desk.commands.answer import Verb, answering, put_answer, put_json
from incident_gates.desk.commands.entries import DECISION, VERBS
from incident_gates.desk.commands.job import job_of
from incident_gates.options import INCIDENT, POLICY, ROOT, with_options
from incident_gates.terminal import SETTINGS, Group, put
from incident_gates.wording import counted

if TYPE_CHECKING:
    from incident_gates.desk.record.execution import Begun, Done, NotReady
    from incident_gates.desk.record.words import Answer
    from incident_gates.run import Job

# The rule that an operator is no approver: another person is the way out, no emergency.
OWN_APPROVAL = "MIT020"


@click.group(cls=Group, context_settings=SETTINGS)
def record() -> None:
    """Append an entry to a record, well-formed and at its place.

    Each verb says what it wrote and where, and what comes next. With --at an entry may
    be written later than it happened.

    \b
      incident-gates record notice --audience sre_on_call --channel "#incident" \\
          --message "SEV-1 declared"
      incident-gates record approval --role incident_commander --name Alex
      incident-gates record execution -- ./rollback.sh v1.2.3
    """


HINTS = {
    "succeeded": "See first that it reached every instance.",
    "unknown": "Find out what it did, and write that as its outcome.",
    "failed": "Back to planning: another attempt takes a new decision.",
}
for _verb in VERBS:
    record.add_command(_verb)


@record.command(
    cls=Verb,
    context_settings={**SETTINGS, "allow_interspersed_args": False},
    short_help="Run a command and record what it did, without secrets.",
)
@with_options(
    INCIDENT,
    DECISION,
    click.option("--service", "services", multiple=True, metavar="NAME", help="Repeatable."),
    click.option("--change-reference", metavar="TEXT", help="Change record or pipeline run."),
    click.option("--emergency", metavar="REASON", help="Run before approval, and say why."),
    click.option("--id", "known", metavar="ID", help="Add what this one lacks; run nothing."),
    click.option("--operator", metavar="NAME", help="Who; without it, git's author."),
    click.option(
        "--from",
        "source",
        metavar="FILE",
        help="Record a GitHub deployment that ran, from its deployment_status event.",
    ),
    click.option("--at", metavar="TIME", help="It ran then: record it, and run nothing now."),
    click.option("--ended", metavar="TIME", help="With --at: when it ended."),
    click.option("--exit-code", type=int, metavar="CODE", help="With --at: how it ended."),
    click.option("--output", default="", metavar="TEXT", help="With --at: what it printed."),
    click.option(
        "--source", "seen", default="", metavar="TEXT", help="With --at: where it can be seen."
    ),
    click.option(
        "--json", "json_", is_flag=True, help="One JSON object on stdout; the rest aside."
    ),
    ROOT,
    POLICY,
    click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD...]"),
)
def execution(*, json_: bool, **given: Any) -> None:
    """Run a command and record its times, exit code and output, without the secrets in them.

    Nothing is run (exit code 1) before severity, readiness and approvals are there, except
    with --emergency. Otherwise the exit code is the command's own; 130 if interrupted, and 3
    where it succeeded and could not be recorded. With --json its output goes to stderr.

    \b
      incident-gates record execution --incident INC-2026-0042 --decision D-1 \\
          --change-reference CHG-20931 -- ./rollback_backend.sh v1.2.3
      incident-gates record execution --from deployment_status.json
      incident-gates record execution --at 02:25 --ended 02:27 --exit-code 0 \\
          --change-reference CHG-20931 -- ./rollback_backend.sh v1.2.3
      incident-gates record execution --id E-1 --change-reference CHG-20931
    """
    with answering(json_):
        job = job_of(**{key: given.pop(key) for key in ("incident", "root", "policy")})
        code = _recorded(job, given, json_=json_)
    raise SystemExit(code)


def _recorded(job: Job, given: dict[str, Any], *, json_: bool) -> int:
    """By the way that the options ask for: imported, supplied, written later, or run now."""
    from incident_gates.errors import UsageError

    source, known = given.pop("source"), given.pop("known")
    past = {key: given.pop(key) for key in ("at", "ended", "exit_code", "output", "seen")}
    ran_before = any(value not in (None, "") for value in past.values())
    if source:
        put_answer(_imported_deployment(job, source, given | past), json_)
    elif known:
        put_answer(_supplied(job, known, given | past), json_)
    elif not given["command"]:
        raise UsageError("Say what to run after --, or what ran with --from FILE.")
    elif ran_before:
        put_answer(_ran(job, given, past), json_)
    else:
        return _run(job, given, json_=json_)
    return 0


def _run(job: Job, given: dict[str, Any], *, json_: bool) -> int:
    from incident_gates.desk.record import execution as recording

    order = recording.Order(**given, aside=json_)
    done = recording.execution(job, order, _warn if json_ else _announce)
    if isinstance(done, recording.NotReady):
        put_json(recording.refused(done)) if json_ else _refuse(done)
        return 1
    put_json(recording.as_json(done)) if json_ else _conclude(done)
    return done.exit_code


def _supplied(job: Job, known: str, given: dict[str, Any]) -> Answer:
    from incident_gates.desk.record import ran
    from incident_gates.errors import UsageError

    keys = ("decision", "change_reference")
    said = {key: given.pop(key) for key in keys}
    if any(value not in (None, "", ()) for value in given.values()):
        raise UsageError("--id takes --decision and --change-reference alone.")
    return ran.supply(job, ran.Supplied(known, **said))


def _ran(job: Job, given: dict[str, Any], past: dict[str, Any]) -> Answer:
    from incident_gates.desk.record import ran
    from incident_gates.errors import UsageError

    if past["at"] is None:
        raise UsageError("--ended, --exit-code, --output and --source go with --at TIME.")
    return ran.record(job, ran.Ran(**given, **past))


def _imported_deployment(job: Job, source: str, given: dict[str, Any]) -> Answer:
    from incident_gates.desk.imports import filling, payload
    from incident_gates.errors import UsageError

    typed = [f"--{n.replace('_', '-')}" for n in ("change_reference", "emergency", "operator")]
    both = [o for o in typed if given[o[2:].replace("-", "_")]] + ["a command"] * bool(
        given["command"]
    )
    if both:
        raise UsageError(f"--from records what ran already: leave out {both[0]}.")
    taken = payload.opened(source, ("github-deployment",))
    choices = filling.Choices(given["decision"], given["services"], only_decision=True)
    return filling.answered(filling.add(job, [taken], choices))


def _announce(begun: Begun) -> None:
    from incident_gates.desk import says

    _remark("\n".join(says.wrapped(begun.announcement)))
    _warn(begun)


def _warn(begun: Begun) -> None:
    """Says before an emergency what it asks for, and what it does not excuse."""
    from incident_gates.desk import says

    if "emergency" not in begun.entry:
        return
    lines = []
    if begun.unapproved:
        minutes = begun.approve_within_minutes
        lines += says.wrapped(f"EMERGENCY: every approval must follow within {minutes:g} min.")
    if begun.bars:
        excuses = "It excuses late approvals, and nothing else; the record will show the rest."
        lines += [*says.numbered(begun.report, "EVEN SO", begun.bars), excuses]
    if lines:
        _remark("\n".join(lines))


def _refuse(refused: NotReady) -> None:
    from incident_gates.desk import says

    lines = list(says.numbered(refused.report, "NOT EXECUTED", refused.bars))
    if any(bar.rule == OWN_APPROVAL for bar in refused.bars):
        lines.append(
            "Nothing ran: who approved it must not run it; --operator NAME says who types."
        )
    way_out = 'If waiting does more harm: --emergency "REASON" runs it before it is approved.'
    _remark("\n".join([*lines, way_out]))


def _conclude(done: Done) -> None:
    from incident_gates.desk import says

    entry = done.entry
    said = f"{entry['id']}: {entry['outcome']}, exit code {entry['exit_code']}"
    said = f"NOT RECORDED: {said}" if done.said else f"Recorded {said}"
    masked = entry.get("x-masked", 0)
    secrets = f"{counted(masked, 'secret')} masked in the record; look it over."
    lines = [said, *([secrets] if masked else []), *([done.said] if done.said else [])]
    lines += [HINTS[entry["outcome"]]]
    wrapped = [part for line in lines for part in says.wrapped(line)]
    wrapped += says.wrapped(f"Next: {done.next}", " " * 6) if done.next else []
    _remark("\n".join(wrapped))


def _remark(text: str) -> None:
    """Our own words go to stderr: stdout belongs to the command that was run."""
    put(f"{text}\n", sys.stderr)
