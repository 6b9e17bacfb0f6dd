"""What faults of nodes and links hold in their hands: everything one can do to them, and undo.

Every action is a context manager: entering does it, leaving undoes it, and several may overlap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

import simpy

from sim.clock import Call
from sim.faults.gate import NODE_DOWN, Gate
from sim.faults.listing import listed
from sim.faults.machinery import Machinery
from sim.ledger.faults import joined
from sim.link import Link, LinkModel
from sim.nodes.camera import Camera
from sim.nodes.lanes import Lane, Message
from sim.nodes.node import Node
from sim.wire import Frame

Change = Callable[[LinkModel], LinkModel]


class NodeHandle:
    """A camera, gateway or cloud in the hands of a fault.

    Attributes:
        node: the node itself.
        name: with its site, e.g. `site-0/cam.3`.
        sends: its lanes, in the order of the fleet.
    """

    def __init__(
        self, node: Node, name: str, gate: Gate, machinery: Machinery, energy_j: Callable[[Node], float]
    ) -> None:
        self.node = node
        self.name = name
        self.sends: list[Lane] = []
        self._gate = gate
        self._machinery = machinery
        self._energy_j = energy_j
        self._names: Counter[str] = Counter()
        self._downs = 0
        self._pauses = self._sleeps = self._cuts = 0
        self._asleep: list[tuple[float, Call]] = []
        self._held: list[tuple[Message, Frame]] = []
        self._factors: list[float] = []
        self._speed = node.profile.flops_per_second
        self._intakes: list[Callable[[Message, Frame], bool]] = []
        self._skews: list[Callable[[float], float]] = []

    @property
    def energy_j(self) -> float:
        """Joules that the node has used so far."""
        return self._energy_j(self.node)

    @contextmanager
    def named(self, fault: str) -> Iterator[None]:
        """Puts the fault's name on all that the node sends, loses and misses."""
        self._names[fault] += 1
        self.node.faults = "+".join(self._names)
        self._tell()
        try:
            yield
        finally:
            self._names[fault] -= 1
            self._names += Counter()
            self.node.faults = "+".join(self._names)
            self._tell()

    def _tell(self) -> None:
        """Lets whoever watches the node know that something has changed."""
        if self.node.watcher is not None:
            self.node.watcher(self.node)

    @contextmanager
    def down(self, *, forgets: bool = True) -> Iterator[None]:
        """The node is dead, its connection closed. If it `forgets`, what it was working on and had buffered is gone."""
        node = self.node
        self._downs += 1
        node.up = False
        if forgets:
            node.forget()
            self._gate.forsake(lambda message: message.lane.src.client == node.client, node.faults, NODE_DOWN)
        self._tell()
        self._machinery.reset([node.client], self._gate.in_flight())
        try:
            with self._asleep_for(), self._gate.away(node.client, node.faults, NODE_DOWN):
                try:
                    yield
                finally:
                    self._machinery.reconnect([node.client])
        finally:
            self._downs -= 1
            if not self._downs:
                node.up = True
                node.up_since_s = node.services.clock.now
                self._tell()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The node stands still: what comes waits at its door, its own work goes on later."""
        with self._asleep_for(), self._frozen(), self.intake(self._hold):
            yield
        held, self._held = self._held, []
        for message, parsed in held:
            self.node.services.fabric.admit(message, parsed)

    def _hold(self, message: Message, parsed: Frame) -> bool:
        self._held.append((self._touched(message), parsed))
        return True

    def abandon(self) -> None:
        """Ends what still waits at the door of a paused node when a run ends."""
        held, self._held = self._held, []
        for message, _ in held:
            self.refuse(message, "node-paused")

    @contextmanager
    def _asleep_for(self) -> Iterator[None]:
        """Takes the node's own appointments from the clock; what is due meanwhile happens at the end."""
        node, clock = self.node, self.node.services.clock
        self._sleeps += 1
        self._asleep += clock.withdraw(lambda call: _is_of(call, node))
        try:
            yield
        finally:
            self._sleeps -= 1
            if not self._sleeps:
                asleep, self._asleep = self._asleep, []
                for when_s, call in asleep:
                    clock.restore(when_s, call)

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        """A paused camera finishes what it was capturing at the end."""
        node = self.node
        self._pauses += 1
        node.paused = True
        self._tell()
        if isinstance(node, Camera) and node.thaw is None:
            node.thaw = simpy.Event(node.services.clock)
        try:
            yield
        finally:
            self._pauses -= 1
            if not self._pauses:
                node.paused = False
                self._tell()
                if isinstance(node, Camera) and node.thaw is not None:
                    node.thaw.succeed()
                    node.thaw = None

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """The node is well, but whoever waits for it hears nothing; its last will speaks for it."""
        self._cuts += 1
        self.node.cut_off = True
        self._tell()
        try:
            yield
        finally:
            self._cuts -= 1
            if not self._cuts:
                self.node.cut_off = False
                self._tell()

    def slowed(self, factor: float) -> AbstractContextManager[None]:
        """The processor takes `factor` times as long for work that begins from now on."""
        return listed(self._factors, factor, self._set_speed)

    def _set_speed(self) -> None:
        speed = self._speed
        for factor in self._factors:
            speed /= factor
        self.node.profile = replace(self.node.profile, flops_per_second=speed)

    def skewed(self, true_time: Callable[[float], float]) -> AbstractContextManager[None]:
        """A camera whose clock is wrong: `true_time` of what it shows."""
        return listed(self._skews, true_time, self._set_skew)

    def _set_skew(self) -> None:
        assert isinstance(self.node, Camera)
        self.node.skew = self._skew if self._skews else None

    def _skew(self, shown_s: float) -> float:
        return shown_s + sum(true_time(shown_s) - shown_s for true_time in self._skews)

    def intake(self, look: Callable[[Message, Frame], bool]) -> AbstractContextManager[None]:
        """Lets `look` see each message before the node does; where it says True the node never sees it."""
        return listed(self._intakes, look, self._set_intake)

    def _set_intake(self) -> None:
        self.node.intake = self._intake if self._intakes else None

    def _intake(self, message: Message, parsed: Frame) -> bool:
        return any(look(message, parsed) for look in list(self._intakes))

    def refuse(self, message: Message, reason: str) -> None:
        """Ends a message at the door of the node as `lost:<reason>`."""
        self.node.services.fabric.lose(self._touched(message), reason)

    def _touched(self, message: Message) -> Message:
        return message._replace(fault=joined(message.fault, self.node.faults))

    def lanes(self) -> list[Lane]:
        """What the node publishes, by receiver; on behalf of another node too."""
        return self.sends


def _is_of(call: Call, node: Node) -> bool:
    """Whether an appointment is the node's own, or one that it keeps for a node that it stands in for."""
    bound = getattr(call.function, "__self__", None)
    return bound is node or getattr(bound, "host", None) is node


class LinkHandle:
    """One direction of a link in the hands of a fault; `reverse` is the other one.

    Attributes:
        gateway: who sends on it, where that is a gateway and the link leads to the cloud.
    """

    def __init__(self, link: Link, gate: Gate) -> None:
        self.link = link
        self.name = link.key
        self.reverse: LinkHandle = self
        self.lanes: list[Lane] = []
        self.gateway: NodeHandle | None = None
        self._gate = gate
        self._base = link.model
        self._changes: list[Change] = []

    @property
    def model(self) -> LinkModel:
        """What the link is made of now."""
        return self.link.model

    def changed(self, change: Change) -> AbstractContextManager[None]:
        """Applies `change` to the link's model; changes add up in the order in which they came."""
        return listed(self._changes, change, self.refresh)

    def refresh(self) -> None:
        """Works the changes out again, as one of them may give another answer by now."""
        model = self._base
        for change in self._changes:
            model = change(model)
        self.link.model = model

    @contextmanager
    def closed(self, fault: str) -> Iterator[None]:
        """Nothing begins to travel."""
        with self._gate.closed(self.link, fault), self.gateway.cut_off() if self.gateway else nullcontext():
            yield

    def cut(self, fault: str) -> None:
        """What is queued or in flight is lost at QoS 0, and sent again at QoS 1 and 2."""
        self._gate.cut(self.link, fault)
