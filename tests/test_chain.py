"""What a record's events are and what links them, where it is easy to be wrong by one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import casework
import pytest

from incident_gates import chain as chains
from incident_gates import engine, policy, protocol
from incident_gates.evidence import times

if TYPE_CHECKING:
    from incident_gates.chain import Chain
    from incident_gates.evidence.times import Time

SEVERITY = "severity-assessment.json"
SUMMARY = "resolution-summary.json"
PREREQUISITES = "prerequisites.json"
DECISIONS = "decision-log.json"
EXECUTIONS = "mitigation-execution-report.json"
CHECKS = "recovery-validation.json"
CHECKLIST = "rollback-readiness-checklist.json"


def _time(text: str, precision: str = "") -> Time:
    """A time of 14 March 2026."""
    at = f"2026-03-14T{text}Z"
    time = times.from_value({"at": at, "precision": precision} if precision else at)
    assert time is not None
    return time


def _chain(tmp_path: Path, **data: Any) -> Chain:
    now = times.parse(data.pop("now", "2026-03-20T00:00:00Z"))
    assert now is not None
    fixed = data.pop("fixed", False)
    record = casework.build(casework.Case(Path("no-such-case"), data), tmp_path)
    limits = policy.Limits(protocol.load(), policy.Policy(data=data.get("policy", {})))
    return engine.chain_of(record, limits, now.earliest, engine.Request(fixed=fixed))


def _clock(time: Time | None) -> str:
    return f"{time.earliest:%H:%M:%S}" if time else ""


def _execution(execution_id: str, at: str | None, **more: Any) -> dict[str, Any]:
    entry = {
        "id": execution_id,
        "decision": "D-1",
        "services": ["api"],
        "purpose": "mitigation",
        "operator": {"name": "Sam", "role": "operator"},
        "started_at": f"2026-03-14T{at}Z" if at else None,
        "outcome": "succeeded",
        **more,
    }
    return {key: value for key, value in entry.items() if value is not None}


def _ran(tmp_path: Path, *executions: dict[str, Any]) -> Chain:
    return _chain(tmp_path, set={EXECUTIONS: {"/executions": list(executions)}})


# --- what the record claims ----------------------------------------------------------------------


def test_executions_stand_by_time_or_as_written(tmp_path: Path) -> None:
    late, early = _execution("late", "02:30:00"), _execution("early", "02:20:00")
    chain = _ran(tmp_path / "a", late, early)
    assert [e.id for e in chain.executions] == ["early", "late"]
    untimed = _execution("untimed", None)
    chain = _ran(tmp_path / "b", late, untimed, early)
    assert [e.id for e in chain.executions] == ["late", "untimed", "early"]


@pytest.mark.parametrize(
    ("status", "at", "resolved", "closed"),
    [
        ("closed", True, True, True),
        ("closed", False, True, True),
        ("resolved", False, True, False),
        ("monitoring", True, True, False),
        ("monitoring", False, False, False),
    ],
)
def test_a_record_is_resolved_by_its_status_or_its_time(
    status: str, tmp_path: Path, *, at: bool, resolved: bool, closed: bool
) -> None:
    unset = {} if at else {"unset": {SUMMARY: ["/resolved_at"]}}
    chain = _chain(tmp_path, set={SUMMARY: {"/status": status}}, **unset)
    assert (chain.resolved, chain.closed) == (resolved, closed)


def test_the_phase_is_that_of_the_last_claim(tmp_path: Path) -> None:
    opened: dict[str, Any] = {
        "set": {SUMMARY: {"/status": "investigating"}},
        "unset": {SUMMARY: ["/resolved_at"]},
    }
    none_ran: dict[str, Any] = {EXECUTIONS: {"/executions": []}}
    unagreed: dict[str, Any] = {SEVERITY: {"/classifications/0/assessors": []}}
    assert _chain(tmp_path / "a").phase == 4
    assert _chain(tmp_path / "b", **opened).phase == 3
    changed = {**opened["set"], **none_ran}
    assert _chain(tmp_path / "c", set=changed, unset=opened["unset"]).phase == 2
    changed |= unagreed
    assert _chain(tmp_path / "d", set=changed, unset=opened["unset"]).phase == 1


@pytest.mark.parametrize(
    ("entry", "executing"),
    [
        (_execution("E", None), True),
        (_execution("E", "02:25:00", outcome=None), True),
        (_execution("E", None, outcome=None), False),
    ],
)
def test_something_ran_once_it_started_or_ended(
    entry: dict[str, Any], tmp_path: Path, *, executing: bool
) -> None:
    assert _ran(tmp_path, entry).executing is executing


@pytest.mark.parametrize(
    ("now", "fixed", "as_of"),
    [
        ("2026-03-20T00:00:00Z", False, "2026-03-16T10:00:01Z"),
        ("2026-03-16T09:00:00Z", False, "2026-03-16T09:00:00Z"),
        ("2026-03-20T00:00:00Z", True, "2026-03-20T00:00:00Z"),
    ],
)
def test_ages_are_judged_when_it_was_closed(
    now: str, as_of: str, tmp_path: Path, *, fixed: bool
) -> None:
    chain = _chain(tmp_path, now=now, fixed=fixed)
    assert f"{chain.as_of:%Y-%m-%dT%H:%M:%SZ}" == as_of


def test_by_itself_a_chain_is_judged_at_its_closing_and_asks_git_nothing(tmp_path: Path) -> None:
    told = _chain(tmp_path)
    alone = chains.Chain(told.record, told.limits, told.now)
    assert (alone.as_of, alone.history) == (told.as_of, False)
    assert told.as_of < told.now


def test_an_open_record_is_judged_now_whatever_it_says_of_closing(tmp_path: Path) -> None:
    chain = _chain(tmp_path, set={SUMMARY: {"/status": "resolved"}})
    assert chain.as_of == chain.now


# --- who leads -----------------------------------------------------------------------------------


def _taken(*posts: tuple[str, str | None]) -> dict[str, Any]:
    entries = [
        {
            "approval": "commander_authority",
            "by": {"name": name, "role": "incident_commander"},
            **({"approved_at": f"2026-03-14T{at}Z"} if at else {}),
        }
        for name, at in posts
    ]
    return {"set": {PREREQUISITES: {"/approvals": entries}}}


def _leads(chain: Chain, name: str) -> str:
    """The minutes from 02:09 to 02:41 in which someone may lead, one mark each."""
    moments = [_time(f"02:{minute:02}:30") for minute in (9, 15, 25, 35)]
    return "".join("x" if chain.commands(name, moment) else "." for moment in moments)


def test_command_is_handed_over(tmp_path: Path) -> None:
    """The first leads from the beginning, each next one from when they took over."""
    chain = _chain(
        tmp_path, **_taken(("Alex", "02:10:00"), ("Robin", "02:20:00"), ("Alex", "02:30:00"))
    )
    assert (_leads(chain, "@alex"), _leads(chain, "Robin")) == ("xx.x", "..x.")
    assert (_leads(chain, "Sam"), chain.commands("Sam", None)) == ("....", False)
    assert chain.commands("Robin", None)
    moments = [_time("02:09:30"), _time("02:20:00"), _time("02:20:00", "minute"), None]
    assert [chain.commanders_at(moment) for moment in moments] == [
        ("Alex",),
        ("Alex", "Robin"),
        ("Alex", "Robin"),
        ("Alex", "Robin", "Alex"),
    ]


@pytest.mark.parametrize(
    ("at", "alex", "robin"),
    [
        ("02:19:59", True, False),
        ("02:20:00", True, True),
        ("02:20:01", False, True),
    ],
)
def test_in_the_second_of_a_hand_over_both_may_lead(
    at: str, tmp_path: Path, *, alex: bool, robin: bool
) -> None:
    chain = _chain(tmp_path, **_taken(("Alex", "02:10:00"), ("Robin", "02:20:00")))
    assert chain.commands("Alex", _time(at)) is alex
    assert chain.commands("Robin", _time(at)) is robin
    assert ("Alex" in chain.commanders_at(_time(at))) is alex
    assert ("Robin" in chain.commanders_at(_time(at))) is robin


def test_who_took_command_at_no_known_time_stands_as_written(tmp_path: Path) -> None:
    chain = _chain(tmp_path, **_taken(("Robin", "02:30:00"), ("Alex", None)))
    assert (_leads(chain, "Robin"), _leads(chain, "Alex")) == ("xxxx", "xxxx")
    chain = _chain(tmp_path / "b", **_taken(("Robin", "02:30:00"), ("Alex", "02:20:00")))
    assert (_leads(chain, "Robin"), _leads(chain, "Alex")) == ("...x", "xxx.")
    chain = _chain(tmp_path / "c", **_taken(("Alex", None), ("Robin", "02:20:00")))
    assert chain.commanders_at(_time("02:25:00")) == ("Robin",)


def test_where_nobody_took_command_the_policy_answers(tmp_path: Path) -> None:
    people = [{"name": "Robin", "roles": ["incident_commander"]}, {"name": "Alex"}]
    chain = _chain(tmp_path, policy={"people": people}, **_taken())
    assert (_leads(chain, "Robin"), _leads(chain, "Alex")) == ("xxxx", "....")
    assert _leads(_chain(tmp_path / "b", **_taken()), "Robin") == "...."


def test_a_role_is_held_by_whom_the_policy_names_or_the_record_made_it(tmp_path: Path) -> None:
    chain = _chain(tmp_path / "a")
    then, early = _time("02:23:00"), _time("02:00:00")
    assert chain.holds("Jordan", "release_manager", then)
    assert chain.holds("@jordan", "release_manager", None)
    assert not chain.holds("Alex", "release_manager", then)
    assert chain.holds("Jordan", "release_manager", early), "MIT007 says that it came too late"
    assert chain.holds("Alex", "incident_commander", then)
    assert not chain.holds("Jordan", "incident_commander", then)
    assert not chain.holds("Jordan", "operator", then)
    people = [{"name": "Kim", "roles": ["release_manager"]}]
    chain = _chain(tmp_path / "b", policy={"people": people})
    assert chain.holds("Kim", "release_manager", then)
    assert not chain.holds("Jordan", "release_manager", then)


def test_nobody_is_made_a_holder_afterwards(tmp_path: Path) -> None:
    made = {
        "approval": "release_manager_acknowledgement",
        "by": {"name": "Kim", "role": "release_manager"},
        "approved_at": "2026-03-14T02:30:00Z",
    }
    chain = _chain(tmp_path, set={PREREQUISITES: {"/approvals/-": made}})
    wanted = chain._approval_of("release_manager")
    assert wanted == made["approval"]
    assert not chain.holds("Kim", "release_manager", _time("02:25:00"))
    one_at_no_time = {PREREQUISITES: {"/approvals/-": made, "/approvals/1/approved_at": "TBD"}}
    unsure = _chain(tmp_path / "unsure", set=one_at_no_time)
    assert not unsure.holds("Kim", "release_manager", _time("02:25:00"))
    assert chain.holds("Kim", "release_manager", _time("02:35:00"))
    assert chain.holds("Jordan", "release_manager", _time("02:35:00"))


def test_an_approval_of_nothing_gives_nobody_a_role(tmp_path: Path) -> None:
    nothing = {"approval": "", "by": {"name": "Kim"}, "approved_at": "2026-03-14T02:20:00Z"}
    chain = _chain(tmp_path, set={PREREQUISITES: {"/approvals/-": nothing}})
    assert not chain.holds("Kim", "operator", None)
    assert not chain.holds("Kim", "", None)


def test_a_name_is_somebody_and_no_name_nobody(tmp_path: Path) -> None:
    chain = _chain(tmp_path)
    assert chain.same("@Alex", "alex")
    assert not chain.same("Alex", "Alec")
    assert not chain.same("", "")


# --- consensus -----------------------------------------------------------------------------------


def _word(name: str, at: str | None, severity: str | None = "SEV-1") -> dict[str, Any]:
    entry = {
        "name": name,
        "role": "operator",
        "severity": severity,
        "assessed_at": f"2026-03-14T{at}Z" if at else None,
    }
    return {key: value for key, value in entry.items() if value is not None}


def _agreed(tmp_path: Path, *words: dict[str, Any], severity: str = "SEV-1", **data: Any) -> str:
    """When a classification is agreed; "never", "untold", or "unknown" where nobody knows when."""
    changed = {"/classifications/0/assessors": list(words), "/classifications/0/severity": severity}
    chain = _chain(tmp_path, set={SEVERITY: changed, **data.get("set", {})})
    (consensus,) = chain.consensus
    if not consensus.complete:
        return "untold" if consensus.untold else "never"
    return _clock(consensus.agreed) or "unknown"


ALEX, SAM, KIM = _word("Alex", "02:14:00"), _word("Sam", "02:13:20"), _word("Kim", "02:14:30")


@pytest.mark.parametrize(
    ("words", "agreed"),
    [
        ([SAM, ALEX], "02:14:00"),
        ([ALEX, KIM], "02:14:30"),
        ([SAM, ALEX, KIM], "02:14:00"),
        ([ALEX], "never"),
        ([SAM, KIM], "never"),
        ([ALEX, _word("@alex", "02:14:10")], "never"),
        ([ALEX, SAM, _word("Kim", "02:14:30", "SEV-2")], "never"),
        ([ALEX, _word("Sam", "02:13:20", "SEV-2")], "never"),
        # Of several others the first counts, wherever the file has it; who turned round at no
        # known time moves nothing.
        ([_word("Kim", "02:20:00"), SAM, ALEX, _word("Robin", None)], "02:14:00"),
        ([ALEX, KIM, _word("Sam", None, "SEV-2"), _word("Sam", None)], "02:14:30"),
        # Of two words of one second, what speaks against is taken to be the last.
        ([SAM, ALEX, _word("Alex", "02:14:00", "SEV-2")], "never"),
        # Who has said nothing yet may still agree.
        ([ALEX, _word("Sam", "02:13:20", None)], "untold"),
        ([SAM, _word("Alex", "02:14:00", None)], "untold"),
        ([SAM, _word("Kim", "02:14:00", None)], "untold"),
        ([_word("Sam", None, None), _word("Kim", None, None)], "untold"),
        ([_word("Alex", None, None)], "never"),
        ([ALEX, _word("Sam", None, None), _word("Kim", None, "SEV-3")], "never"),
        # Nobody knows when the commander, or enough others, agreed.
        ([SAM, _word("Alex", None)], "unknown"),
        ([ALEX, _word("Sam", None)], "unknown"),
        ([ALEX, KIM, _word("Sam", None)], "02:14:30"),
        # Said again, it was said all along; of another opinion before, only from then on.
        ([ALEX, SAM, _word("Sam", "02:20:00")], "02:14:00"),
        ([ALEX, _word("Sam", "02:13:20", "SEV-2"), _word("Sam", "02:20:00")], "02:20:00"),
        ([SAM, KIM, _word("Alex", "02:13:30", "SEV-2"), _word("Alex", "02:21:00")], "02:21:00"),
        ([ALEX, KIM, _word("Sam", "02:13:20", "SEV-2"), _word("Sam", "02:20:00")], "02:20:00"),
    ],
)
def test_when_a_severity_is_agreed(
    words: list[dict[str, Any]], agreed: str, tmp_path: Path
) -> None:
    """At SEV-1 it takes two, one of them the commander, and nobody of another opinion."""
    assert _agreed(tmp_path, *words) == agreed


def test_at_the_mildest_severity_the_commander_is_enough(tmp_path: Path) -> None:
    assert (
        _agreed(tmp_path / "a", _word("Alex", "02:14:00", "SEV-3"), severity="SEV-3") == "02:14:00"
    )
    assert _agreed(tmp_path / "b", _word("Sam", "02:14:00", "SEV-3"), severity="SEV-3") == "never"


def test_a_severity_that_is_none_is_never_agreed(tmp_path: Path) -> None:
    assert _agreed(tmp_path / "a", ALEX, SAM, severity="SEV-9") == "never"
    assert _agreed(tmp_path / "b", ALEX, SAM, severity="TBD") == "untold"


def test_the_commanders_word_counts_from_taking_command(tmp_path: Path) -> None:
    """Robin agreed at 02:14 and took over from Alex at 02:20; Alex said nothing."""
    posts = _taken(("Alex", "02:10:00"), ("Robin", "02:20:00"))["set"]
    assert _agreed(tmp_path / "a", SAM, _word("Robin", "02:14:00"), set=posts) == "02:20:00"
    assert _agreed(tmp_path / "b", SAM, _word("Robin", "02:24:00"), set=posts) == "02:24:00"
    assert _agreed(tmp_path / "c", SAM, _word("Alex", "02:24:00"), set=posts) == "never"
    # Of two who led, the first to reach consensus counts.
    both = [SAM, _word("Robin", "02:14:00"), ALEX]
    assert _agreed(tmp_path / "d", *both, set=posts) == "02:14:00"
    unknown = [_word("Alex", None), SAM, _word("Robin", "02:24:00")]
    assert _agreed(tmp_path / "f", *unknown, set=posts) == "02:24:00"
    # Who leads twice spoke in the first of these times.
    again = _taken(("Alex", "02:10:00"), ("Robin", "02:20:00"), ("Alex", "02:30:00"))["set"]
    assert _agreed(tmp_path / "e", SAM, ALEX, set=again) == "02:14:00"


def test_the_intervals_of_several_words_are_one(tmp_path: Path) -> None:
    minute = {"at": "2026-03-14T02:14:00Z", "precision": "minute"}
    words = [SAM, {**_word("Alex", None), "assessed_at": minute}]
    changed = {"/classifications/0/assessors": words}
    (consensus,) = _chain(tmp_path, set={SEVERITY: changed}).consensus
    assert consensus.agreed is not None
    assert consensus.agreed.earliest == _time("02:14:00").earliest
    assert consensus.agreed.latest == _time("02:15:00").earliest
    assert consensus.agreed.precision == "minute"


def test_a_consensus_may_be_as_old_as_the_words_it_rests_on(tmp_path: Path) -> None:
    """Kim spoke between 02:00 and 03:00: perhaps before Sam, and then Alex made the consensus."""
    hour = {"at": "2026-03-14T02:00:00Z", "precision": "hour"}
    kim = {**_word("Kim", None), "assessed_at": hour}
    words = [SAM, kim, _word("Alex", "02:10:00"), _word("Robin", None)]
    changed = {"/classifications/0/assessors": words}
    (consensus,) = _chain(tmp_path, set={SEVERITY: changed}).consensus
    assert consensus.agreed is not None
    assert consensus.agreed.earliest == _time("02:10:00").earliest
    assert consensus.agreed.latest == _time("02:13:20").latest
    assert consensus.agreed.precision == "claims"


# --- which classification is in force ------------------------------------------------------------


def _classified(tmp_path: Path, *given: tuple[str, str | None, str | None]) -> Chain:
    """Classifications, each agreed by Sam at one time and by Alex at the next."""
    listed = [
        {"severity": s, "assessors": [_word("Sam", sam, s), _word("Alex", alex, s)]}
        for s, sam, alex in given
    ]
    return _chain(tmp_path, set={SEVERITY: {"/classifications": listed}})


def test_the_last_one_agreed_is_in_force(tmp_path: Path) -> None:
    up = ("SEV-1", "02:19:00", "02:20:00")
    chain = _classified(tmp_path / "a", up, ("SEV-2", "02:13:00", "02:14:00"))
    assert [c.classification.severity for c in chain.consensus] == ["SEV-2", "SEV-1"]
    assert chain.severity is not None
    assert chain.worst_severity is not None
    assert (chain.severity.name, chain.worst_severity.name) == ("SEV-1", "SEV-1")

    def at(text: str) -> str:
        severity = chain.severity_at(_time(text))
        return severity.name if severity else ""

    assert chain.in_force(_time("02:13:30")) is None
    assert at("02:13:30") == "SEV-1", "where none was agreed, the worst recorded"
    assert [at("02:14:00"), at("02:19:30"), at("02:20:00")] == ["SEV-2", "SEV-2", "SEV-1"]
    last = chain.in_force(None)
    assert last is not None
    assert last.classification.severity == "SEV-1"


def test_the_severity_is_the_last_and_the_worst_the_worst(tmp_path: Path) -> None:
    chain = _classified(
        tmp_path / "a", ("SEV-1", "02:13:00", "02:14:00"), ("SEV-3", "02:19:00", "02:20:00")
    )
    assert chain.severity is not None
    assert chain.worst_severity is not None
    assert (chain.severity.name, chain.worst_severity.name) == ("SEV-3", "SEV-1")
    chain = _chain(tmp_path / "b", set={SEVERITY: {"/classifications": []}})
    assert (chain.severity, chain.worst_severity, chain.severity_at(None)) == (None, None, None)
    unknown = ("SEV-9", "02:20:00", "02:21:00")
    chain = _classified(tmp_path / "c", ("SEV-2", "02:13:00", "02:14:00"), unknown)
    assert chain.severity is not None
    assert chain.severity.name == "SEV-2"


def test_where_it_cannot_be_told_which_was_the_last_the_worst_of_them_counts(
    tmp_path: Path,
) -> None:
    """SEV-1 was first said in the minute of 02:19, SEV-2 at 02:19:30 or at 02:20:00."""

    def severity(at: str, *more: dict[str, Any]) -> str:
        minute = {"at": "2026-03-14T02:19:00Z", "precision": "minute"}
        worse = [{**_word("Sam", None), "assessed_at": minute}, _word("Alex", "02:20:30")]
        milder = [_word("Sam", at, "SEV-2"), _word("Alex", "02:21:00", "SEV-2")]
        early = [_word("Sam", "02:13:00"), _word("Alex", "02:14:00")]
        listed = [
            {"severity": "SEV-1", "assessors": early},
            {"severity": "SEV-1", "assessors": [*worse, *more]},
            {"severity": "SEV-2", "assessors": milder},
        ]
        folder = tmp_path / at.replace(":", "") / str(len(more))
        chain = _chain(folder, set={SEVERITY: {"/classifications": listed}})
        found = chain.severity_at(_time("02:40:00"))
        return found.name if found else ""

    assert (severity("02:19:30"), severity("02:20:00")) == ("SEV-1", "SEV-2")
    assert severity("02:19:30", _word("Kim", None)) == "SEV-1"
    # What was never agreed, or is no severity, makes nothing worse.
    for name, unknown in (("not agreed", "SEV-1"), ("none", "SEV-9")):
        minute = {"at": "2026-03-14T02:13:00Z", "precision": "minute"}
        word = {**_word("Sam", None, unknown), "assessed_at": minute}
        milder = [_word("Sam", "02:13:30", "SEV-2"), _word("Alex", "02:14:00", "SEV-2")]
        listed = [
            {"severity": unknown, "assessors": [word]},
            {"severity": "SEV-2", "assessors": milder},
        ]
        chain = _chain(tmp_path / name, set={SEVERITY: {"/classifications": listed}})
        found = chain.severity_at(_time("02:40:00"))
        assert found is not None
        assert found.name == "SEV-2"


def test_who_objects_afterwards_undoes_nothing(tmp_path: Path) -> None:
    kim = _word("Kim", "02:30:00", "SEV-2")
    for name, words in (("last", [SAM, ALEX, kim]), ("first", [kim, SAM, ALEX])):
        changed = {SEVERITY: {"/classifications/0/assessors": words}}
        chain = _chain(tmp_path / name, set=changed)
        assert chain.consensus[0].agreed is None
        assert chain.in_force(_time("02:25:00")) is not None
        assert chain.in_force(_time("02:29:59")) is not None
        assert chain.in_force(_time("02:30:00")) is None


def test_classifications_stand_by_their_first_words_or_as_written(tmp_path: Path) -> None:
    def order(name: str, *given: tuple[str, str | None, str | None]) -> list[str]:
        chain = _classified(tmp_path / name, *given)
        return [c.classification.severity for c in chain.consensus]

    long, short = ("SEV-1", "02:13:00", "02:30:00"), ("SEV-2", "02:15:00", "02:16:00")
    assert order("long first", long, short) == ["SEV-1", "SEV-2"]
    assert order("short first", short, long) == ["SEV-1", "SEV-2"]
    assert order("untimed", short, ("SEV-3", None, None), long) == ["SEV-2", "SEV-3", "SEV-1"]


# --- ready and approved --------------------------------------------------------------------------


def test_the_items_that_concern_an_execution(tmp_path: Path) -> None:
    def item(name: str, **more: Any) -> dict[str, Any]:
        return {"id": name, "category": "script", **more}

    items = [
        item("all"),
        item("own", option="rollback-v1.2.3"),
        item("other", option="another"),
        item("optional", required=False),
        item("required", required=True),
    ]
    chain = _chain(tmp_path, set={CHECKLIST: {"/items": items}})
    option = chain.decisions[0].option
    items[1]["option"] = option
    chain = _chain(tmp_path / "b", set={CHECKLIST: {"/items": items}})
    wanted = ["all", "own", "required"]
    assert [node["id"].text for node in chain.readiness_items()] == wanted
    ran = chain.executions[0]
    assert [node["id"].text for node in chain.readiness_items(ran)] == wanted
    assert [node["id"].text for node, _ in chain.verifications(ran)] == wanted


def test_an_execution_asks_for_the_items_of_its_own_option(tmp_path: Path) -> None:
    first = _chain(tmp_path / "a").decisions[0].option
    items = [
        {"id": "own", "option": first, "verified_at": "2026-03-14T02:20:00Z"},
        {"id": "other", "option": "O-2"},
    ]
    both = {"/decisions/-": {"id": "D-2", "option": "O-2"}}
    chain = _chain(tmp_path / "b", set={CHECKLIST: {"/items": items}, DECISIONS: both})
    ran = chain.executions[0]
    assert [node["id"].text for node in chain.readiness_items()] == ["own", "other"]
    assert [node["id"].text for node in chain.readiness_items(ran)] == ["own"]
    assert [_clock(time) for _, time in chain.verifications(ran)] == ["02:20:00"]


def test_the_first_of_two_with_one_id_counts(tmp_path: Path) -> None:
    twice = {"/decisions/-": {"id": "D-1", "option": "another"}}
    chain = _chain(tmp_path, set={DECISIONS: twice})
    decision = chain.decision_of(chain.executions[0])
    assert decision is not None
    assert decision.option == chain.decisions[0].option != "another"
    assert chain.decision_of(None) is None
    assert chain.option("no such") is None


def test_what_names_no_decision_has_none(tmp_path: Path) -> None:
    nameless = {"/decisions/-": {"option": "another"}}
    ran = {"/executions/0/decision": ""}
    chain = _chain(tmp_path, set={DECISIONS: nameless, EXECUTIONS: ran})
    assert chain.decisions[1].id == ""
    assert chain.decision_of(chain.executions[0]) is None


def test_of_the_executions_of_a_decision_the_gravest_counts(tmp_path: Path) -> None:
    """SEV-2 at 02:14, SEV-1 from 02:20 on."""
    given = (("SEV-2", "02:13:00", "02:14:00"), ("SEV-1", "02:19:00", "02:20:00"))
    listed = _classified(tmp_path / "a", *given).severity_file["classifications"].value
    for first, second in (("mild", "grave"), ("grave", "mild")):
        at = {"mild": "02:16:00", "grave": "02:25:00"}
        ran = [_execution(name, at[name]) for name in (first, second)]
        changed = {SEVERITY: {"/classifications": listed}, EXECUTIONS: {"/executions": ran}}
        ((_, run),) = _chain(tmp_path / first, set=changed).live
        assert run is not None
        assert run.id == "grave"


def test_a_decision_is_superseded_by_another_and_not_by_itself(tmp_path: Path) -> None:
    later = {"/decisions/-": {"id": "D-2", "option": "x", "supersedes": "D-1"}}
    later |= {"/decisions/2": {"id": "D-3", "option": "y", "supersedes": "D-3"}}
    chain = _chain(tmp_path, set={DECISIONS: later})
    first, second, third = chain.decisions
    assert chain.superseding(first) is second
    assert chain.superseding(second) is None
    assert chain.superseding(third) is None
    assert [d.id for d, _ in chain.live] == ["D-1", "D-2", "D-3"], "D-1 was executed"
    chain = _chain(tmp_path / "b", set={DECISIONS: later, EXECUTIONS: {"/executions": []}})
    assert [d.id for d, _ in chain.live] == ["D-2", "D-3"]


@pytest.mark.parametrize(
    ("flags", "security"),
    [((None, None), False), ((True, False), True), ((False, True), True), ((False, False), False)],
)
def test_who_must_approve(
    flags: tuple[bool | None, bool | None], tmp_path: Path, *, security: bool
) -> None:
    names = ("/regulated_data", "/customer_notification")
    changed = {n: f for n, f in zip(names, flags, strict=True) if f is not None}
    chain = _chain(tmp_path, set={PREREQUISITES: changed})
    more = ("security_compliance",) if security else ()
    two = ("incident_commander", "release_manager")
    assert chain.roles_required(chain.severity) == (*two, *more)
    assert chain.roles_required(None) == (*two, *more), "unknown counts as the worst"
    assert chain.roles_required(chain.limits.severity("SEV-3")) == ()


def test_at_the_mildest_severity_anybody_but_the_operator_approves(tmp_path: Path) -> None:
    given = {f"/classifications/0/assessors/{n}/severity": "SEV-3" for n in range(3)}
    mild = {SEVERITY: {"/classifications/0/severity": "SEV-3", **given}}
    chain = _chain(tmp_path, set=mild)
    decision, moment = chain.decisions[0], _time("02:25:00")
    names = [a.name for a in decision.approvals]

    def filled(operator: str) -> list[str]:
        required = chain.required_approvals(decision, moment, operator)
        return [r.approval.name if r.approval else "" for r in required if not r.role]

    assert filled("Sam") == [names[0]]
    assert filled(names[0]) == [names[1]]


def _approval(name: str, at: str, **more: Any) -> dict[str, Any]:
    given = f"2026-03-14T{at}Z"
    by = {"name": name, "role": "release_manager"}
    return {"verdict": "approve", "by": by, "approved_at": given, **more}


def _filled(tmp_path: Path, *approvals: dict[str, Any], **data: Any) -> tuple[str, str]:
    """Who fills the release manager's approval, and when it was given."""
    changed = {DECISIONS: {"/decisions/0/approvals": list(approvals)}}
    chain = _chain(tmp_path, set=changed, **data)
    required = chain.required_approvals(chain.decisions[0], _time("02:25:00"))
    approval = next(r.approval for r in required if r.role == "release_manager")
    return (approval.name, _clock(chain.approved_at(approval))) if approval else ("", "")


