"""Small networks of every kind and a small data set, for the tests of `sim.ddnn`."""

from __future__ import annotations

import itertools

import numpy as np

from sim.data import Dataset
from sim.ddnn import Aggregate, NetworkSpec, Section

SMALL = Section(filters=2)
SHAPES = {
    "default": NetworkSpec(cameras=4, cloud=SMALL),
    "two blocks": NetworkSpec(cameras=4, device=Section(filters=3, blocks=2), cloud=Section(3, 2)),
    "cloud only": NetworkSpec(cameras=4, cloud=SMALL, exits=frozenset({"cloud"})),
    "device exits": NetworkSpec(cameras=4, cloud=SMALL, exits=frozenset({"device", "cloud"})),
    "float cloud": NetworkSpec(cameras=4, cloud=Section(3, 2, "float"), aggregate=Aggregate(cloud="mean")),
    "float all": NetworkSpec(
        cameras=4,
        device=Section(2, 2, "float"),
        edge=Section(2, 1, "float"),
        cloud=Section(2, 1, "float"),
        exits=frozenset({"local", "edge"}),
    ),
    "two edges": NetworkSpec(
        cameras=4,
        edge=Section(3, 1),
        cloud=SMALL,
        groups=((0,), (1, 2, 3)),
        exits=frozenset({"local", "edge"}),
        aggregate=Aggregate(local="concat"),
    ),
    "edges by max": NetworkSpec(
        cameras=4,
        edge=SMALL,
        cloud=SMALL,
        groups=((0, 2), (1, 3)),
        exits=frozenset({"edge"}),
        aggregate=Aggregate(edge="max", cloud="mean"),
    ),
    **{
        f"{local}-{cloud}": NetworkSpec(cameras=4, cloud=SMALL, aggregate=Aggregate(local=local, cloud=cloud))  # type: ignore[arg-type]
        for local, cloud in itertools.product(("max", "mean", "concat"), repeat=2)
    },
}


def make_data(samples: int = 60, cameras: int = 4, classes: int = 3) -> Dataset:
    """Noise with a class-dependent pattern; a third of the views is absent."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, classes, samples)
    present = rng.random((samples, cameras)) < 0.7
    present[np.arange(samples), rng.integers(0, cameras, samples)] = True
    patterns = rng.random((cameras, classes, 3, 8, 8)).repeat(4, 3).repeat(4, 4)
    noise = rng.random((samples, cameras, 3, 32, 32))
    pictures = 0.6 * patterns[:, labels].swapaxes(0, 1) + 0.4 * noise
    images = (1 + 250 * pictures).astype(np.uint8) * present[:, :, None, None, None].astype(np.uint8)
    order = np.arange(samples)
    return Dataset(
        "noise", images, labels, present, order[: samples // 2], order[samples // 2 :], tuple("abcd"[:classes])
    )


DATA = make_data()
