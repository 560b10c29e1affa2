"""The project's own promises: what its files say of each other is so."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import incident_gates
from incident_gates.evidence import bounds

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGES = sorted(ROOT.glob("*.md"))

PROJECT = (ROOT / "pyproject.toml").read_text("utf-8")
UNITS = {"KiB": 1024, "MiB": 1024**2}
UNIT_NAMES = {name.upper() for name in UNITS}


def section(name: str) -> str:
    """One table of pyproject.toml: tomllib is missing on Python 3.10, and this needs no more."""
    return PROJECT.partition(f"[{name}]\n")[2].partition("\n[")[0]


def named(pages: list[Path]) -> list[object]:
    return [pytest.param(page, id=page.name) for page in pages]


def promised_bounds() -> dict[str, int]:
    rows = re.findall(
        r"^\|[^|]+\| ([0-9,]+) ?(\w*)[^|]*\| `(\w+)` \|$",
        (ROOT / "SECURITY.md").read_text("utf-8"),
        re.MULTILINE,
    )
    return {name: int(value.replace(",", "")) * UNITS.get(unit, 1) for value, unit, name in rows}


def test_security_promises_the_bounds_that_the_door_keeps() -> None:
    kept = {name: value for name, value in vars(bounds).items() if name.isupper()}
    assert promised_bounds() == {n: v for n, v in kept.items() if n not in UNIT_NAMES}


def test_the_changelog_knows_this_version_or_what_comes_after_it() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert "## [Unreleased]" in changes or f"## [{incident_gates.__version__}]" in changes


@pytest.mark.parametrize("target", re.findall(r'= "([\w.]+:\w+)"', section("project.scripts")))
def test_every_installed_command_exists(target: str) -> None:
    module, function = target.split(":")
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize("lock", named(LOCKS))
def test_a_lock_names_no_index_and_no_machine(lock: Path) -> None:
    text = lock.read_text("utf-8")
    assert not re.search(r"://|^-|--(index|find|trusted)|(^|\s)/\w", text, re.MULTILINE)
    assert re.search(r"^#    make lock$", text, re.MULTILINE)


def test_every_dependency_is_locked_to_run_and_to_develop() -> None:
    wanted = re.findall(r'^    "([\w-]+)>=', section("project"), re.MULTILINE)
    for name in ("run.txt", "dev.txt"):
        locked = re.findall(
            r"^([\w-]+)==", (ROOT / "requirements" / name).read_text(), re.MULTILINE
        )
        assert {each.lower() for each in wanted} <= set(locked)
    assert wanted


@pytest.mark.parametrize("workflow", named(WORKFLOWS))
def test_a_workflow_pins_every_action_by_commit_and_says_which(workflow: Path) -> None:
    for use in re.findall(r"^ *(?:- )?uses: (.*)", workflow.read_text("utf-8"), re.MULTILINE):
        assert re.fullmatch(r"[.$]/\S*( # .*)?|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)


@pytest.mark.parametrize("workflow", named(WORKFLOWS))
def test_a_workflow_installs_only_what_is_locked(workflow: Path) -> None:
    """By digest; or the checkout itself, with nothing fetched for it."""
    for line in re.findall(r"^.*pip\S* install .*", workflow.read_text("utf-8"), re.MULTILINE):
        assert "--require-hashes" in line or "--no-deps --no-build-isolation ." in line


@pytest.mark.parametrize("workflow", named(WORKFLOWS))
def test_a_workflow_says_what_each_right_is_for(workflow: Path) -> None:
    text = workflow.read_text("utf-8")
    assert re.search(r"^permissions: \{\}$", text, re.MULTILINE)
    for line in re.findall(r"^ +[a-z-]+: (?:read|write)\b.*", text, re.MULTILINE):
        assert re.search(r": (read|write) # to \w+", line), line


@pytest.mark.parametrize("page", named(PAGES))
def test_a_page_links_to_files_that_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", page.read_text("utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []
