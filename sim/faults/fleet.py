"""What faults share in one run: the handles, gates and chains of the fleet, each made on first use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sim.clock import Clock
from sim.faults.chain import Chain
from sim.faults.context import Context
from sim.faults.gate import Gate
from sim.faults.handles import LinkHandle, NodeHandle
from sim.faults.machinery import Machinery
from sim.faults.tamper import Mind, Sight, Tamper
from sim.faults.targets import FleetView
from sim.faults.variants import Variants
from sim.ledger.faults import FaultLog
from sim.link import Link
from sim.nodes.camera import Camera
from sim.nodes.fabric import Fabric
from sim.nodes.lanes import Lane
from sim.nodes.node import Node


@dataclass(frozen=True)
class Surroundings:
    """What the world hands to the faults of a run.

    Attributes:
        nodes: all nodes with their full names, e.g. `site-0/cam.3`.
        horizon_s: when the last sample is due; nothing begins after it.
        keeps: what the broker has taken survives its death and the absence of a subscriber.
        image_shape: of one camera frame, `(3, height, width)`.
        parts: by role, what its nodes have of the network: weights of their own, features that they make.
        energy_j: what a node has used so far.
        base: folder of the scenario, for trace files.
    """

    clock: Clock
    fabric: Fabric
    nodes: Sequence[tuple[str, Node]]
    links: dict[str, Link]
    lanes: Sequence[Lane]
    seed: int
    horizon_s: float
    keeps: bool
    image_shape: tuple[int, ...]
    machinery: Machinery
    networks: Variants
    parts: Mapping[str, Collection[str]]
    energy_j: Callable[[Node], float]
    best_camera: Callable[[], str]
    base: Path
    log: FaultLog


@dataclass
class Equipment:
    """Handles, gate and chains over the surroundings."""

    around: Surroundings
    gate: Gate = field(init=False)
    view: FleetView = field(init=False)
    _chains: dict[Lane, Chain] = field(default_factory=dict)
    _tampers: dict[str, Tamper] = field(default_factory=dict)

    def __post_init__(self) -> None:
        around = self.around
        self.gate = Gate(around.fabric, keeps=around.keeps)
        nodes = [NodeHandle(node, name, self.gate, around.machinery, around.energy_j) for name, node in around.nodes]
        links = {key: LinkHandle(link, self.gate) for key, link in around.links.items()}
        clients = {handle.node.client: handle for handle in nodes}
        for lane in around.lanes:
            links[lane.link.key].lanes.append(lane)
            clients[lane.src.client].sends.append(lane)
            if (lane.src.role, lane.dst.role) == ("gateway", "cloud"):
                links[lane.link.key].gateway = clients[lane.src.client]
        for key, handle in links.items():
            site, _, ends = key.partition("/")
            src, _, dst = ends.partition("->")
            handle.reverse = links.get(f"{site}/{dst}->{src}", handle)
        self.view = FleetView(nodes, list(links.values()), around.parts, around.best_camera)

    @property
    def clock(self) -> Clock:
        """Virtual time."""
        return self.around.clock

    @property
    def fabric(self) -> Fabric:
        """What carries messages."""
        return self.around.fabric

    @property
    def machinery(self) -> Machinery:
        """The real broker, if there is one."""
        return self.around.machinery

    @property
    def log(self) -> FaultLog:
        """The ledger's rows."""
        return self.around.log

    def context(self, fault_id: str, target: str) -> Context:
        """The context of one fault on one target."""
        around = self.around
        return Context(around.clock, around.seed, fault_id, target, around.horizon_s, around.networks)

    def chain(self, lane: Lane) -> Chain:
        """The chain of a lane."""
        chain = self._chains.get(lane)
        if chain is None:
            chain = self._chains[lane] = Chain(lane, self.around.fabric)
        return chain

    def tamper(self, handle: NodeHandle) -> Tamper:
        """The sight of a camera, or the mind of a gateway or the cloud."""
        found = self._tampers.get(handle.name)
        if found is None:
            node = handle.node
            found = Sight(node, self.around.image_shape) if isinstance(node, Camera) else Mind(node)
            self._tampers[handle.name] = found
        return found
