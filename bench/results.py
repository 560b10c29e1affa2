"""Keeps what was measured in bench/RESULTS.md: each writer replaces its own section."""

from __future__ import annotations

import os
import platform
from pathlib import Path

PAGE = Path(__file__).with_name("RESULTS.md")
TITLE = "# Measured"


def keep(section: str, body: str, page: Path = PAGE) -> None:
    """Replaces one section of the page, from its heading to the next; a new one comes last."""
    heading = f"## {section}\n"
    text = page.read_text(encoding="utf-8") if page.is_file() else f"{TITLE}\n"
    before, found, after = text.partition(heading)
    _, following, rest = after.partition("\n## ") if found else ("", "", "")
    parts = (before.rstrip(), f"{heading}\n{body.strip()}", f"{following}{rest}".strip())
    page.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")


def machine() -> str:
    """What it was measured on."""
    cores = f"{os.cpu_count()} cores"
    return f"Python {platform.python_version()}, {cores}, {platform.system()} {platform.machine()}"
