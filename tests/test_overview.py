"""Many repositories on one page: none is left out, and none passes because nothing is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import markdown_it
import pytest
from click.testing import CliRunner
from gitwork import EXAMPLES

from incident_gates import cli, overview, schema
from incident_gates.report import json_report

if TYPE_CHECKING:
    from click.testing import Result

NOW = ["--now", "2026-03-20T00:00:00Z"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def judged(name: str, *more: str) -> Path:
    """The report on an example, as an audit writes it."""
    file = Path(f"{name}.json")
    folder = str(EXAMPLES / name) if name != "nothing" else "nothing"
    Path("nothing").mkdir(exist_ok=True)
    words = ["check", folder, "--allow-empty", *NOW, *more, "--report", f"json={file}"]
    done = CliRunner().invoke(cli.main, words)
    assert file.is_file(), done.output
    return file


def page(*entries: str) -> Result:
    return CliRunner().invoke(cli.main, ["overview", *entries])


def rows(done: Result) -> list[dict[str, Any]]:
    data = json.loads(done.stdout)
    assert schema.problems("overview", data) == ()
    found: list[dict[str, Any]] = data["repositories"]
    return found


def test_each_repository_is_a_row_the_worst_first() -> None:
    entries = [
        f"shop/good={judged('complete')}",
        f"shop/bad={judged('contradictions')}",
        f"shop/open={judged('in-progress-2')}",
        f"shop/none={judged('nothing')}",
        "shop/gone=gone.json",
    ]
    done = page(*entries, "--format", "json")
    found = {row["repository"]: row for row in rows(done)}
    assert {name: row["verdict"] for name, row in found.items()} == {
        "shop/gone": "error",
        "shop/bad": "failed",
        "shop/open": "in_progress",
        "shop/good": "passed",
        "shop/none": "not_applicable",
    }
    assert list(found) == ["shop/gone", "shop/bad", "shop/open", "shop/good", "shop/none"]
    assert found["shop/bad"]["failed_gates"] == ["mitigation", "resolution"]
    assert (found["shop/bad"]["critical"], found["shop/bad"]["says"]) == (2, "1 failed")
    assert (found["shop/none"]["says"], found["shop/good"]["says"]) == ("no incident", "1 passed")
    assert "there is no report gone.json" in found["shop/gone"]["says"]
    assert done.exit_code == 3


@pytest.mark.parametrize(
    ("names", "advisory", "code"),
    [
        (["complete", "nothing", "in-progress-1"], False, 0),
        (["complete", "contradictions"], False, 1),
        (["complete", "contradictions"], True, 0),
        (["complete", "contradictions", "gone"], True, 3),
        (["nothing"], False, 0),
    ],
)
def test_the_worst_of_all_is_the_exit_code(names: list[str], advisory: bool, code: int) -> None:  # noqa: FBT001
    for name in names:
        if name != "gone":
            judged(name)
    entries = [f"shop/{name}={name}.json" for name in names]
    assert page(*entries, *(["--advisory"] if advisory else [])).exit_code == code


@pytest.mark.parametrize(
    ("more", "changed"),
    [
        (("--shard", "1/1"), {}),
        (("--require", "all"), {}),
        ((), {"as_of": "2026-03-21T00:00:00Z"}),
        ((), {"policy": {"path": "own.yaml", "sha256": "ab" * 32}}),
        ((), {"tool": {"name": "incident-gates", "version": "9.9.9"}}),
        ((), {"verdict": "unknown"}),
    ],
)
def test_what_was_judged_otherwise_could_not_be_told(
    more: tuple[str, ...], changed: dict[str, Any]
) -> None:
    good, other = judged("complete"), judged("late-notice", *more)
    data = json.loads(other.read_text("utf-8")) | changed
    other.write_text(json_report.written(data), "utf-8")
    done = page(f"shop/good={good}", f"shop/other={other}", "--format", "json")
    assert [row["verdict"] for row in rows(done)] == ["error", "passed"]
    assert done.exit_code == 3


def test_ready_says_no_where_nothing_may_be_executed() -> None:
    """As ``check`` says it: a false positive is not applicable, and no yes."""
    asked = judged("false-positive", "--require", "ready")
    done = page(f"shop/api={asked}", "--format", "json")
    assert [row["verdict"] for row in rows(done)] == ["not_applicable"]
    assert done.exit_code == 1


def test_a_report_that_says_better_than_its_incidents_is_no_pass() -> None:
    bad = judged("contradictions")
    data = json.loads(bad.read_text("utf-8")) | {"verdict": "passed", "exit_code": 0}
    bad.write_text(json_report.written(data), "utf-8")
    done = page(f"shop/bad={bad}", "--format", "json")
    assert [row["verdict"] for row in rows(done)] == ["error"]
    assert done.exit_code == 3


@pytest.mark.parametrize("code", [1, 2, 3])
def test_an_exit_code_that_is_not_that_of_the_verdict_is_refused(code: int) -> None:
    odd = judged("complete")
    data = json.loads(odd.read_text("utf-8")) | {"exit_code": code}
    odd.write_text(json_report.written(data), "utf-8")
    done = page(f"shop/odd={odd}", "--format", "json")
    assert ([row["verdict"] for row in rows(done)], done.exit_code) == (["error"], 3)


def test_an_advisory_report_still_counts() -> None:
    """It did not fail its own run; whoever asks about all asks anew."""
    advisory = judged("contradictions", "--advisory")
    assert json.loads(advisory.read_text("utf-8"))["exit_code"] == 0
    assert page(f"shop/advisory={advisory}", "--format", "json").exit_code == 1


def test_a_report_in_two_versions_of_one_name_is_refused() -> None:
    done = page("shop/api=a.json", "Shop/API=b.json")
    assert (done.exit_code, done.stdout) == (2, "")


@pytest.mark.parametrize(
    "wrong",
    [
        "shop/api",
        "shop=a.json",
        "/api=a.json",
        "shop/..=a.json",
        "shop/.=a.json",
        "-shop/api=a.json",
        "shop/api/x=a.json",
        "shop/a b=a.json",
        "shop/$(id)=a.json",
        "shop/api\n::error::x=a.json",
        "shóp/api=a.json",
    ],
)
def test_a_repository_is_an_owner_and_a_name(wrong: str) -> None:
    done = page("--", wrong)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "write OWNER/NAME=REPORT" in done.stderr
    assert "::error::x" not in done.stderr


def test_a_page_has_a_bound() -> None:
    entries = [f"shop/r{n}=gone.json" for n in range(overview.MOST + 1)]
    assert page(*entries).exit_code == 2
    done = page(*entries[:-1], "--format", "markdown")
    assert done.exit_code == 3
    assert len(done.stdout.encode()) < 900 * 1024


def test_the_page_is_one_table_whatever_is_in_it() -> None:
    """Names of files come from the caller, and reasons repeat them."""
    hostile = "a|b](x)<img src=x>`@you` ##[error]x.json"
    Path(hostile).write_text("{}")
    done = page(f"shop/good={judged('complete')}", f"shop/bad={hostile}", "--format", "markdown")
    tokens = markdown_it.MarkdownIt("commonmark").enable("table").parse(done.stdout)
    assert [t.type for t in tokens if t.type in ("table_open", "tr_open")] == [
        "table_open",
        *["tr_open"] * 3,
    ]
    inline = [child for token in tokens for child in token.children or ()]
    links = [child.attrs["href"] for child in inline if child.type == "link_open"]
    assert links == ["https://github.com/shop/bad", "https://github.com/shop/good"]
    assert not any(child.type == "image" for child in inline)
    assert "##[" not in done.stdout
    assert "##[" not in page(f"shop/bad={hostile}").stdout


def test_a_workflow_gets_the_page_as_its_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    good = judged("complete")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.setenv(name, name)
    done = page(f"shop/good={good}", "shop/gone=gone.json", "--report", "json=page.json")
    assert "\nerror\n" in Path("GITHUB_OUTPUT").read_text()
    assert "| ? COULD NOT TELL |" in Path("GITHUB_STEP_SUMMARY").read_text("utf-8")
    assert json.loads(Path("page.json").read_text())["exit_code"] == done.exit_code == 3


# --- an audited repository is a stranger's -------------------------------------------------------


def audited(name: str, example: str = "") -> Path:
    """A repository as it was checked out, with an example in it."""
    folder = Path(name)
    (folder / ".git").mkdir(parents=True)
    if example:
        shutil.copytree(EXAMPLES / example, folder, dirs_exist_ok=True)
    return folder


def audit(folder: Path) -> Result:
    words = ["check", str(folder), "--allow-empty", *NOW, "--format", "json"]
    return CliRunner().invoke(cli.main, words)


@pytest.mark.parametrize("decoy", ["INC-1", "."])
def test_what_lies_at_the_top_hides_no_incident(decoy: str) -> None:
    folder = audited("audited", "contradictions")
    good = EXAMPLES / "complete/.artifacts/incidents/INC-2026-0042"
    shutil.copytree(good, folder / decoy, dirs_exist_ok=True)
    done = audit(folder)
    judged = {i["path"]: i["verdict"] for i in json.loads(done.stdout)["incidents"]}
    (hidden,) = (verdict for path, verdict in judged.items() if ".artifacts" in path)
    assert (hidden, done.exit_code) == ("failed", 1)


@pytest.mark.parametrize("link", [".artifacts", ".artifacts/incidents"])
def test_evidence_of_others_is_not_taken_for_its_own(link: str) -> None:
    shutil.copytree(EXAMPLES / "complete/.artifacts", ".artifacts")
    folder = audited("audited")
    (folder / link).parent.mkdir(exist_ok=True)
    (folder / link).symlink_to(Path(link).absolute(), target_is_directory=True)
    done = audit(folder)
    assert done.exit_code == 3
    assert "a link that leads out of the repository" in " ".join(done.output.split())


def test_a_root_that_is_named_is_no_way_out_either() -> None:
    shutil.copytree(EXAMPLES / "complete/.artifacts", ".artifacts")
    folder = audited("audited")
    (folder / "evidence").symlink_to(Path(".artifacts/incidents").absolute())
    words = ["check", "--root", str(folder / "evidence"), *NOW]
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 3
    assert "name the folder that it leads to" in " ".join(done.output.split())


@pytest.mark.parametrize("below", ["", "INC-2026-0042", "INC-2026-0042/decision-log.json"])
def test_nor_is_a_path_through_a_link(below: str) -> None:
    shutil.copytree(EXAMPLES / "complete/.artifacts", "elsewhere")
    if not below:  # the protocol's own layout: files directly in the root
        shutil.move("elsewhere/incidents/INC-2026-0042", "elsewhere/flat")
    folder = audited("audited")
    (folder / ".artifacts").mkdir()
    away = Path("elsewhere", "incidents" if below else "flat").absolute()
    (folder / ".artifacts/incidents").symlink_to(away, target_is_directory=True)
    words = ["check", str(folder / ".artifacts/incidents" / below), *NOW]
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 3
    assert "name the folder that it leads to" in " ".join(done.output.split())


@pytest.mark.parametrize("named", [(), ("--root", "audited/.artifacts/incidents")])
def test_nor_is_a_record_begun_there(
    named: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, away = audited("audited"), Path("away/incidents").absolute()
    away.mkdir(parents=True)
    (folder / ".artifacts").symlink_to(away.parent, target_is_directory=True)
    if not named:
        monkeypatch.chdir(folder)
    done = CliRunner().invoke(cli.main, ["new", "INC-2026-0099", *named])
    assert done.exit_code == 3
    assert not list(away.iterdir())


def test_a_link_inside_a_repository_is_followed() -> None:
    folder = audited("audited", "complete")
    (folder / ".artifacts").rename(folder / "evidence")
    (folder / ".artifacts").symlink_to("evidence", target_is_directory=True)
    assert audit(folder).exit_code == 0


def test_the_name_of_a_gate_comes_from_a_file_and_is_escaped() -> None:
    bad = judged("contradictions", "--shard", "1/1")
    data = json.loads(bad.read_text("utf-8"))
    for gate in data["incidents"][0]["gates"]:
        gate["name"] = "Severity\x1b]0;owned\x07"
    bad.write_text(json_report.written(data), "utf-8")
    done = CliRunner().invoke(cli.main, ["check", "--merge", str(bad)])
    assert "owned" in done.stdout
    assert "\x1b" not in done.stdout
