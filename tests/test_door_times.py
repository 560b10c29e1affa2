"""Times are intervals, and prove only what they can."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_gates.evidence import times
from incident_gates.evidence.times import Clock, Order, Time, order

UTC = timezone.utc
PRECISIONS = ["second", "minute", "hour", "day"]
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1))  # noqa: DTZ001
SHIFTS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timedelta(minutes=minutes))


def _time(value: object) -> Time:
    time = times.from_value(value)
    assert time is not None
    return time


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _bounds(value: object) -> tuple[str, str]:
    time = _time(value)
    return time.earliest.isoformat(), time.latest.isoformat()


@pytest.mark.parametrize(
    ("text", "earliest", "width"),
    [
        ("2026-03-14T02:25:30Z", datetime(2026, 3, 14, 2, 25, 30, tzinfo=UTC), 10**6),
        ("2026-03-14 02:25:30z", datetime(2026, 3, 14, 2, 25, 30, tzinfo=UTC), 10**6),
        ("2026-03-14t02:25:30+05:30", datetime(2026, 3, 13, 20, 55, 30, tzinfo=UTC), 10**6),
        ("2026-03-14T02:25:30-00:00", datetime(2026, 3, 14, 2, 25, 30, tzinfo=UTC), 10**6),
        ("2026-03-14T02:25:30.5Z", datetime(2026, 3, 14, 2, 25, 30, 500_000, UTC), 10**5),
        ("2026-03-14T02:25:30.123456789Z", datetime(2026, 3, 14, 2, 25, 30, 123_456, UTC), 1),
        ("2024-02-29T23:59:59Z", datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC), 10**6),
    ],
)
def test_an_rfc3339_time_is_as_precise_as_its_last_digit(
    text: str, earliest: datetime, width: int
) -> None:
    time = times.parse(text)
    assert time is not None
    assert time.earliest == earliest
    assert time.tolerance == timedelta(microseconds=width)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-03-14T02:25:30", "no offset"),
        ("2026-03-14 02:25", "no offset"),
        ("02:25", "no offset"),
        ("2026-03-14T02:25Z", "no seconds"),
        ("2026-03-14T02:25+01:00", "no seconds"),
        ("2026-03-14", "without a time of day"),
        ("2026-02-29T00:00:00Z", "no such"),
        ("2026-03-14T24:00:00Z", "no such"),
        ("2026-03-14T23:59:60Z", "no such"),
        ("2026-03-14T23:59:59+24:00", "no such"),
        ("2026-03-14T23:59:59+01:60", "no such"),
        ("0001-01-01T00:00:00+01:00", "no such"),
        ("9999-12-31T23:59:59Z", "no such"),
        ("02:25 UTC", "no date"),
        ("02:25 PST", "time zone is a name"),
        ("2026-03-14T02:25:30Z\n", "not a time"),
        ("٢٠٢٦-03-14T02:25:30Z", "not a time"),
        ("N/A: not recorded", "not known"),
        ("", "empty"),
        ("soon", "not a time"),
    ],
)
def test_what_is_no_time_says_why(text: str, why: str) -> None:
    assert times.parse(text) is None
    assert why in times.why_not(text)


@given(st.text() | st.text("0123456789-:.TZ+ UC"))
def test_any_text_is_a_time_or_not(text: str) -> None:
    clock = Clock(date(2026, 3, 14))
    times.parse(text)
    times.looks_like_time(text)
    times.why_not(text)
    times.human_duration(text)
    clock.heading(text)
    clock.read(text)


def test_precision_widens_the_interval_on_the_writers_clock() -> None:
    at = "2026-03-14T02:25:30+05:30"
    assert _bounds({"at": at}) == ("2026-03-13T20:55:30+00:00", "2026-03-13T20:55:31+00:00")
    assert _bounds({"at": at, "precision": "hour"}) == (
        "2026-03-13T20:30:00+00:00",
        "2026-03-13T21:30:00+00:00",
    )
    assert _bounds({"at": at, "precision": "day"}) == (
        "2026-03-13T18:30:00+00:00",
        "2026-03-14T18:30:00+00:00",
    )
    assert _bounds({"at": at, "precision": "PT30M"}) == (
        "2026-03-13T20:25:30+00:00",
        "2026-03-13T21:25:31+00:00",
    )


def test_competing_claims_count_all() -> None:
    claims = [
        {"from": "pager", "at": "2026-03-14T02:20:00Z"},
        {"from": "chat", "at": "2026-03-14T02:30:00Z", "precision": "minute"},
    ]
    value = {"at": "2026-03-14T02:25:30Z", "source": claims}
    assert _bounds(value) == ("2026-03-14T02:20:00+00:00", "2026-03-14T02:31:00+00:00")
    assert _time(value).shown == "2026-03-14 02:25:30 UTC"
    assert _time({"at": "2026-03-14T02:25:30Z", "source": "pager"}).fine


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        [],
        {},
        "N/A: the pager was down",
        {"at": 3},
        {"at": "2026-03-14T02:25:30Z", "precision": "week"},
        {"at": "2026-03-14T02:25:30Z", "precision": 3},
        {"at": "2026-03-14T02:25:30Z", "source": 3},
        {"at": "2026-03-14T02:25:30Z", "source": [{"at": "later"}]},
        {"at": "2026-03-14T02:25:30Z", "source": ["pager"]},
        {"at": "0001-01-01T00:00:00Z", "precision": "P1D"},
        {"at": "9999-12-31T23:00:00Z", "precision": "day"},
    ],
)
def test_anything_else_is_no_time(value: object) -> None:
    assert times.from_value(value) is None


def test_order_is_proven_contradicted_or_neither() -> None:
    early, late = _time("2026-03-14T02:25:30Z"), _time("2026-03-14T02:25:31Z")
    minute = _time({"at": "2026-03-14T02:25:30Z", "precision": "minute"})
    instant = Time(early.earliest, early.earliest, "", "")
    assert order(early, late) is Order.PROVEN
    assert order(late, early) is Order.CONTRADICTED
    assert order(early, early) is Order.NOT_PROVABLE
    assert order(minute, late) is Order.NOT_PROVABLE
    assert order(instant, instant) is Order.PROVEN
    assert times.elapsed(early, late) == (timedelta(), timedelta(seconds=2))


@given(MOMENTS, MOMENTS, st.sampled_from(PRECISIONS), st.sampled_from(PRECISIONS))
def test_knowing_less_never_proves_more(
    first: datetime, then: datetime, precise: str, other: str
) -> None:
    orders = [
        order(
            _time({"at": _rfc3339(first), "precision": precision}),
            _time({"at": _rfc3339(then), "precision": other}),
        )
        for precision in [precise, *PRECISIONS[PRECISIONS.index(precise) :]]
    ]
    for known, vaguer in pairwise(orders):
        assert vaguer in (known, Order.NOT_PROVABLE)


@given(MOMENTS, MOMENTS, SHIFTS)
def test_an_offset_changes_no_order(first: datetime, then: datetime, shift: timedelta) -> None:
    def shifted(moment: datetime) -> Time:
        local = moment.replace(microsecond=0, tzinfo=UTC).astimezone(timezone(shift))
        return _time(local.isoformat())

    assert order(_time(_rfc3339(first)), _time(_rfc3339(then))) is order(
        shifted(first), shifted(then)
    )


@given(MOMENTS, MOMENTS)
def test_what_is_proven_one_way_is_contradicted_the_other(first: datetime, then: datetime) -> None:
    a, b = _time(_rfc3339(first)), _time(_rfc3339(then))
    assert (order(a, b) is Order.CONTRADICTED) == (order(b, a) is Order.PROVEN)


def test_a_time_is_shown_in_utc() -> None:
    exact = _time("2026-03-14T02:25:30+01:00")
    minute = _time({"at": "2026-03-14T02:25:30+01:00", "precision": "minute"})
    about = _time({"at": "2026-03-14T02:25:30+01:00", "precision": "PT30M"})
    assert (exact.day, exact.clock, exact.shown) == (
        "2026-03-14",
        "01:25:30",
        "2026-03-14 01:25:30 UTC",
    )
    assert (minute.clock, minute.fine) == ("01:25", True)
    assert (about.clock, about.fine) == ("01:25:30", False)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT30M", 1800),
        ("PT12H", 43_200),
        ("PT45.25S", 45.25),
        ("P14D", 1_209_600),
        ("P10W", 6_048_000),
        ("P1DT2H3M4.5S", 93_784.5),
        ("P2W", 1_209_600),
        ("PT0S", 0),
        ("27 minutes", 1620),
        ("27 min", 1620),
        ("1 h 48 min", 6480),
        ("1h48m", 6480),
        ("1 hour, 5 minutes and 2 seconds", 3902),
        ("90 s", 90),
        ("2 days", 172_800),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert times.human_duration(text) == timedelta(seconds=seconds)
    assert (times.duration(text) is not None) == text.startswith("P")


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1", "P1M", "P1Y", "P1DT", "-PT1M", "PT1M\n", "P9999D", "P999999999W"]
)
def test_other_durations_are_not(text: str) -> None:
    assert times.duration(text) is None


@pytest.mark.parametrize("text", ["27", "minutes", "1 min 2 h", "5 moons", "1 hours5", "1min" * 99])
def test_other_words_are_no_duration(text: str) -> None:
    assert times.human_duration(text) is None


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (1620, "27 min"),
        (6480, "1 h 48 min"),
        (45, "45 s"),
        (266_400, "3 d 2 h"),
        (330, "5 min 30 s"),
        (0, "0 s"),
        (0.5, "0.5 s"),
        (3630, "1 h"),
        (-90, "-1 min 30 s"),
    ],
)
def test_durations_are_shown(seconds: float, shown: str) -> None:
    assert times.show_duration(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    ("text", "start", "width", "rest"),
    [
        ("02:10 UTC - Alert triggered", "02:10:00", 60, "Alert triggered"),
        ("02:10Z – Alert", "02:10:00", 60, "Alert"),
        ("02:10:30 UTC: Alert", "02:10:30", 1, "Alert"),
        ("02:10 UTC | #sre | -5 nodes", "02:10:00", 60, "#sre | -5 nodes"),
        ("03:10+01:00 — Alert", "02:10:00", 60, "Alert"),
        ("2026-03-14 02:10 UTC Alert", "02:10:00", 60, "Alert"),
        ("2026-03-14T02:10:05.25Z", "02:10:05.250000", 0.01, ""),
        ("2026-03-14 02:10:05 -03:00 - late", "05:10:05", 1, "late"),
    ],
)
def test_a_log_line_begins_with_a_time(text: str, start: str, width: float, rest: str) -> None:
    read = Clock(date(2026, 3, 14)).read(text)
    assert read is not None
    time, remainder = read
    assert time.earliest == datetime.fromisoformat(f"2026-03-14T{start}+00:00")
    assert time.tolerance == timedelta(seconds=width)
    assert remainder == rest


@pytest.mark.parametrize(
    "text",
    [
        "2:10 UTC - Alert",
        "~02:10 UTC",
        "[02:10] Alert",
        "02:10 - Alert",
        "02:10 UTC+2 Alert",
        "02:10 UTC-5 Alert",
        "02:10 PST Alert",
        "02:10–02:15 UTC",
        "02.10 Alert",
        "02h10 Alert",
        "2pm Alert",
        "0210Z Alert",
        "**2:10** Alert",
        "- 02:10 Alert",
        "14/03/2026 02:10 Alert",
        "14 March, 02:10 Alert",
        "Mar 14 02:10 Alert",
        "T+5 min Alert",
        "N/A - nobody knows",
        "about 02:10",
        "25:10 UTC - Alert",
        "2026-02-30 02:10 UTC",
    ],
)
def test_a_line_meant_as_a_time_is_never_lost(text: str) -> None:
    assert Clock(date(2026, 3, 14)).read(text) is None
    assert times.looks_like_time(text)


@pytest.mark.parametrize("text", ["Alert at 02:10 UTC", "99.95% of users", "3 nodes", "", "May be"])
def test_other_lines_are_not_meant_as_times(text: str) -> None:
    assert not times.looks_like_time(text)


def test_a_log_without_a_date_says_so() -> None:
    clock = Clock(None)
    assert clock.read("02:10 UTC - Alert") is None
    assert "no date" in clock.problem
    clock.heading("Timeline (2026-13-14)")
    assert clock.date is None
    clock.heading("Timeline (2026-03-14)")
    assert clock.read("02:10 UTC - Alert")
    assert not clock.problem


def test_a_log_runs_over_midnight_and_may_step_back() -> None:
    clock = Clock(date(2026, 3, 14))
    lines = ["23:50 UTC", "00:05 UTC", "00:03 UTC", "2026-03-16 08:00 UTC", "07:00 UTC"]
    read = [clock.read(line) for line in lines]
    days = [time.earliest.day for time, _ in filter(None, read)]
    assert days == [14, 15, 15, 16, 16]
    assert clock.stepped_back == [2, 4]
    clock.heading("2026-03-14")
    assert clock.read("01:00 UTC")
    assert clock.date == date(2026, 3, 14)
    assert clock.stepped_back == [2, 4, 5]


def test_the_end_of_time_is_no_crash() -> None:
    clock = Clock(date(9999, 12, 31))
    assert clock.read("23:50 UTC")
    assert clock.read("00:05 UTC") is None
    assert clock.problem


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("2026-03-14T02:25:30Z", "second"),
        ("2026-03-14T02:25:30.5Z", "fraction"),
    ],
)
def test_a_time_is_as_precise_as_it_is_written(text: str, precision: str) -> None:
    time = times.parse(text)
    assert time is not None
    assert (time.precision, time.clock) == (precision, "02:25:30")


def test_what_is_longer_than_a_duration_is_none() -> None:
    assert times.human_duration("1 h" + " " * 197) == timedelta(hours=1)
    assert times.human_duration("1 h" + " " * 198) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT1H30M", 60),
        ("27 minutes", 60),
        ("2 h", 3600),
        ("1.5 h", 360),
        ("12.25 s", 0.01),
        ("about PT1M", 0),
        ("soon", 0),
        ("1 h" + " " * 197, 3600),
        ("1 h" + " " * 198, 0),
    ],
)
def test_a_duration_is_exact_to_the_smallest_unit_it_names(text: str, seconds: float) -> None:
    assert times.grain(text) == timedelta(seconds=seconds)


def test_a_whole_minute_is_shown_without_seconds() -> None:
    time = times.parse("2026-03-14T02:25:00Z")
    assert time is not None
    assert (time.precision, time.clock) == ("second", "02:25")


def test_a_time_may_overlap_with_any_of_those_given() -> None:
    def at(clock: str, precision: str = "second") -> Time:
        found = times.from_value({"at": f"2026-03-14T{clock}Z", "precision": precision})
        assert found is not None
        return found

    given = times.Overlapping([at("02:10:00", "minute"), at("02:00:00", "hour"), at("05:00:00")])
    inside = [clock for clock in ("02:00:00", "02:30:00", "05:00:00") if at(clock) in given]
    assert inside == ["02:00:00", "02:30:00", "05:00:00"]
    beside = ("01:59:59", "03:00:00", "04:59:59", "05:00:01")
    assert not [clock for clock in beside if at(clock) in given]
    assert at("02:00:00") not in times.Overlapping([])
