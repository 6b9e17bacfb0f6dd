"""Builds and runs one world: scenario, network, broker, clock. `load`, `prepare` and `simulate` are the door."""

from sim.world.prepare import Prepared, load, prepare
from sim.world.run import RunResult, simulate

__all__ = ["Prepared", "RunResult", "load", "prepare", "simulate"]
