"""Many identities over few connections: everybody gets what a connection of his own would have brought him."""

import random
from pathlib import Path
from typing import Any

import pytest
from brokers_kit import WAIT_S, needs_mosquitto
from world_kit import small

from brokers import mosquitto
from brokers.api import BrokerError, Carrier, Identity
from brokers.client import Pool
from brokers.memory import MemoryCarrier
from brokers.shared import Shared
from sim import world
from sim.errors import UsageError
from sim.world.play import Outcome, play


def people(count: int) -> list[Identity]:
    """Each hears the news, its own topic, and what the next one says; the last one hears all own topics."""
    found = [
        Identity(f"p-{n}", f"p/{n}/status", b"offline", ("p/news", f"p/{n}/own", f"p/{(n + 1) % count}/own"))
        for n in range(count - 1)
    ]
    return [*found, Identity("p-last", "p/last/status", b"offline", ("p/news", "p/+/own"))]


def heard(carrier: Carrier, seed: int) -> tuple[list[object], bool]:
    """What comes of publishing, taking and discarding in a random order, and whether anything was left over."""
    rng, count = random.Random(seed), 7
    carrier.connect(people(count))
    found: list[object] = []
    for number in range(40):
        topic = rng.choice(["p/news", f"p/{rng.randrange(count - 1)}/own"])
        payload = bytes([number, rng.randrange(3)])
        carrier.publish(rng.randrange(count), topic, payload, 1)
        listeners = [index for index, one in enumerate(people(count)) if _hears(one, topic)]
        rng.shuffle(listeners)
        for index in listeners:
            match rng.randrange(3):
                case 0:
                    carrier.discard(index, topic, payload)
                case 1:
                    found.append((number, index, carrier.take(index, topic, payload, WAIT_S)))
                case _ if number % 8 == 0:
                    pass  # it stays, and is counted in the end
                case _:
                    found.append((number, index, carrier.take(index, topic, payload, WAIT_S)))
                    found.append((number, index, carrier.take(index, topic, payload, 0.0)))
    return found, carrier.leftovers(WAIT_S) > 0


def _hears(identity: Identity, topic: str) -> bool:
    return topic in identity.subscriptions or ("p/+/own" in identity.subscriptions and topic.endswith("/own"))


@pytest.mark.parametrize("connections", [1, 2, 4, 100])
@pytest.mark.parametrize("seed", range(5))
def test_sharing_changes_nothing_for_who_listens(connections: int, seed: int) -> None:
    assert heard(Shared(MemoryCarrier(), connections), seed) == heard(MemoryCarrier(), seed)


@needs_mosquitto
def test_a_real_broker_has_so_many_clients_and_the_status_of_every_node() -> None:
    with mosquitto.Server() as server:
        below = Pool(server.url)
        shared = Shared(below, 2)
        assert heard(shared, 3) == heard(MemoryCarrier(), 3)
        shared.announce(1, b"degraded")
        below.pump(0)
        watcher = Pool(server.url)
        watcher.connect([Identity("w", "w/status", b"", ("p/+/status",))])
        for n in range(6):
            status = b"degraded" if n == 1 else b"online"
            assert watcher.take(0, f"p/{n}/status", status, WAIT_S) == status
        assert below.counters.publishes_received < 40 * 7, "one delivery a connection"
        shared.close()
        for n in range(6):
            assert watcher.take(0, f"p/{n}/status", b"", WAIT_S) == b"", "it is cleared"
        watcher.close()


def _played(carrier: Any, folder: Path, *overrides: str) -> tuple[Outcome, bytes]:
    wanted = small("six_cameras", "sites=3", *overrides)
    prepared = world.prepare(wanted)
    path = folder / f"{len(list(folder.iterdir()))}.parquet"
    outcome = play(prepared, prepared.network.inference(prepared.dataset), carrier, path, "sharetst")
    return outcome, path.read_bytes()


@needs_mosquitto
@pytest.mark.parametrize("qos", [0, 1])
def test_a_run_over_shared_connections_gives_the_same_tables(tmp_path: Path, qos: int) -> None:
    faults = "faults=[{kind: drop, target: cam.1, probability: 0.2}, {kind: duplicate, target: gw, probability: 0.2}]"
    options = (f"mqtt.qos={qos}", faults, "links.cam->gw.loss=3 %")
    own, table = _played(MemoryCarrier(), tmp_path, *options)
    with mosquitto.Server() as server:
        pool = Pool(server.url)
        shared, shared_table = _played(pool, tmp_path, *options, "mqtt.connections=2")
        assert len(pool._connections) == 3
        pool.close()
    assert shared_table == table
    assert (shared.divergences, shared.unasked) == (own.divergences, own.unasked) == (0, 0)


def test_what_needs_a_connection_for_every_node_is_refused(tmp_path: Path) -> None:
    crash = "faults=[{kind: crash, target: cam.1, at: 1 s, for: 1 s}]"
    with pytest.raises(UsageError, match=r"mqtt\.connections: faults of nodes and of the broker need a connection"):
        _played(MemoryCarrier(), tmp_path, crash, "mqtt.connections=2")


@needs_mosquitto
def test_a_lost_connection_is_reported_and_closing_is_still_possible() -> None:
    with mosquitto.Server() as server:
        shared = Shared(Pool(server.url, patience_s=WAIT_S), 2)
        shared.connect(people(5))
    with pytest.raises(BrokerError):
        shared.take(0, "p/news", b"never", WAIT_S)
    shared.close()
