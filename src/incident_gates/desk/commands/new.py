"""``incident-gates new``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from incident_gates.desk.commands.answer import JSON, Verb, answering
from incident_gates.desk.commands.job import job_of
from incident_gates.options import INCIDENT, ROOT, with_options
from incident_gates.terminal import SETTINGS, incident_ids, put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_gates.desk.drafts import Written

FROM = click.option(
    "--from",
    "sources",
    multiple=True,
    metavar="[KIND=]FILE",
    help="Fill the record from what a tool says; - is standard input. Repeatable.",
)
OFFSET = click.option(
    "--offset", metavar="OFFSET", help="Of JUnit times that state none: Z, or such as +01:00."
)


def _ids_or_drafts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from incident_gates.desk.drafts import KINDS

    drafts = [name for name in KINDS if name.startswith(incomplete)]
    return [*drafts, *incident_ids(ctx, param, incomplete)]


@click.command(
    cls=Verb,
    context_settings=SETTINGS,
    short_help="Begin a record, or add what its phase asks for.",
)
@click.argument("what", metavar="[ID|WHAT]", required=False, shell_complete=_ids_or_drafts)
@with_options(
    FROM,
    click.option("--decision", metavar="ID", help="The decision that an imported deployment ran."),
    click.option("--service", "services", multiple=True, metavar="NAME", help="What it acts on."),
    OFFSET,
    click.option("--commander", metavar="NAME", help="Who commands; goes to prerequisites.json."),
    click.option("--release-manager", metavar="NAME", help="Who acknowledged a rollback's cost."),
    click.option("--at", metavar="TIME", help="Since when they do, if not now."),
    INCIDENT,
    click.option("--rule", metavar="RULE", help="The rule that a waiver or deviation is about."),
    click.option("--subject", metavar="TEXT", help="Its subject, where a rule has found several."),
    JSON,
    ROOT,
)
def new(what: str | None, root: str | None, *, json_: bool, **given: Any) -> None:
    """Begin a record, or add the files of the phase that it has come to.

    Nothing is ever overwritten. Without ID, the next free number of the year. With --from it is
    filled from Alertmanager, PagerDuty, Statuspage, GitHub issues and deployments, or JUnit
    results; on a record that is there, with what is new. WHAT drafts a file from the record:
    timeline, report, rca, retrospective, waiver, deviation or amendment.

    \b
      incident-gates new
      incident-gates new INC-2026-0042
      incident-gates new INC-2026-0042 --from alert.json --commander Alex
      incident-gates new timeline --incident INC-2026-0042
    """
    with answering(json_):
        from incident_gates.desk import drafts

        code = 0
        if what in drafts.KINDS:
            written = _drafted(what, root, given)
            said, data, code = drafts.text(written), drafts.as_json(written), written.exit_code
        else:
            said, data = _begun(what, root, given)
        put(_json(data) if json_ else said)
    if code:
        raise SystemExit(code)


def _drafted(what: str, root: str | None, given: dict[str, Any]) -> Written:
    from incident_gates.desk import drafts
    from incident_gates.desk import found as finding

    found = finding.one(job_of(root=root, incident=given["incident"]))
    options = drafts.Options(given["rule"] or "", given["subject"] or "")
    return drafts.write(what, found, options)


def _begun(incident: str | None, root: str | None, given: dict[str, Any]) -> tuple[str, Any]:
    from incident_gates.desk import found as finding
    from incident_gates.desk import new as beginning
    from incident_gates.desk.imports import filling, payload
    from incident_gates.desk.record import words

    payloads = [payload.opened(source) for source in given["sources"]]
    begun = beginning.begin(given["incident"] if incident is None else incident, root, Path.cwd())
    job = job_of(root=root, incident=begun.incident_id)
    notes = [*begun.notes, *_people(job, given)]
    entries: Sequence[Any] = ()
    if payloads:
        choices = filling.Choices(given["decision"], given["services"], given["offset"] or "")
        added = filling.add(job, payloads, choices)
        entries = added.draft.placed()
        notes += [f"Note: {note}" for note in added.draft.notes]
        begun = begun._replace(filled=added.lines)
    if incident is None and given["incident"] is None:
        notes += _beside(root, begun.incident_id)
    begun = begun._replace(notes=tuple(notes), next=words.next_command(finding.one(job)))
    listed = [{"file": e.file, "line": e.line, "entry": e.value} for e in entries]
    return beginning.text(begun), {**begun._asdict(), "entries": listed}


def _beside(root: str | None, begun: str) -> list[str]:
    """Who only wanted the next files of an open record hears that this began another one."""
    from incident_gates.desk import found as finding

    every = finding.every(job_of(root=root))
    others = [f.record.incident_id for f in every if not finding.is_over(f.chain)]
    others = [name for name in others if name != begun][-3:]
    said = f"Note: {', '.join(others)} {'is' if len(others) == 1 else 'are'} open as well."
    return [f"{said} For its next files: incident-gates new {others[-1]}"] if others else []


def _people(job: Any, given: dict[str, Any]) -> list[str]:
    """Who commands and who acknowledged, where they were named."""
    from incident_gates.errors import UsageError

    named = {key: given[key] for key in ("commander", "release_manager") if given[key]}
    if not named:
        if given["at"]:
            raise UsageError("--at says since when somebody commands: add --commander NAME.")
        return []
    from incident_gates.desk import found as finding
    from incident_gates.desk.record import prerequisites

    return prerequisites.fill(finding.one(job), **named, at=given["at"])


def _json(data: Any) -> str:
    import json

    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
