"""The camera: captures, runs the device section, sends scores (or features, or the raw image), answers requests."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable
from functools import lru_cache
from typing import Any, Protocol

import simpy

from sim.ledger.samples import CAPTURED
from sim.nodes.inference import DeviceOutput
from sim.nodes.node import Node
from sim.policies.base import Sends
from sim.wire import (
    ABSENT,
    BITS,
    FEATURES,
    FLOAT32,
    RAW,
    REQUEST,
    SCORES,
    UINT8,
    Frame,
    Malformed,
    decode_nodes,
)


class Tamper(Protocol):
    """What a camera under sensor and model faults sees and computes; `scene` is the sample that stands before it."""

    def raw(self, camera: Camera, sample: int, scene: int) -> bytes: ...
    def output(self, camera: Camera, sample: int, scene: int) -> DeviceOutput: ...


class Camera(Node):
    """One camera. `sends` is what follows a capture: scores (and features on request), features, or the raw image.

    Attributes:
        left: samples that left at the device exit of this camera.
        tamper: makes what this camera sees and computes under faults; None without.
        skew: true time at which this camera's clock shows a given time; None while it is right.
        thaw: what a paused camera waits for; None while it is not.
    """

    __slots__ = ("_buffer", "_capacity", "left", "period_s", "sends", "skew", "tamper", "thaw")

    def __init__(self, *args: Any, sends: Sends, period_s: float, buffer: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sends = sends
        self.period_s = period_s
        self._capacity = buffer
        self._buffer: dict[int, DeviceOutput] = {}
        self.left = 0
        self.tamper: Tamper | None = None
        self.skew: Callable[[float], float] | None = None
        self.thaw: simpy.Event | None = None

    def run(self, samples: int) -> Generator[simpy.Event, None, None]:
        """The camera as a SimPy process: one capture a period, each followed by the device section."""
        clock = self.services.clock
        flops = self.capture_flops
        for sample in range(samples):
            due_s = sample * self.period_s
            if self.skew is not None:
                due_s = max(clock.now, self.skew(due_s))
            yield clock.until(self.reserve(due_s, flops), 1 + self.client)  # cameras in step go in their order
            if self.thaw is not None:
                yield self.thaw
            if self.up and self.up_since_s <= due_s:
                self._capture(sample, due_s)
            elif self.faults:
                self.services.book.touch(self.site, sample, self.faults)

    @property
    def capture_flops(self) -> float:
        """Operations between a capture and its message."""
        return 0.0 if self.sends == "raw" else self.services.flops["device"]

    def expose(self, sample: int, picture: int) -> None:
        """A capture that nothing disturbs; `picture` is what stands before the camera."""
        self.captured += 1
        inference = self.services.inference
        if self.sends == "raw":
            self._publish(RAW, sample, inference.raw(picture, self.index), UINT8, 0)
            return
        output = inference.device(picture, self.index)
        if "device" not in self.services.thresholds or not self._leaves(sample, output):
            self._send(self.sends, sample, output)

    def foresee(self, samples: Iterable[int]) -> None:
        """Hands over the scores of samples to come, whose captures nothing disturbs."""
        services, port = self.services, self.ports[SCORES, self.site]
        for sample in samples:
            output = services.inference.device(services.pictures(self.site, sample), self.index)
            flags = ABSENT if output.absent else 0
            services.fabric.hand_over(
                port, sample, output.scores, dtype=FLOAT32, origin=self.index, flags=flags, expected=1
            )

    def forget(self) -> None:
        """Loses the buffered features (a crash without persistent memory)."""
        self._buffer.clear()

    def _capture(self, sample: int, due_s: float) -> None:
        scene = self._look(sample, due_s)
        if self.sends == "raw":
            self._send_raw(sample, scene)
            return
        output = self._compute(sample, scene)
        if not self._leaves(sample, output):
            self._send(self.sends, sample, output)

    def _look(self, sample: int, due_s: float) -> int:
        """Takes the picture: the scene that stands before the camera."""
        services = self.services
        self.captured += 1
        services.book.reach(self.site, sample, CAPTURED)
        return sample if due_s == sample * self.period_s else self._scene(sample, due_s)

    def _scene(self, sample: int, due_s: float) -> int:
        """What stands before a camera that takes `sample` at the wrong time: the scene of that time."""
        book = self.services.book
        book.captured_early(self.site, sample, due_s)
        scene = max(0, math.floor(due_s / self.period_s + 1e-9))
        return scene if book.knows(self.site, scene) else sample

    def _compute(self, sample: int, scene: int) -> DeviceOutput:
        if self.tamper is not None:
            return self.tamper.output(self, sample, scene)
        services = self.services
        return services.inference.device(services.pictures(self.site, scene), self.index)

    def _send_raw(self, sample: int, scene: int) -> None:
        services, tamper = self.services, self.tamper
        if tamper is None:
            raw = services.inference.raw(services.pictures(self.site, scene), self.index)
        else:
            raw = tamper.raw(self, sample, scene)
        self._publish(RAW, sample, raw, UINT8, 0)

    def _send(self, sends: Sends, sample: int, output: DeviceOutput) -> None:
        flags = ABSENT if output.absent else 0
        if sends == "features":
            self._publish(FEATURES, sample, output.features, BITS, flags)
            return
        buffer = self._buffer
        buffer[sample] = output
        if len(buffer) > self._capacity:
            del buffer[next(iter(buffer))]
        self.services.fabric.publish(
            self.ports[SCORES, self.site],
            sample,
            output.scores,
            dtype=FLOAT32,
            origin=self.index,
            flags=flags,
            expected=1,
        )

    def _leaves(self, sample: int, output: DeviceOutput) -> bool:
        """The device exit: a camera that sees the object and is sure enough decides alone."""
        threshold = self.services.thresholds.get("device")
        if threshold is None or output.absent:
            return False
        verdict = self.services.inference.verdict(output.scores)
        if verdict.entropy >= threshold:
            return False
        self.left += 1
        self.decide(self.site, sample, "device", verdict.predicted, verdict.entropy, 1)
        return True

    def receive(self, message: Frame, src: Node) -> None:
        """A request makes the camera send the features it still has; anything else is no business of a camera."""
        if message.kind != REQUEST or self.index not in _asked(message.payload):
            return
        output = self._buffer.pop(message.sample, None)
        if output is not None:
            flags = ABSENT if output.absent else 0
            self._publish(FEATURES, message.sample, output.features, BITS, flags)

    def _publish(self, kind: int, sample: int, payload: bytes, dtype: int, flags: int) -> None:
        self.services.fabric.publish(
            self.ports[kind, self.site], sample, payload, dtype=dtype, origin=self.index, flags=flags, expected=1
        )


@lru_cache(maxsize=1024)
def _asked(request: bytes) -> tuple[int, ...]:
    """The cameras that a request names; none if it is malformed."""
    try:
        return decode_nodes(request)
    except Malformed:
        return ()
