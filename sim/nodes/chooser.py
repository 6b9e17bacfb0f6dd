"""A camera whose split policy decides, sample by sample, what to send: scores, features, or the raw image."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from sim.errors import UsageError
from sim.link import MeteredLink
from sim.nodes.camera import Camera
from sim.nodes.inference import DeviceOutput
from sim.nodes.node import Node
from sim.policies.base import Route, Seen, Sends, SplitPolicy, View
from sim.wire import REQUEST, Frame


class ChoosingCamera(Camera):
    """A camera with a choice. Its radio and its processor work side by side: a raw image does not wait for either.

    Attributes:
        route: sizes and times of what it sends, as configured.
        uplink: the link that it sends on.
    """

    __slots__ = ("_asked", "_bandwidth_bps", "_options", "_policy", "_scored", "route", "uplink")

    route: Route
    uplink: MeteredLink

    def __init__(self, *args: Any, policy: SplitPolicy, options: tuple[Sends, ...], **kwargs: Any) -> None:
        super().__init__(*args, sends=options[0], **kwargs)
        self._policy = policy
        self._options = options
        self._bandwidth_bps: float | None = None
        self._scored = self._asked = 0

    def run(self, samples: int) -> Generator[simpy.Event, None, None]:
        """One capture a period; the device section runs later, or not at all."""
        clock = self.services.clock
        for sample in range(samples):
            due_s = sample * self.period_s
            if self.skew is not None:
                due_s = max(clock.now, self.skew(due_s))
            yield clock.until(due_s, 1 + self.client)
            if self.thaw is not None:
                yield self.thaw
            if self._was_up_since(sample, due_s):
                self._begin(sample, due_s)

    def receive(self, message: Frame, src: Node) -> None:
        """As every camera; and notes how often features are asked for."""
        if message.kind == REQUEST and message.sample in self._buffer:
            self._asked += 1
        super().receive(message, src)

    def _was_up_since(self, sample: int, due_s: float) -> bool:
        if self.up and self.up_since_s <= due_s:
            return True
        if self.faults:
            self.services.book.touch(self.site, sample, self.faults)
        return False

    def _begin(self, sample: int, due_s: float) -> None:
        scene = self._look(sample, due_s)
        if self._choice(sample, due_s, None) == "raw":
            self._send_raw(sample, scene)
            return
        clock = self.services.clock
        done_s = self.reserve(clock.now, self.services.flops["device"])
        clock.at(done_s, self._computed, (sample, due_s, scene))

    def _computed(self, work: tuple[int, float, int]) -> None:
        sample, due_s, scene = work
        if not self._was_up_since(sample, due_s):
            return
        output = self._compute(sample, scene)
        if self._leaves(sample, output):
            return
        sends = self._choice(sample, due_s, self._seen(output))
        if sends == "raw":
            self._send_raw(sample, scene)
            return
        self._scored += sends == "scores"
        self._send(sends, sample, output)

    def _seen(self, output: DeviceOutput) -> Seen:
        entropy = self.services.inference.verdict(output.scores).entropy if output.scores else None
        return Seen(output.absent, entropy)

    def _choice(self, sample: int, due_s: float, seen: Seen | None) -> Sends:
        """What the policy says.

        Raises:
            UsageError: something that this camera cannot send.
        """
        chosen = self._policy.choose(self._view(sample, due_s, seen))
        if chosen not in self._options:
            known = ", ".join(self._options)
            raise UsageError(
                f"policies.split: {self._policy.name()} chose {chosen!r} for {self.name}; possible: {known}"
            )
        return chosen

    def _view(self, sample: int, due_s: float, seen: Seen | None) -> View:
        now_s = self.services.clock.now
        for own in self.uplink.ended(now_s):
            self._bandwidth_bps = self._policy.measured(self._bandwidth_bps, own.size_bytes * 8.0 / own.took_s)
        todo = seen is None
        return View(
            sample=sample,
            camera=self.index,
            age_s=max(0.0, now_s - due_s),
            options=self._options,
            route=self.route,
            bandwidth_bps=self._bandwidth_bps,
            waiting=self.uplink.waiting(now_s),
            waiting_bytes=self.uplink.waiting_bytes(now_s),
            backlog_s=self.backlog_s() if todo else 0.0,
            compute_s=self.services.flops["device"] / self.profile.flops_per_second if todo else 0.0,
            asked=(self._asked + 1) / (self._scored + 2),
            captured=self.captured,
            sent_bytes=self.sent_bytes,
            seen=seen,
        )
