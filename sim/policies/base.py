"""What a policy is: a small frozen model with one decision, and what it may know when it takes it.

A policy sees what the node itself knows: its own clock, queues and measurements, and how the fleet was configured. It
keeps no state of its own; the same view gives the same answer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from sim.registry import Plugin

Sends = Literal["scores", "features", "raw"]
"""What a camera sends of a sample: scores (and features on request), features unasked, or the raw image."""

WEIGHT = 0.3


@dataclass(frozen=True, slots=True)
class Route:
    """The way of a camera's data as it was configured; faults do not show here.

    Attributes:
        payload_bytes: size of each kind of data, as Eq. 1 counts it.
        link_bytes: what its message occupies on the uplink, framing included.
        beyond_s: from the last bit on the uplink to the verdict; for scores that of the local exit, else the last.
        request_s: from the local verdict until a request is back at the camera.
    """

    payload_bytes: Mapping[Sends, int]
    link_bytes: Mapping[Sends, int]
    beyond_s: Mapping[Sends, float]
    request_s: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What the device section made of the image.

    Attributes:
        absent: the camera does not see the object.
        entropy: normalised, of the camera's own scores; None where the network has none.
    """

    absent: bool
    entropy: float | None


@dataclass(frozen=True, slots=True)
class View:
    """What a camera knows when it decides what to send of a sample.

    Attributes:
        sample: which one.
        camera: the camera's index within its site.
        age_s: time since its capture.
        options: what the camera can send here.
        route: sizes, and times beyond the uplink, as configured.
        bandwidth_bps: of the uplink, measured by `SplitPolicy.measured`; None before the first transmission has ended.
        waiting: messages in the camera's own queue, the one that is being sent included.
        waiting_bytes: what these occupy on the uplink.
        backlog_s: until the processor could begin with this sample; 0 once it is done.
        compute_s: how long the device section takes; 0 once it is done.
        asked: share of the samples with scores sent up for which features were asked for; begins at one half.
        captured: samples captured so far, this one included.
        sent_bytes: bytes of all messages sent so far, headers included.
        seen: None at capture, when only `raw` can be sent yet; then what the device section found.
    """

    sample: int
    camera: int
    age_s: float
    options: tuple[Sends, ...]
    route: Route
    bandwidth_bps: float | None
    waiting: int
    waiting_bytes: int
    backlog_s: float
    compute_s: float
    asked: float
    captured: int
    sent_bytes: int
    seen: Seen | None


class Policy(Plugin):
    """Base of all policies; parameters are fields."""

    example: ClassVar[str]
    """A whole value of `policies.split` or `policies.select`, as one writes it in a scenario."""


class SplitPolicy(Policy):
    """Decides at each camera what to send of each sample."""

    fixed: ClassVar[Sends | None] = None
    """The one thing that this policy always sends; `choose` is not called then."""

    @abstractmethod
    def choose(self, view: View) -> Sends:
        """What to send, one of `view.options`.

        Asked at capture: with the answer `raw` the image leaves at once and the device section is not run. With any
        other answer it runs, and unless the sample leaves at the device exit the policy is asked again, for good.
        """
        raise NotImplementedError

    def measured(self, before_bps: float | None, took_bps: float) -> float:
        """The measured bandwidth after one more transmission: an exponentially weighted mean.

        Args:
            before_bps: what it was before; None: nothing was known.
            took_bps: bits of the transmission over the time that it took, repetitions included.
        """
        return took_bps if before_bps is None else before_bps + WEIGHT * (took_bps - before_bps)


@dataclass(frozen=True, slots=True)
class Heard:
    """One camera whose scores a gateway has for a sample.

    Attributes:
        camera: its index within the site.
        absent: it does not see the object.
        entropy: normalised, of its own scores; 1 for one that sees nothing.
    """

    camera: int
    absent: bool
    entropy: float


@dataclass(frozen=True, slots=True)
class Selection:
    """What a gateway knows when it asks for features: the sample and the cameras that it can ask, by index."""

    sample: int
    cameras: tuple[Heard, ...]


class SelectPolicy(Policy):
    """Decides at each gateway which cameras are asked for features."""

    @abstractmethod
    def choose(self, selection: Selection) -> Collection[int]:
        """The indices of the cameras to ask.

        Nobody means everybody where the gateway has nothing else to send up: the sample could not be decided.
        """
        raise NotImplementedError
