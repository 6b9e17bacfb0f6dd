"""What a fleet does about itself while it runs: roles move, thresholds and states change; all is written down."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from sim.clock import Clock
from sim.ddnn import Inference
from sim.ledger.events import EventLog
from sim.nodes.gateway import Gateway
from sim.nodes.node import Node
from sim.nodes.standin import HostGateway
from sim.world.failover import Failover
from sim.world.fleet import Fleet
from sim.world.lifecycle import Announce, Lifecycle
from sim.world.prepare import Prepared
from sim.world.retuning import Outlooks, Retunes, Retuning, watch


class Steering:
    """Moves of roles, thresholds and states of a run; with nothing given, of one that has none."""

    def __init__(
        self,
        events: EventLog | None = None,
        failover: Failover | None = None,
        retuning: Retuning | None = None,
        retunes: Retunes | None = None,
        lifecycle: Lifecycle | None = None,
    ) -> None:
        self.events = EventLog() if events is None else events
        self._failover = failover
        self._retuning = retuning
        self._retunes = retunes
        self._lifecycle = lifecycle

    @property
    def acts(self) -> bool:
        """Whether there is any such policy."""
        return self._failover is not None or self._retuning is not None

    def start(self, fleet: Fleet) -> None:
        """Begins to watch the nodes, and puts what is due on the clock."""
        for node in fleet.nodes:
            node.watcher = self._changed
        for part in (self._lifecycle, self._failover, self._retuning):
            if part is not None:
                part.start()

    def _changed(self, node: Node) -> None:
        if self._lifecycle is not None:
            self._lifecycle.changed(node)
        if self._failover is not None and node.role == "gateway":
            self._failover.notice(node)

    @property
    def outlooks(self) -> Outlooks | None:
        """What the thresholds were chosen by; None where nobody chooses."""
        return None if self._retuning is None else self._retuning.outlooks

    def summary(self, virtual_s: float) -> dict[str, Any]:
        """`failovers`, `retunes` and `lifecycle` of the run's summary, where there is anything to say."""
        found: dict[str, Any] = {}
        if self._failover is not None:
            found["failovers"] = self._failover.summary()
        if self._retunes is not None:
            found["retunes"] = self._retunes.summary()
        if self._lifecycle is not None:
            found |= self._lifecycle.summary(virtual_s)
        return found

    def write(self, path: Path, virtual_s: float) -> None:
        """Writes `events.parquet`; without any rows where nobody watched the nodes (separate processes)."""
        log = EventLog()
        log.rows = [*self.events.rows]
        if self._lifecycle is not None:
            log.rows = [*self._lifecycle.births(), *log.rows, *self._lifecycle.ends(virtual_s)]
        log.rows.sort(key=lambda row: row.at_s)  # processes tell of things after they have happened
        log.write(path)


def steering(
    prepared: Prepared, fleet: Fleet, clock: Clock, inference: Inference, announce: Announce | None
) -> Steering:
    """What the scenario of a run calls for."""
    plan, events, horizon_s = prepared.plan, EventLog(), horizon(prepared)
    failover = retuning = retunes = None
    if plan.failover is not None:
        failover = Failover(plan.failover, plan, fleet, clock, events, horizon_s, partial(_call, prepared, clock))
    if plan.retune is not None:
        retunes = Retunes(plan, fleet, events)
        retuning = Retuning(plan.retune, plan, watch(plan, fleet), clock, inference, retunes.note, horizon_s)
    return Steering(events, failover, retuning, retunes, Lifecycle(fleet, clock, events, announce))


def _call(prepared: Prepared, clock: Clock, player: HostGateway, _: Gateway, cameras: list[int]) -> None:
    player.call(latest(prepared, clock.now), cameras)


def horizon(prepared: Prepared) -> float:
    """Seconds of the run until the last sample is over; the fleet does nothing about itself after it."""
    periods = [camera.config.period_s for camera in prepared.plan.cameras if camera.config.role == "camera"]
    return prepared.samples * max(periods)


def latest(prepared: Prepared, now_s: float) -> int:
    """The sample that was due last."""
    return min(int(now_s / prepared.period_s), prepared.samples - 1)
