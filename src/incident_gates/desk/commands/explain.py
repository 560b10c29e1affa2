"""``incident-gates explain``."""

from __future__ import annotations

import click

from incident_gates.terminal import SETTINGS, Command, errors_as_sentences


@click.command(cls=Command, context_settings=SETTINGS)
@click.argument("rule_id", metavar="RULE")
def explain(rule_id: str) -> None:
    """Say what a rule asks, why, and how to mend it.

    \b
      incident-gates explain MIT004
    """
    with errors_as_sentences():
        from incident_gates.desk import explain as explaining

        click.echo(explaining.rule_text(rule_id))
