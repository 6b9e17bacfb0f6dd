"""The client pool against a real Mosquitto."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from brokers_kit import WAIT_S, TunedMosquitto, burst, fleet, inbox, needs_mosquitto, peer

from brokers import mosquitto
from brokers.api import MQTT_5, MQTT_311, BrokerError, Identity
from brokers.authority import Authority
from brokers.client import Pool

pytestmark = needs_mosquitto


@pytest.fixture(scope="module")
def server() -> Iterator[mosquitto.Server]:
    with mosquitto.Server() as running:
        yield running


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "paho"])
@pytest.mark.parametrize("protocol", [MQTT_5, MQTT_311], ids=["mqtt5", "mqtt311"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_burst_of_2000_loses_nothing(server: mosquitto.Server, qos: int, protocol: int, fast: bool) -> None:
    identities = fleet(2)
    pool = Pool(server.url, protocol=protocol, fast=fast)
    pool.connect(identities)
    assert pool.protocol == protocol
    burst(pool, 0, 1, inbox(identities[1]), qos, 2000)
    assert pool.counters.publishes_sent == pool.counters.publishes_received == 2000
    assert pool.leftovers(0) == 0
    pool.close()


def test_300_clients_all_talk(server: mosquitto.Server) -> None:
    identities = fleet(300)
    pool = Pool(server.url)
    pool.connect(identities)
    for sender in range(300):
        pool.publish(sender, inbox(identities[(sender + 1) % 300]), b"from %d" % sender, sender % 3)
    for sender in range(300):
        receiver = (sender + 1) % 300
        assert pool.take(receiver, inbox(identities[receiver]), b"from %d" % sender, WAIT_S)
    pool.close()


def test_the_birth_is_retained_the_will_comes_after_a_reset_and_closing_leaves_nothing(
    server: mosquitto.Server,
) -> None:
    camera = fleet(1)[0]
    watcher = fleet(1)[0]
    status = camera.will_topic
    watcher = Identity(watcher.client_id, watcher.will_topic, b"", (status,))
    cameras, watchers = Pool(server.url), Pool(server.url)
    cameras.connect([camera])
    watchers.connect([watcher])
    assert watchers.take(0, status, b"online", WAIT_S) == b"online", "retained: it was published before we subscribed"
    cameras.reset(0)
    assert watchers.take(0, status, b"offline", WAIT_S) == b"offline"
    cameras.reconnect()
    assert watchers.take(0, status, b"online", WAIT_S) == b"online"
    cameras.close()
    assert watchers.take(0, status, b"", WAIT_S) == b"", "the retained message is cleared"
    assert watchers.take(0, status, b"offline", 0.2) is None, "no will after a good-bye"
    watchers.close()


def test_take_returns_none_after_its_patience(server: mosquitto.Server) -> None:
    identities = fleet(2)
    pool = Pool(server.url)
    pool.connect(identities)
    topic = inbox(identities[1])
    pool.publish(0, topic, b"something else", 1)
    assert pool.peek(1, topic, WAIT_S) == b"something else"
    started = time.monotonic()
    assert pool.take(1, topic, b"expected", 0.2) is None
    assert time.monotonic() - started >= 0.2
    assert pool.leftovers(0) == 1
    pool.close()


def test_discarded_payloads_are_waited_for(server: mosquitto.Server) -> None:
    identities = fleet(2)
    pool = Pool(server.url)
    pool.connect(identities)
    topic = inbox(identities[1])
    pool.publish(0, topic, b"lost", 1)
    pool.discard(1, topic, b"lost")
    pool.publish(0, topic, b"kept", 1)
    assert pool.take(1, topic, b"kept", WAIT_S)
    assert pool.leftovers(WAIT_S) == 0
    pool.close()


def test_two_pools_do_not_disturb_each_other(server: mosquitto.Server) -> None:
    with mosquitto.Server() as other:
        assert other.port != server.port
        identities = fleet(2)
        first, second = Pool(server.url), Pool(other.url)
        first.connect(identities)
        second.connect(identities)  # the same names, at another broker
        topic = inbox(identities[1])
        first.publish(0, topic, b"first", 1)
        second.publish(0, topic, b"second", 1)
        assert first.take(1, topic, b"first", WAIT_S) and second.take(1, topic, b"second", WAIT_S)
        assert first.leftovers(0) == second.leftovers(0) == 0
        first.close()
        second.publish(0, topic, b"still there", 1)
        assert second.take(1, topic, b"still there", WAIT_S)
        second.close()


# -- what cannot be sent


@pytest.mark.parametrize("topic", ["", "a/+", "a/#", "x" * 65536])
def test_a_topic_that_cannot_be_published_on_is_refused(server: mosquitto.Server, topic: str) -> None:
    pool = Pool(server.url)
    pool.connect(fleet(1))
    with pytest.raises(BrokerError, match="not a topic to publish on"):
        pool.publish(0, topic, b"", 0)
    pool.close()


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_an_oversize_packet_is_refused_and_the_connection_lives(qos: int) -> None:
    identities = fleet(2)
    topic = inbox(identities[1])
    with TunedMosquitto("max_packet_size 1000") as server:
        pool = Pool(server.url)
        pool.connect(identities)
        frame = 1 + 2 + 2 + len(topic) + (2 if qos else 0) + 1
        with pytest.raises(BrokerError, match="above the 1000 bytes"):
            pool.publish(0, topic, b"x" * (1001 - frame), qos)
        fits = b"x" * (1000 - frame)
        pool.publish(0, topic, fits, qos)
        assert pool.take(1, topic, fits, WAIT_S) == fits
        pool.close()


def test_a_packet_above_mqtt_s_own_limit_is_refused(server: mosquitto.Server) -> None:
    pool = Pool(server.url)
    pool.connect(fleet(1))
    limit = 268_435_455 if mosquitto.numbers(server.version) >= (2, 1) else 268_435_460  # the former we set, as we must
    with pytest.raises(BrokerError, match=f"above the {limit} bytes"):
        pool.publish(0, "big", bytes(268_435_455), 1)
    pool.close()


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "paho"])
def test_a_large_image_crosses_in_one_piece(server: mosquitto.Server, fast: bool) -> None:
    identities = fleet(2)
    pool = Pool(server.url, fast=fast)
    pool.connect(identities)
    image = bytes(range(256)) * 40_000
    for qos in (0, 1):
        pool.publish(0, inbox(identities[1]), image, qos)
        assert pool.take(1, inbox(identities[1]), image, WAIT_S) == image
    pool.close()


@pytest.mark.parametrize("qos", [1, 2])
def test_the_broker_s_receive_maximum_is_respected(qos: int) -> None:
    identities = fleet(2)
    with TunedMosquitto("max_inflight_messages 20") as server:
        pool = Pool(server.url)
        pool.connect(identities)
        burst(pool, 0, 1, inbox(identities[1]), qos, 2000)
        pool.close()


@pytest.mark.parametrize("persistent", [False, True], ids=["passing", "persistent"])
def test_acknowledgements_go_with_the_next_message_or_when_all_goes(
    server: mosquitto.Server, *, persistent: bool
) -> None:
    identities = fleet(2)
    pool = Pool(server.url, persistent=persistent)
    pool.connect(identities)
    receiver = pool._connections[1]
    for there, back in ((b"one", b"two"), (b"three", b"four")):
        pool.publish(0, inbox(identities[1]), there, 1)
        assert pool.take(1, inbox(identities[1]), there, WAIT_S) == there
        assert len(receiver._out) == 4  # a PUBACK, which must not wait where it would be missed
        assert (receiver in pool._loop.dirty) == persistent
        pool.publish(1, inbox(identities[0]), back, 1)
        assert pool.take(0, inbox(identities[0]), back, WAIT_S) == back
        assert not receiver._out
    assert len(pool._connections[0]._out) == 4
    assert pool.leftovers(WAIT_S) == 0
    assert not pool._connections[0]._out
    assert pool.in_flight() == 0
    pool.close()


# -- what is refused

ACL = "topic write allowed/#\ntopic read allowed/#\ntopic read +/+/in\ntopic readwrite +/+/status\n"


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "paho"])
@pytest.mark.parametrize("qos", [1, 2])
def test_a_denied_publish_is_an_error_not_a_silence(qos: int, fast: bool) -> None:
    with TunedMosquitto("acl_file {folder}/acl", files={"acl": ACL}) as server:
        pool = Pool(server.url, fast=fast)
        pool.connect(fleet(1))
        pool.publish(0, "allowed/a", b"fine", qos)
        assert pool.take(0, "nothing", b"comes", 0.1) is None
        pool.publish(0, "forbidden/a", b"denied", qos)
        with pytest.raises(BrokerError, match="refuses a publish"):
            pool.take(0, "nothing", b"comes", WAIT_S)
        pool.close()


def test_wrong_credentials_are_refused_with_the_remedy_and_right_ones_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, "fleet", "pa55w0rd"], check=True, capture_output=True)
    lines = ("allow_anonymous false", "password_file {folder}/passwords")
    with TunedMosquitto(*lines, files={"passwords": passwords.read_text()}) as server:
        pool = Pool(server.url)
        with pytest.raises(BrokerError, match=r"Not authorized.*FOGFLEET_MQTT_USERNAME"):
            pool.connect(fleet(1))
        pool.close()
        monkeypatch.setenv("FOGFLEET_MQTT_USERNAME", "fleet")
        monkeypatch.setenv("FOGFLEET_MQTT_PASSWORD", "pa55w0rd")
        pool = Pool(server.url)
        pool.connect(fleet(2))
        assert "pa55w0rd" not in repr(pool._address) + str(pool._address) + repr(vars(pool))
        pool.close()
        assert "pa55w0rd" not in server.log()


def test_two_identities_of_one_name_are_refused(server: mosquitto.Server) -> None:
    pool = Pool(server.url)
    with pytest.raises(BrokerError, match="same client id"):
        pool.connect(fleet(1) * 2)
    pool.close()


def test_a_client_thrown_out_by_its_double_is_an_error(server: mosquitto.Server) -> None:
    identities = fleet(1)
    first, second = Pool(server.url), Pool(server.url)
    first.connect(identities)
    second.connect(identities)
    with pytest.raises(BrokerError, match="lost its connection"):
        first.take(0, inbox(identities[0]), b"never", WAIT_S)
    first.close()
    second.close()


FEW = """
import resource, sys
from brokers.api import BrokerError
from brokers.client import Pool
from brokers_kit import fleet
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
try:
    Pool(sys.argv[1]).connect(fleet(300))
