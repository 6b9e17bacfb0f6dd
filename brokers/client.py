"""The pool of MQTT clients: every identity a connection of its own, all of them on one selector loop."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from brokers.address import parse_url
from brokers.api import MQTT_5, MQTT_311, BrokerError, Counters, Identity, Notice
from brokers.connection import Connection
from brokers.framing import publish_bytes
from brokers.loop import FLUSH_BYTES, Loop, raise_descriptor_limit
from brokers.mailbox import Mail
from brokers.outages import Outages
from brokers.refusals import explain, speaks_another_version
from brokers.server import Server
from brokers.subscriptions import Subscriptions
from brokers.wire import Hub, see_off

UNKNOWN = "unknown"
_VERSION_TOPIC, _VERSION_S = "$SYS/broker/version", 0.5
_JOINING = 64  # connections being made at once; listen backlogs are about 100 and overflow costs a second each
_IN_FLIGHT = 65_000  # of 65 535 packet identifiers, so that some are left for subscribing again
_TOPIC_BYTES = 65_535
_TENDING_S = 0.5  # wall seconds between looks at keepalives
_OVERHEAD_BYTES = _TOPIC_BYTES + 10  # at most: topic and everything else around a payload


def silent(_: str) -> None:
    """A notice that nobody reads."""


class Pool(Outages):
    """Many MQTT clients in one thread; a `brokers.api.Carrier`.

    Args:
        url: see `parse_url`.
        name: what carries, for run.json.
        version: the broker's version text; where it is unknown, `connect` asks the broker.
        protocol: the MQTT version to try first; where MQTT 5 is refused it is 3.1.1, and `notice` says so.
        persistent: sessions outlive a lost connection (MQTT 5 only), for a durable broker.
        notice: takes plain sentences for the user.
        patience_s: wall seconds without any progress after which connecting counts as failed.
        fast: PUBLISH and PUBACK at QoS 0 and 1 go past paho.
        server: our own broker process, for whoever wants to kill or pause it.
        keepalive_s: whole seconds of silence after which either side takes the other for dead (about 1.5 times as
            many at the broker); 0: never, for runs in which wall-clock stalls must not look like deaths.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "mqtt",
        version: str = UNKNOWN,
        protocol: int = MQTT_5,
        persistent: bool = False,
        notice: Notice = silent,
        patience_s: float = 5.0,
        fast: bool = True,
        server: Server | None = None,
        keepalive_s: int = 0,
    ) -> None:
        self.server = server
        self.name = name
        self.version = version
        self.protocol = protocol
        self.counters = Counters()
        self._url = url
        self._address = parse_url(url, anonymous=server is not None)
        self._persistent = persistent
        self._fast = fast
        self._keepalive_s = keepalive_s
        self._tended_s = 0.0
        self._notice = notice
        self._patience_s = patience_s
        self._loop = Loop()
        self._mail = Mail(0, frozenset())
        self._connections: list[Connection] = []
        self._subscriptions = Subscriptions()
        self._troubles: list[str] = []
        self._outage = False
        self._topics: set[str] = set()  # known to be good for publishing

    # -- the carrier's door

    def connect(self, identities: Sequence[Identity]) -> None:
        """Connects and subscribes every identity and publishes its birth message.

        Raises:
            BrokerError: unreachable, refused, not MQTT, two identities of one name, too few file descriptors.
        """
        names = {identity.client_id for identity in identities}
        if len(names) < len(identities):
            raise BrokerError("two identities have the same client id; a broker would throw the first one out")
        if not identities:
            return
        raise_descriptor_limit(len(identities))
        self._mail = Mail(len(identities), frozenset(identity.will_topic for identity in identities))
        self._subscriptions = Subscriptions(identities)
        self._negotiate(identities)
        self._join(self._connections[1:])
        self._bear(self._connections)
        self._check()
        if self.version == UNKNOWN:
            self.version = self._ask_version()

    def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None:
        """Sends one message; at QoS 1 and 2 it is kept and sent again after `reconnect` until acknowledged.

        Raises:
            BrokerError: the topic or size cannot be sent, or the sender lost its connection (unless an outage
                was announced: then a message at QoS 0 is gone and others wait for `reconnect`).
        """
        connection = self._connections[sender]
        if self._troubles or connection.sock is None:
            self._check(connection)
        if topic not in self._topics or len(payload) + _OVERHEAD_BYTES > connection.max_packet:
            self._inspect(topic, publish_bytes(topic, len(payload), qos, self.protocol), connection)
        if qos and connection.in_flight() >= _IN_FLIGHT:
            self._await(lambda: connection.in_flight() < _IN_FLIGHT, "acknowledgements")
        connection.publish(topic, payload, qos)
        if self._loop.pending >= FLUSH_BYTES:
            self._loop.flush()

    def outlet(self, sender: int, topic: str, qos: int) -> Callable[[bytes], None]:
        """See `Carrier.outlet`; raises as `publish`."""
        usual = partial(self.publish, sender, topic, qos=qos)
        return usual if qos else self._connections[sender].outlet(topic, usual)

    def inlet(self, receiver: int, topic: str) -> deque[bytes]:
        """See `Carrier.inlet`."""
        return self._mail.box(receiver, topic).queue

    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None:
        """See `Carrier.take`.

        Raises:
            BrokerError: something was refused, or a connection was lost that should be there.
        """
        box = self._mail.boxes[receiver].get(topic) or self._mail.box(receiver, topic)
        queue = box.queue
        if queue and queue[0] == expected:
            return queue.popleft()
        payload = box.take(expected)
        if payload is not None:
            return payload
        connection = self._connections[receiver]
        if connection.ready:  # what has come to this one by now may do, without a look at all the others
            connection.read()
            payload = box.take(expected)
            if payload is not None:
                return payload
        deadline = time.monotonic() + patience_s
        left = patience_s
        while True:
            self._check(connection)
            seen = len(box.queue)
            self._loop.urge(connection)
            if connection.sock is None or not self._loop.wait(max(left, 0.0)):
                return None
            if len(box.queue) > seen:
                payload = box.take(expected, seen)
                if payload is not None:
                    return payload
            left = deadline - time.monotonic()
            if left <= 0:
                return None

    def discard(self, receiver: int, topic: str, payload: bytes) -> None:
        """See `Carrier.discard`."""
        self._mail.box(receiver, topic).discard(payload)

    def announce(self, sender: int, status: bytes) -> None:
        """See `Carrier.announce`; until then a status is `online`."""
        self._connections[sender].announce(status)

    def leftovers(self, patience_s: float) -> int:
        """See `Carrier.leftovers`; what the broker still has to acknowledge is waited for, as it is counted."""
        deadline = time.monotonic() + patience_s
        while (self._mail.owed() or self._unacknowledged()) and (left := deadline - time.monotonic()) > 0:
            self._check()
            self._loop.poll(left)
        while self._loop.poll(0):
            pass
        return self._mail.unclaimed()

    def catch_up(self, patience_s: float) -> None:
        """Waits until the broker has acknowledged what it was sent, on connections that there are."""
        deadline = time.monotonic() + patience_s
        while self._unacknowledged() and (left := deadline - time.monotonic()) > 0:
            self._loop.poll(left)

    def _unacknowledged(self) -> bool:
        return any(connection.sock is not None and connection.in_flight() for connection in self._connections)

    def close(self) -> None:
        """Clears every birth message, says goodbye and closes, once the broker has heard it all."""
        for connection in self._connections:
            if connection.sock is not None:
                connection.leave()
        if self._connections:
            see_off(self._connections[0].hub.leaving)
        self._connections.clear()
        self._loop.close()

    def peek(self, receiver: int, topic: str, patience_s: float) -> bytes | None:
        """The first payload on a topic, whatever it is, left where it is; None after `patience_s`."""
        box = self._mail.box(receiver, topic)
        deadline = time.monotonic() + patience_s
        while not box.queue and (left := deadline - time.monotonic()) > 0:
            self._check(self._connections[receiver])
            self._loop.poll(left)
        return box.queue[0] if box.queue else None

    # -- in wall-clock time

    def pump(self, timeout_s: float) -> bool:
        """Flushes, then waits for at most `timeout_s` wall seconds for the network; whether anything happened.

        Raises:
            BrokerError: something was refused, or a connection was lost (unless an outage was announced).
        """
        happened = self._loop.poll(max(timeout_s, 0.0))
        # After reading: when this process stood still, the broker's answer is here, and its silence was ours.
        if self._keepalive_s and time.monotonic() - self._tended_s > _TENDING_S:
            self._tended_s = time.monotonic()
            for connection in self._connections:
                connection.tend()
        self._check()
        return happened

    def received(self) -> list[tuple[int, str, bytes]]:
        """(receiver, topic, payload) of everything that has come, the pool's own births and wills left out."""
        return self._mail.empty()

    def retain(self, sender: int, topic: str, payload: bytes) -> None:
        """Publishes a message, at QoS 1, that the broker keeps for whoever subscribes later; empty: it forgets it."""
        self._check(self._connections[sender])
        self._connections[sender].retain(topic, payload)

    def in_flight(self) -> int:
        """Messages at QoS 1 and 2 that the broker has not acknowledged."""
        return sum(connection.in_flight() for connection in self._connections)

    def holds(self, receiver: int, topic: str, expected: bytes) -> bool:
        """Whether such a payload has come and waits to be taken; never waits."""
        return expected in self._mail.box(receiver, topic).queue

    # -- outages

    def usurp(self, index: int) -> Pool:
        """Connects a stranger under the name of a client, whom the broker throws out; returns the stranger.

        Raises:
            BrokerError: the broker does not take the stranger, or keeps both.
        """
        identity = replace(self._connections[index].identity, subscriptions=())
        stranger = Pool(self._url, version="", protocol=self.protocol, persistent=self._persistent, server=self.server)
        stranger.connect([identity])
        self._excuse([self._connections[index]])
        return stranger

    # -- connecting

    def _negotiate(self, identities: Sequence[Identity]) -> None:
        """Connects the first identity, to find out which version the broker speaks."""
        error = self._try_first(identities)
        first = self._connections[0]
        if error and self.protocol == MQTT_5 and speaks_another_version(first):
            self.protocol = MQTT_311
            self._notice(f"{self._address} does not speak MQTT 5: going on with MQTT 3.1.1")
            error = self._try_first(identities)
        if error:
            raise explain(self._connections[0], self._address, str(error)) from error

    def _try_first(self, identities: Sequence[Identity]) -> BrokerError | None:
        self._build(identities)
        first = self._connections[0]
        first.connect()
        try:
            self._await(lambda: first.ready or bool(first.lost), f"an MQTT answer from {self._address}")
            self._check(first)
        except BrokerError as error:
            first.cut("gave up")
            self._troubles.clear()
            return error
        return None

    def _ask_version(self) -> str:
        """What the broker calls itself in its `$SYS` tree, if it has one and shows it."""
        first = self._connections[0].identity
        name, own = f"{first.client_id}-version", f"{first.will_topic}/version"
        asking = Pool(self._url, version="", protocol=self.protocol, patience_s=_VERSION_S)
        try:
            asking.connect([Identity(name, own, b"", (_VERSION_TOPIC,), first.account)])
            answer = asking.peek(0, _VERSION_TOPIC, _VERSION_S)
        except BrokerError:
            answer = None
        finally:
            asking.close()
        return answer.decode(errors="replace") if answer else UNKNOWN

    def _build(self, identities: Sequence[Identity]) -> None:
        hub = Hub(
            address=self._address,
            protocol=self.protocol,
            persistent=self._persistent,
            fast=self._fast,
            loop=self._loop,
            counters=self.counters,
            box=self._mail.box,
            session_topics=frozenset(identity.will_topic for identity in identities),
            troubles=self._troubles,
            keepalive_s=self._keepalive_s,
        )
        self._connections = [Connection(index, identity, hub) for index, identity in enumerate(identities)]

    def _join(self, connections: Sequence[Connection]) -> None:
        waiting = deque(connections)
        joining: set[Connection] = set()

        def go_on() -> bool:
            joining.difference_update([one for one in joining if one.ready])
            while waiting and len(joining) < _JOINING:
                one = waiting.popleft()
                one.connect()
                joining.add(one)
            for one in joining:
                if one.lost:
                    raise explain(one, self._address, one.lost)
            return not joining

        self._await(go_on, "clients to be connected and subscribed")

    def _bear(self, connections: Sequence[Connection]) -> None:
        for connection in connections:
            connection.give_birth()
        unborn = set(connections)

        def all_born() -> bool:
            unborn.difference_update([one for one in unborn if one.born])
            return not unborn

        self._await(all_born, "birth messages to be acknowledged")

    # -- the rest

    def _await(self, done: Callable[[], bool], what: str) -> None:
        """Pumps until `done()`; every byte that comes renews the patience."""
        deadline = time.monotonic() + self._patience_s
        seen = self.counters.bytes_read
        while not done():
            self._check()
            left = deadline - time.monotonic()
            if left <= 0:
                raise BrokerError(f"{self._address}: waited {self._patience_s:g} s in vain for {what}")
            self._loop.poll(left)
            if self.counters.bytes_read != seen:
                seen = self.counters.bytes_read
                deadline = time.monotonic() + self._patience_s

    def _check(self, connection: Connection | None = None) -> None:
        """Raises what has gone wrong since the last look, unless an outage explains it."""
        if self._troubles and not self._outage:
            troubles, more = self._troubles[:], len(self._troubles) - 1
            self._troubles.clear()
            raise BrokerError(troubles[0] + (f" (and {more} more like it)" if more else ""))
        if connection is not None and connection.sock is None and not (self._outage or connection.excused):
            raise BrokerError(
                f"client {connection.identity.client_id!r} has no connection to {self._address}: {connection.lost}"
            )

    def _inspect(self, topic: str, size: int, connection: Connection) -> None:
        if size > connection.max_packet:
            raise BrokerError(
                f"a packet of {size} bytes on {topic!r} is above the {connection.max_packet} bytes that "
                f"{self._address} takes; send less, or raise max_packet_size there"
            )
        if not topic or "+" in topic or "#" in topic or "\0" in topic or len(topic.encode()) > _TOPIC_BYTES:
            raise BrokerError(f"{topic[:80]!r} is not a topic to publish on: no wildcards, 1 to 65535 bytes")
        self._topics.add(topic)
