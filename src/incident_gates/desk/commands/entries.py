"""The verbs of ``incident-gates record`` that append an entry; one command a verb."""

from __future__ import annotations

from typing import Any

import click

from incident_gates.desk.commands.answer import JSON, Verb, answering, put_answer
from incident_gates.desk.commands.job import job_of
from incident_gates.options import INCIDENT, POLICY, ROOT, with_options
from incident_gates.terminal import SETTINGS

AT = click.option(
    "--at", metavar="TIME", help="When, if not now: 02:23 (UTC, last 24 h) or RFC 3339."
)
SOURCE = click.option(
    "--source", default="", metavar="TEXT", help="Where it can be seen, if written down later."
)
WHERE = (INCIDENT, AT, SOURCE, JSON, ROOT, POLICY)
DECISION = click.option(
    "--decision", metavar="ID", help="The decision; without it, the only one that stands."
)


def several(*names: str, help_: str, metavar: str = "NAME") -> Any:
    """An option that may be given several times."""
    return click.option(*names, multiple=True, metavar=metavar, help=help_)


def text(*names: str, help_: str, required: bool = False) -> Any:
    """An option that says something."""
    default = None if required else ""
    return click.option(*names, metavar="TEXT", required=required, help=help_, default=default)


def _job(given: dict[str, Any]) -> Any:
    return job_of(**{key: given.pop(key) for key in ("incident", "root", "policy")})


@click.command(cls=Verb, context_settings=SETTINGS, short_help="Record that somebody was told.")
@with_options(
    several(
        "--audience",
        "audiences",
        metavar="A,B",
        help_="Who was told, such as sre_on_call,product_owner.",
    ),
    text("--channel", required=True, help_="By which channel, such as #incident-sev1."),
    text("--message", required=True, help_="What they were told."),
    click.option("--sender", metavar="NAME", help="Who; without it, git's author."),
    *WHERE,
)
def notice(json_: bool, **given: Any) -> None:
    """Record that somebody was told: a row of communication-log.md.

    \b
      incident-gates record notice --audience sre_on_call,product_owner \\
          --channel "#incident-sev1" --message "SEV-1 declared: API latency"
    """
    with answering(json_):
        from incident_gates.desk.record import notice as recording

        put_answer(recording.record(_job(given), recording.Notice(**given)), json_)


@click.command(
    cls=Verb,
    context_settings=SETTINGS,
    short_help="Record how grave it is, and who says so.",
)
@with_options(
    click.option("--severity", metavar="SEV", help="Such as SEV-1, or a name of the policy's."),
    several(
        "--by",
        metavar="NAME:ROLE",
        help_="Who says so; NAME:ROLE:SEVERITY who sees it otherwise. Repeatable.",
    ),
    text("--why", help_="Why this severity; also what shows that the alert is real."),
    several("--slo", "slos", metavar="OBJECTIVE=OBSERVED", help_="What is breached. Repeatable."),
    text("--impact", help_="What customers notice."),
    several("--service", "services", help_="Each affected service."),
    text("--scope", help_="Regions, customers, functions; as the first --by assesses it."),
    click.option(
        "--impact-started",
        metavar="TIME",
        help="When customers were first affected; or N/A: why that is not known.",
    ),
    click.option("--detected", metavar="TIME", help="Without it, the first signal's time."),
    click.option("--declared", metavar="TIME", help="Without it, the time of this entry."),
    click.option("--regulated-data/--no-regulated-data", default=None, help="Is it touched?"),
    click.option(
        "--customer-notification/--no-customer-notification",
        default=None,
        help="Will customers be told?",
    ),
    click.option(
        "--false-positive", is_flag=True, help="It is no incident: --by and --why say who and why."
    ),
    *WHERE,
)
def assessment(json_: bool, **given: Any) -> None:
    """Record how grave it is, who says so, and how far it reaches.

    Who classifies an incident says that the alert is real. With --severity and --by
    alone, more people agree with what stands, or not; what is known of data and
    customers can be added alone.

    \b
      incident-gates record assessment --severity SEV-1 \\
          --by Alex:incident_commander --by Sam:operator \\
          --why "Checkout is unusable" --slo "p99 at most 800 ms=2400 ms" \\
          --impact "Pages take over 2 s" --service api --scope "all customers" \\
          --impact-started 02:08
      incident-gates record assessment --severity SEV-1 --by Kim:product_owner
    """
    with answering(json_):
        from incident_gates.desk.record import assessment as recording
        from incident_gates.errors import UsageError

        job = _job(given)
        flags = (given["regulated_data"], given["customer_notification"])
        if not (given["by"] or given["severity"]) and flags != (None, None):
            put_answer(recording.flags(job, _flags(given)), json_)
            return
        if not given["by"]:
            raise UsageError("--by: say who assesses it, such as Alex:incident_commander.")
        if given.pop("false_positive"):
            by = given["by"][0]
            why, at, source = given["why"], given["at"], given["source"]
            answer = recording.false_positive(job, by, why, at, source)
        elif not given["severity"]:
            raise UsageError("--severity: say how grave it is, such as SEV-1.")
        else:
            answer = recording.record(job, recording.Assessment(**given))
        put_answer(answer, json_)


def _flags(given: dict[str, Any]) -> Any:
    """What is said of data and customers, where nothing else is."""
    from incident_gates.desk.record.assessment import FLAGS, Assessment
    from incident_gates.errors import UsageError

    alone = {key: value for key, value in given.items() if value and key not in FLAGS}
    if alone:
        option = f"--{next(iter(alone)).replace('_', '-')}"
        raise UsageError(f"{option} goes with --severity and --by.")
    return Assessment("", (), **{key: given[key] for key in FLAGS})


@click.command(cls=Verb, context_settings=SETTINGS, short_help="Record what can be done about it.")
@with_options(
    click.option("--standing", metavar="ID", help="Cite this option of the policy."),
    text("--title", help_="What is done, in one line."),
    text("--strategy", help_="rollback, revert, feature_flag, kill_switch, hotfix, …"),
    text("--risks", help_="What may go wrong."),
    text("--dependencies", help_="What must be there."),
    text("--expected", help_="How long it takes, such as 10 min."),
    text("--target", help_="The release, flag or state to go to."),
    several("--service", "services", help_="What it acts upon. Repeatable."),
    text("--text", help_="More for those who decide."),
    click.option("--propose", is_flag=True, help="Propose it instead of what is proposed."),
    text("--why", help_="Why it is proposed."),
    click.option("--id", metavar="ID", help="Such as O-2; without it, the next number."),
    several("--verified", metavar="ITEM", help_="With --standing: what was verified just now."),
    click.option("--by", metavar="NAME", help="Who verified that."),
    text("--evidence", help_="What shows it."),
    *WHERE,
)
def option(json_: bool, **given: Any) -> None:
    """Record what can be done about it: a section of mitigation-plan.md.

    An option of the policy brings what it needs: the readiness items that stand, those
    to verify anew, and the recovery checks.

    \b
      incident-gates record option --standing rollback-backend
      incident-gates record option --title "Disable the price cache" \\
          --strategy feature_flag --risks "The database may saturate" \\
          --dependencies "Flag service" --expected "5 min"
    """
    with answering(json_):
        from incident_gates.desk.record import option as recording

        put_answer(recording.record(_job(given), recording.Option(**given)), json_)


