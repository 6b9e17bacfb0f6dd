"""What `serve` and `watch` have in common: a run that somebody looks at, in this process or as many."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.cli import show
from sim.cli.options import RUNS, seed_option, set_option
from sim.cli.runs import broker_option, speed_option

if TYPE_CHECKING:
    from sim.scenario import Scenario
    from sim.world import Mode, RunResult, Telemetry

OPTIONS = (
    set_option,
    seed_option,
    click.option(
        "--mode",
        type=click.Choice(["live", "lockstep", "virtual"]),
        default="live",
        show_default=True,
        help="A live run goes by the clock on the wall and takes faults by hand; the others can be looked at.",
    ),
    broker_option,
    speed_option,
    click.option("--processes", is_flag=True, help="One process a node, as `fogfleet up` does; kill one by hand."),
    click.option(
        "--elsewhere", metavar="NODE", multiple=True, help="With --processes: a node that somebody else starts."
    ),
    click.option(
        "-o", "--out", type=click.Path(file_okay=False, path_type=Path), default=RUNS, show_default=True
    ),
    click.option("--report", is_flag=True, help="Write the report beside the tables."),
)  # fmt: skip


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a run that is looked at; the command gets them by name, for `Wanted`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class Wanted:
    """The values of `run_options`."""

    overrides: tuple[str, ...]
    seed: int | None
    mode: Mode
    broker: str
    speed: float
    processes: bool
    elsewhere: tuple[str, ...]
    out: Path
    report: bool

    def check(self) -> None:
        """Refuses options that do not go together."""
        if self.mode != "live" and (self.speed != 1.0 or self.processes):
            raise click.UsageError("--speed and --processes are for live runs; leave --mode out.")
        if self.elsewhere and not self.processes:
            raise click.UsageError("--elsewhere is for separate processes; add --processes.")

    def load(self, scenario: Path) -> Scenario:
        """The scenario with its changes."""
        from sim import world

        return world.load(scenario, self.overrides, self.seed)

    def run(self, scenario: Scenario, telemetry: Telemetry, progress: show.Progress) -> RunResult:
        """Runs it to its end."""
        from sim import world

        argv = ["fogfleet", *sys.argv[1:]]
        if self.processes:
            from sim.world.separate.up import up

            return up(
                scenario, broker=self.broker, out=self.out, argv=argv, speed=self.speed, elsewhere=self.elsewhere,
                notice=show.notice, progress=progress, telemetry=telemetry,
            )  # fmt: skip
        return world.simulate(
            scenario, mode=self.mode, broker=self.broker, speed=self.speed, out=self.out, argv=argv,
            notice=show.notice, progress=progress, telemetry=telemetry,
        )  # fmt: skip
