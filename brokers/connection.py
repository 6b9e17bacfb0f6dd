"""One MQTT client: paho's protocol code on a buffered socket of ours, frame by frame."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from brokers.accounts import Accounts
from brokers.api import MQTT_5, ONLINE, Counters, Identity
from brokers.framing import MAX_REMAINING
from brokers.loop import Loop

_CHUNK = 1 << 18
_NO_LIMIT = 65535  # packet identifiers there are, and MQTT 5's default Receive Maximum
_SESSION_EXPIRY_S = 86_400
_PUBLISH, _PUBREC, _PUBREL = 0x30, 0x50, 0x60
_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the broker is and how to enter. Never printed with its password."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


@dataclass(slots=True)
class Hub:
    """What all connections of a pool share."""

    endpoint: Endpoint
    protocol: int
    persistent: bool
    loop: Loop
    counters: Counters
    deliver: Callable[[int, str, bytes], None]
    session_topics: frozenset[str]
    troubles: list[str]
    address: tuple[Any, ...] | None = None  # family and socket address, looked up once


class _Paho(mqtt.Client):
    """Gives paho our socket and, with it, everything but the network."""

    def __init__(self, connection: Connection, protocol: int) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=connection.identity.client_id,
            userdata=connection,
            protocol=MQTTProtocolVersion(protocol),
            reconnect_on_failure=False,
        )
        self._connection = connection

    def _create_socket(self) -> mqtt.SocketLike:
        self._connection.open()
        return self._connection


class Connection:
    """A client of the pool, and the socket that its paho client sees.

    Attributes:
        reached: somebody accepted the TCP connection; `answered` it was a broker.
        ready: connected and subscribed.
        born: the birth message is acknowledged.
        refusal: what the broker answered instead of accepting; `lost` why the connection ended.
        excused: the end of the connection is our own doing.
        held: PUBLISH and PUBREL frames kept back until every subscriber is there again, or None.
        max_packet: the largest packet that the broker takes, in bytes.
    """

    __slots__ = (
        "_at", "_birth_mid", "_eof", "_frame", "_hub", "_need", "_out", "_rest", "accounts", "answered",
        "born", "client", "excused", "held", "identity", "index", "lost", "max_packet", "reached", "ready",
        "refusal", "sock",
    )  # fmt: skip

    def __init__(self, index: int, identity: Identity, hub: Hub) -> None:
        self.index = index
        self.identity = identity
        self._hub = hub
        self.sock: socket.socket | None = None
        self._out = bytearray()
        self._rest = bytearray()
        self._need = 0
        self._frame = b""
        self._at = 0
        self._eof = False
        self._birth_mid: int | None = None
        self.accounts = Accounts(hub.counters, hub.session_topics)
        self.reached = self.answered = self.ready = self.born = self.excused = False
        self.refusal: ReasonCode | None = None
        self.lost = "never connected"
        self.held: bytearray | None = None
        self.max_packet = MAX_REMAINING
        self.client = self._paho()

    # -- the session

    def connect(self) -> None:
        """Starts connecting; `ready` tells when it is done, `refusal` and `lost` when it failed."""
        self.refusal, self.lost, self.excused = None, "", False
        try:
            self.client.reconnect()
        except OSError as error:
            self.lost = error.strerror or str(error)
            self.close()

    def give_birth(self) -> None:
        """Publishes the retained birth message."""
        self._birth_mid = self.client.publish(self.identity.will_topic, ONLINE, qos=1, retain=True).mid

    def leave(self) -> None:
        """Clears the birth message and says goodbye; the last will is not sent."""
        self.excused = True
        self.client.publish(self.identity.will_topic, b"", qos=0, retain=True)
        properties = None
        if self._hub.persistent and self._hub.protocol == MQTT_5:
            properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0
        self.client.disconnect(properties=properties)

    def cut(self, reason: str) -> None:
        """Closes the socket without a word; the broker sends the last will."""
        self.excused = True
        self._out.clear()
        self._end(reason)

    def release(self) -> None:
        """Sends what was held back."""
        held, self.held = self.held, None
        if held:
            self._append(held)

    def _paho(self) -> _Paho:
        hub, identity = self._hub, self.identity
        client = _Paho(self, hub.protocol)
        client.max_inflight_messages_set(0)
        client.max_queued_messages_set(0)
        client.will_set(identity.will_topic, identity.will_payload, qos=1, retain=True)
        if hub.endpoint.username is not None:
            client.username_pw_set(hub.endpoint.username, hub.endpoint.password)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        options: dict[str, Any] = {}
        if hub.protocol == MQTT_5 and hub.persistent:
            options["properties"] = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            options["properties"].SessionExpiryInterval = _SESSION_EXPIRY_S
        elif hub.protocol == MQTT_5:
            options["clean_start"] = True
        client.connect_async(hub.endpoint.host, hub.endpoint.port, keepalive=0, **options)
        return client

    def _on_connect(
        self, client: mqtt.Client, _: Any, flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self.answered = True
        if reason.is_failure:
            self.refusal = reason
            return
        self.max_packet = getattr(properties, "MaximumPacketSize", MAX_REMAINING)
        window = getattr(properties, "ReceiveMaximum", _NO_LIMIT)
        # paho ignores the broker's Receive Maximum, and its own setter forbids a change once connected
        client._max_inflight_messages = 0 if window >= _NO_LIMIT else window
        if self.identity.subscriptions:
            client.subscribe([(topic, 2) for topic in self.identity.subscriptions])
        else:
            self.ready = True

    def _on_subscribe(
        self, client: mqtt.Client, _: Any, mid: int, reasons: list[ReasonCode], __: Any
    ) -> None:
        for topic, reason in zip(self.identity.subscriptions, reasons, strict=False):
            if reason.is_failure:
                self._trouble(f"the broker refuses the subscription to {topic!r}: {reason}")
        self.ready = True

    def _on_publish(self, client: mqtt.Client, _: Any, mid: int, reason: ReasonCode, __: Any) -> None:
        if reason.is_failure:
            self._trouble(f"the broker refuses a publish: {reason}")
        if mid == self._birth_mid:
            self.born = True

    def _on_message(self, client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        self._hub.deliver(self.index, message.topic, bytes(message.payload))

    def _on_disconnect(
        self, client: mqtt.Client, _: Any, flags: mqtt.DisconnectFlags, reason: ReasonCode, __: Any
    ) -> None:
        self.ready = self.born = False
        if flags.is_disconnect_packet_from_server:
            self.lost = f"the broker sent DISCONNECT: {reason}"
        elif not self.lost:
            self.lost = str(reason)
        if not self.excused and self.refusal is None:
            self._trouble(f"lost its connection: {self.lost}")

    def _trouble(self, what: str) -> None:
        self._hub.troubles.append(f"client {self.identity.client_id!r} at {self._hub.endpoint}: {what}")

    # -- the socket, as paho sees it

    def recv(self, size: int) -> bytes:
        """Serves paho from the frame that it is being handed."""
        chunk = self._frame[self._at : self._at + size]
        if not chunk and not self._eof:
            raise BlockingIOError
        self._at += len(chunk)
        return chunk

    def send(self, data: bytes | bytearray) -> int:
        """Collects one whole packet of paho's."""
        self.accounts.sent(data)
        if self.held is not None and data[0] & 0xF0 in (_PUBLISH, _PUBREL):
            self.held += data
        else:
            self._append(data)
        return len(data)

    def close(self) -> None:
        """Writes out what is left, for at most a second, and closes."""
        sock, self.sock = self.sock, None
        if sock is None:
            return
        self._hub.loop.remove(sock, self)
        with contextlib.suppress(OSError):
            if self._out and not self._eof:
                sock.settimeout(1)
                sock.sendall(self._out)
                self._hub.counters.bytes_written += len(self._out)
        sock.close()
        self._out.clear()
        self._rest.clear()

    def fileno(self) -> int:
        """The descriptor, -1 when closed."""
        return self.sock.fileno() if self.sock else -1

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    # -- the socket, as the loop drives it

    def open(self) -> None:
        """Starts a TCP connection, with TLS if asked for."""
        endpoint, loop = self._hub.endpoint, self._hub.loop
        self._eof, self._frame, self._at = False, b"", 0
        if self._hub.address is None:
            found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
            self._hub.address = (found[0][0], found[0][4])
        family, address = self._hub.address
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        if endpoint.tls is not None:
            sock.settimeout(5)
            sock.connect(address)
            self.sock = sock = endpoint.tls.wrap_socket(sock, server_hostname=endpoint.host)
        sock.setblocking(False)
        if endpoint.tls is None:
            code = sock.connect_ex(address)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
        loop.add(sock, self, connecting=endpoint.tls is None)

    def flush(self) -> bool:
        """Writes what the socket accepts; False if something is left."""
        if self.sock is None:
            return True
        try:
            written = self.sock.send(self._out) if self._out else 0
        except _BLOCKED:
            return False
        except OSError as error:
            self._end(error.strerror or str(error))
            return True
        self.reached = self.reached or written > 0
        self._hub.counters.bytes_written += written
        del self._out[:written]
        return not self._out

    def read(self) -> None:
        """Takes in what the socket holds and deals with every whole frame."""
        while self.sock is not None:
            try:
                data = self.sock.recv(_CHUNK)
            except _BLOCKED:
                return
            except OSError as error:
                self._end(error.strerror or str(error))
                return
            if not data:
                self._end("the broker closed the connection")
                return
            self._hub.counters.bytes_read += len(data)
            self._take_in(data)
            if len(data) < _CHUNK and not isinstance(self.sock, ssl.SSLSocket):
                return

    def _take_in(self, data: bytes) -> None:
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return
            data = bytes(self._rest)
            self._rest.clear()
        done, self._need = self._frames(data)
        self._rest += data[done:]

    def _frames(self, data: bytes) -> tuple[int, int]:
        start, end = 0, len(data)
        while end - start >= 2 and self.sock is not None:
            length, body, shift = data[start + 1] & 127, start + 2, 7
            while data[body - 1] & 128 and body < end and shift < 28:
                length |= (data[body] & 127) << shift
                body, shift = body + 1, shift + 7
            if data[body - 1] & 128 and body == end:
                return start, end - start + 1
            if body + length > end:
                return start, body + length - start
            self._hand_over(data[start : body + length])
            start = body + length
        return start, end - start + 1

    def _hand_over(self, frame: bytes) -> None:
        """Lets paho deal with one whole frame."""
        self.accounts.received(frame)
        if frame[0] & 0xF0 == _PUBREC and len(frame) > 4 and frame[4] >= 0x80:
            self._trouble(f"the broker refuses a publish at QoS 2 (reason code {frame[4]:#04x})")
        self._frame, self._at = frame, 0
        self.client.loop_read()
        if self.client.want_write():
            self.client.loop_write()

    def _append(self, data: bytes | bytearray) -> None:
        if self.sock is not None:
            self._out += data
            self._hub.loop.wrote(self.sock, self, len(data))

    def _end(self, reason: str) -> None:
        self.lost = reason
        self._eof, self._frame, self._at = True, b"", 0
        self.client.loop_read()
