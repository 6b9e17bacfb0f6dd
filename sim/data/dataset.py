"""What every source of images becomes: one checked, frozen `Dataset`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.errors import DataError

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]
SIZE = 32


@dataclass(frozen=True, eq=False)
class Dataset:
    """Views of objects by several cameras, with one label an object.

    Attributes:
        name: what it is called in reports.
        images: `(N, V, 3, 32, 32) uint8`; the view of a camera that does not see the object is all zeros.
        labels: `(N,) int64`, indices into `classes`.
        present: `(N, V) bool`, whether camera v sees object n. Every object is seen by some camera.
        train: `int64` indices of the samples for training.
        test: `int64` indices of the samples for testing; shares none with `train`.
        classes: the names of the classes.
        sha256: digest of everything above but the name.

    Raises:
        DataError: the parts do not fit together.
    """

    name: str
    images: Images
    labels: Labels
    present: Mask
    train: Labels
    test: Labels
    classes: tuple[str, ...]
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        _check(self)
        for array in self._arrays():
            array.setflags(write=False)
        object.__setattr__(self, "sha256", _digest(self))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def cameras(self) -> int:
        """The number of views of each sample, V."""
        return int(self.images.shape[1])

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self.images, self.labels, self.present, self.train, self.test


def _digest(data: Dataset) -> str:
    digest = hashlib.sha256(repr((data.images.shape, data.classes, len(data.train), len(data.test))).encode())
    for array, form in zip(data._arrays(), ("u1", "<i8", "u1", "<i8", "<i8"), strict=True):
        digest.update(np.ascontiguousarray(array, dtype=form).data)
    return digest.hexdigest()


def _check(data: Dataset) -> None:
    name, images = data.name, data.images
    if images.ndim != 5 or images.shape[2:] != (3, SIZE, SIZE) or images.dtype != np.uint8:
        raise DataError(
            f"{name}: images are {images.dtype} {images.shape}; needed is uint8 (samples, cameras, 3, 32, 32)"
        )
    samples, cameras = images.shape[:2]
    if samples == 0 or cameras == 0:
        raise DataError(f"{name}: there is no image in it: {samples} samples of {cameras} cameras")
    _check_shape(name, "labels", data.labels, (samples,), np.dtype(np.int64))
    _check_shape(name, "present", data.present, (samples, cameras), np.dtype(np.bool_))
    if len(data.classes) < 2 or len(set(data.classes)) != len(data.classes):
        raise DataError(f"{name}: classes are {data.classes!r}; needed are two or more different names")
    _check_labels(name, data.labels, data.classes)
    _check_views(name, images, data.present)
    _check_split(name, data.train, data.test, samples)


def _check_shape(name: str, what: str, array: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise DataError(f"{name}: {what} are {array.dtype} {array.shape}; needed is {dtype} {shape}")


def _check_labels(name: str, labels: Labels, classes: tuple[str, ...]) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if wrong.size:
        first = int(wrong[0])
        raise DataError(
            f"{name}: sample {first} has label {int(labels[first])}, {wrong.size} of {len(labels)} samples are "
            f"out of range; labels go from 0 to {len(classes) - 1} ({', '.join(classes)})"
        )


def _check_views(name: str, images: Images, present: Mask) -> None:
    unseen = np.flatnonzero(~present.any(axis=1))
    if unseen.size:
        raise DataError(
            f"{name}: no camera sees sample {int(unseen[0])} ({unseen.size} such samples); leave out objects "
            "that are absent from every view"
        )
    ghosts = np.argwhere(~present & images.any(axis=(2, 3, 4)))
    if len(ghosts):
        sample, camera = (int(i) for i in ghosts[0])
        raise DataError(
            f"{name}: sample {sample} is absent from camera {camera} but the image there is not empty; "
            "an absent view is all zeros"
        )


def _check_split(name: str, train: Labels, test: Labels, samples: int) -> None:
    for what, indices in (("train", train), ("test", test)):
        if indices.ndim != 1 or indices.dtype != np.int64:
            raise DataError(f"{name}: {what} is {indices.dtype} {indices.shape}; needed is a list of int64 indices")
        if indices.size and not 0 <= int(indices.min()) <= int(indices.max()) < samples:
            raise DataError(f"{name}: {what} holds an index outside 0..{samples - 1}")
    both = np.concatenate([train, test])
    if len(np.unique(both)) != len(both):
        raise DataError(f"{name}: a sample is twice in train and test; each may be in one of them, once")
