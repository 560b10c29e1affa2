"""What a rule, file, gate or word means, why, and where the protocol says so."""

from __future__ import annotations

import json
import re
import textwrap
from difflib import get_close_matches
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import controls, excuses, protocol, schema
from incident_gates import gates as _all_rules  # noqa: F401 - importing it registers them
from incident_gates.changes import CHANGES
from incident_gates.changes import GATE as CHANGE
from incident_gates.desk import glossary, says
from incident_gates.errors import UsageError
from incident_gates.report.escape import visible
from incident_gates.rules import RULES, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incident_gates.protocol import Artifact, Gate

WIDTH, MARGIN = 80, 13
EXAMPLES = Path(__file__).with_name("rule_examples.json")
TEMPLATES = Path(__file__).with_name("templates")
SCHEMA_VERSION = "1.0"
DUE = {
    "decision_recorded": "once a decision is recorded",
    "execution_started": "once an execution has started",
    "resolved": "once the record says that it is resolved",
    "closed": "once the record says that it is closed, or some days after it was resolved",
}
COLOURS = {"fails": "31;1", "passes": "32;1", "example": "1"}
NOT_LISTED = ("$schema", "schema_version", "incident_id", "derived_from")
NOT_SHOWN = ("$schema", "derived_from")
BARE = "[]{}(), "  # lines of these alone say nothing at the end of a snippet


class Example(NamedTuple):
    """A few lines of evidence that break a rule or keep it, or show a file."""

    verdict: str
    why: str
    file: str
    lines: tuple[str, ...]
    found: str = ""
    setting: tuple[str, ...] = ()


class Answer(NamedTuple):
    """What there is to say on a topic: a title, labelled sentences, examples, what to read on."""

    kind: str
    name: str
    title: str
    says: tuple[tuple[str, str], ...]
    examples: tuple[Example, ...] = ()
    see: tuple[str, ...] = ()


# --- finding the topic ---------------------------------------------------------------------------


def answer(topic: str) -> Answer:
    """The answer on a topic, however it is spelled; raises UsageError for an unknown one."""
    name = re.sub(r":\d+\Z", "", topic.strip()).rsplit("/", 1)[-1]  # file:line, as findings say
    padded = re.sub(r"\A([a-z]{3})(\d{1,2})\Z", _with_zeros, _bare(name))
    known = _topics()  # SEV-2 is a severity before it is a rule
    found = known.get(_bare(topic)) or known.get(_bare(name)) or known.get(padded)
    if found is None:
        raise UsageError(_unknown(topic))
    return found()


def _with_zeros(found: re.Match[str]) -> str:
    return f"{found[1]}{int(found[2]):03}"


def _bare(text: str) -> str:
    """A name as people remember it: letters, digits and dots, whatever joins them."""
    return re.sub(r"[^a-z0-9.]", "", text.casefold())


def _unknown(topic: str) -> str:
    names = {_bare(name): name for name in _names()}
    close = get_close_matches(_bare(topic), names, n=3, cutoff=0.6)
    if close:
        return f"Nothing is called {topic}. Did you mean {', '.join(names[c] for c in close)}?"
    return f"Nothing is called {topic}. `incident-gates explain` lists what there is."


def _names() -> list[str]:
    known = protocol.load()
    terms = [name for term, e in glossary.load().items() for name in (term, *e.get("also", ()))]
    return [*RULES, *CHANGES, *(g.id for g in known.gates), *known.artifacts, *terms]


@lru_cache(maxsize=1)
def _topics() -> dict[str, Callable[[], Answer]]:
    """Each spelling with what answers it; of two topics of one name the later one here wins."""
    known = protocol.load()
    found: dict[str, Callable[[], Answer]] = {}
    for artifact in known.artifacts.values():
        found[_bare(artifact.file.rsplit(".", 1)[0])] = partial(_file, artifact)
    for term, entry in glossary.load().items():
        for name in (term, *entry.get("also", ())):
            found[_bare(name)] = partial(_term, term)
    for artifact in known.artifacts.values():
        found[_bare(artifact.file)] = partial(_file, artifact)
    for gate in known.gates:
        number = str(gate.number or "P")
        for name in (gate.id, gate.name, f"{gate.name} Gate", number, f"Gate {number}"):
            found[_bare(name)] = partial(_gate, gate)
    for rule in (*RULES.values(), *CHANGES.values()):
        found[_bare(rule.id)] = partial(_rule, rule)
    return found


