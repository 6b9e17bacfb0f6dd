"""The network as torch sees it while it learns: real latent weights behind signs, all units of a tier in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sim.ddnn.exact import WEIGHT_LIMIT
from sim.ddnn.spec import IMAGE_CHANNELS, Exit, How, NetworkSpec, Precision, Section

EPS = 2e-5
DECAY = 0.9
SMALL = 1e-3
"""Half width of the initial latent weights of the default recipe: small, so that signs are cheap to change."""
HEAD_SCALE = 0.9
"""Fixed batch-norm scale of the exit heads of the default recipe: keeps entropies comparable between networks."""


class _Norm(torch.autograd.Function):
    """Batch-norm of `(B, C, H, W)` over the rows that count, with a sign after it where wanted.

    Both in one, in few passes over memory: that is what training time goes into. The sign's gradient passes where its
    argument is within [-1, 1] (straight-through estimator).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, gamma: Tensor, beta: Tensor, sign: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`weight (B, C)` of 0 and 1; returns the result, the mean and the variance."""
        count = (weight.sum(0) * (x.shape[2] * x.shape[3])).clamp(min=1)
        mean = (x.sum((2, 3)) * weight).sum(0) / count
        square = torch.linalg.vector_norm(x, dim=(2, 3)).square()
        variance = ((square * weight).sum(0) / count - mean.square()).clamp(min=0)
        inverse = (variance + EPS).rsqrt()
        scale = gamma * inverse
        y = torch.addcmul(_wide(beta - mean * scale), x, _wide(scale))
        ctx.sign = sign
        ctx.save_for_backward(x, y if sign else None, weight, scale, inverse, mean, count)
        ctx.mark_non_differentiable(mean, variance)
        return torch.copysign(torch.ones(()), y) if sign else y, mean, variance

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, y, weight, scale, inverse, mean, count = ctx.saved_tensors
        grad = grads[0]
        if ctx.sign:
            grad = torch.ops.aten.hardtanh_backward(grad, y, -1.0, 1.0)
        grad_beta = grad.sum((0, 2, 3))
        grad_gamma = inverse * (_dots(grad, x) - mean * grad_beta)
        slope = -scale * inverse * grad_gamma / count
        offset = -scale * grad_beta / count - slope * mean
        pull = torch.addcmul((weight * offset)[..., None, None], x, (weight * slope)[..., None, None])
        return pull.addcmul_(grad, _wide(scale)), None, grad_gamma, grad_beta, None


def _wide(per_channel: Tensor) -> Tensor:
    return per_channel[:, None, None]


def _dots(a: Tensor, b: Tensor) -> Tensor:
    """Return the dot product of `(B, C, H, W)` tensors per channel; a matrix product reads each only once."""
    channels = a.shape[1]
    if channels > 64 or a.shape[2] == 1:
        return (a * b).sum((0, 2, 3))
    rows = (t.permute(0, 2, 3, 1).reshape(-1, channels) for t in (a, b))
    return (next(rows).T @ next(rows)).diagonal()


class Norm(nn.Module):
    """Batch-norm per channel whose statistics count only the rows told to."""

    mean: Tensor
    variance: Tensor
    updates: Tensor

    def __init__(self, channels: int, *, scale: float | None, corrected: bool) -> None:
        """With `scale` the batch-norm scale is fixed; `corrected` removes the start from the running averages."""
        super().__init__()
        self.gamma = nn.Parameter(torch.full((channels,), scale or 1.0), requires_grad=scale is None)
        self.beta = nn.Parameter(torch.zeros(channels))
        self.corrected = corrected
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.zeros(channels) if corrected else torch.ones(channels))
        self.register_buffer("updates", torch.zeros(()))

    def forward(self, x: Tensor, weight: Tensor, *, sign: bool = False) -> Tensor:
        """Normalise `(B, C, H, W)`, then take the sign if wanted; `weight (B, C)` says which rows count."""
        if not self.training:
            mean, variance = self.statistics()
            scale = self.gamma * (variance + EPS).rsqrt()
            y = x * _wide(scale) + _wide(self.beta - mean * scale)
            return torch.where(y >= 0, 1.0, -1.0) if sign else y
        out: tuple[Tensor, Tensor, Tensor] = _Norm.apply(x, weight, self.gamma, self.beta, sign)  # type: ignore[no-untyped-call]
        y, mean, variance = out
        with torch.no_grad():
            self.mean.lerp_(mean, 1 - DECAY)
            self.variance.lerp_(variance, 1 - DECAY)
            self.updates += 1
        return y

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Return the running mean and variance."""
        known = 1 - DECAY**self.updates if self.corrected and self.updates > 0 else torch.ones(())
        return self.mean / known, self.variance / known


