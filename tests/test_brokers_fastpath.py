"""The short way against paho: frame by frame, the same bytes out and the same payloads in."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from brokers.address import Address
from brokers.api import MQTT_5, MQTT_311, Counters, Identity
from brokers.connection import Connection
from brokers.framing import varint
from brokers.loop import Loop
from brokers.mailbox import Mail
from brokers.wire import Hub

protocols = st.sampled_from([MQTT_5, MQTT_311])
topics = st.text(st.characters(blacklist_characters="+#\0", blacklist_categories=["Cs"]), min_size=1, max_size=40)
payloads = st.one_of(st.binary(max_size=300), st.integers(120, 140).map(bytes), st.just(bytes(16_400)))
STATUS = "the/will"


class NoSocket(socket.socket):
    """Nothing behind it: the tests look into the buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.close()


class Unplugged(Connection):
    """A connection that opens without a network."""

    __slots__ = ()

    def open(self) -> None:
        self.ended = False
        self.sock = NoSocket()


class Bench:
    """One connection, connected by hand; what it delivers and what it writes."""

    def __init__(self, protocol: int, fast: bool) -> None:
        self.mail = Mail(1, frozenset({STATUS}))
        self.counters = Counters()
        self.troubles: list[str] = []
        self.loop = Loop()
        self.hub = Hub(
            Address("h", 1), protocol, False, fast, self.loop, self.counters, self.mail.box, frozenset({STATUS}),
            self.troubles,
        )  # fmt: skip
        self.connection = Unplugged(0, Identity("me", STATUS, b"", ()), self.hub)
        self.connect()

    def connect(self) -> None:
        self.connection.connect()
        self.written()
        accepted = b"\x20\x03\x00\x00\x00" if self.hub.protocol == MQTT_5 else b"\x20\x02\x00\x00"
        self.connection.take_in(accepted)
        assert self.connection.ready

    def written(self) -> bytes:
        """What the client has sent since the last look."""
        out = bytes(self.connection._out)
        self.connection.drop_output()
        return out

    def boxes(self) -> dict[str, list[bytes]]:
        return {topic: list(box.queue) for topic, box in self.mail.boxes[0].items() if box.queue}

    def state(self) -> Any:
        counters = self.counters
        return (
            self.boxes(), self.connection.sock is None, self.connection.in_flight(),
            counters.publishes_received, counters.publishes_sent, len(self.troubles),
        )  # fmt: skip

    def close(self) -> None:
        self.connection.cut("")
        self.loop.close()


@contextmanager
def benches(protocol: int) -> Iterator[tuple[Bench, Bench]]:
    short, paho = Bench(protocol, True), Bench(protocol, False)
    try:
        yield short, paho
    finally:
        short.close()
        paho.close()


def paho_frame(
    protocol: int, topic: str, payload: bytes, qos: int, mid: int, dup: bool, retain: bool, expiry: int | None
) -> bytes:
    """A PUBLISH as paho's encoder makes it."""
    out: list[bytes] = []

    class Encoder(mqtt.Client):
        def _packet_queue(self, command: int, packet: Any, *_: Any) -> MQTTErrorCode:
            out.append(bytes(packet))
            return MQTTErrorCode.MQTT_ERR_SUCCESS

    encoder = Encoder(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion(protocol))
    encoder._sock = object()  # type: ignore[assignment]
    properties = None
    if protocol == MQTT_5 and expiry is not None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = expiry
    encoder._send_publish(mid, topic.encode(), payload, qos, retain, dup, None, properties)
    encoder._sock = None
    return out[0]


frames = st.builds(
    paho_frame,
    st.just(MQTT_5), topics, payloads, st.integers(0, 2), st.integers(1, 65535), st.booleans(), st.booleans(),
    st.none() | st.integers(0, 1000),
)  # fmt: skip


@settings(deadline=None)
@given(protocols, topics, payloads, st.integers(0, 1), st.integers(1, 65534))
def test_the_encoder_writes_what_paho_writes(protocol: int, topic: str, payload: bytes, qos: int, mid: int) -> None:
    with benches(protocol) as (short, paho):
        for bench in (short, paho):
            bench.connection.client._last_mid = mid - 1
            bench.connection.publish(topic, payload, qos)
        written = short.written()
        assert written == paho.written()
        assert short.state() == paho.state()
        assert written.endswith(payload)


