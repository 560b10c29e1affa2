"""``incident-gates init``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from incident_gates.options import ROOT
from incident_gates.terminal import SETTINGS, Command, errors_as_sentences, put


@click.command(
    cls=Command,
    context_settings=SETTINGS,
    short_help="Set a repository up; show everything, then ask.",
)
@click.option(
    "--only",
    metavar="PARTS",
    help="workflow, policy, editor, pre-commit, attributes: these alone, with commas.",
)
@click.option("--dry-run", is_flag=True, help="Show every file whole, and write nothing.")
@click.option("--yes", is_flag=True, help="Write without asking.")
@ROOT
def init(only: str | None, root: str | None, *, dry_run: bool, yes: bool) -> None:
    """Set a repository up: show what would be written, ask, then write.

    The workflow that judges each change, a policy that changes nothing until you edit it,
    schemas for the editor, a pre-commit hook, and a line that keeps the bytes of evidence.
    What is there already stays as it is.

    \b
      incident-gates init --dry-run
      incident-gates init --yes
      incident-gates init --yes --only workflow,editor
      incident-gates init --yes --root services/api/.artifacts/incidents
    """
    with errors_as_sentences():
        from incident_gates.desk.setup import parts, proposal
        from incident_gates.desk.setup import site as sites

        site = sites.at(Path.cwd(), root)
        proposals = [parts.PARTS[name](site) for name in parts.chosen(only)]
        put(proposal.listing(proposals, whole=dry_run))
        count = sum(each.changes for each in proposals)
        if not count:
            put("\nNothing to write.\nNext: incident-gates doctor\n")
        elif dry_run:
            put("\nNothing was written. To write this: incident-gates init --yes\n")
        elif yes or _agreed(count):
            written = proposal.write(site, proposals)
            put("".join(["\n", *(f"Wrote {path}\n" for path in written)]))
            put("Next: look at it, commit it, then: incident-gates doctor\n")


def _agreed(count: int) -> bool:
    """Whether somebody at the terminal says yes; raises UsageError where nobody is there."""
    from incident_gates.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError("Nothing was written: nobody is here to ask. To write it, add --yes.")
    if click.confirm(f"\nWrite {'this file' if count == 1 else f'these {count} files'}?"):
        return True
    put("Nothing was written.\n")
    return False
