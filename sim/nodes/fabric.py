"""The fabric: what is published goes to the carrier at once, over the modelled links, and into the ledger.

One publish on a topic reaches every subscriber by its own link. The node at the far end receives the bytes that the
carrier brought back, never a copy kept here (DESIGN, section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sim import wire
from sim.clock import Clock
from sim.ledger.messages import MessageLog
from sim.link import Link
from sim.meter import Cost, Framing, leg_cost

if TYPE_CHECKING:
    from sim.nodes.node import Node


class Carrier(Protocol):
    """What the fabric needs of a broker (`brokers.api.Carrier`)."""

    def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None: ...
    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None: ...
    def discard(self, receiver: int, topic: str, payload: bytes) -> None: ...


class Lane:
    """One kind of message between two nodes: its link, its receiver, its number in the ledger."""

    __slots__ = ("around", "dst", "link", "messages", "number", "payload_bytes", "src", "topic")

    def __init__(self, src: Node, dst: Node, link: Link, topic: str, number: int) -> None:
        self.src = src
        self.dst = dst
        self.link = link
        self.topic = topic
        self.number = number
        self.around: Around | None = None
        self.messages = 0
        self.payload_bytes = 0


class Port:
    """Where a node publishes one kind of message: a topic and the lanes to its subscribers."""

    __slots__ = ("costs", "kind", "lanes", "src", "topic")

    def __init__(self, src: Node, kind: int, topic: str) -> None:
        self.src = src
        self.kind = kind
        self.topic = topic
        self.lanes: list[Lane] = []
        self.costs: dict[int, Cost] = {}


class Message(NamedTuple):
    """A message on its lane, as a fault sees it; `frame` is header and payload."""

    lane: Lane
    kind: int
    origin: int
    sample: int
    frame: bytes
    cost: Cost
    legs: int
    fault: str


Forward = Callable[[Message, float], None]
Around = Callable[[Message, Forward], None]


class Fabric:
    """Carries messages between nodes; counts each one when it is sent and when its fate is known.

    Attributes:
        divergences: messages that should have arrived by the model but that the broker did not bring.
        overheard_bytes: MQTT bytes of deliveries to subscribers that a message was not meant for.
    """

    def __init__(
        self, clock: Clock, carrier: Carrier, log: MessageLog, framing: Framing, qos: int, patience_s: float
    ) -> None:
        self.clock = clock
        self.log = log
        self.divergences = 0
        self.overheard_bytes = 0
        self._carrier = carrier
        self._framing = framing
        self._qos = qos
        self._patience_s = patience_s

    def publish(
        self,
        port: Port,
        sample: int,
        payload: bytes,
        *,
        dtype: int,
        origin: int,
        flags: int = 0,
        expected: int = 0,
        to: Collection[int] | None = None,
    ) -> None:
        """Publishes one message on `port`; `to` names the indices of the nodes it is meant for (None: all)."""
        src = port.src
        src.sequence += 1
        frame = wire.encode(port.kind, dtype, origin, sample, src.sequence, payload, flags, expected)
        cost = port.costs.get(len(payload))
        if cost is None:
            cost = port.costs[len(payload)] = leg_cost(self._framing, port.topic, len(payload))
        self._carrier.publish(src.client, port.topic, frame, self._qos)
        src.sent += 1
        src.sent_bytes += len(frame)
        src.bytes_up += cost.link_bytes
        legs = 2
        for lane in port.lanes:
            if to is not None and lane.dst.index not in to:
                self._carrier.discard(lane.dst.client, port.topic, frame)
                self.overheard_bytes += len(frame) + cost.mqtt_bytes
                continue
            lane.messages += 1
            lane.payload_bytes += len(payload)
            message = Message(lane, port.kind, origin, sample, frame, cost, legs, "")
            legs = 1
            if lane.around is None:
                self._travel(message, 0.0)
            else:
                lane.around(message, self._travel)

    def _travel(self, message: Message, delay_s: float) -> None:
        lane, now_s = message.lane, self.clock.now
        arrives_s, lost, _ = lane.link.send(
            now_s + delay_s, message.cost.link_bytes, message.kind, message.sample, message.origin
        )
        if arrives_s is None:
            self._carrier.discard(lane.dst.client, lane.topic, message.frame)
            self._lose(message, now_s, lost or "link")
        else:
            self.clock.at(arrives_s, self._arrive, (message, now_s))

    def _arrive(self, transit: tuple[Message, float]) -> None:
        message, sent_s = transit
        lane = message.lane
        dst = lane.dst
        frame = self._carrier.take(dst.client, lane.topic, message.frame, self._patience_s)
        if frame is None:
            self.divergences += 1
            self._lose(message, sent_s, "divergence")
            return
        if not dst.up:
            self._lose(message, sent_s, "node-down")
            return
        try:
            parsed = wire.decode(frame)
        except wire.Malformed:
            self._lose(message, sent_s, "malformed")
            return
        self.log.delivered(sent_s, self.clock.now, lane.number, message.sample, _bytes(message), message.fault)
        dst.received += 1
        dst.bytes_down += message.cost.link_bytes
        dst.receive(parsed, lane.src)

    def _lose(self, message: Message, sent_s: float, reason: str) -> None:
        self.log.lost(sent_s, message.lane.number, message.sample, _bytes(message), reason, message.fault)


def _bytes(message: Message) -> tuple[int, int, int]:
    cost, legs = message.cost, message.legs
    return cost.payload_bytes, cost.mqtt_bytes * legs, cost.tcpip_bytes * legs
