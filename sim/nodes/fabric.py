"""The fabric: what is published goes to the carrier at once, over the modelled links, and into the ledger.

One publish on a topic reaches every subscriber by its own link. The node at the far end receives the bytes that the
carrier brought back, never a copy kept here (DESIGN, section 3).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final, Protocol

from sim import wire
from sim.clock import Clock
from sim.ledger.faults import joined
from sim.ledger.messages import MessageLog, Sizes
from sim.meter import Cost, Framing, leg_cost
from sim.nodes.lanes import Copy, Gate, Lane, Message, Port

if TYPE_CHECKING:
    from sim.nodes.node import Node


MOST_EXPECTED: Final = 4096
"""More messages than this no sender can promise: a group has no more nodes."""


class Carrier(Protocol):
    """What the fabric needs of a broker (`brokers.api.Carrier`)."""

    def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None: ...
    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None: ...
    def discard(self, receiver: int, topic: str, payload: bytes) -> None: ...


class Fabric:
    """Carries messages between nodes; counts each one when it is sent and when its fate is known.

    Attributes:
        gate: looks at a message before it travels; True: it is dealt with. None without a fault.
        divergences: messages that should have arrived by the model but that the broker did not bring.
        overheard_bytes: MQTT bytes of deliveries to subscribers that a message was not meant for.
        lookahead: samples whose messages the carrier may be given at once by who knows them already.
    """

    lookahead = 1

    def __init__(
        self, clock: Clock, carrier: Carrier, log: MessageLog, framing: Framing, qos: int, patience_s: float
    ) -> None:
        self.clock = clock
        self.log = log
        self.carrier = carrier
        self.qos = qos
        self.gate: Gate | None = None
        self.divergences = 0
        self.overheard_bytes = 0
        self._framing = framing
        self._prices: dict[tuple[int, int], Cost] = {}
        self._patience_s = patience_s

    def hand_over(
        self, port: Port, sample: int, payload: bytes, *, dtype: int, origin: int, flags: int = 0, expected: int = 0
    ) -> None:
        """Gives the carrier a message that `publish` will be called for at its time, with the same content."""

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
            cost = port.costs[len(payload)] = self.price(port, len(payload))
        src.sent += 1
        src.sent_bytes += len(frame)
        src.bytes_up += cost.link_bytes
        copy = None
        if self.gate is not None or port.tampered:
            copy = Copy(self, port, frame, src.client)
        else:
            self.carrier.publish(src.client, port.topic, frame, self.qos)
        legs, now_s, fault = 2, self.clock.now, self._touched(port, sample, origin)
        for lane in port.lanes:
            if to is not None and lane.dst.index not in to:
                self.overhear(lane, frame) if copy is None else copy.decline(lane)
                continue
            lane.messages += 1
            lane.payload_bytes += len(payload)
            message = Message(lane, port.kind, origin, sample, frame, cost, legs, now_s, fault, copy)
            legs = 1
            if copy is None:
                self._launch(message)
            elif lane.around is None:
                self.travel(message)
            else:
                lane.around(message)

    def _touched(self, port: Port, sample: int, origin: int) -> str:
        """The faults in force at the publisher, and those in what its message says."""
        src, book = port.src, port.src.services.book
        if not book.stains or not port.lanes:
            return src.faults
        return joined(src.faults, book.stains.get((port.lanes[0].site, sample, *src.author(port.kind, origin)), ""))

    def travel(self, message: Message) -> None:
        """Lets a message go from the publisher over the broker and its link."""
        if self.gate is not None and self.gate(message):
            return
        if message.copy is not None:
            message.copy.claim(message.lane)
        self._launch(message)

    def drop(self, message: Message, reason: str, *, unheard: bool = False) -> None:
        """Ends a message that has not arrived as `lost:<reason>`; `unheard`: the broker has nobody to give it to."""
        if message.copy is not None and not unheard:
            message.copy.decline(message.lane)
        else:
            self.carrier.discard(message.lane.dst.client, message.lane.topic, message.frame)
        self.lose(message, reason)

    def lose(self, message: Message, reason: str) -> None:
        """Writes a loss into the ledger."""
        log, lane = self.log, message.lane
        if message.fault:
            lane.src.services.book.touch(lane.site, message.sample, message.fault)
        attempts, queued_s = _passage(message)
        log.lost(
            message.sent_s,
            lane.number,
            message.sample,
            _bytes(message),
            reason,
            message.fault,
            attempts,
            queued_s,
            self.clock.now,
        )

    def deliver(self, message: Message, parsed: wire.Frame) -> None:
        """Writes an arrival into the ledger and hands it to the node."""
        lane = message.lane
        dst = lane.dst
        if message.fault:
            lane.src.services.book.touch(lane.site, message.sample, message.fault)
        now_s, cost = self.clock.now, _bytes(message)
        self.log.delivered(message.sent_s, now_s, lane.number, message.sample, cost, message.fault, *_passage(message))
        dst.received += 1
        dst.bytes_down += message.cost.link_bytes
        dst.receive(parsed, lane.src)

    def overhear(self, lane: Lane, frame: bytes) -> None:
        """A publish reaches a subscriber that it is not meant for: the broker brings it all the same."""
        self.carrier.discard(lane.dst.client, lane.topic, frame)
        self.overheard_bytes += len(frame) + self._leg(lane.port, frame).mqtt_bytes

    def again(self, message: Message) -> Message:
        """A second message like this one, on its way to the same receiver (a fault duplicated it)."""
        return self._extra(message.lane, message.frame, message, message.lane.src.client)

    def altered(self, message: Message, frame: bytes) -> Message:
        """This message with other bytes; they cross the broker in place of the true ones."""
        lane = message.lane
        if message.copy is not None:
            message.copy.decline(lane)
        return message._replace(frame=frame, copy=self._only(lane, frame, lane.src.client))

    def forge(self, lane: Lane, frame: bytes, sample: int, fault: str, sender: Node) -> None:
        """Publishes bytes that are not the publisher's own on a lane; `sender` is the client that does it."""
        cost = self._leg(lane.port, frame)
        template = Message(lane, lane.port.kind, lane.src.index, sample, frame, cost, 2, self.clock.now, fault)
        self.travel(self._extra(lane, frame, template, sender.client))

    def refuse(self, lane: Lane, reason: str, sample: int = -1, fault: str = "") -> None:
        """A message that may not be published (too large for MQTT, over a quota): it is counted, without any bytes."""
        lane.messages += 1
        nothing = Message(lane, lane.port.kind, lane.src.index, sample, b"", Cost(0, 0, 0), 1, self.clock.now, fault)
        self.lose(nothing, reason)

    def _extra(self, lane: Lane, frame: bytes, like: Message, client: int) -> Message:
        lane.messages += 1
        lane.payload_bytes += like.cost.payload_bytes
        lane.src.sent += 1
        lane.src.sent_bytes += len(frame)
        lane.src.bytes_up += like.cost.link_bytes
        return like._replace(legs=2, copy=self._only(lane, frame, client))

    def _only(self, lane: Lane, frame: bytes, client: int) -> Copy:
        """A publish that is meant for one lane of its port alone."""
        copy = Copy(self, lane.port, frame, client)
        for other in lane.port.lanes:
            if other is not lane:
                copy.decline(other)
        return copy

    def price(self, port: Port, payload_bytes: int) -> Cost:
        """What one leg of a message of this size would cost; of a topic only its length matters."""
        key = len(port.topic.encode()), payload_bytes
        cost = self._prices.get(key)
        if cost is None:
            cost = self._prices[key] = leg_cost(self._framing, port.topic, payload_bytes)
        return cost

    def _leg(self, port: Port, frame: bytes) -> Cost:
        return self.price(port, max(0, len(frame) - wire.HEADER_BYTES))

    def _launch(self, message: Message) -> None:
        lane, clock = message.lane, self.clock
        passage = lane.link.send(clock.now, message.cost.link_bytes, message.kind, message.sample, message.origin)
        if message.sent_s < clock.now:  # it was held back: until now it waited for its way to open
            passage = passage._replace(queued_s=passage.queued_s + clock.now - message.sent_s)
        message = Message(*message[:-1], passage)  # its last field; `_replace` takes three times as long
        if passage.arrives_s is None:
            self.carrier.discard(lane.dst.client, lane.topic, message.frame)
            self.lose(message, passage.lost or "link")
        else:
            clock.at(passage.arrives_s, self.arrive, message, lane.crossing())

    def arrive(self, message: Message) -> None:
        """A message comes to its receiver; what it reads are the bytes that the carrier brought."""
        lane = message.lane
        dst = lane.dst
        frame = self.carrier.take(dst.client, lane.topic, message.frame, self._patience_s)
        if frame is None:
            self.divergences += 1
            self.lose(message, "divergence")
            return
        try:
            parsed = wire.decode(frame)
        except wire.Malformed:
            self.lose(message, "malformed")
            return
        if message.fault and not admissible(parsed, message):
            self.lose(message, "rejected")
            return
        self.admit(message, parsed)

    def admit(self, message: Message, parsed: wire.Frame) -> None:
        """Delivers a message, unless a fault at the node's door takes it."""
        dst = message.lane.dst
        if not dst.up:
            self.lose(message._replace(fault=joined(message.fault, dst.faults)), "node-down")
        elif dst.intake is None or not dst.intake(message, parsed):
            self.deliver(message, parsed)


def admissible(parsed: wire.Frame, message: Message) -> bool:
    """Whether a frame may be what it says: its kind is the topic's, its node, size and sample can be by now."""
    lane = message.lane
    src = lane.src
    return (
        parsed.kind == lane.port.kind
        and len(parsed.payload) in lane.port.costs
        and parsed.expected <= MOST_EXPECTED
        and src.speaks_for(parsed)
        and src.services.book.is_due(lane.site, parsed.sample, src.services.clock.now)
    )


def _bytes(message: Message) -> Sizes:
    cost, legs = message.cost, message.legs
    return cost.payload_bytes, cost.mqtt_bytes * legs, cost.tcpip_bytes * legs, cost.link_bytes


def _passage(message: Message) -> tuple[int, float]:
    """Transmissions, and seconds in the queue; nothing of either before a message came to its link."""
    passage = message.passage
    return (0, 0.0) if passage is None else (passage.attempts, passage.queued_s)
