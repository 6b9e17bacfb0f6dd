"""Reads a folder of pictures: `split/class/object/cameraN.png`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sim.data.dataset import SIZE, Dataset
from sim.errors import DataError

LAYOUT = "SPLIT/CLASS/OBJECT/cameraN.png with SPLIT train or test"
LARGEST_SIDE = 8192
_PICTURE = re.compile(r"camera(\d{1,4})\.(?:png|jpg|jpeg)", re.IGNORECASE | re.ASCII)
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}


@dataclass(frozen=True)
class _Object:
    split: str
    label: str
    pictures: dict[int, Path]


def read(root: Path, cameras: int) -> Dataset:
    """Read a folder of pictures; each is resized to 32x32, whatever its shape.

    Cameras are numbered from 0 if any picture is a `camera0`, otherwise from 1. An object without a picture of some
    camera is absent from that view. Classes are sorted by name, objects by split (train first), class and name.

    Args:
        root: the folder that holds `train` and `test`.
        cameras: number of views, V.

    Raises:
        DataError: the folder is missing, laid out otherwise, or a picture cannot be read.
    """
    if not root.is_dir():
        raise DataError(f"{root}: is no folder; give the path of a folder {LAYOUT}")
    objects = list(_objects(root))
    if not objects:
        raise DataError(f"{root}: holds no pictures; needed is {LAYOUT}")
    first = 0 if any(0 in o.pictures for o in objects) else 1
    classes = tuple(sorted({o.label for o in objects}))
    images = np.zeros((len(objects), cameras, 3, SIZE, SIZE), dtype=np.uint8)
    present = np.zeros((len(objects), cameras), dtype=np.bool_)
    for row, thing in enumerate(objects):
        for number, path in thing.pictures.items():
            if number - first >= cameras:
                raise DataError(
                    f"{path}: the scenario has {cameras} cameras, numbered {first} to {cameras - 1 + first} here; "
                    "give it more cameras or remove the picture"
                )
            images[row, number - first] = _picture(path)
            present[row, number - first] = True
    return Dataset(
        name=root.name,
        images=images,
        labels=np.array([classes.index(o.label) for o in objects], dtype=np.int64),
        present=present,
        train=np.flatnonzero([o.split == "train" for o in objects]),
        test=np.flatnonzero([o.split == "test" for o in objects]),
        classes=classes,
    )


def _objects(root: Path) -> Iterator[_Object]:
    for split in ("train", "test"):
        if not (root / split).is_dir():
            raise DataError(f"{root}: has no folder {split!r}; needed is {LAYOUT}")
        for label in _entries(root / split):
            for thing in _entries(label):
                yield _Object(split, label.name, _pictures(thing))


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name; names with a dot in front are the system's."""
    if not folder.is_dir():
        raise DataError(f"{folder}: is no folder; needed is {LAYOUT}")
    return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: p.name)


def _pictures(folder: Path) -> dict[int, Path]:
    pictures: dict[int, Path] = {}
    for path in _entries(folder):
        match = _PICTURE.fullmatch(path.name)
        if match is None:
            raise DataError(f"{path}: is no picture of a camera; names are camera0.png, camera1.png and so on")
        number = int(match[1])
        if number in pictures:
            raise DataError(f"{path}: is the second picture of camera {number}, beside {pictures[number].name}")
        pictures[number] = path
    if not pictures:
        raise DataError(f"{folder}: no camera sees this object; remove the folder or add a cameraN.png")
    return pictures


def _picture(path: Path) -> NDArray[np.uint8]:
    try:
        with warnings.catch_warnings(), Image.open(path, formats=("PNG", "JPEG")) as image:
            warnings.simplefilter("ignore")  # of odd metadata; a picture that is too big is refused below
            if max(image.size) > LARGEST_SIDE:
                raise DataError(f"{path}: is {image.width}x{image.height}; at most {LARGEST_SIDE} a side are read")
            if image.mode not in _MODES:
                raise DataError(f"{path}: has pixels of kind {image.mode!r}; save it with 8 bits a channel")
            small = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: is no readable PNG or JPEG picture: {error}") from error
    pixels: NDArray[Any] = np.asarray(small, dtype=np.uint8)
    return pixels.transpose(2, 0, 1)
