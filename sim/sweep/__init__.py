"""Sweeps: the points of a scenario's sweep block, simulated in parallel, resumable, and their tables."""

from sim.sweep.estimate import Estimate, estimate
from sim.sweep.folder import Shard
from sim.sweep.index import INDEX
from sim.sweep.merge import Merged, merge
from sim.sweep.progress import Progress, State
from sim.sweep.run import Options, SweepResult, sweep

__all__ = [
    "INDEX",
    "Estimate",
    "Merged",
    "Options",
    "Progress",
    "Shard",
    "State",
    "SweepResult",
    "estimate",
    "merge",
    "sweep",
]
