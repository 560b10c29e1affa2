"""Setting a repository up: what is shown, what is written, and what is left as it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from gitwork import Site

from incident_gates import __version__, policy, protocol, schema
from incident_gates.cli import main
from incident_gates.desk.setup import jsonc, parts, proposal
from incident_gates.desk.setup import site as sites
from incident_gates.errors import CouldNotTell
from incident_gates.evidence import strict_yaml

ROOT = Path(__file__).resolve().parents[1]
OWN_WORKFLOW = (ROOT / ".github/workflows/incident-gates.yml").read_text("utf-8")
WRITTEN = {parts.WORKFLOW, policy.NAME, parts.SETTINGS, parts.PRE_COMMIT, parts.ATTRIBUTES}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path / "site")
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("INCIDENT_GATES_DEBUG", "1")
    return made


def init(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", *arguments])


def written(site: Site) -> dict[str, str]:
    """Every file that git does not know yet."""
    names = site.git("ls-files", "--others", "-m", "--exclude-standard").splitlines()
    return {name: (site.folder / name).read_text("utf-8") for name in names}


# --- showing and writing -------------------------------------------------------------------------


def test_a_dry_run_shows_every_file_whole_and_writes_nothing(site: Site) -> None:
    shown = init("--dry-run")
    assert shown.exit_code == 0
    assert written(site) == {}
    for path in WRITTEN:
        assert f"new       {path}" in shown.stdout
    assert "+name: incident-gates" in shown.stdout
    assert "Nothing was written. To write this: incident-gates init --yes" in shown.stdout


def test_with_yes_everything_is_written_and_a_second_time_nothing(site: Site) -> None:
    assert init("--yes").exit_code == 0
    first = written(site)
    assert set(first) == WRITTEN
    again = init("--yes")
    assert (again.exit_code, written(site)) == (0, first)
    assert "Nothing to write." in again.stdout
    assert again.stdout.count("as it is") == len(WRITTEN)


def test_where_nobody_can_be_asked_nothing_is_written(site: Site) -> None:
    refused = init()
    assert refused.exit_code == 2
    assert "To write it, add --yes" in refused.stderr
    assert written(site) == {}


@pytest.mark.parametrize(("answer", "files"), [("y", WRITTEN), ("n", set())])
def test_at_a_terminal_it_asks(
    site: Site, monkeypatch: pytest.MonkeyPatch, answer: str, files: set[str]
) -> None:
    pty = pytest.importorskip("pty", reason="pseudo-terminals are POSIX")
    entry = "from incident_gates.cli import main; main()"
    mother, child = pty.openpty()
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    os.write(mother, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-c", entry, "init"],
        stdin=child,
        capture_output=True,
        check=True,
        text=True,
    )
    os.close(mother)
    os.close(child)
    assert "Write these 5 files? [y/N]" in done.stdout
    assert set(written(site)) == files


def test_only_some_parts(site: Site) -> None:
    assert init("--yes", "--only", "workflow, attributes").exit_code == 0
    assert set(written(site)) == {parts.WORKFLOW, parts.ATTRIBUTES}


def test_an_unknown_part_is_named(site: Site) -> None:
    refused = init("--yes", "--only", "worklfow")
    assert refused.exit_code == 2
    assert "--only worklfow: choose among workflow, policy, editor" in refused.stderr
    assert written(site) == {}


def test_outside_a_repository_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = init("--yes")
    assert (refused.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "git init" in refused.stderr


def test_what_changed_since_it_was_shown_is_left(site: Site) -> None:
    where = sites.at(site.folder, None)
    shown = [parts.attributes(where), parts.policy(where)]
    site.write(parts.ATTRIBUTES, "*.png binary\n")
    with pytest.raises(CouldNotTell, match="changed meanwhile"):
        proposal.write(where, shown)
    assert (site.folder / parts.ATTRIBUTES).read_text("utf-8") == "*.png binary\n"
    assert not (site.folder / policy.NAME).exists()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
@pytest.mark.parametrize("link", [".vscode", ".gitattributes", ".github"])
def test_nothing_is_written_through_a_link(site: Site, tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (site.folder / link).symlink_to(outside)
    refused = init("--yes")
    assert refused.exit_code == 2
    assert f"{link} is a link" in refused.stderr
    assert list(outside.iterdir()) == []
    assert site.git("status", "--short", "--untracked-files=all") == f"?? {link}"


def test_a_file_in_the_place_of_a_folder_stops_it_before_anything_is_written(site: Site) -> None:
    site.write(".vscode", "no folder")
    refused = init("--yes")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("Error: .vscode is a file")
    assert set(written(site)) == {".vscode"}


# --- workflow ------------------------------------------------------------------------------------


def test_the_workflow_is_the_one_that_we_run(site: Site) -> None:
    init("--yes", "--only", "workflow")
    text = (site.folder / parts.WORKFLOW).read_text("utf-8")
    theirs, ours = (t[t.index("\nname:") :].splitlines() for t in (text, OWN_WORKFLOW))
    differing = [(a.strip(), b.strip()) for a, b in zip(theirs, ours, strict=True) if a != b]
    assert len(differing) == 1
    assert re.fullmatch(
        rf"- uses: {parts.REPOSITORY}@v{re.escape(__version__)} # .+", differing[0][0]
    )


def test_the_workflow_is_carried_in_the_wheel() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    carried = "incident_gates/desk/setup/incident-gates.yml"
    assert f'"{parts.WORKFLOW}" = "{carried}"' in project
    assert f'"/{parts.WORKFLOW}"' in project  # a wheel may be built from the source archive
    assert Path(parts.__file__).parent.as_posix().endswith(carried.rpartition("/")[0])


def test_a_workflow_that_is_there_stays(site: Site) -> None:
    site.write(parts.WORKFLOW, "name: mine\n")
    assert "as it is  .github/workflows/incident-gates.yml" in init("--yes").stdout
    assert (site.folder / parts.WORKFLOW).read_text("utf-8") == "name: mine\n"


def test_another_workflow_that_runs_the_gates_is_enough(site: Site) -> None:
    step = f"jobs: {{a: {{steps: [{{uses: {parts.REPOSITORY}@v1}}]}}}}\n"
    site.write(".github/workflows/mine.yml", step)
    shown = init("--yes", "--only", "workflow").stdout
    assert ".github/workflows/mine.yml runs the gates already" in " ".join(shown.split())
    assert not (site.folder / parts.WORKFLOW).exists()


# --- policy --------------------------------------------------------------------------------------


def uncommented(text: str) -> list[str]:
    """Each setting of the policy by itself, its # removed."""
    blocks = re.findall(r"(?:^# (?!yaml-language).*\n)+", text, re.MULTILINE)
    return [re.sub(r"^# ", "", block, flags=re.MULTILINE) for block in blocks]


