"""Renders the crops: square, walls, object, clutter and poles, nearest first, then what the camera makes of it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.data.dataset import SIZE
from sim.data.multiview import optics
from sim.data.multiview.models import CLASSES, Part
from sim.data.multiview.rig import Rig
from sim.data.multiview.scene import Scenes, Things, Windows, bounds
from sim.data.multiview.trace import FAR, Float, Index, Light, Rays, Tracer, colours

FINE = 2 * SIZE  # rays per row; two by two make a pixel
BLOCK = 24  # views rendered together: what fits into the processor's cache
THREADS = min(4, os.cpu_count() or 1)
LEAST_VISIBLE = 0.3  # share of the object that clutter and poles must leave for a detector to find it


@dataclass(frozen=True)
class View:
    """B views to be rendered: sample and camera of each, both `(B,)`."""

    sample: Index
    camera: Index

    def __getitem__(self, which: Index | slice) -> View:
        return View(self.sample[which], self.camera[which])


def render(scene: Scenes, rig: Rig, crop: Windows, view: View) -> tuple[Float, NDArray[np.bool_]]:
    """Render B views.

    Returns:
        pixels: `(B, 3, 32, 32) float32`, 0..1 before noise and rounding.
        found: `(B,)`, whether enough of the object is visible.
    """
    pixels = np.zeros((len(view.sample), 3, SIZE, SIZE), dtype=np.float32)
    found = np.zeros(len(view.sample), dtype=np.bool_)
    near = _clutter_in_crop(scene, rig, crop)
    kinds = scene.thing.kind[view.sample]

    def shoot(rows: Index) -> None:
        block, kind = view[rows], int(kinds[rows[0]])
        fine, found[rows] = _shoot(scene, rig, crop, block, kind, near)
        coarse = (fine[:, 0::2] + fine[:, 1::2]) * np.float32(0.5)
        coarse = (coarse[:, :, 0::2] + coarse[:, :, 1::2]) * np.float32(0.5)
        draws, half = scene.views[block.sample, block.camera], crop.half[block.sample, block.camera]
        pixels[rows] = optics.expose(coarse.transpose(0, 3, 1, 2), rig, block.camera, half, draws)

    # numpy lets go of the interpreter in its loops, and every block writes rows of its own: threads change no byte.
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(shoot, _blocks(kinds)))
    return pixels, found


def _blocks(kinds: Index) -> list[Index]:
    """Rows that are rendered together; all of one class, since they share the parts of its model."""
    rows = [np.flatnonzero(kinds == kind) for kind in range(len(CLASSES))]
    return [mine[start : start + BLOCK] for mine in rows for start in range(0, len(mine), BLOCK)]


def _shoot(
    scene: Scenes, rig: Rig, crop: Windows, view: View, kind: int, near: NDArray[np.bool_]
) -> tuple[Float, NDArray[np.bool_]]:
    rays = _rays(rig, crop, view)
    depth, image = _backdrop(scene, rays, view)
    distance = _draw(scene, scene.thing, kind, rays, view, depth, image, shadow=True)
    mine = distance < FAR
    before = np.where(mine, distance, FAR)
    depth = np.minimum(depth, distance)
    for other in range(len(CLASSES)):
        rows = np.flatnonzero((scene.clutter.kind[view.sample] == other) & near[view.sample, view.camera])
        if rows.size:
            part = image[rows]
            closer = _draw(scene, scene.clutter, other, rays[rows], view[rows], depth[rows], part, shadow=False)
            image[rows], depth[rows] = part, np.minimum(depth[rows], closer)
    _poles(scene, rays, view, depth, image)
    visible = (mine & (depth >= before)).sum(axis=(1, 2))
    return image, visible >= LEAST_VISIBLE * np.maximum(mine.sum(axis=(1, 2)), 1)


def _rays(rig: Rig, crop: Windows, view: View) -> Rays:
    step = ((np.arange(FINE) + 0.5) * 2 / FINE - 1)[None, :]
    middle, half = crop.middle[view.sample, view.camera], crop.half[view.sample, view.camera]
    right = (middle[:, :1] + half[:, :1] * step)[:, None, :]
    up = (middle[:, 1:] - half[:, 1:] * step)[:, :, None]  # row 0 is the top
    forward, across, rise = rig.forward[view.camera], rig.right[view.camera], rig.up[view.camera]
    x, y, z = (
        (forward[:, i, None, None] + right * across[:, i, None, None] + up * rise[:, i, None, None]).astype(np.float32)
        for i in range(3)
    )
    return Rays(rig.place[view.camera].astype(np.float32), x, y, z[:, :, :1])  # cameras do not roll: z is level


def _draw(
    scene: Scenes,
    things: Things,
    kind: int,
    rays: Rays,
    view: View,
    depth: Float,
    image: Float,
    *,
    shadow: bool,
) -> Float:
    """Draw one object a view into `image` where it is nearer than `depth`; return its distances."""
    parts = things.parts(kind, view.sample)
    heading, place = things.heading[view.sample], things.place[view.sample]
    tracer = Tracer(rays.turned(heading, place))
    sun = _sun(scene, view, heading)
    if shadow:
        _shadow(tracer.rays, parts, sun, depth, image, scene.sunshine[view.sample])
    distance, which = tracer.nearest(parts)
    which[distance >= depth] = -1
    light = Light(sun.astype(np.float32), scene.sunshine[view.sample].astype(np.float32))
    colours(tracer, parts, which, distance, light, image)
    return distance


def _sun(scene: Scenes, view: View, heading: NDArray[np.float64]) -> NDArray[np.float64]:
    sun, cos, sin = scene.sun[view.sample], np.cos(heading), np.sin(heading)
    turned = (cos * sun[:, 0] + sin * sun[:, 1], cos * sun[:, 1] - sin * sun[:, 0], sun[:, 2])
    return np.stack(turned, axis=1)


def _shadow(
    rays: Rays,
    parts: list[Part],
    sun: NDArray[np.float64],
    depth: Float,
    image: Float,
    sunshine: NDArray[np.float64],
) -> None:
    """Darken the ground in an ellipse under the object, drawn out away from the sun."""
    half = np.max([np.abs(p.centre) + p.half for p in parts], axis=0)
    offset = -sun[:, :2] / sun[:, 2:] * half[:, 2:] * 0.25
    reach = half[:, :2] * 1.05 + np.abs(offset)
    square = np.zeros(depth.shape, dtype=np.float32)
    for i, direction in enumerate((rays.x, rays.y)):
        start = (rays.start[:, i] - offset[:, i]).astype(np.float32)[:, None, None]
        at = (start + direction * depth) / reach[:, i].astype(np.float32)[:, None, None]
        square += at * at
    strength = (0.35 + 0.5 * sunshine).astype(np.float32)[:, None, None]
    ground = np.broadcast_to(rays.z < 0, depth.shape)
    image *= np.where((square < 1) & ground, 1 - strength, np.float32(1))[..., None]


def _clutter_in_crop(scene: Scenes, rig: Rig, crop: Windows) -> NDArray[np.bool_]:
    low, high, near = bounds(scene.clutter, rig)
    apart = (np.abs((low + high) / 2 - crop.middle) > (high - low) / 2 + crop.half).any(axis=2)
    touching: NDArray[np.bool_] = (near > 1.0) & ~apart
    return touching


def _poles(scene: Scenes, rays: Rays, view: View, depth: Float, image: Float) -> None:
    """Upright cylinders, five metres high."""
    for number in range(scene.poles.shape[1]):
        x, y, radius = scene.poles[view.sample, number].T
        away = [rays.start[:, 0] - x, rays.start[:, 1] - y]
        c = (away[0] ** 2 + away[1] ** 2 - radius**2).astype(np.float32)[:, None, None]
        px, py = (v.astype(np.float32)[:, None, None] for v in away)
        a = rays.x * rays.x + rays.y * rays.y
        b = rays.x * px + rays.y * py
        root = b * b - a * c
        rows = np.flatnonzero((root > 0).any(axis=(1, 2)))
        if not rows.size:
            continue
        hit = np.where(root[rows] > 0, -(b[rows] + np.sqrt(np.maximum(root[rows], 0))) / a[rows], FAR)
        height = rays.start[rows, 2, None, None] + rays.z[rows] * hit
        nearer = (hit > 0) & (hit < depth[rows]) & (height < 5) & (height > 0)
        shine = (np.float32(0.25) + np.float32(0.3) * root[rows] / (b[rows] * b[rows] - root[rows] + 1)).clip(0, 0.6)
        image[rows] = np.where(nearer[..., None], shine[..., None], image[rows])
        depth[rows] = np.where(nearer, hit, depth[rows])


def _backdrop(scene: Scenes, rays: Rays, view: View) -> tuple[Float, Float]:
    """The square with its kerbs, slabs and markings, and the walls 45 m away on all sides."""
    shape = rays.x.shape
    wall = np.full(shape, FAR, dtype=np.float32)
    for i, direction in enumerate((rays.x, rays.y)):
        room = np.where(direction > 0, np.float32(45), np.float32(-45)) - rays.start[:, i, None, None]
        wall = np.minimum(wall, room / np.where(direction == 0, np.float32(1e-9), direction))
    down = np.where(rays.z < 0, -rays.start[:, 2, None, None] / np.where(rays.z < 0, rays.z, np.float32(-1)), FAR)
    depth = np.minimum(wall, down)
    ground = down < wall
    rows = np.flatnonzero(ground)
    level = np.empty(shape, dtype=np.float32)
    level.ravel()[rows] = _ground(*_points(rays, depth, rows)[:2])
    rows = np.flatnonzero(~ground)
    x, y, z = _points(rays, depth, rows)
    level.ravel()[rows] = _facade(x + y, z)
    colour = scene.ground[view.sample].astype(np.float32)
    return depth, level[..., None] * colour[:, None, None, :]


def _points(rays: Rays, depth: Float, rows: Index) -> tuple[Float, Float, Float]:
    """Where the rays with these flat indices are at their depth."""
    view, line = rows // FINE**2, rows // FINE
    t = depth.ravel()[rows]
    x, y, z = (
        rays.start[:, i][view] + d.ravel()[at] * t
        for i, (d, at) in enumerate(((rays.x, rows), (rays.y, rows), (rays.z, line)))
    )
    return x, y, z


def _ground(x: Float, y: Float) -> Float:
    road = (np.abs(y) < 5) | (np.abs(x) < 5)
    line = ((np.abs(y) < 0.1) | (np.abs(np.abs(y) - 4.6) < 0.1)) & (np.abs(x) > 6) & (_phase(x, 4) < 0.5)
    slab = np.float32(1.25) + np.float32(0.4) * _phase(np.floor(x) + np.floor(y), 2)
    return np.where(line, np.float32(2.4), np.where(road, np.float32(1), slab))


def _facade(along: Float, height: Float) -> Float:
    window = (_phase(along, 4) < 0.5) & (_phase(height, 3.5) > 0.35)
    return np.where(height > 14, np.float32(2.6), np.where(window, np.float32(0.5), np.float32(1.5)))


def _phase(values: Float, period: float) -> Float:
    """Position within a period, 0..1; several times as fast as the remainder operator."""
    turns = values * np.float32(1 / period)
    position: Float = turns - np.floor(turns)
    return position