def test_an_approval_is_of_who_holds_the_role_or_else_of_who_claims_it(tmp_path: Path) -> None:
    kim, jordan = _approval("Kim", "02:21:00"), _approval("Jordan", "02:22:00")
    assert _filled(tmp_path / "a", kim, jordan) == ("Jordan", "02:22:00")
    assert _filled(tmp_path / "b", kim) == ("Kim", "02:21:00")
    assert _filled(tmp_path / "c") == ("", "")


def test_who_rejects_in_the_second_of_approving_has_rejected(tmp_path: Path) -> None:
    approved = _approval("Jordan", "02:22:00")
    rejected = {**approved, "verdict": "reject"}
    assert _filled(tmp_path / "a", approved, rejected) == ("", "")
    assert _filled(tmp_path / "b", rejected, approved) == ("", "")
    again = _approval("Jordan", "02:22:01")
    assert _filled(tmp_path / "c", rejected, again) == ("Jordan", "02:22:01")


def test_a_standing_approval_was_given_when_it_was_granted(tmp_path: Path) -> None:
    granted = {"id": "S-1", "approved_at": "2026-03-14T01:00:00Z"}
    standing = _approval("Kim", "02:22:00", standing="S-1")
    policy = {"standing_approvals": [granted]}
    assert _filled(tmp_path / "a", standing, policy=policy) == ("Kim", "01:00:00")
    held = _approval("Jordan", "02:22:00")
    assert _filled(tmp_path / "b", standing, held, policy=policy) == ("Kim", "01:00:00")