def test_the_policy_changes_nothing_until_it_is_edited(site: Site) -> None:
    init("--yes", "--only", "policy")
    path = site.folder / policy.NAME
    assert policy.read(path).data == {"schema_version": "1.0"}
    limits = policy.Limits(protocol.load(), policy.read(path))
    assert limits.looser_than_protocol() == []


def test_every_setting_is_in_it_and_each_example_is_valid() -> None:
    text = parts.policy_text(sites.Site(ROOT))
    settings = [strict_yaml.parse(block).value for block in uncommented(text)]
    named = [key for setting in settings for key in setting]
    known = set(schema.load("policy")["properties"]) - {"$schema", "schema_version"}
    assert set(named) == known
    assert [problem for s in settings for problem in schema.problems("policy", s)] == []


def test_a_policy_that_is_there_stays(site: Site) -> None:
    site.write(policy.NAME, "stale_after_days: 3\n")
    init("--yes")
    assert (site.folder / policy.NAME).read_text("utf-8") == "stale_after_days: 3\n"


# --- monorepo ------------------------------------------------------------------------------------


def test_a_part_of_a_monorepo(site: Site) -> None:
    root = "services/api/.artifacts/incidents"
    assert init("--yes", "--root", root).exit_code == 0
    assert policy.read(site.folder / policy.NAME).data["roots"] == [root]
    workflow = yaml.safe_load((site.folder / parts.WORKFLOW).read_text("utf-8"))
    assert workflow[True]["push"]["paths"] == ["services/api/.artifacts/**"]
    assert "services/api/.artifacts/** -text" in written(site)[parts.ATTRIBUTES]
    settings = json.loads(written(site)[parts.SETTINGS])
    patterns = {p for e in settings["json.schemas"] for p in e["fileMatch"]}
    assert f"{root}/**/decision-log.json" in patterns
    assert "services/api/.artifacts/monitoring/alert-test-results.json" in patterns


