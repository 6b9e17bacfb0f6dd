"""The fabric of a run over a broker in which nothing can touch a message: the shortcut, with bytes that really travel.

A node receives a message when the carrier has brought its bytes, and they are the ones that were sent; so what they
say is known, and is not parsed again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from heapq import heappush
from typing import Any, Final, Protocol

from sim.clock import Clock
from sim.ledger.messages import MessageLog
from sim.meter import Framing
from sim.nodes.fabric import Carrier
from sim.nodes.lanes import Port
from sim.nodes.shortcut import Parcel, Shortcut, Way, arrivals
from sim.wire import HEADER_BYTES, Frame, encode

_Cargo = tuple[bytes, Frame]
"""The bytes of a message, and what they say."""

_frame: Final[Callable[[type[Frame], tuple[Any, ...]], Frame]] = tuple.__new__


class Outlets(Carrier, Protocol):
    """What a ferry needs of a broker beyond what every fabric does (`brokers.api.Carrier`)."""

    def outlet(self, sender: int, topic: str, qos: int) -> Callable[[bytes], None]: ...
    def inlet(self, receiver: int, topic: str) -> deque[bytes]: ...


class Ferry(Shortcut):
    """A `Shortcut` with a carrier; only for runs without faults, and to be settled when they are over."""

    lookahead = 4

    def __init__(
        self, clock: Clock, carrier: Outlets, log: MessageLog, framing: Framing, qos: int, patience_s: float
    ) -> None:
        super().__init__(clock, log, framing)
        self.carrier = carrier
        self._outlet, self._inlet = carrier.outlet, carrier.inlet
        self.qos = qos
        self._patience_s = patience_s
        self._outlets: dict[Port, Callable[[bytes], None]] = {}
        self._missing: tuple[Any, ...] | None = None
        self._come = arrivals(log, self._fetch)

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
        src, kind, size, early = port.src, port.kind, len(payload), port.early
        if early and sample in early:
            frame, sequence = early.pop(sample)
        else:
            frame, sequence = self._give(port, sample, payload, dtype, origin, flags, expected)
        parcel = port.parcels.get(size) or self._parcel(port, size)
        parcel.published += 1
        src.sent_bytes += HEADER_BYTES + size
        said = _frame(Frame, (kind, dtype, flags, origin, expected, sample, sequence, payload))
        self._send(parcel, kind, sample, origin, (frame, said), to)

    def hand_over(
        self, port: Port, sample: int, payload: bytes, *, dtype: int, origin: int, flags: int = 0, expected: int = 0
    ) -> None:
        """As `Fabric.hand_over`."""
        port.early[sample] = self._give(port, sample, payload, dtype, origin, flags, expected)

    def _give(
        self, port: Port, sample: int, payload: bytes, dtype: int, origin: int, flags: int, expected: int
    ) -> tuple[bytes, int]:
        """Gives the carrier a message; its bytes and number."""
        src = port.src
        src.sequence = sequence = src.sequence + 1
        frame = encode(port.kind, dtype, origin, sample, sequence, payload, flags, expected)
        outlet = self._outlets.get(port)
        if outlet is None:
            outlet = self._outlets[port] = self._outlet(src.client, port.topic, self.qos)
        outlet(frame)
        return frame, sequence

    def _waste(self, way: Way, cargo: _Cargo) -> None:
        lane = way.lane
        self.carrier.discard(lane.dst.client, lane.topic, cargo[0])

    def wait(self, entry: tuple[Any, ...]) -> None:
        """Waits for the bytes of an arrival; a message that should have come and has not is a divergence."""
        way, (expected, _) = entry[4], entry[5]
        brought = self.carrier.take(way.dst.client, way.lane.topic, expected, self._patience_s)
        if brought is None:
            self._missing = entry
        else:
            way.arrived.appendleft(brought)

    def _fetch(self, entry: tuple[Any, ...]) -> bool | None:
        way, (expected, _) = entry[4], entry[5]
        if entry is self._missing:
            self.divergences += 1
            return False
        if expected in way.arrived:
            way.arrived.remove(expected)
            return True
        heappush(self.clock.queue, entry)
        return None

    def _parcel(self, port: Port, size: int) -> Parcel:
        parcel = super()._parcel(port, size)
        for way in parcel.ways:
            way.arrived = self._inlet(way.dst.client, way.lane.topic)
        return parcel
