"""The scenario itself: nodes, links and everything around them, in SI units, with all defaults filled in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from sim.profiles import PROFILES, RADIOS, Profile
from sim.scenario.faults import Fault
from sim.scenario.parts import Data, Exits, Hardware, Model, Mqtt, Multiview, OwnRadio, Tariffs
from sim.scenario.policies import Policies
from sim.scenario.sweeps import Sweep
from sim.scenario.tenants import Tenant
from sim.scenario.types import (
    BitRate,
    Bound,
    Duration,
    Energy,
    LinkName,
    Name,
    NodeNames,
    Part,
    Period,
    Samples,
    Seed,
    Share,
    SummaryPath,
)

Role = Literal["camera", "gateway", "cloud"]


class NodeBase(Part):
    """What nodes of every role have."""

    profile: Name = "server"
    """Hardware: a built-in profile or one of `profiles`."""
    radio: Name | None = None
    """What it sends with, built in or one of `radios`, for the energy; without it sending costs nothing."""
    battery_j: Energy | None = Field(default=None, alias="battery")
    """What its battery holds, e.g. `10 Wh`: the summary says how long it would last. (The fault `battery` kills.)"""


class Camera(NodeBase):
    """A group of cameras, or a single one."""

    role: Literal["camera"]
    """What these nodes are."""
    count: Annotated[int, Field(ge=1, le=4096)] | None = None
    """How many; they are called `cam.0`, `cam.1`, … Without it there is one, called `cam`."""
    profile: Name = "eyes-of-things"
    """Hardware: a built-in profile or one of `profiles`."""
    uplink: Name
    """Where it sends to: a gateway group or the cloud."""
    period_s: Period = Field(default=1.0, alias="period")
    """Time between two samples."""
    buffer: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    """How many samples' features a camera keeps, waiting for a request."""
    send: Literal["scores", "raw"] = "scores"
    """`raw` sends the image itself to the cloud, as a fleet without a distributed network would."""


class Gateway(NodeBase):
    """A group of gateways, or a single one."""

    role: Literal["gateway"]
    """What these nodes are."""
    count: Annotated[int, Field(ge=1, le=4096)] | None = None
    """How many; cameras are dealt to them in contiguous blocks. Without it there is one."""
    profile: Name = "raspberry-pi-3b"
    """Hardware: a built-in profile or one of `profiles`."""
    uplink: Name
    """Where it sends to: the cloud."""
    wait_s: Duration = Field(default=0.2, alias="wait")
    """How long to wait for the cameras that are still missing."""


class Cloud(NodeBase):
    """The cloud: one, for all sites."""

    role: Literal["cloud"]
    """What this node is."""
    wait_s: Duration = Field(default=1.0, alias="wait")
    """How long to wait for the inputs that are still missing."""


Node = Camera | Gateway | Cloud
NodeField = Annotated[Node, Field(discriminator="role")]


class Link(Part):
    """The modelled path between two nodes; the way back is the same unless given."""

    bandwidth_bps: BitRate = Field(alias="bandwidth")
    """Bits per second."""
    latency_s: Duration = Field(default=0.0, alias="latency")
    """Propagation delay."""
    jitter_s: Duration = Field(default=0.0, alias="jitter")
    """Spread of the delay."""
    loss: Share = 0.0
    """Share of transmissions that are lost: a percentage or a number from 0 to 1."""
    queue: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1000
    """How many messages may wait; more are dropped."""


@dataclass(frozen=True, slots=True)
class NodeInstance:
    """One node of one site.

    Attributes:
        name: `cam.3` in a group with a count, else the name of the group.
        group: name of the group.
        index: position in the group, from 0.
        role: what it is.
        config: the group's settings.
        uplink: name of the node it sends to, None for the cloud.
    """

    name: str
    group: str
    index: int
    role: Role
    config: Node
    uplink: str | None


