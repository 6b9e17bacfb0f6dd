"""Temperature scaling: one number an exit that makes its probabilities, and so its entropy, honest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.ddnn import exact
from sim.ddnn.sections import Sections
from sim.ddnn.spec import NetworkSpec

if TYPE_CHECKING:
    from sim.data.dataset import Dataset

LOWEST, HIGHEST = 0.05, 20.0


def temperatures(
    spec: NetworkSpec,
    arrays: Mapping[str, NDArray[Any]],
    dataset: Dataset,
    indices: NDArray[np.int64],
    zero_filled: bool,
) -> dict[str, NDArray[Any]]:
    """Fit the temperature of every exit on the samples `indices`, by the likelihood of their labels."""
    sections = Sections(spec, arrays, zero_filled=zero_filled)
    labels, present = dataset.labels[indices], dataset.present[indices]
    scores, features = sections.devices(dataset.images[indices])
    up = sections.upstream(exact.unpack(features.swapaxes(0, 1), spec.device_map), present)
    found = {"cloud": fit(up.cloud_scores, labels)}
    if spec.scored:
        sample, camera = np.nonzero(present)
        found["device"] = fit(scores[sample, camera], labels[sample])
    if "local" in spec.exits:
        merged = [sections.local(g, scores[:, list(c)], present[:, list(c)])[0] for g, c in enumerate(spec.groups)]
        found["local"] = fit(np.concatenate(merged), np.tile(labels, len(merged)))
    if "edge" in spec.exits and up.edge_scores is not None:
        found["edge"] = fit(up.edge_scores.reshape(-1, spec.classes), np.repeat(labels, spec.gateways))
    return {f"temperature.{name}": np.asarray(value, np.float32) for name, value in found.items()}


def fit(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the temperature in [0.05, 20] of least cross-entropy: a golden-section search in its logarithm."""

    def loss(log_temperature: float) -> float:
        z = scores.astype(np.float64) / np.exp(log_temperature)
        z -= z.max(axis=1, keepdims=True)
        return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]).mean())

    low, high = np.log(LOWEST), np.log(HIGHEST)
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))
