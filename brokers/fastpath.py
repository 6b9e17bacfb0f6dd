"""The short way for PUBLISH and PUBACK at QoS 0 and 1; whatever is unusual about a frame is left to paho.

`receive` and `publish` answer None for frames that are not theirs. Unacknowledged messages are kept as the frames
that went out, and go out again, marked as duplicates, when the client is connected again.
"""

from __future__ import annotations

from collections.abc import Callable

from brokers.accounts import publish_topic, refused_publish
from brokers.api import MQTT_5
from brokers.framing import varint
from brokers.mailbox import Box
from brokers.wire import Hub

_PUBLISH, _PUBACK = 0x30, 0x40
_AT_MOST_QOS_1 = 0xF4  # packet type and the upper QoS bit
_QOS_1, _DUP = 0x02, 0x08
_FAILURE = 0x80


class FastPath:
    """One client's.

    Attributes:
        unacknowledged: packet identifier to frame, in the order of sending.
    """

    __slots__ = ("_boxes", "_hub", "_index", "_properties", "_trouble", "unacknowledged")

    def __init__(self, index: int, hub: Hub, trouble: Callable[[str], None]) -> None:
        self._index = index
        self._hub = hub
        self._trouble = trouble
        self._properties = b"\0" if hub.protocol == MQTT_5 else b""
        self._boxes: dict[bytes, Box] = {}
        self.unacknowledged: dict[int, bytes] = {}

    def publish(self, topic: str, payload: bytes, mid: int) -> bytes | None:
        """The frame to send; at QoS 1 (`mid` above 0) it is kept until `receive` sees its PUBACK."""
        prefix = self._hub.prefixes.get(topic)
        if prefix is None:
            if topic in self._hub.session_topics:
                return None
            encoded = topic.encode()
            prefix = self._hub.prefixes[topic] = len(encoded).to_bytes(2) + encoded
        if not mid:
            body = b"".join((prefix, self._properties, payload))
            return b"\x30" + varint(len(body)) + body
        body = b"".join((prefix, mid.to_bytes(2), self._properties, payload))
        frame = self.unacknowledged[mid] = b"\x32" + varint(len(body)) + body
        return frame

    def receive(self, data: bytes, start: int, body: int, stop: int) -> bytes | None:
        """Deals with the frame `data[start:stop]`; what to answer (perhaps nothing), or None if it is paho's."""
        head = data[start]
        if head & _AT_MOST_QOS_1 == _PUBLISH and stop - body >= 2:
            return self._message(data, head & _QOS_1, body, stop)
        if head == _PUBACK:
            return self._acknowledgement(data, body, stop)
        return None

    def mark_sent_again(self) -> None:
        """After a lost connection: what went out will be a duplicate the next time."""
        for mid, frame in self.unacknowledged.items():
            self.unacknowledged[mid] = bytes((frame[0] | _DUP,)) + frame[1:]

    def _message(self, data: bytes, qos: int, body: int, stop: int) -> bytes | None:
        end = body + 2 + (data[body] << 8 | data[body + 1])
        at = end + 2 if qos else end
        if self._properties:
            if at >= stop or data[at]:
                return None
            at += 1
        if at > stop:
            return None
        box = self._boxes.get(data[body + 2 : end]) or self._box(data[body + 2 : end])
        if box is None:
            return None
        box.put(data[at:stop])
        self._hub.counters.publishes_received += 1
        return b"\x40\x02" + data[end : end + 2] if qos else b""

    def _acknowledgement(self, data: bytes, body: int, stop: int) -> bytes | None:
        size = stop - body
        if size != 2 and not (self._properties and size > 2):
            return None
        frame = self.unacknowledged.pop(data[body] << 8 | data[body + 1], None)
        if frame is None:
            return None
        if size > 2 and data[body + 2] >= _FAILURE:
            self._trouble(refused_publish(data[body + 2], publish_topic(frame)[0]))
        return b""

    def _box(self, topic: bytes) -> Box | None:
        """The box of a topic, unless it is a birth's or will's, or no topic at all."""
        try:
            name = topic.decode()
        except UnicodeDecodeError:
            return None
        if not name or name in self._hub.session_topics:
            return None
        box = self._boxes[topic] = self._hub.box(self._index, name)
        return box
