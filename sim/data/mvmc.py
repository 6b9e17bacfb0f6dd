"""Reads multi-view files in the layout of MVMC.npz: `X` (N, V, 3, 32, 32), `y` (N, V) with 3 = absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.data.dataset import SIZE, Dataset, Labels, Mask
from sim.data.npz import Npz, open_npz
from sim.data.pixels import to_labels, to_uint8
from sim.errors import DataError

CLASSES = ("car", "bus", "person")
ABSENT = 3
TRAIN = 680
LARGEST_SPLIT_BYTES = 16 * 2**20


def read(path: Path, split: Path | None) -> Dataset:
    """Read a multi-view file.

    Images become uint8 as in `to_uint8`. The label of a sample is that of any view in which it is present; a view
    labelled absent becomes all zeros, whatever the file holds there.

    Args:
        path: the .npz file.
        split: a permutation file: whitespace-separated indices, the first 680 for training, the rest for testing.
            Without it the file's own `split` array (`train`, `test`) counts; without that, the file's order.

    Raises:
        DataError: a file is missing or bad.
    """
    with open_npz(path) as file:
        shape = file.form("X").shape
        if len(shape) != 5 or shape[2:] != (3, SIZE, SIZE) or 0 in shape:
            raise DataError(f"{path}: X is {shape}; needed is (samples, cameras, 3, {SIZE}, {SIZE})")
        if file.form("y").shape != shape[:2]:
            raise DataError(f"{path}: y is {file.form('y').shape}; with this X, needed is {shape[:2]}")
        views = to_labels(file.array("y"), f"{path}: y")
        present = views != ABSENT
        labels = _labels(path, views, present)
        train, test = _split(file, split, shape[0])
        images = to_uint8(file.array("X"), f"{path}: X")
    images[~present] = 0
    return Dataset(path.stem, images, labels, present, train, test, CLASSES)


def _labels(path: Path, views: Labels, present: Mask) -> Labels:
    wrong = np.argwhere((views < 0) | (views > ABSENT))
    if len(wrong):
        sample, camera = (int(i) for i in wrong[0])
        raise DataError(
            f"{path}: y[{sample}, {camera}] is {views[sample, camera]}; labels are 0 to 2 ({', '.join(CLASSES)}), "
            f"and {ABSENT} for an absent view"
        )
    unseen = np.flatnonzero(~present.any(axis=1))
    if unseen.size:
        raise DataError(
            f"{path}: no camera sees sample {int(unseen[0])} ({unseen.size} such samples); leave out samples "
            f"whose labels are all {ABSENT}"
        )
    labels: Labels = np.where(present, views, -1).max(axis=1)
    mixed = np.flatnonzero((present & (views != labels[:, None])).any(axis=1))
    if mixed.size:
        row = views[mixed[0]].tolist()
        raise DataError(
            f"{path}: the views of sample {int(mixed[0])} have different labels {row} ({mixed.size} such samples); "
            f"all views of a sample show the same object, or are {ABSENT}"
        )
    return labels


def _split(file: Npz, split: Path | None, samples: int) -> tuple[Labels, Labels]:
    if split is not None:
        return _halves(split, _permutation(split, samples))
    if "split" in file:
        return named_halves(file, samples)
    return _halves(file.path, np.arange(samples))


def named_halves(file: Npz, samples: int) -> tuple[Labels, Labels]:
    """Indices of training and test samples from the array `split` of the words train and test."""
    form = file.form("split")
    if form.shape != (samples,) or form.dtype.kind not in "US":
        raise DataError(f"{file.path}: split is {form.dtype} {form.shape}; needed are {samples} words train or test")
    words: NDArray[Any] = file.array("split").astype("U")
    other = np.flatnonzero((words != "train") & (words != "test"))
    if other.size:
        raise DataError(f"{file.path}: split[{other[0]}] is {str(words[other[0]])!r}; write train or test")
    return np.flatnonzero(words == "train"), np.flatnonzero(words == "test")


def _permutation(path: Path, samples: int) -> Labels:
    if not path.is_file():
        raise DataError(f"{path}: does not exist; give a file with a permutation of 0..{samples - 1}")
    if path.stat().st_size > LARGEST_SPLIT_BYTES:
        raise DataError(f"{path}: is too big for a permutation of {samples} numbers")
    words = path.read_bytes().split()
    try:
        order = np.array([int(w) for w in words if len(w) < 20], dtype=np.int64)
    except ValueError as error:
        raise DataError(f"{path}: holds something other than whole numbers; needed are indices, one a line") from error
    if len(order) != len(words) or not np.array_equal(np.sort(order), np.arange(samples)):
        raise DataError(
            f"{path}: {len(words)} entries are no permutation of the {samples} samples; "
            f"needed is every number from 0 to {samples - 1} once"
        )
    return order


def _halves(path: Path, order: Labels) -> tuple[Labels, Labels]:
    if len(order) <= TRAIN:
        raise DataError(
            f"{path}: {len(order)} samples leave none for testing after the first {TRAIN}; "
            "add an array `split` of the words train and test to the .npz file"
        )
    return order[:TRAIN].astype(np.int64), order[TRAIN:].astype(np.int64)
