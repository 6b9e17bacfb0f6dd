"""The fabric of a run in memory in which nothing can touch a message: no bytes are made, everything else is the same.

Links, ledger, counters and the order of events are those of `Fabric`. What a message of one size on one lane costs is
reckoned once, a hop is one tuple on the heap, and counters are settled at the end.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Collection
from typing import Any, Final

from sim.clock import NORMAL, Clock
from sim.errors import InvariantError
from sim.ledger.messages import MessageLog
from sim.link import Delays, Link, Stream
from sim.meter import Framing
from sim.nodes.fabric import Fabric
from sim.nodes.lanes import Lane, Port
from sim.nodes.parts import Parts
from sim.wire import HEADER_BYTES, Frame

_frame: Final[Callable[[type[Frame], tuple[Any, ...]], Frame]] = tuple.__new__


_EMPTY: Final[deque[bytes]] = deque(maxlen=0)


class Way:
    """Messages of one size on one lane.

    Attributes:
        duration_s: on the link.
        latency_s: of a link without jitter and loss; `delays`: of one with.
        queue: with more than so many messages that leave, the link must be asked whether it takes another.
        first, further: codes for the ledger, sent once: of the lane that pays for both legs, of others.
        messages: how many there were.
        arrived: what a carrier has brought and nobody has taken; always empty without a carrier.
        put: puts an arrival down for the receiver; crosses: whether it is another than the sender's, or may be.
    """

    __slots__ = (
        "arrived",
        "crosses",
        "delays",
        "dst",
        "duration_s",
        "first",
        "further",
        "index",
        "lane",
        "latency_s",
        "link",
        "messages",
        "put",
        "queue",
        "site",
        "src",
    )  # fmt: skip

    def __init__(
        self,
        lane: Lane,
        link_bytes: int,
        first: int,
        further: int,
        delays: Delays | None,
        put: Callable[[tuple[Any, ...]], object],
    ) -> None:
        link, model = lane.link, lane.link.model
        self.lane = lane
        self.link = link
        self.src = lane.src
        self.dst = lane.dst
        self.index = lane.dst.index
        self.site = link.site
        self.duration_s = link_bytes * 8.0 / model.bandwidth_bps
        self.latency_s = max(0.0, model.latency_s)
        self.delays = delays
        self.queue = -1 if type(link) is not Link else sys.maxsize if model.queue is None else model.queue
        self.first = 1 << 56 | first
        self.further = 1 << 56 | further
        self.messages = 0
        self.arrived: deque[bytes] = _EMPTY
        self.put = put
        self.crosses = lane.src.site < 0 or lane.dst.site < 0


class Parcel:
    """Messages of one size on one port."""

    __slots__ = ("link_bytes", "overheard_bytes", "payload_bytes", "published", "ways")

    def __init__(self, payload_bytes: int, link_bytes: int, overheard_bytes: int, ways: tuple[Way, ...]) -> None:
        self.payload_bytes = payload_bytes
        self.link_bytes = link_bytes
        self.overheard_bytes = overheard_bytes
        self.ways = ways
        self.published = 0


class _Nothing:
    """Where there is nothing to carry, something that wants to be carried has gone astray."""

    def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None:
        raise InvariantError(f"{topic}: there is no carrier")

    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None:
        raise InvariantError(f"{topic}: there is no carrier")

    def discard(self, receiver: int, topic: str, payload: bytes) -> None:
        raise InvariantError(f"{topic}: there is no carrier")


class Shortcut(Fabric):
    """A `Fabric` without a carrier; only for runs without faults, and to be settled when they are over.

    Attributes:
        parts: the queues that messages go to; to be set before the first one.
        settlers: called first of all when the run is settled; they may have counted something by themselves.
    """

    parts: Parts

    def __init__(self, clock: Clock, log: MessageLog, framing: Framing) -> None:
        super().__init__(clock, _Nothing(), log, framing, 0, 0.0)
        self._delays: dict[Stream, Delays] = {}
        self._parcels: list[tuple[Port, Parcel]] = []
        self._come = arrivals(log)
        self._number = clock.number
        self.settlers: list[Callable[[], None]] = []

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
        size, kind = len(payload), port.kind
        parcel = port.parcels.get(size) or self._parcel(port, size)
        parcel.published += 1
        port.src.sent_bytes += HEADER_BYTES + size
        frame = _frame(Frame, (kind, dtype, flags, origin, expected, sample, 0, payload))
        self._send(parcel, kind, sample, origin, frame, to)

    def _send(
        self, parcel: Parcel, kind: int, sample: int, origin: int, cargo: object, to: Collection[int] | None
    ) -> None:
        """Sends `cargo` on its ways."""
        now_s, word, paid = self.clock._now, sample << 24 | origin << 8 | kind, False
        for way in parcel.ways:
            if to is not None and way.index not in to:
                self.overheard_bytes += parcel.overheard_bytes
                self._waste(way, cargo)
                continue
            way.messages += 1
            code = (way.further if paid else way.first) | sample
            paid = True
            link, delay_s = way.link, way.latency_s
            if way.delays is not None:
                row = way.delays.rows.get(word)
                delay_s = way.delays.at(way.site, kind, sample, origin) if row is None else row[way.site]
            begins_s, leaving = link.free_s, link.leaving
            if begins_s <= now_s:
                begins_s = now_s
                leaving.clear()
            queued_s = begins_s - now_s
            if delay_s < 0.0 or len(leaving) > way.queue:
                arrives_s, lost, attempts, queued_s = link.send(now_s, parcel.link_bytes, kind, sample, origin)
                code += attempts - 1 << 56
                if arrives_s is None:
                    self.log.lost_code(now_s, code, lost or "link", "", queued_s, now_s)
                    self._waste(way, cargo)
                    continue
            else:
                link.free_s = free_s = begins_s + way.duration_s
                leaving.append(free_s)
                arrives_s = free_s + delay_s
                if arrives_s > link.last_arrival_s:
                    link.last_arrival_s = arrives_s
                else:
                    arrives_s = link.last_arrival_s
            number = way.lane.crossing() if way.crosses else self._number()
            way.put((arrives_s, NORMAL, number, self._come, way, cargo, now_s, code, queued_s))

    def _waste(self, way: Way, cargo: Any) -> None:
        """Something will not be taken at the end of a way."""

    def wait(self, entry: tuple[Any, ...]) -> None:
        """Waits for what an entry of the clock needs of the world outside."""
        raise InvariantError(f"nothing comes from outside, and something waits for it: {entry}")

    def settle(self) -> None:
        """Adds up what nodes and lanes sent and received; the log must be closed."""
        for settler in self.settlers:
            settler()
        self.settlers.clear()
        for port, parcel in self._parcels:
            src = port.src
            src.sent += parcel.published
            src.bytes_up += parcel.published * parcel.link_bytes
            for way in parcel.ways:
                way.lane.messages += way.messages
                way.lane.payload_bytes += way.messages * parcel.payload_bytes
                arrived = self.log.arrivals(way.first)
                if len(parcel.ways) > 1:
                    arrived += self.log.arrivals(way.further)
                way.dst.received += arrived
                way.dst.bytes_down += arrived * parcel.link_bytes
        self._parcels.clear()

    def overheard(self, port: Port, payload_bytes: int) -> int:
        """MQTT bytes of a message of this size that comes to a subscriber it is not meant for."""
        return HEADER_BYTES + payload_bytes + self.price(port, payload_bytes).mqtt_bytes

    def delays(self, link: Link) -> Delays | None:
        """The delays of a link with jitter or loss; None: it has neither."""
        if not link.model.loss and not link.model.jitter_s:
            return None
        found = self._delays.get(link.stream)
        if found is None:
            found = self._delays[link.stream] = Delays(link.stream, link.model)
            link.stream.alone = True
        return found

    def _parcel(self, port: Port, size: int) -> Parcel:
        cost = self.price(port, size)
        link_bytes = cost.link_bytes
        both = size, 2 * cost.mqtt_bytes, 2 * cost.tcpip_bytes, link_bytes
        last = size, cost.mqtt_bytes, cost.tcpip_bytes, link_bytes
        code, several, ways = self.log.new_code, len(port.lanes) > 1, []
        for lane in port.lanes:
            first, further = code(lane.number, both), code(lane.number, last) if several else 0
            ways.append(Way(lane, link_bytes, first, further, self.delays(lane.link), self.parts.outlet(lane.dst.site)))
        parcel = port.parcels[size] = Parcel(size, link_bytes, self.overheard(port, size), tuple(ways))
        self._parcels.append((port, parcel))
        return parcel


def arrivals(
    log: MessageLog, fetch: Callable[[tuple[Any, ...]], bool | None] | None = None
) -> Callable[[tuple[Any, ...]], bool]:
    """What happens when a message comes to its receiver: an entry for the clock.

    Args:
        fetch: whether a carrier has brought the bytes of an entry, in another than the usual order; None: not yet, and
            the entry is back on its queue. The cargo is then the bytes and what they say. Without a `fetch` there is
            no carrier, and the cargo is what bytes would say.
    """
    sent, arrived, queued, add = log.sent_s.append, log.arrived_s.append, log.queued_s.append, log.codes.append

    def come(entry: tuple[Any, ...]) -> bool:
        now_s, _, _, _, way, frame, sent_s, code, queued_s = entry
        dst = way.dst
        if fetch is not None:
            expected, frame = frame
            brought = way.arrived
            if brought and brought[0] == expected:
                brought.popleft()
            elif not (there := fetch(entry)):
                if there is not None:
                    log.lost_code(sent_s, code, "divergence", "", queued_s, now_s)
                return there is None
        if not dst.up:
            log.lost_code(sent_s, code, "node-down", "", queued_s, now_s)
            return False
        sent(sent_s)
        arrived(now_s)
        queued(queued_s)
        add(code)
        dst.receive(frame, way.src)
        return False

    return come
