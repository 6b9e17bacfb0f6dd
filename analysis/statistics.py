"""Confidence intervals, the Pareto front, and Shapley values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Z95: Final = 1.959963984540054
# Two-sided 95 % quantiles of Student's t for 1..30 degrees of freedom.
_T95: Final = (
    12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139,
    2.200985, 2.178813, 2.160369, 2.144787, 2.131450, 2.119905, 2.109816, 2.100922, 2.093024, 2.085963,
    2.079614, 2.073873, 2.068658, 2.063899, 2.059539, 2.055529, 2.051831, 2.048407, 2.045230, 2.042272,
)  # fmt: skip


def wilson(share: float, n: float) -> tuple[float, float]:
    """The 95 % confidence interval of a share of `n` samples (Wilson's score interval)."""
    if not (math.isfinite(share) and n > 0):
        return math.nan, math.nan
    z2 = Z95**2 / n
    centre = (share + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * math.sqrt(share * (1 - share) / n + z2 / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def t95(freedom: int) -> float:
    """The two-sided 95 % quantile of Student's t, beyond the table by expansion; NaN without a degree of freedom."""
    if freedom < 1:
        return math.nan
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    return Z95 + (Z95**3 + Z95) / (4 * freedom) + (5 * Z95**5 + 16 * Z95**3 + 3 * Z95) / (96 * freedom**2)


def pareto(cost: npt.ArrayLike, gain: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Positions of the points, cheapest first, that no other beats: every cheaper point is worse."""
    costs, gains = np.asarray(cost, dtype=float), np.asarray(gain, dtype=float)
    usable = np.flatnonzero(np.isfinite(costs) & np.isfinite(gains))
    order = usable[np.lexsort((-gains[usable], costs[usable]))]
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], gains[order]]))[:-1]
    return np.asarray(order[gains[order] > best_before], dtype=np.int64)


def shapley(value: Mapping[frozenset[str], float], players: Sequence[str]) -> dict[str, float]:
    """Each player's Shapley value: its mean contribution over all orders in which the players could join.

    Args:
        value: worth of each coalition (the players that are present). All 2^n must be there.
        players: at most about 16.

    Raises:
        KeyError: a coalition is missing.
    """
    n = len(players)
    bit = {player: 1 << place for place, player in enumerate(players)}
    worth = np.full(1 << n, np.nan)
    for coalition, amount in value.items():
        worth[sum(bit[player] for player in coalition)] = amount
    if np.isnan(worth).any():
        raise KeyError("not every combination of cameras has a value")
    masks = np.arange(1 << n)
    sizes = np.array([mask.bit_count() for mask in range(1 << n)])
    weight: Any = np.array([math.factorial(s) * math.factorial(n - s - 1) / math.factorial(n) for s in range(n)])
    result = {}
    for player in players:
        without = masks[(masks & bit[player]) == 0]
        result[player] = float((weight[sizes[without]] * (worth[without | bit[player]] - worth[without])).sum())
    return result
