"""One record as a page that is read offline: no script, no network, printable, light and dark."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates.model import CRITICAL, INFO, WARNING, Status, Verdict
from incident_gates.report.escape import in_html
from incident_gates.report.findings import (
    MARKS,
    VERDICT_MARKS,
    gate_name,
    sentence,
    short,
    verdict_word,
    worst_first,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from incident_gates.model import Finding, GateReport, IncidentReport, Link, Metric
    from incident_gates.report.findings import Entry

    Words = Mapping[str, Mapping[str, str]]

STYLES = {
    Status.PASSED: "good",
    Status.FAILED: "bad",
    Status.WAIVED: "warn",
    Status.PENDING: "info",
    Status.NOT_APPLICABLE: "none",
    Status.ERROR: "bad",
    Verdict.PASSED: "good",
    Verdict.FAILED: "bad",
    Verdict.IN_PROGRESS: "info",
    Verdict.NOT_APPLICABLE: "none",
    Verdict.ERROR: "bad",
    CRITICAL: "bad",
    WARNING: "warn",
    INFO: "info",
    "contradicted": "bad",
    "not_provable": "warn",
    "proven": "good",
    "start": "none",
    "yes": "good",
    "but": "warn",
    "partly": "warn",
    "no": "bad",
    "amended": "warn",
    "excused": "warn",
    "emergency": "warn",
    "untold": "warn",
    "none": "none",
}
WORDS = {
    "yes": ("✓", "yes"),
    "but": ("!", "yes, with a warning"),
    "partly": ("?", "as far as checked"),
    "no": ("✗", "no"),
    "amended": ("!", "no, by amendment"),
    "excused": ("~", "no, and excused"),
    "emergency": ("!", "no, an emergency"),
    "untold": ("?", "cannot be told"),
    "none": ("-", "not asked"),
}
KNOTS = {"contradicted": "✗", "not_provable": "?", "proven": "✓", "start": "•"}
ORDERS = {
    "contradicted": "out of order",
    "not_provable": "order not provable",
    "proven": "in order",
    "start": "",
}
EXCUSED = "~"
LONG = 1000
PATH = 1024
SECONDS_A_MINUTE, MINUTES_AN_HOUR, HOURS_A_DAY = 60, 60, 24


class Grade(NamedTuple):
    """How git stands to one claimed time."""

    claim: str
    grade: str
    why: str
    file: str


class Proof(NamedTuple):
    """One piece of evidence of an answer: where it stands, and what else speaks for it."""

    says: str
    file: str
    line: int | None
    grade: str


class Answer(NamedTuple):
    """One question of an auditor, and how it stands: a key of WORDS."""

    question: str
    state: str
    says: str
    proofs: tuple[Proof, ...]


class About(NamedTuple):
    """What stands around the judgement, as plain data: the manifest, texts, and git's grades."""

    manifest: Mapping[str, Any]
    gates: Words
    rules: Words
    grades: Sequence[Grade] = ()
    unknown: str = ""
    answers: Sequence[Answer] = ()


def render(incident: IncidentReport, about: About) -> str:
    """The whole page."""
    sections = [
        ("gates", "Gates", _gates(incident, about)),
        ("line", "Causal line", _line(incident)),
        ("findings", "Findings", _findings(incident, about)),
        ("excuses", "Waivers and deviations", _excuses(incident)),
        ("git", "What git knows", _git(about)),
        ("metrics", "Quality metrics", _metrics(about.manifest)),
        ("files", "Files", _files(about.manifest)),
        ("exchange", "Inputs and outputs", _exchange(about.manifest)),
        ("log", "Validation by hand", _log(incident)),
        ("assurance", "What this proves, and what not", _assurance(incident)),
    ]
    shown = [(name, title, body) for name, title, body in sections if body]
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title, _ in shown)
    body = [*_header(incident, about), "<main id=main tabindex=-1>", _answers(incident, about)]
    body.append(f'<nav aria-label="Sections"><ul>{links}</ul></nav>')
    for name, title, text in shown:
        body.append(
            f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{text}</section>'
        )
    body += ["</main>", _footer(about)]
    title = f"{_text(incident.incident_id)}: {verdict_word(incident.verdict).lower()}"
    return _skeleton().substitute(title=title, style=_style(), body="\n".join(body))


