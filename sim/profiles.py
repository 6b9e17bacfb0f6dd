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

RADIOS: Mapping[str, float] = MappingProxyType(
    {
        "ethernet": 0.0,
        "ble": 0.154e-6,
        "wifi": 2.4e-6,
        "lte": 5.2e-6,
        "lora-sf7": 0.32e-3,
        "lora-sf12": 7.0e-3,
    }
)
"""Name to joules per byte sent: nRF52840 data sheet (PHY only), published uplink power models at 10 and 6 Mbit/s, LoRa
data sheet. Ethernet is counted as nothing beside the machine that drives it."""
