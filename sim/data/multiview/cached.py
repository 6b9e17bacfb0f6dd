"""Keeps generated `multiview` data on disk, under a name that says everything they depend on."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import numpy as np

from sim.cache import cache_dir, publish
from sim.data.dataset import Dataset
from sim.data.multiview.generate import generate
from sim.data.multiview.models import CLASSES
from sim.data.npz import open_npz
from sim.errors import DataError


def multiview(*, seed: int, train: int, test: int, cameras: int) -> Dataset:
    """The generated data set, from the cache if it is there and whole.

    Where the cache cannot be read or written the data are generated; that takes seconds and is no error.
    """
    parameters = {"seed": seed, "train": train, "test": test, "cameras": cameras}
    path = _path(parameters)
    if path is not None and path.exists():
        with suppress(DataError):
            return _read(path, train)
    data = generate(**parameters)
    if path is not None:
        with suppress(OSError):
            _write(path, data)
    return data


def _path(parameters: dict[str, int]) -> Path | None:
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):  # another generator makes other data
        digest.update(source.read_bytes())
    try:
        return cache_dir("data") / f"multiview-{digest.hexdigest()[:32]}.npz"
    except OSError:
        return None


def _write(path: Path, data: Dataset) -> None:
    with publish(path) as temporary:
        np.savez(
            temporary,
            images=data.images,
            labels=data.labels,
            present=data.present,
            sha256=np.array(data.sha256),
        )


def _read(path: Path, train: int) -> Dataset:
    with open_npz(path) as file:
        images, labels, present = (file.array(key) for key in ("images", "labels", "present"))
        sha256 = str(file.array("sha256"))
    data = Dataset("multiview", images, labels, present, np.arange(train), np.arange(train, len(labels)), CLASSES)
    if data.sha256 != sha256:
        raise DataError(f"{path}: content and digest differ")
    return data