@pytest.mark.parametrize("root", ["../elsewhere", "a'b", "."])
def test_a_root_that_cannot_be_one(site: Site, root: str) -> None:
    assert init("--yes", "--root", root).exit_code == 2
    assert written(site) == {}


# --- editor --------------------------------------------------------------------------------------

COMMENTED = """\
// What we agreed on.
{
  "editor.tabSize": 4, // not 2
  /* schemas
     of ours */
  "json.schemas": [
    {"fileMatch": ["own.json"], "url": "./own.schema.json"}, // ours
  ],
  "files.eol": "\\n", // "always", they said
}
"""


def test_comments_and_formatting_of_the_editor_stay(site: Site) -> None:
    site.write(parts.SETTINGS, COMMENTED)
    assert init("--yes", "--only", "editor").exit_code == 0
    after = (site.folder / parts.SETTINGS).read_text("utf-8")
    kept = [line for line in COMMENTED.splitlines() if line not in after.splitlines()]
    assert kept == []
    settings = jsonc.read(after).value
    assert settings["editor.tabSize"] == 4
    assert settings["json.schemas"][0] == {"fileMatch": ["own.json"], "url": "./own.schema.json"}
    urls = {entry["url"].rsplit("/", 1)[1] for entry in settings["json.schemas"][1:]}
    assert "decision-log.schema.json" in urls
    policies = f"{schema.BASE}policy.schema.json"
    assert settings["yaml.schemas"][policies] == [policy.NAME]
    assert "Nothing to write" in init("--yes", "--only", "editor").stdout


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "",
        '{"a": 1}',
        '{"a": 1, // why\n}',
        '{\r\n\t"a": "//no comment", /* , */\r\n}\r\n',
        '{"a": [1, 2,], // x\n "yaml.schemas": {}}',
        '{"json.schemas": []}',
        '{\n  "a": 1\n  // the end\n}',
    ],
)
def test_any_way_of_writing_settings(site: Site, text: str) -> None:
    site.write(parts.SETTINGS, "")
    (site.folder / parts.SETTINGS).write_bytes(text.encode())
    assert init("--yes", "--only", "editor").exit_code == 0
    after = (site.folder / parts.SETTINGS).read_bytes().decode()
    value = jsonc.read(after).value
    before = jsonc.read(text or "{}").value
    assert {key: value[key] for key in before if not key.endswith("schemas")} == {
        key: value for key, value in before.items() if not key.endswith("schemas")
    }
    assert len(value["json.schemas"]) > 10
    assert ("\r\n" in after) == ("\r\n" in text)
    if "\r\n" in text:
        assert "\n" not in after.replace("\r\n", "")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1',
        "[]",
        "{,}",
        '{"json.schemas": {}}',
        '{"json.schemas": null}',
        '{"yaml.schemas": 5}',
        '{"a": 1, "a": 2}',
    ],
)
def test_settings_that_cannot_be_read_are_left_with_a_sentence(site: Site, text: str) -> None:
    site.write(parts.SETTINGS, text)
    refused = init("--yes", "--only", "editor")
    assert refused.exit_code == 2
    assert (site.folder / parts.SETTINGS).read_text("utf-8") == text
    assert refused.stderr.count("\n") == 1


