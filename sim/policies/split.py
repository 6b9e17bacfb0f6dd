"""The built-in split policies besides `static`, which is the protocol itself."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from sim.policies.base import WEIGHT, Sends, SplitPolicy, View
from sim.scenario.types import Period


class Raw(SplitPolicy):
    """Always the raw image; the network runs further up."""

    example = "raw"
    fixed: ClassVar[Sends | None] = "raw"
    kind: Literal["raw"]

    def choose(self, view: View) -> Sends:
        """The raw image."""
        return "raw"


class Features(SplitPolicy):
    """Always the features, unasked and without scores; there is no local exit then."""

    example = "features"
    fixed: ClassVar[Sends | None] = "features"
    kind: Literal["features"]

    def choose(self, view: View) -> Sends:
        """The features."""
        return "features"


class Forecast(NamedTuple):
    """What sending one kind of data now is estimated to come to.

    Attributes:
        chance: of a verdict within the deadline.
        payload_bytes: expected, features on request included.
        verdict_s: expected time from capture to verdict.
    """

    sends: Sends
    chance: float
    payload_bytes: float
    verdict_s: float


class Adaptive(SplitPolicy):
    """Per sample what most probably meets the deadline, of equals the fewest bytes; if nothing meets it, the soonest.

    Estimated time = age + the longer of queue and computing + transmission + what is beyond the uplink. As Neurosurgeon
    and SPINN do, from what was measured; that other cameras may be slower is not foreseen.
    """

    example = "{kind: adaptive, deadline: 300 ms}"
    kind: Literal["adaptive"]
    deadline_s: Period = Field(default=1.0, alias="deadline")
    """Time from capture to verdict that should be kept."""
    prefer: Literal["bytes", "accuracy"] = "bytes"
    """Of what meets the deadline: fewest bytes, or rather the cloud's verdict than the local one."""
    weight: Annotated[float, Field(gt=0, le=1)] = WEIGHT
    """Weight of the latest transmission in the measured bandwidth."""

    def choose(self, view: View) -> Sends:
        """See the class. Before anything was measured, and for a view without the object, the fewest bytes."""
        if view.bandwidth_bps is None or (view.seen is not None and view.seen.absent):
            return min(view.options, key=lambda sends: view.route.payload_bytes[sends])
        forecasts = [forecast(view, sends, view.bandwidth_bps, self.deadline_s) for sends in view.options]
        return min(forecasts, key=self._rank).sends

    def measured(self, before_bps: float | None, took_bps: float) -> float:
        """An exponentially weighted mean with the weight that was given."""
        return took_bps if before_bps is None else before_bps + self.weight * (took_bps - before_bps)

    def _rank(self, option: Forecast) -> tuple[float, float, float, float]:
        """Smaller is better."""
        if not option.chance:
            return 0.0, 0.0, option.verdict_s, option.payload_bytes
        stops_early = self.prefer == "accuracy" and option.sends == "scores"
        return -option.chance, float(stops_early), option.payload_bytes, option.verdict_s


def forecast(view: View, sends: Sends, bandwidth_bps: float, deadline_s: float) -> Forecast:
    """Time, bytes and the chance to meet the deadline if `sends` is sent now."""
    route = view.route
    queue_s = view.waiting_bytes * 8.0 / bandwidth_bps
    begins_s = queue_s if sends == "raw" else max(queue_s, view.backlog_s + view.compute_s)
    verdict_s = view.age_s + begins_s + route.link_bytes[sends] * 8.0 / bandwidth_bps + route.beyond_s[sends]
    in_time = float(verdict_s <= deadline_s)
    payload_bytes = route.payload_bytes[sends]
    if sends != "scores":
        return Forecast(sends, in_time, payload_bytes, verdict_s)
    asked = view.asked
    further_s = route.request_s + route.link_bytes["features"] * 8.0 / bandwidth_bps + route.beyond_s["features"]
    chance = 1.0 if verdict_s + further_s <= deadline_s else in_time * (1.0 - asked)
    return Forecast(
        sends, chance, payload_bytes + asked * route.payload_bytes["features"], verdict_s + asked * further_s
    )


BUILT_IN: tuple[type[SplitPolicy], ...] = (Raw, Features, Adaptive)
