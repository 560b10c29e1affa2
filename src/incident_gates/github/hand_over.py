"""Hands a report to the workflow: log, annotations, step summary and outputs."""

from __future__ import annotations

import json
import os
import re
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from incident_gates.errors import CouldNotTell, GateError
from incident_gates.model import CRITICAL, WARNING, Status, Verdict
from incident_gates.report import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from incident_gates.model import Report

TITLE = "Incident Gates"
# Ids are names of folders, so anybody's: a caller may put them into a shell.
_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]")
MOST_IDS = 1000
MOST_ID_CHARS = 100


def inert(text: str) -> str:
    """A text for the log in which the runner obeys nothing, whatever stands in it."""
    token = uuid.uuid4().hex
    return f"::stop-commands::{token}\n{text.rstrip()}\n::{token}::\n"


def outputs(report: Report, reports: Sequence[str] = ()) -> dict[str, str]:
    """What other steps can ask for: words, numbers, and lists as JSON."""
    gates = [g.id for i in report.incidents for g in i.gates if g.status in _NOT_PASSED]
    open_ = [f.level for f in report.all_findings if f.excuse is None]
    ids = [_UNUSUAL.sub("_", i.incident_id)[:MOST_ID_CHARS] for i in report.incidents]
    return {
        "verdict": report.verdict.value,
        "incidents": json.dumps(ids[:MOST_IDS]),
        "failed-gates": json.dumps(list(dict.fromkeys(gates))),
        "critical": str(open_.count(CRITICAL)),
        "warnings": str(open_.count(WARNING)),
        "reports": json.dumps(list(reports)),
    }


_NOT_PASSED = (Status.FAILED, Status.ERROR)


def write_outputs(values: Mapping[str, str]) -> None:
    """Gives values to the steps that follow; a value never ends before its delimiter."""
    lines = []
    for name, value in values.items():
        delimiter = f"ghadelimiter_{uuid.uuid4().hex}"
        if delimiter in value or delimiter in name:
            raise CouldNotTell(f"The output {name} cannot be written safely.")
        lines.append(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")
    _append("GITHUB_OUTPUT", "".join(lines))


def write_summary(text: str) -> None:
    """Adds to what the run's page shows."""
    _append("GITHUB_STEP_SUMMARY", text if text.endswith("\n") else f"{text}\n")


def summary(report: Report, texts: Mapping[str, Mapping[str, str]], *, linked: bool = True) -> str:
    """What the run's page shows; files are links to their lines at the commit judged."""
    from incident_gates.report import markdown

    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA")
    parts = [os.environ.get(name, "") for name in names]
    if not all(parts) or not linked:
        return markdown.render(report, texts, base=report.base)
    tree = "/".join((*parts[:2], "blob", parts[2]))

    def link(file: str, line: int | None) -> str:
        return f"{tree}/{escape.uri(file)}" + (f"#L{line}" if line else "")

    return markdown.render(report, texts, link, base=report.base)


def _append(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if not path:
        return
    try:
        with Path(path).open("ab") as stream:  # bytes: the runner splits at LF alone
            stream.write(text.encode())
    except OSError as error:
        raise CouldNotTell(f"{variable} cannot be written: {error.strerror}.") from error


def error(sentence: str) -> str:
    """The annotation that says why nothing could be told."""
    said = escape.command_data(escape.visible(sentence, 1000))
    return f"::error title={TITLE}::{said}\n"


def could_not_tell(sentence: str) -> str:
    """Says in outputs and summary that there is no verdict; returns the annotation to print."""
    write_outputs({"verdict": Verdict.ERROR.value, "incidents": "[]", "failed-gates": "[]"})
    write_outputs({"critical": "0", "warnings": "0", "reports": "[]"})
    shown = escape.markdown(sentence, 1000)
    write_summary(f"## COULD NOT TELL\n\n{shown}\n\nNever read this as a pass.\n")
    return error(sentence)


@contextmanager
def announced() -> Iterator[None]:
    """Lets every error that ends a run be seen in the workflow too, then go on its way."""
    try:
        yield
    except Exception as error_:
        known = isinstance(error_, (GateError, ImportError))
        said = str(error_) if known else f"{type(error_).__name__}: this is a bug; please report it"
        print(could_not_tell(said), end="", flush=True)  # noqa: T201 - a command for the runner
        raise
