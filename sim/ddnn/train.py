"""Joint training of all exits, repeatable to the bit on one machine, and the folding into plain arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sim.ddnn.calibrate import temperatures
from sim.ddnn.exact import ACTIVATION_STEP, WEIGHT_STEP
from sim.ddnn.model import EPS, Blocks, Model, Norm, Scores
from sim.ddnn.spec import EXITS, NetworkSpec, TrainSpec

if TYPE_CHECKING:
    from sim.data.dataset import Dataset

Progress = Callable[[int, int, float], None]
BATCH = {"published": 700, "default": 136}
"""Samples an update; as published each epoch of 680 samples is one update, the default makes it five."""
RATE = 1e-3
THREADS = 2
"""Sums in torch depend on the number of threads, so it is fixed, whatever the machine has."""


@contextmanager
def repeatable() -> Iterator[None]:
    """Have torch compute the same on every run, whatever else the machine does; restores its settings after."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic  # its attribute is set by a module-level property that types do not see
    filling = memory.fill_uninitialized_memory
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    memory.fill_uninitialized_memory = False  # costs time; nothing here reads such memory
    try:
        yield
    finally:
        memory.fill_uninitialized_memory = filling
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)


def train(
    spec: NetworkSpec, training: TrainSpec, dataset: Dataset, progress: Progress | None
) -> tuple[dict[str, NDArray[Any]], list[dict[str, float]]]:
    """Train and return the arrays of `sim.ddnn.sections` and, per epoch, the losses."""
    with repeatable():
        model = build(spec, training)
        history = fit(model, training, dataset, progress)
        arrays = fold(model)
    counts = np.bincount(dataset.labels[dataset.train], minlength=spec.classes)
    arrays["prior"] = np.asarray(counts.argmax(), np.int32)
    arrays |= {f"temperature.{name}": np.asarray(1, np.float32) for name in EXITS}
    if training.calibrate:
        kept, aside = split(training, dataset)
        arrays |= temperatures(spec, arrays, dataset, aside if len(aside) else kept, training.zero_filled)
    return arrays, history


