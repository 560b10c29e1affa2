"""The hand-over: seven lines answered from the record, and no tick for what was not checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packagesite import Site, on, site

from incident_gates import protocol
from incident_gates.package import own

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["site"]

LINES = [line["says"] for line in protocol.load().data["handoff"]["checklist"]]
COMPLETE = "[MASTER RAY™ | PROTOCOL COMPLETE]"


def text(folder: Path) -> str:
    return (folder / own.HANDOFF).read_text("utf-8")


def answers(folder: Path) -> dict[str, tuple[bool, str, str]]:
    """Each line of the checklist: ticked, how it stands, why."""
    found = re.findall(r"^- \[(.)\] (.+?) – \*\*(.+?)\*\*: (.+)$", text(folder), re.MULTILINE)
    assert [says for _, says, _, _ in found] == LINES, "all seven, in the protocol's words"
    listed = {says: (tick == "x", state, why) for tick, says, state, why in found}
    for says, (tick, state, _) in listed.items():
        documented = state == "waived" and "or waivers documented" in says
        assert tick == (state == "met" or documented)
    return listed


def test_a_record_in_order_is_handed_over(site: Site) -> None:
    site.committed()
    site.run()
    assert {state for _, state, _ in answers(site.folder).values()} == {"met"}
    said = text(site.folder)
    assert f"**{COMPLETE}** Ready for Protocol 21" in said
    assert "Protocol 22: Implementation Retrospective" in said
    assert "- `INCIDENT-REPORT.md` – Incident summary for retrospective" in said


@on("contradictions")
def test_a_failed_gate_is_not_handed_over(site: Site) -> None:
    site.run()
    found = answers(site.folder)
    assert found["All prerequisites were met"][1] == "met"
    _, state, why = found["All quality gates passed (or waivers documented)"]
    assert (state, "2 failed" in why) == ("not met", True)
    _, state, why = found["All automation hooks executed successfully"]
    assert (state, "mitigation" in why, "other runs are not known here" in why) == (
        "not met",
        True,
        True,
    )
    assert COMPLETE not in text(site.folder)
    assert "Not handed over: 3 lines are not met" in text(site.folder)


@on("late-notice")
def test_a_waived_line_is_said_with_who_and_ticked_only_where_the_line_allows(site: Site) -> None:
    site.committed()
    site.run()
    found = answers(site.folder)
    tick, state, why = found["All quality gates passed (or waivers documented)"]
    assert (tick, state) == (True, "waived"), "the line itself allows it"
    assert "deviation of SEV011 by Morgan and Dana" in why
    assert found["Communication log complete"][1] == "waived"
    assert COMPLETE in text(site.folder), "waivers documented"


@on("in-progress-2")
def test_an_open_record_has_more_to_come(site: Site) -> None:
    site.run("--as-of", "2026-03-14T02:24:00Z")
    found = answers(site.folder)
    assert found["All workflow steps completed successfully"][1] == "not met"
    assert found["All quality gates passed (or waivers documented)"][1] == "not met"
    assert COMPLETE not in text(site.folder)


@on("false-positive")
def test_a_false_positive_hands_over_its_intake_alone(site: Site) -> None:
    [site.folder] = [p for p in site.root.iterdir() if p.is_dir()]
    site.run()
    found = answers(site.folder)
    assert found["All prerequisites were met"][1] == "not applicable"
    assert found["Communication log complete"][1] == "not applicable"
    assert COMPLETE not in text(site.folder)


def test_evidence_that_no_commit_holds_is_not_stored(site: Site) -> None:
    site.committed()
    (site.folder / "attachments/more.log").write_text("late\n")
    site.run()
    _, state, why = answers(site.folder)["All evidence artifacts captured and stored"]
    assert (state, "attachments/more.log" in why) == ("not met", True)


def test_where_git_is_not_there_that_is_said(site: Site) -> None:
    site.run()
    _, _, why = answers(site.folder)["All evidence artifacts captured and stored"]
    assert "whether git keeps them is not known here" in why


def test_a_missing_output_is_named(site: Site) -> None:
    site.edit(
        "resolution-summary.json",
        '"status": "closed"',
        '"status": "closed",\n  "alert_improvements": true',
    )
    site.run()
    _, state, why = answers(site.folder)["All integration outputs generated"]
    assert (state, "alert-tuning-feedback.json" in why) == ("not met", True)


def test_names_of_the_record_become_no_markup(site: Site) -> None:
    (site.folder / "attachments/[x](http:y) `z` *w*.log").symlink_to("api-error.log")
    (site.folder / "attachments/](http).log").symlink_to("api-error.log")
    site.run()
    said = text(site.folder)
    assert "\\]\\(http\\).log" in said
    assert "](" not in said
