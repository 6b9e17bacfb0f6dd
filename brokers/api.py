"""The one door to every broker: identities in, bytes on topics through, exact byte counts out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Notice = Callable[[str], None]
"""Where a carrier says, in plain words, what a user would want to know (a negotiated version, a fallback)."""

ONLINE = b"online"
"""The retained birth message on each identity's will topic."""

MQTT_5 = 5
MQTT_311 = 4
"""Protocol levels as they stand in the CONNECT packet."""


class BrokerError(Exception):
    """A broker that is missing, unreachable, refuses or dies. The text says what would help."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One MQTT client of the fleet.

    Attributes:
        client_id: unique at the broker.
        will_topic: where `b"online"` is retained on connecting and `will_payload` after a death.
        will_payload: the last will.
        subscriptions: exact topics or MQTT filters; no two of them should overlap.
        account: whose credentials it enters with, at a broker that has one account a node.
    """

    client_id: str
    will_topic: str
    will_payload: bytes
    subscriptions: tuple[str, ...]
    account: str = ""


@dataclass(slots=True)
class Counters:
    """Bytes on the client sockets. Session: CONNECT to SUBACK, births, wills, pings, DISCONNECT.

    Everything else is the data plane: PUBLISH frames on ordinary topics and their acknowledgements,
    retransmissions included. The publish counts are of the data plane only.
    """

    bytes_written: int = 0
    bytes_read: int = 0
    publishes_sent: int = 0
    publishes_received: int = 0
    session_bytes_written: int = 0
    session_bytes_read: int = 0

    @property
    def data_bytes_written(self) -> int:
        """Bytes of the publisher → broker leg's data plane, acknowledgements of the other leg included."""
        return self.bytes_written - self.session_bytes_written

    @property
    def data_bytes_read(self) -> int:
        """Bytes of the broker → subscriber leg's data plane, acknowledgements of the other leg included."""
        return self.bytes_read - self.session_bytes_read


class Carrier(Protocol):
    """Carries payloads to a topic's subscribers. Senders and receivers are indices into `connect`'s list."""

    @property
    def name(self) -> str:
        """`memory`, `mosquitto`, `embedded` or `mqtt`."""

    @property
    def version(self) -> str:
        """The broker's own version text, e.g. `2.0.11`."""

    @property
    def protocol(self) -> int:
        """The MQTT protocol level really spoken: 5, or 4 for MQTT 3.1.1."""

    @property
    def counters(self) -> Counters:
        """Exact counts so far."""

    def connect(self, identities: Sequence[Identity]) -> None:
        """Returns once every identity is connected, subscribed and has its birth message retained."""

    def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None:
        """Hands one message over. Never waits for its delivery, and its return says nothing about that."""

    def outlet(self, sender: int, topic: str, qos: int) -> Callable[[bytes], None]:
        """`publish` for who sends much on one topic."""

    def inlet(self, receiver: int, topic: str) -> deque[bytes]:
        """What has come back to `receiver` on `topic` and was not taken; who finds at its head what it waits for may
        remove that, as `take` would."""

    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None:
        """The first payload equal to `expected` that came back to `receiver` on `topic`.

        Pumps the network until it comes, for at most `patience_s` wall seconds; then returns None.
        """

    def discard(self, receiver: int, topic: str, payload: bytes) -> None:
        """Drops one such payload, now or when it comes: the simulation lost it and will never take it."""

    def announce(self, sender: int, status: bytes) -> None:
        """Retains a status on the sender's will topic, beside the data; without a connection it is told later."""

    def leftovers(self, patience_s: float) -> int:
        """Waits for what is still owed to `discard`; the number of payloads that came unasked for."""

    def close(self) -> None:
        """Leaves the broker in good order. May be called twice."""
