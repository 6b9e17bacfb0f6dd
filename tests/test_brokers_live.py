"""What a pool does in wall-clock time: keepalives, retained messages, mail in one go."""

from __future__ import annotations

import select
import time

from brokers_kit import WAIT_S, fleet, inbox, needs_mosquitto

from brokers import mosquitto
from brokers.api import Identity
from brokers.client import Pool

pytestmark = needs_mosquitto


def test_a_pool_that_is_pumped_keeps_itself_alive() -> None:
    with mosquitto.Server() as server:
        pool, silent = Pool(server.url, keepalive_s=2), Pool(server.url)
        for each in (pool, silent):
            each.connect(fleet(1))
        before, still = pool.counters.session_bytes_read, silent.counters.session_bytes_read
        deadline = time.monotonic() + WAIT_S
        while pool.counters.session_bytes_read < before + 4 and time.monotonic() < deadline:
            for each in (pool, silent):
                each.pump(0.05)
        assert pool.counters.session_bytes_read == before + 4, "two answers of two bytes to two pings"
        assert silent.counters.session_bytes_read == still, "without keepalive nobody asks"
        assert not pool.missing()
        for each in (pool, silent):
            each.close()


def test_a_broker_that_stands_still_is_noticed_by_its_silence() -> None:
    with mosquitto.Server() as server:
        pool = Pool(server.url, keepalive_s=1)
        pool.connect(fleet(1))
        pool.announce_outage()
        server.pause()
        deadline = time.monotonic() + WAIT_S
        while not pool.missing() and time.monotonic() < deadline:
            pool.pump(0.05)
        assert pool.missing() == [0]
        server.resume()
        pool.reconnect()
        assert not pool.missing()
        pool.close()


def test_who_stood_still_himself_reads_before_he_judges() -> None:
    with mosquitto.Server() as server:
        pool = Pool(server.url, keepalive_s=60)
        pool.connect(fleet(1))
        connection = pool._connections[0]
        connection.client._send_pingreq()
        pool._loop.flush()
        assert connection.sock is not None
        assert select.select([connection.sock], [], [], WAIT_S)[0], "the answer is here, unread"
        pool._tended_s = 0.0
        connection.client._ping_t -= 100
        connection.client._last_msg_out = connection.client._last_bytes_received = connection.client._ping_t
        pool.pump(0)
        assert not pool.missing()
        pool.close()


def test_what_is_retained_waits_for_whoever_comes_later() -> None:
    with mosquitto.Server() as server:
        first, second = fleet(2)
        early, late = Pool(server.url), Pool(server.url)
        early.connect([first])
        deadline = time.monotonic() + WAIT_S
        early.retain(0, "fogfleet/kept", b"word")
        while early.in_flight() and time.monotonic() < deadline:
            early.pump(0.05)
        assert early.in_flight() == 0, "the broker has acknowledged everything"
        late.connect([Identity(second.client_id, second.will_topic, b"", ("fogfleet/kept", inbox(second)))])
        early.publish(0, inbox(second), b"one", 1)
        early.publish(0, inbox(second), b"two", 1)
        assert late.holds(0, inbox(second), b"one") is False, "it never waits"
        mail: list[tuple[int, str, bytes]] = []
        while len(mail) < 3 and time.monotonic() < deadline:
            early.pump(0.0)
            late.pump(0.05)
            mail += late.received()
        assert sorted(mail) == sorted(
            [(0, "fogfleet/kept", b"word"), (0, inbox(second), b"one"), (0, inbox(second), b"two")]
        )
        assert late.received() == []
        early.close()
        late.close()
