"""The one way in which the door says no."""

from __future__ import annotations

from incident_gates.evidence.bounds import EXCERPT_CHARS


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


def quoted(text: str) -> str:
    """A short piece of evidence for a message; repr keeps control characters visible and inert."""
    cut = text if len(text) <= EXCERPT_CHARS else text[: EXCERPT_CHARS - 1] + "…"
    return repr(cut)


def position(text: str, offset: int) -> tuple[int, int]:
    """The 1-based line and column of an offset."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
