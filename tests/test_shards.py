"""A run that was split among many machines says, byte for byte, what one would have said."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import casework
import pytest
import reportwork
from click.testing import CliRunner
from gitwork import EXAMPLES, INCIDENTS, Site, environment, pull_request

from incident_gates import cli, merge, options, shards
from incident_gates.errors import UsageError
from incident_gates.model import Shard
from incident_gates.report import json_report, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NOW = ("--now", "2026-03-20T00:00:00Z")
SOME = 40  # cases of each so many make up the folder that is split
MOST_SHARDS = 7


class Done(NamedTuple):
    """What came of a command."""

    code: int
    printed: str
    error: str


def check(*arguments: str) -> Done:
    done = CliRunner().invoke(cli.main, ["check", *arguments])
    return Done(done.exit_code, done.stdout, done.stderr)


def split(number: int, folder: Path, *arguments: str) -> list[Path]:
    """The reports of all shards, in a folder of their own."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"{k}.json" for k in range(1, number + 1)]
    for k, file in enumerate(files, 1):
        done = check(*NOW, *arguments, "--shard", f"{k}/{number}", "--report", f"json={file}")
        assert file.is_file(), done.error
    return files


def merged(files: Sequence[Path], *arguments: str) -> Done:
    return check(*arguments, "--merge", *map(str, files))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A repository with many incidents: those of the examples, and of some cases."""
    folder = tmp_path_factory.mktemp("shards")
    made = Site(folder / "site")
    for example in sorted(EXAMPLES.glob("*/.artifacts/incidents/*/")):
        shutil.copytree(example, made.folder / INCIDENTS / f"INC-{example.parts[-4]}")
    for case in casework.discovered()[::SOME]:
        record = casework.build(case, folder / case.name)
        name = f"INC-{case.name.replace('/', '-')}"
        shutil.copytree(record.folder, made.folder / INCIDENTS / name, symlinks=True)
    # Evidence that is overlooked: what is said of the run must be said once.
    deep = made.folder / INCIDENTS / "2025" / "INC-1"
    shutil.copytree(EXAMPLES / "complete" / INCIDENTS / "INC-2026-0042", deep)
    made.example("complete", into="spare")
    shutil.copytree(
        made.folder / "spare/.artifacts/monitoring", made.folder / ".artifacts/monitoring"
    )
    shutil.rmtree(made.folder / "spare")
    made.commit("many")
    return made


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """By hand, in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CI", "GITHUB_ACTIONS"):
            patch.delenv(name, raising=False)
        patch.chdir(folder)
        yield


@pytest.fixture(autouse=True)
def _here(site: Site) -> Iterator[None]:
    with alone_in(site.folder):
        yield


