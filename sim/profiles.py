"""What the hardware can do and what it costs in energy: built-in machine profiles and radios, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Profile:
    """A machine.

    Attributes:
        flops_per_second: sustained computing speed (two operations a multiply-accumulate).
        idle_w: power in watts while waiting.
        busy_w: power in watts while computing.
        source: where the figures come from, and which of them are estimates.
    """

    flops_per_second: float
    idle_w: float
    busy_w: float
    source: str


@dataclass(frozen=True, slots=True)
class Radio:
    """What a node sends with.

    Attributes:
        joules_per_byte: energy for sending one byte.
        source: where the figure comes from.
    """

    joules_per_byte: float
    source: str


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "eyes-of-things": Profile(100e9, 0.30, 1.0, "press: Myriad 2, idle power; busy power as the Myriad 2 stick"),
        "raspberry-pi-zero": Profile(0.25e9, 0.4, 1.2, "power measured by others; computing speed an estimate"),
        "raspberry-pi-3b": Profile(3.75e9, 1.4, 3.7, "measured by others; an upper bound for the speed"),
        "raspberry-pi-4b": Profile(10e9, 2.7, 6.4, "power measured by others; computing speed an estimate"),
        "neural-compute-stick": Profile(80e9, 0.3, 1.0, "vendor press: 80 to 150 GFLOPS at 1 W; idle an estimate"),
        "jetson-tx1": Profile(512e9, 6.0, 15.0, "vendor: fp32, 6 to 15 W"),
        "server": Profile(1e12, 100.0, 300.0, "an estimate for one processor of a data centre"),
    }
)
"""Name to machine."""

RADIOS: Mapping[str, Radio] = MappingProxyType(
    {
        "ethernet": Radio(0.0, "counted as nothing beside the machine that drives it"),
        "ble": Radio(0.154e-6, "nRF52840 data sheet, 1 Mbit/s, the radio alone"),
        "wifi": Radio(2.4e-6, "published uplink power model, 283 mW per Mbit/s and 133 mW, at 10 Mbit/s"),
        "lte": Radio(5.2e-6, "published uplink power model, 438 mW per Mbit/s and 1288 mW, at 6 Mbit/s"),
        "lora-sf7": Radio(0.32e-3, "computed from the transceiver's data sheet, spreading factor 7"),
        "lora-sf12": Radio(7.0e-3, "computed from the transceiver's data sheet, spreading factor 12"),
    }
)
"""Name to radio."""
