"""The package's commands on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from incident_gates.options import SELECTING, with_options
from incident_gates.terminal import SETTINGS, Command, errors_as_sentences, put

OUTPUT = click.option(
    "--output", metavar="FOLDER", help="Where to write; default: beside the evidence."
)

BUNDLE = click.option(
    "--bundle",
    "bundled",
    metavar="[FILE]",
    is_flag=False,
    flag_value="",
    help="Pack each incident into one archive as well. [INCIDENT-EVIDENCE-BUNDLE.zip]",
)
STATEMENT = click.option(
    "--statement", is_flag=True, help="Write an in-toto statement as well; a bundle always has one."
)
SIGN = click.option(
    "--sign",
    "key",
    metavar="KEY",
    help="Sign the statement with an Ed25519 key (PEM); passphrase: INCIDENT_GATES_KEY_PASSPHRASE.",
)
OSCAL = click.option(
    "--oscal", metavar="FILE", help="Write OSCAL assessment results of all incidents to a file."
)
PACKAGING = (OUTPUT, BUNDLE, STATEMENT, SIGN, OSCAL)


@click.command(
    cls=Command,
    context_settings=SETTINGS,
    short_help="Write manifest, digests, quality metrics and hand-over.",
)
@with_options(*SELECTING, *PACKAGING)
def aggregate(**options: Any) -> None:
    """Write manifest, digests, quality metrics and hand-over beside each incident.

    \b
      incident-gates aggregate --output .artifacts/incidents/
      incident-gates aggregate --incident INC-2026-0042 --bundle
      incident-gates aggregate --incident INC-2026-0042 --bundle=audit.zip
      incident-gates aggregate --sign key.pem --oscal results.json

    A closed incident is sealed: what changes later needs an amendment.
    """
    raise SystemExit(aggregated(**options))


def aggregated(
    *,
    paths: tuple[str, ...],
    root: str | None,
    incidents: tuple[str, ...],
    policy: str | None,
    as_of: str | None,
    output: str | None,
    bundled: str | None = None,
    statement: bool = False,
    key: str | None = None,
    oscal: str | None = None,
) -> int:
    """Writes the package of each incident; returns the exit code of the judgement."""
    with errors_as_sentences():
        from incident_gates.discover import Selection
        from incident_gates.package import aggregate as aggregating
        from incident_gates.package import attest, own, statements
        from incident_gates.run import Job

        signer = attest.signer(Path(key)) if key else None
        extra = aggregating.Extra(
            statements.Wanted(statement, signer),
            Path(key) if key else None,
            Path(oscal) if oscal else None,
        )
        job = Job(Selection(paths, root, incidents), policy=policy, as_of=as_of)
        written, code = aggregating.aggregate(job, output, bundled, extra=extra)
        for path in written:
            click.echo(path)
        if (key or statement) and not any(path.endswith(own.STATEMENT) for path in written):
            click.echo("No statement was written: no verdict here is final.", err=True)
    return code


@click.command(cls=Command, context_settings=SETTINGS)
@click.argument("target", metavar="BUNDLE|FOLDER", type=click.Path(exists=True))
@click.option("--key", metavar="FILE", help="Public key (PEM) that must have signed the statement.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="What standard output carries.",
)
@click.option(
    "--selftest",
    is_flag=True,
    help="Spoil copies of a valid record in every way, and show which checks notice.",
)
def verify(target: str, key: str | None, format_: str, *, selftest: bool) -> None:
    """Check a package offline: its bytes, its signature, its verdict.

    \b
      incident-gates verify INCIDENT-EVIDENCE-BUNDLE.zip
      incident-gates verify .artifacts/incidents/INC-2026-0042
      incident-gates verify audit.zip --key public.pem --format json
      incident-gates verify --selftest .artifacts/incidents/INC-2026-0042

    The gates are judged again, as of the same moment and under the same protocol and policy.

    Exit codes: 0 as it was written, 1 something differs, 2 wrong usage, 3 could not tell.
    """
    if selftest:
        raise SystemExit(selftested(target, key, format_))
    with errors_as_sentences():
        from incident_gates.package.verify import checks, model, shown

        found = checks.verify(Path(target), Path(key) if key else None)
        put(shown.text(found) if format_ == "text" else shown.as_json(found))
        code = model.EXIT_CODES[model.worst(found)]
    raise SystemExit(code)


def selftested(target: str, key: str | None, format_: str) -> int:
    """Shows what the checks notice of a record that was spoilt; returns the exit code."""
    with errors_as_sentences():
        from incident_gates.errors import UsageError
        from incident_gates.package.selftest import proving, shown

        if key is not None:
            raise UsageError("--selftest spoils a record; it asks for no --key.")
        found = proving.run(Path(target), shown.progress)
        put(shown.text(found) if format_ == "text" else shown.as_json(found))
        return found.exit_code
