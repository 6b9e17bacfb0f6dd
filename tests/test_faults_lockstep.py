"""Faults of the broker on a real Mosquitto: killed, paused, its clients thrown out, garbage thrown at it."""

import contextlib
import random
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from brokers_kit import needs_mosquitto
from fault_kit import decisions, load, lost, run, samples

from brokers import mosquitto
from brokers.api import Identity
from brokers.client import Pool
from sim.world.plan import Plan
from sim.world.play import Outcome, play
from sim.world.prepare import Prepared

pytestmark = needs_mosquitto


@pytest.mark.parametrize("durable", [False, True])
def test_a_broker_killed_twenty_times_loses_no_sample_without_a_reason(durable: bool) -> None:
    kills = "{kind: broker-kill, target: broker, at: 1005 ms, every: 3 s, for: 800 ms}"
    options = ["samples=60", f"mqtt.durable={str(durable).lower()}", "data.test=60"]
    wanted = load(kills, overrides=options)
    real, model = run(wanted=wanted, broker="mosquitto"), run(wanted=wanted)
    assert real.outages["kills"] == 20
    assert decisions(real) == decisions(model)
    assert real.divergences == real.unasked == 0
    assert all(entry.exit or entry.faults for entry in samples(real)), "what was dropped names its fault"
    for row in real.faults.rows:
        assert row.end_s is not None
        after = min(e.decided_s for e in samples(real) if e.decided_s is not None and e.decided_s > row.end_s)
        assert after - row.end_s <= 5.0


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize(
    "entry",
    [
        "{kind: broker-kill, target: broker, at: 3005 ms, for: 2 s}",
        "{kind: broker-pause, target: broker, at: 3005 ms, for: 2 s}",
        "{kind: connection-reset, target: cam, at: 3005 ms, for: 2 s}",
        "{kind: stolen-identity, target: gw, at: 3005 ms, for: 2 s}",
        "{kind: session-loss, target: gw, at: 3005 ms, for: 2 s}",
        "{kind: crash, target: cam.1, at: 3005 ms, for: 2 s}",
        "{kind: crash, target: gw, memory: kept, at: 3005 ms, for: 2 s}",
        "{kind: crash, target: cloud, at: 3005 ms, for: 2 s}",
    ],
)
def test_the_real_broker_decides_as_its_model(entry: str, qos: int) -> None:
    options = [f"mqtt.qos={qos}", "exits.local=0.2"]
    real, model = run(entry, overrides=options, broker="mosquitto"), run(entry, overrides=options)
    assert decisions(real) == decisions(model) and lost(real) == lost(model)
    assert real.divergences == real.unasked == 0
    assert sum(real.outages[what] for what in ("kills", "pauses", "resets", "sessions_lost", "thefts")) >= 1


def test_all_kinds_of_outages_at_once() -> None:
    entries = (
        "{kind: broker-pause, target: broker, at: 1 s, for: 4 s}",
        "{kind: broker-kill, target: broker, at: 2 s, for: 1 s}",
        "{kind: broker-kill, target: broker, at: 2500 ms, for: 1 s}",
        "{kind: connection-reset, target: cam, at: 1500 ms, for: 3 s}",
        "{kind: replay, target: cam}",
    )
    real, model = run(*entries, broker="mosquitto"), run(*entries)
    assert decisions(real) == decisions(model)
    assert real.divergences == real.unasked == 0


@pytest.mark.parametrize("durable", [False, True])
def test_all_that_can_become_of_a_client_at_once(durable: bool) -> None:
    entries = (
        "{kind: crash, target: gw, at: 1505 ms, for: 2 s}",
        "{kind: session-loss, target: gw, at: 1 s, for: 3 s}",
        "{kind: stolen-identity, target: gw, at: 2 s, for: 4 s}",
        "{kind: broker-pause, target: broker, at: 3 s, for: 2 s}",
        "{kind: connection-reset, target: cam.1, at: 3505 ms, for: 1 s}",
        "{kind: broker-kill, target: broker, at: 7 s, for: 500 ms}",
        "{kind: session-loss, target: cam.2, at: 6500 ms, for: 2 s}",
        "{kind: stolen-identity, target: cam.0, at: 6500 ms, for: 1500 ms}",
    )
    options = [f"mqtt.durable={str(durable).lower()}", "exits.local=0.2"]
    real, model = run(*entries, overrides=options, broker="mosquitto"), run(*entries, overrides=options)
    assert decisions(real) == decisions(model) and lost(real) == lost(model)
    assert real.divergences == real.unasked == 0
    assert real.outages["sessions_lost"] == real.outages["thefts"] == 2


