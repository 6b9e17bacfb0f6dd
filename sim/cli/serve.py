"""The command that shows a run on a web page, with faults by click."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from sim.cli import show
from sim.cli.options import RUNS, scenario_argument, seed_option, set_option
from sim.cli.runs import broker_option, speed_option, tell, write_report

if TYPE_CHECKING:
    from sim.serve import Page
    from sim.world import Mode, RunResult

PORT: Final = 8765
TOKEN: Final = "FOGFLEET_TOKEN"

live_option = click.option(
    "--mode",
    type=click.Choice(["live", "lockstep", "virtual"]),
    default="live",
    show_default=True,
    help="A live run goes by the clock on the wall and takes faults by hand; the others can be looked at.",
)


@click.command()
@scenario_argument
@set_option
@seed_option
@live_option
@broker_option
@speed_option
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), default=RUNS, show_default=True)
@click.option("--report", is_flag=True, help="Write the report beside the tables.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: any free one.")
@click.option("--no-token", is_flag=True, help="Let every program of this machine in; only on loopback.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")
@click.option("--now", is_flag=True, help="Begin at once, rather than when the page is opened.")
@click.option("--once", is_flag=True, help="End with the run, rather than with Ctrl-C.")
def serve(
    scenario: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    mode: Mode,
    broker: str,
    speed: float,
    out: Path,
    report: bool,
    host: str,
    port: int,
    no_token: bool,
    open_browser: bool,
    now: bool,
    once: bool,
) -> None:
    """Show a run in the browser; break it by click.

    Prints the address of a page that shows the fleet while it works, accuracy and bytes over time, and lets you
    inject and lift faults. The address holds a token, drawn anew each time (FOGFLEET_TOKEN sets it); without it
    nobody gets in. The run begins when the page is opened, and the page stays until Ctrl-C. Needs fogfleet[serve].

    \b
    Example:
      fogfleet serve scenarios/six_cameras.yaml --speed 5
      fogfleet serve fleet.yaml --port 0 --open
      fogfleet serve fleet.yaml --now --once
    """
    check_speed(mode, speed)
    _need_tornado()
    from sim import world
    from sim.serve import Access, open_page

    access = Access.of(host, not no_token, os.environ.get(TOKEN) or None)
    wanted = world.load(scenario, overrides, seed)
    telemetry = world.Telemetry()
    with open_page(telemetry, access, host, port) as page, show.progress() as bar:
        _announce(page, host, open_browser)
        if not now:
            _await_visitor(page)

        def progress(what: str, done: int, total: int) -> None:
            page.hub.progress(what, done, total)
            bar(what, done, total)

        result = world.simulate(
            wanted, mode=mode, broker=broker, speed=speed, out=out, argv=["fogfleet", *sys.argv[1:]],
            notice=show.notice, progress=progress, telemetry=telemetry,
        )  # fmt: skip
        tell(result, write_report(result.folder) if report else None)
        if not once and _stays(page, result):
            _linger(page)
    raise click.exceptions.Exit(result.exit_code)


def check_speed(mode: str, speed: float) -> None:
    """Refuses a speed where time is virtual."""
    if mode != "live" and speed != 1.0:
        raise click.UsageError("--speed is for live runs; leave --mode out.")


def _need_tornado() -> None:
    from importlib.util import find_spec

    if find_spec("tornado") is None:
        from sim.errors import SetupError

        raise SetupError("the web page needs tornado, which is not installed: pip install 'fogfleet[serve]'")


def _announce(page: Page, host: str, open_browser: bool) -> None:
    from sim.serve import loopback

    click.echo(f"The page: {page.url}")
    sys.stdout.flush()
    if not loopback(host):
        show.notice("others can reach this page; what they see and send is not encrypted, so trust the network")
    if open_browser:
        import webbrowser

        webbrowser.open(page.url)


def _await_visitor(page: Page) -> None:
    show.notice("The run begins when you open it (--now: at once); Ctrl-C ends.")
    while not page.hub.visited.wait(timeout=1.0):
        continue


def _stays(page: Page, result: RunResult) -> bool:
    """Whether the page stays after the run: unless it was ended from the terminal."""
    return result.exit_code != 130 or page.hub.stopped


def _linger(page: Page) -> None:
    click.echo(f"The run is over; the page stays at {page.address} until Ctrl-C.")
    sys.stdout.flush()
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
