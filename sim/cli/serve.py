"""The command that shows a run on a web page, with faults by click."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sim.cli import show
from sim.cli.options import scenario_argument
from sim.cli.runs import tell, write_report
from sim.cli.watched import Wanted, run_options

if TYPE_CHECKING:
    from sim.serve import Page
    from sim.world import RunResult

PORT: Final = 8765
TOKEN: Final = "FOGFLEET_TOKEN"


@click.command()
@scenario_argument
@run_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: any free one.")
@click.option("--no-token", is_flag=True, help="Let every program of this machine in; only on loopback.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")
@click.option("--now", is_flag=True, help="Begin at once, rather than when the page is opened.")
@click.option("--once", is_flag=True, help="End with the run, rather than with Ctrl-C.")
def serve(
    scenario: Path,
    host: str,
    port: int,
    no_token: bool,
    open_browser: bool,
    now: bool,
    once: bool,
    **options: Any,
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
      fogfleet serve fleet.yaml --processes --host 0.0.0.0
    """
    wanted = Wanted(**options)
    wanted.check()
    _need_tornado()
    from sim import world
    from sim.serve import Access, open_page

    access = Access.of(host, not no_token, os.environ.get(TOKEN) or None)
    loaded = wanted.load(scenario)
    telemetry = world.Telemetry()
    with open_page(telemetry, access, host, port, faults="*" not in wanted.elsewhere) as page, show.progress() as bar:
        _announce(page, host, open_browser)
        if not now:
            _await_visitor(page)

        def progress(what: str, done: int, total: int) -> None:
            page.hub.progress(what, done, total)
            bar(what, done, total)

        result = wanted.run(loaded, telemetry, progress)
        tell(result, write_report(result.folder) if wanted.report else None)
        if not once and _stays(page, result):
            _linger(page)
    raise click.exceptions.Exit(result.exit_code)


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
