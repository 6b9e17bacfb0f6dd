"""Fleets of real processes for tests: run in a thread, watched, ended early."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim import world
from sim.world.separate.up import up

# A busy machine may stall for seconds: whoever waits, waits long enough.
PATIENT = ("nodes.gw.wait=5 min", "nodes.cloud.wait=5 min", "samples=6")
# Long enough for whatever is to happen in it, and ended then.
LONG = ("data.test=60", "samples=60", "nodes.gw.wait=1 s", "nodes.cloud.wait=2 s")
SLOW = ("samples=12", "nodes.cam.period=3 s")


class Running:
    """A fleet that runs in a thread, and is watched."""

    def __init__(self, scenario: Any, out: Path, **options: Any) -> None:
        self.telemetry = world.Telemetry(every_s=0.02)
        self.results: list[world.RunResult] = []
        self._serial = 0

        def go() -> None:
            self.results.append(up(scenario, out=out, telemetry=self.telemetry, **options))

        self._thread = threading.Thread(target=go, daemon=True)
        self._thread.start()

    def until(self, holds: Callable[[world.Snapshot], bool]) -> world.Snapshot:
        """The next snapshot for which something holds; fails after two minutes."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and (self._thread.is_alive() or not self.results):
            found = self.telemetry.wait(self._serial)
            if found is not None:
                self._serial = found.serial
                if holds(found):
                    return found
        raise AssertionError(f"never so: {self.telemetry.latest()}")

    def end(self) -> world.RunResult:
        """Ends the run early."""
        self.telemetry.stop()
        self._thread.join(120)
        return self.results[0]


def pids(out: Path) -> dict[str, int]:
    """The newest process of each node, from the log of the run that goes on in `out`."""
    (log,) = out.glob("*/*.partial/log.jsonl")
    entries = map(json.loads, log.read_text().splitlines())
    return {entry["node"]: entry["pid"] for entry in entries if entry["event"] == "started"}


def with_faults(scenario: Any, *faults: dict[str, Any]) -> Any:
    """The scenario with faults of its own."""
    return world.build({**scenario.to_json(), "faults": list(faults)}, scenario.path)


def log_of(result: world.RunResult) -> list[dict[str, Any]]:
    """The structured log of a run."""
    return [json.loads(line) for line in (result.folder / "log.jsonl").read_text().splitlines()]
