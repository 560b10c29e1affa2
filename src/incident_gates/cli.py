"""The command line: ``incident-gates check``, and the few commands around it."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from incident_gates import __version__
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.options import (
    ENFORCE,
    FLAGS,
    FORMATS,
    IN_WORKFLOWS,
    JUDGING,
    REPORTS,
    SELECTING,
    SHARDING,
    with_options,
)
from incident_gates.terminal import SETTINGS, Group, announce, coloured, errors_as_sentences, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from incident_gates.model import Report
    from incident_gates.run import Job

    Anchors = dict[str, tuple[str, int]]

# Where the names of devices are links themselves: /dev/stdout.
DEVICES = Path("/dev")
MODULES = {"json": "json_report"}  # where it is not the format's own name
PAGES = ("text", "markdown", "json")  # what an overview can be
# What may be said beside --merge; everything else was said to the shards.
JOINING = ("merge", "paths", "format_", "reports", "enforce")
GATE_NAMES = ("prerequisites", "severity", "mitigation", "recovery", "resolution")
# Every other command lives in the room of what it does, and is imported when it is asked for.
ELSEWHERE = {
    "init": "incident_gates.desk.commands.init:init",
    "doctor": "incident_gates.desk.commands.doctor:doctor",
    "staged": "incident_gates.desk.commands.staged:staged",
    "new": "incident_gates.desk.commands.new:new",
    "status": "incident_gates.desk.commands.status:status",
    "record": "incident_gates.desk.commands.record:record",
    "explain": "incident_gates.desk.commands.explain:explain",
    "halt": "incident_gates.desk.commands.halt:halt",
    "proceed": "incident_gates.desk.commands.halt:proceed",
    "aggregate": "incident_gates.package.commands:aggregate",
    "verify": "incident_gates.package.commands:verify",
}


@click.group(cls=Group, elsewhere=ELSEWHERE, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="incident-gates")
def main() -> None:
    """Was severity agreed, the plan ready and the rollback approved before anyone ran it?

    Reads the evidence of incidents from git and says, gate by gate, whether the record is
    complete and consistent, and at which line it is not.

    \b
      incident-gates check                        every incident of this repository
      incident-gates check --incident INC-2026-0042 --require ready
      incident-gates new INC-2026-0042            begin a record
      incident-gates status                       what is done, missing and next
      incident-gates explain MIT004               what a rule asks, and why

    Exit codes: 0 nothing due failed, 1 a gate failed, 2 wrong usage, 3 could not tell.
    """


@main.command(context_settings=SETTINGS)
@with_options(
    *SELECTING,
    click.option(
        "--gate",
        "gates",
        type=click.Choice(GATE_NAMES),
        multiple=True,
        help="Judge this gate alone, due or not. Repeatable.",
    ),
    *JUDGING,
    click.option(
        "--fix",
        is_flag=True,
        help="Add what is absent and mechanical first; shows a diff, and asks.",
    ),
    click.option("--yes", is_flag=True, help="With --fix: write without asking."),
    *IN_WORKFLOWS,
    *FLAGS.values(),
    *SHARDING,
)
def check(**options: Any) -> None:
    """Judge incidents against the four gates.

    \b
      incident-gates check
      incident-gates check .artifacts/incidents/INC-2026-0042
      incident-gates check --gate severity --sla 5
      incident-gates check --require ready --incident INC-2026-0042
      incident-gates check --report json=gates.json
      incident-gates check --fix
      incident-gates check --shard 2/8 --now 2026-03-20T06:00:00Z --report json=shard-2.json
      incident-gates check --merge shard-*.json
    """
    raise SystemExit(judge(**options))


@main.command(context_settings=SETTINGS, short_help="Show how many repositories stand.")
@click.argument("entries", nargs=-1, required=True, metavar="OWNER/NAME=REPORT...")
@click.option(
    "--format",
    "format_",
    type=click.Choice(PAGES),
    default="text",
    show_default=True,
    help="What standard output carries.",
)
@with_options(REPORTS, ENFORCE)
def overview(
    entries: tuple[str, ...], format_: str, reports: tuple[str, ...], enforce: bool
) -> None:
    """Show how many repositories stand, from the JSON report of each.

    \b
      incident-gates overview shop/api=api.json shop/web=web.json
      incident-gates overview shop/api=api.json --report json=overview.json

    A repository without a report that can be read is listed as could not tell, exit code 3.
    """
    from incident_gates import overview as pages

    with errors_as_sentences(), _seen_in_workflow():
        wanted = [_target(entry, PAGES) for entry in reports]
        shown = pages.overview(entries)
        shown = shown if enforce else pages.advisory(shown)
        for kind, target in wanted:
            _write([pages.render(shown, kind)], target)
        put(pages.render(shown, format_))
        if in_workflow():
            from incident_gates.github import hand_over

            hand_over.write_outputs({"verdict": shown.verdict.value})
            hand_over.write_summary(pages.render(shown, "markdown"))
    raise SystemExit(shown.exit_code)


def judge(
    *,
    format_: str,
    reports: tuple[str, ...],
    scope: str | None = None,
    enforce: bool = True,
    package: str | None = None,
    fix: bool = False,
    yes: bool = False,
    merge: tuple[str, ...] = (),
    **asked: Any,
) -> int:
    """Runs the gates and prints; returns the exit code."""
    with errors_as_sentences(), _seen_in_workflow():
        wanted = [_target(entry) for entry in reports]
        job = _job(**asked)
        if yes and not fix:
            raise UsageError("--yes answers what --fix asks; say both, or neither.")
        if fix and job.part:
            raise UsageError("--fix mends whole folders; say it without --shard.")
        if fix:
            _fix(job, yes=yes)
        report, anchors = _joined(merge, job) if merge else _judged(job, scope)
        report = report if enforce else _advisory(report)
        for kind, target in wanted:
            _write(_rendered(report, kind), target)
        if in_workflow():
            elsewhere = not merge and _elsewhere(job)
            _hand_over(report, anchors, format_, reports, elsewhere=elsewhere)
        else:
            _print(report, format_)
        if package:
            _package(report, job, scope, package)
        if report.exit_code == CouldNotTell.exit_code:
            announce("a gate could not be judged")
    return report.exit_code


def _job(
    *,
    paths: tuple[str, ...],
    root: str | None,
    incidents: tuple[str, ...],
    policy: str | None,
    as_of: str | None,
    require: str,
    strict: bool,
    history: bool = False,
    gates: tuple[str, ...] = (),
    shard: str | None = None,
    now: str | None = None,
    allow_empty: bool = False,
    **thresholds: float | None,
) -> Job:
    from incident_gates import shards
    from incident_gates.discover import Selection
    from incident_gates.engine import Request
    from incident_gates.run import Job

    return Job(
        Selection(paths, root, incidents),
        Request(require, gates, strict, history=history or None),
        {name: value for name, value in thresholds.items() if value is not None},
        policy,
        as_of,
        part=None if shard is None else shards.parsed(shard),
        now=now,
        allow_empty=allow_empty,
    )


def _fix(job: Job, *, yes: bool) -> None:
    """Shows what can be added, and adds it if it may; on stderr, for stdout carries the report."""
    from incident_gates.desk import fix

    plan = fix.planned(job)
    lines = [*plan.left, *fix.diff(plan, colour=coloured(sys.stderr)), *fix.summary(plan)]
    put("".join(f"{line}\n" for line in lines), sys.stderr)
    if plan.edits and (yes or _agreed()):
        fix.write(plan)
        put("Written.\n\n", sys.stderr)
    elif plan.edits:
        put("Nothing was written; --fix --yes writes it.\n\n", sys.stderr)


def _agreed() -> bool:
    """Whether somebody at a terminal says yes; nobody there is a no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or in_workflow():
        return False
    try:
        return click.confirm("Write this?", err=True)
    except click.Abort:
        raise KeyboardInterrupt from None


