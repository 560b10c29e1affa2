"""The four questions of an auditor, each answered with its evidence and what git says of it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from incident_gates import custody
from incident_gates.chain import once
from incident_gates.evidence.times import Order, order, show_duration
from incident_gates.model import CRITICAL, INFO
from incident_gates.report.findings import excused_by
from incident_gates.report.html import Answer, Proof
from incident_gates.rules import RULES
from incident_gates.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_gates.chain import Chain
    from incident_gates.evidence.places import Pointer
    from incident_gates.evidence.times import Time
    from incident_gates.facts import Approval, Decision, Execution
    from incident_gates.incident import Node
    from incident_gates.model import Finding, Place
    from incident_gates.package.judged import Judged

YES, BUT, PARTLY, NO, AMENDED = "yes", "but", "partly", "no", "amended"
EXCUSED, EMERGENCY, UNTOLD, NONE = "excused", "emergency", "untold", "none"
# The rules that speak to each question; the order of approval and readiness is not asked here.
PEOPLE = ("MIT016", "MIT017", "MIT018", "MIT019", "MIT020", "MIT022", "CUS011")
BEFORE = ("MIT004", "MIT007", "MIT023", "MIT024", "MIT025", "MIT027", "MIT032")
OPTION = ("MIT001", "MIT008", "MIT009", "MIT021", "MIT026", "MIT029", "MIT030", "CUS009", "CUS010")
UNTOUCHED = (*(f"CUS{n:03}" for n in range(1, 9)), "CUS012", "CUS013")
GRADES = {
    "contradicted": "git contradicts it: committed before that time",
    "unsupported": "git does not bear it out: no commit near that time",
    "git-consistent": "git agrees, as far as its dates go",
    "platform-attested": "committed soon after; the date is vouched for by a key of the policy",
}
NO_GRADE = "not corroborated: git says nothing of it"
SHOWN = 6


# How a question stands, in a sentence, with the evidence.
Seen = tuple[str, str, list[Proof]]


class Ran(NamedTuple):
    """An execution with the decision that it names and the approvals which that needs."""

    execution: Execution
    decision: Decision | None
    approvals: tuple[Approval | None, ...]


class Asked(NamedTuple):
    """What the answers are drawn from."""

    judged: Judged
    manifest: Mapping[str, Any]
    history: Mapping[str, Any]
    # Of the history, by file and value, and by id.
    times: Mapping[tuple[str, str], Mapping[str, Any]]
    commits: Mapping[str, Mapping[str, Any]]

    def found(self, rules: tuple[str, ...]) -> list[Finding]:
        """What counts of what these rules found: a remark (INFO) changes no answer."""
        every = self.judged.report.all_findings
        counts = [f for f in every if f.rule in rules and f.level != INFO]
        # What is said of an approval says more than a field that is missing beside it.
        return sorted(counts, key=lambda f: (f.level != CRITICAL, "approved" not in f.message))

    def blind(self, rules: tuple[str, ...]) -> str:
        """Why a rule without which there is no yes did not run, or ""."""
        left = dict(self.judged.report.rules_left)
        wanted = (r for r in rules if RULES[r].level == CRITICAL and not RULES[r].history)
        return next((left[r] for r in wanted if r in left), "")

    def proof(self, says: str, place: Place, grade: str = "") -> Proof:
        """A sentence with the line of the record that it stands on."""
        at = self.judged.record.locate(place)
        return Proof(says, at.file, at.line, grade)


def of(judged: Judged, manifest: Mapping[str, Any], history: Mapping[str, Any]) -> list[Answer]:
    """The four answers. None of them is yes unless something in the record says so."""
    times = {(t["file"], t["value"]): t for t in reversed(history["times"])}
    commits = {c["commit"]: c for c in reversed(history["commits"])}
    asked = Asked(judged, manifest, history, times, commits)
    ran = list(_ran(judged))
    nothing = _nothing(judged) if not ran else ""
    about = [
        ("Was it approved by the right people?", PEOPLE, _people),
        ("Before it ran?", BEFORE, _before),
        ("On the option that was executed?", OPTION, _option),
    ]
    answers = [
        Answer(question, NONE, nothing, ())
        if nothing
        else _answered(asked, question, rules, see(asked, ran))
        for question, rules, see in about
    ]
    question = "Untouched since?"
    return [*answers, _answered(asked, question, UNTOUCHED, _untouched(asked))]


def _ran(judged: Judged) -> Iterator[Ran]:
    chain = judged.chain
    for execution in chain.executions:
        decision = chain.decision_of(execution)
        needed = (
            chain.required_approvals(decision, execution.started, execution.operator)
            if decision
            else []
        )
        yield Ran(execution, decision, tuple(r.approval for r in needed))


def _nothing(judged: Judged) -> str:
    if judged.chain.false_positive:
        return "A false positive: nothing was executed."
    return "The record holds no execution."


def _answered(asked: Asked, question: str, rules: tuple[str, ...], seen: Seen) -> Answer:
    """What the evidence shows, unless rules found something worse or could not be asked."""
    state, says, proofs = seen
    found = asked.found(rules)
    against = [f for f in found if not f.excuse]
    worst = next((f for f in against if f.level == CRITICAL), None)
    excused = [f for f in found if f.excuse]
    blind = asked.blind(rules)
    if worst:
        state, says = NO, worst.message
    elif excused:
        state, says = EXCUSED, f"{excused[0].message}. {excused_by(excused[0])}"
    elif state in (YES, PARTLY) and blind:
        state, says = UNTOLD, f"A check could not run: {blind}"
    elif against and state == YES:
        state, says = BUT, against[0].message
    elif against and state == NO:
        state, says = EMERGENCY, f"{says}: {against[0].message}"
    elif state == YES and any(p.grade.startswith(GRADES["contradicted"]) for p in proofs):
        state, says = BUT, f"{says}; but git contradicts one of these times"
    marked = [Proof(f.message, *f.location[:2], f"found by {f.rule}") for f in found]
    more = len(marked) + len(proofs) - SHOWN
    listed = [*marked, *proofs][:SHOWN]
    if more > 0:
        listed.append(Proof(f"and {more} more, see the causal line and the findings", "", None, ""))
    return Answer(question, state, says, tuple(listed))


# --- the first three -----------------------------------------------------------------------------


def _people(asked: Asked, ran: list[Ran]) -> Seen:
    proofs, missing, given = [], [], []
    for one in _once(ran):
        missing += [one.execution.id] if not one.approvals or None in one.approvals else []
        for approval in filter(None, one.approvals):
            given.append(approval.name)
            says = f"{approval.name} approved {_id(one.decision)} as {approval.role}"
            by = approval.node["by"] or approval.node
            proofs.append(asked.proof(says, by.place, _by(asked, approval)))
    if missing:
        return UNTOLD, f"Not every approval that {', '.join(missing)} needed is on record", proofs
    return YES, f"{' and '.join(dict.fromkeys(given))}, in the roles that were asked", proofs


def _by(asked: Asked, approval: Approval) -> str:
    """Who brought an approval into git: a typed name is no signature."""
    first = _first(asked, approval.node["approved_at"])
    return f"a typed name; first in git: {_commit(first)}" if first else "a typed name, no more"


def _once(ran: list[Ran]) -> list[Ran]:
    """One of the executions of each decision."""
    seen: dict[str, Ran] = {}
    for one in ran:
        seen.setdefault(_id(one.decision) or one.execution.id, one)
    return list(seen.values())


def _before(asked: Asked, ran: list[Ran]) -> Seen:
    proofs, said, states = [], [], []
    for one in ran:
        state, says = _in_time(asked, one)
        at = one.execution.node["started_at"]
        start = f"{one.execution.id} started{_at(one.execution.started) or ', nobody says when'}"
        proofs.append(asked.proof(start, at.place, _grade(asked, at)))
        proofs += [p for a in one.approvals if a for p in _when(asked, a)]
        proofs += _git_order(asked, one)
        states.append(state)
        said.append(says)
    state = next((s for s in (NO, UNTOLD) if s in states), YES)
    return state, said[states.index(state)], proofs


def _when(asked: Asked, approval: Approval) -> Iterator[Proof]:
    at, given = approval.node["approved_at"], asked.judged.chain.approved_at(approval)
    yield asked.proof(f"{approval.name} approved{_at(given)}", at.place, _grade(asked, at))


def _in_time(asked: Asked, one: Ran) -> tuple[str, str]:
    """Whether the last approval came before the start, and by how much."""
    started = one.execution.started
    times = [asked.judged.chain.approved_at(a) for a in one.approvals if a]
    if started is None or not times or None in times or None in one.approvals:
        return UNTOLD, f"{one.execution.id}: the start, or an approval's time, is not on record"
    last = max((t for t in times if t), key=lambda t: t.latest)
    told, run = order(last, started), one.execution.id
    if told is Order.NOT_PROVABLE:
        return UNTOLD, f"{run} and its last approval: the times are too coarse to tell"
    early = told is Order.PROVEN
    gap = show_duration(abs(started.earliest - last.earliest))
    when = "before" if early else "after"
    return YES if early else NO, f"The last approval came {gap} {when} {run} started"


def _git_order(asked: Asked, one: Ran) -> Iterator[Proof]:
    """Whether git alone would show the order: it does where the approvals were committed first."""
    started, run = one.execution.started, _first(asked, one.execution.node["started_at"])
    commits = [_first(asked, a.node["approved_at"]) for a in one.approvals if a]
    if not run or not commits or started is None or not all(commits):
        return
    last = max((c for c in commits if c), key=_date)
    if last["commit"] == run["commit"]:
        says = f"Git holds approval and {one.execution.id} in one commit: it shows no order"
    elif _date(last) <= started.latest:
        says = f"Git holds the last approval in a commit dated before {one.execution.id} started"
    else:
        says = (
            f"The last approval was committed after {one.execution.id} started: git shows no order"
        )
    yield Proof(says, "git/history.json", None, f"{_commit(last)}, dated {_dated(last)}, a claim")


def _option(asked: Asked, ran: list[Ran]) -> Seen:
    proofs, untold, said = [], [], []
    for one in ran:
        option = asked.judged.chain.option(one.decision.option) if one.decision else None
        if one.decision is None or option is None:
            untold.append(f"{one.execution.id} leads to no option of the plan")
            continue
        carried = one.execution.node["decision"].place
        action = one.decision.node["action"].text or "no action stated"
        says = f"{one.execution.id} carries out {one.decision.id}: {action}"
        proofs.append(asked.proof(says, carried))
        given = [a for a in one.approvals if a and not a.standing]
        same = [a for a in given if a.sha256 == option.sha256]
        kept = asked.judged.chain.superseding(one.decision)
        if len(same) < len(given) and not kept:
            untold.append(f"not every approval names the digest of option {option.id}")
        digest = f"sha256 {option.sha256[:12]}…"
        says = f"{len(same)} of {len(given)} approvals name option {option.id} as written, {digest}"
        proofs.append(asked.proof(says, option.place))
        said.append(f"{one.execution.id} ran {one.decision.id}, option {option.id}")
    if untold:
        return UNTOLD, "; ".join(dict.fromkeys(untold)), proofs
    return YES, f"{'; '.join(said)}, approved in these words", proofs


# --- the last ------------------------------------------------------------------------------------


def _untouched(asked: Asked) -> Seen:
    manifest, proofs = asked.manifest, list(_held(asked))
    sealed = {file["path"] for file in manifest["files"] if file["sealed"]}
    loose = sorted(sealed.intersection(manifest["uncommitted"]))
    if not manifest["sealed"]:
        return NONE, "The record is open: it is not sealed yet, and may change", proofs
    if manifest["commit"] is None:
        return UNTOLD, "No commit is known that holds the record", proofs
    if loose:
        return UNTOLD, f"No commit holds these as they are: {', '.join(loose[:3])}", proofs
    if manifest["seals"]:
        ids = ", ".join(i for s in manifest["seals"] for i in s["amendments"]) or "none"
        return AMENDED, f"It was changed after a seal and sealed again; amendments: {ids}", proofs
    if why := _unsearched(asked):
        said = f"No change was found in the folder; git's history was not searched: {why}"
        return PARTLY, said, proofs
    return YES, "Up to this package, no change after the seal was found", proofs


def _unsearched(asked: Asked) -> str:
    """Why the rules that search git for changes did not run, or ""."""
    left = dict(asked.judged.report.rules_left)
    return next((left[r] for r in UNTOUCHED if r in left and RULES[r].history), "")


def _held(asked: Asked) -> Iterator[Proof]:
    commit = asked.manifest["commit"]
    if commit:
        commits = asked.history["commits"]
        names = dict.fromkeys(c["author"]["name"] for c in commits)
        held = counted(len(commits), "commit")
        says = f"The evidence came in {held}, the last {commit[:12]}"
        who = f"by {', '.join(names)}, as the commits claim" if names else ""
        yield Proof(says, "git/history.json", None, who)
    for seal in asked.manifest["seals"]:
        says = f"Sealed before, as of {seal['as_of']}, manifest sha256 {seal['sha256'][:12]}…"
        yield Proof(says, "evidence-manifest.json", None, "")
    yield Proof("What came after this page: steps 1 and 3 of", "VERIFY.md", None, "")


# --- what git says -------------------------------------------------------------------------------


def _known(asked: Asked, node: Node) -> Mapping[str, Any]:
    """What git/history.json says of a time of the record."""
    value = _values(asked.judged.chain, node.file).get(node.pointer, "")
    return asked.times.get((node.file, value), {})


@once
def _values(chain: Chain, file: str) -> dict[Pointer, str]:
    """What git/history.json calls each value of a file that stands at a pointer."""
    stated = custody.of(chain).stated(file).values()
    return {s.pointer: " ".join(s.key) for s in reversed(stated)}


def _grade(asked: Asked, node: Node) -> str:
    known = _known(asked, node)
    first = _first(asked, node)
    graded = GRADES.get(known.get("grade", ""), NO_GRADE)
    return f"{graded} ({_commit(first)})" if first else graded


def _first(asked: Asked, node: Node) -> Mapping[str, Any] | None:
    """The commit that first held a time."""
    return asked.commits.get(_known(asked, node).get("commit", ""))


def _commit(commit: Mapping[str, Any]) -> str:
    return f"{commit['commit'][:7]} by {commit['author']['name']}"


def _dated(commit: Mapping[str, Any]) -> str:
    return f"{_date(commit).astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def _date(commit: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(commit["committer"]["date"].replace("Z", "+00:00"))


def _at(time: Time | None) -> str:
    return f" at {time.shown}" if time else ""


def _id(decision: Decision | None) -> str:
    return decision.id if decision else ""
