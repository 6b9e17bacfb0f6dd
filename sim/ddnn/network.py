"""Trained networks: from the cache where one is stored that was trained in just this way, else by training."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sim.cache import cache_dir, publish
from sim.ddnn.inference import Inference
from sim.ddnn.sections import Sections
from sim.ddnn.spec import EXITS, Exit, NetworkSpec, TrainSpec
from sim.errors import DataError, UsageError

if TYPE_CHECKING:
    from sim.data.dataset import Dataset

FORMAT = 1
"""Raise it whenever training or the stored arrays change meaning: old files are then no longer found."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network.

    Attributes:
        spec, training: what was asked for.
        arrays: its parameters, see `sim.ddnn.sections`.
        history: per epoch the `loss` and, with a validation split, the `validation_loss`.
        validation: indices of the samples kept aside while training.
        sha256: digest of the parameters.
        from_cache: whether it was loaded rather than trained.
        path: its file.
    """

    spec: NetworkSpec
    training: TrainSpec
    arrays: Mapping[str, NDArray[Any]]
    history: tuple[Mapping[str, float], ...]
    validation: NDArray[np.int64]
    sha256: str
    from_cache: bool
    path: Path

    @property
    def temperatures(self) -> dict[Exit, float]:
        """What the scores of each exit are divided by; 1 without calibration."""
        return {name: float(self.arrays[f"temperature.{name}"]) for name in EXITS if name in self.spec.exits}

    def inference(self, dataset: Dataset) -> Inference:
        """Return the network at work on `dataset`."""
        sections = Sections(self.spec, self.arrays, zero_filled=self.training.zero_filled)
        return Inference(sections, dataset, self.validation)


def obtain(
    spec: NetworkSpec,
    training: TrainSpec,
    dataset: Dataset,
    *,
    progress: Callable[[int, int, float], None] | None = None,
    retrain: bool = False,
    notice: Callable[[str], None] | None = None,
) -> Network:
    """Return the network of `spec` trained on `dataset` as `training` says, from the cache if it is there.

    Args:
        progress: called after each epoch with its number from 1, the number of epochs and the loss.
        retrain: train even if it is stored.
        notice: told when a stored file is damaged and training has to be done again; a log warning otherwise.

    Raises:
        UsageError: the network does not fit the data.
        DataError: there is nothing to train on.
    """
    _check_fit(spec, dataset)
    there = None if retrain else stored(spec, training, dataset, notice=notice)
    if there is not None:
        return there
    from sim.ddnn.train import split, train

    key, path = _place(spec, training, dataset)
    arrays, history = train(spec, training, dataset, progress)
    _write(path, key, arrays, {"history": history, "validation": split(training, dataset)[1].tolist()})
    return _load(spec, training, path, key, from_cache=False)


def stored(
    spec: NetworkSpec, training: TrainSpec, dataset: Dataset, *, notice: Callable[[str], None] | None = None
) -> Network | None:
    """Return the network from the cache, None if it is not there (or damaged, which `notice` is told)."""
    key, path = _place(spec, training, dataset)
    if not path.exists():
        return None
    try:
        return _load(spec, training, path, key, from_cache=True)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        (notice or _log.warning)(f"stored network {path} is damaged ({error}); training it again")
        return None


def _place(spec: NetworkSpec, training: TrainSpec, dataset: Dataset) -> tuple[str, Path]:
    key = cache_key(spec, training, dataset)
    return key, cache_dir("networks") / f"{key}.safetensors"


def _load(spec: NetworkSpec, training: TrainSpec, path: Path, key: str, *, from_cache: bool) -> Network:
    arrays, extra = _read(path, key)
    return Network(
        spec=spec,
        training=training,
        arrays=arrays,
        history=tuple(extra["history"]),
        validation=np.array(extra["validation"], np.int64),
        sha256=digest(arrays),
        from_cache=from_cache,
        path=path,
    )


def cache_key(spec: NetworkSpec, training: TrainSpec, dataset: Dataset) -> str:
    """Return a digest of everything that determines the weights."""
    train = dataset.train
    parts = {
        "format": FORMAT,
        "torch": ".".join(version("torch").split(".")[:2]),
        "spec": {**asdict(spec), "exits": sorted(spec.exits)},
        "training": {**asdict(training), "missing": "zero" if training.zero_filled else "mask"},
    }
    sha = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    for array, form in ((dataset.images, "u1"), (dataset.labels, "<i8"), (dataset.present, "u1")):
        sha.update(np.ascontiguousarray(array[train], dtype=form).data)
    sha.update(np.asarray(train, "<i8").tobytes())
    return sha.hexdigest()[:32]


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of named arrays."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        sha.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def _write(path: Path, key: str, arrays: dict[str, NDArray[Any]], extra: dict[str, Any]) -> None:
    metadata = {"fogfleet": key, "sha256": digest(arrays), "extra": json.dumps(extra)}
    with publish(path) as temporary:
        save_file(arrays, temporary, metadata)


def _read(path: Path, key: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    if metadata.get("fogfleet") != key or metadata.get("sha256") != digest(arrays):
        raise ValueError("its content is not what was stored")
    return arrays, json.loads(metadata["extra"])


def _check_fit(spec: NetworkSpec, dataset: Dataset) -> None:
    if dataset.images.shape[1] != spec.cameras or len(dataset.classes) != spec.classes:
        raise UsageError(
            f"{dataset.name} has {dataset.images.shape[1]} cameras and {len(dataset.classes)} classes; "
            f"the network has {spec.cameras} and {spec.classes}"
        )
    if not len(dataset.train):
        raise DataError(f"{dataset.name}: it has no samples to train on")
