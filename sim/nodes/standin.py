"""What a fleet whose gateways stand in for each other is made of; without such a policy none of this exists.

When a gateway fails its whole role moves: a `StandIn` on another gateway's processor and connection answers for the
same cameras with the same index, so that local exits, edge sections and the cloud stay as the network was trained. A
`control` message tells the cameras; from then on they publish on topics that end with the name of the new gateway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sim.link import Link, MeteredLink
from sim.nodes.camera import Camera
from sim.nodes.chooser import ChoosingCamera
from sim.nodes.cloud import Cloud
from sim.nodes.gateway import Gateway
from sim.nodes.lanes import Port
from sim.nodes.node import Node
from sim.wire import CONTROL, REQUEST, UINT16, Frame, Malformed, decode_nodes, encode_nodes

Ports = dict[tuple[int, int], Port]


class HostGateway(Gateway):
    """A gateway that may take over from others of its site; `hosted` are its stand-ins, at work or not."""

    __slots__ = ("hosted",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hosted: list[StandIn] = []

    def call(self, sample: int, cameras: list[int]) -> None:
        """Tells cameras to come here; `sample` is the one that is due."""
        payload = encode_nodes(cameras)
        self.services.fabric.publish(self.port(CONTROL), sample, payload, dtype=UINT16, origin=self.index, to=cameras)

    def forget(self) -> None:
        """Loses its own samples and those that it works on for others."""
        super().forget()
        for standin in self.hosted:
            standin.forget()


class StandIn(Gateway):
    """The role of `original`, played by `host`: the first one's cameras and index, the second one's machine.

    Everything that belongs to the machine (whether it runs, processor, counters, faults) is the host's, and what Eq. 1
    counts is the role's.
    """

    __slots__ = ("host", "original", "settled")

    def __init__(self, original: Gateway, host: HostGateway, **settings: Any) -> None:
        self.host, self.original, self.settled = host, original, False
        super().__init__(
            original.services,
            name=host.name,
            group=host.group,
            role="gateway",
            site=host.site,
            index=original.index,
            client=host.client,
            profile=host.profile,
            **settings,
        )
        self.settled = True
        host.hosted.append(self)

    def reserve(self, from_s: float, flops: float) -> float:
        """Queues work at the host's processor."""
        return self.host.reserve(from_s, flops)

    def backlog_s(self) -> float:
        """How long work that is queued now will have to wait."""
        return self.host.backlog_s()

    def stall(self, duration_s: float) -> None:
        """Keeps the host's processor from any further work for a time."""
        self.host.stall(duration_s)


def _shared(owner: str, name: str) -> property:
    """An attribute that a stand-in has from somebody else; what its constructor sets to begin with is not taken."""

    def read(standin: StandIn) -> Any:
        return getattr(getattr(standin, owner), name)

    def write(standin: StandIn, value: Any) -> None:
        if standin.settled:
            setattr(getattr(standin, owner), name, value)

    return property(read, write)


for _name in ("busy_s", "up", "up_since_s", "faults", "intake", "mind", "profile", "sequence"):
    setattr(StandIn, _name, _shared("host", _name))
for _name in ("sent", "sent_bytes", "received", "bytes_up", "bytes_down"):
    setattr(StandIn, _name, _shared("host", _name))
for _name in ("judged", "left"):
    setattr(StandIn, _name, _shared("original", _name))


class HostCloud(Cloud):
    """A cloud that takes a stand-in for the gateway that it stands for."""

    __slots__ = ()

    def receive(self, message: Frame, src: Node) -> None:
        """As every cloud."""
        super().receive(message, src.original if isinstance(src, StandIn) else src)


class Home(NamedTuple):
    """Where a camera publishes for one gateway."""

    ports: Ports
    uplink: Link


class Moves(Camera):
    """What makes a camera follow its gateway's role: it goes where `control` says, and answers whoever asks.

    Attributes:
        homes: by the gateway's `client`.
        at: the `client` of the gateway that it publishes for.
        told: called when it has moved, with the `client` that it left; None: nobody cares.
    """

    homes: dict[int, Home]
    at: int
    told: Callable[[Moves, int], None] | None

    def receive(self, message: Frame, src: Node) -> None:
        """A `control` message that names this camera moves it; features go to the gateway that asks for them."""
        if message.kind == CONTROL:
            self._follow(message, src)
        elif message.kind == REQUEST and src.client != self.at:
            ports, self.ports = self.ports, self.homes[src.client].ports
            super().receive(message, src)
            self.ports = ports
        else:
            super().receive(message, src)

    def _follow(self, message: Frame, src: Node) -> None:
        try:
            named = decode_nodes(message.payload)
        except Malformed:
            return
        if self.index in named and src.client != self.at:
            was = self.at
            self.settle(src.client)
            if self.told is not None:
                self.told(self, was)

    def settle(self, client: int) -> None:
        """Publishes for this gateway from now on."""
        home = self.homes[client]
        self.at = client
        self.ports = home.ports


class MovingCamera(Moves):
    """A camera that can move."""


class MovingChooser(Moves, ChoosingCamera):
    """A camera with a choice that can move; what it has measured of its radio it keeps."""

    def settle(self, client: int) -> None:
        """As every camera that moves; it keeps an eye on its new link."""
        super().settle(client)
        uplink = self.homes[client].uplink
        assert isinstance(uplink, MeteredLink)
        self.uplink = uplink
