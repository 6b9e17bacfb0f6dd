"""What a node asks of the network; `sim.ddnn` answers, and every answer depends on the given bytes alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class DeviceOutput(Protocol):
    """Score bytes (4|C|, float32), bit-packed features, and whether the camera sees nothing."""

    @property
    def scores(self) -> bytes: ...
    @property
    def features(self) -> bytes: ...
    @property
    def absent(self) -> bool: ...


class Verdict(Protocol):
    """A classification, its normalised entropy, and the scores (4|C| bytes, float32) that it was made by."""

    @property
    def predicted(self) -> int: ...
    @property
    def entropy(self) -> float: ...
    @property
    def scores(self) -> bytes: ...


class Inference(Protocol):
    """The trained network, section by section; cameras and gateways are indices within a site.

    Sizes are those of one message: a camera's scores, a camera's features, a gateway's features.
    """

    score_bytes: int
    feature_bytes: int
    edge_bytes: int

    def device(self, index: int, camera: int) -> DeviceOutput: ...
    def raw(self, index: int, camera: int) -> bytes: ...
    def from_raw(self, raw: bytes, camera: int) -> DeviceOutput: ...
    def verdict(self, scores: bytes) -> Verdict: ...
    def settled(self, scores: bytes) -> Verdict: ...
    def local(self, gateway: int, inputs: Mapping[int, bytes]) -> Verdict: ...
    def edge(self, gateway: int, inputs: Mapping[int, bytes]) -> tuple[Verdict, bytes]: ...
    def cloud(self, inputs: Mapping[int, bytes]) -> Verdict: ...
