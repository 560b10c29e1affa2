"""report.html: what the offline page is given, gathered from the judgement and from git."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates import run
from incident_gates.package import answers
from incident_gates.report import html

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_gates.package.judged import Judged

MEANINGS = {
    "contradicted": "committed before the time that it states",
    "unsupported": "no commit near that time holds it",
    "git-consistent": "first committed soon after; a commit date is a claim",
    "platform-attested": "first committed soon after, in a commit that a trusted key signed",
}


def page(judged: Judged, manifest: Mapping[str, Any], history: Mapping[str, Any]) -> bytes:
    """The page's bytes."""
    gates = {g.id: {"pass_threshold": g.pass_threshold} for g in judged.limits.protocol.gates}
    grades = [
        html.Grade(f"{t['value']} {t['time']}", t["grade"], MEANINGS[t["grade"]], t["file"])
        for t in history["times"]
    ]
    answered = answers.of(judged, manifest, history)
    about = html.About(manifest, gates, run.rule_texts(), grades, history["why"], answered)
    return html.render(judged.report, about).encode()
