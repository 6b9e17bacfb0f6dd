"""The short way for PUBLISH and PUBACK at QoS 0 and 1; whatever is unusual about a frame is left to paho.

`skim` stops at frames that are not its own, `publish` answers None for them. Unacknowledged messages are kept as the
frames that went out, and go out again, marked as duplicates, when the client is connected again.
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
_SHORTEST = 4  # bytes of a PUBACK; no PUBLISH with a topic is shorter
_HEADS = 100_000


class FastPath:
    """One client's.

    Attributes:
        unacknowledged: packet identifier to frame, in the order of sending.
        answer: PUBACK frames for what has been read, to be sent and cleared.
    """

    __slots__ = ("_boxes", "_hub", "_index", "_properties", "_trouble", "answer", "unacknowledged")

    def __init__(self, index: int, hub: Hub, trouble: Callable[[str], None]) -> None:
        self._index = index
        self._hub = hub
        self._trouble = trouble
        self._properties = b"\0" if hub.protocol == MQTT_5 else b""
        self._boxes: dict[bytes, Box] = {}
        self.unacknowledged: dict[int, bytes] = {}
        self.answer = bytearray()

    def publish(self, topic: str, payload: bytes, mid: int) -> bytes | None:
        """The frame to send; at QoS 1 (`mid` above 0) it is kept until its PUBACK is read."""
        head = self._hub.heads.get((topic, len(payload), mid > 0)) or self._head(topic, len(payload), mid > 0)
        if head is None:
            return None
        if not mid:
            return head + payload
        frame = self.unacknowledged[mid] = b"".join((head, mid.to_bytes(2), self._properties, payload))
        return frame

    def skim(self, data: bytes, start: int) -> int:
        """Deals with one frame after the other; where the first one begins that is paho's or not whole."""
        end, boxes, received = len(data), self._boxes, 0
        while end - start >= _SHORTEST:
            head, length, body = data[start], data[start + 1], start + 2
            if length & 128:
                length, body = length & 127 | data[body] << 7, body + 1
                if length >> 14:  # three bytes or four
                    break
            stop = body + length
            if stop > end:
                break
            if head & _AT_MOST_QOS_1 == _PUBLISH:
                if length < 2:
                    break
                name_end = body + 2 + (data[body] << 8 | data[body + 1])
                name, qos = data[body + 2 : name_end], head & _QOS_1
                at = name_end + 2 if qos else name_end
                if self._properties:
                    if at >= stop or data[at]:
                        break
                    at += 1
                if at > stop:
                    break
                box = boxes.get(name) or self._box(name)
                if box is None:
                    break
                if box.unwanted:
                    box.put(data[at:stop])
                else:
                    box.queue.append(data[at:stop])
                received += 1
                if qos:
                    self.answer += b"\x40\x02" + data[name_end : name_end + 2]
            elif head != _PUBACK or not self._acknowledgement(data, body, stop):
                break
            start = stop
        self._hub.counters.publishes_received += received
        return start

    def mark_sent_again(self) -> None:
        """After a lost connection: what went out will be a duplicate the next time."""
        for mid, frame in self.unacknowledged.items():
            self.unacknowledged[mid] = bytes((frame[0] | _DUP,)) + frame[1:]

    def _acknowledgement(self, data: bytes, body: int, stop: int) -> bool:
        size = stop - body
        if size != 2 and not (self._properties and size > 2):
            return False
        frame = self.unacknowledged.pop(data[body] << 8 | data[body + 1], None)
        if frame is None:
            return False
        if size > 2 and data[body + 2] >= _FAILURE:
            self._trouble(refused_publish(data[body + 2], publish_topic(frame)[0]))
        return True

    def _head(self, topic: str, size: int, acknowledged: bool) -> bytes | None:
        """A frame's bytes before packet identifier and properties; None for the topic of a birth."""
        if topic in self._hub.session_topics:
            return None
        encoded = topic.encode()
        rest = 2 + len(encoded) + 2 * acknowledged + len(self._properties) + size
        head = (b"\x32" if acknowledged else b"\x30") + varint(rest) + len(encoded).to_bytes(2) + encoded
        if not acknowledged:
            head += self._properties
        if len(self._hub.heads) >= _HEADS:
            self._hub.heads.clear()
        self._hub.heads[topic, size, acknowledged] = head
        return head

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
