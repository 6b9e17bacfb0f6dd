"""Draws scenes: what stands where on the square, in which light, and which window of its picture each camera crops.

Every sample has random numbers of its own, so a sample does not depend on how many others there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.data.multiview.models import CLASSES, TRAITS, Part, parts_of
from sim.data.multiview.rig import Rig

Array = NDArray[np.float64]
Index = NDArray[np.int64]
SHARES = (0.44, 0.16, 0.40)  # car, bus, person: a street's imbalance
POLES = 2
SCENE_DRAWS, VIEW_DRAWS = 32 + 2 * TRAITS, 16
LEAST_PIXELS = 6.0  # a detector finds nothing smaller
LEAST_ASPECT = 0.55  # of a crop: width by height; walkers swing their arms
LEAST_INSIDE = 0.35  # ... nor an object most of which is outside of the picture


@dataclass(frozen=True)
class Things:
    """N objects, all of them somewhere on the square: class, place (m), heading (rad) and traits of each."""

    kind: Index
    place: Array
    heading: Array
    traits: Array

    def parts(self, kind: int, which: Index) -> list[Part]:
        """The model parts of those objects in `which`, all of class `kind`."""
        return parts_of(kind, self.traits[which])


@dataclass(frozen=True)
class Scenes:
    """N scenes.

    Attributes:
        thing: the objects to be classified.
        clutter: one more object a scene, which may stand before or behind the first.
        poles: `(N, POLES, 3)` x, y, radius in metres.
        sun: `(N, 3)` unit vector towards the sun.
        sunshine: `(N,)` strength of direct light; the rest is ambient.
        ground: `(N, 3)` colour of the ground.
        views: `(N, V, VIEW_DRAWS)` uniform numbers for what varies by view.
    """

    thing: Things
    clutter: Things
    poles: Array
    sun: Array
    sunshine: Array
    ground: Array
    views: Array


def scene_draws(seed: int, split: int, samples: Sequence[int], attempt: int, cameras: int) -> Array:
    """Uniform numbers `(N, SCENE_DRAWS + V * VIEW_DRAWS)`; each row depends on its own sample's index alone."""
    draws = np.empty((len(samples), SCENE_DRAWS + cameras * VIEW_DRAWS))
    for row, index in zip(draws, samples, strict=True):
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(split, index, attempt))).random(out=row)
    return draws


def classes_of(draws: Array) -> Index:
    """The class of each sample, from its first random number."""
    return np.searchsorted(np.cumsum(SHARES)[:-1], draws[:, 0], side="right").astype(np.int64)


def scenes(draws: Array, kinds: Index) -> Scenes:
    """Turn random numbers `(N, SCENE_DRAWS + V * VIEW_DRAWS)` into scenes with objects of the given classes."""
    thing = _things(kinds, draws[:, 1:5], draws[:, 32 : 32 + TRAITS])
    clutter = _clutter(thing, draws[:, 5:12], draws[:, 32 + TRAITS : SCENE_DRAWS])
    angle, height = 2 * np.pi * draws[:, 18], 0.5 + 0.9 * draws[:, 19]
    level = 0.22 + 0.3 * draws[:, 21]
    return Scenes(
        thing=thing,
        clutter=clutter,
        poles=_poles(thing, draws[:, 12:18]),
        sun=np.stack([np.cos(angle) * np.cos(height), np.sin(angle) * np.cos(height), np.sin(height)], axis=1),
        sunshine=0.15 + 0.55 * draws[:, 20],
        ground=level[:, None] * (1 + 0.1 * (draws[:, 22:25] - 0.5)),
        views=draws[:, SCENE_DRAWS:].reshape(len(draws), -1, VIEW_DRAWS),
    )


def _things(kinds: Index, draws: Array, traits: Array) -> Things:
    """Vehicles keep to two crossing roads; persons walk anywhere."""
    person = kinds == CLASSES.index("person")
    across = draws[:, 3] > 0.75
    along, off = 34 * draws[:, 0] - 17, 8 * draws[:, 1] - 4
    place = np.stack([np.where(across, off, along), np.where(across, 0.6 * along, off)], axis=1)
    anywhere = np.stack([28 * draws[:, 0] - 14, 20 * draws[:, 1] - 10], axis=1)
    lane = np.where(across, np.pi / 2, 0) + np.where(off > 0, np.pi, 0) + 0.5 * (draws[:, 2] - 0.5)
    return Things(
        kind=kinds,
        place=np.where(person[:, None], anywhere, place),
        heading=np.where(person, 2 * np.pi * draws[:, 2], lane),
        traits=traits,
    )