# --- rules ---------------------------------------------------------------------------------------


def _rule(rule: Rule) -> Answer:
    rows = (
        ("why", rule.why),
        ("fix", rule.fix),
        ("asked by", _asked_by(rule)),
        ("judged", "at once, due or not" if rule.at_once else "when its gate is due"),
        ("excuse", excuses.allowed(rule, protocol.load())),
        *((("reads", ", ".join(rule.needs)),) if rule.needs else ()),
        *(("protocol", said) for said in _in_protocol(rule)),
        *_controls(controls.of(rule.gate, rule.criterion)),
    )
    gate = () if rule.gate in ("record", CHANGE) else (rule.gate,)
    title = f"{rule.level}  {rule.says}"
    return Answer("rule", rule.id, title, rows, tuple(_examples(rule.id)), (*gate, *rule.needs))


def _controls(known: tuple[controls.Control, ...]) -> Iterator[tuple[str, str]]:
    """The controls that something speaks to, by framework; which those are is our judgement."""
    if known:
        yield "controls", f"{controls.told(known)} (our mapping)"


def _asked_by(rule: Rule) -> str:
    if rule.gate == CHANGE:
        return "the Action, of a change as a whole"
    criterion = protocol.load().criteria()[rule.gate][rule.criterion]
    where = "every file" if rule.gate == "record" else protocol.load().gate(rule.gate).name
    return f"{where}: {criterion}"


def _in_protocol(rule: Rule) -> Iterator[str]:
    """The protocol's own words that a rule stands on."""
    known = protocol.load()
    if rule.criterion == "order":
        yield f"[CRITICAL] {' '.join(known.data['critical_rule'].split())}"
    if rule.gate in {gate.id for gate in known.gates}:
        gate = known.gate(rule.gate)
        name = f"Gate {gate.number}, {gate.name}" if gate.number else gate.name
        yield f"{name}: {gate.asks}"
    for file in rule.needs[:1]:
        yield from _steps(file)


def _steps(file: str) -> Iterator[str]:
    """The steps of the protocol that ask for a file."""
    for phase in protocol.load().data["phases"]:
        for step in phase["steps"]:
            if file in step["evidence"]:
                halt = f" Halt: {step['halt']}" if "halt" in step else ""
                yield f"Step {step['id']}, {step['title']}: {step['action']}{halt}"


def _examples(rule_id: str) -> Iterator[Example]:
    known = _known_examples().get(rule_id, {})
    for verdict in ("fails", "passes"):
        if verdict in known:
            entry = known[verdict]
            setting = [f"policy: {line}" for line in entry.get("policy", ())]
            setting += [f"commit: {line}" for line in entry.get("git", ())]
            setting += [f"judged at {entry['as_of']}"] if "as_of" in entry else []
            said = entry["why"] or "The same, as it should be."
            lines = tuple(_trimmed(entry["lines"]))
            found = entry.get("found", "")
            yield Example(verdict, said, entry["file"], lines, found, tuple(setting))


@lru_cache(maxsize=1)
def _known_examples() -> dict[str, Any]:
    known: dict[str, Any] = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    return known


def _trimmed(lines: list[str]) -> list[str]:
    """A snippet without brackets and blank lines at its ends, which say nothing."""
    said = [number for number, line in enumerate(lines) if line.strip(BARE)]
    return textwrap.dedent("\n".join(lines[said[0] : said[-1] + 1])).split("\n") if said else lines


# --- files ---------------------------------------------------------------------------------------


