"""The real broker under faults: killed, paused, restarted as the model says, and compared with the model afterwards."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from brokers.api import Counters, Identity
from brokers.client import Pool
from brokers.server import Server
from sim.errors import SetupError
from sim.nodes.lanes import Message

AFTERMATH_S: Final = 0.5
"""How long to wait, after outages, for what the model has lost and the broker may still bring."""

Parcel = tuple[int, str, bytes]
"""Receiver, topic, payload."""


class Witness:
    """A pool whose broker is going to be killed, paused and reset; at the same time the machinery of the faults.

    A message that a dying broker delivers twice is no divergence: at QoS 1 that is its right. What the model
    delivers and the broker never brings is one, and so is what comes although it was never asked for, or although
    its receiver had no session when it was published.

    Args:
        pool: the clients.
        keeps: sessions outlive a lost connection.

    Attributes:
        record: what was done, and what really came, for `run.json`.
    """

    def __init__(self, pool: Pool, *, keeps: bool) -> None:
        self._pool = pool
        self._server: Server | None = pool.server
        self._keeps = keeps
        self._seen: set[int] = set()  # hashes, as every message of a run is in it
        self._discarded: set[int] = set()
        self._missed: Counter[Parcel] = Counter()
        self._at_a_stop: list[Parcel] = []
        self._unproven: set[int] = set()
        self._kills = self._pauses = 0
        self._away: Counter[int] = Counter()
        self._deaf: Counter[int] = Counter()
        self._mute: set[int] = set()
        self._strangers: dict[int, Pool] = {}
        self._over = False
        self._patience_s = AFTERMATH_S
        self.record: dict[str, int] = {"kills": 0, "pauses": 0, "resets": 0, "sessions_lost": 0, "thefts": 0}

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
        """See `brokers.api.Carrier`. Who has no session at the broker now will never get it."""
        absent = self._deaf if self._keeps else {**self._deaf, **self._away}
        if absent and (missing := [client for client in self._pool.subscribers(topic) if client in absent]):
            self._missed.update((client, topic, payload) for client in missing)
            self._unproven.add(sender)
        if self._pauses:
            self._at_a_stop += [(client, topic, payload) for client in self._pool.subscribers(topic)]
        self._pool.publish(sender, topic, payload, qos)

    def outlet(self, sender: int, topic: str, qos: int) -> Callable[[bytes], None]:
        """See `brokers.api.Carrier`."""
        return partial(self.publish, sender, topic, qos=qos)

    def inlet(self, receiver: int, topic: str) -> deque[bytes]:
        """See `brokers.api.Carrier`: nothing, so that all is taken under this one's eyes."""
        return deque()

    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None:
        """See `brokers.api.Carrier`."""
        self._patience_s = patience_s
        key = (receiver, topic, expected)
        if self._missed[key]:  # it went out with another one's copy while this one was away
            self._missed[key] -= 1
            return self._pool.take(*key, 0.0) or expected
        seen = hash(key)
        self._seen.add(seen)
        if seen not in self._discarded or self._pool.recall(*key):
            return self._pool.take(*key, patience_s)
        # The same bytes were written off before (a copy, a replay) and have come since: which of the two is which?
        return self._pool.take(*key, 0.0) or expected

    def discard(self, receiver: int, topic: str, payload: bytes) -> None:
        """See `brokers.api.Carrier`. What cannot come is not waited for; if it comes, nobody has asked for it."""
        key = (receiver, topic, payload)
        if self._missed[key]:
            self._missed[key] -= 1
            return
        self._seen.add(hash(key))
        self._discarded.add(hash(key))
        self._pool.discard(receiver, topic, payload)

    def announce(self, sender: int, status: bytes) -> None:
        """See `brokers.api.Carrier`."""
        self._pool.announce(sender, status)

    def leftovers(self, patience_s: float) -> int:
        """What came and was never asked for; second deliveries are counted apart."""
        if self._kills:
            return 0  # it stays dead
        happened = any(self.record.values())
        self._pool.leftovers(min(patience_s, AFTERMATH_S) if happened else patience_s)
        more = list(self._pool.unclaimed())
        twice = sum(hash(entry) in self._seen for entry in more)
        self.record |= {"delivered_twice": twice, "lost_by_the_broker": self._pool.owed()}
        return len(more) - twice

    def close(self) -> None:
        """See `brokers.api.Carrier`."""
        for stranger in self._strangers.values():
            stranger.close()
        self._pool.close()

    # -- as the machinery of the faults

    def kill(self) -> None:
        """SIGKILL, unless it is dead already."""
        self._kills += 1
        if self._kills == 1:
            self.record["kills"] += 1
            self._seen.update(
                map(hash, self._missed)
            )  # what is not acknowledged is sent again, and then its receiver may be back
            if self._keeps and self._away:
                self._let_it_save()
            self._pool.announce_outage()
            self._own().kill()

    def _let_it_save(self) -> None:
        """What waits for an absent client would be on the broker's disk by now, if the time were not virtual."""
        self._pool.catch_up(self._patience_s)
        self._own().save()

    def restart(self) -> None:
        """Starts the broker again and brings clients back, once nothing wants it dead any more."""
        if self._over:
            return
        self._kills -= 1
        if not self._kills:
            server = self._own()
            server.restart()
            self._pool.reconnect(self._away)
            if self._pauses:
                server.pause()
            else:
                self._bring_back()

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
        if not self._pauses:
            self._at_a_stop.clear()
            if not self._kills:
                self._own().resume()
                self._bring_back()

    def reset(self, clients: Sequence[int], arriving: Sequence[Message]) -> None:
        """Closes the sockets of clients; what they had sent and are to receive otherwise is seen through first."""
        self.record["resets"] += len(clients)
        self._leave(clients, arriving)
        if not self._kills:
            for client in clients:
                self._pool.reset(client)

    def reconnect(self, clients: Sequence[int]) -> None:
        """Brings these clients back, as soon as nothing else keeps them away and there is a broker to answer."""
        self._away -= Counter(clients)
        self._bring_back()

    def usurp(self, clients: Sequence[int], arriving: Sequence[Message]) -> None:
        """A stranger connects under each of the names, and the broker throws the true ones out."""
        self.record["thefts"] += len(clients)
        self._leave(clients, arriving)
        if self._kills:
            return
        for client in clients:
            if self._pauses:
                self._pool.reset(client)  # a broker that stands still throws nobody out
            elif client not in self._strangers:
                self._strangers[client] = self._pool.usurp(client)

    def forget(self, clients: Sequence[int], arriving: Sequence[Message]) -> None:
        """The broker loses sessions: the clients come back at once, and get nothing until `remember`."""
        self.record["sessions_lost"] += len(clients)
        self._deaf.update(clients)
        if self._can_answer:
            self._settle(arriving)
            self._bring_back()

    def remember(self, clients: Sequence[int]) -> None:
        """They subscribe again."""
        self._deaf -= Counter(clients)
        self._bring_back()

    def finish(self) -> None:
        """The run is over."""
        self._over = True
        if self._pauses and not self._kills:
            self._own().resume()

    # -- inside

    @property
    def _can_answer(self) -> bool:
        return not (self._over or self._kills or self._pauses)

    def _leave(self, clients: Sequence[int], arriving: Sequence[Message]) -> None:
        """Clients are about to lose their connections."""
        if self._pauses:  # what stands before the broker may find its receiver gone, or back again
            lost = [parcel for parcel in self._at_a_stop if parcel[0] in clients]
            self._missed.update(lost)
            self._seen.update(map(hash, lost))
        elif not self._kills:
            self._settle(arriving)
        self._away.update(clients)

    def _bring_back(self) -> None:
        """Whoever can be there is there again, with the subscriptions that the model gives it."""
        if not self._can_answer:
            return
        self._pool.drain(self._unproven)  # before anybody subscribes, or it would get what it has missed
        self._unproven.clear()
        self._missed = +self._missed
        self._pool.reconnect(self._away)
        for client in sorted(set(self._strangers) - set(self._away)):
            stranger = self._strangers.pop(client)
            stranger.thrown_out()
            stranger.close()
        for client in sorted(set(self._deaf) - self._mute - set(self._away)):
            self._pool.forget(client)
            self._mute.add(client)
        for client in sorted(self._mute - set(self._deaf) - set(self._away)):
            self._pool.remember(client)
            self._mute.remove(client)

    def _settle(self, arriving: Sequence[Message]) -> None:
        gone = set(self._pool.missing())
        for message in arriving:
            lane = message.lane
            parcel = (lane.dst.client, lane.topic, message.frame)
            if lane.dst.client not in gone and not self._missed[parcel]:
                self._pool.arrived(*parcel, self._patience_s)

    def _own(self) -> Server:
        if self._server is None:
            raise SetupError(
                "a broker that is not our own cannot be killed or paused; "
                "use --broker mosquitto, or --mode virtual, or leave that fault out"
            )
        return self._server
