"""What a pool of clients goes through on purpose: lost connections and sessions, a thief of names, a dead broker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from brokers.connection import Connection
from brokers.loop import Loop
from brokers.mailbox import Mail
from brokers.subscriptions import Subscriptions


class Outages(ABC):
    """The part of a `brokers.client.Pool` that disturbs it, and brings it back in order."""

    _connections: list[Connection]
    _troubles: list[str]
    _loop: Loop
    _mail: Mail
    _subscriptions: Subscriptions
    _outage: bool

    @abstractmethod
    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None:
        """See `Carrier.take`."""

    @abstractmethod
    def _await(self, done: Callable[[], bool], what: str) -> None:
        """Pumps until `done()`."""

    @abstractmethod
    def _join(self, connections: Sequence[Connection]) -> None:
        """Connects and subscribes."""

    @abstractmethod
    def _bear(self, connections: Sequence[Connection]) -> None:
        """Publishes birth messages."""

    # -- what has come

    def arrived(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bool:
        """Whether a payload has come, or comes within `patience_s`; it is left where it is."""
        payload = self.take(receiver, topic, expected, patience_s)
        if payload is not None:
            self._mail.box(receiver, topic).queue.appendleft(payload)
        return payload is not None

    def recall(self, receiver: int, topic: str, payload: bytes) -> bool:
        """Takes back a `discard` whose payload has not come; False where there is none."""
        return self._mail.box(receiver, topic).recall(payload)

    def unclaimed(self) -> Iterator[tuple[int, str, bytes]]:
        """(receiver, topic, payload) of everything that came and was neither taken nor discarded."""
        return self._mail.unclaimed_payloads()

    def owed(self) -> int:
        """How many discarded payloads have not come."""
        return self._mail.owed()

    def subscribers(self, topic: str) -> tuple[int, ...]:
        """The clients whose subscriptions a topic matches."""
        return self._subscriptions.receivers(topic)

    # -- out and back

    def announce_outage(self) -> None:
        """From now until `reconnect`, lost connections are no errors: `take` returns None without them."""
        self._outage = True

    def reset(self, index: int) -> None:
        """Closes one client's socket without a word, as a crash would: the broker sends its last will."""
        self._connections[index].cut("reset by us")

    def reconnect(self, but: Collection[int] = ()) -> None:
        """Brings back every client that lost its connection: all subscribed before anything is sent again.

        Unacknowledged messages at QoS 1 and 2 are then sent again, marked as duplicates.

        Args:
            but: clients that stay away.

        Raises:
            BrokerError: the broker does not take them back.
        """
        self._outage = True
        while self._loop.poll(0):
            pass
        self._troubles.clear()
        self._outage = False
        missing = [one for one in self._connections if one.sock is None and one.index not in but]
        for connection in missing:
            connection.held = bytearray()
        self._join(missing)
        for connection in missing:
            connection.release()
        self._bear(missing)
        for connection in self._connections:
            connection.excused |= connection.index in but

    def missing(self) -> list[int]:
        """Indices of the clients that have no connection."""
        return [connection.index for connection in self._connections if connection.sock is None]

    def drain(self, clients: Iterable[int]) -> None:
        """Returns once the broker has dealt with all that these clients have sent; those without connection wait."""
        there = [self._connections[index] for index in clients if self._connections[index].sock is not None]
        self._bear(there)  # whoever has this acknowledged has everything before it behind him
        self._await(lambda: not any(one.in_flight() for one in there), "acknowledgements")

    def forget(self, index: int) -> None:
        """The broker loses a client's session: it connects afresh, and subscribes to nothing until `remember`.

        Raises:
            BrokerError: the broker does not take it back.
        """
        connection = self._connections[index]
        connection.mute = True
        connection.cut("its session is to be forgotten")
        connection.connect(afresh=True)
        self._await(lambda: connection.ready or bool(connection.lost), "a client to be connected again")
        self._bear([connection])

    def remember(self, index: int) -> None:
        """A client that had been forgotten subscribes again; at once, or when it connects next."""
        connection = self._connections[index]
        connection.mute = False
        if connection.sock is not None and connection.identity.subscriptions:
            connection.subscribe()
            self._await(lambda: connection.ready or bool(connection.lost), "subscriptions to be acknowledged")

    def thrown_out(self) -> None:
        """Returns once the broker has ended every connection, because somebody else has come under the same names.

        Raises:
            BrokerError: the broker keeps both.
        """
        self._excuse(self._connections)

    def _excuse(self, connections: Sequence[Connection]) -> None:
        """Waits until the broker ends these connections, which is no error then."""
        for connection in connections:
            connection.excused = True
        self._await(
            lambda: all(one.sock is None for one in connections), "a client to be thrown out whose name was taken"
        )
