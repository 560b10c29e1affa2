"""Records an option of the mitigation plan: typed, or cited from the policy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import facts
from incident_gates.desk.record import given, readiness, standing, words
from incident_gates.desk.record.draft import opened
from incident_gates.errors import CouldNotTell, UsageError
from incident_gates.evidence import markdown, times
from incident_gates.incident import is_placeholder, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incident_gates.desk.found import Found
    from incident_gates.desk.record.draft import Draft
    from incident_gates.run import Job

PLAN = "mitigation-plan.md"
LABELS = {
    "strategy": "Strategy",
    "target": "Target",
    "services": "Services",
    "action": "Action",
    "runbook": "Runbook",
    "risks": "Risks",
    "dependencies": "Dependencies",
    "expected_duration": "Expected duration",
}


class Option(NamedTuple):
    """What can be done about it."""

    id: str | None = None
    title: str = ""
    strategy: str = ""
    target: str = ""
    services: Sequence[str] = ()
    risks: str = ""
    dependencies: str = ""
    expected: str = ""
    text: str = ""
    why: str = ""
    propose: bool = False
    standing: str | None = None
    verified: Sequence[str] = ()
    by: str | None = None
    evidence: str = ""
    at: str | None = None
    source: str = ""


def record(job: Job, said: Option) -> words.Answer:
    """Adds the option's section; one cited from the policy brings its readiness along."""
    with opened(job) as draft:
        found = draft.found
        moment = given.moment(said.at, found.now, source=said.source)
        known = standing.option(found, said.standing) if said.standing else {}
        ident = _id(found, said)
        title, stated, text = _content(found, said, known)
        recorded = moment.recorded(found.now)
        if recorded:
            text = "\n\n".join(part for part in (text, log_note(recorded)) if part)
        _add(draft, ident, title, stated, text)
        _propose(draft, ident, said, known)
        if known:
            named = readiness.Verified(said.verified, said.by, said.evidence, said.at, said.source)
            readiness.cite(draft, known, ident, named)
        elif said.verified:
            raise UsageError("--verified goes with --standing; else use record readiness.")
    sentence = f"{ident}: {title} ({stated['strategy']})"
    return words.answered(draft, sentence, words.step(found, "2.2" if known else "2.1"))


def log_note(recorded: Mapping[str, str]) -> str:
    """When a section was written down, and where it can be seen."""
    at, source = recorded.get("recorded_at"), recorded.get("source")
    said = [*([f"Recorded {at}."] if at else []), *([f"Source: {source}."] if source else [])]
    return " ".join(said)


def _id(found: Found, said: Option) -> str:
    taken = [o.id for o in found.chain.options if not is_placeholder(o.title)]
    return given.new_id(said.id, taken, "--id") if said.id else given.next_id("O", taken)


def _content(
    found: Found, said: Option, known: Mapping[str, Any]
) -> tuple[str, dict[str, str], str]:
    """Title, fields and text; what is typed wins over what is cited."""
    typed = {
        "strategy": said.strategy,
        "target": said.target,
        "services": ", ".join(given.listed(said.services)),
        "risks": said.risks,
        "dependencies": said.dependencies,
        "expected_duration": said.expected,
    }
    target = given.line(said.target)
    stated = {k: typed.get(k) or _cited(found, known.get(k, ""), target) for k in LABELS}
    title = said.title or _cited(found, known.get("title", ""), target)
    _complete(found, title, stated)
    one_line = {key: given.line(value) for key, value in stated.items() if value}
    text = given.plain(said.text or _cited(found, known.get("text", ""), target)).strip()
    if known:
        source = standing.source(found, "options", known["id"])
        text = "\n\n".join(part for part in (text, f"Cited from {source}.") if part)
    return given.line(title), one_line, text


def _complete(found: Found, title: str, stated: Mapping[str, str]) -> None:
    wanted = {
        "--title": title,
        "--strategy": stated["strategy"],
        "--risks": stated["risks"],
        "--dependencies": stated["dependencies"],
        "--expected": stated["expected_duration"],
    }
    absent = [option for option, value in wanted.items() if not value.strip()]
    if absent:
        raise UsageError(f"An option says what it is and what may go wrong: {', '.join(absent)}.")
    given.among(stated["strategy"], found.limits.protocol.data["strategies"], "--strategy")
    if times.human_duration(stated["expected_duration"]) is None:
        raise UsageError(f"--expected {stated['expected_duration']}: write 10 min, 1 h or PT10M.")


