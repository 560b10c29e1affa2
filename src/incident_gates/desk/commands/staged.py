"""``incident-gates staged``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from incident_gates.terminal import SETTINGS, Command, coloured, errors_as_sentences, put


@click.command(cls=Command, context_settings=SETTINGS)
@click.argument("paths", nargs=-1, type=click.Path(), metavar="[FILE]...")
@click.option("--strict", is_flag=True, help="Warnings fail, too.")
def staged(paths: tuple[str, ...], *, strict: bool) -> None:
    """Judge the incidents of the next commit, as they are staged.

    What is edited and not staged is not looked at. Without FILE, everything that is staged.
    It is what the pre-commit hook runs; nothing staged is an incident: exit code 0.

    \b
      incident-gates staged
      incident-gates staged .artifacts/incidents/INC-2026-0042/decision-log.json
    """
    with errors_as_sentences():
        from incident_gates.desk.setup import staged as staging
        from incident_gates.report import text
        from incident_gates.run import gate_texts

        report = staging.judged(Path.cwd(), paths, strict=strict)
        if report is None:
            put("Nothing that is staged is an incident.\n")
            raise SystemExit(0)
        put(text.render(report, gate_texts(), colour=coloured(sys.stdout)))
    raise SystemExit(report.exit_code)