def _clutter(thing: Things, draws: Array, traits: Array) -> Things:
    """Another object near the first: persons close by, vehicles some metres away."""
    kinds = np.searchsorted(np.cumsum((0.55, 0.08)), draws[:, 0], side="right").astype(np.int64)
    reach = np.array([2.9, 6.6, 0.7])
    distance = reach[kinds] + reach[thing.kind] + 6 * draws[:, 1]
    angle = 2 * np.pi * draws[:, 2]
    offset = distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Things(kinds, thing.place + offset, 2 * np.pi * draws[:, 3], traits)


def _poles(thing: Things, draws: Array) -> Array:
    table = draws.reshape(len(draws), POLES, 3)
    clear = np.array([2.0, 3.5, 0.5])[thing.kind][:, None]
    distance, angle = clear + 0.3 + 7 * table[..., 0], 2 * np.pi * table[..., 1]
    x = thing.place[:, :1] + distance * np.cos(angle)
    y = thing.place[:, 1:] + distance * np.sin(angle)
    return np.stack([x, y, 0.08 + 0.22 * table[..., 2] ** 2], axis=2)


@dataclass(frozen=True)
class Windows:
    """The crop of each camera's picture: N objects, V cameras.

    Attributes:
        middle, half: `(N, V, 2)` window on the plane at distance 1 (right, up), half its width and height.
        seen: `(N, V)` the object is inside of the picture and big enough to be found.
    """

    middle: Array
    half: Array
    seen: NDArray[np.bool_]


def windows(scene: Scenes, rig: Rig) -> Windows:
    """Bounding boxes of the objects in every camera's picture, as inaccurate as a detector's."""
    low, high, near = bounds(scene.thing, rig)
    edge = np.stack([rig.half_width, 0.75 * rig.half_width], axis=1)
    inner_low, inner_high = np.clip(low, -edge, edge), np.clip(high, -edge, edge)
    whole, inside = (high - low).prod(axis=2), (inner_high - inner_low).prod(axis=2)
    big = (inner_high - inner_low).max(axis=2) * rig.pixels_per_unit >= LEAST_PIXELS
    slack = -0.02 + 0.12 * scene.views[..., :4].reshape(*scene.views.shape[:2], 2, 2)
    size = inner_high - inner_low
    inner_low, inner_high = inner_low - slack[..., 0, :] * size, inner_high + slack[..., 1, :] * size
    half = np.maximum((inner_high - inner_low) / 2, 1e-6)
    half[..., 0] = np.maximum(half[..., 0], LEAST_ASPECT * half[..., 1])
    return Windows(
        middle=(inner_low + inner_high) / 2,
        half=half,
        seen=(near > 2.0) & (inside >= LEAST_INSIDE * whole) & big,
    )


def bounds(things: Things, rig: Rig) -> tuple[Array, Array, Array]:
    """Lower left and upper right corner `(N, V, 2)` on the plane at distance 1, and the least depth `(N, V)`."""
    count, cameras = len(things.kind), len(rig.place)
    low, high = np.empty((count, cameras, 2)), np.empty((count, cameras, 2))
    near = np.empty((count, cameras))
    for kind in range(len(CLASSES)):
        which = np.flatnonzero(things.kind == kind)
        corners = _corners(things.parts(kind, which))
        x, y, z = _turn(corners, things.heading[which], things.place[which])
        ray = [axis[:, None, :] - rig.place[None, :, i, None] for i, axis in enumerate((x, y, z))]
        depth, right, up = (_along(ray, axes) for axes in (rig.forward, rig.right, rig.up))
        near[which] = depth.min(axis=2)
        depth = np.maximum(depth, 0.1)
        for column, reach in enumerate((right / depth, up / depth)):
            low[which, :, column], high[which, :, column] = reach.min(axis=2), reach.max(axis=2)
    return low, high, near


def _along(ray: list[Array], axes: Array) -> Array:
    parts = [ray[i] * axes[None, :, i, None] for i in range(3)]
    return parts[0] + parts[1] + parts[2]


def _corners(parts: list[Part]) -> Array:
    """`(B, corners, 3)` corners of all parts; those of an ellipsoid are drawn in, since it does not fill them."""
    signs = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
    tight = {"box": 1.0, "wedge": 0.9, "ellipsoid": 0.8}
    return np.concatenate([p.centre[:, None] + tight[p.shape] * p.half[:, None] * signs[None] for p in parts], axis=1)


def _turn(points: Array, heading: Array, place: Array) -> tuple[Array, Array, Array]:
    cos, sin = np.cos(heading)[:, None], np.sin(heading)[:, None]
    x, y = points[..., 0], points[..., 1]
    return place[:, :1] + cos * x - sin * y, place[:, 1:] + sin * x + cos * y, points[..., 2]
