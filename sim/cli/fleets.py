"""Commands for fleets of separate processes."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sim.cli import show
from sim.cli.options import RUNS, format_option, no_secret, scenario_argument, seed_option, set_option
from sim.cli.runs import broker_option, conclude, speed_option

run_option = click.option("--run", "token", metavar="TOKEN", help="The run's token in topics, eight characters or so.")
keepalive_option = click.option(
    "--keepalive",
    type=click.IntRange(1, 3600),
    default=10,
    show_default=True,
    help="Seconds of silence after which a node counts as dead (a closed connection counts at once).",
)


@click.command()
@scenario_argument
@set_option
@seed_option
@click.option("--node", "name", required=True, metavar="NAME", help="Which: cam.3, site-0.cam.3, gw or cloud.")
@click.option(
    "--broker", required=True, metavar="URL", callback=no_secret, help="A running broker, e.g. mqtt://host:1883."
)
@run_option
@keepalive_option
def node(
    scenario: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    name: str,
    broker: str,
    token: str | None,
    keepalive: int,
) -> None:
    """Run one camera, gateway or cloud as a process of its own.

    It waits at the broker until `fogfleet up` says that the run starts, and ends when the run is over; started in
    mid-run it takes part from then on. Nodes of the same scenario and seed find each other; --run tells runs apart.

    \b
    Example:
      fogfleet node fleet.yaml --node cam.3 --broker mqtt://broker.local:1883
    """
    from sim import world
    from sim.world.separate import names
    from sim.world.separate.station import Station

    wanted = world.load(scenario, overrides, seed)
    with show.progress() as bar:
        prepared = world.prepare(wanted, bar)
    full = names.find(names.names(prepared.plan), name)
    Station(prepared, full, broker, token or names.token(wanted), notice=show.notice, keepalive_s=keepalive).serve()


@click.command()
@scenario_argument
@set_option
@seed_option
@broker_option
@speed_option
@click.option(
    "--elsewhere",
    metavar="NODE",
    multiple=True,
    help="A node (or glob, e.g. 'cam.*' or '*') that somebody else starts; may be given again.",
)
@run_option
@click.option(
    "--restart",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Start a process that died again after so long; without it, it stays dead.",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for all nodes.",
)
@keepalive_option
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), default=RUNS, show_default=True)
@click.option("--report", is_flag=True, help="Write the report beside the tables.")
@format_option("text", "json")
def up(
    scenario: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    broker: str,
    speed: float,
    elsewhere: tuple[str, ...],
    token: str | None,
    restart: float | None,
    patience: float,
    keepalive: int,
    out: Path,
    report: bool,
    output_format: str,
) -> None:
    """Run the fleet as separate processes, one a node.

    Starts a broker (or uses --broker) and a process for each node, waits until all are online, and gathers one run
    folder from what they tell. A process that dies is noticed and the run goes on; it may come back.

    \b
    Example:
      fogfleet up scenarios/six_cameras.yaml --speed 10
      fogfleet up fleet.yaml --broker mqtt://broker.local:1883 --elsewhere 'cam.*'
    """
    from sim import world
    from sim.world.separate.up import up as conduct

    wanted = world.load(scenario, overrides, seed)
    with show.progress() as bar:
        result = conduct(
            wanted,
            broker=broker,
            out=out,
            argv=["fogfleet", *sys.argv[1:]],
            speed=speed,
            elsewhere=elsewhere,
            run=token,
            restart_s=restart,
            patience_s=patience,
            keepalive_s=keepalive,
            notice=show.notice,
            progress=bar,
        )
    conclude(result, report, output_format)
