"""Which gateway takes the place of one that has failed. `none`, the default, is that nobody does."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from sim.policies.base import Policy
from sim.scenario.types import Period


@dataclass(frozen=True, slots=True)
class Standby:
    """One gateway of the site that runs and could take over.

    Attributes:
        index: its position among the gateways of the site.
        cameras: how many it serves now, those of others included.
        busy: share of the run so far that its processor worked.
        backlog_s: until its processor could begin with new work.
        latency_s: from the failed gateway's cameras to it, as configured.
    """

    index: int
    name: str
    cameras: int
    busy: float
    backlog_s: float
    latency_s: float


@dataclass(frozen=True, slots=True)
class Outage:
    """A gateway that has been silent for long enough: its position at the site, its cameras, and who is left."""

    gateway: int
    name: str
    cameras: tuple[int, ...]
    standbys: tuple[Standby, ...]


class FailoverPolicy(Policy):
    """Decides for a whole gateway: who takes it over answers for its cameras until it is back."""

    after_s: Period = Field(default=0.5, alias="after")
    """How long a gateway must have been silent (or back) before anything is done: the keepalive of its last will."""

    @abstractmethod
    def choose(self, outage: Outage) -> int | None:
        """The `index` of one of `outage.standbys`; None: nobody takes over for now."""
        raise NotImplementedError


class LeastLoaded(FailoverPolicy):
    """The gateway whose processor is least busy (to a hundredth); of equals the one with the fewest cameras."""

    example = "{kind: least-loaded, after: 500 ms}"
    kind: Literal["least-loaded"]

    def choose(self, outage: Outage) -> int | None:
        """See the class; of equals the first."""
        ranked = sorted(outage.standbys, key=lambda one: (round(one.busy, 2), one.cameras, one.backlog_s, one.index))
        return ranked[0].index if ranked else None


class Nearest(FailoverPolicy):
    """The gateway with the shortest way from the cameras; of equals the next one in the order of the site."""

    example = "{kind: nearest, after: 500 ms}"
    kind: Literal["nearest"]

    def choose(self, outage: Outage) -> int | None:
        """By latency as configured, then by distance in the order of the site."""
        ranked = sorted(outage.standbys, key=lambda one: (one.latency_s, abs(one.index - outage.gateway), one.index))
        return ranked[0].index if ranked else None


BUILT_IN: tuple[type[FailoverPolicy], ...] = (LeastLoaded, Nearest)
