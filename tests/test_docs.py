"""What pages and help texts show is run: every command has an example, and it works."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import pytest
import yaml
from scratchwork import Scratch
from test_play_through import values

from incident_gates import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
SETUPS = yaml.safe_load((ROOT / "tests" / "help_examples.yaml").read_text("utf-8"))
PROGRAM = "incident-gates"
TOUR = runpy.run_path(str(ROOT / "docs" / "tour.py"), run_name="tour")
posix = pytest.mark.skipif(os.name != "posix", reason="the examples are typed into a POSIX shell")


class Example(NamedTuple):
    """One line of a help text, and what is said of how it runs."""

    command: str
    line: str

    @property
    def setup(self) -> dict[str, Any]:
        """What the nearest command above says, with what is said of this line alone."""
        found: dict[str, Any] = {}
        for name, said in SETUPS.items():
            if f"{self.command} ".startswith(f"{name} ") or name == PROGRAM:
                found |= {key: value for key, value in said.items() if key != "lines"}
        own = [said.get("lines", {}).get(self.line, {}) for said in SETUPS.values()]
        return found | next((each for each in own if each), {})


def commands(group: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for child in group.list_commands(context):
            command = group.get_command(context, child)
            assert command, child
            yield from commands(command, f"{name} {child}")


def lines_of(command: click.Command) -> list[str]:
    """The lines of the example blocks, whole; what stands behind two spaces is a remark."""
    blocks = re.findall(r"\x08\n(.*?)(?:\n[ ]*\n|\Z)", command.help or "", re.DOTALL)
    whole = re.sub(r"\s*\\\n\s*", " ", "\n".join(blocks))
    stripped = (re.sub(r"(\S) {2,}.*", r"\1", line.strip()) for line in whole.splitlines())
    return [line for line in stripped if PROGRAM in line]


class Tour(NamedTuple):
    """The tour as it was played, and its repository before the first step and after each."""

    steps: list[Any]
    stages: list[Scratch]


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Tour:
    folder = tmp_path_factory.mktemp("tour")
    scratch = TOUR["stage"](folder / "now")
    played = Tour([], [scratch.copied(folder / "0")])
    for number, step in enumerate(TOUR["play"](scratch), 1):
        played.steps.append(step)
        played.stages.append(scratch.copied(folder / str(number)))
    return played


ALL = dict(commands(cli.main, PROGRAM))
EXAMPLES = [Example(name, line) for name, command in ALL.items() for line in lines_of(command)]


@pytest.mark.parametrize("name", ALL)
def test_every_help_text_has_an_example_near_its_beginning(name: str) -> None:
    lines = lines_of(ALL[name])
    assert lines, f"{name} --help shows no example"
    assert any(f"{line} ".startswith(f"{name} ") or f" {name} " in line for line in lines)


@posix
@pytest.mark.parametrize("example", [pytest.param(e, id=e.line) for e in EXAMPLES])
def test_an_example_of_a_help_text_runs(example: Example, tour: Tour, tmp_path: Path) -> None:
    setup = example.setup
    if "tour" in setup:
        scratch = tour.stages[setup["tour"]].copied(tmp_path / "scratch")
    else:
        scratch = Scratch(tmp_path, setup.get("example", ""))
    scratch.programs(setup.get("programs", {}))
    for path, text in setup.get("files", {}).items():
        scratch.site.write(path, text)
    for path, source in setup.get("copies", {}).items():
        shutil.copy(ROOT / source, scratch.folder / path)
    for line in setup.get("before", ()):
        before = scratch.run(line)
        assert before.returncode == 0, before.stdout
    if setup.get("watches"):
        return _watched(scratch, example.line)
    done = scratch.run(example.line)
    assert done.returncode == setup.get("code", 0), done.stdout
    assert "Traceback" not in done.stdout
    assert done.stdout.strip()
    return None


def _watched(scratch: Scratch, line: str) -> None:
    """A command that goes on until it is interrupted shows something first."""
    with pytest.raises(subprocess.TimeoutExpired) as interrupted:
        scratch.run(f"exec {line}", seconds=4)
    assert b"INC-" in (interrupted.value.stdout or b"")


def test_a_set_up_names_commands_and_lines_that_are_there() -> None:
    lines = {example.line for example in EXAMPLES}
    for name, said in SETUPS.items():
        assert name in ALL
        assert set(said.get("lines", {})) <= lines, name


# --- the tour ------------------------------------------------------------------------------------

MOST_BEFORE_EXECUTION, MOST = 5, 15  # commands that record something


@posix
def test_the_tour_is_one_whole_incident_in_few_commands(tour: Tour) -> None:
    assert [step.typed for step in tour.steps if step.code] == []
    typed = [step.typed.split()[1:3] for step in tour.steps]
    recording = [words for words in typed if words[0] in ("new", "record")]
    assert recording.index(["record", "execution"]) <= MOST_BEFORE_EXECUTION
    assert recording[-1] == ["record", "resolution"]
    assert len(recording) <= MOST
    report = json.loads(tour.stages[-1].run("incident-gates check --format json").stdout)
    (incident,) = report["incidents"]
    assert incident["verdict"] == "passed"
    assert {gate["status"] for gate in incident["gates"]} == {"passed"}


# --- pages ---------------------------------------------------------------------------------------

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
LINK = re.compile(r"(?:\]\(|src=\")(?!\w+:|#)([^)#\s\"]+)")


def test_the_policy_on_the_page_is_the_one_that_the_tour_uses() -> None:
    tour = yaml.safe_load((ROOT / "docs/tour.yaml").read_text("utf-8"))
    page = (ROOT / "docs/desk.md").read_text("utf-8")
    assert tour["before"]["files"][".incident-gates.yaml"].strip() in page


def test_the_readme_types_what_the_tour_types() -> None:
    """The commands of its block "During an incident", line by line."""
    steps = yaml.safe_load((ROOT / "docs/tour.yaml").read_text("utf-8"))["steps"]
    played = {" ".join(step["type"].split()) for step in steps}
    block = (ROOT / "README.md").read_text("utf-8").partition("<!-- from docs/tour.yaml -->\n")[2]
    text = block.partition("```sh\n")[2].partition("```")[0].replace("\\\n", " ")
    typed = [" ".join(line.partition("     # ")[0].split()) for line in text.splitlines()]
    assert len(typed) > 5
    assert set(typed) <= played
    before = [values(shlex.split(line)[1:]) for line in typed if " -- " not in line][:-1]
    assert (sum(before), len(before)) == (23, 5), "as README says: so much before the rollback"


@pytest.mark.parametrize("page", [pytest.param(p, id=p.name) for p in sorted(PAGES)])
def test_a_page_links_to_what_is_there(page: Path) -> None:
    targets = LINK.findall(page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