@click.command(
    cls=Verb,
    context_settings=SETTINGS,
    short_help="Record that a prerequisite of the rollback was verified.",
)
@with_options(
    several("--item", "items", metavar="ID", help_="What was verified. Repeatable."),
    click.option("--all", "all_", is_flag=True, help="Every required item that is pending."),
    click.option("--by", metavar="NAME", help="Who verified it; NAME:ROLE if no operator."),
    text("--evidence", help_="What shows it."),
    text("--unmet", help_="It does not hold, for this reason."),
    several("--standing", metavar="ID", help_="Cite this item of the policy. Repeatable."),
    text("--category", help_="With a new --item: script, backup, dependency, access, …"),
    text("--description", help_="With a new --item: what has to hold."),
    text("--target", help_="The release to go back to."),
    *WHERE,
)
def readiness(json_: bool, **given: Any) -> None:
    """Record that a prerequisite of the rollback was verified, by whom and by what.

    \b
      incident-gates record readiness --item backup --by Lee \\
          --evidence "snapshot 0200, restore job 8812"
      incident-gates record readiness --standing rollback-script
    """
    with answering(json_):
        from incident_gates.desk.record import readiness as recording

        job = _job(given)
        keys = ("items", "by", "evidence", "at", "source")
        verified = recording.Verified(**{key: given.pop(key) for key in keys})
        said = recording.Readiness(verified, all=given.pop("all_"), **given)
        put_answer(recording.record(job, said), json_)


@click.command(
    cls=Verb,
    context_settings=SETTINGS,
    short_help="Record what was decided, and who approved it.",
)
@with_options(
    click.option("--option", metavar="ID", help="Without it, the one that is proposed."),
    several("--approve", metavar="NAME:ROLE", help_="Who approves it. Repeatable."),
    several("--standing", metavar="ID", help_="Cite this standing approval of the policy."),
    text("--action", help_="What is executed; without it, as the option says."),
    several("--service", "services", help_="Without it, as option or assessment say."),
    click.option("--supersedes", metavar="ID", help="The decision that it replaces."),
    text("--reason", help_="Why it is decided so."),
    click.option("--for", "execution", metavar="ID", help="It was run before this: name it."),
    click.option("--id", metavar="ID", help="Such as D-2; without it, the next number."),
    *WHERE,
)
def decision(json_: bool, **given: Any) -> None:
    """Record what was decided, and who approved it as it is written now.

    \b
      incident-gates record decision --option O-1 \\
          --approve Alex:incident_commander --approve Jordan:release_manager
    """
    with answering(json_):
        from incident_gates.desk.record import decision as recording

        put_answer(recording.record(_job(given), recording.Decision(**given)), json_)


@click.command(
    cls=Verb,
    context_settings=SETTINGS,
    short_help="Approve a decision, as its option is written now.",
)
@with_options(
    DECISION,
    click.option("--role", required=True, metavar="ROLE", help="Such as release_manager."),
    click.option("--name", metavar="NAME", help="Who; without it, the author that git knows."),
    click.option("--reject", is_flag=True, help="Reject instead of approving."),
    *WHERE,
)
def approval(json_: bool, **given: Any) -> None:
    """Approve a decision, with the digest of its option as it is written now.

    \b
      incident-gates record approval --incident INC-2026-0042 --decision D-1 \\
          --role release_manager --name Jordan
    """
    with answering(json_):
        from incident_gates.desk.record import approval as recording

        put_answer(recording.record(_job(given), recording.Word(**given)), json_)


