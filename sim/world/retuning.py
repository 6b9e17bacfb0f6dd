"""Thresholds that move at run time: each gateway is asked for its own at the end of every window.

A gateway knows what it judged, what its cameras sent, and which of them sent anything. What a threshold would come to
it takes from calibration samples: the validation share of the training samples, or all of them where nothing was kept
aside. Then the expectation is rosier than the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from sim.clock import Clock
from sim.ddnn import Inference
from sim.errors import UsageError
from sim.ledger.events import Event, EventLog
from sim.nodes.gateway import Gateway
from sim.nodes.lanes import Lane
from sim.policies import Outlook, RetunePolicy, Window
from sim.wire import EXIT
from sim.world.fleet import Fleet, site_name
from sim.world.plan import Plan

STEPS: Final = 64
"""Candidate thresholds at most, beside 0 and 1."""


@dataclass(slots=True)
class Watched:
    """A gateway's exit and the lanes that its cameras send on, with what was counted at the last look."""

    gateway: Gateway
    lanes: list[Lane]
    judged: int = 0
    messages: dict[Lane, int] = field(default_factory=dict)
    payload_bytes: int = 0


class Change(NamedTuple):
    """A new threshold, and what it was made from.

    Attributes:
        gateway: whose threshold it is, whoever stands in for it.
        payload_bytes: per camera and sample of the window; None: nothing was judged.
        heard: how many cameras sent anything in the window.
        judged: samples of the window.
    """

    at_s: float
    gateway: Gateway
    was: float
    becomes: float
    payload_bytes: float | None
    heard: int
    judged: int


class Retunes:
    """The new thresholds of a run, written down."""

    def __init__(self, plan: Plan, fleet: Fleet, events: EventLog) -> None:
        self._plan = plan
        self._events = events
        self._gateways = [node for node in fleet.nodes if isinstance(node, Gateway)]

    def note(self, change: Change) -> None:
        """Adds an event."""
        at_s, gateway, was, becomes, payload_bytes, heard, _ = change
        spent = "nothing judged" if payload_bytes is None else f"{payload_bytes:.4g} B"
        reason = f"{spent}, {heard} of {len(self._plan.groups[gateway.index])} cameras"
        site = site_name(gateway.site)
        self._events.add(Event(at_s, "retune", site, gateway.name, f"{was:.6g}", f"{becomes:.6g}", reason))

    def summary(self) -> dict[str, Any]:
        """`retunes` of the run's summary: how many, and the thresholds at the end."""
        count = self._events.count("retune")
        final = [gateway.services.thresholds["local"] for gateway in self._gateways]
        return {"count": count, "final": {"lowest": min(final), "mean": float(np.mean(final)), "highest": max(final)}}


class Retuning:
    """The controllers of gateways.

    Args:
        policy: who decides.
        plan, clock: the world.
        watched: the gateways, as `watch` finds them.
        inference: what the calibration samples are judged with.
        changed: told of every new threshold.
        horizon_s: after this time nobody is asked any more.
        lent: gateways that are asked only about windows in which a camera sent something: their roles are here, if at
            all, in place of others.
    """

    def __init__(
        self,
        policy: RetunePolicy,
        plan: Plan,
        watched: Sequence[Watched],
        clock: Clock,
        inference: Inference,
        changed: Callable[[Change], None],
        horizon_s: float,
        lent: Collection[Gateway] = (),
    ) -> None:
        self._policy = policy
        self._lent = lent
        self._clock = clock
        self._changed = changed
        self._horizon_s = horizon_s
        self.outlooks = Outlooks(plan, inference)
        self._watched = watched

    def start(self) -> None:
        """Looks for the first time at the end of the window that goes on."""
        self._next(int(self._clock.now / self._policy.every_s) + 1)

    def _next(self, number: int) -> None:
        due_s = number * self._policy.every_s
        if due_s <= self._horizon_s:
            self._clock.at(due_s, self._look, number)

    def _look(self, number: int) -> None:
        for watched in self._watched:
            self._ask(watched)
        self._next(number + 1)

    def _ask(self, watched: Watched) -> None:
        gateway = watched.gateway
        window = self._window(watched)
        if gateway in self._lent and not window.cameras:
            return
        chosen = float(self._policy.choose(window))
        if not 0 <= chosen <= 1:
            raise UsageError(f"policies.retune: {self._policy.name()} chose {chosen:g}; a threshold is in [0, 1]")
        if chosen != window.threshold:
            gateway.services.thresholds["local"] = chosen
            made_from = window.payload_bytes, len(window.cameras), window.samples
            self._changed(Change(self._clock.now, gateway, window.threshold, chosen, *made_from))

    def _window(self, watched: Watched) -> Window:
        """What has come since the last look."""
        gateway = watched.gateway
        messages = {lane: lane.messages for lane in watched.lanes}
        payload_bytes = sum(lane.payload_bytes for lane in watched.lanes)
        heard = {lane.src.index for lane, count in messages.items() if count > watched.messages.get(lane, 0)}
        judged, spent = gateway.judged - watched.judged, payload_bytes - watched.payload_bytes
        watched.messages, watched.payload_bytes, watched.judged = messages, payload_bytes, gateway.judged
        cameras = tuple(sorted(heard))
        return Window(
            gateway=gateway.index,
            threshold=gateway.services.thresholds["local"],
            samples=judged,
            payload_bytes=spent / (judged * len(cameras)) if judged and cameras else None,
            cameras=cameras,
            outlook=self.outlooks.of(gateway.index, cameras),
        )


