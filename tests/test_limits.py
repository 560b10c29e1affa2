"""What the door bounds is let in at the bound, refused beyond it, and judged in bounded work."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import worstwork
from casework import EXAMPLES

from incident_gates import engine, policy, protocol, rules, seal
from incident_gates.evidence import archives, bounds, files, times
from incident_gates.evidence.refusal import Refusal, quoted
from incident_gates.incident import Record, is_placeholder
from incident_gates.model import Breach, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incident_gates.model import Finding, IncidentReport

ROOT = Path(__file__).resolve().parents[1]
CHECKS, ROUTES, SUMMARY = (
    "recovery-validation.json",
    "alert-test-results.json",
    "resolution-summary.json",
)
RULES = "groups: [{name: api}]\n"
REPORT, PACKAGE, WAIVERS = "INCIDENT-REPORT.md", "MONITORING-PACKAGE.zip", "waivers.yaml"


def judged(folder: Path) -> IncidentReport:
    """The report on a record, every gate due."""
    site = folder.parents[2]
    record = Record(folder, site=site, base=site, protocol=protocol.load())
    now = times.parse("2026-03-20T00:00:00Z")
    assert now is not None
    limits = policy.Limits(protocol.load(), policy.Policy())
    return engine.judge(record, limits, now.earliest, engine.Request("all"))


def found(folder: Path, rule: str) -> list[Finding]:
    """What one rule says of a record."""
    return [f for f in judged(folder).all_findings if f.rule == rule]


# --- at the bound, and one beyond ----------------------------------------------------------------


def text_of(folder: Path, name: str, change: Callable[[str], str]) -> None:
    path = folder / name
    path.write_text(change(path.read_text("utf-8")), encoding="utf-8", newline="")


def longer(name: str) -> Callable[[Path, int], None]:
    """A file of so many bytes, the last of which are blanks."""
    return lambda folder, n: text_of(folder, name, lambda said: said + " " * (n - len(said)))


def value(name: str, made: Callable[[int], str]) -> Callable[[Path, int], None]:
    """A value of our own at the top of a JSON file."""

    def put(folder: Path, n: int) -> None:
        text_of(folder, name, lambda said: f'{said.rstrip()[:-1]}, "x-own": {made(n)}}}')

    return put


def lists(n: int) -> str:
    """Lists that make a file of n values, when those that the example holds are counted in."""
    held = _values(json.loads((EXAMPLES / "complete" / worstwork.INCIDENT / SUMMARY).read_text()))
    full, rest = divmod(n - held - 1, 1000)
    lengths = [999] * full + [rest - 1]
    return json.dumps([[0] * length for length in lengths])


def _values(inside: Any) -> int:
    children = inside.values() if isinstance(inside, dict) else inside
    return sum(1 + _values(c) for c in children) if isinstance(inside, (dict, list)) else 0


def lines(folder: Path, n: int) -> None:
    text_of(folder, REPORT, lambda said: said + "\n" * (n - said.count("\n")))


def front(folder: Path, n: int) -> None:
    """Front matter of so many bytes."""

    def change(said: str) -> str:
        source = said.partition("---\n")[2].partition("---\n")[0]
        return said.replace(source, f"{source}#{' ' * (n - len(source) - 2)}\n", 1)

    text_of(folder, REPORT, change)


def waivers(made: Callable[[str, int], str]) -> Callable[[Path, int], object]:
    start = "schema_version: '1.0'\nincident_id: INC-2026-0042\nentries: []\n"
    return lambda folder, n: (folder / WAIVERS).write_text(made(start, n))


def packed(members: Callable[[int], dict[str, int]]) -> Callable[[Path, int], None]:
    """A monitoring package with members of these sizes beside a rule file."""

    def put(folder: Path, n: int) -> None:
        with zipfile.ZipFile(folder / PACKAGE, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("rules.yml", RULES)
            for name, size in members(n).items():
                archive.writestr(name, bytes(size))

    return put


def of_size(folder: Path, n: int) -> None:
    """A package of so many bytes."""
    (folder / PACKAGE).write_bytes(_stored(n - len(_stored(0))))


def _stored(size: int) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("rules.yml", RULES)
        archive.writestr("blob", bytes(size))
    return made.getvalue()


def many_files(folder: Path, n: int) -> None:
    there = sum(1 for _ in folder.rglob("*"))
    for number in range(n - there):
        (folder / "attachments" / f"{number}.log").touch()


def many_bytes(folder: Path, n: int) -> None:
    there = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    with (folder / "attachments" / "core").open("wb") as stream:
        stream.truncate(n - there)


def folders(folder: Path, n: int) -> None:
    (folder / "/".join(["a"] * n)).mkdir(parents=True)


def looked_into(folder: Path, before: dict[str, int]) -> None:
    """A package whose rule file comes after other members."""
    with zipfile.ZipFile(folder / PACKAGE, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, size in before.items():
            archive.writestr(name, b"#" * size)
        archive.writestr("rules.yml", RULES)


def one_member(folder: Path, n: int) -> None:
    """A rule file of so many bytes, alone."""
    with zipfile.ZipFile(folder / PACKAGE, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rules.yml", RULES.ljust(n, "#"))


def read_first(folder: Path, n: int) -> None:
    """A rule file that ends where so many bytes have been read."""
    full, rest = divmod(n - len(RULES), bounds.ZIP_MEMBER_BYTES)
    sizes = [bounds.ZIP_MEMBER_BYTES] * full + [rest]
    looked_into(folder, {f"{i}.yml": size for i, size in enumerate(sizes)})


def unmet(folder: Path, n: int) -> None:
    """A checklist of which so many items are not verified."""

    def change(said: str) -> str:
        top = json.loads(said)
        items = [{**top["items"][0], "id": f"i{i}", "status": "pending"} for i in range(n)]
        return json.dumps({**top, "items": items})

    text_of(folder, "rollback-readiness-checklist.json", change)


class Bound(NamedTuple):
    """A bound of a record: how to reach it, and the finding that says that it was crossed."""

    reach: Callable[[Path, int], object]
    rule: str
    says: str


BOUNDS = {
    "FILE_BYTES": Bound(longer(CHECKS), "FIL002", "larger than 2 MiB"),
    "MARKDOWN_BYTES": Bound(longer(REPORT), "FIL002", "larger than 512 KiB"),
    "MARKDOWN_LINES": Bound(lines, "FIL002", "more than 10000 lines"),
    "YAML_BYTES": Bound(
        waivers(lambda start, n: f"{start}#{' ' * (n - len(start) - 2)}\n"),
        "FIL002",
        "larger than 64 KiB",
    ),
    "FRONT_MATTER_BYTES": Bound(front, "FIL002", "front matter is larger than 64 KiB"),
    "JSON_DEPTH": Bound(
        value(SUMMARY, lambda n: "[" * (n - 1) + "]" * (n - 1)), "FIL002", "more than 64 levels"
    ),
    "YAML_DEPTH": Bound(
        waivers(lambda start, n: f"{start}x-own: {'[' * (n - 1)}{']' * (n - 1)}\n"),
        "FIL002",
        "more than 16 levels",
    ),
    "INTEGER_DIGITS": Bound(value(SUMMARY, lambda n: "9" * n), "FIL002", "is too large"),
    "LIST_ENTRIES": Bound(
        value(SUMMARY, lambda n: json.dumps([0] * n)), "FIL002", "more than 1000 entries"
    ),
    "INPUT_ENTRIES": Bound(
        value(ROUTES, lambda n: json.dumps([0] * n)), "FIL002", "more than 10000 entries"
    ),
    "FILE_VALUES": Bound(value(SUMMARY, lists), "FIL002", "more than 50000 values"),
    "STRING_CHARS": Bound(
        value(SUMMARY, lambda n: json.dumps("x" * n)), "FIL002", "more than 20000 characters"
    ),
    "ASSESSORS": Bound(worstwork.assessors, "FIL003", "more than 200 entries"),
    "ZIP_BYTES": Bound(of_size, "FIL002", "larger than 10 MiB"),
    "ZIP_MEMBERS": Bound(
        packed(lambda n: dict.fromkeys(map(str, range(n - 1)), 0)), "FIL002", "1000 members"
    ),
    "ZIP_INFLATED": Bound(
        packed(lambda n: {"blob": n - len(RULES)}),
        "FIL002",
        "inflates to more than 50 MiB",
    ),
    "ZIP_LOOKED_INTO": Bound(
        lambda folder, n: looked_into(folder, {f"{i}.yml": 1 for i in range(n - 1)}),
        "PRE005",
        "no member is monitoring configuration",
    ),
    "ZIP_MEMBER_BYTES": Bound(one_member, "PRE005", "no member is monitoring configuration"),
    "ZIP_READ_BYTES": Bound(read_first, "PRE005", "no member is monitoring configuration"),
    "INCIDENT_FILES": Bound(many_files, "FIL002", "more than 2000 files"),
    "INCIDENT_BYTES": Bound(many_bytes, "FIL002", "more than 64 MiB"),
    "ATTACHMENT_DEPTH": Bound(folders, "FIL002", "more than 8 levels deep"),
    "FINDINGS_A_RULE": Bound(unmet, "MIT011", "and 1 more like it"),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_at_the_bound_it_is_let_in_and_one_beyond_it_is_a_finding(
    name: str, tmp_path: Path
) -> None:
    """Nothing is cut short in silence, and no real record is refused for reaching a bound."""
    reach, rule, says = BOUNDS[name]
    for beyond in (0, 1):
        folder = worstwork.example(tmp_path / str(beyond))
        reach(folder, getattr(bounds, name) + beyond)
        said = [f for f in found(folder, rule) if says in f.message]
        assert len(said) == beyond, [f.message for f in found(folder, rule)]


# --- bounds of one function ----------------------------------------------------------------------


@contextmanager
def refused(*, when: bool, says: str) -> Iterator[None]:
    """Expects a refusal, or none."""
    if when:
        with pytest.raises(Refusal, match=says):
            yield
    else:
        yield


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as stream:
        stream.truncate(size)


def attachment(folder: Path, n: int, *, beyond: bool) -> None:
    sparse(folder / "a", n)
    with refused(when=beyond, says="larger than 64 MiB"):
        files.digest_under(folder, "a", bounds.ATTACHMENT_BYTES)


def path(folder: Path, n: int, *, beyond: bool) -> None:
    with refused(when=True, says="cannot be a path" if beyond else "could not be|no such file"):
        files.read_under(folder, "a" * n, 10)


def path_parts(folder: Path, n: int, *, beyond: bool) -> None:
    with refused(when=True, says="more than 32 parts" if beyond else "no such file"):
        files.read_under(folder, "/".join(["a"] * n), 10)


def zip_extra(_: Path, n: int, *, beyond: bool) -> None:
    """Fields beside the names of members, of so many bytes together."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for size in [60_000] * (n // 60_000) + [n % 60_000]:
            member = zipfile.ZipInfo(f"{size}-{made.tell()}")
            member.extra = struct.pack("<HH", 0xCAFE, size - 4).ljust(size, b"x")
            archive.writestr(member, "")
    with refused(when=beyond, says="extra fields"):
        archives.open_archive(made.getvalue())