# --- executed and checked ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("executions", "last"),
    [
        ([], ""),
        ([("A", "02:20:00", "failed"), ("B", "02:30:00", "succeeded")], "B"),
        ([("B", "02:30:00", "failed"), ("A", "02:20:00", "succeeded")], "B"),
        ([("A", "02:20:00", "succeeded"), ("B", None, "succeeded")], "B"),
        # Where it cannot be told, one that did not succeed.
        ([("A", "02:30:00", "failed"), ("B", None, "succeeded")], "A"),
        ([("A", "02:30:00", "failed"), ("B", "02:30:00", "succeeded")], "A"),
        ([("A", "02:29:59", "failed"), ("B", "02:30:00", "succeeded")], "B"),
    ],
)
def test_the_last_mitigation_of_a_service(
    executions: list[tuple[str, str | None, str]], last: str, tmp_path: Path
) -> None:
    listed = [_execution(name, at, outcome=outcome) for name, at, outcome in executions]
    found = _ran(tmp_path, *listed).last_mitigation("api")
    assert (found.id if found else "") == last


def test_what_is_no_mitigation_mitigates_nothing(tmp_path: Path) -> None:
    chain = _ran(
        tmp_path,
        _execution("fix", "02:40:00", purpose="permanent_fix"),
        _execution("void", "02:39:00", outcome="not_applicable"),
        _execution("other", "02:38:00", services=["search"]),
        _execution("real", "02:25:00", services=["api", "api"]),
    )
    assert [e.id for e in chain.mitigations] == ["real", "other"]
    assert chain.affected_services == ("api", "checkout", "search")
    found = chain.last_mitigation("api")
    assert found is not None
    assert found.id == "real"
    assert chain.last_mitigation("checkout") is None


