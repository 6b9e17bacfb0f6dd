"""What a fleet of separate processes does about itself, seen and ordered by its conductor."""

from __future__ import annotations

import math
from collections.abc import Callable

from sim.clock import Clock
from sim.ledger.events import EventLog
from sim.ledger.rows import END, MOVED, THRESHOLD, USED, Row
from sim.nodes.gateway import Gateway
from sim.nodes.node import Node
from sim.nodes.standin import HostGateway, Moves
from sim.world.failover import Failover
from sim.world.fleet import Fleet, full_name
from sim.world.prepare import Prepared
from sim.world.retuning import Change, Retunes
from sim.world.separate.metering import Metering
from sim.world.separate.orders import Order, Play
from sim.world.steering import horizon

Say = Callable[[str, Order], None]
"""Tells the node of a full name something."""


class Helm:
    """Takes in what nodes tell of thresholds and roles, decides who plays these, and reminds who has lost its memory.

    Args:
        prepared, fleet, clock: the world, as the conductor has it.
        events: where it is written down.
        say: gives orders.

    Attributes:
        failover: who takes over from gateways that have fallen silent; None without a policy.
        retunes: the new thresholds; None without a policy.
        metering: what tenants use; None without any.
    """

    def __init__(self, prepared: Prepared, fleet: Fleet, clock: Clock, events: EventLog, say: Say) -> None:
        plan = prepared.plan
        self._say = say
        self._nodes = fleet.by_name()
        self._gateways = {(node.site, node.index): node for node in fleet.nodes if isinstance(node, Gateway)}
        self._players: dict[int, Gateway] = {}
        self.retunes = Retunes(plan, fleet, events) if plan.retune is not None else None
        self.metering = Metering(plan, fleet, say) if plan.scenario.tenants else None
        self.failover: Failover | None = None
        if plan.failover is not None:
            self.failover = Failover(plan.failover, plan, fleet, clock, events, horizon(prepared), self._call)

    @staticmethod
    def minds(row: Row) -> bool:
        """Whether a row is told to the helm."""
        return row.what > END

    def take(self, name: str, row: Row) -> None:
        """One row of a node; what cannot be is nobody's."""
        if row.what == USED:
            if self.metering is not None:
                self.metering.take(name, row)
            return
        teller = self._nodes[name]
        gateway = self._gateways.get((teller.site, row.place))
        if gateway is None or not 0 <= row.time_s < math.inf:
            return
        if row.what == THRESHOLD and self.retunes is not None and self._plays(teller, gateway):
            self._retuned(self.retunes, gateway, row)
        elif row.what == MOVED and isinstance(teller, Moves) and gateway.client in teller.homes:
            assert self.failover is not None, "without it no camera moves"
            self.failover.moved(teller, gateway.client, row.time_s)

    def anew(self, name: str) -> None:
        """A new process takes the place of a node's last one, with nothing in its memory."""
        node = self._nodes[name]
        if self.metering is not None:
            self.metering.anew(name)
        if self.failover is not None and isinstance(node, Moves):
            self.failover.forgot(node)
        elif self.retunes is not None and isinstance(node, Gateway):
            roles = [node] if self.failover is None else [role.own for role in self.failover.plays(node)]
            for role in roles:
                self._say(name, Play(role.index, role.services.thresholds["local"], ()))

    def turn(self) -> None:
        """Tells the news, all the time."""
        if self.metering is not None:
            self.metering.turn()

    def _call(self, player: HostGateway, role: HostGateway, cameras: list[int]) -> None:
        """Orders a gateway to call the cameras of a role; a new player learns its threshold, too."""
        news = self._players.get(role.client, role) is not player
        self._players[role.client] = player
        threshold = role.services.thresholds["local"] if news and self.retunes is not None else None
        self._say(full_name(player), Play(role.index, threshold, tuple(cameras)))

    def _plays(self, teller: Node, gateway: Gateway) -> bool:
        """Whether a node has a role now; one that was silent, or gave it back, may still move what is not in force."""
        if self.failover is None or not isinstance(teller, Gateway):
            return teller is gateway
        return any(role.own is gateway for role in self.failover.plays(teller))

    @staticmethod
    def _retuned(retunes: Retunes, gateway: Gateway, row: Row) -> None:
        becomes, counted = row.more, row.sequence * row.extra
        if not 0 <= becomes <= 1:
            return
        spent = row.size / counted if counted else None
        thresholds = gateway.services.thresholds
        retunes.note(Change(row.time_s, gateway, thresholds["local"], becomes, spent, row.extra, row.sequence))
        thresholds["local"] = becomes
