"""Who sends what to whom: ports, their lanes, and the messages on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sim.clock import CROSSING
from sim.link import Link, Passage
from sim.meter import Cost
from sim.wire import HEADER_BYTES

if TYPE_CHECKING:
    from sim.nodes.fabric import Fabric
    from sim.nodes.node import Node
    from sim.nodes.shortcut import Parcel


class Lane:
    """One kind of message between two nodes: its link, its receiver, its number in the ledger."""

    __slots__ = ("_crossed", "around", "dst", "link", "messages", "number", "payload_bytes", "port", "src", "topic")

    def __init__(self, src: Node, dst: Node, link: Link, port: Port, number: int) -> None:
        self.src = src
        self.dst = dst
        self.link = link
        self.port = port
        self.topic = port.topic
        self.number = number
        self.around: Around | None = None
        self.messages = 0
        self._crossed = 0
        self.payload_bytes = 0

    def crossing(self) -> int | None:
        """The number on the clock of the next message on its way; None within a site, where order is enough."""
        if self.src.site >= 0 and self.dst.site >= 0:
            return None
        self._crossed += 1
        return (self.number + 1) * CROSSING + self._crossed

    @property
    def site(self) -> int:
        """The site that the lane belongs to; the cloud itself belongs to none."""
        return self.dst.site if self.src.site < 0 else self.src.site


class Port:
    """Where a node publishes one kind of message: a topic and the lanes to its subscribers.

    Attributes:
        costs: payload size -> cost of one leg; its keys are the sizes that the node has published here.
        parcels: the same as the shortcut keeps it.
        tampered: whether a fault sits on one of the lanes.
        early: bytes and number of messages, by sample, that the carrier was given ahead of their time.
    """

    __slots__ = ("costs", "early", "kind", "lanes", "parcels", "src", "tampered", "topic")

    def __init__(self, src: Node, kind: int, topic: str) -> None:
        self.src = src
        self.kind = kind
        self.topic = topic
        self.lanes: list[Lane] = []
        self.costs: dict[int, Cost] = {}
        self.parcels: dict[int, Parcel] = {}
        self.tampered = False
        self.early: dict[int, tuple[bytes, int]] = {}


class Message(NamedTuple):
    """A message on its lane, as a fault sees it.

    Attributes:
        kind: as in `sim.wire`.
        origin: index of the node that the payload comes from.
        frame: header and payload, as bytes.
        fault: names of the faults that touched it, joined by `+`.
        copy: its publish, where that may still wait or differ from lane to lane; None: published already.
        passage: what its link made of it, once that is known.
    """

    lane: Lane
    kind: int
    origin: int
    sample: int
    frame: bytes
    cost: Cost
    legs: int
    sent_s: float
    fault: str = ""
    copy: Copy | None = None
    passage: Passage | None = None

    @property
    def payload(self) -> bytes:
        """The frame without its header."""
        return self.frame[HEADER_BYTES:]

    def with_frame(self, frame: bytes) -> Message:
        """This message with other bytes."""
        return self._replace(frame=frame)


Around = Callable[[Message], None]
Gate = Callable[[Message], bool]


class Copy:
    """One publish under faults: it goes to the carrier when the first of its lanes needs it, if any ever does."""

    __slots__ = ("_claimed", "_declined", "_fabric", "_frame", "_port", "sender")

    def __init__(self, fabric: Fabric, port: Port, frame: bytes, sender: int) -> None:
        self._fabric = fabric
        self._port = port
        self._frame = frame
        self.sender = sender
        self._claimed: set[Lane] = set()
        self._declined: list[Lane] = []

    def claim(self, lane: Lane) -> None:
        """The message travels on `lane` now; claiming twice is claiming once."""
        if not self._claimed:
            self._fabric.carrier.publish(self.sender, self._port.topic, self._frame, self._fabric.qos)
            for other in self._declined:
                self._fabric.overhear(other, self._frame)
        self._claimed.add(lane)

    def decline(self, lane: Lane) -> None:
        """The message will never be taken at the end of `lane`."""
        if self._claimed:
            self._fabric.overhear(lane, self._frame)
        else:
            self._declined.append(lane)
