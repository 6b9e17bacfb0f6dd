"""What a camera makes of the light: coarse pixels, blur, shake, exposure, colour cast and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.data.dataset import SIZE
from sim.data.multiview.rig import Rig

Float = NDArray[np.float32]
Array = NDArray[np.float64]
MEAN_LEVEL = 0.4  # of full scale


def expose(light: Float, rig: Rig, camera: NDArray[np.int64], half: Array, draws: Array) -> Float:
    """Turn light `(B, 3, 32, 32)` into a picture, still without noise.

    Args:
        light: what reaches the lens.
        rig: the cameras.
        camera: `(B,)` which camera took each.
        half: `(B, 2)` half size of the crop on the plane at distance 1.
        draws: `(B, VIEW_DRAWS)` uniform numbers; columns 4 to 8 are used here.
    """
    sensor_pixel = SIZE / np.maximum(2 * half * rig.pixels_per_unit[camera, None], 1)  # in pixels of the crop
    blur = rig.blur[camera, None] * (0.6 + 0.8 * draws[:, 4:5])
    variance = (sensor_pixel * blur) ** 2
    variance[:, 0] += (sensor_pixel[:, 0] * 1.5 * draws[:, 5] ** 3) ** 2  # shake, or the object's motion
    picture = smooth(smooth(light, variance[:, 0], axis=3), variance[:, 1], axis=2)
    contrast = 0.6 + 0.4 * draws[:, 7]
    warmth = rig.warmth[camera] + 0.12 * (draws[:, 8] - 0.5)
    tint = np.stack([1 + warmth, np.ones(len(warmth)), 1 - warmth], axis=1)[:, :, None, None].astype(np.float32)
    haze = (0.35 * (1 - contrast)).astype(np.float32)[:, None, None, None]
    exposed: Float = (picture * contrast.astype(np.float32)[:, None, None, None] + haze) * tint
    # Exposure is automatic, on the mean of the crop, and every camera is off in its own way.
    level = MEAN_LEVEL * rig.gain[camera] * (0.7 + 0.6 * draws[:, 6])
    exposed *= (level / np.maximum(exposed.mean(axis=(1, 2, 3)), 0.02)).astype(np.float32)[:, None, None, None]
    return exposed


def smooth(picture: Float, variance: Array, axis: int) -> Float:
    """Blur along one axis so that a point spreads with this variance `(B,)`, in pixels squared, up to 10.5.

    Three passes of [1 2 1]/4 at steps 1, 2 and 4 have variances 0.5, 2 and 8; each is mixed in as far as needed.
    """
    left = np.minimum(variance, 10.5)
    for step, reach in ((4, 8.0), (2, 2.0), (1, 0.5)):
        share = np.clip(left / reach, 0, 1)
        left = left - share * reach
        weight = share.astype(np.float32)[:, None, None, None]
        before = np.roll(picture, step, axis)
        after = np.roll(picture, -step, axis)
        edge = [slice(None)] * 4
        for rolled, low, high, inner in ((before, 0, step, 0), (after, SIZE - step, SIZE, SIZE - 1)):
            edge[axis] = slice(low, high)
            source = [slice(None)] * 4
            source[axis] = slice(inner, inner + 1)
            rolled[tuple(edge)] = picture[tuple(source)]
        picture = picture + weight * np.float32(0.25) * (before + after - np.float32(2) * picture)
    return picture


def develop(picture: Float, noise: Float, strength: Array) -> NDArray[np.uint8]:
    """Add sensor noise of the given strength `(B,)` (standard deviation, full scale 1) and round to 0..255."""
    grain = noise * strength.astype(np.float32)[:, None, None, None]
    return np.clip(np.rint((picture + grain) * np.float32(255)), 0, 255).astype(np.uint8)