def test_a_crash_closes_the_socket_so_that_the_last_will_is_sent() -> None:
    with mosquitto.Server() as server:
        heard = Pool(server.url)
        topic = "fogfleet/testtest/site-0/cam.1/status"
        heard.connect([Identity("listener", "listener/status", b"gone", (topic,))])
        pool = Pool(server.url, name="mosquitto", server=server)
        _play_with(load("{kind: crash, target: cam.1, at: 3005 ms, for: 2 s}"), pool)
        for status in (b"online", b"active", b"offline", b"degraded", b"active"):
            assert heard.take(0, topic, status, 20) == status
        pool.close()
        heard.close()


def test_a_broker_that_remembers_a_lost_session_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pool, "forget", lambda self, client: None)  # its subscriptions stay, against the model
    real = run("{kind: session-loss, target: gw, at: 3005 ms, for: 2 s}", broker="mosquitto")
    assert real.unasked > 0, "what comes although there should be no session is not hidden"


def _packets(rng: random.Random, topics: Sequence[str]) -> list[bytes]:
    """Raw bytes for a broker: pure noise, broken headers, and publishes of mutated payloads."""
    connect = b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02zz"
    found = []
    for number in range(300):
        topic = rng.choice(topics).encode()
        body = len(topic).to_bytes(2, "big") + topic + rng.randbytes(rng.randrange(60))
        publish = b"\x30" + bytes([len(body)]) + body
        found.append([rng.randbytes(rng.randrange(1, 80)), connect + publish, connect + rng.randbytes(30)][number % 3])
    return found


def test_garbage_from_strangers_on_the_wire_is_counted_and_changes_nothing() -> None:
    wanted = load()
    model = run(wanted=wanted)
    unpickled: list[str] = []
    sys.addaudithook(lambda event, _: unpickled.append(event) if event.startswith("pickle") else None)
    before = len(unpickled)
    with mosquitto.Server() as server:
        pool = Pool(server.url, name="mosquitto", server=server)
        packets = _packets(random.Random(1), [f"fogfleet/testtest/site-0/cam.{n}/scores" for n in range(3)])

        def throw() -> None:
            for packet in packets:
                _throw(packet, server.port)

        thread = threading.Thread(target=throw)
        outcome = _play_with(wanted, _beside(pool, thread))
        thread.join()
        pool.close()
        assert server.alive
    assert decisions(outcome) == decisions(model)
    assert outcome.divergences == 0
    assert outcome.unasked > 0, "what was published on the fleet's topics is counted"
    assert len(unpickled) == before, "nothing is ever unpickled"


def _throw(packet: bytes, port: int) -> None:
    """Sends it and waits until the broker hangs up, which it does when it has read everything.

    Who just closes with an answer unread resets the connection, and what the broker has not read yet is lost.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock, contextlib.suppress(OSError):
        sock.sendall(packet)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass


def _play_with(wanted: Any, carrier: Any) -> Outcome:
    from fault_kit import _network

    prepared, inference = _network("")
    return play(Prepared(Plan(wanted), prepared.dataset, prepared.network), inference, carrier, None, "testtest")


def _beside(pool: Pool, thread: threading.Thread) -> Any:
    """The pool, with strangers at work from when the fleet is connected until its leftovers are counted."""

    class Late:
        def __getattr__(self, name: str) -> Any:
            return getattr(pool, name)

        def connect(self, identities: Any) -> None:
            pool.connect(identities)
            thread.start()

        def leftovers(self, patience_s: float) -> int:
            thread.join()
            return pool.leftovers(patience_s)

    return Late()
