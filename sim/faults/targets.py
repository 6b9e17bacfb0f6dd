"""To whom a fault happens: the targets of an entry, found in a fleet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from sim.errors import UsageError
from sim.faults.base import BrokerFault, FaultKind, LinkFault, MessageFault, ModelFault, NodeFault, SensorFault
from sim.faults.handles import LinkHandle, NodeHandle
from sim.nodes.lanes import Lane
from sim.nodes.node import Node
from sim.scenario import Fault
from sim.scenario.targets import BEST_CAMERA, BROKER, Term, matches, terms

ROLES = ("camera", "gateway", "cloud")


@dataclass(frozen=True)
class Target:
    """One thing that a fault is on; what it consists of depends on the kind.

    Attributes:
        name: e.g. `site-0/cam.3`, `site-0/cam.3->gw`, `broker`.
        nodes: the node, or all clients that a broker fault is about.
        lanes: the messages that it is about.
    """

    name: str
    nodes: tuple[NodeHandle, ...] = ()
    links: tuple[LinkHandle, ...] = ()
    lanes: tuple[Lane, ...] = ()


@dataclass
class FleetView:
    """The fleet as targets see it.

    Attributes:
        parts: by role, what its nodes have of the network: weights of their own, features that they make.
        best_camera: gives the name of the camera that is right most often.
    """

    nodes: Sequence[NodeHandle]
    links: Sequence[LinkHandle]
    parts: Mapping[str, Collection[str]]
    best_camera: Callable[[], str]
    _best: list[str] = field(default_factory=list)

    def find(self, fault: Fault) -> list[Target]:
        """The targets of an entry, in the order of the fleet.

        Raises:
            UsageError: there is none, or the kind cannot happen to what is named.
        """
        kind = fault.effect
        assert isinstance(kind, FaultKind)
        wanted = terms(fault.target)
        if isinstance(kind, BrokerFault):
            found = self._broker(wanted)
        elif isinstance(kind, LinkFault):
            found = self.links_of(wanted)
        elif isinstance(kind, MessageFault):
            found = [*self.links_of([term for term in wanted if term.is_link]), *self._senders(wanted)]
        else:
            found = self.nodes_of(wanted, self._roles(kind))
        if not found:
            raise UsageError(
                f"fault {kind.name()!r}: {self._can(kind)}; the target {fault.target!r} names nothing of the kind"
            )
        return found

    def nodes_of(self, wanted: Sequence[Term], roles: tuple[str, ...] = ROLES) -> list[Target]:
        """The nodes of these roles that the terms name."""
        return [
            Target(handle.name, nodes=(handle,))
            for handle in self.nodes
            if handle.node.role in roles and any(self._is(term, handle.node, handle.name) for term in wanted)
        ]

    def _senders(self, wanted: Sequence[Term]) -> list[Target]:
        """Nodes as the publishers of messages; the broker stands for all of them."""
        everything = any(term.first == BROKER for term in wanted)
        return [
            Target(handle.name, nodes=(handle,), lanes=tuple(handle.lanes()))
            for handle in self.nodes
            if everything or any(self._is(term, handle.node, handle.name) for term in wanted)
        ]

    def links_of(self, wanted: Sequence[Term]) -> list[Target]:
        """Links by both of their ends; a node stands for the links on which it sends."""
        found = []
        for handle in self.links:
            lane = handle.lanes[0]
            site = handle.name.partition("/")[0]
            if any(self._joins(term, lane.src, lane.dst, site) for term in wanted):
                found.append(Target(handle.name, links=(handle,), lanes=tuple(handle.lanes)))
        return found

    def _broker(self, wanted: Sequence[Term]) -> list[Target]:
        if any(term.first in (BROKER, "*") and not term.is_link for term in wanted):
            return [Target(BROKER, nodes=tuple(self.nodes))]
        clients = tuple(h for h in self.nodes if any(self._is(term, h.node, h.name) for term in wanted))
        return [Target("+".join(handle.name for handle in clients), nodes=clients)] if clients else []

    def _joins(self, term: Term, src: Node, dst: Node, site: str) -> bool:
        if not fnmatchcase(site, term.site) or not self._fits(term.first, src):
            return False
        return term.second is None or self._fits(term.second, dst)

    def _is(self, term: Term, node: Node, name: str) -> bool:
        site = name.partition("/")[0] if node.site >= 0 else "*"
        return not term.is_link and (fnmatchcase(site, term.site) or node.site < 0) and self._fits(term.first, node)

    def _fits(self, pattern: str, node: Node) -> bool:
        if pattern == BEST_CAMERA:
            if not self._best:
                self._best.append(self.best_camera())
            return node.name == self._best[0]
        return matches(pattern, node.name, node.group, node.role)

    def _roles(self, kind: FaultKind) -> tuple[str, ...]:
        if isinstance(kind, SensorFault):
            return ("camera",)
        if isinstance(kind, ModelFault):
            return tuple(role for role in ROLES if kind.needs in self.parts.get(role, ()))
        assert isinstance(kind, NodeFault)
        return kind.roles

    def _can(self, kind: FaultKind) -> str:
        if isinstance(kind, BrokerFault):
            return "it happens to the broker or its clients"
        if isinstance(kind, LinkFault):
            return "it happens to links"
        if isinstance(kind, MessageFault):
            return "it happens to messages of nodes or links"
        needs = f" with {kind.needs}" if isinstance(kind, ModelFault) else ""
        return f"it happens to nodes{needs} of the role {' or '.join(self._roles(kind))}"
