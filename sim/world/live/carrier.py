"""The broker of a live run: it may go away by itself, and what it loses is lost."""

from __future__ import annotations

import time
from typing import Final

from brokers.api import BrokerError
from brokers.client import Pool
from sim.world.outages import Witness

RETRY_S: Final = 0.5
"""Wall seconds between attempts to get back to a broker that has gone away."""


class LiveCarrier(Witness):
    """A pool in wall-clock time; faults kill and pause its broker, and a broker that dies by itself is waited for."""

    def __init__(self, pool: Pool, *, keeps: bool) -> None:
        super().__init__(pool, keeps=keeps)
        self._next_try_s = 0.0

    def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None:
        """As the pool; without a connection a message at QoS 1 and 2 waits, and one at QoS 0 is lost."""
        try:
            super().publish(sender, topic, payload, qos)
        except BrokerError:
            if not self._pool.missing():
                raise
            self._pool.announce_outage()
            super().publish(sender, topic, payload, qos)

    def holds(self, receiver: int, topic: str, expected: bytes) -> bool:
        """Whether a payload has come and waits to be taken."""
        return self._pool.holds(receiver, topic, expected)

    def pump(self, timeout_s: float) -> None:
        """Lets the network work for at most `timeout_s` wall seconds, and gets lost connections back.

        Raises:
            BrokerError: the broker refuses something.
        """
        lost = set(self._pool.missing()) - set(self._away)
        if lost and not (self._kills or self._pauses):
            self._get_back(len(lost))
        try:
            self._pool.pump(timeout_s)
        except BrokerError:
            if not self._pool.missing():
                raise

    def _get_back(self, lost: int) -> None:
        if time.monotonic() < self._next_try_s:
            return
        self._pool.announce_outage()
        self.record["lost_connections"] = self.record.get("lost_connections", 0) + lost
        try:
            self._pool.reconnect(self._away)
        except BrokerError:
            self._pool.announce_outage()
            self._next_try_s = time.monotonic() + RETRY_S
