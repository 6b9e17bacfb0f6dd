"""Turns numbers of whatever scale into uint8 pixels, and finds files where users mean them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.data.dataset import Images
from sim.errors import DataError


def to_uint8(values: NDArray[Any], where: str) -> Images:
    """Round images to uint8.

    uint8 stays as it is. Other numbers are taken as 0..1 if none of them is above 1, and multiplied by 255;
    otherwise as 0..255. Both are rounded to the nearest integer, half to even.

    Args:
        values: images of any shape.
        where: file and array, for messages.

    Raises:
        DataError: not numbers, not finite, or outside of 0..255.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind not in "biuf":
        raise DataError(f"{where} is {values.dtype}; images are numbers: uint8 0..255, or float 0..1 or 0..255")
    if values.size == 0:
        return values.astype(np.uint8)
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(f"{where} holds NaN or infinity; pixels are 0..1 or 0..255")
    if low < 0 or high > 255:
        raise DataError(f"{where} goes from {low} to {high}; pixels are 0..1 or 0..255")
    scale = 255.0 if values.dtype.kind in "bf" and high <= 1 else 1.0
    pixels = np.empty(values.shape, dtype=np.uint8)
    for out, part in zip(pixels, values, strict=True):  # one by one: no second copy of it all in float64
        out[...] = np.rint(part * np.float64(scale))
    return pixels


def to_labels(values: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Integers, also where they were stored as floats.

    Raises:
        DataError: not numbers, or not whole ones.
    """
    if values.dtype.kind not in "biuf":
        raise DataError(f"{where} is {values.dtype}; labels are integers")
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        raise DataError(f"{where} holds values that are no whole numbers; labels are integers")
    if values.size and not -(2**62) < values.min() <= values.max() < 2**62:
        raise DataError(f"{where} goes from {values.min()} to {values.max()}; labels are small integers")
    return values.astype(np.int64)


def locate(name: str | Path, base: Path) -> Path:
    """The path as seen from the current folder, or else from `base`, the scenario's folder."""
    path = Path(name).expanduser()
    return path if path.exists() or path.is_absolute() or not (base / path).exists() else base / path
