"""Fleets of real processes for tests: run in a thread, watched, ended early."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
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
        self._seen = SimpleQueue[world.Snapshot]()
        self.telemetry.subscribe(self._seen.put)

        def go() -> None:
            self.results.append(up(scenario, out=out, telemetry=self.telemetry, **options))

        self._thread = threading.Thread(target=go, daemon=True)
        self._thread.start()

    def until(self, holds: Callable[[world.Snapshot], bool]) -> world.Snapshot:
        """The next snapshot for which something holds, and none is missed; fails after two minutes."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            alive = self._thread.is_alive()
            try:
                found = self._seen.get(timeout=0.5)
            except Empty:
                if not alive:
                    break
                continue
            if holds(found):
                return found
        raise AssertionError(f"never so: {self.telemetry.latest()}")

    def end(self) -> world.RunResult:
        """Ends the run early."""
        self.telemetry.stop()
        self._thread.join(120)
        return self.results[0]


def decided_since(seen: world.Snapshot, before: world.Snapshot) -> int:
    """How many of the samples that were not due yet `before` are decided; of one site."""
    return len({one.sample for one in seen.recent if one.sample >= before.due})


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