def _cited(found: Found, value: Any, target: str) -> str:
    """A text of the policy with the releases put in: as the deployment report names them.

    Who types the target says with it which release is gone back to.
    """
    text = ", ".join(value) if isinstance(value, list) else str(value)
    report = found.record.node("production-deployment-report.json")
    for key, typed in (("previous_release", target), ("release", "")):
        if f"{{{key}}}" in text:
            name = typed or report[key].text
            if not name:
                said = f"The option cites {{{key}}}, which production-deployment-report.json lacks"
                way_out = "say it with --target" if key == "previous_release" else "add it there"
                raise UsageError(f"{said}: {way_out}.")
            text = text.replace(f"{{{key}}}", name)
    return text


def _add(draft: Draft, ident: str, title: str, stated: Mapping[str, str], text: str) -> None:
    """Writes the section before the proposal; that of the template makes way."""
    lines = [f"## Option {ident}: {title}", ""]
    lines += [f"- {LABELS[key]}: {value}" for key, value in stated.items()]
    lines += ["", *_without_headings(text).split("\n")] if text else []
    before = draft.text(PLAN)
    parsed = markdown.parse(before)
    listed = before.replace("\r\n", "\n").split("\n")
    dummy = next((s for s in parsed.sections if _is_dummy(s)), None)
    if dummy:
        start, end = dummy.line - 1, dummy.end
    else:
        start = end = _place(parsed, listed)
    above = [""] if start and listed[start - 1].strip() else []
    listed[start:end] = [*above, *lines, ""]
    changed = "\n".join(listed)
    changed = changed.replace("\n", "\r\n") if "\r\n" in before else changed
    _check(before, changed, ident, dummy)
    value = {"id": ident, "title": title, **stated}
    draft.add_line(PLAN, changed, start + len(above) + 1, value)


def _without_headings(text: str) -> str:
    """A heading inside an option would end it, and what was approved with it."""
    return re.sub(r"^(\s{0,3})(#{1,6}\s|(=+|-+)\s*$)", r"\1\\\2", text, flags=re.MULTILINE)


def _is_dummy(section: markdown.Section) -> bool:
    heading = facts.OPTION.match(section.title)
    return bool(heading and is_placeholder(heading["title"]))


def _place(parsed: markdown.Markdown, lines: list[str]) -> int:
    """The index before the proposal, or at the end."""
    section = parsed.find("proposal", "proposed option", "recommendation")
    if section:
        return section.line - 1
    at = len(lines)
    while at and not lines[at - 1].strip():
        at -= 1
    return at


def _check(before: str, changed: str, ident: str, dummy: markdown.Section | None) -> None:
    """No other option may read differently than it did: its approvals are of its text.

    Nor may any other section: a text that leaves a code block open swallows what follows.
    """
    parsed = markdown.parse(before), markdown.parse(changed)
    old = {o.id: o.sha256 for o in facts.options(parsed[0]) if not is_placeholder(o.title)}
    new = {o.id: o.sha256 for o in facts.options(parsed[1])}
    there = [_outline(s) for s in parsed[0].sections if s != dummy]
    now = [_outline(s) for s in parsed[1].sections if not _is_option(s, ident)]
    if {k: v for k, v in new.items() if k != ident} != old or ident not in new:
        raise CouldNotTell(f"{PLAN} could not be changed without touching what stands there.")
    if now != there:
        raise UsageError("--text: close the code blocks and comments in it.")


def _outline(section: markdown.Section) -> tuple[str, int, int]:
    return section.title, section.level, len(section.blocks)


def _is_option(section: markdown.Section, ident: str) -> bool:
    heading = facts.OPTION.match(section.title)
    return bool(heading and not is_placeholder(heading["title"]) and heading["id"] == ident)


def _propose(draft: Draft, ident: str, said: Option, known: Mapping[str, Any]) -> None:
    """Proposes it where that is wanted, or where nothing is proposed yet."""
    text = draft.text(PLAN)
    parsed = markdown.parse(text)
    section = parsed.find("proposal", "proposed option", "recommendation")
    standing_ = markdown.fields(section).get("option", ("", 0))[0] if section else ""
    vacant = not text_of(standing_)
    if not (said.propose or vacant):
        return
    why = given.line(said.why) or _reason(draft.found, known)
    if not why:
        raise UsageError("Nothing is proposed yet: say with --why why this option is.")
    lines = ["## Proposal", "", f"- Option: {ident}", f"- Why: {' '.join(why.split())}", ""]
    listed = text.split("\n")
    if section:
        listed[section.line - 1 : section.end] = lines
    else:
        listed += ["", *lines]
    draft.rewrite(PLAN, "\n".join(listed).rstrip("\n") + "\n")


def _reason(found: Found, known: Mapping[str, Any]) -> str:
    """Why a known option is proposed where nobody says more: it is the one that was rehearsed."""
    rehearsal = found.record.node("rollback-verification-report.json")
    passed, when = rehearsal["result"].text == "passed", rehearsal["verified_at"].time
    if not known or not passed or not when:
        return ""
    return f"It is the known option, and its rehearsal of {when.day} passed."
