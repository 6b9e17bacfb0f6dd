"""What all nodes have in common: identity, a processor, counters, and the services of the fleet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from sim.clock import Clock
from sim.ledger.samples import SampleBook
from sim.nodes.fabric import Fabric
from sim.nodes.inference import Inference
from sim.nodes.lanes import Message, Port
from sim.profiles import Profile
from sim.wire import EXIT, EXITS, RECORD, ExitRecord, Frame, encode_exit

REMEMBERED: Final = 4096
"""Decisions whose bytes are at hand."""


class Pictures(Protocol):
    """Which image of the data set a site sees as its `sample`-th."""

    def __call__(self, site: int, sample: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the world hands to every node.

    Attributes:
        thresholds: exit name -> T; an exit that is not named does not exist.
        flops: section name -> operations for one input.
    """

    clock: Clock
    fabric: Fabric
    book: SampleBook
    inference: Inference
    pictures: Pictures
    thresholds: dict[str, float]
    flops: dict[str, float]


Intake = Callable[[Message, Frame], bool]
Mind = Callable[[int, int], Inference]
"""By site and sample."""


class Node:
    """A camera, gateway or cloud. `index` counts the nodes of its role within the site, `client` those of the run.

    Attributes:
        up: whether it runs; messages for a node that is down are lost.
        paused: whether it stands still.
        cut_off: whether nobody hears of it although it runs: the broker, or (of a gateway) the cloud.
        spent: whether its battery is empty.
        intake: looks at a message before the node does; True: the message is dealt with. None without a fault.
        mind: the network as a gateway or the cloud has it for a sample while it is damaged; None while it is well.
        faults: names of the faults in force here, joined by `+`.
        watcher: told when a fault has changed any of this; None: nobody looks on.
    """

    __slots__ = (
        "_busy_s",
        "_free_s",
        "bytes_down",
        "bytes_up",
        "captured",
        "client",
        "cut_off",
        "faults",
        "group",
        "index",
        "intake",
        "mind",
        "name",
        "paused",
        "ports",
        "profile",
        "received",
        "role",
        "sent",
        "sent_bytes",
        "sequence",
        "services",
        "site",
        "spent",
        "up",
        "up_since_s",
        "watcher",
    )

    def __init__(
        self,
        services: Services,
        *,
        name: str,
        group: str,
        role: str,
        site: int,
        index: int,
        client: int,
        profile: Profile,
    ) -> None:
        self.services = services
        self.name = name
        self.group = group
        self.role = role
        self.site = site
        self.index = index
        self.client = client
        self.profile = profile
        self.ports: dict[tuple[int, int], Port] = {}
        self.up = True
        self.up_since_s = 0.0
        self.paused = self.cut_off = self.spent = False
        self.watcher: Callable[[Node], None] | None = None
        self.intake: Intake | None = None
        self.mind: Mind | None = None
        self.faults = ""
        self.sequence = self.captured = self.sent = self.sent_bytes = self.received = 0
        self.bytes_up = self.bytes_down = 0
        self._busy_s = self._free_s = 0.0

    @property
    def busy_s(self) -> float:
        """Processor time used so far."""
        return self._busy_s

    def reserve(self, from_s: float, flops: float) -> float:
        """Queues work at the processor (first come, first served) and returns when it is done."""
        duration_s = flops / self.profile.flops_per_second
        self._busy_s += duration_s
        self._free_s = max(self._free_s, from_s) + duration_s
        return self._free_s

    def worked_like(self, other: Node) -> None:
        """The processor did what another one did at the same times."""
        self._busy_s, self._free_s = other._busy_s, other._free_s

    def worked(self, busy_s: float) -> None:
        """The processor was used for so long, in another process."""
        self._busy_s = busy_s

    def stall(self, duration_s: float) -> None:
        """Keeps the processor from any further work for a time."""
        self._free_s = max(self._free_s, self.services.clock.now) + duration_s

    def backlog_s(self) -> float:
        """How long work that is queued now will have to wait."""
        return max(0.0, self._free_s - self.services.clock.now)

    def network(self, site: int, sample: int) -> Inference:
        """The network that judges a sample here."""
        return self.services.inference if self.mind is None else self.mind(site, sample)

    def receive(self, message: Frame, src: Node) -> None:
        """Takes a message that arrived from `src`."""
        raise NotImplementedError

    def forget(self) -> None:
        """Loses what is in memory only (a crash)."""
        raise NotImplementedError

    def speaks_for(self, message: Frame) -> bool:
        """Whether this node may send a message of the node that the header names."""
        return message.node == self.index

    def author(self, kind: int, origin: int) -> tuple[str, int]:
        """Role and index of the node that a message of this node comes from, header field `node` being `origin`."""
        return self.role, origin

    def port(self, kind: int, site: int | None = None) -> Port:
        """The port for `kind`; the cloud has one for each site."""
        return self.ports[kind, self.site if site is None else site]

    def announce(self, record: bytes, sample: int, site: int | None = None) -> None:
        """Publishes an `exit` message."""
        port = self.ports.get((EXIT, self.site if site is None else site))
        if port is not None:
            self.services.fabric.publish(port, sample, record, dtype=RECORD, origin=self.index)

    def decide(self, site: int, sample: int, exit_name: str, predicted: int, entropy: float, devices_used: int) -> None:
        """Records a decision in the sample book and announces it."""
        now_s = self.services.clock.now
        self.services.book.decide(site, sample, exit_name, predicted, entropy, now_s, devices_used)
        self.announce(_record(predicted, exit_name, devices_used, entropy), sample, site)


@lru_cache(maxsize=REMEMBERED)
def _record(predicted: int, exit_name: str, devices_used: int, entropy: float) -> bytes:
    return encode_exit(ExitRecord(predicted, EXITS.index(exit_name), min(devices_used, 255), entropy))