@click.command(
    "recovery-check",
    cls=Verb,
    context_settings=SETTINGS,
    short_help="Record what the recovery checks saw, or plan them.",
)
@with_options(
    several("--check", "checks", metavar="ID[=SEEN]", help_="Which check, and what it saw."),
    click.option("--plan", default="", metavar="ID", help="Plan this check, before execution."),
    click.option("--all", "all_", is_flag=True, help="Every check that was planned."),
    click.option("--passed", "result", flag_value="passed", help="What was expected was seen."),
    click.option("--failed", "result", flag_value="failed", help="It was not."),
    click.option("--skipped", "result", flag_value="skipped", help="It was not run."),
    text("--evidence", help_="What was seen, for each check that says nothing of its own."),
    text("--propagated", help_="What shows that the mitigation reached every instance."),
    click.option("--execution", metavar="ID", help="Which one arrived; else the last."),
    text("--service", help_="Of a check that is not planned yet."),
    text("--kind", help_="Of such a check: smoke, health, user_journey or slo."),
    click.option("--critical/--not-critical", default=True, help="Whether it counts."),
    text("--description", help_="Of such a check: what it looks at."),
    click.option("--from", "from_", metavar="FILE", help="JUnit results; - is standard input."),
    click.option("--offset", default="", metavar="Z|+01:00", help="Of times in them without one."),
    *WHERE,
)
def recovery_check(json_: bool, **given: Any) -> None:
    """Record that the mitigation arrived, and what the recovery checks saw.

    Before the execution, --plan says what must work again afterwards.

    \b
      incident-gates record recovery-check --plan api-smoke --service api \\
          --kind smoke --description "GET /health answers"
      incident-gates record recovery-check --propagated "24 of 24 pods say v1.2.3"
      incident-gates record recovery-check --all --passed --evidence "run 5501"
      incident-gates record recovery-check --check api-smoke="503" --failed
      incident-gates record recovery-check --from results.xml
    """
    with answering(json_):
        from incident_gates.desk.record import recovery as recording

        job, everything = _job(given), given.pop("all_")
        results, offset = given.pop("from_"), given.pop("offset")
        if results:
            from incident_gates.desk.imports import filling

            typed = everything or any(given[key] for key in ("checks", "result", "propagated"))
            put_answer(filling.results(job, results, offset, typed=typed), json_)
            return
        put_answer(recording.record(job, recording.Checked(all=everything, **given)), json_)


@click.command(cls=Verb, context_settings=SETTINGS, short_help="Record an event of the timeline.")
@with_options(
    click.argument("text", metavar="TEXT"),
    text("--signal", help_="It was a signal, from this system or person: intake log as well."),
    *WHERE,
)
def event(json_: bool, **given: Any) -> None:
    """Record an event: a line of incident-timeline.md, in the order of time.

    \b
      incident-gates record event "Alert triggered (API latency > 800ms)" --at 02:10
      incident-gates record event "API latency > 800ms" --signal Alertmanager
    """
    with answering(json_):
        from incident_gates.desk.record import event as recording

        put_answer(recording.record(_job(given), **given), json_)


@click.command(cls=Verb, context_settings=SETTINGS, short_help="Record how it ends.")
@with_options(
    click.option(
        "--status",
        default="",
        metavar="STATUS",
        help="identified, monitoring, resolved or closed; without it, as it is.",
    ),
    text("--resolution", help_="How it was resolved, in one line."),
    several(
        "--slo",
        "slos",
        metavar="[OBJECTIVE=]OBSERVED",
        help_="What is measured again; the objective, if several were breached.",
    ),
    several("--alert", "alerts", help_="Which alert has cleared. Repeatable."),
    text("--stable", help_="What was seen since the last check: the stability window."),
    click.option(
        "--action",
        "actions",
        nargs=4,
        multiple=True,
        metavar="KIND TEXT OWNER DATE",
        help="What is to be done; KIND is prevent, mitigate or detect.",
    ),
    text("--trigger", help_="What set it off: rca-manifest.json."),
    several("--factor", "factors", metavar="TEXT", help_="What made it possible. Repeatable."),
    text("--captured-by", help_="Who archived the listed evidence of the cause."),
    text("--headline", help_="What happened, in one line: the title of the report."),
    text("--impact", help_="Who noticed what, in numbers: the report's Impact."),
    click.option("--mitigated", metavar="TIME", help="Without it, when the mitigation arrived."),
    *WHERE,
)
def resolution(json_: bool, **given: Any) -> None:
    """Record how it ends: a status, and what it asks for.

    Times, durations and who was told follow from the record. Nothing is closed while
    something is lacking that can still be supplied.

    \b
      incident-gates record resolution --status resolved \\
          --resolution "Rollback to v1.2.3" --slo "590 ms" --alert ApiLatencyHigh \\
          --action prevent "Load-test cache misses" Lee 2026-04-03
      incident-gates record resolution --status closed --stable "no alert since"
    """
    with answering(json_):
        from incident_gates.desk.record import resolution as recording

        put_answer(recording.record(_job(given), recording.Resolution(**given)), json_)


VERBS = (
    notice,
    assessment,
    option,
    readiness,
    decision,
    approval,
    recovery_check,
    event,
    resolution,
)
