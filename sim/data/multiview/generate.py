"""Generates the `multiview` data set: draws scenes, renders them, draws again what no camera sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.data.dataset import SIZE, Dataset, Images, Labels, Mask
from sim.data.multiview import optics
from sim.data.multiview.models import CLASSES
from sim.data.multiview.render import View, render
from sim.data.multiview.rig import Rig, rig
from sim.data.multiview.scene import classes_of, scene_draws, scenes, windows
from sim.errors import DataError

TRAIN, TEST = 0, 1
ATTEMPTS = 200
BATCH = 256  # samples drawn together; bounds the memory


def generate(*, seed: int, train: int, test: int, cameras: int) -> Dataset:
    """Render `train` + `test` samples as seen by `cameras` cameras.

    A sample depends on `seed`, its half and its index alone; neither the other half nor more samples change it.
    Camera v sees the same however many others there are, but scenes which no camera sees are drawn again.

    Args:
        seed: of the scenes; the cameras are always the same.
        train: number of samples for training; they come first.
        test: number of samples for testing.
        cameras: number of views, at least 1.
    """
    total = train + test
    images = np.zeros((total, cameras, 3, SIZE, SIZE), dtype=np.uint8)
    labels, present = np.zeros(total, dtype=np.int64), np.zeros((total, cameras), dtype=np.bool_)
    eyes = rig(cameras)
    for split, first, count in ((TRAIN, 0, train), (TEST, train, test)):
        for start in range(0, count, BATCH):
            stop = min(start + BATCH, count)
            rows = slice(first + start, first + stop)
            images[rows], labels[rows], present[rows] = _batch(seed, split, range(start, stop), eyes)
    return Dataset(
        name="multiview",
        images=images,
        labels=labels,
        present=present,
        train=np.arange(train),
        test=np.arange(train, total),
        classes=CLASSES,
    )


def _batch(seed: int, split: int, indices: range, eyes: Rig) -> tuple[Images, Labels, Mask]:
    cameras = len(eyes.place)
    images = np.zeros((len(indices), cameras, 3, SIZE, SIZE), dtype=np.uint8)
    present = np.zeros((len(indices), cameras), dtype=np.bool_)
    labels = np.zeros(len(indices), dtype=np.int64)
    left = np.arange(len(indices))
    for attempt in range(ATTEMPTS):
        samples = [indices[i] for i in left]
        draws = scene_draws(seed, split, samples, attempt, cameras)
        if attempt == 0:
            labels[:] = classes_of(draws)  # an object that is drawn again keeps its class: the shares stay
        images[left], present[left] = _pictures(seed, split, samples, attempt, draws, labels[left], eyes)
        left = left[~present[left].any(axis=1)]
        if not left.size:
            return images, labels, present
    raise DataError(f"multiview: in {ATTEMPTS} drawings the {cameras} camera(s) never saw an object; use more cameras")


def _pictures(
    seed: int, split: int, samples: list[int], attempt: int, draws: NDArray[np.float64], kinds: Labels, eyes: Rig
) -> tuple[Images, Mask]:
    scene = scenes(draws, kinds)
    crop = windows(scene, eyes)
    view = View(*np.nonzero(crop.seen))
    pixels, found = render(scene, eyes, crop, view)
    view, pixels = view[np.flatnonzero(found)], pixels[found]
    images = np.zeros((*crop.seen.shape, 3, SIZE, SIZE), dtype=np.uint8)
    present = np.zeros(crop.seen.shape, dtype=np.bool_)
    present[view.sample, view.camera] = True
    if len(view.sample):
        grain = _grain(seed, split, samples, attempt, view)
        images[view.sample, view.camera] = optics.develop(pixels, grain, eyes.noise[view.camera])
    return images, present


def _grain(seed: int, split: int, samples: list[int], attempt: int, view: View) -> NDArray[np.float32]:
    """Noise `(B, 3, 32, 32)`; every view has a generator of its own, so that views do not depend on each other."""
    grain = np.empty((len(view.sample), 3, SIZE, SIZE), dtype=np.float32)
    for out, sample, camera in zip(grain, view.sample, view.camera, strict=True):
        key = (split, samples[sample], attempt, int(camera))
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key)).standard_normal(out=out, dtype=np.float32)
    return grain