class Outlooks:
    """What thresholds come to with some of a gateway's cameras, worked out once for each set of them."""

    def __init__(self, plan: Plan, inference: Inference) -> None:
        self._plan = plan
        self._inference = inference
        kept = inference.validation
        self._indices = kept if len(kept) else inference.dataset.train
        self._known: dict[tuple[int, tuple[int, ...]], tuple[Outlook, ...]] = {}

    def of(self, gateway: int, cameras: tuple[int, ...]) -> tuple[Outlook, ...]:
        """For rising thresholds; the other gateways' cameras are taken to be well."""
        key = (gateway, cameras)
        if key not in self._known:
            self._known[key] = self._work_out(gateway, cameras)
        return self._known[key]

    def known(self) -> list[tuple[int, tuple[int, ...]]]:
        """What was asked for so far: gateways and sets of cameras."""
        return list(self._known)

    def _work_out(self, gateway: int, cameras: tuple[int, ...]) -> tuple[Outlook, ...]:
        inference = self._inference
        others = [index for group in self._plan.groups for index in group if index not in self._plan.groups[gateway]]
        table = inference.subset_table(self._indices, [[*others, *cameras]]).subset(0)
        assert table.local_entropy is not None and table.local_predicted is not None
        entropy, predicted = table.local_entropy[:, gateway], table.local_predicted[:, gateway]
        thresholds = self._plan.scenario.exits.thresholds()
        beyond = table.decide({"edge": thresholds["edge"]} if "edge" in thresholds else {}).predicted
        steps = np.quantile(entropy, np.linspace(0, 1, STEPS)) if len(entropy) else np.empty(0)
        found = []
        for threshold in np.unique(np.r_[0.0, np.clip(steps, 0, 1), 1.0]).tolist():
            leaves = entropy < threshold
            right = np.where(leaves, predicted, beyond) == table.labels
            payload = inference.score_bytes + (1 - leaves.mean()) * inference.feature_bytes
            found.append(Outlook(threshold, float(right.mean()), float(payload)))
        return tuple(found)


def watch(plan: Plan, fleet: Fleet, site: int | None = None) -> list[Watched]:
    """The gateways of a site (None: of all), each with the lanes of its cameras, detours included."""
    above = {camera.name: camera.uplink for camera in plan.cameras}
    below: dict[tuple[int, str | None], list[Lane]] = {}
    for lane in fleet.lanes:
        if lane.src.role == "camera" and lane.port.kind != EXIT:
            below.setdefault((lane.src.site, above[lane.src.name]), []).append(lane)
    gateways = [node for node in fleet.nodes if isinstance(node, Gateway) and site in (None, node.site)]
    return [Watched(gateway, below.get((gateway.site, gateway.name), [])) for gateway in gateways]