@settings(deadline=None)
@given(
    protocols,
    st.lists(
        st.tuples(
            topics | st.just(STATUS), payloads, st.integers(0, 2), st.integers(1, 65535), st.booleans(),
            st.booleans(), st.none() | st.integers(0, 9),
        ),
        max_size=6,
    ),
    st.lists(st.floats(0, 1), max_size=4),
)  # fmt: skip
def test_the_decoder_reads_what_paho_reads(
    protocol: int, messages: list[tuple[str, bytes, int, int, bool, bool, int | None]], cuts: list[float]
) -> None:
    """Any messages, cut into any pieces: the same payloads in the same boxes, the same acknowledgements."""
    stream = b"".join(paho_frame(protocol, *message) for message in messages)
    pieces = sorted(round(cut * len(stream)) for cut in cuts)
    with benches(protocol) as (short, paho):
        for start, stop in zip([0, *pieces], [*pieces, len(stream)], strict=True):
            if stream[start:stop]:
                short.connection.take_in(stream[start:stop])
                paho.connection.take_in(stream[start:stop])
        assert short.written() == paho.written()
        assert short.state() == paho.state()
        assert short.counters == paho.counters


@settings(deadline=None)
@given(
    protocols,
    st.lists(st.tuples(st.integers(1, 6), st.none() | st.sampled_from([0, 0x10, 0x80, 0x87, 0x97]), st.booleans())),
)
def test_acknowledgements_settle_the_same_messages(
    protocol: int, acknowledgements: list[tuple[int, int | None, bool]]
) -> None:
    """PUBACKs in every form, for known and unknown messages, twice, with and without reasons and properties."""
    stream = b""
    for mid, reason, properties in acknowledgements:
        body = mid.to_bytes(2)
        if protocol == MQTT_5 and reason is not None:
            body += bytes((reason,)) + (b"\0" if properties else b"")
        stream += b"\x40" + varint(len(body)) + body
    with benches(protocol) as (short, paho):
        for bench in (short, paho):
            for number in range(4):
                bench.connection.publish("a/b", b"%d" % number, 1)
            bench.connection.take_in(stream or b"\xd0\0")
        assert short.written() == paho.written()
        assert short.state() == paho.state()
        assert set(short.connection.fast.unacknowledged) == set(paho.connection.client._out_messages)


@settings(deadline=None)
@given(protocols, st.lists(st.one_of(st.binary(max_size=12), frames), max_size=4).map(b"".join))
def test_garbage_ends_in_the_same_state(protocol: int, stream: bytes) -> None:
    with benches(protocol) as (short, paho):
        for bench in (short, paho):
            bench.connection.publish("a/b", b"one", 1)
            bench.written()
            bench.connection.take_in(stream or b"\xd0\0")
        assert short.written() == paho.written()
        assert short.state() == paho.state()


@settings(deadline=None)
@given(protocols, st.integers(0, 8), st.sets(st.integers(1, 8)), st.integers(0, 3))
def test_what_is_not_acknowledged_goes_out_again(protocol: int, sent: int, settled: set[int], offline: int) -> None:
    """Lost connection and new one: unacknowledged frames first sent get DUP, those of the outage do not."""
    with benches(protocol) as (short, paho):
        outputs = []
        for bench in (short, paho):
            connection = bench.connection
            for number in range(sent):
                connection.publish("a/b", b"%d" % number, 1)
            for mid in sorted(settled):
                connection.take_in(b"\x40\x02" + mid.to_bytes(2))
            bench.written()
            connection.cut("test")
            for number in range(offline):
                connection.publish("a/b", b"offline %d" % number, 1)
            bench.connect()
            outputs.append(bench.written())
        assert outputs[0] == outputs[1]
        assert short.state() == paho.state()
        duplicates = [mid for mid, frame in short.connection.fast.unacknowledged.items() if frame[0] == 0x3A]
        assert len(duplicates) == len(set(range(1, sent + 1)) - settled)


def test_identifiers_in_use_are_not_given_out_again() -> None:
    with benches(MQTT_5) as (short, _):
        connection = short.connection
        connection.publish("a/b", b"short", 1)
        connection.publish("a/b", b"paho", 2)
        connection.client._last_mid = 0
        connection.publish("a/b", b"next", 1)
        assert list(connection.fast.unacknowledged) == [1, 3]
        assert list(connection.client._out_messages) == [2]


@pytest.mark.parametrize("qos", [1, 2])
def test_births_and_wills_are_left_to_paho(qos: int) -> None:
    with benches(MQTT_5) as (short, _):
        short.connection.publish(STATUS, b"busy", 1)
        assert not short.connection.fast.unacknowledged
        short.connection.take_in(paho_frame(MQTT_5, STATUS, b"offline", qos, 7, False, True, None))
        assert short.counters.publishes_received == 0 < short.counters.session_bytes_read
