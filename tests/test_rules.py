"""What rules share: what counts as said, as intact, as in order, and how shares are shown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from incident_gates import rules
from incident_gates.evidence import bounds, times
from incident_gates.evidence.refusal import Refusal
from incident_gates.incident import Node
from incident_gates.model import Breach, Place

if TYPE_CHECKING:
    from incident_gates.evidence.times import Time

PLACE = Place("a.json", ("at",))


def _node(value: Any) -> Node:
    return Node("a.json", None, "", value)


def _missing(value: dict[str, Any], *names: str, **how: str) -> list[tuple[str, str, str]]:
    found = rules.missing(_node(value), *names, **how)
    return [(breach.message, breach.subject, breach.level) for breach in found]


def _time(value: object) -> Time:
    time = times.from_value(value)
    assert time is not None
    return time


# --- declaring -----------------------------------------------------------------------------------


def _declare(rule_id: str) -> Any:
    return rules.rule(
        rule_id, gate="mitigation", criterion="order", level="INFO", says="s", why="w", fix="f"
    )


def test_a_rule_is_registered_as_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "RULES", {})

    def check(*_: Any) -> Any:
        return iter(())

    assert _declare("ZZZ001")(check) is check
    declared = rules.RULES["ZZZ001"]
    assert (declared.id, declared.gate, declared.criterion) == ("ZZZ001", "mitigation", "order")
    assert (declared.level, declared.says, declared.why, declared.fix) == ("INFO", "s", "w", "f")
    assert (declared.needs, declared.at_once, declared.history) == ((), False, False)
    assert declared.check is check


def test_an_id_is_never_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "RULES", {})
    _declare("ZZZ001")(lambda *_: iter(()))
    with pytest.raises(ValueError, match="ZZZ001 is declared twice"):
        _declare("ZZZ001")(lambda *_: iter(()))


# --- what is said --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "by hand",
        0,
        2.5,
        False,
        True,
        "2026-03-14T02:10:00Z",
        {"at": "2026-03-14T02:10:00Z", "precision": "minute"},
        ["", "api"],
        [["api"]],
        {"name": "Sam", "role": "operator"},
        {"services": []},
    ],
)
def test_a_value_is_said(value: Any) -> None:
    assert _missing({"x": value}, "x") == []


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "TBD",
        [],
        ["", "TODO"],
        {},
        {"name": "", "role": "operator"},
        {"at": "about two"},
    ],
)
def test_a_value_is_not_said(value: Any) -> None:
    assert _missing({"x": value}, "x") == [("x is missing", "x", "")]


def test_what_is_missing_is_said_one_by_one() -> None:
    found = _missing({}, "who", "when", subject="D-1", because=", and gate 2 asks for it")
    assert found == [
        ("D-1: who is missing, and gate 2 asks for it", "D-1/who", ""),
        ("D-1: when is missing, and gate 2 asks for it", "D-1/when", ""),
    ]


def test_what_is_not_available_for_one_reason_is_said_once() -> None:
    gone = "N/A: the chat was deleted"
    value = {"a": gone, "b": "N/A: never written", "c": gone, "d": gone}
    assert _missing(value, "a", "b", "c", "d", reasoned="WARNING") == [
        ("a, c and d are not available (the chat was deleted)", "a, c, d", "WARNING"),
        ("b is not available (never written)", "b", "WARNING"),
    ]


def test_a_missing_value_is_shown_where_its_parent_stands() -> None:
    absent, empty = rules.missing(_node({"y": ""}), "x", "y")
    assert (absent.place, empty.place) == (Place("a.json", ()), Place("a.json", ("y",)))


# --- files that an entry names -------------------------------------------------------------------


def _intact(digest: str | Refusal, **entry: str) -> list[Breach]:
    def digest_of(_: str) -> str:
        if isinstance(digest, Refusal):
            raise digest
        return digest

    chain: Any = SimpleNamespace(record=SimpleNamespace(attachment_digest=digest_of))
    return list(rules.intact(chain, _node(entry), "log"))


def test_a_file_is_as_it_was_archived() -> None:
    assert _intact("ab", path="api.log", sha256="ab") == []


def test_a_file_that_differs_says_both_digests() -> None:
    (breach,) = _intact("cd", path="api.log", sha256="ab")
    assert breach.message == "log: api.log is not what was archived, its sha256 differs"
    assert (breach.expected, breach.actual) == ("sha256 ab", ("sha256 cd",))
    assert (breach.place, breach.subject) == (Place("a.json", ("sha256",)), "log")
    assert breach.fix.startswith("Restore the file")


def test_a_digest_that_is_missing_is_offered() -> None:
    (breach,) = _intact("cd", path="api.log")
    assert breach.message == "log: sha256 of api.log is missing"
    assert (breach.expected, breach.actual) == ("sha256 cd", ())
    assert (breach.place, breach.subject) == (Place("a.json", ("path",)), "log")
    assert breach.fix.startswith("Write the sha256")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("is not there", "log: api.log: is not there"),
        ("api.log is a link", "log: api.log is a link"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_once(what: str, said: str) -> None:
    (breach,) = _intact(Refusal(what, "Put it back."), path="api.log", sha256="ab")
    assert (breach.message, breach.fix) == (said, "Put it back.")
    assert (breach.place, breach.subject) == (Place("a.json", ("path",)), "log")


# --- order ---------------------------------------------------------------------------------------


def _order(first: object, then: object, **how: Any) -> list[Breach]:
    one, other = (_time(v) if v else None for v in (first, then))
    return list(rules.in_order(one, other, PLACE, "it ran {gap} early", **how))


@pytest.mark.parametrize(
    "times_of", [(None, "2026-03-14T02:10:00Z"), ("2026-03-14T02:10:00Z", None)]
)
def test_an_unknown_time_invents_no_order(times_of: tuple[Any, Any]) -> None:
    assert _order(*times_of) == []


def test_what_comes_a_second_later_is_in_order() -> None:
    assert _order("2026-03-14T02:10:00Z", "2026-03-14T02:10:01Z") == []


def test_the_wrong_order_is_critical_and_says_by_how_much() -> None:
    (breach,) = _order("2026-03-14T02:19:00Z", "2026-03-14T02:10:00Z")
    assert (breach.message, breach.level) == ("it ran 9 min early", "CRITICAL")
    assert (breach.expected, breach.actual, breach.subject) == ("", (), "")
    assert (breach.concerned, breach.fix, breach.place) == ((), "", PLACE)


def test_a_breach_of_order_carries_what_it_is_given() -> None:
    how = {"expected": "e", "actual": ("a",), "subject": "X-1", "concerned": ("Sam",)}
    (breach,) = _order("2026-03-14T02:19:00Z", "2026-03-14T02:10:00Z", **how)
    assert (breach.expected, breach.actual) == ("e", ("a",))
    assert (breach.subject, breach.concerned) == ("X-1", ("Sam",))


@pytest.mark.parametrize(
    ("precision", "level", "known"),
    [
        ("second", "WARNING", "02:10"),
        ("minute", "WARNING", "02:10"),
        ("hour", "CRITICAL", "02:00 (known to the hour)"),
        ("day", "CRITICAL", "00:00 (known to the day)"),
        ("PT2M", "CRITICAL", "02:10 (02:08 to 02:12)"),
    ],
)
def test_an_order_that_cannot_be_told_fails_where_times_are_coarse(
    precision: str, level: str, known: str
) -> None:
    coarse = {"at": "2026-03-14T02:10:00Z", "precision": precision}
    (breach,) = _order(coarse, "2026-03-14T02:10:00Z")
    said = f"it ran possibly early: the order of 02:10 and {known} cannot be told"
    assert (breach.message, breach.level) == (said, level)
    assert breach.fix.startswith(f"{rules.DO_NOT_CHANGE}. Give a finer one")
    (turned,) = _order("2026-03-14T02:10:00Z", coarse)
    assert turned.level == level


# --- shares --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (1.0, "100%"),
        (0.95, "95%"),
        (0.9497, "94.9%"),
        (0.9499999, "94.9%"),
        (0.29, "29%"),
        (0, "0%"),
    ],
)
def test_a_share_is_rounded_down(share: float, shown: str) -> None:
    assert rules.percent(share) == shown


def test_as_many_names_are_said_as_anybody_reads() -> None:
    names = [f"D-{n}" for n in range(bounds.NAMES_LISTED)]
    assert rules.one_of([]) == ""
    assert rules.one_of(["D-0", "D-1"]) == "one of D-0, D-1"
    assert rules.one_of(names) == f"one of {', '.join(names)}"
    assert rules.one_of([*names, "x", "y"]) == f"one of {', '.join(names)} and 2 more"
