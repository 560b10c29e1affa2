"""The offline page: everything that counts, nothing that leads outside, nothing that escapes."""

from __future__ import annotations

import itertools
import json
import re
import zipfile
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from packagesite import ROOT, Site, on, site

from incident_gates import run
from incident_gates.discover import Selection
from incident_gates.engine import Request
from incident_gates.model import CRITICAL, Excuse, Finding, IncidentReport, Link, Location
from incident_gates.report import html

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["site"]

PAGE_TAGS = ("html", "head", "meta", "title", "style", "body", "header", "footer", "main", "nav")
TEXT_TAGS = ("section", "article", "h1", "h2", "h3", "h4", "p", "div", "span", "a", "code", "pre")
LIST_TAGS = ("ul", "ol", "li", "dl", "dt", "dd", "br", "mark")
TABLE_TAGS = ("table", "caption", "thead", "tbody", "tr", "th", "td")
TAGS = frozenset((*PAGE_TAGS, *TEXT_TAGS, *LIST_TAGS, *TABLE_TAGS))
VOID = frozenset(("meta", "br"))
ATTRIBUTES = frozenset(
    ("lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "scope")
) | {"role", "tabindex", "aria-label", "aria-labelledby", "aria-hidden"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</title><svg onload=alert(1)>",
    "<!--",
    "]]>&lt;b&gt;&#60;i&#62;",
    "javascript:alert(1)",
    "\u202egnp.exe\u2066",
    "\x1b[31m\x00\x07",
    "$body $style ${title}",
    "a" * 5000,
    "\ud800lone",
]


class Read(HTMLParser):
    """A page as a browser takes it apart."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.comments: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "every element is closed where it was opened"

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(example: str, **changes: Any) -> str:
    """The page of an example, as if aggregate had gathered what it needs."""
    folder = str(ROOT / "examples" / example)
    [report] = run.run(run.Job(Selection((folder,)), Request(), as_of="2026-03-20")).incidents
    return html.render(report._replace(**changes), about())


def about(text: str = "plain") -> html.About:
    manifest = {
        "sealed": True,
        "commit": text,
        "uncommitted": [text],
        "quality_metrics": [
            {"name": text, "comparison": ">=", "target": 1.0, "value": None, "status": text}
        ],
        "files": [{"path": text, "size": 1, "role": text, "sealed": True, "sha256": text}],
        "left_out": [{"path": text, "reason": text}],
        "seals": [{"as_of": text, "amendments": [text], "sha256": text}],
        "inputs": [
            {
                "file": text,
                "from_protocol": None,
                "present": True,
                "required": True,
                "sha256": text,
                "pinned_sha256": text,
            }
        ],
        "outputs": [
            {
                "file": text,
                "to_protocol": 22,
                "owed": True,
                "present": True,
                "valid": False,
                "unchanged": True,
                "sha256": text,
            }
        ],
        "protocol": {"id": 17, "version": text, "sha256": text},
        "policy_sha256": text,
        "tool": {"name": text, "version": text},
    }
    words = {"MIT004": {"why": text}, "mitigation": {"pass_threshold": text}}
    proofs = (html.Proof(text, text, 1, text), html.Proof(text, "", None, ""))
    answers = [html.Answer(text, state, text, proofs) for state in html.WORDS]
    grades = [html.Grade(text, text, text, text)]
    return html.About(manifest, words, words, grades, text, answers)


def hostile(report: IncidentReport, text: str) -> IncidentReport:
    """A report in which every text that comes from the evidence is one that attacks."""
    place = Location(text, 3, 2, 9, f"  {text}")
    excuse = Excuse("waiver", (text, text), text, text, place)
    found = Finding("MIT004", CRITICAL, text, place, text, text, text, (text, text), (text,), None)
    gates = tuple(
        gate._replace(summary=text, findings=(found, found._replace(excuse=excuse)), needs=(found,))
        for gate in report.gates
    )
    link = Link("executed", text, text, None, None, text, text, place, "contradicted", text)
    return report._replace(
        incident_id=text,
        path=text,
        severity=text,
        state=text,
        causal_line=(link, link),
        gates=gates,
        findings=(found,),
        log=(text,),
        assurance=report.assurance._replace(consistent=(text,), not_corroborated=(text,)),
    )


def checked(page: str) -> Read:
    read = Read(page)
    assert not read.open
    assert not read.comments
    for tag, attributes in read.tags:
        assert tag in TAGS, tag
        assert set(attributes) <= ATTRIBUTES, attributes
        if tag == "a":
            assert re.fullmatch(r"#[a-z]+", attributes["href"] or "")
    return read


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_from_the_evidence_becomes_markup(text: str) -> None:
    folder = str(ROOT / "examples/contradictions")
    [report] = run.run(run.Job(Selection((folder,)), Request(), as_of="2026-03-20")).incidents
    plain = checked(html.render(hostile(report, "plain"), about("plain")))
    read = checked(html.render(hostile(report, text), about(text)))
    assert [tag for tag, _ in read.tags] == [tag for tag, _ in plain.tags], "text adds no element"
    shown = "".join(read.text)
    assert not set(shown) & set("\x00\x07\x1b\u202e\u2066\ud800")
    assert len(html.render(hostile(report, text), about(text))) < 1_000_000
    html.render(hostile(report, text), about(text)).encode()


def test_a_browser_is_told_to_fetch_and_run_nothing() -> None:
    read = checked(page("complete"))
    [policy] = [m for m in read.named("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    text = page("complete")
    assert not re.search(r"https?://|url\(|@import|<script|src=", text)


@pytest.mark.parametrize("example", ["complete", "contradictions", "emergency", "in-progress-1"])
def test_people_who_see_hear_and_type_can_read_it(example: str) -> None:
    read = checked(page(example))
    assert read.named("html") == [{"lang": "en"}]
    landmarks = [tag for tag, _ in read.tags if tag in ("header", "main", "footer", "nav")]
    assert sorted(landmarks) == ["footer", "header", "main", "nav"]
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"] for a in read.named("a")} <= {f"#{name}" for name in ids}
    assert all(th.get("scope") in ("col", "row") for th in read.named("th"))
    assert len(read.named("caption")) == len(read.named("table"))
    wide = [a for a in read.named("div") if a.get("class") == "wide"]
    assert all(a.get("tabindex") == "0" and a.get("role") == "region" for a in wide)


def test_it_says_what_failed_where_and_why() -> None:
    text = " ".join("".join(checked(page("contradictions")).text).split())
    for said in (
        "FAILED",
        "Gate 2 Mitigation: E-1 started 9 min before it was approved.",
        "mitigation-execution-report.json:20",
        '"started_at": "2026-03-14T02:25:00Z"',
        "every approval at or before 02:25 UTC",
        "Do not change the times.",
        "9 min before it was approved",
        "out of order",
        "A typed name is not a signature",
    ):
        assert said in text


def test_colour_is_never_all_that_tells() -> None:
    read = checked(page("contradictions"))
    text = "".join(read.text)
    for said in ("✓ passed", "✗ failed", "critical", "✗ FAILED"):
        assert said in text


@on("late-notice")
def test_excuses_are_shown_with_who_and_why(site: Site) -> None:
    site.run("--bundle")
    folder = site.folder
    with zipfile.ZipFile(folder / "INCIDENT-EVIDENCE-BUNDLE.zip") as archive:
        text = archive.read("report.html").decode()
    shown = " ".join("".join(checked(text).text).split())
    manifest = json.loads((folder / "evidence-manifest.json").read_text("utf-8"))
    [excused] = [e for g in manifest["gates"] for e in g["findings"]["excused"]]
    assert excused["reason"][:60] in shown
    assert " and ".join(excused["by"]) in shown
    assert "waived, not passed" in shown
    for file in manifest["files"]:
        assert file["sha256"] in shown


# --- contrast ------------------------------------------------------------------------------------


def palettes() -> Iterator[tuple[str, dict[str, str]]]:
    """The colours of the page: light, dark, and in print."""
    style = html._style()
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(blocks) == 3
    for name, block in zip(("light", "dark", "print"), blocks, strict=True):
        yield name, dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", block))


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("name", "colours"), list(palettes()))
def test_every_text_stands_out(name: str, colours: dict[str, str]) -> None:
    pairs = [(text, ground) for text in ("text", "soft", "link") for ground in ("ground", "raised")]
    pairs += [(state, f"{state}-ground") for state in ("good", "bad", "warn", "info")]
    pairs += [("text", "mark"), *((state, "ground") for state in ("good", "bad", "warn", "info"))]
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (name, text, ground)
