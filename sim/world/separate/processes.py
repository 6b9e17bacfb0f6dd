"""Node processes on this machine: started from one server that has loaded the libraries once, looked after, ended.

They are processes of their own in every other way: own connection, own memory, and a SIGKILL ends one of them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final

from brokers.api import BrokerError
from sim import forks
from sim.errors import FogFleetError
from sim.scenario import Scenario

PRELOADED: Final = ["torch", "sim.world.separate.station"]
SETTINGS: Final = "FOGFLEET_"
"""How the names of variables of the environment begin that processes are to have as they are here."""
END_S: Final = 5.0
"""Wall seconds that a process has to end by itself."""


class Crew:
    """The node processes of one fleet.

    Args:
        arguments: of `serve_node`, without the node's name.
        restart_s: wall seconds after which a process that died is started again; None: never.
        log: takes (event, fields).
    """

    def __init__(self, arguments: tuple[Any, ...], restart_s: float | None, log: Callable[..., None]) -> None:
        self._arguments = arguments
        self._restart_s = restart_s
        self._log = log
        self._context = forks.server(PRELOADED)
        self._processes: dict[str, ForkServerProcess] = {}
        self._due: dict[str, float] = {}
        self._killed: set[str] = set()
        self._dismissed = False

    def start(self, names: Sequence[str]) -> None:
        """Starts a process for each name."""
        for name in names:
            process = self._context.Process(
                target=serve_node, args=(name, *self._arguments), name=f"fogfleet node {name}", daemon=True
            )
            process.start()
            self._processes[name] = process
            self._log("started", node=name, pid=process.pid)

    def kill(self, name: str) -> None:
        """SIGKILL; a process that is not here, or dead already, is left alone."""
        process = self._processes.pop(name, None)
        self._due.pop(name, None)
        if process is not None:
            process.kill()
            process.join()
            self._killed.add(name)
            self._log("killed", node=name, pid=process.pid)

    def revive(self, names: Sequence[str]) -> None:
        """Starts those of the named again that `kill` has ended."""
        wanted = [name for name in names if name in self._killed]
        self._killed.difference_update(wanted)
        if not self._dismissed:
            self.start(wanted)

    def pause(self, name: str) -> None:
        """SIGSTOP, if it is here."""
        self._signal(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """SIGCONT, if it is here."""
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> None:
        process = self._processes.get(name)
        if process is not None and process.pid is not None and process.exitcode is None:
            os.kill(process.pid, number)
            self._log("signalled", node=name, pid=process.pid, signal=number.name)

    def tend(self) -> dict[str, int]:
        """Notes who has died, and starts them again if that is wanted; the exit codes of those who stay dead."""
        dead = {}
        for name, process in list(self._processes.items()):
            if process.exitcode is not None:
                self._log("ended", node=name, pid=process.pid, exit_code=process.exitcode)
                del self._processes[name]
                if self._restart_s is None or self._dismissed:
                    dead[name] = process.exitcode
                else:
                    self._due[name] = time.monotonic() + self._restart_s
        due = [name for name, at in self._due.items() if at <= time.monotonic()]
        for name in due:
            del self._due[name]
        self.start(due)
        return dead

    def dismiss(self) -> None:
        """From now on, processes may end."""
        self._dismissed = True
        self._due.clear()

    def end(self) -> None:
        """Waits for the processes to end, and helps where they do not; at once, where nobody has dismissed them."""
        if not self._dismissed:
            self.dismiss()
            for process in self._processes.values():
                process.terminate()
        deadline = time.monotonic() + END_S
        for process in self._processes.values():
            process.join(max(0.0, deadline - time.monotonic()))
        for process in self._processes.values():
            if process.exitcode is None:
                process.kill()
                process.join()
        self._processes.clear()

    def pids(self) -> dict[str, int]:
        """The process of each node."""
        return {name: process.pid for name, process in self._processes.items() if process.pid is not None}


def serve_node(
    name: str, plain: dict[str, Any], path: Path, url: str, run: str, keepalive_s: int, settings: dict[str, str]
) -> None:
    """The life of one node process; `plain` is the scenario as JSON, read from `path`."""
    adopt(settings)
    from sim import world
    from sim.world.separate.station import Station

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the conductor says when it is over
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        prepared = world.prepare(world.build(plain, path))
        Station(prepared, name, url, run, keepalive_s=keepalive_s).serve()
    except (FogFleetError, BrokerError) as error:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"fogfleet: {error}\n")
        sys.exit(4)


def adopt(settings: dict[str, str]) -> None:
    """Makes `FOGFLEET_…` of the environment these, and no others: the server of processes may be older than the run."""
    for name in [name for name in os.environ if name.startswith(SETTINGS) and name not in settings]:
        del os.environ[name]
    os.environ.update(settings)


def as_arguments(scenario: Scenario, url: str, run: str, keepalive_s: int) -> tuple[Any, ...]:
    """What `serve_node` needs besides a name."""
    settings = {name: value for name, value in os.environ.items() if name.startswith(SETTINGS)}
    return scenario.to_json(), scenario.path, url, run, keepalive_s, settings
