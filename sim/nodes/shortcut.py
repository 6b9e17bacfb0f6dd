"""The fabric of a run in memory in which nothing can touch a message: no bytes are made, everything else is the same.

Links, ledger sums, counters and the order of events are those of `Fabric`; a sweep spends most of its time here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sim.clock import Clock
from sim.errors import InvariantError
from sim.ledger.messages import MessageLog, Sizes
from sim.link import Passage
from sim.meter import Framing, leg_cost
from sim.nodes.fabric import Fabric
from sim.nodes.lanes import Lane, Port
from sim.wire import HEADER_BYTES, Frame


class Bill(NamedTuple):
    """What a message of one size on one port costs: on its link, and in the ledger with and without the first leg."""

    link_bytes: int
    mqtt_bytes: int
    both_legs: Sizes
    last_leg: Sizes


Transit = tuple[Lane, Frame, Bill, Sizes, float, Passage]


class _Nothing:
    """Where there is nothing to carry, something that wants to be carried has gone astray."""

    def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None:
        raise InvariantError(f"{topic}: there is no carrier")

    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None:
        raise InvariantError(f"{topic}: there is no carrier")

    def discard(self, receiver: int, topic: str, payload: bytes) -> None:
        raise InvariantError(f"{topic}: there is no carrier")


class Shortcut(Fabric):
    """A `Fabric` without a carrier; only for runs without faults."""

    def __init__(self, clock: Clock, log: MessageLog, framing: Framing) -> None:
        super().__init__(clock, _Nothing(), log, framing, 0, 0.0)
        self._bills: dict[tuple[Port, int], Bill] = {}

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
        """As `Fabric.publish`."""
        src, size, kind = port.src, len(payload), port.kind
        bill = self._bills.get((port, size)) or self._bill(port, size)
        src.sequence += 1
        src.sent += 1
        src.sent_bytes += HEADER_BYTES + size
        src.bytes_up += bill.link_bytes
        frame = Frame(kind, dtype, flags, origin, expected, sample, src.sequence, payload)
        cost, clock = bill.both_legs, self.clock
        now_s = clock.now
        for lane in port.lanes:
            if to is not None and lane.dst.index not in to:
                self.overheard_bytes += HEADER_BYTES + size + bill.mqtt_bytes
                continue
            lane.messages += 1
            lane.payload_bytes += size
            passage = lane.link.send(now_s, bill.link_bytes, kind, sample, origin)
            arrives_s, lost, attempts, queued_s = passage
            if arrives_s is None:
                self.log.lost(now_s, lane.number, sample, cost, lost or "link", "", attempts, queued_s)
            else:
                clock.at(arrives_s, self._come, (lane, frame, bill, cost, now_s, passage))
            cost = bill.last_leg

    def _come(self, transit: Transit) -> None:
        lane, frame, bill, cost, sent_s, (_, _, attempts, queued_s) = transit
        dst = lane.dst
        if not dst.up:
            self.log.lost(sent_s, lane.number, frame.sample, cost, "node-down", "", attempts, queued_s)
            return
        self.log.delivered(sent_s, self.clock.now, lane.number, frame.sample, cost, "", attempts, queued_s)
        dst.received += 1
        dst.bytes_down += bill.link_bytes
        dst.receive(frame, lane.src)

    def _bill(self, port: Port, size: int) -> Bill:
        cost = leg_cost(self._framing, port.topic, size)
        both = cost.payload_bytes, 2 * cost.mqtt_bytes, 2 * cost.tcpip_bytes, cost.link_bytes
        last = cost.payload_bytes, cost.mqtt_bytes, cost.tcpip_bytes, cost.link_bytes
        bill = self._bills[port, size] = Bill(cost.link_bytes, cost.mqtt_bytes, both, last)
        return bill
