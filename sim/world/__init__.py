"""Builds and runs one world: scenario, network, broker, clock. `load`, `prepare` and `simulate` are the door."""

from sim.world.prepare import Prepared, build, load, prepare
from sim.world.rehearse import rehearse
from sim.world.run import Mode, RunResult, simulate

__all__ = ["Mode", "Prepared", "RunResult", "build", "load", "prepare", "rehearse", "simulate"]