def in_workflow() -> bool:
    """Whether a workflow of GitHub runs us."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _seen_in_workflow() -> AbstractContextManager[None]:
    if not in_workflow():
        return nullcontext()
    from incident_gates.github import hand_over

    return hand_over.announced()


def _judged(job: Job, scope: str | None) -> tuple[Report, Anchors]:
    """The report, and for each incident the changed file that brought it here."""
    if _is_about_a_change(scope):
        from incident_gates.github import change

        return change.judge(job, str(scope))
    from incident_gates.run import run

    return run(job), {}


def _joined(reports: tuple[str, ...], job: Job) -> tuple[Report, Anchors]:
    """The report that the reports of shards make together; paths are reports as well."""
    from incident_gates import merge

    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
        if given and parameter.name not in JOINING:
            said = f"--merge joins what was judged; {parameter.opts[0]} is for the shards."
            raise UsageError(said)
    return merge.joined([*reports, *job.selection.paths]), {}


def _advisory(report: Report) -> Report:
    """The same report, without failing because of it; what could not be told still does."""
    from incident_gates.run import ADVISORY

    if report.exit_code != 1:
        return report
    return report._replace(exit_code=0, notices=(*report.notices, ADVISORY))


def _is_about_a_change(scope: str | None) -> bool:
    return scope == "changed" or (bool(scope) and in_workflow())


def _package(report: Report, job: Job, scope: str | None, folder: str) -> None:
    """Packages what was judged, under the same limits: a change must not bring its own."""
    from incident_gates.discover import Selection, repository
    from incident_gates.package import aggregate as package

    limits = None
    if _is_about_a_change(scope):
        from incident_gates.github import change

        limits = change.limits_in_force(job)
    base = repository(Path.cwd())
    paths = [str(base / incident.path) for incident in report.incidents]
    if paths:
        package.aggregate(job._replace(selection=Selection(paths)), folder, limits=limits)


def _elsewhere(job: Job) -> bool:
    """Whether another repository is judged: no link and no annotation of this one leads there."""
    from incident_gates.discover import repository

    here = repository(Path.cwd())
    return any(repository(Path(path).absolute()) != here for path in job.selection.paths)


def _hand_over(
    report: Report, anchors: Anchors, kind: str, reports: tuple[str, ...], *, elsewhere: bool
) -> None:
    """Log, annotations, summary and outputs, as a workflow wants them."""
    from incident_gates.github import hand_over
    from incident_gates.report import github
    from incident_gates.run import gate_texts

    hand_over.write_outputs(hand_over.outputs(report, [r.partition("=")[2] for r in reports]))
    annotations = ""
    if report.shard is None:  # the shards are joined, and it is all said then, once
        hand_over.write_summary(hand_over.summary(report, gate_texts(), linked=not elsewhere))
    if report.shard is None and not elsewhere:
        annotations = github.render(report, anchors, is_absent=_is_absent)
    if kind == "github":
        put(annotations)
    elif kind == "text":
        put(hand_over.inert("".join(_rendered(report, kind))) + annotations)
    else:  # somebody's file, perhaps: it must stay what it is
        _print(report, kind)
        put(annotations, sys.stderr)


def _target(entry: str, formats: tuple[str, ...] = FORMATS) -> tuple[str, Path]:
    kind, separator, name = entry.partition("=")
    if not separator or kind not in formats or not name:
        raise UsageError(f"--report {entry}: write FORMAT=FILE, with {' or '.join(formats)}.")
    target = Path(name).absolute()
    if target.is_symlink() and target.parent != DEVICES:
        raise UsageError(f"--report {entry}: this is a symbolic link, never followed.")
    if not _is_device(target):
        target = target.resolve()
    if not target.parent.is_dir():
        raise UsageError(f"--report {entry}: the folder {target.parent} does not exist.")
    return kind, target


def _is_device(target: Path) -> bool:
    """Whether a report is handed on instead of kept: a terminal, a pipe, /dev/null."""
    return target.exists() and not target.is_file() and not target.is_dir()


def _rendered(report: Report, kind: str, *, colour: bool = False) -> Iterator[str]:
    """The report in one format; a reporter gets the texts that it prints as plain data.

    What can be printed record by record comes in pieces.
    """
    from importlib import import_module

    from incident_gates import run

    reporter: Any = import_module(f"incident_gates.report.{MODULES.get(kind, kind)}")
    texts: dict[str, Callable[[], Any]] = {
        "text": run.gate_texts,
        "markdown": run.gate_texts,
        "sarif": run.rule_texts,
    }
    given = [texts[kind]()] if kind in texts else []
    options: dict[str, Any] = {"text": {"colour": colour}, "github": {"is_absent": _is_absent}}
    if kind == "sarif":
        options[kind] = {"controls": run.rule_controls()}
    render = getattr(reporter, "pieces", None) or (lambda *a, **o: [reporter.render(*a, **o)])
    yield from render(report, *given, **options.get(kind, {}))


def _is_absent(file: str) -> bool:
    """Whether a file of the report is not there, so that no annotation can be shown at it."""
    from incident_gates.discover import repository

    return not (repository(Path.cwd()) / file).is_file()


def _write(pieces: Iterable[str], target: Path) -> None:
    """Writes a report; never over evidence: an output that is an input would judge itself."""
    from incident_gates import protocol
    from incident_gates.atomic import replacing
    from incident_gates.discover import holds_incident
    from incident_gates.policy import NAME as POLICY

    known = protocol.load()
    upstream = {folder.rsplit("/", 1)[-1] for folder in known.upstream.values()}
    among = any(holds_incident(folder, known) for folder in target.parents)
    among = among or target.name in known.artifacts or target.parent.name in upstream
    if among or target.name == POLICY:
        raise UsageError(f"--report: {target.name} would stand among the evidence of an incident.")
    try:
        # A device or a pipe takes what it is given; a file is replaced.
        device = _is_device(target)
        with target.open("wb") if device else replacing(target, durable=True) as stream:
            stream.writelines(piece.encode() for piece in pieces)
    except OSError as error:
        raise CouldNotTell(
            f"The report {target.name} cannot be written: {error.strerror}."
        ) from error


def _print(report: Report, kind: str) -> None:
    put(_rendered(report, kind, colour=coloured(sys.stdout) and kind == "text"))
