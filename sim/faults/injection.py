"""One fault on one target: opened and closed by its schedule, with one ledger row each time."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

from sim.faults.base import (
    BrokerFault,
    FaultKind,
    LinkFault,
    MessageFault,
    ModelFault,
    NodeFault,
    SensorFault,
)
from sim.faults.chain import Striker, tag
from sim.faults.context import Context
from sim.faults.fleet import Equipment
from sim.faults.machinery import BrokerHandle
from sim.faults.tamper import Striker as TamperStriker
from sim.faults.targets import Target
from sim.ledger.faults import Injection as Row


class Injection:
    """One fault on one target.

    Attributes:
        fired: it has done something at least once in this run.
    """

    def __init__(
        self, order: int, kind: FaultKind, fault_id: str, target: Target, probability: float, equipment: Equipment
    ) -> None:
        self.target = target
        self.fired = False
        self._order = order
        self._kind = kind
        self._id = fault_id
        self._probability = probability
        self._equipment = equipment
        self._ctx: Context = equipment.context(fault_id, target.name)
        fields = kind.model_dump(mode="json", by_alias=True, exclude={"kind"})
        self._plain = json.dumps({"id": fault_id, **fields}, sort_keys=True)
        self._touched = 0
        self._row: Row | None = None
        self._stack = ExitStack()

    @property
    def in_force(self) -> bool:
        """Whether it is open."""
        return self._row is not None

    @property
    def kind(self) -> str:
        """Name of the fault's kind."""
        return self._kind.name()

    @property
    def since_s(self) -> float | None:
        """When it was opened; None while it is not."""
        return None if self._row is None else self._row.start_s

    def open(self, number: int) -> None:
        """Begins the `number`-th injection; does nothing where the chance of an injection says no."""
        self._ctx.open(number)
        at_once = not isinstance(self._kind, SensorFault | ModelFault | MessageFault)
        if at_once and not self._ctx.strikes(self._probability):
            return
        self._touched = 0
        equipment = self._equipment
        self._row = equipment.log.start(
            self._kind.name(), self.target.name, equipment.clock.now, self._parameters(), fired=at_once
        )
        self.fired = self.fired or at_once
        self._stack = ExitStack()
        self._stack.callback(self._ctx.close)
        self._enter(self._stack)

    def close(self) -> None:
        """Heals, and completes the ledger's row."""
        if self._row is None:
            return
        row, self._row = self._row, None
        self._stack.close()
        row.end_s = self._equipment.clock.now
        row.parameters = self._parameters()
        if not row.fired:
            self._equipment.log.rows.remove(row)  # in force, but nothing came its way

    def abandon(self) -> None:
        """The run is over while the fault is in force: its row stays open."""
        if self._row is not None:
            row, self._row = self._row, None
            self._stack.close()
            row.parameters = self._parameters()
            if not row.fired:
                self._equipment.log.rows.remove(row)

    def parameters(self) -> str:
        """The entry's parameters as JSON, with what was recorded."""
        return self._parameters()

    def _parameters(self) -> str:
        if not (self._touched or self._ctx.figures):
            return self._plain
        own: dict[str, Any] = json.loads(self._plain)
        if self._touched:
            own["touched"] = self._touched
        if self._ctx.figures:
            own["recorded"] = self._ctx.figures
        return json.dumps(own, sort_keys=True)

    def _struck(self) -> None:
        self._touched += 1
        self.fired = True
        if self._row is not None:
            self._row.fired = True

    def _enter(self, stack: ExitStack) -> None:
        kind, ctx, target, equipment = self._kind, self._ctx, self.target, self._equipment
        if isinstance(kind, SensorFault | ModelFault):
            striker = TamperStriker(self._order, kind, self._id, ctx, self._probability, self._struck)
            stack.callback(equipment.tamper(target.nodes[0]).add(striker))
        elif isinstance(kind, MessageFault):
            for lane in target.lanes:
                struck = Striker(
                    kind, self._id, ctx.on(lane.link.key), self._probability, equipment.fabric, self._struck
                )
                stack.callback(equipment.chain(lane).add(self._order, struck))
        elif isinstance(kind, LinkFault):
            for lane in target.lanes:
                stack.callback(equipment.chain(lane).add(self._order, tag(self._id)))
            stack.enter_context(kind.inject(target.links[0], ctx))
        elif isinstance(kind, NodeFault):
            stack.enter_context(target.nodes[0].named(self._id))
            stack.enter_context(kind.inject(target.nodes[0], ctx))
        elif isinstance(kind, BrokerFault):
            broker = BrokerHandle(equipment.gate, equipment.machinery, target.nodes)
            stack.enter_context(kind.inject(broker, ctx))