def _check(name: str, *results: str, at: str = "02:32:00", **more: Any) -> dict[str, Any]:
    given = [{"result": result, "checked_at": f"2026-03-14T{at}Z"} for result in results]
    return {"id": name, "service": "api", "kind": "smoke", "results": given, **more}


def test_the_share_that_passed_counts_what_was_planned_and_never_run(tmp_path: Path) -> None:
    planned = [
        {"id": "a", "critical": True},
        {"id": "b"},
        {"id": "c", "critical": False},
        {"id": "absent", "critical": True},
        {"id": "no result", "critical": True},
    ]
    checks = [
        _check("a", "passed", critical=False),
        _check("b", "passed", critical=False, at="02:33:00"),
        _check("c", "failed", critical=False),
        _check("d", "passed", critical=True, at="02:34:00"),
        _check("e", "failed", critical=True, at="02:35:00"),
        _check("no result", critical=True),
    ]
    changed = {CHECKLIST: {"/recovery_checks": planned}, CHECKS: {"/checks": checks}}
    chain = _chain(tmp_path / "a", set=changed)
    assert [c.id for c in chain.critical_checks] == ["a", "b", "d", "e", "no result"]
    assert [n["id"].text for n in chain.planned_absent] == ["absent", "no result"]
    assert chain.pass_rate == 3 / 6
    assert _clock(chain.recovered) == "02:34:00"
    none: dict[str, Any] = {CHECKLIST: {"/recovery_checks": []}, CHECKS: {"/checks": []}}
    chain = _chain(tmp_path / "b", set=none)
    assert (chain.pass_rate, chain.recovered) == (None, None)


