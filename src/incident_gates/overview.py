"""Shows many repositories on one page: how each stands, and which could not be told.

Incidents of two repositories may share an id, so that reports of repositories are listed beside
each other and never joined. A repository without a report stays in the list, and is no pass.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import __version__, merge, protocol, run
from incident_gates.errors import CouldNotTell, GateError, UsageError
from incident_gates.model import CRITICAL, WARNING, Status, Verdict
from incident_gates.report import findings, json_report
from incident_gates.report.escape import markdown, target, visible
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from incident_gates.model import Report

SCHEMA_VERSION = "1.0"
MOST = 2000  # rows of one page, which has to fit into a step summary
NOT_PASSED = (Status.FAILED, Status.ERROR)
# As GitHub lets them be named; anything else reaches neither a shell nor a page.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.{1,2}=)[A-Za-z0-9._-]{1,100}(?==)")


class Row(NamedTuple):
    """How one repository stands; ``says`` is its incidents in numbers, or why it is not known."""

    repository: str
    verdict: Verdict
    says: str
    file: str
    sha256: str | None = None
    failed_gates: tuple[str, ...] = ()
    critical: int = 0
    warnings: int = 0


class Overview(NamedTuple):
    """All repositories, the worst first; the report is one of theirs, and how all were judged."""

    verdict: Verdict
    exit_code: int
    rows: tuple[Row, ...]
    judged: Report | None


def overview(entries: Sequence[str]) -> Overview:
    """What the reports say; each entry is ``OWNER/NAME=REPORT``."""
    rows: list[Row] = []
    judged: Report | None = None
    code = 0
    for name, file in _named(entries).items():
        try:
            report, digest = _read(Path(file), judged)
        except GateError as error:
            rows.append(Row(name, Verdict.ERROR, str(error), file))
            continue
        # How the first was judged is how all must be; a report itself is let go at once.
        judged = judged or report._replace(incidents=())
        rows.append(_row(name, file, report, digest))
        code = max(code, run.asked_by_hand(report).exit_code)
    rows.sort(key=lambda row: run.WORST_FIRST.index(row.verdict))
    worst = rows[0].verdict
    return Overview(worst, max(code, run.EXIT_CODES[worst]), tuple(rows), judged)


def _named(entries: Sequence[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for entry in entries:
        found = _NAME.match(entry)
        if found is None:
            raise UsageError(f"{visible(entry, 80)}: write OWNER/NAME=REPORT.")
        if found[0].casefold() in map(str.casefold, named):
            raise UsageError(f"The repository {found[0]} is named twice.")
        named[found[0]] = entry[found.end() + 1 :]
    if not 1 <= len(named) <= MOST:
        raise UsageError(f"An overview shows 1 to {MOST:,} repositories.")
    return named


def _read(file: Path, judged: Report | None) -> tuple[Report, str]:
    """A report that was judged as the others, and its digest; raises GateError with the reason."""
    if not file.is_file():
        said = f"there is no report {file}: it could not be checked out, or not be judged"
        raise CouldNotTell(said)
    report, digest = merge.read(file)
    if report.shard:
        raise CouldNotTell("this is the report of one shard")
    if judged and _rules(report) != _rules(judged):
        said = "it was judged at another time, by another policy or with another --require"
        raise CouldNotTell(said)
    return report, digest


def _row(name: str, file: str, report: Report, digest: str) -> Row:
    open_ = [f.level for f in report.all_findings if f.excuse is None]
    gates = [g.id for i in report.incidents for g in i.gates if g.status in NOT_PASSED]
    return Row(
        name,
        report.verdict,
        _tally(i.verdict for i in report.incidents) or "no incident",
        file,
        digest,
        tuple(dict.fromkeys(gates)),
        open_.count(CRITICAL),
        open_.count(WARNING),
    )


def _rules(report: Report) -> tuple[Any, ...]:
    return report.policy, report.as_of, report.require


def _tally(verdicts: Iterable[Verdict]) -> str:
    counted = Counter(findings.verdict_word(verdict).lower() for verdict in verdicts)
    return ", ".join(f"{number:,} {word}" for word, number in sorted(counted.items()))


# --- the page ------------------------------------------------------------------------------------


def render(shown: Overview, kind: str) -> str:
    """The page as text, markdown or json."""
    if kind == "json":
        return json_report.written(as_data(shown))
    return as_markdown(shown) if kind == "markdown" else as_text(shown)


def as_text(shown: Overview) -> str:
    """A line a repository."""
    lines = [_headline(shown), ""]
    for row in shown.rows:
        word = findings.verdict_word(row.verdict)
        gates = f" · {', '.join(row.failed_gates)}" if row.failed_gates else ""
        said = f"{row.repository}  {visible(row.says, 300)}{gates}"
        lines.append(f"  {findings.VERDICT_MARKS[row.verdict]} {word:<14} {said}")
    return "\n".join(lines) + "\n"


def as_markdown(shown: Overview) -> str:
    """A table, each repository a link to its own page."""
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    lines = [f"## {_headline(shown)}", "", "| Repository | Verdict | Incidents | Failed gates |"]
    lines.append("|---|---|---|---|")
    for row in shown.rows:
        mark, word = findings.VERDICT_MARKS[row.verdict], findings.verdict_word(row.verdict)
        cells = (
            f"[{markdown(row.repository)}]({target(f'{server}/{row.repository}')})",
            f"{mark} {word}",
            markdown(row.says, findings.MESSAGE),
            ", ".join(row.failed_gates),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"<sub>{markdown(_small_print(shown))}</sub>", ""])


def _headline(shown: Overview) -> str:
    mark, word = findings.VERDICT_MARKS[shown.verdict], findings.verdict_word(shown.verdict)
    number = counted(len(shown.rows), "repository", "repositories")
    return f"{mark} {word} · {number}: {_tally(row.verdict for row in shown.rows)}"


def _small_print(shown: Overview) -> str:
    if shown.judged is None:
        return f"incident-gates {__version__}"
    path, digest = shown.judged.policy
    policy = f"policy {path} (sha256 {(digest or 'unknown')[:12]})" if path else "no policy file"
    return f"incident-gates {__version__} · {policy} · judged as of {shown.judged.as_of}"


def as_data(shown: Overview) -> dict[str, Any]:
    """The page as plain data, described by schemas/overview.schema.json."""
    known = protocol.load()
    judged = shown.judged
    path, digest = judged.policy if judged else (None, None)
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "incident-gates", "version": __version__},
        "protocol": {
            "id": str(known.data["id"]),
            "version": known.version,
            "sha256": known.sha256,
        },
        "policy": {"path": path, "sha256": digest},
        "as_of": judged.as_of if judged else None,
        "require": judged.require if judged else None,
        "verdict": shown.verdict.value,
        "exit_code": shown.exit_code,
        "repositories": [
            {
                **row._asdict(),
                "verdict": row.verdict.value,
                "failed_gates": list(row.failed_gates),
            }
            for row in shown.rows
        ],
    }


def advisory(shown: Overview) -> Overview:
    """The same, without failing because of a gate; what could not be told still does."""
    return shown._replace(exit_code=0) if shown.exit_code == 1 else shown