except BrokerError as error:
    print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], error)
"""


def test_too_few_file_descriptors_are_an_error_before_connecting(server: mosquitto.Server) -> None:
    """In a process of its own: a hard limit never rises again, and that of a container may be a thousand million."""
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    told = subprocess.check_output(
        [sys.executable, "-c", FEW, server.url], text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert told.startswith("300 "), "the soft limit was raised as far as it goes"
    assert "open files" in told and "raise the hard limit" in told


# -- what is no broker, or another one


def test_a_closed_port_is_an_error_at_once() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"mqtt://127.0.0.1:{sock.getsockname()[1]}"
        with pytest.raises(BrokerError, match=r"cannot reach mqtt://127.*refused"):
            Pool(url, patience_s=3600).connect(fleet(1))


def test_an_unknown_host_is_an_error() -> None:
    with pytest.raises(BrokerError, match=r"cannot reach mqtt://no-such-host\.invalid:1883"):
        Pool("mqtt://no-such-host.invalid").connect(fleet(1))


@pytest.mark.parametrize("words", [b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", b"", b"\xff" * 9])
def test_a_peer_that_does_not_speak_mqtt_is_an_error(words: bytes) -> None:
    with peer(lambda sock: sock.sendall(words)) as url, pytest.raises(BrokerError, match="does not answer in MQTT"):
        Pool(url, patience_s=0.5).connect(fleet(1))


def test_a_peer_that_keeps_silent_is_an_error_within_seconds() -> None:
    with peer(lambda sock: time.sleep(0.5)) as url, pytest.raises(BrokerError, match="does not answer in MQTT"):
        Pool(url, patience_s=0.3).connect(fleet(1))


def test_a_broker_without_mqtt_5_gets_3_1_1_and_the_user_is_told() -> None:
    def old_broker(sock: socket.socket) -> None:
        connect = sock.recv(1000)
        level = connect[connect.index(b"MQTT") + 4]
        sock.sendall(b"\x20\x02\x00\x01" if level == MQTT_5 else b"\x20\x02\x00\x00")
        if level != MQTT_5:
            frame = sock.recv(1000)
            identifier = frame[4 + len(b"status/a") : 6 + len(b"status/a")]
            sock.sendall(b"\x40\x02" + identifier)

    notices: list[str] = []
    with peer(old_broker) as url:
        pool = Pool(url, notice=notices.append)
        pool.connect([Identity("a", "status/a", b"off", ())])
        assert pool.protocol == MQTT_311
        assert len(notices) == 1 and "does not speak MQTT 5" in notices[0]
        pool.close()


# -- TLS


def test_tls_with_our_own_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(days=1)
    ours = authority.server(["127.0.0.1"])
    key, certificate, root = (tmp_path / name for name in ("key.pem", "certificate.pem", "root.pem"))
    for path, text in ((key, ours.key), (certificate, ours.certificate), (root, authority.own.certificate)):
        path.write_bytes(text)
    extra = f"listener {{second}} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}"
    with TunedMosquitto(f"log_type all\n{extra}") as server:
        url = f"mqtts://127.0.0.1:{server.second}"
        identities = fleet(3)
        with pytest.raises(BrokerError, match=r"cannot reach mqtts://127.*certificate"):
            Pool(url).connect(identities)
        monkeypatch.setenv("FOGFLEET_MQTT_CAFILE", str(root))
        pool = Pool(url)
        pool.connect(identities)
        for qos in (0, 1, 2):
            burst(pool, 0, 1, inbox(identities[1]), qos, 500)
        image = bytes(1_000_000)
        pool.publish(0, inbox(identities[1]), image, 1)
        assert pool.take(1, inbox(identities[1]), image, WAIT_S) == image
        pool.close()


@needs_mosquitto
def test_an_outlet_sends_what_publish_would_and_notices_what_it_would_notice() -> None:
    with mosquitto.Server() as server, contextlib.closing(Pool(server.url)) as pool:
        pool.connect(people := fleet(2))
        send, hear = pool.outlet(0, inbox(people[1]), 0), partial(pool.take, 1, inbox(people[1]))
        for payload in (b"", b"a", b"b", b"a" * 200, b"c", b"d" * 20_000):
            send(payload)
            send(payload)
            assert hear(payload, WAIT_S) == payload
            assert hear(payload, WAIT_S) == payload
        assert pool.counters.publishes_sent == pool.counters.publishes_received == 12
        with pytest.raises(BrokerError, match="wildcards"):
            pool.outlet(0, "a/+/b", 0)(b"a")
        server.kill()
        with pytest.raises(BrokerError):
            while True:
                send(b"a")
                pool.pump(0.01)
