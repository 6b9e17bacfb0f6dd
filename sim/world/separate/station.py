"""One node in a process of its own: waits for the start, runs by the wall clock, tells what it does."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from brokers.api import MQTT_5, MQTT_311
from brokers.client import Pool
from sim import wire
from sim.ddnn import Inference
from sim.errors import SetupError
from sim.ledger.messages import MessageLog
from sim.ledger.rows import END, Row, encode_rows
from sim.nodes.camera import Camera
from sim.nodes.cloud import Cloud
from sim.nodes.gateway import Gateway
from sim.nodes.lanes import Lane
from sim.nodes.node import Node, Services
from sim.nodes.standin import HostGateway
from sim.world.accounts import CONDUCTOR, HOME
from sim.world.fleet import Builder
from sim.world.live import LiveClock
from sim.world.prepare import Prepared
from sim.world.separate import names, orders
from sim.world.separate.diary import Diary, ToldBook
from sim.world.separate.duties import Duties
from sim.world.separate.fabric import NAMING, StationFabric
from sim.world.separate.line import GONE_S, Line
from sim.world.wiring import forms, open_samples

KEEPALIVE_S: Final = 10
ALONE_S: Final = 10.0
"""Wall seconds without a conductor after which a node gives up."""
WAIT_S: Final = 0.5
"""Wall seconds that a process always gives others if it is to wait so long, however fast the run."""
END_S: Final = 5.0
"""Wall seconds to tell the rest."""
WRITE_S: Final = 0.05
"""Wall seconds between messages to the ledger."""
HURRY_S: Final = 0.005
"""The same where others hold quotas by what this node has used."""
COUNT_S: Final = 0.5
"""Wall seconds between messages with counters."""
LATE_S: Final = 60.0
"""A start that was announced for a run that must have been over so long ago is somebody else's."""

Notice = Callable[[str], None]
_PROTOCOLS: Final = {"5": MQTT_5, "3.1.1": MQTT_311}