def binarised(weight: Tensor) -> Tensor:
    """Return the signs of latent weights; the gradient reaches them unchanged."""
    return weight + (torch.where(weight >= 0, 1.0, -1.0) - weight).detach()


class Blocks(nn.Module):
    """The blocks and the head of one tier for U units in grouped convolutions."""

    def __init__(
        self, units: int, channels: int, size: int, filters: tuple[int, ...], precision: Precision, *,
        stride: int, classes: int, binary_out: bool, default: bool, generator: torch.Generator,
    ) -> None:  # fmt: skip
        super().__init__()
        self.units, self.stride, self.precision, self.binary_out = units, stride, precision, binary_out
        self.classes = classes
        self.weights = nn.ParameterList()
        self.norms = nn.ModuleList()
        for wide in filters:
            shape = (units * wide, channels, 3, 3)
            self.weights.append(initial(shape, 9 * channels, precision, default, generator))
            self.norms.append(Norm(units * wide, scale=None, corrected=default))
            channels, size = wide, (size + 1) // 2 if stride == 2 else size
        self.out = (channels, size, size)
        if classes:
            inputs = channels * size * size
            self.head = initial((units, inputs, classes), inputs, precision, default, generator)
            self.head_norm = Norm(units * classes, scale=HEAD_SCALE if default else None, corrected=default)

    def forward(self, x: Tensor, counts: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return maps `(B, U*F, H, W)` and scores `(B, U, classes)` of `(B, U*C, H, W)`; `counts (B, U)` as in Norm."""
        for block, (weight, norm) in enumerate(zip(self.weights, self.norms, strict=True)):
            x = functional.conv2d(x, self._used(weight), padding=1, groups=self.units)
            x = functional.max_pool2d(x, 3, self.stride, 1)
            last = block == len(self.weights) - 1
            sign = self.precision == "binary" or (last and self.binary_out)
            x = norm(x, counts.repeat_interleave(weight.shape[0] // self.units, 1), sign=sign)
            x = x if sign else functional.relu(x)
        if not self.classes:
            return x, None
        flat = x.reshape(len(x), self.units, -1).transpose(0, 1)
        sums = torch.bmm(flat, self._used(self.head)).transpose(0, 1).reshape(len(x), -1)
        scores = self.head_norm(sums[..., None, None], counts.repeat_interleave(self.classes, 1))
        return x, scores.view(len(x), self.units, self.classes)

    def _used(self, weight: Tensor) -> Tensor:
        return binarised(weight) if self.precision == "binary" else weight


def initial(
    shape: tuple[int, ...], inputs: int, precision: Precision, default: bool, generator: torch.Generator
) -> nn.Parameter:
    """Return initial latent weights: normal with variance 1/inputs, or for binary weights in `default` very small."""
    if default and precision == "binary":
        return nn.Parameter((torch.rand(shape, generator=generator) * 2 - 1) * SMALL)
    return nn.Parameter(torch.randn(shape, generator=generator) / inputs**0.5)


@dataclass(frozen=True, eq=False)
class Scores:
    """What a pass yields: scores `(B, units, classes)` and which rows count `(B, units)`, by exit."""

    scores: dict[Exit, Tensor]
    counts: dict[Exit, Tensor]


class Model(nn.Module):
    """The whole network."""

    def __init__(self, spec: NetworkSpec, *, default: bool, zero_filled: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.spec, self.zero_filled, self.default = spec, zero_filled, default
        slots = max(map(len, spec.groups))
        self.device = Blocks(
            spec.cameras, IMAGE_CHANNELS, 32, spec.device_filters, spec.device.precision, stride=2,
            classes=spec.classes if spec.scored else 0, binary_out=True, default=default, generator=generator,
        )  # fmt: skip
        filters, size, _ = spec.device_map
        if "local" in spec.exits and spec.aggregate.local == "concat":
            shape = (spec.gateways, slots * spec.classes, spec.classes)
            self.local_head = initial(shape, shape[1], "binary", default, generator)
            self.local_norm = Norm(
                spec.gateways * spec.classes, scale=HEAD_SCALE if default else None, corrected=default
            )

        def tier(section: Section, units: int, wide: int, side: int, stride: int, exit_: Exit) -> Blocks:
            classes = spec.classes if exit_ in spec.exits else 0
            return Blocks(
                units, wide, side, (section.filters,) * section.blocks, section.precision, stride=stride,
                classes=classes, binary_out=exit_ == "edge", default=default, generator=generator,
            )  # fmt: skip

        if spec.edge:
            wide = filters * (slots if spec.aggregate.edge == "concat" else 1)
            self.edge = tier(spec.edge, spec.gateways, wide, size, 2, "edge")
        filters, size, _ = spec.uplink_map
        wide = filters * (len(spec.uplinks) if spec.aggregate.cloud == "concat" else 1)
        self.cloud = tier(spec.cloud, 1, wide, size, 1, "cloud")
        index = torch.zeros((spec.gateways, slots), dtype=torch.long)
        self.real = torch.zeros((spec.gateways, slots))
        for g, group in enumerate(spec.groups):
            index[g, : len(group)] = torch.tensor(group)
            self.real[g, : len(group)] = 1
        self.slot_camera = index
        self.enabled = torch.tensor([float(camera not in spec.off) for camera in range(spec.cameras)])

    def forward(self, images: Tensor, present: Tensor, keep: Tensor) -> Scores:
        """Run a batch.

        Args:
            images: `(B, V*3, 32, 32) float32`, each view divided by its own maximum.
            present: `(B, V)` 0 or 1, the camera sees the object.
            keep: `(B, V)` 0 or 1, the camera has not failed.
        """
        present = present * self.enabled
        seen = present * keep
        if self.zero_filled:
            images = images * keep.repeat_interleave(IMAGE_CHANNELS, 1)[..., None, None]
            takes = self.enabled.expand_as(seen)
            maps, device = self.device(images, takes)
        else:
            takes = seen
            maps, device = self.device(images, present)
        out = Scores({}, {})
        if device is not None:
            out.scores["device"], out.counts["device"] = device, present if not self.zero_filled else seen
        slots = takes[:, self.slot_camera] * self.real
        if device is not None and "local" in self.spec.exits:
            out.scores["local"] = self._local(device[:, self.slot_camera], slots)
            out.counts["local"] = slots.amax(2)
        maps = maps.view(len(maps), self.spec.cameras, *self.device.out)
        if self.spec.edge:
            merged = merge(maps[:, self.slot_camera], slots, self.spec.aggregate.edge)
            takes = slots.amax(2)
            maps, edge = self.edge(merged.flatten(1, 2), takes)
            maps = maps.view(len(maps), self.spec.gateways, *self.edge.out)
            if edge is not None:
                out.scores["edge"], out.counts["edge"] = edge, takes
        merged = merge(maps[:, None], takes[:, None], self.spec.aggregate.cloud).flatten(1, 2)
        known = takes.amax(1, keepdim=True)
        out.scores["cloud"], out.counts["cloud"] = self.cloud(merged, known)[1], known
        return out

    def _local(self, scores: Tensor, slots: Tensor) -> Tensor:
        """Merge `(B, G, K, classes)` over K under `slots (B, G, K)`."""
        how, kept = self.spec.aggregate.local, slots[..., None]
        if how == "max":
            merged = scores.masked_fill(kept == 0, -torch.inf).amax(2)
            return merged.masked_fill(kept.amax(2) == 0, 0.0)
        if how == "mean":
            return (scores * kept).sum(2) / kept.sum(2).clamp(min=1)
        flat = (scores * kept).flatten(2).transpose(0, 1)
        sums = torch.bmm(flat, binarised(self.local_head)).transpose(0, 1).flatten(1)
        counts = slots.amax(2).repeat_interleave(self.spec.classes, 1)
        return self.local_norm(sums[..., None, None], counts).view(len(scores), self.spec.gateways, -1)  # type: ignore[no-any-return]

    @torch.no_grad()
    def clip(self) -> None:
        """Hold binary latent weights and batch-norm parameters in [-1, 1], as published; float weights more loosely."""
        for name, parameter in self.named_parameters():
            part = name.split(".")[0]
            tier = {"device": self.spec.device, "edge": self.spec.edge, "cloud": self.spec.cloud}.get(part)
            is_float = tier is not None and tier.precision == "float" and "norm" not in name
            limit = WEIGHT_LIMIT - 1e-3 if is_float else 1.0
            parameter.clamp_(-limit, limit)


def merge(maps: Tensor, mask: Tensor, how: How) -> Tensor:
    """Merge maps `(B, U, K, f, H, W)` over K under `mask (B, U, K)`, to `(B, U, C, H, W)`."""
    kept = mask[..., None, None, None]
    if how == "concat":
        return (maps * kept).flatten(2, 3)
    if how == "mean":
        return (maps * kept).sum(2) / kept.sum(2).clamp(min=1)
    highest = torch.where(kept > 0, maps, -1.0).amax(2)
    return highest * kept.amax(2)
