"""Casts rays at the parts of models: what each pixel hits, how far away, and the colour it has there.

All functions work on B views at once, float32, and use nothing but IEEE-exact operations on pixels
(+ - * / sqrt), so that the same numbers come out on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.data.multiview.models import Part

Float = NDArray[np.float32]
Index = NDArray[np.int64]
FAR = np.float32(1e9)


@dataclass(frozen=True)
class Rays:
    """Rays from B cameras through S×S pixels, in any coordinates.

    Attributes:
        start: `(B, 3)` the cameras' places.
        x, y, z: directions, each `(B, S, S)`, or broadcastable to that.
    """

    start: Float
    x: Float
    y: Float
    z: Float

    def turned(self, heading: NDArray[np.float64], place: NDArray[np.float64]) -> Rays:
        """The same rays in the coordinates of objects at `place` `(B, 2)` with `heading` `(B,)`."""
        cos, sin = _column(np.cos(heading)), _column(np.sin(heading))
        dx, dy = self.start[:, 0] - place[:, 0], self.start[:, 1] - place[:, 1]
        c, s = cos[:, 0, 0], sin[:, 0, 0]
        start = np.stack([c * dx + s * dy, c * dy - s * dx, self.start[:, 2]], axis=1).astype(np.float32)
        return Rays(start, cos * self.x + sin * self.y, cos * self.y - sin * self.x, self.z)

    def __getitem__(self, which: Any) -> Rays:
        return Rays(self.start[which], self.x[which], self.y[which], self.z[which])


def _column(values: NDArray[Any]) -> Float:
    return np.asarray(values, dtype=np.float32)[:, None, None]


class Tracer:
    """Rays in the coordinates of the objects they are cast at, with what all their parts share."""

    def __init__(self, rays: Rays) -> None:
        self.rays = rays
        tiny = np.float32(1e-12)
        self._inverse = [np.float32(1) / np.where(np.abs(d) < tiny, tiny, d) for d in (rays.x, rays.y, rays.z)]
        self._squares = [d * d for d in (rays.x, rays.y, rays.z)]

    def nearest(self, parts: list[Part]) -> tuple[Float, NDArray[np.int8]]:
        """Distance `(B, S, S)` to the nearest part, FAR where none is hit, and its number (-1: none)."""
        shape = np.broadcast_shapes(self.rays.x.shape, self.rays.z.shape)
        best, which = np.full(shape, FAR, dtype=np.float32), np.full(shape, -1, dtype=np.int8)
        for number, part in enumerate(parts):
            distance = self._ellipsoid(part) if part.shape == "ellipsoid" else self._box(part)
            closer = distance < best
            np.copyto(best, distance, where=closer)
            np.copyto(which, np.int8(number), where=closer)
        return best, which

    def _slab(self, axis: int, part: Part) -> tuple[Float, Float]:
        start, inverse = self.rays.start[:, axis].astype(np.float64), self._inverse[axis]
        one = _column(part.centre[:, axis] - part.half[:, axis] - start) * inverse
        two = _column(part.centre[:, axis] + part.half[:, axis] - start) * inverse
        return np.minimum(one, two), np.maximum(one, two)

    def _box(self, part: Part) -> Float:
        enter, leave = self._slab(1, part)
        low, high = self._slab(2, part)
        enter, leave = np.maximum(enter, low), np.minimum(leave, high)
        if part.shape == "box":
            low, high = self._slab(0, part)
            enter, leave = np.maximum(enter, low), np.minimum(leave, high)
        else:
            for side in (1.0, -1.0):
                enter, leave = self._slant(part, side, enter, leave)
        return np.where(enter < leave, enter, FAR)

    def _slant(self, part: Part, side: float, enter: Float, leave: Float) -> tuple[Float, Float]:
        """Cut by the plane of a wedge's front (side 1) or rear (-1), which leans inwards from the bottom up."""
        lean = part.slope[:, 0 if side > 0 else 1] / (2 * part.half[:, 2])
        start = self.rays.start.astype(np.float64)
        foot = part.centre[:, 2] - part.half[:, 2]
        gap = part.half[:, 0] - side * (start[:, 0] - part.centre[:, 0]) - lean * (start[:, 2] - foot)
        toward = np.float32(side) * self.rays.x + _column(lean) * self.rays.z
        at = _column(gap) / np.where(toward == 0, np.float32(1e-12), toward)
        return (
            np.where(toward < 0, np.maximum(enter, at), enter),
            np.where(toward > 0, np.minimum(leave, at), leave),
        )

    def _ellipsoid(self, part: Part) -> Float:
        weight = [_column(1 / part.half[:, i] ** 2) for i in range(3)]
        away = [self.rays.start[:, i].astype(np.float64) - part.centre[:, i] for i in range(3)]
        pull = [_column(away[i] / part.half[:, i] ** 2) for i in range(3)]
        scaled = [away[i] / part.half[:, i] for i in range(3)]
        c = _column(scaled[0] ** 2 + scaled[1] ** 2 + scaled[2] ** 2 - 1)
        a = self._squares[0] * weight[0] + self._squares[1] * weight[1] + self._squares[2] * weight[2]
        b = self.rays.x * pull[0] + self.rays.y * pull[1] + self.rays.z * pull[2]
        root = b * b - a * c
        hit = root > 0
        return np.where(hit, -(b + np.sqrt(np.where(hit, root, np.float32(0)))) / a, FAR)


