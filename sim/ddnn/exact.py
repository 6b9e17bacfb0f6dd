"""Network arithmetic whose results depend on nothing but its inputs: not on batch, thread count or library.

All sums are sums of integers small enough to be exact in the type that holds them, so their order cannot matter.
Everything else is elementwise IEEE arithmetic, which numpy and a C compiler round alike. Arrays of maps are
`(U, N, H, W, C)`: U units with weights of their own, N samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Numbers = NDArray[Any]
Bits = NDArray[np.uint8]

WEIGHT_STEP = 2.0**-16
WEIGHT_LIMIT = 8.0
ACTIVATION_STEP = 2.0**-12
ACTIVATION_LIMIT = 64.0
"""Float sections hold weights in 20 bits and activations in 18, so a float64 sums 2**15 products exactly."""

CACHED = 1 << 19
"""Bytes of neighbourhoods made at a time, so that they are still in the processor's cache when they are summed."""

_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10


def windows(maps: Numbers) -> Numbers:
    """Return all 3x3 neighbourhoods (zero padding 1) of `(U, N, H, W, C)` as `(U, N*H*W, 9*C)`."""
    units, count, height, width, channels = maps.shape
    padded = np.zeros((units, count, height + 2, width + 2, channels), maps.dtype)
    padded[:, :, 1:-1, 1:-1] = maps
    out = np.empty((units, count, height, width, 9, channels), maps.dtype)
    for row in range(3):
        for column in range(3):
            out[..., 3 * row + column, :] = padded[:, :, row : row + height, column : column + width]
    return out.reshape(units, count * height * width, 9 * channels)


def convolve(maps: Numbers, kernels: Numbers) -> Numbers:
    """Convolve `(U, N, H, W, C)` with `(U, 9*C, F)` integer kernels, giving `(U, N, H, W, F)`."""
    units, count, height, width, channels = maps.shape
    sums = np.empty((units, count, height, width, kernels.shape[2]), np.result_type(maps, kernels))
    few = max(1, CACHED // (units * height * width * 9 * channels * maps.itemsize))
    for start in range(0, count, few):
        part = maps[:, start : start + few]
        sums[:, start : start + few] = np.matmul(windows(part), kernels).reshape(*part.shape[:4], -1)
    return sums


def pool(maps: Numbers, stride: int) -> Numbers:
    """Max-pool 3x3 with padding 1 over the height and width of `(U, N, H, W, C)`."""
    for axis in (2, 3):
        size = maps.shape[axis]
        edge: list[slice] = [slice(None)] * 5
        best = maps[(*edge[:axis], slice(0, size, stride))].copy()
        outputs = best.shape[axis]
        for shift in (-1, 1):
            reach = [o for o in range(outputs) if 0 <= o * stride + shift < size]
            if reach:
                here = (*edge[:axis], slice(reach[0], reach[-1] + 1))
                there = (*edge[:axis], slice(reach[0] * stride + shift, reach[-1] * stride + shift + 1, stride))
                best[here] = np.maximum(best[here], maps[there])
        maps = best
    return maps


def normalise(sums: Numbers, divisor: F32 | None, scale: F32, shift: F32) -> F32:
    """Divide integer sums by `divisor`, then batch-norm with the folded `scale` and `shift`, each step in float32."""
    values = sums.astype(np.float32)
    if divisor is not None:
        values /= divisor
    values *= scale
    values += shift
    return values


def signs(values: F32) -> F32:
    """Return +1 where a value is not negative, else -1."""
    return np.where(values >= 0, np.float32(1), np.float32(-1))


def steps(values: F32) -> F64:
    """Rectify and round to whole steps of `ACTIVATION_STEP`, at most `ACTIVATION_LIMIT`."""
    bounded = np.clip(values.astype(np.float64), 0.0, ACTIVATION_LIMIT)
    return np.asarray(np.rint(bounded / ACTIVATION_STEP))


def pack(maps: F32) -> Bits:
    """Pack the signs of `(..., H, W, F)` into `(..., bytes)`: filter by filter, row by row, first value in bit 0."""
    *lead, height, width, filters = maps.shape
    ordered = np.moveaxis(maps, -1, -3).reshape(*lead, filters * height * width)
    return np.packbits(ordered >= 0, axis=-1, bitorder="little")


def unpack(bits: Bits, shape: tuple[int, int, int]) -> F32:
    """Undo `pack` for maps of `shape` (filters, height, width), giving `(..., H, W, F)` of -1 and +1."""
    filters, height, width = shape
    flat = np.unpackbits(bits, axis=-1, count=filters * height * width, bitorder="little")
    maps = flat.reshape(*bits.shape[:-1], filters, height, width).astype(np.float32)
    maps *= 2
    maps -= 1
    return np.ascontiguousarray(np.moveaxis(maps, -3, -1))


def entropy(scores: F32) -> F64:
    """Return the normalised entropy of the softmax of `(..., classes)` scores, in [0, 1].

    It is (ln S - sum(e z) / S) / ln |C| with z = score - highest, e = exp z, S = sum(e): in float64, by additions and
    multiplications only, since the exponentials of libraries differ in their last bit.
    """
    z = scores.astype(np.float64)
    z -= z.max(axis=-1, keepdims=True)
    powers = exp(z)
    total = np.zeros(z.shape[:-1])
    weighted = np.zeros(z.shape[:-1])
    for c in range(z.shape[-1]):
        total += powers[..., c]
        weighted += powers[..., c] * z[..., c]
    classes = np.full((), float(z.shape[-1]))
    return np.clip((log(total) - weighted / total) / log(classes), 0.0, 1.0)


def exp(x: F64) -> F64:
    """Return e to the power of `x` <= 0, from exact and elementwise steps only."""
    x = np.maximum(x, -700.0)
    halvings = np.rint(x * (1.0 / 0.6931471805599453))
    rest = (x - halvings * _LN2_HIGH) - halvings * _LN2_LOW
    series = np.ones_like(rest)
    for k in range(14, 0, -1):
        series = series * rest / k + 1.0
    return np.ldexp(series, halvings.astype(np.int32))


def log(x: F64) -> F64:
    """Return the natural logarithm of `x` >= 1, from exact and elementwise steps only."""
    mantissa, exponent = np.frexp(x)
    low = mantissa < 0.7071067811865476
    mantissa = np.where(low, mantissa * 2, mantissa)
    exponent = np.where(low, exponent - 1, exponent)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    series = np.zeros_like(s)
    for k in range(23, 0, -2):
        series = series * square + 1.0 / k
    return np.asarray(exponent * _LN2_HIGH + (2.0 * s * series + exponent * _LN2_LOW))
