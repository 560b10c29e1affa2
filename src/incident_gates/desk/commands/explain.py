"""``incident-gates explain``."""

from __future__ import annotations

import sys

import click

from incident_gates.options import with_options
from incident_gates.terminal import SETTINGS, Command, coloured, errors_as_sentences, put


@click.command(
    cls=Command,
    context_settings=SETTINGS,
    short_help="Say what a rule, file, gate or word means, and why.",
)
@with_options(
    click.argument("topic", nargs=-1, metavar="[RULE|FILE|GATE|TERM]"),
    click.option("--json", "as_json", is_flag=True, help="For another program."),
)
def explain(topic: tuple[str, ...], *, as_json: bool) -> None:
    """Say what a rule, file, gate or word means, why, and where the protocol says so.

    A rule is shown with evidence that fails and evidence that passes. Without a topic it
    lists what can be asked about. Case, and what joins words, do not matter.

    \b
      incident-gates explain MIT004
      incident-gates explain decision-log.json
      incident-gates explain gate 2
      incident-gates explain blast radius
    """
    with errors_as_sentences():
        from incident_gates.desk import explain as explaining

        if not topic:
            put(explaining.contents())
            return
        found = explaining.answer(" ".join(topic))
        colour = coloured(sys.stdout)
        put(explaining.as_json(found) if as_json else explaining.text(found, colour=colour))
