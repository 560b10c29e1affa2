"""A whole record: whatever its files say, a report comes out that points inside them.

An input is a list of edits of the complete example, each a line ``=== VERB FILE POINTER`` and,
below it, what it needs:

    === set severity-assessment.json /classifications/0/severity
    "SEV-9"
    === unset decision-log.json /decisions/0/approvals
    === line incident-timeline.md 7
    - 02:10 UTC Something else
    === write .incident-gates.yaml
    strict: true
    === delete retrospective.md
    === judge all

A file, a key or a number that is not there stands for one that is, so that any bytes are an edit.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reportwork as work
import runner_oracle as runner
from shared import expect, expect_inside

from incident_gates import engine, policy, protocol
from incident_gates.errors import PolicyError
from incident_gates.evidence import strict_json, times
from incident_gates.incident import Record
from incident_gates.model import CRITICAL, Status, Verdict
from incident_gates.report import json_report

if TYPE_CHECKING:
    from incident_gates.model import Finding, IncidentReport

EXAMPLE = Path(__file__).resolve().parents[3] / "examples/complete"
FOLDER = ".artifacts/incidents/INC-2026-0042"
REQUIRED = ("due", "ready", "all")
EDIT = re.compile(rb"^=== ?", re.MULTILINE)
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
AS_OF = times.parse("2026-03-20T00:00:00Z")


class Site:
    """The example on disk, put in order again after each input."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="incident-gates-fuzz-"))
        atexit.register(shutil.rmtree, self.root, ignore_errors=True)
        shutil.copytree(EXAMPLE, self.root, dirs_exist_ok=True)
        self.folder = self.root / FOLDER
        found = sorted(path for path in self.folder.iterdir() if path.is_file())
        self.kept = {path.name: path.read_bytes() for path in found}
        self.names = [*self.kept, *protocol.load().artifacts, policy.NAME]
        self.now = dict(self.kept)
        self.require = "due"

    def path(self, name: str) -> Path:
        return (self.root if name == policy.NAME else self.folder) / name

    def begin(self) -> None:
        """The example again."""
        for name in self.now.keys() | self.kept.keys():
            if self.now.get(name) != self.kept.get(name):
                self.put(name, self.kept.get(name))
        self.require = "due"

    def put(self, name: str, data: bytes | None) -> None:
        """Writes a file, or takes it away."""
        if data is None:
            self.path(name).unlink(missing_ok=True)
            self.now.pop(name, None)
        else:
            self.path(name).write_bytes(data)
            self.now[name] = data

    def edit(self, said: bytes) -> None:
        """Carries one edit out."""
        head, _, body = said.partition(b"\n")
        verb, name, where = [*head.decode("utf-8", "replace").split(" ", 2), "", ""][:3]
        file = chosen(self.names, name)
        if verb == "judge":
            self.require = chosen(REQUIRED, name)
        elif verb == "write":
            self.put(file, body)
        elif verb == "line":
            self.put(file, with_line(self.now.get(file, b""), number(where), body))
        elif verb == "delete":
            self.put(file, None)
        elif file.endswith(".json"):
            value = json_or_text(body) if verb == "set" else None
            self.put(file, with_value(self.now.get(file, b"{}"), where, value))


SITE = Site()
LIMITS = policy.Limits(protocol.load())


def fuzz(data: bytes) -> None:
    """One record, judged and reported."""
    # Else the engine makes a finding of what broke down, and says not where.
    os.environ[engine.DEBUG] = "1"
    SITE.begin()
    for said in EDIT.split(data)[1:9]:
        SITE.edit(said)
    try:
        limits = LIMITS if policy.NAME not in SITE.now else own_limits()
    except PolicyError:
        return
    report = judged(limits)
    expect_verdict(report)
    for finding in findings(report):
        expect_place(finding)
    expect_printed(report)


def own_limits() -> policy.Limits:
    """Those of a policy that the edits wrote."""
    return policy.Limits(protocol.load(), policy.read(SITE.path(policy.NAME)))


