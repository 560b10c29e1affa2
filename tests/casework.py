"""Builds the record of a case: an example, with the one thing changed that the case is about.

A case is ``tests/cases/<RULE>/<name>/case.yaml``:

    why:      one sentence: what is wrong, or why it is in order
    base:     an example to start from (default: complete)
    now:      the moment of judging (default: 2026-03-20T00:00:00Z)
    require:  due | ready | all (default: due)
    gates:    only these gates
    strict:   let warnings fail
    policy:   the text of .incident-gates.yaml as data
    set:      {file: {/json/pointer: value}}      a last segment of - (or the next index) appends
    unset:    {file: [/json/pointer]}
    replace:  {file: [[old text, new text]]}       each old text must occur
    delete:   [file]                               files of the incident's folder, or of the site
    write:    {file: text}                         new or whole files, below the site with a slash
    link:     {file: target}                       symbolic links in the incident's folder
    refresh:  [pins, options, archive]             digests to compute again after the changes
    seal:     {commit: an id}                      a manifest over the folder, before the changes
    amend:    [{id, by, approved_by, files: [path]}]   amendments with the digests of those files
    git:      [{at, author, files}]                commits, oldest first; history is asked for

Each commit of ``git`` has a date ``at`` and an ``author`` (a name, or "name <address>"). ``files``
are glob patterns of the incident's folder, and take what is not committed yet (default: all);
``set``, ``replace``, ``delete`` and ``write`` change the record before it, for good, and ``seal``
seals it anew. A seal's ``commit`` may be HEAD.

Beside it, ``expected.txt`` holds the verdict and every finding, exactly. A larger changed file may
stand under ``files/`` instead of in ``write``.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sealwork
import yaml

from incident_gates import engine, facts, policy, protocol
from incident_gates.evidence import markdown, times
from incident_gates.incident import Record

if TYPE_CHECKING:
    from incident_gates.model import Finding, IncidentReport

ROOT = Path(__file__).resolve().parent
EXAMPLES = ROOT.parent / "examples"
CASES = ROOT / "cases"
KEYS = frozenset(
    ("why", "base", "now", "require", "gates", "strict", "policy", "set", "unset", "replace")
) | {"delete", "write", "link", "refresh", "seal", "amend", "git"}


@dataclass(frozen=True)
class Case:
    """One case as written."""

    folder: Path
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def rule(self) -> str:
        """The rule that the case is about."""
        return self.folder.parent.name

    @property
    def name(self) -> str:
        """Rule and name, as pytest shows them."""
        return f"{self.rule}/{self.folder.name}"

    @property
    def expected(self) -> str:
        """What the report must say."""
        path = self.folder / "expected.txt"
        return path.read_text(encoding="utf-8") if path.is_file() else ""


def load(folder: Path) -> Case:
    """One case; an unknown key is a mistake in the case."""
    data = yaml.load((folder / "case.yaml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    typed = yaml.safe_load((folder / "case.yaml").read_text(encoding="utf-8"))
    unknown = data.keys() - KEYS
    if unknown:
        raise ValueError(f"{folder}: unknown {', '.join(sorted(unknown))}")
    return Case(folder, _strings_for_times(typed))


def _strings_for_times(value: Any) -> Any:
    """YAML reads bare times as datetimes; evidence holds text."""
    if isinstance(value, dict):
        return {key: _strings_for_times(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strings_for_times(item) for item in value]
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def discovered() -> list[Case]:
    """Every case of the tree."""
    return [load(path.parent) for path in sorted(CASES.glob("*/*/case.yaml"))]


def build(case: Case, target: Path) -> Record:
    """The record of a case, in a folder of its own."""
    data = case.data
    shutil.copytree(EXAMPLES / data.get("base", "complete"), target, dirs_exist_ok=True)
    folder = next(p for p in sorted((target / ".artifacts/incidents").iterdir()) if p.is_dir())
    if "seal" in data:
        sealwork.seal(folder, **data["seal"])
    sealed = sealwork.digests(folder)
    if "git" in data:
        if "policy" in data:
            (target / policy.NAME).write_text(json.dumps(data["policy"]), encoding="utf-8")
        sealwork.commit_all(target, folder, data["git"], _change)
    _change(folder, target, data)
    overlay = case.folder / "files"
    if overlay.is_dir():
        shutil.copytree(overlay, folder, dirs_exist_ok=True)
    for what in data.get("refresh", ()):
        REFRESH[what](folder)
    if "amend" in data:
        sealwork.amend(folder, sealed, data["amend"])
    if "policy" in data:
        text = json.dumps(data["policy"], indent=2)
        (target / policy.NAME).write_text(text, encoding="utf-8")
    return Record(folder, site=target, base=target, protocol=protocol.load())


def _change(folder: Path, target: Path, data: dict[str, Any]) -> None:
    """Changes the files of a record."""
    for name, changes in data.get("set", {}).items():
        _edit(folder / name, lambda top, changes=changes: _set_all(top, changes))
    for name, pointers in data.get("unset", {}).items():
        _edit(folder / name, lambda top, pointers=pointers: _unset_all(top, pointers))
    for name, pairs in data.get("replace", {}).items():
        _replace(folder / name, pairs)
    for name in data.get("delete", ()):
        (folder / name if (folder / name).exists() else target / name).unlink()
    for name, text in data.get("write", {}).items():
        path = target / name if "/" in name else folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, to in data.get("link", {}).items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(to)


def judge(case: Case, target: Path) -> IncidentReport:
    """The report on a case."""
    record = build(case, target)
    own = target / policy.NAME
    limits = policy.Limits(protocol.load(), policy.read(own) if own.is_file() else policy.Policy())
    now = times.parse(case.data.get("now", "2026-03-20T00:00:00Z"))
    assert now is not None
    request = engine.Request(
        case.data.get("require", "due"),
        tuple(case.data.get("gates", ())),
        strict=bool(case.data.get("strict", False)),
        history="git" in case.data or None,
    )
    return engine.judge(record, limits, now.earliest, request)


def said(report: IncidentReport) -> str:
    """A report in the form of expected.txt: verdict and gates, then each finding with its details.

    Digests are left out: they change with every word of an example.
    """
    gates = " · ".join(f"{gate.number or 'P'} {gate.status.value}" for gate in report.gates)
    lines = [f"{report.verdict.value}: {gates}"]
    for gate in report.gates:
        lines += [line for f in gate.findings for line in _lines(report, f)]
        lines += [f"needs {line}" for f in gate.needs for line in _lines(report, f)[:1]]
    lines += [line for f in report.findings for line in _lines(report, f)]
    return DIGEST.sub("<digest>", "\n".join(lines)) + "\n"


DIGEST = re.compile(r"\b(?=[a-f]*[0-9])(?:[0-9a-f]{10}|[0-9a-f]{12}(?=…)|[0-9a-f]{40,64})\b")


def _lines(report: IncidentReport, finding: Finding) -> list[str]:
    file = finding.location.file.removeprefix(f"{report.path}/")
    where = f"{file}:{finding.location.line}" if finding.location.line else file
    subject = f" [{finding.subject}]" if finding.subject else ""
    excused = f" ({finding.excuse.kind})" if finding.excuse else ""
    head = f"{finding.level} {finding.rule} {where}{subject} {finding.message}{excused}"
    details = [
        *([f"expected: {finding.expected}"] if finding.expected else []),
        *(f"found: {line}" for line in finding.actual),
        *([f"concerns: {', '.join(finding.concerned)}"] if finding.concerned else []),
    ]
    return [head, *(f"    {line}" for line in details)]


# --- changes -------------------------------------------------------------------------------------


def _edit(path: Path, change: Any) -> None:
    top = json.loads(path.read_text(encoding="utf-8"))
    change(top)
    path.write_text(json.dumps(top, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _set_all(top: Any, changes: dict[str, Any]) -> None:
    for pointer, value in changes.items():
        parent, last = _parent(top, pointer)
        if isinstance(parent, list) and last in ("-", str(len(parent))):
            parent.append(value)
        else:
            parent[int(last) if isinstance(parent, list) else last] = value


def _unset_all(top: Any, pointers: list[str]) -> None:
    for pointer in pointers:
        parent, last = _parent(top, pointer)
        del parent[int(last) if isinstance(parent, list) else last]


def _parent(top: Any, pointer: str) -> tuple[Any, str]:
    *way, last = pointer.strip("/").split("/")
    for key in way:
        top = top[int(key) if isinstance(top, list) else key]
    return top, last


def _replace(path: Path, pairs: list[list[str]]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        if old not in text:
            raise ValueError(f"{path.name} does not hold {old!r}")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def _pins(folder: Path) -> None:
    """Pins each input that stands in the folder again."""

    def change(top: Any) -> None:
        for entry in top["inputs"]:
            copy = folder / entry["file"]
            if copy.is_file():
                entry["sha256"] = hashlib.sha256(copy.read_bytes()).hexdigest()

    _edit(folder / "prerequisites.json", change)


def _options(folder: Path) -> None:
    """Lets every approval carry the digest of its option as it is written now."""
    plan = markdown.parse((folder / "mitigation-plan.md").read_text(encoding="utf-8"))
    digests = {option.id: option.sha256 for option in facts.options(plan)}

    def change(top: Any) -> None:
        for decision in top["decisions"]:
            for approval in decision.get("approvals", ()):
                if "option_sha256" in approval:
                    approval["option_sha256"] = digests[decision["option"]]

    _edit(folder / "decision-log.json", change)


def _archive(folder: Path) -> None:
    """Lets the RCA manifest carry the digest of each file as it is now."""

    def change(top: Any) -> None:
        for item in top["items"]:
            if "path" in item:
                item["sha256"] = hashlib.sha256((folder / item["path"]).read_bytes()).hexdigest()

    _edit(folder / "rca-manifest.json", change)


REFRESH = {"pins": _pins, "options": _options, "archive": _archive}