def _file(artifact: Artifact) -> Answer:
    known = protocol.load()
    rows = [("home of", artifact.home_of or "an upstream input of the incident")]
    entry = next((e for e in known.inputs if e["file"] == artifact.file), None)
    if entry:
        of = f" from Protocol {entry['from']}" if "from" in entry else ""
        rows.append(("stands in", f"{entry['folder']}{of}; a closed incident keeps a copy"))
    if artifact.gate:
        gate = known.gate(artifact.gate)
        rows.append(("read by", f"{_title(gate)}, due {DUE[gate.due]}"))
    rows += [("protocol", said) for said in _steps(artifact.file)]
    if (TEMPLATES / artifact.file).is_file():
        rows.append(("begin with", f"incident-gates new ID, from phase {artifact.phase} on"))
    rules = [r.id for r in RULES.values() if artifact.file in r.needs]
    rows += [("rules", ", ".join(rules))] if rules else []
    stem = artifact.file.rsplit(".", 1)[0]
    rows += _controls(controls.of_file(artifact.file))
    rows += _fields(stem) if schema.known(stem) else []
    see = (artifact.gate,) if artifact.gate else ()
    title = _title_of(stem)
    return Answer("file", artifact.file, title, tuple(rows), tuple(_shown(artifact.file)), see)


def _title_of(stem: str) -> str:
    if not schema.known(stem):
        return "Markdown" if (TEMPLATES / f"{stem}.md").is_file() else ""
    return str(schema.load(stem).get("title", ""))


def _fields(stem: str) -> list[tuple[str, str]]:
    """Each field of a file as its schema describes it."""
    top = schema.load(stem)
    needed = set(top.get("required", ()))
    return [
        (f".{name}", f"{field.get('description', '')}{' Required.' if name in needed else ''}")
        for name, field in top.get("properties", {}).items()
        if name not in NOT_LISTED
        for field in [_with_inner(field)]
    ]


def _with_inner(field: dict[str, Any]) -> dict[str, Any]:
    """A field that is a list says what each of its entries holds."""
    shapes = [schema.resolve(shape) for shape in (field, *field.get("anyOf", ()))]
    items = (schema.resolve(shape.get("items", {})) for shape in shapes)
    inner = next((list(item["properties"]) for item in items if item.get("properties")), [])
    said = str(field.get("description", ""))
    return {**field, "description": f"{said} Each: {', '.join(inner)}."} if inner else field


def _shown(file: str) -> Iterator[Example]:
    """A file by example: made of its schema's own, or as it begins."""
    stem, kind = file.rsplit(".", 1)
    if kind == "json" and schema.known(stem):
        fields = schema.load(stem).get("properties", {})
        said = {n: f["examples"][0] for n, f in fields.items() if f.get("examples")}
        data = {name: value for name, value in said.items() if name not in NOT_SHOWN}
        text = json.dumps(data, indent=2, ensure_ascii=False)
        yield Example("example", "Made of the examples of its schema.", file, _lines(text))
    elif kind == "md" and (TEMPLATES / file).is_file():
        text = (TEMPLATES / file).read_text(encoding="utf-8")
        yield Example("example", "As it begins.", file, _lines(text))


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.rstrip().split("\n"))


# --- gates, terms --------------------------------------------------------------------------------


def _title(gate: Gate) -> str:
    return f"gate {gate.number or 'P'}, {gate.name}"


def _gate(gate: Gate) -> Answer:
    known = protocol.load()
    rows = [
        ("criteria", gate.asks),
        ("passes at", gate.pass_threshold),
        ("due", DUE[gate.due]),
        ("if failed", gate.failure_handling),
        ("evidence", ", ".join(gate.evidence)),
        ("waiver", " and ".join(gate.waiver) or "none: this gate cannot be waived"),
        ("judge it", f"incident-gates check --gate {gate.id}"),
    ]
    for name, entry in known.data["thresholds"].items():
        if entry.get("gate") == gate.id:
            flag = f", {entry['flag']}" if "flag" in entry else ""
            said = f"{name} {entry['comparison']} {entry['value']:g}"
            rows.append(("threshold", f"{said}{flag}"))
    for criterion, words in gate.criteria.items():
        rules = [r for r in RULES.values() if (r.gate, r.criterion) == (gate.id, criterion)]
        rows.append(("asks", f"{words}: {', '.join(r.id for r in rules)}"))
    halts = [said for file in gate.evidence for said in _steps(file)]
    rows += [("protocol", said) for said in dict.fromkeys(halts)]
    number = f"Gate {gate.number}" if gate.number else "Prerequisites"
    return Answer("gate", gate.id, f"{number}: {gate.name}", tuple(rows), see=gate.evidence)