def name(_: Path, n: int, *, beyond: bool) -> None:
    """Whose names are the same as far as anybody reads are one person."""
    limits = policy.Limits(protocol.load(), policy.Policy())
    one, other = (limits.identity("a" * (n - 1) + last) for last in "bc")
    assert (one == other) is beyond


def words_of_a_finding(_: Path, n: int, *, beyond: bool) -> None:
    kept, _more = engine._limited(iter([Breach(Place("a"), "x" * n)]))
    assert kept[0].message.endswith("…") is beyond


def names_listed(_: Path, n: int, *, beyond: bool) -> None:
    assert rules.one_of(map(str, range(n))).endswith(" and 1 more") is beyond


def manifest(folder: Path, n: int, *, beyond: bool) -> None:
    small = json.dumps({"files": []})
    record = Record(folder, site=folder, base=folder, protocol=protocol.load(), flat=False)
    (folder / seal.MANIFEST).write_text(small + " " * (n - len(small)))
    with refused(when=beyond, says="larger than 8 MiB"):
        assert seal.read(record)


def seals(_: Path, n: int, *, beyond: bool) -> None:
    data = json.dumps({"files": [], "seals": [{"sha256": "ab" * 32}] * n}).encode()
    with refused(when=beyond, says="more than 1000 entries"):
        assert len(seal.parse(data).seals) == n


