"""The bar of a long run: seen on a terminal alone, and gone at the end."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import pytest

from incident_gates import judgements, progress

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = progress.MANY


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal in the place of standard error, with somebody before it.

    No fixture: pytest puts its own in that place before each test begins.
    """
    seen = Terminal()
    monkeypatch.setattr(sys, "stderr", seen)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return seen


def screen(written: str) -> list[str]:
    """The lines that a terminal shows in the end: only what the bar makes use of is understood."""
    lines, row = [""], 0
    text = written.replace("\x1b[?25l", "").replace("\x1b[?25h", "")
    for part in text.replace("\x1b[1A", "\x00^\x00").replace("\x1b[2K", "\x00-\x00").split("\x00"):
        if part == "^":
            row -= 1
        elif part == "-":
            lines[row] = ""
        else:
            for number, line in enumerate(part.split("\n")):
                row += bool(number)
                lines += [""] * (row + 1 - len(lines))
                lines[row] = line.rpartition("\r")[2] or lines[row]
    return lines


def test_a_long_run_shows_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All items pass through, and the bar counts them on standard error alone."""
    seen = terminal(monkeypatch)
    assert list(progress.shown(range(LONG), LONG)) == list(range(LONG))
    assert f"{LONG - 1}/{LONG}" in seen.getvalue()
    assert not capsys.readouterr().out


def test_nothing_is_left_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal ends as it began, with its cursor."""
    seen = terminal(monkeypatch)
    list(progress.shown(range(LONG), LONG))
    assert not any(screen(seen.getvalue()))
    assert seen.getvalue().rindex("\x1b[?25h") > seen.getvalue().rindex("\x1b[?25l")


def test_nothing_is_left_of_one_that_was_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error message is not written behind half a bar."""
    seen = terminal(monkeypatch)

    def broken() -> Iterator[int]:
        yield from range(LONG // 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(progress.shown(broken(), LONG))
    assert f"/{LONG}" in seen.getvalue()
    assert not any(screen(seen.getvalue()))


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("TERM", "dumb")])
def test_nobody_watches_a_log(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that CI made up would keep every step."""
    seen = terminal(monkeypatch)
    monkeypatch.setenv(name, value)
    assert len(list(progress.shown(range(LONG), LONG))) == LONG
    assert not seen.getvalue()


def test_a_short_run_and_a_pipe_show_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few records are judged at once, and a pipe is read by a program."""
    seen = terminal(monkeypatch)
    list(progress.shown(range(LONG - 1), LONG - 1))
    assert not seen.getvalue()
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    list(progress.shown(range(LONG), LONG))
    assert not pipe.getvalue()


def test_judging_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The records of a run are what is counted."""
    counted: list[int] = []

    def shown(_: object, count: int) -> tuple[()]:
        counted.append(count)
        return ()

    monkeypatch.setattr(progress, "shown", shown)
    none: Any = None
    assert not list(judgements.judge_all([none] * 3, none, none, none))
    assert counted == [3]
