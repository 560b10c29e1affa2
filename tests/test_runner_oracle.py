"""The oracle sees what the runner sees: each way that was ever used to slip a command in."""

from __future__ import annotations

import pytest
import runner_oracle as runner

SLIPPED = {
    "::error::x": ("error", {}, "x"),
    "  \t::WARNING file=a,line=1::x%0Ay": ("warning", {"file": "a", "line": "1"}, "x\ny"),
    "::error title=a%3Ab%2Cc%250A::%250A": ("error", {"title": "a:b,c%0A"}, "%0A"),
    "said ##[add-matcher]x": ("add-matcher", {}, "x"),
    "##[set-output name=a%3Bb;c=d]e%5D": ("set-output", {"name": "a;b", "c": "d"}, "e]"),
    "\u200b::add-mask::a": ("add-mask", {}, "a"),
    "#\u034f#[add-mask]a": ("add-mask", {}, "a"),
}
HARMLESS = ("x ::error::y", "::nothing::x", "::error", "# #[error]x", ": :error::x", "##[error")


@pytest.mark.parametrize("line", SLIPPED)
def test_a_command_is_seen(line: str) -> None:
    """In both forms, after blanks and characters that cannot be seen, in any case."""
    command = runner.parse(line)
    assert command is not None
    assert command[:3] == SLIPPED[line]


@pytest.mark.parametrize("line", HARMLESS)
def test_other_text_is_none(line: str) -> None:
    """An oracle that cries wolf would be switched off."""
    assert runner.parse(line) is None


def test_a_carriage_return_begins_a_line_and_a_token_stops_commands() -> None:
    """As .NET reads lines; what is stopped stays so until the token comes."""
    output = "a\r::stop-commands::Token\n::error::no\n::token::\r\n::error::yes"
    assert [c.name for c in runner.commands(output)] == ["stop-commands", "error"]


def test_the_first_ten_of_a_kind_are_kept_and_the_exit_code_is_an_error() -> None:
    """What the reporter's budget is made for."""
    seen = runner.obeyed("::error::x\n" * 10 + "::notice::x\n" * 11, exit_code=1)
    assert len(seen.kept) == 20
    assert [command.data for command in seen.lost][-1] == "Process completed with exit code 1."
    assert len(runner.obeyed(f"::error::{'x' * 5000}").kept[0].data) == runner.LONGEST


def test_columns_need_a_line_and_an_order() -> None:
    """As the runner drops them."""
    for given in ("col=1", "line=1,endLine=2,col=1", "line=1,col=3,endColumn=2"):
        kept = runner.obeyed(f"::error {given}::x").kept[0]
        assert "col" not in kept.properties
        assert "endcolumn" not in kept.properties


def test_outputs_are_read_and_refused_as_the_runner_does() -> None:
    """Both forms, and the guessed delimiter that ends a value early."""
    text = "a=b<<c\nd<<EOF\nx\nEOF\ne=f\n"
    assert runner.outputs(text) == {"a": "b<<c", "d": "x", "e": "f"}
    assert runner.outputs("a<<EOF\nx\nEOF\nverdict=passed\nEOF=\n")["verdict"] == "passed"
    for broken in ("nothing\n", "a<<EOF\nx\n"):
        with pytest.raises(ValueError, match=r"no end|invalid"):
            runner.outputs(broken)
