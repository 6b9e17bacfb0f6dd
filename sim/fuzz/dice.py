"""The few draws that random scenarios are made of."""

from __future__ import annotations

from typing import Any

import numpy as np


class Dice:
    """A generator that knows chances, choices, numbers and durations."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def one(self, *choices: Any) -> Any:
        """One of the choices."""
        return choices[int(self.rng.integers(len(choices)))]

    def number(self, low: float, high: float) -> float:
        """A number, on a logarithmic scale where the range is wide."""
        if low > 0 and high / low > 20:
            return float(f"{np.exp(self.rng.uniform(np.log(low), np.log(high))):.3g}")
        return float(f"{self.rng.uniform(low, high):.3g}")

    def time(self, low_s: float, high_s: float) -> str:
        """A duration as text."""
        return f"{self.number(low_s, high_s) * 1000:.0f} ms"
