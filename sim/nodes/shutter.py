"""Cameras that capture in step: without faults, one event a period does for all of them, and nothing else changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import heappush
from typing import Any, Final

from sim.clock import Clock
from sim.ledger.samples import CAPTURED
from sim.nodes.camera import Camera
from sim.nodes.express import Course

FEW: Final = 64
"""Cameras of a site that hand over messages ahead of their time; a broker keeps so many for their gateway (Mosquitto's
default for a client: 1000)."""
RANK = 1
"""Cameras capture after everything else of that moment, in their order: at this rank plus their number."""


class Shutter:
    """Releases plain cameras of one period and one speed; each by itself would do the same at the same time.

    Nobody may look at the processors of these cameras while it does.

    Args:
        cameras: in the order of their client numbers.
        samples: how many each captures.
        courses: by the client number of their first camera.
    """

    def __init__(self, clock: Clock, cameras: list[Camera], samples: int, courses: Mapping[int, Course]) -> None:
        self._clock = clock
        self._cameras = cameras
        self._samples = samples
        self._services = cameras[0].services
        self._lookahead = _lookahead(cameras)
        self._courses = [self._whole(place, courses.get(camera.client)) for place, camera in enumerate(cameras)]

    def start(self, queue: list[Any]) -> None:
        """Makes the appointment for the first sample on a queue of the clock."""
        whole, self._clock.queue = self._clock.queue, queue
        self._next(0)
        self._clock.queue = whole

    def _whole(self, place: int, course: Course | None) -> Course | None:
        """The course that begins at a place, if all its cameras are here."""
        if course is None or self._cameras[place : place + len(course.cameras)] != course.cameras:
            return None
        return course

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
        queue, cameras, courses = self._clock.queue, self._cameras, self._courses
        if self._lookahead > 1 and first == 0 and sample % self._lookahead == 0:
            for camera in cameras:
                camera.foresee(range(sample, min(sample + self._lookahead, self._samples)))
        pictures, book = self._services.pictures, self._services.book
        site, picture, position = -1, 0, first
        while position < len(cameras):
            camera, course = cameras[position], courses[position]
            if queue and queue[0][0] <= now_s and position > first:  # what a capture set off may come before the next
                self._appoint(now_s, sample, position)
                return
            if camera.site != site:
                site = camera.site
                picture = pictures(site, sample)
                book.reach(site, sample, CAPTURED)
            if course is not None and course.take(sample, now_s, picture):
                position += len(course.cameras)
            else:
                camera.expose(sample, picture)
                position += 1
        self._next(sample + 1)


def _lookahead(cameras: list[Camera]) -> int:
    """How many samples' scores these cameras hand over at once."""
    services = cameras[0].services
    samples = services.fabric.lookahead
    if samples == 1 or "device" in services.thresholds or any(camera.sends != "scores" for camera in cameras):
        return 1
    return samples if max(Counter(camera.site for camera in cameras).values()) <= FEW else 1


def shutters(clock: Clock, cameras: Iterable[Camera], samples: int, courses: Mapping[int, Course]) -> list[Shutter]:
    """One for all cameras that capture at the same times; `courses` by the client number of their first camera."""
    groups: dict[tuple[float, float], list[Camera]] = {}
    for camera in cameras:
        key = camera.period_s, camera.capture_flops / camera.profile.flops_per_second
        groups.setdefault(key, []).append(camera)
    return [Shutter(clock, group, samples, courses) for group in groups.values()]
