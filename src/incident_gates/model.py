"""What a judgement is made of: frozen, plain data that every reporter can print without asking."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

CRITICAL, WARNING, INFO = "CRITICAL", "WARNING", "INFO"
LEVELS = (CRITICAL, WARNING, INFO)


class Status(str, Enum):
    """How one gate stands. ``ERROR`` means that it could not be told, and is never a pass."""

    PASSED = "passed"
    FAILED = "failed"
    WAIVED = "waived"
    PENDING = "pending"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"


class Verdict(str, Enum):
    """How one record, or a whole run, stands."""

    PASSED = "passed"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"


class Place(NamedTuple):
    """Where a rule points: a file of the record, and a JSON pointer or a line in it."""

    file: str
    pointer: tuple[str | int, ...] | None = None
    line: int | None = None
    column: int | None = None


class Location(NamedTuple):
    """A place resolved for people: 1-based line and columns, and the source line itself."""

    file: str
    line: int | None = None
    column: int | None = None
    end_column: int | None = None
    source: str | None = None


class Breach(NamedTuple):
    """What a rule found wrong: where, what, and what it would have taken.

    ``subject`` names which of several (an execution, an audience), so that an excuse can name it;
    ``concerned`` are the people who acted in it, and who may therefore not excuse it.
    """

    place: Place
    message: str
    expected: str = ""
    actual: tuple[str, ...] = ()
    subject: str = ""
    concerned: tuple[str, ...] = ()
    level: str = ""
    fix: str = ""


class Excuse(NamedTuple):
    """A waiver or deviation that covers a finding: who, why, until when, and where it stands.

    ``new`` says that the very change which is judged brought it.
    """

    kind: str
    by: tuple[str, ...]
    reason: str
    expires: str | None
    location: Location
    new: bool = False


class Finding(NamedTuple):
    """A breach with all that a reporter needs to print it."""

    rule: str
    level: str
    message: str
    location: Location
    fix: str
    subject: str = ""
    expected: str = ""
    actual: tuple[str, ...] = ()
    concerned: tuple[str, ...] = ()
    excuse: Excuse | None = None

    @property
    def fails(self) -> bool:
        """Whether it fails its gate: critical, and not excused."""
        return self.level == CRITICAL and self.excuse is None


class Metric(NamedTuple):
    """A measured value beside what is asked; ``value`` is None where nothing could be measured."""

    name: str
    value: float | None
    threshold: float | None
    unit: str
    comparison: str


class Link(NamedTuple):
    """One event of the causal line and how it stands to the one that had to come before it.

    ``order`` is ``start``, ``proven``, ``not_provable`` or ``contradicted``; ``time`` is empty
    where the record does not say when it happened.
    """

    event: str
    label: str
    time: str
    earliest: str | None
    latest: str | None
    precision: str | None
    actor: str
    location: Location
    order: str
    gap: str = ""
    grade: str = ""


class GateReport(NamedTuple):
    """One gate's outcome: what was found, and what a pending gate still needs."""

    id: str
    number: int
    name: str
    status: Status
    due: bool
    summary: str
    metrics: tuple[Metric, ...] = ()
    findings: tuple[Finding, ...] = ()
    needs: tuple[Finding, ...] = ()


class Assurance(NamedTuple):
    """What the verdict rests on, and what it does not."""

    consistent: tuple[str, ...] = ()
    corroborated: tuple[str, ...] = ()
    not_corroborated: tuple[str, ...] = ()
    not_verified: tuple[str, ...] = ()


class IncidentReport(NamedTuple):
    """One record judged."""

    incident_id: str
    path: str
    severity: str | None
    state: str
    phase: int
    as_of: str
    verdict: Verdict
    causal_line: tuple[Link, ...]
    gates: tuple[GateReport, ...]
    findings: tuple[Finding, ...]
    log: tuple[str, ...]
    assurance: Assurance
    # A rule that is in neither list was unknown to the tool that judged.
    rules_run: tuple[str, ...] = ()
    rules_left: tuple[tuple[str, str], ...] = ()

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Every finding of the record, gate by gate, then those that belong to no gate."""
        return (*(f for gate in self.gates for f in gate.findings), *self.findings)


class Shard(NamedTuple):
    """Which part of a run a report is, and how its records stand among those of all parts.

    ``listing`` is the digest of all their paths, ``commit`` what was checked out, and ``asked``
    what the run was asked for: parts of one run have these in common.
    """

    number: int
    parts: int
    total: int
    positions: tuple[int, ...]
    listing: str
    commit: str | None
    asked: Mapping[str, Any]


class Report(NamedTuple):
    """One run: every record judged, and what was said about the run itself.

    ``findings`` are about the change that was asked about, ``base`` is the commit it starts from.
    """

    tool_version: str
    protocol: tuple[str, str, str]
    policy: tuple[str | None, str | None]
    as_of: str
    require: str
    verdict: Verdict
    exit_code: int
    incidents: Sequence[IncidentReport]
    notices: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    base: str | None = None
    shard: Shard | None = None

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """What was found in the change itself, then every finding of every record."""
        return (*self.findings, *(f for incident in self.incidents for f in incident.all_findings))
