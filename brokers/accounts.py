"""Tells the session's frames from the data plane's, so that both can be counted exactly."""

from __future__ import annotations

from brokers.api import Counters

_NOT_AUTHORIZED = 0x87
_PUBLISH, _PUBACK, _PUBREC, _PUBREL, _PUBCOMP = 3, 4, 5, 6, 7


def publish_topic(frame: bytes | bytearray) -> tuple[str, int, int]:
    """Topic, QoS and packet identifier (0 at QoS 0) of a whole PUBLISH frame."""
    at = 2
    while at < len(frame) and frame[at - 1] & 128:
        at += 1
    end = at + 2 + int.from_bytes(frame[at : at + 2])
    qos = frame[0] >> 1 & 3
    return (
        frame[at + 2 : end].decode(errors="replace"),
        qos,
        int.from_bytes(frame[end : end + 2]) if qos else 0,
    )


def refused_publish(code: int, topic: str) -> str:
    """A sentence about a PUBACK or PUBREC that says no."""
    what = f"the broker refuses a publish on {topic!r} (reason code {code:#04x}"
    if code != _NOT_AUTHORIZED:
        return f"{what})"
    return f"{what}, not authorised): its access control list gives this client's account other topics"


class Accounts:
    """One client's: remembers which unfinished exchanges belong to births and wills."""

    __slots__ = ("_counters", "_session_in", "_session_out", "_session_topics")

    def __init__(self, counters: Counters, session_topics: frozenset[str]) -> None:
        self._counters = counters
        self._session_topics = session_topics
        self._session_in: set[int] = set()
        self._session_out: set[int] = set()

    def sent(self, frame: bytes | bytearray) -> None:
        """Books a frame that leaves."""
        kind = frame[0] >> 4
        if kind == _PUBLISH:
            session = self._publish(frame, self._session_out)
            self._counters.publishes_sent += not session
        else:
            session = self._other(frame, kind, self._session_out if kind == _PUBREL else self._session_in)
            if kind in (_PUBACK, _PUBCOMP):
                self._session_in.discard(int.from_bytes(frame[2:4]))
        self._counters.session_bytes_written += len(frame) if session else 0

    def received(self, frame: bytes) -> None:
        """Books a frame that came."""
        kind = frame[0] >> 4
        if kind == _PUBLISH:
            session = self._publish(frame, self._session_in)
            self._counters.publishes_received += not session
        else:
            session = self._other(frame, kind, self._session_in if kind == _PUBREL else self._session_out)
            if kind in (_PUBACK, _PUBCOMP):
                self._session_out.discard(int.from_bytes(frame[2:4]))
        self._counters.session_bytes_read += len(frame) if session else 0

    def _publish(self, frame: bytes | bytearray, unfinished: set[int]) -> bool:
        topic, qos, mid = publish_topic(frame)
        session = topic in self._session_topics
        if session and qos:
            unfinished.add(mid)
        else:
            unfinished.discard(mid)
        return session

    @staticmethod
    def _other(frame: bytes | bytearray, kind: int, unfinished: set[int]) -> bool:
        if _PUBACK <= kind <= _PUBCOMP:
            return int.from_bytes(frame[2:4]) in unfinished
        return True  # CONNECT, CONNACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT
