"""The command that shows a run in the terminal."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.cli.runs import conclude
from sim.cli.watched import Wanted, run_options

if TYPE_CHECKING:
    from sim.cli.view import View
    from sim.world import Telemetry


@click.command()
@click.argument("scenario", metavar="SCENARIO|URL")
@run_options
def watch(scenario: str, **options: Any) -> None:
    """Show a run in the terminal.

    Nodes and their states, rates, exits, accuracy so far, faults; plain lines where the output is no terminal. With
    the address that `fogfleet serve` has printed, it shows that run instead of beginning one.

    \b
    Example:
      fogfleet watch scenarios/six_cameras.yaml --speed 5
      fogfleet watch fleet.yaml --mode virtual
      fogfleet watch 'http://127.0.0.1:8765/?token=...'
    """
    wanted = Wanted(**options)
    wanted.check()
    from sim.cli import view

    if scenario.startswith(("http://", "https://")):
        _elsewhere(scenario, view.open_view())
        return
    from sim import world

    loaded = wanted.load(Path(scenario))
    telemetry = world.Telemetry(every_s=0.25)
    with _shown(telemetry, view.open_view()) as shown:
        result = wanted.run(loaded, telemetry, shown.view.progress)
    conclude(result, wanted.report, "text")


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
