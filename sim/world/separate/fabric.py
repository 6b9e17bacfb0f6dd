"""The fabric of one node in a process of its own: what it publishes goes out, what comes for it goes over the link.

Nobody can tell the receiver when a message was sent, so the modelled link stands at its end: it begins when the broker
brings the message. Whether and when it lets the message through is drawn as everywhere, by sample and not by time. A
camera that measures its uplink has that link at its own end, too: it draws the same there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from sim import wire
from sim.clock import Clock
from sim.ledger.messages import MessageLog
from sim.ledger.rows import ARRIVED, LOST, REASONS, SENT, Row
from sim.link import MeteredLink, Passage
from sim.meter import Cost, Framing, leg_cost
from sim.nodes.fabric import MOST_EXPECTED, Carrier, Fabric
from sim.nodes.lanes import Lane, Port
from sim.nodes.node import Node
from sim.nodes.standin import HostGateway
from sim.world.separate.diary import Diary
from sim.world.tenancy import REFUSED, Tenancy

NAMING: Final = (wire.REQUEST, wire.CONTROL)
"""Kinds of messages that name those whom they are meant for."""
MEMORY: Final = 4096
"""Messages of one lane that are remembered, to know a second delivery."""


class Coming(NamedTuple):
    """A message on its modelled link, at the receiver's end."""

    lane: Lane
    frame: wire.Frame
    cost: Cost
    came_s: float
    passage: Passage


class Early(NamedTuple):
    """A message of a sample that this node's clock has not reached yet."""

    lane: Lane
    frame: wire.Frame


