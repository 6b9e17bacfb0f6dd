"""What goes wrong with a camera's picture; every kind works on the uint8 frame `(3, height, width)`."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from sim.faults.base import Image, SensorFault
from sim.faults.context import Context

Level = Annotated[int, Field(ge=0, le=255)]
Part = Annotated[float, Field(ge=0, le=1)]


class Blackout(SensorFault):
    """The picture is one even colour; at 0 the camera says that it sees nothing, and its input is masked."""

    example = "{kind: blackout, target: cam.3, at: 20 s, for: 30 s}"
    kind: Literal["blackout"]
    level: Level = 0
    """Brightness of every pixel."""

    def apply(self, frame: Image, ctx: Context) -> Image:
        frame[:] = self.level
        return frame


class StuckFrame(SensorFault):
    """The first picture of the injection comes again and again."""

    example = "{kind: stuck-frame, target: cam.0, at: 60 s, for: 20 s}"
    kind: Literal["stuck-frame"]

    def apply(self, frame: Image, ctx: Context) -> Image:
        first: Image = ctx.state.setdefault("frame", frame.copy())
        return first.copy()


class Noise(SensorFault):
    """Gaussian noise, and pixels that are all black or all white (salt and pepper)."""

    example = "{kind: noise, target: cam, sigma: 40, probability: 0.2}"
    kind: Literal["noise"]
    sigma: Annotated[float, Field(ge=0, le=255)] = 25.0
    """Standard deviation in grey levels."""
    salt: Part = 0.0
    """Share of pixels that are replaced."""

    def apply(self, frame: Image, ctx: Context) -> Image:
        noisy = frame + ctx.rng.normal(0.0, self.sigma, frame.shape)
        replaced = ctx.rng.random(frame.shape[1:]) < self.salt
        noisy[:, replaced] = 255.0 * (ctx.rng.random(int(replaced.sum())) < 0.5)
        return noisy.round().clip(0, 255).astype(np.uint8)


class Blur(SensorFault):
    """Out of focus, or shaken: the mean over a square, or along a row."""

    example = "{kind: blur, target: cam.2, radius: 3, at: 10 s}"
    kind: Literal["blur"]
    radius: Annotated[int, Field(ge=1, le=64)] = 2
    """Pixels on each side over which is averaged."""
    motion: bool = False
    """Along rows only."""

    def apply(self, frame: Image, ctx: Context) -> Image:
        blurred = frame.astype(np.float64)
        for axis in (2,) if self.motion else (1, 2):
            blurred = _mean_along(blurred, axis, self.radius)
        return blurred.round().astype(np.uint8)


def _mean_along(values: np.ndarray, axis: int, radius: int) -> np.ndarray:
    padding = [(radius, radius) if each == axis else (0, 0) for each in range(values.ndim)]
    padded = np.pad(values, padding, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=axis)
    means: np.ndarray = windows.mean(axis=-1)
    return means


class Exposure(SensorFault):
    """Too bright or too dark: the picture times a gain, cut at white."""

    example = "{kind: exposure, target: cam.1, gain: 2.5, at: 30 s, for: 1 min}"
    kind: Literal["exposure"]
    gain: Annotated[float, Field(ge=0, le=100)] = 2.0
    """Above 1 too bright, below too dark."""

    def apply(self, frame: Image, ctx: Context) -> Image:
        return (frame * self.gain).round().clip(0, 255).astype(np.uint8)


class DeadPixels(SensorFault):
    """Pixels and whole rows of the sensor that always show the same; always the same ones of a camera."""

    example = "{kind: dead-pixels, target: cam.4, share: 0.05, lines: 2}"
    kind: Literal["dead-pixels"]
    share: Part = 0.01
    """Share of pixels that are dead."""
    lines: Annotated[int, Field(ge=0, le=4096)] = 0
    """Rows that are dead."""
    level: Level = 0
    """What they show."""

    def apply(self, frame: Image, ctx: Context) -> Image:
        if "dead" not in ctx.state:
            ctx.focus()  # the sensor's own damage, not that of one capture
            height = frame.shape[1]
            dead = ctx.rng.random(frame.shape[1:]) < self.share
            dead[ctx.rng.choice(height, min(self.lines, height), replace=False)] = True
            ctx.state["dead"] = dead
        frame[:, ctx.state["dead"]] = self.level
        return frame


class Occlusion(SensorFault):
    """Something is in the way: one piece of dirt that stays, or drops of rain that fall anew on each picture."""

    example = "{kind: occlusion, target: cam, form: rain, share: 0.3, at: 1 min, for: 1 min, together: true}"
    kind: Literal["occlusion"]
    form: Literal["dirt", "rain"] = "dirt"
    """What is in the way."""
    share: Part = 0.25
    """Share of the picture that it covers, about."""
    level: Level = 90
    """Its grey."""

    def apply(self, frame: Image, ctx: Context) -> Image:
        height, width = frame.shape[1:]
        if self.form == "rain":
            frame[:, ctx.rng.random((height, width // 2 + 1)).repeat(2, axis=1)[:, :width] < self.share] = self.level
            return frame
        if "dirt" not in ctx.state:
            ctx.focus()
            ctx.state["dirt"] = ctx.rng.random(2)
        rows, columns = np.ogrid[:height, :width]
        y, x = ctx.state["dirt"] * (height, width)
        near = (rows - y) ** 2 / height**2 + (columns - x) ** 2 / width**2
        frame[:, near <= np.quantile(near, self.share)] = self.level
        return frame


class ChannelSwap(SensorFault):
    """The colour channels come in the wrong order."""

    example = "{kind: channel-swap, target: cam.5, order: [2, 1, 0]}"
    kind: Literal["channel-swap"]
    order: Annotated[list[Annotated[int, Field(ge=0, le=2)]], Field(min_length=3, max_length=3)] = [2, 1, 0]  # noqa: RUF012
    """Which channel of the true picture stands in each place."""

    def apply(self, frame: Image, ctx: Context) -> Image:
        return np.ascontiguousarray(frame[self.order])
