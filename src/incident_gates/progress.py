"""Shows on a terminal how far a long run is; nothing where nobody watches."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Item = TypeVar("Item")
# Fewer are done before anybody wonders.
MANY = 150
UPDATES = 200
LINE_ABOVE = "\x1b[1A\x1b[2K"


def shown(items: Iterable[Item], count: int) -> Iterator[Item]:
    """The items, with a bar on standard error while they are taken; it leaves nothing behind."""
    if count < MANY or not _watched():
        yield from items
        return
    import click

    try:
        with click.progressbar(
            length=count,
            label="Judging",
            show_pos=True,
            file=sys.stderr,
            update_min_steps=max(1, count // UPDATES),
        ) as bar:
            for item in items:
                yield item
                bar.update(1)
    finally:
        click.echo(LINE_ABOVE, nl=False, err=True)


def _watched() -> bool:
    """Whether somebody looks: a terminal can be made up in CI, where each step would be a line."""
    dumb = os.environ.get("TERM") == "dumb"
    return sys.stderr.isatty() and "CI" not in os.environ and not dumb
