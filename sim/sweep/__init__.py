"""Sweeps: the points of a scenario's sweep block, simulated in parallel, resumable, and their tables."""

from sim.sweep.folder import Shard
from sim.sweep.progress import Progress, State
from sim.sweep.run import Options, SweepResult, sweep

__all__ = ["Options", "Progress", "Shard", "State", "SweepResult", "sweep"]
