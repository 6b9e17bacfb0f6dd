"""One MQTT client of the pool: paho's protocol code on a `Wire`, with the fast path beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from brokers.accounts import Accounts, refused_publish
from brokers.api import MQTT_5, ONLINE, Identity
from brokers.fastpath import FastPath
from brokers.framing import MAX_PACKET
from brokers.loop import FLUSH_BYTES
from brokers.wire import Hub, Wire

_NO_LIMIT = 65_535  # packet identifiers there are, and MQTT 5's default Receive Maximum
_SESSION_EXPIRY_S = 86_400
_AROUND_BYTES = 16  # at most: everything of a PUBLISH at QoS 0 but topic and payload
_PUBLISH, _PUBACK, _PUBREC, _PUBREL = 0x30, 0x40, 0x50, 0x60


class _Paho(mqtt.Client):
    """Gives paho our socket and packet identifiers and, with them, everything but the network."""

    def __init__(self, connection: Connection, protocol: int) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=connection.identity.client_id,
            protocol=MQTTProtocolVersion(protocol),
            reconnect_on_failure=False,
        )
        self._connection = connection

    def _create_socket(self) -> mqtt.SocketLike:
        self._connection.open()
        return self._connection

    def _mid_generate(self) -> int:
        own, ours, mid = self._out_messages, self._connection.fast.unacknowledged, self._last_mid
        while True:
            mid = mid % _NO_LIMIT + 1
            if mid not in ours and mid not in own:
                self._last_mid = mid
                return mid


class Connection(Wire):
    """A client, and the socket that its paho client sees.

    Attributes:
        access: what it enters with.
        answered: a broker answered CONNECT, and not with `refusal`.
        ready: connected and subscribed.
        status: what is retained on the will topic while it is connected.
        born: the birth message is acknowledged.
        excused: the end of the connection is our own doing.
        held: PUBLISH and PUBREL frames kept back until every subscriber is there again, or None.
        mute: it subscribes to nothing when it connects.
        max_packet: the largest packet that the broker takes, in bytes.
    """

    __slots__ = (
        "_accounts", "_at", "_birth_mid", "_frame", "access", "answered", "born", "client", "excused", "fast", "held",
        "identity", "index", "max_packet", "mute", "ready", "refusal",
        "status",
    )  # fmt: skip

    def __init__(self, index: int, identity: Identity, hub: Hub) -> None:
        self.access = hub.address.keyring.access(identity.account)
        super().__init__(hub, self.access.tls)
        self.index = index
        self.identity = identity
        self._frame = b""
        self._at = 0
        self._birth_mid: int | None = None
        self._accounts = Accounts(hub.counters, hub.session_topics)
        self.answered = self.ready = self.born = self.excused = self.mute = False
        self.refusal: ReasonCode | None = None
        self.status = ONLINE
        self.held: bytearray | None = None
        self.max_packet = MAX_PACKET
        self.fast = FastPath(index, hub, self.trouble)
        self.client = self._paho()

    # -- the session

    def connect(self, *, afresh: bool = False) -> None:
        """Starts connecting; `ready` tells when it is done, `lost` and `refusal` why it failed.

        A session that the broker still has for this client is gone if it connects `afresh`.
        """
        self.refusal, self.lost = None, ""
        self.excused = self.answered = False
        if self.hub.protocol == MQTT_5:
            # never just the first time, paho's default: Mosquitto 2.0.11 does not save sessions begun clean
            self.client._clean_start = afresh or not self.hub.persistent
        try:
            self.client.reconnect()
        except OSError as error:
            self.lost = error.strerror or str(error)
            self.close()

    def give_birth(self) -> None:
        """Publishes the retained birth message; `born` tells when the broker has it, and all that was sent before."""
        self.born = False
        self._birth_mid = self.client.publish(self.identity.will_topic, self.status, qos=1, retain=True).mid

    def announce(self, status: bytes) -> None:
        """Publishes a retained status; without a connection it is the next birth message."""
        self.status = status
        if self.sock is not None:
            self.client.publish(self.identity.will_topic, status, qos=1, retain=True)

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Sends one message, or keeps it for the next connection if there is none and QoS is above 0."""
        hub = self.hub
        if qos == 2 or not hub.fast or (qos and self.client._max_inflight_messages):
            self.client.publish(topic, payload, qos)
            return
        frame = self.fast.publish(topic, payload, self.client._mid_generate() if qos else 0)
        if frame is None:
            self.client.publish(topic, payload, qos)
        elif self.sock is not None:
            hub.counters.publishes_sent += 1
            self._out += frame
            loop = hub.loop
            loop.pending += len(frame)
            if self.sock not in loop.blocked:
                loop.dirty[self] = self.sock

    def outlet(self, topic: str, usual: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """`publish` at QoS 0 on one topic, with everything looked up once; `usual` sends what is not like the last."""
        hub, out, heads = self.hub, self._out, dict[int, bytes]()
        loop, counters, troubles = hub.loop, hub.counters, hub.troubles
        fits = self.max_packet - len(topic.encode()) - _AROUND_BYTES

        def send(payload: bytes) -> None:
            size, sock = len(payload), self.sock
            head = heads.get(size)
            if head is None or sock is None or troubles:
                usual(payload)
                found = hub.heads.get((topic, size, False))
                if found is not None and size <= fits and hub.fast:
                    heads[size] = found
                return
            counters.publishes_sent += 1
            out.extend(head)
            out.extend(payload)
            loop.pending += len(head) + size
            if sock not in loop.blocked:
                loop.dirty[self] = sock
            if loop.pending >= FLUSH_BYTES:
                loop.flush()

        return send

    def retain(self, topic: str, payload: bytes) -> None:
        """Publishes a retained message."""
        self.client.publish(topic, payload, qos=1, retain=True)

    def tend(self) -> None:
        """Pings where it is time, and closes the connection where no answer came."""
        if self.sock is not None:
            self.client.loop_misc()

    def in_flight(self) -> int:
        """Messages that the broker has not acknowledged."""
        return len(self.fast.unacknowledged) + len(self.client._out_messages)

    def subscribe(self) -> None:
        """Asks for its subscriptions; `ready` tells when the broker has answered."""
        self.ready = False
        self.client.subscribe([(topic, 2) for topic in self.identity.subscriptions])

    def leave(self) -> None:
        """Clears the birth message and says goodbye; the last will is not sent."""
        self.excused = self.polite = True
        self.client.publish(self.identity.will_topic, b"", qos=0, retain=True)
        properties = None
        if self.hub.persistent and self.hub.protocol == MQTT_5:
            properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0
        self.client.disconnect(properties=properties)

    def cut(self, reason: str) -> None:
        """Closes the socket without a word; the broker sends the last will."""
        self.excused = True
        self.drop_output()
        self.end(reason)

    def release(self) -> None:
        """Sends what was held back."""
        held, self.held = self.held, None
        if held:
            self.append(held)

    def trouble(self, what: str) -> None:
        """Leaves word for the pool."""
        self.hub.troubles.append(f"client {self.identity.client_id!r} at {self.hub.address}: {what}")

    # -- frames

    def skim(self, data: bytes, start: int) -> int:
        """Handles usual PUBLISH and PUBACK frames."""
        if not self.hub.fast:
            return start
        fast = self.fast
        start = fast.skim(data, start)
        if fast.answer and self.sock is not None:
            self._out += fast.answer
            fast.answer.clear()
            if self.hub.persistent:  # what is not acknowledged would come again
                self.hub.loop.wrote(self.sock, self, 0)
            else:
                self.hub.loop.owes(self.sock, self)
        return start

    def on_frame(self, data: bytes, start: int, body: int, stop: int) -> None:
        """Lets paho deal with a frame."""
        frame = data[start:stop]
        self._accounts.received(frame)
        if frame[0] & 0xF0 in (_PUBACK, _PUBREC):
            self._on_acknowledgement(frame)
        self._frame, self._at = frame, 0
        self.client.loop_read()
        if self.client.want_write():
            self.client.loop_write()

    def on_end(self) -> None:
        """Lets paho find out."""
        self._frame, self._at = b"", 0
        self.client.loop_read()

    def _on_acknowledgement(self, frame: bytes) -> None:
        """Looks into a PUBACK or PUBREC: paho overlooks a refusal at QoS 2, and its callback costs much at QoS 0."""
        if len(frame) > 4 and frame[4] >= 0x80:
            message = self.client._out_messages.get(int.from_bytes(frame[2:4]))
            self.trouble(refused_publish(frame[4], message.topic if message else "a topic of ours"))
        if int.from_bytes(frame[2:4]) == self._birth_mid:
            self.born = True

    # -- the socket, as paho sees it

    def recv(self, size: int) -> bytes:
        """Serves paho from the frame that it is being handed."""
        chunk = self._frame[self._at : self._at + size]
        if not chunk and not self.ended:
            raise BlockingIOError
        self._at += len(chunk)
        return chunk

    def send(self, data: bytes | bytearray) -> int:
        """Collects one whole packet."""
        self._accounts.sent(data)
        if self.held is not None and data[0] & 0xF0 in (_PUBLISH, _PUBREL):
            self.held += data
        else:
            self.append(data)
        return len(data)

    def fileno(self) -> int:
        """The descriptor, -1 when closed."""
        return self.sock.fileno() if self.sock else -1

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    # -- paho's callbacks

    def _paho(self) -> _Paho:
        hub, identity = self.hub, self.identity
        client = _Paho(self, hub.protocol)
        client.max_inflight_messages_set(0)
        client.max_queued_messages_set(0)
        client.will_set(identity.will_topic, identity.will_payload, qos=1, retain=True)
        if self.access.username is not None:
            client.username_pw_set(self.access.username, self.access.password)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        options: dict[str, Any] = {}
        if hub.protocol == MQTT_5 and hub.persistent:
            options["properties"] = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            options["properties"].SessionExpiryInterval = _SESSION_EXPIRY_S
        client.connect_async(hub.address.host, hub.address.port, keepalive=hub.keepalive_s, **options)
        return client

    def _on_connect(
        self, client: mqtt.Client, _: Any, flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self.refusal = reason
            return
        self.answered = True
        self.max_packet = getattr(properties, "MaximumPacketSize", MAX_PACKET)
        window = getattr(properties, "ReceiveMaximum", _NO_LIMIT)
        # paho ignores the broker's Receive Maximum, and its own setter forbids a change once connected
        client._max_inflight_messages = 0 if window >= _NO_LIMIT else window
        for frame in self.fast.unacknowledged.values():
            self.send(frame)
        self.ready = self.mute or not self.identity.subscriptions
        if not self.ready:
            self.subscribe()

    def _on_subscribe(self, client: mqtt.Client, _: Any, mid: int, reasons: list[ReasonCode], __: Any) -> None:
        for topic, reason in zip(self.identity.subscriptions, reasons, strict=False):
            if reason.is_failure:
                self.trouble(f"the broker refuses the subscription to {topic!r}: {reason}")
        self.ready = True

    def _on_message(self, client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self.trouble("the broker sent a topic that is not UTF-8")
            return
        self.hub.box(self.index, topic).put(bytes(message.payload))

    def _on_disconnect(
        self, client: mqtt.Client, _: Any, flags: mqtt.DisconnectFlags, reason: ReasonCode, __: Any
    ) -> None:
        self.ready = self.born = False
        self.fast.mark_sent_again()
        if flags.is_disconnect_packet_from_server:
            self.lost = f"the broker sent DISCONNECT: {reason}"
        elif not self.lost:
            self.lost = str(reason)
        if not self.excused and self.refusal is None:
            self.trouble(f"lost its connection: {self.lost}")
