"""Cars, buses and persons as small 3-D models: a few boxes, wedges and ellipsoids each, in their own coordinates.

The origin lies on the ground under the middle of the object, x points forward, y to the left, z up, in metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Paint = Literal["plain", "coach", "windows", "lamps"]
CLASSES = ("car", "bus", "person")
TRAITS = 24  # random numbers that describe one object


@dataclass(frozen=True)
class Part:
    """One solid of a model, for B objects at once.

    Attributes:
        shape: `box`; `ellipsoid`; `wedge`, a box whose top is shorter by `slope` (front, rear) metres.
        centre, half: `(B, 3)` middle and half extents in metres.
        colour: `(B, 3)` red, green, blue reflectance, 0..1.
        paint: how the surface is painted where it is not plain.
        second: `(B, 3)` the other colour of the paint.
        slope: `(B, 2)`; only wedges use it.
    """

    shape: Literal["box", "ellipsoid", "wedge"]
    centre: Array
    half: Array
    colour: Array
    paint: Paint
    second: Array
    slope: Array


def parts_of(kind: int, traits: Array) -> list[Part]:
    """The parts of B objects of class `kind` from their traits, `(B, TRAITS)` uniform numbers in [0, 1)."""
    return _BUILDERS[kind](traits)


def _part(
    shape: Literal["box", "ellipsoid", "wedge"],
    centre: tuple[Array | float, ...],
    half: tuple[Array | float, ...],
    colour: Array,
    *,
    paint: Paint = "plain",
    second: Array | None = None,
    slope: tuple[Array | float, ...] = (0.0, 0.0),
) -> Part:
    count = len(colour)

    def columns(values: tuple[Array | float, ...]) -> Array:
        return np.stack([np.broadcast_to(np.asarray(v, dtype=np.float64), count) for v in values], axis=1)

    other = colour if second is None else second
    return Part(shape, columns(centre), columns(half), colour, paint, other, columns(slope))


def _span(traits: Array, column: int, low: float, high: float) -> Array:
    spread: Array = low + (high - low) * traits[:, column]
    return spread


def _lacquer(traits: Array, column: int) -> Array:
    """Colours as on a street: more than half are grey, from black to white; the others are saturated."""
    grey = 0.06 + 0.84 * traits[:, column, None] * np.ones(3)
    hue = traits[:, column + 1, None] + np.array([0.0, 1 / 3, 2 / 3])
    vivid = np.clip(0.5 + 0.9 * (np.abs((hue % 1.0) * 2 - 1) - 0.5), 0.03, 0.95)
    vivid = vivid * (0.35 + 0.65 * traits[:, column, None])
    colour: Array = np.where(traits[:, column + 2, None] < 0.55, grey, vivid)
    return colour


def _dark(traits: Array, level: float) -> Array:
    return np.full((len(traits), 3), level)


def _wheels(length: Array, width: Array, radius: Array, at: tuple[Array, Array], traits: Array) -> list[Part]:
    rubber = _dark(traits, 0.05)
    return [
        _part("ellipsoid", (along * length, side * (width / 2 - 0.08), radius), (radius, 0.16, radius), rubber)
        for along in at
        for side in (1.0, -1.0)
    ]


def _car(traits: Array) -> list[Part]:
    length, width = _span(traits, 0, 3.6, 4.9), _span(traits, 1, 1.65, 1.95)
    tall = traits[:, 2] ** 2  # few are vans
    height = 1.4 + 0.6 * tall
    colour, glass = _lacquer(traits, 3), _dark(traits, 0.07) + 0.12 * traits[:, 6, None]
    belt = 0.5 * height + 0.1
    rear = -0.49 * length + _span(traits, 7, 0.0, 0.7) * (1 - tall)
    front = length * (0.17 + 0.22 * tall + 0.08 * (traits[:, 8] - 0.5))
    cabin_half, cabin_x = (front - rear) / 2, (front + rear) / 2
    top = (height - belt) / 2
    slope = (_span(traits, 9, 0.65, 1.05), _span(traits, 10, 0.3, 0.8) * (1 - 0.7 * tall))
    return [
        _part(
            "box",
            (0.0, 0.0, (0.26 + belt) / 2),
            (length / 2, width / 2, (belt - 0.26) / 2),
            colour,
            paint="lamps",
            second=_dark(traits, 0.9),
        ),
        _part(
            "wedge",
            (cabin_x, 0.0, belt + top),
            (cabin_half, 0.43 * width, top),
            colour,
            paint="windows",
            second=glass,
            slope=slope,
        ),
        *_wheels(length, width, _span(traits, 11, 0.29, 0.36), (_dark(traits, 0.31)[:, 0], -0.31 + 0 * top), traits),
    ]


def _bus(traits: Array) -> list[Part]:
    length, width = _span(traits, 0, 8.0, 12.0), _span(traits, 1, 2.3, 2.55)
    height = _span(traits, 2, 2.6, 3.2)
    colour, second = 0.25 + 0.7 * _lacquer(traits, 3), _lacquer(traits, 6)  # liveries are light
    roof = np.clip(colour * 0.5 + 0.45, 0, 1)
    return [
        _part(
            "box",
            (0.0, 0.0, (0.32 + height) / 2),
            (length / 2, width / 2, (height - 0.32) / 2),
            colour,
            paint="coach",
            second=second,
        ),
        _part(
            "box",
            (length * (traits[:, 9] - 0.5) * 0.5, 0.0, height + 0.12),
            (length * 0.14, width * 0.35, 0.12),
            roof,
        ),
        *_wheels(length, width, _span(traits, 10, 0.42, 0.5), (_dark(traits, 0.30)[:, 0], -0.27 + 0 * height), traits),
    ]


def _person(traits: Array) -> list[Part]:
    height, broad = _span(traits, 0, 1.5, 1.95), _span(traits, 1, 0.85, 1.2)
    shirt, trousers = _lacquer(traits, 3), _lacquer(traits, 6) * 0.6
    skin = np.array([0.85, 0.62, 0.48]) * _span(traits, 9, 0.35, 1.0)[:, None]
    hair = np.array([0.35, 0.25, 0.15]) * _span(traits, 10, 0.1, 1.3)[:, None]
    step = _span(traits, 11, -0.28, 0.28) * height / 1.7
    swing = _span(traits, 12, -0.22, 0.22)
    coat = traits[:, 13] < 0.35  # a long coat hides half of the legs
    skirt = np.where(coat, 0.62, 0.74) * height
    leg, hip = 0.25 * height, 0.1 * broad
    return [
        _part("ellipsoid", (0.0, 0.0, 0.93 * height), (0.115, 0.095, 0.075 * height), skin),
        _part("ellipsoid", (-0.03, 0.0, 0.96 * height), (0.115, 0.105, 0.06 * height), hair),
        _part(
            "ellipsoid",
            (0.0, 0.0, (skirt - 0.22 * height + 0.87 * height) / 2),
            (0.15 * broad, 0.21 * broad, (1.09 * height - skirt) / 2),
            shirt,
        ),
        _part("ellipsoid", (step / 2, hip, leg), (0.1 + np.abs(step) / 2, 0.09, leg), trousers),
        _part("ellipsoid", (-step / 2, -hip, leg), (0.1 + np.abs(step) / 2, 0.09, leg), trousers),
        _part(
            "ellipsoid", (-swing, 0.22 * broad, 0.64 * height), (0.07 + np.abs(swing) / 2, 0.06, 0.19 * height), shirt
        ),
        _part(
            "ellipsoid", (swing, -0.22 * broad, 0.64 * height), (0.07 + np.abs(swing) / 2, 0.06, 0.19 * height), shirt
        ),
    ]


_BUILDERS: tuple[Callable[[Array], list[Part]], ...] = (_car, _bus, _person)
