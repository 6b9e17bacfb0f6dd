"""Many identities over few connections: for fleets that are larger than the number of files a process may open.

What the broker brings once to a connection goes to each of its identities that subscribes to the topic, as if each
had a connection of its own. Last wills are those of connections; the statuses of all are published.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from brokers.api import ONLINE, BrokerError, Carrier, Counters, Identity
from brokers.client import Pool
from brokers.mailbox import Mail
from brokers.subscriptions import Subscriptions


class Shared:
    """A `brokers.api.Carrier` whose identities share the connections of another one.

    Args:
        carrier: not yet connected.
        connections: how many, at most; neighbours share one, the last identity has one for itself.
    """

    def __init__(self, carrier: Carrier, connections: int) -> None:
        self._carrier = carrier
        self._connections = connections
        self._identities: Sequence[Identity] = ()
        self._homes: list[int] = []
        self._mail = Mail(0, frozenset())
        self._subscriptions = Subscriptions()
        self._neighbours: dict[tuple[int, str], tuple[int, ...]] = {}

    @property
    def name(self) -> str:
        """That of the carrier below."""
        return self._carrier.name

    @property
    def version(self) -> str:
        """That of the carrier below."""
        return self._carrier.version

    @property
    def protocol(self) -> int:
        """That of the carrier below."""
        return self._carrier.protocol

    @property
    def counters(self) -> Counters:
        """Those of the carrier below: bytes on the connections that there really are."""
        return self._carrier.counters

    def connect(self, identities: Sequence[Identity]) -> None:
        """See `Carrier.connect`; raises what the carrier below raises."""
        self._identities = identities
        self._mail = Mail(len(identities), frozenset(identity.will_topic for identity in identities))
        self._subscriptions = Subscriptions(identities)
        crowd = max(1, len(identities) - 1)
        shared = min(self._connections, crowd)
        self._homes = [min(index * shared // crowd, shared) for index in range(len(identities))]
        members: dict[int, list[Identity]] = {}
        for home, identity in zip(self._homes, identities, strict=True):
            members.setdefault(home, []).append(identity)
        self._carrier.connect([_together(sharers) for sharers in members.values()])
        for index in range(len(identities)):
            self._retain(index, ONLINE)

    def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None:
        """See `Carrier.publish`."""
        self._carrier.publish(self._homes[sender], topic, payload, qos)

    def outlet(self, sender: int, topic: str, qos: int) -> Callable[[bytes], None]:
        """See `brokers.api.Carrier`."""
        return partial(self.publish, sender, topic, qos=qos)

    def inlet(self, receiver: int, topic: str) -> deque[bytes]:
        """See `Carrier.inlet`; what one of several neighbours takes has to be handed to the others by `take`."""
        home, neighbours = self._neighbourhood(receiver, topic)
        if len(neighbours) < 2:
            return self._carrier.inlet(home, topic)
        return self._mail.box(receiver, topic).queue

    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None:
        """See `Carrier.take`."""
        home, neighbours = self._neighbourhood(receiver, topic)
        if len(neighbours) < 2:
            return self._carrier.take(home, topic, expected, patience_s)
        payload = self._mail.box(receiver, topic).take(expected)
        if payload is None:
            payload = self._carrier.take(home, topic, expected, patience_s)
            if payload is not None:
                for neighbour in neighbours:
                    if neighbour != receiver:
                        self._mail.box(neighbour, topic).put(payload)
        return payload

    def discard(self, receiver: int, topic: str, payload: bytes) -> None:
        """See `Carrier.discard`; what no neighbour wants need not come."""
        home, neighbours = self._neighbourhood(receiver, topic)
        if len(neighbours) < 2:
            self._carrier.discard(home, topic, payload)
            return
        boxes = [self._mail.box(neighbour, topic) for neighbour in neighbours]
        self._mail.box(receiver, topic).discard(payload)
        if all(box.unwanted and box.unwanted[payload] for box in boxes):
            for box in boxes:
                box.recall(payload)
            self._carrier.discard(home, topic, payload)

    def announce(self, sender: int, status: bytes) -> None:
        """See `Carrier.announce`."""
        if self._is_host(sender):
            self._carrier.announce(self._homes[sender], status)
        else:
            self._retain(sender, status)

    def leftovers(self, patience_s: float) -> int:
        """See `Carrier.leftovers`."""
        return self._carrier.leftovers(patience_s) + self._mail.unclaimed()

    def withdraw(self) -> None:
        """Clears the statuses that `close` of the carrier below does not know of."""
        with suppress(BrokerError):  # who has lost its connection cannot
            for index in range(len(self._homes)):
                self._retain(index, b"")

    def close(self) -> None:
        """See `Carrier.close`."""
        self.withdraw()
        self._homes = []
        self._carrier.close()

    def _neighbourhood(self, receiver: int, topic: str) -> tuple[int, tuple[int, ...]]:
        """The connection of a receiver, and those on it who get what is published on a topic."""
        home = self._homes[receiver]
        found = self._neighbours.get((home, topic))
        if found is None:
            receivers = self._subscriptions.receivers(topic)
            found = self._neighbours[home, topic] = tuple(one for one in receivers if self._homes[one] == home)
        return home, found

    def _is_host(self, index: int) -> bool:
        """Whether a connection bears the identity's name, will and status."""
        return index == 0 or self._homes[index] != self._homes[index - 1]

    def _retain(self, index: int, status: bytes) -> None:
        if isinstance(self._carrier, Pool) and not self._is_host(index):
            self._carrier.retain(self._homes[index], self._identities[index].will_topic, status)


def _together(identities: Sequence[Identity]) -> Identity:
    """One client for all of them, under the name of the first."""
    topics = dict.fromkeys(topic for identity in identities for topic in identity.subscriptions)
    return replace(identities[0], subscriptions=tuple(topics))