@pytest.fixture(scope="module")
def three(site: Site, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The reports of three shards."""
    with alone_in(site.folder):
        return split(3, tmp_path_factory.mktemp("three"))


# --- joined it is what it would have been ---------------------------------------------------------


def every_format(folder: Path, *arguments: str) -> dict[str, bytes]:
    """What one run writes, in every format."""
    folder.mkdir()
    wanted = [word for kind in options.FORMATS for word in ("--report", f"{kind}={folder / kind}")]
    assert check(*arguments, *wanted).code == 1
    return {kind: (folder / kind).read_bytes() for kind in options.FORMATS}


@pytest.fixture(scope="module")
def whole(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one machine says, in every format."""
    with alone_in(site.folder):
        return every_format(tmp_path_factory.mktemp("whole") / "formats", *NOW)


@pytest.mark.parametrize("number", range(1, MOST_SHARDS + 1))
def test_joined_it_is_the_whole_run_byte_for_byte(
    number: int, whole: dict[str, bytes], tmp_path: Path
) -> None:
    files = split(number, tmp_path / "shards")
    joined = every_format(tmp_path / "joined", "--merge", *map(str, files))
    for kind, said in whole.items():
        assert joined[kind] == said, kind
    assert len(json.loads(whole["json"])["incidents"]) > 25


@pytest.mark.parametrize(
    "arguments",
    [("--strict",), ("--require", "all"), ("--gate", "severity", "--sla", "1"), ("--history",)],
)
def test_whatever_was_asked_is_asked_of_every_shard(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    files = split(2, tmp_path / "shards", *arguments)
    whole = check(*NOW, *arguments, "--format", "json")
    assert merged(files, "--format", "json") == whole


def test_a_folder_of_reports_can_be_named_and_order_does_not_matter(
    three: list[Path], whole: dict[str, bytes]
) -> None:
    said = whole["json"].decode()
    assert check("--merge", str(three[0].parent), "--format", "json").printed == said
    assert merged(three[::-1], "--format", "json").printed == said


def test_a_failed_shard_may_be_shown_only_for_it_is_decided_at_the_end(tmp_path: Path) -> None:
    files = split(2, tmp_path / "shards", "--advisory")
    assert {json.loads(file.read_text())["exit_code"] for file in files} == {0}
    assert merged(files, "--format", "json") == check(*NOW, "--format", "json")
    advisory = merged(files, "--format", "json", "--advisory")
    assert advisory == check(*NOW, "--format", "json", "--advisory")
    assert advisory.code == 0


def test_what_a_stranger_wrote_comes_back_as_it_was() -> None:
    shard = Shard(1, 1, 2, (0, 1), "ab" * 32, None, {})
    for said in reportwork.HOSTILE.values():
        report = reportwork.hostile(said)._replace(shard=shard)
        text = json_report.render(report)
        back = reading.report(json.loads(text))
        assert json_report.render(back) == text
        for kind, render in reportwork.RENDERERS.items():
            assert render(back) == render(report), (kind, said)


# --- how it is split ------------------------------------------------------------------------------


def test_a_shard_never_changes() -> None:
    """These numbers are a promise: with others, shards of two versions would miss records."""
    paths = [f"{INCIDENTS}/INC-2026-{n:04}" for n in range(1, 9)]
    assert [shards.number_of(path, 4) for path in paths] == [1, 4, 4, 1, 4, 4, 4, 3]


def test_one_more_incident_moves_no_other(site: Site, tmp_path: Path) -> None:
    def judged() -> list[list[str]]:
        reports = [json.loads(file.read_text()) for file in split(3, tmp_path / "shards")]
        return [[incident["path"] for incident in report["incidents"]] for report in reports]

    before = judged()
    added = site.folder / INCIDENTS / "INC-0-first"
    shutil.copytree(EXAMPLES / "complete" / INCIDENTS / "INC-2026-0042", added)
    after = judged()
    shutil.rmtree(added)
    assert [[path for path in own if "INC-0-first" not in path] for own in after] == before
    assert sum(map(len, after)) == sum(map(len, before)) + 1


def test_shards_are_of_about_one_size() -> None:
    sizes = [0] * 8
    for n in range(8000):
        sizes[shards.number_of(f"{INCIDENTS}/INC-{n}", 8) - 1] += 1
    assert all(900 < size < 1100 for size in sizes), sizes


@pytest.mark.parametrize(
    "wrong",
    ["", "0/3", "4/3", "1", "1/", "/3", "a/3", "1/0", "-1/3", "1/1001", "01/3", "1/3/5", "١/٣"],
)
def test_a_shard_is_k_of_n(wrong: str) -> None:
    done = check("--shard", wrong)
    assert (done.code, done.printed) == (2, "")
    assert "write K/N" in done.error


def test_what_belongs_to_all_is_not_said_to_a_shard() -> None:
    assert check("--shard", "1/2", "--fix").code == 2
    assert check("--shard", "1/2", "--now", "soon").code == 2


# --- a shard alone is no verdict ------------------------------------------------------------------


def test_an_empty_shard_is_normal_and_says_that_it_is_no_pass(tmp_path: Path) -> None:
    site = Site(tmp_path / "small")
    site.example("complete")
    at = ["--root", str(site.folder / INCIDENTS)]
    empty = 3 - shards.number_of(f"{INCIDENTS}/INC-2026-0042", 2)
    done = check(*NOW, *at, "--shard", f"{empty}/2", "--format", "json")
    report = json.loads(done.printed)
    assert (done.code, report["verdict"], report["incidents"]) == (0, "not_applicable", [])
    assert report["notices"][0].startswith(f"This is shard {empty} of 2, with 0 of 1 incidents.")
    ready = check(*NOW, *at, "--shard", f"{empty}/2", "--require", "ready")
    assert ready.code == 0
    files = split(2, tmp_path / "shards", *at)
    assert merged(files).code == 0
    assert merged(files[empty - 1 : empty]).code == 3


def test_no_incident_at_all_is_as_wrong_as_without_shards(tmp_path: Path) -> None:
    at = ["--root", str(tmp_path)]
    assert check(*NOW, *at, "--shard", "1/2").code == check(*NOW, *at).code == 2
    for more, code in ((["--allow-empty"], 0), (["--require", "all"], 1)):
        whole = check(*NOW, *at, *more, "--format", "json")
        files = split(2, tmp_path.parent / "shards", *at, *more)
        assert merged(files, "--format", "json") == whole
        assert whole.code == code


def test_ready_says_no_where_every_incident_was_a_false_positive(tmp_path: Path) -> None:
    site = Site(tmp_path / "small")
    site.example("false-positive")
    at = ["--root", str(site.folder / INCIDENTS), "--require", "ready"]
    whole = check(*NOW, *at, "--format", "json")
    assert whole.code == 1
    assert merged(split(2, tmp_path / "shards", *at), "--format", "json") == whole


# --- never a pass on absence ----------------------------------------------------------------------


def edited(files: Sequence[Path], folder: Path, change: Callable[[dict[str, Any]], Any]) -> Done:
    """What comes of joining when one report was changed, and written as the tool writes."""
    data = json.loads(files[1].read_text())
    change(data)
    other = folder / "other.json"
    other.write_text(json_report.written(data), encoding="utf-8")
    return merged([files[0], other, *files[2:]])


def put(*path: Any) -> Callable[[dict[str, Any]], Any]:
    """Sets one value of a report."""

    def change(data: dict[str, Any]) -> None:
        *way, last, value = path
        at: Any = data
        for key in way:
            at = at[key]
        at[last] = value

    return change


def first_failed(data: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(i for i in data["incidents"] if i["verdict"] == "failed")
    return found


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another moment": (put("as_of", "2026-03-21T00:00:00Z"), "--now"),
    "another policy": (put("policy", "sha256", "ab" * 32), "another policy"),
    "another protocol": (put("protocol", "sha256", "ab" * 32), "another protocol"),
    "another version": (put("tool", "version", "9.9.9"), "incident-gates 9.9.9"),
    "another requirement": (put("require", "all"), "--require"),
    "another base": (put("base", "ab" * 20), "base commit"),
    "another commit": (put("shard", "commit", "ab" * 20), "another commit"),
    "another request": (lambda d: d["shard"]["asked"].update(strict=True), "another request"),
    "another notice": (lambda d: d["notices"].append("More."), "another notices"),
    "another number": (put("shard", "parts", 4), "of its shard"),
    "another listing": (put("shard", "listing", "ab" * 32), "list of incidents"),
    "the number of another": (put("shard", "number", 1), "of its shard"),
    "an incident less": (lambda d: d["incidents"].pop(), "of its shard"),
    "an incident less, counted": (
        lambda d: (d["incidents"].pop(), d["shard"]["positions"].pop(), d["notices"].pop(0)),
        "another notices|not those that were listed",
    ),
    "an incident twice": (
        lambda d: d["incidents"].append(d["incidents"][0]),
        "of its shard",
    ),
    "positions of others": (
        lambda d: d["shard"].update(positions=[p + 1000 for p in d["shard"]["positions"]]),
        "not those that were listed",
    ),
    "a better verdict": (lambda d: first_failed(d).update(verdict="passed"), "contradicts itself"),
    "a better verdict on all": (put("verdict", "not_applicable"), "better than that on its"),
    "another exit code": (put("exit_code", 2), "its exit code is not that of its verdict"),
    "an unknown key": (put("incidents", 0, "note", "x"), "no report of incident-gates"),
    "a wrong type": (put("exit_code", "0"), "no report of incident-gates"),
    "a missing key": (lambda d: d["incidents"][0].pop("state"), "it was changed"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_does_not_belong_together_is_not_joined(
    name: str, three: list[Path], tmp_path: Path
) -> None:
    change, said = CHANGES[name]
    done = edited(three, tmp_path, change)
    assert (done.code, done.printed) == (3, "")
    assert re.search(said, " ".join(done.error.split())), done.error


def test_a_whole_report_is_joined_with_nothing(whole: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "whole.json").write_bytes(whole["json"])
    done = merged([tmp_path / "whole.json"])
    assert (done.code, done.printed) == (3, "")
    assert "written without --shard" in done.error


def test_every_shard_must_be_there_once(three: list[Path], tmp_path: Path) -> None:
    for lacking in range(3):
        done = merged([file for k, file in enumerate(three) if k != lacking])
        assert (done.code, done.printed) == (3, "")
        assert f"missing: {lacking + 1}." in done.error
    again = tmp_path / "again.json"
    shutil.copy(three[0], again)
    done = merged([*three, again])
    assert done.code == 3
    assert f"{three[0]} and {again} are both of shard 1" in done.error
    assert merged([*three, three[0]]).code == 1  # named twice, there once


def test_a_report_is_a_strangers_file(
    three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.json"
    text = three[1].read_text()
    for bad in ("", "{", "[]", "null", text.replace('"tool"', '"tool": 1, "tool"'), text + " "):
        other.write_text(bad)
        assert merged([three[0], other, three[2]]).code == 3, bad[:40]
    other.unlink()
    other.symlink_to(three[1])
    assert "symbolic link" in merged([three[0], other, three[2]]).error
    monkeypatch.setattr(merge, "REPORT_BYTES", len(text.encode()) - 1)
    done = merged(three)
    assert (done.code, done.printed) == (3, "")
    assert "larger than" in done.error


def test_what_is_named_must_be_there(tmp_path: Path) -> None:
    assert merged([tmp_path / "nothing.json"]).code == 2
    assert "holds no report" in merged([tmp_path]).error


@pytest.mark.parametrize(
    "more", [("--strict",), ("--as-of", "2026-03-20"), ("--shard", "1/2"), ("--fix", "--yes")]
)
def test_what_was_judged_is_not_judged_again(more: tuple[str, ...], three: list[Path]) -> None:
    done = merged(three, *more)
    assert (done.code, done.printed) == (2, "")
    assert more[0] in done.error


def test_the_bound_of_a_report_is_the_last_that_is_read(
    three: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = max(file.stat().st_size for file in three)
    monkeypatch.setattr(merge, "REPORT_BYTES", largest)
    assert merged(three).code == 1


def test_parts_of_a_shard_are_numbers() -> None:
    assert shards.parsed("1000/1000") == (1000, 1000)
    with pytest.raises(UsageError):
        shards.parsed("1/1001")


# --- in a workflow --------------------------------------------------------------------------------


def in_workflow(
    site: Site, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[str, str]]:
    """Sets the environment of a pull request; returns what was handed over since."""
    temporary.mkdir(exist_ok=True)
    for name, value in environment(
        site.folder, temporary, "pull_request", pull_request(site)
    ).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(site.folder)

    def handed_over() -> tuple[str, str]:
        found = []
        for variable in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
            path = Path(environment(site.folder, temporary, "pull_request", {})[variable])
            found.append(path.read_text("utf-8") if path.exists() else "")
            path.unlink(missing_ok=True)
        return found[0], found[1]

    return handed_over


def test_a_pull_request_is_judged_by_its_base_in_every_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path / "site")
    site.write(".incident-gates.yaml", "thresholds: {notification_minutes: {default: 5}}\n")
    site.commit("a policy")
    site.branch("feature")
    for name in ("complete", "late-notice", "contradictions", "emergency"):
        folder = site.example(name)
        folder.rename(folder.with_name(f"INC-{name}"))
    site.write(".incident-gates.yaml", "thresholds: {notification_minutes: {default: 500}}\n")
    site.commit("records, and a policy that suits them")
    site.merged()
    handed_over = in_workflow(site, tmp_path / "runner", monkeypatch)
    whole = check(*NOW, "--scope", "all", "--format", "json")
    assert json.loads(whole.printed)["findings"], "the change edits the policy"
    handed_over()
    files = split(3, tmp_path / "shards", "--scope", "all")
    outputs, summary = handed_over()
    assert "verdict" in outputs
    assert summary == "", "a shard leaves the summary to the whole"
    joined = merged(files, "--format", "json")
    assert (joined.printed, joined.code) == (whole.printed, whole.code)
    assert "::error " in joined.error
    assert "INC-contradictions" in handed_over()[1]
    done = check(*NOW, "--scope", "changed", "--shard", "1/3")
    assert done.code == 2
    assert "--scope all" in done.error
