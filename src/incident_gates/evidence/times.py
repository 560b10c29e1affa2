"""Times as intervals: what was written down, and how much it can prove."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple

from incident_gates.evidence.bounds import DURATION_DAYS, EXCERPT_CHARS

_SECOND: Final = timedelta(seconds=1)
_UNITS: Final = {
    "second": _SECOND,
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_HOURS_A_DAY: Final = 24
_MINUTES_AN_HOUR: Final = 60
_DAY: Final = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_FRACTION: Final = r"(?:\.(?P<fraction>[0-9]{1,9}))?"
_OFFSET: Final = r"(?P<sign>[+-])(?P<ahead>[0-9]{2}):(?P<minutes>[0-9]{2})"
_RFC3339: Final = re.compile(
    rf"{_DAY}[Tt ](?P<hour>[0-9]{{2}}):(?P<minute>[0-9]{{2}}):(?P<second>[0-9]{{2}}){_FRACTION}"
    rf"(?:[Zz]|{_OFFSET})\Z"
)
_LEADING: Final = re.compile(
    rf"\s*(?:{_DAY}[Tt ])?(?P<hour>[0-9]{{2}}):(?P<minute>[0-9]{{2}})"
    rf"(?::(?P<second>[0-9]{{2}}){_FRACTION})?[ ]?(?:UTC|[Zz]|{_OFFSET})"
    # Not `02:10 UTC+2`, and not the beginning of a longer number or word.
    r"(?![0-9A-Za-z_+]|[-:.][0-9])"
)
_SEPARATOR: Final = re.compile(r"[\s|:–—-]+")
_ISO_DATE: Final = re.compile(rf"(?<![0-9]){_DAY}(?![0-9])")


class Order(Enum):
    """What two intervals say about the claim that the first is not later than the second."""

    PROVEN = "proven"
    NOT_PROVABLE = "not provable"
    CONTRADICTED = "contradicted"


class Time(NamedTuple):
    """A moment somewhere in [earliest, latest), in UTC, with the text that says so."""

    earliest: datetime
    latest: datetime
    text: str
    precision: str

    @property
    def tolerance(self) -> timedelta:
        return self.latest - self.earliest

    @property
    def fine(self) -> bool:
        return self.tolerance <= _UNITS["minute"]

    @property
    def day(self) -> str:
        return self._stated.date().isoformat()

    @property
    def clock(self) -> str:
        stated = self._stated
        exact = stated.second and self.precision not in ("minute", "hour", "day")
        minute = f"{stated.hour:02}:{stated.minute:02}"  # strftime takes ten times as long
        return f"{minute}:{stated.second:02}" if exact else minute

    @property
    def shown(self) -> str:
        return f"{self.day} {self.clock} UTC"

    @property
    def _stated(self) -> datetime:
        """The moment as written, which lies inside the interval but need not begin it."""
        written = None if self.precision in _UNITS else parse(self.text)
        return written.earliest if written else self.earliest


def order(first: Time, then: Time) -> Order:
    """Whether the first is proven to be not later than the second."""
    if first.latest <= then.earliest:
        return Order.PROVEN
    return Order.CONTRADICTED if first.earliest >= then.latest else Order.NOT_PROVABLE


def overlap(one: Time, other: Time) -> bool:
    """Whether two times can be the same moment; a bare minute covers its seconds."""
    return one.earliest < other.latest and other.earliest < one.latest


class Overlapping:
    """Says of a time whether it overlaps with any of those given, however many they are."""

    def __init__(self, times: Iterable[Time]) -> None:
        given = sorted(times, key=lambda time: time.earliest)
        self._begun = [time.earliest for time in given]
        # How far those reach that began by then.
        self._reach = list(accumulate((time.latest for time in given), max))

    def __contains__(self, time: Time) -> bool:
        before = bisect_left(self._begun, time.latest)
        return before > 0 and self._reach[before - 1] > time.earliest


def elapsed(first: Time, then: Time) -> tuple[timedelta, timedelta]:
    """The least and the most time that can lie between the two."""
    return then.earliest - first.latest, then.latest - first.earliest


@lru_cache(maxsize=4096)
def parse(text: str) -> Time | None:
    """A strict RFC 3339 time with offset; its last digit gives its precision."""
    match = _RFC3339.match(text)
    if not match:
        return None
    try:
        start = _instant(match, _date(match))
        unit, precision = _written_precision(match)
        return Time(start, start + unit, text, precision)
    except (ValueError, OverflowError):  # no such date, or beyond the years a date can hold
        return None


def _date(match: re.Match[str]) -> date:
    return date(int(match["year"]), int(match["month"]), int(match["day"]))


def _instant(match: re.Match[str], day: date) -> datetime:
    micro = int((match["fraction"] or "0").ljust(6, "0")[:6])
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
    local = datetime(day.year, day.month, day.day, hour, minute, second, micro, timezone.utc)
    return local - _offset(match) if match["sign"] else local


def _offset(match: re.Match[str]) -> timedelta:
    if not match["sign"]:
        return timedelta()
    hours, minutes = int(match["ahead"]), int(match["minutes"])
    if hours >= _HOURS_A_DAY or minutes >= _MINUTES_AN_HOUR:
        raise ValueError("no such offset")
    ahead = timedelta(hours=hours, minutes=minutes)
    return -ahead if match["sign"] == "-" else ahead


def _written_precision(match: re.Match[str]) -> tuple[timedelta, str]:
    if match["fraction"]:
        return timedelta(microseconds=10 ** max(0, 6 - len(match["fraction"]))), "fraction"
    return (_SECOND, "second") if match["second"] else (_UNITS["minute"], "minute")


def from_value(value: object) -> Time | None:
    """A time as JSON evidence gives it: a string, or an object with precision and claims."""
    if isinstance(value, str):
        return parse(value)
    if not isinstance(value, dict):
        return None
    stated = _stated(value)
    claims = value.get("source")
    if stated is None or claims is None or isinstance(claims, str):
        return stated
    return _hull(stated, claims) if isinstance(claims, list) else None


def _hull(stated: Time, claims: list[object]) -> Time | None:
    times = [stated]
    for claim in claims:
        time = _stated(claim) if isinstance(claim, Mapping) else None
        if time is None:
            return None
        times.append(time)
    earliest = min(time.earliest for time in times)
    return Time(earliest, max(time.latest for time in times), stated.text, "claims")


def _stated(value: Mapping[str, object]) -> Time | None:
    at, precision = value.get("at"), value.get("precision")
    time = parse(at) if isinstance(at, str) else None
    if time is None or precision is None:
        return time
    if not isinstance(precision, str):
        return None
    try:
        return _floored(time, precision) if precision in _UNITS else _around(time, precision)
    except OverflowError:
        return None


def _floored(time: Time, precision: str) -> Time:
    match = _RFC3339.match(time.text)
    offset = _offset(match) if match else timedelta()
    unit = _UNITS[precision]
    # Days and hours begin where the writer's clock says so, not where UTC does.
    local = time.earliest + offset
    since_midnight = local - local.replace(hour=0, minute=0, second=0, microsecond=0)
    start = time.earliest - since_midnight % unit
    return Time(start, start + unit, time.text, precision)


def _around(time: Time, precision: str) -> Time | None:
    tolerance = duration(precision)
    if tolerance is None:
        return None
    return Time(time.earliest - tolerance, time.latest + tolerance, time.text, precision)


# --- durations -----------------------------------------------------------------------------

_ISO_DURATION: Final = re.compile(
    r"P(?=[0-9T])(?:(?P<w>[0-9]{1,9})W|(?:(?P<d>[0-9]{1,9})D)?"
    r"(?:T(?=[0-9])(?:(?P<h>[0-9]{1,9})H)?(?:(?P<m>[0-9]{1,9})M)?"
    r"(?:(?P<s>[0-9]{1,9}(?:\.[0-9]{1,9})?)S)?)?)\Z"
)
_SPOKEN: Final = (
    ("w", "weeks?|w"),
    ("d", "days?|d"),
    ("h", "hours?|hrs?|h"),
    ("m", "minutes?|mins?|m"),
    ("s", "seconds?|secs?|s"),
)
_HUMAN_DURATION: Final = (
    r"(?=[0-9])"
    + "".join(
        rf"(?:(?P<{name}>[0-9]{{1,9}}(?:\.[0-9]{{1,3}})?) ?(?:{words})(?![a-z])\.?"
        r"(?:,? and |, ?| )?)?"
        for name, words in _SPOKEN
    )
    + r"\Z"
)
_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}


def duration(text: str) -> timedelta | None:
    """An ISO 8601 duration such as PT30M."""
    return _total(_ISO_DURATION.match(text))


def human_duration(text: str) -> timedelta | None:
    """A duration as people write it: 27 minutes, 1 h 48 min, PT30M."""
    short = " ".join(text.split()) if len(text) <= EXCERPT_CHARS else ""
    return _total(_ISO_DURATION.match(short) or re.match(_HUMAN_DURATION, short.lower()))


def _total(match: re.Match[str] | None) -> timedelta | None:
    if match is None:
        return None
    named = match.groupdict()
    seconds = sum(float(named[name] or 0) * size for name, size in _SECONDS.items())
    return timedelta(seconds=seconds) if seconds <= DURATION_DAYS * _SECONDS["d"] else None


def grain(text: str) -> timedelta:
    """The smallest unit that a stated duration names: PT1H30M is exact to the minute."""
    short = " ".join(text.split()) if len(text) <= EXCERPT_CHARS else ""
    match = _ISO_DURATION.match(short) or re.match(_HUMAN_DURATION, short.lower())
    named = [(n, v) for n, v in (match.groupdict() if match else {}).items() if v]
    if not named:
        return timedelta()
    name, written = named[-1]
    digits = len(written.partition(".")[2])
    return timedelta(seconds=_SECONDS[name] / 10**digits)


def show_duration(length: timedelta) -> str:
    """A duration in its two largest units: 1 h 48 min."""
    if length < timedelta():
        return "-" + show_duration(-length)
    minutes, seconds = divmod(length.total_seconds(), 60)
    hours, minutes = divmod(int(minutes), 60)
    days, hours = divmod(hours, 24)
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    first = next((i for i, (amount, _) in enumerate(units) if amount), 3)
    shown = [f"{amount:g} {unit}" for amount, unit in units[first : first + 2] if amount]
    return " ".join(shown) or "0 s"


# --- times in Markdown logs ----------------------------------------------------------------

_HALF_A_DAY: Final = timedelta(hours=12)


class Clock:
    """Reads the leading times of a log's entries, in the order in which they stand."""

    def __init__(self, date: date | None) -> None:
        self.date = date
        self.problem = ""
        self.stepped_back: list[int] = []
        self._entries = 0
        self._previous: datetime | None = None
        self._dated = False

    def heading(self, text: str) -> None:
        """A heading with a date dates the entries below it."""
        match = _ISO_DATE.search(text)
        if match:
            try:
                self.date = _date(match)
                self._dated = True
            except ValueError:
                return

    def read(self, text: str) -> tuple[Time, str] | None:
        """The time that leads a line and what follows it; None, perhaps with a problem."""
        self.problem = ""
        match = _LEADING.match(text)
        if not match:
            return None
        written = match[0].strip()
        if not match["year"] and self.date is None:
            self.problem = f"{written} has no date: neither front matter nor a heading gives one"
            return None
        try:
            start = self._start(match)
            unit, precision = _written_precision(match)
            time = Time(start, start + unit, written, precision)
        except (ValueError, OverflowError):
            self.problem = f"{written} is no possible time"
            return None
        self._advance(start)
        return time, _rest(text, match)

    def _start(self, match: re.Match[str]) -> datetime:
        day = _date(match) if match["year"] else self.date or date.min
        start = _instant(match, day)
        # After midnight people go on writing bare times; an explicit date is never corrected.
        bare = not match["year"] and not self._dated
        if bare and self._previous and self._previous - start > _HALF_A_DAY:
            day, start = day + timedelta(days=1), start + timedelta(days=1)
        self.date, self._dated = day, False
        return start

    def _advance(self, start: datetime) -> None:
        if self._previous and start < self._previous:
            self.stepped_back.append(self._entries)
        self._previous = start
        self._entries += 1