@cache
def _skeleton() -> Template:
    return Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))


@cache
def _style() -> str:
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")


# --- pieces --------------------------------------------------------------------------------------


def _text(value: object, longest: int = LONG) -> str:
    return in_html(str(value), longest)


def _code(value: object) -> str:
    return f"<code>{_text(value, PATH)}</code>"


def _digest(value: object) -> str:
    return f'<span class="digest">{_text(value)}</span>' if value else "–"


def _badge(key: Any, mark: str, word: str, more: str = "") -> str:
    """A state: colour, mark and word say the same, so that none of them is needed."""
    return f'<span class="badge {STYLES[key]}{more}">{mark} {_text(word)}</span>'


def _facts(pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in pairs if value)
    return f'<dl class="facts">{rows}</dl>' if rows else ""


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first cell of a row names the row; it scrolls by keyboard where too wide."""
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    if not body:
        return ""
    inside = f"<caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    label = f'role="region" aria-label="{caption}" tabindex="0"'
    return f'<div class="wide" {label}><table>{inside}</table></div>'


def _cells(row: Sequence[str]) -> str:
    first, *rest = row
    return f'<th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest)


def _where(incident: IncidentReport, file: str, line: int | None) -> str:
    return _code(short(incident, file) + (f":{line}" if line else ""))


# --- above all -----------------------------------------------------------------------------------


def _header(incident: IncidentReport, about: About) -> Iterator[str]:
    mark, word = VERDICT_MARKS[incident.verdict], verdict_word(incident.verdict)
    yield '<a class="skip" href="#main">To the report</a>'
    yield "<header>"
    yield '<p class="soft small">Evidence of an incident, judged by Incident Gates</p>'
    yield f'<div class="head"><h1>{_text(incident.incident_id)}</h1>'
    yield f"{_badge(incident.verdict, mark, word, ' big')}</div>"
    yield f'<p class="lead">{_lead(incident)}</p>'
    yield _facts(
        [
            ("Severity", _text(incident.severity or "not recorded")),
            ("State", _text(incident.state) + (", sealed" if about.manifest["sealed"] else "")),
            ("Judged as of", _text(incident.as_of)),
            ("Folder", _code(incident.path)),
        ]
    )
    yield "</header>"


def _lead(incident: IncidentReport) -> str:
    """The worst fact, or that there is none."""
    first = next(iter(worst_first(incident)), None)
    if first and not first.finding.excuse and first.finding.level != INFO:
        said = sentence(_text(first.finding.message))
        return f"{_text(gate_name(first.gate))}: {said}"
    waived = [gate_name(g) for g in incident.gates if g.status is Status.WAIVED]
    if waived:
        return f"{_text(', '.join(waived))}: waived, not passed. Nothing else stands against it."
    if incident.verdict is Verdict.PASSED:
        return "Nothing stands against this record."
    return "Nothing that is due has failed; more is to come."


def _answers(incident: IncidentReport, about: About) -> str:
    """The four questions that an auditor brings, before everything else."""
    cards = "".join(_answer(incident, answer) for answer in about.answers)
    title = '<h2 id="answers">Four questions</h2>'
    return f'<section aria-labelledby="answers">{title}<div class="cards">{cards}</div></section>'


def _answer(incident: IncidentReport, answer: Answer) -> str:
    badge = _badge(answer.state, *WORDS[answer.state])
    items = "".join(
        f"<li>{_text(p.says)}{_source(incident, p)}"
        f"{f'<span class=meta>{_text(p.grade)}</span>' if p.grade else ''}</li>"
        for p in answer.proofs
    )
    listed = f"<ul>{items}</ul>" if items else ""
    style = STYLES[answer.state]
    head = f"<h3>{_text(answer.question)} {badge}</h3>"
    return f'<div class="card is-{style}">{head}<p>{sentence(_text(answer.says))}</p>{listed}</div>'


def _source(incident: IncidentReport, proof: Proof) -> str:
    return f" {_where(incident, proof.file, proof.line)}" if proof.file else ""


def _gates(incident: IncidentReport, about: About) -> str:
    rows = [
        (
            _text(gate_name(gate)),
            _badge(gate.status, MARKS[gate.status], gate.status.value.replace("_", " ")),
            _text(gate.summary) or "–",
            _text(about.gates.get(gate.id, {}).get("pass_threshold", "")) + _measures(gate),
            _count_of(gate),
        )
        for gate in incident.gates
    ]
    heads = ("Gate", "Status", "Measured", "Required", "Findings")
    return _table("How each gate stands, what was measured, and what is asked", heads, rows)


def _measures(gate: GateReport) -> str:
    return "".join(f'<span class="meta">{_metric(m)}</span>' for m in gate.metrics)


def _metric(metric: Metric) -> str:
    name = _text(metric.name.replace("_", " "))
    if metric.value is None:
        return f"{name}: not measured"
    ratio = metric.unit == "ratio"
    value = f"{metric.value:.1%}" if ratio else f"{metric.value:g} {_text(metric.unit)}"
    if metric.threshold is None:
        return f"{name}: {value}"
    sign = "≤" if metric.comparison == "<=" else "≥"
    return f"{name}: {value} ({sign} {metric.threshold:{'.0%' if ratio else 'g'}})"


def _count_of(gate: GateReport) -> str:
    open_ = [f for f in gate.findings if not f.excuse]
    counts = [(level, sum(f.level == level for f in open_)) for level in (CRITICAL, WARNING, INFO)]
    said = [f"{count} {level.lower()}" for level, count in counts if count]
    excused = len(gate.findings) - len(open_)
    said += [f"{excused} excused"] if excused else []
    said += [f"{len(gate.needs)} still needed"] if gate.needs else []
    return ", ".join(said) or "none"


# --- the causal line -----------------------------------------------------------------------------


def _line(incident: IncidentReport) -> str:
    links = incident.causal_line
    if not links:
        return ""
    said = "Each event with its time as claimed, and how it stands to what had to come before it."
    items = [
        _event(incident, link, before, after)
        for before, link, after in zip((None, *links[:-1]), links, (*links[1:], None), strict=True)
    ]
    return f"<p>{said}</p><ol class=line>{''.join(items)}</ol>"


def _event(incident: IncidentReport, link: Link, before: Link | None, after: Link | None) -> str:
    style = STYLES.get(link.order, "none")
    broken = " class=next-broken" if after and after.order == "contradicted" else ""
    order = ORDERS.get(link.order, "")
    gap = f'<span class="gap {style}">{_text(link.gap)}</span>' if link.gap else ""
    since = _since(before, link)
    meta = [order, since, f"known to the {link.precision}" if _coarse(link) else ""]
    meta += [_text(link.actor), _where(incident, link.location.file, link.location.line)]
    return (
        f"<li{broken}>"
        f'<span class="knot {style}" aria-hidden=true>{KNOTS.get(link.order, "•")}</span>'
        f'<span class="when">{_text(link.time)}</span> '
        f'<span class="what">{_text(link.label)}</span>'
        f'{gap}<span class="meta">{" · ".join(filter(None, meta))}</span></li>'
    )


def _coarse(link: Link) -> bool:
    return link.precision in ("hour", "day")


def _since(before: Link | None, link: Link) -> str:
    """How long after the event before it; nothing where either has no time."""
    if before is None or not before.earliest or not link.earliest:
        return ""
    begin, end = (
        datetime.fromisoformat(t.replace("Z", "+00:00")) for t in (before.earliest, link.earliest)
    )
    minutes = int((end - begin).total_seconds()) // SECONDS_A_MINUTE
    hours, minutes = divmod(minutes, MINUTES_AN_HOUR)
    days, hours = divmod(hours, HOURS_A_DAY)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"))
    return f"+{' '.join(f'{n} {unit}' for n, unit in parts if n) or '0 min'}"


# --- findings ------------------------------------------------------------------------------------


def _findings(incident: IncidentReport, about: About) -> str:
    entries = worst_first(incident)
    needs = [(gate, need) for gate in incident.gates for need in gate.needs]
    if not entries and not needs:
        return "<p>None.</p>"
    names = list(dict.fromkeys(gate_name(entry.gate) for entry in entries))
    parts = []
    for name in names:
        parts.append(f"<h3>{_text(name)}</h3>")
        parts += [_finding(e, about) for e in entries if gate_name(e.gate) == name]
    if needs:
        parts.append("<h3>Still needed by gates that are not due</h3><ul>")
        parts += [
            f"<li>{_text(gate_name(gate))}: {_text(need.message)} "
            f"{_where(incident, need.location.file, need.location.line)}</li>"
            for gate, need in needs
        ]
        parts.append("</ul>")
    return "".join(parts)


def _finding(entry: Entry, about: About) -> str:
    finding, incident = entry.finding, entry.incident
    level = f"{EXCUSED} excused" if finding.excuse else finding.level.lower()
    style = "warn" if finding.excuse else STYLES[finding.level]
    badge = f'<span class="badge {style}">{level}</span>'
    actual = "<br>".join(_text(row) for row in finding.actual)
    facts = _facts(
        [
            ("Expected", _text(finding.expected)),
            ("Actual", actual),
            ("Why asked", _text(about.rules.get(finding.rule, {}).get("why", ""))),
            ("Next", _text(finding.fix)),
            ("Excused", _excused_by(finding)),
        ]
    )
    where = _where(incident, finding.location.file, finding.location.line)
    head = f"<h4>{badge} {_code(finding.rule)} {_text(finding.message)}</h4>"
    return f'<article class="is-{style}">{head}{where}{_excerpt(finding)}{facts}</article>'


def _excerpt(finding: Finding) -> str:
    """The line of evidence, with the value marked."""
    place = finding.location
    source = (place.source or "").rstrip()
    if place.line is None or source.strip() in ("", "{", "["):
        return ""
    indent = len(source) - len(source.lstrip())
    row = f'<span class="row">{place.line} │ </span>'
    if not place.column or not place.end_column:
        return f"<pre>{row}{_text(source[indent:])}</pre>"
    begin, end = max(indent, place.column - 1), place.end_column - 1
    marked = f"{_text(source[indent:begin])}<mark>{_text(source[begin:end])}</mark>"
    return f"<pre>{row}{marked}{_text(source[end:])}</pre>"


def _excused_by(finding: Finding) -> str:
    if finding.excuse is None:
        return ""
    excuse = finding.excuse
    until = f", until {_text(excuse.expires)}" if excuse.expires else ""
    by = _text(" and ".join(excuse.by))
    return f"{_text(excuse.kind)} by {by}{until}: {_text(excuse.reason)}"


def _excuses(incident: IncidentReport) -> str:
    rows = [
        (
            _code(f.rule),
            _text(f.excuse.kind),
            _text(" and ".join(f.excuse.by)),
            _text(f.excuse.reason),
            _text(f.excuse.expires or "no expiry"),
            _where(incident, f.excuse.location.file, f.excuse.location.line),
        )
        for f in incident.all_findings
        if f.excuse
    ]
    heads = ("Rule", "Kind", "Granted by", "Reason", "Until", "Where")
    return _table("Who excused what, and why: waived is not passed", heads, rows)


# --- the package ---------------------------------------------------------------------------------


def _git(about: About) -> str:
    manifest = about.manifest
    loose = ", ".join(_code(path) for path in manifest["uncommitted"][:50])
    facts = _facts(
        [
            (
                "Last commit of the evidence",
                _code(manifest["commit"]) if manifest["commit"] else "",
            ),
            ("Not committed as it is", loose),
            ("Not known", _text(about.unknown)),
        ]
    )
    rows = [
        (_text(g.claim), _text(g.grade.replace("_", " ")), _text(g.why), _code(g.file))
        for g in about.grades
    ]
    heads = ("Claimed time", "Grade", "Why", "Where")
    return facts + _table(
        "How git stands to each claimed time; a commit date is a claim", heads, rows
    )


def _metrics(manifest: Mapping[str, Any]) -> str:
    rows = []
    for metric in manifest["quality_metrics"]:
        actual = "–" if metric["value"] is None else f"{metric['value']:.1%}"
        status = metric["status"].replace("_", " ")
        rows.append((_text(metric["name"]), target(metric), actual, _text(status)))
    return _table("The protocol's measures", ("Metric", "Target", "Actual", "Status"), rows)


def target(metric: Mapping[str, Any]) -> str:
    """A target as the protocol writes it: ``≥ 95%``, and ``100%`` where nothing can be above."""
    if metric["comparison"] == ">=" and metric["target"] == 1:
        return "100%"
    sign = {">=": "≥", "<=": "≤"}[metric["comparison"]]
    return f"{sign} {metric['target']:.0%}"


def _files(manifest: Mapping[str, Any]) -> str:
    rows = [
        (
            _code(file["path"]),
            f"{file['size']:,}",
            _text(file["role"].replace("_", " ")),
            "sealed" if file["sealed"] else "may change",
            _digest(file["sha256"]),
        )
        for file in manifest["files"]
    ]
    heads = ("Path", "Bytes", "Role", "Seal", "SHA-256")
    table = _table("Every file of the record, as listed in evidence-manifest.json", heads, rows)
    left = [(_code(e["path"]), _text(e["reason"])) for e in manifest["left_out"]]
    seals = [
        (_text(s["as_of"]), _text(", ".join(s["amendments"])) or "–", _digest(s["sha256"]))
        for s in manifest["seals"]
    ]
    taken = ("As of", "Replaced by amendments", "SHA-256 of that manifest")
    return (
        table
        + _table("Left out of the package", ("Path", "Why"), left)
        + _table("Earlier seals, oldest first", taken, seals)
    )


def _exchange(manifest: Mapping[str, Any]) -> str:
    inputs = [
        (_code(i["file"]), _text(i["from_protocol"] or "–"), _pin(i), _digest(i["sha256"]))
        for i in manifest["inputs"]
    ]
    outputs = [
        (_code(o["file"]), _text(o["to_protocol"]), _output(o), _digest(o["sha256"]))
        for o in manifest["outputs"]
    ]
    taken = ("File", "From protocol", "State", "SHA-256")
    given = ("File", "To protocol", "State", "SHA-256")
    return _table("Inputs", taken, inputs) + _table("Outputs", given, outputs)


def _pin(entry: Mapping[str, Any]) -> str:
    if not entry["present"]:
        return "absent" if entry["required"] else "absent, optional"
    if not entry["pinned_sha256"]:
        return "there, not pinned"
    return "as pinned" if entry["sha256"] == entry["pinned_sha256"] else "not as pinned"


def _output(entry: Mapping[str, Any]) -> str:
    if not entry["owed"]:
        return "not owed"
    lacking = [name for name in ("present", "valid", "unchanged") if not entry[name]]
    return f"not {', not '.join(lacking)}" if lacking else "present, valid, the bytes judged"


def _log(incident: IncidentReport) -> str:
    items = "".join(f"<li>{_text(line)}</li>" for line in incident.log)
    return f"<p>Shown, never counted instead of a gate.</p><ul>{items}</ul>" if items else ""


def _assurance(incident: IncidentReport) -> str:
    said = incident.assurance
    facts = _facts(
        [
            ("Consistent", _text(", ".join(said.consistent)) or "–"),
            ("Corroborated here", _text(", ".join(said.corroborated)) or "–"),
            ("Not corroborated", _text(", ".join(said.not_corroborated)) or "–"),
        ]
    )
    return (
        f"{facts}<p>The record agrees with itself, or it does not: that is what the gates tell. "
        "A typed name is not a signature, and a commit date is a claim. VERIFY.md beside this page "
        "says how to check digests, history and signature with standard tools.</p>"
    )


def _footer(about: About) -> str:
    manifest = about.manifest
    protocol = manifest["protocol"]
    facts = _facts(
        [
            ("Protocol", f"{_text(protocol['id'])}, version {_text(protocol['version'])}"),
            ("Its SHA-256", _digest(protocol["sha256"])),
            (
                "Policy SHA-256",
                _digest(manifest["policy_sha256"]) if manifest["policy_sha256"] else "no policy",
            ),
            ("Tool", f"{_text(manifest['tool']['name'])} {_text(manifest['tool']['version'])}"),
        ]
    )
    return f"<footer>{facts}</footer>"