def judged(limits: policy.Limits) -> IncidentReport:
    """The report on the record as it stands."""
    record = Record(SITE.folder, site=SITE.root, base=SITE.root, protocol=protocol.load())
    moment = AS_OF.earliest if AS_OF else None
    return engine.judge(record, limits, moment, engine.Request(SITE.require, history=False))


def findings(report: IncidentReport) -> list[Finding]:
    """All that was found."""
    gates = [found for gate in report.gates for found in (*gate.findings, *gate.needs)]
    return [*gates, *report.findings]


def expect_verdict(report: IncidentReport) -> None:
    """Our own code did not break down, and nothing passes against its own findings."""
    for gate in report.gates:
        worst = [f for f in gate.findings if f.level == CRITICAL and not f.excuse]
        passed = gate.status in (Status.PASSED, Status.WAIVED)
        expect(not (passed and worst), f"{gate.id} passed in spite of {worst[:1]}")
        expect(gate.status is not Status.ERROR, f"{gate.id}: {gate.summary}")
    failed = any(gate.status is Status.FAILED and gate.due for gate in report.gates)
    expect(not (failed and report.verdict is Verdict.PASSED), "passed with a failed gate")
    expect(report.verdict is not Verdict.ERROR, "could not be judged")


def expect_place(finding: Finding) -> None:
    """A finding points inside its file."""
    at = finding.location
    name = at.file.rsplit("/", 1)[-1]
    if at.line is not None and name in SITE.now:
        text = SITE.now[name].decode("utf-8", "replace")
        # A bare carriage return ends a line of Markdown, and of nothing else.
        text = text.replace("\r", "\n") if name.endswith(".md") and "\r\n" not in text else text
        expect_inside(text, at.line, at.column or 1)


def expect_printed(report: IncidentReport) -> None:
    """What is printed commands nobody, and the JSON report is one that we would let in."""
    whole = work.wrap(report)
    printed = work.RENDERERS["text"](whole)
    expect(not CONTROLS.search(printed), "a control character is printed")
    expect(not list(runner.commands(printed)), "the printed report commands")
    strict_json.parse(json_report.render(whole))


# --- edits -----------------------------------------------------------------------------------


def chosen(names: Any, said: str) -> Any:
    """The one of that name, or one for any other name."""
    return said if said in names else list(names)[number(said) % len(names)]


def number(said: str) -> int:
    """A number for any text."""
    return int(said) if re.fullmatch(r"[0-9]{1,6}", said) else sum(said.encode())


def json_or_text(body: bytes) -> Any:
    """A value from the lines below an edit."""
    text = body.decode("utf-8", "replace").strip("\n")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def with_line(data: bytes, at: int, body: bytes) -> bytes:
    """The file with one line replaced by others."""
    lines = data.split(b"\n")
    lines[at % len(lines)] = body.removesuffix(b"\n")
    return b"\n".join(lines)


def with_value(data: bytes, pointer: str, value: Any) -> bytes:
    """The file with one value replaced; None takes it away."""
    try:
        top = json.loads(data)
    except (ValueError, RecursionError):
        return data
    parent, key = top, ""
    *way, last = pointer.strip("/").split("/") if isinstance(top, dict) and top else [""]
    for step in way:
        key = step_in(parent, step)
        below = parent[key] if key is not None else None
        if not isinstance(below, (dict, list)) or not below:
            break
        parent = below
    change(parent, last, value)
    return json.dumps(top, indent=2, ensure_ascii=True).encode()


def step_in(parent: Any, step: str) -> Any:
    """A key or index of a container for any step."""
    if not isinstance(parent, (dict, list)) or not parent:
        return None
    return chosen(parent.keys(), step) if isinstance(parent, dict) else number(step) % len(parent)


def change(parent: Any, last: str, value: Any) -> None:
    """Sets, appends or takes away."""
    if isinstance(parent, list) and (last == "-" or not parent):
        parent.append(value)
    elif isinstance(parent, dict) and value is not None:
        parent[last] = value
    elif (key := step_in(parent, last)) is not None:
        if value is None:
            del parent[key]
        else:
            parent[key] = value