# --- pre-commit ----------------------------------------------------------------------------------

HOOKS = """\
# Ours.
default_stages: [pre-commit]
repos:
- repo: https://github.com/pre-commit/pre-commit-hooks
  rev: v5.0.0 # not newer
  hooks:
  - id: check-yaml

# What we skip.
ci:
  skip: [mypy]
"""


def test_a_hook_is_added_and_every_line_stays(site: Site) -> None:
    site.write(parts.PRE_COMMIT, HOOKS)
    assert init("--yes", "--only", "pre-commit").exit_code == 0
    after = (site.folder / parts.PRE_COMMIT).read_text("utf-8")
    added = (
        "- repo: https://github.com/incident-gates/incident-gates\n"
        f"  rev: v{__version__}\n  hooks:\n    - id: incident-gates\n"
    )
    assert after == HOOKS.replace("  - id: check-yaml\n", f"  - id: check-yaml\n{added}")


@pytest.mark.parametrize(
    "text",
    [
        "repos:\n  - repo: local\n    hooks: []",
        "repos:\r\n    - repo: local\r\n      hooks: []\r\n",
        "repos:\n-   repo: local\n    hooks:\n    -   id: a\nfail_fast: true\n",
    ],
)
def test_other_ways_of_writing_hooks(site: Site, text: str) -> None:
    site.write(parts.PRE_COMMIT, "")
    (site.folder / parts.PRE_COMMIT).write_bytes(text.encode())
    assert init("--yes", "--only", "pre-commit").exit_code == 0
    after = (site.folder / parts.PRE_COMMIT).read_bytes().decode()
    value = yaml.safe_load(after)
    assert [repo["repo"] for repo in value["repos"]] == [
        "local",
        f"https://github.com/{parts.REPOSITORY}",
    ]
    assert {key: v for key, v in value.items() if key != "repos"} == {
        key: v for key, v in yaml.safe_load(text).items() if key != "repos"
    }


@pytest.mark.parametrize(
    "text", ["repos: []\n", "repos: [{repo: local}]\n", "a: &b 1\n", "x\n", "- 1\n"]
)
def test_hooks_that_cannot_be_added_to_are_left_with_what_to_add(site: Site, text: str) -> None:
    site.write(parts.PRE_COMMIT, text)
    refused = init("--yes", "--only", "pre-commit")
    assert refused.exit_code == 2
    assert "Add by hand: - repo: https://github.com/incident-gates" in refused.stderr
    assert (site.folder / parts.PRE_COMMIT).read_text("utf-8") == text


# --- attributes ----------------------------------------------------------------------------------


def test_attributes_are_added_to_those_that_are_there(site: Site) -> None:
    site.write(parts.ATTRIBUTES, "*.png binary")
    assert init("--yes", "--only", "attributes").exit_code == 0
    lines = (site.folder / parts.ATTRIBUTES).read_text("utf-8").splitlines()
    assert lines[0] == "*.png binary"
    assert ".artifacts/** -text" in lines


def test_with_them_git_for_windows_leaves_the_bytes(site: Site) -> None:
    name = ".artifacts/incidents/INC-1/decision-log.json"
    site.git("config", "core.autocrlf", "true")
    site.write(name, "{\n}\n")
    site.commit("without")
    (site.folder / name).unlink()
    site.git("checkout", "--", name)
    assert b"\r\n" in (site.folder / name).read_bytes()
    init("--yes", "--only", "attributes")
    (site.folder / name).unlink()
    site.git("checkout", "--", name)
    assert (site.folder / name).read_bytes() == b"{\n}\n"
