"""The real broker under faults: killed, paused, restarted as the model says, and compared with the model afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from brokers.api import Counters, Identity
from brokers.client import Pool
from brokers.server import Server
from sim.errors import SetupError
from sim.nodes.lanes import Message

AFTERMATH_S: Final = 0.5
"""How long to wait, after outages, for what the model has lost and the broker may still bring."""


class Witness:
    """A pool whose broker is going to be killed, paused and reset; at the same time the machinery of the faults.

    A message that a dying broker delivers twice is no divergence: at QoS 1 that is its right. What the model
    delivers and the broker never brings is one, and so is what comes although it was never asked for.

    Attributes:
        record: what was done, and what really came, for `run.json`.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._server: Server | None = pool.server
        self._seen: set[tuple[int, str, bytes]] = set()
        self._discarded: set[tuple[int, str, bytes]] = set()
        self._kills = self._pauses = self._resets = 0
        self._over = False
        self._patience_s = AFTERMATH_S
        self.record: dict[str, int] = {"kills": 0, "pauses": 0, "resets": 0}

    # -- as a carrier

    @property
    def name(self) -> str:
        """The pool's."""
        return self._pool.name

    @property
    def version(self) -> str:
        """The pool's."""
        return self._pool.version

    @property
    def protocol(self) -> int:
        """The pool's."""
        return self._pool.protocol

    @property
    def counters(self) -> Counters:
        """The pool's."""
        return self._pool.counters

    def connect(self, identities: Sequence[Identity]) -> None:
        """See `brokers.api.Carrier`."""
        self._pool.connect(identities)

    def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None:
        """See `brokers.api.Carrier`."""
        self._pool.publish(sender, topic, payload, qos)

    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None:
        """See `brokers.api.Carrier`."""
        self._patience_s = patience_s
        key = (receiver, topic, expected)
        self._seen.add(key)
        if key not in self._discarded or self._pool.recall(*key):
            return self._pool.take(*key, patience_s)
        # The same bytes were written off before (a copy, a replay) and have come since: which of the two is which?
        return self._pool.take(*key, 0.0) or expected

    def discard(self, receiver: int, topic: str, payload: bytes) -> None:
        """See `brokers.api.Carrier`."""
        self._seen.add((receiver, topic, payload))
        self._discarded.add((receiver, topic, payload))
        self._pool.discard(receiver, topic, payload)

    def leftovers(self, patience_s: float) -> int:
        """What came and was never asked for; second deliveries are counted apart."""
        if self._kills:
            return 0  # it stays dead
        happened = any(self.record.values())
        self._pool.leftovers(min(patience_s, AFTERMATH_S) if happened else patience_s)
        more = list(self._pool.unclaimed())
        twice = sum(entry in self._seen for entry in more)
        self.record |= {"delivered_twice": twice, "lost_by_the_broker": self._pool.owed()}
        return len(more) - twice

    def close(self) -> None:
        """See `brokers.api.Carrier`."""
        self._pool.close()

    # -- as the machinery of the faults

    def kill(self) -> None:
        """SIGKILL, unless it is dead already."""
        self._kills += 1
        if self._kills == 1:
            self.record["kills"] += 1
            self._pool.announce_outage()
            self._own().kill()

    def restart(self) -> None:
        """Starts the broker again and brings all clients back, once nothing wants it dead any more."""
        if self._over:
            return
        self._kills -= 1
        if not self._kills:
            server = self._own()
            server.restart()
            self._pool.reconnect()
            if self._pauses:
                server.pause()

    def pause(self, arriving: Sequence[Message]) -> None:
        """SIGSTOP, after what the model has handed to the network has really left the broker."""
        self._pauses += 1
        if self._pauses == 1 and not self._kills:
            self.record["pauses"] += 1
            self._settle(arriving)
            self._own().pause()

    def resume(self) -> None:
        """SIGCONT, once nothing wants it to stand still any more."""
        if self._over:
            return
        self._pauses -= 1
        if not self._pauses and not self._kills:
            self._own().resume()
            self.reconnect()

    def reset(self, clients: Sequence[int], arriving: Sequence[Message]) -> None:
        """Closes the sockets of clients; what they had sent and are to receive otherwise is seen through first."""
        self._resets += 1
        self.record["resets"] += len(clients)
        if self._kills:
            return
        if not self._pauses:
            self._settle(arriving)
        for client in clients:
            self._pool.reset(client)

    def reconnect(self) -> None:
        """Brings back the clients that have no connection, as soon as there is a broker to answer."""
        if not (self._over or self._kills or self._pauses):
            self._pool.reconnect()

    def finish(self) -> None:
        """The run is over."""
        self._over = True
        if self._pauses and not self._kills:
            self._own().resume()

    def _settle(self, arriving: Sequence[Message]) -> None:
        for message in arriving:
            lane = message.lane
            if not self._pool.missing():
                self._pool.arrived(lane.dst.client, lane.topic, message.frame, self._patience_s)

    def _own(self) -> Server:
        if self._server is None:
            raise SetupError(
                "a broker that is not our own cannot be killed or paused; "
                "use --broker mosquitto, or --mode virtual, or leave that fault out"
            )
        return self._server