def after_time(text: str) -> str:
    """What follows the time that leads a line; "" where none does."""
    match = _LEADING.match(text)
    return _rest(text, match) if match else ""


def _rest(text: str, time: re.Match[str]) -> str:
    rest = text[time.end() :]
    separator = _SEPARATOR.match(rest)
    return rest[separator.end() :] if separator else rest


_MONTH: Final = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
# Like the next ones only compiled when needed: most entries begin as they should.
_LOOKS: Final = (
    r"[\s>*_~\[(|≈•·+-]*(?:(?:about|around|approx\.?|circa|ca\.?|at) )?(?:"
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"  # 2026-03-14
    r"|[0-9]{1,4}/[0-9]{1,2}/[0-9]{1,4}"  # 14/03/2026
    r"|[0-9]{1,2}:[0-9]{2}(?![0-9])"  # 2:10
    r"|(?:[01][0-9]|2[0-3])\.[0-5][0-9](?![0-9.%])"  # 02.10
    r"|[0-9]{1,2}h[0-9]{2}(?![0-9])"  # 02h10
    r"|[0-9]{4} ?(?:utc|z|hrs?|h)\b"  # 0210Z
    r"|[0-9]{1,2} ?[ap]\.?m\b"  # 2pm
    r"|t ?[+-] ?[0-9]"  # T+5
    rf"|(?:{_MONTH} [0-9]{{1,2}}|[0-9]{{1,2}} {_MONTH})\D.{{0,12}}[0-9]:[0-9]{{2}}"  # 14 March …
    r"|n/?a\b"
    r")"
)
_TIME_OF_DAY: Final = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
_REASONS: Final = (
    (r"\s*\Z", "it is empty"),
    (r"\s*[nN]/?[aA]\b", "it says that the time is not known"),
    (_RFC3339.pattern, "there is no such date or time"),
    (rf"\s*{_DAY}\s*\Z", "it is a date without a time of day"),
    (
        rf"\s*{_DAY}[Tt ][0-9]{{2}}:[0-9]{{2}} ?(?:[Zz]|UTC|{_OFFSET})",
        "it has no seconds",
    ),
    (rf"\s*{_TIME_OF_DAY} ?(?:UTC|[Zz]|{_OFFSET})", "it has no date"),
    (
        rf".{{0,20}}?{_TIME_OF_DAY} ?[A-Z]{{1,3}}T\b",
        "its time zone is a name and not an offset such as +01:00",
    ),
    (
        rf".{{0,20}}?{_TIME_OF_DAY}(?![0-9]|[:.,][0-9]| ?(?:[Zz]|UTC|[+-][0-9]))",
        "it has no offset such as Z or +01:00",
    ),
)


def looks_like_time(text: str) -> bool:
    """Whether a line seems meant to begin with a time, readable or not."""
    return bool(_LEADING.match(text) or re.match(_LOOKS, text, re.IGNORECASE))


def why_not(text: str) -> str:
    """One phrase on why a text is no acceptable time."""
    return next((why for pattern, why in _REASONS if re.match(pattern, text)), "it is not a time")
