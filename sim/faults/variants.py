"""Networks other than the one that runs, for model faults: older ones, and ones with damaged weights."""

from __future__ import annotations

from typing import Protocol

from sim.nodes.inference import Inference


class Variants(Protocol):
    """Made on first use and kept for the run."""

    def stale(self, epochs: int) -> Inference:
        """The network as it was after so many epochs of training."""

    def damaged(self, rate: float, role: str, *stream: str) -> Inference:
        """The network with each bit of the weights that nodes of this role have flipped with this probability.

        `stream` names the randomness.
        """
