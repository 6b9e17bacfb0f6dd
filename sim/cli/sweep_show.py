"""What the sweep commands show: progress, estimates, and the end of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from sim.sweep import Estimate, Merged, Options, Progress, State, SweepResult

FIRST_LINE_S: Final = 2.0
NEXT_LINE_S: Final = 10.0
MOST_LISTED: Final = 10


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar on a terminal; elsewhere a line now and then, the first after two seconds."""
    if not sys.stderr.isatty():
        yield _Lines().show
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(state: State) -> None:
            if state.stage not in tasks:
                tasks[state.stage] = bar.add_task(state.stage, total=state.total, pace="")
            bar.update(tasks[state.stage], completed=state.done, pace=pace(state))

        yield show


class _Lines:
    """Plain lines on standard error."""

    def __init__(self) -> None:
        self._due = time.monotonic() + FIRST_LINE_S

    def show(self, state: State) -> None:
        now = time.monotonic()
        if now >= self._due and state.total:
            self._due = now + NEXT_LINE_S
            share = f"{state.stage} {state.done} of {state.total}"
            click.echo(f"{share} ({100 * state.done // state.total} %) {pace(state)}".rstrip(), err=True)


def pace(state: State) -> str:
    """`38.2/s, 0:12 left`, and how many failed."""
    parts = []
    if state.rate:
        parts.append(f"{state.rate:.1f}/s" if state.rate >= 1 else f"{1 / state.rate:.1f} s each")
    if state.remaining_s is not None:
        parts.append(f"{duration(state.remaining_s)} left")
    if state.failed:
        parts.append(f"{state.failed} failed")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """`0:12`, `3:05:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float) -> str:
    """`3.1 MB`."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def estimated(found: Estimate, options: Options, output_format: str) -> None:
    """Prints what a sweep would do."""
    if output_format != "text":
        _table(found.points, output_format)
        return
    total = len(found.points)
    click.echo(f"{total} points, {found.done} done, {total - found.done} to do")
    for row in found.points[:MOST_LISTED]:
        click.echo(f"  {row['point']:>5}  {'done' if row['done'] else '    '}  {_setting(row)}")
    if total > MOST_LISTED:
        click.echo(f"  … and {total - MOST_LISTED} more; all of them with --format csv")
    to_train = f", {found.to_train} of them still to be trained" if found.to_train else ", all in the cache"
    basis = "as the points that are done took" if found.measured else "at a guess"
    click.echo(f"  networks {found.networks}{to_train}")
    click.echo(
        f"  time     {duration(found.seconds)} with -j {options.jobs} ({found.seconds_each:.3f} s each, {basis})"
    )
    click.echo(f"  disk     {size(found.disk_bytes)} of results in {found.folder}")


def _setting(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in row.items() if name not in ("point", "done", "down_count"))


def finished(result: SweepResult, output_format: str) -> None:
    """Prints the table, or where it is."""
    from sim.sweep import INDEX

    if output_format != "text":
        _table(_rows(result.folder / INDEX), output_format)
        return
    fresh = result.points - result.reused - len(result.failed)
    click.echo(f"{result.points} points: {fresh} simulated, {result.reused} from before, {len(result.failed)} failed")
    for point, reason in result.failed[:MOST_LISTED]:
        setting = ", ".join(f"{name} = {value}" for name, value in point.columns.items())
        click.echo(f"  point {point.number} ({setting}): {reason}", err=True)
    if len(result.failed) > MOST_LISTED:
        click.echo(f"  … and {len(result.failed) - MOST_LISTED} more, see the column error", err=True)
    _where(result.folder)


def merged(joined: Merged, output_format: str) -> None:
    """Prints the joined table, or where it is."""
    from sim.sweep import INDEX

    if output_format != "text":
        _table(_rows(joined.folder / INDEX), output_format)
        return
    click.echo(f"{joined.points} points joined, {joined.missing} missing, {joined.failed} failed")
    _where(joined.folder)


def _where(folder: Path) -> None:
    from sim.sweep import INDEX

    click.echo(f"  table    {folder / INDEX}")
    click.echo(f"  report   fogfleet report {folder}")


def _rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def _table(rows: Sequence[Mapping[str, Any]], output_format: str) -> None:
    if output_format == "json":
        click.echo(json.dumps(list(rows), indent=2))
        return
    import csv

    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
