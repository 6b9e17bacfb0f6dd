"""The carrier without a broker: same semantics, in process, counting what MQTT would have sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from brokers.api import MQTT_5, BrokerError, Counters, Identity
from brokers.framing import MAX_PACKET, ack_bytes, publish_bytes
from brokers.mailbox import Mail
from brokers.subscriptions import Subscriptions


class MemoryCarrier:
    """Delivers at once to every subscriber of a topic.

    The counters hold the data plane by `brokers.framing`'s closed forms; without a session, its bytes are 0.
    """

    name = "memory"

    def __init__(self, protocol: int = MQTT_5) -> None:
        self.protocol = protocol
        self.version = "in process"
        self.counters = Counters()
        self._subscriptions = Subscriptions()
        self._good: set[str] = set()  # topics known to be good for publishing
        self._mail = Mail(0, frozenset())

    def connect(self, identities: Sequence[Identity]) -> None:
        """Subscribes every identity to its topics."""
        self._mail = Mail(len(identities), frozenset(identity.will_topic for identity in identities))
        self._subscriptions = Subscriptions(identities)

    def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None:
        """Puts the payload into every subscriber's box."""
        del sender
        if topic not in self._good:
            self._check(topic)
        receivers = self._subscriptions.receivers(topic)
        self._count(publish_bytes(topic, len(payload), qos, self.protocol), qos, len(receivers))
        for receiver in receivers:
            self._mail.box(receiver, topic).put(payload)

    def outlet(self, sender: int, topic: str, qos: int) -> Callable[[bytes], None]:
        """See `brokers.api.Carrier`."""
        return partial(self.publish, sender, topic, qos=qos)

    def inlet(self, receiver: int, topic: str) -> deque[bytes]:
        """See `brokers.api.Carrier`."""
        return self._mail.box(receiver, topic).queue

    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None:
        """The payload, if it was published; never waits."""
        del patience_s
        return self._mail.box(receiver, topic).take(expected)

    def discard(self, receiver: int, topic: str, payload: bytes) -> None:
        """Drops one such payload, now or when it is published."""
        self._mail.box(receiver, topic).discard(payload)

    def announce(self, sender: int, status: bytes) -> None:
        """Nobody watches."""

    def leftovers(self, patience_s: float) -> int:
        """The number of payloads that nobody took; never waits."""
        del patience_s
        return self._mail.unclaimed()

    def close(self) -> None:
        """Nothing to leave."""

    def _check(self, topic: str) -> None:
        if not topic or "+" in topic or "#" in topic or len(topic.encode()) > 65535:
            raise BrokerError(f"{topic[:80]!r} is not a topic to publish on: no wildcards, 1 to 65535 bytes")
        self._good.add(topic)

    def _count(self, size: int, qos: int, receivers: int) -> None:
        if size > MAX_PACKET:
            raise BrokerError(f"a packet of {size} bytes is above MQTT's limit of {MAX_PACKET}: send less")
        counters, ack = self.counters, ack_bytes(qos, self.protocol)
        rel = 4 if qos == 2 else 0  # of QoS 2's acknowledgements the publisher's side sends PUBREL
        counters.publishes_sent += 1
        counters.publishes_received += receivers
        counters.bytes_written += size + rel + receivers * (ack - rel)
        counters.bytes_read += ack - rel + receivers * (size + rel)
