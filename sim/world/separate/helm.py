"""What a fleet of separate processes does about itself, seen and ordered by its conductor."""

from __future__ import annotations

import math
from collections.abc import Callable

from sim.ledger.events import EventLog
from sim.ledger.rows import END, THRESHOLD, Row
from sim.nodes.gateway import Gateway
from sim.nodes.node import Node
from sim.world.fleet import Fleet, full_name
from sim.world.plan import Plan
from sim.world.retuning import Change, Retunes
from sim.world.separate.orders import Play

Say = Callable[[str, Play], None]
"""Tells the node of a full name something."""


class Helm:
    """Takes in what nodes tell of thresholds, and reminds those of it that have lost their memory.

    Args:
        plan, fleet: the world, as the conductor has it.
        events: where it is written down.
        say: gives orders.

    Attributes:
        retunes: the new thresholds; None without a policy.
    """

    def __init__(self, plan: Plan, fleet: Fleet, events: EventLog, say: Say) -> None:
        self._say = say
        self._standins = fleet.standins
        self._nodes = {full_name(node): node for node in fleet.nodes}
        self._gateways = {(node.site, node.index): node for node in fleet.nodes if isinstance(node, Gateway)}
        self.retunes = Retunes(plan, fleet, events) if plan.retune is not None else None

    @staticmethod
    def minds(row: Row) -> bool:
        """Whether a row is told to the helm."""
        return row.what > END

    def take(self, name: str, row: Row) -> None:
        """One row of a node; what cannot be is nobody's."""
        teller = self._nodes[name]
        if row.what == THRESHOLD and self.retunes is not None and 0 <= row.time_s < math.inf:
            self._retuned(self.retunes, teller, row)

    def back(self, name: str) -> None:
        """The process of a node is there again, with nothing in its memory."""
        node = self._nodes[name]
        if self.retunes is not None and isinstance(node, Gateway):
            self._say(name, Play(node.index, node.services.thresholds["local"], ()))

    def _retuned(self, retunes: Retunes, teller: Node, row: Row) -> None:
        gateway, becomes = self._gateways.get((teller.site, row.place)), row.more
        if gateway is None or not self._plays(teller, gateway) or not 0 <= becomes <= 1:
            return
        counted = row.sequence * row.extra
        spent = row.size / counted if counted else None
        thresholds = gateway.services.thresholds
        retunes.note(Change(row.time_s, gateway, thresholds["local"], becomes, spent, row.extra, row.sequence))
        thresholds["local"] = becomes

    def _plays(self, teller: Node, gateway: Gateway) -> bool:
        """Whether a node may play the role of a gateway."""
        return teller is gateway or (teller.site, gateway.name, teller.name) in self._standins
