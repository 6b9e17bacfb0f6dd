"""The same traffic as the six-camera fleet's, as a bare model on SimPy: every step a callback, three events a message.

A message waits for its link, travels, and is handled: three events. There are no bytes, no ledger, no network, no
counters and no faults; who leaves at the gateway is decided by a list. So this is what a kernel can at best do that
does nothing but move messages.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import simpy
from simpy.events import NORMAL, Event

CAMERAS: Final = 6
SCORES_S, FEATURES_S, REQUEST_S, ONWARD_S = 0.0080, 0.0105, 0.0080, 0.0006
"""Seconds on the link, about as long as in `scenarios/six_cameras.yaml`."""
NEAR_S, FAR_S, JITTER_S = 0.005, 0.040, 0.001


class Line:
    """One direction of a link."""

    __slots__ = ("free_s", "latency_s")

    def __init__(self, latency_s: float) -> None:
        self.free_s = 0.0
        self.latency_s = latency_s


class Site:
    """A gateway, its cameras and the lines between them."""

    __slots__ = ("answers", "camera_lines", "down_lines", "number", "uplink")

    def __init__(self, number: int) -> None:
        self.number = number
        self.camera_lines = [Line(NEAR_S) for _ in range(CAMERAS)]
        self.down_lines = [Line(NEAR_S) for _ in range(CAMERAS)]
        self.uplink = Line(FAR_S)
        self.answers: dict[tuple[str, int], int] = {}


class Model:
    """All sites; `stays` tells of each (site, sample) whether it leaves at the gateway.

    Attributes:
        hops: messages that have arrived.
    """

    def __init__(self, sites: int, samples: int, stays: Callable[[int, int], bool]) -> None:
        self.hops = 0
        self._env = simpy.Environment()
        self._sites = [Site(number) for number in range(sites)]
        self._samples = samples
        self._stays = stays
        self._random = random.Random(1).random
        self._captures(0)

    def run(self) -> int:
        """Until nothing is left to happen; the messages."""
        self._env.run()
        return self.hops

    def _later(self, delay_s: float, callback: Callable[[Any], None], value: Any) -> None:
        event = Event(self._env)
        event._ok, event._value = True, value
        event.callbacks.append(callback)
        self._env.schedule(event, NORMAL, delay_s)

    def _captures(self, sample: int) -> None:
        for site in self._sites:
            for camera in range(CAMERAS):
                self._later(1.0 if sample else 0.0, self._capture, (site, camera, sample))

    def _capture(self, event: Any) -> None:
        site, camera, sample = event._value
        self._send(site.camera_lines[camera], SCORES_S, self._on_scores, (site, sample))
        if camera == CAMERAS - 1 and site.number == len(self._sites) - 1 and sample + 1 < self._samples:
            self._captures(sample + 1)

    def _send(self, line: Line, duration_s: float, then: Callable[[Any], None], what: Any) -> None:
        now_s = self._env._now
        line.free_s = max(line.free_s, now_s) + duration_s
        self._later(line.free_s - now_s, self._sent, (line, then, what))

    def _sent(self, event: Any) -> None:
        line, then, what = event._value
        self._later(line.latency_s + JITTER_S * self._random(), self._arrived, (then, what))

    def _arrived(self, event: Any) -> None:
        then, what = event._value
        self.hops += 1
        self._later(0.0, then, what)

    def _on_scores(self, event: Any) -> None:
        site, sample = event._value
        if self._is_last(site, "scores", sample):
            if self._stays(site.number, sample):
                self._send(site.uplink, ONWARD_S, _nothing, None)
            else:
                for camera in range(CAMERAS):
                    self._send(site.down_lines[camera], REQUEST_S, self._on_request, (site, camera, sample))

    def _on_request(self, event: Any) -> None:
        site, camera, sample = event._value
        self._send(site.camera_lines[camera], FEATURES_S, self._on_features, (site, sample))

    def _on_features(self, event: Any) -> None:
        self._send(event._value[0].uplink, ONWARD_S, self._on_forwarded, event._value)

    def _on_forwarded(self, event: Any) -> None:
        site, sample = event._value
        if self._is_last(site, "features", sample):
            self._send(site.uplink, ONWARD_S, _nothing, None)

    def _is_last(self, site: Site, what: str, sample: int) -> bool:
        count = site.answers[what, sample] = site.answers.get((what, sample), 0) + 1
        return count == CAMERAS


def _nothing(event: Any) -> None:
    del event