def split(training: TrainSpec, dataset: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the samples to learn from and those kept aside for validation."""
    order = np.random.default_rng(training.seed).permutation(dataset.train)
    aside = round(len(order) * training.validation)
    return np.sort(order[aside:]), np.sort(order[:aside])


def build(spec: NetworkSpec, training: TrainSpec) -> Model:
    """Return the untrained network that `training.seed` determines."""
    generator = torch.Generator().manual_seed(training.seed)
    default = training.recipe == "default"
    return Model(spec, default=default, zero_filled=training.zero_filled, generator=generator)


def fit(model: Model, training: TrainSpec, dataset: Dataset, progress: Progress | None) -> list[dict[str, float]]:
    """Train `model` in place; return the losses of each epoch."""
    default = training.recipe == "default"
    generator = torch.Generator().manual_seed(training.seed + 1)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=RATE, foreach=True)
    kept, aside = split(training, dataset)
    learn, check = tensors(dataset, kept), tensors(dataset, aside)
    failout = training.failout if default else 0.0
    history: list[dict[str, float]] = []
    best: dict[str, Any] = {"loss": math.inf, "epoch": 0, "state": None}
    for epoch in range(training.epochs):
        rate = RATE * (0.5 * (1 + math.cos(math.pi * epoch / training.epochs)) if default else 1.0)
        for group in optimiser.param_groups:
            group["lr"] = rate
        row = {"loss": _epoch(model, optimiser, learn, failout, training, generator)}
        if len(aside):
            row["validation_loss"] = _evaluate(model, check, training)
        history.append(row)
        if progress:
            progress(epoch + 1, training.epochs, row["loss"])
        if training.patience is not None and _stop(model, best, epoch, row["validation_loss"], training.patience):
            break
    if best["state"] is not None:
        model.load_state_dict(best["state"])
    return history


def _epoch(
    model: Model, optimiser: torch.optim.Optimizer, data: tuple[Tensor, Tensor, Tensor], failout: float,
    training: TrainSpec, generator: torch.Generator,
) -> float:  # fmt: skip
    images, labels, present = data
    count = len(images)
    model.train()
    total = 0.0
    for rows in _batches(count, BATCH[training.recipe], generator):
        keep = (torch.rand((len(rows), present.shape[1]), generator=generator) >= failout).float()
        batch = images[rows].contiguous(memory_format=torch.channels_last)
        loss = joint_loss(model(batch, present[rows], keep), labels[rows], training)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        model.clip()
        total += float(loss.detach()) * len(rows)
    return total / max(count, 1)


def _batches(count: int, size: int, generator: torch.Generator) -> list[Tensor]:
    order = torch.randperm(count, generator=generator)
    batches = max(1, -(-count // size))
    return [order[at * count // batches : (at + 1) * count // batches] for at in range(batches)]


@torch.no_grad()
def _evaluate(model: Model, data: tuple[Tensor, Tensor, Tensor], training: TrainSpec) -> float:
    images, labels, present = data
    model.eval()
    return float(joint_loss(model(images, present, torch.ones_like(present)), labels, training))


def _stop(model: Model, best: dict[str, Any], epoch: int, loss: float, patience: int) -> bool:
    if loss < best["loss"]:
        state = {name: value.clone() for name, value in model.state_dict().items()}
        best.update(loss=loss, epoch=epoch, state=state)
    return bool(epoch - best["epoch"] >= patience)


def joint_loss(out: Scores, labels: Tensor, training: TrainSpec) -> Tensor:
    """Sum the cross-entropies of all exits, each the mean over the rows that count, weighted by exit."""
    total = torch.zeros(())
    for name, scores in out.scores.items():
        weight = getattr(training.loss_weights, name)
        counts = out.counts[name]
        for_all = labels[:, None].expand(counts.shape).flatten()
        each = functional.cross_entropy(scores.flatten(0, 1), for_all, reduction="none").view(counts.shape)
        total = total + weight * ((each * counts).sum(0) / counts.sum(0).clamp(min=1)).sum()
    return total


def tensors(dataset: Dataset, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
    """Return images `(n, V*3, 32, 32) float32`, each divided by its own maximum, labels and presence."""
    images = torch.from_numpy(dataset.images[indices])
    count, cameras = images.shape[:2]
    brightest = images.amax((2, 3, 4), keepdim=True).clamp(min=1)
    scaled = (images.float() / brightest).view(count, cameras * 3, 32, 32)
    present = torch.from_numpy(dataset.present[indices].astype(np.float32))
    return (
        scaled.contiguous(memory_format=torch.channels_last),
        torch.from_numpy(dataset.labels[indices]),
        present,
    )


def fold(model: Model) -> dict[str, NDArray[Any]]:
    """Turn a trained model into whole-number kernels and folded batch-norms (see `sim.ddnn.sections.Stack`)."""
    arrays: dict[str, NDArray[Any]] = {}
    for tier in ("device", "edge", "cloud"):
        if hasattr(model, tier):
            arrays |= {f"{tier}.{name}": value for name, value in _fold_blocks(getattr(model, tier)).items()}
    if hasattr(model, "local_head"):
        units = model.spec.gateways
        arrays["local.head.kernel"] = _whole(model.local_head, "binary")
        arrays |= {f"local.head.{name}": value for name, value in _fold_norm(model.local_norm, units, 1.0).items()}
    return {name: np.ascontiguousarray(value) for name, value in arrays.items()}


def _fold_blocks(blocks: Blocks) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    units, binary = blocks.units, blocks.precision == "binary"
    step = 1.0 if binary else WEIGHT_STEP
    for b, (weight, norm) in enumerate(zip(blocks.weights, blocks.norms, strict=True)):
        kernel = _whole(weight, blocks.precision)
        wide, channels = kernel.shape[0] // units, kernel.shape[1]
        ordered = kernel.reshape(units, wide, channels, 3, 3).transpose(0, 3, 4, 2, 1)
        arrays[f"{b}.kernel"] = ordered.reshape(units, 9 * channels, wide)
        before = 1.0 if binary or b == 0 else ACTIVATION_STEP
        assert isinstance(norm, Norm)
        arrays |= {f"{b}.{name}": value for name, value in _fold_norm(norm, units, step * before).items()}
    if blocks.classes:
        filters, size, _ = blocks.out
        kernel = _whole(blocks.head, blocks.precision).reshape(units, filters, size, size, blocks.classes)
        arrays["head.kernel"] = kernel.transpose(0, 2, 3, 1, 4).reshape(units, -1, blocks.classes)
        before = 1.0 if binary or blocks.binary_out else ACTIVATION_STEP
        folded = _fold_norm(blocks.head_norm, units, step * before)
        arrays |= {f"head.{name}": value for name, value in folded.items()}
    return arrays


def _whole(weight: Tensor, precision: str) -> NDArray[Any]:
    values = weight.detach().numpy()
    if precision == "binary":
        return np.where(values >= 0, 1, -1).astype(np.int8)
    return np.rint(values.astype(np.float64) / WEIGHT_STEP).astype(np.int32)


def _fold_norm(norm: Norm, units: int, unit_of_sums: float) -> dict[str, NDArray[Any]]:
    mean, variance = (part.double().numpy() for part in norm.statistics())
    scale = norm.gamma.detach().double().numpy() / np.sqrt(variance + EPS)
    shift = norm.beta.detach().double().numpy() - mean * scale
    return {
        "scale": (scale * unit_of_sums).reshape(units, -1).astype(np.float32),
        "shift": shift.reshape(units, -1).astype(np.float32),
    }