@dataclass(frozen=True)
class Light:
    """Light on B objects, in their coordinates: direction to the sun `(B, 3)`, its strength `(B,)`."""

    sun: Float
    sunshine: Float


def colours(
    tracer: Tracer, parts: list[Part], which: NDArray[np.int8], distance: Float, light: Light, out: Float
) -> None:
    """Write the colour of every hit pixel into `out` `(B, S, S, 3)`, which lies in one piece."""
    rays, size, pixels = tracer.rays, out.shape[1], out.reshape(-1, 3)
    for number, part in enumerate(parts):
        rows = np.flatnonzero(which == number)
        if not rows.size:
            continue
        view, line = rows // (size * size), rows // size
        t = distance.ravel()[rows]
        steps = (rays.x.ravel()[rows] * t, rays.y.ravel()[rows] * t, rays.z.ravel()[line] * t)
        point = np.stack([step + rays.start[:, i][view] for i, step in enumerate(steps)])
        centre, inverse = part.centre.T.astype(np.float32), (1 / part.half.T).astype(np.float32)
        local = (point - centre[:, view]) * inverse[:, view]
        normal = _ellipsoid_normal(local, inverse[:, view]) if part.shape == "ellipsoid" else _box_normal(local)
        x, y, z = normal * light.sun.T[:, view]
        facing = np.maximum(x + y + z, np.float32(0))
        sunshine = light.sunshine[view]
        sky = np.float32(0.62) + np.float32(0.38) * normal[2]
        brightness = (np.float32(1) - sunshine) * sky + np.float32(1.5) * sunshine * facing
        pixels[rows] = _painted(part, view, point, local, normal) * brightness[:, None]


def _box_normal(local: Float) -> Float:
    """The normal `(3, n)` of the side that a point on a box lies on: the axis along which it is farthest out."""
    x, y, z = np.abs(local)
    on_end = (x >= y) & (x >= z)
    on_side = ~on_end & (y >= z)
    return np.where(np.stack([on_end, on_side, ~on_end & ~on_side]), np.sign(local), np.float32(0))


def _ellipsoid_normal(local: Float, inverse: Float) -> Float:
    normal = local * inverse
    x, y, z = normal * normal
    unit: Float = normal / np.sqrt(x + y + z)
    return unit


def _painted(part: Part, view: Index, point: Float, local: Float, normal: Float) -> Float:
    """The reflectance `(n, 3)` at each hit point, with windows, lamps and stripes where the paint has them."""
    colour, second = part.colour.astype(np.float32)[view], part.second.astype(np.float32)[view]
    if part.paint == "plain":
        return colour
    x, y, height = local
    side, end = normal[1] != 0, normal[0] != 0
    if part.paint == "windows":  # all around under the roof, with pillars
        pane = (height < 0.72) & (height > -0.9) & ((side & (np.abs(x - 0.1) > 0.05)) | (end & (np.abs(y) < 0.88)))
        return np.where(pane[:, None], second, colour)
    if part.paint == "lamps":
        lamp = end & (np.abs(y) > 0.6) & (height > 0.1) & (height < 0.7)
        rear = lamp & (x < 0)
        colour = np.where(lamp[:, None], second, colour)
        return np.where(rear[:, None], np.array([0.7, 0.05, 0.03], dtype=np.float32), colour)
    glass = np.array([0.07, 0.08, 0.1], dtype=np.float32)
    stripe = (side | end) & (height < -0.35)
    band = (height > -0.12) & (height < 0.62)
    along = point[0] * np.float32(0.7)
    pillar = np.abs(along - np.floor(along) - np.float32(0.5)) > 0.43
    pane = (side & band & ~pillar) | (end & (height > -0.3) & (height < 0.6) & (np.abs(y) < 0.9))
    sign = end & (x > 0) & (height > 0.68) & (height < 0.9) & (np.abs(y) < 0.7)
    colour = np.where(stripe[:, None], second, colour)
    colour = np.where(pane[:, None], glass, colour)
    return np.where(sign[:, None], np.array([0.95, 0.55, 0.1], dtype=np.float32), colour)
