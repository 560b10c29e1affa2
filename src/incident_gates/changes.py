"""Rules about a change rather than a record: what was taken away, and what it brings along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_gates.model import CRITICAL, WARNING, Finding, Location
from incident_gates.rules import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_gates.chain import Chain
    from incident_gates.model import Breach
    from incident_gates.policy import Limits

GATE = "change"
CHANGES: dict[str, Rule] = {}


def _asked_elsewhere(_: Chain, __: Limits) -> Iterator[Breach]:
    return iter(())


def _rule(rule_id: str, level: str, says: str, why: str, fix: str) -> None:
    """Registers a rule; what it asks needs git, so it is asked in ``github``, not by a check."""
    CHANGES[rule_id] = Rule(
        rule_id,
        GATE,
        "change",
        level,
        says,
        why,
        fix,
        needs=(),
        at_once=True,
        check=_asked_elsewhere,
    )


_rule(
    "CHG001",
    CRITICAL,
    "The evidence of an incident was deleted",
    "A record that can be taken away proves nothing.",
    "Restore the folder from the base commit; a record stays, even of a false positive.",
)
_rule(
    "CHG002",
    WARNING,
    "A file was deleted from a record",
    "What was once evidence should not disappear without a word.",
    "Restore the file, or say in the record why it had to go.",
)
_rule(
    "CHG003",
    WARNING,
    "The evidence of a closed incident was changed",
    "A closed record was judged as it stood; whoever relied on it should know of the change.",
    "Say in amendments.yaml what was changed and why; undo what was not meant.",
)
_rule(
    "CHG004",
    WARNING,
    "The change edits the policy that it is judged by",
    "A change must not judge itself by rules that it brings.",
    "Nothing to mend: the policy of the base commit is in force until this is merged.",
)
_rule(
    "CHG005",
    WARNING,
    "The change edits a workflow that runs the gates",
    "A pull request runs the workflow that it brings, so it could switch the gates off.",
    "Nothing to mend: let somebody who answers for the process review the workflow.",
)
_rule(
    "CHG006",
    CRITICAL,
    "The change lacks the evidence of an incident",
    "The policy asks such changes to carry evidence: they are how incidents are mitigated.",
    "Commit the record, or name it in the description, on a line of its own: "
    "Incident: INC-2026-0042.",
)
_rule(
    "CHG007",
    WARNING,
    "A folder among the incidents holds no evidence",
    "A misspelt file name looks like evidence and is read by nobody.",
    "Name the files as docs/files.md does; `incident-gates new` writes the first ones.",
)


def finding(  # noqa: PLR0913 - a finding says everything in one place
    rule_id: str,
    file: str,
    message: str,
    *,
    subject: str = "",
    expected: str = "",
    actual: tuple[str, ...] = (),
    level: str = "",
) -> Finding:
    """A finding of one of these rules, at a changed file."""
    rule = CHANGES[rule_id]
    return Finding(
        rule_id,
        level or rule.level,
        message,
        Location(file),
        rule.fix,
        subject,
        expected,
        actual,
    )
