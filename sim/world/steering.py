"""What a fleet does about itself while it runs: roles of gateways move, thresholds change; all is written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.clock import Clock
from sim.ddnn import Inference
from sim.ledger.events import EventLog
from sim.world.failover import Failover
from sim.world.fleet import Fleet
from sim.world.prepare import Prepared
from sim.world.retuning import Outlooks, Retuning


class Steering:
    """All that the policies `failover` and `retune` call for; nothing without them."""

    def __init__(
        self, events: EventLog | None = None, failover: Failover | None = None, retuning: Retuning | None = None
    ) -> None:
        self.events = EventLog() if events is None else events
        self._failover = failover
        self._retuning = retuning

    @property
    def acts(self) -> bool:
        """Whether there is any such policy."""
        return self._failover is not None or self._retuning is not None

    def start(self) -> None:
        """Puts everything on the clock."""
        for part in (self._failover, self._retuning):
            if part is not None:
                part.start()

    @property
    def outlooks(self) -> Outlooks | None:
        """What the thresholds were chosen by; None where nobody chooses."""
        return None if self._retuning is None else self._retuning.outlooks

    def summary(self) -> dict[str, Any]:
        """`failovers` and `retunes` of the run's summary, where there are such policies."""
        found = {}
        if self._failover is not None:
            found["failovers"] = self._failover.summary()
        if self._retuning is not None:
            found["retunes"] = self._retuning.summary()
        return found

    def write(self, path: Path) -> None:
        """Writes `events.parquet`, where there is anybody to cause events."""
        if self.acts:
            self.events.write(path)


def steering(prepared: Prepared, fleet: Fleet, clock: Clock, inference: Inference) -> Steering:
    """What the scenario of a run calls for."""
    plan, events = prepared.plan, EventLog()
    cameras = [camera.config.period_s for camera in plan.cameras if camera.config.role == "camera"]
    period_s, horizon_s = min(cameras), prepared.samples * max(cameras)
    failover = retuning = None
    if plan.failover is not None:
        last = prepared.samples - 1
        failover = Failover(
            plan.failover, plan, fleet, clock, events, horizon_s, lambda now_s: min(int(now_s / period_s), last)
        )
    if plan.retune is not None:
        retuning = Retuning(plan.retune, plan, fleet, clock, inference, events, horizon_s)
    return Steering(events, failover, retuning)
