"""A real Mosquitto that is killed, paused and restarted under the pool."""

from __future__ import annotations

import select
import socket
import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from brokers_kit import WAIT_S, burst, fleet, inbox, needs_mosquitto, within

from brokers import mosquitto
from brokers.api import BrokerError, Identity
from brokers.client import Pool
from brokers.wire import see_off

pytestmark = needs_mosquitto
both_ways = pytest.mark.parametrize("fast", [True, False], ids=["fast", "paho"])


@pytest.fixture
def server() -> Iterator[mosquitto.Server]:
    with mosquitto.Server() as running:
        yield running


def until(pool: Pool, holds: Callable[[], bool]) -> None:
    """Lets the network work until something holds, whatever goes wrong meanwhile."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        pool._loop.poll(0.1)


def acknowledged(pool: Pool) -> None:
    """Waits until the broker has acknowledged everything."""
    until(pool, lambda: not pool.in_flight())


def test_a_broker_that_dies_is_an_error_that_says_so(server: mosquitto.Server) -> None:
    identities = fleet(3)
    pool = Pool(server.url)
    pool.connect(identities)
    server.kill()
    until(pool, lambda: pool.missing() == [0, 1, 2])
    with pytest.raises(BrokerError, match=r"lost its connection: .*2 more like it"):
        pool.take(1, inbox(identities[1]), b"never", 5)
    with pytest.raises(BrokerError, match="has no connection"):
        pool.take(1, inbox(identities[1]), b"never", 5)
    with pytest.raises(BrokerError, match="has no connection"):
        pool.publish(0, inbox(identities[1]), b"never", 1)
    pool.close()


def test_what_came_before_the_death_can_still_be_taken(server: mosquitto.Server) -> None:
    identities = fleet(2)
    pool = Pool(server.url)
    pool.connect(identities)
    topic = inbox(identities[1])
    pool.publish(0, topic, b"first", 1)
    pool.publish(0, topic, b"second", 1)
    assert pool.take(1, topic, b"second", WAIT_S)
    server.kill()
    assert pool.take(1, topic, b"first", 5) == b"first"
    pool.close()


@both_ways
@pytest.mark.parametrize("qos", [1, 2])
def test_messages_published_during_an_outage_arrive_after_it(server: mosquitto.Server, qos: int, fast: bool) -> None:
    """Every client both publishes and subscribes, so none may resume before all have subscribed."""
    identities = fleet(20)
    pool = Pool(server.url, fast=fast)
    pool.connect(identities)
    pool.announce_outage()
    server.kill()
    payloads = [b"%d" % number for number in range(1000)]
    for number, payload in enumerate(payloads):
        pool.publish(number % 20, inbox(identities[(number + 7) % 20]), payload, qos)
    assert pool.take(7, inbox(identities[7]), payloads[0], 5) is None, "an announced outage is no error"
    server.restart()
    pool.reconnect()
    assert pool.missing() == []
    for number, payload in enumerate(payloads):
        receiver = (number + 7) % 20
        assert pool.take(receiver, inbox(identities[receiver]), payload, WAIT_S)
    assert pool.leftovers(0) == 0, "sent once, delivered once"
    pool.close()


@both_ways
def test_unacknowledged_messages_are_sent_again_as_duplicates(server: mosquitto.Server, fast: bool) -> None:
    identities = fleet(2)
    topic = inbox(identities[1])
    pool = Pool(server.url, fast=fast)
    pool.connect(identities)
    server.pause()
    payloads = [b"%d" % number for number in range(200)]
    for payload in payloads:
        pool.publish(0, topic, payload, 1)
    pool.publish(0, topic, b"at most once", 0)
    assert pool.take(1, topic, payloads[0], 0.2) is None, "paused"
    assert pool._connections[0].in_flight() == 200
    pool.announce_outage()
    server.kill()
    server.restart()
    pool.reconnect()
    for payload in payloads:
        assert pool.take(1, topic, payload, WAIT_S)
    acknowledged(pool)
    assert pool.take(1, topic, b"at most once", 0.1) is None
    assert pool.counters.publishes_sent == 401
    pool.close()


def test_a_pause_only_delays(server: mosquitto.Server) -> None:
    identities = fleet(2)
    pool = Pool(server.url)
    pool.connect(identities)
    topic = inbox(identities[1])
    server.pause()
    pool.publish(0, topic, b"patience", 1)
    assert pool.take(1, topic, b"patience", 0.2) is None
    server.resume()
    assert pool.take(1, topic, b"patience", WAIT_S)
    pool.close()


@both_ways
def test_one_client_reset_leaves_the_others_alone(server: mosquitto.Server, fast: bool) -> None:
    identities = fleet(3)
    pool = Pool(server.url, fast=fast)
    pool.connect(identities)
    pool.reset(1)
    assert pool.missing() == [1]
    pool.publish(0, inbox(identities[2]), b"past it", 1)
    assert pool.take(2, inbox(identities[2]), b"past it", WAIT_S)
    pool.publish(1, inbox(identities[2]), b"waits", 1)
    assert pool.take(2, inbox(identities[2]), b"waits", 0.1) is None
    assert pool.take(1, inbox(identities[1]), b"never", 5) is None, "at once: it has no connection"
    pool.reconnect()
    assert pool.take(2, inbox(identities[2]), b"waits", WAIT_S)
    pool.close()


def test_repeated_kills(server: mosquitto.Server) -> None:
    identities = fleet(6)
    pool = Pool(server.url)
    pool.connect(identities)
    for number in range(5):
        burst(pool, 0, 5, inbox(identities[5]), 1, 50)
        pool.announce_outage()
        server.kill()
        pool.publish(1, inbox(identities[5]), b"kept %d" % number, 1)
        server.restart()
        pool.reconnect()
        assert pool.take(5, inbox(identities[5]), b"kept %d" % number, WAIT_S)
    pool.close()


def test_a_durable_broker_keeps_what_it_acknowledged() -> None:
    identities = fleet(2)
    topic = inbox(identities[1])
    with mosquitto.Server(durable=True) as server:
        pool = Pool(server.url, persistent=True)
        pool.connect(identities)
        pool.reset(1)
        payloads = [uuid.uuid4().hex.encode() for _ in range(50)]
        for payload in payloads:
            pool.publish(0, topic, payload, 1)
        acknowledged(pool)
        saved = server.folder / "mosquitto.db"  # on the broker's next turn, after its acknowledgement
        assert within(WAIT_S, lambda: saved.exists() and payloads[-1] in saved.read_bytes())
        pool.announce_outage()
        server.kill()
        server.restart()
        pool.reconnect()
        for payload in payloads:
            assert pool.take(1, topic, payload, WAIT_S)
        pool.close()


def test_who_leaves_with_answers_unread_is_still_heard_to_the_end(
    server: mosquitto.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    (camera,) = fleet(1)
    pool, watcher = Pool(server.url), Pool(server.url)
    pool.connect([camera])
    watcher.connect([Identity("watcher", "watcher/status", b"", (camera.will_topic,))])
    pool.publish(0, "anywhere", b"news", 1)
    pool._loop.flush()
    assert pool._connections[0].sock is not None
    assert select.select([pool._connections[0].sock], [], [], WAIT_S)[0], "the acknowledgement is here, unread"
    server.pause()
    for number in range(50):
        pool.publish(0, "anywhere", b"more to acknowledge %d" % number, 1)

    def resume(leaving: list[socket.socket]) -> None:
        server.resume()
        see_off(leaving)

    monkeypatch.setattr("brokers.client.see_off", resume)
    pool.close()
    assert watcher.take(0, camera.will_topic, b"", WAIT_S) == b"", "the good-bye has cleared the status"
    assert watcher.take(0, camera.will_topic, b"offline", 0.2) is None
    watcher.close()


def test_a_broker_that_does_not_come_back_is_an_error(server: mosquitto.Server) -> None:
    pool = Pool(server.url)
    pool.connect(fleet(3))
    pool.announce_outage()
    server.kill()
    with pytest.raises(BrokerError, match="cannot reach"):
        pool.reconnect()
    pool.close()
