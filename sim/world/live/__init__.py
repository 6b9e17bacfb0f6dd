"""Runs in wall-clock time: a clock that waits on the network, and a fabric on which messages may really be late."""

from sim.world.live.clock import LiveClock
from sim.world.live.fabric import LiveFabric
from sim.world.live.mode import Live

__all__ = ["Live", "LiveClock", "LiveFabric"]
