"""What a node process does beside its node's work: it moves thresholds, plays roles, and obeys the conductor."""

from __future__ import annotations

from typing import Final

from sim.clock import Clock
from sim.ddnn import Inference
from sim.ledger.rows import MOVED, THRESHOLD, USED, Row
from sim.nodes.gateway import Gateway
from sim.nodes.node import Node
from sim.nodes.standin import HostGateway, Moves
from sim.wire import CONTROL
from sim.world.fleet import Fleet
from sim.world.prepare import Prepared
from sim.world.retuning import Change, Retuning, watch
from sim.world.separate.diary import Diary
from sim.world.separate.orders import Order, Play
from sim.world.steering import horizon, latest
from sim.world.tenancy import Tenancy

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

    Attributes:
        tenancy: what this node knows of quotas; None where there are no tenants.
        hurries: whether others wait for what it tells.
    """

    def __init__(
        self, prepared: Prepared, fleet: Fleet, own: Node, clock: Clock, inference: Inference, diary: Diary
    ) -> None:
        self._prepared = prepared
        self._own = own
        self._clock = clock
        self._diary = diary
        self._gateways = {node.client: node.index for node in fleet.nodes if isinstance(node, Gateway)}
        self._roles = _roles(own)
        self._retuning: Retuning | None = None
        if prepared.plan.retune is not None and self._roles:
            self._retuning = self._controller(fleet, inference)
        if isinstance(own, Moves):
            own.told = self._moved
        self.tenancy = Tenancy(prepared.plan) if prepared.scenario.tenants else None
        quotas = [tenant.quota for tenant in prepared.scenario.tenants.values()]
        self.hurries = any(quota.bytes is not None or quota.compute_s is not None for quota in quotas)
        self._used: dict[tuple[int, int], tuple[int, float]] = {}
        if self.tenancy is not None:
            self.tenancy.attach(fleet)

    def start(self) -> None:
        """The run begins, or goes on."""
        if self._retuning is not None:
            self._retuning.start()

    def tell(self) -> None:
        """Writes down what has been used of quotas since the last time."""
        tenancy = self.tenancy
        if tenancy is None:
            return
        for number, meter in enumerate(tenancy.meters.values()):
            used = meter.sent_bytes, meter.computed_s, tenancy.cloud_s[meter.name], meter.stored_bytes
            for code, value in enumerate(map(float, used)):
                if self._used.get((number, code), (0, 0.0)) != (meter.window, value):
                    self._used[number, code] = meter.window, value
                    self._diary.add(Row(USED, code, 0, number, meter.window, 0, 0, self._clock.now, value))

    def obey(self, order: Order) -> None:
        """Does what the conductor says; what is no business of this node is nothing."""
        if isinstance(order, Play):
            self._play(order)
        elif self.tenancy is not None and order.tenant < len(self.tenancy.meters):
            meter = list(self.tenancy.meters.values())[order.tenant]
            meter.hear(order.window, order.bytes, order.seconds)
            meter.stored_before = order.stored

    def _play(self, order: Play) -> None:
        role, own = self._roles.get(order.role), self._own
        if role is None:
            return
        if order.threshold is not None:
            role.services.thresholds["local"] = order.threshold
        if isinstance(own, HostGateway):
            known = {lane.dst.index for lane in own.port(CONTROL).lanes}
            cameras = [camera for camera in order.cameras if camera in known]
            if cameras:
                own.call(latest(self._prepared, self._clock.now), cameras)

    def _controller(self, fleet: Fleet, inference: Inference) -> Retuning:
        plan, roles = self._prepared.plan, self._roles.values()
        assert plan.retune is not None
        watched = [one for one in watch(plan, fleet, self._own.site) if one.gateway in roles]
        lent = [role for role in roles if role is not self._own]
        found = Retuning(
            plan.retune, plan, watched, self._clock, inference, self._changed, horizon(self._prepared), lent
        )
        for role in roles:  # now, and not while others wait for it
            found.outlooks.of(role.index, plan.groups[role.index])
        return found

    def _changed(self, change: Change) -> None:
        """Tells of a new threshold."""
        at_s, gateway, _, becomes, payload_bytes, heard, judged = change
        spent = min(round((payload_bytes or 0.0) * judged * heard), MOST)
        self._diary.add(Row(THRESHOLD, 0, heard, gateway.index, 0, judged, spent, at_s, becomes))

    def _moved(self, camera: Moves, _: int) -> None:
        """Tells that the camera here publishes for another gateway now."""
        self._diary.add(Row(MOVED, place=self._gateways[camera.at], time_s=self._clock.now))


def _roles(own: Node) -> dict[int, Gateway]:
    """The gateways that a node can be, by index: itself and those that it stands in for."""
    if not isinstance(own, Gateway):
        return {}
    lent = own.hosted if isinstance(own, HostGateway) else []
    return {own.index: own, **{standin.index: standin.original for standin in lent}}
