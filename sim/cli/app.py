"""Puts the commands together, in the order in which a newcomer meets them."""

from __future__ import annotations

import os
from typing import Any

import click

from sim.cli.broker import broker
from sim.cli.exits import end_on_sigterm, exits
from sim.cli.export import export
from sim.cli.fleets import node, up
from sim.cli.fuzzing import fuzz
from sim.cli.reproduce import reproduce
from sim.cli.results import compare, report
from sim.cli.runs import run
from sim.cli.scenarios import faults, schema, validate
from sim.cli.serve import serve
from sim.cli.start import doctor, init
from sim.cli.sweeps import merge, sweep
from sim.cli.thresholds import thresholds
from sim.cli.training import train
from sim.cli.watch import watch


class Commands(click.Group):
    """Keeps the order of the commands, and ends every one of them through `sim.cli.exits`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        with exits():
            return super().invoke(ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="fogfleet", prog_name="fogfleet")
@click.option("--no-plugins", is_flag=True, help="Leave out the fault kinds of other installed packages.")
def app(no_plugins: bool) -> None:
    """Simulate a fleet of cameras that runs one distributed neural network over a real MQTT broker.

    \b
    Example:
      fogfleet init
      fogfleet run fleet.yaml --report
    """
    if no_plugins:
        os.environ["FOGFLEET_NO_PLUGINS"] = "1"


for _command in (
    init,
    doctor,
    validate,
    schema,
    faults,
    train,
    thresholds,
    run,
    watch,
    serve,
    up,
    node,
    sweep,
    merge,
    report,
    compare,
    reproduce,
    export,
    fuzz,
    broker,
):
    app.add_command(_command)


def main() -> None:
    """The console script `fogfleet`."""
    # Our matrices are small: with one BLAS thread a core they wait for each other, for half a minute on a busy machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    end_on_sigterm()
    app(prog_name="fogfleet")
