"""Takes docs/images/*.png: the step summary and the annotated diff of one real run.

A pull request that brings the example ``contradictions`` is judged as the Action judges it; its
summary and annotations are set as GitHub sets them, with the lines that they point at. Run it by
hand where Chromium is (``apt-get install chromium``) and Pillow (``pip install pillow``)::

    .venv/bin/python docs/pictures.py
"""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import gitwork  # noqa: E402
import runner_oracle  # noqa: E402
from markdown_it import MarkdownIt  # noqa: E402
from PIL import Image, ImageChops  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGES = ROOT / "docs" / "images"
WIDTH, TALLEST, SCALE = 760, 2000, 2
COLOURS = 64
MOST_BYTES = 120_000
AROUND = 3  # lines shown before and after an annotated one
WHEN = "2026-03-20T09:00:00Z"
HEADLESS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    f"--force-device-scale-factor={SCALE}",
    f"--window-size={WIDTH},{TALLEST}",
)
STYLE = """
body { margin: 0; padding: 20px 24px; background: #fff; color: #1f2328;
  font: 15px/1.5 "Segoe UI", "Noto Sans", "Liberation Sans", Arial, sans-serif; }
h2 { font-size: 21px; margin: 0 0 14px; padding-bottom: 7px; border-bottom: 1px solid #d1d9e0; }
p, ul, ol, table, details { margin: 0 0 14px; }
ul, ol { padding-left: 28px; }
a { color: #0969da; text-decoration: underline; }
table { border-collapse: collapse; }
th, td { border: 1px solid #d1d9e0; padding: 5px 12px; text-align: left; }
tr:nth-child(2n) td { background: #f6f8fa; }
code, pre, .code { font: 12.5px/20px "Liberation Mono", monospace; }
sub { font-size: 12px; line-height: 1.5; vertical-align: baseline; color: #59636e; }
.file { border: 1px solid #d1d9e0; border-radius: 6px; margin-bottom: 16px; overflow: hidden; }
.name { background: #f6f8fa; border-bottom: 1px solid #d1d9e0; padding: 8px 12px; }
.file:last-child { margin: 0; }
.code { display: flex; background: #dafbe1; white-space: pre; }
.code b { width: 44px; padding-right: 10px; text-align: right; font-weight: normal;
  color: #59636e; background: #aceebb; }
.code i { width: 24px; text-align: center; font-style: normal; }
.gap { padding-left: 18px; color: #59636e; background: #ddf4ff; font-size: 12.5px; }
.note { display: flex; gap: 10px; margin: 10px; padding: 10px 14px; font-size: 13.5px;
  border: 1px solid #d1d9e0; border-radius: 6px; border-left: 4px solid #cf222e; }
.note svg { flex: none; margin-top: 2px; }
.note small { color: #59636e; font-size: 12.5px; }
.note strong { display: block; margin: 6px 0 2px; }
"""
FAILED = """<svg width="16" height="16" viewBox="0 0 16 16"><circle cx="8" cy="8" r="8"
 fill="#cf222e"/><path d="M5 5l6 6M11 5l-6 6" stroke="#fff" stroke-width="2"/></svg>"""


class Run(NamedTuple):
    """What came of judging the pull request, and where its files are."""

    folder: Path
    annotations: list[runner_oracle.Command]
    summary: str


def main() -> None:
    """Judges once, takes both pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        run = judged(Path(temporary))
        take(MarkdownIt("gfm-like", {"html": True}).render(run.summary), "summary.png")
        take("".join(files(run)), "annotations.png")


def judged(temporary: Path) -> Run:
    """The pull request as the Action judges it."""
    gitwork.ENVIRONMENT.update(GIT_AUTHOR_DATE=WHEN, GIT_COMMITTER_DATE=WHEN)
    site = gitwork.Site(temporary / "site")
    site.branch("feature")
    site.example("contradictions")
    site.commit("The record of INC-2026-0042")
    site.merged()
    payload = gitwork.pull_request(site)
    given = gitwork.environment(site.folder, temporary / "run", "pull_request", payload)
    script = "from incident_gates.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "check", "--scope=changed", f"--as-of={WHEN}"],
        cwd=site.folder,
        env={**gitwork.ENVIRONMENT, **given, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    kept = runner_oracle.obeyed(done.stdout).kept
    return Run(site.folder, kept, (temporary / "run" / "summary.md").read_text("utf-8"))


def files(run: Run) -> Iterator[str]:
    """Each annotated file: the lines around the annotated one, and what is said below it."""
    for annotation in run.annotations:
        place = annotation.properties
        lines = (run.folder / place["file"]).read_text("utf-8").splitlines()
        at = int(place["line"])
        first, last = max(1, at - AROUND), min(len(lines), at + AROUND)
        yield f'<div class="file"><div class="name"><code>{html.escape(place["file"])}</code></div>'
        yield '<div class="gap">⋯</div>' if first > 1 else ""
        for number in range(first, last + 1):
            shown = html.escape(lines[number - 1])
            yield f'<div class="code"><b>{number}</b><i>+</i><span>{shown}</span></div>'
            yield note(annotation) if number == at else ""
        yield '<div class="gap">⋯</div></div>' if last < len(lines) else "</div>"


def note(annotation: runner_oracle.Command) -> str:
    """An annotation as it stands below its line."""
    place = annotation.properties
    where = f"Check failure on line {place['line']} in {Path(place['file']).name}"
    title, said = html.escape(place["title"]), html.escape(annotation.data)
    return (
        f'<div class="note">{FAILED}<div>{where}<br><small>GitHub Actions / incident-gates</small>'
        f"<strong>{title}</strong>{said}</div></div>"
    )


def take(body: str, name: str) -> None:
    """A picture of a page, cut to what is on it, in few colours."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as temporary:
        page, raw = Path(temporary) / "page.html", Path(temporary) / "raw.png"
        head = f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>"
        page.write_text(head + body, encoding="utf-8")
        own = (f"--user-data-dir={temporary}/user", f"--screenshot={raw}", page.as_uri())
        quiet = subprocess.DEVNULL
        command = [chromium, *HEADLESS, *own]
        subprocess.run(command, check=True, stderr=quiet, stdout=quiet, env=os.environ)
        with Image.open(raw) as picture:
            write(picture.convert("RGB"), IMAGES / name)


def write(picture: Image.Image, target: Path) -> None:
    """Cuts the empty part below, and writes the fewest bytes."""
    empty = Image.new("RGB", picture.size, "white")
    bounds = ImageChops.difference(picture, empty).getbbox()
    if bounds is None:
        sys.exit(f"{target.name}: there is nothing on the page.")
    cut = picture.crop((0, 0, WIDTH * SCALE, bounds[3] + 20 * SCALE))
    cut.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
    size = target.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{target.name} has {size:,} bytes; at most {MOST_BYTES:,} are allowed.")
    print(f"{target.name}: {cut.width} × {cut.height}, {size:,} bytes")


if __name__ == "__main__":
    main()
