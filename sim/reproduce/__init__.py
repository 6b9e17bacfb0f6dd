"""The published experiments, run through the simulator, with the published values beside them."""

from sim.reproduce.lab import Lab, Wanted, build_lab
from sim.reproduce.run import EXPERIMENTS, reproduce

__all__ = ["EXPERIMENTS", "Lab", "Wanted", "build_lab", "reproduce"]
