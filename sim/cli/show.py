"""How commands speak: results on standard output, what is said on the way on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

Progress = Callable[[str, int, int], None]


def notice(text: str) -> None:
    """Says something on the way to the result."""
    click.echo(text, err=True)


def as_json(value: Any) -> str:
    """JSON for other programs."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@contextmanager
def progress() -> Iterator[Progress]:
    """Yields a function (what, done, total) that draws a bar on a terminal, else says what begins, once.

    The bar goes to standard error, vanishes when all is done, and knows NO_COLOR.
    """
    if not sys.stderr.isatty():
        yield _plain()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield tell


def _plain() -> Progress:
    seen = set()

    def tell(what: str, done: int, total: int) -> None:
        if what not in seen:
            seen.add(what)
            notice(f"{what} ...")

    return tell
