"""Cuts single images into a grid of views, one a camera, as the authors' PyTorch version does with MNIST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.data.dataset import SIZE, Dataset, Images, Labels
from sim.data.mvmc import named_halves
from sim.data.npz import LARGEST_BYTES, open_npz
from sim.data.pixels import to_labels, to_uint8
from sim.errors import DataError

DIGITS = "digits"
TRAIN_SHARE = 0.8


def read(source: str | Path, grid: tuple[int, int]) -> Dataset:
    """Cut images into `rows x columns` views, each enlarged to 3x32x32 by nearest neighbour.

    All views count as present, empty ones too: an empty corner says something about the image. Where the source has
    no `split`, four fifths, drawn with a fixed seed, are for training.

    Args:
        source: `digits` (scikit-learn's 8x8 handwritten digits) or an .npz file with `X` (N, H, W) or (N, H, W, C),
            `y` (N,) counted from 0, and perhaps `split` (N,) of the words train and test.
        grid: rows and columns.

    Raises:
        DataError: scikit-learn or the file is missing, or the file is bad.
    """
    if isinstance(source, str) and source == DIGITS:
        name, (images, labels, halves) = DIGITS, _digits()
    else:
        name, (images, labels, halves) = Path(source).stem, _file(Path(source), grid)
    train, test = halves
    rows, columns = grid
    if images.shape[1] < rows or images.shape[2] < columns:
        raise DataError(f"{source}: images of {images.shape[1]}x{images.shape[2]} cannot be cut into {rows}x{columns}")
    return Dataset(
        name=f"{name} {rows}x{columns}",
        images=cut(images, grid),
        labels=labels,
        present=np.ones((len(images), rows * columns), dtype=np.bool_),
        train=train,
        test=test,
        classes=tuple(str(i) for i in range(int(labels.max()) + 1)),
    )


def cut(images: Images, grid: tuple[int, int]) -> Images:
    """Cut `(N, H, W, C)` with C 1 or 3 into views `(N, rows * columns, 3, 32, 32)`, row by row."""
    rows, columns = grid
    views = np.empty((len(images), rows * columns, 3, SIZE, SIZE), dtype=np.uint8)
    for row in range(rows):
        down = _nearest(row, rows, images.shape[1])
        for column in range(columns):
            across = _nearest(column, columns, images.shape[2])
            piece = images[:, down[:, None], across[None, :]]
            views[:, row * columns + column] = piece.transpose(0, 3, 1, 2)  # one grey channel becomes three
    return views


def _nearest(part: int, parts: int, length: int) -> NDArray[np.int64]:
    """The 32 source positions nearest to the pixels of one of `parts` pieces of a side."""
    start, stop = part * length // parts, (part + 1) * length // parts
    middle = (2 * np.arange(SIZE, dtype=np.int64) + 1) * (stop - start)
    positions: NDArray[np.int64] = start + middle // (2 * SIZE)
    return positions


Source = tuple[Images, Labels, tuple[Labels, Labels]]


def _digits() -> Source:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError("digits: scikit-learn is not installed; run pip install 'fogfleet[digits]'") from error
    bunch = load_digits()
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]  # they go from 0 to 16
    labels = bunch.target.astype(np.int64)
    return pixels, labels, _drawn(len(labels))


def _file(path: Path, grid: tuple[int, int]) -> Source:
    with open_npz(path) as file:
        shape = file.form("X").shape
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)) or 0 in shape:
            raise DataError(f"{path}: X is {shape}; needed is (samples, height, width) or (samples, height, width, 3)")
        if shape[0] * grid[0] * grid[1] * 3 * SIZE * SIZE > LARGEST_BYTES:
            raise DataError(
                f"{path}: {shape[0]} images cut into {grid[0]}x{grid[1]} take more than "
                f"{LARGEST_BYTES / 1e9:.1f} GB; use fewer images or a coarser grid"
            )
        if file.form("y").shape != shape[:1]:
            raise DataError(f"{path}: y is {file.form('y').shape}; with this X, needed is {shape[:1]}")
        labels = to_labels(file.array("y"), f"{path}: y")
        _check_labels(path, labels)
        halves = named_halves(file, len(labels)) if "split" in file else _drawn(len(labels))
        images: NDArray[Any] = to_uint8(file.array("X"), f"{path}: X")
    return (images if images.ndim == 4 else images[..., None]), labels, halves


def _check_labels(path: Path, labels: Labels) -> None:
    known = np.unique(labels)
    if not np.array_equal(known, np.arange(len(known))) or len(known) < 2:
        raise DataError(
            f"{path}: y has the labels {known[:20].tolist()}; needed are 0, 1, 2 and so on without a gap, at least two"
        )


def _drawn(count: int) -> tuple[Labels, Labels]:
    order = np.random.default_rng(np.random.SeedSequence(2017)).permutation(count).astype(np.int64)
    train = round(TRAIN_SHARE * count)
    return np.sort(order[:train]), np.sort(order[train:])
