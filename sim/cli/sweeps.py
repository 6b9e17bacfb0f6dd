"""Commands that run a scenario many times, and join what several machines ran."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sim.cli.options import RUNS, format_option, scenario_argument, seed_option, set_option
from sim.cli.runs import broker_option

if TYPE_CHECKING:
    from sim.scenario import Scenario
    from sim.sweep import Options, Shard

_RANGE = re.compile(r"[0-9]+\.\.[0-9]+")


@click.command()
@scenario_argument
@set_option
@seed_option
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Processes on this machine.  [default: one a core]")
@click.option(
    "--executor", default="local", show_default=True, metavar="local|dask://HOST:PORT", help="Who simulates the points."
)
@click.option("--shard", metavar="K/N", help="Only the K-th of N equal parts, for job arrays; join with merge.")
@click.option("--dry-run", is_flag=True, help="Show the points, what is done already, and an estimate.")
@click.option("--force", is_flag=True, help="Simulate every point again.")
@click.option("--keep-runs", is_flag=True, help="Write a run folder for every point.")
@click.option("--mode", type=click.Choice(["virtual", "lockstep"]), default="virtual", show_default=True)
@broker_option
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), default=RUNS, show_default=True)
@format_option("text", "csv", "json")
def sweep(
    scenario: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    jobs: int | None,
    executor: str,
    shard: str | None,
    dry_run: bool,
    force: bool,
    keep_runs: bool,
    mode: str,
    broker: str,
    out: Path,
    output_format: str,
) -> None:
    """Simulate every point of a scenario's sweep block.

    Writes OUT/<name>/sweep-<hash>/index.parquet.

    The same command run again does only what is missing. Several values after --set vary that path, in addition to
    the block: --set exits.local=0.2,0.5,0.8 or --set seed=0..9. Ends with exit code 5 if some points failed.

    \b
    Example:
      fogfleet sweep scenarios/sweep_failures.yaml
      fogfleet sweep fleet.yaml --set exits.local=0.2,0.5,0.8 --dry-run
      fogfleet sweep fleet.yaml --shard 3/16
    """
    from sim import world
    from sim.sweep import Options

    wanted = world.load(scenario, [as_axis(one) for one in overrides], seed)
    check_fixed(wanted, overrides)
    options = Options(
        mode="lockstep" if mode == "lockstep" else "virtual",
        broker=broker,
        executor=executor,
        jobs=jobs or cores(),
        shard=_shard(shard),
        force=force,
        keep_runs=keep_runs,
        out=out,
        argv=["fogfleet", *sys.argv[1:]],
    )
    if dry_run:
        _show_estimate(wanted, options, output_format)
    else:
        _run(wanted, options, output_format)


@click.command()
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), help="The joined folder.")
@format_option("text", "csv", "json")
def merge(folders: tuple[Path, ...], out: Path | None, output_format: str) -> None:
    """Join the folders of sweep shards.

    Without -o into the folder that the whole sweep would have.

    Ends with exit code 5 if points are missing or failed; `fogfleet sweep` then continues from the joined folder.

    \b
    Example:
      fogfleet merge runs/six-cameras/sweep-1a2b3c4d-shard-*
    """
    from sim.cli import sweep_show
    from sim.sweep import merge as join

    joined = join(folders, out)
    sweep_show.merged(joined, output_format)
    raise click.exceptions.Exit(joined.exit_code)


def as_axis(override: str) -> str:
    """`a.b=1,2,3` and `a.b=0..9` as one more axis of the grid; anything else as it is."""
    path, equals, text = override.partition("=")
    path, text = path.strip(), text.strip()
    if not equals or path.partition(".")[0] == "sweep" or text[:1] in ("[", "{", '"', "'"):
        return override
    if "," in text:
        return f"sweep.grid.{path}=[{text}]"
    return f"sweep.grid.{path}={text}" if _RANGE.fullmatch(text) else override


def check_fixed(wanted: Scenario, overrides: Iterable[str]) -> None:
    """A value that --set fixes and the sweep varies would have no effect."""
    from sim.errors import UsageError

    block = wanted.sweep
    if block is None:
        return
    varied = {*block.grid, *block.zip, *(block.random.vary if block.random else ()), *(["seed"] if block.seeds else ())}
    for override in overrides:
        path = override.partition("=")[0].strip()
        if path in varied and as_axis(override) == override:
            raise UsageError(f"the sweep varies {path}; say which values with --set 'sweep.grid.{path}=[…]'")


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shard(text: str | None) -> Shard | None:
    from sim.sweep import Shard

    return None if text is None else Shard.parse(text)


def _show_estimate(wanted: Scenario, options: Options, output_format: str) -> None:
    from sim.cli import sweep_show
    from sim.sweep import estimate

    sweep_show.estimated(estimate(wanted, options), options, output_format)


def _run(wanted: Scenario, options: Options, output_format: str) -> None:
    from sim.cli import sweep_show
    from sim.sweep import sweep as run

    with sweep_show.progress() as show:
        result = run(wanted, options, show)
    sweep_show.finished(result, output_format)
    raise click.exceptions.Exit(result.exit_code)
