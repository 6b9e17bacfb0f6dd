"""What a node process does beside its node's work: it moves thresholds, plays roles, and obeys the conductor."""

from __future__ import annotations

from typing import Final

from sim.clock import Clock
from sim.ddnn import Inference
from sim.ledger.rows import THRESHOLD, Row
from sim.nodes.gateway import Gateway
from sim.nodes.node import Node
from sim.world.fleet import Fleet
from sim.world.prepare import Prepared
from sim.world.retuning import Change, Retuning, watch
from sim.world.separate.diary import Diary
from sim.world.separate.orders import Play
from sim.world.steering import horizon

MOST: Final = 0xFFFFFFFF
"""What a field of a row can hold."""


class Duties:
    """The duties of one node of a fleet.

    Args:
        prepared: scenario, data, network.
        fleet: as this process has it.
        own: the node that is here.
        clock: its time.
        inference: the network's answers.
        diary: what is told to the conductor.
    """

    def __init__(
        self, prepared: Prepared, fleet: Fleet, own: Node, clock: Clock, inference: Inference, diary: Diary
    ) -> None:
        self._diary = diary
        self._roles = {own.index: own} if isinstance(own, Gateway) else {}
        self._retuning: Retuning | None = None
        policy = prepared.plan.retune
        if policy is not None and self._roles:
            plan = prepared.plan
            watched = [one for one in watch(plan, fleet, own.site) if one.gateway in self._roles.values()]
            self._retuning = Retuning(policy, plan, watched, clock, inference, self._changed, horizon(prepared))
            for one in watched:  # now, and not while others wait for it
                self._retuning.outlooks.of(one.gateway.index, plan.groups[one.gateway.index])

    def start(self) -> None:
        """The run begins, or goes on."""
        if self._retuning is not None:
            self._retuning.start()

    def obey(self, order: Play) -> None:
        """Does what the conductor says; what is no business of this node is nothing."""
        role = self._roles.get(order.role)
        if role is not None and order.threshold is not None:
            role.services.thresholds["local"] = order.threshold

    def _changed(self, change: Change) -> None:
        """Tells of a new threshold."""
        at_s, gateway, _, becomes, payload_bytes, heard, judged = change
        spent = min(round((payload_bytes or 0.0) * judged * heard), MOST)
        self._diary.add(Row(THRESHOLD, 0, heard, gateway.index, 0, judged, spent, at_s, becomes))
