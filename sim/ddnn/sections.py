"""The trained network as plain arrays, and its sections evaluated on batches with exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim.ddnn import exact
from sim.ddnn.exact import F32, Bits, Numbers
from sim.ddnn.spec import EXITS, Exit, NetworkSpec
from sim.ddnn.stacks import Arrays, Mask, Tier, masked_sum, stack

BLOCK = 64
"""Samples evaluated at a time: their intermediate maps stay within tens of megabytes."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """Decisions at one exit: `predicted (...) int64`, normalised `entropy (...) float64`, `scores (..., classes)`."""

    predicted: NDArray[np.int64]
    entropy: NDArray[np.float64]
    scores: F32


@dataclass(frozen=True, eq=False)
class Upstream:
    """What edges and cloud make of N samples.

    `edge_scores (N, G, classes)` and `edge_maps (G, N, h, w, f)` are None without an edge section;
    `known (N, G or 1)` says where any camera took part; `cloud_scores (N, classes)`.
    """

    edge_scores: F32 | None
    edge_maps: Numbers | None
    known: Mask
    cloud_scores: F32


class Sections:
    """All sections of one trained network, on batches. Every method is a pure function of its arguments."""

    def __init__(self, spec: NetworkSpec, arrays: Arrays, *, zero_filled: bool) -> None:
        self.spec = spec
        self.zero_filled = zero_filled
        self.prior = int(arrays["prior"])
        self._temperatures = {name: arrays[f"temperature.{name}"] for name in EXITS}
        self._arrays = arrays
        device = spec.device.precision
        self._device = stack(arrays, "device", stride=2, precision=device, binary_out=True)
        slots = max(map(len, spec.groups))
        self._enabled = np.array([camera not in spec.off for camera in range(spec.cameras)])
        self._edges: tuple[Tier, ...] = ()
        if spec.edge:
            edge = stack(arrays, "edge", stride=2, precision=spec.edge.precision, binary_out=True)
            how = spec.aggregate.edge
            self._edges = tuple(
                Tier(edge, g, how, len(group), slots if how == "concat" else 1) for g, group in enumerate(spec.groups)
            )
        cloud = stack(arrays, "cloud", stride=1, precision=spec.cloud.precision, binary_out=False)
        inputs = len(spec.uplinks)
        how = spec.aggregate.cloud
        self._cloud = Tier(cloud, 0, how, inputs, inputs if how == "concat" else 1)

    def devices(self, images: Bits) -> tuple[F32, Bits]:
        """Run every camera's device section.

        Args:
            images: `(N, V, 3, 32, 32) uint8`.

        Returns:
            Scores `(N, V, classes) float32` (classes is 0 where cameras compute none) and features
            `(N, V, feature_bytes) uint8`.
        """
        parts = [self._device_block(images[at : at + BLOCK]) for at in range(0, len(images), BLOCK)]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def one_device(self, image: Bits, camera: int) -> tuple[F32, Bits]:
        """Run one camera's device section on one image `(3, 32, 32) uint8`."""
        scores, features = self._device_block(image[None, None], slice(camera, camera + 1))
        return scores[0, 0], features[0, 0]

    def _device_block(self, images: Bits, units: slice = slice(None)) -> tuple[F32, Bits]:
        kernel = self._device.kernels[0][units]
        maps = np.ascontiguousarray(images.transpose(1, 0, 3, 4, 2)).astype(kernel.dtype)
        brightest = np.maximum(images.max(axis=(2, 3, 4)), 1).astype(np.float32).T[..., None, None, None]
        maps = self._device.finish(exact.convolve(maps, kernel), brightest, units)
        scores = self._device.scores(maps, units)
        return np.ascontiguousarray(scores.swapaxes(0, 1)), np.ascontiguousarray(exact.pack(maps).swapaxes(0, 1))

    def local(self, gateway: int, scores: F32, mask: Mask) -> tuple[F32, Mask]:
        """Merge the scores `(N, K, classes)` of a gateway's cameras under `mask (N, K)`.

        Returns:
            Scores `(N, classes)` and whether any camera took part `(N,)`; the scores are 0 where none did. Scores
            that are no numbers (a fault may bring them about) take no part.
        """
        group = list(self.spec.groups[gateway])
        mask = mask & np.isfinite(scores).all(axis=2)
        scores, mask = self._fill(scores, mask, self._enabled[group], lambda: self.black[0][group])
        kept = mask[..., None]
        how = self.spec.aggregate.local
        if how == "max":
            merged = np.where(kept, scores, np.float32(-np.inf)).max(axis=1)
        elif how == "mean":
            merged = masked_sum(np.where(kept, scores, np.float32(0)).swapaxes(0, 1), mask)
            merged /= np.maximum(mask.sum(axis=1), 1).astype(np.float32)[:, None]
        else:
            merged = self._local_concat(gateway, np.where(kept, scores, np.float32(0)))
        known = _any(mask)
        return np.where(known[:, None], merged, np.float32(0)), known

    def judge(self, at: Exit, scores: F32, known: Mask | None = None) -> Judgement:
        """Turn the scores `(..., classes)` at one exit into decisions; what is not `known` gets the prior class."""
        fine: Mask = np.asarray(np.isfinite(scores).all(axis=-1))
        if known is not None:
            fine &= known
        calm = np.where(fine[..., None], scores / self._temperatures[at], np.float32(0))
        predicted = np.where(fine, calm.argmax(axis=-1), self.prior)
        return Judgement(predicted, np.where(fine, exact.entropy(calm), 1.0), calm)

    def edge(self, gateway: int, maps: F32, mask: Mask) -> tuple[F32, Numbers, Mask]:
        """Merge the maps `(K, N or 1, H, W, f)` of a gateway's cameras under `mask (N, K)` and run its edge section.

        Returns:
            Scores `(N, classes)` (classes is 0 without an edge exit), maps `(N, h, w, F)`, and where any camera
            took part `(N,)`.
        """
        group, tier = list(self.spec.groups[gateway]), self._edges[gateway]
        maps, mask = self._fill_maps(maps, mask, self._enabled[group], lambda: self._black_maps[group])
        return *tier.merge(tier.prepare(maps), mask), _any(mask)

    def cloud(self, maps: F32, mask: Mask) -> tuple[F32, Mask]:
        """Merge the maps `(U, N or 1, H, W, f)` of cameras or gateways under `mask (N, U)` and run the cloud section.

        Returns:
            Scores `(N, classes)` and where any input took part `(N,)`.
        """
        black = (lambda: self._black_edges) if self.spec.edge else (lambda: self._black_maps)
        maps, mask = self._fill_maps(maps, mask, self._reaching, black)
        scores, _ = self._cloud.merge(self._cloud.prepare(maps), mask)
        return scores, _any(mask)

    def prepare(self, maps: F32) -> Numbers | None:
        """Do what the cloud section does before it is known who takes part, for `cloud_prepared`.

        None where everything depends on who does (edge sections, or black images for missing cameras).
        """
        return None if self._edges or self.zero_filled else self._cloud.prepare(maps)

    def cloud_prepared(self, prepared: Numbers, mask: Mask) -> tuple[F32, Mask]:
        """As `cloud`, from what `prepare` returned."""
        mask = mask & self._reaching
        scores, _ = self._cloud.merge(prepared, mask)
        return scores, _any(mask)

    @cached_property
    def _reaching(self) -> Mask:
        """The inputs of the cloud `(U,)` behind which some camera is switched on."""
        return np.array([self._enabled[list(cameras)].any() for cameras in self.spec.uplinks])

    def upstream(self, maps: F32, mask: Mask) -> Upstream:
        """Run everything above the cameras on their maps.

        Args:
            maps: `(V, N, H, W, f)`, or N = 1 for one sample under many masks.
            mask: `(N, V)`, the cameras that take part.
        """
        if not self._edges:
            scores, known = self.cloud(maps, mask)
            return Upstream(None, None, known[:, None], scores)
        gateways = range(self.spec.gateways)
        groups = [list(group) for group in self.spec.groups]
        parts = [self.edge(g, maps[groups[g]], mask[:, groups[g]]) for g in gateways]
        edge_maps, known = np.stack([p[1] for p in parts]), np.stack([p[2] for p in parts], axis=1)
        scores, _ = self.cloud(edge_maps, known)
        return Upstream(np.stack([p[0] for p in parts], axis=1), edge_maps, known, scores)

    @cached_property
    def black(self) -> tuple[F32, Bits]:
        """Every camera's scores `(V, classes)` and packed features `(V, bytes)` on a black image."""
        scores, features = self.devices(np.zeros((1, self.spec.cameras, 3, 32, 32), np.uint8))
        return scores[0], features[0]

    @cached_property
    def _black_maps(self) -> F32:
        return exact.unpack(self.black[1], self.spec.device_map)[:, None]

    @cached_property
    def _black_edges(self) -> Numbers:
        groups = [list(group) for group in self.spec.groups]
        nobody = np.zeros((1, self.spec.cameras), np.bool_)
        return np.stack([self.edge(g, self._black_maps[group], nobody[:, group])[1] for g, group in enumerate(groups)])

    def inputs(self, tier: Literal["edge", "cloud"]) -> tuple[F32 | None, Mask]:
        """Return for all inputs of a tier what counts in place of a missing one, and which are switched on at all.

        The former `(K, f, H, W)` is None where missing inputs are masked out; K are cameras, or the cloud's gateways.
        """
        enabled = self._enabled if tier == "edge" else self._reaching
        if not self.zero_filled:
            return None, enabled
        black = self._black_edges if tier == "cloud" and self._edges else self._black_maps
        return np.moveaxis(black[:, 0], -1, 1), enabled

    def _fill_maps(self, maps: F32, mask: Mask, enabled: Mask, black: Callable[[], Numbers]) -> tuple[F32, Mask]:
        by_sample, mask = self._fill(maps.swapaxes(0, 1), mask, enabled, lambda: black().swapaxes(0, 1)[0])
        return by_sample.swapaxes(0, 1), mask

    def _fill(self, values: F32, mask: Mask, enabled: Mask, black: Callable[[], Numbers]) -> tuple[F32, Mask]:
        """Switch off what is off; where a missing camera counts as a black image, put that in its place.

        `values (N or 1, K, ...)`, `mask (N, K)`, `enabled (K,)`, `black() (K, ...)`.
        """
        if not self.zero_filled:
            return values, mask & enabled
        spread = mask.reshape(*mask.shape, *(1,) * (values.ndim - 2))
        return np.where(spread, values, black()), np.broadcast_to(enabled, mask.shape)

    def _local_concat(self, gateway: int, scores: F32) -> F32:
        kernel = self._arrays["local.head.kernel"][gateway]
        count, nodes, classes = scores.shape
        sums = np.zeros((count, classes), np.float32)
        for row in range(nodes * classes):
            sums += scores[:, row // classes, row % classes, None] * kernel[row].astype(np.float32)
        return exact.normalise(
            sums, None, self._arrays["local.head.scale"][gateway], self._arrays["local.head.shift"][gateway]
        )


def _any(mask: Mask) -> Mask:
    """Say for each row of `(N, K)` whether any input takes part."""
    return np.asarray(mask.any(axis=1))