def kept_plans(folder: Path, n: int, *, beyond: bool) -> None:
    """The last plan is the one that the others leave no room for."""
    plan = "## Option O-1: x\n"
    sizes = [bounds.MARKDOWN_BYTES] * (n // bounds.MARKDOWN_BYTES - 1)
    for number, size in enumerate([*sizes, n - sum(sizes)]):
        (folder / f"mitigation-plan-{number}.md").write_text(plan.ljust(size))
    record = Record(folder, site=folder, base=folder, protocol=protocol.load(), flat=False)
    assert len(list(record.kept_plans())) == len(sizes) + (not beyond)


def counted(_: Path, n: int, *, beyond: bool) -> None:
    breaches = repeat(Breach(Place("a"), "wrong"), bounds.FINDINGS_A_RULE + n - (not beyond))
    more = engine._limited(breaches)[1]
    assert more == ("at least 10000" if beyond else "9999")


def excerpt(_: Path, n: int, *, beyond: bool) -> None:
    assert ("…" in quoted("x" * n)) is beyond


def long_text(_: Path, n: int, *, beyond: bool) -> None:
    """A text is looked at as far as the bound: an unclosed bracket beyond it closes nothing."""
    assert is_placeholder(f"<{'x' * (n - 2)}>") is not beyond


def days(_: Path, n: int, *, beyond: bool) -> None:
    assert (times.duration(f"P{n}D") is None) is beyond


FUNCTIONS = {
    "ATTACHMENT_BYTES": attachment,
    "PATH_CHARS": path,
    "PATH_PARTS": path_parts,
    "ZIP_EXTRA": zip_extra,
    "NAME_CHARS": name,
    "FINDING_CHARS": words_of_a_finding,
    "NAMES_LISTED": names_listed,
    "MANIFEST_BYTES": manifest,
    "SEALS": seals,
    "KEPT_PLANS": kept_plans,
    "FINDINGS_COUNTED": counted,
    "EXCERPT_CHARS": excerpt,
    "TEXT_CHARS": long_text,
    "DURATION_DAYS": days,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_one_function_bounds(name: str, tmp_path: Path) -> None:
    """The same for what no record can show by itself."""
    for beyond in (False, True):
        FUNCTIONS[name](tmp_path, getattr(bounds, name) + beyond, beyond=beyond)


# These are reached in the tests of what asks git, and of what opens a bundle.
ELSEWHERE = {"HISTORY": "test_history.py", "BUNDLE": "test_verify.py"}


def test_every_bound_is_reached_by_a_test() -> None:
    """A bound that nobody tries is a bound that may not hold."""
    units = {"KIB", "MIB"}
    names = {n for n in vars(bounds) if n.isupper()} - units - BOUNDS.keys() - FUNCTIONS.keys()
    untried = [
        name
        for name in names
        if name not in (ROOT / "tests" / ELSEWHERE[name.partition("_")[0]]).read_text("utf-8")
    ]
    # How long git may take is waited for nowhere.
    assert set(untried) <= {"HISTORY_SECONDS", "HISTORY_VERSIONS", "HISTORY_SHARED"}


# --- what it costs -------------------------------------------------------------------------------

BESIDE = 60


def work(folder: Path) -> int:
    """How many calls it takes to judge a record: the same on every machine."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        judged(folder)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("name", [*worstwork.SHAPES, *worstwork.ALONE])
def test_work_grows_no_faster_than_a_list_does(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Twice as much of anything, beside many executions, is at most about twice the work."""
    took = []
    for size in (BESIDE, 2 * BESIDE):
        folder = worstwork.example(tmp_path / str(size))
        worstwork.decisions(folder, BESIDE)
        worstwork.executions(folder, BESIDE)
        getattr(worstwork, name)(folder, size)
        took.append(work(folder))
    growth = took[1] / took[0]
    record_property(f"torture: work at twice the {name}", f"{growth:.2f} times · at most 2.5")
    assert growth <= 2.5


def test_a_finding_lists_no_more_names_than_anybody_reads(tmp_path: Path) -> None:
    """What would have done instead is said as far as it helps, and how much more there is."""
    folder = worstwork.example(tmp_path)
    worstwork.unknown_ids(folder, BESIDE)
    expected = found(folder, "FIL011")[-1].expected
    assert len(expected) <= bounds.FINDING_CHARS
    record = worstwork.example(tmp_path / "short")
    worstwork.decisions(record, BESIDE)
    worstwork.executions(record, 2 * BESIDE)
    left = BESIDE - bounds.NAMES_LISTED
    assert found(record, "MIT008")[-1].expected.endswith(f", D-19 and {left} more")


CHILD = """
import resource, sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {source!r}]
from test_limits import judged
report = judged(Path({folder!r}))
spent = resource.getrusage(resource.RUSAGE_SELF)
with open("/proc/self/status") as status:
    peak = next(line for line in status if line.startswith("VmHWM"))
print(report.verdict.value, spent.ru_utime + spent.ru_stime, int(peak.split()[1]) / 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_the_worst_record_within_the_bounds(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Every list full, all of them tangled: memory is held, and time is reported."""
    folder = worstwork.example(tmp_path)
    worstwork.everything(folder, bounds.LIST_ENTRIES)
    code = CHILD.format(tests=str(ROOT / "tests"), source=str(ROOT / "src"), folder=str(folder))
    environment = {**os.environ, "INCIDENT_GATES_DEBUG": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    verdict, seconds, peak = ran.stdout.split()
    record_property("torture: worst record, time", f"{float(seconds):.1f} s of CPU · at most 10 s")
    record_property("torture: worst record, memory", f"{float(peak):.0f} MiB · at most 300 MiB")
    assert verdict == "failed"
    assert float(peak) <= 300