class StationFabric(Fabric):
    """A `Fabric` for one node; all others are elsewhere.

    Attributes:
        tenancy: quotas, as far as this process knows what they are used for; None without.
    """

    def __init__(
        self, clock: Clock, carrier: Carrier, log: MessageLog, framing: Framing, qos: int, diary: Diary
    ) -> None:
        super().__init__(clock, carrier, log, framing, qos, 0.0)
        self._diary = diary
        self._lanes: dict[str, Lane] = {}
        self._costs: dict[tuple[str, int], Cost] = {}
        self._seen: dict[Lane, dict[tuple[int, int], None]] = {}
        self._sizes: dict[Lane, frozenset[int]] = {}
        self.tenancy: Tenancy | None = None

    def settle(self, own: Node, lanes: Sequence[Lane], sizes: Callable[[Lane], frozenset[int]]) -> None:
        """Tells which node is here (with its stand-ins), and which payload sizes may come to it on a lane."""
        here = [own, *(own.hosted if isinstance(own, HostGateway) else ())]
        self._lanes = {lane.topic: lane for lane in lanes if lane.dst in here}
        self._seen = {lane: {} for lane in self._lanes.values()}
        self._sizes = {lane: sizes(lane) for lane in self._lanes.values()}

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
        """As `Fabric.publish`; the links are the receivers'."""
        src, size = port.src, len(payload)
        if self.tenancy is not None and self.tenancy.holds_back(port, size, self.clock.now):
            for lane in port.lanes:
                self._refuse(lane, sample)
            return
        src.sequence += 1
        frame = wire.encode(port.kind, dtype, origin, sample, src.sequence, payload, flags, expected)
        src.sent += 1
        src.sent_bytes += len(frame)
        src.bytes_up += self._cost(port.topic, size).link_bytes
        self.carrier.publish(0, port.topic, frame, self.qos)
        legs = 2
        for lane in port.lanes:
            if to is None or lane.dst.index in to:
                self._diary.add(Row(SENT, legs, 0, lane.number, sample, src.sequence, size, self.clock.now))
                legs = 1
                if isinstance(lane.link, MeteredLink):  # what the radio of a sender that measures it would tell
                    cost = self._cost(port.topic, size)
                    lane.link.send(self.clock.now, cost.link_bytes, port.kind, sample, origin)

    def come(self, topic: str, data: bytes) -> None:
        """The broker has brought a message; it counts for what it says, if it can be what it says."""
        lane = self._lanes.get(topic)
        if lane is None:
            return
        try:
            frame = wire.decode(data)
        except wire.Malformed:
            self._lose(lane, None, len(data), "malformed")
            return
        if not self._admissible(lane, frame):
            self._lose(lane, None, len(frame.payload), "rejected")
        elif not self._is_meant(lane, frame):
            self._diary.overheard_bytes += len(data) + self._cost(topic, len(frame.payload)).mqtt_bytes
        elif not self._is_new(lane, frame):
            self._diary.twice += 1
        else:
            due_s = lane.src.services.book.entry(lane.site, frame.sample).captured_s
            if due_s > self.clock.now:  # the sender's clock is ahead of this one, which may have stood still
                self.clock.at(due_s, self._travel, Early(lane, frame))
            else:
                self._travel(Early(lane, frame))

    def _travel(self, early: Early) -> None:
        lane, frame = early
        lane.messages += 1
        lane.payload_bytes += len(frame.payload)
        now_s, cost = self.clock.now, self._cost(lane.topic, len(frame.payload))
        passage = lane.link.send(now_s, cost.link_bytes, frame.kind, frame.sample, frame.node)
        if passage.arrives_s is None:
            self._lose(lane, frame, len(frame.payload), passage.lost or "link", passage.attempts)
        else:
            self.clock.at(passage.arrives_s, self._deliver, Coming(lane, frame, cost, now_s, passage))

    def _deliver(self, coming: Coming) -> None:
        lane, frame = coming.lane, coming.frame
        dst, now_s = lane.dst, self.clock.now
        if self.tenancy is not None:
            reason = self.tenancy.turns_away(lane, frame.kind, len(frame.payload), now_s)
            if reason:
                self._lose(lane, frame, len(frame.payload), reason, coming.passage.attempts)
                return
        self._diary.add(
            Row(
                ARRIVED,
                0,
                coming.passage.attempts,
                lane.number,
                frame.sample,
                frame.sequence,
                len(frame.payload),
                now_s,
                coming.came_s,
            )
        )
        dst.received += 1
        dst.bytes_down += coming.cost.link_bytes
        dst.receive(frame, lane.src)

    def interrupt(self) -> None:
        """The run ends: what is on its link never arrives."""
        for _, call in self.clock.withdraw(lambda call: isinstance(call.argument, Coming | Early)):
            coming: Coming | Early = call.argument
            self._lose(coming.lane, coming.frame, len(coming.frame.payload), "interrupted")

    def _refuse(self, lane: Lane, sample: int) -> None:
        """Data beyond a quota never leave the node: they have no number, and no bytes."""
        now_s = self.clock.now
        self._diary.add(Row(LOST, REASONS.index(REFUSED), 0, lane.number, sample, 0, 0, now_s, now_s))

    def _lose(self, lane: Lane, frame: wire.Frame | None, size: int, reason: str, attempts: int = 0) -> None:
        sample, sequence = (0, 0) if frame is None else (frame.sample, frame.sequence)
        now_s = self.clock.now
        self._diary.add(Row(LOST, REASONS.index(reason), attempts, lane.number, sample, sequence, size, now_s, now_s))

    def _admissible(self, lane: Lane, frame: wire.Frame) -> bool:
        """Whether a frame may be what it says: anybody may publish on a broker without rules."""
        src = lane.src
        return bool(
            frame.kind == lane.port.kind
            and len(frame.payload) in self._sizes[lane]
            and (frame.payload or frame.flags & wire.ABSENT)
            and frame.expected <= MOST_EXPECTED
            and src.speaks_for(frame)
            and src.services.book.knows(lane.site, frame.sample)
        )

    @staticmethod
    def _is_meant(lane: Lane, frame: wire.Frame) -> bool:
        return frame.kind not in NAMING or lane.dst.index in wire.decode_nodes(frame.payload)

    def _is_new(self, lane: Lane, frame: wire.Frame) -> bool:
        seen, key = self._seen[lane], (frame.sequence, frame.sample)
        if key in seen:
            return False
        seen[key] = None
        if len(seen) > MEMORY:
            del seen[next(iter(seen))]
        return True

    def _cost(self, topic: str, size: int) -> Cost:
        cost = self._costs.get((topic, size))
        if cost is None:
            cost = self._costs[topic, size] = leg_cost(self._framing, topic, size)
        return cost
