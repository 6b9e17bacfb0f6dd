"""Confidence intervals, the Pareto front, and Shapley values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Z95: Final = 1.959963984540054
# Two-sided 95 % quantiles of Student's t for 1..30 degrees of freedom; beyond that the normal one is within 2 %.
_T95: Final = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
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
    """The two-sided 95 % quantile of Student's t; NaN without a degree of freedom."""
    if freedom < 1:
        return math.nan
    return _T95[freedom - 1] if freedom <= len(_T95) else Z95


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
