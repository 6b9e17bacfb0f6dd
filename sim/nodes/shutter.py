"""Cameras that capture in step: without faults, one event a period does for all of them, and nothing else changes."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappush
from typing import Any

from sim.clock import Clock
from sim.ledger.samples import CAPTURED
from sim.nodes.camera import Camera

RANK = 1
"""Cameras capture after everything else of that moment, in their order: at this rank plus their number."""


class Shutter:
    """Releases plain cameras of one period and one speed; each by itself would do the same at the same time.

    Nobody may look at the processors of these cameras while it does.

    Args:
        cameras: in the order of their client numbers.
        samples: how many each captures.
    """

    def __init__(self, clock: Clock, cameras: list[Camera], samples: int) -> None:
        self._clock = clock
        self._cameras = cameras
        self._samples = samples
        self._services = cameras[0].services

    def start(self, queue: list[Any]) -> None:
        """Makes the appointment for the first sample on a queue of the clock."""
        whole, self._clock.queue = self._clock.queue, queue
        self._next(0)
        self._clock.queue = whole

    def _next(self, sample: int) -> None:
        leader = self._cameras[0]
        if sample < self._samples:
            self._appoint(leader.reserve(sample * leader.period_s, leader.capture_flops), sample, 0)
            return
        for camera in self._cameras[1:]:
            camera.worked_like(leader)

    def _appoint(self, when_s: float, sample: int, first: int) -> None:
        clock, rank = self._clock, RANK + self._cameras[first].client
        heappush(clock.queue, (when_s, clock.NORMAL + rank, clock.number(), self._release, sample, first))

    def _release(self, entry: tuple[Any, ...]) -> None:
        now_s, _, _, _, sample, first = entry
        queue, cameras = self._clock.queue, self._cameras
        pictures, book = self._services.pictures, self._services.book
        site, picture = -1, 0
        for position in range(first, len(cameras)):
            camera = cameras[position]
            if queue and queue[0][0] <= now_s and position > first:  # what a capture set off may come before the next
                self._appoint(now_s, sample, position)
                return
            if camera.site != site:
                site = camera.site
                picture = pictures(site, sample)
                book.reach(site, sample, CAPTURED)
            camera.expose(sample, picture)
        self._next(sample + 1)


def shutters(clock: Clock, cameras: Iterable[Camera], samples: int) -> list[Shutter]:
    """One for all cameras that capture at the same times."""
    groups: dict[tuple[float, float], list[Camera]] = {}
    for camera in cameras:
        key = camera.period_s, camera.capture_flops / camera.profile.flops_per_second
        groups.setdefault(key, []).append(camera)
    return [Shutter(clock, group, samples) for group in groups.values()]
