"""What nodes see and compute under sensor and model faults: a camera's `Sight`, a gateway's or the cloud's `Mind`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sim.faults.base import ModelFault, Output, SensorFault
from sim.faults.context import Context
from sim.nodes.camera import Camera
from sim.nodes.inference import DeviceOutput, Inference, Verdict
from sim.nodes.node import Node

Kind = SensorFault | ModelFault
Striking = Sequence[tuple[Kind, Context]]


class Striker(NamedTuple):
    """One fault in force, and at which place in the scenario it stands."""

    order: int
    kind: Kind
    name: str
    ctx: Context
    probability: float
    struck: Callable[[], None]


class Tamper:
    """The sensor and model faults in force on one node, in the order of the scenario."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._strikers: list[Striker] = []

    def add(self, striker: Striker) -> Callable[[], None]:
        """Puts a fault in its place; the returned function takes it out again."""
        striker.ctx.role = self._node.role
        self._strikers.append(striker)
        self._strikers.sort(key=lambda one: one.order)
        self._install(True)

        def remove() -> None:
            self._strikers.remove(striker)
            self._install(bool(self._strikers))

        return remove

    def _install(self, there: bool) -> None:
        """Lets the node know of this, or no longer."""
        raise NotImplementedError

    def _striking(self, site: int, sample: int, *counters: int) -> Striking:
        found = []
        for striker in self._strikers:
            ctx = striker.ctx
            ctx.focus(*counters)
            if ctx.strikes(striker.probability):
                striker.struck()
                self._node.services.book.stain(site, sample, self._node.role, self._node.index, striker.name)
                found.append((striker.kind, ctx))
        return found


class Sight(Tamper):
    """What a camera sees, and what its device section makes of it."""

    def __init__(self, camera: Camera, shape: tuple[int, ...]) -> None:
        super().__init__(camera)
        self._camera = camera
        self._shape = shape

    def raw(self, camera: Camera, sample: int, scene: int) -> bytes:
        """The image that the camera believes to see."""
        services = camera.services
        true = services.inference.raw(services.pictures(camera.site, scene), camera.index)
        return self._seen(true, self._striking(camera.site, sample, sample))

    def output(self, camera: Camera, sample: int, scene: int) -> DeviceOutput:
        """What the camera computes from it."""
        services = camera.services
        picture = services.pictures(camera.site, scene)
        true = services.inference.raw(picture, camera.index)
        striking = self._striking(camera.site, sample, sample)
        raw = self._seen(true, striking)
        if raw == true:
            found = services.inference.device(picture, camera.index)
        else:
            found = services.inference.from_raw(raw, camera.index)

        def by(other: Inference) -> Output:
            made = other.from_raw(raw, camera.index)
            return Output(made.scores, made.features, made.absent, by)

        return _distorted(Output(found.scores, found.features, found.absent, by), striking)

    def _install(self, there: bool) -> None:
        self._camera.tamper = self if there else None

    def _seen(self, true: bytes, striking: Striking) -> bytes:
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


class Mind(Tamper):
    """The network of a gateway or the cloud."""

    def __call__(self, site: int, sample: int) -> Inference:
        """The network as it is for this sample: the true one, unless a fault strikes."""
        true = self._node.services.inference
        striking = self._striking(site, sample, sample, site)
        return Clouded(true, striking) if striking else true

    def _install(self, there: bool) -> None:
        self._node.mind = self if there else None


class Clouded:
    """A network whose judgement model faults distort; see `sim.nodes.inference.Inference`."""

    def __init__(self, true: Inference, striking: Striking) -> None:
        self._true = true
        self._striking = striking
        self.score_bytes, self.feature_bytes, self.edge_bytes = true.score_bytes, true.feature_bytes, true.edge_bytes
        self.device, self.raw, self.from_raw = true.device, true.raw, true.from_raw
        self.verdict, self.settled = true.verdict, true.settled

    def local(self, gateway: int, inputs: Mapping[int, bytes]) -> Verdict:
        """The local exit's verdict."""
        return self._judged(lambda network: (network.local(gateway, inputs), b""))[0]

    def edge(self, gateway: int, inputs: Mapping[int, bytes]) -> tuple[Verdict, bytes]:
        """The edge exit's verdict, and the edge section's features."""
        return self._judged(lambda network: network.edge(gateway, inputs))

    def cloud(self, inputs: Mapping[int, bytes]) -> Verdict:
        """The cloud's verdict."""
        return self._judged(lambda network: (network.cloud(inputs), b""))[0]

    def _judged(self, ask: Callable[[Inference], tuple[Verdict, bytes]]) -> tuple[Verdict, bytes]:
        def by(other: Inference) -> Output:
            verdict, features = ask(other)
            return Output(verdict.scores, features, False, by)

        verdict, features = ask(self._true)
        found = _distorted(Output(verdict.scores, features, False, by), self._striking)
        if found.scores != verdict.scores:
            verdict = self._true.settled(found.scores)
        return verdict, found.features


def _distorted(output: Output, striking: Striking) -> Output:
    by = output.by
    for kind, ctx in striking:
        if isinstance(kind, ModelFault):
            output = replace(kind.apply(output, ctx), by=by)
    return output
