"""Where the cameras stand and how good they are: six fixed poses, and as many more as are asked for."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """One camera: its place and aim on the square (m), and its optics.

    Attributes:
        x, y, z: place in metres; the square is centred on the origin and z = 0 is the ground.
        aim_x, aim_y: the point, one metre above the ground, in the middle of the picture.
        fov_deg: horizontal angle of view; pictures are 4:3.
        pixels: width of the sensor in pixels; with distance and angle it says how coarse an object is seen.
        blur: standard deviation of the lens blur in sensor pixels.
        noise: standard deviation of the sensor noise, full scale = 1.
        gain: exposure; 1 is right, above burns out, below is dark.
        warmth: colour cast, red against blue.
    """

    x: float
    y: float
    z: float
    aim_x: float
    aim_y: float
    fov_deg: float
    pixels: float
    blur: float
    noise: float
    gain: float
    warmth: float


# Different on purpose, as on a real square: from a far, coarse, dark one to a near and good one. Each looks at a part
# of the square of its own, so that nearly every place is seen by three of them or more, and few by all.
SIX = (
    Camera(-38.0, -9.0, 6.0, 8.1, -7.0, 17.5, 66.0, 1.5, 0.24, 0.60, -0.10),
    Camera(23.0, -17.0, 4.0, -10.0, -3.5, 26.0, 80.0, 1.6, 0.17, 1.40, 0.12),
    Camera(-6.0, 21.0, 4.5, 8.2, 2.4, 49.0, 140.0, 1.2, 0.11, 0.90, 0.0),
    Camera(27.0, 12.0, 5.5, -0.2, 7.0, 33.5, 145.0, 0.9, 0.075, 1.05, -0.05),
    Camera(-22.0, 15.0, 5.0, -12.0, -0.9, 54.0, 215.0, 0.7, 0.06, 1.0, 0.08),
    Camera(3.0, -21.0, 6.0, 8.8, 1.4, 64.0, 280.0, 0.6, 0.05, 1.0, 0.0),
)


def further_camera(index: int) -> Camera:
    """The camera with this index beyond the fixed six: on a ring around the square, good or bad by its number."""
    draw = np.random.default_rng(np.random.SeedSequence(20170605, spawn_key=(index,))).random(9)
    angle, radius = 2 * np.pi * draw[0], 18 + 14 * draw[1]
    return Camera(
        x=round(float(radius * np.cos(angle)), 3),
        y=round(float(radius * np.sin(angle)), 3),
        z=round(3.5 + 3 * float(draw[2]), 3),
        aim_x=round(float(4 * draw[3] - 2), 3),
        aim_y=round(float(3 * draw[4] - 1.5), 3),
        fov_deg=round(18 + 26 * float(draw[5]), 3),
        pixels=round(90 + 90 * float(draw[6]), 3),
        blur=round(0.5 + 0.5 * float(draw[7]), 3),
        noise=0.07,
        gain=round(0.8 + 0.4 * float(draw[8]), 3),
        warmth=0.0,
    )


@dataclass(frozen=True)
class Rig:
    """All cameras as arrays, one entry a camera.

    Attributes:
        place, forward, right, up: `(V, 3)`; the last three are the unit axes of the picture.
        half_width: `(V,)` half the picture's width at distance 1; half its height is 3/4 of that.
        pixels_per_unit: `(V,)` sensor pixels along one unit at distance 1.
        blur, noise, gain, warmth: `(V,)`, as in `Camera`.
    """

    place: Array
    forward: Array
    right: Array
    up: Array
    half_width: Array
    pixels_per_unit: Array
    blur: Array
    noise: Array
    gain: Array
    warmth: Array


def rig(cameras: int) -> Rig:
    """The first `cameras` cameras; camera v is the same whatever their number."""
    poses = [SIX[v] if v < len(SIX) else further_camera(v) for v in range(cameras)]
    table = {f.name: np.array([getattr(pose, f.name) for pose in poses]) for f in fields(Camera)}
    place = np.stack([table["x"], table["y"], table["z"]], axis=1)
    aim = np.stack([table["aim_x"], table["aim_y"], np.ones(cameras)], axis=1)
    forward = _unit(aim - place)
    right = _unit(np.stack([forward[:, 1], -forward[:, 0], np.zeros(cameras)], axis=1))
    half_width = np.tan(np.radians(table["fov_deg"]) / 2)
    return Rig(
        place=place,
        forward=forward,
        right=right,
        up=np.cross(right, forward),
        half_width=half_width,
        pixels_per_unit=table["pixels"] / (2 * half_width),
        blur=table["blur"],
        noise=table["noise"],
        gain=table["gain"],
        warmth=table["warmth"],
    )


def _unit(vectors: Array) -> Array:
    unit: Array = vectors / np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    return unit
