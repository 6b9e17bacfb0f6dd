"""What a message costs: payload, header, MQTT framing on both legs, and an estimate for TCP/IP; energy and money.

Framing follows the MQTT specification (PUBLISH: 1 + varint + 2 + topic + packet id + properties; acknowledgements);
the closed forms are handed in, because they belong to the brokers' room. The TCP/IP column is an estimate (one
acknowledged segment of 1448 bytes at most, 52 bytes of headers each): what is really sent depends on coalescing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sim.profiles import Profile
from sim.wire import HEADER_BYTES

SEGMENT_BYTES: Final = 1448
SEGMENT_HEADER_BYTES: Final = 52


@dataclass(frozen=True, slots=True)
class Framing:
    """The MQTT closed forms in force: `publish(topic, payload_bytes)` on one leg, `acknowledgement` per leg."""

    publish: Callable[[str, int], int]
    acknowledgement_bytes: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes of one message on one leg (publisher to broker, or broker to subscriber)."""

    payload_bytes: int
    mqtt_bytes: int
    tcpip_bytes: int

    @property
    def link_bytes(self) -> int:
        """What the modelled link carries: everything but the returning acknowledgements."""
        return self.payload_bytes + HEADER_BYTES + self.mqtt_bytes + self.tcpip_bytes


def leg_cost(framing: Framing, topic: str, payload_bytes: int) -> Cost:
    """The cost of one leg of a message, acknowledgements included."""
    frame_bytes = payload_bytes + HEADER_BYTES
    publish_bytes = framing.publish(topic, frame_bytes)
    segments = -(-publish_bytes // SEGMENT_BYTES) + (1 if framing.acknowledgement_bytes else 0)
    return Cost(
        payload_bytes,
        publish_bytes - frame_bytes + framing.acknowledgement_bytes,
        segments * SEGMENT_HEADER_BYTES,
    )


def energy_j(profile: Profile, busy_s: float, duration_s: float, radio_bytes: int, j_per_byte: float) -> float:
    """Idle power over the whole run, busy power on top while computing, and the radio per byte."""
    return profile.idle_w * duration_s + (profile.busy_w - profile.idle_w) * busy_s + radio_bytes * j_per_byte


def battery_life_s(capacity_j: float | None, used_j: float, duration_s: float) -> float | None:
    """How long a battery lasts at the mean power of a run; None without a battery or without any use."""
    return None if capacity_j is None or used_j <= 0 or duration_s <= 0 else capacity_j * duration_s / used_j
