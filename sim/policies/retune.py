"""What a gateway's threshold should be from now on. `none`, the default, is that it stays what the scenario says."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from sim.policies.base import Policy
from sim.scenario.types import Period, Share


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one threshold comes to on the calibration samples, with the cameras that are there now.

    Attributes:
        accuracy: share that is right, those included that go on to the edge or the cloud.
        payload_bytes: per camera and sample up to the gateway, as Eq. 1 counts.
    """

    threshold: float
    accuracy: float
    payload_bytes: float


@dataclass(frozen=True, slots=True)
class Window:
    """What a gateway knows at the end of a window.

    Attributes:
        gateway: its position among the gateways of the site.
        threshold: in force in the window.
        samples: that it judged in the window.
        payload_bytes: per camera and sample that its cameras sent in the window; None: it judged nothing.
        cameras: indices of those that sent anything in the window.
        outlook: for thresholds from 0 to 1, rising.
    """

    gateway: int
    threshold: float
    samples: int
    payload_bytes: float | None
    cameras: tuple[int, ...]
    outlook: tuple[Outlook, ...]


class RetunePolicy(Policy):
    """Moves the threshold of each gateway's exit while the run goes on."""

    every_s: Period = Field(default=20.0, alias="every")
    """Length of a window; the policy is asked at its end."""

    @abstractmethod
    def choose(self, window: Window) -> float:
        """The threshold from now on, in [0, 1]."""
        raise NotImplementedError


class ByteBudget(RetunePolicy):
    """The lowest threshold that is expected to keep within the budget, put right by what was measured."""

    example = "{kind: byte-budget, bytes: 80, every: 20 s}"
    kind: Literal["byte-budget"]
    bytes: Annotated[float, Field(gt=0, le=1e9)]
    """Payload bytes per camera and sample, as Eq. 1 counts."""
    gain: Annotated[float, Field(gt=0, le=1)] = 0.5
    """How much of the difference between measured and wanted is put right at once."""

    def choose(self, window: Window) -> float:
        """Aims at what the calibration samples say of the present threshold, plus part of what is missing."""
        if window.payload_bytes is None or not window.outlook:
            return window.threshold
        now = max((one for one in window.outlook if one.threshold <= window.threshold), key=lambda one: one.threshold)
        aim = now.payload_bytes + self.gain * (self.bytes - window.payload_bytes)
        kept = [one.threshold for one in window.outlook if one.payload_bytes <= aim]
        return min(kept, default=1.0)


class AccuracyFloor(RetunePolicy):
    """The highest threshold, so the fewest bytes, whose expected accuracy with the cameras there keeps the floor.

    Nobody knows the labels while a fleet runs: the accuracy is that of the calibration samples. Where no threshold
    keeps the floor it is the one that comes nearest to it.
    """

    example = "{kind: accuracy-floor, accuracy: 95 %, every: 20 s}"
    kind: Literal["accuracy-floor"]
    accuracy: Share
    """Share of right decisions to hold."""

    def choose(self, window: Window) -> float:
        """See the class."""
        if not window.cameras or not window.outlook:
            return window.threshold
        kept = [one.threshold for one in window.outlook if one.accuracy >= self.accuracy]
        return max(kept) if kept else max(window.outlook, key=lambda one: (one.accuracy, one.threshold)).threshold


BUILT_IN: tuple[type[RetunePolicy], ...] = (ByteBudget, AccuracyFloor)
