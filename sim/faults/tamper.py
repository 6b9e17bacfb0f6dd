"""What a camera sees and computes under sensor and model faults."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim.faults.base import ModelFault, Output, SensorFault
from sim.faults.context import Context
from sim.nodes.camera import Camera
from sim.nodes.inference import DeviceOutput


class Sight:
    """The sensor and model faults in force on one camera, in the order of the scenario."""

    def __init__(self, camera: Camera, shape: tuple[int, ...]) -> None:
        self._camera = camera
        self._shape = shape
        self._strikers: list[tuple[int, SensorFault | ModelFault, str, Context, float, Callable[[], None]]] = []

    def add(
        self,
        order: int,
        kind: SensorFault | ModelFault,
        name: str,
        ctx: Context,
        probability: float,
        struck: Callable[[], None],
    ) -> Callable[[], None]:
        """Puts a fault in its place; the returned function takes it out again."""
        ctx.camera = self._camera.index
        entry = (order, kind, name, ctx, probability, struck)
        self._strikers.append(entry)
        self._strikers.sort(key=lambda item: item[0])
        self._camera.tamper = self

        def remove() -> None:
            self._strikers.remove(entry)
            self._camera.tamper = self if self._strikers else None

        return remove

    def raw(self, camera: Camera, sample: int, scene: int) -> bytes:
        """The image that the camera believes to see."""
        services = camera.services
        true = services.inference.raw(services.pictures(camera.site, scene), camera.index)
        return self._seen(true, self._striking(camera, sample))

    def output(self, camera: Camera, sample: int, scene: int) -> DeviceOutput:
        """What the camera computes from it."""
        services = camera.services
        picture = services.pictures(camera.site, scene)
        true = services.inference.raw(picture, camera.index)
        striking = self._striking(camera, sample)
        raw = self._seen(true, striking)
        if raw == true:
            found = services.inference.device(picture, camera.index)
        else:
            found = services.inference.from_raw(raw, camera.index)
        output = Output(found.scores, found.features, found.absent, raw)
        for kind, ctx in striking:
            if isinstance(kind, ModelFault):
                output = kind.apply(output, ctx)
        return output

    def _striking(self, camera: Camera, sample: int) -> list[tuple[SensorFault | ModelFault, Context]]:
        found = []
        for _, kind, name, ctx, probability, struck in self._strikers:
            ctx.focus(sample)
            if ctx.strikes(probability):
                struck()
                camera.services.book.touch(camera.site, sample, name)
                found.append((kind, ctx))
        return found

    def _seen(self, true: bytes, striking: list[tuple[SensorFault | ModelFault, Context]]) -> bytes:
        frame = np.frombuffer(true, np.uint8).reshape(self._shape).copy()
        for kind, ctx in striking:
            if not isinstance(kind, SensorFault):
                continue
            frame = kind.apply(frame, ctx)
            if frame.shape != self._shape or frame.dtype != np.uint8:
                raise TypeError(
                    f"the fault {kind.name()!r} made a frame {frame.shape} {frame.dtype} of one {self._shape} uint8"
                )
        return frame.tobytes()
