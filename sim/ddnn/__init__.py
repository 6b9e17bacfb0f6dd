"""The distributed network: what it looks like, how it is trained, and exact inference for the nodes.

Torch is imported only when a network has to be trained; a stored one runs on numpy.
"""

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
