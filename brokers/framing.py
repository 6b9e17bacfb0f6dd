"""How many bytes MQTT itself puts on one leg of a message's way: closed forms, by version and QoS.

Sources: MQTT 3.1.1 sections 2.2, 3.3 to 3.7; MQTT 5.0 sections 2.1.4, 3.3 to 3.7. No properties are counted
beyond the empty property list of MQTT 5, because none are sent; success reasons travel in the short form.
"""

from __future__ import annotations

from brokers.api import MQTT_5

MAX_REMAINING = 268_435_455
"""The largest remaining length (four bytes of seven bits)."""

MAX_PACKET = 1 + 4 + MAX_REMAINING
"""The largest packet that MQTT can express, in bytes."""


def varint(value: int) -> bytes:
    """A variable byte integer, 1 to 4 bytes."""
    if value < 128:
        return bytes((value,))
    if not value <= MAX_REMAINING:
        raise ValueError(f"{value} does not fit into a variable byte integer; the largest is {MAX_REMAINING}")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def length_bytes(value: int) -> int:
    """How many bytes `varint(value)` has."""
    return 1 + (value > 127) + (value > 16_383) + (value > 2_097_151)


def publish_remaining(topic: str, payload_len: int, qos: int, version: int) -> int:
    """The remaining length of a PUBLISH frame in bytes: topic, packet identifier, properties, payload."""
    return 2 + len(topic.encode()) + (2 if qos else 0) + (1 if version == MQTT_5 else 0) + payload_len


def publish_bytes(topic: str, payload_len: int, qos: int, version: int) -> int:
    """The length of a whole PUBLISH frame in bytes, payload included; above `MAX_PACKET` it cannot be sent.

    Args:
        topic: without wildcards.
        payload_len: bytes of payload.
        qos: 0, 1 or 2.
        version: protocol level, 5 or 4 (MQTT 3.1.1).
    """
    remaining = publish_remaining(topic, payload_len, qos, version)
    return 1 + length_bytes(remaining) + remaining


def ack_bytes(qos: int, version: int) -> int:
    """Bytes of all acknowledgements of one message on one leg, both directions together.

    QoS 1: PUBACK. QoS 2: PUBREC, PUBREL, PUBCOMP. Four bytes each in both versions, provided that all went
    well and somebody is subscribed (Mosquitto tells an MQTT 5 publisher that nobody is, in a longer form).
    """
    del version  # the short form of MQTT 5 is MQTT 3.1.1's form
    return (0, 4, 12)[qos]
