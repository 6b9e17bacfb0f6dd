"""The way over the broker under faults: who is offline, which links are closed, what is held back or lost for it.

The model stands for MQTT clients with clean sessions (persistent ones where the broker is durable). The broker
takes a message when it is published; a message on its link is one that the broker has taken and not yet delivered.

=====================  ==============================  ====================================================
obstacle               QoS 0                           QoS 1 and 2
=====================  ==============================  ====================================================
broker down            `lost:broker-down`              held by the client, sent when the broker is back
publisher away         `lost:<reason>`                 held by the client, sent when it is back
subscriber away        `lost:<reason>`                 the same; with `mqtt.durable` held for it
subscriber forgotten   `lost:session-lost`             `lost:session-lost`
link closed            `lost:partition`                held, sent when the link is open
broker paused          held                            held
broker's queue full    `lost:broker-queue`             `lost:broker-queue`
=====================  ==============================  ====================================================

Reasons for being away: `client-offline`, `node-down`, `identity-stolen` (what comes meanwhile is the thief's).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from sim.faults.listing import listed
from sim.ledger.faults import joined
from sim.link import Link
from sim.nodes.fabric import Fabric
from sim.nodes.lanes import Message

CLIENT_OFFLINE: Final = "client-offline"
NODE_DOWN: Final = "node-down"
STOLEN: Final = "identity-stolen"
SESSION_LOST: Final = "session-lost"


class Obstacle(NamedTuple):
    """What a message does not travel for.

    Attributes:
        names: the faults.
        reason: why; empty where there is none.
        waits: it is held back, or else lost.
        published: it has left its publisher all the same, and the broker has nobody to give it to.
    """

    names: Iterable[str]
    reason: str
    waits: bool = False
    published: bool = False


CLEAR: Final = Obstacle((), "")


class Gate:
    """All obstacles of a run. Costs nothing while there are none: the fabric knows of it only then.

    Attributes:
        keeps: what the broker has taken survives its death and the absence of a subscriber.
    """

    def __init__(self, fabric: Fabric, *, keeps: bool) -> None:
        self._fabric = fabric
        self.keeps = keeps
        self._acknowledged = fabric.qos > 0
        self._names: Counter[str] = Counter()
        self._down: Counter[str] = Counter()
        self._paused: Counter[str] = Counter()
        self._absent: dict[str, dict[int, Counter[str]]] = {NODE_DOWN: {}, CLIENT_OFFLINE: {}, STOLEN: {}}
        self._deaf: dict[int, Counter[str]] = {}
        self._closed: dict[Link, Counter[str]] = {}
        self._limits: list[tuple[str, int]] = []
        self._held: list[Message] = []

    def __call__(self, message: Message) -> bool:
        """Whether the message is dealt with: held back or lost."""
        obstacle = self._obstacle(message)
        if not obstacle.reason:
            return False
        message = message._replace(fault=joined(message.fault, *obstacle.names))
        if obstacle.published and message.copy is not None and message.copy.sender != message.lane.dst.client:
            message.copy.claim(message.lane)
        if obstacle.waits:
            self._held.append(message)
        else:
            self._fabric.drop(message, obstacle.reason, unheard=obstacle.published)
        return True

    def _obstacle(self, message: Message) -> Obstacle:
        src, dst, link = message.lane.src.client, message.lane.dst.client, message.lane.link
        if self._down:
            return Obstacle(self._down, "broker-down", self._acknowledged)
        for reason, clients in self._absent.items():
            if src in clients:
                return Obstacle(clients[src], reason, self._acknowledged)
        if self._paused:  # its bytes wait in the sockets of a real broker
            return Obstacle(self._paused, "broker-paused", waits=True, published=True)
        if link in self._closed:
            return Obstacle(self._closed[link], "partition", self._acknowledged)
        for reason, clients in self._absent.items():
            if dst in clients:
                kept = self.keeps and reason != STOLEN
                return Obstacle(clients[dst], reason, kept, published=not kept)
        if dst in self._deaf:
            return Obstacle(self._deaf[dst], SESSION_LOST, published=True)
        for name, limit in self._limits:
            if link.waiting(self._fabric.clock.now) >= limit:
                return Obstacle((name,), "broker-queue")
        return CLEAR

    # -- obstacles come and go

    @contextmanager
    def down(self, fault: str) -> Iterator[None]:
        """The broker is dead; what it had taken is lost, or delivered again later where it is durable."""
        self._strand(lambda message: True, fault, "broker-killed")
        if not self._acknowledged:
            self.forsake(lambda message: True, fault, "broker-killed")
        with self._counted(self._down, fault):
            yield

    @contextmanager
    def paused(self, fault: str) -> Iterator[None]:
        """The broker does nothing; what it had handed to the network arrives."""
        with self._counted(self._paused, fault):
            yield

    @contextmanager
    def away(self, client: int, fault: str, reason: str) -> Iterator[None]:
        """One client has no connection; what was on its way to it is lost or delivered again later."""
        self._strand(lambda message: message.lane.dst.client == client, fault, reason)
        if not self._acknowledged:
            self.forsake(lambda message: message.lane.src.client == client, fault, reason)
        with self._placed(self._absent[reason], client, fault):
            yield

    @contextmanager
    def deaf(self, client: int, fault: str) -> Iterator[None]:
        """The broker has forgotten what one client subscribed to."""
        with self._placed(self._deaf, client, fault):
            yield

    @contextmanager
    def closed(self, link: Link, fault: str) -> Iterator[None]:
        """Nothing begins to travel on one link; what is on its way arrives."""
        with self._placed(self._closed, link, fault):
            yield

    @contextmanager
    def limited(self, messages: int, fault: str) -> Iterator[None]:
        """The broker keeps at most so many messages for each subscriber and link."""
        with listed(self._limits, (fault, messages), self._update):
            yield

    def cut(self, link: Link, fault: str) -> None:
        """What is queued or in flight on a link is lost at QoS 0, and sent again at QoS 1 and 2."""
        self._strand(lambda message: message.lane.link is link, fault, "cut", keeps=self._acknowledged)
        self._release()

    def forsake(self, wanted: Callable[[Message], bool], fault: str, reason: str) -> None:
        """Loses held messages that are `wanted`: who held them is gone."""
        held, self._held = self._held, []
        for message in held:
            if wanted(message):
                self._fabric.drop(message._replace(fault=joined(message.fault, fault)), reason)
            else:
                self._held.append(message)

    def abandon(self) -> None:
        """Ends what is still held when a run ends: it never travels."""
        held, self._held = self._held, []
        for message in held:
            self._fabric.drop(message, self._obstacle(message).reason or "held")

    # -- inside

    def in_flight(self) -> list[Message]:
        """The messages on their links, in the order of their arrivals."""
        fabric = self._fabric
        calls = fabric.clock.pending(lambda call: call.function == fabric.arrive)
        return [call.argument for _, call in calls]

    def _strand(self, wanted: Callable[[Message], bool], fault: str, reason: str, *, keeps: bool | None = None) -> None:
        """Messages in flight lose their way: they are held if the broker or client `keeps` them, else lost."""
        fabric = self._fabric
        calls = fabric.clock.withdraw(lambda call: call.function == fabric.arrive and wanted(call.argument))
        messages = [call.argument for _, call in calls]
        for link in {message.lane.link for message in messages}:
            link.clear(fabric.clock.now)
        for message in messages:
            touched = message._replace(fault=joined(message.fault, fault))
            if self.keeps if keeps is None else keeps:
                self._held.append(touched)
            else:
                fabric.drop(touched, reason)

    @contextmanager
    def _counted(self, names: Counter[str], fault: str) -> Iterator[None]:
        names[fault] += 1
        self._update()
        try:
            yield
        finally:
            _uncount(names, fault)
            self._update()

    @contextmanager
    def _placed(self, places: dict[Any, Counter[str]], key: object, fault: str) -> Iterator[None]:
        names = places.setdefault(key, Counter())
        names[fault] += 1
        self._update()
        try:
            yield
        finally:
            if not _uncount(names, fault):
                del places[key]
            self._update()

    def _update(self) -> None:
        """Tells the fabric whether there is any obstacle, and lets go what has none any more."""
        obstacles = (self._down, self._paused, *self._absent.values(), self._deaf, self._closed, self._limits)
        self._fabric.gate = self if any(obstacles) else None
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        for message in held:
            self._fabric.travel(message)


def _uncount(names: Counter[str], name: str) -> Counter[str]:
    names[name] -= 1
    if not names[name]:
        del names[name]
    return names
