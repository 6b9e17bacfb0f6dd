"""The parts of a trained network: the blocks of one tier, and what merges the maps of several nodes into them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.ddnn import exact
from sim.ddnn.exact import F32, Numbers
from sim.ddnn.spec import MOST_BLOCKS, How, Precision

Arrays = Mapping[str, NDArray[Any]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Stack:
    """The blocks and the head of one tier, for U units evaluated side by side.

    Attributes:
        kernels: per block `(U, 9*C, F)` whole numbers, float32 (binary) or float64 (float sections).
        scales, shifts: per block `(U, F) float32`, the folded batch-norm.
        head: `(U, H*W*F, classes)` whole numbers, or None.
        head_scale, head_shift: `(U, classes) float32`.
        stride: of the max-pools.
        precision: of the activations between blocks.
        binary_out: whether the last block ends in signs, whatever the precision.
    """

    kernels: tuple[Numbers, ...]
    scales: tuple[F32, ...]
    shifts: tuple[F32, ...]
    head: Numbers | None
    head_scale: F32
    head_shift: F32
    stride: int
    precision: Precision
    binary_out: bool

    def finish(self, sums: Numbers, divisor: F32 | None, units: slice = slice(None)) -> Numbers:
        """Take the sums of the first convolution `(U, N, H, W, F)` through the rest; return the last map."""
        maps = self._activate(0, sums, divisor, units)
        for block in range(1, len(self.kernels)):
            maps = self._activate(block, exact.convolve(maps, self.kernels[block][units]), None, units)
        return maps

    def _activate(self, block: int, sums: Numbers, divisor: F32 | None, units: slice) -> Numbers:
        scale, shift = _spread(self.scales[block][units]), _spread(self.shifts[block][units])
        values = exact.normalise(exact.pool(sums, self.stride), divisor, scale, shift)
        last = block == len(self.kernels) - 1
        if self.precision == "binary":
            return exact.signs(values)
        if last and self.binary_out:
            return exact.signs(values).astype(np.float64)
        return exact.steps(values)

    def scores(self, maps: Numbers, units: slice = slice(None)) -> F32:
        """Return the class scores `(U, N, classes)` of the last maps."""
        if self.head is None:
            return np.zeros((*maps.shape[:2], 0), np.float32)
        head = self.head[units]
        sums = np.matmul(maps.reshape(*maps.shape[:2], -1).astype(head.dtype, copy=False), head)
        return exact.normalise(sums, None, self.head_scale[units][:, None], self.head_shift[units][:, None])


def stack(arrays: Arrays, tier: str, *, stride: int, precision: Precision, binary_out: bool) -> Stack:
    """Collect the arrays of `tier` from the stored ones."""
    wide = np.float32 if precision == "binary" else np.float64
    blocks = [b for b in range(MOST_BLOCKS) if f"{tier}.{b}.kernel" in arrays]
    head = arrays.get(f"{tier}.head.kernel")
    none = np.zeros((1, 0), np.float32)
    return Stack(
        kernels=tuple(arrays[f"{tier}.{b}.kernel"].astype(wide) for b in blocks),
        scales=tuple(arrays[f"{tier}.{b}.scale"] for b in blocks),
        shifts=tuple(arrays[f"{tier}.{b}.shift"] for b in blocks),
        head=None if head is None else head.astype(wide),
        head_scale=arrays.get(f"{tier}.head.scale", none),
        head_shift=arrays.get(f"{tier}.head.shift", none),
        stride=stride,
        precision=precision,
        binary_out=binary_out,
    )


@dataclass(frozen=True, eq=False)
class Tier:
    """A gateway's edge section or the cloud: merges the maps of K nodes, then runs its blocks.

    For `concat` and `mean` the first convolution is linear in each node's map, so it is done per node (`prepare`) and
    summed over those that take part (`merge`); `max` merges first.
    """

    stack: Stack
    unit: int
    how: How
    nodes: int
    slots: int

    def prepare(self, maps: F32) -> Numbers:
        """Do what each node's map `(K, N, H, W, f)` needs before it is known who takes part."""
        if self.how == "max":
            return maps
        return exact.convolve(maps.astype(self._kernel.dtype, copy=False), self._per_node)

    def merge(self, prepared: Numbers, mask: Mask) -> tuple[F32, Numbers]:
        """Merge `(K, N, H, W, F)` under `mask (N, K)`; return scores `(N, classes)` and maps `(N, H, W, F)`.

        N may be 1 in `prepared` and larger in `mask`: one sample under many masks.
        """
        divisor = None
        if self.how == "max":
            lowest = np.where(mask.T[..., None, None, None], prepared, np.float32(-1)).max(axis=0)
            known = np.where(np.asarray(mask.any(axis=1))[:, None, None, None], lowest, np.float32(0))
            sums = exact.convolve(known[None].astype(self._kernel.dtype, copy=False), self._kernel[None])
        else:
            sums = masked_sum(prepared, mask)[None]
        if self.how == "mean":
            divisor = np.maximum(mask.sum(axis=1), 1).astype(np.float32)[None, :, None, None, None]
        unit = slice(self.unit, self.unit + 1)
        maps = self.stack.finish(sums, divisor, unit)
        return self.stack.scores(maps, unit)[0], maps[0]

    @property
    def _kernel(self) -> Numbers:
        kernel: Numbers = self.stack.kernels[0][self.unit]
        return kernel

    @cached_property
    def _per_node(self) -> Numbers:
        """The kernels that each node's own map meets, `(K, 9*f, F)`."""
        kernel = self._kernel
        if self.how == "mean":
            return np.broadcast_to(kernel, (self.nodes, *kernel.shape))
        filters = kernel.shape[1]
        split = kernel.reshape(9, self.slots, -1, filters)[:, : self.nodes]
        return np.ascontiguousarray(split.transpose(1, 0, 2, 3).reshape(self.nodes, -1, filters))


def masked_sum(values: Numbers, mask: Mask) -> Numbers:
    """Sum `(K, N or 1, ...)` over K where `mask (N, K)` holds, one k after the other."""
    spread = mask.T.reshape(*mask.T.shape, *(1,) * (values.ndim - 2)).astype(values.dtype)
    total = spread[0] * values[0]
    for k in range(1, len(values)):
        total = total + spread[k] * values[k]
    return np.asarray(total)


def _spread(per_filter: F32) -> F32:
    return per_filter[:, None, None, None, :]
