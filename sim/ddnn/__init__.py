"""The distributed network: what it looks like, how it is trained, and exact inference for the nodes.

Torch is imported only when a network has to be trained; a stored one runs on numpy.
"""

import os

# Threads of torch that wait by spinning take ten times as long on a busy machine. Read when torch is first loaded, so
# it is set here and not where torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from sim.ddnn.inference import DeviceOutput, Inference, Verdict
from sim.ddnn.network import Network, obtain, stored
from sim.ddnn.spec import EXITS, Aggregate, Exit, LossWeights, NetworkSpec, Section, TrainSpec, without
from sim.ddnn.table import Decided, Table, find_threshold

__all__ = [
    "EXITS",
    "Aggregate",
    "Decided",
    "DeviceOutput",
    "Exit",
    "Inference",
    "LossWeights",
    "Network",
    "NetworkSpec",
    "Section",
    "Table",
    "TrainSpec",
    "Verdict",
    "find_threshold",
    "obtain",
    "stored",
    "without",
]