class Scenario(Part):
    """A fleet, the network it runs, and what is to happen to it."""

    name: Name
    """Names the folder of the runs and their MQTT topics."""
    seed: Seed = 0
    """Every random choice of a run follows from it."""
    samples: Samples = "all"
    """How many test samples each site captures, or `all`."""
    sites: Annotated[int, Field(ge=1, le=100_000)] = 1
    """How many times everything below the cloud exists."""
    data: Data = Multiview(kind="multiview")
    """What the cameras see."""
    model: Model = Model()
    """The distributed network."""
    exits: Exits = Exits()
    """Thresholds of the exits below the cloud."""
    nodes: Annotated[dict[Name, NodeField], Field(min_length=1)]
    """Groups of nodes by name."""
    links: Annotated[dict[LinkName, Link], Field(min_length=1)]
    """Links by `from->to`, both names of groups."""
    policies: Policies = Policies()
    """Who decides what is sent; without it, the protocol of the paper."""
    mqtt: Mqtt = Mqtt()
    """How messages cross the broker."""
    profiles: dict[Name, Hardware] = Field(default_factory=dict)
    """Hardware profiles of your own."""
    radios: dict[Name, OwnRadio] = Field(default_factory=dict)
    """Radios of your own."""
    tariffs: Tariffs = Tariffs()
    """Prices."""
    tenants: dict[Name, Tenant] = Field(default_factory=dict)
    """Who uses which part of the fleet, and how much of it at most; what is nobody's is the operator's."""
    down: NodeNames = ()
    """Nodes that are down from the start to the end, e.g. `[cam.1, cam.3]`; of every site."""
    faults: tuple[Fault, ...] = ()
    """What goes wrong, when and where."""
    sweep: Sweep | None = None
    """What to vary in `fogfleet sweep`."""
    expect: dict[SummaryPath, Bound] = Field(default_factory=dict)
    """Bounds on the summary of a run; a run outside them ends with exit code 1."""

    _path: Path = PrivateAttr(default=Path("<string>"))

    @property
    def path(self) -> Path:
        """Where the scenario was read from; relative data paths resolve against its folder."""
        return self._path

    @property
    def cameras(self) -> int:
        """Number of cameras of one site."""
        return sum(node.count or 1 for node in self.nodes.values() if node.role == "camera")

    def expanded(self) -> tuple[NodeInstance, ...]:
        """Every node of one site, in the order of the file; the cloud is shared by all sites."""
        return tuple(
            NodeInstance(name, group, index, config.role, config, self._uplink(config, index))
            for group, config in self.nodes.items()
            for index, name in enumerate(instance_names(group, _count(config)))
        )

    def link_for(self, source: str, target: str) -> Link:
        """The link between two groups: the one given, else the mirror of its opposite.

        Raises:
            KeyError: no such link; a valid scenario has one for every uplink.
        """
        direct = self.links.get(f"{source}->{target}")
        return direct if direct is not None else self.links[f"{target}->{source}"]

    def profile_of(self, node: NodeBase) -> Profile:
        """The hardware of a node; the scenario's own profiles come before the built-in ones."""
        own = self.profiles.get(node.profile)
        if own is None:
            return PROFILES[node.profile]
        return Profile(own.flops_per_second, own.idle_w, own.busy_w, own.source)

    def joules_per_byte(self, node: NodeBase) -> float:
        """What sending costs a node; the scenario's own radios come before the built-in ones."""
        if node.radio is None:
            return 0.0
        own = self.radios.get(node.radio)
        return RADIOS[node.radio].joules_per_byte if own is None else own.joules_per_byte

    def to_json(self) -> dict[str, Any]:
        """The scenario with all its defaults, as a file could hold it; loading that gives the same scenario."""
        return self.model_dump(mode="json", by_alias=True)

    def _uplink(self, config: Node, index: int) -> str | None:
        if config.role == "cloud":
            return None
        target = self.nodes[config.uplink]
        names = instance_names(config.uplink, _count(target))
        return names[dealt(index, config.count or 1, len(names))]


def _count(config: Node) -> int | None:
    return None if config.role == "cloud" else config.count


def instance_names(group: str, count: int | None) -> tuple[str, ...]:
    """Names of the nodes of a group."""
    return (group,) if count is None else tuple(f"{group}.{index}" for index in range(count))


def dealt(index: int, count: int, targets: int) -> int:
    """Which of `targets` uplink nodes member `index` of `count` belongs to: contiguous, equally large blocks."""
    return index * targets // count
