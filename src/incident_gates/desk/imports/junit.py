"""JUnit results: each test as a run of a recovery check. Nothing skipped ever passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from incident_gates.desk.imports import claims
from incident_gates.desk.imports.values import plain
from incident_gates.errors import UsageError

if TYPE_CHECKING:
    from incident_gates.desk.imports.claims import Claims

DEPTH = 32
DIGITS = 9
SUITES = ("testsuites", "testsuite")
CASES = 20_000
FAILED, SKIPPED = ("failure", "error"), ("skipped",)
NOT_RUN = ("notrun", "skipped", "disabled", "ignored", "suppressed")
NOT_PASSED = ("failed", "failure", "error", "broken")


class _Suite:
    """A suite while it is being read; ``counted`` is how many failures it states itself."""

    def __init__(self, said: dict[str, str], above: _Suite | None, *, counts: bool) -> None:
        name, time = (above.name, above.time) if above else ("", "")
        self.name: str = plain(said.get("name", ""), 200) or name
        self.time: str = said.get("timestamp") or time
        self.counted = (
            sum(map(_number, (said.get("failures"), said.get("errors")))) if counts else 0
        )
        self.runs: list[claims.Run] = []


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < DIGITS else 0


class _Case:
    """A test while it is being read."""

    def __init__(self, said: dict[str, str]) -> None:
        self.said = said
        self.result = "passed"
        self.message = ""
        status = {said.get("status", "").lower(), said.get("result", "").lower()}
        if status & set(NOT_RUN):
            self.result = "skipped"
        if status & set(NOT_PASSED):
            self.result = "failed"

    def learn(self, name: str, message: str) -> None:
        """An element inside: a failure outweighs a skip."""
        if name in FAILED and self.result != "failed":
            self.result, self.message = "failed", plain(message, 200)
        elif name in SKIPPED and self.result == "passed":
            self.result, self.message = "skipped", plain(message, 200)

    def done(self, suite: _Suite) -> claims.Run:
        name, group = self.said.get("name", ""), self.said.get("classname", "")
        names = tuple(plain(n, 200) for n in (name, f"{group}.{name}", group) if n.strip(". "))
        time = self.said.get("timestamp") or suite.time
        return claims.Run(suite.name, names, self.result, time, self.message)


class _Reader:
    """Takes the events of the parser, without building a tree."""

    def __init__(self) -> None:
        self.runs: list[claims.Run] = []
        self._open: list[_Suite] = []
        self._case: _Case | None = None
        self._depth = 0

    def begin(self, name: str, said: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise UsageError(f"its XML is nested more than {DEPTH} levels deep")
        if self._depth == 1 and name not in SUITES:
            raise UsageError(f"its top element is {plain(name, 60)}, not testsuites or testsuite")
        if name in SUITES:
            self._begin_suite(said, counts=name == "testsuite")
        elif name == "testcase":
            self._case = _Case(said)
        elif self._case:
            self._case.learn(name, said.get("message", ""))

    def _begin_suite(self, said: dict[str, str], *, counts: bool) -> None:
        above = self._open[-1] if self._open else None
        if above:
            # Its figures are those of the suites inside.
            above.counted = 0
        self._open.append(_Suite(said, above, counts=counts))

    def end(self, name: str) -> None:
        self._depth -= 1
        if name in SUITES:
            self._end_suite(self._open.pop())
        elif name == "testcase" and self._case and self._open:
            suite = self._open[-1]
            suite.runs.append(self._case.done(suite))
            self._case = None

    def _end_suite(self, suite: _Suite) -> None:
        """A suite that counts a failure that none of its tests shows has not passed."""
        self.runs += suite.runs
        if len(self.runs) > CASES:
            raise UsageError(f"it holds more than {CASES} tests")
        if suite.counted and all(run.result != "failed" for run in suite.runs):
            said = f"the suite itself counts {suite.counted} failures"
            self.runs.append(claims.Run(suite.name, (), "failed", suite.time, said))


def read(data: bytes) -> Claims:
    """The tests of a file; one that declares a document type is refused, with its entities."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(data, True)  # noqa: FBT003 - the parser takes no name here
    except expat.ExpatError as error:
        said = expat.ErrorString(error.code)
        raise UsageError(f"it is no whole XML: {said} in line {error.lineno}") from None
    except (ValueError, LookupError):
        raise UsageError("it is no XML that can be read") from None
    if not reader.runs:
        raise UsageError("it holds no test")
    return claims.Claims(runs=tuple(reader.runs))


def _refuse_doctype(*_: Any) -> None:
    raise UsageError("it declares a document type, which results have no need of")