# --- who said what last --------------------------------------------------------------------------


def _runs(*said: tuple[str, str | None, str]) -> list[list[str]]:
    entries: list[Any] = [
        SimpleNamespace(who=who, time=_time(at) if at else None, said=word, n=f"{who}{n}")
        for n, (who, at, word) in enumerate(said)
    ]
    found = chains.runs(entries, lambda e: e.who, lambda e: e.said, lambda e: e.said == "no")
    return [[entry.n for entry in run] for run in found]


def test_what_each_person_said_last_without_a_break() -> None:
    assert _runs(("a", "02:10:00", "yes"), ("a", "02:11:00", "yes")) == [["a0", "a1"]]
    assert _runs(("a", "02:11:00", "yes"), ("a", "02:10:00", "no")) == [["a0"]]
    three = [("a", "02:10:00", "yes"), ("a", "02:11:00", "no"), ("a", "02:12:00", "yes")]
    assert _runs(*three) == [["a2"]]
    assert _runs(("a", "02:11:00", "yes"), ("b", "02:10:00", "no")) == [["b1"], ["a0"]]
    assert _runs(("a", "02:11:00", "yes"), ("a", None, "no")) == [["a1"]]
    assert _runs(("a", "02:11:00", "no"), ("a", None, "yes")) == [["a1"]]


def test_where_it_cannot_be_told_what_speaks_against_came_last() -> None:
    assert _runs(("a", "02:10:00", "no"), ("a", "02:10:00", "yes")) == [["a0"]]
    assert _runs(("a", "02:10:00", "yes"), ("a", "02:10:00", "no")) == [["a1"]]
    assert _runs(("a", "02:10:00", "no"), ("a", "02:10:01", "yes")) == [["a1"]]
