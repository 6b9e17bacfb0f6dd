"""Confidence intervals of means over few seeds."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

# The 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom.
_T: Final = (
    *(12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139),
    *(2.200985, 2.178813, 2.160369, 2.144787, 2.131450, 2.119905, 2.109816, 2.100922, 2.093024, 2.085963),
    *(2.079614, 2.073873, 2.068658, 2.063899, 2.059539, 2.055529, 2.051831, 2.048407, 2.045230, 2.042272),
)
_Z: Final = 1.959963985


def t975(freedom: int) -> float:
    """The 97.5 % quantile of Student's t; beyond the table by its expansion around the normal quantile."""
    if freedom <= len(_T):
        return _T[freedom - 1]
    z = _Z
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def interval95(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """The mean and half the width of its 95 % confidence interval; None where there is too little to say so."""
    if not len(values):
        return None, None
    mean = float(np.mean(values))
    if len(values) == 1:
        return mean, None
    return mean, t975(len(values) - 1) * float(np.std(values, ddof=1)) / len(values) ** 0.5
