"""The command that shows a run in the terminal."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sim.cli import show
from sim.cli.options import RUNS, seed_option, set_option
from sim.cli.runs import broker_option, speed_option, tell, write_report
from sim.cli.serve import check_speed, live_option

if TYPE_CHECKING:
    from sim.cli.view import View
    from sim.world import Mode, Telemetry


@click.command()
@click.argument("scenario", metavar="SCENARIO|URL")
@set_option
@seed_option
@live_option
@broker_option
@speed_option
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), default=RUNS, show_default=True)
@click.option("--report", is_flag=True, help="Write the report beside the tables.")
def watch(
    scenario: str,
    overrides: tuple[str, ...],
    seed: int | None,
    mode: Mode,
    broker: str,
    speed: float,
    out: Path,
    report: bool,
) -> None:
    """Show a run in the terminal.

    Nodes and their states, rates, exits, accuracy so far, faults; plain lines where the output is no terminal. With
    the address that `fogfleet serve` has printed, it shows that run instead of beginning one.

    \b
    Example:
      fogfleet watch scenarios/six_cameras.yaml --speed 5
      fogfleet watch fleet.yaml --mode virtual
      fogfleet watch 'http://127.0.0.1:8765/?token=...'
    """
    check_speed(mode, speed)
    from sim.cli import view

    if scenario.startswith(("http://", "https://")):
        _elsewhere(scenario, view.open_view())
        return
    from sim import world

    wanted = world.load(Path(scenario), overrides, seed)
    telemetry = world.Telemetry(every_s=0.25)
    with _shown(telemetry, view.open_view()) as shown:
        result = world.simulate(
            wanted, mode=mode, broker=broker, speed=speed, out=out, argv=["fogfleet", *sys.argv[1:]],
            notice=show.notice, progress=shown.view.progress, telemetry=telemetry,
        )  # fmt: skip
    tell(result, write_report(result.folder) if report else None)
    raise click.exceptions.Exit(result.exit_code)


def _elsewhere(url: str, view: View) -> None:
    from sim.cli import remote

    with view:
        for snapshot in remote.snapshots(url):
            view.show(snapshot)


class _shown:  # noqa: N801  a context manager is used like a function
    """Shows snapshots in a thread of its own, so that drawing never holds the run up."""

    def __init__(self, telemetry: Telemetry, view: View) -> None:
        self.view = view
        self._telemetry = telemetry
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fogfleet-watch", daemon=True)

    def __enter__(self) -> _shown:
        self.view.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.view.__exit__(None, None, None)

    def _run(self) -> None:
        serial = 0
        while True:
            last_look = self._over.is_set()
            snapshot = self._telemetry.wait(after=serial, timeout_s=0.0 if last_look else 0.25)
            if snapshot is not None:
                serial = snapshot.serial
                self.view.show(snapshot)
            elif last_look:
                return