def _term(term: str) -> Answer:
    entry = glossary.load()[term]
    rows = [("means", " ".join(entry["means"].split()))]
    rows += [("protocol", entry["protocol"])] if "protocol" in entry else []
    rows += [("also", ", ".join(entry["also"]))] if "also" in entry else []
    return Answer("term", term, "", tuple(rows), see=tuple(entry.get("see", ())))


# --- saying it -----------------------------------------------------------------------------------


def text(found: Answer, *, colour: bool = False) -> str:
    """An answer for a terminal."""
    head = f"{found.name}  {found.title}".rstrip()
    lines = [*(_painted(h, "1") if colour else h for h in says.wrapped(head, "  ")), ""]
    last = ""
    for label, said in found.says:
        lines += _labelled("" if label == last else label, said)
        last = label
    for example in found.examples:
        lines += ["", *_example(example, colour=colour)]
    if found.see:
        see = " · ".join(dict.fromkeys(found.see))
        lines += ["", *says.wrapped(f"See also: {see}", "  ")]
    return "\n".join(lines) + "\n"


def _labelled(label: str, said: str) -> list[str]:
    head = f"  {label:<{MARGIN - 3}} "
    own = len(head) > MARGIN
    lines = textwrap.wrap(
        said,
        WIDTH,
        initial_indent=" " * MARGIN if own else head,
        subsequent_indent=" " * MARGIN,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [head.rstrip(), *lines] if own else lines or [head.rstrip()]


def _example(example: Example, *, colour: bool) -> Iterator[str]:
    head = example.verdict.upper()
    said = textwrap.wrap(f"{head}  {example.why}", WIDTH - 2, subsequent_indent=" " * len(head))
    if colour:
        said[0] = said[0].replace(head, _painted(head, COLOURS[example.verdict]), 1)
    yield from (f"  {line}" for line in said)
    yield f"    {example.file}"
    if not example.lines and not example.setting:
        yield "    (no such file)"
    yield from (f"    │ {visible(line, WIDTH - 6)}" for line in example.lines)
    yield from (f"    {visible(line, WIDTH - 4)}" for line in example.setting)
    if example.found:
        yield from says.wrapped(f"    → {example.found}", " " * 6)


def _painted(said: str, code: str) -> str:
    return f"\x1b[{code}m{said}\x1b[0m"


def as_json(found: Answer) -> str:
    """An answer for another program; one shape whatever it is about."""
    data = {
        "schema_version": SCHEMA_VERSION,
        "kind": found.kind,
        "name": found.name,
        "title": found.title,
        "says": [{"label": label, "text": said} for label, said in found.says],
        "examples": [
            {**e._asdict(), "lines": list(e.lines), "setting": list(e.setting)}
            for e in found.examples
        ],
        "see": list(found.see),
    }
    return json.dumps(data, indent=2, ensure_ascii=True) + "\n"


def contents() -> str:
    """Everything that can be asked about, for who asks about nothing."""
    known = protocol.load()
    listed = (
        ("gates", [g.id for g in known.gates]),
        ("files", list(known.artifacts)),
        ("terms", sorted(glossary.load(), key=str.casefold)),
        ("rules", [*RULES, *CHANGES]),
    )
    lines = ["incident-gates explain RULE|FILE|GATE|TERM", ""]
    for label, names in listed:
        lines += [*_labelled(label, ", ".join(names)), ""]
    return "\n".join(lines).rstrip() + "\n"