class Station:
    """One node at a broker.

    Args:
        prepared: scenario, data, network.
        name: of the node, with its site: `site-0/cam.3`, `cloud`.
        url: of the broker.
        run: the run's token in its topics.
        notice: told what a person should know.
        keepalive_s: see `Pool`.

    Attributes:
        fabric: what the node publishes with, and what takes in what the broker brings.
        diary: what it writes down.
        fleet: as this process has it.
        duties: what it does beside its node's work.
    """

    def __init__(
        self,
        prepared: Prepared,
        name: str,
        url: str,
        run: str,
        *,
        notice: Notice = lambda text: None,
        keepalive_s: int = KEEPALIVE_S,
    ) -> None:
        mqtt = prepared.scenario.mqtt
        self.name = name
        self._prepared = prepared
        self._run = run
        self._notice = notice
        self._pool = Pool(url, protocol=_PROTOCOLS[mqtt.version], version="", notice=notice, keepalive_s=keepalive_s)
        self._line = Line(self._pool)
        self._clock = LiveClock(self._pump)
        self._clock.turns.append(self._turn)
        self._clock.stays = lambda: True
        self.diary = Diary()
        self._book = ToldBook(self.diary, prepared.scenario.sites, prepared.samples)
        self.fabric = StationFabric(self._clock, self._line, MessageLog(None), forms(mqtt), mqtt.qos, self.diary)
        self._start: wire.Control | None = None
        self._joined_s = 0.0
        self._alone_s: float | None = None
        self._life = secrets.randbits(32)
        self._batches = self._returns = self._forgiven = 0
        self._recent: deque[tuple[float, bytes]] = deque()
        self._written_s = self._counted_s = 0.0
        self._orders: list[bytes] = []
        self._control, self._order = names.control_topic(run), names.order_topic(run, name)
        self._status = names.status_topic(run, CONDUCTOR, HOME)
        self._ledger = names.home_topic(run, name, wire.LEDGER)
        self._node = self._build()
        self._clock.holds = self._node.role != "camera"  # a camera has no deadlines: it hurries

    def serve(self) -> None:
        """Runs until the conductor says that it is over.

        Raises:
            BrokerError: the broker is not there, or refuses.
            SetupError: the broker or the conductor is gone for good.
        """
        self._line.connect(names.station_identity(self._prepared.plan, self._run, self.name))
        self._joined_s = time.time()
        try:
            self._write()  # that it is a new process, or the first
            self._notice(f"{self.name}: online, waiting for the start of run {self._run}")
            while self._start is None and not self._clock.stopped:
                self._pump(0.1)
                self._take_mail()
            if self._start is not None:
                self._play(self._start)
            self._end()
        finally:
            self._pool.close()

    def _build(self) -> Node:
        prepared = self._prepared
        inference: Inference = prepared.network.inference(prepared.dataset)
        services = Services(
            self._clock,
            self.fabric,
            self._book,
            inference,
            prepared.picture,
            prepared.scenario.exits.thresholds(),
            dict(inference.flops),
        )
        fleet = Builder(prepared.plan, services, self._run).build()
        open_samples(prepared, self._book)
        own = names.own(fleet, self.name)
        self.fleet = fleet
        self.duties = Duties(prepared, fleet, own, self._clock, inference, self.diary)
        self.fabric.tenancy = self.duties.tenancy
        self.fabric.settle(own, fleet.lanes, lambda lane: _sizes(lane, prepared, inference))
        for sample in range(prepared.samples if own.role == "camera" else 0):
            inference.device(prepared.picture(own.site, sample), own.index)
        return own

    def _play(self, start: wire.Control) -> None:
        clock, node = self._clock, self._node
        clock.speed = start.speed
        if isinstance(node, Gateway | Cloud):
            for one in (node, *(node.hosted if isinstance(node, HostGateway) else ())):
                one.wait_s = patience_s(one.wait_s, start.speed)
        clock.begin(time.monotonic() + start.epoch_s - time.time())
        clock.look()
        if self._joined_s > start.epoch_s:  # back in mid-run: what was due before is lost, no number is used twice
            node.up_since_s = clock.now
            node.sequence = int(clock.now * 1000)
        self._pool.announce(0, b"active")
        self._notice(f"{self.name}: run {self._run} starts")
        if isinstance(node, Camera) and node.name not in self._prepared.scenario.down:
            clock.process(node.run(start.samples))
        self.duties.start()
        clock.finish()

    def _end(self) -> None:
        """Tells the rest, and waits until the broker has it."""
        self.fabric.interrupt()
        self.duties.tell()
        self.diary.count(self._node)
        self.diary.add(Row(END))
        while len(self.diary):
            self._write()
        self._line.finish(END_S)

    # -- what goes on all the time

    def _pump(self, timeout_s: float) -> None:
        self._line.pump(timeout_s)
        now = time.monotonic()
        if now - self._line.there_s > GONE_S:
            raise SetupError(f"{self.name}: the broker has been gone for {GONE_S:g} s")
        if self._alone_s is not None and now - self._alone_s > ALONE_S:
            raise SetupError(f"{self.name}: whoever conducted run {self._run} is gone")
        if self._returns != self._line.returns:
            self._returns = self._line.returns
            self._tell_again()

    def _turn(self) -> None:
        if self._forgiven != self._line.returns:
            self._forgiven = self._line.returns
            self._clock.forgive()
        self._take_mail()
        while self._orders:
            self._follow(self._orders.pop(0))
        now = time.monotonic()
        if now - self._counted_s >= COUNT_S:
            self._counted_s = now
            self.diary.count(self._node)
        if now - self._written_s >= (HURRY_S if self.duties.hurries else WRITE_S):
            self.duties.tell()
            if len(self.diary):
                self._written_s = now
                self._write()

    def _take_mail(self) -> None:
        for _, topic, payload in self._line.received():
            if topic == self._control:
                self._obey(payload)
            elif topic == self._status:
                self._mind(payload)
            elif topic == self._order:
                self._orders.append(payload)
            elif self._start is not None:
                self.fabric.come(topic, payload)

    def _obey(self, payload: bytes) -> None:
        """The conductor says something; what is no message, or of a run long ago, is nothing."""
        try:
            frame = wire.decode(payload)
            control = wire.decode_control(frame.payload)
        except wire.Malformed:
            return
        if control.command == wire.STOP:
            if self._start is not None:
                self._clock.stop()
            return
        lasts_s = control.samples * self._prepared.period_s / control.speed
        if self._start is None and time.time() < control.epoch_s + lasts_s + LATE_S:
            self._start = control

    def _follow(self, payload: bytes) -> None:
        """The conductor says something to this node alone."""
        with suppress(wire.Malformed):
            self.duties.obey(orders.decode(wire.decode(payload).payload))

    def _mind(self, payload: bytes) -> None:
        """Without its conductor a run comes to nothing; but it may only have lost its connection."""
        if payload == b"online":
            self._alone_s = None
            self._tell_again()
        elif payload == b"offline" and self._alone_s is None:
            self._alone_s = time.monotonic()

    def _tell_again(self) -> None:
        """What the broker had taken, it may have lost before the conductor had it; twice does no harm."""
        for _, frame in self._recent:
            self._line.publish(0, self._ledger, frame, 1)

    def _write(self) -> None:
        rows = self.diary.take()
        self._batches += 1
        frame = wire.encode(wire.LEDGER, wire.ROWS, self._node.index, self._life, self._batches, encode_rows(rows))
        self._line.publish(0, self._ledger, frame, 1)
        now = time.monotonic()
        self._recent.append((now, frame))
        while now - self._recent[0][0] > GONE_S:
            self._recent.popleft()


def patience_s(wait_s: float, speed: float) -> float:
    """Seconds of the run that a process waits for others: on the wall not less than at speed 1, up to `WAIT_S`.

    Whoever is waited for is a real process, which does not become faster with the run.
    """
    return max(wait_s, min(wait_s, WAIT_S) * speed)


def _sizes(lane: Lane, prepared: Prepared, inference: Inference) -> frozenset[int]:
    """The payload sizes that messages on a lane can have."""
    kind, src = lane.port.kind, lane.src
    if kind in NAMING:
        return frozenset(2 * count for count in range(1, len(prepared.plan.cameras) + 1))
    if kind == wire.FEATURES:
        edge = src.role == "gateway" and prepared.plan.has_edge
        return frozenset({inference.edge_bytes, 0} if edge else {inference.feature_bytes})  # 0: no camera saw anything
    if kind == wire.SCORES:
        return frozenset({inference.score_bytes})
    if kind == wire.RAW:
        return frozenset({int(prepared.dataset.images[0, 0].size)})
    return frozenset({len(wire.encode_exit(wire.ExitRecord(0, 0, 0, 0.0)))})
