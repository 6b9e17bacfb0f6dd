"""Every byte is counted: closed forms, sockets and the broker's own counters agree."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest
from brokers_kit import WAIT_S, fleet, inbox, needs_mosquitto
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers import mosquitto
from brokers.api import MQTT_5, MQTT_311, Counters
from brokers.client import Pool
from brokers.framing import ack_bytes, length_bytes, publish_bytes, varint
from brokers.memory import MemoryCarrier

SIZES = (0, 1, 12, 140, 3072, 16_400, 70_000)
protocols = pytest.mark.parametrize("protocol", [MQTT_5, MQTT_311], ids=["mqtt5", "mqtt311"])


@pytest.fixture(scope="module")
def server() -> Iterator[mosquitto.Server]:
    with mosquitto.Server() as running:
        yield running


class Monitor:
    """A subscriber of `$SYS/broker/bytes/+` on a bare socket at QoS 0: sends nothing after subscribing.

    Attributes:
        received: the broker's count of bytes received, at its latest report.
        sent: the broker's count of bytes sent, and how many bytes had come to this monitor before that report.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        topic = b"$SYS/broker/bytes/+"
        self._socket.sendall(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x00\x00\x03mon")
        self._socket.sendall(bytes((0x82, 5 + len(topic))) + b"\x00\x01" + len(topic).to_bytes(2) + topic + b"\x00")
        self.received = 0
        self.sent = (0, 0)
        self._bytes = 0

    def catch_up(self) -> None:
        """Reads what is there and then two more reports: by then everything until now is in both numbers."""
        while select.select([self._socket], [], [], 0)[0]:
            self._report()
        for _ in range(2):
            last = self.sent
            while self.sent == last or select.select([self._socket], [], [], 0.1)[0]:
                self._report()

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._socket.recv(size - len(data))
        return data

    def _report(self) -> None:
        kind, length = self._exactly(2)
        body = self._exactly(length)
        if kind >> 4 == 3:
            topic, number = body[2 : 2 + body[1]], int(body[2 + body[1] :])
            if topic.endswith(b"received"):
                self.received = number
            else:
                self.sent = (number, self._bytes)
        self._bytes += 2 + length

    def close(self) -> None:
        self._socket.close()


@needs_mosquitto
def test_the_pools_count_is_the_broker_s_count(server: mosquitto.Server) -> None:
    """Three pools, because the broker reports only every other second."""
    monitor = Monitor(server.port)
    monitor.catch_up()
    received, (sent, seen) = monitor.received, monitor.sent
    pools = []
    for protocol, fast in ((MQTT_5, True), (MQTT_311, True), (MQTT_5, False)):
        identities = fleet(5)
        pool = Pool(server.url, protocol=protocol, fast=fast, version="known")
        pool.connect(identities)
        for qos in (0, 1, 2):
            for size in SIZES:
                payload = bytes((qos,)) * size
                pool.publish(size % 4, inbox(identities[4]), payload, qos)
                assert pool.take(4, inbox(identities[4]), payload, WAIT_S) == payload
        pool.drain(range(5))
        pools.append(pool)
    monitor.catch_up()
    assert monitor.received - received == sum(pool.counters.bytes_written for pool in pools)
    own = monitor.sent[1] - seen
    assert monitor.sent[0] - sent - own == sum(pool.counters.bytes_read for pool in pools)
    monitor.close()
    for pool in pools:
        assert pool.leftovers(0) == 0
        pool.close()


@needs_mosquitto
@protocols
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "paho"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_the_closed_forms_are_what_the_sockets_carry(
    server: mosquitto.Server, qos: int, protocol: int, fast: bool
) -> None:
    identities = fleet(2)
    topic = inbox(identities[1])
    pool, memory = Pool(server.url, protocol=protocol, fast=fast), MemoryCarrier(protocol)
    pool.connect(identities)
    memory.connect(identities)
    for size in SIZES:
        before = data_plane(pool.counters)
        pool.publish(0, topic, bytes(size), qos)
        memory.publish(0, topic, bytes(size), qos)
        assert pool.take(1, topic, bytes(size), WAIT_S) is not None
        while pool._loop.poll(0.01) or pool._connections[0].in_flight():
            pass
        written, read = (now - then for now, then in zip(data_plane(pool.counters), before, strict=True))
        leg = publish_bytes(topic, size, qos, protocol) + ack_bytes(qos, protocol)
        assert written + read == 2 * leg, size
    assert data_plane(pool.counters) == data_plane(memory.counters)
    assert pool.counters.publishes_sent == pool.counters.publishes_received == len(SIZES)
    pool.close()


def data_plane(counters: Counters) -> tuple[int, int]:
    return counters.data_bytes_written, counters.data_bytes_read


@needs_mosquitto
def test_births_and_wills_are_no_data(server: mosquitto.Server) -> None:
    """A client that subscribes to all births: everything so far is session."""
    identities = fleet(4)
    name = identities[0].client_id.rpartition("-")[0]
    watcher = type(identities[0])(f"{name}-w", f"{name}/w/status", b"", (f"{name}/+/status",))
    pool = Pool(server.url)
    pool.connect([*identities, watcher])
    assert pool.take(4, identities[3].will_topic, b"online", WAIT_S)
    pool.reset(2)
    assert pool.take(4, identities[2].will_topic, b"offline", WAIT_S)
    assert pool.leftovers(0.1) == 0
    while pool._loop.poll(0.05):
        pass
    assert data_plane(pool.counters) == (0, 0)
    assert pool.counters.session_bytes_written > 0 < pool.counters.session_bytes_read
    assert pool.counters.publishes_sent == pool.counters.publishes_received == 0
    pool.close()


def test_worked_examples_from_the_specification() -> None:
    """MQTT 3.1.1, table 2.4 (varint boundaries) and figure 3.11 (a PUBLISH on `a/b`)."""
    assert [len(varint(n)) for n in (0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455)] == [
        1, 1, 2, 2, 3, 3, 4, 4,
    ]  # fmt: skip
    assert varint(321) == bytes((193, 2))
    assert publish_bytes("a/b", 0, 1, MQTT_311) == 9
    assert publish_bytes("a/b", 0, 0, MQTT_5) == 8
    assert [ack_bytes(qos, MQTT_311) for qos in (0, 1, 2)] == [0, 4, 12]
    with pytest.raises(ValueError, match="does not fit"):
        varint(268_435_456)


@settings(deadline=None)
@given(st.integers(0, 268_435_455))
def test_varints_read_back(value: int) -> None:
    encoded = varint(value)
    assert len(encoded) == length_bytes(value)
    assert sum((byte & 127) << 7 * place for place, byte in enumerate(encoded)) == value
    assert all(byte & 128 for byte in encoded[:-1]) and not encoded[-1] & 128
