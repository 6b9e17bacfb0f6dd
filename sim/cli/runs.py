"""The command that simulates."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sim.cli import headline, show
from sim.cli.options import RUNS, format_option, no_secret, scenario_argument, seed_option, set_option

if TYPE_CHECKING:
    from sim.world import Mode, RunResult

broker_option = click.option(
    "--broker",
    default="auto",
    show_default=True,
    metavar="auto|mosquitto|embedded|URL",
    callback=no_secret,
    help="Which broker carries the messages, except in virtual mode; mqtt://host:1883 names a running one.",
)
speed_option = click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Seconds of a live run for each second on the wall.",
)


@click.command()
@scenario_argument
@set_option
@seed_option
@click.option("--mode", type=click.Choice(["virtual", "lockstep", "live"]), default="lockstep", show_default=True)
@broker_option
@speed_option
@click.option(
    "--shards",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that simulate the sites of a virtual run between them; the tables are the same.",
)
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), default=RUNS, show_default=True)
@click.option("--report", is_flag=True, help="Write the report beside the tables.")
@format_option("text", "json")
def run(
    scenario: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    mode: Mode,
    broker: str,
    speed: float,
    shards: int,
    out: Path,
    report: bool,
    output_format: str,
) -> None:
    """Run a scenario and write its run folder.

    The folder is OUT/<name>/<id>. `lockstep` sends every message over a real broker in virtual time; `virtual` keeps
    them in memory and decides the same to the byte; `live` sends them over a real broker in wall-clock time, where
    messages may really be late or lost, and keeps what was done at Ctrl-C. Ends with exit code 1 if an expectation of
    the scenario is not met or a scheduled fault never fired, and 4 if the broker did not bring what the model says.

    \b
    Example:
      fogfleet run scenarios/six_cameras.yaml --report
      fogfleet run fleet.yaml --set exits.local=0.6 --seed 3 --mode virtual
      fogfleet run fleet.yaml --mode live --speed 10
      fogfleet run fleet.yaml --set sites=1000 --mode virtual --shards 2
    """
    if mode != "live" and speed != 1.0:
        raise click.UsageError("--speed is for live runs; add --mode live.")
    from sim import world

    wanted = world.load(scenario, overrides, seed)
    with show.progress() as bar:
        result = world.simulate(
            wanted,
            mode=mode,
            broker=broker,
            speed=speed,
            shards=shards,
            out=out,
            argv=["fogfleet", *sys.argv[1:]],
            notice=show.notice,
            progress=bar,
        )
    conclude(result, report, output_format)


def conclude(result: RunResult, report: bool, output_format: str) -> NoReturn:
    """Ends a command that has run something: report, headline or JSON, and the exit code."""
    page = write_report(result.folder) if report else None
    if output_format == "json":
        click.echo(show.as_json(_as_json(result, page)))
    else:
        tell(result, page)
    raise click.exceptions.Exit(result.exit_code)


def write_report(folder: Path) -> Path:
    """Writes the report of a run beside its tables."""
    from analysis import report

    return report.build(folder)


def _as_json(result: RunResult, page: Path | None) -> dict[str, Any]:
    return {
        "folder": str(result.folder),
        "report": None if page is None else str(page),
        "exit_code": result.exit_code,
        "summary": result.summary,
    }


def tell(result: RunResult, page: Path | None) -> None:
    """Says how a run went."""
    click.echo(f"{result.summary['scenario']}, seed {result.summary['seed']}, {result.summary['mode']}")
    for line in headline.lines(result.summary):
        click.echo(line)
    click.echo(f"  folder   {result.folder}")
    click.echo(f"  report   {page}" if page else f"  report   fogfleet report {result.folder}")
