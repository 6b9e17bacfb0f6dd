"""The fabric of a run over a broker in which nothing can touch a message: the shortcut, with bytes that really travel.

What a node reads are the bytes that the carrier brought. These are equal to what was sent, or `take` would not have
given them out; so their header is known, and is not parsed again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final, Protocol

from sim.clock import Clock
from sim.ledger.messages import MessageLog
from sim.meter import Framing
from sim.nodes.fabric import Carrier
from sim.nodes.lanes import Port
from sim.nodes.shortcut import Shortcut, Way, arrivals
from sim.wire import HEADER_BYTES, Frame, encode

_Cargo = tuple[bytes, tuple[int, int, int, int, int, int, int]]
"""The bytes of a message, and what their header says."""

_frame: Final[Callable[[type[Frame], tuple[Any, ...]], Frame]] = tuple.__new__


class Outlets(Carrier, Protocol):
    """What a ferry needs of a broker beyond what every fabric does (`brokers.api.Carrier`)."""

    def outlet(self, sender: int, topic: str, qos: int) -> Callable[[bytes], None]: ...


class Ferry(Shortcut):
    """A `Shortcut` with a carrier; only for runs without faults, and to be settled when they are over."""

    def __init__(
        self, clock: Clock, carrier: Outlets, log: MessageLog, framing: Framing, qos: int, patience_s: float
    ) -> None:
        super().__init__(clock, log, framing)
        self.carrier = carrier
        self._outlet = carrier.outlet
        self.qos = qos
        self._patience_s = patience_s
        self._outlets: dict[Port, Callable[[bytes], None]] = {}
        self._come = arrivals(log, self._brings)

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
        src, kind, size = port.src, port.kind, len(payload)
        src.sequence = sequence = src.sequence + 1
        frame = encode(kind, dtype, origin, sample, sequence, payload, flags, expected)
        outlet = self._outlets.get(port)
        if outlet is None:
            outlet = self._outlets[port] = self._outlet(src.client, port.topic, self.qos)
        outlet(frame)
        parcel = port.parcels.get(size) or self._parcel(port, size)
        parcel.published += 1
        src.sent_bytes += HEADER_BYTES + size
        header = kind, dtype, flags, origin, expected, sample, sequence
        self._send(parcel, kind, sample, origin, (frame, header), to)

    def _waste(self, way: Way, cargo: _Cargo) -> None:
        lane = way.lane
        self.carrier.discard(lane.dst.client, lane.topic, cargo[0])

    def _brings(self, way: Way, cargo: _Cargo) -> Frame | None:
        """What the carrier has brought; a message that should have come and has not is a divergence."""
        frame, header = cargo
        brought = self.carrier.take(way.dst.client, way.lane.topic, frame, self._patience_s)
        if brought is None:
            self.divergences += 1
            return None
        return _frame(Frame, (*header, brought[HEADER_BYTES:]))
