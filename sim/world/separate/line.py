"""The line of one process to the broker: held, and got back when it is lost."""

from __future__ import annotations

import time
from typing import Final

from brokers.api import BrokerError, Identity
from brokers.client import Pool

GONE_S: Final = 60.0
"""Wall seconds without a broker after which whoever needs it gives up."""
RETRY_S: Final = 0.5
"""Wall seconds between attempts."""


class Line:
    """A pool of one client that outlives its broker's absence.

    Attributes:
        there_s: wall time (monotonic) at which there was a connection last.
        returns: how often it was got back; what was retained may be forgotten then.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._next_try_s = 0.0
        self.there_s = time.monotonic()
        self.returns = 0

    def connect(self, identity: Identity) -> None:
        """Comes to the broker. Raises `BrokerError`."""
        self._pool.connect([identity])

    def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None:
        """As `Pool.publish`; without a connection a message at QoS 1 and 2 waits, and one at QoS 0 is lost."""
        try:
            self._pool.publish(sender, topic, payload, qos)
        except BrokerError:
            if not self._pool.missing():
                raise
            self._pool.announce_outage()
            self._pool.publish(sender, topic, payload, qos)

    def retain(self, topic: str, payload: bytes) -> None:
        """Leaves a message with the broker for whoever comes later; without a connection it is lost."""
        if not self._pool.missing():
            self._pool.retain(0, topic, payload)

    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None:
        """As `Pool.take`."""
        return self._pool.take(receiver, topic, expected, patience_s)

    def discard(self, receiver: int, topic: str, payload: bytes) -> None:
        """As `Pool.discard`."""
        self._pool.discard(receiver, topic, payload)

    def received(self) -> list[tuple[int, str, bytes]]:
        """As `Pool.received`."""
        return self._pool.received()

    def pump(self, timeout_s: float) -> None:
        """Lets the network work for at most `timeout_s` wall seconds, and gets a lost connection back.

        Raises:
            BrokerError: the broker refuses something.
        """
        if self._pool.missing():
            self._get_back()
        else:
            self.there_s = time.monotonic()
        try:
            self._pool.pump(timeout_s)
        except BrokerError:
            if not self._pool.missing():
                raise

    def missing(self) -> bool:
        """Whether there is no connection now."""
        return bool(self._pool.missing())

    def finish(self, timeout_s: float) -> None:
        """Waits for at most so many wall seconds until the broker has acknowledged everything."""
        deadline = time.monotonic() + timeout_s
        while self._pool.in_flight() and time.monotonic() < deadline:
            self.pump(0.05)

    def _get_back(self) -> None:
        if time.monotonic() < self._next_try_s:
            return
        self._pool.announce_outage()
        try:
            self._pool.reconnect()
            self.returns += 1
        except BrokerError:
            self._pool.announce_outage()
            self._next_try_s = time.monotonic() + RETRY_S
