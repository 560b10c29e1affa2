"""The options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from incident_gates.terminal import incident_ids

if TYPE_CHECKING:
    from collections.abc import Callable

FORMATS = ("text", "github", "markdown", "json", "sarif", "junit")
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
REPORTS = click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="FORMAT=FILE",
    help="Write a report to a file as well. Repeatable.",
)
ENFORCE = click.option(
    "--enforce/--advisory",
    "enforce",
    default=True,
    help="Whether a failed gate fails the command, or is only shown. [default: enforce]",
)
SELECTING: list[Callable[[Any], Any]] = [
    click.argument("paths", nargs=-1, type=click.Path(), metavar="[PATH]..."),
    ROOT,
    click.option(
        "--incident",
        "incidents",
        multiple=True,
        metavar="ID",
        shell_complete=incident_ids,
        help="Judge only this incident. Repeatable.",
    ),
    POLICY,
    click.option("--as-of", metavar="TIME", help="Judge as of this time (RFC 3339), not now."),
]
JUDGING: list[Callable[[Any], Any]] = [
    click.option(
        "--require",
        type=click.Choice(("due", "ready", "all")),
        default="due",
        show_default=True,
        help="Gates that must pass: those due, those asked before executing, or all.",
    ),
    click.option(
        "--history", is_flag=True, help="Ask git as well: what was committed when, and by whom."
    ),
    click.option("--strict", is_flag=True, help="Let warnings fail as well."),
    click.option(
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        default="text",
        show_default=True,
        help="What standard output carries.",
    ),
    REPORTS,
]
IN_WORKFLOWS: list[Callable[[Any], Any]] = [
    click.option(
        "--scope",
        type=click.Choice(("changed", "all")),
        help="In a workflow: judge what its event changed, or all; by its base's policy.",
    ),
    ENFORCE,
    click.option(
        "--package",
        metavar="FOLDER",
        help="Write the evidence package of what was judged there as well.",
    ),
]
SHARDING: list[Callable[[Any], Any]] = [
    click.option(
        "--shard",
        metavar="K/N",
        help="Judge the K-th of N parts alone; --report json=FILE is what --merge joins.",
    ),
    click.option(
        "--now", metavar="TIME", help="The present, where shards must share one (RFC 3339)."
    ),
    click.option(
        "--merge",
        metavar="REPORT...",
        multiple=True,
        help="Judge nothing; join the JSON reports of all shards (files, or folders of them).",
    ),
    click.option(
        "--allow-empty", is_flag=True, help="Let no incident at all be nothing to judge, exit 0."
    ),
]
FLAGS: dict[str, Callable[[Any], Any]] = {
    "--sla": click.option(
        "--sla",
        "notification_minutes",
        type=click.FloatRange(min=0),
        metavar="MINUTES",
        help="Longest wait for the first notice. [protocol: 5]",
    ),
    "--recovery-threshold": click.option(
        "--recovery-threshold",
        "recovery_pass_rate",
        type=click.FloatRange(0, 1),
        metavar="RATIO",
        help="Share of critical checks that must pass. [protocol: 0.95]",
    ),
    "--documentation-threshold": click.option(
        "--documentation-threshold",
        "documentation_completeness",
        type=click.FloatRange(0, 1),
        metavar="RATIO",
        help="Share of documentation elements that must be there. [protocol: 0.95]",
    ),
}


def with_options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Adds options to a command so that help lists them in this order."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate
