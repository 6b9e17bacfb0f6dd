"""What goes wrong inside the network, section by section: damaged weights or features, an old network, a liar."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from sim.faults.base import ModelFault, Need, Output
from sim.faults.context import Context

Rate = Annotated[float, Field(ge=0, le=1)]


class WeightBits(ModelFault):
    """Bits of a node's own weights have flipped in memory; the same ones as long as the fault lasts."""

    needs: ClassVar[Need] = "weights"
    example = "{kind: weight-bits, target: cam.2, rate: 0.01}"
    kind: Literal["weight-bits"]
    rate: Rate = 0.001
    """Probability for each bit of a binary weight."""

    def apply(self, output: Output, ctx: Context) -> Output:
        return output.by(ctx.networks.damaged(self.rate, ctx.role, ctx.fault_id, ctx.target))


class FeatureBits(ModelFault):
    """Bits of the computed feature map flip, other ones for each picture."""

    needs: ClassVar[Need] = "features"
    example = "{kind: feature-bits, target: cam, rate: 0.05, at: 20 s}"
    kind: Literal["feature-bits"]
    rate: Rate = 0.01
    """Probability for each bit."""

    def apply(self, output: Output, ctx: Context) -> Output:
        bits = np.frombuffer(output.features, np.uint8)
        flips = np.packbits(ctx.rng.random(8 * len(bits)) < self.rate)
        return replace(output, features=(bits ^ flips).tobytes())


class StaleModel(ModelFault):
    """The node runs an older network: the one after so many epochs of the same training."""

    needs: ClassVar[Need] = "weights"
    example = "{kind: stale-model, target: cam.1, epochs: 3}"
    kind: Literal["stale-model"]
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 5
    """Epochs that the older network was trained for."""

    def apply(self, output: Output, ctx: Context) -> Output:
        return output.by(ctx.networks.stale(self.epochs))


class Byzantine(ModelFault):
    """The node lies about what it computes; a camera always says that it sees something."""

    example = "{kind: byzantine, target: cam, pick: 2, mode: colluding}"
    kind: Literal["byzantine"]
    mode: Literal["random", "flipped", "colluding"] = "random"
    """Random scores; its own upside down; or those of one wrong class that all liars agree on for each sample."""
    strength: Annotated[float, Field(gt=0, le=1e6)] = 10.0
    """Size of invented scores."""

    def apply(self, output: Output, ctx: Context) -> Output:
        scores = np.frombuffer(output.scores, "<f4")
        features = np.frombuffer(output.features, np.uint8)
        if self.mode == "flipped":
            return replace(output, scores=(-scores).tobytes(), features=(~features).tobytes(), absent=False)
        rng = ctx.shared_rng if self.mode == "colluding" else ctx.rng
        lie = np.full(scores.shape, -self.strength, "<f4")
        if self.mode == "colluding" and len(lie):  # without an exit that asks for scores there are none
            lie[rng.integers(len(lie))] = self.strength
        elif self.mode == "random":
            lie = rng.uniform(-self.strength, self.strength, len(lie)).astype("<f4")
        invented = rng.integers(0, 256, len(features), np.uint8)
        return replace(output, scores=lie.tobytes(), features=invented.tobytes(), absent=False)
