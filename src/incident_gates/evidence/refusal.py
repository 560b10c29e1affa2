"""The one way in which the door says no."""

from __future__ import annotations

from incident_gates.evidence.bounds import EXCERPT_CHARS, FINDING_CHARS


class Refusal(ValueError):
    """A file that is not let in: what is wrong, how to mend it and, where known, the place."""

    def __init__(
        self,
        what: str,
        fix: str,
        *,
        line: int | None = None,
        column: int | None = None,
        malformed: bool = True,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.line = line
        self.column = column
        self.malformed = malformed

    def without_trace(self) -> Refusal:
        """Itself alone: its frames, and those of the error behind it, would keep a record alive."""
        self.__context__ = None
        return self.with_traceback(None)


def quoted(text: str) -> str:
    """A short piece of evidence for a message; repr keeps control characters visible and inert."""
    return repr(shortened(text, EXCERPT_CHARS))


def shortened(text: str, most: int = FINDING_CHARS) -> str:
    """A text as long as a finding may be; what is cut says so."""
    return text if len(text) <= most else text[: most - 1] + "…"


def position(text: str, offset: int) -> tuple[int, int]:
    """The 1-based line and column of an offset."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
